"""The graph of a function: what ran, its values, and the engine's own gradients, on every device."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import pytree
from chainrule.explain import Graph


def gates(graph):
    return [n.gate for n in graph.nodes if n.gate not in ("input", "constant")]


def cost(W, X):
    return np.mean(np.tanh(X @ W) ** 2)


X, W = np.random.default_rng(0).standard_normal((2, 3, 3))


class TestFunctions:
    def test_values_and_gradients_are_those_of_the_engine(self, device):
        def f(W, X, b):
            xp = X.__array_namespace__()
            return xp.mean(xp.tanh(X @ W + b) ** 2)

        W1, X1, b1 = (device.asarray(x) for x in (W, X, np.ones(3)))
        graph = cr.explain(f, W=W1, X=X1, b=b1)
        value, slopes = cr.value_and_grad(f, argnums=(0, 1, 2))(W1, X1, b1)
        assert gates(graph) == ["matmul", "add", "tanh", "pow", "mean"]
        assert graph.title == graph.output.name == "f"
        np.testing.assert_array_equal(graph.output.value, device.to_numpy(value))
        for name, slope in zip("WXb", slopes, strict=True):
            assert type(graph.node(name).gradient) is np.ndarray
            np.testing.assert_allclose(graph.node(name).gradient, device.to_numpy(slope), rtol=1e-12)

    def test_what_is_written_as_one_gate_is_one(self):
        graph = cr.explain(lambda x: cr.functions.sigmoid(x) + 1 / (1 + np.exp(-x)), x=2.0)
        assert gates(graph) == ["sigmoid", "negative", "exp", "add", "divide", "add"]
        graph = cr.explain(cr.functions.softmax_cross_entropy, z=[[1.0, 2, 3]], y=[[0, 0, 1]])
        assert gates(graph) == ["softmax_cross_entropy", "sum"]
        assert "settings" not in graph.node("z").settings

    def test_a_gate_of_the_users_own(self):
        @cr.gate
        def triple(xp, x, y):
            return 3 * x * y, (lambda g: g * 3 * y, lambda g: g * 3 * x)

        graph = cr.explain(lambda x, y: triple(x, y) + x, x=2.0, y=5.0)
        assert gates(graph) == ["triple", "add"]
        assert [float(graph.node(name).gradient) for name in "xy"] == [16, 6]
        assert [float(x) for x in graph.node(2).local] == [15, 6]

    def test_masks_and_constants_have_no_gradient(self):
        table = np.array([1.0, 2.0, 3.0])
        graph = cr.explain(lambda x: np.sum(np.where(x > 0, x, 0.5) * table), x=[1, -2, 3])
        assert gates(graph) == ["greater", "where", "multiply", "sum"]
        by_gate = {n.gate: n for n in graph.nodes}
        assert not by_gate["greater"].traced
        assert by_gate["greater"].gradient is None
        assert by_gate["greater"].value.tolist() == [True, False, True]
        assert by_gate["where"].local[0] is None
        assert [n.name for n in graph.nodes if n.gate == "constant"][:2] == ["0", "0.5"]
        assert graph.node("x").gradient.tolist() == [1, 0, 3]
        table[:] = 9
        held = graph.nodes[by_gate["multiply"].inputs[1]]
        assert held.value.tolist() == [1, 2, 3], "the graph keeps a copy"

    def test_settings_are_kept_and_are_not_inputs(self):
        graph = cr.explain(lambda x: np.max(x.reshape(3, 2), axis=1)[1:], x=np.arange(6.0))
        assert gates(graph) == ["reshape", "max", "getitem", "sum"]
        reshape, largest, getitem, _ = graph.nodes[1:]
        assert (reshape.inputs, reshape.settings["shape"]) == ((0,), (3, 2))
        assert largest.settings["axis"] == 1
        assert getitem.settings["key"] == slice(1, None, None)
        assert graph.node("x").gradient.tolist() == [0, 0, 0, 1, 0, 1]

    def test_nested_arguments_are_inputs_named_by_their_paths(self):
        params = [(W, np.zeros(3)), (W[:, :1], np.zeros(1))]

        def f(params, x):
            for V, b in params:
                x = np.tanh(x @ V + b)
            return x

        graph = cr.explain(f, params=params, x=X)
        dparams = cr.grad(lambda params: np.sum(f(params, X)))(params)
        assert graph.node("params[1][0]").value.shape == (3, 1)
        for i, layer in enumerate(dparams):
            for j, g in enumerate(layer):
                np.testing.assert_array_equal(graph.node(f"params[{i}][{j}]").gradient, g)

    def test_float32_stays(self):
        graph = cr.explain(lambda x, a: np.sum(a * x), x=np.ones(3, np.float32), a=2.0)
        assert {n.value.dtype for n in graph.nodes} == {np.dtype("float32")}
        assert graph.node("x").gradient.dtype == np.float32

    def test_a_result_that_is_not_one_number_is_summed_and_the_graph_says_so(self):
        graph = cr.explain(lambda x: x * 2, x=[1, 2, 3])
        assert [graph.node("f").gate, graph.output.gate, graph.output.name] == ["multiply", "sum", "sum"]
        assert "sum = sum(f)" in graph.to_text()

    def test_unused_values_are_shown_with_0(self):
        graph = cr.explain(lambda x, y: x * x, x=3.0, y=2.0)
        assert [n.name for n in graph.nodes] == ["x", "y", "f"]
        assert float(graph.node("y").gradient) == 0
        assert float(graph.derivative("f", "y")) == 0

    def test_an_argument_handed_through_is_the_output(self):
        graph = cr.explain(lambda x, y: x, x=3.0, y=2.0)
        assert [graph.output.name, float(graph.output.gradient)] == ["x", 1]

    def test_gates_with_several_results(self):
        A = W @ W.T + np.eye(3)
        graph = cr.explain(lambda A: np.linalg.eigh(A)[0], A=A)
        assert set(gates(graph)) == {"eigh", "sum"}
        np.testing.assert_allclose(graph.node("A").gradient, np.eye(3), atol=1e-12)

    def test_second_order_is_the_graph_of_what_ran(self):
        graph = cr.explain(lambda x: cr.grad(lambda x: x**3)(x), x=2.0)
        assert (float(graph.output.value), float(graph.node("x").gradient)) == (12, 12)
        assert "pow" in gates(graph)

    def test_checkpoint_is_one_gate(self):
        def cube(x):
            return x * x * x

        graph = cr.explain(cr.checkpoint(cube), x=2.0)
        assert gates(graph) == ["cube"]
        assert float(graph.node("x").gradient) == 12

    def test_integers_are_told_why_no_gradient_flows_to_them(self):
        said = "no gradient flows to x, int32; give floats to see one"
        assert said in cr.explain("x * y", x=np.array([1, 2], np.int32), y=2.0).to_text()
        assert "no gradient" not in cr.explain("x * y", x=1, y=2.0).to_text()

    def test_numbers_may_stand_in_lists_and_dicts_too(self):
        p = [(1.0, 2), {"k": 3.0}]
        graph = cr.explain(lambda p: p[0][0] * p[0][1] * p[1]["k"], p=p)
        assert float(graph.output.value) == 6
        assert [float(graph.node(name).gradient) for name in ("p[0][0]", "p[1]['k']")] == [6, 2]

    @pytest.mark.parametrize("x", [np.inf, -np.inf, np.nan, 1e308, 0.0])
    @pytest.mark.parametrize("shape", [(), (2,), (3, 4)])
    def test_infinities_and_nan_are_shown_without_a_warning(self, x, shape):
        def f(x, y):
            return x * y / x + np.log(y) - x**2

        graph = cr.explain(f, x=np.full(shape, x), y=np.full(shape, -1e308))
        assert "nan" in graph.to_text()
        assert graph.to_svg()
        assert graph.to_html()

    def test_100_000_gates_in_a_row(self):
        def f(x):
            for _ in range(100_000):
                x = -x
            return x

        graph = cr.explain(f, x=3.0)
        assert len(graph.nodes) == 100_001
        assert float(graph.node("x").gradient) == 1

    def test_what_cannot_be_explained(self):
        for values, said in (
            ({"W": W}, r"cost\(W, X\) was given W: missing a required argument: 'X'"),
            ({"W": W, "X": X, "q": 1}, "unexpected keyword argument 'q'"),
        ):
            with pytest.raises(TypeError, match=said):
                cr.explain(cost, **values)
        with pytest.raises(
            TypeError, match=r"^explain: sigmoid_cross_entropy\(z, y, /\) was given q: missing"
        ):
            cr.explain(cr.functions.sigmoid_cross_entropy, q=1.0)
        with pytest.raises(TypeError, match="to return one array, got tuple"):
            cr.explain(lambda x: (x, x), x=1.0)
        with pytest.raises(ValueError, match="x has rows of different lengths"):
            cr.explain("sum(x)", x=[[1, 2], [3]])
        with pytest.raises(ValueError, match="x has rows of different lengths"):
            cr.explain("sum(x)", x=[[1, [2]], [3]])
        for value, said in (
            (None, "got NoneType"),
            ("3", "got str"),
            (1j, "got complex"),
            ([], "got list"),
            (["a"], "got list"),
            ({"a": 1}, "got dict"),
            (np.array(["a"]), "got dtype <U1"),
            (np.array([None]), "got dtype object"),
        ):
            with pytest.raises(TypeError, match=f"^explain: expected x to be a.*{said}$"):
                cr.explain("x*2", x=value)
        for value in (10**400, [1, 10**400]):
            with pytest.raises(ValueError, match=r"^explain: x is larger than a float can be"):
                cr.explain("x*2", x=value)
        with pytest.raises(TypeError, match="a function of arrays or an MLP, got int"):
            cr.explain(3, x=1.0)
        with pytest.raises(TypeError, match="call explain outside of grad"):
            cr.grad(lambda x: cr.explain("x*x", x=x).output.value)(2.0)


class TestGraph:
    graph = cr.explain("u = x*y; v = u + 3; J = v*v", x=2, y=5)

    def test_before_backward_nothing_is_computed_yet(self):
        before = self.graph.forward()
        assert {n.gradient for n in before.nodes} == {None}
        assert [n.name for n in before.nodes if n.traced] == ["x", "y", "u", "v", "J"]
        assert before.to_text().count("not computed yet") == 10
        after = before.backward()
        assert after.to_text() == self.graph.to_text()
        assert isinstance(after, Graph)

    def test_a_node_is_found_by_its_name_and_by_its_index(self):
        assert self.graph.node("v") is self.graph.node(self.graph.node("v").index)
        with pytest.raises(KeyError, match="no node is called 'q': the nodes are x, y, u, 3, v, J"):
            self.graph.node("q")
        with pytest.raises(KeyError, match="no node 9: the nodes are 0 to 5"):
            self.graph.node(9)
        twice = cr.explain("2*x + 2", x=1)
        with pytest.raises(KeyError, match="several nodes are called '2': ask by index, 1, 3"):
            twice.node("2")
        assert cr.explain(lambda v1: np.exp(np.exp(v1)) * 2, v1=1.0).node("v1_").gate == "exp"

    def test_constants_have_no_derivative(self):
        with pytest.raises(ValueError, match="3 is a constant that no gradient flows to"):
            self.graph.derivative("J", "3")

    def test_numbers_cannot_be_changed(self):
        for x in (self.graph.node("u").value, self.graph.node("u").gradient, self.graph.node("u").local[0]):
            with pytest.raises(ValueError, match="read-only"):
                x[...] = 0

    @settings(max_examples=25)
    @given(st.integers(0, 2**32 - 1))
    def test_any_two_nodes_against_differences(self, seed):
        rng = np.random.default_rng(seed)
        x, w = rng.standard_normal(3), rng.standard_normal((3, 2))

        def values(x, w):
            h = np.tanh(x @ w)
            return {"h": h, "r": np.exp(h) * x[:2]}

        graph = cr.explain("h = tanh(x @ w); r = exp(h) * y; J = sum(r)", x=x, w=w, y=x[:2])
        for by, size in (("x", 3), ("w", 6)):
            D = graph.derivative("h", by).reshape(2, size)
            for k in range(size):
                step = np.zeros(size)
                step[k] = 1e-6
                moved = [
                    values(
                        *((v + s * step.reshape(v.shape)) if n == by else v for n, v in (("x", x), ("w", w)))
                    )
                    for s in (1, -1)
                ]
                np.testing.assert_allclose(D[:, k], (moved[0]["h"] - moved[1]["h"]) / 2e-6, atol=1e-8)

    def test_local_times_gradient_adds_up_to_the_gradients_of_inputs(self):
        graph = cr.explain("sum(tanh(x*y + exp(x)/y) * y)", x=[0.3, -1, 2], y=[1, 2, 3])
        totals = {n.index: np.zeros(n.value.shape) for n in graph.nodes}
        for node in graph.nodes[:-1]:
            for i, local in zip(node.inputs, node.local, strict=True):
                totals[i] = totals[i] + node.gradient * local
        for node in graph.nodes[:-2]:
            np.testing.assert_allclose(node.gradient, totals[node.index], rtol=1e-12)


class TestText:
    def test_the_whole_table(self):
        assert cr.explain("q = x+y; f = q*z", x=-2, y=5, z=-4).to_text() == (
            "q = x+y; f = q*z\n\n"
            "forward\n"
            "  0  input     x = -2\n"
            "  1  input     y = 5\n"
            "  2  input     z = -4\n"
            "  3  add       q = x + y = -2 + 5 = 3\n"
            "  4  multiply  f = q * z = 3 * -4 = -12\n\n"
            "backward\n"
            "  4  multiply  df = 1\n"
            "               dq += df * z = 1 * (-4) = -4\n"
            "               dz += df * q = 1 * 3 = 3\n"
            "  3  add       dq = -4\n"
            "               dx += dq * 1 = -4 * 1 = -4\n"
            "               dy += dq * 1 = -4 * 1 = -4\n"
            "  2  input     dz = 3\n"
            "  1  input     dy = -4\n"
            "  0  input     dx = -4"
        )

    def test_lines_of_at_most_100_columns_and_large_arrays_as_shape_range_and_norm(self):
        net = cr.MLP((50, 20, 4), output="softmax")
        rng = np.random.default_rng(0)
        graph = cr.explain(net, params=net.init(), X=rng.random((30, 50)), y=np.arange(30) % 4)
        lines = graph.to_text().splitlines()
        assert max(map(len, lines)) <= 100
        W1 = graph.node("W1").value
        told = f"W1 = shape (50, 20), {W1.min():.3g} .. {W1.max():.3g}, norm {np.linalg.norm(W1):.3g}"
        at = next(i for i, line in enumerate(lines) if told in line)
        assert [line.strip()[0] for line in lines[at + 1 : at + 5]] == ["|"] * 4
        assert any("v4 = X @ W1 = (30, 50) @ (50, 20) = shape (30, 20)" in line for line in lines)
        assert any("dW1 += X.T @ dv4 = shape (50, 20)" in line for line in lines)

    def test_repeated_layers_are_folded(self):
        net = cr.MLP((4, *(8,) * 300, 3), output="softmax")
        graph = cr.explain(net, params=net.init(), X=np.ones((2, 4)), y=np.array([0, 2]))
        lines = graph.to_text().splitlines()
        assert len(graph.nodes) > 1500
        assert len(lines) < 150
        assert "  ... 297 times more the same 5 steps ..." in lines

    def test_a_long_graph_with_no_pattern_is_cut_in_the_middle(self):
        def f(x):
            for k in range(400):
                x = (np.sin, np.cos, np.tanh)[k * k % 7 % 3](x) if k % 11 else x * x
            return x

        text = cr.explain(f, x=0.5).to_text()
        assert "nodes between ..." in text
        assert len(text.splitlines()) < 700

    def test_a_loop_of_one_gate(self):
        def f(x):
            for _ in range(1000):
                x = -x
            return x

        assert "998 times more the same step" in cr.explain(f, x=3.0).to_text()

    def test_a_broadcast_operand_gets_the_sum(self):
        text = cr.explain("sum(x*a)", x=[1, 2, 3], a=2).to_text()
        assert "da += dv2 * x = [1, 1, 1] * [1, 2, 3] = summed: 6" in text


def calls_for(steps):
    """Return how many nodes a loop of so many steps has, and how many calls its graph and text take."""

    def f(x):
        for _ in range(steps):
            x = np.tanh(x * 0.9 + 0.1)
        return x

    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        graph = cr.explain(f, x=1.0)
        graph.to_text()
    finally:
        sys.setprofile(None)
    return len(graph.nodes), calls


def test_the_work_of_a_graph_and_its_text_grows_no_faster_than_its_nodes():
    calls_for(10)
    nodes, calls = calls_for(350)
    twice_the_nodes, calls_of_twice = calls_for(700)
    assert twice_the_nodes > 3000
    assert calls_of_twice / calls < 1.1 * twice_the_nodes / nodes
    assert calls_of_twice / twice_the_nodes < 300


@pytest.mark.parametrize(
    ("f", "values"),
    [
        ("u = b*c; v = a + u; J = 3*v", {"a": 5, "b": 3, "c": 2}),
        ("norm(x*w) + sum(sigmoid(x))", {"x": [1.0, 2.0], "w": np.array([3.0, -1.0])}),
        (lambda W, n: np.tanh(W) ** 2 * n, {"W": np.array([0.1, 0.2]), "n": np.array([2, 3])}),
        (
            lambda layers: np.sum(layers[0]["W"] @ layers[0]["b"]),
            {"layers": [{"W": np.eye(2), "b": np.ones(2)}]},
        ),
    ],
)
def test_the_code_of_a_graph_gives_its_value_and_gradients(f, values):
    graph, session = cr.explain(f, **values), {}
    exec(graph.to_code(), session)
    (name,) = [k for k, x in session.items() if callable(x) and k != "np"]
    value, gradients = session[name](
        *(np.asarray(x, float) if isinstance(x, int) or k in "xw" else x for k, x in values.items())
    )
    assert value == graph.output.value
    for g in pytree.flat(gradients):
        assert any(node.gradient is not None and np.array_equal(node.gradient, g) for node in graph.nodes)


def test_the_code_of_a_network_is_that_of_its_step():
    net = cr.MLP((2, 3, 1))
    code = cr.explain(net, params=net.init(0), X=np.ones((4, 2)), y=np.ones(4)).to_code()
    assert "def cost_and_gradients(params, X, y):" in code


def test_a_graph_without_a_function_has_no_code():
    with pytest.raises(ValueError, match="no function to write as code"):
        replace(cr.explain("a*2", a=1.0), program=None).to_code()


def test_an_item_is_written_with_its_index():
    graph = cr.explain(
        lambda x, i: np.sum(x[1:, 0]) + x[-1, 1] + np.sum(x[..., i]), x=np.ones((3, 2)), i=np.array([0, 1])
    )
    assert " = x[1:, 0] = " in graph.to_text()
    assert " = x[-1, 1] = " in graph.to_text()
    assert ">[1:, 0]<" in graph.to_svg()
