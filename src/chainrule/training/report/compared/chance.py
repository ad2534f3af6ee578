"""What chance may do to held-out answers: error bars, and whether two runs can be told apart."""

import math
from typing import NamedTuple

import numpy as np

# Two-sided 95 %.
_Z = 1.959963984540054
LEVEL = 0.05


class Test(NamedTuple):
    """A test of two runs on the same held-out rows: its name, its p-value, and what was counted."""

    name: str
    p: float
    counted: str


def wilson(right: int, rows: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, `right` of `rows` >= 1. Source: E. B. Wilson, JASA 22 (1927), 209-212."""
    share, z2 = right / rows, _Z**2
    middle = (share + z2 / (2 * rows)) / (1 + z2 / rows)
    half = _Z * math.sqrt(share * (1 - share) / rows + z2 / (4 * rows**2)) / (1 + z2 / rows)
    return max(0.0, middle - half), min(1.0, middle + half)


def of_error(squares: np.ndarray) -> tuple[float, float]:
    """Return the 95 % interval of a root mean square, from the squares (m,), m >= 2, by their standard error."""
    mean, half = float(np.mean(squares)), _Z * float(np.std(squares, ddof=1)) / math.sqrt(len(squares))
    return math.sqrt(max(0.0, mean - half)), math.sqrt(mean + half)


def mcnemar(one: np.ndarray, other: np.ndarray) -> Test:
    """Return McNemar's exact test of which of the same rows (m,) two runs answer right."""
    from scipy.special import bdtr

    only_one, only_other = int(np.sum(one & ~other)), int(np.sum(other & ~one))
    differing = only_one + only_other
    # Where neither run is better, each of these rows is right by one or the other with probability 1/2.
    p = min(1.0, 2 * float(bdtr(min(only_one, only_other), differing, 0.5))) if differing else 1.0
    return Test(
        "McNemar, exact", p, f"{only_other} of {len(one)} rows right only here, {only_one} only there"
    )


def two_proportions(right: int, other_right: int, rows: int) -> Test:
    """Return the test of two shares of `rows` each, as if the rows of the one were others than those of the other."""
    pooled = (right + other_right) / (2 * rows)
    spread = math.sqrt(2 * pooled * (1 - pooled) / rows)
    z = (other_right - right) / rows / spread if spread else 0.0
    counted = f"{other_right} of {rows} rows right here, {right} there"
    return Test("two proportions", math.erfc(abs(z) / math.sqrt(2)), counted)


def paired_squares(one: np.ndarray, other: np.ndarray) -> Test:
    """Return Student's test of the differences between two runs' squared errors (m,), m >= 2, of the same rows.

    p is NaN where all differences are equal and not 0: their spread is not known then.
    """
    from scipy.special import stdtr

    apart = one - other
    mean, error = float(np.mean(apart)), float(np.std(apart, ddof=1)) / math.sqrt(len(apart))
    unknown = 1.0 if mean == 0 else math.nan
    p = 2 * float(stdtr(len(apart) - 1, -abs(mean / error))) if error else unknown
    closer = int(np.sum(other < one))
    return Test("paired t of squared errors", p, f"{closer} of {len(apart)} rows are closer here")
