"""How each function of the standard is computed for a batch: families of functions.

    family(b, f, *arrays, **settings) -> the value for the batch, whose axis 0 is the batch

`f` is the function of the namespace below, `b` the batch: its length, its level and that namespace. An axis i of an
element is axis i + 1 of the value.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from chainrule import pytree
from chainrule.batching.array import Batched
from chainrule.gates.helpers import axis_number

Family = Callable[..., Any]


class Batch:
    """A batch of n elements at a level, the namespace `xp` below the level, and the name of the function asked for."""

    __slots__ = ("level", "n", "name", "space", "xp")

    def __init__(self, top: Batched, xp: Any, name: str) -> None:
        self.n, self.level, self.space = top.value.shape[0], top.level, top.space
        self.xp, self.name = xp, name

    def holds(self, x: Any) -> bool:
        """Say whether x is an array of this batch; any other is the same for all its elements."""
        return type(x) is Batched and x.level == self.level

    def below(self, x: Any) -> Any:
        """Return the value of an array of this batch, and anything else as it is."""
        return x.value if type(x) is Batched and x.level == self.level else x

    def aligned(self, arrays: Sequence[Any]) -> list[Any]:
        """Return the values of arrays with so many axes after the batch's that they broadcast as the elements do."""
        # A list is an array with axes of its own, as for NumPy.
        arrays = [self.xp.asarray(x) if issubclass(type(x), (list, tuple, range)) else x for x in arrays]
        ndim = max([getattr(x, "ndim", 0) for x in arrays], default=0)
        return [self.with_axes(x, ndim) for x in arrays]

    def with_axes(self, x: Any, ndim: int) -> Any:
        """Return the value of an array of this batch with axes of length 1 after the batch's, ndim axes in all."""
        if not self.holds(x):
            return x
        added = ndim - x.ndim
        return self.xp.reshape(x.value, (self.n, *(1,) * added, *x.shape)) if added > 0 else x.value

    def full(self, x: Any) -> Any:
        """Return the value of x with the batch as axis 0, repeated where x is the same for the whole batch."""
        return x.value if self.holds(x) else self.xp.broadcast_to(x, (self.n, *x.shape))

    def flat(self, x: Batched) -> Any:
        """Return the value with all axes but the batch's in a row."""
        return x.value if x.ndim == 1 else self.xp.reshape(x.value, (self.n, x.size))

    def wrap(self, result: Any) -> Any:
        """Return arrays as arrays of this batch; tuples keep their names."""
        if issubclass(type(result), (list, tuple)):
            return pytree.mapped(self.wrap, result)
        made = Batched(result, self.space, self.level)
        made.own = True
        return made


# --- The families ---


def elementwise(b: Batch, f: Family, *arrays: Any, **settings: Any) -> Any:
    """Element by element: the elements of the batch are aligned as broadcasting aligns them, bounds by name too."""
    if not settings:
        return f(*b.aligned(arrays))
    together = b.aligned([*arrays, *settings.values()])
    return f(*together[: len(arrays)], **dict(zip(settings, together[len(arrays) :], strict=True)))


def of_one_array(b: Batch, f: Family, x: Batched, *others: Any, **settings: Any) -> Any:
    """A function of each element of an array alone, or of what does not depend on its axes."""
    return f(x.value, *others, **settings)


def of_matrices(b: Batch, f: Family, x: Batched, *others: Any, **settings: Any) -> Any:
    """A function of the last two axes, which takes stacks of matrices."""
    if x.ndim < 2:
        raise ValueError(f"{b.name}: expected a matrix or a stack of them; got shape {x.shape}")
    return f(x.value, *others, **settings)


def triangle(b: Batch, f: Family, x: Batched, /, **settings: Any) -> Any:
    """The triangle of matrices; a vector is repeated as the rows of one, as NumPy does."""
    if x.ndim != 1:
        return of_matrices(b, f, x, **settings)
    n = x.shape[0]
    return f(b.xp.broadcast_to(x.value[:, None, :], (b.n, n, n)), **settings)


def with_tolerance(b: Batch, f: Family, x: Any, /, **settings: Any) -> Any:
    """A function of stacks of matrices, and of a tolerance for each matrix, which may be batched."""
    x = b.wrap(b.full(x))
    settings = {k: b.xp.asarray(v) if isinstance(v, list | tuple) else v for k, v in settings.items()}
    ndim = max([x.ndim - 2, *(getattr(v, "ndim", 0) for v in settings.values())])
    settings = {k: b.with_axes(v, ndim) for k, v in settings.items()}
    return of_matrices(b, f, b.wrap(b.with_axes(x, ndim + 2)), **settings)


def reduction(
    b: Batch, f: Family, x: Batched, *, axis: Any = None, keepdims: bool = False, **settings: Any
) -> Any:
    """Reduced over axes, or over all of them."""
    if axis is None or not x.ndim:
        # NumPy lets arrays of shape () be reduced along an axis that they do not have.
        _axes(b, axis, x.ndim or 1)
        y = f(b.xp.reshape(x.value, (b.n, x.size)), axis=1, **settings)
        return b.xp.reshape(y, (b.n, *(1,) * x.ndim)) if keepdims else y
    return f(x.value, axis=_axes(b, axis, x.ndim), keepdims=keepdims, **settings)


def along(name: str = "axis", default: Any = None, without: str = "all") -> Family:
    """Return the family of functions along axes that are named by the setting `name`.

    `without` says what happens where no axis is given: "all" takes all axes, "a row" all elements in a row.
    """

    def family(b: Batch, f: Family, x: Batched, *others: Any, **settings: Any) -> Any:
        axis = settings.pop(name, default)
        if (axis is None and not x.ndim) or (without == "a row" and (axis is None or not x.ndim)):
            _axes(b, axis, 1)
            y = f(b.flat(x), *others, **{name: (1,) if name == "axes" else 1}, **settings)
            return y if b.name == "repeat" else b.xp.reshape(y, x.value.shape)
        if axis is None:
            sizes = settings.get("s")
            axis = tuple(range(x.ndim)) if sizes is None else tuple(range(x.ndim - len(sizes), x.ndim))
        return f(x.value, *others, **{name: _axes(b, axis, x.ndim)}, **settings)

    return family


def of_a_vector(b: Batch, f: Family, x: Batched, *, axis: Any = None, **settings: Any) -> Any:
    """Along an axis, which may be left out for a vector alone."""
    if axis is None and x.ndim > 1:
        raise ValueError(f"{b.name}: expected an axis for an array of shape {x.shape}")
    return f(x.value if x.ndim else b.flat(x), axis=_axes(b, axis or 0, x.ndim or 1), **settings)


def of_classes(b: Batch, f: Family, z: Any, y: Any, /) -> Any:
    """A loss of rows z and y, whose last axis is that of the classes; y may have more axes than z."""
    return f(b.with_axes(z, y.ndim), b.full(y))


def row_by_row(b: Batch, f: Family, *arrays: Any, **settings: Any) -> Any:
    """A function that knows no stacks: called for one element of the batch after the other."""
    rows = [f(*(x.value[i, ...] if b.holds(x) else x for x in arrays), **settings) for i in range(b.n)]
    if not rows:
        raise ValueError(f"{b.name}: expected one element of the batch or more; got none")
    return b.xp.stack([b.xp.asarray(y) for y in rows])


def search(b: Batch, f: Family, x1: Any, x2: Any, /, **settings: Any) -> Any:
    """x1 a whole set, and x2 looked up in it: at once where the set is the same for the whole batch."""
    if b.holds(x1):
        return row_by_row(b, f, x1, x2, **settings)
    return f(x1, x2.value, **settings)


def membership(b: Batch, f: Family, x1: Any, x2: Any, /, **settings: Any) -> Any:
    """x1 looked up in the set x2."""
    return row_by_row(b, f, x1, x2, **settings) if b.holds(x2) else f(x1.value, x2, **settings)


# --- Movers: the elements of an array in other places ---


def reshape(b: Batch, f: Family, x: Batched, /, shape: Any, **settings: Any) -> Any:
    """The batch's axis stays in front; a length of -1 is that of one element."""
    shape = (shape,) if isinstance(shape, int) else tuple(shape)
    if -1 in shape:
        known = math.prod(n for n in shape if n != -1)
        if shape.count(-1) > 1 or not known or x.size % known:
            raise ValueError(f"reshape: expected a shape of {x.size} elements; got {shape}")
        shape = tuple(x.size // known if n == -1 else n for n in shape)
    if math.prod(shape) != x.size:
        raise ValueError(f"reshape: expected a shape of {x.size} elements; got {shape}")
    return f(x.value, (b.n, *shape), **settings)


def broadcast_to(b: Batch, f: Family, x: Batched, /, shape: Any) -> Any:
    """The batch's axis stays in front, new ones come after it."""
    shape = tuple(shape)
    if x.ndim > len(shape):
        raise ValueError(f"broadcast_to: expected {x.ndim} axes or more for shape {x.shape}; got {shape}")
    return f(b.with_axes(x, len(shape)), (b.n, *shape))


def expand_dims(b: Batch, f: Family, x: Batched, /, axis: Any = 0) -> Any:
    """New axes, counted in the result."""
    return f(x.value, axis=_axes(b, axis, x.ndim + (len(axis) if isinstance(axis, tuple) else 1)))


def squeeze(b: Batch, f: Family, x: Batched, /, axis: Any) -> Any:
    """Axes of length 1 removed."""
    axes = _axes(b, axis, x.ndim or 1)
    return f(x.value, axis=axes) if x.ndim else x.value


def moveaxis(b: Batch, f: Family, x: Batched, source: Any, destination: Any, /) -> Any:
    """Axes moved to other places."""
    return f(x.value, _axes(b, source, x.ndim), _axes(b, destination, x.ndim))


def permute_dims(b: Batch, f: Family, x: Batched, /, axes: Any) -> Any:
    """Axes in another order."""
    if len(axes) != x.ndim:
        raise ValueError(f"permute_dims: expected {x.ndim} axes for shape {x.shape}; got {axes}")
    return f(x.value, (0, *_axes(b, tuple(axes), x.ndim)))


def _axes(b: Batch, axis: Any, ndim: int) -> Any:
    """Return an axis of an element, or several, as axes of the value."""
    if axis is None:
        return None
    if isinstance(axis, tuple | list):
        return tuple(axis_number(b.name, a, ndim) + 1 for a in axis)
    return axis_number(b.name, axis, ndim) + 1
