"""Rules of users in a batch: their own gradients hold there, in both orders; a loop is the reference."""

from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule.gates.helpers import is_transformed, output
from chainrule.gates.standard import note_flow

RANDOM = np.random.default_rng(0)
X, W = RANDOM.normal(size=(5, 3)), RANDOM.normal(size=3)


@cr.gate
def rounded(xp: Any, x: Any) -> Any:
    """Rounds, and passes three times the gradient on."""
    return xp.round(x), (lambda g: g * 3,)


@cr.gate
def scaled(xp: Any, x: Any, w: Any) -> Any:
    """x w, with seven times its gradient in w."""
    return xp.multiply(x, w), (lambda g: g * w, lambda g: g * x * 7)


@cr.gate
def by_its_sum(xp: Any, x: Any) -> Any:
    """x times a number that the rule takes out of it."""
    total = float(xp.sum(x))
    return x * total, (lambda g: g * total,)


@cr.gate
def halves(xp: Any, x: Any) -> Any:
    return (x[:1] * 2, x[1:]), (lambda g: xp.concat([g[0] * 5, g[1]]),)


def both_orders(f: Any, *arrays: Any, axes: tuple[Any, ...] = (0,)) -> None:
    numbers = tuple(range(len(arrays)))
    gradient = cr.grad(f, numbers)
    rows = [
        gradient(*(x if a is None else x[i] for x, a in zip(arrays, axes, strict=True))) for i in range(5)
    ]
    each = [np.stack(parts) for parts in zip(*rows, strict=True)]
    for got, wanted in zip(cr.vmap(gradient, axes)(*arrays), each, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-14)
    total = cr.grad(lambda *xs: np.sum(cr.vmap(f, axes)(*xs)), numbers)(*arrays)
    for got, wanted, axis in zip(total, each, axes, strict=True):
        np.testing.assert_allclose(got, wanted.sum(0) if axis is None else wanted, rtol=1e-13)


def test_the_rules_own_gradient_holds_in_a_batch():
    both_orders(lambda x: np.sum(rounded(x) * x), X)


def test_an_array_that_is_the_same_for_all_gets_the_sum():
    both_orders(lambda x, w: np.sum(scaled(x, w) ** 2), X, W, axes=(0, None))
    both_orders(lambda x, w: np.sum(scaled(x, w) ** 2), X, W[:1], axes=(0, None))


def test_an_elementwise_gate_that_records_itself():
    def rule(xp: Any, x: Any, d: Any, /) -> Any:
        y = output(rule, xp, x, d) if is_transformed(x) else x * d
        return y, (lambda g: g * d * 3, lambda g: g * x)

    note_flow(rule, "elementwise")
    own = cr.gate(rule)
    both_orders(lambda x, w: np.sum(own(x, w) ** 2), X, W, axes=(0, None))
    both_orders(lambda x, w: np.sum(own(x, w) ** 2), X, X[:, 0], axes=(0, 0))


def test_several_results():
    def f(x: Any) -> Any:
        first, rest = halves(x)
        return np.sum(first**2) + np.sum(rest * x[0])

    both_orders(f, X)


def test_forward_mode():
    def f(x: Any) -> Any:
        return np.sum(scaled(x, W) ** 2)

    got = cr.jvp(cr.vmap(f), (X,), (X * 2,))[1]
    np.testing.assert_allclose(got, [cr.jvp(f, (x,), (x * 2,))[1] for x in X], rtol=1e-14)


def test_a_rule_that_looks_at_numbers_gets_one_element_at_a_time():
    np.testing.assert_allclose(cr.vmap(by_its_sum)(X), X * X.sum(1, keepdims=True), rtol=1e-14)
    got = cr.grad(lambda X: np.sum(cr.vmap(lambda x: np.sum(by_its_sum(x) ** 2))(X)))(X)
    expected = np.stack([cr.grad(lambda x: np.sum(by_its_sum(x) ** 2))(x) for x in X])
    np.testing.assert_allclose(got, expected, rtol=1e-14)
    with pytest.raises(TypeError, match="no single one"):
        cr.vmap(cr.grad(lambda x: np.sum(by_its_sum(x))))(X)


def test_checkpoints():
    inner = cr.checkpoint(lambda x, w: np.tanh(x) * w)
    both_orders(lambda x, w: np.sum(inner(x, w) ** 2), X, W, axes=(0, None))


def test_items_rows_and_parts():
    both_orders(lambda x: sum(r * r * i for i, r in enumerate(x)) + np.split(x, 3)[1][0], X)


def test_transforms_inside_of_each_other_keep_their_levels():
    # x d/dy (x + y) is x: an inner transform takes the outer one's array as a constant.
    both_orders(lambda x: np.sum(x * cr.grad(lambda y: np.sum(x + y))(x)), X)
    both_orders(lambda x: np.sum(cr.grad(lambda y: np.sum(np.hypot(x, y) + np.heaviside(x, y)))(x)), X)
    both_orders(lambda x: np.sum(cr.vmap(lambda a: np.sum(a * x))(np.stack([x, x]))), X)
    got = cr.vmap(lambda x: cr.vjp(lambda z: np.sin(z) * W, x)[1](x)[0])(X)
    np.testing.assert_allclose(got, np.cos(X) * W * X, rtol=1e-14)
    got = cr.vmap(lambda x: cr.hvp(lambda z: np.sum(z**3), x, W))(X)
    np.testing.assert_allclose(got, 6 * X * W, rtol=1e-14)
    got = cr.vmap(lambda x, t: cr.jvp(lambda z: np.sin(z) * W, (x,), (t,))[1])(X, X * 2)
    np.testing.assert_allclose(got, np.cos(X) * W * X * 2, rtol=1e-14)


def test_the_mask_of_a_constant_goes_back_through_positions_of_a_batch():
    joined = lambda x: np.median(np.concatenate([np.ones(2), x]), axis=(-1,), keepdims=True)  # noqa: E731
    second = cr.grad(lambda x: np.sum(np.cos(cr.grad(lambda x: np.sum(np.sin(joined(x))))(x))))
    np.testing.assert_allclose(cr.vmap(second)(X), [second(x) for x in X], rtol=1e-14)


def test_constants_of_a_batch():
    got = cr.vmap(cr.grad(lambda x: np.sum(cr.stop_gradient(x) * x)))(X)
    np.testing.assert_array_equal(got, X)
    value, slope = cr.vmap(cr.value_and_grad(lambda x: np.sum(np.where(x > 0, x, 0.0))))(X)
    np.testing.assert_allclose(value, np.where(X > 0, X, 0).sum(1), rtol=1e-15)
    np.testing.assert_array_equal(slope, (X > 0) * 1.0)


def test_a_gradient_does_not_get_lost_by_a_side_door():
    @cr.gate
    def with_setting(xp: Any, x: Any, *, k: Any) -> Any:
        return x * k, (lambda g: g * k,)

    with pytest.raises(TypeError, match="k is a setting"):
        cr.grad(lambda X: np.sum(cr.vmap(lambda x: with_setting(x, k=x))(X)))(X)
    stopped = cr.grad(lambda X: np.sum(cr.vmap(lambda x: cr.stop_gradient(x) * x)(X)))(X)
    np.testing.assert_array_equal(stopped, X)

    def leaking(x: Any) -> Any:
        kept: list[Any] = []
        cr.vmap(lambda row: kept.append(np.sum(row)) or np.sum(row))(X * np.sum(x))
        return kept[0]

    for transform in (cr.grad, cr.jacobian, cr.vmap):
        with pytest.raises(TypeError, match="another transform follows, which ended before"):
            transform(leaking)(X)
