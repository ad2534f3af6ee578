"""Run the tries in a process that they may end: one that hangs or crashes is lost, and the next goes on after it."""

import json
import math
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

# Of processor time, and of the clock where nothing is computed: a machine may be busy with others.
SECONDS, SECONDS_OF_CLOCK = 10, 300
MOST_BYTES = 10**9


def tries(number, kinds):
    """Return a list of (kind, number, outcome, what was said) for each try; the outcomes are read, refused, lost."""
    done, begin = [], 0
    while True:
        command = [sys.executable, "-m", "tests.fuzz.run", "--work", str(number), str(begin), *kinds]
        # Decoders print what they think of broken pictures: more than a pipe holds.
        with (
            tempfile.TemporaryFile("w+") as errors,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
        ):
            begun = None
            for line in process.stdout:
                told = json.loads(line)
                if told[0] == "begin":
                    begun = told[1:]
                else:
                    done.append(tuple(told))
                    begun = None
            process.wait()
            errors.seek(0)
            said = errors.read()
        if begun is None:
            assert process.returncode == 0, (process.returncode, said)
            return done
        # It ended in the midst of a try.
        done.append((*begun, "lost", f"the process ended with {process.returncode}"))
        begin = len(done)


def work(number, begin, kinds):
    """Do the tries from number `begin` on, and print each as it begins and ends."""
    from tests.fuzz.kinds import KINDS, used

    ticks = 0

    def tick(*_):
        # Seconds are counted one by one, so that those are none in which the process was stopped.
        nonlocal ticks
        ticks += 1
        if ticks > SECONDS_OF_CLOCK:
            os._exit(1)

    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, 1, 1)
    plan = [(kind, i) for kind in kinds or KINDS for i in range(math.ceil(number * KINDS[kind].share))]
    sound = {}
    with tempfile.TemporaryDirectory(prefix="chainrule-fuzz-") as scratch:
        for kind, i in plan[begin:]:
            if kind not in sound:
                place = Path(scratch) / f"sound{len(sound)}"
                place.mkdir()
                make = KINDS[kind].make
                sound[kind] = None if make is None else make(place)
            folder = Path(scratch) / "try"
            folder.mkdir()
            print(json.dumps(["begin", kind, i]), flush=True)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            ticks = 0
            before = _peak(reset=True)
            try:
                outcome, said = used(kind, random.Random(f"{kind} {i}"), sound[kind], folder), ""
            except Exception as error:
                where = traceback.extract_tb(error.__traceback__)[-1]
                outcome, said = (
                    "lost",
                    f"{type(error).__name__}: {error} ({where.filename}:{where.lineno})"[:2000],
                )
            grown = _peak() - before
            if grown > MOST_BYTES:
                outcome, said = "lost", f"{grown / 1e9:.1f} GB of memory; {said}"
            signal.setitimer(signal.ITIMER_PROF, 0)
            shutil.rmtree(folder)
            print(json.dumps([kind, i, outcome, said]), flush=True)
    # While Python ends it has no handlers.
    signal.setitimer(signal.ITIMER_REAL, 0)


def _peak(reset=False):
    """Return the most memory of this process since the last reset, in bytes."""
    if reset and Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM:")]
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main():
    if sys.argv[1] == "--work":
        work(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
        return
    started = time.perf_counter()
    done = tries(int(sys.argv[1]), sys.argv[2:])
    counts = Counter((kind, outcome) for kind, _, outcome, _ in done)
    print("| what | tries | read | refused | lost |\n|---|---|---|---|---|")
    for kind in dict.fromkeys(kind for kind, *_ in done):
        found = [counts[kind, outcome] for outcome in ("read", "refused", "lost")]
        print(f"| {kind} | {sum(found)} | {' | '.join(map(str, found))} |")
    print(f"\n{len(done)} tries, {time.perf_counter() - started:.0f} s")
    for kind, number, outcome, said in done:
        if outcome == "lost":
            print(f"lost: {kind} {number}: {said}")


if __name__ == "__main__":
    main()
