"""What networks learn: published runs to their last digit, XOR, cat pictures; in one dtype, with no copy."""

import json
import os

import numpy as np
import pytest

import chainrule as cr
from chainrule import data, pytree
from chainrule.data.scaling import Scaling
from chainrule.optim.descent import descend
from tests.helpers.arrays import read_only

XOR = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0.0, 1.0, 1.0, 0.0])


def reference(course_file, name):
    return json.loads(course_file(f"reference/{name}.json").read_text(encoding="utf-8"))


def one_layer(trace):
    """The published layer, its samples, and its parameters before each of its steps and after the last."""
    net = cr.MLP((3, 2), output="sigmoid", cost="summed_squared_error", bias_gradient="mean")
    X, y = np.array(trace["x"], np.float64), np.array(trace["y"], np.float64)
    params = net.init(weights=[(np.array(trace["w0"]), np.array(trace["b0"], np.float64))])
    optimizer = cr.optimizers.gradient_descent(trace["learning_rate"])
    state, rows = optimizer.init(params), [params]
    for _ in range(trace["steps"]):
        _, gradients = net.cost_and_gradients(params, X, y)
        params, state = optimizer.update(gradients, state, params)
        rows.append(params)
    return net, X, y, rows


def test_every_row_of_the_published_layer(course_file):
    trace = reference(course_file, "sigmoid_layer_trace")
    net, X, y, params = one_layer(trace)
    first, last = trace["first"], trace["last"]
    steps = [*range(len(first)), *range(trace["steps"] - len(last), trace["steps"])]
    for step, row in zip(steps, [*first, *last], strict=True):
        for when, at in (("before", step), ("after", step + 1)):
            printed = np.round(net.forward(params[at], X), 8)
            np.testing.assert_array_equal(printed, row[when], err_msg=f"{when} step {step + 1}")
        assert float(net.cost_of(params[step + 1], X, y)) == pytest.approx(
            row["cost_after"], rel=0, abs=1e-12
        )


def test_the_published_layer_is_another_with_exact_gradients_of_biases(course_file):
    trace = reference(course_file, "sigmoid_layer_trace")
    X, y = np.array(trace["x"], np.float64), np.array(trace["y"], np.float64)
    params = [(np.array(trace["w0"]), np.array([0.3, -0.2]))]
    exact, mean = (
        cr.MLP((3, 2), cost="summed_squared_error", bias_gradient=kind).cost_and_gradients(params, X, y)
        for kind in ("exact", "mean")
    )
    assert exact[0] == mean[0]
    np.testing.assert_array_equal(exact[1][0][0], mean[1][0][0])
    np.testing.assert_allclose(exact[1][0][1], 2 * mean[1][0][1], rtol=1e-15)


def test_the_step_by_step_network(course_file):
    steps = reference(course_file, "step_by_step_network")
    # Its squared error is half the sum over outputs, of one sample.
    net = cr.MLP((2, 2, 2), "sigmoid", "sigmoid", "squared_error")
    X, y = np.array([steps["inputs"]]), np.array([steps["targets"]])
    params = [
        (np.reshape(steps[weights], (2, 2)).T, np.full(2, steps[bias]))
        for weights, bias in (("w1_w2_w3_w4", "b1"), ("w5_w6_w7_w8", "b2"))
    ]
    np.testing.assert_allclose(net.forward(params, X)[0], steps["outputs"], rtol=0, atol=5e-9)
    cost, ((dW1, _), (dW2, _)) = net.cost_and_gradients(params, X, y)
    assert float(cost) == pytest.approx(steps["error"], rel=0, abs=5e-10)
    assert dW2[0, 0] == pytest.approx(steps["dE_dw5"], rel=0, abs=5e-10)
    assert dW1[0, 0] == pytest.approx(steps["dE_dw1"], rel=0, abs=5e-10)
    (W1, b1), (W2, b2) = params
    after = [(W1 - 0.5 * dW1, b1), (W2 - 0.5 * dW2, b2)]
    weights = np.concatenate([after[0][0].T.ravel(), after[1][0].T.ravel()])
    np.testing.assert_allclose(weights, steps["weights_after_one_step"], rtol=0, atol=5e-9)
    assert float(net.cost_of(after, X, y)) == pytest.approx(steps["error_after_one_step_exact"], rel=1e-14)


class TestXor:
    def test_by_weights_set_by_hand(self, course_file, device, dtype):
        xor = reference(course_file, "circuits")["xor"]
        net = cr.MLP((2, 2, 1), "relu", "identity", "squared_error")
        given = [(xor["W"], xor["c"]), ([[w] for w in xor["w"]], [xor["b"]])]
        params = net.init(device=device, dtype=dtype, weights=given)
        X, y = (device.asarray(part, dtype) for part in XOR)
        assert device.to_numpy(net.forward(params, X))[:, 0].tolist() == xor["out"]
        cost, gradients = net.cost_and_gradients(params, X, y)
        assert float(cost) == 0
        assert all(device.to_numpy(g).any() is np.False_ for g in pytree.flat(gradients))

    def test_no_layer_alone_does_better_than_one_half(self, course_file):
        linear = reference(course_file, "circuits")["xor"]["linear_MSE_solution"]
        net = cr.MLP((2, 1), output="identity", cost="squared_error")
        best = descend(
            lambda params: net.cost_and_gradients(params, *XOR),
            net.init(seed=1),
            steps=2000,
            learning_rate=0.5,
        )
        (W, b), *_ = best.params
        np.testing.assert_allclose([*W[:, 0], *b], [*linear["w"], linear["b"]], atol=1e-9)

    @pytest.mark.parametrize("seed", range(10))
    def test_learnt(self, seed):
        net = cr.MLP((2, 8, 1), "tanh")
        learnt = descend(
            lambda params: net.cost_and_gradients(params, *XOR),
            net.init(seed),
            steps=500,
            optimizer=cr.optimizers.adam(0.05),
        )
        X, y = XOR
        assert np.abs(net.forward(learnt.params, X)[:, 0] - y).max() < 0.05
        assert learnt.history[-1].cost < 0.02


def test_cat_pictures(course_file):
    train, test = data.load(course_file("data/catvnoncat/train_catvnoncat.h5"))
    scaling = Scaling.fit(train)
    X, X_test = (scaling.apply(part.X, np.float64) for part in (train, test))
    net = cr.MLP((12288, 20, 7, 5, 1))
    random = np.random.RandomState(1)
    params = net.init(
        weights=[
            (np.ascontiguousarray(random.standard_normal((n_out, n_in)).T) / np.sqrt(n_in), np.zeros(n_out))
            for (n_in, n_out), _ in net.shapes
        ]
    )
    optimizer = cr.optimizers.gradient_descent(0.0075)
    state, costs = optimizer.init(params), []
    # All of it where it is asked for: the second half takes longer than the rest of this file.
    whole = "CHAINRULE_PUBLISHED" in os.environ
    for _ in range(2500 if whole else 1001):
        cost, gradients = net.cost_and_gradients(params, X, train.y)
        params, state = optimizer.update(gradients, state, params)
        costs.append(float(cost))
    published = {0: 0.765764, 500: 0.484955, 1000: 0.233689, 1500: 0.115736, 2000: 0.070790, 2499: 0.046953}
    published = {step: cost for step, cost in published.items() if step < len(costs)}
    assert {step: round(costs[step], 6) for step in published} == published
    for rows, y, share in ((X, train.y, 1.0), (X_test, test.y, 0.74)) if whole else ():
        assert np.mean((net.forward(params, rows)[:, 0] > 0.5) == y) == share


NET = cr.MLP((3, 4, 2), "maxout", "softmax", penalty=cr.ElasticNet(1e-3, 0.3, biases=True))
OPTIMIZERS = {name: make(1e-3) for name, make in cr.optimizers.OPTIMIZERS.items()}
OPTIMIZERS["adam-clipped-cosine"] = cr.optimizers.clipped(
    cr.optimizers.adam(cr.optimizers.cosine(1e-2, 1000)), 0.1
)


def samples(device, dtype, m=12):
    random = np.random.default_rng(5)
    X, weight = random.standard_normal((m, 3)), random.random(m) + 0.5
    y = device.asarray((X[:, 0] > X[:, 1]).astype(np.int64))
    return read_only(device.asarray(X, dtype)), read_only(y), read_only(device.asarray(weight, dtype))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_all_that_is_learnt_stays_in_its_dtype_on_its_device(device, dtype, name):
    X, y, weight = samples(device, dtype)
    params, optimizer = NET.init(3, device, dtype), OPTIMIZERS[name]
    state, first = optimizer.init(params), None
    for _ in range(1000 if device.xp is np and name == "adam-clipped-cosine" else 20):
        cost, gradients = NET.cost_and_gradients(params, X, y, sample_weight=weight)
        first = cost if first is None else first
        before, (params, state) = params, optimizer.update(gradients, state, params)
        arrays = [cost, *(x for x in pytree.flat((gradients, params, state)) if not isinstance(x, int))]
        assert all(x.dtype == getattr(device.xp, dtype) for x in arrays)
        assert all(x.device == X.device for x in arrays)
        for x, g in zip(pytree.flat(before), pytree.flat(gradients), strict=True):
            assert type(g) is type(x)
            assert g.shape == x.shape
    assert float(cost) < float(first)


def test_a_step_reads_nothing_from_the_device(monkeypatch):
    strict, reads = cr.get_device("strict:device1"), []
    kind = type(strict.asarray([1.0]))
    for name in ("__float__", "__bool__", "__int__", "__index__", "__complex__", "to_device", "__array__"):
        original = getattr(kind, name)

        def counted(self, *arguments, _original=original, _name=name, **settings):
            reads.append(_name)
            return _original(self, *arguments, **settings)

        monkeypatch.setattr(kind, name, counted)
    X, y, weight = samples(strict, "float32")
    params, optimizer = NET.init(3, strict, "float32"), cr.optimizers.adam()
    state = optimizer.init(params)
    assert float(X[0, 0]) == float(X[0, 0])
    assert len(reads) == 2, "reads are counted"
    for _ in range(2):
        _, gradients = NET.cost_and_gradients(params, X, y, sample_weight=weight)
        params, state = optimizer.update(gradients, state, params)
        NET.input_gradient(params, X, y)
        NET.cost_of(params, X, y)
        NET.forward(params, X)
    assert len(reads) == 2
