"""The gradient contract, a test a line, on every device; test_gates.py holds each gate to its first lines."""

import gc
import tracemalloc
import weakref
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from tests.helpers.devices import Place, count_copies

DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


@pytest.fixture
def xp(here: Place) -> Any:
    """Return the differentiable namespace of the device's library."""
    return cr.differentiable(here.xp)


@DTYPES
@pytest.mark.parametrize("name", ["max", "mean", "var", "where", "maximum", "a product with a Python number"])
def test_a_gradient_has_its_inputs_shape_dtype_and_device(here: Place, xp: Any, name: str, dtype: str):
    f = {
        "max": xp.max,
        "mean": xp.mean,
        "var": xp.var,
        "where": lambda x: xp.sum(xp.where(x > 0, x, 0.5)),
        "maximum": lambda x: xp.sum(xp.maximum(x, 0.5)),
        "a product with a Python number": lambda x: xp.sum(x * 2.5),
    }[name]
    x = here.array([[1.0, 2.0], [-3.0, 4.0]], dtype)
    g = cr.grad(f)(x)
    assert (g.shape, g.dtype, g.device) == (x.shape, x.dtype, x.device)


@DTYPES
@pytest.mark.parametrize("name", ["sum", "prod", "mean", "std", "cumulative_sum", "x ** 2", "sqrt", "matmul"])
def test_the_value_is_that_of_the_plain_library(here: Place, name: str, dtype: str):
    def f(xp: Any, x: Any) -> Any:
        if name == "x ** 2":
            return x**2
        if name == "matmul":
            return xp.matmul(x, x)
        return xp.cumulative_sum(x, axis=0) if name == "cumulative_sum" else getattr(xp, name)(x)

    x = here.array([[1.0, 2.5], [3.0, 4.0]], dtype)
    plain, (value, _) = f(here.xp, x), cr.vjp(lambda x: f(cr.differentiable(here.xp), x), x)
    assert (value.shape, value.dtype, value.device) == (plain.shape, plain.dtype, plain.device)
    np.testing.assert_array_equal(here.numpy(value), here.numpy(plain))


def test_broadcasting_is_undone_zero_size_axes_included(here: Place, xp: Any):
    row = here.array([1.0, 2.0])
    for shape in ((3, 2), (0, 2), (4, 3, 2)):
        whole = here.array(np.ones(shape))
        g = cr.grad(lambda x, whole=whole: xp.sum(xp.where(whole > 0, x, whole)))(row)
        assert here.numpy(g).tolist() == [np.prod(shape) / 2] * 2


def test_gradients_of_many_uses_add_and_nobody_writes_into_one(here: Place, xp: Any):
    x = here.array([1.0, 2.0])
    out, pullback = cr.vjp(lambda x: sum((x for _ in range(9)), x * x), x)
    g = here.array(np.ones(out.shape))  # read-only
    for _ in range(2):
        np.testing.assert_array_equal(here.numpy(pullback(g)[0]), [11.0, 13.0])


def test_a_hundred_thousand_gates_in_a_row(here: Place):
    def f(x: Any) -> Any:
        for _ in range(100_000):
            x = x * 1.00001
        return x

    value, slope = cr.value_and_grad(f)(here.array(1.0))
    np.testing.assert_allclose([here.numpy(value), here.numpy(slope)], 1.00001**100_000, rtol=1e-9)


def test_nodes_die_with_the_last_reference_and_memory_stays_flat(here: Place, xp: Any):
    W = here.array(np.eye(64))
    step = cr.value_and_grad(lambda W: xp.sum(xp.tanh(W @ W)))
    gc.disable()
    try:
        x = cr.variable(here.array([1.0]))
        between = xp.exp(x)
        dead = weakref.ref(between)
        del between, x
        assert dead() is None
        for _ in range(20):
            step(W)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(1000):
            step(W)
        grown = tracemalloc.get_traced_memory()[0] - before
        # CPython's free lists fill by some 100 kB and the log of a pretended GPU by 2 MB; one matrix kept per step
        # would be 32 MB.
        assert grown < 4_000_000
    finally:
        tracemalloc.stop()
        gc.enable()


TIES = {
    "relu": (lambda xp, x: xp.relu(x), [0.0], [0.0]),
    "max": (lambda xp, x: xp.max(x), [2.0, 2.0, 1.0], [0.5, 0.5, 0.0]),
    "min": (lambda xp, x: xp.min(x), [2.0, 1.0, 1.0], [0.0, 0.5, 0.5]),
    "maximum": (lambda xp, x: xp.maximum(x, xp.stop_gradient(x)), [3.0], [0.5]),
    "minimum": (lambda xp, x: xp.minimum(x, xp.stop_gradient(x)), [3.0], [0.5]),
    "sort": (lambda xp, x: xp.sort(x)[:1], [1.0, 1.0, 3.0], [0.5, 0.5, 0.0]),
    "abs": (lambda xp, x: xp.abs(x), [0.0], [0.0]),
    "clip": (lambda xp, x: xp.clip(x, 0.0, 1.0), [0.0, 1.0, 2.0], [1.0, 1.0, 0.0]),
}


@pytest.mark.parametrize("name", TIES)
def test_ties(here: Place, xp: Any, name: str):
    f, x, expected = TIES[name]
    assert here.numpy(cr.grad(lambda x: xp.sum(f(xp, x)))(here.array(x))).tolist() == expected


@DTYPES
@pytest.mark.parametrize(
    "name", ["sigmoid", "tanh", "softmax", "log_softmax", "logsumexp", "softplus", "log_sigmoid"]
)
def test_a_thousand_either_way_is_finite_and_quiet(here: Place, xp: Any, name: str, dtype: str):
    z = here.array([-1000.0, 1000.0, 0.0], dtype)  # warnings are errors in these tests
    value, g = cr.value_and_grad(lambda z: xp.sum(getattr(xp, name)(z)))(z)
    assert np.isfinite(here.numpy(value))
    assert np.all(np.isfinite(here.numpy(g)))


@pytest.mark.parametrize("cost", ["sigmoid_cross_entropy", "softmax_cross_entropy", "hinge"])
def test_costs_at_a_thousand_either_way_are_finite_and_quiet(here: Place, xp: Any, cost: str):
    z, y = here.array([[-1000.0, 1000.0], [1000.0, -1000.0]]), here.array([[1.0, 0.0], [1.0, 0.0]])
    value, g = cr.value_and_grad(lambda z: xp.sum(getattr(xp, cost)(z, y)))(z)
    assert np.isfinite(here.numpy(value))
    assert np.all(np.isfinite(here.numpy(g)))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("shape", [(2,), ()], ids=["array", "0-d"])
def test_a_branch_that_where_did_not_take_gives_0(here: Place, xp: Any, shape: tuple[int, ...]):
    x = here.array(np.zeros(shape))
    for f in (xp.sqrt, xp.log, lambda x: x * xp.log(x), lambda x: 1 / x, lambda x: x / x):
        g = cr.grad(lambda x, f=f: xp.sum(xp.where(x > 0, f(x), 0.0)))(x)
        assert np.all(here.numpy(g) == 0)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_function_of_a_decomposition_is_right_or_nan_where_values_coincide(here: Place, xp: Any):
    M = here.array(np.arange(9.0).reshape(3, 3))

    def log_of(A: Any) -> Any:
        w, V = xp.linalg.eigh(A)
        return xp.sum((V * xp.log(w)) @ V.mT * M)

    g, right = here.numpy(cr.grad(log_of)(here.array(np.eye(3)))), here.numpy(M)
    assert np.isnan(g).all() or np.allclose(g, (right + right.T) / 2)


def test_what_leaves_by_a_side_door_is_an_error(here: Place, xp: Any):
    x = here.array([1.0, 2.0])

    def by_a_closure(x: Any) -> Any:
        @cr.gate
        def gate(xp: Any, y: Any) -> Any:
            return y * x, (lambda g: g,)

        return xp.sum(gate(xp.sin(x)))

    doors = [
        by_a_closure,
        lambda x: np.array([xp.sum(x)], dtype=object),
        lambda x: float(xp.sum(x)),
        lambda x: xp.asarray([x[0], x[1]]),
    ]
    for door in doors:
        with pytest.raises(TypeError, match=r"traced|expected"):
            cr.grad(door)(x)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_products_with_zeros_and_powers(here: Place, xp: Any):
    cases = [
        (xp.prod, [0.0, 2.0, 3.0], [6.0, 0.0, 0.0]),
        (xp.prod, [0.0, 0.0, 3.0], [0.0, 0.0, 0.0]),
        (xp.cumulative_prod, [2.0, 0.0, 3.0], [1.0, 8.0, 0.0]),
        (lambda x: x**0, [0.0, -1.0], [0.0, 0.0]),
        (lambda x: x ** xp.zeros_like(x), [0.0, -1.0], [0.0, 0.0]),
        (lambda x: x**3, [-2.0, 0.0], [12.0, 0.0]),
        (lambda x: x ** xp.full_like(x, 3.0), [-2.0], [12.0]),
    ]
    for f, x, expected in cases:
        assert here.numpy(cr.grad(lambda x, f=f: xp.sum(f(x)))(here.array(x))).tolist() == expected


def test_a_gather_accumulates(here: Place, xp: Any):
    x = here.array([1.0, 2.0, 3.0])
    positions = here.device.xp.asarray([[0, 0], [-1, 0]], device=x.device)
    for gather in (
        lambda x: x[positions],
        lambda x: xp.take(x, xp.reshape(positions, (-1,)), axis=0),
        lambda x: xp.take_along_axis(x, xp.reshape(positions, (-1,)), axis=0),
        lambda x: xp.take_along_axis(xp.broadcast_to(x, (2, 3)), positions, axis=1),
    ):
        assert here.numpy(cr.grad(lambda x, f=gather: xp.sum(f(x)))(x)).tolist() == [3.0, 0.0, 1.0]


@pytest.mark.parametrize("dtype", ["int64", "bool"])
def test_what_has_no_gradient_is_a_type_error_that_names_the_argument(here: Place, xp: Any, dtype: str):
    with pytest.raises(TypeError, match=rf"argument 'y'.*{dtype}"):
        cr.grad(lambda x, y: xp.sum(x), argnums=1)(here.array([1.0]), here.array([1], dtype))


def test_item_assignment_is_an_error_that_says_what_to_write(here: Place):
    def f(x: Any) -> Any:
        x[0] = 1.0
        return x[0]

    with pytest.raises(TypeError, match="where"):
        cr.grad(f)(here.array([1.0, 2.0]))


def test_a_function_without_a_rule_is_an_error_that_says_so(here: Place, xp: Any):
    with pytest.raises(TypeError, match=r"no gradient rule.*cr\.gate|no gradient rule.*chainrule\.gate"):
        cr.grad(lambda x: xp.sum(xp.nextafter(x, x)))(here.array([1.0, 2.0]))


def test_a_saved_array_that_changed_is_an_error_where_it_can_be_seen(here: Place):
    if here.device.name != "cpu":
        pytest.skip(f"a change in place cannot be seen on {here.device.name}: it would be a copy to the host")
    w = np.array([1.0, 2.0])
    _, pullback = cr.vjp(lambda x: x * w, np.array([3.0, 4.0]))
    w[0] = 9.0
    with pytest.raises(RuntimeError, match="changed in place"):
        pullback(np.ones(2))


def test_no_step_copies_to_the_host(here: Place, xp: Any, monkeypatch: pytest.MonkeyPatch):
    if here.device.name == "cpu":
        pytest.skip("the arrays of the CPU are on the host")
    W, X = here.array(np.eye(3)), here.array(np.ones((4, 3)))
    copies = count_copies(monkeypatch, here.device)
    cr.value_and_grad(lambda W: xp.sum(xp.maximum(xp.matmul(X, W), 0.0) ** 2) + xp.sum(xp.abs(W)))(W)
    assert copies == []
