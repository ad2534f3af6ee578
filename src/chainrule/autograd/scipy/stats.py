"""Distributions of scipy.stats with gradients, for programs of autograd, each as a module: `stats.norm.logpdf`."""

import importlib.machinery
import sys
import types
from typing import Any

import scipy.stats as _scipy

import chainrule.scipy.stats as _ours

__all__ = list(_ours.__all__)


class _Distribution(types.ModuleType):
    """What chainrule.scipy.stats has for a distribution, and scipy.stats has beside it, such as random numbers."""

    def __getattr__(self, name: str) -> Any:
        kind = self.__name__.rpartition(".")[2]
        own = getattr(_ours, kind)
        return getattr(own if hasattr(own, name) else getattr(_scipy, kind), name)


__path__: list[str] = []  # for `import chainrule.autograd.scipy.stats.norm`
for _name in __all__:
    _module = _Distribution(f"{__name__}.{_name}", f"scipy.stats.{_name} with gradients.")
    _module.__spec__ = importlib.machinery.ModuleSpec(_module.__name__, None)
    globals()[_name] = sys.modules[_module.__name__] = _module


def __getattr__(name: str) -> Any:
    return getattr(_scipy, name)
