"""Python's lists, tuples and dicts, which hold traced arrays as they are, and questions about traced values."""

import builtins
from typing import Any

from chainrule.autograd.tracer import getval

__all__ = ["DictBox", "SequenceBox", "dict", "isinstance", "list", "tuple", "type"]

tuple, list, dict = builtins.tuple, builtins.list, builtins.dict
DictBox, SequenceBox = builtins.dict, builtins.list


def isinstance(x: Any, classes: Any) -> bool:
    """Say whether the plain value of x is of a class."""
    return builtins.isinstance(getval(x), classes)


def type(x: Any) -> Any:
    """Return the class of the plain value of x."""
    return builtins.type(getval(x))
