"""Expressions as text: their results are those of NumPy, and any other text is refused."""

import builtins
import os
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.explain import expression

VALUES = {"a": 1.5, "b": -0.7, "c": 2.0}
LEAVES = st.sampled_from(["a", "b", "c", "2", "0.5", "3"])
UNARY = {
    "-": lambda x: -x,
    "exp": np.exp,
    "sin": np.sin,
    "tanh": np.tanh,
    "abs": np.abs,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0),
    "square": np.square,
}
BINARY = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x * y,
    "/": lambda x, y: x / y,
    "max": np.maximum,
    "min": np.minimum,
    "hypot": np.hypot,
}
TREES = st.recursive(
    LEAVES,
    lambda part: st.one_of(
        st.tuples(st.sampled_from(sorted(UNARY)), part),
        st.tuples(st.sampled_from(sorted(BINARY)), part, part),
    ),
    max_leaves=12,
)


def written(tree):
    if isinstance(tree, str):
        return tree
    name, *parts = tree
    parts = [written(part) for part in parts]
    if name.isalpha():
        return f"{name}({', '.join(parts)})"
    return f"(-{parts[0]})" if len(parts) == 1 else f"({parts[0]} {name} {parts[1]})"


def computed(tree, values):
    if isinstance(tree, str):
        return values[tree] if tree in values else np.float64(tree)
    name, *parts = tree
    return (UNARY if len(parts) == 1 else BINARY)[name](*(computed(part, values) for part in parts))


def names_in(tree):
    return (
        {tree} & set(VALUES) if isinstance(tree, str) else set.union(*(names_in(part) for part in tree[1:]))
    )


def parts_of(tree):
    return [tree] if isinstance(tree, str) else [tree, *(p for part in tree[1:] for p in parts_of(part))]


@settings(max_examples=150)
@given(TREES)
def test_a_random_expression_is_what_numpy_computes(tree):
    values = {name: np.float64(VALUES[name]) for name in sorted(names_in(tree))}
    with np.errstate(all="ignore"):
        expected = computed(tree, values)
    try:
        graph = cr.explain(written(tree), **values)
    except ValueError:
        # A part of numbers alone, such as 1 / (2 - 2); nothing else is refused.
        with np.errstate(all="ignore"):
            alone = [computed(part, {}) for part in parts_of(tree) if not names_in(part)]
        assert not np.isfinite(alone).all()
        return
    np.testing.assert_allclose(graph.output.value, expected, rtol=1e-12)


@settings(max_examples=60)
@given(TREES)
def test_its_gradients_are_those_of_the_engine(tree):
    values = {name: np.asarray(VALUES[name]) for name in sorted(names_in(tree))}
    if not values:
        return
    functions = {
        "max": np.maximum,
        "min": np.minimum,
        "relu": cr.functions.relu,
        "sigmoid": cr.functions.sigmoid,
    }

    def of(tree, known):
        if isinstance(tree, str):
            return known[tree] if tree in known else np.float64(tree)
        name, *parts = tree
        table = UNARY if len(parts) == 1 else BINARY
        return functions.get(name, table[name])(*(of(part, known) for part in parts))

    with np.errstate(all="ignore"):
        try:
            graph = cr.explain(written(tree), **values)
        except ValueError:
            return
        slopes = cr.grad(lambda known: of(tree, known) + 0 * sum(known.values()))(values)
    for name, slope in slopes.items():
        np.testing.assert_allclose(graph.node(name).gradient, slope, rtol=1e-12)


@pytest.mark.parametrize("text", [
    "__import__('os').system('touch broken')", "exp.__class__", "a.__class__.__bases__", "a[0]", "lambda: a",
    "[a for a in a]", "{a: a}", "(a, a)", "f'{a}'", "'a'", "b'a'", "1j", "True", "None", "...", "a if a else a",
    "a < a", "a and a", "not a", "~a", "a // a", "a % a", "a << a", "(u := a)", "*a", "max(*a)", "exp(**a)",
    "exp(x=a)", "open('x')", "eval('a')", "exec('a')", "print(a)", "await a", "a; import os", "import os",
    "def f(): pass", "class A: pass", "u = v = a", "u += a", "u.x = a", "u[0] = a", "del a", "a = 2*a", "u: int = a",
    "for i in a: a", "exp", "exp(a, a)", "max()", "max(a, a, a)", "sum(a, axis=a)", "sum(a, keepdims=1)",
    "sum(a, axis=0, axis=1)", "", " ", "a b", "a +", "\0", "a\n+ 2", "unknown*a", "1e999*a", "9**9**9*a", "1/0*a",
    "0**-1*a", "9" * 3000, "a" * 5000, "-" * 3000 + "a", "(" * 150 + "a" + ")" * 150 + "*" * 3, "a@a", "2",
    "a+" * 1900 + "a", "a**" * 1000 + "a",
])  # fmt: skip
def test_a_text_that_is_not_an_expression_is_refused(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def never(*arguments, **settings):
        raise AssertionError("text was executed")

    for name in ("eval", "exec"):
        monkeypatch.setattr(builtins, name, never)
    monkeypatch.setattr(os, "system", never)
    with pytest.raises(ValueError, match=r"^explain: .{10}"):
        cr.explain(text, a=2)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("part", [
    "a.real", "a[0]", "(lambda: 1)", "[1]", "{1}", "(1, 2)", "'b'", "1j", "(1 if a else 2)", "(a < 1)", "(a and 1)",
    "(not a)", "(~a)", "a // 2", "a % 2", "print(a)", "exp.real(a)", "(lambda: a)()", "exp(*a)", "f'{a}'", "(u := 1)",
])  # fmt: skip
def test_a_part_that_is_not_an_expression_is_refused(part):
    with pytest.raises(ValueError, match="is not allowed: "):
        cr.explain(f"a + {part}", a=2)


@settings(max_examples=200)
@given(st.text(alphabet="ab()[]{}+-*/@=:;.,'\"_0123456789e \n#lambdexp\\\t\0λ", max_size=40))
def test_any_text_gives_a_graph_or_a_value_error(text):
    try:
        cr.explain(text, a=2.0)
    except ValueError:
        return


def test_errors_say_what_to_do():
    for text, said in (
        ("a*q", "q has no value; give it one, such as q=1, besides a"),
        ("2*3", "does not use a; leave it out"),
        ("a; a", "'a' has no name; write u = a"),
        ("9**9**9*a", "9**9**9 is not a finite number"),
        ("atan3(a)", "'atan3(a)' is not allowed: the functions are abs, "),
        ("a @ a", "write * for numbers"),
    ):
        with pytest.raises(ValueError, match=re.escape(said)):
            cr.explain(text, a=2)


@pytest.mark.parametrize(("text", "said"), [
    ("3(a + 1)", "'3(a + 1)' is not allowed: a product needs its sign; write * before the parenthesis"),
    ("a(a + 1)", "'a(a + 1)' is not allowed: a product needs its sign; write * before the parenthesis"),
    ("(a + 1)(a - 1)", "a product needs its sign"),
    ("3a + 1", "'3a + 1' is not an expression: write 3*a for 3a"),
    ("2.5a", "write 2.5*a for 2.5a"),
    ("a^2", "an operator must be one of + - * / ** @; write ** for ^"),
    ("a²", "write **2 for ²"),
    ("2×a", "write * for ×"),
    ("a−1", "write - for −"),
    ("ln(a)", "'ln(a)' is not allowed: write log; the functions are abs, "),
    ("np.exp(a)", "'np.exp(a)' is not allowed: write exp; the functions are abs, "),
    ("Sin(a)", "write sin; "),
    ("arctan2(a, a)", "write atan2; "),
    ("exp * a", "exp is a function; write exp(...) of a value"),
    ("sin a", "'sin a' is not an expression: invalid syntax"),
])  # fmt: skip
def test_slips_of_a_beginner_are_told_with_what_to_write(text, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        cr.explain(text, a=2)


def test_huge_powers_take_no_time():
    with pytest.raises(ValueError, match="not a finite number"):
        cr.explain("9**9**9**9**9 * a", a=1)


def test_assignments_name_nodes_on_several_lines_too():
    graph = cr.explain("u = b*c\nv = a + u  # the sum\nJ = 3*v", a=5, b=3, c=2)
    assert [n.name for n in graph.nodes] == ["a", "b", "c", "u", "v", "3", "J"]
    assert cr.explain("u = 2; u*a", a=3).output.value == 6
    assert cr.explain("u = a; u", a=3).output.name == "a"


def test_pi_and_e_are_known_unless_given():
    assert cr.explain("sin(pi/2)*a", a=1).output.value == 1
    assert cr.explain("log(e)*a", a=2).output.value == 2
    assert cr.explain("e*e", e=3).output.value == 9


@pytest.mark.parametrize("name", sorted(set(expression.FUNCTIONS) - {"s"}))
def test_every_function_works(name):
    x = np.array([[0.2, 0.7], [0.4, 0.1]])
    x = 1 + x if name == "acosh" else x
    of_two = name in ("atan2", "dot", "hypot", "logaddexp") or name.endswith(("imum", "hinge", "entropy"))
    given = {"x": x, "y": np.eye(2)} if of_two else {"x": x}
    graph = cr.explain(f"z = {name}({', '.join(given)}); sum(z*z)", **given)
    assert np.isfinite(graph.output.value)
    assert graph.node("x").gradient.shape == (2, 2)
    assert graph.node("x").gradient.any()


def test_an_axis():
    graph = cr.explain("sum(softmax(x, axis=0) * y, axis=-1)", x=[[1, 2], [3, 4]], y=[[1, 2], [3, 5]])
    x = np.array([[1.0, 2], [3, 4]])
    p = np.exp(x) / np.exp(x).sum(axis=0)
    np.testing.assert_allclose(graph.node("f").value, (p * [[1, 2], [3, 5]]).sum(axis=-1))
