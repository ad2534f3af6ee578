"""Trace, record, go backward: the chain rule.

A traced array carries a LEVEL: one number per running transform, higher for the inner one, and 0 for a
constant. An operation belongs to the highest level among its arguments, and lower ones are constants to
it; so d/dx (x d/dy (x + y)) is 1 and not 2. Without that level an argument may still be traced, at a lower
one: the gate then runs, and is recorded, there too. That is how gradients of gradients come about.
"""

import inspect
import itertools
import operator
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from chainrule.autodiff.masks import Masks
from chainrule.autodiff.traced import Traced, is_traced, plain_value
from chainrule.gates import ADJOINT, PARTIAL, REAL, SELECTING
from chainrule.gates.helpers import (
    conjugate,
    device_of,
    highest,
    is_complex,
    is_transformed,
    output,
    top_of,
    unbroadcast,
)
from chainrule.gates.indexing import getitem, scatter
from chainrule.gates.types import Array, Cotangents, Gate, Pullback
from chainrule.numpy_names.coercion import as_operands, is_foreign
from chainrule.validation import check_array_class

# The level of `variable`; those of transforms are above it.
VARIABLE_LEVEL = 1
_levels = itertools.count(VARIABLE_LEVEL + 1)


def new_level() -> int:
    """Return a level above every level that exists."""
    return next(_levels)


# --- Nodes ---


class Node:
    """One gate's place on the tape: for each traced argument its node and the pullback to it.

    What the pullbacks close over is what is kept. A node refers to earlier nodes only, so there are no
    cycles, and a graph dies with the last array that refers to it. For complex numbers `dtype` is a ComplexType.
    """

    __slots__ = ("dtype", "edges", "gate", "grad", "shape", "watched")

    edges: "Edges"
    shape: Any
    dtype: Any
    watched: "Watched"
    gate: Gate | None
    grad: tuple[Array, list[bool]]  # with whether it still holds; set by `backward` alone


class ComplexType:
    """What a node has as the dtype of complex numbers.

    It is no array's dtype, so that operations on complex numbers fail the comparisons by which real ones stay on the
    short way, and real numbers pay nothing for them.
    """

    __slots__ = ("own",)

    def __init__(self, own: Any) -> None:
        self.own = own


Edges = Sequence[tuple[Node, Pullback]]
Watched = tuple[tuple[Any, bytes], ...]


def _traced(
    value: Any, space: Any, level: int, edges: Edges, watched: Watched, gate: Gate | None = None
) -> Traced:
    """Return a value as an array with a node of its own. No other function makes nodes."""
    dtype = value.dtype
    if gate is not None and dtype is not edges[0][0].dtype and space._tape_dtype(dtype) is not dtype:
        dtype, edges = _of_unlike_dtype(space, gate, dtype, edges)
    # Node has no __init__, whose call would take longer than setting its slots here.
    node = Node()
    node.edges, node.shape, node.dtype, node.watched, node.gate = edges, value.shape, dtype, watched, gate
    return Traced(value, space, level, node)


def leaf(value: Array, space: Any, level: int, dtype: Any) -> Traced:
    """Return a value as an array with no gate behind it, to whose node a backward pass at `level` leads.

    `dtype` is what the space notes for that of the value.
    """
    x = _traced(value, space, level, (), watch(plain_value(value)))
    x.node.dtype = dtype
    return x


def _of_unlike_dtype(space: Any, gate: Gate, dtype: Any, edges: Edges) -> tuple[Any, Edges]:
    """Return what a node has as its dtype, and its edges, those of complex results as adjoints."""
    noted = space._tape_dtype(dtype)
    if noted is None:
        raise TypeError(
            f"{gate.__name__}: traced floating arrays gave {dtype}; only floating results have "
            "a gradient. Use chainrule.stop_gradient on what need not be traced"
        )
    if type(noted) is not ComplexType:
        return noted, edges
    if gate in REAL:
        raise TypeError(f"{gate.__name__}: its gradient is known for real numbers alone; got {dtype}")
    if gate not in ADJOINT:
        edges = [(parent, _adjoint(space, pullback)) for parent, pullback in edges]
    return noted, edges


def _adjoint(space: Any, pullback: Pullback) -> Pullback:
    """Return the pullback of a holomorphic gate, g times its derivative, as g times the conjugate of that.

    This is the adjoint under the product Re(conj(a) b), whose gradient is dL/dRe + i dL/dIm.
    """
    xp = space._lower
    return lambda g: conjugate(xp, pullback(xp.conj(g)))


# --- Forward: record a gate ---


def record(
    space: Any,
    gate: Gate,
    arrays: Sequence[Any],
    settings: dict[str, Any],
    plain: Callable[..., Any] | None = None,
) -> Any:
    """Run a gate at the highest level among its arrays, and note its pullbacks there.

    `plain` computes the same where nothing is traced; without one the gate itself does.
    """
    if settings:
        check_settings(gate, settings)
    level, operands, xp = unwrap_level(space, arrays)
    if xp is space:
        top = highest(arrays)
        if top is not None and top.level > level:
            # An array of another transform, which runs inside those of the others.
            return space._wrap(top.record(gate, arrays, settings))
    if not level:
        return space._made((plain or _computed(gate, space._base))(*operands, **settings))
    result, pullbacks = gate(xp, *operands, **settings)
    edges: Any = []
    watched: Watched = ()
    for array, pullback in zip(arrays, pullbacks, strict=False):
        if type(array) is Traced and array.level:
            if array.level == level and pullback is not None:
                edges.append((array.node, pullback))
        else:
            watched += watch(plain_value(array))
    if not edges:
        return space._wrap(result)
    if issubclass(type(result), tuple):
        return _several_traced(result, space, level, edges, watched, gate)
    if gate is getitem:
        edges = _item_edges(space, arrays[0], settings["key"], edges)
    return _traced(result, space, level, edges, watched, gate)


def _computed(gate: Gate, xp: Any) -> Callable[..., Any]:
    """Return the function that a gate without a name in the plain namespace computes."""
    return lambda *operands, **settings: output(gate, xp, *operands, **settings)


def unwrap_level(space: Any, arrays: Sequence[Any]) -> tuple[int, list[Any], Any]:
    """Return the highest level, the arrays without it, and the namespace that they then belong to."""
    # Types are tested in place here, and in the fast paths below, because each operation passes through them.
    level = 0
    for array in arrays:
        if type(array) is Traced and array.level > level:
            level = array.level
    operands, lower = [], False
    for array in arrays:
        if type(array) is Traced:
            if array.level == level:
                array = array.value
                lower = lower or type(array) is Traced
            elif array.level or is_transformed(array.value):
                lower = True
        elif type(array) not in _checked:
            check_operand(array)
            lower = lower or is_transformed(array)
        operands.append(array)
    if lower:
        return level, [_lower_operand(space, a) for a in operands], space
    return level, [a.value if type(a) is Traced else a for a in operands], space._lower


def _lower_operand(space: Any, x: Any) -> Any:
    """Return an operand of a lower level for pullbacks to keep: as it is now, whatever is written to it later."""
    if is_transformed(x):
        return x._as_it_is()
    return space._wrap(x) if _is_plain_array(x) else x


def _is_plain_array(x: Any) -> bool:
    # Neither a number, a shape nor None, nor a class such as np.float32, which has a dtype too.
    return type(x) is not Traced and hasattr(x, "dtype") and not isinstance(x, type)


_checked: set[type] = {np.ndarray}
_watchable: set[type] = {np.ndarray}  # those of them that are NumPy's arrays
_single: set[type] = {np.ndarray}  # those of them that are no lists, which gates of two arrays take as arrays


def check_operand(x: Any) -> None:
    """Raise TypeError for what would be taken for an array that it is not."""
    if is_transformed(x):
        return
    check_array_class(type(x))
    if is_foreign(x):
        return  # a rule of one's own may take it, and operators leave it to its class
    _checked.add(type(x))
    if issubclass(type(x), np.ndarray):
        _watchable.add(type(x))
    if not isinstance(x, list | tuple):
        _single.add(type(x))


_NO_ARRAYS = {int, float, bool, str, tuple, type(None), slice}


def _carries_gradient(x: Any) -> bool:
    """Say whether x is a traced array, or one of another transform with a traced one below."""
    while is_transformed(x) and not is_traced(x):
        x = x.value
    return is_traced(x)


def check_settings(gate: Gate, settings: dict[str, Any]) -> None:
    """Raise TypeError for a traced array among the settings, where no gradient would flow to it."""
    for name, value in settings.items():
        if type(value) not in _NO_ARRAYS and _carries_gradient(value):
            raise TypeError(
                f"{gate.__name__}: {name} is a setting, to which no gradient flows, and was given a traced array. "
                "Use chainrule.stop_gradient on it, or a rule of your own that takes it among its arrays"
            )


# --- Forward: several results of one gate, several items of one array ---


def _several_traced(results: Any, space: Any, level: int, edges: Edges, watched: Watched, gate: Gate) -> Any:
    """Return several results as traced: one node leads back from all of them, and each has one that picks it."""
    like = [(r.shape, r.dtype, device_of(r)) for r in results]
    partial, kinds = gate in PARTIAL, {is_complex(space._base, r) for r in results}
    if True in kinds and gate not in ADJOINT:
        if len(kinds) > 1:
            raise TypeError(f"{gate.__name__}: expected its results to be all real or all complex; got both")
        edges = [(parent, _adjoint_of_several(space, pullback)) for parent, pullback in edges]
    xp = space if any(type(r) is Traced for r in results) else space._lower

    def of_all(pullback: Pullback) -> Pullback:
        def from_cotangents(cotangents: Cotangents) -> Array:
            given = dict(cotangents.pairs)
            top = top_of(given.values())
            zeros = (xp if top is None else top.space).zeros
            return pullback(
                tuple(
                    given[i] if i in given else None if partial else zeros(shape, dtype=dtype, device=device)
                    for i, (shape, dtype, device) in enumerate(like)
                )
            )

        return from_cotangents

    def picking(i: int) -> Pullback:
        return lambda g: Cotangents([(i, g)])

    everything = [(parent, of_all(pullback)) for parent, pullback in edges]
    whole = _traced(Cotangents([]), space, level, everything, watched).node
    items = [_traced(r, space, level, ((whole, picking(i)),), ()) for i, r in enumerate(results)]
    for item in items:
        item.node.dtype = space._tape_dtype(item.dtype)
    return type(results)(*items) if hasattr(results, "_fields") else tuple(items)


def _adjoint_of_several(space: Any, pullback: Callable[[Any], Array]) -> Callable[[Any], Array]:
    xp = space._lower
    return lambda gs: conjugate(xp, pullback(tuple(None if g is None else xp.conj(g) for g in gs)))


def _item_edges(space: Any, x: Traced, key: Any, edges: Edges) -> Edges:
    """Return the edges of x[key]: those given for the first item of x, for others one to a node that they share.

    That node adds their gradients in one array: n items then need no n arrays as large as x.
    """
    whole: Any = getattr(x, "taken", False)
    if whole is False:
        x.taken = None
        return edges
    if whole is None:
        shape = x.shape

        def of_items(cotangents: Cotangents) -> Array:
            keys, gs = zip(*cotangents.pairs, strict=True)
            return output(scatter, space._base, *gs, keys=keys, shape=shape)

        whole = x.taken = _traced(Cotangents([]), space, x.level, ((x.node, of_items),), ()).node
        whole.gate = scatter
    return ((whole, lambda g: Cotangents([(key, g)])),)


# --- Forward: the same, for one and for two arrays ---
#
# Most gates take one array or two, traced at one level, with plain arrays below. They are recorded here without the
# loops of `record`, which handles all other cases: small networks spend most of their time in these lines.


def recorder(space: Any, gate: Gate, plain: Callable[..., Any] | None) -> Callable[..., Any]:
    """Return the function that records a gate, and computes `plain` where nothing is traced."""
    kinds = [p.kind for p in list(inspect.signature(gate).parameters.values())[1:]]
    arrays = kinds.count(inspect.Parameter.POSITIONAL_ONLY)
    settings = kinds.count(inspect.Parameter.KEYWORD_ONLY)
    if arrays + settings == len(kinds) and arrays == 1:
        return _recorder_of_one(space, gate, plain)
    if arrays == len(kinds) == 2:
        return _recorder_of_two(space, gate, plain)

    if arrays == len(kinds) > 2:

        def of_arrays(*arrays: Any) -> Any:
            if any(issubclass(type(x), list) for x in arrays):
                arrays = tuple(as_operands(space, *arrays))
            return record(space, gate, arrays, {}, plain)

        return of_arrays

    def function(*arrays: Any, **settings: Any) -> Any:
        return record(space, gate, arrays, settings, plain)

    return function


def _recorder_of_one(space: Any, gate: Any, plain: Callable[..., Any] | None) -> Callable[..., Any]:
    xp = space._lower

    def function(x: Array, /, **settings: Any) -> Any:
        if type(x) is Traced and x.level:
            value = x.value
            if type(value) is not Traced:
                if settings:
                    check_settings(gate, settings)
                result, (back,) = gate(xp, value, **settings)
                if issubclass(type(result), tuple):
                    return _several_traced(result, space, x.level, ((x.node, back),), (), gate)
                return _traced(result, space, x.level, ((x.node, back),), (), gate)
        return record(space, gate, (x,), settings, plain)

    return function


def _recorder_of_two(space: Any, gate: Any, plain: Callable[..., Any] | None) -> Callable[..., Any]:
    xp = space._lower
    takes_lists = gate.__name__ != "tile"  # whose second argument is no array

    def function(x1: Array, x2: Array, /) -> Any:
        if type(x1) is Traced:
            level, value1 = x1.level, x1.value
            if level and type(value1) is not Traced:
                if type(x2) is Traced:
                    value2 = x2.value
                    if x2.level == level and type(value2) is not Traced:
                        result, (back, back2) = gate(xp, value1, value2)
                        if back2 is not None:
                            edges = ((x1.node, back), (x2.node, back2))
                            return _traced(result, space, level, edges, (), gate)
                elif type(x2) in _single:
                    watched = watch(x2)
                    result, (back, _) = gate(xp, value1, x2)
                    return _traced(result, space, level, ((x1.node, back),), watched, gate)
        elif type(x2) is Traced and type(x1) in _single:
            level, value2 = x2.level, x2.value
            if level and type(value2) is not Traced:
                watched = watch(x1)
                result, (_, back) = gate(xp, x1, value2)
                if back is not None:
                    return _traced(result, space, level, ((x2.node, back),), watched, gate)
        if takes_lists and not (type(x1) in _single and type(x2) in _single):
            x1, x2 = as_operands(space, x1, x2)
        return record(space, gate, (x1, x2), {}, plain)

    return function


# --- Backward ---

_gate = operator.attrgetter("gate")


def backward_pass(space: Any, seeds: Iterable[tuple[Node, Array]], keep: bool = False) -> dict[Node, Array]:
    """Carry the gradients of results, given by their nodes, back to every leaf, and return those there.

    With `keep` it returns those at every node. The gradients of several results add. A node is visited once, when all
    its uses have added their share. There is no recursion, so no limit to depth, and time is linear in the number of
    gates.
    """
    gradients: dict[Node, Array] = {}
    for root, g in seeds:
        gradients[root] = add(gradients[root], g) if root in gradients else g
    uses = _count_uses(gradients)
    masks = None if SELECTING.isdisjoint(map(_gate, uses)) else Masks(space, gradients)
    ready = [root for root in gradients if not uses[root]]
    while ready:
        node = ready.pop()
        if node.watched:
            _check_unchanged(node)
        if not node.edges:
            continue  # a leaf, whose gradient stays
        g = gradients[node] if keep else gradients.pop(node)
        for parent, pullback in node.edges:
            share = masks.pull(node, parent, pullback, g) if masks else pullback(g)
            if share.shape != parent.shape or share.dtype is not parent.dtype:
                share = _fitted(space, share, parent)
            gradients[parent] = add(gradients[parent], share) if parent in gradients else share
            if uses[parent] == 1:
                ready.append(parent)
            else:
                uses[parent] -= 1
    return gradients


def nodes_behind(root: Node) -> Iterable[Node]:
    """Return the nodes that root was computed from, and root."""
    return _count_uses([root])


def _count_uses(roots: Iterable[Node]) -> dict[Node, int]:
    """Return how many edges lead to each node behind the roots, and to these."""
    uses = dict.fromkeys(roots, 0)
    stack = list(uses)
    while stack:
        for parent, _ in stack.pop().edges:
            if parent in uses:
                uses[parent] += 1
            else:
                uses[parent] = 1
                stack.append(parent)
    return uses


def _fitted(space: Any, g: Array, node: Node) -> Array:
    """Return a gradient in the shape and the dtype of a node: unbroadcast and cast."""
    xp = g.space if is_transformed(g) else space._base
    if g.shape != node.shape:
        g = unbroadcast(xp, g, node.shape)
    return g if g.dtype is node.dtype else _cast(xp, g, node.dtype)


def _cast(xp: Any, g: Array, dtype: Any) -> Array:
    """Return a gradient in the dtype of a node: that of a real operand beside complex ones is the real part."""
    if type(dtype) is ComplexType:
        dtype = dtype.own
    elif is_complex(xp, g):
        g = xp.real(g)
    return g if g.dtype is dtype or g.dtype == dtype else xp.astype(g, dtype)


def add(g: Array, share: Array) -> Array:
    """Return the sum of two gradients."""
    # A transformed one is on the left, so that its own addition is called.
    return g + share if type(share) in _checked else share + g


# --- Arrays that must not change before backward ---

# Of arrays up to this many bytes every byte is compared; of larger ones some 64 elements, evenly spread.
_SAMPLE = 512


def watch(x: Any) -> Watched:
    """Return a weak reference to a NumPy array and a sample of its elements; () for another operand, once checked.

    Backward compares the array with the sample, to find a change in place. Arrays of other libraries are not watched,
    because a sample would have to be copied to the host.
    """
    if type(x) in _watchable:
        return ((weakref.ref(x), _sample(x)),)
    if type(x) in _checked:
        return ()
    check_operand(x)
    return watch(x) if type(x) in _watchable else ()


def _sample(array: Any) -> bytes:
    if array.nbytes <= _SAMPLE:
        return array.tobytes()  # type: ignore[no-any-return]
    return array.flat[:: array.size // 64 or 1].tobytes()  # type: ignore[no-any-return]


def _check_unchanged(node: Node) -> None:
    for reference, sample in node.watched:
        array = reference()
        if array is not None and _sample(array) != sample:
            raise RuntimeError(
                f"backward: an array of shape {array.shape} that went into the computation was changed in "
                "place before its gradient was taken; backward needs the elements that it had. Change a copy: "
                "x = x + dx"
            )
