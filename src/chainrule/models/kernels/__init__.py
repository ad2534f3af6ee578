"""The same mathematics, written for speed or for reading: a network's operations, tiles, compiled code and loops."""

from typing import Any

import numpy as np
from array_api_compat import is_cupy_namespace

from chainrule.models.kernels.cupy import CupyOps
from chainrule.models.kernels.numpy import NumpyOps, RecordedOps
from chainrule.models.kernels.ops import Ops

_OPS: dict[Any, Ops] = {np: NumpyOps()}


def ops_for(xp: Any) -> Ops:
    """Return the operations of one pass of a network in a namespace, in the spellings in which it is the quickest."""
    if getattr(xp, "__name__", "") == "recorded(numpy)":
        return RecordedOps(xp)
    return _OPS.get(xp) or (CupyOps if is_cupy_namespace(xp) else Ops)(xp)
