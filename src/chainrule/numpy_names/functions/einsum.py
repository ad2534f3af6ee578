"""einsum, Einstein's summation convention, by matrix products: two arrays at a time, from left to right."""

import itertools
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.gates.types import Array
from chainrule.numpy_names.coercion import as_arrays
from chainrule.numpy_names.names import numpy_name

Labels = list[Any]  # a letter, a number or ... for each axis of an array


class _EllipsisAxis(NamedTuple):
    """The label of an axis that an ellipsis stands for, counted from the last of those axes."""

    place: int

    def __repr__(self) -> str:
        return f"...[{-1 - self.place}]"


@numpy_name()
def einsum(xp: Any, *operands: Any, optimize: Any = False) -> Array:
    """Return sums of products over named axes: einsum("ij,jk->ik", A, B), or einsum(A, [0, 1], B, [1, 2], [0, 2]).

    `optimize`, by which NumPy chooses an order of summation, has no effect. Raises ValueError for labels that do not
    fit the arrays.
    """
    items, labels_of, output = _parsed(operands)
    arrays = as_arrays(xp, items)
    dtype = xp.result_type(*arrays)
    # Before anything is summed, as in NumPy: a sum in the lower precision would lose digits that the result has.
    arrays = [x if x.dtype == dtype else xp.astype(x, dtype) for x in arrays]
    labels_of = [_one_label_an_axis(x, labels) for x, labels in zip(arrays, labels_of, strict=True)]
    lengths = _lengths(arrays, labels_of)
    output = _output(labels_of, output)
    missing = [label for label in output if label not in lengths]
    if missing or len(set(output)) < len(output):
        raise ValueError(f"einsum: expected each label of the result once, and in an array; got {output}")

    result: Array = None
    labels: Labels = []
    for i, x in enumerate(arrays):
        needed_later = {*output, *itertools.chain(*labels_of[i + 1 :])}
        x, own = _single(xp, x, labels_of[i], lengths, {*needed_later, *labels})
        result, labels = (x, own) if result is None else _pair(xp, result, labels, x, own, needed_later)
    return xp.permute_dims(result, tuple(labels.index(label) for label in output))


def _lengths(arrays: list[Array], labels_of: list[Labels]) -> dict[Any, int]:
    """Return the length of the axes of each label; an axis of length 1 is stretched to that of another array."""
    lengths: dict[Any, int] = {}
    for x, labels in zip(arrays, labels_of, strict=True):
        own: dict[Any, int] = {}
        for label, n in zip(labels, x.shape, strict=True):
            if lengths.setdefault(label, n) == 1:
                lengths[label] = n
            # Not so beside another axis of the same array.
            if n not in (1, lengths[label]) or own.setdefault(label, n) != n:
                raise ValueError(
                    f"einsum: axis {label!r} has lengths {own.get(label, lengths[label])} and {n}"
                )
    return lengths


def _output(labels_of: list[Labels], output: Labels | None) -> Labels:
    """Return the labels of the result: those given, or the axes of the ellipsis and each label that occurs once."""
    used = [label for labels in labels_of for label in labels]
    ellipsis = sorted({a for a in used if type(a) is _EllipsisAxis}, reverse=True)
    if output is None:
        return [*ellipsis, *sorted({a for a in used if type(a) is not _EllipsisAxis and used.count(a) == 1})]
    if ellipsis and ... not in output:
        raise ValueError(
            "einsum: expected '...' in the result too, for the axes that it stands for in the arrays"
        )
    return [a for label in output for a in (ellipsis if label is ... else [label])]


def _parsed(operands: Sequence[Any]) -> tuple[list[Any], list[Labels], Labels | None]:
    """Return the arrays, the labels of their axes, and those of the result where they are given."""
    if not isinstance(operands[0], str):
        labels_of = [_numbers(labels) for labels in operands[1::2]]
        arrays = list(operands[0 : 2 * len(labels_of) : 2])
        return arrays, labels_of, _numbers(operands[-1]) if len(operands) % 2 else None
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


def _one_label_an_axis(x: Array, labels: Labels) -> Labels:
    """Return labels with one for each axis of x: those of the ellipsis in its place."""
    rest = x.ndim - sum(label is not ... for label in labels)
    if rest < 0 or (rest and ... not in labels):
        raise ValueError(
            f"einsum: expected an array of {x.ndim - rest} axes for {labels}; got shape {x.shape}"
        )
    ellipsis = [_EllipsisAxis(place) for place in range(rest)][::-1]
    return [a for label in labels for a in (ellipsis if label is ... else [label])]


def _single(
    xp: Any, x: Array, labels: Labels, lengths: dict[Any, int], keep: set[Any]
) -> tuple[Array, Labels]:
    """Return x broadcast to the common lengths, on its diagonal where a label occurs twice, summed over the rest."""
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
    if away:
        # NumPy's einsum keeps the dtype of integers, which its sum widens.
        whole = not xp.isdtype(x.dtype, ("real floating", "complex floating"))
        x = xp.sum(x, axis=away, dtype=x.dtype) if whole else xp.sum(x, axis=away)
    return x, [label for label in labels if label in keep]


def _pair(xp: Any, x: Array, first: Labels, y: Array, second: Labels, keep: set[Any]) -> tuple[Array, Labels]:
    """Return sums of products over the labels that both arrays have and that are not kept, as one matrix product."""
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
