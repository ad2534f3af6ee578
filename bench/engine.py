"""Value and gradient of a 4-layer tanh network in float32: this engine against its peers.

    python bench/engine.py --python /path/to/python-with-peers [--sizes 4 512] [--rounds 5] [--peers torch
    autograd]

Every measurement is a process of its own with one thread on one processor; rounds go A B C A B C, and a ratio is the
median of the rounds' ratios. Each process warms up first. All must give the same cost and gradients, or the run
fails. A peer that the given Python does not have is named and left out.
"""

import argparse

import numpy as np

import contest

LAYERS = 4
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


def work(name, n):
    step, read = globals()[f"with_{name}"](*problem(int(n)))
    cost, gradients = read(step())
    contest.tell(contest.clock(step), [[cost], *(g for layer in gradients for g in layer)])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", help="a Python that has the peers; default: this one")
    parser.add_argument("--sizes", type=int, nargs="*", default=[4, 512])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peers", nargs="*", default=list(PEERS))
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.work:
        work(*settings.work)
        return
    contenders = contest.ours("chainrule", "numpy")
    contenders |= dict.fromkeys(settings.peers, settings.python or contenders["numpy"])
    for n in settings.sizes:
        print(f"\n{LAYERS} tanh layers, {n} x {n}, float32, one thread, {settings.rounds} rounds")
        contest.show(contest.hold(__file__, contenders, (n,), rounds=settings.rounds, threads=1))


if __name__ == "__main__":
    main()
