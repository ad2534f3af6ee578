"""The page of a network whose boundary moves, against cr.MLP and lesson 5."""

import re

import numpy as np
import pytest

import chainrule as cr
from tests.helpers import ROOT

ACTIVATIONS = ("tanh", "relu")
LESSON = (ROOT / "docs" / "lessons" / "05-networks.md").read_text(encoding="utf-8")


def as_layers(params):
    """Return parameters of the page as those of cr.MLP."""
    W2 = np.array(params["W2"], dtype=float)[:, None]
    return [
        (np.array(params["W1"], dtype=float), np.array(params["b1"], dtype=float)),
        (W2, np.array([params["b2"]], float)),
    ]


def as_page(params):
    (W1, b1), (W2, b2) = params
    return {"W1": W1.tolist(), "b1": b1.tolist(), "W2": W2[:, 0].tolist(), "b2": float(b2[0])}


def assert_same(found, expected, **tolerance):
    for mine, theirs in zip(as_layers(found), expected, strict=True):
        for ours, other in zip(mine, theirs, strict=True):
            np.testing.assert_allclose(ours, other, **tolerance)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_first_weights_are_those_of_a_network(moving, activation):
    tab = moving("network")
    for seed in range(tab.evaluate("NORMALS.length")):
        for hidden in range(1, 9):
            found = tab.evaluate("([h, a, s]) => initial(h, a, s)", [hidden, activation, seed])
            assert_same(found, cr.MLP((2, hidden, 1), activation).init(seed=seed, device="cpu"), rtol=1e-15)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("data", ["xor", "rings", "spirals"])
def test_cost_and_gradients_are_those_of_a_network(moving, data, activation):
    tab = moving("network")
    points = tab.evaluate("(data) => DATA[data].points", data)
    X, y = np.array(points, dtype=float)[:, :2], np.array(points, dtype=float)[:, 2]
    rng = np.random.default_rng(0)
    for hidden in range(1, 9):
        net = cr.MLP((2, hidden, 1), activation)
        for scale in (0.0, 0.3, 1.0, 30.0):
            params = [
                (scale * rng.normal(size=W), scale * rng.normal(size=b) * (scale != 0.3))
                for W, b in net.shapes
            ]
            found = tab.evaluate(
                "([params, points, a]) => costAndGradients(params, points, a)",
                [as_page(params), points, activation],
            )
            cost, gradients = net.cost_and_gradients(params, X, y)
            assert found["cost"] == pytest.approx(float(cost), rel=1e-12)
            assert_same(found["gradients"], gradients, rtol=1e-12, atol=1e-15 * scale)


def test_the_steps_are_those_of_the_lesson(moving):
    tab = moving("network")
    tab.evaluate("learn(999)")
    told = re.search(r"^cost (.*)$", LESSON, re.MULTILINE)[1]
    assert " ".join(f"{tab.evaluate('costs')[step]:.4f}" for step in (0, 10, 100, 999)) == told
    assert tab.inner_text("#seen").startswith("After 999 steps: J = 0.007")
    assert "4 of 4 points are on their side of the boundary. The network has learned all" in tab.inner_text(
        "#seen"
    )
    assert tab.inner_text("#code") == 'cr.MLP((2, 4, 1), activation="tanh").init(seed=0)'


def test_the_boundary_is_where_the_network_says_one_half(moving):
    tab = moving("network")
    tab.evaluate("learn(300)")
    params = as_layers(tab.evaluate("params"))
    net = cr.MLP((2, 4, 1), "tanh")
    ends = tab.evaluate(
        """boundary(corners([-0.5, 1.5]), [-0.5, 1.5, 1.5, -0.5]).match(/-?[\\d.]+(e-?\\d+)?/g).map(Number)"""
    )
    at = np.array(ends).reshape(-1, 2)
    assert len(at) > 50
    y_hat = net.forward(params, at)[:, 0]
    assert np.max(np.abs(y_hat - 0.5)) < 0.02
    # The answers on the two sides of it are what the field is shaded by.
    zs = np.array(tab.evaluate("corners([-0.5, 1.5])"))
    axis = np.linspace(-0.5, 1.5, len(zs))
    grid = np.stack(np.meshgrid(axis, axis[::-1]), axis=-1).reshape(-1, 2)
    np.testing.assert_allclose(1 / (1 + np.exp(-zs.ravel())), net.forward(params, grid)[:, 0], rtol=1e-9)


def test_the_line_of_a_unit_crosses_the_field_where_its_z_is_0(moving):
    tab = moving("network")
    rng = np.random.default_rng(1)
    for a, b, c in [*rng.normal(size=(60, 3)).tolist(), [1.0, 0.0, 0.5], [0.0, -2.0, 1.0], [0.0, 0.0, 1.0]]:
        ends = tab.evaluate("([a, b, c]) => chord(a, b, c, [-1, 2])", [a, b, c])
        corners = [a * x1 + b * x2 + c for x1 in (-1, 2) for x2 in (-1, 2)]
        assert (ends is not None) == (min(corners) < 0 < max(corners)), (a, b, c)
        for x1, x2 in ends or []:
            assert a * x1 + b * x2 + c == pytest.approx(0, abs=1e-9)
            assert min(x1, x2) >= -1 - 1e-9
            assert max(x1, x2) <= 2 + 1e-9
            assert min(abs(x1 + 1), abs(x1 - 2), abs(x2 + 1), abs(x2 - 2)) < 1e-9


def test_a_point_is_added_by_a_click_and_by_keys(moving):
    tab = moving("network", viewport={"width": 1280, "height": 900})
    before = tab.evaluate("costs.at(-1)")
    tab.get_by_role("combobox", name="a click adds").select_option("0")
    tab.locator("#field svg").click(position={"x": 200, "y": 100})
    assert "of 5 points" in tab.inner_text("#seen")
    x1, x2, y = tab.evaluate("points.at(-1)")
    at = [tab.evaluate("(x) => to.x(x)", x1), tab.evaluate("(x) => to.y(x)", x2)]
    assert at == pytest.approx([200, 100], abs=1)
    assert y == 0
    assert tab.evaluate("costs.at(-1)") != before
    assert tab.evaluate("costs.length") == 1
    place = tab.locator(".handle")
    place.focus()
    tab.keyboard.press("ArrowUp")
    tab.keyboard.press("Enter")
    assert "of 6 points" in tab.inner_text("#seen")
    assert tab.evaluate("points.at(-1)")[0] == pytest.approx(0.5)
    # Outside of the field there are no points.
    tab.locator("#field svg").click(position={"x": 10, "y": 100})
    assert "of 6 points" in tab.inner_text("#seen")
    tab.get_by_role("button", name="Reset").click()
    assert "of 4 points" in tab.inner_text("#seen")


def test_play_pause_and_single_steps(moving):
    tab = moving("network")
    step = tab.get_by_role("button", name="Step")
    step.click()
    step.click()
    assert tab.inner_text("#seen").startswith("After 2 steps")
    boundary = tab.locator(".boundary").get_attribute("d")
    tab.get_by_role("button", name="Play").click()
    tab.wait_for_function("costs.length > 30")
    tab.get_by_role("button", name="Pause").click()
    assert tab.locator(".boundary").get_attribute("d") != boundary
    steps = tab.evaluate("costs.length")
    tab.wait_for_timeout(200)
    assert tab.evaluate("costs.length") == steps


def test_what_hinders_learning_is_told(moving):
    tab = moving("network")
    tab.get_by_role("spinbutton", name="hidden units").fill("2")
    tab.get_by_role("combobox", name="first weights").select_option("1")
    tab.evaluate("learn(2500)")
    assert "It moves hardly any more" in tab.inner_text("#seen")
    assert 'cr.MLP((2, 2, 1), activation="tanh").init(seed=1)' in tab.inner_text("#code")
    tab.get_by_role("button", name="Reset").click()
    # One point and one unit that only grow: the product of their weights overflows.
    grown = "keep({ W1: [[1], [1]], b1: [0], W2: [1], b2: 0 })"
    settings = "chosen.activation = 'relu', chosen.rate = 1e200, points = [[1, 1, 1]]"
    assert tab.evaluate(f"{settings}, {grown}, learn(5)") is False
    assert "the next step would leave the range of float64" in tab.inner_text("#seen")
    assert not re.search(r"nan|inf", tab.inner_text("main").lower())


def test_the_table_shows_each_weight_with_its_gradient(moving):
    tab = moving("network")
    tab.evaluate("learn(7)")
    params, gradients = tab.evaluate("[params, gradients]")
    rows = [row.inner_text().split() for row in tab.locator("#weights tr").all()]
    for j, row in enumerate(rows[1:5]):
        weights = [params["W1"][0][j], params["W1"][1][j], params["b1"][j], params["W2"][j]]
        slopes = [gradients["W1"][0][j], gradients["W1"][1][j], gradients["b1"][j], gradients["W2"][j]]
        numbers = [f"{x:.3g}" for pair in zip(weights, slopes, strict=True) for x in pair]
        assert row == [str(j + 1), *numbers]
    assert rows[5] == ["output,", "b2", f"{params['b2']:.3g}", f"{gradients['b2']:.3g}"]
