"""Threads of the BLAS: how many there are, and one where one is best, by size or by the clock."""

import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from chainrule.backend import hardware

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

# Found with two threads of OpenBLAS 0.3.31 on two processors of an AMD EPYC. Where a unit has few weights, a step
# spends its time between the products, on arrays that another processor has just written. Small products gain nothing
# by a second thread where the processors are free, and where other programs want them too, the threads wait for one
# that is not running.
_FLOPS_OF_ONE_THREAD = 1 << 24
_WEIGHTS_A_UNIT_OF_ONE_THREAD, _FLOPS_OF_FEW_WEIGHTS = 192, 1 << 25

# Timed are so many calls with one thread, then as many with all, which are kept where a call takes at most such a share
# of the time; so many calls in a row that take so many times as long as the best one end them.
_TRIALS, _SHARE, _SUDDEN, _IN_A_ROW = 3, 0.8, 4.0, 3

# What `fixed_threads` was given, the last one of blocks that are open.
_fixed: list[int] = []

Watch = Callable[[Callable[..., Any]], Callable[..., Any]]


def blas_libraries() -> list[str]:
    """Return each BLAS library in this process: version, kernels, threads; empty without threadpoolctl.

    They are sorted, as the order in which a process loaded them differs from run to run.
    """
    controller = _controller()
    found = controller.select(user_api="blas").info() if controller else []
    return sorted(
        f"{lib['internal_api']} {lib['version']}, {_kernels(lib)}{_counted(lib['num_threads'])}"
        for lib in found
    )


def _kernels(library: dict[str, Any]) -> str:
    # Which kernels a library took for this processor decides its speed; some libraries do not say.
    return f"{library['architecture']} kernels, " if library.get("architecture") else ""


def _counted(threads: int) -> str:
    return f"{threads} thread" + "s" * (threads != 1)


def blas_threads() -> int:
    """Return how many threads NumPy's matrix products use now."""
    controller = _controller()
    if controller:
        found = controller.select(user_api="blas").info()
        return max((int(lib["num_threads"]) for lib in found), default=1)
    asked = [os.environ[name] for name in THREAD_VARIABLES if os.environ.get(name, "").isdigit()]
    return min([hardware.cpu_count(), *(int(number) for number in asked if int(number) > 0)])


def can_limit_blas() -> bool:
    """Return whether `one_blas_thread` works here: it needs threadpoolctl."""
    return _controller() is not None


@contextmanager
def fixed_threads(number: int | None) -> Iterator[None]:
    """Give matrix products `number` threads inside the block, whatever their size and the clock; None changes nothing.

    The setting belongs to the whole process. RuntimeError without threadpoolctl.
    """
    if number is None:
        yield
        return
    controller = _needed("fixed_threads")
    libraries = controller.select(user_api="blas").lib_controllers
    before = [library.num_threads for library in libraries]
    _fixed.append(number)
    try:
        for library in libraries:
            _set_threads(library, number)
        yield
    finally:
        _fixed.pop()
        for library, threads in zip(libraries, before, strict=True):
            _set_threads(library, threads)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Let matrix products inside the block run in the thread that calls them; RuntimeError without threadpoolctl.

    The setting belongs to the whole process: products of other threads have one thread too, until the last of the
    blocks that overlap is left. Blocks may be nested, and none waits for another.
    """
    controller = _needed("one_blas_thread")
    _watch_forks()
    with _limit.to_one_thread(controller.select(user_api="blas").lib_controllers):
        yield


@contextmanager
def no_fork() -> Iterator[None]:
    """Let other threads fork after the block alone: a child would wait without end for a lock that is held in it."""
    _watch_forks()
    with _limit.lock:
        yield


@contextmanager
def one_scipy_thread() -> Iterator[None]:
    """Let SciPy's own BLAS run in the thread that calls it inside the block; needs SciPy.

    The wheels of NumPy and SciPy bring a BLAS each. Threads that have worked for one stay awake for a while, and those
    of the other wait for their processors. NumPy's products keep their threads. Where NumPy and SciPy share one BLAS,
    or threadpoolctl is missing, nothing changes.
    """
    _watch_forks()
    with _limit.to_one_thread(_scipy_libraries()):
        yield


def takes_one_thread(rows: int, shapes: Sequence[tuple[int, int]]) -> bool:
    """Return whether one BLAS thread is best for a step of `rows` rows through weights of shapes (n_in, n_out)."""
    weights = sum(n_in * n_out for n_in, n_out in shapes)
    few = weights < _WEIGHTS_A_UNIT_OF_ONE_THREAD * sum(n_out for _, n_out in shapes)
    return (
        not _fixed
        and can_limit_blas()
        and max(2 * rows * n_in * n_out for n_in, n_out in shapes)
        <= (_FLOPS_OF_FEW_WEIGHTS if few else _FLOPS_OF_ONE_THREAD)
        # Larger inputs are shared out among threads of logistic.by_tiles.
        and 8 * rows * (shapes[0][0] + 16) <= 2 * hardware.cache_bytes(3)
    )


@contextmanager
def threads_for(rows: int, shapes: Sequence[tuple[int, int]], *, timed: bool = True) -> Iterator[Watch]:
    """Yield a function that wraps the step of `rows` rows through weights of shapes (n_in, n_out).

    Inside the block matrix products use one thread where `takes_one_thread` says so. Elsewhere the wrapped step is
    timed, and has all threads for as long as they gain clearly: other programs may want the processors. Steps that are
    not `timed`, because they do not wait for their results, keep all threads.
    """
    if takes_one_thread(rows, shapes):
        with one_blas_thread():
            yield unwatched
    elif timed and not _fixed and can_limit_blas() and blas_threads() > 1:
        with ExitStack() as held:
            yield _Timed(rows, held).watched
    else:
        yield unwatched


def unwatched(step: Callable[..., Any]) -> Callable[..., Any]:
    """Return a step as it is."""
    return step


class _Timed:
    """The calls of a step of `rows` rows; `held` is left, and entered again, with the block of one thread."""

    def __init__(self, rows: int, held: ExitStack) -> None:
        self.rows, self.held = rows, held
        self.calls, self.slow, self.done = 0, 0, False
        self.one = self.all = math.inf
        self._hold()

    def watched(self, step: Callable[..., Any]) -> Callable[..., Any]:
        """Return step(params) or step(params, numbers of rows), timed where it takes all its rows."""

        def timed(*arguments: Any) -> Any:
            if self.done or (len(arguments) > 1 and len(arguments[1]) < self.rows):
                return step(*arguments)
            began = time.perf_counter()
            result = step(*arguments)
            self.note(time.perf_counter() - began)
            return result

        return timed

    def note(self, seconds: float) -> None:
        """Take the seconds of a call into account, and set the threads of the next one."""
        self.calls += 1
        if self.calls <= _TRIALS:
            self.one = min(self.one, seconds)
            if self.calls == _TRIALS:
                self.held.close()
            return
        self.slow = self.slow + 1 if seconds > _SUDDEN * self.all else 0
        self.all = min(self.all, seconds)
        no_gain = self.calls == 2 * _TRIALS and self.all > _SHARE * self.one
        if no_gain or self.slow == _IN_A_ROW:
            self._hold()
            self.done = True

    def _hold(self) -> None:
        self.held.enter_context(one_blas_thread())


class _Held(NamedTuple):
    """A BLAS library that is held to one thread, how many it had before, and the blocks that hold it."""

    library: Any
    before: int
    blocks: set[object]


class _Limit:
    """The BLAS libraries of this process that are held to one thread, by their files."""

    def __init__(self) -> None:
        # A signal handler may enter a block while its thread is on the way into another.
        self.lock = threading.RLock()
        self.held: dict[str, _Held] = {}

    @contextmanager
    def to_one_thread(self, libraries: Sequence[Any]) -> Iterator[None]:
        block, entered = object(), []
        try:
            with self.lock:
                for library in libraries:
                    # Noted before it is changed, so that Ctrl-C between two of these lines leaves nothing behind.
                    entered.append(library)
                    # A block of a signal handler comes and goes between two of these lines.
                    if held := self.held.get(library.filepath):
                        held.blocks.add(block)
                    else:
                        self.held[library.filepath] = _Held(library, library.num_threads, {block})
                    _set_threads(library, 1)
            yield
        finally:
            with self.lock:
                for library in entered:
                    self._leave(library, block)

    def _leave(self, library: Any, block: object) -> None:
        held = self.held.get(library.filepath)
        # A child process that was forked inside the block holds nothing.
        if held is None:
            return
        held.blocks.discard(block)
        # With OpenMP every thread has a setting of its own: what a thread set to 1 it must put back itself.
        if not held.blocks or getattr(library, "threading_layer", "") == "openmp":
            _set_threads(library, held.before)
        if not held.blocks:
            self.held.pop(library.filepath, None)

    def after_fork(self) -> None:
        """Give a child process its threads back: the blocks were those of its parent's threads."""
        held, self.held = self.held, {}
        for library, before, _ in held.values():
            _set_threads(library, before)
        self.lock.release()


def _set_threads(library: Any, number: int) -> None:
    # In newer versions of threadpoolctl the first thread that sets a number is the only one that can, for as long as
    # it lives. Here another thread may put back what one has set, and other code may set what it likes.
    let_go = getattr(library, "clear_controlling_thread", lambda force=False: None)
    let_go(force=True)
    library.set_num_threads(number)
    let_go()


_limit = _Limit()
_fork_hooks = [(_limit.lock.acquire, _limit.lock.release, _limit.after_fork)]


def _watch_forks() -> None:
    """Register, at the first call in a process, what a fork must do about the limit."""
    try:
        # One step that no other thread comes between. A lock could itself be held in a fork.
        before, in_parent, in_child = _fork_hooks.pop()
    except IndexError:
        return
    if hasattr(os, "register_at_fork"):
        # While the lock is held no thread is on its way into or out of a block, nor in a lock of threadpoolctl, which
        # a child would wait for without end.
        os.register_at_fork(before=before, after_in_parent=in_parent, after_in_child=in_child)


@cache
def _scipy_libraries() -> Sequence[Any]:
    """Return the controllers of the BLAS libraries that SciPy's wheel brought for SciPy alone."""
    import scipy.linalg

    try:
        from threadpoolctl import ThreadpoolController
    except ModuleNotFoundError:
        return ()
    package = Path(scipy.__file__).resolve().parent
    homes = package, package.with_name("scipy.libs")
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return [
        library
        for library in found
        if any(Path(library.filepath).resolve().is_relative_to(home) for home in homes)
    ]


def _needed(who: str) -> Any:
    """Return what sets the threads of BLAS libraries, or raise RuntimeError in the name of a function."""
    controller = _controller()
    if controller is None:
        raise RuntimeError(
            f"{who}: threadpoolctl is missing; pip install '.[app]' in chainrule's folder brings it"
        )
    return controller


@cache
def _controller() -> Any:
    try:
        from threadpoolctl import ThreadpoolController
    except ModuleNotFoundError:
        return None
    return ThreadpoolController()
