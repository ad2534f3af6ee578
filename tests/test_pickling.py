"""What other processes are sent: optimisers, schedules, batches, devices and networks, as pickles."""

import copy
import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

import chainrule as cr
from chainrule import optim
from chainrule.backend.namespaces import to_numpy
from chainrule.optim import Batches

MAKERS = {name: (make, 0.1) for name, make in optim.OPTIMIZERS.items()}
MAKERS |= {
    "adamw, warmed up": (optim.adamw, optim.warm_up(optim.cosine(0.1, 5), 3)),
    "clipped": (
        lambda rate: optim.clipped(optim.momentum(rate), 0.5),
        optim.step_decay(0.1, 2),
    ),
}


def again(x):
    return pickle.loads(pickle.dumps(x))


@pytest.mark.parametrize("name", MAKERS)
def test_an_optimiser_takes_the_same_steps_after_pickling(name, device):
    make, rate = MAKERS[name]
    one = make(rate)
    two = again(one)
    params = mine = {"W": device.asarray(np.arange(6.0).reshape(2, 3)), "b": device.asarray([1.0, -1.0])}
    state, my_state = one.init(params), two.init(params)
    for step in range(5):
        gradients = {key: x * (step - 2.0) for key, x in params.items()}
        params, state = one.update(gradients, state, params)
        mine, my_state = two.update(gradients, my_state, mine)
        # A run may be sent on between any two steps.
        two = again(two)
    assert two.learning_rate == one.learning_rate
    for key in params:
        assert to_numpy(mine[key]).tobytes() == to_numpy(params[key]).tobytes()


@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_have_the_same_rows_after_pickling(device, shuffle):
    like = device.asarray([[0.0]])
    one = Batches(10, 3, seed=4, like=like, shuffle=shuffle)
    one(5)
    two = again(one)
    assert len(two) == len(one)
    for step in range(9):
        rows = two(step)
        assert rows.device == like.device
        np.testing.assert_array_equal(to_numpy(rows), to_numpy(one(step)))


def test_a_device_is_the_same_device_after_pickling(device):
    assert again(device) == copy.deepcopy(device) == device
    assert again(device).name == device.name


def test_unpickling_a_device_without_its_package_says_so(monkeypatch):
    text = pickle.dumps(cr.get_device("strict"))
    monkeypatch.setattr("importlib.import_module", lambda name: (_ for _ in ()).throw(ModuleNotFoundError))
    with pytest.raises(RuntimeError, match="strict: the package array-api-strict is missing"):
        pickle.loads(text)


def test_another_process_computes_what_this_one_does():
    net = cr.MLP((3, 4, 1), penalty=cr.L2(0.1))
    params = net.init(device="cpu")
    X, y = np.ones((10, 3)), np.zeros(10)
    rule, batches = optim.clipped(optim.adam(), 1.0), Batches(10, 3, like=X)
    cost, gradients = net.cost_and_gradients(params, X, y)
    new, _ = rule.update(gradients, rule.init(params), params)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        asked = [
            pool.submit(net.cost_and_gradients, params, X, y),
            pool.submit(rule.update, gradients, rule.init(params), params),
            pool.submit(batches, 2),
            pool.submit(cr.get_device("cpu").asarray, [1, 2]),
        ]
        (their_cost, _), (theirs, _), rows, numbers = (answer.result(60) for answer in asked)
    assert their_cost == cost
    for (W, b), (V, c) in zip(theirs, new, strict=True):
        assert (W.tobytes(), b.tobytes()) == (V.tobytes(), c.tobytes())
    np.testing.assert_array_equal(rows, batches(2))
    np.testing.assert_array_equal(numbers, [1, 2])
