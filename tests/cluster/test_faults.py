"""What goes wrong with clusters is told, and costs no more than the steps since the last checkpoint."""

import asyncio
import itertools
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace

import dask
import dask.array as da
import numpy as np
import psutil
import pytest

import chainrule as cr
from chainrule.cluster import ChunkedRows, ClusterError, connected, waiting
from chainrule.cluster import client as connecting
from tests.helpers.chunked_runs import NETS
from tests.helpers.commands import answer, chainrule, history_in


@contextmanager
def dask_process(kind, *arguments):
    command = [sys.executable, "-m", f"distributed.cli.dask_{kind}", *arguments, "--host", "127.0.0.1"]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@contextmanager
def scheduler_at(port):
    with dask_process("scheduler", "--port", str(port), "--dashboard-address", "127.0.0.1:0") as scheduler:
        yield scheduler


@contextmanager
def worker_of(address):
    with dask_process("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard") as worker:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            try:
                with connected(None, address):
                    break
            except ClusterError:
                time.sleep(0.1)
        yield worker


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_workers_are_counted_before_any_is_waited_for(port):
    address = f"tcp://127.0.0.1:{port}"
    with scheduler_at(port), worker_of(address), connecting.connected(scheduler=address) as client:
        assert connecting._patience[client].most == 1


def test_a_cluster_that_is_lost_costs_what_came_after_the_checkpoint(tmp_path, port):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 3)), np.arange(60) % 2
    np.savez(tmp_path / "rows.npz", X=X, y=y)
    checkpoint = tmp_path / "far" / "checkpoint.safetensors"
    address = f"tcp://127.0.0.1:{port}"
    settings = ("train", tmp_path / "rows.npz", "--chunk-rows", 30, "--report-every", 5, "--steps", 200)
    far = (*settings, "--scheduler", address, "--out", tmp_path / "far", "--resume")

    def stamp():
        return checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0

    def lost(process, number):
        """Return what a run says whose process gets a signal after the second checkpoint: its first is of step 0."""

        def fault():
            first, deadline = stamp(), time.monotonic() + 120
            for _ in range(2):
                while stamp() == first and time.monotonic() < deadline:
                    time.sleep(0.01)
                first = stamp()
            # Not earlier: workers are silent while they import, on a machine with much else to do.
            for patience in connecting._patience.values():
                patience.seconds = 2.0
            process.send_signal(number)

        thread = threading.Thread(target=fault)
        thread.start()
        ended = chainrule(*far)
        thread.join()
        assert ended.exit_code == 1
        assert ended.stderr.endswith(f"; --resume goes on from {checkpoint}\n")
        return ended

    with dask.config.set({"distributed.comm.timeouts.connect": "2s"}):
        with scheduler_at(port) as scheduler:
            with worker_of(address) as worker:
                ended = lost(worker, signal.SIGKILL)
                assert "cluster:  waiting for workers, 0 of 1 answer" in ended.stdout
                assert "no worker has answered for 2 s (0 of 1 answer)" in ended.stderr
            with worker_of(address):
                ended = lost(scheduler, signal.SIGSTOP)
                assert f"waiting for the scheduler at {address}, which does not answer" in ended.stdout
                assert f"the scheduler at {address} has not answered for 2 s" in ended.stderr
        with scheduler_at(port) as scheduler, worker_of(address):
            assert "the connection to the scheduler is gone" in lost(scheduler, signal.SIGKILL).stderr
        with scheduler_at(port), worker_of(address):
            said = answer(*far)
    assert "resume:   after step " in said
    answer(*settings, "--out", tmp_path / "whole")
    assert history_in(tmp_path / "far") == history_in(tmp_path / "whole")


class Cluster:
    """A client of a scheduler of which `heard` gives, look by look, when it last heard of each worker, or None."""

    def __init__(self, *heard):
        self.heard, self.restarted = heard, []
        self.loop, self.scheduler, self.address = (
            SimpleNamespace(asyncio_loop=asyncio.new_event_loop()),
            self,
            "tcp://s",
        )
        self.looks = 0
        self.thread = threading.Thread(target=self.loop.asyncio_loop.run_forever)

    async def identity(self, n_workers):
        self.looks += 1
        heard = self.heard[min(self.looks, len(self.heard)) - 1]
        if heard is None:
            raise TimeoutError
        return {"workers": {name: {"last_seen": beat} for name, beat in heard.items()}}

    async def restart_workers(self, workers, **how):
        self.restarted += workers

    async def after(self, looks):
        while self.looks < looks:
            await asyncio.sleep(0.001)
        return "done"

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        loop = self.loop.asyncio_loop
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0.01), loop).result()  # what was cancelled ends
        loop.call_soon_threadsafe(loop.stop)
        self.thread.join()
        loop.close()


@pytest.fixture
def seconds(monkeypatch):
    """Let every look be a second after the last one."""
    clock = itertools.count(0.0)
    monkeypatch.setattr(waiting, "_LOOK", 0.01)
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: next(clock)))


@pytest.mark.parametrize(
    ("heard", "looks", "said", "fault"),
    [
        # A slow step: both are heard of.
        ([{"a": k, "b": k} for k in range(40)], 40, [], None),
        (
            [{"a": 0, "b": 0}],
            99,
            ["waiting for workers, 0 of 2 answer"],
            "no worker has answered for 20 s .0 of 2",
        ),
        (
            [{"a": 0, "b": 0}, {}],
            99,
            ["waiting for workers, 0 of 2 answer"],
            "no worker has answered for 20 s .0 of 2",
        ),
        (
            [{"a": 0}, None],
            99,
            ["waiting for the scheduler at tcp://s, which does not answer"],
            "the scheduler at tcp://s",
        ),
        # Both are silent for a while, then heard of again.
        ([*[{"a": 0, "b": 0}] * 16, {"a": 1, "b": 1}], 20, ["waiting for workers, 0 of 2 answer"], None),
        (
            [{"a": 0, "b": k} for k in range(40)],
            40,
            ["waiting for workers, 1 of 2 answer", "given up after 20 s of silence, others do its work: a"],
            None,
        ),
    ],
    ids=["slow", "silent", "gone", "no-scheduler", "back", "one-of-two"],
)
def test_who_does_not_answer_is_told_and_given_up(seconds, heard, looks, said, fault):
    texts = []
    with Cluster(*heard) as cluster:
        wait = partial(waiting.answered, cluster, cluster.after(looks), waiting.Patience(20.0, texts.append))
        if fault:
            with pytest.raises(ClusterError, match=fault):
                wait()
        else:
            assert wait() == "done"
    assert texts[: len(said)] == said
    assert texts[len(said) :] == [] or "given" in said[-1]
    assert cluster.restarted == (["a"] if "given" in "".join(said) else [])


def test_no_scheduler_and_no_workers_are_told(port):
    address = f"tcp://127.0.0.1:{port}"
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "0.2s"}),
        pytest.raises(ClusterError, match="no scheduler answers there"),
        connected(None, address),
    ):
        pass
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        dask.config.set({"distributed.comm.timeouts.connect": "0.3s"}),
        pytest.raises(ClusterError, match=r"no scheduler answers there .no answer in 0.3 s"),
        connected(None, f"tcp://127.0.0.1:{server.getsockname()[1]}"),
    ):
        pass
    with pytest.raises(ValueError, match="seconds to wait above 0, got 0"), connected(1, wait=0):
        pass
    with pytest.raises(ValueError, match="workers or a scheduler, got both"), connected(1, address):
        pass
    with pytest.raises(ValueError, match="workers from 1 up, got 0"), connected(0):
        pass


def test_what_tls_lacks_is_told(monkeypatch):
    def client(address):
        raise TypeError("TLS expects a `ssl_context` argument")

    monkeypatch.setattr(connecting.distributed, "Client", client)
    with (
        pytest.raises(ClusterError, match=r"no scheduler answers there .TLS expects"),
        connected(None, "tls://a:1"),
    ):
        pass


def test_a_worker_that_is_gone_again_is_no_worker_without_chainrule():
    class Asked(Cluster):
        async def run(self, f, text, *, workers, **how):
            asked.append(workers)
            return {"tcp://a": cr.__version__, "tcp://b": OSError("timed out")}

    asked = []
    with Asked({"tcp://a": 0, "tcp://b": 0}) as cluster:
        connecting.check_workers(cluster)
        connecting.check_workers(cluster)
    assert asked == [["tcp://a", "tcp://b"], ["tcp://b"]]


def test_a_worker_without_this_chainrule_is_named(tmp_path, monkeypatch, rows):
    X, y = rows
    hidden = tmp_path / "without.py"
    hidden.write_text("import sys\nsys.modules['chainrule'] = None\n")
    net = NETS["logistic"]
    with connected(1) as client:
        chunks = ChunkedRows(da.from_array(X, chunks=(100, 5)), y)
        cost = chunks.cost_and_gradients(net)
        cost(net.init(0, "cpu"))
        address = client.scheduler.address
        with dask_process("worker", address, "--no-nanny", "--no-dashboard", "--preload", str(hidden)):
            client.wait_for_workers(2, timeout=30)
            monkeypatch.setattr(connecting, "_LOOK", 0.0)
            with pytest.raises(ClusterError, match=r"tcp://127.0.0.1:\d+ has none .*; install it there"):
                cost(net.init(0, "cpu"))
    with monkeypatch.context() as patch:
        patch.setattr(connecting, "version", lambda name: "9.9")
        wanted = r"expected chainrule 9.9 on every worker, but tcp://127.0.0.1:\d+ has '0"
        with pytest.raises(ClusterError, match=wanted), connected(1):
            pass


def test_an_interrupt_of_all_processes_stops_the_run_and_not_its_workers(tmp_path):
    settings = ("--chunk-rows", "600", "--batch", "all", "--steps", "100000", "--report-every", "5")
    command = [
        sys.executable,
        "-u",
        "-m",
        "chainrule",
        "train",
        *settings,
        "--workers",
        "2",
        "--out",
        tmp_path,
    ]
    # In a group of its own, which gets Ctrl-C as one from a terminal does.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        looks = (line for line in process.stdout if line.startswith("  cost"))
        assert next(looks)
        assert next(looks)
        workers = psutil.Process(process.pid).children(recursive=True)
        os.killpg(process.pid, signal.SIGINT)
        rest, _ = process.communicate(timeout=120)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert "interrupted; what was learnt is kept" in rest
    assert psutil.wait_procs(workers, timeout=5)[1] == []


def test_workers_end_with_the_block_and_share_the_processors_out(capfd):
    ours = psutil.Process()
    before = set(ours.children(recursive=True))
    with connected(2, memory="300MB") as client:
        assert len(set(ours.children(recursive=True)) - before) >= 2
        found = client.scheduler_info(n_workers=-1)["workers"]
        assert [worker["memory_limit"] for worker in found.values()] == [300_000_000] * 2
        cores = len(psutil.Process().cpu_affinity())
        assert sum(client.nthreads().values()) <= max(cores, 2)
        threads = client.run(eval, "__import__('chainrule.backend.threads').backend.threads.blas_threads()")
        assert set(threads.values()) == {1}
        assert {address.split(":")[1] for address in found} == {"//127.0.0.1"}
        with pytest.raises(ZeroDivisionError):
            connecting.computed([dask.delayed(divmod)(1, 0)])
    assert capfd.readouterr().err == ""
    left = [process for process in ours.children(recursive=True) if process not in before]
    assert [p for p in left if "resource_tracker" not in " ".join(p.cmdline())] == []


def test_a_server_of_another_kind_is_no_scheduler():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def greet():
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        threading.Thread(target=greet, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with (
            dask.config.set({"distributed.comm.timeouts.connect": "2s"}),
            pytest.raises(ClusterError, match="no scheduler answers there"),
            connected(scheduler=address),
        ):
            pass
