"""Value and gradient of a 4-layer tanh network in float32: this engine against its peers.

    python bench/engine.py --python /path/to/python-with-peers [--sizes 4 512] [--rounds 5] [--peers torch
    autograd]

Every measurement is a process of its own with one thread on one processor; rounds go A B C A B C, and a ratio is the
median of the rounds' ratios. Each process warms up first. All must give the same cost and gradients, or the run
fails. A peer that the given Python does not have is named and left out.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import numpy as np

LAYERS = 4
OURS = ("chainrule", "numpy")
PEERS = ("torch", "autograd", "mygrad", "jax")


def problem(n):
    random = np.random.default_rng(0)
    scale = 1 / np.sqrt(n)
    params = [
        (random.normal(0, scale, (n, n)).astype("float32"), random.normal(0, 0.1, n).astype("float32"))
        for _ in range(LAYERS)
    ]
    X, Y = (random.normal(0, 1, (n, n)).astype("float32") for _ in range(2))
    return params, X, Y


def with_numpy(params, X, Y):
    """By hand: the least that any engine could do."""

    def step():
        H = [X]
        for W, b in params:
            H.append(np.tanh(H[-1] @ W + b))
        E = H[-1] - Y
        cost = (E * E).sum()
        g, grads = E * 2, []
        for (W, _), x, y in zip(reversed(params), H[-2::-1], H[:0:-1], strict=True):
            g = g * (1 - y * y)
            grads.append((x.T @ g, g.sum(0)))
            g = g @ W.T
        return cost, grads[::-1]

    return step, lambda out: (float(out[0]), [[W, b] for W, b in out[1]])


def with_chainrule(params, X, Y):
    import chainrule as cr

    def cost(params):
        H = X
        for W, b in params:
            H = np.tanh(H @ W + b)
        E = H - Y
        return (E * E).sum()

    both = cr.value_and_grad(cost)
    return lambda: both(params), lambda out: (float(out[0]), out[1])


def with_torch(params, X, Y):
    import torch

    torch.set_num_threads(1)
    leaves = [tuple(torch.tensor(p, requires_grad=True) for p in layer) for layer in params]
    flat = [p for layer in leaves for p in layer]
    X, Y = torch.tensor(X), torch.tensor(Y)

    def step():
        H = X
        for W, b in leaves:
            H = torch.tanh(H @ W + b)
        E = H - Y
        cost = (E * E).sum()
        return cost, torch.autograd.grad(cost, flat)

    def read(out):
        g = [p.numpy() for p in out[1]]
        return float(out[0]), [g[i : i + 2] for i in range(0, len(g), 2)]

    return step, read


def with_autograd(params, X, Y):
    import autograd
    import autograd.numpy as anp

    def cost(params):
        H = X
        for W, b in params:
            H = anp.tanh(anp.dot(H, W) + b)
        E = H - Y
        return anp.sum(E * E)

    both = autograd.value_and_grad(cost)
    return lambda: both(params), lambda out: (float(out[0]), out[1])


def with_mygrad(params, X, Y):
    import mygrad

    leaves = [tuple(mygrad.tensor(p) for p in layer) for layer in params]

    def step():
        H = X
        for W, b in leaves:
            H = mygrad.tanh(mygrad.matmul(H, W) + b)
        E = H - Y
        cost = mygrad.sum(E * E)
        cost.backward()
        return cost, [[p.grad for p in layer] for layer in leaves]

    return step, lambda out: (float(out[0].data), out[1])


def with_jax(params, X, Y):
    import jax
    import jax.numpy as jnp

    def cost(params, X, Y):
        H = X
        for W, b in params:
            H = jnp.tanh(H @ W + b)
        E = H - Y
        return jnp.sum(E * E)

    both = jax.jit(jax.value_and_grad(cost))
    params, X, Y = jax.tree_util.tree_map(jnp.asarray, (params, X, Y))
    return lambda: jax.block_until_ready(both(params, X, Y)), lambda out: (float(out[0]), out[1])


def work(who, n):
    params, X, Y = problem(n)
    step, read = globals()[f"with_{who}"](params, X, Y)
    cost, grads = read(step())
    start = time.perf_counter()
    warm = 0
    while time.perf_counter() - start < 0.3 or warm < 3:
        step()
        warm += 1
    times = []
    repeats = max(1, warm // 10)
    for _ in range(15):
        start = time.perf_counter()
        for _ in range(repeats):
            step()
        times.append((time.perf_counter() - start) / repeats)
    sums = [[float(np.sum(np.abs(np.asarray(g, dtype="float64")))) for g in layer] for layer in grads]
    print(json.dumps({"seconds": statistics.median(times), "cost": cost, "sums": sums}))


def run(who, n, python):
    env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    env["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    command = [sys.executable if who in OURS else python, __file__, "--work", who, str(n)]
    # Not every library heeds the variables; none has a second thread's worth of one processor.
    pin = _one_processor if hasattr(os, "sched_setaffinity") else None
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False, preexec_fn=pin)
    if done.returncode:
        reason = done.stderr.strip().splitlines()[-1]
        if "ModuleNotFoundError" in reason:
            return None
        raise SystemExit(f"{who}: {done.stderr}")
    return json.loads(done.stdout)


def _one_processor():
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", default=sys.executable, help="a Python that has the peers")
    parser.add_argument("--sizes", type=int, nargs="*", default=[4, 512])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", nargs="*", default=list(PEERS))
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.work:
        work(settings.work[0], int(settings.work[1]))
        return
    for n in settings.sizes:
        names = [*OURS, *settings.peers]
        results = {name: [] for name in names}
        for _ in range(settings.rounds):
            for name in names:
                result = run(name, n, settings.python)
                if result is not None:
                    results[name].append(result)
        first = results["chainrule"][0]
        print(f"\n{LAYERS} tanh layers, {n} x {n}, float32, one thread, {settings.rounds} rounds")
        print(f"{'':10} {'time':>10}   chainrule / it (median, min .. max)")
        for name, found in results.items():
            if not found:
                print(f"{name:10} not installed in {settings.python}")
                continue
            for result in found:
                np.testing.assert_allclose(result["cost"], first["cost"], rtol=1e-3)
                np.testing.assert_allclose(result["sums"], first["sums"], rtol=1e-3)
            times = [r["seconds"] for r in found]
            pairs = zip(results["chainrule"], times, strict=True)
            ratios = sorted(ours["seconds"] / theirs for ours, theirs in pairs)
            spread = f"{statistics.median(ratios):.2f}, {ratios[0]:.2f} .. {ratios[-1]:.2f}"
            print(f"{name:10} {statistics.median(times) * 1e6:8.1f}us   {spread}")


if __name__ == "__main__":
    main()
