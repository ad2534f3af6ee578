"""A traced call gives the value of NumPy's own call: its dtype, its shape and its digits."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.numpy_names.names import STANDARD_NAMES, UFUNCS
from tests.helpers.devices import Place

REDUCTIONS = ("sum", "prod", "mean", "var", "std", "max", "min", "cumsum", "cumprod")
OF_ONE = (
    "sqrt",
    "square",
    "negative",
    "reciprocal",
    "sin",
    "cosh",
    "log1p",
    "expm1",
    "sort",
    "flip",
    "ravel",
)
OF_TWO = (
    "add",
    "multiply",
    "divide",
    "maximum",
    "hypot",
    "logaddexp",
    "copysign",
    "linspace",
    "clip",
    "where",
)
OTHERS = [
    *(0.5, 2, np.float64(0.5), np.float16(0.5), np.int8(2)),
    *(
        np.array(0.5),
        np.array([0.5], "float32"),
        np.array([2]),
        np.array(2, "int8"),
        np.array([[0.5]], "float16"),
    ),
]


def calls(name: str) -> dict[str, Any]:
    """Return functions of one array by a text that tells them apart."""
    f = getattr(np, name)
    if name in REDUCTIONS:
        return {str(axis): lambda x, axis=axis: f(x, axis=axis) for axis in (None, -1)}
    if name == "clip":
        # NumPy's own scalars have a clip of theirs, with other dtypes.
        f = lambda x, y: np.clip(np.asarray(x) if type(x).__module__ == "numpy" else x, 0, y)  # noqa: E731
    if name == "where":
        f = lambda x, y: np.where(True, x, y)  # noqa: E731
    pairs = ((f"{y!r} {side}", y, side) for y in OTHERS for side in ("right", "left"))
    two = {
        k: (lambda x, y=y: f(x, y)) if side == "right" else (lambda x, y=y: f(y, x)) for k, y, side in pairs
    }
    return two if name in OF_TWO or getattr(f, "nin", 1) == 2 else {"": f}


@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated")
@pytest.mark.parametrize("low", ["float16", "float32", "float64"])
@pytest.mark.parametrize(
    "name", sorted({*REDUCTIONS, *OF_ONE, *OF_TWO, *UFUNCS, *STANDARD_NAMES} & {*dir(np)})
)
def test_the_value_of_a_traced_call(name: str, low: str):
    with np.errstate(all="ignore"):
        for values in (0.6, [0.3, 0.6, 0.9]):
            x = np.array(values, low) + (1 if "cosh" in name else 0)
            for text, f in calls(name).items():
                try:
                    right = f(x)
                except (TypeError, ValueError, np.exceptions.AxisError):
                    continue  # NumPy itself does not take these
                rights = right if isinstance(right, tuple) else (right,)
                if not np.issubdtype(rights[0].dtype, np.floating):
                    continue
                for out in (cr.vjp(f, x)[0], cr.jvp(f, (x,), (x,))[0]):
                    for got, right in zip(out if isinstance(out, tuple) else (out,), rights, strict=True):
                        assert (got.dtype, got.shape) == (right.dtype, right.shape), text
                        near = 4 * np.finfo(rights[0].dtype).eps  # others, as of frexp, are whole
                        np.testing.assert_allclose(got, right, rtol=near, err_msg=text)


def test_numbers_and_integers_between_traced_bounds(here: Place, dtype: str):
    xp, v = cr.differentiable(here.xp), here.array([0.5, 1.5], dtype)
    whole = here.array([0, 3], "int64")
    moved = (here.array([1.0, 1.0], dtype),)
    for x, value, slope in ((0.25, [0.5, 1.5], [1, 1]), (whole, [0.5, 2.5], [1, 1])):
        if x is whole and here.xp is not np:
            continue  # others do not mix integers and floating numbers
        f = lambda v, x=x: xp.clip(x, v, v + 1)  # noqa: E731
        out, rate = cr.jvp(f, (v,), moved)
        assert out.dtype == here.xp.float64  # as of NumPy, which makes an array of the number
        np.testing.assert_array_equal(here.numpy(out), value)
        np.testing.assert_array_equal(here.numpy(rate), slope)
        np.testing.assert_array_equal(here.numpy(cr.grad(lambda v, f=f: xp.sum(f(v)))(v)), slope)


def test_rates_at_an_infinite_slope(here: Place):
    xp, x, t = cr.differentiable(here.xp), here.array([0.0]), here.array([1.0])
    for f in (lambda s: xp.stack([s, -s]), lambda s: s * xp.asarray(here.array([1.0, -1.0]))):
        with np.errstate(all="ignore"):
            rate = here.numpy(cr.jvp(lambda v, f=f: f(xp.sqrt(v)), (x,), (t,))[1]).ravel()
        np.testing.assert_array_equal(rate, [np.inf, -np.inf])


def test_rates_and_values_are_the_callers_own():
    x, t = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    outs, rates = cr.jvp(lambda v: (v, v, v + 0, v[::-1], np.reshape(v, (2, 1))), (x,), (t,))
    arrays = [*outs, *rates, x, t]
    copies = [a.copy() for a in arrays]
    for i, a in enumerate(arrays):
        a[...] = -7
        for j, (b, before) in enumerate(zip(arrays, copies, strict=True)):
            assert j <= i or np.array_equal(b, before)
