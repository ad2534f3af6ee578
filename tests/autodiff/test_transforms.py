"""The transforms: what each returns, for which arguments, and what it refuses."""

import collections
import dataclasses
import warnings
from typing import Any, NamedTuple

import array_api_strict
import numpy as np
import pytest

import chainrule as cr


def cubes(x: Any) -> Any:
    return np.sum(x**3)


X = np.array([1.0, 2.0, -1.0])


def test_grad_and_value_and_grad():
    assert cr.grad(cubes)(X).tolist() == [3, 12, 3]
    value, g = cr.value_and_grad(cubes)(X)
    assert value == 8
    assert g.tolist() == [3, 12, 3]
    assert type(value) is np.ndarray


def test_several_arguments_and_settings_that_pass_through():
    def f(a: Any, b: Any, *, power: int) -> Any:
        return np.sum(a * b**power)

    da, db = cr.grad(f, (0, 1))(X, X + 3, power=2)
    np.testing.assert_allclose(da, (X + 3) ** 2)
    np.testing.assert_allclose(db, 2 * X * (X + 3))
    np.testing.assert_allclose(cr.grad(f, -1)(X, X + 3, power=1), X)
    with pytest.raises(TypeError, match="argument number 2"):
        cr.grad(f, 2)(X, X)


class Layer(NamedTuple):
    W: Any
    b: Any


def test_nested_arguments_come_back_in_their_shape():
    params = {"layers": [Layer(np.ones((3, 2)), np.zeros(2))], "scale": (np.asarray(2.0), [])}

    def f(params: Any) -> Any:
        layer = params["layers"][0]
        return np.sum(X @ layer.W + layer.b) * params["scale"][0]

    g = cr.grad(f)(params)
    assert isinstance(g["layers"][0], Layer)
    assert g["layers"][0].W.tolist() == [[2, 2], [4, 4], [-2, -2]]
    assert g["layers"][0].b.tolist() == [2, 2]
    assert g["scale"][0] == 4
    assert g["scale"][1] == []


def test_what_the_result_does_not_depend_on_gets_zeros():
    g = cr.grad(lambda a, b: np.sum(a), (0, 1))(np.ones(2, np.float32), np.ones((3, 1), np.float32))[1]
    assert (g.shape, g.dtype, g.tolist()) == ((3, 1), np.float32, [[0], [0], [0]])
    assert cr.grad(lambda x: np.asarray(1.0))(X).tolist() == [0, 0, 0]


@pytest.mark.parametrize("out", [lambda x: x, lambda x: (x[0], x[1]), lambda x: None])
def test_a_result_that_is_no_scalar_is_refused_with_what_to_use(out: Any):
    with pytest.raises(TypeError, match=r"chainrule\.vjp or chainrule\.jacobian"):
        cr.grad(out)(X)


def test_vjp_of_nested_results():
    out, pullback = cr.vjp(lambda x, y: {"s": x * y, "t": [x]}, X, X + 1)
    np.testing.assert_allclose(out["s"], X * (X + 1))
    dx, dy = pullback({"s": np.ones(3), "t": [np.full(3, 2.0)]})
    np.testing.assert_allclose(dx, X + 1 + 2)
    np.testing.assert_allclose(dy, X)
    with pytest.raises(ValueError, match="shape"):
        pullback({"s": np.ones(2), "t": [np.ones(3)]})
    with pytest.raises(ValueError, match=r"expected a dict with \['s', 't'\]; got"):
        pullback({"s": np.ones(3)})


def test_jvp_is_the_directional_derivative():
    v = np.array([1.0, 0.5, -2.0])
    out, rate = cr.jvp(lambda x: np.tanh(x) * x[0], (X,), (v,))
    J = cr.jacobian(lambda x: np.tanh(x) * x[0])(X)
    np.testing.assert_allclose(out, np.tanh(X) * X[0])
    np.testing.assert_allclose(rate, J @ v, rtol=1e-14)
    assert type(rate) is np.ndarray


def test_jvp_where_the_gradients_of_two_uses_cancel():
    space = cr.differentiable(np)

    def f(x: Any) -> Any:
        s = space.sqrt(x)
        return space.stack([s, -s])

    _, rate = cr.jvp(f, (np.asarray(4.0),), (np.asarray(1.0),))
    assert rate.tolist() == [0.25, -0.25]


def test_jvp_of_several_and_nested_arguments_and_results():
    params = {"W": np.eye(2), "b": np.zeros(2)}
    moves = {"W": np.ones((2, 2)), "b": np.array([1.0, 0.0])}
    x, v = np.array([1.0, 2.0]), np.array([0.0, 1.0])
    _, rate = cr.jvp(lambda p, x: (x @ p["W"] + p["b"], x), (params, x), (moves, v))
    assert rate[0].tolist() == [4, 4]
    assert rate[1].tolist() == [0, 1]
    with pytest.raises(ValueError, match="tangent"):
        cr.jvp(cubes, (X,), (np.ones(2),))
    with pytest.raises(ValueError, match="as many tangents"):
        cr.jvp(cubes, (X,), ())


def test_jvp_of_results_that_do_not_move():
    x, v = np.asarray(2.0), np.asarray(1.0)
    out, rate = cr.jvp(lambda x: {"y": x * x, "n": x.astype(np.int32), "more": (x > 1, 3, 0.5)}, (x,), (v,))
    assert (out["y"], out["n"], out["more"]) == (4, 2, (True, 3, 0.5))
    assert (rate["y"], rate["n"], rate["more"]) == (4, 0, (False, 0, 0))
    assert float(cr.grad(lambda x: cr.jvp(lambda x: (x > 1, x**3), (x,), (v,))[1][1])(x)) == 12


def test_jvp_of_jvp_and_of_grad():
    def rate(x: Any) -> Any:
        return cr.jvp(lambda y: y**3, (x,), (np.asarray(1.0),))[1]

    assert cr.jvp(rate, (np.asarray(2.0),), (np.asarray(1.0),))[1] == 12
    assert cr.grad(rate)(2.0) == 12
    assert cr.jvp(cr.grad(lambda y: y**3), (np.asarray(2.0),), (np.asarray(1.0),))[1] == 12


@pytest.mark.parametrize("xp", [np, array_api_strict])
def test_jacobian_hessian_and_hvp(xp: Any):
    x = xp.asarray([1.0, 2.0, -1.0])

    def f(x: Any) -> Any:
        return x[0] * x[1] ** 2 + x[2] ** 3

    def both(x: Any) -> Any:
        xp = x.__array_namespace__()
        return xp.stack([f(x), x[1]])

    H = cr.hessian(f)(x)
    assert np.asarray(H).tolist() == [[0, 4, 0], [4, 2, 0], [0, 0, -6]]
    assert type(H) is type(x)
    assert np.asarray(cr.jacobian(both)(x)).tolist() == [[4, 4, 3], [0, 1, 0]]
    assert np.asarray(cr.hvp(f, x, xp.asarray([1.0, 1.0, 1.0]))).tolist() == [4, 6, -6]


def test_jacobian_of_matrices_and_of_nothing():
    A = np.arange(6.0).reshape(2, 3)
    assert cr.jacobian(lambda A, B: A @ B, 1)(A, np.ones((3, 2))).shape == (2, 2, 3, 2)
    assert cr.jacobian(lambda x: x[:0])(X).shape == (0, 3)


def test_stop_gradient_of_arrays_and_nests():
    assert cr.grad(lambda x: np.sum(x * cr.stop_gradient(x)))(X).tolist() == X.tolist()
    assert cr.grad(lambda x: np.sum(cr.stop_gradient({"a": [x]})["a"][0]))(X).tolist() == [0, 0, 0]
    assert cr.stop_gradient(X) is X


def test_transforms_of_traced_constants_return_traced_constants():
    space = cr.differentiable(np)
    x = space.asarray([1.0, 2.0])
    g = cr.grad(lambda x: space.sum(x * x))(x)
    assert type(g) is type(x)
    assert g.value.tolist() == [2, 4]


def test_jvp_where_a_slope_is_infinite():
    with np.errstate(divide="ignore"):
        assert cr.jvp(np.sqrt, (np.asarray(0.0),), (np.asarray(1.0),))[1] == np.inf


class TestWhatIsHandedIn:
    def test_gradients_and_tangents_go_by_the_keys_of_dicts(self):
        _, pullback = cr.vjp(lambda x: {"a": 2 * x, "b": 3 * x}, X)
        np.testing.assert_allclose(pullback({"b": 0 * X, "a": np.ones(3)})[0], 2)
        tangents = ({"b": 0 * X, "a": np.ones(3)},)
        _, rate = cr.jvp(lambda d: 2 * d["a"] + 3 * d["b"], ({"a": X, "b": X},), tangents)
        np.testing.assert_allclose(rate, 2)

    @pytest.mark.parametrize("g", [X, [X], [X, X, X], (X, {"b": X}), (X, X), (X, {"a": [X]})], ids=str)
    def test_another_nesting_is_named(self, g):
        _, pullback = cr.vjp(lambda x: (x, {"a": x}), X)
        with pytest.raises(ValueError, match="vjp: g"):
            pullback(g)

    def test_the_order_of_a_dict_of_arguments_is_the_callers(self):
        class Params(dict):
            pass

        params = Params(b=X, a=2 * X)
        grads = cr.grad(lambda p: np.sum(p["a"] * p["b"]))(params)
        assert type(grads) is Params
        np.testing.assert_allclose(grads["a"], X)
        counts = collections.defaultdict(list, w=X)
        np.testing.assert_allclose(cr.grad(lambda p: np.sum(p["w"] ** 2))(counts)["w"], 2 * X)
        numbers = collections.Counter(w=1.5)
        assert cr.grad(lambda p: p["w"] ** 2)(numbers) == {"w": 3.0}

    def test_argnums(self):
        def f(a, b):
            return np.sum(a * b)

        for argnums in ((0, 0), (0, -2)):
            with pytest.raises(TypeError, match="different arguments"):
                cr.grad(f, argnums)(X, X)
        np.testing.assert_allclose(cr.grad(f, -1)(X, 2 * X), X)
        np.testing.assert_allclose(cr.grad(f, np.int64(1))(X, 2 * X), X)
        np.testing.assert_allclose(cr.jacobian(lambda a, b: a * b, -1)(X, 2 * X), np.diag(X))
        np.testing.assert_allclose(cr.hessian(lambda a, b: np.sum(a * b * b), -1)(X, X), np.diag(2 * X))
        with pytest.raises(TypeError, match="jacobian: expected a whole number as argnums"):
            cr.jacobian(f, (0, 1))(X, X)
        with pytest.raises(TypeError, match="return arrays; got str"):
            cr.jacobian(lambda a: (a, "a"))(X)

    def test_the_value_that_vjp_hands_out_is_the_callers(self):
        for f, slope in ((np.tanh, 1 - np.tanh(X) ** 2), (lambda x: x, np.ones(3))):
            x = X.copy()
            out, pullback = cr.vjp(f, x)
            out *= 0
            np.testing.assert_allclose(pullback(np.ones(3))[0], slope)
            np.testing.assert_array_equal(x, X)

    def test_positions_changed_before_backward_are_those_of_forward(self):
        for key, changed in ((np.array([0, 1]), 2), (np.array([True, True, False]), False)):
            key = key.copy()
            _, pullback = cr.vjp(lambda x, key=key: x[key], X)
            key[:] = changed
            np.testing.assert_allclose(pullback(np.ones(2))[0], [1, 1, 0])

    def test_the_checker_takes_integers_as_they_are(self):
        cr.check_gradients(lambda x, i: x[i] * 2, X, np.array([0, 2]))
        with pytest.raises(AssertionError, match="numeric"):
            cr.check_gradients(lambda i, x: cr.stop_gradient(x)[i] * x[i], np.array([0, 2]), X)


class TestSlopes:
    def test_both_orders_of_the_mixed_derivative_of_a_power_at_exponent_0(self):
        x, p = np.asarray(2.0), np.asarray(0.0)
        by_p = cr.grad(lambda p: cr.grad(lambda x: x**p)(x))(p)
        by_x = cr.grad(lambda x: cr.grad(lambda p: x**p)(p))(x)
        assert (float(by_p), float(by_x)) == (0.5, 0.5)
        assert float(cr.grad(lambda x: x**p)(np.asarray(0.0))) == 0

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_atan2_at_lengths_whose_squares_are_lost(self, dtype):
        for r in (1e-23, 1e23, 1e-30, 1e30):
            x1, x2 = np.asarray(0.6 * r, dtype), np.asarray(0.8 * r, dtype)
            d1, d2 = cr.grad(np.arctan2, (0, 1))(x1, x2)
            np.testing.assert_allclose([d1 * r, d2 * r], [0.8, -0.6], rtol=1e-5)

    def test_variances_with_no_degree_of_freedom(self):
        for f in (lambda x: np.var(x, ddof=1), lambda x: np.std(x, ddof=1)):
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                assert np.isnan(cr.grad(f)(np.ones(1))).all()
        for f in (np.var, np.std, np.mean):
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                assert cr.grad(lambda x, f=f: np.sum(f(x, axis=0)))(np.ones((0, 2))).shape == (0, 2)


class _Labelled:
    """An array in a container of another library, which has a shape."""

    shape = ()

    def __init__(self, x):
        self.x = x


class _LabelledWithDtype(_Labelled):
    dtype = np.dtype(float)


def _object_array(x):
    out = np.empty((), dtype=object)
    out[()] = x
    return out


@pytest.mark.parametrize("wrap", [_Labelled, _LabelledWithDtype, _object_array])
@pytest.mark.parametrize("followed", [True, False])
def test_a_result_in_a_container_is_an_error(wrap, followed):
    def f(x):
        return wrap(x * x if followed else 1.0)

    for run in (cr.grad(f), cr.jacobian(f), lambda x: cr.vjp(f, x), lambda x: cr.jvp(f, (x,), (x,))):
        with pytest.raises(TypeError, match="to return"):
            run(2.0)
    with pytest.raises(TypeError, match="to return"):
        cr.vjp(lambda x: {"a": [x, f(x)]}, 2.0)


@pytest.mark.parametrize("use", [lambda u, x: u, lambda u, x: u * x, lambda u, x: x + u])
def test_a_result_that_an_ended_transform_follows_is_an_error(use):
    def f(x):
        left = []
        cr.grad(lambda u: (left.append(u * x), u)[1])(1.0)
        return use(left[0], x)

    for run in (cr.grad(f), lambda x: cr.vjp(f, x)):
        with pytest.raises(TypeError, match="another transform follows"):
            run(2.0)


@pytest.mark.parametrize("xp", [np, array_api_strict])
def test_a_constant_may_be_changed_in_place(xp):
    space = cr.differentiable(xp)
    for stop in (cr.stop_gradient, space.stop_gradient, lambda y: cr.stop_gradient([y])[0]):

        def f(x, stop=stop):
            y = x * 2.0
            s = stop(y)
            s[0] = 100.0
            return space.sum(y * y)

        np.testing.assert_allclose(np.asarray(cr.grad(f)(xp.asarray([1.0, 2.0]))), [8.0, 16.0])

    def g(x):
        y = x * 2.0
        np.asarray(cr.stop_gradient(y))[...] = 100.0
        return np.sum(y * y)

    np.testing.assert_allclose(cr.grad(g)(np.ones(2)), 8.0)


@pytest.mark.parametrize("f", [lambda v: v, lambda v: [v, v], lambda v: (v[:2], np.reshape(v, (3, 1)), -v)])
def test_values_and_rates_of_jvp_share_no_memory(f):
    x, t = np.array([1.0, 2.0, 3.0]), np.ones(3)
    results = _leaves_of(cr.jvp(f, (x,), (t,)))
    arrays = [x, t, *results]
    for i, a in enumerate(arrays):
        assert not any(np.shares_memory(a, b) for b in arrays[:i])


def _leaves_of(tree):
    return [y for part in tree for y in (_leaves_of(part) if isinstance(part, list | tuple) else [part])]


def test_rates_at_infinite_slopes_are_infinite():
    def f(v):
        s = np.sqrt(v)
        return np.stack([s, -s])

    with np.errstate(all="ignore"):
        _, rate = cr.jvp(f, (np.zeros(1),), (np.ones(1),))
    assert np.array_equal(rate, [[np.inf], [-np.inf]]) or np.all(np.isnan(rate))


def test_the_jacobian_in_a_number_of_pythons_own():
    np.testing.assert_array_equal(cr.jacobian(lambda x: np.stack([x, x * x]))(3.0), [1.0, 6.0])


class TestDerivativesOfTrees:
    """Nested as the results, and in the place of each array as the argument."""

    W, B = np.array([1.0, 2.0]), np.asarray(3.0)

    def test_a_nested_argument(self):
        J = cr.jacobian(lambda p: p["w"] * p["b"][0])({"w": self.W, "b": [self.B]})
        assert J["w"].tolist() == [[3, 0], [0, 3]]
        assert J["b"][0].tolist() == [1, 2]

    def test_a_nested_result(self):
        J = cr.jacobian(lambda x: {"square": x * x, "rest": (np.sum(x), np.ones(2))})(self.W)
        assert J["square"].tolist() == [[2, 0], [0, 4]]
        assert J["rest"][0].tolist() == [1, 1]
        assert J["rest"][1].tolist() == [[0, 0], [0, 0]]

    def test_both(self):
        ((to_w, to_b),) = cr.jacobian(lambda p: [p[0] * p[1]])((self.W, self.B))
        assert (to_w.tolist(), to_b.tolist()) == ([[3, 0], [0, 3]], [1, 2])

    def test_the_hessian(self):
        H = cr.hessian(lambda p: np.sum(p["w"] ** 3) * p["b"] ** 2)({"w": self.W, "b": self.B})
        np.testing.assert_allclose(H["w"]["w"], [[54, 0], [0, 108]])
        np.testing.assert_allclose(H["w"]["b"], [18, 72])
        np.testing.assert_allclose(H["b"]["w"], [18, 72])
        np.testing.assert_allclose(H["b"]["b"], 18)


class TestManyResults:
    """One walk leads back from all of them."""

    @staticmethod
    def chain(n: int, calls: list[int]) -> Any:
        @cr.gate
        def twice(xp: Any, x: Any) -> Any:
            def pullback(g: Any) -> Any:
                calls.append(1)
                return g * 2

            return x * 2, (pullback,)

        def f(x: Any) -> list[Any]:
            results = [x]
            for _ in range(n):
                results.append(twice(results[-1]))
            return results[1:]

        return f

    def test_each_pullback_is_called_once(self):
        calls: list[int] = []
        out, back = cr.vjp(self.chain(30, calls), X)
        (g,) = back([np.ones(3)] * 30)
        assert g.tolist() == [2.0**31 - 2] * 3
        assert len(calls) == len(out) == 30

    def test_forward_mode_calls_each_once(self):
        calls: list[int] = []
        _, rates = cr.jvp(self.chain(30, calls), (X,), (X,))
        assert len(calls) == 30
        for k, rate in enumerate(rates):
            np.testing.assert_array_equal(rate, X * 2.0 ** (k + 1))

    def test_results_that_are_one_another_or_the_argument(self):
        def f(x: Any) -> Any:
            y = x * x
            return [y, x, y, y * x, np.ones(3)]

        seeds = [X + k for k in range(5)]
        _, back = cr.vjp(f, X)
        right = (seeds[0] + seeds[2]) * 2 * X + seeds[1] + seeds[3] * 3 * X**2
        for _ in range(2):
            np.testing.assert_allclose(back(seeds)[0], right, rtol=1e-15)
        np.testing.assert_array_equal(seeds[1], X + 1)

    def test_a_result_is_a_use_without_a_mask(self):
        def f(x: Any) -> Any:
            root = np.sqrt(x)
            return [np.where(x > 0, root, 0.0), root]

        x = np.array([0.0, 4.0])
        with np.errstate(divide="ignore", invalid="ignore"):
            assert cr.vjp(f, x)[1]([np.ones(2), np.ones(2)])[0].tolist() == [np.inf, 0.5]
            masked, root = cr.jvp(f, (x,), (np.ones(2),))[1]
        assert masked.tolist() == [0, 0.25]
        assert root.tolist() == [np.inf, 0.25]

    def test_results_of_two_libraries(self):
        x, y = np.array([1.0, 2.0]), array_api_strict.asarray([3.0, 4.0])
        xp = cr.differentiable(array_api_strict)
        _, back = cr.vjp(lambda x, y: [x * x, xp.multiply(y, y)], x, y)
        gx, gy = back([np.ones(2), array_api_strict.asarray([1.0, 2.0])])
        assert gx.tolist() == [2, 4]
        assert np.asarray(gy).tolist() == [6, 16]


class TestManyItems:
    """The gradients of the items of one array are added in one array, but for the first."""

    @pytest.mark.parametrize(
        "rows",
        [
            lambda x: list(x),
            lambda x: [x[i] for i in range(len(x))],
            lambda x: np.split(x, len(x)),
            lambda x: np.unstack(x),
        ],
    )
    def test_n_items_need_two_arrays_of_zeros(self, rows: Any, monkeypatch: pytest.MonkeyPatch):
        made, zeros = [], np.zeros
        monkeypatch.setattr(np, "zeros", lambda *args, **settings: made.append(1) or zeros(*args, **settings))
        X = np.arange(24.0).reshape(8, 3)
        weights = np.arange(8.0)

        def f(x: Any) -> Any:
            return sum(weights[i] * np.sum(row * row) for i, row in enumerate(rows(x)))

        np.testing.assert_allclose(cr.grad(f)(X), 2 * X * weights[:, None])
        assert len(made) == 2  # the first item has one of its own

    def test_items_that_overlap(self):
        def f(x: Any) -> Any:
            return np.sum(x[1:] * x[:-1]) + x[0] + np.sum(x[[0, 0]] * 2) + np.sum(x[:, None] * x[None])

        right = np.array([2.0 + 1 + 4, 0, 2]) + 2 * np.sum(X)
        np.testing.assert_allclose(cr.grad(f)(X), right)
        np.testing.assert_allclose(cr.jvp(f, (X,), (X,))[1], right @ X)
        bands = np.eye(3, k=1) + np.eye(3, k=-1)
        np.testing.assert_allclose(cr.hessian(f)(X), bands + 2)

    def test_positions_that_repeat_in_a_tuple(self):
        x = np.arange(6.0).reshape(2, 3)
        for key in ((0, (1, 1)), (0, [1, 1]), (np.array([0, 0]), 1)):
            g = cr.grad(lambda x, key=key: np.sum(x[1] * 2) + np.sum(x[key]) + x[0, 1])(x)
            assert g.tolist() == [[0, 3, 0], [2, 2, 2]]

    def test_items_at_third_order(self):
        def f(x: Any) -> Any:
            return sum(item**4 for item in x)

        slope = cr.grad(lambda x: np.sum(cr.grad(lambda x: np.sum(cr.grad(f)(x)))(x)))
        np.testing.assert_allclose(slope(X), 24 * X)

    def test_items_that_were_not_used_are_masked(self):
        def f(x: Any) -> Any:
            roots = np.sqrt(x)
            first, *_ = roots[1:]
            return roots[2] + first

        assert cr.grad(f)(np.array([0.0, 4.0, 1.0, 0.0])).tolist() == [0, 0.25, 0.5, 0]

    def test_a_list_of_positions_changed_before_backward(self):
        key = [0, 1]
        _, back = cr.vjp(lambda x: x[key], X)
        key[:] = [2, 2]
        assert back(np.ones(2))[0].tolist() == [1, 1, 0]


@dataclasses.dataclass(frozen=True)
class Model:
    w: Any
    name: str
    power: int = 3
    more: Any = None


def powers(model: Model) -> Any:
    return np.sum(model.w**model.power)


class TestSettingsInATree:
    """None, whole numbers and strings beside arrays in a nested argument get None."""

    def test_a_frozen_dataclass(self):
        found = cr.grad(powers)(Model(X, "cubes", more=[np.ones(2), 1]))
        assert (found.w.tolist(), found.name, found.power) == ([3, 12, 3], None, None)
        assert found.more[0].tolist() == [0, 0]
        assert found.more[1] is None

    def test_a_named_tuple_and_none(self):
        value, (layer, nothing) = cr.value_and_grad(lambda p: np.sum(p[0].W ** p[0].b))([Layer(X, 3), None])
        assert value == 8
        assert layer.W.tolist() == [3, 12, 3]
        assert (layer.b, nothing) == (None, None)

    def test_every_transform(self):
        def f(p: Any) -> Any:
            return p[0] ** p[1]

        tree, diagonal = [X, 3], np.diag([3.0, 12.0, 3.0])
        assert cr.jvp(f, (tree,), ([np.ones(3), None],))[1].tolist() == [3, 12, 3]
        for mode in ("reverse", "forward"):
            rows, nothing = cr.jacobian(f, mode=mode)(tree)
            assert rows.tolist() == diagonal.tolist()
            assert nothing is None
        assert cr.hessian(lambda p: np.sum(f(p)))(tree)[0][0].tolist() == np.diag(6 * X).tolist()
        many = cr.vmap(cr.grad(lambda p: np.sum(f(p))), in_axes=([0, None],))([np.stack([X, X]), 3])
        assert many[0].tolist() == [[3, 12, 3]] * 2

    @pytest.mark.parametrize(("tree", "name"), [([1, 2], 0), ([1.0, np.ones(2, int)], 1), ([None], 0)])
    def test_integers_that_may_be_meant_as_numbers_are_refused(self, tree: Any, name: int):
        with pytest.raises(TypeError, match=rf"argument 'p'\[{name}\]: expected an array"):
            cr.grad(lambda p: p[0])(tree)

    def test_an_array_needs_a_tangent(self):
        with pytest.raises(TypeError, match="expected a tangent for each array; got None"):
            cr.jvp(powers, (Model(X, ""),), (Model(None, None, None),))


class TestHasAux:
    def test_more_results_leave_as_plain_arrays(self):
        def f(x: Any) -> Any:
            return np.sum(x**3), {"squares": x**2, "name": "cubes"}

        (value, more), g = cr.value_and_grad(f, has_aux=True)(X)
        assert (value, more["name"], g.tolist()) == (8, "cubes", [3, 12, 3])
        assert type(more["squares"]) is np.ndarray
        assert cr.grad(f, has_aux=True)(X)[1]["squares"].tolist() == [1, 4, 1]

    def test_one_result_is_refused(self):
        with pytest.raises(TypeError, match=r"return \(result, more\)"):
            cr.grad(cubes, has_aux=True)(X)


class TestElementwiseGrad:
    def test_to_any_order_and_of_several(self):
        assert cr.elementwise_grad(cr.elementwise_grad(lambda x: x**3))(X).tolist() == [6, 12, -6]
        by_x, by_y = cr.elementwise_grad(lambda x, y: x * y, (0, 1))(X, 2 * X)
        assert (by_x.tolist(), by_y.tolist()) == ([2, 4, -2], X.tolist())
        assert cr.elementwise_grad(np.exp)(0.0) == 1

    @pytest.mark.parametrize(
        ("f", "x", "error", "words"),
        [
            (np.sum, X, ValueError, r"return the argument's shape \(3,\)"),
            (lambda p: p[0], [X], TypeError, "argument 'p': expected an array .* got list"),
            (lambda x: x, np.ones(2, int), TypeError, "argument 'x': expected an array of a floating dtype"),
            (lambda x: x * 1j, X, TypeError, "return a real number; got complex128"),
        ],
    )
    def test_what_is_not_elementwise_is_refused(self, f: Any, x: Any, error: type[Exception], words: str):
        with pytest.raises(error, match=words):
            cr.elementwise_grad(f)(x)
