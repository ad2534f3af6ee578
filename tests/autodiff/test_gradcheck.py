"""The checker is checked: it must find what is wrong, and say where."""

import inspect
from typing import Any

import array_api_strict
import numpy as np
import pytest

import chainrule as cr
from chainrule.autodiff import namespace
from chainrule.gates import RULES
from tests.contract.operations import OPERATIONS, Operation

TABLES = {
    "": [RULES[part] for part in ("main", "beyond", "internal")],
    "linalg.": [RULES["linalg"]],
    "fft.": [RULES["fft"]],
}
PULLBACKS = [
    (prefix + name, table, name, which)
    for prefix, tables in TABLES.items()
    for table in tables
    for name in sorted(table)
    if name != "direction"  # its slope is 0, of which a thousandth is no error
    for which in range(max(len(o.draws) for o in OPERATIONS if o.gate == prefix + name))
]


def spoiled(gate: Any, which: int) -> Any:
    def wrong(*args: Any, **static: Any) -> Any:
        result, pullbacks = gate(*args, **static)
        back = pullbacks[which] if which < len(pullbacks) else None
        if back is None:
            return result, pullbacks
        planted.append(gate.__name__)

        def off(g: Any) -> Any:
            d = back(g)
            return d + d * 0.001

        return result, (*pullbacks[:which], off, *pullbacks[which + 1 :])

    planted: list[str] = []
    wrong.__name__, wrong.__doc__, wrong.planted = gate.__name__, gate.__doc__, planted
    wrong.__signature__ = inspect.signature(gate)
    return wrong


@pytest.mark.parametrize("mode", ["reverse", "forward"])
@pytest.mark.parametrize(
    ("gate", "table", "name", "which"), PULLBACKS, ids=[f"{gate}-{which}" for gate, _, _, which in PULLBACKS]
)
def test_an_error_of_a_thousandth_in_any_pullback_is_found(
    gate: str, table: dict[str, Any], name: str, which: int, mode: str, monkeypatch: pytest.MonkeyPatch
):
    wrong = spoiled(table[name], which)
    monkeypatch.setitem(table, name, wrong)
    monkeypatch.setattr(namespace, "_by_base", {})
    monkeypatch.setattr(namespace, "_by_type", {})
    space = cr.differentiable(np)

    def is_found(operation: Operation) -> bool:
        try:
            cr.check_gradients(
                lambda *xs: operation.f(space, *map(space.asarray, xs)), *operation.arrays(), modes=[mode]
            )
        except AssertionError:
            return True
        return False

    found = [is_found(o) for o in OPERATIONS if o.gate == gate and which < len(o.draws)]
    assert any(found) or not wrong.planted


def test_the_worst_element_is_named_with_both_values():
    @cr.gate
    def cube(xp: Any, x: Any) -> Any:
        return x**3, (lambda g: g * (3 * x * x + xp.astype(x > 2, x.dtype)),)

    x = np.array([0.5, 1.0, 3.0])
    with pytest.raises(AssertionError, match=r"reverse, args\[0\]\[2\]: numeric .*, analytic ") as caught:
        cr.check_gradients(lambda x: cube(x), x)
    numeric, analytic = (float(word.rstrip(",")) for word in str(caught.value).split()[-3::2])
    assert analytic / numeric == pytest.approx(28 / 27, rel=1e-6)


@pytest.mark.parametrize("xp", [np, array_api_strict])
def test_a_kink_is_named(xp: Any):
    with pytest.raises(AssertionError, match="there is a kink here, slope"):
        cr.check_gradients(lambda x: cr.differentiable(xp).relu(x), xp.asarray([1.0, 0.0]))


def test_a_wrong_slope_on_a_smooth_curve_is_not_called_a_kink():
    @cr.gate
    def double(xp: Any, x: Any) -> Any:
        return x * 2, (lambda g: g * 2.1,)

    with pytest.raises(AssertionError, match=r"analytic [-\d.]+$"):
        cr.check_gradients(double, np.array([1.0, 2.0]))


def test_nan_fails_on_either_side():
    @cr.gate
    def lost(xp: Any, x: Any) -> Any:
        return x * 1, (lambda g: g * float("nan"),)

    with pytest.raises(AssertionError, match=r"args\[0\]\[\d\].*analytic nan"):
        cr.check_gradients(lost, np.array([1.0, 2.0]))
    with pytest.raises(AssertionError, match="numeric nan"), np.errstate(invalid="ignore"):
        cr.check_gradients(np.sqrt, np.array([1.0, -1.0]))


def test_a_wrong_second_order_is_found_at_order_2_alone():
    @cr.gate
    def square(xp: Any, x: Any) -> Any:
        return x * x, (lambda g: g * 2 * cr.stop_gradient(x),)

    x = np.array([1.0, 2.0])
    cr.check_gradients(square, x)
    with pytest.raises(AssertionError, match="numeric"):
        cr.check_gradients(square, x, order=2)


def test_large_arrays_are_checked_in_a_random_direction():
    @cr.gate
    def off_by_little(xp: Any, x: Any) -> Any:
        return x * x, (lambda g: g * x * 2.002,)

    x = np.random.default_rng(0).uniform(1, 2, (50, 40))
    cr.check_gradients(lambda x: x * x, x)
    with pytest.raises(AssertionError, match="in a random direction"):
        cr.check_gradients(off_by_little, x)


def test_nested_arguments_and_results_are_checked_in_float64():
    params = {"W": np.ones((2, 2), np.float32), "b": [np.zeros(2, np.float32)]}
    seen = []

    def f(params: Any, X: Any) -> Any:
        seen.append(params["W"].dtype)
        return {"Z": X @ params["W"] + params["b"][0], "two": (params["W"] * 2,)}

    cr.check_gradients(f, params, np.ones((3, 2)), order=2)
    assert set(seen) == {np.dtype("float64")}


@pytest.mark.parametrize(("settings", "text"), [({"order": 0}, "order"), ({"modes": ("up",)}, "modes")])
def test_settings_that_make_no_sense_are_refused(settings: Any, text: str):
    with pytest.raises(ValueError, match=text):
        cr.check_gradients(np.sin, np.ones(2), **settings)


@pytest.mark.parametrize(("modes", "order"), [(["reverse"], 2), (["forward"], 1)])
def test_an_error_in_how_a_pullback_carries_its_own_argument_is_found(modes: list[str], order: int):
    @cr.gate
    def same(xp: Any, x: Any) -> Any:
        return x, (lambda g: g * 1.001,)

    @cr.gate
    def double(xp: Any, x: Any) -> Any:
        return x * 2, (lambda g: same(g) * 2,)

    cr.check_gradients(double, np.asarray(1.5), modes=["reverse"])
    with pytest.raises(AssertionError, match="check_gradients"):
        cr.check_gradients(double, np.asarray(1.5), modes=modes, order=order)


@pytest.mark.parametrize("modes", [("reverse",), ("forward",)])
def test_a_result_may_hold_a_number_that_depends_on_nothing(modes: tuple[str, ...]):
    cr.check_gradients(lambda x: (x**3, 2.5, 3), np.array([0.5, 1.5]), order=2, modes=modes)


def test_a_tolerance_may_be_a_number_of_numpys():
    cr.check_gradients(np.sin, np.ones(2), rtol=np.float32(1e-3), atol=np.int64(0))


def test_what_does_not_move_in_a_tree_is_named():
    with pytest.raises(
        TypeError, match=r"expected args\[0\]\['n'\] to be an array of a floating dtype; got int"
    ):
        cr.check_gradients(lambda tree: np.sum(tree["x"] ** tree["n"]), {"x": np.ones(2), "n": 3})
