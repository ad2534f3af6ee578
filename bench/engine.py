"""Value and gradient of a 4-layer tanh network in float32: this engine against its peers, and NumPy by hand."""

import numpy as np

LAYERS = 4


def problem(n):
    n = int(n)
    random = np.random.default_rng(0)
    scale = 1 / np.sqrt(n)
    params = [
        (random.normal(0, scale, (n, n)).astype("float32"), random.normal(0, 0.1, n).astype("float32"))
        for _ in range(LAYERS)
    ]
    X, Y = (random.normal(0, 1, (n, n)).astype("float32") for _ in range(2))
    return params, X, Y


def products(n):
    """Return how many multiplications and additions the matrix products of a step are: forward, dW, dH."""
    return 2 * n**3 * (3 * LAYERS - 1)


def _read(out):
    """Return the cost and the gradients of (cost, [(dW, db), ...]) as the proof."""
    return [out[0], *(g for layer in out[1] for g in layer)]


def with_numpy(put, params, X, Y):
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

    return step, _read


def with_chainrule(put, params, X, Y, compiled=False):
    import chainrule as cr
    from chainrule.backend.namespaces import to_numpy

    params, X, Y = [(put(W), put(b)) for W, b in params], put(X), put(Y)

    def cost(params):
        H = X
        for W, b in params:
            H = np.tanh(H @ W + b)
        E = H - Y
        return (E * E).sum()

    both = cr.value_and_grad(cost)
    both = cr.compile(both) if compiled else both
    return lambda: both(params), lambda out: [to_numpy(x) for x in _read(out)]


def with_compiled(put, params, X, Y):
    return with_chainrule(put, params, X, Y, compiled=True)


def with_torch(put, params, X, Y, compiled=False):
    import torch

    leaves = [tuple(put(p).requires_grad_() for p in layer) for layer in params]
    flat = [p for layer in leaves for p in layer]
    X, Y = put(X), put(Y)

    def forward(leaves):
        H = X
        for W, b in leaves:
            H = torch.tanh(H @ W + b)
        E = H - Y
        return (E * E).sum()

    forward = torch.compile(forward) if compiled else forward

    def step():
        cost = forward(leaves)
        return cost, torch.autograd.grad(cost, flat)

    return step, lambda out: [x.detach().cpu() for x in (out[0], *out[1])]


def with_torch_compiled(put, params, X, Y):
    """By torch.compile, which needs a compiler of C++ on the CPU."""
    return with_torch(put, params, X, Y, compiled=True)


def with_autograd(put, params, X, Y):
    import autograd
    import autograd.numpy as anp

    def cost(params):
        H = X
        for W, b in params:
            H = anp.tanh(anp.dot(H, W) + b)
        E = H - Y
        return anp.sum(E * E)

    both = autograd.value_and_grad(cost)
    return lambda: both(params), _read


def with_mygrad(put, params, X, Y):
    import mygrad

    leaves = [tuple(mygrad.tensor(p) for p in layer) for layer in params]

    def step():
        H = X
        for W, b in leaves:
            H = mygrad.tanh(mygrad.matmul(H, W) + b)
        E = H - Y
        cost = mygrad.sum(E * E)
        cost.backward()
        return cost.data, [[p.grad for p in layer] for layer in leaves]

    return step, _read


def with_jax(put, params, X, Y):
    import jax
    import jax.numpy as jnp

    def cost(params, X, Y):
        H = X
        for W, b in params:
            H = jnp.tanh(H @ W + b)
        E = H - Y
        return jnp.sum(E * E)

    both = jax.jit(jax.value_and_grad(cost))
    params, X, Y = [(put(W), put(b)) for W, b in params], put(X), put(Y)
    return lambda: both(params, X, Y), _read


def limit(put, params, X, Y):
    """The matrix products of the step and nothing else."""
    Ws, H, g = [put(W) for W, _ in params], put(X), put(Y)

    def step():
        for W in Ws:
            H @ W
            # Of two arrays: NumPy computes half of the product of one with itself.
            H.T @ g
        for W in Ws[1:]:
            g @ W.T

    return step, lambda out: []


CONTENDERS = {
    "chainrule": with_chainrule,
    "chainrule compiled": with_compiled,
    "numpy": with_numpy,
    "torch": with_torch,
    "torch compiled": with_torch_compiled,
    "autograd": with_autograd,
    "mygrad": with_mygrad,
    "jax": with_jax,
    "limit": limit,
}
