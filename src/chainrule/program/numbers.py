"""A number of Python's own among the arguments of a program: it stays an argument wherever arithmetic uses it."""

import operator
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.gates.helpers import is_transformed
from chainrule.program.recording import Recording, Variable

_BINARY = {"add": "+", "sub": "-", "mul": "*", "truediv": "/", "pow": "**", "floordiv": "//", "mod": "%"}
_COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")


class Number:
    """An int or a float that the program computes with.

    Where its value is read, by a comparison or as a length, the value becomes part of the signature: the arguments
    that it came from, `sources`, are pinned.
    """

    __slots__ = ("recording", "sources", "value", "variable")

    def __init__(self, value: Any, variable: Variable, recording: Recording, sources: frozenset[int]) -> None:
        self.value, self.variable, self.recording, self.sources = value, variable, recording, sources

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # so that isinstance(x, float) holds
        return type(self.value)

    def pinned(self) -> Any:
        """Return the value, which decides the program from here on."""
        self.recording.pinned |= self.sources
        return self.value

    def as_array(self) -> Any:
        """Return the number as a recorded array of shape ()."""
        return self.recording.space.asarray(self)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **settings: Any) -> Any:
        # An array's own class of the library answers first, where there is one.
        others = (x for x in inputs if hasattr(x, "recording") and type(x) is not Number)
        space = next((x.space for x in others), self.recording.space)
        return space._numpy_ufunc(ufunc, method, inputs, settings)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        return np.asarray(self.pinned(), dtype=dtype)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.value, name)
        self.pinned()
        return found


def numbers_of(f: Callable[..., tuple[Any, ...]], *args: Any) -> tuple[Any, ...]:
    """Return f(*args), a tuple of numbers or None: where an argument is a Number, a program calls f at each replay."""
    given = [x for x in args if type(x) is Number]
    values = f(*(x.value if type(x) is Number else x for x in args))
    if not given:
        return values
    recording, sources = given[0].recording, frozenset[int]().union(*(x.sources for x in given))
    call = recording.add("numbers", f, (f, *(x.variable if type(x) is Number else x for x in args)), {})
    call.outs += [Variable(x, call) for x in values]
    return tuple(
        None if x is None else Number(x, y, recording, sources)
        for x, y in zip(values, call.outs, strict=True)
    )


def _computed(run: Callable[..., Any], symbol: str, *operands: Any) -> Any:
    numbers = [x for x in operands if type(x) is Number]
    try:
        value = run(*(x.value if type(x) is Number else x for x in operands))
    except ArithmeticError:
        for x in numbers:
            x.pinned()
        raise
    if type(value) not in (int, float):
        # A complex number, such as a root of a negative one.
        for x in numbers:
            x.pinned()
        return value
    if symbol == "**":
        _decide_type(*operands)
    sources = frozenset().union(*(x.sources for x in numbers))
    variables = tuple(x.variable if type(x) is Number else x for x in operands)
    call = numbers[0].recording.add(symbol, run, variables, {})
    call.outs.append(Variable(value, call))
    return Number(value, call.outs[0], numbers[0].recording, sources)


def _decide_type(base: Any, exponent: Any) -> None:
    """Note what makes a power an int, a float or a complex number, where another number could make it another."""
    integers = [isinstance(x, int) for x in (base, exponent)]
    if integers == [False, True]:
        return
    decides = exponent if all(integers) else base
    negative = (decides.value if type(decides) is Number else decides) < 0
    if negative and decides is base:  # a real root only of the exponent at hand
        for x in (base, exponent):
            if type(x) is Number:
                x.pinned()
    elif type(decides) is Number:
        call = decides.recording.add("<", operator.lt, (decides.variable, 0), {})
        call.outs.append(Variable(negative, call))
        decides.recording.add("guard", None, (call.outs[0], negative), {})


def _binary(name: str, reflected: bool) -> Callable[..., Any]:
    symbol, run = _BINARY[name], getattr(operator, f"__{name}__")

    def method(self: Number, other: Any) -> Any:
        if type(other) not in (int, float, bool, complex, Number):
            return NotImplemented
        return _computed(run, symbol, *((other, self) if reflected else (self, other)))

    return method


def _power(self: Number, other: Any, modulus: Any = None) -> Any:
    if modulus is None:
        return _plain_power(self, other)
    return pow(*(x.pinned() if type(x) is Number else x for x in (self, other, modulus)))


def _comparison(name: str) -> Callable[..., Any]:
    run = getattr(operator, f"__{name}__")

    def method(self: Number, other: Any) -> Any:
        if hasattr(other, "dtype") or is_transformed(other):
            return NotImplemented
        return run(self.pinned(), other.pinned() if type(other) is Number else other)

    return method


_plain_power = _binary("pow", False)


def _bitwise(name: str, reflected: bool) -> Callable[..., Any]:
    run = divmod if name == "divmod" else getattr(operator, f"__{name}__")

    def method(self: Number, other: Any) -> Any:
        if hasattr(other, "dtype") or is_transformed(other):
            return NotImplemented
        own, its = self.pinned(), other.pinned() if type(other) is Number else other
        return run(its, own) if reflected else run(own, its)

    return method


def _read(name: str) -> Callable[..., Any]:
    def method(self: Number, *args: Any) -> Any:
        return getattr(self.pinned(), name)(*args)

    return method


for _name in _BINARY:
    setattr(Number, f"__{_name}__", _binary(_name, False))
    setattr(Number, f"__r{_name}__", _binary(_name, True))
for _name in _COMPARISONS:
    setattr(Number, f"__{_name}__", _comparison(_name))
for _name in ("and", "or", "xor", "lshift", "rshift", "divmod"):
    setattr(Number, f"__{_name}__", _bitwise(_name, False))
    setattr(Number, f"__r{_name}__", _bitwise(_name, True))
for _name in (
    "bool",
    "float",
    "int",
    "hash",
    "repr",
    "str",
    "format",
    "round",
    "trunc",
    "floor",
    "ceil",
    "invert",
):
    setattr(Number, f"__{_name}__", _read(f"__{_name}__"))
for _name, _method in {
    "__pow__": _power,
    "__index__": lambda self: operator.index(self.pinned()),
    "__complex__": lambda self: complex(self.pinned()),
    "__neg__": lambda self: _computed(operator.neg, "u-", self),
    "__pos__": lambda self: self,
    "__copy__": lambda self: self,
    "__deepcopy__": lambda self, memo: self,
    "__abs__": lambda self: _computed(abs, "abs", self),
}.items():
    setattr(Number, _name, _method)
