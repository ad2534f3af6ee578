"""Where chunks are computed: by threads of this process, by processes of this machine, or by a user's own cluster."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from importlib.metadata import version
from typing import Any
from weakref import WeakKeyDictionary

import dask
import distributed
from distributed.comm.core import CommClosedError

from chainrule.backend import hardware
from chainrule.cluster.waiting import ClusterError, Patience, answered, greeted, settled

# Seconds to wait for a cluster of which nobody answers, and for one to take leave of.
WAIT, _CLOSE = 120.0, 2.0
# Seconds between two looks for workers that have joined.
_LOOK = 1.0
# Parameters and targets are sent in the graph, and Dask warns of graphs from 10 MB up.
_LARGE_GRAPHS = {"distributed.admin.large-graph-warning-threshold": "10GB"}


class _Checked:
    """The workers of a client that were found to have this version of chainrule, and the time of the last look."""

    def __init__(self) -> None:
        self.workers: set[str] = set()
        self.looked = -_LOOK


_checked: WeakKeyDictionary[Any, _Checked] = WeakKeyDictionary()
# Of clients that `connected` made. A user's own client waits as long as Dask does.
_patience: WeakKeyDictionary[Any, Patience] = WeakKeyDictionary()


@contextmanager
def connected(
    workers: int | None = None,
    scheduler: str | None = None,
    *,
    memory: str | int = "auto",
    wait: float = WAIT,
    say: Callable[[str], None] = lambda text: None,
) -> Iterator[Any]:
    """Compute inside the block on so many local worker processes, on the cluster of a scheduler, or by threads.

    `workers` starts as many processes, on the loopback alone, each with its share of the processors and at most
    `memory` bytes, by default its share of all; they end with the block. A script that asks for them does so under
    `if __name__ == "__main__":`, for each of them imports it. `scheduler` is the address of a cluster that runs
    already, such as tcp://10.0.0.1:8786; its workers must have this version of chainrule. Neither: the threads of this
    process. Yields Dask's Client, or None. Raises ClusterError where that cannot be had.

    `say` is called with a text where nobody of the cluster, or not every worker, has answered for 10 seconds. After
    `wait` seconds in which nobody does, a computation raises ClusterError; after as many in which some workers do not,
    the others do their work.
    """
    if not wait > 0:
        raise ValueError(f"connected: expected seconds to wait above 0, got {wait}")
    if workers is not None and scheduler:
        raise ValueError("connected: expected workers or a scheduler, got both; give one")
    if workers is None and not scheduler:
        yield None
        return
    if workers is not None:
        if workers < 1:
            raise ValueError(f"connected: expected workers from 1 up, got {workers}")
        # With "auto" for each worker, Dask would give more workers than processors more memory than there is.
        limit = {} if memory == "auto" else {"memory_limit": memory}
        with _interrupts_ignored():
            cluster = distributed.LocalCluster(
                n_workers=workers,
                threads_per_worker=max(1, hardware.cpu_count() // workers),
                host="127.0.0.1",
                dashboard_address="127.0.0.1:0",
                # What a task raises is raised here; Dask would print its trace too.
                silence_logs=logging.CRITICAL,
                **limit,
            )
        with cluster, distributed.Client(cluster) as client:
            _patience[client] = Patience(wait, say)
            _check_first(client)
            yield client
        return
    with _told_by_us(), _client_of(str(scheduler), Patience(wait, say)) as client:
        _check_first(client)
        yield client


@contextmanager
def _interrupts_ignored() -> Iterator[None]:
    """Let processes that are started inside ignore Ctrl-C, which a terminal sends to all processes at once.

    This process stops the run, and needs its workers until the end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _told_by_us() -> Iterator[None]:
    """Keep Dask from printing its trace of a connection that is lost, which a ClusterError tells in a line."""
    log = logging.getLogger("distributed.client")
    before = log.level
    log.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        log.setLevel(before)


@contextmanager
def _client_of(scheduler: str, patience: Patience) -> Iterator[Any]:
    try:
        greeted(scheduler, patience)
        client = distributed.Client(scheduler)
    except (OSError, ValueError, TypeError, MemoryError) as error:
        # A malformed address, or missing settings of TLS, raise ValueError or TypeError. Dask takes the first bytes of
        # another server's answer for the length of a message, and that may be more than there is memory.
        raise ClusterError(
            f"{scheduler}: no scheduler answers there ({error}); start one with `dask scheduler`, and give its address"
        ) from error
    _patience[client] = patience
    try:
        yield client
    finally:
        # A scheduler that does not answer does not answer this either.
        with suppress(TimeoutError):
            client.close(timeout=_CLOSE)


def client_in_use() -> Any:
    """Return Dask's Client in use, or None where threads of this process compute."""
    try:
        return distributed.default_client()
    except ValueError:
        return None


def memory_limit() -> float:
    """Return how many bytes all workers together may use."""
    client = client_in_use()
    if client is None:
        memory = hardware.memory_bytes()
        # A container may have less than the machine.
        return float(min(memory[1], distributed.system.MEMORY_LIMIT)) if memory else 0.0
    limits = [worker["memory_limit"] for worker in workers_of(client).values()]
    # Dask writes no limit as 0.
    return float(sum(limits)) if all(limits) else float("inf")


def threads() -> int:
    """Return how many threads compute chunks at the same time."""
    client = client_in_use()
    if client is None:
        return int(dask.config.get("num_workers", None) or dask.system.CPU_COUNT)
    return sum(worker["nthreads"] for worker in workers_of(client).values())


def _check_first(client: Any) -> None:
    # At the start only: later all workers may be restarting, and Dask waits for them.
    if not workers_of(client):
        raise ClusterError(
            "the scheduler has no workers; start some with `dask worker` and the scheduler's address"
        )
    check_workers(client)


def check_workers(client: Any) -> None:
    """Raise ClusterError, which names the workers, where some have no chainrule or another version of it."""
    seen = _checked.setdefault(client, _Checked())
    seen.looked = time.monotonic()
    new = sorted(set(workers_of(client)) - seen.workers)
    if not new:
        return
    # eval is Python's own; a function of chainrule could not be unpickled where chainrule is missing.
    asked = client.run(
        *(eval, "__import__('chainrule').__version__"), workers=new, on_error="return", asynchronous=True
    )
    answers = _answered(client, asked)
    ours = version("chainrule")
    # A worker that has left again gives no answer.
    answers = {name: answer for name, answer in answers.items() if not isinstance(answer, OSError)}
    wrong = [
        f"{name} has {answer!r}" if isinstance(answer, str) else f"{name} has none ({answer})"
        for name, answer in answers.items()
        if answer != ours
    ]
    if wrong:
        raise ClusterError(
            f"expected chainrule {ours} on every worker, but {'; '.join(wrong)}; install it there, or stop that worker"
        )
    seen.workers |= set(answers)


def persisted(tasks: list[Any]) -> list[Any]:
    """Return Dask's tasks as ones whose results stay where they are computed."""
    with dask.config.set(_LARGE_GRAPHS):
        return list(dask.persist(*tasks))


def computed(tasks: list[Any]) -> list[Any]:
    """Return the results of Dask's tasks.

    What a task raises is raised. Raises ClusterError where the cluster is gone or gives a task up.
    """
    client = client_in_use()
    if client is None:
        return list(dask.compute(*tasks))
    try:
        if time.monotonic() - _checked.setdefault(client, _Checked()).looked > _LOOK:
            check_workers(client)
        with dask.config.set(_LARGE_GRAPHS):
            futures = client.compute(tasks)
        settled(client, futures, _patience.setdefault(client, Patience()))
        found: list[Any] = _answered(client, client.gather(futures, asynchronous=True))
    except (distributed.KilledWorker, distributed.scheduler.NoValidWorkerError) as error:
        raise ClusterError(
            f"a task was given up because workers died at it ({error}); give them more memory, or smaller chunks"
        ) from error
    except ImportError:
        # A worker without chainrule may have joined since the last look; then the error names it.
        check_workers(client)
        raise
    return found


def workers_of(client: Any) -> dict[str, Any]:
    """Return what the scheduler of a client knows of each worker, by their addresses."""
    found: dict[str, Any] = _answered(client, client.scheduler.identity(n_workers=-1))["workers"]
    patience = _patience.setdefault(client, Patience())
    patience.most = max(patience.most, len(found))
    return found


def _answered(client: Any, answer: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine of a client gives; raises ClusterError where the cluster is gone, or silent for long."""
    try:
        return answered(client, answer, _patience.setdefault(client, Patience()))
    except ClusterError:
        raise
    except (CancelledError, CommClosedError, TimeoutError) as error:
        raise ClusterError(
            f"the connection to the scheduler is gone ({type(error).__name__}); see that it runs"
        ) from error
