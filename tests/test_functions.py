"""chainrule.functions: what gates/ enters as beyond the standard, for plain and traced arrays."""

from typing import Any

import array_api_strict
import numpy as np
import pytest

import chainrule as cr
from chainrule.gates import standard

BEYOND = [name for name, _, _ in standard.functions("beyond")]


@pytest.mark.parametrize("xp", [np, array_api_strict], ids=["numpy", "strict"])
@pytest.mark.parametrize("name", [n for n in vars(cr.functions) if n in BEYOND])
def test_functions_beyond_the_standard_take_plain_and_traced_arrays(name: str, xp: Any):
    f = getattr(cr.functions, name)
    x = xp.asarray([0.5, -1.0, 2.0, 0.25])
    two = ("hinge", "multiclass_hinge", "safe_divide", "sigmoid_cross_entropy", "softmax_cross_entropy")
    others = (x * x,) if name in two else ()
    settings = {"pieces": 2} if name == "maxout" else {}
    plain = f(x, *others, **settings)
    assert type(plain) in (type(x), np.float64)
    followed, _ = cr.vjp(lambda x: f(x, *others, **settings), x)
    np.testing.assert_allclose(np.asarray(followed), np.asarray(plain), rtol=1e-14)


@pytest.mark.parametrize("name", [n for n in vars(cr.functions) if n in BEYOND])
def test_integers_give_what_the_same_floating_numbers_give(name: str):
    f, x = getattr(cr.functions, name), np.array([1, 2, 0, -3])
    two = ("hinge", "multiclass_hinge", "safe_divide", "sigmoid_cross_entropy", "softmax_cross_entropy")
    others = (x * x,) if name in two else ()
    settings = {"pieces": 2} if name == "maxout" else {}
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = f(x.astype(float), *(y.astype(float) for y in others), **settings)
        np.testing.assert_allclose(f(x, *others, **settings), expected, rtol=1e-12)


def test_every_gate_beyond_the_standard_is_among_the_functions():
    assert set(BEYOND) <= set(vars(cr.functions))


def test_another_name_is_an_error_that_tells_the_names():
    with pytest.raises(AttributeError, match=r"no attribute 'swish'; it has .*sigmoid"):
        _ = cr.functions.swish
