"""What the pages of docs/moving compute, against chainrule and NumPy."""

import array_api_compat.numpy as xp
import numpy as np
import pytest

import chainrule as cr
import moving_tables

GRID = (-4.0, -1.3, -0.1, 0.0, 0.7, 1.0, 4.0)
F64, F32 = np.float64, np.float32


def in_python(gate, g, x, y):
    functions = {
        "add": lambda x, y: x + y,
        "multiply": lambda x, y: x * y,
        "maximum": xp.maximum,
        "copy": lambda x: xp.stack([x, x]),
        "tanh": xp.tanh,
    }
    inputs = [np.asarray(x), np.asarray(y)][: 1 if gate in ("copy", "tanh") else 2]
    out, pullback = cr.vjp(functions[gate], *inputs)
    return float(np.ravel(out)[0]), [float(d) for d in pullback(np.full_like(out, g))]


def test_each_gate_hands_back_what_the_engine_does(moving):
    tab = moving("gates")
    cases = [
        (gate, g, x, y)
        for gate in tab.evaluate("Object.keys(GATES)")
        for g in (-2.0, 0.0, 3.5)
        for x in GRID
        for y in GRID
    ]
    found = tab.evaluate(
        """(cases) => cases.map(([gate, g, x, y]) =>
            [GATES[gate].forward(x, y), GATES[gate].backward(g, x, y), rules(gate, g, x, y)])""",
        cases,
    )
    for case, (value, gradients, lines) in zip(cases, found, strict=True):
        expected, slopes = in_python(*case)
        assert value == pytest.approx(expected, rel=1e-15, abs=0), case
        assert gradients == pytest.approx(slopes, rel=1e-12, abs=1e-16), case
        # What is written ends in what was computed.
        written = [float(line.rsplit(" = ", 1)[1]) for line in lines[-len(slopes) :]]
        if case[0] != "tanh":
            assert written == pytest.approx(slopes, rel=1e-3, abs=1e-9), (case, lines)


def rounds(tab, points, w, b, alpha):
    return tab.evaluate("([points, w, b, alpha]) => round(points, w, b, alpha)", [points, w, b, alpha])


@pytest.mark.parametrize(("w", "b"), [([2.0, -3.0], -3.0), ([0.0, 0.0], 0.0), ([400.0, -900.0], 50.0)])
def test_a_round_of_the_neuron_is_that_of_logistic_regression(moving, w, b):
    tab = moving("neuron")
    points = tab.evaluate("POINTS")
    X, y = np.array([point["x"] for point in points]), np.array([float(point["y"]) for point in points])
    found = rounds(tab, points, w, b, 0.7)
    J, dw, db = cr.logistic.by_matmul(X, y, np.array(w), b)
    np.testing.assert_allclose([found["J"], *found["dw"], found["db"]], [J, *dw, db], rtol=1e-12)
    np.testing.assert_allclose(found["after"]["w"], w - 0.7 * dw, rtol=1e-12)
    np.testing.assert_allclose(found["after"]["b"], b - 0.7 * db, rtol=1e-12)
    for x, t, sample in zip(X, y, found["samples"], strict=True):
        loss, _, dz = cr.logistic.one_sample(x, np.asarray(t), np.array(w), b)
        np.testing.assert_allclose([sample["loss"], sample["dz"]], [loss, dz], rtol=1e-12)
        np.testing.assert_allclose(sample["yHat"], cr.functions.sigmoid(np.asarray(sample["z"])), rtol=1e-12)


def test_the_line_of_the_neuron_is_where_it_says_one_half(moving):
    tab = moving("neuron")
    rng = np.random.default_rng(0)
    cases = [*rng.normal(size=(50, 3)).tolist(), [1.0, 0.0, 0.5], [0.0, -2.0, 1.0]]
    for w0, w1, b in cases:
        ends = tab.evaluate("([w0, w1, b]) => boundary([w0, w1], b, 3)", [w0, w1, b])
        corners = [w0 * x + w1 * y + b for x in (-3, 3) for y in (-3, 3)]
        assert len(ends) == 2 * (min(corners) < 0 < max(corners))
        for x, y in ends:
            assert w0 * x + w1 * y + b == pytest.approx(0, abs=1e-12)
            assert max(abs(x), abs(y)) == pytest.approx(3)
    assert tab.evaluate("boundary([0, 0], 1, 3)") == []


def test_playing_and_stepping_the_neuron_descends_as_in_python(moving):
    tab = moving("neuron")
    points = tab.evaluate("POINTS")
    X, y = np.array([point["x"] for point in points]), np.array([float(point["y"]) for point in points])
    w, b = np.array([2.0, -3.0]), -3.0
    for _ in range(3):
        _, dw, db = cr.logistic.by_matmul(X, y, w, b)
        w, b = w - dw, b - db
    step = tab.get_by_role("button", name="Step")
    # Four presses a round: columns and lines come in with forward, loss and gradients; then the parameters move.
    hidden = [tab.locator(".pending").count()]
    for _ in range(4):
        step.click()
        hidden.append(tab.locator(".pending").count())
    assert hidden == [4 * 12 + 4, 2 * 12 + 3, 12 + 2, 1, 0]
    for _ in range(8):
        step.click()
    assert tab.inner_text("#seen").startswith(
        f"After 3 updates the cost is J = {cr.logistic.by_matmul(X, y, w, b)[0]:.4g};"
    )
    shown = [
        float(text.rsplit("= ", 1)[1])
        for text in tab.locator("#round li").last.locator("div").all_inner_texts()
    ]
    assert shown == pytest.approx([*w, b], rel=1e-3)
    assert tab.locator(".pending").count() == 0
    tab.get_by_role("button", name="Reset").click()
    assert tab.inner_text("#seen").startswith("After 0 updates")
    tab.get_by_role("button", name="Play").click()
    tab.wait_for_function("Number(document.getElementById('seen').textContent.match(/\\d+/)[0]) > 5")
    tab.get_by_role("button", name="Pause").click()
    said = tab.inner_text("#seen")
    tab.wait_for_timeout(300)
    assert tab.inner_text("#seen") == said


def test_a_point_that_is_dragged_changes_the_cost(moving):
    tab = moving("neuron")
    said = tab.inner_text("#seen")
    dot = tab.locator(".handle").first
    before = dot.get_attribute("aria-label")
    dot.focus()
    tab.keyboard.press("ArrowRight")
    assert dot.get_attribute("aria-label") != before
    by_key = tab.inner_text("#seen")
    assert by_key != said
    box = dot.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    tab.mouse.move(*middle)
    tab.mouse.down()
    tab.mouse.move(middle[0] + 85, middle[1] + 35)
    tab.mouse.up()
    assert tab.inner_text("#seen") != by_key
    moved = dot.bounding_box()
    assert moved["x"] - box["x"] == pytest.approx(85, abs=6)
    # It stays within the picture, wherever it is dragged.
    dot.focus()
    for _ in range(80):
        tab.keyboard.press("ArrowLeft")
    assert ", at (-3, " in dot.get_attribute("aria-label")


def measured():
    rows = moving_tables.newest_loops()[1]["rows"]
    found = {}
    for row in rows:
        if row["part"] == "loops" and row["direction"] == "forward with backward" and row["seconds"]:
            found[row["m"], row["n"], row["contender"]] = row["seconds"][1]
    return found


def test_the_race_is_run_at_the_ratio_of_the_measured_times(moving):
    tab = moving("race")
    seconds = measured()
    sizes = tab.evaluate("TIMES.sizes")
    assert len(sizes) > 3
    for size in sizes:
        done = tab.evaluate("(size) => done(size, 6, 24)", size)
        for lane, rounds_ in done.items():
            m, n = size["m"], size["n"]
            assert rounds_ == pytest.approx(0.25 * seconds[m, n, "by_loops"] / seconds[m, n, lane])
    rows, columns = 7, 11
    for share in (0.0, 0.1, 0.5, 0.999, 1.0, 37.5):
        counts = [
            tab.evaluate("([lane, share]) => computed(lane, share, { rows: 7, columns: 11 })", [lane, share])
            for lane in ("by_loops", "by_sample", "by_matmul")
        ]
        whole = min(share, 1)
        assert counts == [int(whole * 77), int(whole * rows) * columns, 77 * int(whole)]


def test_the_race_ends_when_the_loops_are_done_and_tells_both(moving):
    tab = moving("race")
    m, n = max(
        ((m, n) for m, n, lane in measured() if lane == "by_loops"), key=lambda size: size[0] * size[1]
    )
    seconds = measured()
    ratio = seconds[m, n, "by_loops"] / seconds[m, n, "by_matmul"]
    assert f"All at once is {round(ratio)} times as fast" in tab.inner_text("#seen")
    assert tab.evaluate("TIMES.date") in tab.inner_text("#note")
    assert tab.evaluate("TIMES.hardware") in tab.inner_text("#note")
    step = tab.get_by_role("button", name="Step")
    for _ in range(14):
        step.click()
    assert "of 512 squares" in tab.inner_text("#seen")
    assert "computed 512 of" not in tab.inner_text("#seen")
    step.click()
    assert "computed 512 of 512 squares" in tab.inner_text("#seen")
    assert f"all at once {round(ratio)} times" in tab.inner_text("#seen")
    # A race that is over begins again.
    step.click()
    assert "computed 34 of 512 squares" in tab.inner_text("#seen")


REAL = {
    "sin": (np.sin, np.cos),
    "exp": (np.exp, np.exp),
    "cube": (lambda x: x * x * x, lambda x: 3 * x * x),
    "abs": (np.abs, np.sign),
}


def test_the_slope_of_each_curve_is_that_of_its_gate(moving):
    tab = moving("numeric-check")
    gates = {"sin": xp.sin, "exp": xp.exp, "cube": lambda x: x * x * x, "abs": xp.abs}
    assert tab.evaluate("Object.keys(CURVES)") == list(gates)
    for curve, f in gates.items():
        for x in GRID:
            found = tab.evaluate("([c, x]) => differences(c, 'float64', x, 0.1).rule", [curve, x])
            assert found == pytest.approx(float(cr.grad(f)(np.asarray(x))), rel=1e-14), (curve, x)


@pytest.mark.parametrize(("name", "dtype"), [("float64", F64), ("float32", F32)])
@pytest.mark.parametrize("curve", REAL)
def test_differences_are_rounded_as_in_numpy(moving, curve, name, dtype):
    tab = moving("numeric-check")
    f = REAL[curve][0]
    steps = tab.evaluate("STEPS")
    assert len(steps) > 300
    eps = np.finfo(dtype).eps
    for x in (-1.3, 0.0, 0.7, 2.0):
        found = tab.evaluate("([c, n, x]) => STEPS.map((h) => differences(c, n, x, h))", [curve, name, x])
        X, H = dtype(x), np.array(steps, dtype)
        forward, central = (f(X + H) - f(X)) / H, (f(X + H) - f(X - H)) / (2 * H)
        assert forward.dtype == dtype
        # A sine or an exponential may be rounded otherwise in its last digit; sums, products and |x| may not.
        last = 2 * eps * float(np.abs(f(X)) + 1) if curve in ("sin", "exp") else 0.0
        for kind, expected in (("forward", forward), ("central", central)):
            ours = np.array([row[kind] for row in found])
            assert np.all(np.abs(ours - expected.astype(float)) <= last / H.astype(float)), (x, kind)


@pytest.mark.parametrize("name", ["float64", "float32"])
@pytest.mark.parametrize("curve", REAL)
def test_the_error_stays_below_what_truncation_and_rounding_leave(moving, curve, name):
    tab = moving("numeric-check")
    for x in (-1.3, 0.0, 0.05, 0.7, 2.0):
        rows = tab.evaluate(
            """([c, n, x]) => STEPS.filter((h) => h < 0.2)
                .map((h) => [h, differences(c, n, x, h), expected(c, n, x, h)])""",
            [curve, name, x],
        )
        for h, found, guide in rows:
            for kind in ("forward", "central"):
                error = abs(found[kind] - found["rule"])
                most = 1.5 * (guide[kind]["truncation"] + guide[kind]["rounding"])
                # The format's own digits are left where both parts vanish.
                most += 4 * np.finfo(name).eps
                assert error <= most, (x, h, kind)


def test_turning_the_dial_tells_what_errs(moving):
    tab = moving("numeric-check")
    dial = tab.get_by_role("spinbutton", name="step h")
    said = {}
    for h in ("1", "1e-5", "1e-12", "1e-16"):
        dial.fill(h)
        said[h] = tab.inner_text("#seen")
    assert said["1"].count("mostly by truncation") == 2
    assert "mostly by truncation" in said["1e-5"]
    assert said["1e-12"].count("mostly by rounding") == 2
    assert "Forward differences say 1.11022, off by 0.35, mostly by rounding" in said["1e-16"]
    # x + h is x: the difference is 0, and the whole slope is the error.
    place = tab.get_by_role("spinbutton", name="x", exact=True)
    place.fill("1.2")
    assert "Forward differences say 0, off by 0.36, mostly by rounding" in tab.inner_text("#seen")
    tab.get_by_role("combobox", name="f(x)").select_option("cube")
    place.fill("0")
    dial.fill("0.01")
    assert "Forward differences say 0.0001, off by 0.0001, mostly by truncation" in tab.inner_text("#seen")
    tab.get_by_role("combobox", name="f(x)").select_option("abs")
    assert "Forward differences say 1, off by 1, mostly by the kink" in tab.inner_text("#seen")
    assert "Central differences say 0, exactly" in tab.inner_text("#seen")
