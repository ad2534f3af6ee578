"""Rows larger than memory: seconds of a step and memory of each worker, beside a pure read of the same files.

python bench/out_of_core.py                            a small run that proves the results equal; 0.1 GB
python bench/out_of_core.py --gigabytes 8 --memory 1GB the large one
"""

import argparse
import json
import math
import os
import shutil
import tempfile
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import psutil

from chainrule.cluster import ChunkedRows, connected
from chainrule.data.chunked import open_rows
from chainrule.models.mlp import MLP
from chainrule.models.objective import on_all_rows
from chainrule.optim import descend

FEATURES = 250


def write(folder, gigabytes, files=16):
    """Write X-0.npy, ... and y-0.npy, ...: so many 10^9 bytes of float32 rows."""
    m = int(gigabytes * 1e9) // (4 * FEATURES)
    cuts = [m * k // files for k in range(files + 1)]
    w = np.random.default_rng(0).standard_normal(FEATURES, dtype=np.float32) / math.sqrt(FEATURES)
    for k in range(files):
        rng = np.random.default_rng([1, k])
        rows = cuts[k + 1] - cuts[k]
        X = np.lib.format.open_memmap(folder / f"X-{k}.npy", "w+", np.float32, (rows, FEATURES))
        y = np.empty(rows, np.uint8)
        for start in range(0, rows, 50_000):
            block = rng.standard_normal((min(50_000, rows - start), FEATURES), dtype=np.float32)
            X[start : start + len(block)] = block
            y[start : start + len(block)] = block @ w > 0
        X.flush()
        np.save(folder / f"y-{k}.npy", y)
        drop(folder / f"X-{k}.npy")
    return m


def drop(path):
    """Have the system forget what it keeps of a file in memory."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def pure_read(folder, *, cold):
    """Return the seconds in which two threads read all X into buffers of 16 MiB."""
    paths = sorted(folder.glob("X-*.npy"))
    for path in paths if cold else ():
        drop(path)

    def read(some):
        buffer = bytearray(1 << 24)
        for path in some:
            with path.open("rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass

    started = time.perf_counter()
    threads = [threading.Thread(target=read, args=(paths[k::2],)) for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - started


class Memory:
    """The largest memory of each process, seen from outside every 20 ms: resident, and without the pages of files."""

    def __init__(self, pids):
        self.processes = [psutil.Process(pid) for pid in pids]
        self.resident, self.own = dict.fromkeys(pids, 0), dict.fromkeys(pids, 0)
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._watch)

    def _watch(self):
        while not self.done.wait(0.02):
            for process in self.processes:
                found = process.memory_info()
                pid = process.pid
                self.resident[pid] = max(self.resident[pid], found.rss)
                self.own[pid] = max(self.own[pid], found.rss - found.shared)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *error):
        self.done.set()
        self.thread.join()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=0.1)
    parser.add_argument("--memory", default="1GB")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--chunk-rows", type=int, default=50_000)
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="where rows are written, and deleted afterwards")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=options.folder))
    try:
        report = measured(folder, options)
    finally:
        shutil.rmtree(folder)
    print(json.dumps(report, indent=1))


def measured(folder, options):
    started = time.perf_counter()
    m = write(folder, options.gigabytes)
    report = {"rows": m, "features": FEATURES, "bytes": 4 * m * FEATURES, "seconds to write": since(started)}
    report["pure read, cold"] = pure_read(folder, cold=True)
    report["pure read, again"] = pure_read(folder, cold=False)
    net = MLP((FEATURES, 1))
    params = net.init(0, "cpu", "float32", weights="zeros")
    with connected(options.workers, memory=options.memory) as client:
        pids = client.run(os.getpid).values()
        rows, _ = open_rows(folder, options.chunk_rows)
        chunks = ChunkedRows(rows.X, rows.y.astype(np.uint8), keep=False)
        report |= {"chunks": len(chunks.heights), "limit of a worker": options.memory}
        seconds = {"cold": [], "again": []}
        cost = chunks.cost_and_gradients(net)

        def timed(params):
            # The first steps find nothing in memory; the last one what the system kept of the files.
            cold = len(seconds["cold"]) < options.steps
            for path in folder.glob("X-*.npy") if cold else ():
                drop(path)
            begun = time.perf_counter()
            found = cost(params)
            seconds["cold" if cold else "again"].append(since(begun))
            return found

        with Memory(pids) as memory:
            run = descend(timed, params, steps=options.steps, learning_rate=1.0, report_every=1)
        report["seconds of a step"] = seconds
        report["seconds of computing, all workers"] = chunks.spent.compute / chunks.spent.steps
        report["peak resident bytes"] = list(memory.resident.values())
        report["peak bytes without pages of files"] = list(memory.own.values())
        report["costs"] = [look.cost for look in run.history]
    if options.gigabytes <= 1:
        X = np.concatenate([np.load(folder / f"X-{k}.npy") for k in range(16)])
        y = np.concatenate([np.load(folder / f"y-{k}.npy") for k in range(16)])
        whole = partial(on_all_rows, net, X, y)
        other = descend(whole, params, steps=options.steps, learning_rate=1.0, report_every=1)
        np.testing.assert_allclose([look.cost for look in other.history], report["costs"], rtol=1e-5)
        np.testing.assert_allclose(run.params[0][0], other.params[0][0], rtol=1e-3, atol=1e-6)
        report["equal to one machine"] = True
    return report


def since(started):
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
