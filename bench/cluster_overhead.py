"""The seconds of a step on workers beside its computing: by chunks, by bytes of parameters, by rows.

python bench/cluster_overhead.py [--workers 2]
"""

import argparse
import json
import statistics
import time

import dask.array as da
import numpy as np

from chainrule.cluster import ChunkedRows, connected
from chainrule.models.mlp import MLP


def seconds_of_a_step(chunks, net, steps=9):
    """Return the median seconds of a step, and of its computing over all threads."""
    params = net.init(0, "cpu", "float32")
    cost = chunks.cost_and_gradients(net)
    cost(params)
    walls, computing = [], []
    for _ in range(steps):
        before = chunks.spent.compute
        started = time.perf_counter()
        cost(params)
        walls.append(time.perf_counter() - started)
        computing.append(chunks.spent.compute - before)
    return statistics.median(walls), statistics.median(computing)


def rows_in(number, height, n):
    X = da.random.default_rng(0).standard_normal((number * height, n), chunks=(height, n), dtype=np.float32)
    return ChunkedRows(X, np.arange(number * height) % 2, keep=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    workers = parser.parse_args().workers
    report = {"workers": workers, "by chunks": {}, "by bytes of parameters": {}, "by rows": {}}
    with connected(workers):
        for number in (8, 32, 128):
            wall, computing = seconds_of_a_step(rows_in(number, 10, 4), MLP((4, 1)))
            report["by chunks"][number] = {"wall": wall, "computing": computing}
        for units in (1, 100, 1000, 10_000):
            net = MLP((250, units, 1))
            size = sum(4 * (a * b + b) for (a, b), _ in net.shapes)
            wall, computing = seconds_of_a_step(rows_in(2, 1, 250), net)
            report["by bytes of parameters"][size] = {"wall": wall, "computing": computing}
        for height in (10_000, 50_000):
            wall, computing = seconds_of_a_step(rows_in(8, height, 250), MLP((250, 1)))
            report["by rows"][8 * height] = {"wall": wall, "computing": computing}
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
