"""What a function reaches outside itself: arrays, whose elements may change between calls, and random generators."""

import functools
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from chainrule.program.recording import Recording

# Of arrays up to this many bytes every byte is compared; of larger ones some 64 elements, evenly spread.
_SAMPLE = 512
_MOST = 1000  # objects that are looked at


class Watched:
    """The arrays and random generators that a function reaches, and what they were before it was recorded.

    An array that enters the program is read anew at each replay. What NumPy computed of such arrays before the
    program saw it is not: where the program has constants of unknown origin, the arrays are compared with a sample.
    """

    def __init__(self, objects: list[Any]) -> None:
        self._arrays = [x for x in objects if isinstance(x, np.ndarray)]
        self._draws = [x.bit_generator for x in objects if isinstance(x, np.random.Generator)]
        self._states = self._random_states()
        self._samples: list[tuple[Any, bytes]] = []

    def __bool__(self) -> bool:
        return bool(self._samples)

    def _random_states(self) -> list[Any]:
        state: Any = np.random.get_state()
        return [*(repr(x.state) for x in self._draws), state[1].tobytes(), *state[2:]]

    def refuse_draws(self, f: Callable[..., Any]) -> None:
        """Warn where random numbers were drawn, which every replay will use again."""
        if self._random_states() != self._states:
            warnings.warn(
                f"compile: {getattr(f, '__name__', 'f')} drew random numbers while it was recorded, and every later "
                "call uses the same ones. Draw them outside and pass them in",
                RuntimeWarning,
                stacklevel=6,
            )

    def keep(self, recording: Recording) -> None:
        """Take samples of the arrays, where constants of the program may have been computed of them."""
        reached = {id(x) for x in self._arrays}
        fresh = [x.value for x in recording.constants.values() if not _is_of(x.value, reached)]
        if fresh:
            self._samples = [(x, _sample(x)) for x in self._arrays]

    def unchanged(self) -> bool:
        """Say whether the sampled arrays have the elements that they had."""
        return all(_sample(x) == sample for x, sample in self._samples)


def _is_of(x: Any, reached: set[int]) -> bool:
    """Say whether an array is one of those reached, or a view of one."""
    while x is not None:
        if id(x) in reached:
            return True
        x = getattr(x, "base", None)
    return False


def _sample(array: Any) -> bytes:
    if array.nbytes <= _SAMPLE:
        return array.tobytes()  # type: ignore[no-any-return]
    return array.flat[:: array.size // 64 or 1].tobytes()  # type: ignore[no-any-return]


def watched(f: Callable[..., Any]) -> Watched:
    """Return the arrays and generators in the closure, the globals and the attributes that a function uses."""
    seen: dict[int, Any] = {}
    waiting = [f]
    while waiting and len(seen) < _MOST:
        x = waiting.pop()
        if id(x) not in seen:
            seen[id(x)] = x
            waiting += _reached(x)
    return Watched(list(seen.values()))


def _reached(x: Any) -> Iterator[Any]:
    """Yield the objects that an object leads to."""
    if isinstance(x, types.FunctionType):
        for cell in x.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:  # not yet assigned
                continue
        yield from x.__defaults__ or ()
        yield from (x.__globals__[name] for name in _names(x.__code__) if name in x.__globals__)
        if hasattr(x, "__wrapped__"):
            yield x.__wrapped__
    elif isinstance(x, types.MethodType):
        yield from (x.__self__, x.__func__)
    elif isinstance(x, functools.partial):
        yield from (x.func, *x.args, *x.keywords.values())
    elif isinstance(x, list | tuple | set | frozenset):
        yield from x
    elif isinstance(x, dict):
        yield from x.values()
    elif not isinstance(x, type | types.ModuleType | np.ndarray) and hasattr(x, "__dict__"):
        yield from vars(x).values()
        if callable(x):
            yield type(x).__call__


def _names(code: types.CodeType) -> Iterator[str]:
    """Yield the names that a function and those inside it look up."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)
