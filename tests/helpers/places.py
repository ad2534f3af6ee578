"""Where the contract is tested: the devices of conftest, and what a test needs to ask of one."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.backend.namespaces import to_numpy
from tests.conftest import ALWAYS, ASKED, DEVICES


@dataclass(frozen=True)
class Place:
    name: str
    device: cr.Device

    @property
    def xp(self) -> Any:
        return self.device.xp

    def array(self, values: Any, dtype: str = "float64") -> Any:
        """Return values as an array that nobody may write into, where the library knows of such arrays."""
        x = self.device.asarray(np.array(values, dtype=dtype))
        if isinstance(x, np.ndarray):
            x.setflags(write=False)
        return x

    def numpy(self, x: Any) -> np.ndarray:
        return to_numpy(x)


NAMES = DEVICES


def place(name: str) -> Place:
    """Return a place; one that was asked for and cannot work is a failure, one that was not is a skip by name."""
    if name not in (*ALWAYS, *ASKED):
        pytest.skip(f"{name} was not asked for (CHAINRULE_TEST_DEVICES={name} asks)")
    return Place(name, cr.get_device(name))
