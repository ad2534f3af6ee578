"""compile: signatures, replay, numbers as arguments, and refusals."""

import functools
import operator
import threading
import tracemalloc
import warnings
from collections import namedtuple

import numpy as np
import pytest

import chainrule as cr
from chainrule import pytree

X = np.arange(6.0).reshape(2, 3) / 7


def counted(f):
    """f, and the list of its runs."""
    runs = []

    @functools.wraps(f)
    def g(*args, **kwargs):
        runs.append(1)
        return f(*args, **kwargs)

    return g, runs


# --- Signature and replay ---


def test_a_signature_is_recorded_once():
    f, runs = counted(lambda x: np.tanh(x) * 2)
    g = cr.compile(f)
    for shift in range(3):
        np.testing.assert_array_equal(g(X + shift), np.tanh(X + shift) * 2)
    assert len(runs) == 1
    g(X[:1])
    g(X.astype("float32"))
    assert len(runs) == 3
    assert len(g.signatures) == 3
    g.clear()
    assert g.signatures == []
    g(X)
    assert len(runs) == 4


def test_trees_of_arrays_go_in_and_come_out():
    Layer = namedtuple("Layer", "W b")

    def f(params, more, *, scale):
        return (
            {"sum": params[0].W + params[0].b, "both": [more["a"] * scale, (more["b"],)]},
            params[0],
            None,
            "x",
        )

    g = cr.compile(f)
    for k in (1.0, 2.0):
        args = [Layer(X * k, X[0])], {"a": X, "b": X[1] - k}
        out, layer, nothing, text = g(*args, scale=k)
        assert (nothing, text) == (None, "x")
        assert type(layer) is Layer
        np.testing.assert_array_equal(out["sum"], X * k + X[0])
        np.testing.assert_array_equal(out["both"][0], X * k)
        np.testing.assert_array_equal(out["both"][1][0], X[1] - k)
    assert len(g.signatures) == 1


def test_another_nesting_or_key_is_another_signature():
    g = cr.compile(lambda tree: tree["b"] - tree["a"] if isinstance(tree, dict) else tree[0] - tree[1])
    np.testing.assert_array_equal(g({"a": X, "b": X * 3}), X * 3 - X)
    np.testing.assert_array_equal(g({"b": X * 3, "a": X}), X * 3 - X)
    np.testing.assert_array_equal(g((X, X * 3)), X - X * 3)
    np.testing.assert_array_equal(g([X, X * 3]), X - X * 3)
    assert len(g.signatures) == 4


def test_hashable_values_are_part_of_the_signature():
    g = cr.compile(lambda x, kind, flag=False: x * 2 if kind == "twice" and not flag else x * 3)
    np.testing.assert_array_equal(g(X, "twice"), X * 2)
    np.testing.assert_array_equal(g(X, "thrice"), X * 3)
    np.testing.assert_array_equal(g(X, "twice", True), X * 3)
    np.testing.assert_array_equal(g(X, "twice", flag=True), X * 3)
    np.testing.assert_array_equal(g(X, "twice"), X * 2)


def test_what_is_no_array_and_not_hashable_is_an_error_that_names_it():
    with pytest.raises(TypeError, match=r"argument y is of type bytearray"):
        cr.compile(lambda x, y: x)(X, bytearray(3))


def test_the_program_is_a_straight_function():
    def cost(W, b):
        return ((X @ W + b) ** 2).sum()

    source = cr.compile(cr.value_and_grad(cost, (0, 1))).source(np.ones((3, 2)), np.ones(2))
    assert source.startswith("import numpy as np\n")
    assert "def cost(W, b):" in source
    assert "dW = " in source
    assert "# backward of matmul" in source


@pytest.mark.parametrize("n", [4, 50])
def test_the_source_runs_in_an_empty_session(n):
    def cost(params, X, y):
        H = X
        for W, b in params:
            H = np.tanh(H @ W + b)
        return ((H - y) ** 2).mean()

    random = np.random.default_rng(0)
    params = [(random.normal(size=(n, n)), random.normal(size=n)) for _ in range(2)]
    X, y = random.normal(size=(2, n, n))
    f = cr.value_and_grad(cost)
    session = {}
    exec(cr.compile(f).source(params, X, y), session)
    J, grads = session["cost"](params, X, y)
    expected = f(params, X, y)
    assert expected[0] == J
    for layer, other in zip(grads, expected[1], strict=True):
        for a, b in zip(layer, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_any_name_may_be_used():
    def f(np, type, len, args, el):
        abs = np @ type
        c0, t1, MISS, tuple, ef = abs + len, abs * args, abs - el, abs / 2, abs * 2
        return c0, t1, MISS, tuple, ef, (ef * el * X[0, 0]).sum()

    values = [np.eye(2) + i for i in range(5)]
    g = cr.compile(cr.grad(lambda *xs: sum(y.sum() for y in f(*xs)), (0, 1, 2, 3, 4)))
    for a, b in zip(cr.compile(f)(*values), f(*values), strict=True):
        np.testing.assert_array_equal(a, b)
    assert len(g(*values)) == 5


def test_keys_of_any_kind():
    key = object()
    g = cr.compile(lambda tree: {key: tree[key] * 2, "nan": float("nan"), ("a", 1): tree["a", 1]})
    for k in (1.0, 2.0):
        out = g({key: X * k, ("a", 1): 3.0})
        np.testing.assert_array_equal(out[key], X * 2 * k)
        assert out["nan"] != out["nan"]
        assert out["a", 1] == 3.0


# --- Numbers of Python's own ---


def test_a_number_in_arithmetic_stays_an_argument():
    def adam(w, g, t, lr, beta=0.9):
        return w - lr * g / (1 - beta**t) + np.float64(2) * lr + X * lr

    f, runs = counted(adam)
    g = cr.compile(f)
    for t in range(1, 30):
        np.testing.assert_array_equal(g(X, X[0], t, 0.1 / t), adam(X, X[0], t, 0.1 / t))
    assert len(runs) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_number_takes_the_dtype_of_the_array_beside_it(dtype):
    g = cr.compile(lambda x, k: (x * k, k + x, k - x, x / k, np.where(x > k, k, x), np.maximum(x, k)))
    x = X.astype(dtype)
    for k in (0.1, 0.7):
        for y, z in zip(
            g(x, k), (x * k, k + x, k - x, x / k, np.where(x > k, k, x), np.maximum(x, k)), strict=True
        ):
            assert y.dtype == z.dtype
            np.testing.assert_array_equal(y, z)


def test_a_number_that_decides_the_program_is_part_of_the_signature():
    def f(x, n, k, lr):
        for _ in range(n):
            x = x * lr
        return np.reshape(x, (k, -1)) if k > 1 else x

    h, runs = counted(f)
    g = cr.compile(h)
    for n, k, lr in ((1, 1, 0.5), (2, 1, 0.5), (2, 3, 0.5), (2, 3, 0.25), (1, 1, 0.75)):
        np.testing.assert_array_equal(g(X, n, k, lr), f(X, n, k, lr))
    assert len(runs) == 3
    assert "n: 2, k: 3, lr: float" in g.signatures[2]


def test_a_number_that_other_code_does_not_take_is_part_of_the_signature():
    g = cr.compile(lambda x, n: x * pow(n, 2, 5) + pow(2, n, 7) + ("%d" % n == "4"))  # noqa: UP031
    for n in (3, 4, 3):
        np.testing.assert_array_equal(g(X, n), X * pow(n, 2, 5) + pow(2, n, 7) + (n == 4))
    assert len(g.signatures) == 2


@pytest.mark.parametrize("transform", [cr.grad, cr.compile, cr.vmap])
def test_a_power_with_a_modulus_is_refused_as_numpy_refuses_it(transform):
    with pytest.raises(TypeError, match="unsupported operand type"):
        transform(lambda x: pow(x, 2, 5).sum())(X)


def test_a_question_for_identity_pins_no_number():
    g = cr.compile(lambda x, rate, mode: x * rate if mode is np.tanh or type(rate) is float else x)
    for rate in (1.0, 2.0):
        np.testing.assert_array_equal(g(X, rate, np.tanh), X * rate)
    assert len(g.signatures) == 1


def test_a_number_that_was_computed_of_another_pins_that_one():
    g = cr.compile(lambda x, t: x * 2 if t * 2 - 1 > 5 else x)
    np.testing.assert_array_equal(g(X, 1), X)
    np.testing.assert_array_equal(g(X, 4), X * 2)
    np.testing.assert_array_equal(g(X, 2), X)


def test_zeros_of_both_signs_and_nan_are_told_apart():
    import math

    g = cr.compile(lambda x, k: x * math.copysign(1, k))
    np.testing.assert_array_equal(g(X, 0.0), X)
    np.testing.assert_array_equal(g(X, -0.0), -X)
    np.testing.assert_array_equal(g(X, math.nan), X)


def test_an_int_and_a_float_are_two_signatures():
    g = cr.compile(lambda x, k: x * k)
    i = np.arange(3)
    assert g(i, 2).dtype == i.dtype
    assert g(i, 2.0).dtype == np.float64
    assert g(i, True).dtype == i.dtype


def test_a_number_may_be_differentiated_by_an_array_beside_it():
    f = cr.grad(lambda w, lr: (w**2 * lr).sum())
    g = cr.compile(f)
    for lr in (0.5, 2.5):
        np.testing.assert_array_equal(g(X, lr), f(X, lr))
    assert len(g.signatures) == 1


def test_gradients_in_numbers():
    def f(x, k):
        return np.exp(x * k) + k

    g, h = cr.compile(cr.value_and_grad(f, (0, 1))), cr.value_and_grad(f, (0, 1))
    for x, k in ((0.5, 2.0), (1.5, -1.0)):
        for a, b in zip(pytree.flat(g(x, k)), pytree.flat(h(x, k)), strict=True):
            assert a.shape == b.shape == ()
            assert a == b
    assert len(g.signatures) == 1
    with pytest.raises(TypeError, match="floating dtype"):
        g(1, 2.0)
    forward = cr.compile(lambda x, t: cr.jvp(np.exp, (x,), (t,)))
    for x in (0.5, 1.5):
        np.testing.assert_array_equal(forward(x, 2.0), cr.jvp(np.exp, (x,), (2.0,)))


def test_many_signatures_warn_once_and_name_the_argument():
    g = cr.compile(lambda x, mode, n: x * len(mode))
    with pytest.warns(RuntimeWarning, match="What keeps changing is mode"):
        list(map(g, [X] * 70, map(str, range(70)), [3.0] * 70))
    assert len(g.signatures) <= 64
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        g(X, "another", 3.0)


# --- Refusals ---


def branch(x):
    if x[0, 0] > 0:  # the branch
        return x
    return -x


def whole_numbers(x):
    y = (x * 3).astype(np.int64)
    y[1:] += 0.5
    return y


def filled(x):
    y = np.zeros(2)
    y[0] = x[0, 0]
    return y


REFUSED = [
    (branch, r"a branch at .*test_compile\.py:\d+ \(if x\[0, 0\] > 0:  # the branch\).*Write xp\.where"),
    (lambda x: x * float(x.sum()), r"float\(x\) at .*test_compile\.py"),
    (lambda x: x * int(x.sum()), r"int\(x\)"),
    (lambda x: np.asarray(x) * 2, r"numpy\.asarray at .*test_compile\.py"),
    (lambda x: x[x > 0], r"the shape of x\[mask\]"),
    (lambda x: np.nonzero(x)[0], "the shape of numpy.nonzero"),
    (lambda x: np.unique(x), "the shape of numpy.unique"),
    (lambda x: x * x.sum().item(), r"item\(x\)"),
    (lambda x: x * (0.5 in x), r"contains"),
    (lambda x: x * len(f"{x.sum():.3f}"), r"format"),
    (lambda x: np.sort_complex(x), r"numpy\.sort_complex at .* is not followed"),
    (lambda x: np.arange(x.sum()), "numpy|arange"),
    (lambda x: np.where(x > 0)[0], "the shape of where"),
    (lambda x: x * np.allclose(x, 1), "numpy.allclose"),
    (lambda x: x / np.count_nonzero(x), "numpy.count_nonzero"),
    (lambda x: np.sum(x, out=np.zeros(())), "in place"),
    (lambda x: x.__array_namespace__().reshape(x, (x.sum(), 1)), "a shape, a count or an axis of reshape"),
    (lambda x: x.__array_namespace__().zeros(x.sum()), "a shape, a count or an axis of zeros"),
    (lambda x: np.repeat(x, x[0], axis=1), "a shape, a count or an axis of repeat"),
    (lambda x: np.rot90(x, x.sum()), "a shape, a count or an axis of rot90"),
    (lambda x: x[: x.sum()], "index"),
    (whole_numbers, "does not go into int64"),
    (filled, r"float\(x\) at"),
    (lambda x: x * len(str(x)), "the text of an array"),
    (lambda x: x * len("%r" % x), "the text of an array"),  # noqa: UP031
    (lambda x: x if x.base is None else -x, "the attribute base of an array"),
]


@pytest.mark.parametrize(("f", "message"), REFUSED)
def test_what_depends_on_values_is_refused(f, message):
    with pytest.raises(TypeError, match=message):
        cr.compile(f)(X)


def test_a_refusal_that_f_swallows_is_raised_all_the_same():
    def f(x):
        try:
            k = float(x.sum())
        except TypeError:
            k = 1.0
        return x * k

    with pytest.raises(TypeError, match=r"float\(x\)"):
        cr.compile(f)(X)


def test_on_branch_eager_runs_f_and_says_so_once():
    g = cr.compile(branch, on_branch="eager")
    with pytest.warns(RuntimeWarning, match="a branch at .*This call runs the function itself"):
        np.testing.assert_array_equal(g(X + 1), X + 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(g(-X - 1), X + 1)
    with pytest.raises(TypeError, match="there is no program"):
        g.source(X)
    with pytest.raises(ValueError, match="on_branch"):
        cr.compile(branch, on_branch="never")


def test_changes_in_place_are_refused():
    def adds(x):
        x += 1
        return x

    def assigns(x):
        x[0] = 1
        return x

    def fills(x):
        out = np.zeros(x.shape)
        out[0] = x[0]
        return out

    for f in (adds, assigns, fills, lambda x: np.add(x, 1, out=x)):
        with pytest.raises(
            TypeError, match=r"function's own|in place|item assignment|numpy\.asarray|numpy\.add"
        ):
            cr.compile(f)(X.copy())


def test_an_array_of_its_own_may_be_changed_in_place():
    def f(x):
        y = x * 2
        z = y
        y += x
        y *= 3
        return y, z - 1

    for a, b in zip(cr.compile(f)(X), f(X), strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_array_of_which_there_is_a_view_may_not():
    def f(x):
        y = x * 2
        row = y[0]
        y += 1
        return row

    with pytest.raises(TypeError, match=r"no view|a view"):
        cr.compile(f)(X)
    with pytest.raises(TypeError, match="shape and dtype"):
        cr.compile(lambda x: operator.iadd(x[0] * 1, x))(X)


def test_sums_of_numbers_may_be_written_in_place():
    def f(x):
        total = 0.0
        for row in x:
            total += row.sum()
        return total

    assert cr.compile(f)(X) == f(X)


def test_items_may_be_assigned_in_an_array_that_f_made():
    def f(x):
        xp = x.__array_namespace__()
        out = xp.zeros(x.shape)
        out[0, ...] = x[1, ...] * 2
        return out + 1

    for k in (1, 2):
        np.testing.assert_array_equal(cr.compile(f)(X * k), f(X * k))


def test_one_value_may_be_assigned_where_a_mask_holds():
    def f(x, rate):
        y = x * 2
        y[x > 0.3] = 0
        y[(x > 0.1) & (x < 0.2)] = rate * x[0, 1]
        return y, y.sum()

    g = cr.compile(f)
    for k in (1, -1, 0.3):
        for a, b in zip(g(X * k, 3.0), f(X * k, 3.0), strict=True):
            np.testing.assert_array_equal(a, b)
    assert len(g.signatures) == 1
    with pytest.raises(TypeError, match=r"x\[mask\]"):
        cr.compile(lambda x, v: f(x, 1.0)[0].__setitem__(x > 0.3, v))(X, X[0])


def test_items_are_assigned_in_their_order():
    def f(x):
        xp = x.__array_namespace__()
        y = xp.zeros((2, 3))
        before = y * 2 + 1
        same = 1 * y
        first = y[0, ...] + 1
        y[0, ...] = x[0, ...]
        y[0, ...] += x[1, ...]
        y[:, 1] += 5
        return before, same, first, y, y[1, ...] * x[0, ...], y * 3

    g = cr.compile(f)
    for k in (1, 2):
        for a, b in zip(g(X * k), f(X * k), strict=True):
            np.testing.assert_array_equal(a, b)


def test_a_view_of_what_changes_is_refused():
    def reads(x):
        y = x * 2
        row = y[0]
        y[1] = 3
        return row + 1

    def returns(x):
        y = x * 2
        row = y[0]
        y[1] = 3
        return row

    def adds(x):
        y = x * 2
        row = y[0]
        row += 1
        return y

    def assigns(x):
        y = x[0]
        y[1] = 3
        return x

    for f in (reads, returns, adds, assigns):
        with pytest.raises(TypeError, match=r"view|item assignment"):
            cr.compile(f)(X)


def test_a_result_that_is_no_array_is_refused():
    with pytest.raises(TypeError, match="return arrays and numbers; got a function"):
        cr.compile(lambda x: cr.vjp(np.tanh, x)[1])(X)


def test_an_array_that_leaves_the_recording_is_refused():
    kept = []
    cr.compile(lambda x: kept.append(x * 2) or x * 1)(X)
    with pytest.raises(TypeError, match="recording that has ended"):
        kept[0] + 1


def test_random_draws_while_recording_warn():
    with pytest.warns(RuntimeWarning, match="drew random numbers"):
        cr.compile(lambda x: x + np.random.normal(size=x.shape))(X)
    generator = np.random.default_rng(0)
    with pytest.warns(RuntimeWarning, match="drew random numbers"):
        cr.compile(lambda x: x + generator.normal(size=x.shape))(X)


def test_special_functions_of_scipy():
    special = pytest.importorskip("scipy.special")
    g = cr.compile(lambda x: special.erf(x) * 2)
    np.testing.assert_array_equal(g(X), special.erf(X) * 2)
    session = {}
    exec(g.source(X), session)
    np.testing.assert_array_equal(next(v for k, v in session.items() if k == "f")(X), special.erf(X) * 2)


# --- Closures ---


def test_arrays_that_f_closes_over_are_read_anew():
    A, parts = np.ones(3), {"B": [np.ones(3)]}
    g = cr.compile(lambda x: x * A + parts["B"][0])
    np.testing.assert_array_equal(g(X), X + 1)
    A[:] = 2
    parts["B"][0][:] = 5
    np.testing.assert_array_equal(g(X), X * 2 + 5)


BESIDE = np.array([0.3, -1.2, 0.8])


@pytest.mark.parametrize(
    "f",
    [
        lambda w: np.quantile(BESIDE, q=w[0]),
        lambda w: np.average(BESIDE, weights=w),
        lambda w: np.histogram(BESIDE, bins=2, weights=w)[0],
        lambda w: np.bincount(np.array([0, 1, 1]), weights=w),
    ],
)
def test_an_array_outside_f_stands_beside_followed_ones_by_name(f):
    w = np.array([0.4, 0.5, 0.7])
    slopes = cr.grad(lambda w: np.sum(f(w) ** 2))
    want = slopes(w)
    assert np.any(want != 0)
    np.testing.assert_allclose(cr.compile(slopes)(w), want, rtol=1e-14)
    np.testing.assert_allclose(cr.compile(cr.vmap(slopes))(w[None])[0], want, rtol=1e-14)
    np.testing.assert_allclose(cr.compile(cr.jacobian(f))(w), cr.jacobian(f)(w), rtol=1e-14)


def test_stop_gradient_in_a_batch():
    np.testing.assert_array_equal(cr.compile(cr.vmap(lambda x: x * cr.stop_gradient(x)))(X), X * X)


def test_a_mask_outside_f_has_to_pick_as_many():
    mask = np.array([True, False, True])
    g = cr.compile(lambda x: x[:, mask] * 2)
    np.testing.assert_array_equal(g(X), X[:, mask] * 2)
    mask[:] = [False, True, True]
    np.testing.assert_array_equal(g(X), X[:, mask] * 2)
    mask[:] = [False, False, True]
    np.testing.assert_array_equal(g(X), X[:, mask] * 2)


def test_what_numpy_computed_of_them_alone_is_computed_anew():
    A = np.ones(3)
    f, runs = counted(lambda x: x * (A * 2))
    g = cr.compile(f)
    np.testing.assert_array_equal(g(X), X * 2)
    np.testing.assert_array_equal(g(X), X * 2)
    assert len(runs) == 1
    A[:] = 3
    np.testing.assert_array_equal(g(X), X * 6)
    np.testing.assert_array_equal(g(X), X * 6)
    assert len(runs) == 1


def test_an_array_that_changes_while_f_runs_is_refused():
    def f(x):
        buffer = np.zeros(3)
        y = x + buffer
        buffer += 1
        return y

    def g(x):
        buffer = np.zeros(3)
        total = x * 0
        for _ in range(2):
            total = total + x * buffer
            buffer[:] = 1
        return total

    for function in (f, g):
        with pytest.raises(TypeError, match="changed in place while the function ran"):
            cr.compile(function)(X)


def test_constants_that_come_back_are_copies():
    A = np.ones(3)
    xp = "__array_namespace__"
    g = cr.compile(lambda x: (A, np.eye(2), getattr(x, xp)().zeros(2), getattr(x, xp)().arange(3.0)))
    first = g(X)
    for y in first:
        y += 5
    np.testing.assert_array_equal(A, 1)
    for y, z in zip(g(X), (np.ones(3), np.eye(2), np.zeros(2), np.arange(3.0)), strict=True):
        np.testing.assert_array_equal(y, z)


# --- Whose memory ---


def test_results_share_no_memory_with_arguments_or_each_other():
    g = cr.compile(lambda x: (x.T, x * 1, np.reshape(x, (-1,)), x * 2, x * 2, (x * 2).T))
    results = g(X)
    for i, y in enumerate(results):
        assert not np.shares_memory(y, X)
        assert not any(np.shares_memory(y, z) for z in results[:i])
        y += 1
    np.testing.assert_array_equal(X, np.arange(6.0).reshape(2, 3) / 7)


def test_gradients_share_no_memory_either():
    def f(x, w):
        J, (dx, dw) = cr.value_and_grad(lambda x, w: (x @ w).sum() ** 2, (0, 1))(x, w)
        return J, dx, dw, w - 0.1 * dw, dw.T

    x, w = X, np.arange(3.0)
    results, expected = cr.compile(f)(x, w), f(x, w)
    for i, (y, z) in enumerate(zip(results, expected, strict=True)):
        assert not any(np.shares_memory(y, other) for other in (x, w, *results[:i]))
        np.testing.assert_array_equal(y, z)


def test_read_only_and_strided_arguments():
    f = cr.value_and_grad(lambda x: (np.tanh(x.reshape(-1)) ** 2).sum())
    big = np.random.default_rng(0).normal(size=(80, 60))
    frozen = big.copy()
    frozen.flags.writeable = False
    g = cr.compile(f)
    for x in (np.asfortranarray(big), big, frozen, big[::-1], np.repeat(big, 2, axis=1)[:, ::2]):
        before = x.copy()
        J, dx = g(x)
        expected = f(x)
        assert expected[0] == J
        np.testing.assert_array_equal(dx, expected[1])
        np.testing.assert_array_equal(x, before)


def test_a_fuzzer_finds_nothing_of_the_callers_written_over(monkeypatch):
    from chainrule.program import code

    monkeypatch.setattr(code, "LARGE", 1)
    monkeypatch.setattr(code, "HUGE", 1)
    A = np.random.default_rng(1).normal(size=(4, 4))
    operations = [
        np.tanh, np.exp, np.negative, np.transpose, lambda x: x + 1, lambda x: x * x, lambda x: x + A, lambda x: A * x,
        lambda x: x.reshape(16).reshape(4, 4), lambda x: x[::-1], lambda x: x @ A, lambda x: np.where(x > 0, x, A),
        lambda x: x - x.sum(axis=0), lambda x: 1 * x, lambda x: x / 1.0, np.copy,
        lambda x: np.broadcast_to(x[0], (4, 4)),
    ]  # fmt: skip
    for seed in range(150):
        random = np.random.default_rng(seed)
        chosen = random.integers(0, len(operations), 12)
        first = random.integers(0, 100, 12)

        def f(x, y, chosen=chosen, first=first):
            values = [x, y]
            for operation, i in zip(chosen, first, strict=True):
                values.append(
                    operations[operation](values[i % len(values)]) * 0.5 + values[(i // 7) % len(values)]
                )
                values.append(operations[operation](values[-1]))
            return values[2::3]

        x, y = random.normal(size=(2, 4, 4))
        before = [x.copy(), y.copy(), A.copy()]
        with np.errstate(all="ignore"):
            g, expected = cr.compile(f), f(x, y)
            g(x, y)
            results = g(x, y)
            kept = [r.copy() for r in results]
            g(x + 1, y - 1)
        for a, b in zip([x, y, A], before, strict=True):
            np.testing.assert_array_equal(a, b)
        for r, k, e in zip(results, kept, expected, strict=True):
            np.testing.assert_array_equal(r, k)
            np.testing.assert_array_equal(r, e)


# --- Threads, transforms ---


def test_eight_threads_call_one_compiled_function():
    f = cr.value_and_grad(lambda x: (np.tanh(x @ x.T) ** 2).sum())
    g, wrong = cr.compile(f), []

    def work(seed):
        random = np.random.default_rng(seed)
        for _ in range(20):
            x = random.normal(size=(int(random.integers(2, 6)), 40))
            J, dx = g(x)
            expected = f(x)
            if expected[0] != J or not np.array_equal(dx, expected[1]):
                wrong.append(seed)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(g.signatures) == 4


def test_a_compiled_function_may_be_differentiated_and_compiled():
    f = cr.compile(lambda x: (np.tanh(x) ** 2).sum())
    plain = cr.grad(lambda x: (np.tanh(x) ** 2).sum())
    np.testing.assert_array_equal(cr.grad(f)(X), plain(X))
    np.testing.assert_array_equal(cr.compile(cr.grad(f))(X), plain(X))


@pytest.mark.parametrize(
    "f", [lambda x: np.sum(x**3), lambda x: np.mean(x * x), lambda x: np.sum(np.tanh(x))]
)
def test_constants_of_a_gradient_are_numbers_of_its_program(f):
    assert "# c1: an array" not in cr.compile(cr.grad(f)).source(X)


@pytest.mark.parametrize("transform", [cr.hessian, cr.jacobian, lambda f: lambda x: cr.hvp(f, x, x * 0 + 1)])
def test_every_transform_compiles(transform):
    f = transform(lambda x: (np.tanh(x) ** 2 / (1 + x * x)).sum())
    g = cr.compile(f)
    for k in (1.0, 2.0):
        np.testing.assert_array_equal(g(X * k), f(X * k))


def test_a_branch_inside_a_rule_is_followed_at_each_call():
    f = cr.grad(lambda x: np.linalg.det(x))
    g = cr.compile(f)
    for x in (np.diag([1.0, 2.0, 3.0]), np.diag([1.0, 0.0, 3.0]), np.diag([2.0, 2.0, 1.0])):
        np.testing.assert_array_equal(g(x), f(x))


@pytest.mark.parametrize(
    "f",
    [
        np.i0,
        cr.special.erf,
        lambda x: cr.special.jv(1, x),
        lambda x: cr.special.polygamma(1, x + 1),
        lambda x: cr.special.sici(x)[0],
    ],
)
def test_special_functions_compile(f):
    for g in (f, cr.jacobian(f), cr.grad(lambda x: f(x).sum())):
        compiled = cr.compile(g)
        for k in (1.0, 2.0):
            np.testing.assert_array_equal(compiled(X[0] * k), g(X[0] * k))
        session = {}
        exec(compiled.source(X[0]), session)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.ones((3, 3)) @ (x.T @ x) @ np.eye(3),
        lambda x: x.__array_namespace__().ones((3, 3)) @ (x.T @ x),
        cr.grad(lambda x: np.einsum("ij,ik->", x, x) + np.linalg.norm(x) + np.pad(x, 1).sum()),
        cr.grad(lambda x: cr.checkpoint(lambda y: (np.tanh(y) ** 2).sum())(x)),
        cr.grad(
            lambda x: sum((row**2).sum() * i for i, row in enumerate(x)) + np.split(x, 3, axis=1)[1].sum()
        ),
        cr.grad(lambda x: np.where(x > 0, np.sqrt(x), 0).sum()),
        lambda x: (x + 1j * x).real + np.abs((x - 1j) ** 2) + (1j * x).imag,
        lambda x: x.reshape(3, -1, order="F") @ x.reshape((-1, 3), copy=True) + x.flatten("F")[0],
        lambda x: x.conjugate() * round(x[0, 0], 1) + x[0].searchsorted([0.5]),
    ],
)
def test_other_programs(f):
    g = cr.compile(f)
    for k in (1.0, 2.0):
        np.testing.assert_array_equal(g(X * k), f(X * k))


def test_ten_thousand_gates():
    def f(x):
        for _ in range(1000):
            x = x * 0.999 + 0.001
        return x.sum()

    g = cr.compile(cr.grad(f))
    np.testing.assert_array_equal(g(X), cr.grad(f)(X))


def test_a_deep_network_needs_no_more_memory_than_by_hand():
    random = np.random.default_rng(0)
    params = [(random.normal(0, 0.1, (128, 128)), np.zeros(128)) for _ in range(10)]
    X, Y = random.normal(size=(2, 128, 128))

    def cost(params):
        H = X
        for W, b in params:
            H = np.tanh(H @ W + b)
        return ((H - Y) ** 2).sum()

    def by_hand(params):
        H = [X]
        for W, b in params:
            H.append(np.tanh(H[-1] @ W + b))
        g, grads = 2 * (H[-1] - Y), []
        for (W, _), x, y in zip(reversed(params), H[-2::-1], H[:0:-1], strict=True):
            g = g * (1 - y * y)
            grads.append((x.T @ g, g.sum(0)))
            g = g @ W.T
        return ((H[-1] - Y) ** 2).sum(), grads[::-1]

    def peak(f):
        f(params)
        tracemalloc.start()
        f(params)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    eager = cr.value_and_grad(cost)
    compiled = peak(cr.compile(eager))
    assert compiled <= peak(eager)
    assert compiled <= 1.2 * peak(by_hand)


@pytest.mark.parametrize("name", cr.optim.OPTIMIZERS)
def test_a_step_with_its_update_is_one_program_for_all_steps(name):
    update = cr.optim.clipped(cr.optim.OPTIMIZERS[name](cr.optim.cosine(0.1, 5)), 1.0)

    def step(params, state, X):
        J, gradients = cr.value_and_grad(lambda p: (np.tanh(X @ p["W"] + p["b"]) ** 2).mean())(params)
        return J, *update.update(gradients, state, params)

    params = {"W": np.linspace(-1, 1, 6).reshape(3, 2), "b": np.zeros(2)}
    mine = its = params, update.init(params)
    compiled = cr.compile(step)
    for _ in range(4):
        J, *mine = compiled(*mine, X)
        expected, *its = step(*its, X)
        assert (J, mine[1]["step"]) == (expected, its[1]["step"])
        for a, b in zip(pytree.flat(mine), pytree.flat(its), strict=True):
            np.testing.assert_array_equal(a, b)
    assert len(compiled.signatures) == 1


def test_a_step_of_a_network_compiles():
    net = cr.MLP([3, 5, 4, 2], output="softmax")
    params, y = net.init(seed=0, dtype="float32"), np.array([0, 1])
    step = cr.compile(net.cost_and_gradients)
    assert "np.where(H" not in step.source(params, X.astype("float32"), y)
    for k in (1, 2):
        args = params, (X * k).astype("float32"), y
        for a, b in zip(pytree.flat(step(*args)), pytree.flat(net.cost_and_gradients(*args)), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7)
