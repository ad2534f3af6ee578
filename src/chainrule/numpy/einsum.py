"""Einstein's summation convention as NumPy spells it, by matrix products: two arrays at a time, from left to right."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.gates.types import Array
from chainrule.numpy.coercion import as_arrays

Labels = list[Any]


def einsum(xp: Any, *operands: Any, optimize: Any = False) -> Array:
    """Return sums of products over named axes: einsum("ij,jk->ik", A, B), or einsum(A, [0, 1], B, [1, 2], [0, 2]).

    `optimize` chooses an order in NumPy, and is not looked at here. Raises ValueError for labels that do not fit
    the arrays.
    """
    items, named, output = _parsed(operands)
    arrays = as_arrays(xp, items)
    dtype = xp.result_type(*arrays)
    # Before anything is summed, as NumPy does: sums of the lower precision would be no better for what follows.
    arrays = [x if x.dtype == dtype else xp.astype(x, dtype) for x in arrays]
    lengths: dict[Any, int] = {}
    for i, (x, labels) in enumerate(zip(arrays, named, strict=True)):
        named[i] = _spelled(x, labels)
        mine: dict[Any, int] = {}
        for label, n in zip(named[i], x.shape, strict=True):
            if lengths.setdefault(label, n) == 1:
                lengths[label] = n
            # Stretched is an axis of one array beside that of another, and not beside one of its own.
            if n not in (1, lengths[label]) or mine.setdefault(label, n) != n:
                raise ValueError(
                    f"einsum: axis {label!r} has lengths {mine.get(label, lengths[label])} and {n}"
                )
    everywhere = [label for labels in named for label in labels]
    dots = sorted({a for a in everywhere if type(a) is _Dot}, key=lambda dot: -dot.place)
    if output is None:
        output = [*dots, *sorted({a for a in everywhere if type(a) is not _Dot and everywhere.count(a) == 1})]
    else:
        if dots and ... not in output:
            raise ValueError(
                "einsum: expected '...' in the result too, for the axes that it stands for in the arrays"
            )
        output = [a for label in output for a in (dots if label is ... else [label])]
    missing = [label for label in output if label not in lengths]
    if missing or len(set(output)) < len(output):
        raise ValueError(f"einsum: expected each label of the result once, and in an array; got {output}")

    result, labels = None, []
    for i, x in enumerate(arrays):
        needed = {*output, *(a for rest in named[i + 1 :] for a in rest)}
        x, axes = _single(xp, x, named[i], lengths, {*needed, *labels})
        result, labels = (x, axes) if result is None else _pair(xp, result, labels, x, axes, needed)
    return xp.permute_dims(result, tuple(labels.index(label) for label in output))


class _Dot(tuple[int]):
    """An axis that an ellipsis stands for, counted from the last of them."""

    @property
    def place(self) -> int:
        return self[0]


def _parsed(operands: Sequence[Any]) -> tuple[list[Any], list[Labels], Labels | None]:
    """Return the arrays, the labels of their axes, and those of the result if they are given."""
    if not isinstance(operands[0], str):
        named = [_numbers(labels) for labels in operands[1::2]]
        return (
            list(operands[0 : 2 * len(named) : 2]),
            named,
            _numbers(operands[-1]) if len(operands) % 2 else None,
        )
    left, arrow, right = operands[0].replace(" ", "").partition("->")
    parts = left.split(",")
    if len(parts) != len(operands) - 1:
        raise ValueError(f"einsum: expected {len(parts)} arrays for {operands[0]!r}; got {len(operands) - 1}")
    return list(operands[1:]), [_letters(part) for part in parts], _letters(right) if arrow else None


def _numbers(labels: Any) -> Labels:
    if (
        isinstance(labels, str)
        or not all(label is ... or isinstance(label, int | np.integer) for label in labels)
        or list(labels).count(...) > 1
    ):
        raise TypeError(
            f"einsum: expected whole numbers and at most one ... for the axes of an array; got {labels!r}"
        )
    return list(labels)


def _letters(text: str) -> Labels:
    before, dots, after = text.partition("...")
    labels = [*before, *([...] if dots else []), *after]
    if not all(label is ... or label.isalpha() for label in labels):
        raise ValueError(f"einsum: expected letters and at most one '...'; got {text!r}")
    return labels


def _spelled(x: Array, labels: Labels) -> Labels:
    """Return one label for each axis of x."""
    rest = x.ndim - sum(label is not ... for label in labels)
    if rest < 0 or (rest and ... not in labels):
        raise ValueError(
            f"einsum: expected an array of {x.ndim - rest} axes for {labels}; got shape {x.shape}"
        )
    dots = [_Dot((place,)) for place in range(rest - 1, -1, -1)]
    return [a for label in labels for a in (dots if label is ... else [label])]


def _single(
    xp: Any, x: Array, labels: Labels, lengths: dict[Any, int], keep: set[Any]
) -> tuple[Array, Labels]:
    """Return x stretched to the common lengths, on its diagonal where a label stands twice, summed over the rest."""
    shape = tuple(lengths[label] for label in labels)
    if shape != x.shape:
        x = xp.broadcast_to(x, shape)
    for label in set(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            x = xp.linalg.diagonal(xp.moveaxis(x, (first, second), (-2, -1)))
            labels = [a for i, a in enumerate(labels) if i not in (first, second)] + [label]
    away = tuple(i for i, label in enumerate(labels) if label not in keep)
    return (xp.sum(x, axis=away) if away else x), [label for label in labels if label in keep]


def _pair(xp: Any, x: Array, first: Labels, y: Array, second: Labels, keep: set[Any]) -> tuple[Array, Labels]:
    """Return the sum of products over the labels that both have and nobody needs later, as one matrix product."""
    both = [label for label in first if label in second]
    batch, summed = [a for a in both if a in keep], [a for a in both if a not in keep]
    rows, columns = [a for a in first if a not in both], [a for a in second if a not in both]
    lengths = dict(zip(first, x.shape, strict=True)) | dict(zip(second, y.shape, strict=True))

    def matrices(z: Array, labels: Labels, *groups: Labels) -> Array:
        order = tuple(labels.index(label) for group in (batch, *groups) for label in group)
        sizes = (math.prod(lengths[label] for label in group) for group in groups)
        return xp.reshape(xp.permute_dims(z, order), (*(lengths[label] for label in batch), *sizes))

    product = matrices(x, first, rows, summed) @ matrices(y, second, summed, columns)
    labels = batch + rows + columns
    return xp.reshape(product, tuple(lengths[label] for label in labels)), labels
