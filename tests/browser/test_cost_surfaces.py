"""The page of two costs and two balls, against lesson 4 and the engine."""

import re

import numpy as np
import pytest

import chainrule as cr
from tests.helpers import ROOT

X = np.array([-2.0, -1.0, -0.5, 0.5, 1.0, 2.0])
Y = np.array([0.0, 0.0, 1.0, 0.0, 1.0, 1.0])
LESSON = (ROOT / "docs" / "lessons" / "04-why-cross-entropy.md").read_text(encoding="utf-8")
COSTS = {
    "crossEntropy": lambda w: np.mean(cr.functions.sigmoid_cross_entropy(X * w, Y)),
    "squaredError": lambda w: np.mean((cr.functions.sigmoid(X * w) - Y) ** 2) / 2,
}


def test_the_samples_are_those_of_the_lesson(moving):
    assert moving("cost-surfaces").evaluate("SAMPLES") == np.stack([X, Y], axis=1).tolist()
    for name, numbers in (("x", X), ("y", Y)):
        assert f"{name} = np.array({numbers.tolist()})" in LESSON


@pytest.mark.parametrize("name", COSTS)
def test_costs_and_slopes_are_those_of_the_engine(moving, name):
    tab = moving("cost-surfaces")
    weights = [*np.linspace(-15, 15, 61).tolist(), -400.0, 400.0]
    found = tab.evaluate("([name, ws]) => ws.map((w) => [cost(name, w), slope(name, w)])", [name, weights])
    expected = [cr.value_and_grad(COSTS[name])(np.asarray(w)) for w in weights]
    # 1 - s(z) loses digits in Python where s(z) is nearly 1.
    np.testing.assert_allclose(found, np.array(expected), rtol=1e-12, atol=1e-16)


def test_the_curve_is_dashed_where_its_second_derivative_is_below_0(moving):
    tab = moving("cost-surfaces")
    for name, f in COSTS.items():
        second = cr.grad(cr.grad(f))
        for is_upward, weights in tab.evaluate("(name) => parts(name)", name):
            for w in weights[1:-1]:
                assert (second(np.asarray(w, float)) >= 0) == is_upward, (name, w)
    curves = tab.locator(".curve")
    assert [c.get_attribute("class") for c in curves.all()] == ["curve", "curve back", "curve", "curve back"]


def test_200_steps_end_where_the_lesson_says(moving):
    tab = moving("cost-surfaces")
    told = re.findall(r"from +(\S+): cross entropy ends at (\d\S+), squared error at (\S+)", LESSON)
    assert len(told) == 2
    for start, *ends in told:
        tab.evaluate("(w) => { put(w); for (let k = 0; k < 200; k += 1) roll(); }", float(start))
        assert [f"{w:.4f}" for w in tab.evaluate("Object.values(balls).map((ws) => ws.at(-1))")] == ends
        assert tab.inner_text("#seen").startswith(
            "After 200 steps: cross entropy lies in its valley, at w = 1.351"
        )
        stuck = "half the squared error is stuck on a plateau at w = -11.9998" in tab.inner_text("#seen")
        assert stuck == (start == "-12.0")


def test_a_rate_that_is_too_large_is_told(moving):
    tab = moving("cost-surfaces")
    tab.get_by_role("spinbutton", name="learning rate").fill("20")
    for _ in range(8):
        tab.get_by_role("button", name="Step").click()
    assert "cross entropy leaps over its valley" in tab.inner_text("#seen")


def test_a_ball_is_put_by_a_click_and_by_keys_and_rolls_from_there(moving):
    tab = moving("cost-surfaces", viewport={"width": 1280, "height": 800})
    box = tab.locator(".picture").nth(1).bounding_box()
    tab.mouse.click(box["x"] + box["width"] / 2, box["y"] + 40)
    (w, other) = tab.evaluate("Object.values(balls).map((ws) => ws.at(-1))")
    assert w == other
    assert abs(w) < 2
    ball = tab.locator(".handle").first
    ball.focus()
    tab.keyboard.press("ArrowLeft")
    moved = tab.evaluate("balls.crossEntropy.at(-1)")
    assert w - 1.2 < moved < w - 0.3
    assert f"at w = {moved:g}" in ball.get_attribute("aria-label")
    tab.get_by_role("button", name="Play").click()
    tab.wait_for_function("steps > 10")
    tab.get_by_role("button", name="Pause").click()
    steps = tab.evaluate("steps")
    tab.wait_for_timeout(200)
    assert tab.evaluate("steps") == steps
    assert tab.evaluate("balls.squaredError.length") == steps + 1
    tab.get_by_role("button", name="Reset").click()
    assert tab.inner_text("#seen").startswith("Both balls lie at w = -12.")
