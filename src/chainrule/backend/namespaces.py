"""The namespace that arrays share, and the way back to NumPy."""

from typing import Any

import array_api_compat
import numpy as np

from chainrule.validation import check_array, check_kind


def namespace(*arrays: Any) -> Any:
    """Return the array API namespace that all arrays share: `numpy` itself for NumPy's, array-api-compat's else.

    NumPy 2 meets the standard; a wrapper around it would cost more than many of the operations it wraps. Where the
    gradient of some is followed, it is the namespace of these, which takes the others as they are.
    """
    kinds = set(map(type, arrays))
    for kind in kinds - {np.ndarray}:
        check_kind(kind)
    if all(issubclass(kind, np.ndarray | np.generic) for kind in kinds):
        return np
    return array_api_compat.array_namespace(*([x for x in arrays if hasattr(x, "space")] or arrays))


def to_numpy(x: Any) -> np.ndarray[Any, Any]:
    """Return x, an array of any device, as a NumPy array; on a GPU this waits and copies."""
    if array_api_compat.is_cupy_array(x):
        return np.asarray(x.get())
    if type(x).__module__.startswith("array_api_strict"):
        return np.asarray(x.to_device(x.__array_namespace__().Device("CPU_DEVICE")))
    check_array(x)
    return np.asarray(x)
