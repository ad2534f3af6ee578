"""differentiable(xp): an array API namespace whose functions are recorded."""

import functools
import importlib
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

import numpy as np

from chainrule import gates
from chainrule.autodiff import wrappers
from chainrule.autodiff.tape import Node, Parts, apply, check_settings
from chainrule.autodiff.traced import Traced, plain_value, unwrapped
from chainrule.gates.types import Array, Gate
from chainrule.validation import check_kind

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
        plain = base
        if base is np:
            # Where nothing is followed, compat fills in what NumPy does not spell as the standard does.
            # Its import takes as long as NumPy's, and waits until here.
            plain = importlib.import_module("array_api_compat.numpy")
        self._floating: dict[Any, bool] = {}
        self.by_ufunc: dict[Any, Callable[..., Any]] = {}
        self.__array_api_version__ = base.__array_api_version__
        for name in NAMES:
            setattr(self, name, getattr(base, name))
        self._fill(self, plain, gates.MAIN, gates.COMPOSED_MAIN, CONSTANT_RESULT, WITHOUT_RULE, CREATION)
        for name in ABOUT_DTYPES:
            setattr(self, name, wrappers.unwrapping(getattr(plain, name)))
        for name, gate in gates.BEYOND.items() | gates.INTERNAL.items():
            setattr(self, name, wrappers.unnamed(self, gate))
        for name, composed in gates.COMPOSED_BEYOND.items():
            setattr(self, name, functools.partial(composed, self))
        for name in ("concat", "stack"):
            setattr(self, name, wrappers.of_a_list(self, getattr(self, name), getattr(plain, name)))
        for name, adapted in (("clip", wrappers.clip), ("astype", wrappers.astype)):
            setattr(self, name, adapted(self, getattr(self, name)))
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
        kinds: tuple[tuple[Iterable[str], Callable[[str, Any], Any]], ...] = (
            (rules, lambda name, plain: wrappers.recorded(self, rules[name], plain)),
            (composed, lambda name, plain: wrappers.composed(self, composed[name], plain)),
            (constant, lambda name, plain: wrappers.constant(self, plain)),
            (without, lambda name, plain: wrappers.refusing(self, plain, name)),
            (creation, lambda name, plain: wrappers.refusing(self, plain, name)),
        )
        for names, make in kinds:
            for name in names:
                plain = getattr(base, name, None)
                if plain is not None:
                    setattr(room, name, make(name, plain))

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"{self.__dict__.get('__name__')} has no {name!r}: it has the functions of the array API "
            "standard 2025.12 and those listed in docs/rules.md; write a rule of your own with chainrule.gate"
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
                f"{gate.__name__}: followed real arrays gave {dtype}; only real floating results have "
                "a gradient here. Use chainrule.stop_gradient on what need not be followed"
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
            Traced(
                r, self, level, Node(((bundle, functools.partial(wrappers.part, i)),), r.shape, r.dtype, None)
            )
            for i, r in enumerate(result)
        ]
        return type(result)(*items) if hasattr(result, "_fields") else tuple(items)

    def run(self, gate: Gate, arrays: Any, static: dict[str, Any]) -> Any:
        """Run a gate that has no name in the namespace."""
        if static:
            check_settings(gate, static)
            static = {name: unwrapped(value) for name, value in static.items()}
        return apply(self, gate, None, arrays, static)

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
        wrappers.refuse_followed("asarray", (obj,), "chainrule.differentiable(xp).stack")
        check_kind(type(obj))
        return Traced(self.base.asarray(unwrapped(obj), dtype=dtype, device=device, copy=copy), self)

    def full_like(self, x: Array, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Traced:
        """Return an array like x filled with one constant."""
        wrappers.refuse_followed("full_like", (fill_value,), "broadcast_to")
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

    A pullback may be handed a traced gradient later, and most namespaces do not know what to do with one;
    a call with a traced argument goes to the differentiable namespace instead. NumPy has a protocol for
    that and needs none.
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
                "differentiable: expected an array API namespace such as numpy, cupy or array_api_strict; "
                f"got {xp!r}"
            )
        _by_base[id(base)] = Space(base)
    return _by_base[id(base)]


def space_of(x: Any) -> Any:
    """Return the differentiable namespace of an array."""
    kind = type(x)
    if kind is Traced:
        return x.space
    if kind not in _by_type:
        check_kind(kind)
        if not hasattr(x, "dtype") or not hasattr(x, "shape"):
            raise TypeError(f"expected an array of the array API standard; got {kind.__name__}")
        if isinstance(x, np.ndarray | np.generic):
            base: Any = np
        else:
            import array_api_compat

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
