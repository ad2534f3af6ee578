"""One step of logistic regression, cost and gradient, in float32: the spellings, straight NumPy and peers.

With a third argument k, of softmax regression of k classes.
"""

import functools
import math
import os
import timeit
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from bench.one_pass import with_one_pass


def problem(m, n, k=0):
    m, n, k = int(m), int(n), int(k)
    random = np.random.default_rng([m, n])
    # Uniform numbers, made in place: normal ones would take longer than all that is measured.
    X = random.random((m, n), dtype="float32")
    X -= 0.5
    if k:
        W = (random.standard_normal((n, k)) / np.sqrt(n)).astype("float32")
        # Low classes are the most frequent, so that no gradient is 0 by cancellation.
        return X, (k * random.random(m) ** 2).astype("int64"), W, np.linspace(-0.1, 0.1, k, dtype="float32")
    w = (random.standard_normal(n) / np.sqrt(n)).astype("float32")
    # Targets are mostly 0, so that no gradient is 0 by cancellation.
    return X, (random.random(m) < 0.2).astype("float32"), w, np.float32(0.1)


def with_spelling(name, put, *numbers):
    from chainrule.backend.namespaces import to_numpy
    from chainrule.models import logistic

    arrays = [put(x) for x in numbers]
    return lambda: logistic.SPELLINGS[name](*arrays), lambda out: [to_numpy(x) for x in out]


def with_tiles_of_arrays(put, *numbers):
    """by_tiles as it is without Numba: where a height of tiles is asked for, nothing is compiled."""
    from chainrule.backend.namespaces import to_numpy
    from chainrule.models import logistic
    from chainrule.models.kernels.tiles import tile_height

    X, y, w, b = (put(x) for x in numbers)
    rows = tile_height(X, (X.shape[1] + 16 * math.prod(w.shape[1:])) * numbers[0].itemsize)
    return lambda: logistic.by_tiles(X, y, w, b, rows=rows), lambda out: [to_numpy(x) for x in out]


def with_numpy(put, X, y, w, b):
    """By hand, the shortest way that does not overflow."""

    def of_classes():
        Z = X @ w + b
        Z -= Z.max(axis=1, keepdims=True)
        P = np.exp(Z)
        total = P.sum(axis=1)
        cost = np.mean(np.log(total) - Z[np.arange(len(X)), y])
        P /= total[:, None]
        P[np.arange(len(X)), y] -= 1
        return cost, (X.T @ P) / len(X), P.mean(axis=0)

    def step():
        z = X @ w + b
        e = np.exp(-np.abs(z))
        cost = np.mean(np.maximum(z, 0) - y * z + np.log1p(e))
        dz = np.where(z >= 0, 1, e) / (1 + e) - y
        return cost, (dz @ X) / len(X), dz.mean()

    return of_classes if w.ndim == 2 else step, list


def with_torch(put, X, y, w, b):
    import torch

    # Classes in rows, as in PyTorch's own Linear: this order is faster than X @ W.
    X, y, w, b = map(put, (X, y, np.ascontiguousarray(w.T), b))
    w.requires_grad_()
    b.requires_grad_()
    F = torch.nn.functional

    def step():
        if w.ndim == 2:
            cost = F.cross_entropy(F.linear(X, w, b), y)
        else:
            cost = F.binary_cross_entropy_with_logits(X @ w + b, y)
        return cost, *torch.autograd.grad(cost, (w, b))

    return step, lambda out: [x.detach().cpu().numpy().T for x in out]


def with_jax(put, X, y, w, b):
    import jax
    import jax.numpy as jnp

    def cost(w, b, X, y):
        z = X @ w.T + b
        if w.ndim == 2:
            return jnp.mean(jax.nn.logsumexp(z, axis=1) - jnp.take_along_axis(z, y[:, None], axis=1)[:, 0])
        return jnp.mean(jax.nn.softplus(z) - y * z)

    both = jax.jit(jax.value_and_grad(cost, argnums=(0, 1)))
    # Classes in rows: JAX too is faster in this order.
    X, y, w, b = map(put, (X, y, np.ascontiguousarray(w.T), b))
    return lambda: both(w, b, X, y), lambda out: [np.asarray(x).T for x in (out[0], *out[1])]


def with_sklearn(put, X, y, w, b):
    """The cost and gradient that its LogisticRegression hands to a solver."""
    from sklearn._loss import HalfBinomialLoss, HalfMultinomialLoss
    from sklearn.linear_model._linear_loss import LinearModelLoss

    threads = int(os.environ.get("OMP_NUM_THREADS", "1"))
    if w.ndim == 2:
        loss = LinearModelLoss(base_loss=HalfMultinomialLoss(n_classes=len(b)), fit_intercept=True)
        # It keeps classes in rows, in Fortran's order, and takes class numbers as floats of X's dtype.
        both, targets = np.asfortranarray(np.column_stack([w.T, b])), y.astype(X.dtype)
        step = lambda: loss.loss_gradient(both, X, targets, n_threads=threads)  # noqa: E731
        return step, lambda out: [out[0], out[1][:, :-1].T, out[1][:, -1]]
    loss, both = LinearModelLoss(base_loss=HalfBinomialLoss(), fit_intercept=True), np.append(w, b)
    step = lambda: loss.loss_gradient(both, X, y, n_threads=threads)  # noqa: E731
    return step, lambda out: [out[0], out[1][:-1], out[1][-1]]


def limit(put, X, y, w, b):
    """Read X once, by one thread or by as many as every contender has, whichever is faster: no step can be faster."""
    from chainrule.backend import threads
    from chainrule.backend.namespaces import namespace

    X = put(X)
    if not isinstance(X, np.ndarray):
        xp = namespace(X)
        return lambda: xp.max(X), lambda out: []
    # The bits are read and not the numbers, since looking for the largest float takes longer than reading. A dot
    # product would not do: OpenBLAS computes it in one thread while NumPy keeps Python's lock.
    words, read, threads = X.reshape(-1).view("uint32"), np.bitwise_or.reduce, threads.blas_threads()
    shares, pool = np.array_split(words, threads), ThreadPoolExecutor(threads)
    alone, shared = lambda: read(words), lambda: read([*pool.map(read, shares)])
    # One thread has read what a cache holds before others are awake, and one may take all that the memory can give.
    return min((alone, shared), key=lambda step: min(timeit.repeat(step, number=1, repeat=5))), lambda out: []


_SPELLINGS = ("by_loops", "by_sample", "by_scaling", "by_matmul", "by_tiles")
CONTENDERS = {name: functools.partial(with_spelling, name) for name in _SPELLINGS} | {
    "by_tiles on cpu": functools.partial(with_spelling, "by_tiles"),
    "by_tiles, no Numba": with_tiles_of_arrays,
    "one_pass_kernel": with_one_pass,
    "numpy": with_numpy,
    "torch": with_torch,
    "jax": with_jax,
    "sklearn": with_sklearn,
    "limit": limit,
}
