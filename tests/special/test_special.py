"""Special functions as SciPy has them: called by its names, on every device, and refused where no slope is known."""

import contextlib
import pickle
import sys

import array_api_strict as strict
import numpy as np
import pytest
import scipy.special as sp

import chainrule as cr
from chainrule.gates import FLOWS
from chainrule.special import bessel
from chainrule.special.table import GATES
from tests.helpers.devices import DEVICES, place

# An argument for each place, inside the domain, and the places that have slopes.
ONE, TWO = np.array([0.3, 0.6, 0.8]), np.array([1.5, 2.5, 0.7])
CALLS = {
    **dict.fromkeys(GATES, (ONE,)),
    **dict.fromkeys(("jv", "jn", "yn", "yv", "iv", "ive", "struve", "polygamma"), (2.0, TWO)),
    **dict.fromkeys(("beta", "betaln", "xlogy", "xlog1py", "rel_entr", "kl_div"), (TWO, ONE)),
    **dict.fromkeys(("gammainc", "gammaincc"), (TWO, ONE)),
    "betainc": (TWO, TWO[::-1].copy(), ONE),
    "zeta": (np.array([2.0, 3.0, 4.5]), TWO),
}
# What has no slope: the argument's place and what the error calls it.
UNKNOWN = {
    **{name: {0: "the order v"} for name in ("jv", "jn", "yv", "iv", "ive", "struve")},
    "yn": {0: "the order n"},
    "polygamma": {0: "the order n"},
}
NAMES = sorted({*GATES} - {"gammasgn"})  # which is a constant
UFUNCS = [name for name in NAMES if isinstance(getattr(sp, name), np.ufunc)]
WITH_SLOPES = {name: [i for i in range(len(CALLS[name])) if i not in UNKNOWN.get(name, {})] for name in NAMES}
# The places whose second derivative is not known.
ONCE = {"gammainc": (0,), "gammaincc": (0,), "betainc": (0, 1), "zeta": (0,)}


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
    with pytest.raises(AttributeError, match=r"airy.*erf"):
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
    np.testing.assert_allclose(ours(ONE), theirs(ONE), rtol=1e-15)
    slopes = [cr.grad(lambda x, f=f: np.sum(f(x)))(ONE) for f in (theirs, ours)]
    np.testing.assert_array_equal(*slopes)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_both_orders_and_modes(name):
    f, arrays = getattr(cr.special, name), CALLS[name]
    where = [i for i in WITH_SLOPES[name] if i not in ONCE.get(name, ())]

    def of_some(*xs):
        given = list(arrays)
        for i, x in zip(where, xs, strict=True):
            given[i] = x
        return total(f(*given))

    cr.check_gradients(of_some, *(arrays[i] for i in where), order=2)


@pytest.mark.parametrize("name", ONCE)
def test_slopes_whose_own_slope_is_not_known(name):
    f, arrays, last = getattr(cr.special, name), CALLS[name], len(CALLS[name]) - 1
    cr.check_gradients(lambda *xs: np.sum(f(*xs)), *arrays)

    def slope(i, *xs):
        return np.sum(cr.grad(lambda *xs: np.sum(f(*xs)), i)(*xs))

    for i in ONCE[name]:
        with pytest.raises(TypeError, match=r"with respect to .*, twice, is not known"):
            cr.grad(lambda *xs, i=i: slope(i, *xs), i)(*arrays)
        mixed = cr.grad(lambda *xs, i=i: slope(i, *xs), last)(*arrays)
        np.testing.assert_allclose(mixed, cr.grad(lambda *xs: slope(last, *xs), i)(*arrays), rtol=1e-12)


@contextlib.contextmanager
def _skipped_where_a_gpu_lacks_it(device):
    """Skip by name what CuPy has not, and what the pretended GPU has not of CUDA's mathematics."""
    try:
        yield
    except TypeError as error:
        if not (device.startswith("cuda") and "cupy has no such special function" in str(error)):
            raise
        pytest.skip(str(error))
    except Exception as error:
        if type(error).__name__ != "CompileError":
            raise
        pytest.skip("the pretended GPU lacks a function of CUDA's that this kernel calls")


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", NAMES)
def test_every_device_and_dtype(name, device):
    with _skipped_where_a_gpu_lacks_it(device):
        _of_every_dtype(name, device)


def _of_every_dtype(name, device):
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
        with pytest.raises(
            TypeError, match=rf"{GATES[name].__name__}: .*with respect to {called} is not known"
        ):
            cr.grad(lambda *xs: np.sum(f(*xs)), i)(*arrays)
        tangents = tuple(np.ones(3) if j == i else np.zeros(3) for j in range(len(arrays)))
        with pytest.raises(TypeError, match="with respect to"):
            cr.jvp(f, tuple(arrays), tangents)


@pytest.mark.parametrize("name", NAMES)
def test_a_masked_element_gets_0(name):
    points = np.array([-1000.0, -2.0, -1.0, 0.0, 1.0, 2.0, 1000.0])
    grid = np.meshgrid(*[points] * len(CALLS[name]))
    rule = GATES[name]
    assert {FLOWS[gate] for gate in (rule if isinstance(rule, tuple) else (rule,))} == {"elementwise"}
    f = getattr(cr.special, name)
    with np.errstate(all="ignore"):
        for i in WITH_SLOPES[name]:
            result = f(*grid)
            for j in range(len(result) if isinstance(result, tuple) else 1):

                def masked(*xs, j=j):
                    y = f(*xs)
                    return np.sum(np.where(xs[0] > 5000, y[j] if isinstance(y, tuple) else y, 0))

                assert not cr.grad(masked, i)(*grid).any()


# Outside the domain there is no slope, whatever the formula gives there.
OUTSIDE = {
    "loggamma": [(-0.5,)],
    "logit": [(-0.5,), (2.0,)],
    "erfinv": [(2.0,), (-1.5,)],
    "erfcinv": [(-0.5,), (3.0,)],
    "ndtri": [(-0.5,), (2.0,)],
    "entr": [(-1.0,)],
    "gamma": [(-1.0,), (-2.0,)],
    "gammaln": [(-1.0,)],
    "psi": [(-1.0,)],
    "polygamma": [(-1.0, 0.5)],
    "betaln": [(0.5, 0.0), (0.5, -1.0)],
    "gammainc": [(1.0, -1.0), (-1.0, 1.0), (3.0, -2.0)],
    "gammaincc": [(1.0, -1.0), (-1.0, 1.0)],
    "betainc": [(1.0, 2.0, -0.5), (1.0, 2.0, 1.5), (-1.0, 2.0, 0.5), (20.0, 20.0, 1.5)],
    "xlogy": [(1.0, -1.0)],
    "xlog1py": [(1.0, -2.0)],
    "rel_entr": [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0)],
    "kl_div": [(-1.0, -1.0), (1.0, -1.0), (-1.0, 1.0)],
    "jv": [(0.5, -1.0)],
    "iv": [(0.5, -1.0), (1e-300, -1.0)],
    "ive": [(0.5, -1.0), (0.5, -40.0)],
    "yn": [(2.0, -1.0)],
    "y0": [(-1.0,)],
    "y1": [(-1.0,)],
    "struve": [(0.5, -1.0)],
    "zeta": [(1.0, 2.0), (0.5, 2.0), (2.5, -0.5)],
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", OUTSIDE)
def test_outside_its_domain_a_function_has_no_slope(name):
    f = getattr(cr.special, name)
    for point in OUTSIDE[name]:
        arrays = [np.asarray(x) for x in point]
        assert not np.isfinite(f(*arrays)), point
        for i in WITH_SLOPES[name]:
            assert not np.isfinite(cr.grad(f, i)(*arrays)), point


# Slopes at the ends of domains, at infinity and far out, by their limits.
ENDS = {
    "erf": [(np.inf, 0.0), (-np.inf, 0.0), (1e300, 0.0)],
    "erfc": [(np.inf, 0.0)],
    "erfcx": [(np.inf, 0.0), (-30.0, -np.inf)],
    "erfinv": [(1.0, np.inf), (-1.0, np.inf)],
    "erfcinv": [(0.0, -np.inf), (2.0, -np.inf)],
    "ndtri": [(0.0, np.inf), (1.0, np.inf)],
    "ndtr": [(-np.inf, 0.0), (1e300, 0.0)],
    "log_ndtr": [(np.inf, 0.0), (-np.inf, np.inf), (-1e150, 1e150)],
    "logit": [(0.0, np.inf), (1.0, np.inf)],
    "expit": [(1000.0, 0.0), (-1000.0, 0.0), (np.inf, 0.0)],
    "log_expit": [(1000.0, 0.0), (-1000.0, 1.0)],
    "entr": [(0.0, np.inf)],
    "i0e": [(0.0, 0.0), (1e10, -(0.5 + 0.1875e-10) / np.sqrt(2 * np.pi * 1e30))],
    "i1e": [(0.0, 0.5)],
    "j1": [(0.0, 0.5)],
    "i1": [(0.0, 0.5)],
    "exprel": [(0.0, 0.5), (-1e10, 1e-20), (1000.0, np.inf)],
    "gammainc, a = 1/2": [(0.0, np.inf), (np.inf, 0.0)],
    "gammainc, a = 1": [(0.0, 1.0), (np.inf, 0.0)],
    "gammainc, a = 2": [(0.0, 0.0), (1e300, 0.0)],
    "gammainc, a = 20": [(0.0, 0.0), (1e300, 0.0), (np.inf, 0.0)],
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("label", ENDS)
def test_slopes_at_ends(label):
    name, _, a = label.partition(", a = ")
    f = getattr(cr.special, name)
    for x, want in ENDS[label]:
        slope = cr.grad(lambda x: f(eval(a), x) if a else f(x))(np.asarray(x))
        np.testing.assert_allclose(slope, want, rtol=1e-13, err_msg=f"{label} at {x}")


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_the_density_of_beta_at_its_ends():
    for a, b, x, want in [
        (1.0, 3.0, 0.0, 3.0),
        (3.0, 1.0, 1.0, 3.0),
        (0.5, 2.0, 0.0, np.inf),
        (2.0, 0.5, 1.0, np.inf),
        (2.0, 3.0, 0.0, 0.0),
        (30.0, 20.0, 1.0, 0.0),
        (30.0, 20.0, 0.0, 0.0),
        (1.0, 1.0, 0.0, 1.0),
    ]:
        slope = cr.grad(lambda x: cr.special.betainc(a, b, x))(np.asarray(x))  # noqa: B023
        np.testing.assert_allclose(slope, want, rtol=1e-13)


def test_numbers_and_lists_are_taken_as_scipy_takes_them():
    assert cr.special.erf(0.5) == sp.erf(0.5)
    np.testing.assert_array_equal(cr.special.jv([0, 1], 2.0), sp.jv([0, 1], 2.0))
    x = np.array([0.5, 1.5], dtype="float32")
    assert cr.special.yn(2, x).dtype == x.dtype
    assert cr.special.zeta(3.0) == sp.zeta(3.0)
    assert cr.special.zeta(3.0, q=2.0) == sp.zeta(3.0, q=2.0)
    with pytest.raises(TypeError, match="unexpected keyword argument 'p'"):
        cr.special.zeta(3.0, p=2.0)
    slope = cr.grad(lambda y: np.sum(cr.special.xlogy([1.0, 2.0], y)))(x)
    np.testing.assert_allclose(slope, [2.0, 4 / 3], rtol=1e-6)
    np.testing.assert_allclose(cr.grad(cr.special.zeta)(np.asarray(2.0)), -0.93754825431584375, rtol=1e-15)
    assert np.isnan(cr.grad(cr.special.zeta)(np.asarray(0.5)))


@pytest.mark.parametrize("name", ["erf", "erfc"])
def test_the_error_function_of_complex_numbers(name):
    f = getattr(cr.special, name)
    z = np.array([0.3 + 0.4j, -1.2 + 0.5j, 2.0 - 1.5j, 70 + 0j, 0.1j])
    np.testing.assert_array_equal(cr.vjp(f, z)[0], getattr(sp, name)(z))
    slope = (1 if name == "erf" else -1) * 2 / np.sqrt(np.pi) * np.exp(-z * z)
    np.testing.assert_allclose(cr.jvp(f, (z,), (np.ones_like(z),))[1], slope, rtol=1e-14)
    np.testing.assert_allclose(cr.vmap(cr.jacobian(f))(z), slope, rtol=1e-14)
    assert cr.jvp(f, (z.astype("complex64"),), (np.ones(5, "complex64"),))[1].dtype == "complex64"
    cr.check_gradients(lambda z: np.sum(np.abs(getattr(sp, name)(z)) ** 2), z[:2], order=2)


def test_complex_numbers_pass_through_and_have_no_gradient():
    assert cr.special.erf(np.asarray(1j)) == sp.erf(1j)
    x = cr.variable(ONE)
    assert cr.special.erf(cr.stop_gradient(x) + 1j).value[0] == sp.erf(ONE[0] + 1j)
    for f in (
        lambda: sp.beta(x, np.asarray(1j)),
        lambda: cr.special.erfcx(cr.variable(np.asarray(1j))),
        lambda: cr.special.erf(cr.variable(strict.asarray(1j))),
        lambda: cr.special.logsumexp(np.asarray(1j)),
        lambda: cr.special.logsumexp(x, b=np.asarray(1j)),
    ):
        with pytest.raises(TypeError, match=r"for real numbers alone; got .*complex128"):
            f()


@pytest.mark.parametrize("name", NAMES)
def test_whole_numbers_are_taken_as_scipy_takes_them(name):
    x = np.array([1, 2])
    arrays = [x] * len(CALLS[name])
    with np.errstate(all="ignore"):
        for got, want in zip(getattr(cr.special, name)(*arrays), getattr(sp, name)(*arrays), strict=True):
            np.testing.assert_array_equal(got, want)


# Functions that are even (1) or odd (-1), of the order where they have one.
PARITY = {
    **{(name,): -1 for name in ("erf", "erfinv", "j1", "i1", "i1e")},
    **{(name,): 1 for name in ("cosm1", "j0", "i0", "i0e")},
    **{(name, n): (-1) ** n for name in ("jv", "iv", "ive") for n in range(5)},
    **{("struve", n): (-1) ** (n + 1) for n in range(5)},
}


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("case", PARITY)
def test_even_and_odd_functions(case):
    name, *order = case
    x = np.array([0.3, 0.9, 1.7, 10.0, 29.0, 31.0, 200.0])

    def f(x):
        return getattr(cr.special, name)(*map(float, order), x)

    for g in (f, cr.grad(lambda x: np.sum(f(x)))):
        sign = PARITY[case] if g is f else -PARITY[case]
        np.testing.assert_allclose(g(-x), sign * g(x), rtol=1e-13)


def test_the_sums_take_lists_and_numbers():
    assert cr.special.logsumexp([1.0, 2.0], b=[1, 2]) == pytest.approx(
        sp.logsumexp([1.0, 2.0], b=[1, 2]), rel=1e-15
    )
    for name in ("softmax", "log_softmax", "logsumexp"):
        ours, theirs = getattr(cr.special, name), getattr(sp, name)
        for x in ([1, 2], np.array([[1], [2]])):
            np.testing.assert_allclose(ours(x), theirs(x), rtol=1e-14)
    assert cr.special.multigammaln(4.0, 2) == pytest.approx(sp.multigammaln(4.0, 2))


def test_functions_are_pickled_by_name():
    for name in dir(cr.special):
        f = getattr(cr.special, name)
        assert pickle.loads(pickle.dumps(f)) is f


def test_sici_with_one_result_unused_does_not_touch_its_slope():
    assert cr.grad(lambda x: cr.special.sici(x)[0])(np.asarray(0.0)) == 1


def test_without_scipy_an_error_says_what_to_install(monkeypatch):
    for module in [name for name in sys.modules if name.split(".")[0] == "scipy"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "scipy.special", None)
    with pytest.raises(ImportError, match=r"erf needs scipy.special.*pip install '\.\[app\]'"):
        cr.special.erf(ONE)


def test_kernels_of_cupy_are_found_by_their_names(monkeypatch):
    """CuPy's kernels have prefixes of several kinds before the name."""
    x = cr.variable(ONE)
    for prefix in ("cupyx_scipy_special_", "cupyx_scipy_", "cupy_"):
        kernel = type("ufunc", (), {"name": f"{prefix}gammaln", "nin": 1})()
        library = type(sys)("cupyx.scipy.special")
        library.gammaln = kernel
        monkeypatch.setitem(sys.modules, "cupyx.scipy.special", library)
        y = x.__cupy_override_elementwise_kernel__(kernel, x)
        np.testing.assert_array_equal(y.value, sp.gammaln(ONE))


def test_the_sign_of_gamma_is_a_constant():
    x = np.array([-1.5, -0.5, 2.0])
    np.testing.assert_array_equal(cr.special.gammasgn(x), sp.gammasgn(x))
    np.testing.assert_array_equal(cr.grad(lambda x: np.sum(sp.gammasgn(x) * x))(x), sp.gammasgn(x))


def test_the_gamma_function_of_matrices():
    a = np.array([1.3, 4.0, 20.0])
    for d in (1, 2, 3):
        np.testing.assert_allclose(
            cr.special.multigammaln(a, d), [sp.multigammaln(one, d) for one in a], rtol=1e-14
        )
        cr.check_gradients(lambda a, d=d: np.sum(cr.special.multigammaln(a, d)), a, order=2)
    assert np.isnan(cr.special.multigammaln(np.array([0.9]), 3)).all()
    assert np.isnan(cr.grad(lambda a: np.sum(cr.special.multigammaln(a, 3)))(np.array([0.9]))).all()


class TestOtherLibraries:
    """PyTorch's and JAX's own functions are asked for, and what they lack is an error by name."""

    @pytest.mark.parametrize("name", NAMES)
    def test_torch(self, name):
        torch = pytest.importorskip("torch")
        self.check(name, torch.asarray, cr.differentiable(torch), torch.Tensor)

    def test_riemanns_zeta_function(self):
        torch = pytest.importorskip("torch")
        value, slope = cr.value_and_grad(cr.special.zeta)(torch.asarray(2.0, dtype=torch.float64))
        assert float(value) == pytest.approx(np.pi**2 / 6, rel=1e-15)
        assert float(slope) == pytest.approx(-0.93754825431584375, rel=1e-15)

    def check(self, name, array, space, kind):
        f = getattr(cr.special, name)
        arrays = [x if isinstance(x, float) else array(x) for x in CALLS[name]]
        try:
            f(*arrays)
        except TypeError as error:
            assert "no such special function" in str(error)  # noqa: PT017
            return
        for i in WITH_SLOPES[name]:
            slope = cr.grad(lambda *xs: space.sum(f(*xs)), i)(*arrays)
            assert isinstance(slope, kind)
            want = cr.grad(lambda *xs: np.sum(f(*xs)), i)(*CALLS[name])
            # The Bessel functions of PyTorch have 12 digits.
            np.testing.assert_allclose(np.asarray(slope), want, rtol=2e-12)


@pytest.mark.parametrize("name", ["jv", "iv", "ive"])
def test_whole_orders_where_a_library_has_orders_0_and_1_alone(name, monkeypatch):
    """As CuPy and PyTorch: the slopes of order 1 need higher orders."""
    gate = GATES[name]

    def without(xp, asked):
        return None if asked == name else getattr(sp, asked)

    monkeypatch.setattr(bessel, "special_function", without)
    x = np.concatenate([np.linspace(-12, 12, 97), [1e-5, 40.0, 1e-300]])
    for n in range(-4, 6):
        want = getattr(sp, name)(n, x)
        np.testing.assert_allclose(gate(np, n, x)[0], want, rtol=1e-12, atol=1e-15 * np.abs(want).max())
    order_1 = {"jv": "j1", "iv": "i1", "ive": "i1e"}[name]
    x = np.array([-7.0, -1.5, 0.5, 3.0, 6.0])
    cr.check_gradients(lambda x: np.sum(getattr(cr.special, order_1)(x)), x, order=3)


class TestSums:
    X = np.array([[0.5, -1.0, 3.0], [700.0, 2.0, 1000.0]])
    B = np.array([[1.0, -0.2, 0.5], [2.0, 0.0, 1.0]])

    @pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1)])
    @pytest.mark.parametrize("keepdims", [False, True])
    @pytest.mark.parametrize("b", [None, B, 2.0, B[0]])
    def test_logsumexp(self, axis, keepdims, b):
        def ours(x, b=b):
            return cr.special.logsumexp(x, axis=axis, b=b, keepdims=keepdims)

        def parts(x, b=b):
            return cr.special.logsumexp(x, axis, b, keepdims, return_sign=True)

        want = sp.logsumexp(self.X, axis=axis, b=b, keepdims=keepdims)
        np.testing.assert_allclose(ours(self.X), want, rtol=1e-14)
        signed = sp.logsumexp(self.X, axis=axis, b=b, keepdims=keepdims, return_sign=True)
        for got, theirs in zip(parts(self.X), signed, strict=True):
            np.testing.assert_allclose(got, theirs, rtol=1e-14)
            assert np.shape(got) == np.shape(theirs)
        small = self.X / 1000
        cr.check_gradients(lambda x: parts(x)[0], small, order=2)
        if b is not None:
            cr.check_gradients(lambda b: parts(small, b)[0], np.asarray(b), order=2)
        # Both results are differentiable results of one call, and the sign is a constant.
        y, sign = cr.vjp(lambda x: parts(x), small)[0]
        assert y.shape == sign.shape

    def test_the_slope_of_large_numbers_is_finite(self):
        slope = cr.grad(lambda x: np.sum(cr.special.logsumexp(x, axis=1, b=self.B)))(self.X)
        np.testing.assert_allclose(slope.sum(1), 1)
        np.testing.assert_allclose(slope[1], [0, 0, 1], atol=1e-100)

    @pytest.mark.filterwarnings("ignore::RuntimeWarning")
    def test_a_negative_sum_has_no_logarithm_and_no_slope(self):
        x, b = np.array([1.0, 2.0]), np.array([1.0, -1.0])
        assert np.isnan(cr.special.logsumexp(x, b=b))
        assert np.isnan(cr.grad(lambda x: cr.special.logsumexp(x, b=b))(x)).all()
        y, sign = cr.special.logsumexp(x, b=b, return_sign=True)
        np.testing.assert_allclose(y, np.log(np.exp(2) - np.exp(1)), rtol=1e-15)
        assert sign == -1
        slope = cr.grad(lambda x: cr.special.logsumexp(x, b=b, return_sign=True)[0])(x)
        np.testing.assert_allclose(slope, np.exp(x) * b / (np.exp(1) - np.exp(2)), rtol=1e-14)

    @pytest.mark.parametrize("name", ["softmax", "log_softmax"])
    @pytest.mark.parametrize("axis", [None, 0, -1, (0, 1)])
    def test_softmax(self, name, axis):
        ours, theirs = getattr(cr.special, name), getattr(sp, name)
        np.testing.assert_allclose(
            ours(self.X, axis=axis), theirs(self.X, axis=axis), rtol=1e-14, atol=1e-100
        )
        cr.check_gradients(lambda x: ours(x, axis), self.X / 1000, order=2)

    @pytest.mark.parametrize("device", DEVICES)
    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_every_device_and_dtype(self, device, dtype):
        here = place(device)
        x, b = (here.array(a, dtype) for a in (self.X, self.B))
        space = cr.differentiable(here.xp)
        for f in (
            lambda x: cr.special.logsumexp(x, axis=1, b=b),
            lambda x: cr.special.logsumexp(x, axis=1, b=b, return_sign=True)[0],
            lambda x: cr.special.logsumexp(x, axis=0),
            lambda x: cr.special.logsumexp(x, axis=0, b=2.0),
            lambda x: cr.special.softmax(x, axis=0),
            lambda x: cr.special.log_softmax(x),
        ):
            value, slope = cr.value_and_grad(lambda x, f=f: space.sum(f(x)))(x)
            assert value.dtype == slope.dtype == x.dtype == f(x).dtype
            assert slope.device == x.device
            assert type(f(x)) is type(x)
