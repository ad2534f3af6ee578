"""The fixtures of the tests of the contract."""

import re
import sys

import pytest

import chainrule as cr
from tests.helpers.devices import Place

# cuFFT, and cuSOLVER's eigenvalues of general matrices; and rows of complex numbers, each of whose kernels takes g++
# seconds, but for some (tests/contract/test_complex.py).
_LACKING = re.compile(
    r"fft\.|convolve_vectors|linalg\.eig(?:-|vals(?:-|\]))|[-\[](?:imag|direction-complex)[-\]]"
)


@pytest.fixture
def here(device: cr.Device) -> Place:
    """Return a device with the few calls that these tests make."""
    return Place(device)


@pytest.fixture(autouse=True)
def _skip_what_the_pretended_gpu_lacks(request: pytest.FixtureRequest) -> None:
    name = request.node.name
    if "cuda" in name and "cupy_on_cpu" in sys.modules and _LACKING.search(name):
        pytest.skip("the pretended GPU has no cuFFT, no eigenvalues of general matrices, few complex kernels")
