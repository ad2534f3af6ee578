"""The same mathematics, written for speed or for reading: a network's operations, tiles, compiled code and loops."""

from typing import Any

import numpy as np

from chainrule.models.kernels.numpy import NumpyOps
from chainrule.models.kernels.ops import Ops

_OPS: dict[Any, Ops] = {np: NumpyOps()}


def ops_for(xp: Any) -> Ops:
    """Return a network's operations on the arrays of a namespace, in the spellings in which it is the quickest."""
    return _OPS.get(xp) or Ops(xp)
