"""differentiable(xp): a namespace of the standard, and NumPy's protocols."""

from typing import Any

import array_api_compat
import array_api_strict
import numpy as np
import pytest

import chainrule as cr
from chainrule.autodiff.namespace import space_of
from chainrule.gates import standard
from tests.helpers.processes import in_a_new_process

X = np.array([[1.0, 2.0, 3.0], [-1.0, 0.5, 4.0]])


def test_it_is_its_own_differentiable_namespace_and_one_per_library():
    space = cr.differentiable(np)
    assert cr.differentiable(space) is space
    assert cr.differentiable(array_api_compat.array_namespace(X)) is space
    assert cr.variable(X).__array_namespace__() is space
    assert array_api_compat.array_namespace(cr.variable(X)) is space
    with pytest.raises(TypeError, match="expected an array API namespace"):
        cr.differentiable(object())


@pytest.mark.parametrize("xp", [np, array_api_strict])
def test_it_has_every_name_of_the_standard(xp: Any):
    space = cr.differentiable(xp)
    names = [n for n in vars(array_api_strict) if not n.startswith("_") and "flag" not in n.lower()]
    missing = [n for n in names if not hasattr(space, n) and n not in ("ModuleType", "Device")]
    assert missing == []
    inspection = [n for n in vars(array_api_strict.linalg) if n in dir(np.linalg) and not n.startswith("_")]
    assert [n for n in inspection if not hasattr(space.linalg, n)] == ["linalg"] * inspection.count("linalg")
    with pytest.raises(AttributeError, match="array API standard"):
        _ = space.no_such_function


@pytest.mark.parametrize("name", standard.names("constant", "main"))
def test_no_gradient_flows_through_what_is_constant_between_jumps(name: str):
    space = cr.differentiable(np)
    f = getattr(space, name, None)
    bits = name.startswith("bitwise")
    two = name in (
        *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "floor_divide", "isin"),
        *("logical_and", "logical_or", "logical_xor", "searchsorted"),
    )
    if bits or f is None:
        with pytest.raises(TypeError):
            f(cr.variable(X), cr.variable(X))
        return
    x = cr.variable(X)
    out = f(x[0, :], x[0, :]) if two else f(x)
    for part in out if isinstance(out, tuple) else [out]:
        assert part.level == 0


def test_creation_makes_constants_on_the_right_device():
    device = array_api_strict.Device("device1")
    space = cr.differentiable(array_api_strict)
    x = space.zeros((2,), dtype=space.float32, device=device)
    assert (x.device, x.dtype, x.level) == (device, array_api_strict.float32, 0)
    like = space.ones_like(x)
    assert (like + x).device == device
    y = cr.grad(lambda v: space.sum(v * space.full_like(v, 2.0)))(x)
    assert y.value.device == device


NUMPY_CALLS = [
    (lambda x: np.sin(x), np.cos(X)),
    (lambda x: np.sum(x, axis=0), np.ones_like(X)),
    (lambda x: np.sum(x, 0), np.ones_like(X)),
    (lambda x: np.mean(x, axis=1, keepdims=True), np.full_like(X, 1 / 3)),
    (lambda x: np.ones((2, 3)) + x, np.ones_like(X)),
    (lambda x: np.ones((4, 2)) @ x, np.full_like(X, 4)),
    (lambda x: np.float64(2.0) * x, np.full_like(X, 2)),
    (lambda x: np.power(x, 2), 2 * X),
    (lambda x: np.absolute(x), np.sign(X)),
    (lambda x: np.where(X > 1, x, 0), 1.0 * (X > 1)),
    (lambda x: np.concatenate([x, x], axis=1), np.full_like(X, 2)),
    (lambda x: np.concat((x, x)), np.full_like(X, 2)),
    (lambda x: np.stack([x, X]), np.ones_like(X)),
    (lambda x: np.reshape(x, (3, 2)), np.ones_like(X)),
    (lambda x: np.transpose(x), np.ones_like(X)),
    (lambda x: np.transpose(x, (1, 0)), np.ones_like(X)),
    (lambda x: np.clip(x, 0.0, 2.5), 1.0 * ((X >= 0) & (X <= 2.5))),
    (lambda x: np.maximum(x, 0), 1.0 * (X > 0)),
    (lambda x: np.var(x, ddof=1), 2 * (X - X.mean()) / 5),
    (lambda x: np.linalg.norm(x), X / np.linalg.norm(X)),
    (lambda x: np.linalg.vector_norm(x, axis=1, ord=1), np.sign(X)),
    (lambda x: np.dot(np.ones((4, 2)), x), np.full_like(X, 4)),
    (lambda x: x * np.ndim(x) * np.shape(x)[0] * np.size(x), np.full_like(X, 24)),
    (lambda x: np.squeeze(np.expand_dims(x, 1), 1), np.ones_like(X)),
    (lambda x: np.take(x, np.array([0, 0]), axis=1), np.array([[2.0, 0, 0]] * 2)),
    (lambda x: x.sum(), np.ones_like(X)),
    (lambda x: x.mean(axis=0), np.full_like(X, 0.5)),
    (lambda x: x.T.reshape(3, 2).ravel(), np.ones_like(X)),
    (lambda x: x.transpose().dot(np.ones(2)), np.ones_like(X)),
    (lambda x: abs(x) + +x - -x, np.sign(X) + 2),
    (lambda x: 1 / (2 - x / 8) ** 2, 2 / (2 - X / 8) ** 3 / 8),
    (lambda x: 7.5 % (x + 20), -np.floor(7.5 / (X + 20))),
    (lambda x: x[x > 1], 1.0 * (X > 1)),
    (lambda x: sum(row.sum() for row in x), np.ones_like(X)),
    (lambda x: x.astype(np.float32), np.ones_like(X)),
]


@pytest.mark.parametrize(("f", "expected"), NUMPY_CALLS)
def test_plain_numpy_works_on_traced_arrays(f: Any, expected: np.ndarray):
    g = cr.grad(lambda x: np.sum(f(x).astype(np.float64) if hasattr(f(x), "astype") else f(x)))(X)
    assert g.dtype == np.float64
    np.testing.assert_allclose(g, expected, rtol=1e-12)


def test_the_array_object():
    x = cr.variable(X)
    assert (x.shape, x.ndim, x.size, x.dtype, x.device, len(x)) == ((2, 3), 2, 6, X.dtype, "cpu", 2)
    assert repr(cr.variable(np.asarray(1.0))) == "Traced(array(1.), level 1)"
    with pytest.raises(TypeError, match="unhashable"):
        hash(x)
    with pytest.raises(TypeError, match="no length"):
        len(x[0, 0])
    constant = cr.differentiable(np).asarray([3, 4])
    constant[0] = 5
    assert list(map(int, constant)) == [5, 4]
    assert np.asarray(constant).tolist() == [5, 4]
    assert np.from_dlpack(constant).tolist() == [5, 4]


@pytest.mark.parametrize("value", [-1000.0, 1000.0])
@pytest.mark.parametrize(
    "name",
    ["sigmoid", "tanh", "softmax", "log_softmax", "logsumexp", "softplus", "log_sigmoid", "elu", "relu"],
)
def test_large_arguments_stay_finite_and_quiet(name: str, value: float):
    space = cr.differentiable(np)
    for dtype in ("float32", "float64"):
        x = np.array([value, 0.0, -value], dtype=dtype)
        y, g = cr.value_and_grad(lambda x: space.sum(getattr(space, name)(x)))(x)
        assert np.isfinite(y)
        assert np.all(np.isfinite(g))
        assert g.dtype == dtype


def test_the_cost_from_logits_stays_finite_and_quiet():
    space = cr.differentiable(np)
    z = np.array([1000.0, -1000.0, 0.0], dtype=np.float32)
    for y in (np.zeros_like(z), np.ones_like(z)):
        cost, g = cr.value_and_grad(lambda z, y=y: space.sum(space.sigmoid_cross_entropy(z, y)))(z)
        assert np.isfinite(cost)
        assert np.all(np.isfinite(g))


TIES = [
    ("abs", lambda s, x: s.abs(x), [0.0], [0]),
    ("relu", lambda s, x: s.relu(x), [0.0], [0]),
    ("max", lambda s, x: s.max(x), [2.0, 2.0, 1.0], [0.5, 0.5, 0]),
    ("min", lambda s, x: s.min(x), [2.0, 1.0, 1.0], [0, 0.5, 0.5]),
    ("maximum", lambda s, x: s.maximum(x, x * 0), [0.0], [0.5]),
    ("minimum", lambda s, x: s.minimum(x, s.stop_gradient(x)), [1.0], [0.5]),
    ("sort", lambda s, x: s.sort(x)[:1], [1.0, 1.0, 3.0], [0.5, 0.5, 0]),
    ("sort-down", lambda s, x: s.sort(x, descending=True)[:1], [3.0, 1.0, 3.0], [0.5, 0, 0.5]),
    ("clip", lambda s, x: s.clip(x, 0.0, 1.0), [0.0, 1.0], [1, 1]),
    ("norm", lambda s, x: s.norm(x), [0.0, 0.0], [0, 0]),
    ("hypot", lambda s, x: s.hypot(x, x), [0.0], [0]),
    ("atan2", lambda s, x: s.atan2(x, x * 0), [0.0], [0]),
    ("std", lambda s, x: s.std(x), [1.0, 1.0], [0, 0]),
    ("safe_divide", lambda s, x: s.safe_divide(s.ones_like(x), x), [0.0], [0]),
    ("x^0", lambda s, x: x**0, [0.0, -1.0], [0, 0]),
    ("x^array-0", lambda s, x: x ** s.zeros_like(x), [0.0, -1.0], [0, 0]),
    ("0^x", lambda s, x: s.zeros_like(x) ** x, [2.0], [0]),
    ("(-2)^3", lambda s, x: x**3, [-2.0], [12]),
    ("(-2)^array-3", lambda s, x: x ** s.full_like(x, 3.0), [-2.0], [12]),
    ("prod", lambda s, x: s.prod(x), [0.0, 2.0, 3.0], [6, 0, 0]),
    ("prod-two-zeros", lambda s, x: s.prod(x), [0.0, 0.0, 3.0], [0, 0, 0]),
    ("cumulative_prod", lambda s, x: s.cumulative_prod(x), [2.0, 0.0, 3.0], [1, 8, 0]),
    ("logaddexp", lambda s, x: s.logaddexp(x, s.stop_gradient(x)), [-np.inf], [0.5]),
    ("gather", lambda s, x: s.take(x, s.asarray([0, 0, -1])), [1.0, 2.0, 3.0], [2, 0, 1]),
    ("gather-2d", lambda s, x: x[s.asarray([[0, 0], [-1, 0]])], [1.0, 2.0], [3, 1]),
]


@pytest.mark.parametrize("xp", [np, array_api_strict], ids=["numpy", "strict"])
@pytest.mark.parametrize(("f", "x", "expected"), [t[1:] for t in TIES], ids=[t[0] for t in TIES])
def test_edges_follow_the_contract(f: Any, x: list[float], expected: list[float], xp: Any):
    space = cr.differentiable(xp)
    g = cr.grad(lambda x: space.sum(f(space, x)))(xp.asarray(x))
    assert np.asarray(g).tolist() == expected


@pytest.mark.parametrize("order", [1, 2])
def test_products_with_zeros_at_higher_order(order: int):
    space = cr.differentiable(np)
    x = np.array([0.0, 2.0, 0.0, 3.0])
    cr.check_gradients(space.prod, x, order=order + 1)
    cr.check_gradients(space.cumulative_prod, x, order=order + 1)


def test_no_step_of_training_converts_an_array_on_the_way(monkeypatch: pytest.MonkeyPatch):
    device = array_api_strict.Device("device1")
    space = cr.differentiable(array_api_strict)
    random = np.random.default_rng(0)
    X, W, V = (
        array_api_strict.asarray(random.standard_normal(s), device=device) for s in ((5, 4), (4, 3), (3, 2))
    )

    def cost(params: Any) -> Any:
        H = space.relu(space.matmul(X, params[0]))
        return -space.mean(space.log_softmax(space.tanh(H) @ params[1])[:, 0]) + space.max(
            space.norm(H, axis=1)
        )

    def refuse(self: Any, *_: Any, **__: Any) -> Any:
        raise AssertionError("an array was converted to a Python number or a NumPy array")

    for name in ("__bool__", "__float__", "__int__", "__index__", "__complex__", "__array__", "__dlpack__"):
        monkeypatch.setattr(type(X), name, refuse)
    value, (dW, dV) = cr.value_and_grad(cost)([W, V])
    assert (value.device, dW.device, dV.shape) == (device, device, (3, 2))
    cr.hvp(lambda W: cost([W, V]), W, dW)
    cr.jvp(lambda W: cost([W, V]), (W,), (dW,))


def test_what_has_no_weight_gets_none():
    space = cr.differentiable(np)
    x = np.array([-np.inf, 0.0, -np.inf])
    assert space.softmax(x).value.tolist() == [0, 1, 0]
    assert cr.grad(lambda x: space.logsumexp(x))(x).tolist() == [0, 1, 0]
    with np.errstate(divide="ignore"):
        assert space.logsumexp(x[:1]).value == -np.inf


def test_names_without_an_underscore_are_those_of_the_tables():
    space = cr.differentiable(np)
    of_a_namespace = {"linalg", "fft", "asarray", "full_like", "stop_gradient"}
    known = {name for part in ("main", "beyond") for name, _, _ in standard.functions(part)}
    public = {name for name in (*vars(space), *vars(type(space))) if not name.startswith("_")}
    assert public == known | of_a_namespace


@pytest.mark.parametrize("xp", [np, array_api_strict], ids=["numpy", "strict"])
def test_linspace_follows_its_ends(xp: Any):
    space = cr.differentiable(xp)
    x = xp.asarray(2.0)
    slopes = cr.jacobian(lambda x: space.linspace(x, 3.0, 5))(x)
    assert np.asarray(slopes).tolist() == [1, 0.75, 0.5, 0.25, 0]
    assert np.asarray(cr.jacobian(lambda x: space.linspace(0, x, 2, endpoint=False))(x)).tolist() == [0, 0.5]
    out, pullback = cr.vjp(lambda x: space.linspace(x, 2 * x, 3, dtype=xp.float32), x)
    assert (np.asarray(out).tolist(), out.dtype) == ([2, 3, 4], xp.float32)
    assert float(pullback(xp.ones(3, dtype=xp.float32))[0]) == 4.5
    assert np.asarray(space.linspace(0.0, 1.0, 3)).tolist() == [0, 0.5, 1]


def test_linspace_takes_whole_numbers_of_points():
    space = cr.differentiable(np)
    with pytest.raises(ValueError, match="linspace: num must be a whole number from 0 up, got -1"):
        cr.vjp(lambda x: space.linspace(x, 1.0, -1), np.asarray(0.5))
    with pytest.raises(TypeError, match=r"linspace: num must be a whole number, got 2\.5"):
        cr.vjp(lambda x: space.linspace(x, 1.0, 2.5), np.asarray(0.5))


def test_an_array_of_another_transformed_namespace_has_a_differentiable_one():
    class Batched:
        """An array of a namespace that a later transformation makes: one class, a namespace for each library."""

        dtype, shape = np.dtype("float64"), ()

        def __init__(self, xp: Any) -> None:
            self.xp = xp

        def record(self, gate: Any, arrays: Any, settings: Any) -> Any:
            raise NotImplementedError

        def __array_namespace__(self, *, api_version: str | None = None) -> Any:
            return self.xp

    assert space_of(Batched(np)) is cr.differentiable(np)
    assert space_of(Batched(array_api_strict)) is cr.differentiable(array_api_strict)


def test_freed_memory_is_kept_from_the_first_traced_array_on():
    code = """
        import numpy as np
        import chainrule as cr
        from chainrule.backend.memory import keep_freed_memory

        asked = [keep_freed_memory.cache_info().currsize]
        cr.grad(np.sum)(np.ones(2))
        print(*asked, keep_freed_memory.cache_info().currsize)
    """
    assert in_a_new_process(code) == "0 1"
