"""Competitors side by side: each in a process of its own, as many threads for each, rounds in turn A B C A B C.

A script of contenders is run as `SCRIPT --work NAME ARGUMENTS...` in a process that prints one line of JSON: its
median "seconds" and its "proof", nested lists of numbers that must agree with everyone else's before a ratio is shown.
"""

import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np


def clock(step, seconds=0.3, rounds=15):
    """Return the median time of a step, warmed up for `seconds`; a round is as long as the clock needs to be sure."""
    start = time.perf_counter()
    warm = 0
    while time.perf_counter() - start < seconds or warm < 3:
        step()
        warm += 1
    times = []
    repeats = max(1, warm // 10)
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(repeats):
            step()
        times.append((time.perf_counter() - start) / repeats)
    return statistics.median(times)


def tell(seconds, proof):
    """Print what a working process has to say; arrays of the proof become lists of float64."""
    print(json.dumps({"seconds": seconds, "proof": [np.asarray(p, dtype="float64").tolist() for p in proof]}))


def hold(script, contenders, arguments, *, rounds, threads):
    """Run contenders {name: python} in turn; return {name: times}, or an empty list for one that is not installed.

    Everyone's proof must be that of the first, to a thousandth of its largest number, or the run ends.
    """
    times = {name: [] for name in contenders}
    proofs = {}
    for _ in range(rounds):
        for name, python in contenders.items():
            found = _work(script, name, arguments, python, threads)
            if found is not None:
                times[name].append(found["seconds"])
                proofs[name] = [np.asarray(p) for p in found["proof"]]
    first = next(iter(proofs))
    for name, proof in proofs.items():
        for right, part in zip(proofs[first], proof, strict=True):
            error = np.max(np.abs(right - part)) / np.max(np.abs(right))
            if not error <= 1e-3:
                raise SystemExit(
                    f"{name}: its numbers are off those of {first} by {error:.1e} of the largest"
                )
    return times


def show(times, ours="chainrule"):
    """Print each contender's time, and ours over it, so that under 1 we are faster."""
    print(f"{'':10} {'time':>10}   {ours} / it (median, min .. max)")
    for name, theirs in times.items():
        if not theirs:
            print(f"{name:10} not installed")
            continue
        ratios = sorted(a / b for a, b in zip(times[ours], theirs, strict=True))
        spread = f"{statistics.median(ratios):.2f}, {ratios[0]:.2f} .. {ratios[-1]:.2f}"
        print(f"{name:10} {statistics.median(theirs) * 1e6:8.1f}us   {spread}")


def _work(script, name, arguments, python, threads):
    variables = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    env = dict(os.environ) | dict.fromkeys(variables, str(threads))
    if threads == 1:
        env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    command = [python, script, "--work", name, *map(str, arguments)]
    # Not every library heeds the variables; none has more threads' worth than its processors.
    pin = (lambda: _pin(threads)) if hasattr(os, "sched_setaffinity") else None
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, preexec_fn=pin)
    if done.returncode:
        reason = (done.stderr.strip() or "no word").splitlines()[-1]
        if "ModuleNotFoundError" in reason:
            return None
        raise SystemExit(f"{name}: {done.stderr}")
    return json.loads(done.stdout)


def _pin(threads):
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


def ours(*names):
    """Return {name: this Python} for contenders that need nothing but what chainrule needs."""
    return dict.fromkeys(names, sys.executable)
