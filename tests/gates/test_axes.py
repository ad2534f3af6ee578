"""Axes that an array does not have, orders and shapes that a function does not take: said, and never guessed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr

XP = cr.differentiable(np)
A = np.array([[4.0, 1.0, 3.0], [-1.0, 0.5, 2.0]])
NUMBER = np.array(3.0)

REFUSED: dict[str, tuple[Callable[[Any], Any], np.ndarray, type[Exception], str]] = {
    "unstack": (
        lambda x: XP.unstack(x, axis=3)[0],
        A,
        IndexError,
        "unstack: got axis 3; expected one from -2 to 1",
    ),
    "unstack a number": (lambda x: XP.unstack(x), NUMBER, IndexError, r"unstack: .*none.*shape \(\)"),
    "diff": (lambda x: XP.diff(x, axis=2), A, IndexError, "diff: got axis 2"),
    "diff of a negative order": (lambda x: XP.diff(x, n=-1), A, ValueError, "diff: .*0 or more; got -1"),
    "concat": (lambda x: XP.concat([x, x], axis=-3), A, IndexError, "concat: got axis -3"),
    "concat numbers": (lambda x: XP.concat([x, x]), NUMBER, IndexError, r"concat: .*none.*shape \(\)"),
    "repeat": (lambda x: XP.repeat(x, 2, axis=2), A, IndexError, "repeat: got axis 2"),
    "cumulative_sum": (XP.cumulative_sum, NUMBER, (IndexError, ValueError), "cumulative_sum"),
    "cumulative_prod": (XP.cumulative_prod, NUMBER, IndexError, "cumulative_prod: got axis 0; expected none"),
    "tensordot, axis": (
        lambda x: XP.tensordot(x, A, axes=((5,), (0,))),
        A,
        IndexError,
        "tensordot: got axis 5",
    ),
    "tensordot, count": (
        lambda x: XP.tensordot(x, A, axes=3),
        A,
        ValueError,
        "tensordot: .*0 to 2 axes.*got 3",
    ),
    "tensordot, negative count": (
        lambda x: XP.tensordot(x, A, axes=-1),
        A,
        ValueError,
        "tensordot: .*got -1",
    ),
    "tensordot, lengths": (
        lambda x: XP.tensordot(x, A, axes=1),
        A,
        ValueError,
        r"tensordot: .*\(3,\) and \(2,\), axes \(1,\) of shape \(2, 3\) and \(0,\) of shape \(2, 3\)",
    ),
    "tensordot, one pair too few": (
        lambda x: XP.tensordot(x, A, axes=((0,), (0, 1))),
        A,
        ValueError,
        r"tensordot: .*\(2,\) and \(2, 3\)",
    ),
    "diagonal": (XP.linalg.diagonal, A[0], ValueError, r"diagonal: expected a matrix.*\(3,\)"),
    "trace": (XP.linalg.trace, A[0], ValueError, r"diagonal: expected a matrix.*\(3,\)"),
    "outer": (lambda x: XP.linalg.outer(x, A[0]), A, ValueError, r"outer: expected two vectors; .*\(2, 3\)"),
    "matrix_power": (lambda x: XP.linalg.matrix_power(x, 2.5), A[:, :2], TypeError, "integer"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_an_array_does_not_have_is_refused(name: str):
    f, x, kind, message = REFUSED[name]
    with pytest.raises(kind, match=message):
        f(cr.variable(x))


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min"])
def test_a_number_is_reduced_along_an_axis_where_numpy_lets_it(name: str, axis: int):
    value, slope = cr.value_and_grad(lambda x: getattr(XP, name)(x, axis=axis))(NUMBER)
    assert (float(value), float(slope), slope.shape) == (3.0, 1.0, ())


def test_no_difference_at_all_is_the_array_itself():
    f = lambda x: XP.diff(x, n=0, axis=0, prepend=A, append=A)  # noqa: E731
    assert f(cr.variable(A)).shape == np.diff(A, n=0, axis=0, prepend=A, append=A).shape
    np.testing.assert_array_equal(cr.grad(lambda x: XP.sum(f(x)))(A), 1)


def test_a_function_may_return_a_number_that_depends_on_nothing():
    f = lambda x: x[0, 0] if x[0, 0] < 0 else 2.0  # noqa: E731
    value, dx = cr.value_and_grad(f)(A)
    assert value == 2
    np.testing.assert_array_equal(dx, np.zeros((2, 3)))
    assert cr.grad(f)(-A)[0, 0] == 1
    assert float(cr.grad(cr.grad(lambda x: 0 if x < 5 else x))(NUMBER)) == 0
    for other in (True, None, "1"):
        with pytest.raises(TypeError, match=f"one number.*got {type(other).__name__}"):
            cr.grad(lambda x, other=other: other)(A)
