"""A new activation, initialiser or cost is one row, which every place reads; the pages name all rows."""

import re

import numpy as np
import pytest

import chainrule as cr
from chainrule.gates import activations, elementwise
from chainrule.models.activations import ACTIVATIONS, OUTPUTS, Activation
from chainrule.models.initializers import INITIALIZERS, Initializer
from chainrule.models.losses import COSTS, Cost, squared_error
from tests.conftest import ROOT

X = np.random.default_rng(0).standard_normal((6, 3))
y = np.array([0, 1, 0, 1, 1, 0])


def test_an_activation_is_one_row(monkeypatch):
    with pytest.raises(ValueError, match="maxout, got 'softplus'"):
        cr.MLP((3, 4, 1), "softplus")
    monkeypatch.setitem(ACTIVATIONS, "softplus", Activation(activations.softplus, "he"))
    net = cr.MLP((3, 4, 1), "softplus")
    params = net.init(0, "cpu", "float64")
    np.testing.assert_array_equal(params[0][0], net.init(0, "cpu", "float64", weights="he")[0][0])
    J, gradients = net.cost_and_gradients(params, X, y)
    graph = cr.explain(net, params=params, X=X, y=y)
    assert [node.gate for node in graph.nodes if node.name == "H1"] == ["softplus"]
    assert float(graph.node("J").value) == pytest.approx(J, rel=1e-14)
    followed = cr.grad(lambda p: net.cost_of(p, X, y))(params)
    for (dW, db), (wanted_W, wanted_b) in zip(gradients, followed, strict=True):
        np.testing.assert_allclose(dW, wanted_W, rtol=1e-12)
        np.testing.assert_allclose(db, wanted_b, rtol=1e-12)
    with pytest.raises(ValueError, match=r"activation must be one of .*, maxout, softplus, got 'swish'"):
        cr.MLP((3, 4, 1), "swish")


def test_an_initialiser_is_one_row(monkeypatch):
    monkeypatch.setitem(INITIALIZERS, "unit", Initializer(lambda n_in, n_out: 1.0, "nobody"))
    net = cr.MLP((3, 4, 1))
    for (W, _), (V, _) in zip(net.init(weights="unit"), net.init(weights=1.0), strict=True):
        np.testing.assert_array_equal(W, V)
    with pytest.raises(
        ValueError, match="weights must be one of zeros, lecun, he, glorot, unit, got 'xavier'"
    ):
        net.init(weights="xavier")


def test_a_cost_is_one_row(monkeypatch):
    def quartic(ops, Z, rows):
        squares, to_Z = squared_error(elementwise.tanh)(ops, Z, rows)
        return squares * squares, lambda g: to_Z(g * 2 * squares)

    monkeypatch.setitem(COSTS, "quartic", Cost({"identity": quartic}))
    net = cr.MLP((3, 4, 1), "tanh", "identity", "quartic")
    params = net.init(0, "cpu", "float64")
    J, gradients = net.cost_and_gradients(params, X, y)
    Z = np.tanh(X @ params[0][0]) @ params[1][0]
    assert pytest.approx(np.mean((np.tanh(Z[:, 0]) - y) ** 4), rel=1e-12) == J
    wanted = cr.grad(lambda p: net.cost_of(p, X, y))(params)
    np.testing.assert_allclose(gradients[0][0], wanted[0][0], rtol=1e-12)
    with pytest.raises(ValueError, match="the cost quartic needs output identity, got 'sigmoid'"):
        cr.MLP((3, 1), cost="quartic")


@pytest.mark.parametrize(
    ("row", "table"),
    [
        ("activation of hidden layers", ACTIVATIONS),
        ("output", OUTPUTS),
        ("cost", COSTS),
        ("first weights", INITIALIZERS),
    ],
)
def test_the_page_of_networks_names_every_row_in_its_order(row, table):
    page = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")
    (cell,) = re.findall(rf"^\| {row} \| (.*) \|$", page, re.MULTILINE)
    part = re.search(r"<!-- [a-z ]+ -->(.*?)<!-- end -->", cell)[1]
    assert [name.strip('`"') for name in part.split(", ")] == list(table)


def test_every_initialiser_that_an_activation_names_is_there():
    assert {row.initializer for row in ACTIVATIONS.values()} <= set(INITIALIZERS)
