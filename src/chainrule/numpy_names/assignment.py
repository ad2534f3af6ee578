"""Item assignment: x[key] = v, x += v and x.at[key].set(v) on arrays of a transformed namespace.

Memory does not change, since pullbacks may need what it holds. A write computes a new array and puts it in the place of
the old one, behind the same name. Views see it as NumPy's do: an array that shares memory with another one notes how
it was taken. After a write it is taken anew, and a write to it is one to the array that it was taken from.
"""

import functools
import math
import operator
import weakref
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from chainrule.gates.helpers import below_constants, highest, innermost, is_transformed
from chainrule.gates.indexing import parts_of
from chainrule.gates.types import Array
from chainrule.numpy_names.array import ArrayMethods
from chainrule.numpy_names.coercion import as_operand
from chainrule.numpy_names.names import OF_NO_AXES, VIEWS

_OF_NUMPY = (np.ndarray, np.generic)
INSTEAD = "Write x = x.at[key].set(v), or x = xp.where(mask, v, x)"


class View(NamedTuple):
    """How an array that shares memory was taken: from which, by what; `root` owns the memory."""

    root: Any
    parent: Any
    again: Callable[[Any], Any]
    writable: bool
    is_flat: bool = False


# The functions of the standard whose results may be views, and of which kind these are:
# places       they have the elements at some places of the argument
# all          they have all its elements where they lie
# read only    they cannot be written to; `diagonal` copies here, and is taken anew as a view is
KINDS = {
    **dict.fromkeys(
        ("expand_dims", "flip", "matrix_transpose", "moveaxis", "permute_dims", "reshape", "squeeze"),
        "places",
    ),
    **dict.fromkeys(("astype", "_to_device"), "all"),
    **dict.fromkeys(("broadcast_to", "diagonal", "imag", "real"), "read only"),
}


class Assignable(ArrayMethods):
    """An array whose items may be set, unless they are those of an argument or in the caller's memory."""

    __slots__ = ()

    level: int
    value: Any
    own: Any  # the level up to which items may be, or True, where this package made its memory; unset for no
    changes: bool  # of shape (): whether it is an array, which changes in place, and no number; unset where unknown
    views: list[Any]  # weak references to its views, in the order in which they were taken; unset for none
    view_of: View  # unset for what is no view
    _become: Callable[[Any], None]  # take over the value of another array
    _as_it_is: Callable[[], Any]  # another array of the same value, which later writes do not reach
    _is_own: Callable[[], bool]
    _item: Callable[[Any], Any]
    _plain_key: Callable[[Any], Any]

    def __getitem__(self, key: Any) -> Any:
        key = self._plain_key(key)
        y = self._item(key)
        # `in` would ask a batched index whether it is `...`.
        if (
            not y.shape
            and issubclass(type(_plain(y)), _OF_NUMPY)
            and not any(p is ... for p in parts_of(key))
        ):
            return y  # a number of NumPy's
        if getattr(self, "view_of", None) is not None and self.view_of.is_flat:
            return y  # a copy, as items of x.flat are
        return note_view(y, self, operator.methodcaller("_item", key))

    def __setitem__(self, key: Any, value: Any) -> None:
        inner = below_constants(self)
        if inner is not self and is_transformed(inner):
            inner[key] = value  # a constant of one transform that hides an array of another
            return
        key, value = self._plain_key(key), below_constants(value)
        root = root_of(self)
        if hasattr(innermost(self), "at"):
            raise TypeError("item assignment: arrays of JAX do not change. Write x = x.at[key].set(v)")
        if not root._is_own():
            if root.level or highest((value, *parts_of(key))) is not None:
                raise TypeError(
                    "item assignment: an argument, or an array in the caller's memory, cannot be changed where "
                    f"gradients are followed. {INSTEAD}; x + 0 is a copy whose items may be set"
                )
            below_constants(self)[key] = value
            return
        _check_level(root, highest((value, *parts_of(key))))
        _write(self, key, value)

    def fill(self, value: Any) -> None:
        """Set every item to one value."""
        self[...] = value

    @property
    def flat(self) -> Any:
        """All elements in a row, which may be set; several of them at once are copies."""
        row = self.space._plain_row(self)
        return note_view(row, self, lambda x: x.space._plain_row(x), always=True, is_flat=True)

    @property
    def at(self) -> "At":
        """x.at[key].set(v) and x.at[key].add(v): x with other elements at key, as a new array."""
        return At(self)

    def copy(self, order: str = "C") -> Any:
        """Return a copy, whose elements lie row by row in memory unless order is "K"."""
        if order not in ("C", "K"):
            raise ValueError(f"copy: expected order 'C' or 'K'; got {order!r}")
        if self._is_number():
            return self.space.positive(self)  # a number, not an array of shape ()
        in_rows = order == "K" or getattr(layout_of(self), "c_contiguous", True)
        x = self if in_rows else self.ravel().reshape(self.shape)  # type: ignore[attr-defined]
        return self.space.asarray(x, copy=True)

    def flatten(self, order: str = "C") -> Any:
        """Return all elements in a row, as a copy."""
        return without_views(self.ravel(order))  # type: ignore[attr-defined]

    def _ufunc_at(self, ufunc: Any, x: Any, key: Any, *v: Any) -> None:
        """Do as NumPy's ufunc.at(x, key, v): x[key] = ufunc(x[key], v), with an element picked twice changed twice."""
        name = ufunc.__name__.removeprefix("cupy_")
        if not isinstance(x, Assignable):
            raise TypeError(
                f"numpy.{name}.at: a plain array cannot hold traced items. Make it with chainrule.numpy"
            )
        if name in ("add", "subtract"):
            x[...] = x.at[key].add(v[0] if name == "add" else -as_operand(x.space, v[0], (x,)))
            return
        places = innermost(_places(x, x)[key])
        if len(set(places.reshape(-1).tolist())) < places.size:
            raise TypeError(f"numpy.{name}.at: expected a key that picks no element twice, as add.at may")
        x[key] = ufunc(x[key], *v)

    def _is_number(self) -> bool:
        """Say whether NumPy would have a number here, and not an array of shape () that can change."""
        is_root = not self.shape and issubclass(type(_plain(self)), _OF_NUMPY) and root_of(self) is self
        return is_root and not getattr(self, "changes", False)

    def _kind(self, kind: type) -> type:
        """Return the class that NumPy would have here, by that of the array below."""
        changes = getattr(self, "changes", None)
        if changes is None or self.shape or not issubclass(kind, _OF_NUMPY):
            return kind
        return np.ndarray if changes else self.dtype.type

    def _changed_to(self, new: Any, symbol: str) -> Any:
        """Return what `self` is after an operator such as +=, which gave the array `new`."""
        inner, plain = below_constants(self), _plain(self)
        if inner is not self and is_transformed(inner) and not getattr(self, "changes", False):
            changed = inner._changed_to(below_constants(new), symbol)
            return self if changed is inner else changed
        if new is NotImplemented or hasattr(plain, "at") or self._is_number():
            return new  # JAX's arrays and numbers do not change: the name stands for another one
        if new.shape != self.shape:
            raise ValueError(
                f"x {symbol}= a: expected a result of the shape of x, {self.shape}; got {new.shape}. "
                f"Write x = x {symbol} a"
            )
        if new.dtype != self.dtype:
            _check_kind(self, new)
            new = self.space.astype(new, self.dtype)
        _check_level(root_of(self), highest((new,)))
        if root_of(self) is self:
            _replace(self, new)
            self.own = getattr(self, "own", False) or True
        else:
            _write(self, ..., new)
        return self


def _in_place(name: str, symbol: str) -> Callable[[Any, Any], Any]:
    run = getattr(operator, name)
    return lambda self, other: self._changed_to(run(self, other), symbol)


for _name, _symbol in {
    **{"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**"},
    **{"matmul": "@", "and_": "&", "or_": "|", "xor": "^", "lshift": "<<", "rshift": ">>"},
}.items():
    setattr(Assignable, f"__i{_name.rstrip('_')}__", _in_place(_name, _symbol))


# --- A new array, with other elements at a key ---


class At:
    """x.at, which takes a key: x.at[key].set(v) is x with v at key, x.at[key].add(v) with v added there."""

    def __init__(self, x: Any, key: Any = ..., leave: Callable[[Any], Any] = lambda y: y) -> None:
        self._x, self._key, self._leave = x, key, leave

    def __getitem__(self, key: Any) -> "At":
        return At(self._x, self._x._plain_key(key), self._leave)

    def set(self, v: Any) -> Any:
        """Return x with v at the key; of several v for one element the last counts."""
        return self._leave(_written(self._x, self._key, v))

    def add(self, v: Any) -> Any:
        """Return x with v added at the key; several v for one element add."""
        x, key = self._x, self._key
        v, space = _operand(x, key, v)
        v = space.broadcast_to(space.astype(v, x.dtype), x[key].shape)
        return self._leave(x + space._scatter(v, keys=(key,), shape=tuple(x.shape)))


def _written(x: Any, key: Any, v: Any) -> Any:
    """Return x with v at a plain key."""
    v, space = _operand(x, key, v)
    return space._assigned(x, v, key=key)


def _operand(x: Any, key: Any, v: Any) -> tuple[Any, Any]:
    """Return what is written to x as an array that nobody else changes, and the namespace that writes it."""
    v = as_operand(x.space, v, (x,))
    if hasattr(v, "dtype"):
        _check_kind(x, v)
    if not is_transformed(v):
        dtype = v.dtype if hasattr(v, "dtype") else x.dtype
        v = x.space._base.asarray(v, dtype=dtype, device=x.device, copy=True)
    top = highest((x, v, *parts_of(key)))
    return v, (x if top is None else top).space


def _check_kind(x: Any, v: Any) -> None:
    """Raise TypeError where an array has no room for what is written to it."""
    base = x.space._base
    for kind in ("complex floating", "real floating"):
        rooms = ("complex floating", kind)
        if base.isdtype(v.dtype, kind) and not base.isdtype(x.dtype, rooms):
            raise TypeError(
                f"item assignment: an array of {x.dtype} cannot hold one of {v.dtype}. Make it with that dtype"
            )


def _check_level(root: Any, top: Any) -> None:
    """Raise TypeError for an item that is traced in a function around which the array was made.

    What the array would hold of the function's arguments after its end would be followed no more.
    """
    made = getattr(root, "own", True)
    if made is not True and top is not None and top.level > made:
        raise TypeError(
            "item assignment: this array was made outside the function that is followed, and would keep traced items "
            "when it ends. Make it inside"
        )


# --- The same name, another array ---


def _write(x: Any, key: Any, v: Any) -> None:
    """Write v into x, and thereby into what x is a view of."""
    root = root_of(x)
    _replace(root, _written(root, key if root is x else _key_of(_places(x, root)._item(key), root), v))


def _key_of(places: Any, root: Any) -> tuple[Any, ...]:
    """Return the key that picks the elements at some places, in a row of all."""
    parts, shape = [], tuple(root.shape)
    for i, n in enumerate(shape):
        parts.append((places // math.prod(shape[i + 1 :])) % n)
    return root._plain_key(tuple(below_constants(part) for part in parts))  # type: ignore[no-any-return]


def _replace(root: Any, new: Any) -> None:
    """Put the value of a new array in the place of an old one, and take its views anew."""
    root._become(new)
    for reference in list(getattr(root, "views", ())):
        view = reference()
        if view is not None and (taken := getattr(view, "view_of", None)) is not None:
            view._become(taken.again(taken.parent))


def _places(x: Any, root: Any) -> Any:
    """Return where the elements of a view lie among those of its root, in a row of all."""
    steps = []
    while x is not root:
        if not x.view_of.writable:
            raise ValueError(f"item assignment: this view cannot be written to. {INSTEAD}")
        steps.append(x.view_of.again)
        x = x.view_of.parent
    xp = root.space._base
    places = root.space._wrap(xp.reshape(xp.arange(root.size, device=root.device), tuple(root.shape)))
    for again in reversed(steps):
        places = again(places)
    return places


def as_array_of_its_own(x: Any, given: Any) -> Any:
    """Return x, made of what was given; of shape () as an array that changes in place, also where that was a number."""
    if not x.shape and issubclass(type(_plain(x)), _OF_NUMPY) and (x is not given or x._is_number()):
        x = x.space.reshape(x, ()) if x is given else x
        x.changes = True
    return x


def root_of(x: Any) -> Any:
    """Return the array whose memory a view is in, and any other array itself."""
    view = getattr(x, "view_of", None)
    return x if view is None else view.root


def _plain(x: Any) -> Any:
    """Return the array of a library below every transform and recording of x."""
    x = innermost(x)
    return x.value if hasattr(x, "recording") else x


def layout_of(x: Any) -> Any:
    """Return the flags of NumPy's array below x, of one element where x is a batch; None for most other libraries."""
    plain, hidden = _plain(x), 0
    while is_transformed(x):
        hidden += bool(x.level) and not hasattr(x, "node")
        x = x.value
    if hidden and hasattr(plain, "flags") and all(plain.shape[:hidden]):
        plain = plain[(0,) * hidden + (...,)]
    return getattr(plain, "flags", None)


# --- Which arrays are views ---


def note_view(
    y: Any,
    x: Any,
    again: Callable[[Any], Any],
    writable: bool = True,
    always: bool = False,
    is_flat: bool = False,
) -> Any:
    """Return y; where it shares memory with x, or always, both know from now on that it is a view of x."""
    plain = _plain(x)
    if type(y) is not type(x) or y is x or issubclass(type(plain), np.generic):
        return y  # numbers are in no memory
    if not x.shape and plain.shape and x._is_number():
        return y  # nor are those of a batch
    if not (always or shares_memory(_plain(y), plain)):
        return y
    root = root_of(x)
    y.view_of = View(root, x, again, writable, is_flat)
    views = getattr(root, "views", None)
    if views is None:
        root.views = views = []
    elif not len(views) & (len(views) - 1):
        # Now and then those that are gone are dropped.
        root.views = views = [reference for reference in views if reference() is not None]
    views.append(weakref.ref(y))
    return y


def note_all_views(space: Any) -> None:
    """Replace the functions of a namespace by such whose results know of which array they are views."""
    reshape = space.reshape  # which notes no views yet
    space._plain_row = lambda x: reshape(x, (-1,))
    for part, room in (("", space), ("linalg", space.linalg)):
        for name in KINDS.keys() & vars(room).keys():
            setattr(room, name, _noting_views(part, name, getattr(room, name)))
    space.unstack = _noting_parts(space.unstack)


def _noting_parts(unstack: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(unstack)
    def viewing(x: Any, /, **settings: Any) -> Any:
        def part(i: int) -> Callable[[Any], Any]:
            return lambda x: x.space.unstack(x, **settings)[i]

        parts = unstack(x, **settings)
        if x.ndim > 1:  # parts of a row are numbers
            for i, y in enumerate(parts):
                note_view(y, x, part(i))
        return parts

    return viewing


def _noting_views(part: str, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    writable, always = KINDS[name] != "read only", name == "diagonal"

    @functools.wraps(function)
    def viewing(x: Any, /, *args: Any, **settings: Any) -> Any:
        def again(x: Any) -> Any:
            # Of the namespace that x has by then, after writes of arrays of another one.
            room = getattr(x.space, part) if part else x.space
            return x if KINDS[name] == "all" else getattr(room, name)(x, *args, **settings)

        return note_view(function(x, *args, **settings), x, again, writable, always)

    return viewing


def note_unknown_views(result: Any, args: Iterable[Any], who: str) -> Any:
    """Return a result; where it is a view of an argument, taken in an unknown way, later writes are refused."""

    def again(_: Any) -> Any:
        raise TypeError(
            f"item assignment: a result of {who} shares memory with this array, and would change with it. "
            "Write to x + 0, which is a copy"
        )

    for y in result if isinstance(result, list | tuple) else (result,):
        for x in args:
            if is_transformed(y) and is_transformed(x) and not hasattr(y, "view_of"):
                note_view(y, x, again, writable=False)
    return result


def may_give_views(function: Any, args: Any, settings: Mapping[str, Any], result: Any) -> bool:
    """Say whether the result of a function of NumPy's may be views of these arguments."""
    name = function.__name__
    if name == "einsum" and not result.shape:
        return False
    if name == "ravel" and issubclass(type(_plain(args[0])), np.ndarray):
        # It gives no array whose elements do not lie in a row.
        order, flags = args[1] if len(args) > 1 else settings.get("order", "C"), layout_of(args[0])
        return bool({"C": flags.c_contiguous, "F": flags.f_contiguous}.get(order, flags.forc))
    return name in VIEWS


def without_views(result: Any, args: Iterable[Any] = (), name: str = "") -> Any:
    """Return the result of a function that gives copies: arrays that are no views, unless they are arguments.

    By the name of NumPy's function, what has no axes is a number or an array.
    """
    if issubclass(type(result), (list, tuple)):
        for y in result:
            without_views(y, args, name)
    elif is_transformed(result) and not any(result is x for x in args):
        if hasattr(result, "view_of"):
            del result.view_of
        if name and not result.shape:
            result.changes = name in OF_NO_AXES
    return result


def shares_memory(a: Array, b: Array) -> bool:
    """Say whether plain arrays share memory; of libraries that do not tell, that they may."""
    if issubclass(type(a), np.ndarray | np.generic):
        base = getattr(a, "base", None)
        if base is None:
            return a is b
        return base is b or base is b.base or np.may_share_memory(a, b)
    if hasattr(a, "_array"):
        return shares_memory(a._array, getattr(b, "_array", None))  # array-api-strict
    if hasattr(a, "untyped_storage"):
        return bool(a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr())  # PyTorch
    if hasattr(a, "at") or hasattr(a, "dask"):
        return False  # JAX and Dask have no views
    return a.data.mem is b.data.mem if hasattr(getattr(a, "data", None), "mem") else True
