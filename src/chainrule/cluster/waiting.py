"""Waiting for a cluster: a word where its processes do not answer, an error where none does for long.

A process that computes for long is no dead one: every worker tells the scheduler twice a second or so that it lives,
by a thread that computes nothing. Seconds are counted between two looks, so that a pause of this process is no silence.
"""

import asyncio
import math
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import dask
import distributed

# Seconds between two looks, those after which a look has no answer, and those after which a word is said.
_LOOK, _NO_ANSWER, _WORD = 1.0, 5.0, 10.0


class ClusterError(ConnectionError):
    """A cluster that cannot be reached, is gone, or cannot compute; the message says what to do."""


@dataclass
class Patience:
    """How long to wait for a cluster of which nobody answers, in seconds, and who is told of it meanwhile.

    `most` is the largest number of workers that was seen.
    """

    seconds: float = math.inf
    say: Callable[[str], None] = lambda text: None
    most: int = 0

    @property
    def word(self) -> float:
        """The seconds of silence after which a word is said."""
        return min(_WORD, self.seconds / 2)


def greeted(scheduler: str, patience: Patience) -> None:
    """Raise what connecting raises where no scheduler is at an address, TimeoutError where nobody there answers."""
    begun, fault, told = time.monotonic(), list[Exception](), False
    connect = dask.utils.parse_timedelta(dask.config.get("distributed.comm.timeouts.connect"))
    limit = min(patience.seconds, float(connect))

    async def greet() -> None:
        settings = distributed.Security().get_connection_args("client")
        # Dask's own limit ends before its side of the greeting, which may never be answered.
        comm = await asyncio.wait_for(distributed.comm.connect(scheduler, timeout=limit, **settings), limit)
        await comm.close()

    def run() -> None:
        try:
            asyncio.run(greet())
        except TimeoutError:
            fault.append(TimeoutError(f"no answer in {limit:g} s"))
        except Exception as error:
            fault.append(error)

    # In a thread, since the caller's may have a loop of its own, as in a notebook.
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(_LOOK)
        if not told and time.monotonic() - begun >= patience.word:
            patience.say(f"waiting for the scheduler at {scheduler}, which does not answer")
            told = True
    if fault:
        raise fault[0]


def answered(client: Any, answer: Coroutine[Any, Any, Any], patience: Patience) -> Any:
    """Return what a coroutine of Dask's Client gives, waiting as long as the cluster lives.

    Raises ClusterError where nobody of the cluster has answered for `patience.seconds`. Workers that are silent for so
    long while others answer are given up: they are restarted where they can be, and others do their work.
    """
    waited = _begun(client, answer)
    try:
        _until(waited.done, lambda: waited.exception(_LOOK), _Watch(client, patience))
        return waited.result()
    finally:
        waited.cancel()


def settled(client: Any, futures: Sequence[Any], patience: Patience) -> None:
    """Wait until Dask's futures are done, or have failed, as `answered` waits."""
    watch = _Watch(client, patience)
    for future in futures:
        # To gather results that are not there, and give up, leaves tasks behind, of which asyncio prints traces.
        _until(future.done, partial(future.exception, timeout=_LOOK), watch)


def _until(done: Callable[[], bool], wait: Callable[[], Any], watch: "_Watch") -> None:
    while not done():
        try:
            wait()
        except TimeoutError:
            watch.look()


def _begun(client: Any, answer: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run_coroutine_threadsafe(answer, client.loop.asyncio_loop)


@dataclass
class _Watch:
    """Who of a cluster has been silent for how many seconds while this process waits for it.

    nobody    the seconds in which no worker was heard of
    beats     when the scheduler last heard of each worker, by its clock
    silent    the seconds since that of each worker changed, or since this process began to wait
    """

    client: Any
    patience: Patience
    looked: float = field(default_factory=lambda: time.monotonic())
    nobody: float = 0.0
    beats: dict[str, float] = field(default_factory=dict)
    silent: dict[str, float] = field(default_factory=dict)
    given_up: set[str] = field(default_factory=set)
    told: str = ""

    def look(self) -> None:
        """Ask the scheduler who lives; say who does not, and raise ClusterError where nobody did for too long."""
        beats = self._asked()
        now = time.monotonic()
        # A look takes no longer; what is beyond is a pause of this process, as by Ctrl-Z.
        passed, self.looked = min(now - self.looked, _LOOK + _NO_ANSWER + 1), now
        heard = {name for name, beat in (beats or {}).items() if beat != self.beats.get(name)}
        self.nobody = 0.0 if heard else self.nobody + passed
        if beats is not None:
            self.silent = {
                name: 0.0 if name in heard else self.silent.get(name, 0.0) + passed for name in beats
            }
            self.beats = beats
            self.patience.most = max(self.patience.most, len(beats))
        quiet = self._quiet(self.patience.word)
        answering = f"{len(self.beats) - len(quiet)} of {self.patience.most} answer"
        if beats is None and self.nobody >= self.patience.word:
            self._say(f"waiting for the scheduler at {self._address}, which does not answer")
        elif quiet or self.nobody >= self.patience.word:
            self._say(f"waiting for workers, {answering}")
        if self.nobody >= self.patience.seconds:
            self._end(beats, answering)
        if beats is not None:
            self._give_up(self._quiet(self.patience.seconds) - self.given_up)

    @property
    def _address(self) -> str:
        return str(self.client.scheduler.address)

    def _asked(self) -> dict[str, float] | None:
        """Return when the scheduler last heard of each worker, or None where it does not answer."""
        try:
            known = asyncio.wait_for(self.client.scheduler.identity(n_workers=-1), _NO_ANSWER)
            return {
                name: one["last_seen"] for name, one in _begun(self.client, known).result()["workers"].items()
            }
        except (OSError, TimeoutError):
            return None

    def _quiet(self, seconds: float) -> set[str]:
        return {name for name, silence in self.silent.items() if silence >= seconds}

    def _say(self, text: str) -> None:
        if text != self.told:
            self.patience.say(text)
            self.told = text

    def _end(self, beats: dict[str, float] | None, answering: str) -> None:
        since = f"for {self.patience.seconds:g} s"
        if beats is None:
            raise ClusterError(
                f"the scheduler at {self._address} has not answered {since}; see that it runs, and that this machine "
                "reaches it"
            )
        raise ClusterError(
            f"no worker has answered {since} ({answering}); see why they do not, or start others with `dask worker "
            f"{self._address}`"
        )

    def _give_up(self, workers: Iterable[str]) -> None:
        """Have the scheduler kill and restart workers, or leave them out where that cannot be done."""
        if not workers:
            return
        self.given_up |= set(workers)
        names = ", ".join(sorted(workers))
        self._say(f"given up after {self.patience.seconds:g} s of silence, others do its work: {names}")
        restarted = self.client.scheduler.restart_workers(
            workers=list(workers), wait_for_workers=False, on_error="return", stimulus_id="chainrule-silent"
        )
        _begun(self.client, restarted)
