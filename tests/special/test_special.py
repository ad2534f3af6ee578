"""Special functions as SciPy has them: called by its names, on every device, and refused where no slope is known."""

import sys

import numpy as np
import pytest
import scipy.special as sp

import chainrule as cr
from chainrule.gates import FLOWS
from chainrule.special.table import GATES
from tests.helpers.devices import DEVICES, place

# An argument for each place, inside the domain, and the places that have slopes.
ONE, TWO = np.array([0.3, 0.6, 0.8]), np.array([1.5, 2.5, 0.7])
CALLS = {
    **{name: (ONE,) for name in GATES},
    **{name: (2.0, TWO) for name in ("jv", "jn", "yn", "yv", "iv", "ive", "struve", "polygamma")},
    **{name: (TWO, ONE) for name in ("beta", "betaln", "xlogy", "xlog1py", "rel_entr", "kl_div")},
    **{name: (TWO, ONE) for name in ("gammainc", "gammaincc")},
    "betainc": (TWO, TWO[::-1].copy(), ONE),
    "zeta": (np.array([2.0, 3.0, 4.5]), TWO),
}
# What has no slope: the argument's place and what the error calls it.
UNKNOWN = {
    **{name: {0: "the order v"} for name in ("jv", "jn", "yv", "iv", "ive", "struve")},
    "yn": {0: "the order n"},
    "polygamma": {0: "the order n"},
    "gammainc": {0: "a"},
    "gammaincc": {0: "a"},
    "betainc": {0: "a", 1: "b"},
    "zeta": {0: "x"},
}
NAMES = sorted(GATES)
UFUNCS = [name for name in NAMES if isinstance(getattr(sp, name), np.ufunc)]
WITH_SLOPES = {
    name: [i for i in range(len(CALLS[name])) if i not in UNKNOWN.get(name, {})] for name in NAMES
}


def total(result):
    return sum(map(np.sum, result)) if isinstance(result, tuple) else np.sum(result)


def test_the_functions_that_were_asked_for_are_there():
    asked = (
        "erf erfc erfinv erfcinv erfcx gamma gammaln loggamma digamma polygamma beta betaln gammainc gammaincc betainc "
        "expit logit log_expit xlogy xlog1py entr rel_entr kl_div ndtr log_ndtr ndtri j0 j1 jn jv y0 y1 yn i0 i1 i0e "
        "i1e iv ive logsumexp softmax log_softmax expm1 log1p cosm1 exprel zeta sici struve"
    )
    assert set(asked.split()) <= set(dir(cr.special))
    for name in dir(cr.special):
        assert callable(getattr(cr.special, name))
        assert getattr(cr.special, name).__name__ == name
    with pytest.raises(AttributeError, match="airy.*erf"):
        cr.special.airy  # noqa: B018


@pytest.mark.parametrize("name", UFUNCS)
def test_scipys_function_on_a_traced_array_is_ours(name):
    theirs, ours, arrays = getattr(sp, name), getattr(cr.special, name), CALLS[name]
    np.testing.assert_array_equal(ours(*arrays), theirs(*arrays))
    for i in WITH_SLOPES[name]:
        value, slope = cr.value_and_grad(lambda *xs: total(theirs(*xs)), i)(*arrays)
        np.testing.assert_allclose(value, total(theirs(*arrays)), rtol=1e-15)
        np.testing.assert_array_equal(slope, cr.grad(lambda *xs: total(ours(*xs)), i)(*arrays))


@pytest.mark.parametrize("name", ["expm1", "log1p"])
def test_functions_of_numpys_too(name):
    theirs, ours = getattr(sp, name), getattr(cr.special, name)
    np.testing.assert_array_equal(ours(ONE), theirs(ONE))
    slopes = [cr.grad(lambda x, f=f: np.sum(f(x)))(ONE) for f in (theirs, ours)]
    np.testing.assert_array_equal(*slopes)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_both_orders_and_modes(name):
    f, arrays = getattr(cr.special, name), CALLS[name]
    where = WITH_SLOPES[name]

    def of_some(*xs):
        given = list(arrays)
        for i, x in zip(where, xs, strict=True):
            given[i] = x
        return total(f(*given))

    cr.check_gradients(of_some, *(arrays[i] for i in where), order=2, rtol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", NAMES)
def test_every_device_and_dtype(name, device):
    here, f = place(device), getattr(cr.special, name)
    for dtype, digits in (("float32", 2e-5), ("float64", 1e-13)):
        arrays = [x if isinstance(x, float) else here.array(x, dtype) for x in CALLS[name]]
        space = cr.differentiable(here.xp)

        def scaled(*xs, f=f, space=space):
            result = f(*xs)
            return sum(map(space.sum, result)) if isinstance(result, tuple) else space.sum(result)

        for i in WITH_SLOPES[name]:
            value, slope = cr.value_and_grad(scaled, i)(*arrays)
            assert value.dtype == slope.dtype == arrays[i].dtype
            assert (slope.shape, slope.device) == (arrays[i].shape, arrays[i].device)
            want = cr.grad(lambda *xs: total(f(*xs)), i)(*CALLS[name])
            np.testing.assert_allclose(here.numpy(slope), want, rtol=digits)


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_has_no_known_slope_is_an_error_by_name(name):
    f = getattr(cr.special, name)
    arrays = [np.asarray(x) + np.zeros(3) for x in CALLS[name]]
    for i, called in UNKNOWN[name].items():
        with pytest.raises(TypeError, match=rf"{GATES[name].__name__}: .*with respect to {called} is not known"):
            cr.grad(lambda *xs: np.sum(f(*xs)), i)(*arrays)
        with pytest.raises(TypeError, match=f"with respect to {called}"):
            x = [np.ones(3) if j == i else np.zeros(3) for j in range(len(arrays))]
            cr.jvp(f, tuple(arrays), tuple(x))
        # As a constant it stops nobody.
        cr.grad(lambda *xs: np.sum(f(*(cr.stop_gradient(x) if j == i else x for j, x in enumerate(xs)))), i)(*arrays)
