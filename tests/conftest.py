"""Devices as one fixture.

The CPU and array-api-strict are always asked for; CHAINRULE_TEST_DEVICES, a comma list such as `cuda`, asks for more.
A device that was asked for and cannot work fails its tests; one that was not asked for is skipped by name.
"""

import os
import tempfile
import threading
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:
    # As many processes as processors: more threads in each would wait for one another. Read when NumPy is loaded.
    for _library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import numpy as np
import pytest

import chainrule as cr
from chainrule.backend import hardware, threads
from chainrule.models import logistic
from tests.helpers.tables import pictures, table, three_kinds  # noqa: F401

# Numba would take what it compiled of an older vectors.py: it looks at the file of the function alone.
_compiled = tempfile.TemporaryDirectory(prefix="chainrule-compiled-")
os.environ["NUMBA_CACHE_DIR"] = _compiled.name

ALWAYS = ("cpu", "strict", "strict:device1")
ASKED = tuple(
    name.strip() for name in os.environ.get("CHAINRULE_TEST_DEVICES", "").split(",") if name.strip()
)
DEVICES = tuple(dict.fromkeys((*ALWAYS, *ASKED, "cuda")))

ROOT = Path(__file__).resolve().parent.parent
COURSE = ROOT.parent / "shared"


@pytest.fixture(autouse=True)
def _no_device_chosen(monkeypatch):
    monkeypatch.delenv("CHAINRULE_DEVICE", raising=False)


@pytest.fixture(params=DEVICES)
def device(request):
    if request.param not in (*ALWAYS, *ASKED):
        pytest.skip(f"{request.param} was not asked for (CHAINRULE_TEST_DEVICES={request.param} asks)")
    return cr.get_device(request.param)


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture
def course_file():
    """Return the path of a file of the course material, or skip by its name where it is missing."""

    def find(name):
        path = COURSE / name
        if not path.is_file():
            pytest.skip(f"the course material {name} is not beside this checkout")
        return path

    return find


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


def read_only(x):
    if isinstance(x, np.ndarray):
        x.flags.writeable = False
    return x


def callers_agree(arrays, **settings):
    """Eight threads take the logistic step by tiles at once; each gets what the plain step gives."""
    results = []
    callers = [
        threading.Thread(target=lambda: results.append(logistic.by_tiles(*arrays, **settings)))
        for _ in range(8)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(results) == 8
    expected = logistic.by_matmul(*arrays)
    for step in results:
        for got, want in zip(step, expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)


def count_copies(monkeypatch, device):
    """Return a list to which every copy of one of the device's arrays to the host adds its name from now on."""
    copies = []
    if device.name.startswith("cuda"):
        # What CuPy itself calls before it copies to the host, and before it waits for the device.
        monkeypatch.setattr("cupy._core.syncdetect._declare_synchronize", lambda: copies.append("get"))
        return copies
    kind = type(device.asarray([1.0]))
    for name in ("__float__", "__bool__", "__int__", "__index__", "to_device", "__array__"):
        original = getattr(kind, name)

        def counted(self, *arguments, _original=original, _name=name, **settings):
            copies.append(_name)
            return _original(self, *arguments, **settings)

        monkeypatch.setattr(kind, name, counted)
    return copies
