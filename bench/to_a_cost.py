"""A whole training run: logistic regression from zeros until the cost is within a hundredth of the lowest.

The cost is the mean cross entropy over all rows plus the squares of the weights over 2 m, scikit-learn's at C = 1. The
lowest is found beforehand, in float64 to the last digit, by SciPy. Every contender is given float32 and stops at the
first look at which its own cost is under the target; scikit-learn, which has no such stop, gets the loosest tolerance
that leads there. The proof is the cost of its parameters by the one function here, and that it is under the target.

A pass is one cost with its gradient, forward and backward over all rows. Of scikit-learn its iterations are counted,
each of them one pass at the least.
"""

import contextlib
import functools

import numpy as np

# Gradient descent with momentum, ours and PyTorch's alike: as long a step as the data allow, a look every ten.
MOMENTUM, LOOK = 0.9, 10
# Samples, features and columns of weights of each data set.
SIZES = {"breast_cancer": (569, 30, 1), "digits": (1797, 64, 10)}


def products(name):
    """Return how many multiplications and additions the matrix products of a pass are: forward and dW."""
    m, n, k = SIZES[name]
    return 4 * m * n * k


def passes(out):
    """Return how many passes the run took that returned `out`, (parameters, passes)."""
    return out[1]


def problem(name):
    from sklearn import datasets

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    X = (X - X.mean(axis=0)) / np.where(X.std(axis=0) > 0, X.std(axis=0), 1)
    k = 1 if y.max() == 1 else int(y.max()) + 1
    return X.astype("float32"), y, k, *_lowest(X, y, k)


def cost_and_gradient(flat, X, y, k):
    """Return the cost and its gradient in float64; `flat` holds W (n, k), then b (k,)."""
    m, n = X.shape
    W, b = flat[:-k].reshape(n, k), flat[-k:]
    Z = X @ W + b
    if k == 1:
        Z = np.hstack([np.zeros_like(Z), Z])
    Z = Z - Z.max(axis=1, keepdims=True)
    log_p = Z - np.log(np.exp(Z).sum(axis=1, keepdims=True))
    g = np.exp(log_p)
    g[np.arange(m), y] -= 1
    g = g[:, -k:] / m
    cost = -log_p[np.arange(m), y].mean() + (W * W).sum() / (2 * m)
    return cost, np.concatenate([(X.T @ g + W / m).ravel(), g.sum(axis=0)])


def _lowest(X, y, k):
    """Return the cost to reach, and the length of a step that the curvature of the cost allows."""
    from scipy.optimize import minimize

    start = np.zeros((X.shape[1] + 1) * k)
    found = minimize(cost_and_gradient, start, (X, y, k), jac=True, method="L-BFGS-B", options={"gtol": 1e-8})
    with_ones = np.hstack([X, np.ones((len(X), 1))])
    # The second derivative of a softmax is 1/2 at the most, that of a sigmoid 1/4.
    curvature = np.linalg.norm(with_ones, 2) ** 2 / len(X) / (4 if k == 1 else 2) + 1 / len(X)
    return 1.01 * found.fun, 1 / curvature


def _reader(X, y, k, target):
    def read(layers):
        flat = np.concatenate([np.ravel(np.asarray(x, dtype="float64")) for x in layers])
        cost = cost_and_gradient(flat, X.astype("float64"), y, k)[0]
        # Sums in float32 may differ from these in the last digit.
        if not cost <= target * (1 + 1e-5):
            raise ValueError(f"the run ended at a cost of {cost:.6f}, over the {target:.6f} to be reached")
        return [target]

    return read


def with_chainrule(solver, put, X, y, k, target, rate):
    import chainrule as cr
    from chainrule.backend.namespaces import to_numpy
    from chainrule.optim import descend, lbfgs

    read = _reader(X, y, k, target)
    net = cr.MLP((X.shape[1], k), output="sigmoid" if k == 1 else "softmax", penalty=cr.L2(1 / len(X)))
    there, labels = put(X), put(y)
    zeros = [(put(np.zeros((X.shape[1], k), "float32")), put(np.zeros(k, "float32")))]

    def step():
        reached, count = False, 0

        def look(report):
            nonlocal reached
            reached = report.cost <= target

        def both(params):
            nonlocal count
            count += 1
            return net.cost_and_gradients(params, there, labels)

        run = {"steps": 10_000, "on_report": look, "stop": lambda: reached}
        if solver == "lbfgs":
            return lbfgs(both, zeros, tol=0.0, **run).params, count
        rule = cr.optimizers.momentum(rate, beta=MOMENTUM)
        return descend(both, zeros, optimizer=rule, report_every=LOOK, **run).params, count

    return step, lambda out: read([to_numpy(x) for x in out[0][0]])


def with_torch(solver, put, X, y, k, target, rate):
    import torch

    read, m = _reader(X, y, k, target), len(X)
    X, y = put(X), put(y.astype("float32")[:, None] if k == 1 else y)
    entropy = (
        torch.nn.functional.binary_cross_entropy_with_logits if k == 1 else torch.nn.functional.cross_entropy
    )

    def step():
        W = torch.zeros((k, X.shape[1]), device=X.device, requires_grad=True)
        b = torch.zeros(k, device=X.device, requires_grad=True)
        if solver == "lbfgs":
            rule = torch.optim.LBFGS([W, b], max_iter=10_000, line_search_fn="strong_wolfe")
        else:
            rule = torch.optim.SGD([W, b], lr=rate, momentum=MOMENTUM)
        looks = 0

        def closure():
            nonlocal looks
            rule.zero_grad()
            cost = entropy(torch.nn.functional.linear(X, W, b), y) + (W * W).sum() / (2 * m)
            if (solver == "lbfgs" or looks % LOOK == 0) and cost.item() <= target:
                raise StopIteration
            looks += 1
            cost.backward()
            return cost

        # Out of the middle of a line search too: the parameters at hand are those of this cost.
        with contextlib.suppress(StopIteration):
            while looks < 10_000:
                rule.step(closure)
        # The cost at which it stopped was a forward alone.
        return (W, b), looks

    return step, lambda out: read([x.detach().cpu().numpy().T for x in out[0]])


def with_sklearn(put, X, y, k, target, rate):
    from sklearn.linear_model import LogisticRegression

    read = _reader(X, y, k, target)

    def run(model):
        model.fit(X, y)
        return (model.coef_.T, model.intercept_), model.n_iter_.max()

    for tol in (1e-1, 1e-2, 1e-3, 1e-4, 1e-5):
        model = LogisticRegression(tol=tol, max_iter=10_000)
        try:
            read(run(model)[0])
            break
        except ValueError:
            continue
    return lambda: run(model), lambda out: read(out[0])


def limit(put, X, y, k, target, rate):
    """The matrix products of one pass and nothing else."""
    X, W, g = put(X), put(np.ones((X.shape[1], k), "float32")), put(np.ones((len(X), k), "float32"))

    def step():
        X @ W
        X.T @ g
        return (), 1

    return step, lambda out: []


CONTENDERS = {
    "chainrule lbfgs": functools.partial(with_chainrule, "lbfgs"),
    "chainrule descent": functools.partial(with_chainrule, "descent"),
    "torch lbfgs": functools.partial(with_torch, "lbfgs"),
    "torch sgd": functools.partial(with_torch, "sgd"),
    "sklearn": with_sklearn,
    "limit": limit,
}
