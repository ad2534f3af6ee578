"""compile: a function's program is recorded at the first call of a signature, and replayed at later ones."""

import functools
import threading
import warnings
from collections.abc import Callable
from typing import Any

from chainrule import pytree
from chainrule.gates.helpers import is_transformed
from chainrule.program.arrays import Recorded
from chainrule.program.build import MISS, Program, built, parameter_names
from chainrule.program.numbers import Number
from chainrule.program.recording import NotReplayableError
from chainrule.program.signature import key_of, leaves
from chainrule.validation import check_function

# How many programs one function keeps.
MOST = 64
# After how many changes outside a function there is a warning.
MOST_RENEWED = 16


def compile(f: Callable[..., Any], *, on_branch: str = "error", fused: bool | None = None) -> Any:
    """Return f as a function that records the array calls of f once per signature, and then replays them.

    The signature is how the arguments are nested, the shapes, dtypes, devices and library of their arrays, and the
    values of all else that is hashable. Ints and floats of Python's own stay arguments as far as arithmetic uses them;
    one that decides the program, by a comparison or as a length, is part of the signature too. Results are those of
    f, in memory of their own; a number of NumPy's is an array of shape ().

    What f reaches outside itself, as variables, lists, attributes and arrays, may change: arrays are read anew at each
    call, and where anything else is another than it was, f is recorded anew. f itself may not change it. Only at
    recording are there prints, random draws, and looks at the clock, at files and at the keyboard; a warning says so
    where the code of f names these. Settings inside of libraries are taken to stay as they are.

    f may branch on its other arguments, and not on what is in their arrays: a TypeError names the line. With
    `on_branch="eager"` such a call runs f itself, and says so once.

    On CuPy chains of elementwise calls are one kernel each, whose results may differ by a rounding from those of f;
    `fused=False` leaves the calls as they are. On NumPy `fused=True` makes one loop each of chains over arrays of 64 kB
    and more, of those calls that are rounded alike everywhere: the numbers stay, and NumPy's warnings about them are
    gone. Numba (the extra `fast`) compiles the loops at the first call, which takes about a second.

    The result has `source(*args)`, the program as Python; `signatures`, one line each; and `clear()`, which forgets
    all programs. Raises TypeError for arguments that are neither arrays, numbers nor hashable, and for results that are
    no arrays or numbers, and ImportError for `fused=True` on NumPy without Numba.
    """
    check_function("compile", f)
    if on_branch not in ("error", "eager"):
        raise ValueError(f'compile: expected on_branch="error" or "eager"; got {on_branch!r}')
    programs = _Programs(f, on_branch, fused)
    fast = programs.fast

    @functools.wraps(f)
    def compiled(*args: Any, **kwargs: Any) -> Any:
        if not kwargs:
            try:
                out = fast[0](*args)
            except AssertionError:
                return f(*args)  # a branch inside the engine goes another way
            except Exception:
                if programs.handles:
                    return f(*args)
                raise
            if out is not MISS:
                return out
        return programs.run(args, kwargs)

    compiled.source = programs.source  # type: ignore[attr-defined]
    compiled.signatures = programs.signatures  # type: ignore[attr-defined]
    compiled.clear = programs.clear  # type: ignore[attr-defined]
    return compiled


def _misses(*args: Any) -> Any:
    return MISS


class _Programs:
    """The programs of one function, by signature."""

    def __init__(self, f: Callable[..., Any], on_branch: str, fused: bool | None) -> None:
        self._f, self._on_branch, self._fused = f, on_branch, fused
        self._lock = threading.RLock()
        self._by_key: dict[Any, list[Program | None]] = {}  # None: f runs itself
        self.fast: list[Callable[..., Any]] = [
            _misses
        ]  # the program that ran last, with the checks of its signature
        self.signatures: list[str] = []
        self.handles = False  # whether f handles errors, which a program does not
        self._renewed = 0  # programs that what is outside f has changed under
        self._warned: set[str] = set()

    def run(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run the program for these arguments, recorded first where there is none."""
        tree = (args, kwargs)
        found = pytree.flat(tree)
        if any(is_transformed(x) or isinstance(x, Recorded) or type(x) is Number for x in found):
            return self._f(*args, **kwargs)  # for another transform to follow
        program = self._program(args, kwargs)
        if program is None:
            return self._f(*args, **kwargs)
        try:
            if not kwargs:
                self.fast[0] = program.checked
                out = program.checked(*args)
                if out is not MISS:  # as where a dtype is equal to, and not, that of the signature
                    return out
            return program.run(*args, *kwargs.values())
        except AssertionError:
            return self._f(*args, **kwargs)
        except Exception:
            if self.handles:
                return self._f(*args, **kwargs)
            raise

    def source(self, *args: Any, **kwargs: Any) -> str:
        """Return the program for these arguments as Python."""
        program = self._program(args, kwargs)
        if program is None:
            raise NotReplayableError(
                "compile: there is no program for these arguments; the function runs itself"
            )
        return program.source

    def clear(self) -> None:
        """Forget all programs."""
        with self._lock:
            self._by_key.clear()
            self.signatures.clear()
            self.fast[0] = _misses

    def _program(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Program | None:
        key = self._key(args, kwargs)
        program = self._known(key, args, kwargs)
        if program is not MISS:
            return program  # type: ignore[no-any-return]
        with self._lock:
            program = self._known(key, args, kwargs)
            return self._recorded(key, args, kwargs) if program is MISS else program

    def _key(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        try:
            return key_of((args, kwargs))
        except TypeError:
            named = {**dict(zip(parameter_names(self._f, len(args)), args, strict=True)), **kwargs}
            for leaf in (leaf for name, x in named.items() for leaf in leaves(x, name)):
                try:
                    key_of(leaf.value)
                except TypeError as error:
                    raise TypeError(
                        f"compile: argument {leaf.name} is of type {type(leaf.value).__name__}, which is neither an "
                        f"array nor a value that stays as it is: {error}"
                    ) from None
            raise

    def _known(self, key: Any, args: Any, kwargs: Any) -> Any:
        found = pytree.flat((args, kwargs))
        for program in self._by_key.get(key, ()):
            if program is None or (program.holds_for(found) and program.is_current()):
                return program
        return MISS

    def _recorded(self, key: Any, args: Any, kwargs: Any) -> Program | None:
        program: Program | None
        try:
            program = built(self._f, args, kwargs, self._fused)
            self.handles |= program.handles
        except NotReplayableError as error:
            if self._on_branch == "error":
                raise
            self._warn("branch", f"{error}. This call runs the function itself")
            program = None
        self._make_room(key)
        known = self._by_key.get(key, [])
        kept = [p for p in known if p is None or p.is_current()]
        self._renewed += len(known) - len(kept)
        if self._renewed == MOST_RENEWED:
            self._warn(
                "renewed",
                f"compile: what {getattr(self._f, '__name__', 'f')} reaches outside itself keeps changing, and it is "
                "recorded anew each time. Pass what changes as an argument",
            )
        self._by_key[key] = [*kept, program]
        self.signatures[:] = [p.signature for programs in self._by_key.values() for p in programs if p]
        return program

    def _make_room(self, key: Any) -> None:
        """Forget the oldest programs beyond the limit, and warn once about what keeps changing."""
        count = sum(map(len, self._by_key.values()))
        if count < MOST:
            return
        self._warn(
            "many",
            f"compile: more than {MOST} signatures of {getattr(self._f, '__name__', 'f')}; the oldest are forgotten. "
            f"What keeps changing is {self._changing()}",
        )
        del self._by_key[next(k for k in self._by_key if k != key or len(self._by_key) == 1)]

    def _changing(self) -> str:
        """Return the name of the argument that has the most different values among the signatures."""
        seen: dict[str, set[str]] = {}
        for programs in self._by_key.values():
            for program in programs:
                for name, text in program.parts.items() if program else ():
                    seen.setdefault(name, set()).add(text)
        return max(seen, key=lambda name: len(seen[name])) if seen else "a branch on an array"

    def _warn(self, kind: str, text: str) -> None:
        if kind not in self._warned:
            self._warned.add(kind)
            warnings.warn(text, RuntimeWarning, stacklevel=5)
