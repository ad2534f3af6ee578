"""The functions of `chainrule.special`, under SciPy's name of the module."""

from typing import Any

from chainrule import special

__all__ = special.__all__


def __getattr__(name: str) -> Any:
    return getattr(special, name)


def __dir__() -> list[str]:
    return dir(special)
