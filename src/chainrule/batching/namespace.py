"""batched(xp): an array API namespace whose arrays hide one leading axis."""

import functools
import inspect
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from chainrule import pytree
from chainrule.autodiff.namespace import Transformed, differentiable
from chainrule.autodiff.tape import new_level
from chainrule.backend.namespaces import NumpyAsStandard, namespace
from chainrule.batching import custom_gates
from chainrule.batching.array import Batched, of_batch, without_constants
from chainrule.batching.families import Batch, elementwise
from chainrule.batching.table import CONSTANT, OF_SETTINGS, OF_SEVERAL, WRITTEN, rows
from chainrule.gates.helpers import innermost, is_transformed, output
from chainrule.gates.types import Array, Gate
from chainrule.numpy_names import dispatch
from chainrule.numpy_names.assignment import as_array_of_its_own, note_all_views
from chainrule.numpy_names.coercion import array_of, holds_transformed
from chainrule.validation import check_array_class

Function = Callable[..., Any]
_OF_A_LIST = ("concat", "stack")  # functions whose gates take the arrays one by one
_OF_A_SET = ("isin", "searchsorted")  # functions of an array and a set, for which NumPy has names of its own


class Namespace(Transformed):
    """A namespace of the standard for batches; `linalg` and `fft` hang on it.

    Names without an underscore are those of the standard and of docs/rules.md; those with one are internal.
    """

    def __init__(self, base: Any) -> None:
        self.__name__ = f"batched({getattr(base, '__name__', base)})"
        self.__array_api_version__ = base.__array_api_version__
        self._base = base
        self._numpy_function = functools.partial(dispatch.function, self)
        self._by_ufunc: dict[Any, Function] = {}
        self._by_gate: dict[Gate, Function] = {}
        self.linalg, self.fft = SimpleNamespace(), SimpleNamespace()
        # What NumPy does not spell as the standard does is compat's.
        plain = NumpyAsStandard() if base is np else base
        for part, room, below in (
            ("main", self, plain),
            ("linalg", self.linalg, base.linalg),
            ("fft", self.fft, plain.fft),
        ):
            for name, kind, function, family in rows(part):
                if hasattr(below, name):
                    own = _clip if name == "clip" and base is np else getattr(below, name)
                    self._enter(room, part, name, kind, function, family, own)
        self.full_like = _described(
            self._like("full_like", plain.full_like), None, plain.full_like, "full_like"
        )
        for part, room in (("beyond", self), ("internal", self)):
            for name, kind, function, family in rows(part):
                shown = name if part == "beyond" else f"_{name}"
                self._enter(room, part, shown, kind, function, family, _of_gate(kind, function))
        note_all_views(self)

    def _enter(
        self, room: Any, part: str, name: str, kind: str, function: Any, family: Any, plain: Any
    ) -> None:
        """Set the function of a name."""
        if kind == "value":
            setattr(room, name, plain)
            return
        if kind == "dtype":
            made = _about_dtypes(plain)
        elif kind == "creation":
            made = self._constant(name, plain)
        elif family == CONSTANT:
            made = self._like(name, plain)
        elif family == WRITTEN:
            made = self._written(part, name, kind, function, plain)
        else:
            made = self._of_family(part, name, family, plain)
        made = _described(made, function, plain, name)
        setattr(room, name, made)
        if kind == "gate":
            self._by_gate[function] = made

    def _wrap(self, result: Any) -> Any:
        """Return plain results as constants; tuples keep their names."""
        if isinstance(result, list | tuple):
            return pytree.mapped(self._wrap, result)
        return result if is_transformed(result) or not hasattr(result, "dtype") else Batched(result, self)

    def _made(self, result: Any) -> Any:
        """Return an array that was made here as a constant, whose items may be set."""
        result = self._wrap(result)
        result.own = new_level()
        if not result.shape:
            result.changes = True
        return result

    # --- How the functions are made ---

    def _of_family(self, part: str, name: str, family: Function, plain: Function) -> Function:
        """Make the function that computes a batch by its family."""
        several, takes_settings = family in OF_SEVERAL, family in OF_SETTINGS

        def function(*args: Any, **settings: Any) -> Any:
            args, settings, top = _operands(args, settings)
            if type(top) is not Batched:
                return self._wrap(_home(top, part, name, plain)(*args, **settings))
            arrays = (*args, *settings.values()) if takes_settings else args
            below = of_batch([_value_below(x, top.level) for x in arrays])
            batch = Batch(top, below.space if below is not None else self._base, name)
            if settings and not takes_settings and of_batch(settings.values()) is not None:
                _refuse_settings(name, settings)
            if not several and (
                not batch.holds(args[0]) or (len(args) > 1 and of_batch(args[1:]) is not None)
            ):
                _refuse_settings(name, settings)
            return batch.wrap(family(batch, _home(below, part, name, plain), *args, **settings))

        return function

    def _written(self, part: str, name: str, kind: str, written: Function, plain: Function) -> Function:
        """Make the function that is written in others of this namespace."""

        def function(*args: Any, **settings: Any) -> Any:
            args, settings, top = _operands(args, settings)
            if type(top) is not Batched:
                return self._wrap(_home(top, part, name, plain)(*args, **settings))
            # Constants, because not every plain array lets a batched one stand on its right.
            arrays = [self._wrap(x) for x in args]
            return (
                written(self, *arrays, **settings)[0]
                if kind == "gate"
                else written(self, *arrays, **settings)
            )

        return function

    def _constant(self, name: str, plain: Function) -> Function:
        """Make the function that creates an array, the same for the whole batch."""

        def function(*args: Any, **settings: Any) -> Any:
            args, settings, top = _operands(args, settings)
            if top is not None:
                _refuse_settings(name, settings)
            return self._made(plain(*args, **settings))

        return function

    def _like(self, name: str, plain: Function) -> Function:
        """Make the function that fills an array like one element of the batch: the same for the whole batch."""
        create = getattr(self._base, name.removesuffix("_like"))

        def function(x: Array, /, fill_value: Any = None, *, dtype: Any = None, device: Any = None) -> Any:
            x, *fill = map(without_constants, (x, fill_value) if create.__name__ == "full" else (x,))
            if of_batch(fill) is not None:
                raise TypeError(
                    f"{name}: got a batched array to fill with; write xp.broadcast_to(value, x.shape)"
                )
            if not is_transformed(x):
                return self._made(plain(x, *fill, dtype=dtype, device=device))
            dtype, device = x.dtype if dtype is None else dtype, x.device if device is None else device
            return self._made(create(tuple(x.shape), *fill, dtype=dtype, device=device))

        return function

    # --- What the batched array and the gates ask for ---

    def _numpy_ufunc(self, ufunc: Any, method: str, inputs: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """Run a universal function: on NumPy's arrays itself, element by element; else the function of its name."""
        by_elements = self._base is np and getattr(ufunc, "signature", "") is None
        if not by_elements or method != "__call__" or settings:
            return dispatch.ufunc(self, ufunc, method, inputs, settings)
        self._by_ufunc[ufunc] = run = self._of_family("", ufunc.__name__, elementwise, ufunc)
        return run(*inputs)

    def _record(self, gate: Gate, arrays: Sequence[Any], settings: dict[str, Any]) -> Any:
        """Run a gate for the batch: by the family of its name, or else on the batched arrays."""
        arrays = tuple(map(without_constants, arrays))
        top = of_batch((*arrays, *settings.values()))
        if type(top) is not Batched and top is not None:
            return top.record(gate, arrays, settings)
        known = self._by_gate.get(gate)
        if known is not None:
            in_a_list = known.__name__ in _OF_A_LIST
            return known(list(arrays), **settings) if in_a_list else known(*arrays, **settings)
        if top is None or not top.level:
            return self._wrap(output(gate, self._base, *arrays, **settings))
        below = of_batch(_value_below(x, top.level) for x in arrays)
        batch = Batch(top, below.space if below is not None else self._base, gate.__name__)
        return custom_gates.run(batch, gate, arrays, settings)

    def stop_gradient(self, x: Array) -> Array:
        """Return x, to whose values no gradient flows."""
        if type(x) is Batched:
            below = x.value.space if is_transformed(x.value) else None
            return Batched(below.stop_gradient(x.value), self, x.level) if below else x
        return x.space.stop_gradient(x) if is_transformed(x) else self._wrap(x)

    def asarray(self, obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> Any:
        """Return obj as an array of this namespace; a batched array stays batched."""
        obj = without_constants(obj)
        if type(obj) is Batched:
            x = obj if dtype is None or dtype == obj.dtype else self.astype(obj, dtype)
            x = x if device is None or device == x.device else x.to_device(device)
            x = self.positive(x) if copy and x is obj else x
            return as_array_of_its_own(x, obj)
        if is_transformed(obj):
            return obj.space.asarray(obj, dtype=dtype, device=device, copy=copy)
        if holds_transformed(obj):
            return array_of(self, obj, dtype, device)
        check_array_class(type(obj))
        is_new = copy or not hasattr(obj, "dtype") or issubclass(type(obj), np.generic)
        made = self._made if is_new else self._wrap
        return made(self._base.asarray(obj, dtype=dtype, device=device, copy=copy))


def _operands(args: Any, settings: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any], Any]:
    """Return arguments without constants of this namespace, and the array of the highest level among them."""
    args = tuple(map(without_constants, args))
    if not settings:
        return args, settings, of_batch(args)
    settings = {name: without_constants(value) for name, value in settings.items()}
    return args, settings, of_batch((*args, *settings.values()))


def _home(top: Any, part: str, name: str, plain: Function) -> Function:
    """Return the function of a name in the namespace of an array, or the plain one."""
    if top is None:
        return plain
    if not part:
        # NumPy itself would ask the first of its operands that has this method.
        return functools.partial(top.__array_ufunc__, plain, "__call__")
    room = getattr(top.space, part) if part in ("linalg", "fft") else top.space
    return getattr(room, name)  # type: ignore[no-any-return]


def _value_below(x: Any, level: int) -> Any:
    """Return what is below a level of x, also in lists and tuples."""
    if type(x) in (list, tuple):
        return type(x)(_value_below(item, level) for item in x)
    return x.value if type(x) is Batched and x.level == level else x


def _of_gate(kind: str, function: Function) -> Function:
    """Return the function of plain arrays that a gate computes."""

    def plain(*arrays: Any, **settings: Any) -> Any:
        xp = namespace_of(*arrays)
        return function(xp, *arrays, **settings)[0] if kind == "gate" else function(xp, *arrays, **settings)

    return plain


def _clip(x: Array, /, min: Any = None, max: Any = None) -> Any:
    """Return NumPy's own, in the dtype of all; that of compat has the dtype of x."""
    return np.clip(x, min, max)


def _about_dtypes(plain: Function) -> Function:
    def function(*args: Any, **settings: Any) -> Any:
        return plain(*map(innermost, args), **settings)

    return function


def _refuse_settings(name: str, settings: dict[str, Any]) -> None:
    found = [key for key, value in settings.items() if of_batch((value,)) is not None]
    which = f"{found[0]}=" if found else "an argument"
    raise TypeError(
        f"{name.removeprefix('_')}: {which} must be the same for the whole batch, because shapes depend on it; "
        "got a batched array"
    )


def _described(made: Function, function: Function | None, plain: Function, name: str) -> Function:
    """Give a function the name, text and signature of its gate, less the leading xp, or of the plain function."""
    if function is None:
        made = functools.wraps(plain)(made)
        if name in _OF_A_SET:
            made.__signature__ = _by_place(getattr(np, name), 2)  # type: ignore[attr-defined]
        return made
    made.__name__ = made.__qualname__ = function.__name__
    made.__doc__ = function.__doc__
    parameters = list(inspect.signature(function).parameters.values())[1:]
    if name in _OF_A_LIST:
        parameters[0] = parameters[0].replace(name="arrays", kind=inspect.Parameter.POSITIONAL_ONLY)
    made.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return made


def _by_place(function: Function, count: int) -> inspect.Signature:
    """Return the signature of a function of NumPy's whose first arguments have places alone, and no names."""
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    first = [p.replace(kind=inspect.Parameter.POSITIONAL_ONLY) for p in parameters[:count]]
    return signature.replace(parameters=[*first, *parameters[count:]])


_by_base: dict[int, Namespace] = {}


def batched(xp: Any) -> Any:
    """Return the array API namespace `xp` with functions that compute for every element of a batch at once.

    An array of it hides one leading axis, along which the batch lies; `chainrule.vmap` makes such arrays. Its functions
    take batched and plain arrays; what they create is the same for the whole batch. It is its own batched namespace,
    and takes traced arrays too: levels, not namespaces, tell the transforms apart.

    Raises TypeError where `xp` is not an array API namespace.
    """
    try:
        base = differentiable(xp)._base
    except TypeError:
        raise TypeError(
            f"batched: expected an array API namespace such as numpy, cupy or array_api_strict; got {xp!r}"
        ) from None
    if id(base) not in _by_base:
        _by_base[id(base)] = Namespace(base)
    return _by_base[id(base)]


def namespace_of(*arrays: Any) -> Any:
    """Return the plain namespace of the first array, below every transform of it."""
    x = innermost(next(x for x in arrays if hasattr(x, "dtype")))
    return namespace(x)
