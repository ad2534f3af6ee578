"""Whole matrices of derivatives in float32: a Jacobian, a Hessian, a gradient for each sample; beside our peers.

jacobian     of x -> 2 tanh(tanh(x W) V), 200 numbers to 200
hessian      of the mean cross entropy of logistic regression, 1000 samples, 300 weights; by hand X^T D X / m
per sample   the gradient of each of 256 samples' cost in the weights of a tanh network, 784 - 128 - 10
"""

import numpy as np

CASES = ("jacobian", "hessian", "per sample")


def problem(case):
    random = np.random.default_rng(0)

    def normal(*shape):
        return (random.normal(size=shape) / np.sqrt(shape[0])).astype("float32")

    if case == "jacobian":
        return case, (normal(200, 200), normal(200, 200)), random.normal(size=200).astype("float32")
    if case == "hessian":
        X = random.normal(size=(1000, 300)).astype("float32")
        return case, (X, (random.random(1000) < 0.5).astype("float32")), normal(300)
    params = (normal(784, 128), np.zeros(128, "float32"), normal(128, 10), np.zeros(10, "float32"))
    X, Y = (random.normal(size=(256, n)).astype("float32") for n in (784, 10))
    return case, (X, Y), params


def _functions(xp, dot):
    """Return the function of each case, in the functions of a library."""

    def outputs(x, W, V):
        return xp.tanh(dot(xp.tanh(dot(x, W)), V)) * 2

    def cross_entropy(w, X, y):
        z = dot(X, w)
        return xp.mean(xp.logaddexp(z * 0, z) - y * z)

    def sample_cost(params, x, y):
        W1, b1, W2, b2 = params
        return xp.sum((dot(xp.tanh(dot(x, W1) + b1), W2) + b2 - y) ** 2)

    return outputs, cross_entropy, sample_cost


def _step(case, transforms, functions, fixed, at):
    jacobian, hessian, grad, vmap = transforms
    outputs, cross_entropy, sample_cost = functions
    if case == "jacobian":
        return jacobian(lambda x: outputs(x, *fixed)), (at,)
    if case == "hessian":
        return hessian(lambda w: cross_entropy(w, *fixed)), (at,)
    return vmap(grad(sample_cost), (None, 0, 0)), (at, *fixed)


def with_chainrule(put, case, fixed, at):
    import chainrule as cr
    from chainrule.backend.namespaces import to_numpy

    fixed, at = tuple(map(put, fixed)), tuple(map(put, at)) if isinstance(at, tuple) else put(at)
    f, arguments = _step(
        case, (cr.jacobian, cr.hessian, cr.grad, cr.vmap), _functions(np, np.matmul), fixed, at
    )
    return lambda: f(*arguments), lambda out: [
        to_numpy(x) for x in (out if isinstance(out, tuple) else (out,))
    ]


def with_numpy(put, case, fixed, at):
    """By hand: the least that any engine could do."""
    if case == "jacobian":
        W, V = fixed

        def step():
            h = np.tanh(at @ W)
            y = np.tanh(h @ V)
            return ((W * (1 - h * h)) @ V * (2 * (1 - y * y))).T

    elif case == "hessian":
        X, _ = fixed

        def step():
            s = 1 / (1 + np.exp(-(X @ at)))
            return X.T @ (X * (s * (1 - s))[:, None]) / np.float32(len(X))

    else:
        X, Y = fixed
        W1, b1, W2, b2 = at

        def step():
            H = np.tanh(X @ W1 + b1)
            g = 2 * (H @ W2 + b2 - Y)
            d = (g @ W2.T) * (1 - H * H)
            return X[:, :, None] * d[:, None, :], d, H[:, :, None] * g[:, None, :], g

    return step, lambda out: list(out) if isinstance(out, tuple) else [out]


def with_jax(put, case, fixed, at):
    import jax
    import jax.numpy as jnp

    fixed, at = tuple(map(put, fixed)), tuple(map(put, at)) if isinstance(at, tuple) else put(at)
    f, arguments = _step(
        case, (jax.jacrev, jax.hessian, jax.grad, jax.vmap), _functions(jnp, jnp.matmul), fixed, at
    )
    jitted = jax.jit(f)
    return lambda: jitted(*arguments), lambda out: list(out) if isinstance(out, tuple) else [out]


def with_torch(put, case, fixed, at):
    import torch

    fixed, at = tuple(map(put, fixed)), tuple(map(put, at)) if isinstance(at, tuple) else put(at)
    transforms = (torch.func.jacrev, torch.func.hessian, torch.func.grad, torch.func.vmap)
    f, arguments = _step(case, transforms, _functions(torch, torch.matmul), fixed, at)
    return lambda: f(*arguments), lambda out: [
        x.detach().cpu() for x in (out if isinstance(out, tuple) else (out,))
    ]


def with_autograd(put, case, fixed, at):
    import autograd
    import autograd.numpy as anp

    def in_a_loop(f, axes):
        def each(params, X, Y):
            return tuple(
                map(np.stack, zip(*(f(params, x, y) for x, y in zip(X, Y, strict=True)), strict=True))
            )

        return each

    transforms = (autograd.jacobian, autograd.hessian, autograd.grad, in_a_loop)
    f, arguments = _step(case, transforms, _functions(anp, anp.dot), fixed, at)
    return lambda: f(*arguments), lambda out: list(out) if isinstance(out, tuple) else [out]


CONTENDERS = {
    "chainrule": with_chainrule,
    "numpy": with_numpy,
    "jax": with_jax,
    "torch": with_torch,
    "autograd": with_autograd,
}
