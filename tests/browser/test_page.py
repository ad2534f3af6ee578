"""The page in a real browser: stepped through by keyboard alone, its inputs changed, on a phone, in light and dark."""

import array_api_compat
import numpy as np
import pytest

import chainrule as cr
from chainrule.explain import network
from chainrule.explain.format import number


def circuit():
    return cr.explain("q = x + y; f = q * z", x=-2, y=5, z=-4)


def shown(tab, kind):
    """Return the numbers that can be seen at the nodes, by their names."""
    return tab.evaluate(
        """(kind) => Object.fromEntries([...document.querySelectorAll(".node")].map((node) => [
            node.dataset.name, node.querySelector(`.${kind}`)])
            .filter(([, text]) => text && getComputedStyle(text).visibility === "visible")
            .map(([name, text]) => [name, text.textContent]))""",
        kind,
    )


def lines(tab):
    return [tab.inner_text("#head"), *tab.locator("#lines li").all_inner_texts()]


INPUTS = {"x": "-2", "y": "5", "z": "-4"}
STEPS = [
    (["The inputs are given.", "x = -2", "y = 5", "z = -4"], INPUTS, {}),
    (["Forward: q, gate add.", "q = x + y = -2 + 5 = 3"], INPUTS | {"q": "3"}, {}),
    (["Forward: f, gate multiply.", "f = q * z = 3 * -4 = -12"], INPUTS | {"q": "3", "f": "-12"}, {}),
    (["Backward begins at f.", "df = df/df = 1"], INPUTS | {"q": "3", "f": "-12"}, {"f": "1"}),
    (
        ["Backward: f, gate multiply.", "dq += df * z = 1 * (-4) = -4", "dz += df * q = 1 * 3 = 3"],
        INPUTS | {"q": "3", "f": "-12"},
        {"f": "1", "q": "-4", "z": "3"},
    ),
    (
        ["Backward: q, gate add.", "dx += dq * 1 = -4 * 1 = -4", "dy += dq * 1 = -4 * 1 = -4"],
        INPUTS | {"q": "3", "f": "-12"},
        {"f": "1", "q": "-4", "z": "3", "x": "-4", "y": "-4"},
    ),
]


def check(tab, step):
    said, values, gradients = STEPS[step]
    assert lines(tab) == said
    assert shown(tab, "value") == values
    assert shown(tab, "gradient") == gradients


def test_the_circuit_is_stepped_through_by_buttons(opened):
    tab = opened(circuit())
    check(tab, 0)
    for step in range(1, len(STEPS)):
        tab.click("#next")
        check(tab, step)
    assert tab.get_attribute("#next", "aria-disabled") == "true"
    tab.click("#next", force=True)
    check(tab, len(STEPS) - 1)
    for step in reversed(range(len(STEPS) - 1)):
        tab.click("#back")
        check(tab, step)
    tab.click("#last")
    check(tab, len(STEPS) - 1)
    tab.click("#first")
    check(tab, 0)


def test_the_keyboard_alone_suffices(opened):
    tab = opened(circuit())
    for step in range(1, len(STEPS)):
        tab.keyboard.press("ArrowRight")
        check(tab, step)
    tab.keyboard.press("ArrowLeft")
    check(tab, len(STEPS) - 2)
    tab.keyboard.press("Home")
    check(tab, 0)
    tab.keyboard.press("End")
    check(tab, len(STEPS) - 1)

    # Tab reaches everything, and where it is can be seen.
    reached = []
    for _ in range(12):
        tab.keyboard.press("Tab")
        reached.append(tab.evaluate("document.activeElement.id || document.activeElement.tagName"))
        outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert reached[-1] == "BODY" or outline != "none"
    assert {"first", "back", "play", "next", "last", "pane", "INPUT", "BUTTON", "SUMMARY"} <= set(reached)

    # A change and a step by keys: arrows within a field stay in the field.
    tab.focus("#inputs input")
    tab.keyboard.press("ControlOrMeta+a")
    tab.keyboard.type("7")
    tab.keyboard.press("ArrowLeft")
    check_changed(tab)
    # Space on a button presses that button, once.
    tab.focus("#first")
    tab.keyboard.press("Space")
    assert tab.inner_text("#step") == f"Step 0 of {len(STEPS) - 1}"
    tab.focus("#next")
    tab.keyboard.press("Enter")
    assert tab.inner_text("#step") == f"Step 1 of {len(STEPS) - 1}"


def check_changed(tab):
    """x is 7 now: q = 12, f = -48, and the gradients are -4, -4, 12."""
    assert shown(tab, "value") == {"x": "7", "y": "5", "z": "-4", "q": "12", "f": "-48"}
    assert shown(tab, "gradient") == {"x": "-4", "y": "-4", "z": "12", "q": "-4", "f": "1"}
    assert tab.inner_text("#changed") == "Computed again: f = -48, dx = -4, dy = -4, dz = 12."
    assert lines(tab)[1:] == ["dx += dq * 1 = -4 * 1 = -4", "dy += dq * 1 = -4 * 1 = -4"]


def test_a_changed_input_changes_all_numbers(opened):
    tab = opened(circuit())
    tab.click("#last")
    tab.fill("#inputs label:has-text('x') input", "7")
    check_changed(tab)
    assert tab.get_attribute(".node[data-name=f]", "data-value") == "-48"
    tab.click("#back")
    assert lines(tab)[1:] == ["dq += df * z = 1 * (-4) = -4", "dz += df * q = 1 * 12 = 12"]
    tab.fill("#inputs label:has-text('z') input", "")
    assert "z needs a number; -4 is kept" in tab.inner_text("#changed")
    assert tab.get_attribute("#inputs label:has-text('z') input", "aria-invalid") == "true"
    tab.click("text=Reset")
    tab.click("#last")
    check(tab, len(STEPS) - 1)


def test_the_table_has_the_numbers_of_the_step(opened):
    tab = opened(circuit())
    tab.keyboard.press("ArrowRight")
    tab.click("summary")
    rows = [row.split("\t") for row in tab.inner_text("table").splitlines()]
    assert rows[0] == ["name", "gate", "value", "gradient"]
    assert ["q", "add", "3", "not computed yet"] in rows
    assert ["f", "multiply", "not computed yet", "not computed yet"] in rows


def test_each_step_is_spoken(opened):
    tab = opened(circuit())
    assert tab.get_attribute(".rule", "aria-live") == "polite"
    assert tab.locator(".rule #head").count() == 1
    assert tab.get_attribute("#changed", "aria-live") == "polite"


def test_shares_of_a_value_used_twice_are_added(opened):
    tab = opened(cr.explain("p = x * y; s = x + p", x=3.0, y=4.0))
    tab.keyboard.press("End")
    assert lines(tab)[-1] == "dx is now complete: 5"
    assert shown(tab, "gradient") == {"x": "5", "y": "3", "p": "1", "s": "1"}
    tab.fill("#inputs label:has-text('y') input", "0.5")
    assert lines(tab)[-1] == "dx is now complete: 1.5"
    assert shown(tab, "gradient") == {"x": "1.5", "y": "3", "p": "1", "s": "1"}


def test_play_runs_to_the_end_and_space_stops_it(opened):
    tab = opened(circuit())
    tab.clock.install()
    tab.keyboard.press("Space")
    assert tab.inner_text("#play") == "Pause"
    tab.clock.run_for(2000)
    check(tab, 1)
    tab.keyboard.press("Space")
    tab.clock.run_for(9000)
    check(tab, 1)
    tab.click("#play")
    tab.clock.run_for(20_000)
    check(tab, len(STEPS) - 1)
    assert tab.inner_text("#play") == "Play"


def test_where_the_page_cannot_compute_it_says_why(opened):
    tab = opened(cr.explain("sum(x)", x=np.ones(3)))
    assert tab.locator("#inputs input").count() == 0
    assert "only where every value is a single number" in tab.inner_text("#fixed")
    tab = opened(cr.explain(lambda x: array_api_compat.array_namespace(x).clip(x, 0.0, 1.0), x=0.5))
    assert tab.locator("#inputs input").count() == 0
    assert "cannot compute clip itself" in tab.inner_text("#fixed")


def test_before_backward_the_page_steps_forward_only(opened):
    tab = opened(circuit().forward())
    tab.keyboard.press("End")
    assert tab.inner_text("#step") == "Step 2 of 2"
    assert shown(tab, "gradient") == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_the_whole_page_and_scrolls_the_drawing_alone(opened, scheme):
    tab = opened(
        circuit(), viewport={"width": 320, "height": 640}, color_scheme=scheme, reduced_motion="reduce"
    )
    assert tab.evaluate("document.documentElement.scrollWidth") == 320
    tab.keyboard.press("End")
    pane, node = tab.locator("#pane").bounding_box(), tab.locator(".node.now").bounding_box()
    assert pane["x"] <= node["x"]
    assert node["x"] + node["width"] <= pane["x"] + pane["width"]
    paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 24, 29)"}[scheme]


def test_a_network_of_three_layers_is_on_one_screen(opened):
    r = np.random.default_rng(0)
    net = cr.MLP((20, 16, 12, 3), output="softmax")
    graph = network.graph(net, net.init(0), r.normal(size=(8, 20)), r.integers(0, 3, 8))
    tab = opened(graph, viewport={"width": 1440, "height": 900})
    box = tab.locator("#pane svg").bounding_box()
    assert box["x"] + box["width"] <= 1440
    assert box["y"] + box["height"] <= 900
    assert tab.evaluate(
        "document.querySelector('#pane').scrollWidth <= document.querySelector('#pane').clientWidth"
    )


def test_a_name_is_text_wherever_it_stands(opened):
    name = "</script><img src=x onerror=\"document.title='broken'\">"
    tab = opened(cr.explain(lambda **values: sum(values.values()), **{name: 1.0, "<b>": 2.0}))
    tab.keyboard.press("End")
    assert tab.title() != "broken"
    assert tab.locator("img").count() == 0
    assert tab.locator("#inputs input").count() == 2
    assert name in tab.inner_text("#inputs")


def test_the_frame_of_a_notebook_runs(opened):
    tab = opened(circuit())
    tab.set_content(circuit()._repr_html_())
    frame = tab.frame_locator("iframe")
    frame.locator("#last").click()
    assert frame.locator("#step").inner_text() == f"Step {len(STEPS) - 1} of {len(STEPS) - 1}"
    frame.locator("#inputs input").first.fill("7")
    assert "f = -48" in frame.locator("#changed").inner_text()


def test_a_folded_graph_is_stepped_through_to_its_inputs(opened):
    def loop(x):
        y = x
        for _ in range(100):
            y = y * x + 0.5
        return y

    graph = cr.explain(loop, x=0.5)
    tab = opened(graph)
    last = int(tab.inner_text("#step").split(" of ")[1])
    for step in range(1, last + 1):
        tab.keyboard.press("ArrowRight")
        assert tab.inner_text("#step") == f"Step {step} of {last}"
    assert lines(tab)[-1] == f"dx is now complete: {number(graph.node('x').gradient)}"


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        ("x", {"x": 2.0}),
        ("x * 0", {"x": float("inf")}),
        ("sum(x * y)", {"x": np.zeros((0, 3)), "y": np.zeros((0, 3))}),
        ("sum(x)", {"x": np.array([np.nan, np.inf, 1.0] * 9)}),
        ("x + 1", {"x": np.float32(0.1)}),
        ("x / x + x", {"x": 0.0}),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_odd_graphs_are_stepped_through_too(opened, expression, values):
    graph = cr.explain(expression, **values)
    for each in (graph, graph.forward()):
        tab = opened(each)
        for _ in range(8):
            tab.keyboard.press("ArrowRight")
        assert tab.locator("#next").get_attribute("aria-disabled") == "true"
        assert all(text for text in shown(tab, "value").values())


def test_float32_is_computed_as_such(opened):
    tab = opened(cr.explain("x + y", x=np.float32(0), y=np.float32(1)))
    tab.fill("#inputs label:has-text('x') input", "0.1")
    assert float(tab.get_attribute(".node >> nth=2", "data-value")) == np.float32(0.1) + np.float32(1)


def test_each_step_shows_its_lines_and_the_drawing_stays_where_it_is(opened):
    graph = cr.explain("v = sigmoid(X @ w); J = sum(v)", X=np.ones((3, 2)), w=[1.0, 2.0])
    source = graph.to_code().split("\n")
    for width in (1280, 390):
        tab = opened(graph, viewport={"width": width, "height": 900}, reduced_motion="reduce")
        top = tab.evaluate("document.querySelector('#pane').getBoundingClientRect().y")
        assert tab.locator("#code span").all_text_contents() == [line or " " for line in source]
        assert tab.locator("#track .forward i").count() == 4
        assert tab.locator("#track .backward i").count() == 4
        seen = []
        for step in range(1, 8):
            tab.keyboard.press("ArrowRight")
            assert tab.evaluate("document.querySelector('#pane').getBoundingClientRect().y") == top
            assert tab.locator("#track i.done").count() == step + 1
            lit = tab.locator("#code .lit").all_text_contents()
            seen.append([line.split(" = ")[0].strip() for line in lit])
            assert bool(tab.inner_text("#said")) == (step == 5)  # the gradient of a sum is known beforehand
        product, sigmoid, total, seed, *_ = seen
        assert product == ["t1"]
        assert (len(sigmoid), total, seed) == (5, ["J"], [])
        assert seen[-1][-2:] == ["dX", "dw"]
        tab.click("#track i >> nth=2")
        assert tab.inner_text("#step") == "Step 2 of 7"
        assert tab.evaluate("document.documentElement.scrollWidth") == width
    folded = cr.explain(lambda x: sum([np.sin(x * k) for k in range(60)]), x=0.5)
    assert opened(folded).locator("#program").is_hidden()
