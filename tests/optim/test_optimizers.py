import math
from collections import defaultdict
from inspect import Parameter, signature
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import pytree
from chainrule.optim import OPTIMIZERS, clipped, cosine, optimizers, step_decay, warm_up
from tests.helpers.arrays import read_only
from tests.helpers.devices import count_copies

NAMES = sorted(OPTIMIZERS)
NUMBERS = st.floats(-10, 10).map(lambda x: round(x, 3))
# Not nearer to 0: a running mean that forgets at once keeps the rounding of what it forgot.
FRACTIONS = st.floats(0.1, 0.99).map(lambda x: round(x, 3))
RATES = st.floats(0.001, 1).map(lambda x: round(x, 4))


def recurrence(name, p, gradients, rates, **s):
    """One parameter through the steps as its paper writes them, in plain Python floats."""
    v = m = 0.0
    for t, (g, rate) in enumerate(zip(gradients, rates, strict=True), start=1):
        if name == "gradient-descent":
            p -= rate * g
        elif name == "momentum":
            v = s["beta"] * v + g
            p -= rate * v
        elif name == "nesterov":
            v = s["beta"] * v + g
            p -= rate * (g + s["beta"] * v)
        elif name == "rmsprop":
            v = s["decay"] * v + (1 - s["decay"]) * g**2
            p -= rate * g / (math.sqrt(v) + s["epsilon"])
        else:
            m = s["beta1"] * m + (1 - s["beta1"]) * g
            v = s["beta2"] * v + (1 - s["beta2"]) * g**2
            m_hat, v_hat = m / (1 - s["beta1"] ** t), v / (1 - s["beta2"] ** t)
            decayed = rate * s["weight_decay"] * p if name == "adamw" else 0.0
            p = p - rate * m_hat / (math.sqrt(v_hat) + s["epsilon"]) - decayed
    return p


def drawn_settings(data, name):
    epsilon = st.sampled_from([1e-8, 1e-3, 0.5])
    kinds = {
        "gradient-descent": {},
        "momentum": {"beta": FRACTIONS},
        "nesterov": {"beta": FRACTIONS},
        "rmsprop": {"decay": FRACTIONS, "epsilon": epsilon},
        "adam": {"beta1": FRACTIONS, "beta2": FRACTIONS, "epsilon": epsilon},
        "adamw": {
            "beta1": FRACTIONS,
            "beta2": FRACTIONS,
            "epsilon": epsilon,
            "weight_decay": st.floats(0, 0.5).map(lambda x: round(x, 3)),
        },
    }
    return data.draw(st.fixed_dictionaries(kinds[name]))


def taken(optimizer, params, gradients):
    """The params and state after the steps, of which no argument may be written to."""
    state = optimizer.init(pytree.mapped(read_only, params))
    for g in gradients:
        pytree.mapped(read_only, (params, g, state))
        before, handed = dict(state), state
        params, state = optimizer.update(g, state, params)
        assert all(handed[key] is part for key, part in before.items())
    return params, state


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=25)
def test_the_steps_are_those_of_the_paper(name, data):
    s = drawn_settings(data, name)
    rate = data.draw(RATES)
    start = data.draw(st.lists(NUMBERS, min_size=3, max_size=3))
    steps = data.draw(st.lists(st.lists(NUMBERS, min_size=3, max_size=3), min_size=1, max_size=6))
    ours, state = taken(
        OPTIMIZERS[name](rate, **s),
        [(np.array(start[:2]), np.asarray(start[2]))],
        [[(np.array(g[:2]), np.asarray(g[2]))] for g in steps],
    )
    ((W, b),) = ours
    expected = [
        recurrence(name, p, column, [rate] * len(steps), **s)
        for p, column in zip(start, zip(*steps, strict=True), strict=True)
    ]
    np.testing.assert_allclose([*W, float(b)], expected, rtol=1e-9, atol=1e-9)
    assert state["step"] == len(steps)


@pytest.mark.parametrize("name", NAMES)
def test_the_defaults_are_those_of_the_papers(name):
    s = {
        "gradient-descent": {},
        "momentum": {"beta": 0.9},
        "nesterov": {"beta": 0.9},
        "rmsprop": {"decay": 0.9, "epsilon": 1e-8},
        "adam": {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8},
        "adamw": {"beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "weight_decay": 0.01},
    }[name]
    optimizer = OPTIMIZERS[name](0.001)
    gradients = [0.5, -2.0, 1e-6, 0.0, 3.0]
    (p,), _ = taken(optimizer, [np.asarray(0.7)], [[np.asarray(g)] for g in gradients])
    assert float(p) == pytest.approx(recurrence(name, 0.7, gradients, [0.001] * 5, **s), rel=1e-12)
    assert optimizer.learning_rate == 0.001
    if name in ("rmsprop", "adam", "adamw"):
        assert OPTIMIZERS[name]().learning_rate == 0.001


@pytest.mark.parametrize("name", NAMES)
def test_on_every_device_the_numbers_are_those_of_numpy(name, device, dtype):
    rng = np.random.default_rng(3)
    start = [(rng.standard_normal((2, 3)), rng.standard_normal(3))]
    steps = [[(rng.standard_normal((2, 3)), rng.standard_normal(3))] for _ in range(5)]

    def there(tree):
        return pytree.mapped(lambda x: device.asarray(x, dtype), tree)

    optimizer = clipped(OPTIMIZERS[name](0.05), 1.5)
    here, _ = taken(optimizer, start, steps)
    ours, state = taken(optimizer, there(start), [there(g) for g in steps])
    like = there(start)[0][0]
    for x in pytree.flat(ours) + pytree.flat({key: part for key, part in state.items() if key != "step"}):
        assert x.dtype == like.dtype
        assert x.device == like.device
    for x, y in zip(pytree.flat(ours), pytree.flat(here), strict=True):
        np.testing.assert_allclose(
            device.to_numpy(x), y, rtol=1e-4 if dtype == "float32" else 1e-12, atol=1e-6
        )


@pytest.mark.parametrize("name", NAMES)
def test_float32_stays_over_many_steps_whatever_kind_the_numbers_are(name, device):
    # NumPy's own scalars come from grids of settings and from schedules, and would widen float32.
    s = {
        "momentum": {"beta": np.float64(0.9)},
        "nesterov": {"beta": np.float64(0.9)},
        "rmsprop": {"decay": np.float64(0.9), "epsilon": np.float64(1e-8)},
        "adamw": {"weight_decay": np.float64(0.01), "beta1": np.float64(0.9), "beta2": np.float64(0.99)},
    }.get(name, {})
    optimizer = clipped(OPTIMIZERS[name](lambda step: np.float64(0.1) / (step + 1), **s), np.float64(5.0))
    params = {"w": device.asarray([3.0, -2.0], "float32")}
    state = optimizer.init(params)
    # Each step of array-api-strict asks for the dtypes again, and takes fifty times as long.
    for _ in range(1000 if device.xp is np else 20):
        params, state = optimizer.update(params, state, params)
    assert all(
        x.dtype == device.xp.float32
        for x in [params["w"], *pytree.flat([state[k] for k in state if k != "step"])]
    )
    assert params["w"].device == device.asarray([0.0]).device
    assert type(optimizer.learning_rate) is float
    w = device.to_numpy(params["w"])
    assert np.all(np.isfinite(w))
    assert np.all(np.abs(w) < [3, 2]), "it goes down"


class Layer(NamedTuple):
    W: object
    b: object


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "nest",
    [
        lambda a, b, c: [(a, b), (c,)],
        lambda a, b, c: {"first": a, "rest": [b, {"last": c}]},
        lambda a, b, c: (Layer(a, b), c),
        lambda a, b, c: defaultdict(list, {"x": [a, b], "y": c}),
    ],
)
def test_parameters_may_be_nested_and_the_nesting_changes_no_number(name, nest):
    rng = np.random.default_rng(0)
    flat = [rng.standard_normal(shape) for shape in ((2, 3), (3,), ())]
    steps = [[rng.standard_normal(x.shape) for x in flat] for _ in range(3)]
    optimizer = OPTIMIZERS[name](0.1)
    plain, _ = taken(optimizer, flat, steps)
    nested, _ = taken(optimizer, nest(*flat), [nest(*g) for g in steps])
    expected = nest(*plain)
    assert type(nested) is type(expected)
    for x, y in zip(pytree.flat(nested), pytree.along(expected, nested, "expected"), strict=True):
        assert np.array_equal(x, y)
    (alone, _) = taken(optimizer, flat[0], [g[0] for g in steps])
    assert np.array_equal(alone, plain[0]), "one array is a tree too"


@pytest.mark.parametrize("name", NAMES)
def test_dicts_of_gradients_go_by_their_keys(name):
    optimizer = OPTIMIZERS[name](0.5)
    params = {"a": np.ones(2), "b": np.ones(2)}
    one, _ = optimizer.update({"a": np.ones(2), "b": np.zeros(2)}, optimizer.init(params), params)
    other, _ = optimizer.update({"b": np.zeros(2), "a": np.ones(2)}, optimizer.init(params), params)
    assert one["a"][0] < one["b"][0]
    assert np.array_equal(one["a"], other["a"])
    assert np.array_equal(one["b"], other["b"])


@pytest.mark.parametrize("wrap", [lambda optimizer: optimizer, lambda optimizer: clipped(optimizer, 1.0)])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("gradients", "message"),
    [
        ([(np.ones((2, 3)), np.ones(3))], r"gradients: expected 2 items; got 1 items"),
        (
            [(np.ones((2, 3)), np.ones(3)), np.ones(2)],
            r"gradients\[1\]: expected a dict with \['c'\]; got ndarray",
        ),
        (
            [(np.ones((2, 3)), np.ones(3)), {"d": np.ones(2)}],
            r"gradients\[1\]: expected a dict with \['c'\]; got a dict with \['d'\]",
        ),
        (
            [(np.ones((2, 3)), np.ones(3)), {"c": [np.ones(2)]}],
            r"gradients\[1\]\['c'\]: expected one array; got list",
        ),
        (
            [(np.ones((2, 3)), np.ones((2, 3))), {"c": np.ones(2)}],
            r"expected a gradient of the shape and dtype of params\[0\]\[1\], \(3,\) float64; got \(2, 3\) float64",
        ),
        (
            [(np.ones((2, 3)), np.ones(())), {"c": np.ones(2)}],
            r"params\[0\]\[1\], \(3,\) float64; got \(\) float64; make it like the parameter",
        ),
        (
            [(np.ones((2, 3), "float32"), np.ones(3, "float32")), {"c": np.ones(2, "float32")}],
            r"params\[0\]\[0\], \(2, 3\) float64; got \(2, 3\) float32",
        ),
    ],
)
def test_gradients_that_are_not_built_like_the_parameters_are_refused(name, wrap, gradients, message):
    optimizer = wrap(OPTIMIZERS[name](0.1))
    params = [(np.ones((2, 3)), np.ones(3)), {"c": np.ones(2)}]
    with pytest.raises(ValueError, match=message):
        optimizer.update(gradients, optimizer.init(params), params)


@pytest.mark.parametrize("followed", ["params", "gradients", "a layer"])
@pytest.mark.parametrize("wrap", [lambda optimizer: optimizer, lambda optimizer: clipped(optimizer, 0.5)])
@pytest.mark.parametrize("name", NAMES)
def test_a_step_is_followed_where_some_of_its_arrays_are(name, wrap, followed):
    optimizer = wrap(OPTIMIZERS[name](0.1))
    params, gradients = [np.asarray([3.0, 4.0]), np.asarray(0.5)], [np.asarray([1.0, 2.0]), np.asarray(-3.0)]
    state = optimizer.update(gradients, optimizer.init(params), params)[1]

    def moved(x):
        p = [x, params[1]] if followed == "params" else params
        g = {"params": gradients, "gradients": [x, gradients[1]], "a layer": [gradients[0], x]}[followed]
        W, b = optimizer.update(g, state, p)[0]
        return (W**2).sum() + b

    start = {"params": params[0], "gradients": gradients[0], "a layer": gradients[1]}[followed]
    cr.check_gradients(moved, start, modes=("reverse",), rtol=1e-4, atol=1e-7)


def test_every_optimiser_can_be_found_by_its_name():
    assert NAMES == ["adam", "adamw", "gradient-descent", "momentum", "nesterov", "rmsprop"]
    for name, method in OPTIMIZERS.items():
        assert method.make is getattr(optimizers, name.replace("-", "_"))
        assert method.make is getattr(cr.optim, name.replace("-", "_"))


class TestTable:
    """What a row says beside the function: the command line and the estimators read it."""

    def test_the_usual_rate_is_the_default_of_those_that_have_one(self):
        for method in OPTIMIZERS.values():
            default = signature(method.make).parameters["learning_rate"].default
            assert method.adaptive == (default is not Parameter.empty)
            assert method.learning_rate == (default if method.adaptive else 0.01)
            assert method(method.learning_rate).learning_rate == method.learning_rate

    def test_the_settings_are_those_that_the_function_takes(self):
        assert {name: method.settings for name, method in OPTIMIZERS.items()} == {
            "gradient-descent": (),
            "momentum": ("beta",),
            "nesterov": ("beta",),
            "rmsprop": ("decay", "epsilon"),
            "adam": ("beta1", "beta2", "epsilon"),
            "adamw": ("beta1", "beta2", "epsilon", "weight_decay"),
        }


class TestSchedules:
    @pytest.mark.parametrize("name", NAMES)
    @pytest.mark.parametrize(
        "schedule",
        [step_decay(0.4, 2, 0.5), cosine(0.4, 6, 0.1), warm_up(cosine(0.4, 3), 3), lambda step: 0.1 * step],
    )
    def test_every_optimiser_follows_a_schedule(self, name, schedule):
        s = {"weight_decay": 0.1} if name == "adamw" else {}
        gradients = [1.0, -3.0, 0.5, 2.0, 0.1, -1.0, 4.0, 2.5]
        optimizer = OPTIMIZERS[name](schedule, **s)
        (p,), _ = taken(optimizer, [np.asarray(2.0)], [[np.asarray(g)] for g in gradients])
        everything = {"beta": 0.9, "decay": 0.9, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, **s}
        rates = [schedule(step) for step in range(len(gradients))]
        assert float(p) == pytest.approx(recurrence(name, 2.0, gradients, rates, **everything), rel=1e-9)
        assert optimizer.learning_rate == schedule(0)

    def test_the_step_of_the_schedule_is_that_of_the_state(self):
        optimizer = optimizers.gradient_descent(lambda step: 1.0 + step)
        (p,), state = optimizer.update([np.asarray(1.0)], {"step": 41}, [np.asarray(0.0)])
        assert float(p) == -42
        assert state == {"step": 42}


class TestClipped:
    """Of gradient descent with rate 1 from 0: what it does to the parameters is minus the clipped gradient."""

    def clip(self, gradients, largest_norm):
        params = [g * 0 for g in gradients]
        optimizer = clipped(optimizers.gradient_descent(1.0), largest_norm)
        moved, _ = optimizer.update(gradients, optimizer.init(params), params)
        return [-x for x in moved]

    @given(
        values=st.lists(st.floats(-1e3, 1e3), min_size=5, max_size=5),
        largest_norm=st.floats(1e-3, 1e4),
    )
    def test_the_norm_is_that_of_all_parameters_together(self, values, largest_norm):
        gradients = [np.array(values[:3]), np.array([values[3:]])]
        norm = math.hypot(*values)
        got = np.concatenate([x.ravel() for x in self.clip(gradients, largest_norm)])
        expected = np.array(values) * min(1.0, largest_norm / norm if norm else 1.0)
        np.testing.assert_allclose(got, expected, rtol=1e-12)

    def test_nothing_under_the_norm_is_changed(self, device, dtype):
        gradients = [device.asarray([0.3, -0.4], dtype), device.asarray([[1.2]], dtype)]
        same = self.clip(gradients, 1.3001)
        for x, g in zip(same, gradients, strict=True):
            assert np.array_equal(device.to_numpy(x), device.to_numpy(g))
        less = self.clip(gradients, 0.65)
        np.testing.assert_allclose(device.to_numpy(less[0]), [0.15, -0.2], rtol=1e-6)
        np.testing.assert_allclose(device.to_numpy(less[1]), [[0.6]], rtol=1e-6)

    def test_zeros_stay_zeros(self, device, dtype):
        got = self.clip([device.asarray([0.0, 0.0], dtype), device.asarray([0.0], dtype)], 1.0)
        assert [device.to_numpy(x).tolist() for x in got] == [[0, 0], [0]]

    @pytest.mark.parametrize("size", [1e30, 1e-30])
    def test_squares_neither_overflow_nor_vanish(self, device, size):
        gradients = [device.asarray([3 * size, 0.0], "float32"), device.asarray([-4 * size], "float32")]
        got = [device.to_numpy(x) for x in self.clip(gradients, size)]
        assert got[0].dtype == np.float32
        np.testing.assert_allclose(got[0] / size, [0.6, 0], rtol=1e-6)
        np.testing.assert_allclose(got[1] / size, [-0.8], rtol=1e-6)

    def test_nothing_is_asked_of_the_device(self, monkeypatch):
        strict = cr.get_device("strict:device1")
        gradients = [strict.asarray([3.0, 4.0]), strict.asarray([0.0])]
        reads = count_copies(monkeypatch, strict)
        self.clip(gradients, 1.0)
        assert reads == []

    def test_the_state_and_the_rate_are_those_of_the_optimiser_within(self):
        within = optimizers.adam(0.25)
        optimizer = clipped(within, 2.0)
        params = [np.ones(2)]
        assert optimizer.learning_rate == 0.25
        assert optimizer.init(params).keys() == within.init(params).keys()
        small = [np.array([0.1, 0.2])]
        one, one_state = optimizer.update(small, optimizer.init(params), params)
        other, other_state = within.update(small, within.init(params), params)
        assert np.array_equal(one[0], other[0])
        assert np.array_equal(one_state["mean"][0], other_state["mean"][0])


class TestRefusals:
    @pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf])
    @pytest.mark.parametrize("name", NAMES)
    def test_learning_rates(self, name, value):
        who = name.replace("-", "_")
        with pytest.raises(
            ValueError, match=rf"^{who}: learning_rate must be a positive, finite number, got {value}$"
        ):
            OPTIMIZERS[name](value)

    @pytest.mark.parametrize("value", [-0.1, 1, 1.5, math.nan])
    @pytest.mark.parametrize(
        ("name", "setting"),
        [
            ("momentum", "beta"),
            ("nesterov", "beta"),
            ("rmsprop", "decay"),
            ("adam", "beta1"),
            ("adam", "beta2"),
            ("adamw", "beta1"),
            ("adamw", "beta2"),
        ],
    )
    def test_fractions(self, name, setting, value):
        with pytest.raises(
            ValueError, match=rf"^{name}: {setting} must be from 0 up and under 1, got {value}$"
        ):
            OPTIMIZERS[name](0.1, **{setting: value})

    @pytest.mark.parametrize("value", [0, -1e-8, math.nan, math.inf])
    @pytest.mark.parametrize("name", ["rmsprop", "adam", "adamw"])
    def test_epsilon(self, name, value):
        with pytest.raises(
            ValueError, match=f"^{name}: epsilon must be a positive, finite number, got {value}$"
        ):
            OPTIMIZERS[name](0.1, epsilon=value)

    @pytest.mark.parametrize("value", [-0.1, math.nan, math.inf])
    def test_weight_decay(self, value):
        with pytest.raises(
            ValueError, match=f"^adamw: weight_decay must be a finite number from 0 up, got {value}$"
        ):
            optimizers.adamw(weight_decay=value)

    @pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf])
    def test_norms(self, value):
        with pytest.raises(
            ValueError, match=f"^clipped: largest_norm must be a positive, finite number, got {value}$"
        ):
            clipped(optimizers.adam(), value)
