"""primitive: rules of one's own on any arguments, to any order, in both modes, and what is refused."""

import math
from typing import Any

import numpy as onp
import pytest
import scipy.linalg

import chainrule as cr
import chainrule.autograd.numpy as np
from chainrule.autograd import checkpoint, core, grad, hessian, jacobian, make_jvp
from chainrule.autograd.extend import (
    def_linear,
    defjvp,
    defjvp_argnums,
    defvjp,
    defvjp_argnums,
    notrace_primitive,
    primitive,
    register_notrace,
)
from chainrule.autograd.misc import const_graph, flatten, optimizers
from chainrule.autograd.misc.fixed_points import fixed_point
from chainrule.autograd.test_util import check_grads, combo_check
from chainrule.autograd.tracer import Node, getval, isbox, trace

X = onp.array([0.5, -1.0, 2.0])


@primitive
def times_sine(x: float, scale: float, name: str = "") -> float:
    """It takes numbers alone, as code does that cannot be followed."""
    assert not isbox(x)
    assert not isbox(scale)
    return scale * math.sin(x)


defvjp(
    times_sine,
    lambda ans, x, scale, name="": lambda g: g * scale * np.cos(x),
    lambda ans, x, scale, name="": lambda g: g * np.sin(x),
)


class TestNumbers:
    def test_to_order_3_in_both_modes(self):
        combo_check(times_sine, (0, 1), order=3)([0.5], [2.0], name=["a"])
        third = grad(grad(grad(times_sine)))(0.5, 2.0)
        assert third == pytest.approx(-2 * math.cos(0.5))

    def test_jacobians_and_batches_call_it_for_one_element_at_a_time(self):
        def both(x: Any) -> Any:
            return np.array([times_sine(x[0], x[1]), times_sine(x[1], x[0])])

        expected = [[2 * math.cos(1), math.sin(1)], [math.sin(2), math.cos(2)]]
        onp.testing.assert_allclose(jacobian(both)(onp.array([1.0, 2.0])), expected)
        h = hessian(lambda x: times_sine(x[0], x[1]))(onp.array([1.0, 2.0]))
        onp.testing.assert_allclose(h, [[-2 * math.sin(1), math.cos(1)], [math.cos(1), 0]])
        rows = cr.vmap(grad(times_sine), in_axes=(0, None))(X, 2.0)
        onp.testing.assert_allclose(rows, 2 * onp.cos(X))

    def test_plain_arguments_run_the_function_itself(self):
        assert type(times_sine(0.5, 2.0)) is float
        assert times_sine.fun(0.0, 1.0) == 0

    def test_a_followed_array_by_name_is_refused(self):
        with pytest.raises(TypeError, match="rule is for arguments by place"):
            grad(lambda x: times_sine(1.0, 1.0, name=x))(1.0)


def test_a_rule_that_calls_scipy():
    @primitive
    def solve(A: Any, b: Any) -> Any:
        return scipy.linalg.solve(A, b)

    def in_b(ans: Any, A: Any, b: Any) -> Any:
        return lambda g: scipy.linalg.solve(A.T, g)

    defvjp(solve, lambda ans, A, b: lambda g: -onp.outer(scipy.linalg.solve(A.T, g), ans), in_b)
    A = onp.array([[2.0, 1.0], [0.5, 3.0]])
    check_grads(solve, (0, 1), modes=["rev"], order=1)(A, onp.ones(2))
    # Forward mode of rules that cannot be followed is by rules of its own.
    defjvp(
        solve,
        lambda dA, ans, A, b: scipy.linalg.solve(A, -dA @ ans),
        lambda db, ans, A, b: scipy.linalg.solve(A, db),
    )
    check_grads(solve, (0, 1), modes=["fwd"], order=1)(A, onp.ones(2))
    onp.testing.assert_allclose(jacobian(solve, 1)(A, onp.ones(2)), onp.linalg.inv(A))


class TestForms:
    def test_nested_arguments_and_results(self):
        @primitive
        def split(tree: Any, how: Any) -> Any:
            return {"double": 2 * tree["x"], "more": (how(tree["y"]), 3)}

        def rule(argnums: Any, ans: Any, args: Any, kwargs: Any) -> Any:
            assert argnums == [0]
            return lambda g: ({"x": 2 * g["double"], "y": 2 * args[0]["y"] * g["more"][0]},)

        defvjp_argnums(split, rule)

        def f(x: Any, y: Any) -> Any:
            out = split({"x": x, "y": y}, onp.square)
            return np.sum(out["double"]) * out["more"][0]

        check_grads(f, (0, 1))(X, 3.0)

    def test_forward_rules_alone(self):
        f = primitive(lambda x, y: x * y)
        defjvp_argnums(
            f,
            lambda argnums, gs, ans, args, kwargs: sum(
                g * args[1 - i] for i, g in zip(argnums, gs, strict=True)
            ),
        )
        assert make_jvp(f, (0, 1))(2.0, 3.0)((1.0, 1.0)) == (6.0, 5.0)
        with pytest.raises(NotImplementedError, match="VJP of"):
            grad(f)(2.0, 3.0)

    def test_linear_functions_and_none(self):
        f = primitive(lambda x, y: onp.flip(x))
        def_linear(f)
        defvjp(f, lambda ans, x, y: np.flip, None)
        check_grads(lambda x: f(x, 1.0))(X)
        assert grad(lambda y: np.sum(f(X, y)))(1.0) == 0
        defjvp(f, "same", None)
        assert make_jvp(lambda y: f(X, y))(1.0)(1.0)[1].tolist() == [0, 0, 0]

    def test_a_missing_rule_names_the_argument(self):
        f = primitive(lambda x, y: x * y)
        defvjp(f, lambda ans, x, y: lambda g: g * x, argnums=[1])
        assert grad(f, 1)(2.0, 3.0) == 2
        with pytest.raises(NotImplementedError, match="wrt argnum 0"):
            grad(f)(2.0, 3.0)

    def test_a_gradient_of_another_shape_is_refused(self):
        f = primitive(lambda x: x * 2)
        defvjp(f, lambda ans, x: lambda g: 2.0)
        with pytest.raises(ValueError, match=r"argument 0 the shape \(3,\); got \(\)"):
            grad(lambda x: np.sum(f(x)))(X)

    def test_a_rule_that_is_none_is_refused_where_it_is_given(self):
        with pytest.raises(TypeError, match="expected a function or None as a rule; got 3"):
            defvjp(primitive(abs), 3)

    def test_constants(self):
        assert grad(lambda x: x * notrace_primitive(math.floor)(x))(2.5) == 2
        order = primitive(onp.argsort)
        assert jacobian(lambda x: x[order(x)])(X).tolist() == onp.eye(3)[[1, 0, 2]].tolist()
        step = primitive(onp.floor)
        register_notrace(None, step)
        check_grads(lambda x: x * step(x))(2.5)

    def test_whole_numbers_among_results_are_constants(self):
        @primitive
        def largest(x: Any) -> Any:
            return x.max(), x.argmax(keepdims=True)

        defvjp(largest, lambda ans, x: lambda g: g[0] * (np.arange(len(x)) == ans[1]))

        def f(x: Any) -> Any:
            value, place = largest(x)
            assert not isbox(place)
            return value * x[place][0]

        assert grad(f)(X).tolist() == [0, 0, 4]

    def test_an_array_changed_before_backward_is_seen(self):
        y = onp.ones(3)
        f = primitive(lambda x, y: x * y)
        defvjp(f, lambda ans, x, y: lambda g: g * y)
        vjp, _ = core.make_vjp(lambda x: f(x, y), X)
        y[0] = 5
        with pytest.raises(RuntimeError, match="changed"):
            vjp(onp.ones(3))


def test_rules_for_complex_numbers_are_in_autograds_convention():
    f = primitive(lambda z: z**2)
    defvjp(f, lambda ans, z: lambda g: 2 * z * g)
    size = primitive(lambda z: onp.abs(z) ** 2)
    defvjp(size, lambda ans, z: lambda g: 2 * g * np.conj(z))
    defjvp(size, lambda dz, ans, z: 2 * np.real(np.conj(z) * dz))
    combo_check(f, 0)([1.5 - 0.5j, 0.5])
    check_grads(size)(1.5 - 0.5j)
    check_grads(lambda z: size(f(z)))(1.5 - 0.5j)


class TestOlderRules:
    def test_of_attributes(self):
        f = core.primitive(lambda x, y, z: x * y)
        f.defgrad(lambda ans, x, y, z: lambda g: g * y)
        f.defvjp(lambda g, ans, vs, gvs, x, y, z: g * x, argnum=1)
        f.defvjp_is_zero([2])
        check_grads(f, (0, 1, 2), modes=["rev"])(2.0, 3.0, 4.0)


class TestMisc:
    def test_flatten(self):
        tree = {"b": (1.0, onp.ones((2, 2))), "a": [], "c": 2.0}
        vector, back = flatten(tree)
        assert vector.tolist() == [1, 1, 1, 1, 1, 2]
        again = back(2 * vector)
        assert (again["b"][0], again["a"], again["c"]) == (2, [], 4)
        assert grad(lambda x: flatten([x, x])[0] @ onp.array([1.0, 2.0]))(3.0) == 3

    @pytest.mark.parametrize("name", ["sgd", "rmsprop", "adam"])
    def test_optimizers_descend(self, name: str):
        seen: list[Any] = []

        def cost(p: Any, i: int) -> Any:
            return np.sum((p["x"] - 1) ** 2)

        found = getattr(optimizers, name)(
            grad(cost), {"x": X}, lambda p, i, g: seen.append(p["x"]), num_iters=60, step_size=0.1
        )
        assert onp.max(onp.abs(found["x"] - 1)) < 0.2
        assert len(seen) == 60

    def test_the_gradient_of_a_fixed_point(self):
        def newton(a: Any) -> Any:
            return lambda x: 0.5 * (x + a / x)

        def root(a: Any) -> Any:
            return fixed_point(newton, a, 1.0, lambda x, y: abs(x - y), 1e-12)

        assert root(2.0) == pytest.approx(2**0.5)
        assert grad(root)(2.0) == pytest.approx(0.5 / 2**0.5)
        assert grad(grad(root))(2.0) == pytest.approx(-0.25 / 2**1.5)

    def test_a_recorded_function_runs_once(self):
        runs: list[int] = []

        def f(x: Any, y: Any) -> Any:
            runs.append(1)
            return np.sin(x) + y

        once = const_graph(f, y=2.0)
        assert once(1.0) == once(1.0) == math.sin(1.0) + 2
        assert len(runs) == 1

    def test_questions(self):
        values: list[Any] = []
        grad(lambda x: values.append((isbox(x), getval(x))) or x)(2.0)
        assert values == [(True, 2.0)]
        assert isinstance(values[0][1], float)
        assert checkpoint(times_sine)(0.0, 1.0) == 0


class Written(Node):
    """A node that is written as the call that gave it."""

    def __init__(self, value, fun, args, kwargs, parent_argnums, parents):
        written = dict(zip(parent_argnums, parents, strict=True))
        self.text = f"{fun.__name__}({', '.join(str(written.get(i, x)) for i, x in enumerate(args))})"
        self.value = value

    def initialize_root(self, name):
        self.text = name

    def __str__(self):
        return self.text


class TestTrace:
    def test_a_class_of_nodes_gets_each_function_with_plain_values_and_the_nodes_of_followed_ones(self):
        @primitive
        def halved(x):
            assert not isbox(x)
            return x / 2

        def f(x):
            y = np.sin(x)
            return (y + halved(x) - 0.5) * y

        value, node = trace(Written.new_root("x"), f, 1.0)
        assert str(node) == "multiply(subtract(add(sin(x), halved(x)), 0.5), sin(x))"
        assert type(value) is onp.float64
        assert value == node.value == pytest.approx(onp.sin(1.0) ** 2)

    def test_a_gradient_inside_is_followed_too(self):
        value, node = trace(Written.new_root("x"), grad(np.sin), onp.float64(1.0))
        assert str(node) == "multiply(1.0, cos(x))"
        assert value == onp.cos(1.0)

    def test_the_functions_run_again(self):
        made = []

        class Kept(Written):
            def __init__(self, value, fun, args, kwargs, parent_argnums, parents):
                self.text = ""
                made.append((value, fun, args, kwargs))

        def f(x):
            y = np.zeros(4)
            y[:2] = np.concatenate([x, np.stack([x[0], x[1]])])[1:3]
            return np.sum(y) + np.sum(np.linalg.eigh(np.outer(x, x), "U")[0])

        trace(Kept.new_root("x"), f, onp.array([1.0, 2.0]))
        assert {"assigned", "concat", "getitem", "stack"} <= {fun.__name__ for _, fun, _, _ in made}
        for value, fun, args, kwargs in made:
            again = fun(*args, **kwargs)
            assert any(onp.all(y == value) for y in (again if isinstance(again, tuple) else (again,)))

    def test_a_result_that_does_not_depend_on_the_argument_has_no_node(self):
        with pytest.warns(UserWarning, match="does not depend"):
            assert trace(Written.new_root("x"), lambda x: 2.0, 1.0) == (2.0, None)

    def test_a_followed_argument_is_an_error(self):
        with pytest.raises(TypeError, match=r"expected a plain array or a floating number; got Traced"):
            grad(lambda x: trace(Written.new_root("x"), np.sin, x)[0])(1.0)
