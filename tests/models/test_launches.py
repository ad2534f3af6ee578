"""How many kernels a small step launches on a GPU: the table of bench/launches.py, counted on the pretended device."""

import numpy as np
import pytest

import chainrule as cr
from bench import launches
from chainrule import pytree
from chainrule.backend import fusion
from chainrule.gates import losses
from chainrule.models.kernels.cupy import Biased, CupyOps
from chainrule.models.targets import one_hot
from tests.helpers.devices import device_asked_for

LAUNCHES = {
    "logistic by_matmul": 8,
    "logistic by_tiles": 8,
    "logistic, 10 classes": 10,
    "network, Adam": 20,
    "network, L2, Adam": 24,
    "network, Adam, clipped": 29,
    "value_and_grad, 4 x tanh": 34,
}
EVERY_PENALTY = pytest.mark.parametrize(
    "penalty",
    [
        cr.L1(0.3),
        cr.L2(0.7, biases=True),
        cr.ElasticNet(0.4, 0.3),
        cr.ElasticNet(0.4, 0.3, biases=True),
        cr.L2(0.0),
    ],
    ids=repr,
)


@pytest.fixture
def gpu():
    return device_asked_for("cuda")


@pytest.fixture
def counted(gpu):
    pytest.importorskip(
        "cupy_on_cpu", reason="launches are counted on the device that tests/cupy_on_cpu pretends"
    )


def test_every_step_is_in_the_table():
    assert LAUNCHES.keys() == launches.STEPS.keys()


@pytest.mark.parametrize("name", LAUNCHES)
def test_a_step_is_numpys_and_launches_no_more_kernels(gpu, counted, name):
    row, cpu = launches.STEPS[name], cr.get_device("cpu")
    got, right = (launches.proof(row.chainrule, row.problem, device, "float64") for device in (gpu, cpu))
    for x, y in zip(got, right, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)
    assert launches.launches(row.chainrule, row.problem, gpu) == LAUNCHES[name]


@pytest.mark.parametrize("f", [np.tanh, np.square])
def test_a_fused_pullback_is_the_gates_at_every_order(gpu, f):
    numbers = np.array([0.3, -1.2, 2.0, 0.0, -40.0])
    x, cpu = gpu.asarray(numbers), cr.get_device("cpu")

    def total(x):
        return np.sum(f(x) * x)

    def squares(x):
        return np.sum(cr.grad(total)(x) ** 2)

    def tangent(x):
        return cr.jvp(f, (x,), (x,))[1]

    for transformed in (cr.grad(total), cr.grad(squares), cr.hessian(total), cr.jacobian(f), tangent):
        got, right = gpu.to_numpy(transformed(x)), transformed(cpu.asarray(numbers))
        np.testing.assert_allclose(got, right, rtol=1e-13, atol=1e-15)
    for dtype in ("float16", "float32"):
        assert cr.grad(total)(gpu.asarray(numbers, dtype)).dtype == dtype


def one_and_its_parts(gpu, dtype="float32"):
    like = [gpu.asarray(np.zeros(shape), dtype) for shape in ((3,), (2, 3), (), (0, 4), (2,))]
    vector = gpu.asarray(np.arange(12.0), dtype)
    return vector, fusion.parts(vector, like)


def test_the_parts_of_a_vector_are_matrices_then_vectors(gpu):
    vector, parts = one_and_its_parts(gpu)
    assert [gpu.to_numpy(x).tolist() for x in parts] == [[6, 7, 8], [[0, 1, 2], [3, 4, 5]], 11, [], [9, 10]]
    assert fusion.whole(gpu.xp, parts) is vector


def test_arrays_that_are_not_all_of_a_vector_are_no_parts_of_it(gpu):
    vector, parts = one_and_its_parts(gpu)
    xp = gpu.xp
    assert fusion.whole(xp, parts[1:]) is None
    assert fusion.whole(xp, [parts[0], parts[1].T, *parts[2:]]) is None
    assert fusion.whole(xp, [parts[4], parts[1], *parts[2:4], parts[0]]) is None
    assert fusion.whole(xp, [x.copy() for x in parts]) is None
    assert fusion.whole(xp, [vector]) is None
    assert fusion.whole(xp, []) is None
    matrix = xp.zeros((4, 3), dtype=xp.float32)
    assert fusion.whole(xp, [matrix[:2], matrix[2:]]) is None


@pytest.mark.parametrize("name", sorted(cr.optimizers.OPTIMIZERS))
def test_updates_of_parts_are_those_of_single_arrays(gpu, name):
    net, rule = cr.MLP((5, 4, 3), "tanh", "softmax"), cr.optimizers.OPTIMIZERS[name](0.1)
    rng = np.random.default_rng(3)
    X, y = gpu.asarray(rng.standard_normal((6, 5)), "float32"), gpu.asarray(rng.integers(0, 3, 6))
    params = net.init(0, gpu)
    together = alone = params, rule.init(params)
    for _ in range(3):
        _, gradients = net.cost_and_gradients(together[0], X, y)
        together = rule.update(gradients, together[1], together[0])
        copies = pytree.mapped(lambda g: g.copy(), gradients)
        alone = rule.update(copies, alone[1], alone[0])
        assert fusion.whole(gpu.xp, pytree.flat(together[0])) is not None
        assert fusion.whole(gpu.xp, pytree.flat(alone[0])) is None
    for x, z in zip(pytree.flat(together), pytree.flat(alone), strict=True):
        np.testing.assert_array_equal(gpu.to_numpy(x), gpu.to_numpy(z)) if hasattr(x, "dtype") else None


def test_a_change_in_place_of_one_parameter_changes_no_other(gpu):
    net, rule = cr.MLP((5, 4, 3), "tanh", "softmax"), cr.optimizers.adam()
    X, y = gpu.asarray(np.ones((2, 5)), "float32"), gpu.asarray([0, 1])
    params = net.init(0, gpu)
    params, state = rule.update(net.cost_and_gradients(params, X, y)[1], rule.init(params), params)
    before = [gpu.to_numpy(x) for x in pytree.flat(params)]
    params[0][1][:] = 7.0
    after = [gpu.to_numpy(x) for x in pytree.flat(params)]
    assert after[1].tolist() == [7.0] * 4
    for i in (0, 2, 3):
        np.testing.assert_array_equal(after[i], before[i])
    # What was changed counts in the next update.
    params, _ = rule.update(net.cost_and_gradients(params, X, y)[1], state, params)
    assert abs(gpu.to_numpy(params[0][1]) - 7).max() < 0.01


def test_one_array_that_is_the_weights_of_two_layers_has_two_gradients(gpu):
    cpu, rng = cr.get_device("cpu"), np.random.default_rng(5)
    numbers = rng.standard_normal((4, 4)), rng.standard_normal(4), rng.standard_normal((3, 4))
    out = []
    for device in (cpu, gpu):
        W, b, X = (device.asarray(x, "float64") for x in numbers)
        net = cr.MLP((4, 4, 4), "tanh", "softmax")
        cost, gradients = net.cost_and_gradients([(W, b), (W, b)], X, device.asarray([0, 3, 1]))
        out.append([device.to_numpy(x) for x in (cost, *pytree.flat(gradients))])
    for x, y in zip(*out, strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-12, atol=1e-14)


def test_two_calls_share_no_memory(gpu):
    net, X, y = (
        cr.MLP((4, 3, 2), output="softmax"),
        gpu.asarray(np.ones((2, 4)), "float32"),
        gpu.asarray([0, 1]),
    )
    params = net.init(0, gpu)
    _, first = net.cost_and_gradients(params, X, y)
    kept = [gpu.to_numpy(g) for g in pytree.flat(first)]
    net.cost_and_gradients(params, X * 3, y)
    for x, g in zip(kept, pytree.flat(first), strict=True):
        np.testing.assert_array_equal(x, gpu.to_numpy(g))


@EVERY_PENALTY
def test_a_penalty_of_all_parameters_is_that_of_each(gpu, penalty):
    cpu, rng = cr.get_device("cpu"), np.random.default_rng(6)
    X, y, out = rng.standard_normal((6, 5)), rng.integers(0, 3, 6), []
    net, rule = cr.MLP((5, 4, 3), "tanh", "softmax", penalty=penalty), cr.optimizers.adam()
    for device in (cpu, gpu):
        params = net.init(0, device, "float64")
        params[0][0][0, :2] = 0.0
        state = rule.init(params)
        for _ in range(2):
            cost, gradients = net.cost_and_gradients(params, device.asarray(X), device.asarray(y))
            params, state = rule.update(gradients, state, params)
        out.append([device.to_numpy(x) for x in (cost, *pytree.flat(gradients), *pytree.flat(params))])
    for x, z in zip(*out, strict=True):
        np.testing.assert_allclose(z, x, rtol=1e-11, atol=1e-13)


def test_the_penalty_of_a_nan_is_nan(gpu):
    net = cr.MLP((2, 2), output="softmax", penalty=cr.L1(0.5))
    params = net.init(0, gpu, "float64")
    params[0][0][0, 0] = np.nan
    cost, ((dW, _),) = net.cost_and_gradients(params, gpu.asarray(np.zeros((1, 2))), gpu.asarray([0]))
    assert np.isnan(float(cost))
    assert np.isnan(gpu.to_numpy(dW)[0, 0])


LOGITS = np.array(
    [
        [0.0, 0.0, 0.0],
        [1000.0, -1000.0, 999.0],
        [-1000.0, -1000.0, -1000.0],
        [30.0, 30.0 - 1e-9, -30.0],
        [-745.0, 0.5, 2.0],
        [20.0, -20.0, 0.0],
    ]
)
NOT_FINITE = np.array([[np.inf, 0, 0], [-np.inf, 0, 0], [np.nan, 0, 0], [0, np.nan, 0], [-np.inf] * 3])


@pytest.mark.parametrize("logits", [LOGITS, NOT_FINITE], ids=["finite", "not finite"])
@pytest.mark.parametrize("rows", ["one", "shares", "nan"])
def test_the_kernel_of_softmax_cross_entropy_is_the_gate(gpu, dtype, logits, rows):
    m, k = logits.shape
    shares = np.eye(k)[np.arange(m) % k] if rows != "shares" else np.random.default_rng(0).random((m, k))
    if rows == "nan":
        shares[1] = np.nan
    bias = np.array([0.5, -0.25, 0.0])
    Z, y, b, g = (gpu.asarray(x, dtype) for x in (logits, shares, bias, np.linspace(-1, 2, m)))
    with np.errstate(all="ignore"):
        numbers = [gpu.to_numpy(x).astype("float64") for x in (Z + b, y, g)]
        right, (to_Z, _) = losses.softmax_cross_entropy(np, *numbers[:2])
        slopes = to_Z(numbers[2])
    each, (to_Z, to_rows) = CupyOps(gpu.xp).gate(losses.softmax_cross_entropy)(gpu.xp, Biased(Z, b), y)
    tolerance = 1e-14 if dtype == "float64" else 3e-6
    assert (each.dtype, to_Z(g).dtype) == (Z.dtype, Z.dtype)
    np.testing.assert_allclose(gpu.to_numpy(each), right, rtol=tolerance, atol=0)
    # Of shares that are near softmax the difference is small, and its error that of the shares.
    error = tolerance / 10 if rows == "shares" else 1e-37
    np.testing.assert_allclose(gpu.to_numpy(to_Z(g)), slopes, rtol=tolerance, atol=error)
    np.testing.assert_array_equal(
        gpu.to_numpy(to_Z(0.5)), gpu.to_numpy(to_Z(gpu.xp.full(m, 0.5, dtype=Z.dtype)))
    )
    assert to_rows(g).shape == y.shape


@pytest.mark.parametrize("classes", [256, 257])
def test_rows_of_many_classes_go_through_the_gate(gpu, classes):
    cpu, rng = cr.get_device("cpu"), np.random.default_rng(7)
    X, y, out = rng.standard_normal((3, 4)), rng.integers(0, classes, 3), []
    for device in (cpu, gpu):
        net = cr.MLP((4, classes), output="softmax")
        got = net.cost_and_gradients(net.init(0, device, "float64"), device.asarray(X), device.asarray(y))
        out.append([device.to_numpy(x) for x in pytree.flat(got)])
    for x, z in zip(*out, strict=True):
        np.testing.assert_allclose(z, x, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("kind", ["float32", "float64", "int8", "int64", "uint8", "bool"])
def test_the_row_of_a_number_that_is_no_class_is_nan(gpu, kind):
    y = {"bool": [0, 1], "uint8": [0, 2, 255]}.get(kind, [2, 0, -1, 3, 1])
    rows = gpu.to_numpy(one_hot(gpu.xp, gpu.asarray(np.array(y, kind)), 3, "float32"))
    right = [np.eye(3)[c] if 0 <= c < 3 else [np.nan] * 3 for c in y]
    np.testing.assert_array_equal(rows, np.array(right, "float32"))


def test_the_row_of_half_a_class_is_nan(gpu):
    y = gpu.asarray([0.5, 1.0, np.nan, np.inf, -np.inf])
    rows = gpu.to_numpy(one_hot(gpu.xp, y, 2))
    np.testing.assert_array_equal(rows, [[np.nan] * 2, [0, 1], *[[np.nan] * 2] * 3])


@pytest.mark.parametrize("m", [1, 4096, 4097])
def test_the_mean_of_losses_is_numpys(gpu, dtype, m):
    x = np.random.default_rng(8).random(m).astype(dtype)
    got = CupyOps(gpu.xp).mean(gpu.asarray(x))
    assert (got.shape, got.dtype) == ((), x.dtype)
    np.testing.assert_allclose(
        gpu.to_numpy(got), x.astype("float64").mean(), rtol=1e-6 if dtype == "float32" else 1e-14
    )
