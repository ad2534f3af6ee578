"""The table of operations on arrays of PyTorch, JAX and Dask: NumPy's gradients, as arrays of the library."""

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import chainrule as cr
from chainrule import pytree
from tests.contract.operations import OPERATIONS, Operation

# All rows take minutes, of which compiling JAX's kernels takes most; CHAINRULE_EVERY_ROW=1 asks for them.
_SOME = {
    "torch": ("getitem", "assigned", "scatter", "put", "take", "sort", "concat", "repeat", "prod", "tanh"),
    "jax": ("assigned",),
    "dask": ("getitem", "assigned", "take", "sort", "repeat", "broadcast_arrays", "tanh"),
}


class Library(NamedTuple):
    xp: Any
    array: Callable[[np.ndarray], Any]
    numpy: Callable[[Any], np.ndarray]


def torch() -> Library:
    library = pytest.importorskip("torch")
    return Library(pytest.importorskip("array_api_compat.torch"), library.asarray, lambda x: x.numpy())


def jax() -> Library:
    pytest.importorskip("jax").config.update("jax_enable_x64", True)
    xp = pytest.importorskip("jax.numpy")
    return Library(xp, xp.asarray, np.asarray)


def dask() -> Library:
    library = pytest.importorskip("dask.array")
    xp = pytest.importorskip("array_api_compat.dask.array")
    return Library(xp, library.from_array, lambda x: np.asarray(x.compute(scheduler="synchronous")))


LIBRARIES = {"torch": torch, "jax": jax, "dask": dask}
# What a library itself cannot do, by rows; the error is its own, or names the function that it lacks.
REFUSED: dict[str, dict[str, str]] = {
    "torch": {"std-axis": "float correction", "getitem-slices": "step must be greater than zero"},
    "jax": {},
    "dask": {
        **dict.fromkeys(("getitem-arrays", "assigned-repeated"), "fancy indexing"),
        **dict.fromkeys(
            ("take_along_axis", "take_along_axis-broadcast", "sort", "sort-descending"), "take_along_axis"
        ),
        **dict.fromkeys(
            ("linalg.cholesky-upper", "linalg.inv", "linalg.solve-vector"), "Dimension must be 2"
        ),
        **dict.fromkeys(("fft.rfft", "fft.rfft-shorter", "fft.rfftn", "fft.ihfft"), "along an axis that"),
        **dict.fromkeys(
            (
                *(
                    "linalg.cross",
                    "linalg.det",
                    "linalg.eig-values",
                    "linalg.eig-vectors",
                    "linalg.eigh-values",
                ),
                *("linalg.eigh-vectors", "linalg.eigvals", "linalg.eigvalsh", "linalg.matrix_power--2"),
                *("linalg.matrix_power-0", "linalg.matrix_power-3", "linalg.pinv-tall", "linalg.pinv-wide"),
                "linalg.pinv-truncated",
                "linalg.slogdet",
            ),
            "has no '",
        ),
        **dict.fromkeys(
            ("linalg.svdvals", "linalg.matrix_norm-nuc", "linalg.matrix_norm-2", "linalg.matrix_norm--2"),
            "full_matrices",
        ),
        "getitem-mask": "Dask does not know how many",
        "linalg.solve": "1 or 2 dimensional",
        "repeat-counts": "Only integer valued",
        "repeat-flat": "integer axis",
    },
}
ROWS = [
    (name, o)
    for name, gates in _SOME.items()
    for o in OPERATIONS
    if o.gate in gates or os.environ.get("CHAINRULE_EVERY_ROW")
]


def total(operation: Operation, xp: Any) -> Callable[..., Any]:
    space = cr.differentiable(xp)

    def f(*arrays: Any) -> Any:
        parts = pytree.flat(operation.f(space, *map(space.asarray, arrays)))
        return sum((space.sum(abs(y) ** 2) for y in parts[1:]), space.sum(abs(parts[0]) ** 2))

    return f


@pytest.mark.parametrize(("name", "operation"), ROWS, ids=[f"{name}-{o.id}" for name, o in ROWS])
def test_a_gradient_is_numpys_in_the_library_of_the_arrays(name: str, operation: Operation):
    library = LIBRARIES[name]()
    arrays = operation.arrays()
    mine, numbers = [library.array(x) for x in arrays], tuple(range(len(arrays)))
    gradient = cr.grad(total(operation, library.xp), numbers)
    if operation.id in REFUSED[name]:
        with pytest.raises(Exception, match=REFUSED[name][operation.id]):
            gradient(*mine)
        return
    for g, wanted, x in zip(
        gradient(*mine), cr.grad(total(operation, np), numbers)(*arrays), mine, strict=True
    ):
        assert type(g) is type(x)
        assert (g.dtype, tuple(g.shape)) == (x.dtype, tuple(x.shape))
        assert getattr(g, "device", None) == getattr(x, "device", None)
        np.testing.assert_allclose(library.numpy(g), wanted, rtol=1e-9, atol=1e-9)
