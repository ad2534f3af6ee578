"""The fixture of the tests of the contract."""

import pytest

import chainrule as cr
from tests.helpers.devices import Place


@pytest.fixture
def here(device: cr.Device) -> Place:
    """Return a device with the few calls that these tests make."""
    return Place(device)
