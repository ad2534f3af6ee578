"""What the tests of the compiled kernels share."""

import pytest

from chainrule.backend import hardware, threads


@pytest.fixture
def calls(kernel, monkeypatch):
    """Make every X too large for the cache, ask for two threads, and return the shapes the kernel is called with."""
    monkeypatch.setattr(hardware, "cache_bytes", lambda level: 1000)
    monkeypatch.setattr(threads, "blas_threads", lambda: 2)
    shapes, sums = [], kernel.sums

    def counted(X, *others):
        shapes.append(X.shape)
        return sums(X, *others)

    monkeypatch.setattr(kernel, "sums", counted)
    return shapes
