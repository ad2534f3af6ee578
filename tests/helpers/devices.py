"""The devices that tests run on, and what a test asks of one.

The CPU and the second device of array-api-strict are always asked for; CHAINRULE_TEST_DEVICES, a comma list such as
`cuda`, asks for more. What goes wrong on array-api-strict's first device goes wrong on its second, whose arrays mix
with no others. A device that was asked for and cannot work fails its tests; one that a test names, and that nobody
asked for, is skipped by name.
"""

import os
import sys
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from tests.helpers.arrays import read_only

ALWAYS = ("cpu", "strict", "strict:device1")
ASKED = tuple(
    name.strip() for name in os.environ.get("CHAINRULE_TEST_DEVICES", "").split(",") if name.strip()
)
DEVICES = tuple(dict.fromkeys(("cpu", "strict:device1", *ASKED)))


def device_asked_for(name: str) -> cr.Device:
    """Return the device of that name, or skip the test where nobody asked for it."""
    if name not in (*ALWAYS, *ASKED):
        pytest.skip(f"{name} was not asked for (CHAINRULE_TEST_DEVICES={name} asks)")
    return cr.get_device(name)


@dataclass(frozen=True)
class Place:
    """A device with the few calls that the gradient contract makes."""

    device: cr.Device

    @property
    def xp(self) -> Any:
        return self.device.xp

    def array(self, values: Any, dtype: str = "float64") -> Any:
        """Return values as an array that nobody may write into, where the library knows of such arrays."""
        return read_only(self.device.asarray(np.array(values, dtype=dtype)))

    def numpy(self, x: Any) -> np.ndarray:
        return self.device.to_numpy(x)


def place(name: str) -> Place:
    """Return the device of that name as a place, or skip the test where nobody asked for it."""
    return Place(device_asked_for(name))


def count_copies(monkeypatch: pytest.MonkeyPatch, device: cr.Device) -> list[str]:
    """Return a list to which every copy of one of the device's arrays to the host adds its name from now on."""
    copies: list[str] = []
    if device.name.startswith("cuda"):
        # What CuPy itself calls before it copies to the host, and before it waits for the device.
        monkeypatch.setattr("cupy._core.syncdetect._declare_synchronize", lambda: copies.append("get"))
        return copies
    kind = type(device.asarray([1.0]))
    # From Python 3.12 on a class can hand out its buffer, which NumPy then takes without calling __array__.
    into_numpy = "__array__" if sys.version_info < (3, 12) else "__buffer__"
    for name in ("__float__", "__bool__", "__int__", "__index__", "to_device", into_numpy):
        original = getattr(kind, name)

        def counted(self, *arguments, _original=original, _name=name, **settings):
            copies.append(_name)
            return _original(self, *arguments, **settings)

        monkeypatch.setattr(kind, name, counted)
    return copies
