"""Kill `chainrule train` at random moments, and go on: no file may be broken, and the end must be that of one run.

    python -m tests.fuzz.kills [KILLS [SEED]] [--dask]

Every run is killed (SIGKILL, with all processes that it started) five times before it may end, each time at a moment
that is drawn from the time that an uninterrupted run takes. The process of a run is forked from this one, which has
imported all.
"""

import argparse
import contextlib
import io
import json
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from chainrule.__main__ import main
from chainrule.training.checkpoint import settings_in
from chainrule.training.model_file import load_model

STEPS, KILLS_A_RUN = 60, 5
# What does not name the time at which a run was made.
SAME = ("model.safetensors", "history.csv", "checkpoint.safetensors")


def begun(arguments):
    """Start the command in a process of its own, and return the number of the process, and of its group."""
    if number := os.fork():
        return number
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    sys.argv = ["chainrule", *map(str, arguments)]
    try:
        main()
    except SystemExit as end:
        os._exit(end.code or 0)
    os._exit(1)


def killed(number, seconds):
    """Kill a process group after so many seconds; return whether it ran until then, or its exit status."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (ended := os.waitpid(number, os.WNOHANG))[0]:
            return os.waitstatus_to_exitcode(ended[1])
        time.sleep(0.002)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(number, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


def broken(folder):
    """Return the files of a folder that are not whole; a part under another name is none."""
    checks = {
        ".safetensors": lambda path: load_model(path) if path.stem == "model" else settings_in(path),
        ".json": lambda path: json.loads(path.read_text()),
        ".png": lambda path: Image.open(io.BytesIO(path.read_bytes())).copy(),
        ".csv": lambda path: path.read_text().endswith("\n"),
        ".html": lambda path: path.read_text().rstrip().endswith("</html>"),
    }
    found = []
    for path in sorted(folder.iterdir() if folder.exists() else ()):
        if path.name.startswith(".") and path.name.endswith(".part"):
            continue
        try:
            if not checks[path.suffix](path):
                found.append(f"{path.name} is cut")
        except Exception as error:
            found.append(f"{path.name}: {error!r}")
    return found


def tries(kills, seed, dask, seconds, folder):
    """Return how many kills there were and what was lost, in lines."""
    rng, draw = np.random.default_rng(0), random.Random(seed)
    np.savez(folder / "rows.npz", X=rng.standard_normal((600, 30)), y=np.arange(600) % 2)
    command = ["train", folder / "rows.npz", "--hidden", "16", "--batch", "64" if not dask else "120"]
    command += ["--steps", STEPS, "--report-every", 2, "--validation", 0.2, "--patience", 1000]
    command += ["--chunk-rows", 120, "--workers", 1] if dask else []
    started = time.monotonic()
    if code := killed(begun([*command, "--out", folder / "whole"]), 600):
        return 0, [f"a run that nobody kills ends with status {code}"]
    usual, done, lost = seconds or time.monotonic() - started, 0, []
    run = 0
    while done < kills:
        run += 1
        out = folder / f"run-{run}"
        for _ in range(min(KILLS_A_RUN, kills - done)):
            code = killed(begun([*command, "--out", out, "--resume"]), draw.uniform(0, usual))
            done += code == -signal.SIGKILL
            if code not in (0, -signal.SIGKILL):
                lost.append(f"run {run}: ended with status {code}")
            lost += [f"run {run}: {fault}" for fault in broken(out)]
        if code := killed(begun([*command, "--out", out, "--resume"]), 600):
            lost.append(f"run {run}: to go on ended with status {code}")
            continue
        lost += [f"run {run}: {fault}" for fault in broken(out)]
        lost += [
            f"run {run}: {name} is another"
            for name in SAME
            if (out / name).read_bytes() != (folder / "whole" / name).read_bytes()
        ]
        lost += [f"run {run}: {path.name} is left" for path in out.iterdir() if path.suffix == ".part"]
        print(f"{done} kills, {len(lost)} lost, {usual:.2f} s a run", flush=True)
    return done, lost


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kills", nargs="?", type=int, default=60)
    parser.add_argument("seed", nargs="?", type=int, default=0)
    parser.add_argument("--dask", action="store_true", help="compute chunks on a worker process")
    parser.add_argument("--seconds", type=float, help="draw the moments from so many, not from a run's")
    given = parser.parse_args()
    if given.dask:
        import chainrule.training.chunked  # noqa: F401 (before the forks)
    with tempfile.TemporaryDirectory() as where:
        done, lost = tries(given.kills, given.seed, given.dask, given.seconds, Path(where))
    print(f"{done} kills, {len(lost)} lost", *lost, sep="\n")
    sys.exit(bool(lost))
