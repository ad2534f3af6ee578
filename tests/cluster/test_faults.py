"""What goes wrong with clusters is told, and costs no more than the steps since the last checkpoint."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

import dask
import dask.array as da
import numpy as np
import psutil
import pytest

import chainrule as cr
from chainrule.cluster import ChunkedRows, ClusterError, connected
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
def scheduler_and_worker(port):
    address = f"tcp://127.0.0.1:{port}"
    with (
        dask_process("scheduler", "--port", str(port), "--dashboard-address", "127.0.0.1:0") as scheduler,
        dask_process("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"),
    ):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            try:
                with connected(None, address):
                    break
            except ClusterError:
                time.sleep(0.1)
        yield scheduler


@pytest.fixture
def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def test_a_scheduler_that_goes_away_costs_what_came_after_the_checkpoint(tmp_path, port):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((60, 3)), np.arange(60) % 2
    np.savez(tmp_path / "rows.npz", X=X, y=y)
    checkpoint = tmp_path / "far" / "checkpoint.safetensors"
    settings = ("train", tmp_path / "rows.npz", "--chunk-rows", 30, "--report-every", 5, "--steps", 200)
    far = (*settings, "--scheduler", f"tcp://127.0.0.1:{port}", "--out", tmp_path / "far")
    with dask.config.set({"distributed.comm.timeouts.connect": "2s"}):
        with scheduler_and_worker(port) as scheduler:

            def stamp():
                return checkpoint.stat().st_mtime_ns

            def kill():
                # The first one is of step 0.
                first, deadline = None, time.monotonic() + 60
                while not checkpoint.exists() or checkpoint.stat().st_mtime_ns == (first := first or stamp()):
                    if time.monotonic() > deadline:
                        break
                    time.sleep(0.01)
                scheduler.kill()

            thread = threading.Thread(target=kill)
            thread.start()
            gone = chainrule(*far)
            thread.join()
        assert gone.exit_code == 1
        assert "the connection to the scheduler is gone" in gone.stderr
        with scheduler_and_worker(port):
            said = answer(*far, "--resume")
    assert "resume:   after step " in said
    answer(*settings, "--out", tmp_path / "whole")
    assert history_in(tmp_path / "far") == history_in(tmp_path / "whole")


def test_no_scheduler_and_no_workers_are_told(port):
    address = f"tcp://127.0.0.1:{port}"
    with (
        dask.config.set({"distributed.comm.timeouts.connect": "0.2s"}),
        pytest.raises(ClusterError, match="no scheduler answers there"),
        connected(None, address),
    ):
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
    class Cluster:
        def scheduler_info(self, n_workers):
            return {"workers": {"tcp://a": {}, "tcp://b": {}}}

        def run(self, f, text, *, workers, on_error):
            asked.append(workers)
            return {"tcp://a": cr.__version__, "tcp://b": OSError("timed out")}

    asked, cluster = [], Cluster()
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
        rest, _ = process.communicate(timeout=20)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0
    assert "interrupted; what was learnt is kept" in rest
    assert psutil.wait_procs(workers, timeout=5)[1] == []


def test_workers_end_with_the_block_and_share_the_processors_out():
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
