"""Student's distribution function, a gate of its own: in functions of the namespace its slope at 0 would be lost."""

from typing import Any

from chainrule.backend.special_functions import special_function
from chainrule.gates.helpers import is_transformed, output
from chainrule.gates.types import Array, Result
from chainrule.special.densities import beta_density
from chainrule.special.incomplete import betainc, betainc_slope, betaln
from chainrule.special.table import slope


def student_log_density(xp: Any, x: Array, df: Array) -> Array:
    """Return the logarithm of Student's density."""
    height = xp.log(df) / 2 + output(betaln, xp, 0 * df + 0.5, df / 2)
    return -height - (df + 1) / 2 * xp.log1p(x * x / df)


@slope
def student_cdf(xp: Any, df: Array, x: Array, /) -> Result:
    """F(df, x): its slope in x is the density, that in df is one of I_w(df / 2, 1/2), w = df / (df + x^2)."""
    y = output(student_cdf, xp, df, x) if is_transformed(df) or is_transformed(x) else _cdf(xp, df, x)

    def to_df(g: Array) -> Array:
        center = x == 0
        z = xp.where(center, 1, x) ** 2
        w, a, b = df / (df + z), df / 2 + 0 * z, 0 * (df + z) + 0.5
        moved = beta_density(xp, a, b, w)
        tail = output(betainc_slope, xp, a, b, w, number=0) / 4 + moved * z / (df + z) ** 2 / 2
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
