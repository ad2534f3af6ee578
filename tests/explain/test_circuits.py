"""The course's circuits, node by node: value, gradient, and the derivative of any node by any earlier one."""

import json

import numpy as np
import pytest

import chainrule as cr

S = {"x": -2, "y": 5, "z": -4}


def values_of(graph, *names):
    return [float(graph.node(name).value) for name in names]


def gradients_of(graph, *names):
    return [float(graph.node(name).gradient) for name in names]


def by_name(graph):
    values = {node.name: float(node.value) for node in graph.nodes if node.gate != "constant"}
    return values | {f"d{n.name}": float(n.gradient) for n in graph.nodes if n.traced}


class TestNumbersOfTheSpecification:
    def test_three_times_a_plus_b_c(self):
        graph = cr.explain("u = b*c; v = a+u; J = 3*v", a=5, b=3, c=2)
        told = by_name(graph)
        assert told == {"a": 5, "b": 3, "c": 2, "u": 6, "v": 11, "J": 33} | {
            "dJ": 1,
            "dv": 3,
            "du": 3,
            "da": 3,
            "db": 6,
            "dc": 9,
        }
        assert float(graph.derivative("v", "a")) == 1
        assert float(graph.derivative("u", "b")) == 2
        assert float(graph.derivative("u", "a")) == 0
        assert float(graph.derivative("a", "u")) == 0
        raised = cr.explain("3*(a+b*c)", a=5.001, b=3, c=2)
        assert float(raised.output.value) - 33 == pytest.approx(0.003, rel=1e-9)

    def test_x_plus_y_times_z(self):
        graph = cr.explain("q = x+y; f = q*z", **S)
        assert values_of(graph, "q", "f") == [3, -12]
        assert gradients_of(graph, "x", "y", "z", "q", "f") == [-4, -4, 3, -4, 1]

    def test_max_routes_and_times_swaps(self):
        graph = cr.explain("2*(x*y + max(z, w))", x=3, y=-4, z=2, w=-1)
        assert float(graph.output.value) == -20
        assert gradients_of(graph, "x", "y", "z", "w") == [-8, 6, 2, 0]

    def test_a_value_used_twice_adds_what_returns(self):
        graph = cr.explain("x*x*x", x=2)
        assert graph.node("f").inputs == (1, 0)
        assert gradients_of(graph, "x") == [12]

    def test_a_sigmoid_neuron_as_one_gate_and_gate_by_gate(self):
        values = {"w0": 2, "x0": -1, "w1": -3, "x1": -2, "w2": -3}
        as_one = cr.explain("sigmoid(w0*x0 + w1*x1 + w2)", **values)
        assert [n.gate for n in as_one.nodes[5:]] == ["multiply", "multiply", "add", "add", "sigmoid"]
        by_gate = cr.explain("1/(1 + exp(-1*(w0*x0 + w1*x1 + w2)))", **values)
        gates = [n for n in by_gate.nodes if n.gate not in ("input", "constant")]
        assert [n.gate for n in gates] == [
            *("multiply", "multiply", "add", "add", "multiply", "exp", "add", "divide")
        ]
        told = [(round(float(n.value), 2), round(float(n.gradient), 2)) for n in gates]
        assert told == [
            *((-2, 0.2), (6, 0.2), (4, 0.2), (1, 0.2), (-1, -0.2)),
            *((0.37, -0.53), (1.37, -0.53), (0.73, 1)),
        ]
        for graph in (as_one, by_gate):
            assert float(graph.output.value) == pytest.approx(0.7310585786300049, rel=1e-15)
            slopes = np.array(gradients_of(graph, "w0", "w1", "w2", "x0", "x1"))
            np.testing.assert_allclose(slopes, 0.19661193324148185 * np.array([-1, -2, 1, 2, -3]), rtol=1e-14)

    def test_staged_computation(self):
        graph = cr.explain("(x + s(y)) / (s(x) + (x+y)**2)", x=3, y=-4)
        assert float(graph.output.value) == pytest.approx(1.5456448841066441, rel=1e-15)
        assert gradients_of(graph, "x", "y") == pytest.approx([2.0595697955721652, 1.5922327514838093])

    def test_matrix_product(self):
        X, W, g = (np.random.default_rng(0).standard_normal(shape) for shape in ((4, 3), (3, 2), (4, 2)))
        graph = cr.explain("D = X @ W; J = sum(g * D)", X=X, W=W, g=g)
        np.testing.assert_allclose(graph.node("X").gradient, g @ W.T)
        np.testing.assert_allclose(graph.node("W").gradient, X.T @ g)
        np.testing.assert_array_equal(graph.node("D").gradient, g)

    def test_the_jacobian_of_an_element_wise_gate_is_diagonal(self):
        graph = cr.explain("h = tanh(z); sum(h)", z=[0.5, -1.0, 2.0])
        np.testing.assert_allclose(
            graph.derivative("h", "z"), np.diag(1 - np.tanh([0.5, -1, 2]) ** 2), rtol=1e-14
        )
        np.testing.assert_allclose(graph.node("h").local[0], 1 - np.tanh([0.5, -1, 2]) ** 2, rtol=1e-14)

    def test_a_layer_of_a_network_as_a_jacobian(self):
        X, W = np.random.default_rng(1).standard_normal((2, 3, 3))
        graph = cr.explain("Z = X @ W; J = sum(Z)", X=X, W=W)
        J = graph.derivative("Z", "W")
        assert J.shape == (3, 3, 3, 3)
        np.testing.assert_allclose(J, np.einsum("ij,kl->ikjl", X, np.eye(3)))


def test_the_circuits_of_the_course(course_file):
    course = json.loads(course_file("reference/circuits.json").read_text())
    c = course["j_3_a_bc"]
    told = by_name(cr.explain("u = b*c; v = a+u; J = 3*v", a=c["a"], b=c["b"], c=c["c"]))
    assert c.items() <= told.items()
    c = course["x_plus_y_times_z"]
    graph = cr.explain("q = x+y; f = q*z", **{k: c[k] for k in "xyz"})
    assert values_of(graph, "q", "f") == [c["q"], c["f"]]
    assert gradients_of(graph, *"xyz") == c["df"]
    c = course["sigmoid_neuron"]
    values = {f"w{i}": w for i, w in enumerate(c["w"])} | {f"x{i}": x for i, x in enumerate(c["x"])}
    graph = cr.explain("1/(1 + exp(-1*(w0*x0 + w1*x1 + w2)))", **values)
    gates = [n for n in graph.nodes if n.gate not in ("input", "constant")]
    told = [[round(float(n.value), 2), round(float(n.gradient), 2)] for n in gates]
    assert told == [row[1:] for row in c["gates_value_grad"]]
    assert gradients_of(graph, "w0", "w1", "w2") == pytest.approx(c["dw"], abs=0.005)
    assert gradients_of(graph, "x0", "x1") == pytest.approx(c["dx"], abs=0.005)
    dot = cr.explain("d = w0*x0 + w1*x1 + w2; f = sigmoid(d)", **values)
    assert float(dot.derivative("f", "d")) == pytest.approx(c["exact"]["df_ddot"], rel=1e-14)
    c = course["max_circuit"]
    graph = cr.explain(c["formula"], **{k: c[k] for k in "xyzw"})
    assert float(graph.output.value) == c["out"]
    assert gradients_of(graph, *"xyzw") == c["grad"]
    c = course["staged"]
    graph = cr.explain(c["formula"], x=c["x"], y=c["y"])
    assert float(graph.output.value) == pytest.approx(c["f"], rel=1e-15)
    assert gradients_of(graph, "x", "y") == pytest.approx([c["dx"], c["dy"]], rel=1e-14)
    c = course["xor"]
    X = [[0, 0], [0, 1], [1, 0], [1, 1]]
    graph = cr.explain("h = relu(X @ W + c); f = h @ w + b", X=X, W=c["W"], c=c["c"], w=c["w"], b=c["b"])
    assert graph.node("f").value.tolist() == c["out"]
