"""Competitors side by side: each in a process of its own, as many threads for each, rounds in turn A B C A B C.

    python -m bench.contest MODULE CONTENDER SECONDS PROOF.npz [ARGUMENTS...]

is one such process: it prints what it measured as a line of JSON and leaves the contender's results in PROOF.npz.
MODULE has `problem(*arguments)`, the numbers that all start from, and CONTENDERS, {name: make}: make(put, *numbers)
returns the step to be timed and read(what the step returned), a list of arrays that must agree with everyone else's
before a time is believed. `put` brings an array to the contender's device, which is CHAINRULE_DEVICE for all that can
use it. A MODULE of whole runs has `passes(what the step returned)` too, how often the run went over the data. No peer
needs chainrule.
"""

import ctypes
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

# What has this package: the Python of a peer finds it there.
ROOT = Path(__file__).resolve().parent.parent
# To a thousandth of the largest number of an array: float32, summed in another order by everyone.
TOLERANCE = 1e-3
ON_HOST = {"numpy": "numpy", "sklearn": "scikit-learn", "autograd": "autograd", "mygrad": "mygrad"}
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Contest(NamedTuple):
    """One case of a part of the suite. `ours` is set against everyone else, and `limit` is no rival but a bound.

    `amount` is what the bound moves or computes in a step, in `unit`. `grows` is (what, its value here) where the
    contest is a point of a curve.
    """

    part: str
    case: str
    module: str
    arguments: tuple[Any, ...]
    contenders: tuple[str, ...]
    ours: str
    threads: int
    amount: float = 0.0
    unit: str = ""
    grows: tuple[str, int] | None = None


class Target:
    """The device of a contender: how arrays get there, and how to wait until its computations are done."""

    def __init__(self, contender: str):
        asked = os.environ.get("CHAINRULE_DEVICE", "cpu")
        name = contender.split(maxsplit=1)[0]
        self.name, self.transfer = "cpu", 0.0
        self.move: Callable[[Any], Any] = np.asarray
        self.wait: Callable[[Any], Any] = lambda result: result
        self.peak = _peak_of_numpy
        if name in ON_HOST:
            self.library = f"{ON_HOST[name]} {version(ON_HOST[name])}"
        elif name == "torch":
            self._torch(asked)
        elif name == "jax":
            self._jax(asked)
        else:
            self._ours("cpu" if contender.endswith(" on cpu") else asked)

    def put(self, x: Any) -> Any:
        start = time.perf_counter()
        there = self.move(x)
        self.wait(there)
        self.transfer += time.perf_counter() - start
        return there

    def _ours(self, asked: str) -> None:
        import chainrule as cr

        device = cr.get_device(asked)
        self.name, self.library = device.name, f"chainrule {cr.__version__}"
        self.move, self.wait = device.asarray, lambda _: device.synchronize()
        if device.name.startswith("cuda"):
            self.peak = _peak_of_cupy

    def _torch(self, asked: str) -> None:
        import torch

        on_gpu = asked.startswith("cuda") and torch.cuda.is_available()
        self.name, self.library = asked if on_gpu else "cpu", f"torch {torch.__version__}"
        self.move = lambda x: torch.as_tensor(np.asarray(x)).to(self.name)
        self.peak = _peak_of_torch if on_gpu else _peak_of_process
        if on_gpu:
            torch.cuda.set_device(self.name)
            self.wait = lambda _: torch.cuda.synchronize()
        else:
            torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))

    def _jax(self, asked: str) -> None:
        import jax

        # JAX's default on a GPU is TF32, in which no other contender computes.
        jax.config.update("jax_default_matmul_precision", "highest")
        # Without its CUDA package it has the CPU alone, whatever was asked for.
        devices, wanted = jax.devices(), int(asked.partition(":")[2] or 0) if asked.startswith("cuda") else 0
        device = devices[min(wanted, len(devices) - 1)]
        jax.config.update("jax_default_device", device)
        self.name, self.library = "cpu" if device.platform == "cpu" else asked, f"jax {jax.__version__}"
        self.move, self.wait = lambda x: jax.device_put(x, device), jax.block_until_ready
        self.peak = _peak_of_process if device.platform == "cpu" else _no_peak


def _peak_of_numpy(step):
    tracemalloc.start()
    step()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def _peak_of_process(step):
    """Return by how much the memory that the system counts for this process grew, where the system is Linux.

    For libraries whose arrays tracemalloc does not see. What was freed before is given back first, or the step would
    grow into it unseen.
    """
    status, reset = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not reset.exists():
        return None
    ctypes.CDLL(None).malloc_trim(0)
    before = _kilobytes(status, "VmRSS:")
    reset.write_text("5")
    step()
    return max(0, _kilobytes(status, "VmHWM:") - before) * 1024


def _kilobytes(status, name):
    return int(next(line for line in status.read_text().splitlines() if line.startswith(name)).split()[1])


def _peak_of_cupy(step):
    import cupy

    pool = cupy.get_default_memory_pool()
    pool.free_all_blocks()
    before = pool.total_bytes()
    step()
    return pool.total_bytes() - before


def _peak_of_torch(step):
    import torch

    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    step()
    return torch.cuda.max_memory_allocated() - before


def _no_peak(step):
    return None


def clock(step, seconds):
    """Return the median seconds of a step, warmed up for `seconds`; the clock is read once for many short steps."""
    start = time.perf_counter()
    warm = 0
    while time.perf_counter() - start < seconds or warm < 2:
        step()
        warm += 1
    repeats = max(1, warm // 10)
    times = []
    start = time.perf_counter()
    while len(times) < 5 or (len(times) < 15 and time.perf_counter() - start < 3 * seconds):
        begun = time.perf_counter()
        for _ in range(repeats):
            step()
        times.append((time.perf_counter() - begun) / repeats)
    return statistics.median(times)


def work(module, contender, seconds, proof, *arguments):
    """Measure one contender in this process."""
    case = importlib.import_module(module)
    target = Target(contender)
    step, read = case.CONTENDERS[contender](target.put, *case.problem(*arguments))

    def timed():
        result = step()
        target.wait(result)
        return result

    start = time.perf_counter()
    result = timed()
    first = time.perf_counter() - start
    parts = [np.asarray(part) for part in read(result)]
    np.savez(proof, *(part.astype("float64") for part in parts))
    about = {"passes": int(case.passes(result))} if hasattr(case, "passes") else {}
    about["result"] = sum(part.nbytes for part in parts)
    del result, parts
    found = about | {"seconds": clock(timed, float(seconds)), "first": first, "transfer": target.transfer}
    print(json.dumps(found | {"peak": target.peak(timed), "where": target.name, "library": target.library}))


def hold(contest, pythons, *, rounds, seconds, done=lambda name: None):
    """Return a row of results for each contender; `pythons` is {contender: python} for those not of this Python.

    Everyone's proof must be that of the first who gave one; who is off loses its times and is told why. `done` is
    called with a contender's name after each of its turns.
    """
    rows = {row["contender"]: row for row in blank(contest)}
    with tempfile.TemporaryDirectory() as folder:
        proofs = {}
        for _ in range(rounds):
            for name, row in rows.items():
                if not row["why"]:
                    _turn(contest, row, pythons.get(name, sys.executable), seconds, Path(folder), proofs)
                done(name)
    return list(rows.values())


def blank(contest, why=""):
    """Return a row for each contender with nothing measured yet."""
    about = contest._asdict()
    for name in ("module", "arguments", "contenders"):
        del about[name]
    return [
        about | {"contender": name, "why": why, "seconds": [], "first": [], "transfer": []}
        for name in contest.contenders
    ]


def _turn(contest, row, python, seconds, folder, proofs):
    name = row["contender"]
    proof = folder / f"{len(proofs)}.npz"
    found, row["why"] = _run(contest, name, python, seconds, proof)
    if not row["why"] and (parts := _parts(proof)):
        # The limit proves nothing, and takes no part.
        first, right = next(iter(proofs.items()), (name, parts))
        proofs[name] = parts
        row["why"] = unequal(first, right, parts)
    if row["why"]:
        row["seconds"], row["first"], row["transfer"] = [], [], []
        return
    for key in ("seconds", "first", "transfer"):
        row[key].append(found.pop(key))
    row |= found


def _run(contest, name, python, seconds, proof):
    """Return what the process measured and "", or {} and why there is nothing."""
    env = os.environ | dict.fromkeys(THREAD_VARIABLES, str(contest.threads))
    env["XLA_PYTHON_CLIENT_PREALLOCATE"] = "false"
    if not env.get("CHAINRULE_DEVICE", "").startswith("cuda"):
        env["JAX_PLATFORMS"] = "cpu"
    if contest.threads == 1:
        env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    command = [python, "-m", "bench.contest", contest.module, name, str(seconds), str(proof)]
    # Not every library heeds the variables, so each process gets as many processors as threads, too.
    pin = (lambda: _pin(contest.threads)) if hasattr(os, "sched_setaffinity") else None
    try:
        done = subprocess.run(
            [*command, *map(str, contest.arguments)],
            cwd=ROOT, env=env, capture_output=True, text=True, check=False, preexec_fn=pin,
        )  # fmt: skip
    except OSError as error:
        return {}, f"failed: {python}: {error.strerror}"
    if done.returncode:
        reason = (done.stderr.strip() or f"exit status {done.returncode}, no word").splitlines()[-1]
        missing = "ModuleNotFoundError: " in reason or "PackageNotFoundError: " in reason
        return {}, f"{'not installed' if missing else 'failed'}: {reason.partition(': ')[2] or reason}"
    return json.loads(done.stdout.splitlines()[-1]), ""


def _parts(proof):
    with np.load(proof) as saved:
        return [saved[name] for name in saved.files]


def unequal(first, right, parts):
    """Return in words how the parts differ from the right ones, those of `first`, or an empty string."""
    if [part.shape for part in right] != [part.shape for part in parts]:
        return f"unequal: its results have other shapes than those of {first}"
    for number, (mine, theirs) in enumerate(zip(parts, right, strict=True)):
        scale = np.max(np.abs(theirs), initial=0.0) or 1.0
        error = np.max(np.abs(mine - theirs), initial=0.0) / scale
        # Written so that NaN fails.
        if not error <= TOLERANCE:
            return f"unequal: result {number} is off that of {first} by {error:.1e} of its largest number"
    return ""


def _pin(threads):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


if __name__ == "__main__":
    work(*sys.argv[1:])
