"""No step of training copies anything from the device to the host, be it to look at a single number."""

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim as optimizers
from chainrule.models import logistic
from chainrule.optim import Batches, on_rows
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


@EVERY_ACTIVATION
@EVERY_COST
def test_steps_of_a_network(monkeypatch, away, activation, output, cost):
    steps = take_steps(network(activation, output, cost, "ElasticNet"), optimizers.adam(), away)
    copies = count_copies(monkeypatch, away)
    steps()
    assert copies == []


@pytest.mark.parametrize("name", sorted(optimizers.OPTIMIZERS))
def test_steps_of_an_optimiser(monkeypatch, away, name):
    rule = optimizers.clipped(optimizers.OPTIMIZERS[name](optimizers.cosine(0.1, 5)), 1.0)
    steps = take_steps(network("tanh", "softmax", "cross_entropy"), rule, away)
    copies = count_copies(monkeypatch, away)
    steps()
    assert copies == []


@pytest.mark.parametrize("spelling", ["by_sample", "by_scaling", "by_matmul", "by_tiles"])
def test_steps_of_logistic_regression(monkeypatch, away, spelling):
    rng = np.random.default_rng(5)
    X, y, w = rng.standard_normal((7, 3)), rng.random(7) < 0.5, rng.standard_normal(3)
    arrays = [away.asarray(x.astype("float32")) for x in (X, y, w, np.asarray(0.1))]
    copies = count_copies(monkeypatch, away)
    logistic.SPELLINGS[spelling](*arrays)
    assert copies == []
