"""scipy.integrate with gradients, for programs of autograd: that of chainrule.scipy."""

from typing import Any

import chainrule.scipy.integrate as _ours

__all__ = [name for name in vars(_ours) if not name.startswith("_")]


def __getattr__(name: str) -> Any:
    return getattr(_ours, name)
