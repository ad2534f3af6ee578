"""How a call is written: an operator, a method or a function of the library, with as few brackets as it needs."""

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.backend.namespaces import to_numpy
from chainrule.program.recording import Call, Variable
from chainrule.program.simplify import uniform

# How tightly each operator binds its operands, loosest first; a name or a call binds tightest.
_PRECEDENCE = {
    **dict.fromkeys(("==", "!=", "<", "<=", ">", ">="), 1),
    **{"|": 2, "^": 3, "&": 4, "<<": 5, ">>": 5, "+": 6, "-": 6, "*": 7, "/": 7, "@": 7, "//": 7, "%": 7},
    **{"u-": 8, "~": 8, "**": 9},
}
ATOM = 10
_SHORT = 6  # masks of at most so many elements are spelled out
_METHODS = ("sum", "mean", "max", "min", "prod", "any", "all")

Text = tuple[str, int]  # an expression, and how tightly it binds


class Writer:
    """Writes the expressions of one program.

    `library` is the name that the library has there, `name_of` gives the text of a variable, `unused` a name that is
    free, and `objects` takes what has no text: the arrays that the function closes over.
    """

    def __init__(
        self, library: str, name_of: Callable[[Variable], Text], unused: Callable[[str], str]
    ) -> None:
        self.library, self._name_of, self._unused = library, name_of, unused
        self.objects: dict[str, Any] = {}
        self.special = sys.modules.get("cupyx.scipy.special" if library == "cp" else "scipy.special")

    def call(self, call: Call) -> Text:
        """Return a call as an expression."""
        operation, args = call.operation, call.args
        if operation in _PRECEDENCE:
            return self._operator(operation, args, call.outs[0])
        if operation.startswith("."):
            bracketed = f"({self.listed(args[1:])})" if args[1:] else ""
            return f"{self.operand(args[0], ATOM)}{operation}{bracketed}", ATOM
        if operation == "numbers":
            return f"{self.object(args[0], 'numbers')}({self.listed(args[1:])})", ATOM
        if operation == "getitem":
            return f"{self.operand(args[0], ATOM)}[{self.key(args[1])}]", ATOM
        if operation == "abs" and not hasattr(call.outs[0].value, "dtype"):
            return f"abs({self.listed(args)})", ATOM
        return self._function(call)

    def _function(self, call: Call) -> Text:
        operation, args, kwargs = call.operation, call.args, dict(call.kwargs)
        if str(kwargs.get("device")) == "cpu":
            del kwargs["device"]
        optional = ("axis", "dtype", "copy") if operation in (*_METHODS, "add.reduce") else ("dtype", "copy")
        kwargs = {name: x for name, x in kwargs.items() if not (x is None and name in optional)}
        if kwargs.get("keepdims") is False:
            del kwargs["keepdims"]
        operation = {"add.reduce": "sum", "abs": "abs", "~": "bitwise_invert"}.get(operation, operation)
        if call.operation == "add.reduce" and "axis" not in call.kwargs:
            operation = call.operation
        # The copy of a number is a number, and that of asarray an array.
        is_copy = operation == "asarray" and kwargs == {"copy": True} and len(args) == 1
        if is_copy and self._has_methods(args) and args[0].value.shape:
            return f"{self.operand(args[0], ATOM)}.copy()", ATOM
        if operation == "astype" and not (kwargs.keys() - {"copy"}) and self._has_methods(args):
            copied = "" if kwargs.get("copy", True) else ", copy=False"
            return f"{self.operand(args[0], ATOM)}.astype({self.operand(args[1])}{copied})", ATOM
        if (
            operation in _METHODS
            and self._has_methods(args)
            and kwargs.keys() <= {"axis", "dtype", "keepdims"}
        ):
            # The same as the function, without the checks in Python before it.
            return f"{self.operand(args[0], ATOM)}.{operation}({self.listed(args[1:], kwargs)})", ATOM
        return f"{self.function(operation)}({self.listed(args, kwargs)})", ATOM

    def _has_methods(self, args: Any) -> bool:
        """Say whether the first argument is an array with NumPy's methods."""
        return self.library in ("np", "cp") and type(args[0]) is Variable and hasattr(args[0].value, "dtype")

    def function(self, operation: str) -> str:
        """Return the name of a function of the library, or of SciPy's special functions beside it."""
        if operation.startswith("special."):
            self.objects["special"] = self.special
            return operation
        return f"{self.library}.{operation}"

    def _operator(self, symbol: str, args: Any, out: Variable) -> Text:
        binds = _PRECEDENCE[symbol]
        if len(args) == 1:
            return f"{symbol[-1]}{self.operand(args[0], binds)}", binds
        # A matrix of equal numbers is no number to @.
        left, right = (
            self.text(x) if symbol == "@" else self.beside(x, args[1 - i], out) for i, x in enumerate(args)
        )
        # Comparisons do not chain, and a power binds from the right.
        on_left = binds + (symbol == "**" or binds == 1)
        return f"{_bracketed(left, on_left)} {symbol} {_bracketed(right, binds + 1)}", binds

    def beside(self, x: Any, other: Any, out: Variable) -> Text:
        """Return an operand, a literal one as a number of Python's where the result is the same."""
        value = uniform(x) if type(x) is Variable else None
        if value is not None and type(other) is Variable and _acts_as_number(x, value, other, out):
            return self.plain(value)
        return self.text(x)

    def listed(self, args: Any, kwargs: Any = None) -> str:
        """Return arguments, separated by commas."""
        named = [f"{name}={self.operand(x)}" for name, x in (kwargs or {}).items()]
        return ", ".join([*map(self.operand, args), *named])

    def operand(self, x: Any, binds: int = 0) -> str:
        """Return an argument, in brackets where it binds less tightly than its place."""
        return _bracketed(self.text(x), binds)

    def key(self, key: Any) -> str:
        """Return what stands between the brackets of an index."""
        if isinstance(key, tuple) and key:
            return ", ".join(map(self.key, key)) + ("," if len(key) == 1 else "")
        if type(key) is slice:
            start, stop, step = (
                "" if part is None else str(part) for part in (key.start, key.stop, key.step)
            )
            return f"{start}:{stop}" + (f":{step}" if step else "")
        return "..." if key is Ellipsis else self.operand(key)

    def text(self, x: Any) -> Text:
        """Return any argument of a call as an expression."""
        if type(x) is Variable:
            return self._literal(x) if x.call.operation == "literal" else self._name_of(x)
        if type(x) is tuple:
            return "(" + ", ".join(map(self.operand, x)) + ("," if len(x) == 1 else "") + ")", ATOM
        if type(x) is list:
            return "[" + ", ".join(map(self.operand, x)) + "]", ATOM
        return self.plain(x)

    def plain(self, x: Any) -> Text:
        """Return a number, a dtype or another constant without variables."""
        if type(x) is float and not math.isfinite(x):
            text = "nan" if x != x else "inf"
            return (f"-{self.library}.{text}", 8) if x < 0 else (f"{self.library}.{text}", ATOM)
        if type(x) in (int, float):
            return repr(x), 8 if repr(x).startswith("-") else ATOM
        if x is None or x is Ellipsis or type(x) in (bool, str, complex):
            return repr(x), ATOM
        if isinstance(x, np.dtype) or (isinstance(x, type) and issubclass(x, np.generic)):
            dtype = np.dtype(x)
            if dtype.isbuiltin and dtype.kind in "biufc":
                return f"{self.library}.{dtype.name}", ATOM
        return self.object(x, "c"), ATOM

    def _literal(self, x: Variable) -> Text:
        """Return a constant array, spelled out where it is short."""
        number, value = uniform(x), x.value
        if number is not None:
            if value.shape == ():
                usual = (
                    issubclass(type(value), np.ndarray | np.generic)
                    and np.asarray(number).dtype == value.dtype
                )
                named = ({} if usual else {"dtype": value.dtype}) | self._device(value)
                return f"{self.library}.asarray({self.listed((number,), named)})", ATOM
            named = {"dtype": value.dtype} | self._device(value)
            return f"{self.library}.full({self.listed((value.shape, number), named)})", ATOM
        numbers = to_numpy(value) if hasattr(value, "dtype") else None
        if numbers is not None and numbers.dtype.kind == "b" and 0 < numbers.size <= _SHORT:
            named = {"dtype": value.dtype} | self._device(value)
            return f"{self.library}.asarray({self.listed((numbers.tolist(),), named)})", ATOM
        return self.object(value, "c"), ATOM

    def _device(self, value: Any) -> dict[str, Any]:
        """Return the setting that puts an array where another one is; NumPy and CuPy need none."""
        return {"device": value.device} if self.library == "xp" else {}

    def object(self, x: Any, name: str) -> str:
        """Return the name of an object that the program is given."""
        for known, other in self.objects.items():
            if other is x:
                return known
        chosen = self._unused(name)
        self.objects[chosen] = x
        return chosen


def _bracketed(text: Text, binds: int) -> str:
    return f"({text[0]})" if text[1] < binds else text[0]


def _acts_as_number(x: Variable, value: float, other: Variable, out: Variable) -> bool:
    """Say whether Python's number in the place of a literal array leaves the result as it is."""
    dtype, own = getattr(other.value, "dtype", None), x.value.dtype
    if dtype is None or other.shape != out.shape or other.call.operation == "literal":
        return False
    if dtype == own:
        return True
    # An integer beside a floating array, and other dtypes that give way as Python's numbers do.
    weak = isinstance(dtype, np.dtype) and dtype.kind in "iuf" and not (dtype.kind == "f" == own.kind)
    return weak and bool(np.result_type(dtype, value) == np.result_type(dtype, own))
