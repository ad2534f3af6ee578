"""One step of logistic regression, cost and gradient, in float32: the spellings, straight NumPy and peers."""

import functools

import numpy as np

from one_pass import with_one_pass


def problem(m, n):
    m, n = int(m), int(n)
    random = np.random.default_rng([m, n])
    # Uniform numbers, made in place: normal ones would take longer than all that is measured.
    X = random.random((m, n), dtype="float32")
    X -= 0.5
    w = (random.standard_normal(n) / np.sqrt(n)).astype("float32")
    # Targets are mostly 0, so that no gradient is 0 by cancellation.
    return X, (random.random(m) < 0.2).astype("float32"), w, np.float32(0.1)


def with_spelling(name, put, *numbers):
    from chainrule import logistic
    from chainrule.device import to_numpy

    arrays = [put(x) for x in numbers]
    return lambda: logistic.SPELLINGS[name](*arrays), lambda out: [to_numpy(x) for x in out]


def with_numpy(put, X, y, w, b):
    """By hand, the shortest way that does not overflow."""

    def step():
        z = X @ w + b
        e = np.exp(-np.abs(z))
        cost = np.mean(np.maximum(z, 0) - y * z + np.log1p(e))
        dz = np.where(z >= 0, 1, e) / (1 + e) - y
        return cost, (dz @ X) / len(X), dz.mean()

    return step, list


def with_torch(put, X, y, w, b):
    import torch

    X, y, w, b = map(put, (X, y, w, b))
    w.requires_grad_()
    b.requires_grad_()

    def step():
        cost = torch.nn.functional.binary_cross_entropy_with_logits(X @ w + b, y)
        return cost, *torch.autograd.grad(cost, (w, b))

    return step, lambda out: [x.detach().cpu() for x in out]


def with_jax(put, X, y, w, b):
    import jax
    import jax.numpy as jnp

    def cost(w, b, X, y):
        z = X @ w + b
        return jnp.mean(jax.nn.softplus(z) - y * z)

    both = jax.jit(jax.value_and_grad(cost, argnums=(0, 1)))
    X, y, w, b = map(put, (X, y, w, b))
    return lambda: both(w, b, X, y), lambda out: [out[0], *out[1]]


def with_sklearn(put, X, y, w, b):
    """The cost and gradient that its LogisticRegression hands to a solver."""
    import os

    from sklearn._loss import HalfBinomialLoss
    from sklearn.linear_model._linear_loss import LinearModelLoss

    loss = LinearModelLoss(base_loss=HalfBinomialLoss(), fit_intercept=True)
    both, threads = np.append(w, b), int(os.environ.get("OMP_NUM_THREADS", "1"))
    step = lambda: loss.loss_gradient(both, X, y, n_threads=threads)  # noqa: E731
    return step, lambda out: [out[0], out[1][:-1], out[1][-1]]


def limit(put, X, y, w, b):
    """X read once: its product with itself, which the library spreads over the same threads."""
    flat = put(X.reshape(-1))
    return lambda: flat @ flat, lambda out: []


_SPELLINGS = ("by_loops", "by_sample", "by_scaling", "by_matmul", "by_tiles")
CONTENDERS = {name: functools.partial(with_spelling, name) for name in _SPELLINGS} | {
    "by_tiles on cpu": functools.partial(with_spelling, "by_tiles"),
    "one_pass_kernel": with_one_pass,
    "numpy": with_numpy,
    "torch": with_torch,
    "jax": with_jax,
    "sklearn": with_sklearn,
    "limit": limit,
}
