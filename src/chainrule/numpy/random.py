"""The names of numpy.random, which are NumPy's own: random numbers are constants."""

from typing import Any

import numpy as np

__all__ = list(np.random.__all__)


def __getattr__(name: str) -> Any:
    return getattr(np.random, name)


def __dir__() -> list[str]:
    return sorted(__all__)
