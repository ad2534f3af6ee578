"""The page in a real browser: stepped through, its inputs changed, its nodes chosen, on a phone, in light and dark."""

from datetime import datetime
from types import SimpleNamespace

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
    (
        ["All values and gradients are computed.", "f = -12", "dx = -4", "dy = -4", "dz = 3"],
        INPUTS | {"q": "3", "f": "-12"},
        {"f": "1", "q": "-4", "z": "3", "x": "-4", "y": "-4"},
    ),
]
LAST = len(STEPS) - 1


def check(tab, step):
    said, values, gradients = STEPS[step]
    assert lines(tab) == said
    assert shown(tab, "value") == values
    assert shown(tab, "gradient") == gradients


def test_the_page_opens_with_all_numbers_and_is_stepped_through_by_buttons(opened):
    tab = opened(circuit())
    check(tab, LAST)
    tab.click("#first")
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
    tab.keyboard.press("Home")
    check(tab, 0)
    for step in range(1, len(STEPS)):
        tab.keyboard.press("ArrowRight")
        check(tab, step)
    tab.keyboard.press("ArrowLeft")
    check(tab, LAST - 1)
    tab.keyboard.press("End")
    check(tab, LAST)

    # Tab reaches everything, and where it is can be seen.
    reached = []
    for _ in range(24):
        tab.keyboard.press("Tab")
        reached.append(
            tab.evaluate(
                "document.activeElement.id || document.activeElement.dataset.name || document.activeElement.tagName"
            )
        )
        outline = tab.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert reached[-1] == "BODY" or outline != "none"
    page = {"first", "back", "play", "next", "last", "scrub", "pane", "INPUT", "BUTTON", "SUMMARY"}
    assert page | {"x", "y", "z", "q", "f"} <= set(reached)

    # A change and a step by keys: arrows within a field stay in the field.
    tab.keyboard.press("ArrowLeft")
    tab.focus("#inputs input")
    tab.keyboard.press("ControlOrMeta+a")
    tab.keyboard.type("7")
    tab.keyboard.press("ArrowLeft")
    check_changed(tab)
    # Space on a button presses that button, once.
    tab.focus("#first")
    tab.keyboard.press("Space")
    assert tab.inner_text("#step") == f"Step 0 of {LAST}"
    tab.focus("#next")
    tab.keyboard.press("Enter")
    assert tab.inner_text("#step") == f"Step 1 of {LAST}"
    # A screen reader hears of a node its rule and what is computed by now.
    heard = "q = add(x, y), value 12, gradient not computed yet"
    tab.get_by_role("button", name=heard, exact=True).focus()
    tab.keyboard.press("Enter")
    assert tab.inner_text("#named") == "q, gate add"
    tab.focus(".node[data-name=f]")
    tab.keyboard.press("Space")
    assert tab.inner_text("#named") == "f, gate multiply"
    assert tab.get_attribute(".node[data-name=f]", "aria-pressed") == "true"
    assert tab.inner_text("#step") == f"Step 1 of {LAST}"


def check_changed(tab):
    """Check the page at the last gate, where x is 7: q = 12, f = -48, and the gradients are -4, -4, 12."""
    assert shown(tab, "value") == {"x": "7", "y": "5", "z": "-4", "q": "12", "f": "-48"}
    assert shown(tab, "gradient") == {"x": "-4", "y": "-4", "z": "12", "q": "-4", "f": "1"}
    assert tab.inner_text("#changed") == "Computed again: f = -48, dx = -4, dy = -4, dz = 12."
    assert lines(tab)[1:] == ["dx += dq * 1 = -4 * 1 = -4", "dy += dq * 1 = -4 * 1 = -4"]


def test_a_changed_input_changes_all_numbers(opened):
    tab = opened(circuit())
    tab.click("#back")
    tab.fill("#inputs label:has-text('x') input", "7")
    check_changed(tab)
    tab.click("#back")
    assert lines(tab)[1:] == ["dq += df * z = 1 * (-4) = -4", "dz += df * q = 1 * 12 = 12"]
    tab.fill("#inputs label:has-text('z') input", "")
    assert "z needs a number; -4 is kept" in tab.inner_text("#changed")
    assert tab.get_attribute("#inputs label:has-text('z') input", "aria-invalid") == "true"
    tab.click("text=Reset")
    tab.click("#last")
    check(tab, LAST)


def test_the_table_has_the_numbers_of_the_step(opened):
    tab = opened(circuit())
    tab.keyboard.press("Home")
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
    tab.keyboard.press("ArrowLeft")
    assert lines(tab)[-1] == "dx is now complete: 5"
    assert shown(tab, "gradient") == {"x": "5", "y": "3", "p": "1", "s": "1"}
    tab.fill("#inputs label:has-text('y') input", "0.5")
    assert lines(tab)[-1] == "dx is now complete: 1.5"
    assert shown(tab, "gradient") == {"x": "1.5", "y": "3", "p": "1", "s": "1"}


def test_play_runs_to_the_end_and_space_stops_it(opened):
    tab = opened(circuit())
    tab.clock.install(time=datetime(2026, 1, 1))
    tab.clock.pause_at(datetime(2026, 1, 2))  # else it goes on by itself, and a slow machine steps
    tab.keyboard.press("Space")
    assert tab.inner_text("#play") == "Pause"
    check(tab, 0)
    tab.clock.run_for(2000)
    check(tab, 1)
    tab.keyboard.press("Space")
    tab.clock.run_for(9000)
    check(tab, 1)
    tab.click("#play")
    tab.clock.run_for(20_000)
    check(tab, LAST)
    assert tab.inner_text("#play") == "Play"


def test_where_the_page_cannot_compute_it_says_why(opened):
    tab = opened(cr.explain(lambda x: array_api_compat.array_namespace(x).clip(x, 0.0, 1.0), x=0.5))
    assert tab.locator("#inputs input").count() == 0
    assert "cannot compute clip itself" in tab.inner_text("#fixed")
    tab.click(".node[data-name=x] .shape")
    assert tab.inner_text("#meaning") == "dx = 1. It cannot be tried, as inputs cannot be changed here."


def test_a_page_that_computes_other_numbers_than_python_did_lets_nothing_be_changed(opened):
    """As for a gate of a user's own that has the name of another."""

    @cr.gate
    def tanh(xp, x):
        return 2 * xp.tanh(x), (lambda g: g * 2 * (1 - xp.tanh(x) ** 2),)

    tab = opened(cr.explain(lambda x: tanh(x) * 1.0, x=0.5))
    assert tab.locator("#inputs input").count() == 0
    assert "computes other numbers than Python did" in tab.inner_text("#fixed")
    assert opened(cr.explain("tanh(x) * 1", x=0.5)).locator("#inputs input").count() == 2


def test_before_backward_the_page_steps_forward_only(opened):
    tab = opened(circuit().forward())
    tab.keyboard.press("End")
    assert tab.inner_text("#step") == "Step 3 of 3"
    assert lines(tab) == ["All values are computed.", "f = -12"]
    assert shown(tab, "gradient") == {}
    tab.fill("#inputs label:has-text('x') input", "7")
    assert lines(tab)[1:] == ["f = -48"]
    tab.click(".node[data-name=x] .shape")
    assert tab.inner_text("#meaning") == ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_the_whole_page_and_scrolls_the_drawing_alone(opened, scheme):
    tab = opened(
        circuit(), viewport={"width": 320, "height": 640}, color_scheme=scheme, reduced_motion="reduce"
    )
    assert tab.evaluate("document.documentElement.scrollWidth") == 320
    tab.keyboard.press("ArrowLeft")
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
    assert tab.locator("#inputs input[type=number]").count() == 2
    assert name in tab.inner_text("#inputs")
    tab.click(".node .shape >> nth=0")
    assert tab.locator("img").count() == 0


def test_the_frame_of_a_notebook_runs(opened):
    tab = opened(circuit())
    tab.set_content(circuit()._repr_html_())
    frame = tab.frame_locator("iframe")
    frame.locator("#back").click()
    assert frame.locator("#step").inner_text() == f"Step {LAST - 1} of {LAST}"
    frame.locator("#scrub").fill("2")
    assert frame.locator("#step").inner_text() == f"Step 2 of {LAST}"
    tab.wait_for_timeout(400)  # nothing is written into the address of a frame
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
    tab.keyboard.press("Home")
    for step in range(1, last + 1):
        tab.keyboard.press("ArrowRight")
        assert tab.inner_text("#step") == f"Step {step} of {last}"
    tab.keyboard.press("ArrowLeft")
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
        tab.keyboard.press("Home")
        for _ in range(9):
            tab.keyboard.press("ArrowRight")
        assert tab.locator("#next").get_attribute("aria-disabled") == "true"
        assert all(text for text in shown(tab, "value").values())


def test_float32_is_computed_as_such(opened):
    tab = opened(cr.explain("x + y", x=np.float32(0), y=np.float32(1)))
    tab.fill("#inputs label:has-text('x') input", "0.1")
    assert tab.evaluate("boxes[2].x[0]") == np.float32(0.1) + np.float32(1)
    assert tab.evaluate("boxes[0].x[0]") == np.float32(0.1)


def test_each_step_shows_its_lines_and_the_drawing_stays_where_it_is(opened):
    graph = cr.explain("v = sigmoid(X @ w); J = sum(v)", X=np.ones((3, 2)), w=[1.0, 2.0])
    source = graph.to_code().split("\n")
    for width in (1280, 390):
        tab = opened(graph, viewport={"width": width, "height": 900}, reduced_motion="reduce")
        top = tab.evaluate("document.querySelector('#pane').getBoundingClientRect().y")
        assert tab.locator("#code span").all_text_contents() == [line or " " for line in source]
        assert tab.locator("#track .forward i").count() == 4
        assert tab.locator("#track .backward i").count() == 5
        tab.keyboard.press("Home")
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
        assert tab.evaluate("document.documentElement.scrollWidth") == width
    folded = cr.explain(lambda x: sum([np.sin(x * k) for k in range(60)]), x=0.5)
    assert opened(folded).locator("#program").is_hidden()


def test_the_slider_of_steps_is_dragged_and_moved_by_keys(opened):
    tab = opened(circuit())
    scrub, bars = tab.locator("#scrub"), tab.locator("#track i")
    assert [bars.count(), tab.locator("#track .forward i").count()] == [len(STEPS), 3]
    # The middle of a bar is where its step is.
    for step in (0, 3, LAST, 1):
        box = bars.nth(step).bounding_box()
        tab.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        tab.mouse.down()
        check(tab, step)
    box = bars.nth(4).bounding_box()
    tab.mouse.move(box["x"] + box["width"] / 2, box["y"], steps=5)
    check(tab, 4)
    tab.mouse.up()
    scrub.press("ArrowRight")
    check(tab, 5)
    scrub.press("Home")
    check(tab, 0)
    assert scrub.get_attribute("aria-valuetext") == f"0 of {LAST}. The inputs are given."


def test_a_link_leads_to_a_step_and_the_address_keeps_it(opened):
    tab = opened(circuit())
    address = tab.url
    assert "#" not in address
    tab.goto(f"{address}#step=2")
    check(tab, 2)
    tab.keyboard.press("ArrowRight")
    tab.wait_for_timeout(600)
    assert tab.url == f"{address}#step=3"
    tab.reload()
    check(tab, 3)
    tab.goto(f"{address}#step=99")
    check(tab, LAST)
    tab.goto(f"{address}#elsewhere")
    check(tab, LAST)


def test_a_slider_moves_a_number_and_a_number_its_slider(opened):
    tab = opened(circuit())
    field, slider = (
        tab.locator("#inputs .number").first.locator(f"input[type={kind}]") for kind in ("number", "range")
    )
    assert (slider.get_attribute("min"), slider.get_attribute("max"), slider.input_value()) == (
        "-5",
        "5",
        "-2",
    )
    slider.fill("1.5")
    assert field.input_value() == "1.5"
    assert shown(tab, "value") == {"x": "1.5", "y": "5", "z": "-4", "q": "6.5", "f": "-26"}
    field.fill("-3")
    assert slider.input_value() == "-3"
    assert shown(tab, "value")["f"] == "-8"
    ends = tab.evaluate("[0, 1, -0.3, 0.004, 250, Infinity, 1e-300].map(end)")
    assert ends == pytest.approx([1, 2, 1, 0.01, 500, 1, 2e-300])


def test_the_elements_of_vectors_and_matrices_are_changed(opened):
    values = {
        "X": [[1.0, 2.0], [3.0, -4.0], [0.5, 1.0]],
        "w": [0.1, -0.2],
        "y": np.array([1, 0, 1]),
        "b": 0.3,
    }
    text = "v = sigmoid(X @ w + b); J = mean((v - y)**2)"
    tab = opened(cr.explain(text, **values))
    tab.fill("[aria-label='X[1, 0]']", "-1.25")
    tab.fill("[aria-label='y[2]']", "0")
    tab.fill("[aria-label='w[1]']", "1e3")
    values["X"][1][0], values["y"][2], values["w"][1] = -1.25, 0, 1e3
    graph = cr.explain(text, **values)
    expected = cr.explain(text, **values).to_html()
    other = opened(SimpleNamespace(to_html=lambda: expected))
    for node in graph.nodes:
        for kind, x in (("value", node.value), ("gradient", node.gradient)):
            texts = [each.locator(f".node[data-name='{node.name}'] text.{kind}") for each in (tab, other)]
            assert [t.count() for t in texts] == [x is not None] * 2
            if x is not None:
                assert texts[0].text_content() == texts[1].text_content()
    assert lines(tab) == lines(other)
    tab.fill("[aria-label='y[2]']", "0.5")
    assert tab.inner_text("#changed") == "y[2] needs a whole number; 0 is kept."
    # What is longer than its room is squeezed into it.
    tab.fill("[aria-label='w[0]']", "-1.2345e-100")
    tab.fill("[aria-label='w[1]']", "-1.2345e-100")
    part = tab.locator(".node[data-name=w] text.value tspan")
    room = tab.get_attribute(".node[data-name=w]", "data-room")
    assert part.get_attribute("textLength") == room
    tab.click("text=Reset")
    assert part.text_content() == "[0.1 -0.2]"
    assert part.get_attribute("textLength") is None


def test_a_heat_map_is_painted_again_as_python_paints_it(opened):
    x = np.linspace(-1, 1, 12).reshape(3, 4)
    tab, other = (
        opened(cr.explain("sum(tanh(x)**2)", x=x)),
        opened(cr.explain("sum(tanh(x)**2)", x=x * 3 * np.eye(3, 4))),
    )
    for k, each in enumerate(np.ravel(x * 3 * np.eye(3, 4)).tolist()):
        tab.locator(".cells input").nth(k).fill(repr(each))
    pixels = """async () => Promise.all([...document.querySelectorAll("svg image")].map(async (image) => {
        const picture = new Image();
        picture.src = image.getAttribute("href");
        await picture.decode();
        const { width, height } = picture;
        const canvas = Object.assign(document.createElement("canvas"), { width, height });
        canvas.getContext("2d").drawImage(picture, 0, 0);
        return [width, ...canvas.getContext("2d").getImageData(0, 0, width, height).data];
    }))"""
    found, expected = tab.evaluate(pixels), other.evaluate(pixels)
    assert len(found) == 6
    assert all(np.abs(np.subtract(a, b)).max() <= 1 for a, b in zip(found, expected, strict=True))
    texts = "[...document.querySelectorAll('svg text')].map((text) => text.textContent)"
    assert tab.evaluate(texts) == other.evaluate(texts)


def test_an_input_that_is_large_stays_and_the_others_are_changed(opened):
    tab = opened(cr.explain("sum(X @ w)", X=np.ones((8, 5)), w=np.ones(5)))
    assert "X (8 × 5) stays as it is." in tab.inner_text("#inputs")
    tab.fill("[aria-label='w[0]']", "11")
    assert "= 120," in tab.inner_text("#changed")


def test_a_chosen_node_says_its_rule_and_tries_what_its_gradient_foretells(opened):
    tab = opened(cr.explain("q = x * y; f = q * q + y", x=3.0, y=2.0))
    tab.click(".node[data-name=q] .shape")
    assert tab.inner_text("#named") == "q, gate multiply"
    assert tab.inner_text("#meaning") == (
        "dq = 12: +0.001 at q should be about +0.012 at f. Tried: f goes from 38 to 38.012001, by +0.012."
    )
    facts = tab.locator("#facts dd").all_inner_texts()
    assert facts[:3] == ["v = x * y", "dx += dv * y", "dy += dv * x"]
    assert facts[3] == "q = x * y = 3 * 2 = 6"
    assert facts[4:6] == ["dq += dv3 * q = 1 * 6 = 6"] * 2
    assert facts[6:8] == ["dx += dq * y = 12 * 2 = 24", "dy += dq * x = 12 * 3 = 36"]
    assert any("x * y" in line for line in facts[8:])
    # y is used twice; where the slope changes fast, the change is not quite the prediction.
    tab.click(".node[data-name=y] .shape")
    assert tab.inner_text("#meaning").endswith(
        "should be about +0.037 at f. Tried: f goes from 38 to 38.037009, by +0.03701."
    )
    tab.fill("#inputs label:has-text('x') input", "0")
    assert "dy = 1: +0.001 at y" in tab.inner_text("#meaning")


def test_an_element_of_an_array_is_chosen_and_tried(opened):
    tab = opened(cr.explain("sum(exp(x) * m)", x=[[0.0, 1.0]], m=np.array([2, 3])))
    tab.click(".node[data-name=x] .shape")
    tab.select_option("#element", label="x[0, 1]")
    assert "dx[0, 1] = 8.15485: +0.001 at x[0, 1] should be about +0.008155" in tab.inner_text("#meaning")
    assert tab.inner_text("#meaning").endswith("by +0.008159.")
    tab.click(".node[data-name=m] .shape")
    assert tab.inner_text("#meaning") == "No gradient flows to m."
    assert tab.locator("#elements").is_hidden()


def test_a_narrower_window_fits_the_drawing_again_unless_the_reader_chose(opened):
    tab = opened(
        cr.explain("a * b + c * d + exp(sin(a * d))", a=1.0, b=2.0, c=3.0, d=4.0),
        viewport={"width": 1280, "height": 800},
    )
    assert tab.locator("#zoom").is_hidden()
    wide = tab.locator("#pane svg").bounding_box()["width"]
    tab.set_viewport_size({"width": 500, "height": 800})
    assert tab.locator("#zoom").is_visible()
    scrolled = "document.querySelector('#pane').scrollWidth > document.querySelector('#pane').clientWidth"
    assert tab.evaluate(scrolled)
    assert tab.locator("#pane svg").bounding_box()["width"] < wide
    tab.click("#zoom")
    assert not tab.evaluate(scrolled)
    tab.set_viewport_size({"width": 400, "height": 800})
    assert not tab.evaluate(scrolled)
    tab.set_viewport_size({"width": 1280, "height": 800})
    assert tab.locator("#pane svg").bounding_box()["width"] == wide


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_in_a_low_frame_the_graph_is_seen_at_once(opened, width, scheme):
    tab = opened(circuit(), viewport={"width": width, "height": 560}, color_scheme=scheme)
    assert tab.evaluate("document.documentElement.scrollWidth") == width
    output = tab.locator(".node[data-name=f] .shape").bounding_box()
    assert output["y"] + output["height"] < 560
    # Every part that takes keys or the mouse has a role and a name.
    unnamed = tab.evaluate("""[...document.querySelectorAll("button,input,select,[role=button],[tabindex]")]
        .filter((part) => !(part.getAttribute("aria-label") || part.textContent.trim() || part.labels?.length))
        .map((part) => part.outerHTML)""")
    assert unnamed == []
