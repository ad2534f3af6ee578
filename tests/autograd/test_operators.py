"""The door for programs of autograd: its operators, by closed forms, with complex numbers in its convention."""

import importlib
import sys
import warnings
from typing import Any, NamedTuple

import numpy as onp
import pytest

import chainrule as cr
import chainrule.autograd.numpy as np
from chainrule import autograd
from chainrule.autograd import core
from chainrule.autograd.extend import vspace
from chainrule.autograd.test_util import check_equivalent, check_grads

X = onp.array([0.5, -1.0, 2.0])
V = onp.array([1.0, 2.0, -1.0])
Z = onp.array([1.0 + 2.0j, -0.5j, 3.0])
A = onp.array([[1.0, 2.0, 0.5], [0.0, 3.0, -1.0]])


def cubes(x: Any) -> Any:
    return np.sum(x**3)


# Of each operator: what it gives, and the closed form.
ROWS = {
    "grad": (autograd.grad(cubes)(X), 3 * X**2),
    "grad of one number in brackets": (autograd.grad(lambda x: x[:1] ** 2)(X), [1.0, 0, 0]),
    "grad of several": (autograd.grad(lambda x, y: x * y, (0, 1))(2.0, 3.0), (3.0, 2.0)),
    "grad_named": (autograd.grad_named(lambda x, y: x * y, "y")(2.0, 3.0), 2.0),
    "value_and_grad": (autograd.value_and_grad(cubes)(X), (onp.sum(X**3), 3 * X**2)),
    "grad_and_aux": (autograd.grad_and_aux(lambda x: (cubes(x), x + 1))(X), (3 * X**2, X + 1)),
    "elementwise_grad": (autograd.elementwise_grad(np.sin)(X), onp.cos(X)),
    "deriv": (autograd.deriv(np.sin)(0.5), onp.cos(0.5)),
    "jacobian": (autograd.jacobian(lambda x: A @ x**2)(X), A * 2 * X),
    "jacobian of constants": (autograd.jacobian(lambda x: 1.0)(X), onp.zeros(3)),
    "hessian": (autograd.hessian(cubes)(X), onp.diag(6 * X)),
    "hessian_vector_product": (autograd.hessian_vector_product(cubes)(X, V), 6 * X * V),
    "tensor_jacobian_product": (autograd.tensor_jacobian_product(lambda x: A @ x)(X, V[:2]), V[:2] @ A),
    "make_vjp": (autograd.make_vjp(cubes)(X)[0](2.0), 6 * X**2),
    "make_jvp": (autograd.make_jvp(cubes)(X)(V), (onp.sum(X**3), 3 * X**2 @ V)),
    "make_hvp": (autograd.make_hvp(cubes)(X)[0](V), 6 * X * V),
    "make_jvp_reversemode": (autograd.make_jvp_reversemode(lambda x: A @ x)(X)(V), A @ V),
    "make_ggnvp": (autograd.make_ggnvp(lambda x: A @ x)(X)(V), A.T @ A @ V),
    "checkpoint": (autograd.grad(autograd.checkpoint(cubes))(X), 3 * X**2),
    "multigrad_dict": (
        autograd.multigrad_dict(lambda x, y=3.0: x * y)(2.0),
        {"x": 3.0, "y": 2.0},
    ),
    # d(z^2)/dz, and what a real function of a complex number has: dL/dRe - i dL/dIm.
    "holomorphic_grad": (autograd.holomorphic_grad(lambda z: np.sum(z**2))(Z), 2 * Z),
    "a complex argument": (autograd.grad(lambda z: np.sum(np.abs(z) ** 2))(Z), 2 * onp.conj(Z)),
    "whole numbers": (autograd.elementwise_grad(np.square)(onp.arange(3)), [0.0, 2.0, 4.0]),
    "a Jacobian of whole numbers": (autograd.jacobian(np.square)(onp.arange(2)), onp.diag([0.0, 2.0])),
    "order 2": (autograd.grad(lambda x: autograd.grad(lambda y: y**3 * x)(x))(2.0), 9 * 4.0),
}


@pytest.mark.parametrize("name", ROWS)
def test_an_operator(name: str):
    found, expected = ROWS[name]
    pairs = zip(cr.pytree.flat(found), cr.pytree.flat(expected), strict=True)
    for got, right in pairs if isinstance(expected, tuple | dict) else [(found, expected)]:
        onp.testing.assert_allclose(got, right, rtol=1e-12)


def test_numbers_give_numbers():
    value, g = autograd.value_and_grad(np.exp)(0.0)
    assert isinstance(value, float)
    assert isinstance(g, float)
    assert autograd.grad(np.exp)(X[0]).shape == ()


@pytest.mark.parametrize(
    "f", [lambda x: x, lambda x: x[0] * 1j, lambda x: [x[0]]], ids=["vector", "complex", "list"]
)
def test_what_is_no_number_is_refused(f: Any):
    with pytest.raises(TypeError, match="grad: expected one real number"):
        autograd.grad(f)(X)


class Point(NamedTuple):
    x: Any
    y: Any


class TestNests:
    def test_arguments_and_results_of_every_kind(self):
        def f(tree: Any) -> Any:
            return {"p": Point(tree["a"] ** 2, np.sum(tree["b"][0])), "l": [tree["b"][1] * 2.0]}

        tree = {"a": X, "b": (A, 3.0)}
        check_grads(f, order=1)(tree)
        vjp, out = core.make_vjp(f, tree)
        assert type(out["p"]) is Point
        g = vjp(vspace(out).ones())
        check_equivalent(g, {"a": 2 * X, "b": (onp.ones_like(A), 2.0)})

    def test_the_constructors_and_questions_are_pythons(self):
        def f(x: Any) -> Any:
            y = autograd.tuple((x, autograd.list([x, 2.0]), autograd.dict(a=x)))
            assert autograd.isinstance(x, float)
            assert autograd.isinstance(y, tuple)
            assert autograd.type(y[1]) is list
            return y[0] * y[1][1] * y[2]["a"]

        assert autograd.grad(f)(3.0) == 12


class TestTheChecker:
    def test_it_finds_a_wrong_rule(self):
        @autograd.primitive
        def double(x: Any) -> Any:
            return x * 2.0

        autograd.extend.defvjp(double, lambda ans, x: lambda g: g * 2.001)
        with pytest.raises(AssertionError, match=r"\(VJP\) check of double failed"):
            check_grads(double, modes=["rev"])(1.0)
        with pytest.raises(ValueError, match="'fwd' and 'rev'"):
            check_grads(double, modes=["forward"])(1.0)

    def test_values_of_other_spaces_differ(self):
        with pytest.raises(AssertionError, match="one vector space"):
            check_equivalent(X, X[:2])
        with pytest.raises(AssertionError, match="equal values"):
            check_equivalent(X, X + 1)


def test_the_basis_of_a_vector_space():
    space = vspace({"a": onp.zeros(2), "b": 1j})
    assert space.size == len(list(space.standard_basis())) == 4
    assert space == vspace(space.zeros()) == vspace(space.randn())
    total = space.zeros()
    for vector in space.standard_basis():
        total = space.add(total, vector)
    check_equivalent(total, space.ones())
    with pytest.raises(TypeError, match="got str"):
        vspace("a")


def test_install(monkeypatch: pytest.MonkeyPatch):
    before = {name: sys.modules.pop(name) for name in list(sys.modules) if name.split(".")[0] == "autograd"}
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    find = importlib.import_module
    try:
        autograd.install()
        autograd.install()
        assert find("autograd") is autograd
        assert find("autograd.numpy.linalg") is np.linalg
        assert find("autograd.scipy.stats.norm").cdf(0.0) == 0.5
        assert autograd.__spec__.name == "chainrule.autograd"
        with pytest.raises(ModuleNotFoundError):
            find("autograd.nothing")
        sys.modules["autograd"] = warnings
        with pytest.raises(RuntimeError, match="imported before"):
            autograd.install()
    finally:
        for name in list(sys.modules):
            if name.split(".")[0] == "autograd":
                del sys.modules[name]
        sys.modules.update(before)
