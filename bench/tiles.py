"""Compare by_tiles with by_matmul fairly: each in a process of its own, in turn, with the same number of threads.

python bench/tiles.py [--sizes 20000x12288,209x12288] [--dtype float32] [--pairs 5]

In one process the two would disturb each other: a matrix library's threads go on spinning for a while after a call,
on the processors that by_tiles' own threads then want. Results are proved equal before anything is timed.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys

import numpy as np

import chainrule as cr
import measuring
from chainrule import logistic, machine
from chainrule.device import DeviceError

SIZES = "20000x12288,1000000x32,60000x784,209x12288,2000x784,1500x12288,300000x32"
SPELLINGS = ("by_matmul", "by_tiles")


def main() -> int:
    """Print, for each size, by_matmul's time over by_tiles', the median of the pairs with the extremes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=_sizes, default=_sizes(SIZES), help=f"default: {SIZES}")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--pairs", type=_positive, default=5, help="default: 5")
    parser.add_argument("--child", choices=("prove", *SPELLINGS), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(_child(options.child, *options.sizes[0], options.dtype)))
        return 0

    try:
        device = cr.get_device()
    except (ValueError, DeviceError) as error:
        parser.error(str(error))
    threads = next((os.environ[name] for name in machine.THREAD_VARIABLES if name in os.environ), None)
    threads = threads or str(machine.cpu_count())
    environment = os.environ | dict.fromkeys(machine.THREAD_VARIABLES, threads)
    where = f"{device.name}: {device.describe()['hardware']}, {threads} threads"
    print(f"{where}, {options.dtype}, {options.pairs} pairs of processes\n")
    print(
        "| m x n | by_matmul | by_tiles | by_tiles is faster by (median, min .. max) |\n|---:|---:|---:|---:|"
    )
    for m, n in options.sizes:
        if missing := _missing_memory(m, n, options.dtype):
            print(f"| {m} x {n} | not run: {missing} | | |", flush=True)
            continue

        def child(what: str, size: str = f"{m}x{n}") -> float:
            command = [sys.executable, __file__, "--child", what, "--sizes", size, "--dtype", options.dtype]
            done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True)
            return float(json.loads(done.stdout))

        try:
            child("prove")
            pairs = [[child(spelling) for spelling in SPELLINGS] for _ in range(options.pairs)]
        except subprocess.CalledProcessError as error:
            print(f"tiles: {m} x {n}: the process above ended with {error.returncode}", file=sys.stderr)
            return 1
        ratios = [matmul / tiles for matmul, tiles in pairs]
        times = " | ".join(f"{statistics.median(column) * 1e3:.3g} ms" for column in zip(*pairs, strict=True))
        spread = f"{statistics.median(ratios):.2f}, {min(ratios):.2f} .. {max(ratios):.2f}"
        print(f"| {m} x {n} | {times} | {spread} |", flush=True)
    return 0


def _child(what: str, m: int, n: int, dtype: str) -> float:
    """Prove both spellings equal to float64 and return 0, or return the median seconds of one spelling."""
    device = cr.get_device()
    rng = np.random.default_rng([m, n])
    # Uniform numbers, made in place: normal ones would take longer than all that is measured.
    X = rng.random((m, n), dtype=dtype)
    X -= 0.5
    w = (rng.standard_normal(n) / np.sqrt(n)).astype(dtype)
    y = (rng.random(m) < 0.2).astype(dtype)
    b = np.asarray(0.1, dtype=dtype)
    arrays = [device.asarray(x) for x in (X, y, w, b)]
    if what == "prove":
        want = _in_float64(X, y, w, b)
        for spelling in SPELLINGS:
            got = logistic.SPELLINGS[spelling](*arrays)
            measuring.prove(f"{spelling}, {m} x {n}", got, want, dtype)
        return 0.0

    def step() -> None:
        logistic.SPELLINGS[what](*arrays)
        device.synchronize()

    warm = [measuring.clock(step)[0] for _ in range(3)]
    rounds = max(5, min(500, int(0.4 / min(warm))))
    return statistics.median(measuring.clock(step)[0] for _ in range(rounds))


def _in_float64(X, y, w, b) -> dict:
    """Return by_matmul's result in float64, a few rows at a time: a float64 copy of X might not fit in memory."""
    m, rows = X.shape[0], max(1, (1 << 24) // X.shape[1])
    sums = [0.0, 0.0, 0.0]
    for start in range(0, m, rows):
        part = slice(start, min(start + rows, m))
        step = logistic.by_matmul(*(x.astype("float64") for x in (X[part], y[part], w, b)))
        sums = [total + mean * (part.stop - part.start) for total, mean in zip(sums, step, strict=True)]
    return dict(zip(("cost", "dw", "db"), (total / m for total in sums), strict=True))


def _missing_memory(m: int, n: int, dtype: str) -> str:
    # X, half a gigabyte for the proof's float64 rows and for Python itself, and the gate's numbers for each row.
    needed = (m * n + 16 * m) * int(dtype[-2:]) // 8 + (1 << 29)
    memory = machine.memory_bytes()
    if memory is None or needed <= memory[1]:
        return ""
    return f"needs {needed / 2**30:.1f} GiB of memory, {memory[1] / 2**30:.1f} GiB free"


def _sizes(text: str) -> list[tuple[int, int]]:
    sizes = []
    for part in text.split(","):
        m, times, n = part.partition("x")
        if not times:
            raise argparse.ArgumentTypeError(f"expected sizes such as 20000x12288,209x12288, got {part!r}")
        sizes.append((_positive(m), _positive(n)))
    return sizes


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"expected a whole number, 1 or more, got {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
