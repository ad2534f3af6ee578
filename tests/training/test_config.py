import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.optim import OPTIMIZERS
from chainrule.training.config import Options, read_penalty, read_schedule, read_sizes, scheduled
from tests.helpers.runs import config


def test_a_network_is_what_many_classes_get():
    made = config()
    assert made.net == cr.MLP((4, 512, 256, 3), "relu", "softmax")
    assert (made.weights, made.optimizer, made.learning_rate) == (None, "adam", 0.001)
    assert (made.batch, made.steps, made.report_every, made.patience) == (64, 400, 2, 20)
    assert Options().settled(3).validation == 0.1


def test_logistic_regression_is_what_two_classes_get():
    made = config(classes=2)
    assert made.net == cr.MLP((4, 1))
    assert (made.weights, made.optimizer, made.learning_rate) == ("zeros", "gradient-descent", 0.125)
    assert (made.batch, made.steps, made.report_every, made.patience) == (None, 1000, 50, None)
    assert Options().settled(2).validation == 0


@pytest.mark.parametrize("options", [{"hidden": "5"}, {"model": "mlp"}, {"activation": "tanh"}], ids=str)
def test_what_only_a_network_has_makes_it_one(options):
    assert len(config(classes=2, **options).net.sizes) > 2


def test_the_logistic_regression_of_many_classes_has_softmax_outputs():
    made = config(model="logistic")
    assert made.net == cr.MLP((4, 3), output="softmax")
    assert made.learning_rate == 0.125 / 2


@pytest.mark.parametrize(
    ("optimizer", "rate"), [("momentum", 0.125), ("nesterov", 0.125), ("adam", 0.001), ("rmsprop", 0.001)]
)
def test_the_rate_from_the_data_is_for_steps_along_the_gradient(optimizer, rate):
    assert config(classes=2, optimizer=optimizer).learning_rate == rate
    assert config(classes=2, optimizer=optimizer, learning_rate=0.3).learning_rate == 0.3
    assert config(optimizer="gradient-descent").learning_rate == 0.01


def test_epochs_are_as_many_steps_as_they_have_batches():
    assert config(epochs=3, batch="30").steps == 12
    assert config(epochs=3, batch="all").steps == 3
    assert config(steps=7, batch="30").steps == 7
    assert config(steps=0, batch="all").report_every == 1
    assert config(epochs=3, report_every=5).report_every == 5


def test_validation_is_for_batches_where_nobody_says_else():
    settled = Options(batch="all").settled(3)
    assert (settled.validation, settled.patience) == (0, None)
    settled = Options(validation=0).settled(3)
    assert (settled.validation, settled.patience) == (0, None)
    settled = Options(batch="all", validation=0.2, patience=4).settled(3)
    assert (settled.validation, settled.patience) == (0.2, 4)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"model": "logistic", "hidden": "5"}, "--hidden is for networks, got --model logistic too"),
        ({"model": "logistic", "activation": "relu"}, "--activation is for networks"),
        ({"steps": 3, "epochs": 3}, "expected --steps or --epochs, got both"),
        ({"validation": 1.0}, "--validation: expected a share from 0 up and under 1, got 1.0"),
        ({"validation": math.nan}, "--validation"),
        ({"batch": "0"}, "--batch: expected a number of rows from 1 up, or all, got '0'"),
        ({"batch": "some"}, "--batch"),
        ({"batch": "-4"}, "--batch"),
        ({"tol": 0.1}, "--tol judges the gradient of all rows, got batches; give --batch all"),
        ({"hidden": "5,0"}, "--hidden: expected whole numbers from 1 up such as 20,7,5, got '5,0'"),
        ({"hidden": "5;7"}, "--hidden"),
        ({"hidden": ","}, "--hidden"),
        ({"activation": "swish"}, "--activation: expected one of"),
        ({"optimizer": "lion"}, "--optimizer: expected one of gradient-descent, momentum, .*, got 'lion'"),
        ({"penalty": "l3:1"}, "--penalty: expected none, l1:0.1, l2:0.7 or elastic:0.1:0.5, got 'l3:1'"),
        ({"penalty": "l2"}, "--penalty"),
        ({"penalty": "l2:x"}, "--penalty"),
        ({"penalty": "l2:1:2"}, "--penalty"),
        ({"penalty": "elastic:1"}, "--penalty"),
        ({"penalty": "none:1"}, "--penalty"),
        ({"penalty": "l2:-1"}, "^--penalty: strength must be a finite number from 0 up, got 'l2:-1'"),
        ({"penalty": "elastic:1:2"}, "^--penalty: the ratio must be from 0 to 1, got 'elastic:1:2'"),
        ({"schedule": "linear"}, "--schedule: expected constant, step"),
        ({"schedule": "constant:3"}, "--schedule"),
        ({"schedule": "step:0"}, "--schedule: expected a whole number of steps from 1 up, got 'step:0'"),
        ({"schedule": "cosine:1.5"}, "--schedule: expected a whole number"),
        ({"schedule": "step:3:-1"}, "^--schedule: factor must be a positive, finite number, got 'step:3:-1'"),
        ({"schedule": "cosine:3:nan"}, "--schedule"),
    ],
    ids=str,
)
def test_an_option_that_cannot_be_is_told(options, words):
    with pytest.raises(ValueError, match=words):
        config(**options)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=5))
def test_sizes_are_read_as_they_are_written(sizes):
    assert read_sizes(",".join(map(str, sizes))) == tuple(sizes)
    assert read_sizes(" , ".join(map(str, sizes))) == tuple(sizes)


@given(st.floats(0, 1e300), st.floats(0, 1))
def test_penalties_are_read_as_they_are_written(strength, ratio):
    assert read_penalty("none") is None
    assert read_penalty(f"l1:{strength!r}") == cr.L1(strength)
    assert read_penalty(f"l2:{strength!r}") == cr.L2(strength)
    assert read_penalty(f"elastic:{strength!r}:{ratio!r}") == cr.ElasticNet(strength, ratio)


@pytest.mark.parametrize(
    ("text", "resolved", "rates"),
    [
        ("constant", "constant", {0: 2.0, 899: 2.0}),
        ("step", "step:300:0.10000000000000001", {0: 2.0, 299: 2.0, 300: 0.2, 899: 0.02}),
        ("step:10:0.5", "step:10:0.5", {9: 2.0, 10: 1.0, 20: 0.5}),
        ("cosine", "cosine:900:0", {0: 2.0, 450: 1.0, 900: 0.0}),
        ("cosine:100:0.5", "cosine:100:0.5", {50: 1.25, 100: 0.5, 899: 0.5}),
        ("warm-up", "warm-up:90", {0: 2 / 90, 89: 2.0, 899: 2.0}),
        ("warm-up:4", "warm-up:4", {0: 0.5, 1: 1.0, 3: 2.0}),
    ],
)
def test_a_schedule_has_nothing_left_open(text, resolved, rates):
    assert read_schedule(text, 900) == resolved
    # Another number of steps leaves alone what is said in full.
    assert read_schedule(resolved, 12345) == resolved
    made = scheduled(resolved, 2.0)
    for step, rate in rates.items():
        assert made(step) == pytest.approx(rate, abs=1e-12)


@given(st.sampled_from(["constant", "step", "cosine", "warm-up"]), st.integers(0, 10**9))
def test_every_schedule_fits_every_length(name, steps):
    resolved = read_schedule(name, steps)
    assert read_schedule(resolved, 1) == resolved


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimiser_is_made_with_its_schedule_and_clipped(optimizer, device):
    made = config(optimizer=optimizer, schedule="step:1:0.5", learning_rate=0.5, clip=1e-3).make_optimizer()
    free = config(optimizer=optimizer, schedule="step:1:0.5", learning_rate=0.5).make_optimizer()
    params, g = [device.asarray([1.0, 1.0])], [device.asarray([3.0, 4.0])]
    state, (clipped, _), (loose, _) = (
        made.init(params),
        *(optimizer.update(g, optimizer.init(params), params) for optimizer in (made, free)),
    )
    assert state["step"] == 0
    assert made.learning_rate == 0.5
    moved, freely = (float(device.xp.sum(device.xp.abs(x[0] - params[0]))) for x in (clipped, loose))
    by_size = optimizer in ("gradient-descent", "momentum", "nesterov")
    assert moved < 2e-3 if by_size else moved == pytest.approx(freely, rel=0.05)
