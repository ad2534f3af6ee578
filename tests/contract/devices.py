"""Where the contract is tested: every array library and device at hand, and those that are asked for."""

import os
from dataclasses import dataclass
from typing import Any

import array_api_strict
import numpy as np
import pytest


@dataclass(frozen=True)
class Place:
    name: str
    xp: Any
    device: Any

    def array(self, values: Any, dtype: str = "float64") -> Any:
        """Return values as an array that nobody may write into, where the library knows of such arrays."""
        values = np.array(values, dtype=dtype)
        if self.xp is np:
            values.setflags(write=False)
            return values
        return self.xp.asarray(values, device=self.device)

    def numpy(self, x: Any) -> np.ndarray:
        if self.name.startswith("cuda"):
            return x.get()
        return np.asarray(x if self.xp is np else self.xp.asarray(x, device=_CPU))


_CPU = array_api_strict.Device("CPU_DEVICE")
PLACES = {
    "numpy": Place("numpy", np, "cpu"),
    "strict": Place("strict", array_api_strict, _CPU),
    "strict:device1": Place("strict:device1", array_api_strict, array_api_strict.Device("device1")),
}
ASKED = [name for name in os.environ.get("CHAINRULE_TEST_DEVICES", "").split(",") if name]
NAMES = [*PLACES, "cuda"]


def place(name: str) -> Place:
    """Return a place; one that was asked for and is missing is a failure, one that was not is a skip by
    name.
    """
    if name in PLACES:
        return PLACES[name]
    try:
        import array_api_compat.cupy as cupy

        cupy.zeros(1)
    except Exception as error:
        if name in ASKED:
            raise
        pytest.skip(f"{name} was not asked for in CHAINRULE_TEST_DEVICES ({type(error).__name__})")
    return Place(name, cupy, cupy.zeros(1).device)
