"""What the code of a function may do, as far as its instructions say."""

import dis
import functools
import types
from typing import Any, NamedTuple

_PASSED = ("CACHE", "PRECALL", "PUSH_NULL", "RESUME", "COPY_FREE_VARS", "EXTENDED_ARG")
_OF_GLOBALS = ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL")
_LOADS = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF", "LOAD_FROM_DICT_OR_DEREF")
# What gives other numbers at each call where it is given no seed, and what always does.
_SEEDED = {"default_rng", "RandomState", "SeedSequence", "Random", "PCG64", "MT19937", "Philox", "SFC64"}
_UNSEEN = {
    *("eval", "exec", "globals", "__import__", "import_module", "__globals__", "__subclasses__"),
    *("_getframe", "currentframe", "f_locals", "f_globals", "get_objects", "get_referrers"),
}
# What turns warnings, which depend on values, into errors or into a list.
_WARNINGS = {"catch_warnings", "simplefilter", "filterwarnings"}
_UNSEEDED = {"SystemRandom", "urandom", "randbits", "token_bytes", "uuid4"}


class Usage(NamedTuple):
    """What a function and those inside it do.

    globals     the global names that they look up or assign
    attributes  all the names that they use of modules and objects
    loaded      the variables outside each of them that they read
    read        those of them of which they do more than call `append`
    identity    whether they ask if one object is another
    types       whether they ask for the type of an object other than `self`
    unseen      names by which they may reach what no name in the code tells
    handles     whether they handle errors
    draws       whether they draw random numbers without a seed
    imports     the modules that they import
    paths       the dotted names by which they reach something, such as `time.perf_counter`
    """

    globals: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()
    loaded: frozenset[str] = frozenset()
    read: frozenset[str] = frozenset()
    identity: bool = False
    types: bool = False
    unseen: frozenset[str] = frozenset()
    handles: bool = False
    draws: bool = False
    imports: frozenset[str] = frozenset()
    paths: frozenset[str] = frozenset()

    def __or__(self, other: Any) -> "Usage":
        return Usage(*(mine | its for mine, its in zip(self, other, strict=True)))


@functools.lru_cache(maxsize=4096)
def usage(code: types.CodeType | None) -> Usage:
    """Return what a function does, by its code."""
    if code is None:
        return Usage()
    steps = [x for x in dis.get_instructions(code) if x.opname not in _PASSED]
    names, loaded, read, own = frozenset(code.co_names), set[str](), set[str](), set[str]()
    asks = any({"error", "record"} & {x, *(x if isinstance(x, tuple) else ())} for x in code.co_consts)
    identity, types, draws = bool(names & {"id", "is_"}), False, bool(names & _UNSEEDED)
    imports, paths, path = set[str](), set[str](), ""
    for before, x, after in zip([None, *steps], steps, [*steps[1:], None], strict=False):
        if x.opname in _OF_GLOBALS:
            own.add(x.argval)
        if x.opname in _LOADS:
            loaded.add(x.argval)
            if after is None or after.opname not in ("LOAD_METHOD", "LOAD_ATTR") or after.argval != "append":
                read.add(x.argval)
        with_array = before is None or (before.opname != "LOAD_CONST" and before.argval != "__class__")
        identity |= x.opname == "IS_OP" and with_array
        if x.argval == "type" and x.opname in _OF_GLOBALS:
            types |= after is None or (after.opname != "LOAD_CONST" and after.argval != "self")
        if x.opname == "IMPORT_NAME":
            imports.add(x.argval)
        # From Python 3.13 on one instruction may load two variables.
        of_its_own = x.opname.startswith("LOAD_FAST")
        name = x.argval[-1] if of_its_own and isinstance(x.argval, tuple) else x.argval
        if x.opname in _LOADS or (of_its_own and name in imports):
            path = name
        elif x.opname in ("LOAD_METHOD", "LOAD_ATTR") and path:
            path = f"{path}.{x.argval}"
        else:
            path = ""
        paths.add(path)
        draws |= str(x.argval) in _SEEDED and after is not None and after.opname == "CALL" and after.arg == 0
    found = Usage(
        frozenset(own),
        names,
        frozenset(loaded),
        frozenset(read),
        identity,
        types,
        names & (_UNSEEN | _WARNINGS if asks else _UNSEEN),
        # From Python 3.12 on comprehensions and generators have exception tables too, which handle nothing.
        any(x.opname == "PUSH_EXC_INFO" for x in steps),
        draws,
        frozenset(imports),
        frozenset(paths),
    )
    inner = (usage(x) for x in code.co_consts if isinstance(x, type(code)))
    return functools.reduce(Usage.__or__, inner, found)
