"""Which family each function of a batched namespace belongs to: a row a family."""

from collections.abc import Callable
from typing import Any

from chainrule.batching import families as of
from chainrule.batching import indexing, products
from chainrule.gates import FLOWS
from chainrule.gates.standard import functions

# What stands in the place of a family where the namespace needs none:
# written    written in others of the namespace, and computed by them
# constant   one number or dtype for the whole batch, whatever the arguments are
WRITTEN, CONSTANT = "written", "constant"

_ROWS: tuple[tuple[Any, str], ...] = (
    (
        of.elementwise,
        "add bitwise_and bitwise_invert bitwise_left_shift bitwise_or bitwise_right_shift bitwise_xor ceil clip conj "
        "equal floor floor_divide greater greater_equal imag isfinite isinf isnan less less_equal logical_and "
        "logical_not logical_or logical_xor maximum minimum negative nextafter not_equal positive real relu round sign "
        "signbit subtract trunc where",
    ),
    (of.of_one_array, "astype to_device"),
    (of.reduction, "all any argmax argmin count_nonzero logsumexp max mean min prod std sum var vector_norm"),
    (
        of.of_matrices,
        "cholesky det diagonal eig eigh eigvals eigvalsh inv matrix_norm matrix_power matrix_transpose qr slogdet "
        "svd svdvals trace",
    ),
    (of.with_tolerance, "matrix_rank pinv"),
    (of.triangle, "tril triu"),
    (of.along(default=-1), "argsort fft hfft ifft ihfft irfft log_softmax rfft softmax sort"),
    (of.along(), "flip unit"),
    (of.along(without="a row"), "repeat roll"),
    (of.along("axes"), "fftn fftshift ifftn ifftshift irfftn rfftn"),
    (of.of_a_vector, "cumulative_prod cumulative_sum"),
    (of.of_classes, "multiclass_hinge softmax_cross_entropy"),
    (of.search, "searchsorted"),
    (of.membership, "isin"),
    *(
        (family, family.__name__)
        for family in (
            *(of.broadcast_to, of.expand_dims, of.moveaxis, of.permute_dims, of.reshape, of.squeeze),
            *(products.concat, products.matmul, products.solve, products.stack, products.tile),
            *(products.unstack, products.vecdot),
            *(indexing.getitem, indexing.put, indexing.scatter, indexing.take, indexing.take_along_axis),
            indexing.assigned,
        )
    ),
    (CONSTANT, "empty_like ones_like zeros_like"),
)
_BY_NAME = {name: family for family, names in _ROWS for name in names.split()}

# Functions whose results have shapes that depend on the values, and would differ within the batch; what to write.
_NO_FAMILY = {
    "nonzero": "xp.where(condition, x, y), which keeps the shape",
    **dict.fromkeys(
        ("unique_all", "unique_counts", "unique_inverse", "unique_values"),
        "xp.sort(x), whose result has the same shape for every element",
    ),
}
# The families whose settings are keys and places, which may be batched too.
OF_PLACES = (indexing.getitem, indexing.put, indexing.scatter, indexing.assigned)
# The families of several arrays, each of which may be batched; in others the first argument alone may be.
OF_SEVERAL = (
    *(
        of.elementwise,
        of.of_classes,
        of.search,
        of.membership,
        of.with_tolerance,
        products.concat,
        products.matmul,
        products.solve,
    ),
    *(products.stack, products.vecdot, indexing.getitem, indexing.put, indexing.scatter, indexing.take),
    *(indexing.take_along_axis, indexing.assigned),
)
# The families whose settings may be batched: keys, places and tolerances.
OF_SETTINGS = (*OF_PLACES, of.with_tolerance)


def family_of(name: str, kind: str, function: Callable[..., Any] | None) -> Any:
    """Return the family of a function, WRITTEN, CONSTANT, or the function that raises TypeError in its place."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    if name in _NO_FAMILY:
        return _refusing(name, _NO_FAMILY[name])
    if kind == "composed":
        return WRITTEN
    if kind in ("creation", "dtype", "value"):
        return CONSTANT
    if function is not None and FLOWS.get(function) == "elementwise":
        return of.elementwise
    # Any other gate is one of a user or of a part of ours that has no row: it runs on the batched arrays.
    return WRITTEN if kind == "gate" else _refusing(name, "the functions of docs/rules.md")


def _refusing(name: str, instead: str) -> Callable[..., Any]:
    def refuse(*_: Any, **__: Any) -> Any:
        raise TypeError(
            f"{name}: cannot be computed for a batch, because its result may have another shape for each element. "
            f"Write {instead}"
        )

    return refuse


def rows(part: str) -> list[tuple[str, str, Any, Any]]:
    """Return (name, kind, function, family) for all of a part of the standard's table."""
    return [(name, kind, f, family_of(name, kind, f)) for name, kind, f in functions(part)]
