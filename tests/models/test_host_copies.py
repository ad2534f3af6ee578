"""No step copies anything from the device to the host, be it to look at a single number."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim as optimizers
from chainrule.models import logistic
from chainrule.optim import Batches, on_rows
from tests.cupy_on_cpu import IN_FRONT
from tests.helpers.devices import count_copies, device_asked_for
from tests.helpers.networks import EVERY_ACTIVATION, EVERY_COST, network, parameters, samples


@pytest.fixture(params=["strict:device1", "cuda"])
def away(request):
    return device_asked_for(request.param)


@pytest.mark.parametrize("read", [float, bool, int, lambda x: cr.get_device("cpu").to_numpy(x)])
def test_a_copy_is_seen_where_there_is_one(monkeypatch, away, read):
    x = away.asarray(np.asarray(1.0))
    copies = count_copies(monkeypatch, away)
    assert copies == []
    read(x)
    assert copies


def assert_no_copies(monkeypatch, device, run):
    copies, before = count_copies(monkeypatch, device), pretended_copies()
    run()
    assert copies == []
    assert pretended_copies() == before


def pretended_copies():
    """Return the copies to the host that the pretended GPU has counted, 0 where there is none."""
    if not IN_FRONT:
        return 0
    from cupy_on_cpu import counts

    return counts.to_host


def take_steps(net, rule, device):
    """Two steps on batches; what the steps need is on the device before they begin to be counted."""
    params = parameters(net, device, "float32")
    X, rows, numbers, weight = samples(net, device, "float32")
    y = numbers if net.output == "softmax" or "hinge" in net.cost else rows
    state, batches = rule.init(params), Batches(X.shape[0], 3, like=X)
    f = on_rows(
        lambda params, X, y, weight: net.cost_and_gradients(params, X, y, sample_weight=weight), X, y, weight
    )

    def steps():
        nonlocal params, state
        for step in range(2):
            _, gradients = f(params, batches(step))
            params, state = rule.update(gradients, state, params)

    return steps


GATES = {
    "abs": lambda xp, x: xp.abs(x),
    "sign": lambda xp, x: xp.sign(x) * x,
    "copysign": lambda xp, x: xp.copysign(x, x),
    "clip": lambda xp, x: xp.clip(x, -0.5, 0.5),
    "clip by an array": lambda xp, x: xp.clip(x, xp.stop_gradient(x) - 1, None),
    "norm of order 1": lambda xp, x: xp.linalg.vector_norm(x, ord=1),
    "norm of order inf": lambda xp, x: xp.linalg.vector_norm(x, ord=float("inf")),
    "cholesky": lambda xp, x: xp.linalg.cholesky(
        xp.linalg.outer(x, x) + 9 * xp.eye(4, dtype=x.dtype, device=x.device)
    ),
}


@pytest.mark.parametrize("gate", GATES.values(), ids=GATES)
def test_gradients_of_a_gate(monkeypatch, away, gate):
    xp = cr.differentiable(away.xp)
    x = away.asarray(np.asarray([0.3, -1.2, 0.0, 0.8], "float32"))
    gradient = cr.grad(lambda x: xp.sum(gate(xp, x)))
    gradient(x)
    assert_no_copies(monkeypatch, away, lambda: gradient(x))


@EVERY_ACTIVATION
@EVERY_COST
def test_steps_of_a_network(monkeypatch, away, activation, output, cost):
    steps = take_steps(network(activation, output, cost, "ElasticNet"), optimizers.adam(), away)
    assert_no_copies(monkeypatch, away, steps)


@pytest.mark.parametrize("name", sorted(optimizers.OPTIMIZERS))
def test_steps_of_an_optimiser(monkeypatch, away, name):
    rule = optimizers.clipped(optimizers.OPTIMIZERS[name](optimizers.cosine(0.1, 5)), 1.0)
    steps = take_steps(network("tanh", "softmax", "cross_entropy"), rule, away)
    assert_no_copies(monkeypatch, away, steps)


@pytest.mark.parametrize("spelling", ["by_sample", "by_scaling", "by_matmul", "by_tiles"])
def test_steps_of_logistic_regression(monkeypatch, away, spelling):
    rng = np.random.default_rng(5)
    X, y, w = rng.standard_normal((7, 3)), rng.random(7) < 0.5, rng.standard_normal(3)
    arrays = [away.asarray(x.astype("float32")) for x in (X, y, w, np.asarray(0.1))]
    assert_no_copies(monkeypatch, away, lambda: logistic.SPELLINGS[spelling](*arrays))
