import sys
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

import chainrule as cr
from chainrule import pytree
from chainrule.optim import DivergenceError, Report, lbfgs
from chainrule.optim.lbfgs import Variables
from tests.helpers.arrays import read_only
from tests.helpers.devices import count_copies

scipy_optimize = pytest.importorskip("scipy.optimize", reason="SciPy is in the extra `app`")


def bowl(centre, curvature):
    """A quadratic in one array, with a curvature of its own along each axis."""

    def cost_and_gradients(x):
        away = x - centre
        return ((curvature * away) @ away) / 2, curvature * away

    return cost_and_gradients


def rosenbrock(params):
    x, y = params
    a, b = 1 - x, y - x * x
    return a * a + 100 * b * b, (-2 * a - 400 * x * b, 200 * b)


def logistic(X, y, strength):
    """Mean cross entropy of a sigmoid, with strength / 2 |w|^2."""
    net = cr.MLP((X.shape[1], 1), penalty=cr.L2(strength))
    return lambda params: net.cost_and_gradients(params, X, y)


def samples(m=60, n=4):
    rng = np.random.default_rng(8)
    X = rng.standard_normal((m, n))
    return X, (X @ rng.standard_normal(n) + rng.standard_normal(m) > 0).astype(float)


def by_newton(X, y, strength):
    """The minimum by Newton's own method on formulas written here: [w, b]."""
    A = np.column_stack([X, np.ones(len(X))])
    ridge = np.diag([strength] * X.shape[1] + [0.0])
    theta = np.zeros(A.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-A @ theta))
        slope = A.T @ (p - y) / len(X) + ridge @ theta
        theta = theta - np.linalg.solve((A.T * (p * (1 - p))) @ A / len(X) + ridge, slope)
    assert np.max(np.abs(slope)) < 1e-14
    return theta


class Recorder:
    """A cost that keeps what it was asked and what it answered."""

    def __init__(self, cost_and_gradients):
        self.cost_and_gradients, self.looks = cost_and_gradients, []

    def __call__(self, params):
        cost, gradients = self.cost_and_gradients(pytree.mapped(read_only, params))
        leaves = [np.max(np.abs(cr.get_device("cpu").to_numpy(g))) for g in pytree.flat(gradients)]
        self.looks.append((float(cost), float(max(leaves))))
        return cost, gradients


class TestMinima:
    @given(
        centre=arrays.arrays(np.float64, 4, elements=st.floats(-5, 5)),
        curvature=arrays.arrays(np.float64, 4, elements=st.floats(0.5, 5)),
    )
    @settings(max_examples=50)
    def test_a_quadratic_takes_few_steps(self, centre, curvature):
        result = lbfgs(bowl(centre, curvature), np.ones(4), steps=40, tol=1e-6)
        assert result.stopped in ("tol", "converged")
        assert result.steps <= 25
        np.testing.assert_allclose(result.params, centre, atol=1e-5)

    def test_rosenbrock(self, device, dtype):
        start = (device.asarray(-1.2, dtype), device.asarray(1.0, dtype))
        result = lbfgs(rosenbrock, start, steps=100, tol=1e-3 if dtype == "float32" else 1e-8)
        assert result.stopped in ("tol", "converged")
        got = [float(device.to_numpy(x)) for x in result.params]
        assert got == pytest.approx([1, 1], abs=2e-3 if dtype == "float32" else 1e-8)
        assert {type(result.params), len(result.params)} == {tuple, 2}
        for x, first in zip(result.params, start, strict=True):
            assert (x.dtype, x.device, x.shape) == (first.dtype, first.device, ())

    def test_logistic_regression_reaches_the_minimum_of_newton_s_method(self, device, dtype):
        X, y = samples()
        expected = by_newton(X, y, 0.01)
        single = dtype == "float32"
        there = device.asarray(X, dtype), device.asarray(y, dtype)
        params = [(device.asarray(np.zeros((4, 1)), dtype), device.asarray([0.0], dtype))]
        result = lbfgs(logistic(*there, 0.01), params, steps=200, tol=1e-5 if single else 1e-10)
        assert result.stopped in ("tol", "converged")
        ((W, b),) = result.params
        got = np.concatenate([device.to_numpy(W)[:, 0], device.to_numpy(b)])
        np.testing.assert_allclose(got, expected, atol=2e-3 if single else 1e-8)
        assert (W.dtype, W.device) == (there[0].dtype, there[0].device)

    def test_logistic_regression_reaches_scikit_learn_s_minimum(self):
        linear_model = pytest.importorskip(
            "sklearn.linear_model", reason="scikit-learn is in the extra `app`"
        )
        X, y = samples(200, 6)
        peer = linear_model.LogisticRegression(
            C=1 / (200 * 0.003), tol=1e-12, solver="newton-cholesky", max_iter=500
        ).fit(X, y)
        result = lbfgs(logistic(X, y, 0.003), [(np.zeros((6, 1)), np.zeros(1))], steps=500, tol=1e-10)
        ((W, b),) = result.params
        np.testing.assert_allclose(W[:, 0], peer.coef_[0], atol=1e-7)
        np.testing.assert_allclose(b, peer.intercept_, atol=1e-7)
        cost = logistic(X, y, 0.003)([(peer.coef_.T, peer.intercept_)])[0]
        assert result.history[-1].cost == pytest.approx(float(cost), abs=1e-14)

    @pytest.mark.parametrize("start", [-10.0, -3.0, 0.0, 1.8])
    @pytest.mark.parametrize("beyond", [np.inf, np.nan])
    def test_a_step_into_overflow_is_taken_shorter(self, start, beyond):
        """exp(exp(x)) - 500 x overflows beyond 6.6; first steps lead far beyond that."""

        def cost_and_gradients(x):
            if x > 6:
                return np.asarray(beyond), np.asarray(beyond)
            inner = np.exp(x)
            return np.exp(inner) - 500 * x, np.exp(inner + x) - 500

        result = lbfgs(cost_and_gradients, np.asarray(start), steps=60, tol=1e-6)
        assert result.stopped == "tol"
        assert float(result.params) == pytest.approx(1.5417672, abs=1e-6)

    @pytest.mark.parametrize(
        "nest",
        [
            lambda a, b, c: [(a, b), (c,)],
            lambda a, b, c: {"first": a, "rest": [b, {"last": c}]},
        ],
    )
    def test_parameters_may_be_nested_and_the_nesting_changes_no_number(self, nest):
        centres = [np.arange(6.0).reshape(2, 3), np.array([-1.0, 4.0]), np.asarray(7.0)]

        def flat(leaves):
            costs = [
                np.sum((x - c) ** 2 * (1 + i)) for i, (x, c) in enumerate(zip(leaves, centres, strict=True))
            ]
            gradients = [2 * (1 + i) * (x - c) for i, (x, c) in enumerate(zip(leaves, centres, strict=True))]
            return sum(costs), gradients

        def nested(params):
            cost, gradients = flat(pytree.flat(params))
            return cost, nest(*gradients)

        start = [np.zeros((2, 3)), np.ones(2), np.asarray(0.0)]
        plain = lbfgs(flat, start, steps=50, tol=1e-8)
        result = lbfgs(nested, nest(*start), steps=50, tol=1e-8)
        assert type(result.params) is type(nest(*start))
        assert plain.history == result.history
        for x, y, centre in zip(pytree.flat(result.params), plain.params, centres, strict=True):
            assert x.shape == centre.shape
            assert np.array_equal(x, y)
            np.testing.assert_allclose(x, centre, atol=1e-7)


def test_every_array_keeps_its_dtype():
    start = [np.asarray([1, 2], "float32"), np.asarray([3.0, 4.0])]
    aim = 1 / np.asarray([3.0, 7.0])

    def cost_and_gradients(params):
        assert [p.dtype for p in params] == ["float32", "float64"]
        x, z = params
        return (x**2).sum() + ((z - aim) ** 2).sum(), [2 * x, 2 * (z - aim)]

    found = lbfgs(cost_and_gradients, start, steps=50, tol=1e-12).params
    assert [p.dtype for p in found] == ["float32", "float64"]
    np.testing.assert_allclose(found[1], aim, rtol=1e-12)


class TestReports:
    @pytest.mark.parametrize("steps", [1, 4, 200])
    def test_they_are_of_the_accepted_points(self, device, dtype, steps):
        cost = Recorder(rosenbrock)
        start = (device.asarray(-1.2, dtype), device.asarray(1.0, dtype))
        seen = []
        result = lbfgs(cost, start, steps=steps, on_report=seen.append)
        assert seen == result.history
        assert [report.step for report in seen] == list(range(result.steps + 1))
        looks = list(cost.looks)
        assert seen[0] == Report(0, *looks[0])
        places = [looks.index((report.cost, report.largest_gradient)) for report in seen]
        assert places == sorted(set(places)), "in the order of the looks"
        assert all(later.cost <= before.cost for before, later in pairwise(seen))
        value, gradients = rosenbrock(result.params)
        assert float(value) == seen[-1].cost, "the last is of the parameters returned"
        assert max(abs(float(g)) for g in gradients) == seen[-1].largest_gradient

    def test_tol_stops_at_the_first_step_whose_gradient_is_no_larger(self):
        start = (np.asarray(-1.2), np.asarray(1.0))
        for tol in (10.0, 0.1, 1e-4):
            result = lbfgs(rosenbrock, start, steps=200, tol=tol)
            assert result.stopped == "tol"
            *before, last = [report.largest_gradient for report in result.history]
            assert last <= tol < min(before)
        assert lbfgs(rosenbrock, start, steps=200).history == result.history, "1e-4 is the default"

    def test_at_the_minimum_no_step_is_taken(self):
        result = lbfgs(rosenbrock, (np.asarray(1.0), np.asarray(1.0)), steps=200)
        assert (result.steps, result.stopped, len(result.history)) == (0, "tol", 1)

    def test_as_many_steps_are_taken_as_asked_for(self):
        result = lbfgs(rosenbrock, (np.asarray(-1.2), np.asarray(1.0)), steps=5)
        assert (result.steps, result.stopped, len(result.history)) == (5, "steps", 6)

    def test_no_steps_leave_the_parameters_and_report_once(self):
        start = (np.asarray(-1.2), np.asarray(1.0))
        result = lbfgs(rosenbrock, start, steps=0)
        assert result.params is start
        assert (result.steps, result.stopped) == (0, "steps")
        assert result.history == [Report(0, pytest.approx(24.2), pytest.approx(215.6))]

    def test_stop_ends_after_the_running_step_with_what_was_learnt(self):
        asked = iter([False, False, True])
        result = lbfgs(rosenbrock, (np.asarray(-1.2), np.asarray(1.0)), steps=50, stop=lambda: next(asked))
        assert (result.steps, result.stopped, len(result.history)) == (3, "asked", 4)
        assert float(rosenbrock(result.params)[0]) == result.history[-1].cost

    def test_a_cost_that_falls_no_more_is_converged(self):
        X, y = (part.astype("float32") for part in samples())
        params = [(np.zeros((4, 1), "float32"), np.zeros(1, "float32"))]
        result = lbfgs(logistic(X, y, 0.01), params, steps=500, tol=0.0)
        assert result.stopped == "converged"
        assert result.steps < 100

    def test_a_first_line_search_that_finds_no_lower_cost_is_stuck(self):
        """The gradient has the wrong sign, so that no cost on its way is lower."""
        result = lbfgs(lambda x: (np.asarray(float(x)), np.asarray(-1.0)), np.asarray(0.0), steps=50)
        assert (result.stopped, result.steps, float(result.params)) == ("stuck", 0, 0.0)


class TestCrossing:
    def test_one_copy_back_for_each_cost_and_none_of_the_data(self, monkeypatch):
        strict = cr.get_device("strict:device1")
        X, y = (strict.asarray(part) for part in samples())
        params = [(strict.asarray(np.zeros((4, 1))), strict.asarray([0.0]))]
        cost, calls = logistic(X, y, 0.01), []
        copies = count_copies(monkeypatch, strict)
        result = lbfgs(
            lambda params: calls.append(len(copies)) or cost(params), params, steps=30, stop=lambda: False
        )
        assert result.steps > 3
        assert copies.count("to_device") == len(calls) + 1, "the first parameters cross too"
        assert len(copies) == 2 * (len(calls) + 1), "to the host's memory, and into NumPy"
        assert calls == [2 * k for k in range(1, len(calls) + 1)]

    def test_the_minimizer_is_handed_float64_alone(self, monkeypatch, device, dtype):
        original, kinds = scipy_optimize.minimize, set()

        def minimize(fun, x0, **settings):
            def looked(x):
                cost, gradient = fun(x)
                kinds.update({type(cost), gradient.dtype, x.dtype})
                return cost, gradient

            kinds.add(x0.dtype)
            return original(looked, x0, **settings)

        monkeypatch.setattr(scipy_optimize, "minimize", minimize)
        seen = set()

        def cost_and_gradients(params):
            seen.update((x.dtype, str(x.device)) for x in params)
            return rosenbrock(params)

        start = (device.asarray(-1.2, dtype), device.asarray(1.0, dtype))
        lbfgs(cost_and_gradients, start, steps=10)
        assert kinds == {float, np.dtype("float64")}
        assert seen == {(start[0].dtype, str(start[0].device))}


class TestRefusals:
    @pytest.mark.parametrize("bad", [np.nan, np.inf])
    def test_a_first_cost_that_is_no_number(self, bad):
        start = np.ones(2)
        with pytest.raises(
            DivergenceError,
            match=rf"^lbfgs: the first cost is {bad} and the largest \|gradient\| 1\.0; see that the data hold no NaN",
        ) as caught:
            lbfgs(lambda x: (np.asarray(bad), x), start, steps=5)
        assert caught.value.params is start

    def test_a_first_gradient_that_is_no_number(self):
        with pytest.raises(DivergenceError, match=r"the first cost is 1\.0 and the largest \|gradient\| nan"):
            lbfgs(lambda x: (np.asarray(1.0), x * np.nan), np.ones(2), steps=0)

    @pytest.mark.parametrize("setting", [{"steps": -1}, {"tol": -1.0}, {"tol": np.nan}])
    def test_settings(self, setting):
        with pytest.raises(
            ValueError, match=r"^lbfgs: expected steps >= 0 and tol >= 0, got steps=.*, tol="
        ) as e:
            lbfgs(rosenbrock, np.ones(2), **({"steps": 5} | setting))
        assert "=".join(map(str, *setting.items())) in str(e.value)

    def test_gradients_that_are_not_built_like_the_parameters(self):
        with pytest.raises(ValueError, match=r"^gradients: expected 2 items; got 1 items"):
            lbfgs(lambda p: (p[0][0], [p[0]]), [np.ones(2), np.ones(3)], steps=5)
        with pytest.raises(
            ValueError, match=r"shapes of params, \[\(2, 3\)\]; got \[\(3, 2\)\]; make them alike"
        ):
            lbfgs(lambda p: (np.sum(p[0]), [p[0].T]), [np.ones((2, 3))], steps=5)

    def test_a_cost_of_several_numbers(self):
        with pytest.raises(
            ValueError, match=r"lbfgs: expected a cost of shape \(\), got \(2,\); take its sum"
        ):
            lbfgs(lambda x: (x**2, 2 * x), np.ones(2), steps=1)

    def test_without_scipy(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "scipy.optimize", None)
        with pytest.raises(ImportError, match=r"^lbfgs needs SciPy: pip install '\.\[app\]'"):
            lbfgs(rosenbrock, np.ones(2), steps=1)


class TestVariables:
    """A bowl of very different curvatures, in variables in which it is round."""

    CURVATURE = np.array([1e-6, 1.0, 1e6])
    CENTRE = np.array([3.0, -2.0, 1.0])

    def in_round_ones(self, **settings):
        root = np.sqrt(self.CURVATURE)
        variables = Variables(lambda p: p * root, lambda u: u / root, lambda g: g / root)
        cost = bowl(self.CENTRE, self.CURVATURE)
        return lbfgs(cost, np.zeros(3), variables=variables, **{"steps": 20, "tol": 1e-9} | settings)

    def test_the_search_is_in_them_and_what_is_told_is_of_the_parameters(self):
        result = self.in_round_ones()
        assert (result.stopped, result.steps <= 4) == ("tol", True)
        np.testing.assert_allclose(result.params, self.CENTRE, rtol=1e-3)
        first = result.history[0]
        assert first == Report(0, *(float(x) for x in (first.cost, 1e6))), "the gradient of the parameters"

    def test_tol_judges_the_gradient_of_the_parameters(self):
        for tol in (1e-3, 1e-6):
            result = self.in_round_ones(tol=tol)
            _, gradient = bowl(self.CENTRE, self.CURVATURE)(result.params)
            assert np.max(np.abs(gradient)) <= tol

    def test_bounds(self):
        result = self.in_round_ones(least=[0.0])
        np.testing.assert_allclose(result.params, [3.0, 0.0, 1.0], rtol=1e-3)
        assert result.params[1] == 0
        assert result.stopped == "tol"
        free = lbfgs(
            lambda p: (p[0] @ p[0] + p[1] @ p[1], [2 * p[0], 2 * p[1]]), [np.ones(2), -np.ones(2)], steps=20
        )
        kept = lbfgs(
            lambda p: ((p[0] + 1) @ (p[0] + 1) + (p[1] + 1) @ (p[1] + 1), [2 * p[0] + 2, 2 * p[1] + 2]),
            [np.ones(2), np.ones(2)],
            steps=20,
            least=[0.0, -np.inf],
        )
        np.testing.assert_allclose(np.concatenate(free.params), 0, atol=1e-4)
        np.testing.assert_allclose(np.concatenate(kept.params), [0, 0, -1, -1], atol=1e-4)

    def test_evaluations(self):
        result = lbfgs(rosenbrock, (np.asarray(-1.2), np.asarray(1.0)), steps=50, evaluations=6)
        assert result.stopped == "evaluations"
        assert result.steps < 7
