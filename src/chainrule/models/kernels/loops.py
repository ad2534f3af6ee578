"""The plain-Python spellings, on lists of floats: an oracle for the vectors and their baseline. No array library."""

from collections.abc import Sequence
from math import exp, log1p

Vector = Sequence[float]
Matrix = Sequence[Vector]


def dot(x: Vector, w: Vector) -> float:
    """Return the sum of x_j w_j, one product at a time. x, w: (n,)."""
    z = 0.0
    for j in range(len(w)):
        z += x[j] * w[j]
    return z


def sigmoid(z: float) -> float:
    """Return 1 / (1 + e^-z), for z of any size."""
    if z >= 0:
        return 1 / (1 + exp(-z))
    e = exp(z)
    return e / (1 + e)


def loss(z: float, y: float) -> float:
    """Return -(y log s(z) + (1 - y) log(1 - s(z))) from the logit z, with no log of 0."""
    return (1 - y) * z + log1p(exp(-z)) if z >= 0 else -y * z + log1p(exp(z))


def one_sample(x: Vector, y: float, w: Vector, b: float) -> tuple[float, list[float], float]:
    """Return loss, dw (n,) and db of a single sample x (n,) with target y."""
    z = dot(x, w) + b
    dz = sigmoid(z) - y
    return loss(z, y), [x_j * dz for x_j in x], dz


def forward(X: Matrix, y: Vector, w: Vector, b: float) -> float:
    """Return the cost, the mean loss over samples. X: (m, n), y: (m,), w: (n,)."""
    m, n = len(X), len(w)
    cost = 0.0
    for i in range(m):
        z = b
        for j in range(n):
            z += X[i][j] * w[j]
        cost += loss(z, y[i])
    return cost / m


def backward(X: Matrix, dz: Vector) -> tuple[list[float], float]:
    """Return dw (n,) and db from dz = s(z) - y of each sample. X: (m, n), dz: (m,)."""
    m, n = len(X), len(X[0])
    dw, db = [0.0] * n, 0.0
    for i in range(m):
        for j in range(n):
            dw[j] += X[i][j] * dz[i]
        db += dz[i]
    return [dw_j / m for dw_j in dw], db / m


def forward_backward(X: Matrix, y: Vector, w: Vector, b: float) -> tuple[float, list[float], float]:
    """Return cost, dw (n,) and db: a loop over samples, in it two loops over features."""
    m, n = len(X), len(w)
    cost, dw, db = 0.0, [0.0] * n, 0.0
    for i in range(m):
        z = b
        for j in range(n):
            z += X[i][j] * w[j]
        cost += loss(z, y[i])
        dz = sigmoid(z) - y[i]
        for j in range(n):
            dw[j] += X[i][j] * dz
        db += dz
    return cost / m, [dw_j / m for dw_j in dw], db / m


def descend(
    X: Matrix, y: Vector, w: Vector, b: float, *, learning_rate: float, steps: int
) -> tuple[list[float], float, list[float]]:
    """Return w, b and the cost before each step, after `steps` steps: the third, outermost loop."""
    w, costs = list(w), []
    for _ in range(steps):
        cost, dw, db = forward_backward(X, y, w, b)
        costs.append(cost)
        for j in range(len(w)):
            w[j] -= learning_rate * dw[j]
        b -= learning_rate * db
    return w, b, costs
