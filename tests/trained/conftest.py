"""Models as a run leaves them, made up."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.data import Scaling
from chainrule.models.activations import ACTIVATIONS
from chainrule.training.model_file import Model, save_model

NETS = [
    *(cr.MLP((6, 5, 4, 3), name, "softmax") for name in ACTIVATIONS),
    cr.MLP((6, 4, 1)),
    cr.MLP((6, 4, 2), "tanh", "softmax"),
    cr.MLP((6, 1)),
    cr.MLP((6, 2), output="softmax"),
    cr.MLP((6, 3), output="softmax"),
]

# Those that predict a number; the second has no hidden layer.
NUMBERS = [cr.MLP((6, *hidden, 1), "tanh", "identity", "squared_error") for hidden in ((4,), ())]


def made(net, *, dtype="float64", classes=("10", "9", "2"), **more):
    """Return a model of drawn parameters, biases too, whose scaling is that of epoch seconds and small numbers."""
    rng = np.random.default_rng(0)
    params = [tuple(rng.standard_normal(shape).astype(dtype) for shape in layer) for layer in net.shapes]
    n, k = net.sizes[0], 0 if net in NUMBERS else max(2, net.sizes[-1])
    scaling = Scaling(np.array([1.7e9, *range(n - 1)]), np.array([3e4, *np.linspace(0.1, 2, n - 1)]))
    return Model(net, params, scaling, classes[:k], **{"image": None, **more})


def rows(m=20, n=6):
    X = np.random.default_rng(1).standard_normal((m, n))
    X[:, 0] = 1.7e9 + 3e4 * X[:, 0]
    return X


@pytest.fixture
def saved(tmp_path):
    """Return a function that saves a model of a network and returns its path."""

    def save(net, **settings):
        save_model(tmp_path / "run" / "model.safetensors", made(net, **settings))
        return tmp_path / "run"

    return save
