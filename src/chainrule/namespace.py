"""differentiable(xp): an array API namespace whose functions are recorded."""

import functools
import inspect
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

import array_api_compat.numpy
import numpy as np

from chainrule import gates
from chainrule.gates.types import Array, Gate
from chainrule.tape import Node, Parts, apply, watch
from chainrule.traced import Traced, plain_value, unwrapped

# No gradient flows: results are integers, booleans, or constant between jumps.
CONSTANT_RESULT = (
    *("all", "any", "argmax", "argmin", "argsort", "bitwise_and", "bitwise_invert", "bitwise_left_shift"),
    *("bitwise_or", "bitwise_right_shift", "bitwise_xor", "ceil", "count_nonzero", "equal", "floor"),
    *("floor_divide", "greater", "greater_equal", "isfinite", "isin", "isinf", "isnan", "less", "less_equal"),
    *(
        "logical_and",
        "logical_not",
        "logical_or",
        "logical_xor",
        "nonzero",
        "not_equal",
        "round",
        "searchsorted",
    ),
    *("sign", "signbit", "trunc", "empty_like", "ones_like", "zeros_like"),
)
CREATION = ("arange", "empty", "eye", "from_dlpack", "full", "linspace", "ones", "zeros")
# A slope could be asked for, and there is no rule that gives it.
WITHOUT_RULE = ("imag", "nextafter", "unique_all", "unique_counts", "unique_inverse", "unique_values")
LINALG_CONSTANT_RESULT = ("matrix_rank",)
LINALG_WITHOUT_RULE = ("eig", "eigvals")
FFT_WITHOUT_RULE = (
    *(
        "fft",
        "ifft",
        "fftn",
        "ifftn",
        "rfft",
        "irfft",
        "rfftn",
        "irfftn",
        "hfft",
        "ihfft",
        "fftshift",
        "ifftshift",
    ),
)
FFT_CREATION = ("fftfreq", "rfftfreq")
ABOUT_DTYPES = ("broadcast_shapes", "can_cast", "finfo", "iinfo", "isdtype", "result_type")
NAMES = (
    *("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64"),
    *("complex64", "complex128", "e", "inf", "nan", "newaxis", "pi"),
)


class Space:
    """A namespace of the standard, made differentiable; `linalg` and `fft` hang on it."""

    def __init__(self, base: Any) -> None:
        self.base = base
        self.__name__ = f"differentiable({getattr(base, '__name__', base)})"
        self.gates = base if base is np else Below(base, self)
        # Where nothing is followed, compat fills in what NumPy does not spell as the standard does.
        plain = array_api_compat.numpy if base is np else base
        self._floating: dict[Any, bool] = {}
        self.by_ufunc: dict[Any, Callable[..., Any]] = {}
        self.__array_api_version__ = base.__array_api_version__
        for name in NAMES:
            setattr(self, name, getattr(base, name))
        self._fill(self, plain, gates.MAIN, gates.COMPOSED_MAIN, CONSTANT_RESULT, WITHOUT_RULE, CREATION)
        for name in ABOUT_DTYPES:
            setattr(self, name, _unwrapping(getattr(plain, name)))
        for name, gate in gates.BEYOND.items() | gates.INTERNAL.items():
            setattr(self, name, _unnamed(self, gate))
        for name, composed in gates.COMPOSED_BEYOND.items():
            setattr(self, name, functools.partial(composed, self))
        for name in ("concat", "stack"):
            setattr(self, name, _of_a_list(self, getattr(self, name), getattr(plain, name)))
        self.clip = _clip(self, self.clip)
        self.astype = _astype(self, self.astype)
        self.linalg = Part(f"{self.__name__}.linalg")
        self._fill(
            self.linalg,
            base.linalg,
            gates.LINALG,
            gates.COMPOSED_LINALG,
            LINALG_CONSTANT_RESULT,
            LINALG_WITHOUT_RULE,
        )
        self.fft = Part(f"{self.__name__}.fft")
        self._fill(self.fft, plain.fft, {}, {}, (), FFT_WITHOUT_RULE, FFT_CREATION)

    def _fill(
        self,
        room: Any,
        base: Any,
        rules: dict[str, Gate],
        composed: dict[str, Any],
        constant: tuple[str, ...],
        without: tuple[str, ...],
        creation: tuple[str, ...] = (),
    ) -> None:
        for names, make in (
            (rules, lambda name, plain: _recorded(self, rules[name], plain)),
            (composed, lambda name, plain: _composed(self, composed[name], plain)),
            (constant, lambda name, plain: _constant(self, plain)),
            (without, lambda name, plain: _refusing(self, plain, name)),
            (creation, lambda name, plain: _refusing(self, plain, name)),
        ):
            for name in names:
                plain = getattr(base, name, None)
                if plain is not None:
                    setattr(room, name, make(name, plain))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"{self.__dict__.get('__name__')} has no {name!r}: it has the functions of the array API standard "
            "2025.12 and those listed in docs/rules.md; write a rule of your own with chainrule.gate"
        )

    def __repr__(self) -> str:
        return f"<namespace {self.__name__}>"

    def __array_namespace_info__(self) -> Any:
        """Return the inspection functions of the namespace below."""
        return self.base.__array_namespace_info__()

    def owns(self, x: Any) -> bool:
        """Say whether x is an array of the namespace below, not a scalar, a shape or None."""
        return type(x) is not Traced and hasattr(x, "dtype") and not isinstance(x, type)

    def wrap(self, result: Any) -> Any:
        """Return plain results as constants; tuples keep their names."""
        if isinstance(result, tuple):
            items = [self.wrap(item) for item in result]
            return type(result)(*items) if hasattr(result, "_fields") else tuple(items)
        if isinstance(result, list):
            return [self.wrap(item) for item in result]
        return result if type(result) is Traced else Traced(result, self)

    def traced(self, gate: Gate, result: Any, level: int, edges: Any, watched: Any) -> Any:
        """Return a gate's result as traced at a level; constant where nothing is followed into it."""
        if not edges:
            return self.wrap(result)
        if isinstance(result, tuple):
            return self._several(result, level, edges, watched)
        dtype = result.dtype
        if dtype is not edges[0][0].dtype and not self.is_floating(dtype):
            raise TypeError(
                f"{gate.__name__}: followed real arrays gave {dtype}; only real floating results have a gradient "
                "here. Use chainrule.stop_gradient on what need not be followed"
            )
        return Traced(result, self, level, Node(edges, result.shape, dtype, watched))

    def _several(self, result: Any, level: int, edges: Any, watched: Any) -> Any:
        """Record a gate with several results: one node for them all, and one for each that picks it."""
        like = [(r.shape, r.dtype, r.device) for r in result]
        xp = self if any(type(r) is Traced for r in result) else self.gates

        def whole(pullback: Any) -> Any:
            def from_parts(parts: Parts) -> Array:
                space = self if any(type(g) is Traced for g in parts.items.values()) else xp
                return pullback(
                    tuple(
                        parts.items[i] if i in parts.items else space.zeros(shape, dtype=dtype, device=device)
                        for i, (shape, dtype, device) in enumerate(like)
                    )
                )

            return from_parts

        bundle = Node([(parent, whole(back)) for parent, back in edges], None, None, watched)
        items = [
            Traced(r, self, level, Node(((bundle, functools.partial(_part, i)),), r.shape, r.dtype, None))
            for i, r in enumerate(result)
        ]
        return type(result)(*items) if hasattr(result, "_fields") else tuple(items)

    def run(self, gate: Gate, arrays: Any, static: dict[str, Any]) -> Any:
        """Run a gate that has no name in the namespace."""
        return apply(self, gate, None, arrays, {name: unwrapped(value) for name, value in static.items()})

    def is_floating(self, dtype: Any) -> bool:
        """Say whether an array of this dtype can be followed."""
        if dtype not in self._floating:
            self._floating[dtype] = self.base.isdtype(dtype, "real floating")
        return self._floating[dtype]

    def stop_gradient(self, x: Array) -> Array:
        """Return x as a constant."""
        return x.constant() if type(x) is Traced else self.wrap(x)

    def asarray(
        self, obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None
    ) -> Traced:
        """Return obj as an array of this namespace; a traced array stays followed."""
        if type(obj) is Traced and obj.level:
            x = obj if dtype is None or dtype == obj.dtype else self.astype(obj, dtype)
            x = x if device is None or device == x.device else self.to_device(x, device)
            return self.positive(x) if copy and x is obj else x
        _refuse_followed("asarray", (obj,), "chainrule.differentiable(xp).stack")
        return Traced(self.base.asarray(unwrapped(obj), dtype=dtype, device=device, copy=copy), self)

    def full_like(self, x: Array, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Traced:
        """Return an array like x filled with one constant."""
        _refuse_followed("full_like", (fill_value,), "broadcast_to")
        result = self.base.full_like(plain_value(x), plain_value(fill_value), dtype=dtype, device=device)
        return Traced(result, self)


class Part:
    """A part of a namespace, such as linalg."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __repr__(self) -> str:
        return f"<namespace {self.__name__}>"


class Below:
    """The namespace that gates see where nothing is traced below them.

    A pullback may be handed a traced gradient later, and most namespaces do not know what to do with one; a call
    with a traced argument goes to the differentiable namespace instead. NumPy has a protocol for that and needs none.
    """

    def __init__(self, base: Any, space: Any) -> None:
        self._base, self._space = base, space

    def __getattr__(self, name: str) -> Any:
        plain = getattr(self._base, name)
        if name in ("linalg", "fft"):
            result: Any = Below(plain, getattr(self._space, name))
        elif callable(plain) and not isinstance(plain, type):
            result = self._dispatching(name, plain)
        else:
            result = plain
        setattr(self, name, result)
        return result

    def _dispatching(self, name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(plain)
        def call(*args: Any, **kwargs: Any) -> Any:
            for arg in args:
                if type(arg) is Traced or (
                    type(arg) in (list, tuple) and any(type(a) is Traced for a in arg)
                ):
                    return getattr(self._space, name)(*args, **kwargs)
            return plain(*args, **kwargs)

        if hasattr(plain, "at"):
            call.at = plain.at  # type: ignore[attr-defined]
        return call


def _part(i: int, g: Array) -> Parts:
    return Parts({i: g})


def _recorded(space: Space, gate: Gate, plain: Callable[..., Any] | None) -> Callable[..., Any]:
    kinds = [p.kind for p in list(inspect.signature(gate).parameters.values())[1:]]
    settings = kinds.count(inspect.Parameter.KEYWORD_ONLY)
    arrays = kinds.count(inspect.Parameter.POSITIONAL_ONLY)
    if gate.__name__ not in gates.SEVERAL_RESULTS and arrays + settings == len(kinds):
        if arrays == 1:
            return _described(_unary(space, gate, plain), gate)
        if arrays == 2 and not settings:
            return _described(_binary(space, gate, plain), gate)

    def function(*arrays: Any, **static: Any) -> Any:
        return apply(space, gate, plain, arrays, static)

    return _described(function, gate)


# The two functions that follow are `apply` for its commonest cases, in a third of its time: small networks
# spend most of theirs here.


def _unary(space: Space, gate: Gate, plain: Callable[..., Any] | None) -> Callable[..., Any]:
    xp = space.gates

    def function(x: Array, /, **static: Any) -> Any:
        if type(x) is Traced and x.level:
            value = x.value
            if type(value) is not Traced:
                result, (back,) = gate(xp, value, **static)
                node, dtype = x.node, result.dtype
                if dtype is node.dtype and back is not None:
                    return Traced(result, space, x.level, Node(((node, back),), result.shape, dtype, None))
        return apply(space, gate, plain, (x,), static)

    return function


def _binary(space: Space, gate: Gate, plain: Callable[..., Any] | None) -> Callable[..., Any]:
    xp = space.gates

    def function(x1: Array, x2: Array, /) -> Any:
        edges: Any = None
        if type(x1) is Traced and x1.level:
            a, level = x1.value, x1.level
            if type(x2) is Traced:
                b = x2.value
                if x2.level == level and type(a) is not Traced and type(b) is not Traced:
                    result, (back1, back2) = gate(xp, a, b)
                    if back2 is not None:
                        edges, watched = ((x1.node, back1), (x2.node, back2)), None
            elif type(a) is not Traced:
                result, (back1, _) = gate(xp, a, x2)
                edges = ((x1.node, back1),)
                watched = watch(x2, None) if type(x2) is np.ndarray else None
        elif type(x1) is not Traced and type(x2) is Traced and x2.level and type(x2.value) is not Traced:
            level = x2.level
            result, (_, back2) = gate(xp, x1, x2.value)
            if back2 is not None:
                edges = ((x2.node, back2),)
                watched = watch(x1, None) if type(x1) is np.ndarray else None
        if edges is not None and result.dtype is edges[0][0].dtype:
            return Traced(result, space, level, Node(edges, result.shape, result.dtype, watched))
        return apply(space, gate, plain, (x1, x2), {})

    return function


def _unnamed(space: Space, gate: Gate) -> Callable[..., Any]:
    def function(*arrays: Any, **static: Any) -> Any:
        return space.run(gate, arrays, static)

    return _described(function, gate)


def _composed(space: Space, composed: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    def function(*arrays: Any, **static: Any) -> Any:
        if _is_followed(arrays) or _is_followed(static.values()):
            return composed(space, *arrays, **static)
        return space.wrap(plain(*map(unwrapped, arrays), **{k: unwrapped(v) for k, v in static.items()}))

    return _described(function, composed)


def _constant(space: Space, plain: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(plain)
    def function(*args: Any, **kwargs: Any) -> Any:
        return space.wrap(plain(*map(unwrapped, args), **{k: unwrapped(v) for k, v in kwargs.items()}))

    return function


def _unwrapping(plain: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(plain)
    def function(*args: Any, **kwargs: Any) -> Any:
        return plain(*map(unwrapped, args), **kwargs)

    return function


def _refusing(space: Space, plain: Callable[..., Any], name: str) -> Callable[..., Any]:
    constant = _constant(space, plain)

    @functools.wraps(plain)
    def function(*args: Any, **kwargs: Any) -> Any:
        _refuse_followed(name, (*args, *kwargs.values()), "a rule of your own with chainrule.gate")
        return constant(*args, **kwargs)

    return function


def _of_a_list(space: Space, recorded: Callable[..., Any], plain: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(plain)
    def function(arrays: Any, /, *, axis: Any = 0) -> Any:
        if _is_followed(arrays):
            return recorded(*arrays, axis=axis)
        return space.wrap(plain([unwrapped(a) for a in arrays], axis=axis))

    return function


def _clip(space: Space, recorded: Callable[..., Any]) -> Callable[..., Any]:
    def clip(x: Array, /, min: Any = None, max: Any = None) -> Any:
        if min is None and max is None:
            return space.positive(x)
        return recorded(x, min, max)

    return clip


def _astype(space: Space, recorded: Callable[..., Any]) -> Callable[..., Any]:
    def astype(x: Array, dtype: Any, /, *, copy: bool = True, device: Any = None) -> Any:
        settings = {"copy": copy} if device is None else {"copy": copy, "device": device}
        if type(x) is Traced and x.level and not space.is_floating(dtype):
            if space.base.isdtype(dtype, "complex floating"):
                raise TypeError(
                    f"astype: a followed array cannot become {dtype}: complex numbers have no gradient here. "
                    "Use chainrule.stop_gradient(x) first"
                )
            return space.wrap(space.base.astype(plain_value(x), dtype, **settings))
        return recorded(x, dtype, **settings)

    return astype


def _described(function: Callable[..., Any], gate: Callable[..., Any]) -> Callable[..., Any]:
    """Give a namespace's function the name, text and signature of its gate, less the leading xp."""
    function.__name__ = function.__qualname__ = gate.__name__
    function.__doc__ = gate.__doc__
    signature = inspect.signature(gate)
    function.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=list(signature.parameters.values())[1:], return_annotation=inspect.Signature.empty
    )
    return function


def _is_followed(values: Any) -> bool:
    for value in values:
        if type(value) is Traced:
            if value.level:
                return True
        elif isinstance(value, list | tuple) and _is_followed(value):
            return True
    return False


def _refuse_followed(name: str, values: Any, instead: str) -> None:
    if _is_followed(values):
        raise TypeError(
            f"{name}: has no gradient rule, and one of its arguments is followed. "
            f"Use chainrule.stop_gradient on it, or write {instead}"
        )


_by_base: dict[int, Space] = {}
_by_type: dict[type, Space] = {}


def differentiable(xp: Any) -> Any:
    """Return the array API namespace `xp` with functions whose gradients can be taken.

    Its functions take traced and plain arrays and return traced ones. It is its own differentiable namespace:
    levels, not namespaces, tell gradients of gradients apart.

    Raises TypeError where `xp` is not an array API namespace.
    """
    if isinstance(xp, Space):
        return xp
    base = _standard(xp)
    if id(base) not in _by_base:
        if not hasattr(base, "__array_namespace_info__"):
            raise TypeError(
                f"differentiable: expected an array API namespace such as numpy, cupy or array_api_strict; got {xp!r}"
            )
        _by_base[id(base)] = Space(base)
    return _by_base[id(base)]


def space_of(x: Any) -> Any:
    """Return the differentiable namespace of an array."""
    kind = type(x)
    if kind is Traced:
        return x.space
    if kind not in _by_type:
        if not hasattr(x, "dtype") or not hasattr(x, "shape"):
            raise TypeError(f"expected an array of the array API standard; got {kind.__name__}")
        if isinstance(x, np.ndarray | np.generic):
            base: Any = np
        else:
            base = array_api_compat.array_namespace(x)
        _by_type[kind] = differentiable(base)
    return _by_type[kind]


def _standard(xp: Any) -> Any:
    """Return NumPy itself for any NumPy namespace (it is of the standard), and compat's for CuPy."""
    name = getattr(xp, "__name__", "")
    if name in ("numpy", "array_api_compat.numpy"):
        return np
    if isinstance(xp, ModuleType) and name == "cupy":
        import array_api_compat.cupy

        return array_api_compat.cupy
    return xp
