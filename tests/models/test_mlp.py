"""Networks of any size: first parameters, shapes, and what no order, weight or size of the samples may change."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import chainrule as cr
from chainrule import pytree
from tests.helpers.networks import ACTIVATIONS, COSTS, agree, parameters

CPU = cr.get_device("cpu")


class TestInit:
    @pytest.mark.parametrize(
        ("weights", "variance"),
        [("he", 2 / 300), ("lecun", 1 / 300), ("glorot", 2 / 500), (0.3, 0.09), (2, 4)],
    )
    def test_weights_are_normal_and_biases_0(self, weights, variance):
        (W, b), (V, _) = cr.MLP((300, 200, 4)).init(weights=weights)
        assert abs(W.mean()) < 4 * np.sqrt(variance / W.size)
        # The variance of n normal numbers has a relative deviation of sqrt(2 / n): four of them.
        assert W.var() == pytest.approx(variance, rel=4 * np.sqrt(2 / W.size))
        within = np.mean(np.abs(W) < np.sqrt(variance))
        assert within == pytest.approx(0.6827, abs=0.01)
        assert np.max(np.abs(W)) > 3.5 * np.sqrt(variance), "not cut off"
        assert (b.shape, b.any()) == ((200,), np.False_)
        assert abs(np.corrcoef(W.ravel()[: V.size], V.ravel())[0, 1]) < 0.15, "layers are drawn apart"

    @pytest.mark.parametrize("activation", ACTIVATIONS)
    def test_by_default_he_for_the_kin_of_relu_and_glorot_for_others(self, activation):
        net = cr.MLP((30, 20, 10), activation)
        name = "he" if activation in ("relu", "leaky_relu", "elu", "maxout") else "glorot"
        agree(CPU, net.init(4), net.init(4, weights=name), 0)

    def test_zeros_and_a_number(self, device, dtype):
        net = cr.MLP((3, 4, 2), output="softmax")
        assert all(device.to_numpy(x).any() is np.False_ for x in pytree.flat(net.init(weights="zeros")))
        one, ten = (net.init(5, device, dtype, weights=w) for w in (1.0, 0.1))
        agree(device, [10 * x for x in pytree.flat(ten)], one, 1e-6)
        agree(device, net.init(5, device, dtype, weights=np.float32(0.5)), net.init(5, weights=0.5), 1e-6)

    @pytest.mark.parametrize("weights", [None, "zeros", "he", 0.1])
    def test_shapes_dtype_and_device(self, device, dtype, weights):
        net = cr.MLP((3, 4, 5, 2), "maxout", "softmax", pieces=3)
        assert net.shapes == [((3, 12), (12,)), ((4, 15), (15,)), ((5, 2), (2,))]
        params = net.init(1, device, dtype, weights=weights)
        assert [(W.shape, b.shape) for W, b in params] == net.shapes
        assert all(x.dtype == getattr(device.xp, dtype) for x in pytree.flat(params))
        agree(device, net.init(1, device, getattr(device.xp, dtype), weights=weights), params, 0)
        assert len({str(x.device) for x in pytree.flat([params, device.asarray([0.0])])}) == 1

    def test_a_seed_gives_the_same_numbers_on_every_device(self, device, dtype):
        net = cr.MLP((3, 4, 2), "maxout", "softmax")
        here, there = net.init(9, device, dtype), net.init(9, CPU, dtype)
        agree(device, here, there, 0)
        agree(device, net.init(9, device, "float32"), net.init(9, CPU, "float64"), 1e-6)
        agree(device, net.init(9, device.name, dtype), here, 0)
        assert np.all(net.init(8, CPU, dtype)[0][0] != there[0][0])

    def test_by_default_float64_on_the_chosen_device(self, monkeypatch):
        monkeypatch.setenv("CHAINRULE_DEVICE", "strict:device1")
        ((W, b),) = cr.MLP((3, 1)).init()
        device = cr.get_device()
        assert (W.dtype, b.dtype) == (device.xp.float64, device.xp.float64)
        assert W.device == device.asarray([0.0]).device

    def test_given_weights_are_taken_as_they_are(self, device, dtype):
        net = cr.MLP((2, 3, 1))
        given = [([[1, 2, 3], [4, 5, 6]], [7, 8, 9]), (np.ones((3, 1), np.float32), [0.25])]
        params = net.init(0, device, dtype, weights=given)
        assert [device.to_numpy(x).tolist() for x in pytree.flat(params)] == [
            [[1, 2, 3], [4, 5, 6]],
            [7, 8, 9],
            [[1], [1], [1]],
            [0.25],
        ]
        assert all(x.dtype == getattr(device.xp, dtype) for x in pytree.flat(params))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_hidden_layers_are_those_of_the_formulas(device, activation):
    net = cr.MLP((1, 2, 2), activation, "identity", "squared_error", pieces=2)
    k = net.shapes[0][1][0]
    hidden = (np.ones((1, k)) * [1.0, 2, -1, 0.5][:k], [0.5, 0, 0, -3][:k])
    params = net.init(device=device, dtype="float64", weights=[hidden, (np.eye(2), np.zeros(2))])
    z = np.array([1.0, -2.0])[:, None] * hidden[0] + hidden[1]
    expected = {
        "sigmoid": 1 / (1 + np.exp(-z)),
        "tanh": np.tanh(z),
        "relu": np.maximum(z, 0),
        "leaky_relu": np.where(z > 0, z, z / 100),
        "elu": np.where(z > 0, z, np.exp(z) - 1),
        "maxout": np.stack([z[:, :2].max(axis=1), z[:, 2:].max(axis=1)], axis=1) if k == 4 else None,
        "identity": z,
    }[activation]
    got = device.to_numpy(net.forward(params, device.asarray([[1.0], [-2.0]])))
    np.testing.assert_allclose(got, expected, rtol=1e-15)


def test_without_hidden_layers_it_is_logistic_and_softmax_regression(device, dtype):
    random = np.random.default_rng(0)
    X, y = device.asarray(random.standard_normal((7, 3)), dtype), device.asarray(np.arange(7) % 2, dtype)
    one = cr.MLP((3, 1))
    params = parameters(one, device, dtype)
    ((W, b),) = params
    cost, ((dW, db),) = one.cost_and_gradients(params, X, y)
    w, b = device.asarray(device.to_numpy(W)[:, 0]), float(b[0])
    agree(device, (cost, dW[:, 0], db), cr.logistic.by_matmul(X, y, w, b), 2e-6)
    two = cr.MLP((3, 2), output="softmax")
    zero = device.xp.zeros_like(params[0][0])
    both = [(device.xp.concat([zero, W], axis=1), device.asarray([0.0, b], dtype))]
    same, ((dV, dc),) = two.cost_and_gradients(both, X, device.asarray(np.arange(7) % 2))
    agree(device, (same, dV[:, 1], dc[1:]), (cost, dW[:, 0], db), 2e-6)


@st.composite
def networks(draw, costs=COSTS):
    output, cost = draw(st.sampled_from(costs))
    k = draw(st.integers(2 if output == "softmax" or cost == "multiclass_hinge" else 1, 4))
    hidden = draw(st.lists(st.integers(1, 4), max_size=3))
    penalty = draw(st.sampled_from([None, cr.L1(0.1), cr.L2(0.1, biases=True), cr.ElasticNet(0.1)]))
    return cr.MLP(
        (draw(st.integers(1, 4)), *hidden, k),
        draw(st.sampled_from(ACTIVATIONS)),
        output,
        cost,
        penalty,
        pieces=draw(st.integers(1, 3)),
    )


def targets(draw, net, m):
    k = net.sizes[-1]
    if k == 1:
        return np.array(draw(st.lists(st.integers(0, 1), min_size=m, max_size=m)))
    return np.eye(k)[draw(st.lists(st.integers(0, k - 1), min_size=m, max_size=m))]


# What e^Z is for large samples no number can hold.
BOUNDED = [pair for pair in COSTS if pair[0] != "exp"]
SLOW = settings(max_examples=150)
SEEDS = st.integers(0, 2**32 - 1)


@SLOW
@given(st.data(), networks(BOUNDED), st.integers(1, 5), st.sampled_from(["float32", "float64"]), SEEDS)
def test_shapes_and_finite_numbers_for_large_samples(data, net, m, dtype, seed):
    params = net.init(seed, CPU, dtype)
    numbers = st.floats(-1e4, 1e4, width=32) | st.sampled_from([-1e4, 0.0, 1e4])
    X = data.draw(hnp.arrays(dtype, (m, net.sizes[0]), elements=numbers))
    y = targets(data.draw, net, m)
    weight = data.draw(st.none() | hnp.arrays(dtype, m, elements=st.floats(0.125, 8, width=32)))
    y_hat = net.forward(params, X)
    cost, gradients = net.cost_and_gradients(params, X, y, sample_weight=weight)
    dX = net.input_gradient(params, X, y, sample_weight=weight)
    assert (y_hat.shape, cost.shape, dX.shape) == ((m, net.sizes[-1]), (), X.shape)
    assert [(dW.shape, db.shape) for dW, db in gradients] == net.shapes
    arrays = [y_hat, cost, dX, *pytree.flat(gradients)]
    assert all(np.isfinite(x).all() and x.dtype == dtype for x in arrays)
    if net.output == "softmax":
        np.testing.assert_allclose(y_hat.sum(axis=1), 1, rtol=1e-6)


def close(got, wanted):
    """The sums are those of another order: equal to rounding."""
    agree(CPU, got, wanted, 1e-11)


@SLOW
@given(st.data(), networks(), st.integers(1, 6), SEEDS)
def test_the_order_of_the_samples_changes_nothing(data, net, m, seed):
    random = np.random.default_rng(seed)
    params, X, weight = (
        parameters(net, CPU, "float64", seed),
        random.random((m, net.sizes[0])),
        random.random(m),
    )
    y, order = targets(data.draw, net, m), random.permutation(m)
    wanted = net.cost_and_gradients(params, X, y, sample_weight=weight)
    close(net.cost_and_gradients(params, X[order], y[order], sample_weight=weight[order]), wanted)
    dX = net.input_gradient(params, X, y, sample_weight=weight)
    close(net.input_gradient(params, X[order], y[order], sample_weight=weight[order]), dX[order])


@SLOW
@given(st.data(), networks(), st.lists(st.integers(0, 3), min_size=1, max_size=5), SEEDS)
def test_whole_weights_are_repetitions(data, net, times, seed):
    assume(sum(times) > 0)
    m, random = len(times), np.random.default_rng(seed)
    params, X = parameters(net, CPU, "float64", seed), random.random((m, net.sizes[0]))
    y = targets(data.draw, net, m)
    weighted = net.cost_and_gradients(params, X, y, sample_weight=np.array(times, np.float64))
    close(weighted, net.cost_and_gradients(params, np.repeat(X, times, axis=0), np.repeat(y, times, axis=0)))


@SLOW
@given(st.data(), networks(), st.integers(1, 4), st.floats(0.01, 100), SEEDS)
def test_equal_weights_are_none(data, net, m, weight, seed):
    assume(net.cost != "summed_squared_error")
    params, X = parameters(net, CPU, "float64", seed), np.random.default_rng(seed).random((m, net.sizes[0]))
    y = targets(data.draw, net, m)
    weighted = net.cost_and_gradients(params, X, y, sample_weight=np.full(m, weight))
    close(weighted, net.cost_and_gradients(params, X, y))


@SLOW
@given(st.data(), networks(), SEEDS)
def test_the_mean_over_samples_is_that_of_each_alone(data, net, seed):
    m, random = 3, np.random.default_rng(seed)
    params, X = parameters(net, CPU, "float64", seed), random.random((m, net.sizes[0]))
    y = targets(data.draw, net, m)
    each = [net.cost_and_gradients(params, X[i : i + 1], y[i : i + 1]) for i in range(m)]
    without = cr.MLP(net.sizes, net.activation, net.output, net.cost, pieces=net.pieces)
    each_without = [without.cost_of(params, X[i : i + 1], y[i : i + 1]) for i in range(m)]
    share = 1 if net.cost == "summed_squared_error" else 1 / m
    omega = each[0][0] - each_without[0]
    cost = net.cost_of(params, X, y)
    close([np.asarray(cost)], [np.asarray(share * sum(each_without) + omega)])


@pytest.mark.parametrize(("dtype", "largest"), [("float32", 80.0), ("float64", 700.0)])
def test_an_exponential_output_is_right_up_to_large_numbers_and_then_infinite(device, dtype, largest):
    net = cr.MLP((1, 2), output="exp", cost="poisson")
    params = net.init(device=device, dtype=dtype, weights=[(np.eye(1, 2), [0.0, -2000.0])])
    y = device.asarray(np.array([[3.0, 0.0]]), dtype)
    for z in (largest, -2000.0, 1.5 * largest):
        X = device.asarray(np.array([[z]]), dtype)
        with np.errstate(over="ignore"):
            e = np.exp(np.asarray(z, dtype))
            J, [(dW, db)] = net.cost_and_gradients(params, X, y)
            y_hat = device.to_numpy(net.forward(params, X))
        np.testing.assert_allclose(y_hat, [[e, 0.0]], rtol=1e-5)
        np.testing.assert_allclose(float(J), e - 3 * z, rtol=1e-5)
        np.testing.assert_allclose(device.to_numpy(db), [e - 3, 0.0], rtol=1e-5)
        np.testing.assert_allclose(device.to_numpy(dW), [[z * (e - 3), 0.0]], rtol=1e-5)
