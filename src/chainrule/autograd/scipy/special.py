"""SciPy's special functions, for programs of autograd: those of chainrule.special, and gammasgn."""

from typing import Any

import scipy.special as _scipy

from chainrule import special as _ours
from chainrule.autograd.extend import notrace_primitive

__all__ = ["gammasgn"]
__all__ += _ours.__all__

gammasgn = notrace_primitive(_scipy.gammasgn)


def __getattr__(name: str) -> Any:
    # SciPy's other universal functions ask traced arrays, which refuse by name.
    return getattr(_ours if hasattr(_ours, name) else _scipy, name)
