"""One training step of a relu network, forward, backward and update, against peers and against NumPy by hand.

Softmax cross entropy, float32, one batch of random numbers. Every contender starts from the same parameters, and the
cost and all parameters after its first step are its proof.
"""

import itertools

import numpy as np

RATES = {"gradient-descent": 0.1, "adam": 1e-3}


def problem(optimizer, batch, *sizes):
    batch, *sizes = map(int, (batch, *sizes))
    random = np.random.default_rng(0)
    params = [
        ((random.standard_normal((n, k)) * np.sqrt(2 / n)).astype("float32"), np.zeros(k, "float32"))
        for n, k in itertools.pairwise(sizes)
    ]
    X = random.standard_normal((batch, sizes[0])).astype("float32")
    _away_from_corners(params, X)
    return params, X, random.integers(0, sizes[-1], batch), optimizer


def _away_from_corners(params, X):
    """Give each relu the bias with the most room around zero, or rounding decides which libraries let a row through."""
    H = X.astype("float64")
    for W, b in params[:-1]:
        Z = np.sort(H @ W, axis=0)
        room = np.where(np.abs(Z[1:] + Z[:-1]) < 1, np.diff(Z, axis=0), 0)
        below = np.argmax(room, axis=0)[None]
        b -= (np.take_along_axis(Z, below, 0) + np.take_along_axis(Z, below + 1, 0))[0] / 2
        H = np.maximum(H @ W + b, 0)


def with_numpy(put, params, X, y, optimizer):
    """Straight NumPy, as one writes it by hand: no library, no checks."""
    params = [list(layer) for layer in params]
    classes = np.arange(params[-1][0].shape[1], like=X)
    rows = (y[:, None] == classes).astype("float32")
    rate, t = RATES[optimizer], 0
    state = [[(np.zeros_like(p), np.zeros_like(p)) for p in layer] for layer in params]

    def step():
        nonlocal t
        t += 1
        H = [X]
        for W, b in params[:-1]:
            H.append(np.maximum(H[-1] @ W + b, 0))
        W, b = params[-1]
        Z = H[-1] @ W + b
        Z -= Z.max(axis=1, keepdims=True)
        e = np.exp(Z)
        total = e.sum(axis=1, keepdims=True)
        cost = (np.log(total[:, 0]) - (Z * rows).sum(axis=1)).mean()
        g = (e / total - rows) / len(X)
        for k in range(len(params) - 1, -1, -1):
            W, b = params[k]
            grads = H[k].T @ g, g.sum(axis=0)
            if k:
                g = (g @ W.T) * (H[k] > 0)
            for i, d in enumerate(grads):
                if optimizer == "adam":
                    mean, square = state[k][i]
                    mean += (d - mean) * 0.1
                    square += (d * d - square) * 0.001
                    d = (mean / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)
                params[k][i] -= rate * d
        return cost

    return step, lambda cost: [cost, *(p for layer in params for p in layer)]


def with_chainrule(put, params, X, y, optimizer, compiled=False, fused=None):
    import chainrule as cr
    from chainrule.backend.namespaces import to_numpy

    params, X, y = [(put(W), put(b)) for W, b in params], put(X), put(y)
    net = cr.MLP((X.shape[1], *(W.shape[1] for W, _ in params)), output="softmax")
    rule = cr.optimizers.OPTIMIZERS[optimizer](RATES[optimizer])
    state = rule.init(params)

    def updated(params, state, X, y):
        cost, gradients = net.cost_and_gradients(params, X, y)
        return cost, *rule.update(gradients, state, params)

    updated = cr.compile(updated, fused=fused) if compiled else updated

    def step():
        nonlocal params, state
        cost, params, state = updated(params, state, X, y)
        return cost

    return step, lambda cost: [to_numpy(x) for x in (cost, *(p for layer in params for p in layer))]


def with_compiled(put, params, X, y, optimizer):
    return with_chainrule(put, params, X, y, optimizer, compiled=True)


def with_fused(put, params, X, y, optimizer):
    return with_chainrule(put, params, X, y, optimizer, compiled=True, fused=True)


def with_torch(put, params, X, y, optimizer):
    import torch

    layers = []
    for W, b in params:
        layer = torch.nn.Linear(*W.shape)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(W.T))
            layer.bias.copy_(torch.tensor(b))
        layers += [layer, torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers[:-1])
    X, y = put(X), put(y)
    net.to(X.device)
    kind = torch.optim.Adam if optimizer == "adam" else torch.optim.SGD
    rule = kind(net.parameters(), lr=RATES[optimizer])

    def step():
        rule.zero_grad()
        cost = torch.nn.functional.cross_entropy(net(X), y)
        cost.backward()
        rule.step()
        return cost

    return step, lambda cost: [x.detach().cpu().numpy().T for x in (cost, *net.parameters())]


def with_jax(put, params, X, y, optimizer):
    import jax
    import jax.numpy as jnp

    rate = RATES[optimizer]

    def cost(params, X, y):
        H = X
        for W, b in params[:-1]:
            H = jax.nn.relu(H @ W + b)
        Z = H @ params[-1][0] + params[-1][1]
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(Z), y[:, None], axis=1))

    @jax.jit
    def update(params, means, squares, t, X, y):
        value, d = jax.value_and_grad(cost)(params, X, y)
        if optimizer == "adam":
            means = jax.tree.map(lambda mean, d: 0.9 * mean + 0.1 * d, means, d)
            squares = jax.tree.map(lambda square, d: 0.999 * square + 0.001 * d * d, squares, d)
            d = jax.tree.map(
                lambda mean, square: (mean / (1 - 0.9**t)) / (jnp.sqrt(square / (1 - 0.999**t)) + 1e-8),
                means,
                squares,
            )
        return value, jax.tree.map(lambda p, d: p - rate * d, params, d), means, squares, t + 1

    X, y = put(X), put(y)
    params = [(put(W), put(b)) for W, b in params]
    zeros = jax.tree.map(jnp.zeros_like, params) if optimizer == "adam" else ()
    state = params, zeros, zeros, jnp.float32(1)

    def step():
        nonlocal state
        value, *state = update(*state, X, y)
        return value, state

    return step, lambda out: [out[0], *(p for layer in out[1][0] for p in layer)]


def with_sklearn(put, params, X, y, optimizer):
    from sklearn.neural_network import MLPClassifier

    hidden = tuple(W.shape[1] for W, _ in params[:-1])
    solver = "adam" if optimizer == "adam" else "sgd"
    # Its epsilon of Adam stands outside of the correction; this makes the first step the same.
    settings = {"alpha": 0.0, "momentum": 0.0, "nesterovs_momentum": False, "epsilon": 1e-8 * 0.001**0.5}
    net = MLPClassifier(
        hidden, solver=solver, learning_rate_init=RATES[optimizer], batch_size=len(X), **settings
    )
    # A first call makes its arrays and its optimiser; then both start anew from our parameters.
    net.partial_fit(X, y, classes=range(params[-1][0].shape[1]))
    for mine, given in zip(
        net.coefs_ + net.intercepts_, [p[0] for p in params] + [p[1] for p in params], strict=True
    ):
        mine[...] = given
    del net._optimizer

    def step():
        if not hasattr(net, "_optimizer"):
            from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

            leaves = net.coefs_ + net.intercepts_
            rate = RATES[optimizer]
            net._optimizer = (
                AdamOptimizer(leaves, rate, epsilon=net.epsilon)
                if optimizer == "adam"
                else SGDOptimizer(leaves, rate, "constant", 0.0, False)
            )
        net.partial_fit(X, y)
        return net.loss_

    return step, lambda cost: [
        cost,
        *(p for pair in zip(net.coefs_, net.intercepts_, strict=True) for p in pair),
    ]


def products(batch, *sizes):
    """Return how many multiplications and additions the matrix products of a step are: forward, dW, dH."""
    return 2 * batch * (3 * sum(n * k for n, k in itertools.pairwise(sizes)) - sizes[0] * sizes[1])


def limit(put, params, X, y, optimizer):
    """The matrix products of the step and nothing else."""
    Ws, H = [put(W) for W, _ in params], [put(X)]
    for W in Ws:
        H.append(H[-1] @ W)

    def step():
        for x, W in zip(H[:-1], Ws, strict=True):
            x @ W
        for x, g in itertools.pairwise(H):
            x.T @ g
        for g, W in zip(H[2:], Ws[1:], strict=True):
            g @ W.T

    return step, lambda out: []


CONTENDERS = {
    "chainrule": with_chainrule,
    "compiled": with_compiled,
    "fused": with_fused,
    "numpy": with_numpy,
    "torch": with_torch,
    "jax": with_jax,
    "sklearn": with_sklearn,
    "limit": limit,
}
