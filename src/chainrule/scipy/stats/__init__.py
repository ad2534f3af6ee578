"""scipy.stats with gradients: densities and distribution functions, with SciPy's names, parameters and methods.

`norm.logpdf(x, loc, scale)` and the others take arrays, numbers and lists, which broadcast, and gradients flow to all
of them but the counts of discrete distributions. Where SciPy gives NaN for a parameter, so do these.
"""

from typing import Any

from chainrule.scipy.stats.distributions import CONTINUOUS, DISCRETE
from chainrule.scipy.stats.multivariate import dirichlet as dirichlet
from chainrule.scipy.stats.multivariate import multivariate_normal as multivariate_normal

__all__ = ["dirichlet", "multivariate_normal"]
__all__ += list(CONTINUOUS | DISCRETE)
globals().update(CONTINUOUS | DISCRETE)


# Type checkers learn from it that there are names which are not written here.
def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"module {__name__!r} has no attribute {name!r}; it has {', '.join(sorted(__all__))}"
    )
