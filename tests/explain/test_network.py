"""The graph of a network's cost: the numbers of the network itself, in the books' notation."""

import json

import numpy as np
import pytest

import chainrule as cr
from tests.helpers.networks import COSTS, EVERY_ACTIVATION, EVERY_COST, PENALTIES


def sample(net, m=5, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, net.sizes[0]))
    k = net.sizes[-1]
    classes = net.output == "softmax" or "hinge" in net.cost
    y = rng.integers(0, k, m) if classes and k > 1 else rng.integers(0, 2, (m, k) if k > 1 else m)
    return X, y.astype(float) if net.output == "identity" and "hinge" not in net.cost else y


def compare(net, device=None, m=5, rtol=1e-13):
    place = cr.get_device("cpu") if device is None else device
    params = net.init(3, device=place, dtype="float64")
    X, y = (place.asarray(x) for x in sample(net, m))
    graph = cr.explain(net, params=params, X=X, y=y)
    J, gradients = net.cost_and_gradients(params, X, y)
    np.testing.assert_allclose(graph.node("J").value, place.to_numpy(J), rtol=rtol)
    np.testing.assert_allclose(graph.node("y_hat").value, place.to_numpy(net.forward(params, X)), rtol=rtol)
    for number, (dW, db) in enumerate(gradients, start=1):
        for name, g in ((f"W{number}", dW), (f"b{number}", db)):
            np.testing.assert_allclose(
                graph.node(name).gradient, place.to_numpy(g), rtol=rtol * 1e3, atol=1e-15
            )
    dX = place.to_numpy(net.input_gradient(params, X, y))
    np.testing.assert_allclose(graph.node("X").gradient, dX, rtol=rtol * 1e3, atol=1e-15)
    return graph


@EVERY_ACTIVATION
@EVERY_COST
def test_the_graph_has_the_numbers_of_the_network(activation, output, cost):
    compare(cr.MLP((3, 4, 2), activation, output, cost, pieces=3))


@pytest.mark.parametrize("penalty", PENALTIES.values(), ids=PENALTIES)
def test_penalties(penalty):
    graph = compare(cr.MLP((3, 4, 1), "tanh", penalty=penalty))
    assert ("mean_loss" in [n.name for n in graph.nodes]) == (penalty is not None)


def test_on_every_device(device):
    for output, cost in COSTS:
        compare(cr.MLP((3, 4, 2), "relu", output, cost), device, rtol=1e-12)


def test_the_names_are_those_of_the_books():
    graph = compare(cr.MLP((3, 4, 4, 1), "sigmoid"))
    named = [n.name for n in graph.nodes if not n.name.startswith("v")]
    layers = [f"{name}{number}" for number in (1, 2, 3) for name in ("W", "b", "Z", "H")]
    assert named == ["X", "y", *layers[:-1], "y_hat", "L", "J"]
    groups = {n.name: n.group for n in graph.nodes}
    assert [groups[name] for name in ("X", "W1", "H1", "Z2", "y_hat", "J")] == [
        *("", "layer 1", "layer 1", "layer 2", "layer 3", "")
    ]


def test_the_cost_is_computed_from_z_and_the_text_says_that_y_hat_is_for_show():
    graph = compare(cr.MLP((3, 4, 1)))
    assert not graph.node("y_hat").gradient.any()
    assert "J does not depend on y_hat" in graph.to_text()
    assert graph.derivative("y_hat", "X").shape == (5, 1, 5, 3)
    assert graph.derivative("y_hat", "X").any()


def test_the_step_by_step_network():
    net = cr.MLP((2, 2, 2), "sigmoid", "sigmoid", "summed_squared_error")
    params = net.init(
        weights=[([[0.15, 0.25], [0.2, 0.3]], [0.35, 0.35]), ([[0.4, 0.5], [0.45, 0.55]], [0.6, 0.6])]
    )
    graph = cr.explain(net, params=params, X=np.array([[0.05, 0.1]]), y=np.array([[0.01, 0.99]]))
    np.testing.assert_allclose(graph.node("y_hat").value, [[0.75136507, 0.772928465]], rtol=1e-8)
    # The published error is half of the summed squares, and so are its slopes.
    assert float(graph.node("J").value) / 2 == pytest.approx(0.298371109, rel=1e-8)
    assert graph.node("W2").gradient[0, 0] / 2 == pytest.approx(0.082167041, rel=1e-7)
    assert graph.node("W1").gradient[0, 0] / 2 == pytest.approx(0.000438568, rel=1e-5)


def test_the_step_by_step_network_of_the_course(course_file):
    told = json.loads(course_file("reference/step_by_step_network.json").read_text())
    W1, W2 = (np.reshape(told[key], (2, 2)).T for key in ("w1_w2_w3_w4", "w5_w6_w7_w8"))
    net = cr.MLP((2, 2, 2), "sigmoid", "sigmoid", "summed_squared_error")
    params = net.init(weights=[(W1, [told["b1"]] * 2), (W2, [told["b2"]] * 2)])
    graph = cr.explain(net, params=params, X=np.array([told["inputs"]]), y=np.array([told["targets"]]))
    np.testing.assert_allclose(graph.node("y_hat").value[0], told["outputs"], rtol=1e-8)
    assert float(graph.node("J").value) / 2 == pytest.approx(told["error"], rel=1e-8)
    assert graph.node("W2").gradient[0, 0] / 2 == pytest.approx(told["dE_dw5"], rel=1e-7)
    assert graph.node("W1").gradient[0, 0] / 2 == pytest.approx(told["dE_dw1"], rel=1e-5)


@pytest.mark.parametrize(("activation", "output", "k"), [("tanh", "identity", 1), ("relu", "softmax", 3)])
def test_without_targets_the_graph_leads_to_y_hat(device, activation, output, k):
    net = cr.MLP((3, 4, k), activation, output, "squared_error")
    params, X = net.init(3, device, "float64"), device.asarray(sample(net)[0])
    graph = cr.explain(net, params=params, X=X)

    def summed(params, X):
        return cr.differentiable(device.xp).sum(net.forward(params, X))

    value, ([(dW, _), _], dX) = cr.value_and_grad(summed, (0, 1))(params, X)
    np.testing.assert_allclose(graph.output.value, device.to_numpy(value), rtol=1e-13)
    np.testing.assert_allclose(graph.node("y_hat").value, device.to_numpy(net.forward(params, X)), rtol=1e-13)
    for name, g in (("W1", dW), ("X", dX)):
        np.testing.assert_allclose(graph.node(name).gradient, device.to_numpy(g), rtol=1e-10, atol=1e-14)
    assert [node.name for node in graph.nodes if node.gate == "input"] == ["X", "W1", "b1", "W2", "b2"]
    assert "def " in graph.to_code()


def test_what_does_not_fit_is_refused():
    net = cr.MLP((3, 4, 1))
    X, y = sample(net)
    with pytest.raises(TypeError, match="a network takes params, X and, for its cost, y, got params"):
        cr.explain(net, params=net.init())
    with pytest.raises(ValueError, match=r"expected X \(m, 3\)"):
        cr.explain(net, params=net.init(), X=X[:, :2], y=y)
    quirk = cr.MLP((3, 4, 1), bias_gradient="mean")
    with pytest.raises(ValueError, match="exact gradients"):
        cr.explain(quirk, params=net.init(), X=X, y=y)
