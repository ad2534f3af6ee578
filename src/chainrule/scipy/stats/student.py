"""Student's distribution function, a gate of its own: in functions of the namespace its slope at 0 would be lost."""

import math
from typing import Any

from chainrule.backend.special_functions import special_function
from chainrule.gates.helpers import is_transformed, output
from chainrule.gates.types import Array, Result
from chainrule.special.densities import LARGE, beta_density, stirling_ratio
from chainrule.special.incomplete import betainc, betainc_slope, betaln
from chainrule.special.table import slope


def student_log_density(xp: Any, x: Array, df: Array) -> Array:
    """Return the logarithm of Student's density."""
    return _log_height(xp, df) - (df + 1) / 2 * xp.log1p(x * x / df)


def _log_height(xp: Any, df: Array) -> Array:
    """Return the logarithm of the density at 0, 1 / (sqrt(df) B(1/2, df / 2))."""
    large = df > 2 * LARGE
    a, few = xp.where(large, df, 2 * LARGE) / 2, xp.where(large, 1, df)
    # By Stirling's series, of which the leading terms cancel.
    series = a * xp.log1p(1 / (2 * a)) - 0.5 + xp.log(stirling_ratio(xp, a + 0.5) / stirling_ratio(xp, a))
    at_few = -xp.log(few) / 2 - output(betaln, xp, 0 * few + 0.5, few / 2)
    return xp.where(large, series - math.log(2 * math.pi) / 2, at_few)


@slope
def student_cdf(xp: Any, df: Array, x: Array, /) -> Result:
    """F(df, x): its slope in x is the density, that in df is one of I_w(df / 2, 1/2), w = df / (df + x^2)."""
    y = output(student_cdf, xp, df, x) if is_transformed(df) or is_transformed(x) else _cdf(xp, df, x)

    def to_df(g: Array) -> Array:
        center = x == 0
        z = xp.where(center, 1, x) ** 2
        # The tail is I_w(df / 2, 1/2) / 2, or by v = 1 - w, where that is small, half of 1 - I_v(1/2, df / 2).
        small = z < df
        share = xp.where(small, z, df) / (df + z)
        a, b = xp.where(small, 0.5, df / 2), xp.where(small, df / 2, 0.5)
        in_df = [output(betainc_slope, xp, a, b, share, number=k) for k in (0, 1)]
        moved = beta_density(xp, a, b, share) * z / (df + z) ** 2 / 2
        tail = xp.where(small, -in_df[1], in_df[0]) / 4 + moved
        return g * xp.where(center, 0, xp.where(x > 0, -tail, tail))

    return y, (to_df, lambda g: g * xp.exp(student_log_density(xp, x, df)))


def _cdf(xp: Any, df: Array, x: Array) -> Array:
    own = special_function(xp, "stdtr")
    if own is not None:
        y = own(df, x)
        narrow = df.dtype == x.dtype == xp.float32
        return xp.astype(y, xp.float32) if narrow else y
    z = x * x
    near = z < 1
    half, a = 0 * (df + z) + 0.5, df / 2 + 0 * z
    inner = output(betainc, xp, half, a, z / (df + z))
    outer = output(betainc, xp, a, half, df / (df + z))
    tail = xp.where(near, (1 - inner) / 2, outer / 2)
    return xp.where(x > 0, 1 - tail, tail)
