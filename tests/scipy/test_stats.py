"""scipy.stats with gradients: SciPy's values, tails and ends included, and gradients in every argument."""

import numpy as np
import pytest
import scipy.stats

import chainrule as cr
from chainrule.scipy import stats

X = np.array([-1.3, 0.0, 0.2, 0.7, 1.0, 2.5, 9.0, -np.inf, np.nan])
INSIDE = np.array([0.21, 0.8])
PARAMETERS = {
    "beta": (2.5, 1.7),
    "cauchy": (),
    "chi2": (3.3,),
    "expon": (),
    "gamma": (2.2,),
    "laplace": (),
    "logistic": (),
    "norm": (),
    "t": (4.5,),
    "uniform": (),
    "weibull_min": (1.7,),
}
COUNTS = {"bernoulli": (0.3,), "binom": (5, 0.3), "poisson": (2.3,)}
METHODS = ("pdf", "logpdf", "cdf", "logcdf", "sf", "logsf")
# The second derivatives of the incomplete gamma and beta functions in their parameters are not known.
ONCE = ("beta", "chi2", "gamma", "t")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", PARAMETERS)
def test_continuous(name, method):
    ours, theirs = (getattr(getattr(module, name), method) for module in (stats, scipy.stats))
    parameters = PARAMETERS[name]
    with np.errstate(all="ignore"):
        for place in ({}, {"loc": 0.1, "scale": 2.0}, {"scale": -1.0}):
            want = theirs(X, *parameters, **place)
            np.testing.assert_allclose(ours(X, *parameters, **place), want, rtol=1e-12)
        for i in range(len(parameters)):
            bad = [-1.0 if k == i else p for k, p in enumerate(parameters)]
            assert np.isnan(ours(X, *bad)).all()
    second = method in ("logpdf", "logcdf") and not (method == "logcdf" and name in ONCE)
    arguments = (INSIDE, *map(np.asarray, parameters), np.asarray(0.1), np.asarray(1.3))
    cr.check_gradients(lambda *args: np.sum(np.sin(ours(*args))), *arguments, order=1 + second)


@pytest.mark.parametrize("method", [m.replace("pdf", "pmf") for m in METHODS])
@pytest.mark.parametrize("name", COUNTS)
def test_discrete(name, method):
    ours, theirs = (getattr(getattr(module, name), method) for module in (stats, scipy.stats))
    parameters = COUNTS[name]
    with np.errstate(all="ignore"):
        for k in (np.array([-1, 0, 1, 2, 5, 7]), np.array([-1, 0.5, 1, 2.7])):
            for place in ({}, {"loc": 1}):
                np.testing.assert_allclose(
                    ours(k, *parameters, **place), theirs(k, *parameters, **place), rtol=1e-12
                )
        k = np.array([0, 0]) if name == "bernoulli" else np.array([0, 3])
        *fixed, p = parameters
        cr.check_gradients(lambda p: np.sum(np.exp(ours(k, *fixed, p))), np.asarray(p), order=2)
    with pytest.raises(TypeError, match="counts have no gradient"):
        cr.grad(lambda k: ours(k, *parameters))(np.asarray(1.0))


def test_every_distribution_has_a_row():
    assert {*PARAMETERS, *COUNTS, "dirichlet", "multivariate_normal"} == set(stats.__all__)
    with pytest.raises(AttributeError, match="norm"):
        stats.levy_stable  # noqa: B018


def test_the_tails_keep_their_digits():
    far = np.array([-40.0, -12.0, 30.0])
    for name, parameters in {"norm": (), "logistic": (), "laplace": (), "t": (3.0,)}.items():
        for method in ("cdf", "logcdf", "sf", "logsf"):
            ours, theirs = (getattr(getattr(module, name), method) for module in (stats, scipy.stats))
            np.testing.assert_allclose(ours(far, *parameters), theirs(far, *parameters), rtol=1e-11)
    # d/dx log cdf is the inverse of Mills' ratio, about -x far out.
    np.testing.assert_allclose(
        cr.grad(lambda x: stats.norm.logcdf(x))(np.asarray(-40.0)), 40.02496885, rtol=1e-9
    )


def test_the_logarithm_of_nearly_one_keeps_its_digits():
    near_one = {"uniform": (1e-10,), "gamma": (1e-4, 2.5), "beta": (1e-3, 4.0, 2.0), "t": (-50.0, 5.0)}
    for name, arguments in near_one.items():
        ours, theirs = getattr(stats, name), getattr(scipy.stats, name)
        np.testing.assert_allclose(ours.logsf(*arguments), np.log1p(-theirs.cdf(*arguments)), rtol=1e-13)
    np.testing.assert_allclose(
        stats.gamma.logcdf(60.0, 2.5), np.log1p(-scipy.stats.gamma.sf(60.0, 2.5)), rtol=1e-13
    )


def test_a_count_that_is_nan():
    for name, parameters in COUNTS.items():
        for method in ("pmf", "logpmf", "cdf", "logsf"):
            assert np.isnan(getattr(getattr(stats, name), method)(np.nan, *parameters))


def test_outside_the_support_no_gradient_flows():
    for name, x in {"gamma": (-1.0, 2.0), "beta": (2.0, 1.5, 2.0), "uniform": (3.0,)}.items():
        f = getattr(stats, name)
        arrays = [np.asarray(a) for a in x]
        for method in (f.pdf, f.cdf, f.sf):
            assert not np.any(cr.grad(lambda *args, m=method: m(*args), tuple(range(len(x))))(*arrays))


def test_dirichlet():
    alpha, x = np.array([1.5, 2.0, 0.7]), np.array([0.2, 0.5, 0.3])
    columns = np.stack([x, x[::-1]], axis=1)
    for given in (x, x[:2], columns):
        for method in ("pdf", "logpdf"):
            ours, theirs = (
                getattr(module.dirichlet, method)(given, alpha) for module in (stats, scipy.stats)
            )
            np.testing.assert_allclose(ours, theirs, rtol=1e-13)
    cr.check_gradients(lambda x, alpha: stats.dirichlet.logpdf(x[:2], alpha), x, alpha, order=2)
    with pytest.raises(ValueError, match="sum of 1"):
        stats.dirichlet.pdf(x + 0.1, alpha)
    with pytest.raises(ValueError, match=r"\(3,\) and|shapes"):
        stats.dirichlet.pdf(np.ones(5) / 5, alpha)


def test_multivariate_normal():
    S, mean, x = (
        np.array([[2.0, 0.3], [0.3, 1.0]]),
        np.array([0.1, 0.2]),
        np.arange(12.0).reshape(2, 3, 2) / 5,
    )
    for cov in (S, np.array([1.0, 2.0]), 2.0):
        for method in ("pdf", "logpdf"):
            ours, theirs = (
                getattr(module.multivariate_normal, method)(x, mean, cov) for module in (stats, scipy.stats)
            )
            np.testing.assert_allclose(ours, theirs, rtol=1e-13)
    np.testing.assert_allclose(
        stats.multivariate_normal.pdf(x[0, :, 0]), scipy.stats.multivariate_normal.pdf(x[0, :, 0]), rtol=1e-13
    )
    f = stats.multivariate_normal.logpdf
    cr.check_gradients(lambda x, m, c: np.sum(np.sin(f(x, m, (c + c.T) / 2))), x[0], mean, S, order=2)
    with pytest.raises(np.linalg.LinAlgError):
        f(x, mean, -S)
    with pytest.raises(ValueError, match="negative eigenvalues"):
        f(x, mean, -S, allow_singular=True)
    with pytest.raises(ValueError, match="shapes"):
        f(x, mean, np.eye(3))


def test_the_normal_distribution_on_a_range():
    ours, theirs = stats.multivariate_normal, scipy.stats.multivariate_normal
    B = np.array([[1.0, 0.2], [0.5, -1.0], [1.5, -0.8]])
    x, mean = np.array([[0.3, 0.1], [-1.0, 2.0]]) @ B.T, B @ [0.1, 0.2]
    x[1, 0] += 1
    for cov in (
        B @ B.T,
        np.eye(3),
        2 * np.eye(3)[:2].T @ np.eye(3)[:2],
        np.array([1.0, 2.0, 0.0]),
        np.zeros((3, 3)),
    ):
        np.testing.assert_allclose(ours.pdf(x, mean, cov, True), theirs.pdf(x, mean, cov, True), rtol=1e-11)
        np.testing.assert_allclose(ours.entropy(mean, cov), theirs.entropy(mean, cov), rtol=1e-13)
    for arguments in ((), (None, 3.0), (mean, 2.0), (mean,)):
        np.testing.assert_allclose(ours.entropy(*arguments), theirs.entropy(*arguments), rtol=1e-14)
    # Along the range it is the density of z with x = Q z; outside it is 0, and so is its slope.
    f, Q = ours.logpdf, np.linalg.qr(B)[0]
    C = Q.T @ B @ B.T @ Q
    slopes = cr.grad(lambda x, m: f(x, m, B @ B.T, True), (0, 1))(x[0], mean)
    inside = -Q @ np.linalg.solve(C, Q.T @ (x[0] - mean))
    np.testing.assert_allclose(slopes, (inside, -inside), atol=1e-11)
    assert not np.any(cr.grad(lambda x: f(x, mean, B @ B.T, True))(x[1]))
    # A direction that does not count may come to count: no slope. Where all count there is one.
    assert np.isnan(cr.grad(lambda c: f(x[0], mean, c, True))(B @ B.T)).all()
    assert np.isnan(cr.grad(lambda c: ours.entropy(mean, c))(B @ B.T)).all()
    S = B.T @ B
    cr.check_gradients(lambda x, m, c: f(x, m, (c + c.T) / 2, True), x[0, :2], mean[:2], S, order=2)
    cr.check_gradients(lambda c: ours.entropy(cov=(c + c.T) / 2), S, order=2)
    np.testing.assert_array_equal(cr.grad(ours.entropy)(mean[:2], S), [0, 0])


def test_on_every_device_in_float32_batched_and_compiled(device):
    x = device.asarray(INSIDE, dtype="float32")
    for f in (
        stats.norm.logpdf,
        lambda x: stats.gamma.pdf(x, 2.5, scale=2.0),
        lambda x: stats.uniform.cdf(x),
    ):
        slopes = cr.vmap(cr.grad(f))(x)
        assert str(slopes.dtype).endswith("float32")
        want = [float(cr.grad(f)(np.asarray(v))) for v in INSIDE]
        np.testing.assert_allclose(device.to_numpy(slopes), want, rtol=1e-5)
    assert "0.5" in cr.compile(cr.grad(lambda x: np.sum(stats.norm.logpdf(x, 0.5, 2.0)))).source(INSIDE)


def test_arguments_by_name_and_errors():
    want = scipy.stats.gamma.logpdf(2.0, 1.5, loc=0.5, scale=3.0)
    np.testing.assert_allclose(stats.gamma.logpdf(x=2.0, a=1.5, loc=0.5, scale=3.0), want)
    np.testing.assert_allclose(stats.gamma.logpdf([2.0, 2.0], 1.5, 0.5, 3.0), [want, want])
    slopes = cr.grad(lambda x, a: np.sum(stats.gamma.logpdf([x, 2.0, 2 * x], a)), (0, 1))(
        np.asarray(2.0), 1.5
    )
    each = cr.grad(lambda x, a: np.sum(stats.gamma.logpdf(x, a)), (0, 1))(np.array([2.0, 2.0, 4.0]), 1.5)
    np.testing.assert_allclose(slopes, (each[0][0] + 2 * each[0][2], each[1]))
    with pytest.raises(TypeError, match=r"gamma: .*'a'.*expected x, a, loc, scale"):
        stats.gamma.pdf(1.0)


def test_a_series_of_pandas_is_its_numbers():
    X = np.array([0.5, -1.0, 2.0])
    x = pytest.importorskip("pandas").Series(X, index=[7, 8, 9])
    found = stats.norm.sf(x)
    assert type(found) is np.ndarray
    np.testing.assert_allclose(found, scipy.stats.norm.sf(x), rtol=1e-15)
    slope = cr.grad(lambda scale: np.sum(stats.norm.logpdf(x, 0, scale)))(2.0)
    np.testing.assert_allclose(slope, np.sum(X**2) / 8 - 1.5)
