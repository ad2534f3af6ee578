"""Arrays as tests hand them in."""

from typing import Any

import numpy as np


def read_only(x: Any) -> Any:
    """Return x, which nobody may write into from now on where it is NumPy's."""
    if isinstance(x, np.ndarray):
        x.flags.writeable = False
    return x
