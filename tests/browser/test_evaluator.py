"""What the page computes, against the engine: values, gradients and equations, for each gate and for random graphs."""

import json
import math
import re

import array_api_compat
import numpy as np
import pytest

import chainrule as cr
from chainrule.explain.format import number
from chainrule.explain.notation import NOTATION
from chainrule.explain.render import page
from chainrule.explain.render.folding import folded
from chainrule.explain.wording import sides

UNARY = (-2.5, -1.0, -0.3, 0.0, 0.4, 1.0, 3.0)
BINARY = (
    (1.5, 2.0),
    (2.0, 1.5),
    (0.0, 0.0),
    (-1.0, -1.0),
    (-2.0, 3.0),
    (0.0, 2.0),
    (3.0, 0.0),
    (40.0, -700.0),
)
COMPARISONS = ("equal", "greater", "greater_equal", "less", "less_equal", "not_equal")
COMPUTED = [gate for gate, row in NOTATION.items() if row.is_computed_by_the_page]
ELEMENTWISE = [gate for gate in COMPUTED if not NOTATION[gate].rows]
SEVERAL = [gate for gate in ELEMENTWISE if len(NOTATION[gate].slopes) > 1]


def computed(gate):
    """Return f(x, y) that runs one gate on x and, where it takes two, on y."""

    def f(x, y):
        xp = array_api_compat.array_namespace(x, y)
        if gate == "where":
            return xp.where(x > y, x * 1.0, y)
        if gate in COMPARISONS:
            return xp.where(getattr(xp, gate)(x, y), x, y)
        run = getattr(cr.functions, gate, None) or getattr(xp, gate)
        return run(x, y) if gate in SEVERAL else run(x) + 0.0 * y

    return f


def same(a, b):
    return (math.isnan(a) and math.isnan(b)) or a == pytest.approx(b, rel=1e-12, abs=1e-300)


@pytest.fixture
def evaluator(opened):
    """A page that has all gates, and no graph."""
    tab = opened(cr.explain("x * y", x=1.0, y=1.0))
    tab.goto("about:blank")
    tab.add_script_tag(content=page._script(COMPUTED, ("evaluate.js", "words.js")))
    return tab


def boxes_of(graph):
    """Return the boxes of the page's data, without the program, which takes long to write."""
    boxes = folded(graph, 40)
    data = page._data(graph, boxes, page._needed(graph, boxes), None)
    return json.loads(json.dumps(data))["boxes"]


def nodes_of(graph):
    """Return the nodes in the order of the boxes."""
    return [graph.nodes[box.members[0]] for box in folded(graph, 40)]


def recomputed(tab, cases):
    """Return for each (boxes, inputs by name) the boxes as the page computes them for these inputs."""
    given = [[boxes, {name: np.ravel(x).tolist() for name, x in values.items()}] for boxes, values in cases]
    found = tab.evaluate(
        """(cases) => JSON.parse(cases).map(([boxes, given]) => {
            for (const box of boxes.filter((box) => box.x)) box.x = (given[box.name] ?? box.x).map(Number);
            forward(boxes);
            backward(boxes);
            say(boxes);
            return boxes;
        })""",
        json.dumps(given),
    )
    assert len(found) == len(cases)
    return found


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_every_gate_computes_what_python_does_and_says_it_in_the_same_words(evaluator):
    gates = evaluator.evaluate("Object.keys(GATES)")
    assert gates == COMPUTED
    cases = [
        (gate, x, y)
        for gate in ELEMENTWISE
        for x, y in (BINARY if gate in SEVERAL else [(x, 1.0) for x in UNARY])
    ]
    # The page is handed each gate as it first was at other numbers, the inputs changed.
    first = {gate: boxes_of(cr.explain(computed(gate), x=0.7, y=0.2)) for gate in ELEMENTWISE}
    assert all(gate in [box["gate"] for box in boxes] for gate, boxes in first.items())
    found = recomputed(evaluator, [(first[gate], {"x": x, "y": y}) for gate, x, y in cases])
    for case, boxes in zip(cases, found, strict=True):
        gate, x, y = case
        expected = cr.explain(computed(gate), x=x, y=y)
        for box, node in zip(boxes, nodes_of(expected), strict=True):
            assert same(float(box["x"][0]), float(node.value)), (*case, node.name)
            assert (box["g"] is None) == (node.gradient is None), (*case, node.name)
            assert node.gradient is None or same(float(box["g"][0]), float(node.gradient)), (*case, node.name)
            assert (box["forward"], box["backward"]) == sides(expected, node), case


# Each takes two arrays (a, b) and gives one; what does not fit raises ValueError, and is not taken.
GATES_OF_ARRAYS = {
    "add": lambda xp, a, b: a + b,
    "subtract": lambda xp, a, b: a - b,
    "multiply": lambda xp, a, b: a * b,
    "divide": lambda xp, a, b: a / (2.0 + b * b),
    "maximum": lambda xp, a, b: xp.maximum(a, b),
    "where": lambda xp, a, b: xp.where(a > b, a, 0.5 * b),
    "tanh": lambda xp, a, b: xp.tanh(a),
    "sigmoid": lambda xp, a, b: cr.functions.sigmoid(a),
    "relu": lambda xp, a, b: cr.functions.relu(a),
    "exp": lambda xp, a, b: xp.exp(-a * a),
    "sum": lambda xp, a, b: xp.sum(a, axis=0),
    "mean": lambda xp, a, b: xp.mean(a, axis=-1, keepdims=True),
    "mean of all": lambda xp, a, b: xp.mean(a),
    "max": lambda xp, a, b: xp.max(a, axis=-1),
    "min": lambda xp, a, b: xp.min(a, axis=0, keepdims=True),
    "prod": lambda xp, a, b: xp.prod(a, axis=-1),
    "var": lambda xp, a, b: xp.var(a, axis=0),
    "std": lambda xp, a, b: xp.std(a, axis=-1, keepdims=True),
    "vector_norm": lambda xp, a, b: xp.linalg.vector_norm(a, axis=0),
    "logsumexp": lambda xp, a, b: cr.functions.logsumexp(a, axis=0),
    "softmax": lambda xp, a, b: cr.functions.softmax(a),
    "log_softmax": lambda xp, a, b: cr.functions.log_softmax(a, axis=0),
    "softmax_cross_entropy": lambda xp, a, b: cr.functions.softmax_cross_entropy(a, fitting(a, b)),
    "multiclass_hinge": lambda xp, a, b: cr.functions.multiclass_hinge(a, fitting(a, b)),
    "matmul": lambda xp, a, b: a @ b,
    "matmul, turned": lambda xp, a, b: a @ b.T,
    "matrix_transpose": lambda xp, a, b: a.T,
    "reshape": lambda xp, a, b: xp.reshape(a, (-1,)),
    "broadcast_to": lambda xp, a, b: xp.broadcast_to(a, (2, *a.shape)) if a.ndim < 2 else a + 1.0,
    "getitem": lambda xp, a, b: a[..., 1:],
    "getitem, twice": lambda xp, a, b: a[np.array([1, 0, 1])],
    "concat": lambda xp, a, b: xp.concat([a, b], axis=0),
    "stack": lambda xp, a, b: xp.stack([a, a * 2.0], axis=-1)[..., 0] + b,
    "expand_dims": lambda xp, a, b: xp.expand_dims(xp.flip(a, axis=-1), axis=0) if a.ndim < 2 else a[0],
    "squeeze": lambda xp, a, b: xp.squeeze(a[:1], axis=0) + xp.roll(a, 1, axis=0),
    "permute_dims": lambda xp, a, b: xp.permute_dims(a, (1, 0)),
}


def fitting(a, b):
    """Return shares (..., k) for logits a, from b."""
    shares = cr.functions.softmax(b + 0.0 * a)
    if shares.shape != a.shape:
        raise ValueError("the shares would be more than the logits")
    return shares


def random_function(r, dtype):
    """Return (f, shapes): a function of random gates of x, y and z, and the shapes of these."""
    shapes = {name: tuple(r.integers(1, 5, r.integers(0, 3))) for name in "xyz"}
    plan = [(str(r.choice(list(GATES_OF_ARRAYS))), r.random(2)) for _ in range(7)]

    def f(x, y, z):
        xp = array_api_compat.array_namespace(x, y, z)
        known = [x, y, z]
        for gate, picked in plan:
            # Mostly what was computed last.
            a, b = (known[int(len(known) * p**0.4)] for p in picked)
            try:
                known.append(GATES_OF_ARRAYS[gate](xp, a, b))
            except (ValueError, IndexError, TypeError):
                continue
        return sum(xp.sum(each) * 0.1 for each in known[-3:])

    return f, shapes


def close(found, expected, tolerance):
    found, expected = np.array([float(x) for x in found]), np.ravel(expected).astype(float)
    scale = max(1.0, np.abs(expected[np.isfinite(expected)]).max(initial=0.0))
    return found.shape == expected.shape and np.allclose(
        found, expected, tolerance, tolerance * scale, equal_nan=True
    )


NUMBER = re.compile(r"(?<![\w.])-?(?:\d+(?:\.\d+)?(?:e[+-]\d+)?|inf|nan)(?!\w)")


def same_words(found, expected, tolerance):
    """Tell whether texts are equal but for the last digits of their numbers."""
    if NUMBER.sub("#", found) != NUMBER.sub("#", expected):
        return False
    pairs = zip(NUMBER.findall(found), NUMBER.findall(expected), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=0.02, abs_tol=tolerance) or a == b for a, b in pairs)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-11), (np.float32, 1e-4)])
def test_random_graphs_of_arrays_have_the_numbers_and_the_words_of_python(evaluator, dtype, tolerance):
    cases, expected, ran = [], [], set()
    for seed in range(100):
        r = np.random.default_rng(seed)
        f, shapes = random_function(r, dtype)
        first, then = (
            {name: r.normal(size=shape).astype(dtype) for name, shape in shapes.items()} for _ in range(2)
        )
        graph, other = cr.explain(f, **first), cr.explain(f, **then)
        if len(graph.nodes) > 40 or [n.gate for n in graph.nodes] != [n.gate for n in other.nodes]:
            continue
        boxes = boxes_of(graph)
        assert "dtype" in boxes[-1], (seed, [node.gate for node in graph.nodes])
        cases.append((boxes, then))
        expected.append(other)
        ran |= {node.gate for node in graph.nodes}
    assert len(cases) > 60
    assert ran >= {gate for gate in COMPUTED if NOTATION[gate].rows or gate in GATES_OF_ARRAYS}
    assert ran >= {"matmul", *(gate for gate, row in NOTATION.items() if row.moves)}
    for boxes, graph in zip(recomputed(evaluator, cases), expected, strict=True):
        for box, node in zip(boxes, nodes_of(graph), strict=True):
            where = (graph.title, node.name, node.gate, box["x"], node.value)
            assert close(box["x"], node.value, tolerance), where
            assert (box["g"] is None) == (node.gradient is None), where
            assert node.gradient is None or close(box["g"], node.gradient, tolerance), (
                *where,
                box["g"],
                node.gradient,
            )
            forward, backward = sides(graph, node)
            found = [" = ".join(box["forward"]), *map(" = ".join, box["backward"])]
            said = [" = ".join(forward), *map(" = ".join, backward)]
            assert all(map(same_words, found, said, [tolerance] * len(said))), (found, said)


def test_where_numbers_are_lost_by_a_simple_formula_the_page_has_them_as_python_has(evaluator):
    """Each expression, at numbers where 1 less what is nearly 1 has no digit."""
    hard = {
        "sigmoid_cross_entropy(x, y)": {"x": [40.0, -40.0, 3.0], "y": [1.0, 0.0, 1.0]},
        "logaddexp(x, y)": {"x": [0.0, 40.0, 2.0], "y": [-40.0, 0.0, 2.0]},
        "softmax(x) * y": {"x": [40.0, 0.0, -3.0], "y": [1.0, 0.0, 0.0]},
        "log_softmax(x) * y": {"x": [40.0, 0.0, -3.0], "y": [1.0, 0.0, 0.0]},
        "softmax_cross_entropy(x, y)": {"x": [40.0, 0.0, -3.0], "y": [1.0, 0.0, 0.0]},
        "logsumexp(x) + sum(y)": {"x": [700.0, 710.0, -800.0], "y": [1.0, 0.0, 0.0]},
        "sum(x * y) + max(x) + min(y)": {"x": [2.0, 2.0, 1.0], "y": [0.0, 0.0, 0.0]},
        "prod(x) * sum(y)": {"x": [0.0, 2.0, 3.0], "y": [1.0, 1.0, 1.0]},
        "std(x) + norm(y)": {"x": [0.1, 0.1, 0.1], "y": [0.0, 0.0, 0.0]},
        "sigmoid(x) + log_sigmoid(y)": {"x": [40.0, -40.0, 0.0], "y": [40.0, -40.0, -800.0]},
        "tanh(x) + softplus(y)": {"x": [20.0, -20.0, 0.0], "y": [40.0, -40.0, 0.0]},
    }
    assert_as_python(evaluator, hard)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_no_number_or_too_large_to_be_squared_is_so_in_the_page(evaluator):
    """Each expression, at numbers where Python says NaN or has a slope that x^2 + y^2 would lose."""
    assert_as_python(
        evaluator,
        {
            "hypot(log(x), y)": {"x": [-1.0, 1.0, 2.0], "y": [3.0, 0.0, 3.0]},
            "atan2(log(x), y)": {"x": [-1.0, 1.0, 2.0], "y": [3.0, 0.0, 3.0]},
            "atan2(x, y)": {"x": [1e-200, 1e200, 0.0], "y": [1e-200, 1e200, 0.0]},
            "elu(log(x)) + y": {"x": [-1.0, 1.0, 2.0], "y": [1.0, 1.0, 1.0]},
            "leaky_relu(log(x)) + y": {"x": [-1.0, 1.0, 2.0], "y": [1.0, 1.0, 1.0]},
            "hinge(log(x), y)": {"x": [-1.0, 1.0, 2.0], "y": [3.0, 3.0, 3.0]},
            "multiclass_hinge(log(x), y)": {"x": [-1.0, 1.0, 2.0], "y": [1.0, 0.0, 0.0]},
            "log(x)**y": {"x": [-1.0, 1.0, 2.0], "y": [0.0, 0.0, 0.0]},
            "norm(log(x)) + y": {"x": [1.0, 1.0, 1.0], "y": [1.0, 1.0, 1.0]},
        },
    )


def assert_as_python(evaluator, hard):
    graphs = {text: cr.explain(text, **values) for text, values in hard.items()}
    given = [
        (boxes_of(cr.explain(text, **{name: [0.3, 0.2, 0.1] for name in values})), values)
        for text, values in hard.items()
    ]
    for boxes, (text, graph) in zip(recomputed(evaluator, given), graphs.items(), strict=True):
        for box, node in zip(boxes, nodes_of(graph), strict=True):
            for found, wanted in ((box["x"], node.value), (box["g"], node.gradient)):
                if wanted is not None:
                    assert all(map(same, map(float, found), np.ravel(wanted).tolist())), (
                        text,
                        node.name,
                        found,
                        wanted,
                    )


def two_uses(s, f, g):
    return f(s) + g(s)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_gradient_of_0_at_an_infinite_slope_is_what_python_says(evaluator):
    """NaN, except where a selection left the element out."""
    zero, xp = np.array([0.0, 0.0, 4.0]), np
    functions = {
        "a product": lambda x, y: xp.sqrt(x) * y,
        "where": lambda x, y: xp.where(x > 1, xp.sqrt(x), y),
        "maximum": lambda x, y: xp.maximum(xp.sqrt(x), y + 1.0),
        "a copy": lambda x, y: xp.maximum(xp.sqrt(x[0]), y + 1.0) + xp.sqrt(x[2]),
        "relu": lambda x, y: cr.functions.relu(xp.sqrt(x) - 1.0) + y,
        "max": lambda x, y: xp.max(xp.sqrt(x)) + y,
        "getitem": lambda x, y: xp.sqrt(x)[1:] * y[2],
        "getitem of a product": lambda x, y: (xp.sqrt(x) * y)[1:],
        "used twice": lambda x, y: xp.where(x > 1, xp.sqrt(x), y) + xp.sqrt(x) * y,
        "both left out": lambda x, y: xp.where(x > 1, xp.sqrt(x), y) + xp.maximum(xp.sqrt(x), y + 9.0),
        "moved": lambda x, y: xp.flip(xp.concat([xp.sqrt(x), y]))[:3],
        "both left out of one": lambda x, y: two_uses(
            xp.sqrt(x), lambda s: xp.where(x > 1, s, y), lambda s: xp.where(x < 1, s, y)
        ),
        "left out of one": lambda x, y: two_uses(
            xp.sqrt(x), lambda s: xp.where(x > 1, s, y), lambda s: s * y
        ),
        "left out of one, after": lambda x, y: two_uses(
            xp.sqrt(x), lambda s: s * y, lambda s: xp.where(x > 1, s, y)
        ),
        "matrices": lambda x, y: xp.where(x > 1, xp.sqrt(x) @ np.eye(3), y),
        "an infinite gradient": lambda x, y: xp.sqrt(xp.where(x > 1, x, y)),
        "a comparison": lambda x, y: xp.where(xp.sqrt(x) > 1, y, 2.0 * y),
        "a mean": lambda x, y: xp.mean(xp.where(x > 1, xp.log(x), 0.0)) + y,
        "a sign": lambda x, y: xp.where(x > 1, xp.sign(xp.sqrt(x)), y),
        "rows": lambda x, y: xp.where(x > 1, cr.functions.softmax(xp.sqrt(x)), y),
    }
    graphs = {name: cr.explain(f, x=zero, y=np.zeros(3)) for name, f in functions.items()}
    cases = [
        (boxes_of(cr.explain(f, x=zero + 2.0, y=np.ones(3))), {"x": zero, "y": np.zeros(3)})
        for f in functions.values()
    ]
    seen = set()
    for boxes, (name, graph) in zip(recomputed(evaluator, cases), graphs.items(), strict=True):
        for box, node in zip(boxes, nodes_of(graph), strict=True):
            found, wanted = ([] if x is None else np.ravel(x).tolist() for x in (box["g"], node.gradient))
            assert all(map(same, map(float, found), wanted)), (name, node.name, found, wanted)
            gradients = [graph.nodes[i].gradient for i in node.inputs]
            if not any(g is not None and np.isnan(g).any() for g in gradients):
                assert box["backward"] == sides(graph, node)[1], (name, node.name)
            seen |= {name} if any(map(math.isnan, wanted)) else set()
    assert (
        {"a product", "used twice", "getitem"}
        <= seen
        <= {*functions} - {"where", "maximum", "relu", "both left out"}
    )


# Numbers at which one format passes into another, and those that have no digits.
NUMBERS = [
    0.0,
    -0.0,
    1.0,
    -4.0,
    0.1,
    1 / 3,
    2 / 3,
    1e-4,
    9.99999e-5,
    99999.95,
    123456.7,
    1234567.0,
    1e6,
    1e22,
    1e-300,
]
NUMBERS += [math.inf, -math.inf, math.nan, 5e-324, 1.7976931348623157e308, 12.5, -0.00012345678]


def test_numbers_are_written_as_python_writes_them(opened):
    tab = opened(cr.explain("x * y", x=1.0, y=1.0))
    written = tab.evaluate("(numbers) => numbers.map((x) => number(x))", NUMBERS)
    assert written == [number(x) for x in NUMBERS]
