"""What bench/on_a_card.sh asks of a GPU beside the tests and the benchmarks: one part a call.

python bench/on_a_card.py one_pass | crossover | memory  [--tiny]
"""

import sys
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import chainrule as cr
from bench import launches, logistic_step, network
from bench.one_pass import with_one_pass


def milliseconds(step: Callable[[], Any], device: cr.Device, tiny: bool) -> float:
    """Return the shortest time of a step, until the device has finished it."""

    def once() -> None:
        step()
        device.synchronize()

    once()
    return min(timeit.repeat(once, number=1, repeat=2 if tiny else 20)) * 1e3


def one_pass(gpu: cr.Device, tiny: bool) -> None:
    """The kernel that reads X once beside `by_matmul`: time, and whether its bits are the same each time.

    A race between its threads, which no pretended device can show, would change the bits.
    """
    sizes = [(30, 7)] if tiny else [(2000, 784), (60000, 784), (20000, 12288), (100000, 12288)]
    print(f"{'m x n':>16}{'one_pass ms':>14}{'by_matmul ms':>14}{'largest difference':>20}  bits")
    for m, n in sizes:
        numbers = logistic_step.problem(m, n)
        kernel, read = with_one_pass(gpu.asarray, *numbers)
        matmul, _ = logistic_step.with_spelling("by_matmul", gpu.asarray, *numbers)
        first, right = read(kernel()), read(matmul())
        apart = max(
            float(np.max(np.abs(x - y) / np.max(np.abs(y)))) for x, y in zip(first, right, strict=True)
        )
        again = [read(kernel()) for _ in range(2 if tiny else 20)]
        equal = all(np.array_equal(x, y) for other in again for x, y in zip(first, other, strict=True))
        times = [milliseconds(step, gpu, tiny) for step in (kernel, matmul)]
        print(
            f"{f'{m} x {n}':>16}{times[0]:14.3f}{times[1]:14.3f}{apart:20.1e}  {'same' if equal else 'DIFFER'}"
        )


def crossover(gpu: cr.Device, tiny: bool) -> None:
    """The sizes from which the GPU is faster than this CPU: rows of a logistic step, and of a batch of a network."""
    cpu = cr.get_device("cpu")
    steps = {
        "logistic, 784 features, by_tiles": lambda m, device: logistic_step.with_spelling(
            "by_tiles", device.asarray, *logistic_step.problem(m, 784)
        ),
        "network 784-256-128-10, Adam": lambda m, device: network.with_chainrule(
            device.asarray, *network.problem("adam", m, *launches.SIZES)
        ),
    }
    for name, make in steps.items():
        print(f"{name}\n{'rows':>10}{'cpu ms':>12}{'gpu ms':>12}")
        for m in (4, 16) if tiny else (16, 64, 256, 1024, 4096, 16384, 65536):
            times = [milliseconds(make(m, device)[0], device, tiny) for device in (cpu, gpu)]
            print(
                f"{m:10}{times[0]:12.3f}{times[1]:12.3f}{'  gpu' if times[1] < times[0] else ''}", flush=True
            )


def memory(gpu: cr.Device, tiny: bool) -> None:
    """The memory that CuPy holds after the first steps and after many more, which must be the same."""
    import cupy

    pool = cupy.get_default_memory_pool()
    step, _ = network.with_chainrule(gpu.asarray, *network.problem("adam", 128, *launches.SIZES))
    for steps in (10, 10) if tiny else (10, 1000, 1000):
        for _ in range(steps):
            step()
        print(f"after {steps:5} more steps: {pool.used_bytes():12} bytes used, {pool.total_bytes():12} held")


PARTS = {part.__name__: part for part in (one_pass, crossover, memory)}

if __name__ == "__main__":
    PARTS[sys.argv[1]](cr.get_device("cuda"), "--tiny" in sys.argv)
