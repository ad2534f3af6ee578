"""NumPy's names on every array: `import chainrule.numpy as np`.

On plain arguments each function is NumPy's own. On traced, batched and recorded arrays it is that of their namespace,
as `numpy.sin(x)` is by NumPy's protocol; lists of them are arrays too, as in `np.array([x, y])` and `np.mean([x, y])`.
Arrays of CuPy, JAX, PyTorch and others stay in their library.
"""

from typing import Any

import numpy as np

from chainrule.numpy.functions import attribute
from chainrule.numpy.objects import Joined
from chainrule.numpy.objects import vectorize as vectorize

# The lists of NumPy's own import each of its submodules; these wait until they are asked for.
__all__ = list(np.__all__)

r_, c_ = Joined("r_"), Joined("c_")


def __getattr__(name: str) -> Any:
    found = globals()[name] = attribute("", name)
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
