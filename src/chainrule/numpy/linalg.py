"""The names of numpy.linalg, on every array."""

from typing import Any

import numpy as np

from chainrule.numpy.functions import attribute

__all__ = list(np.linalg.__all__)


def __getattr__(name: str) -> Any:
    found = globals()[name] = attribute("linalg", name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
