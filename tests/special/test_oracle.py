"""Values, slopes and second derivatives against mpmath, at 200 points a function: tails and integers included.

tests/special/oracle.py writes the table.
"""

import numpy as np
import pytest

import chainrule as cr
from tests.special.oracle import FILE

TABLE = {key: values.astype(float) for key, values in np.load(FILE).items()}
LABELS = sorted({key.split(".")[0] for key in TABLE})
NAMES = {label: label.partition("_")[0] for label in LABELS if label.endswith(("_large", "_parameter"))}
RESULTS = {"sine_integral": 0, "cosine_integral": 1}
DIGITS = 3e-14
# By how much SciPy's own values are wrong, where slopes are not.
VALUES = {
    **dict.fromkeys(("beta", "betaln"), 1e-10),
    **dict.fromkeys(("log_ndtr", "ndtr"), 3e-13),
    "cosm1": 1e-13,
    "kl_div": 2e-11,
}
# Where slopes are values of the library, near zeros of oscillating functions above all; and near other zeros.
LIBRARY = {
    **dict.fromkeys(("j0", "j1", "y0", "y1", "jv", "yn", "yv"), 1e-11),
    **dict.fromkeys(("beta", "betainc_parameter", "gammainc_parameter", "ive"), 1e-13),
    **dict.fromkeys(("rel_entr", "rgamma"), 1e-12),
    "struve": 3e-11,
}
# The slopes of e^-|x| I_v are differences of nearly equal numbers below x = 30 or v^2, the second derivatives twice.
CANCELLING = {"i0e": 2e-12, "i1e": 2e-12, "ive": 1e-11}


def function(label):
    if label in RESULTS:
        return lambda x: cr.special.sici(x)[RESULTS[label]]
    return getattr(cr.special, NAMES.get(label, label))


def points(label, dtype="float64"):
    return [TABLE[f"{label}.x{i}"].astype(dtype) for i in range(3) if f"{label}.x{i}" in TABLE]


def places(label):
    return [i for i in range(3) if f"{label}.slope{i}" in TABLE]


def compare(got, want, tolerance):
    assert not np.isnan(want).any()
    # Numbers below the smallest normal one have few digits.
    tiny = np.finfo(got.dtype).smallest_normal / tolerance
    want = np.where(np.abs(want) > np.finfo(got.dtype).max, np.copysign(np.inf, want), want)
    np.testing.assert_allclose(got, want, rtol=tolerance, atol=tiny * tolerance)


@pytest.mark.parametrize("label", [label for label in LABELS if f"{label}.value" in TABLE])
def test_the_value(label):
    compare(
        function(label)(*points(label)),
        TABLE[f"{label}.value"],
        VALUES.get(label, LIBRARY.get(label, DIGITS)),
    )


@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
@pytest.mark.parametrize("label", LABELS)
def test_the_first_and_the_second_derivative(label):
    f, tolerance = function(label), LIBRARY.get(label, DIGITS)
    for i in places(label):
        slope = cr.grad(lambda *xs: np.sum(f(*xs)), i)
        compare(
            slope(*points(label)), TABLE[f"{label}.slope{i}"], max(tolerance, CANCELLING.get(label, 0) / 10)
        )
        if label.endswith("_parameter"):
            continue  # its second derivative is not known
        second = cr.grad(lambda *xs, i=i, slope=slope: np.sum(slope(*xs)), i)
        compare(second(*points(label)), TABLE[f"{label}.second{i}"], max(tolerance, CANCELLING.get(label, 0)))


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.filterwarnings("ignore:overflow:RuntimeWarning")
def test_float32(label):
    """Where the points are numbers of float32: a library may compute in it, and slopes are no better than values."""
    f, digits = function(label), 1e-3 if label in {**LIBRARY, **VALUES, **CANCELLING} else 3e-5
    digits = 3e-4 if label.endswith("_large") else digits
    xs = points(label, "float32")
    exact = np.all([x == p for x, p in zip(xs, points(label), strict=True)], axis=0)
    xs = [x[exact] for x in xs]
    if f"{label}.value" in TABLE:
        assert f(*xs).dtype == "float32"
    for i in places(label):
        want = TABLE[f"{label}.slope{i}"][exact]
        got = cr.grad(lambda *xs: np.sum(f(*xs)), i)(*xs)
        assert got.dtype == "float32"
        scale = np.median(np.abs(want))
        inside = (np.abs(want) > 1e-25) & (np.abs(want) < 1e35)
        np.testing.assert_allclose(got[inside], want[inside], rtol=digits, atol=digits * scale)
