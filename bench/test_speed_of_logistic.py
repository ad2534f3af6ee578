"""The logistic step in its spellings: forward with backward, forward alone, backward alone, and one read of X.

Plain Python works on lists and is given lists: no benchmark times a conversion.
"""

import numpy as np
import pytest

from bench import logistic_step
from chainrule.backend.namespaces import namespace, to_numpy
from chainrule.gates.losses import sigmoid_cross_entropy
from chainrule.models import logistic
from chainrule.models.kernels import loops


def forward_by_sample(X, y, w, b):
    xp, m = namespace(X, y, w), X.shape[0]
    cost = 0 * b
    for i in range(m):
        cost = cost + sigmoid_cross_entropy(xp, X[i, :] @ w + b, y[i])[0]
    return cost / m


def forward_by_matmul(X, y, w, b):
    return logistic.forward(X, y, w, b)[0]


# by_scaling goes forward as by_matmul does, and by_tiles has no forward alone: it is one pass.
FORWARD = {"by_loops": loops.forward, "by_sample": forward_by_sample, "by_matmul": forward_by_matmul}


@pytest.mark.parametrize("spelling", logistic.SPELLINGS)
def test_forward_with_backward(measure, problem, spelling):
    if spelling == "by_loops":
        measure(loops.forward_backward, problem.lists, problem.step)
    else:
        measure(logistic.SPELLINGS[spelling], problem.arrays, problem.step)


@pytest.mark.parametrize("spelling", FORWARD)
def test_forward(measure, problem, spelling):
    arguments = problem.lists if spelling == "by_loops" else problem.arrays
    measure(FORWARD[spelling], arguments, {"cost": problem.step["cost"]})


@pytest.mark.parametrize("spelling", ["by_loops", "by_matmul", "by_matmul, recomputed"])
def test_backward(measure, problem, spelling):
    X, y, w, b = problem.arrays
    gradient = {"dw": problem.step["dw"], "db": problem.step["db"]}
    _, dz = logistic.forward(X, y, w, b)
    if spelling == "by_loops":
        measure(loops.backward, (problem.lists[0], to_numpy(dz).tolist()), gradient)
    elif spelling == "by_matmul":
        measure(logistic.backward, (X, dz), gradient)
    else:
        measure(logistic.backward_recomputed, (X, y, w, b), gradient)


@pytest.mark.parametrize("spelling", ["limit"])
def test_one_read(measure, problem, spelling):
    X, on_host = problem.host[0], isinstance(problem.arrays[0], np.ndarray)
    step, _ = logistic_step.limit(lambda X: problem.arrays[0], *problem.host)
    measure(step, (), {"read": np.bitwise_or.reduce(X.view("uint32"), axis=None) if on_host else X.max()})
