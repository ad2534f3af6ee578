"""Forward and backward propagation, written once for NumPy and CuPy."""

from chainrule import logistic
from chainrule.device import Device, get_device, use_device

__version__ = "0.1.0"

__all__ = ["Device", "get_device", "logistic", "use_device"]
