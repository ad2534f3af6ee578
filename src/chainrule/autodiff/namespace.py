"""differentiable(xp): an array API namespace whose functions are recorded."""

import functools
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule import pytree
from chainrule.autodiff import wrappers
from chainrule.autodiff.tape import ComplexType, check_settings, new_level, record, recorder
from chainrule.autodiff.traced import Traced, is_traced, plain_value, unwrapped
from chainrule.backend.fusion import with_fused_pullback
from chainrule.backend.memory import keep_freed_memory
from chainrule.backend.namespaces import NumpyAsStandard, standard
from chainrule.gates import RULES, elementwise
from chainrule.gates.helpers import below_constants, is_transformed, top_of
from chainrule.gates.standard import functions, note_flow
from chainrule.gates.types import Array, Gate
from chainrule.numpy_names import dispatch
from chainrule.numpy_names.assignment import At, as_array_of_its_own, note_all_views
from chainrule.numpy_names.coercion import array_of, holds_transformed
from chainrule.validation import check_array_class

# How the function of a name is made, by the kind that gates/standard.py has for it.
_MAKERS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "gate": recorder,
    "composed": wrappers.composed,
    "constant": wrappers.constant,
    "creation": wrappers.refusing,
    "no rule": wrappers.refusing,
    "dtype": wrappers.about_dtypes,
    "value": wrappers.value,
}

# The gates whose pullback is one kernel on CuPy, of several as it is written.
_FUSED = (elementwise.tanh, elementwise.square)


class Transformed:
    """What the namespaces of this package are to those who ask them."""

    _as_numpy = staticmethod(dispatch.as_numpy)
    _integers = staticmethod(dispatch.integers)

    _base: Any
    __name__: str

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"{self.__dict__.get('__name__')} has no {name!r}: it has the functions of the array API "
            "standard 2025.12 and those listed in docs/rules.md; write a rule of your own with chainrule.gate"
        )

    def __repr__(self) -> str:
        return f"<namespace {self.__name__}>"

    def __array_namespace_info__(self) -> Any:
        """Return the inspection functions of the plain namespace."""
        return self._base.__array_namespace_info__()


class Namespace(Transformed):
    """A namespace of the standard, made differentiable; `linalg` and `fft` hang on it.

    Names without an underscore are those of the standard and of docs/rules.md; those with one are the engine's.
    """

    def __init__(self, base: Any) -> None:
        self.__name__ = f"differentiable({getattr(base, '__name__', base)})"
        self.__array_api_version__ = base.__array_api_version__
        self._base = base
        # What gates are handed where no argument is traced at a lower level.
        self._lower = base if base is np else LowerNamespace(base)
        self._tape_dtypes: dict[Any, Any] = {}
        # NumPy's protocols; _by_ufunc keeps the functions that were looked up before.
        self._numpy_ufunc = functools.partial(dispatch.ufunc, self)
        self._numpy_function = functools.partial(dispatch.function, self)
        self._by_ufunc: dict[Any, Callable[..., Any]] = {}
        self.linalg = SubNamespace(f"{self.__name__}.linalg")
        self.fft = SubNamespace(f"{self.__name__}.fft")
        plain = self._lower
        if base is np:
            keep_freed_memory()
            # Where nothing is traced, what NumPy does not spell as the standard does is compat's.
            plain = LowerNamespace(NumpyAsStandard())
        self._plain = plain
        for part, room, below in (
            ("main", self, plain),
            ("linalg", self.linalg, self._lower.linalg),
            ("fft", self.fft, plain.fft),
        ):
            for name, kind, function in functions(part):
                if hasattr(below, name):
                    if function in _FUSED:
                        function = with_fused_pullback(function, base)
                        note_flow(function, "elementwise")
                    # The clip of compat gives the dtype of its first argument, NumPy's own that of all.
                    own = self._lower if name == "clip" else below
                    made = _MAKERS[kind](self, function, getattr(own, name))
                    made = wrappers.described(made, function) if function else made
                    setattr(room, name, self._bind(name, kind, made))
        if not hasattr(plain, "broadcast_shapes"):
            self.broadcast_shapes = np.broadcast_shapes  # which Dask has not
        for name, adapt in wrappers.ADAPTERS.items():
            setattr(self, name, adapt(self, getattr(self, name), getattr(plain, name)))
        for name, kind, function in functions("beyond"):
            made = wrappers.unnamed(self, function) if kind == "gate" else functools.partial(function, self)
            setattr(self, name, made)
        for name, gate in RULES["internal"].items():
            setattr(self, f"_{name}", wrappers.unnamed(self, gate))
        note_all_views(self)

    def _bind(self, name: str, kind: str, function: Any) -> Any:
        """Return what the namespace shows as `name`: a seam for subclasses that watch what runs.

        The constructor calls it for each name of gates/standard.py that is not beyond the standard, with the kind
        that the name has there and the function that records. Gates without such a name run through `_record`.
        """
        return function

    def _record(self, gate: Gate, arrays: Sequence[Any], settings: dict[str, Any]) -> Any:
        """Run and record a gate that has no name in the plain namespace."""
        if settings:
            check_settings(gate, settings)
            settings = {name: unwrapped(value) for name, value in settings.items()}
        return record(self, gate, arrays, settings)

    def _wrap(self, result: Any) -> Any:
        """Return plain results as constants; tuples keep their names."""
        if issubclass(type(result), (list, tuple)):
            return pytree.mapped(self._wrap, result)
        # Not every plain array lets a transformed one stand on its right; beside a constant, plain ones are constants.
        is_own = type(result) is Traced or (self._lower is np and is_transformed(result))
        return result if is_own else Traced(result, self)

    def _tape_dtype(self, dtype: Any) -> Any:
        """Return what a node of the tape has as its dtype: a real one itself, and None for what has no gradient."""
        try:
            return self._tape_dtypes[dtype]
        except KeyError:
            real, complex = (self._base.isdtype(dtype, f"{kind} floating") for kind in ("real", "complex"))
            self._tape_dtypes[dtype] = dtype if real else ComplexType(dtype) if complex else None
        return self._tape_dtypes[dtype]

    def _made(self, result: Any) -> Any:
        """Return plain results in memory of this package's as constants, whose items may be set."""
        result = self._wrap(result)
        for x in result if issubclass(type(result), (list, tuple)) else (result,):
            x.own = new_level()
            if not x.shape and type(x.value) is np.ndarray:
                x.changes = True
        return result

    def _is_floating(self, dtype: Any) -> bool:
        """Say whether arrays of this dtype have gradients."""
        return self._tape_dtype(dtype) is not None

    def stop_gradient(self, x: Array) -> Array:
        """Return x as a constant; that of a traced array is a copy, which may be changed in place."""
        if is_traced(x):
            return self._made(self._plain.asarray(plain_value(x), copy=True))
        return self._wrap(x)

    def asarray(self, obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Any:
        """Return obj as an array of this namespace; a traced array stays traced."""
        if is_traced(obj):
            x = obj if dtype is None or dtype == obj.dtype else self.astype(obj, dtype)
            x = x if device is None or device == x.device else x.to_device(device)
            x = self.positive(x) if copy and x is obj else x
            return as_array_of_its_own(x, obj)
        if holds_transformed(obj):
            return self._wrap(array_of(self, obj, dtype, device))
        check_array_class(type(obj))
        obj = unwrapped(obj)
        is_new = copy or not hasattr(obj, "dtype") or issubclass(type(obj), np.generic)
        made = self._made if is_new else self._wrap
        return made(self._plain.asarray(obj, dtype=dtype, device=device, copy=copy))

    def full_like(self, x: Array, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> Any:
        """Return an array like x filled with one constant."""
        wrappers.refuse_traced("full_like", (fill_value,), "broadcast_to")
        result = self._plain.full_like(plain_value(x), plain_value(fill_value), dtype=dtype, device=device)
        return self._made(result)


class SubNamespace:
    """A part of a namespace, such as linalg."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(
            f"{self.__dict__.get('__name__')} has no {name!r}, as the library of the arrays has not"
        )

    def __repr__(self) -> str:
        return f"<namespace {self.__name__}>"


class LowerNamespace:
    """The namespace that gates are handed where no argument is traced at a lower level.

    Its functions are the plain ones. But a pullback may be given a traced gradient later, which most namespaces
    refuse: a call with an argument of a transformed namespace goes to that namespace. NumPy has a protocol for such
    calls of most of its functions.
    """

    def __init__(self, base: Any, part: str = "") -> None:
        self._base, self._part = base, part

    def __getattr__(self, name: str) -> Any:
        plain = getattr(self._base, name)
        if name in ("linalg", "fft") and not self._part:
            result: Any = LowerNamespace(plain, name)
        # asarray is no function of NumPy's protocol.
        elif (
            callable(plain)
            and not isinstance(plain, type)
            and (plain is not getattr(np, name, None) or plain is np.asarray)
        ):
            result = self._dispatching(name, plain)
        else:
            result = plain
        setattr(self, name, result)
        return result

    def _dispatching(self, name: str, plain: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(plain)
        def call(*args: Any, **kwargs: Any) -> Any:
            for arg in args:
                if is_transformed(arg) or (type(arg) in (list, tuple) and any(map(is_transformed, arg))):
                    top = top_of(arg if type(arg) in (list, tuple) else args)
                    space = top.space
                    if not top.level:
                        # Constants of two namespaces would ask each other for ever.
                        return space._wrap(call(*map(_without_constants, args), **kwargs))
                    room = getattr(space, self._part) if self._part else space
                    return getattr(room, name)(*args, **kwargs)
            return plain(*args, **kwargs)

        if hasattr(plain, "at"):
            call.at = plain.at  # type: ignore[attr-defined]
        return call


def _without_constants(x: Any) -> Any:
    return type(x)(map(below_constants, x)) if type(x) in (list, tuple) else below_constants(x)


_by_base: dict[int, Namespace] = {}
_by_type: dict[type, Namespace] = {}


def differentiable(xp: Any) -> Any:
    """Return the array API namespace `xp` with functions whose gradients can be taken.

    Its functions take traced and plain arrays and return traced ones. It is its own differentiable namespace:
    levels, not namespaces, tell gradients of gradients apart.

    Raises TypeError where `xp` is not an array API namespace.
    """
    if isinstance(xp, Namespace):
        return xp
    xp = getattr(xp, "_base", xp)
    if id(xp) not in _by_base:
        base = standard(xp)
        if not hasattr(base, "__array_namespace_info__"):
            raise TypeError(
                "differentiable: expected an array API namespace such as numpy, cupy or array_api_strict; "
                f"got {xp!r}"
            )
        # Two names of one library, such as that of compat, have one differentiable namespace.
        if id(base) not in _by_base:
            _by_base[id(base)] = Namespace(base)
        _by_base[id(xp)] = _by_base[id(base)]
    return _by_base[id(xp)]


def space_of(x: Any) -> Any:
    """Return the differentiable namespace of an array."""
    kind = type(x)
    if kind is Traced:
        return x.space
    if kind not in _by_type:
        if is_transformed(x):
            # Arrays of one class may then belong to many namespaces.
            return differentiable(x.__array_namespace__())
        check_array_class(kind)
        if not hasattr(x, "dtype") or not hasattr(x, "shape"):
            raise TypeError(f"expected an array of the array API standard; got {kind.__name__}")
        if issubclass(type(x), np.ndarray | np.generic):
            base: Any = np
        else:
            import array_api_compat

            base = array_api_compat.array_namespace(x)
        _by_type[kind] = differentiable(base)
    return _by_type[kind]


def first_space(arrays: Sequence[Any]) -> Any:
    """Return the differentiable namespace of the first transformed array, else of the first array."""
    for x in arrays:
        if is_transformed(x):
            return space_of(x)
    return space_of(next((x for x in arrays if hasattr(x, "dtype")), arrays[0] if arrays else None))


def plain_namespace(x: Any) -> Any:
    """Return the namespace of an array below every level of it, such as NumPy itself."""
    return space_of(x)._base


def at(x: Any) -> At:
    """Return what takes a key: at(x)[key].set(v) is x with v at key, at(x)[key].add(v) with v added there.

    x is an array of any library and stays as it is. Of several v for one element `set` takes the last, and `add` adds
    them all. Raises TypeError where the dtype of x has no room for v.
    """
    return At(x) if is_transformed(x) else At(space_of(x)._wrap(x), leave=_plain_if_constant)


def _plain_if_constant(x: Any) -> Any:
    return plain_value(x) if type(x) is Traced and not x.level else x


_running = threading.local()


def call_followed(f: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Return f(*args, **kwargs), inside which arrays are followed."""
    depth = getattr(_running, "depth", 0)
    _running.depth = depth + 1
    try:
        return f(*args, **kwargs)
    finally:
        _running.depth = depth


def made_here(x: Any) -> Any:
    """Return an array of NumPy's that was just made: inside a followed function, as one that takes traced items."""
    if not getattr(_running, "depth", 0) or type(x) is not np.ndarray or x.dtype.kind not in "fc":
        return x
    return space_of(x)._made(x)
