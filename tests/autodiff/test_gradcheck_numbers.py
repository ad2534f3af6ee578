"""The checker tells right gradients from wrong ones at any size of numbers, or says that it cannot tell."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.autodiff import gradcheck
from chainrule.autodiff.finite_differences import FiniteDifferences
from chainrule.autodiff.gradcheck import CannotTellError

MODES = pytest.mark.parametrize("mode", ["reverse", "forward"])


def gate(f: Callable[[Any], Any], slope: Callable[[Any], Any]) -> Any:
    """An elementwise gate of a slope that may be wrong."""

    @cr.gate
    def planted(xp: Any, x: Any) -> Any:
        return f(x), (lambda g: g * slope(x),)

    return planted


def by_hand(f: Callable[[Any], Any], slope: Callable[[Any], Any], x: Any, **settings: Any) -> Any:
    """The check of sum(f(x)), whose gradient is written as slope(x)."""
    (checked,) = gradcheck.check_handwritten_gradients(
        lambda params: np.sum(f(params[0])), lambda params: (0.0, [slope(params[0])]), [x], **settings
    )
    return checked


def solved(condition: float) -> Any:
    rng = np.random.default_rng(1)
    U, V = (np.linalg.qr(rng.standard_normal((4, 4)))[0] for _ in range(2))
    return U * np.geomspace(1, 1 / condition, 4) @ V


SMALL_AND_LARGE = [
    pytest.param(lambda x: 1e-7 * x**2, lambda x: 2e-7 * x, [1.0, 2.0], id="1e-7 x^2"),
    pytest.param(lambda x: x**2 + 1e8, lambda x: 2 * x, [1.0, 2.0], id="x^2 + 1e8"),
    pytest.param(lambda x: x**2 + 1e12, lambda x: 2 * x, [1.0, 2.0], id="x^2 + 1e12"),
    pytest.param(lambda x: x**2, lambda x: 2 * x, [1e8, -3e8], id="x^2 at 1e8"),
    pytest.param(lambda x: 1e-20 * x**2, lambda x: 2e-20 * x, [1.0, 2.0], id="joule"),
    pytest.param(np.log, lambda x: 1 / x, [1e-3], id="log at 1e-3"),
    pytest.param(lambda x: 1 / x, lambda x: -1 / x**2, [1e-3, 1.0], id="1/x at 1e-3"),
    pytest.param(np.sqrt, lambda x: 0.5 / np.sqrt(x), [1e-4, 3.0], id="sqrt at 1e-4"),
    pytest.param(np.cos, lambda x: -np.sin(x), [1e6], id="cos at 1e6"),
    pytest.param(lambda x: 3 * x, lambda x: 3 + 0 * x, [1e-17, 1.0], id="3x at 1e-17"),
]


@MODES
@pytest.mark.parametrize(("f", "slope", "x"), SMALL_AND_LARGE)
def test_a_slope_of_any_size_is_right_and_0_in_its_place_is_wrong(f: Any, slope: Any, x: Any, mode: str):
    x = np.array(x)
    cr.check_gradients(gate(f, slope), x, modes=[mode])
    assert by_hand(f, slope, x)[3:] == (None, None)
    with pytest.raises(AssertionError, match="numeric") as caught:
        cr.check_gradients(gate(f, lambda x: 0 * x), x, modes=[mode])
    assert caught.type is AssertionError
    assert by_hand(f, lambda x: 0 * x, x).worst.analytic == 0


@MODES
@pytest.mark.parametrize(("f", "slope", "x"), SMALL_AND_LARGE)
def test_a_slope_of_any_size_wrong_by_a_tenth_is_wrong(f: Any, slope: Any, x: Any, mode: str):
    x = np.array(x)
    with pytest.raises(AssertionError, match="numeric") as caught:
        cr.check_gradients(gate(f, lambda x: 1.1 * slope(x)), x, modes=[mode])
    assert caught.type is AssertionError
    worst = by_hand(f, lambda x: 1.1 * slope(x), x).worst
    assert worst.analytic == pytest.approx(1.1 * worst.numeric, rel=0.01)


@MODES
def test_an_inverse_of_condition_number_1e6_is_right(mode: str):
    cr.check_gradients(np.linalg.inv, solved(1e6), modes=[mode])


@MODES
@pytest.mark.parametrize("f", [lambda x: x**2, np.sin, lambda x: np.sum(x) * x], ids=["square", "sin", "sum"])
def test_float32_inside_a_function_is_measured(f: Any, mode: str):
    x = np.array([0.3, -1.2, 2.5])
    cr.check_gradients(lambda x: f(x.astype(np.float32)), x, modes=[mode])
    with pytest.raises(AssertionError, match="numeric"):
        cr.check_gradients(
            lambda x: f(gate(lambda x: x, lambda x: 1.02)(x.astype(np.float32))), x, modes=[mode]
        )


@MODES
@pytest.mark.parametrize("f", [lambda x: x**2 + 1e20, lambda x: np.sum(x) ** 2 + 1e20], ids=["each", "sum"])
def test_slopes_that_rounding_hides_cannot_be_told(f: Any, mode: str):
    x = np.array([1.0, 2.0])
    for given in (f, gate(f, lambda x: 0 * x)):
        with pytest.raises(
            CannotTellError, match="cannot tell: rounding makes the numeric slope uncertain by"
        ):
            cr.check_gradients(given, x, modes=[mode])
    for slope in (lambda x: 2 * x, lambda x: 0 * x):
        checked = by_hand(f, slope, x)
        assert (checked.worst, checked.untold is None) == (None, False)


@MODES
@pytest.mark.parametrize(
    "f",
    [
        lambda x: 0 * x + 3.0,
        lambda x: 1.0 + cr.functions.relu(-x),
        lambda x: np.round(x) + 0.1,
        lambda x: 1 + np.where(x > 0, 2.0, x),
        lambda x: np.tanh(x + 30),
        lambda x: x - cr.stop_gradient(x) + cr.stop_gradient(x) - x,
    ],
    ids=["constant", "dead", "rounded", "untaken", "flat", "cancelling"],
)
def test_a_slope_of_0_is_right_where_f_is_constant(f: Any, mode: str):
    x = np.array([0.7, 1.9])
    cr.check_gradients(f, x, modes=[mode])
    cr.check_gradients(lambda x, y: f(x) + y**2, x, x, modes=[mode])


def test_a_tiny_right_slope_beside_large_ones_is_right():
    x = np.array([-30.0, -1.0, 1e-9, 30.0])
    cr.check_gradients(np.tanh, x, order=2)
    cr.check_gradients(lambda x: np.array([1e-14, 1.0, 1.0, 1.0]) * x, x, order=2)


def test_elements_of_one_array_that_cancel_along_a_direction_are_seen():
    for seed in range(8):
        with pytest.raises(AssertionError, match="numeric"):
            cr.check_gradients(
                gate(lambda x: 1e-13 * x + 1, lambda x: 0 * x), np.ones(2), modes=["reverse"], seed=seed
            )


@pytest.mark.parametrize(
    ("f", "x"),
    [
        (lambda x: np.abs(x - 1e-9), [0.0]),
        (lambda x: np.abs(x - 1e-6), [0.0]),
        (lambda x: np.abs(x - 1e-9) + 3 * x + 1, [0.0, 0.0]),
        (cr.functions.relu, [1.0, 1e-12]),
        (lambda x: cr.functions.relu(x) + 1, [0.0]),
    ],
    ids=["abs", "abs-1e-6", "abs-on-a-slope", "relu-beside", "relu"],
)
def test_a_kink_inside_the_step_is_named_with_both_slopes(f: Any, x: Any):
    with pytest.raises(
        AssertionError, match=r"there is a kink here, slope [-\d.e]+ on the left and [-\d.e]+ on the r"
    ):
        cr.check_gradients(f, np.array(x))


@MODES
@pytest.mark.parametrize("cubic", [0.0, 1e3])
def test_at_a_kink_the_mean_of_both_slopes_passes_on_a_curve_too(cubic: float, mode: str):
    cr.check_gradients(lambda x: np.maximum(x, 0) + cubic * x**3, np.zeros(1), modes=[mode])


@pytest.mark.parametrize("offset", [0.0, 1.0])
@pytest.mark.parametrize("factor", [1.0, 1.02, -1.0])
def test_beside_a_kink_the_slope_of_the_other_side_is_wrong_by_hand(factor: float, offset: float):
    f, slope = lambda x: np.abs(x - 1e-9) + 3 * x + offset, lambda x: 3 - factor + 0 * x
    assert (by_hand(f, slope, np.zeros(1)).worst is None) == (factor == 1.0)


def test_among_several_kinks_the_slope_at_the_point_is_right_by_hand():
    places = np.array([-3e-7, -1e-9, 2e-9, 5e-8, 1e-6])

    def f(x: Any) -> Any:
        return np.sum(np.abs(x[:, None] - places)) + 2 * x[0]

    for slope in (np.sum(-np.sign(places)) + 2, np.sum(-np.sign(places)) + 2.1):
        right = slope == np.sum(-np.sign(places)) + 2
        assert (by_hand(f, lambda x, slope=slope: slope + 0 * x, np.zeros(1)).worst is None) == right


@pytest.mark.parametrize("way", ["reverse", "forward", "by hand"])
@pytest.mark.parametrize("f", ["tanh", "exp"])
def test_one_element_of_100000_wrong_by_a_thousandth_is_found(f: str, way: str):
    f, slope = {"tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2), "exp": (np.exp, np.exp)}[f]
    for seed in range(2):
        rng = np.random.default_rng(seed)
        x, wrong = rng.standard_normal((100, 1000)), tuple(map(int, rng.integers([100, 1000])))
        scale = np.ones(x.shape)
        scale[wrong] = 1.001
        calls = []

        def counted(x: Any, calls: list[int] = calls) -> Any:
            calls.append(1)
            return f(x)

        def off(x: Any, scale: Any = scale) -> Any:
            return slope(x) * scale

        if way == "by hand":
            worst = by_hand(counted, off, x, seed=seed).worst
            assert worst.where == wrong
            calls = calls[128:]
        else:
            with pytest.raises(
                AssertionError, match=rf"\[{wrong[0]}, {wrong[1]}\], found in a random direction"
            ):
                cr.check_gradients(gate(counted, off), x, modes=[way], seed=seed)
        assert len(calls) <= 220


def test_noise_is_that_of_the_type_a_function_computes_in():
    x = np.random.default_rng(0).uniform(1, 2, 50)
    for dtype, digits in (("float64", 2.2e-16), ("float32", 1.2e-7)):
        differences = FiniteDifferences(
            lambda arrays, dtype=dtype: float(np.sum(np.sin(arrays[0].astype(dtype)))), [x]
        )
        noise = differences.noise
        assert 0.1 < noise / (digits * abs(differences.value)) < 10


@pytest.mark.parametrize("f", [np.sin, np.exp, np.log, lambda x: 1 / (x - 0.9), lambda x: np.cos(300 * x)])
def test_a_numeric_slope_is_as_exact_as_its_error_says(f: Any):
    h = 1e-200
    for x in (1.0, 1.7, 42.0):
        exact = x * float(np.imag(f(x + 1j * h)) / h)
        differences = FiniteDifferences(lambda arrays: float(f(arrays[0][0])), [np.array([x])])
        direction = differences.along(np.arange(1), np.ones(1))
        numeric, error, *_ = differences.slope(direction, np.nan, 0.0)
        assert abs(numeric - exact) <= error <= 1e-6 * max(abs(exact), 1)
