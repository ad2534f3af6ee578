"""Shared by the benchmarks of pytest: sizes, caps, data, the proof that results are equal, and the timing."""

import math
import time
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import Any, NamedTuple

import numpy as np

import chainrule as cr
from chainrule.backend import threads
from chainrule.backend.namespaces import to_numpy
from chainrule.models import logistic

TOLERANCES = {"float32": 1e-4, "float64": 1e-11}

# A step of plain loops over the cat pictures takes a good part of a second.
LOOP_NUMBERS = 209 * 12288
# On a GPU every sample is a dozen kernel launches, and a strict device checks every call of its own.
SAMPLES = {"cpu": 5000, "cuda": 300, "strict": 300}
STRICT_NUMBERS = 209 * 768


class Size(NamedTuple):
    """Samples, features, and what grows along the row of sizes that this one is in: "m", "n" or "m and n"."""

    m: int
    n: int
    grows: str


class Plan(NamedTuple):
    """Which sizes of a step and of a dot product; for each benchmark about `seconds`, but at least `rounds` rounds."""

    steps: list[Size]
    dots: list[Size]
    seconds: float
    rounds: int


def _plan(
    ms: list[int], ns: list[int], both: list[int], lengths: list[int], seconds: float, rounds: int
) -> Plan:
    # 784 features are a grey picture of 28 pixels a side; 209 samples are the cat pictures, and 3, 48, 768, 12288,
    # 49152 features colour pictures of 1, 4, 16, 64, 128 pixels a side.
    steps = [Size(m, 784, "m") for m in ms] + [Size(209, n, "n") for n in ns]
    steps += [Size(k, k, "m and n") for k in both]
    return Plan(steps, [Size(1, n, "n") for n in lengths], seconds, rounds)


PLANS = {
    "full": _plan(
        [3, 30, 300, 3000, 30000],
        [3, 48, 768, 12288, 49152],
        [1, 3, 10, 30],
        [1, 3, 48, 768, 12288, 196608],
        1.0,
        7,
    ),
    "quick": _plan([3, 300, 3000], [3, 768, 12288], [1, 10, 30], [1, 3, 768, 12288], 0.05, 5),
    "tiny": _plan([1, 3], [1, 3], [2], [1, 3], 0.01, 5),
}


def over_the_cap(spelling: str, m: int, n: int, device: cr.Device) -> bool:
    kind = device.name.partition(":")[0]
    return (
        (spelling == "by_loops" and m * n > LOOP_NUMBERS)
        or (spelling == "by_sample" and m > SAMPLES[kind])
        or (kind == "strict" and m * n > STRICT_NUMBERS)
    )


class Problem:
    """One logistic step: its arrays on the host and on the device, and its float64 results.

    Targets are mostly 0, so that no gradient is 0 by cancellation and a relative error means something.
    """

    def __init__(self, m: int, n: int, device: cr.Device, dtype: str):
        rng = np.random.default_rng([m, n])
        X = rng.standard_normal((m, n)).astype(dtype)
        w = (rng.standard_normal(n) / math.sqrt(n)).astype(dtype)
        y = (rng.random(m) < 0.2).astype(dtype)
        self.host = X, y, w, np.asarray(0.1, dtype=dtype)
        self.arrays = tuple(device.asarray(x) for x in self.host)
        self.transfer = seconds_to_transfer(X, device)

    @property
    def lists(self) -> tuple[Any, ...]:
        return tuple(x.tolist() for x in self.host)

    @cached_property
    def step(self) -> dict[str, Any]:
        cost, dw, db = logistic.by_matmul(*(x.astype("float64") for x in self.host))
        return {"cost": cost, "dw": dw, "db": db}


@lru_cache(maxsize=1)
def problem(m: int, n: int, device: cr.Device, dtype: str) -> Problem:
    return Problem(m, n, device, dtype)


def seconds_to_transfer(x: np.ndarray, device: cr.Device) -> float:
    def move() -> None:
        device.asarray(x)
        device.synchronize()

    return sorted(clock(move)[0] for _ in range(3))[1]


def clock(call: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def prove(who: str, got: Any, want: dict[str, Any], dtype: str) -> None:
    """Raise AssertionError unless each part of `got` is `want`'s, to the dtype's tolerance of its largest number."""
    parts = got if isinstance(got, tuple) else (got,)
    for (name, right), part in zip(want.items(), parts, strict=True):
        mine = np.asarray(to_numpy(part), dtype="float64")
        if mine.shape != np.shape(right):
            raise AssertionError(f"{who}: {name} has shape {mine.shape}, expected {np.shape(right)}")
        error, scale = np.max(np.abs(mine - right)), np.max(np.abs(right))
        # Written so that NaN fails.
        if not error <= TOLERANCES[dtype] * scale:
            raise AssertionError(
                f"{who}: {name} is off by {error / scale:.1e} of its largest number, "
                f"allowed {TOLERANCES[dtype]:.0e} in {dtype}; it is not timed"
            )


def measure(
    benchmark: Any,
    plan: Plan,
    call: Callable[..., Any],
    arguments: tuple[Any, ...],
    want: dict[str, Any],
    **facts: Any,
) -> None:
    """Time call(*arguments): first call, proof, warm-up, rounds. `facts` go with the numbers to their reader."""
    device, dtype, spelling, direction = (
        facts[name] for name in ("device", "dtype", "spelling", "direction")
    )

    def timed() -> Any:
        result = call(*arguments)
        device.synchronize()
        return result

    first, result = clock(timed)
    prove(f"{spelling}, {direction}, {facts['m']} x {facts['n']}", result, want, dtype)
    once = min(clock(timed)[0] for _ in range(2))
    # A round of a millisecond or more is far above what the clock and the loop around the call cost.
    iterations = math.ceil(1e-3 / once)
    rounds = min(200, max(plan.rounds, int(plan.seconds / (once * iterations))))
    benchmark.group = f"{direction}, {facts['m']} x {facts['n']}"
    benchmark.extra_info.update(
        facts,
        device=device.name,
        describe=device.describe(),
        chainrule=cr.__version__,
        threads=threads.blas_libraries(),
        first_call_seconds=first,
    )
    benchmark.pedantic(timed, rounds=rounds, iterations=iterations, warmup_rounds=1)
