"""One training step of a relu network, forward, backward and update, against peers and against NumPy by hand.

    python bench/network.py --python /path/to/python-with-peers [--sizes 784 256 128 10] [--batch 128]
                            [--optimizers gradient-descent adam] [--threads 2] [--rounds 5]

Softmax cross entropy, float32, one batch of random numbers. Every contender starts from the same parameters and must
have the same ones after its first step, or the run fails. A peer that the given Python does not have is left out.
"""

import argparse
import itertools

import numpy as np

import contest

RATES = {"gradient-descent": 0.1, "adam": 1e-3}


def problem(sizes, batch):
    random = np.random.default_rng(0)
    params = [
        ((random.standard_normal((n, k)) * np.sqrt(2 / n)).astype("float32"), np.zeros(k, "float32"))
        for n, k in itertools.pairwise(sizes)
    ]
    X = random.standard_normal((batch, sizes[0])).astype("float32")
    return params, X, random.integers(0, sizes[-1], batch)


def with_numpy(params, X, y, optimizer):
    """Straight NumPy, as one writes it by hand: no library, no checks."""
    params = [list(layer) for layer in params]
    rows = np.eye(params[-1][0].shape[1], dtype="float32")[y]
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
        cost = float((np.log(total[:, 0]) - (Z * rows).sum(axis=1)).mean())
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

    return step, lambda: [p for layer in params for p in layer]


def with_chainrule(params, X, y, optimizer):
    import chainrule as cr

    net = cr.MLP((X.shape[1], *(W.shape[1] for W, _ in params)), output="softmax")
    rule = cr.optimizers.OPTIMIZERS[optimizer](RATES[optimizer])
    state = rule.init(params)

    def step():
        nonlocal params, state
        cost, gradients = net.cost_and_gradients(params, X, y)
        params, state = rule.update(gradients, state, params)
        return float(cost)

    return step, lambda: [p for layer in params for p in layer]


def with_torch(params, X, y, optimizer):
    import torch

    layers = []
    for W, b in params:
        layer = torch.nn.Linear(*W.shape)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(W.T))
            layer.bias.copy_(torch.tensor(b))
        layers += [layer, torch.nn.ReLU()]
    net = torch.nn.Sequential(*layers[:-1])
    kind = torch.optim.Adam if optimizer == "adam" else torch.optim.SGD
    rule = kind(net.parameters(), lr=RATES[optimizer])
    X, y = torch.tensor(X), torch.tensor(y)

    def step():
        rule.zero_grad()
        cost = torch.nn.functional.cross_entropy(net(X), y)
        cost.backward()
        rule.step()
        return cost.item()

    return step, lambda: [p.detach().numpy().T for p in net.parameters()]


def with_sklearn(params, X, y, optimizer):
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

    return step, lambda: [p for pair in zip(net.coefs_, net.intercepts_, strict=True) for p in pair]


def work(name, optimizer, batch, *sizes):
    step, read = globals()[f"with_{name}"](*problem(list(map(int, sizes)), int(batch)), optimizer)
    cost = step()
    params = np.concatenate([np.ravel(p) for p in read()])
    contest.tell(contest.clock(step), [[cost], params])


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", help="a Python that has the peers; default: this one")
    parser.add_argument("--sizes", type=int, nargs="*", default=[784, 256, 128, 10])
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--optimizers", nargs="*", choices=list(RATES), default=list(RATES))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work", nargs="+", help=argparse.SUPPRESS)
    settings = parser.parse_args()
    if settings.work:
        work(*settings.work)
        return
    contenders = contest.ours("chainrule", "numpy")
    contenders |= dict.fromkeys(("torch", "sklearn"), settings.python or contenders["numpy"])
    for optimizer in settings.optimizers:
        arguments = (optimizer, settings.batch, *settings.sizes)
        print(f"\n{settings.sizes}, batch {settings.batch}, {optimizer}, float32, {settings.threads} threads")
        times = contest.hold(
            __file__,
            contenders,
            arguments,
            rounds=settings.rounds,
            threads=settings.threads,
        )
        contest.show(times)


if __name__ == "__main__":
    main()
