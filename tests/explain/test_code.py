"""Which lines of a graph's program belong to which step: the program is run line by line, and its numbers compared."""

import ast
import sys

import numpy as np
import pytest

import chainrule as cr

rng = np.random.default_rng(0)
X, W = rng.normal(size=(5, 3)), rng.normal(size=(3, 2))


def cost(W, X):
    return np.mean(np.tanh(X @ W) ** 2)


def layers(W, X):
    H = np.maximum(X @ W, 0.1)
    return np.sum(np.exp(-H) * H[:, :1]) / np.sum(H)


CASES = [
    ("3*(a+b*c)", {"a": 5.0, "b": 3.0, "c": 2.0}),
    ("u = b*c; v = a + u; J = 3*v", {"a": 5.0, "b": 3.0, "c": 2.0}),
    ("sum(relu(x @ W))", {"x": [1.0, 2.0], "W": [[1.0, -1.0], [0.0, 2.0]]}),
    ("z = X @ w + b; h = sigmoid(z); J = mean((h - y)**2)", {"X": X, "w": W[:, 0], "b": 0.5, "y": X[:, 1]}),
    ("p = softmax(x); J = -log(dot(p, y))", {"x": X[0], "y": np.array([0.0, 1.0, 0.0])}),
    ("sum(tanh(A @ B))", {"A": X, "B": W}),
    (cost, {"W": np.full((3, 2), 0.1), "X": np.ones((5, 3))}),
    (layers, {"W": W, "X": X}),
    (lambda x: np.max(np.where(x > 0, x, np.exp(x))), {"x": np.array([1.0, -2.0, 3.0])}),
    # So large that its memory is written over.
    (lambda x: np.sum(np.exp(np.sin(x) * 2) + np.cos(x)), {"x": rng.normal(size=3000)}),
]


def ran(source, arguments):
    """Run a program in an empty session; return what its local variables are before and after each line."""
    session, before, after, at = {}, {}, {}, []
    exec(compile(source, "<program>", "exec"), session)
    (function,) = [f for f in session.values() if hasattr(f, "__code__")]

    def copied(frame):
        return {name: np.array(x) for name, x in frame.f_locals.items()}

    def trace(frame, event, _):
        if frame.f_code is not function.__code__:
            return None
        if at and event in ("line", "return"):
            after[at[-1]] = copied(frame)
        if event == "line":
            at.append(frame.f_lineno - 1)
            before[at[-1]] = session | copied(frame)
        return trace

    watching = sys.gettrace()
    sys.settrace(trace)
    try:
        function(*arguments)
    finally:
        sys.settrace(watching)
    return before, after


def written(line):
    """Return the name that a statement gives its result to."""
    (statement,) = ast.parse(line.strip()).body
    if isinstance(statement, ast.Expr):
        (target,) = [keyword.value for keyword in statement.value.keywords if keyword.arg == "out"]
    else:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else statement.target
    return (target.value if isinstance(target, ast.Subscript) else target).id


@pytest.mark.parametrize(("f", "values"), CASES)
def test_the_lines_of_a_step_compute_its_value_and_gradients(f, values):
    graph = cr.explain(f, **values)
    program = graph.program()
    source = program.source.split("\n")
    before, after = ran(program.source, [np.asarray(x, float) for x in values.values()])

    def of_part(part):
        number, start, end = part
        return eval(source[number][start:end], before[number])

    def of_line(number):
        return after[number][written(source[number])]

    def same(x, y):
        return np.shape(x) == np.shape(y) and np.allclose(x, y, rtol=1e-12, atol=0)

    assert len(program.lines) == len(graph.nodes)
    for node, at in zip(graph.nodes, program.lines, strict=True):
        if not node.inputs:
            assert at == ((), (), (), ())
            continue
        assert same(of_part(*at.value) if at.value else of_line(at.forward[-1]), node.value), node.name
        computed = [*map(of_part, at.shares), *map(of_line, at.backward)]
        for x in (graph.nodes[i] for i in node.inputs):
            if x.gradient is None or graph.uses[x.index] > 1:
                continue
            known = x.gradient.size and np.ptp(x.gradient) == 0
            passed_on = [node.gradient, node.value, *(graph.nodes[i].value for i in node.inputs)]
            assert known or any(same(x.gradient, y) for y in (*computed, *passed_on)), x.name


def test_steps_that_several_lines_and_parts_of_lines_compute_have_them():
    program = cr.explain("sum(sigmoid(X @ w))", X=X, w=W[:, 0]).program()
    lines = program.source.split("\n")
    *_, product, sigmoid, total = program.lines
    assert len(sigmoid.forward) == 5
    ((number, start, end),) = sigmoid.value
    assert lines[number][start:end] in lines[total.forward[0]]
    assert [lines[i].split(" = ")[0].strip() for i in product.backward][-2:] == ["dX", "dw"]


def test_the_code_of_a_value_beyond_all_numbers_has_no_warning():
    assert "np.exp(x)" in cr.explain("exp(x)", x=1000.0).to_code()


def test_the_code_of_small_floats_is_of_small_floats():
    graph, session = cr.explain("3*a + n", a=np.float32([1, 2]), n=0.5), {}
    exec(graph.to_code(), session)
    J, gradients = session["f"](*(node.value for node in graph.nodes if node.gate == "input"))
    assert {x.dtype for x in (J, *gradients)} == {graph.output.value.dtype} == {np.dtype("float32")}


def test_a_page_of_what_no_program_can_do_has_none():
    graph = cr.explain(lambda x: x * 2 if x > 0 else x, x=1.0)
    with pytest.raises(TypeError, match="depends on the values"):
        graph.to_code()
    assert '"code":null' in graph.to_html()
    assert '"code":null' in cr.explain(lambda x: x * np.random.default_rng().normal(), x=1.0).to_html()
    assert '"code":["import numpy as np"' in cr.explain(lambda x: x * 2, x=1.0).to_html()
