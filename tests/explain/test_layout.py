"""The positions of boxes, which nodes are folded, and the heat maps of matrices."""

import io
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from chainrule.explain.graph import Graph, Node
from chainrule.explain.render import folding, layout, png

sides = st.floats(1, 200)


@st.composite
def drawings(draw, most=14):
    count = draw(st.integers(0, most))
    pairs = list(combinations(range(count), 2))
    wires = draw(st.lists(st.sampled_from(pairs), max_size=3 * count)) if pairs else []
    return draw(st.lists(st.tuples(sides, sides), min_size=count, max_size=count)), wires


def overlap(a, b):
    """Tell whether two rectangles (left, top, right, bottom) share more than rounding."""
    return min(a[2], b[2]) - max(a[0], b[0]) > 1e-6 and min(a[3], b[3]) - max(a[1], b[1]) > 1e-6


def rectangles(sizes, places):
    return [
        (left, y - height / 2, left + width, y + height / 2)
        for (width, height), left, y in zip(sizes, places.left, places.middle, strict=True)
    ]


@given(drawings())
def test_no_two_boxes_overlap_and_every_wire_leads_to_the_right(drawing):
    sizes, wires = drawing
    places = layout.arranged(sizes, wires)
    boxes = rectangles(sizes, places)
    assert not any(overlap(a, b) for a, b in combinations(boxes, 2))
    assert all(left >= 0 and top + 1e-6 >= 0 for left, top, _, _ in boxes)
    assert all(right <= places.width and bottom <= places.height + 1e-6 for _, _, right, bottom in boxes)
    for start, end in wires:
        assert places.right[start] < places.left[end]


@given(drawings())
def test_no_wire_passes_behind_a_box(drawing):
    sizes, wires = drawing
    places = layout.arranged(sizes, wires)
    boxes = rectangles(sizes, places)
    for bends in places.bends.values():
        assert not any(overlap((left, y - 1, right, y + 1), box) for y, left, right in bends for box in boxes)


def test_a_straight_line_of_gates_is_drawn_straight():
    # Four layers: a gate each, fed by the one before and by an input of its own.
    wires = [(0, 2), (1, 2), (2, 4), (3, 4), (4, 6), (5, 6), (6, 8), (7, 8)]
    places = layout.arranged([(30, 60)] * 9, wires)
    assert np.ptp([places.middle[i] for i in (2, 4, 6, 8)]) < 3


def test_wires_cross_only_where_they_must():
    # Two come of 0, and one of 3, which the order of the boxes would put between them.
    places = layout.arranged([(10, 10)] * 6, [(0, 2), (0, 5), (3, 4)])
    first, second, other = (places.middle[i] for i in (2, 5, 4))
    assert (other > max(first, second)) == (places.middle[3] > places.middle[0])
    assert not min(first, second) < other < max(first, second)


def test_wires_that_leave_one_box_run_together_until_they_part():
    wires = [(0, i) for i in range(1, 6)] + [(i, i + 1) for i in range(1, 5)]
    places = layout.arranged([(10, 10)] * 6, wires)
    assert places.bends[0, 4] == places.bends[0, 5][:-1]
    assert len(places.bends[0, 5]) == 4


def test_a_wire_backward_is_refused():
    with pytest.raises(ValueError, match=r"a box of a higher number, got \(1, 0\)"):
        layout.arranged([(1, 1), (1, 1)], [(1, 0)])


def chain(count, group=lambda i: ""):
    """Return the graph of `count` gates in a row, each with a parameter; the parameters all stand at the front."""
    one = np.ones(())
    nodes = [Node(0, "x", "input", (), {}, one, ())]
    nodes += [Node(i, f"w{i}", "input", (), {}, one, (), None, group(i)) for i in range(1, count + 1)]
    for i in range(1, count + 1):
        before = 0 if i == 1 else count + i - 1
        nodes.append(Node(count + i, f"h{i}", "multiply", (before, i), {}, one, (one, one), None, group(i)))
    return Graph(tuple(nodes), "chain")


@given(st.integers(1, 60), st.integers(3, 50))
def test_a_drawing_has_every_node_once_and_follows_the_arrows(count, most):
    graph = chain(count)
    boxes = folding.folded(graph, most)
    assert len(boxes) <= max(most, 3)
    assert sorted(i for box in boxes for i in box.members) == list(range(len(graph.nodes)))
    assert all(start < end for end, box in enumerate(boxes) for start in box.inputs)
    assert len(boxes) == len(graph.nodes) or sum(bool(box.title) for box in boxes) == 1
    box_of = {i: number for number, box in enumerate(boxes) for i in box.members}
    for node in graph.nodes:
        fed = boxes[box_of[node.index]].inputs
        assert all(box_of[i] in (*fed, box_of[node.index]) for i in node.inputs)


def test_a_fold_holds_whole_layers_with_their_parameters_and_says_what_is_in_it():
    graph = chain(100, group=lambda i: f"layer {i}")
    fold = next(box for box in folding.folded(graph, 21) if box.title)
    names = {graph.nodes[i].name for i in fold.members}
    layers = [i for i in range(1, 101) if f"h{i}" in names]
    assert {f"w{i}" for i in layers} | {f"h{i}" for i in layers} == names
    assert all(b == a + 1 for a, b in pairwise(layers))
    assert fold.title == f"× {len(layers)} more"
    assert fold.inside == (
        f"layer {layers[0]} … layer {layers[-1]}",
        f"multiply × {len(layers)}",
        f"inputs × {len(layers)}",
    )


def test_a_fold_without_layers_counts_its_nodes():
    fold = next(box for box in folding.folded(chain(1000), 21) if box.title)
    assert fold.title == f"× {len(fold.members):,} more"
    assert fold.title == "× 1,981 more"
    assert fold.inside == ("multiply × 991", "inputs × 990")


def test_a_fold_of_many_kinds_names_the_most_frequent():
    kinds = ["add", "add", "add", "exp", "exp", "exp", "log", "log", "sin", "cos"]
    one = np.ones(())
    nodes = [Node(0, "x", "input", (), {}, one, ())]
    nodes += [Node(i, f"v{i}", kinds[i % 10], (i - 1,), {}, one, (one,)) for i in range(1, 100)]
    fold = next(box for box in folding.folded(Graph(tuple(nodes), "kinds"), 3) if box.title)
    assert fold.inside == ("exp × 30", "add × 29", "log × 20", "2 other kinds")


def seen(x):
    return np.asarray(Image.open(io.BytesIO(png.heatmap(np.asarray(x)))), dtype=int)


def test_a_heatmap_is_blue_above_0_orange_below_white_at_0_and_grey_at_nan():
    picture = seen([[2.0, -2.0, 0.0], [np.nan, np.inf, -np.inf]])
    assert picture.tolist() == [
        [[0, 114, 178], [213, 94, 0], [255, 255, 255]],
        [[128, 128, 128], [0, 114, 178], [213, 94, 0]],
    ]
    assert seen([[1.0, 2.0]])[0, 0].tolist() == [128, 184, 216]


@settings(max_examples=30)
@given(st.lists(st.integers(1, 150), min_size=1, max_size=3))
def test_a_heatmap_has_at_most_64_rows_and_columns(shape):
    height, width, _ = seen(np.ones(shape)).shape
    rows, columns = png.as_matrix(np.ones(shape)).shape
    assert (height, width) == (min(rows, 64), min(columns, 64))


def test_a_large_matrix_is_averaged_in_blocks():
    x = np.zeros((130, 1))
    x[:65] = 1.0
    picture = seen(x)
    assert picture[0, 0].tolist() == [0, 114, 178]
    assert picture[-1, 0].tolist() == [255, 255, 255]
    # The block in the middle has one row of each kind.
    assert any(pixel.tolist() not in ([0, 114, 178], [255, 255, 255]) for pixel in seen(x[:-1])[:, 0])
