"""NumPy's functions on followed arrays, at random shapes, axes, dtypes and settings: NumPy's results, right slopes.

Values, dtypes and shapes are held against NumPy's own on plain arrays, slopes against differences of NumPy's values.
CHAINRULE_DRAWS sets how many draws a function gets.
"""

import math
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from tests.numpy_names.cases import CASES, Draw

DRAWS = int(os.environ.get("CHAINRULE_DRAWS", "2"))


def flat(result: Any) -> list[Any]:
    return [y for part in result for y in flat(part)] if isinstance(result, tuple | list) else [result]


def is_floating(y: Any) -> bool:
    return np.asarray(y).dtype.kind in "fc"


def same_as_numpy(f: Callable[..., Any], args: list[np.ndarray], rtol: float) -> None:
    want, got = flat(f(*args)), flat(f(*map(cr.variable, args)))
    assert len(got) == len(want)
    for mine, its in zip(got, want, strict=True):
        its = np.asarray(its)
        assert (mine.shape, mine.dtype) == (its.shape, its.dtype)
        near = 1e-4 if its.dtype in (np.float32, np.complex64) else rtol
        np.testing.assert_allclose(np.asarray(cr.stop_gradient(mine)), its, rtol=near, atol=near)


def right_slopes(f: Callable[..., Any], args: list[np.ndarray], d: Draw) -> None:
    """One slope, along a random direction of all arguments together, and 0 where an argument is NaN."""
    outputs = [i for i, y in enumerate(flat(f(*args))) if is_floating(y)]
    weights = {
        i: np.cos(np.arange(np.size(y)) + 1.0).reshape(np.shape(y)) for i, y in enumerate(flat(f(*args)))
    }

    def parts(*args: Any) -> Any:
        return [np.real(y) + 0.7 * np.imag(y) if np.iscomplexobj(y) else y for y in flat(f(*args))]

    def cost(*args: Any) -> Any:
        ys = parts(*args)
        return math.fsum(np.nansum(ys[i] * weights[i]) for i in outputs)

    def followed(*args: Any) -> Any:
        ys = parts(*args)
        return sum(
            (np.sum(np.where(ys[i] == ys[i], ys[i], 0) * weights[i]) for i in outputs),
            0.0 * np.sum(np.where(args[0] == args[0], args[0], 0)),
        )

    slopes = cr.grad(followed, argnums=tuple(range(len(args))))(*args)
    for x, dx in zip(args, slopes, strict=True):
        assert (dx.shape, dx.dtype) == (x.shape, x.dtype)
        assert not np.any(dx[np.isnan(x)])
    # With the order of x in memory, which some functions ask for.
    along, h = (
        [np.add(np.zeros_like(x), d.random.standard_normal(x.shape), out=np.empty_like(x)) for x in args],
        1e-6,
    )
    ends = [cost(*(x + s * h * u for x, u in zip(args, along, strict=True))) for s in (1, -1)]
    mine = sum(
        float(np.sum(dx * np.where(np.isnan(x), 0, u))) for x, dx, u in zip(args, slopes, along, strict=True)
    )
    np.testing.assert_allclose(mine, (ends[0] - ends[1]) / (2 * h), rtol=2e-5, atol=2e-6)


UNSTEADY = {
    "any",
    "all",
    "unique",
    "union1d",
    "intersect1d",
    "setxor1d",
    "setdiff1d",
    "trim_zeros",
    "digitize",
} | {
    *(
        "argwhere",
        "flatnonzero",
        "unique_values",
        "unique_counts",
        "unique_inverse",
        "unique_all",
        "lexsort",
        "compress",
        "extract",
    ),
}


@pytest.mark.filterwarnings("ignore:.*(NaN slice|NaN axis|empty slice|Degrees of freedom).*:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
@pytest.mark.parametrize("name", CASES)
def test_a_function_is_numpys_and_its_slopes_are_right(name: str):
    for seed in range(DRAWS):
        d = Draw([seed, *name.encode()])
        f, args = CASES[name](d)
        same_as_numpy(f, args, 1e-12)
        same_as_numpy(f, [x.astype("f4") for x in args], 1e-4)
        # Of values in float32 differences say nothing.
        if name not in UNSTEADY and all(np.asarray(y).dtype != np.float32 for y in flat(f(*args))):
            right_slopes(f, args, d)


ELSEWHERE = (
    *(
        "sum",
        "nanmean",
        "nanvar",
        "nanmax",
        "median",
        "quantile",
        "nanquantile",
        "average",
        "cov",
        "digitize",
    ),
    *(
        "histogram",
        "fmod",
        "heaviside",
        "geomspace",
        "reduce",
        "accumulate",
        "ravel",
        "pad",
        "delete",
        "insert",
    ),
    *(
        "sliding_window_view",
        "interp",
        "trapezoid",
        "gradient",
        "convolve",
        "polyval",
        "polyfit",
        "linalg.lstsq",
    ),
    *("linalg.cond", "put", "put_along_axis", "putmask", "copyto", "fill_diagonal"),
)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", ELSEWHERE)
def test_a_function_is_the_same_in_a_batch_and_in_a_program(name: str):
    f, args = CASES[name](Draw([0, *name.encode()]))
    program, others = cr.compile(f), [x * 1.01 for x in args]
    program(*args)
    batch = flat(cr.vmap(f)(*(np.stack([x, y]) for x, y in zip(args, others, strict=True))))
    for again in (flat(program(*others)), [np.asarray(y)[1] for y in batch]):
        for mine, its in zip(again, flat(f(*others)), strict=True):
            its = np.asarray(its)
            assert np.asarray(mine).dtype == its.dtype
            near = 1e-4 if its.dtype == np.float32 else 1e-10
            np.testing.assert_allclose(mine, its, rtol=near, atol=near)
