"""Worker processes give what one machine gives, however many they are, and though one dies."""

import os
import signal
import threading
import time
from functools import partial

import dask.array as da
import distributed
import numpy as np
import pytest

from chainrule.cluster import ChunkedRows
from chainrule.models.mlp import MLP
from chainrule.models.objective import on_all_rows
from chainrule.optim.batches import on_rows
from chainrule.optim.descent import descend
from chainrule.optim.lbfgs import lbfgs
from chainrule.optim.optimizers import adam
from tests.helpers.chunked_runs import NETS, assert_same_run, descended, one_machine


def test_fifty_steps_are_those_of_one_machine_on_any_number_of_workers(workers, rows):
    # Both networks are there on one number of workers or another; what a worker computes is the same on all.
    X, y = rows
    net = NETS["logistic" if len(workers.scheduler_info(n_workers=-1)["workers"]) == 2 else "mlp"]
    chunks = ChunkedRows(da.from_array(X, chunks=(110, 2)), y)
    assert chunks.kept
    assert_same_run(descended(chunks, net), one_machine(net, X, y))
    assert chunks.spent.steps == 51
    assert 0 < chunks.spent.compute < chunks.spent.wall * 16


def test_workers_have_no_more_memory_than_there_is(workers):
    found = workers.scheduler_info(n_workers=-1)["workers"].values()
    assert 0 < sum(worker["memory_limit"] for worker in found) <= distributed.system.MEMORY_LIMIT


def test_many_parameters_travel_without_a_warning(two_workers):
    net = MLP((1200, 1100, 1))
    chunks = ChunkedRows(da.from_array(np.eye(4, 1200), chunks=(2, 1200)), np.arange(4) % 2)
    params = net.init(0, "cpu")
    assert sum(x.nbytes for layer in params for x in layer) > 10e6
    chunks.cost_and_gradients(net)(params)


def slowly(block, flag):
    if flag.exists():
        time.sleep(0.3)
    return block


@pytest.mark.parametrize(("kind", "keep"), [("logistic", True), ("mlp", False)])
def test_a_worker_killed_in_step_25_changes_nothing(two_workers, rows, kind, keep, tmp_path):
    (X, y), net = rows, NETS[kind]
    flag = tmp_path / "slow"
    lazy = da.from_array(X, chunks=(110, 5)).map_blocks(slowly, flag, dtype=X.dtype)
    chunks = ChunkedRows(lazy, y, keep=keep)
    whole = chunks.cost_and_gradients(net)
    step, killed = 0, []

    two_workers.wait_for_workers(2, timeout=60)
    pids = two_workers.run(os.getpid)

    def kill():
        deadline = time.monotonic() + 20
        while (
            not any((busy := two_workers.processing()).values()) and not keep and time.monotonic() < deadline
        ):
            time.sleep(0.02)
        address = max(busy, key=lambda worker: len(busy[worker]))
        killed.append((address, len(busy[address])))
        os.kill(pids[address], signal.SIGKILL)
        flag.unlink()

    def cost_and_gradients(params):
        nonlocal step
        step += 1
        if step == 25:
            flag.touch()
            thread = threading.Thread(target=kill)
            thread.start()
            if keep:
                # The rows that were kept there are lost.
                thread.join()
        return whole(params)

    params = net.init(0, "cpu")
    run = descend(cost_and_gradients, params, steps=50, learning_rate=0.5, report_every=1)
    assert len(killed) == 1
    assert keep or killed[0][1] > 0
    assert_same_run(run, one_machine(net, X, y))


def test_chunks_are_mini_batches(two_workers, rows):
    (X, y), net = rows, NETS["mlp"]
    chunks = ChunkedRows(da.from_array(X, chunks=(60, 5)), y)
    batches = chunks.batches(120, seed=3)
    assert (len(batches), batches.rows(0)) == (4, sum(chunks.heights[i] for i in batches(0)))
    assert sorted(i for step in range(4) for i in batches(step)) == list(range(7))
    assert batches(0) != batches(4)
    starts = np.concatenate([[0], np.cumsum(chunks.heights)])

    class Rows:
        def __call__(self, step):
            return np.concatenate([np.arange(starts[i], starts[i + 1]) for i in sorted(batches(step))])

        rows = batches.rows

    settings = {"steps": 40, "optimizer": adam(0.01), "report_every": 4}
    params = net.init(0, "cpu")
    run = descend(chunks.cost_and_gradients(net), params, batches=batches, **settings)
    other = descend(on_rows(net.cost_and_gradients, X, y), params, batches=Rows(), **settings)
    assert_same_run(run, other)


def test_lbfgs_goes_over_chunks(two_workers, rows):
    (X, y), net = rows, NETS["logistic"]
    params = net.init(0, "cpu")
    chunks = ChunkedRows(da.from_array(X, chunks=(53, 5)), y)
    run = lbfgs(chunks.cost_and_gradients(net), params, steps=15)
    other = lbfgs(partial(on_all_rows, net, X, y), params, steps=15)
    assert (run.steps, run.stopped) == (other.steps, other.stopped)
    assert run.history[-1].cost == pytest.approx(other.history[-1].cost, rel=1e-10)
