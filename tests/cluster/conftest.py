"""Clusters on the loopback, each started once for all tests that only compute on it."""

import numpy as np
import psutil
import pytest

from chainrule.cluster import connected


@pytest.fixture(scope="module")
def no_process_left():
    ours = psutil.Process()
    before = set(ours.children(recursive=True))
    yield
    # Python's own helper of multiprocessing outlives its children, and ends with the tests.
    left = [p for p in ours.children(recursive=True) if p not in before]
    assert [line for line in map(_line, left) if "resource_tracker" not in line] == []


def _line(process):
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return "resource_tracker, or gone"


@pytest.fixture(scope="module", params=[1, 2, 3], ids=lambda n: f"{n}-workers")
def workers(request, no_process_left):
    with connected(request.param) as client:
        yield client


@pytest.fixture(scope="module")
def two_workers(no_process_left):
    with connected(2) as client:
        yield client


@pytest.fixture
def rows():
    """Return X (400, 5) and y (400,) of 0 and 1 that a straight line nearly tells apart."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((400, 5))
    return X, (X @ rng.standard_normal(5) + 0.3 * rng.standard_normal(400) > 0).astype(np.float64)
