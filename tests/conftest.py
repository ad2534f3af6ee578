"""Fixtures of all tests: the devices, the dtypes, and files of data."""

import os
import tempfile

if "PYTEST_XDIST_WORKER" in os.environ:
    # As many processes as processors: more threads in each would wait for one another. Read when NumPy is loaded.
    for _library in ("OMP", "OPENBLAS", "MKL"):
        os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

import pytest
from hypothesis import HealthCheck, settings

from tests.helpers import ROOT
from tests.helpers.devices import DEVICES, device_asked_for
from tests.helpers.training_data import pictures, table, three_kinds  # noqa: F401

# A machine that is busy with others breaks no property.
settings.register_profile("any load", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any load")

# Numba keeps what it compiled, and looks for changes in the file of the compiled function alone: after a change in a
# file that this one imports it would run the old code.
_compiled = tempfile.TemporaryDirectory(prefix="chainrule-compiled-")
os.environ["NUMBA_CACHE_DIR"] = _compiled.name


@pytest.fixture(autouse=True)
def _the_cpu_where_a_test_asks_for_no_device(monkeypatch):
    # Where there is a GPU, the default would be that.
    monkeypatch.setenv("CHAINRULE_DEVICE", "cpu")


@pytest.fixture(params=DEVICES)
def device(request):
    return device_asked_for(request.param)


@pytest.fixture(params=["float32", "float64"])
def dtype(request):
    return request.param


@pytest.fixture
def course_file():
    """Return the path of a file of the course material, or skip by its name where it is missing."""

    def find(name):
        path = ROOT.parent / "shared" / name
        if not path.is_file():
            pytest.skip(f"the course material {name} is not beside this checkout")
        return path

    return find
