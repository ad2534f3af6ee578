"""Chunks on GPUs: kept there, and handed from worker to worker by way of the host."""

import dask.array as da
import numpy as np
import pytest
from distributed.protocol import deserialize, serialize

from chainrule.cluster import ChunkedRows, chunked_rows, connected
from tests.helpers.chunked_runs import NETS, assert_same_run, descended, one_machine
from tests.helpers.devices import device_asked_for


@pytest.fixture(params=["strict:device1", "cuda"])
def away(request, monkeypatch):
    device = device_asked_for(request.param)
    monkeypatch.setenv("CHAINRULE_DEVICE", device.name)
    return device


def test_a_chunk_goes_by_the_host(away, rows):
    X, y = rows
    there = deserialize(*serialize(chunked_rows._placed(X, y, None, "float32")))
    assert [type(x) for x in there[:2]] == [type(away.asarray(X))] * 2
    assert there[2] is None
    np.testing.assert_array_equal(away.to_numpy(there[0]), X.astype("float32"))
    np.testing.assert_array_equal(away.to_numpy(there[1]), y)


def test_steps_after_chunks_went_to_other_workers(away, rows):
    X, y = rows
    net = NETS["mlp"]
    with connected(2) as client:
        chunks = ChunkedRows(da.from_array(X, chunks=(110, 2)), y)
        # Every worker gets a copy of every chunk.
        client.replicate([client.futures_of(part)[0] for part in chunks.parts])
        assert_same_run(descended(chunks, net), one_machine(net, X, y))
