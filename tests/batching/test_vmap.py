"""vmap: axes, trees, results, errors, and batches of batches; a loop over the batch is the reference."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from tests.helpers.devices import Place

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(5, 3))
W = RANDOM.normal(size=(3, 4))


def looped(f: Callable[..., Any], *arrays: Any) -> np.ndarray:
    return np.stack([f(*row) for row in zip(*arrays, strict=True)])


# --- Axes and trees ---


def test_one_call_of_f_serves_the_whole_batch():
    calls = []

    def f(x: Any) -> Any:
        calls.append(x.shape)
        return np.tanh(x @ W)

    np.testing.assert_allclose(cr.vmap(f)(X), np.tanh(X @ W), rtol=1e-15)
    assert calls == [(3,)]


@pytest.mark.parametrize("axis", [0, 1, 2, -1, -2, -3])
@pytest.mark.parametrize("to", [0, 1, 2, -1, -2, -3])
def test_axes_of_arguments_and_of_results(axis: int, to: int):
    x = RANDOM.normal(size=(2, 3, 4))
    got = cr.vmap(lambda a: np.cumsum(a, axis=0), axis, np.int64(to))(x)
    expected = np.stack([np.cumsum(a, axis=0) for a in np.moveaxis(x, axis, 0)], axis=to)
    np.testing.assert_allclose(got, expected, rtol=1e-15)


def test_an_argument_that_is_the_same_for_all():
    got = cr.vmap(lambda x, w: x @ w, (0, None))(X, W)
    np.testing.assert_allclose(got, X @ W, rtol=1e-15)
    np.testing.assert_array_equal(cr.vmap(lambda k, x: x * k, (None, 0))(2, X), X * 2)


def test_trees_of_arguments_take_one_axis_or_axes_nested_as_they_are():
    params = {"W": RANDOM.normal(size=(5, 3, 2)), "b": [RANDOM.normal(size=(2, 5)), 0.5]}

    def f(p: Any, x: Any) -> Any:
        return {"y": x @ p["W"] + p["b"][0], "n": (p["b"][1] * x,)}

    got = cr.vmap(f, ({"W": 0, "b": [1, None]}, 0), {"y": 1, "n": 0})(params, X)
    for i in range(5):
        one = f({"W": params["W"][i], "b": [params["b"][0][:, i], 0.5]}, X[i])
        np.testing.assert_allclose(got["y"][:, i], one["y"], rtol=1e-14)
        np.testing.assert_allclose(got["n"][0][i], one["n"][0], rtol=1e-14)
    alike = cr.vmap(lambda p: p["a"] + p["b"][0], ({"a": 0, "b": 0},))({"a": X, "b": [X]})
    np.testing.assert_array_equal(alike, 2 * X)


def test_arguments_by_name_are_mapped_along_axis_0():
    np.testing.assert_array_equal(cr.vmap(lambda x, *, y: x * y, in_axes=1)(X.T, y=X), X * X)


def test_a_result_that_is_the_same_for_all_is_repeated_or_stays_one():
    got = cr.vmap(lambda x: (x, W, 2.0, 3))(X)
    assert [y.shape for y in got] == [(5, 3), (5, 3, 4), (5,), (5,)]
    assert [y.dtype.kind for y in got] == ["f", "f", "f", "i"]
    np.testing.assert_array_equal(got[1][4], W)
    _, w = cr.vmap(lambda x: (x, W * 1), out_axes=(0, None))(X)
    np.testing.assert_array_equal(w, W)
    constant = cr.vmap(lambda x: x.__array_namespace__().zeros(2))(X)
    assert type(constant) is np.ndarray
    np.testing.assert_array_equal(constant, np.zeros((5, 2)))


def test_what_comes_back_is_the_callers_own():
    for f in (lambda x: x, lambda x: x[:2], lambda x: x[None].T, lambda x: (x, x)[1]):
        x = X.copy()
        y = cr.vmap(f)(x)
        y[:] = 0
        np.testing.assert_array_equal(x, X)
    shared = np.arange(3.0)
    cr.vmap(lambda x: shared, out_axes=None)(X)[:] = 7
    np.testing.assert_array_equal(shared, np.arange(3.0))
    same = cr.vmap(lambda x: (x, x, 1.0))(X)
    same[0][:] = 0
    same[2][0] = 7
    np.testing.assert_array_equal(same[1], X)
    assert list(same[2]) == [7, 1, 1, 1, 1]


@pytest.mark.parametrize("library", ["torch", "array_api_strict"])
def test_views_of_other_libraries_are_copied(library: str):
    xp = pytest.importorskip(library)
    x = xp.asarray(X)
    results = [
        *(cr.vmap(f)(x) for f in (lambda x: x[:2], lambda x: x[None, :])),
        cr.vmap(lambda x: 1.0)(x),
        cr.grad(lambda x: x.__array_namespace__().sum(x))(x),
    ]
    for y in results:
        y[0, ...] = 7
    np.testing.assert_array_equal(np.asarray(x), X)
    assert float(results[2][1]) == float(results[3][1, 0]) == 1


def test_batches_of_batches():
    a, b = RANDOM.normal(size=(4, 3)), RANDOM.normal(size=(5, 3))
    products = cr.vmap(lambda x: cr.vmap(lambda y: x @ y)(b))(a)
    np.testing.assert_allclose(products, a @ b.T, rtol=1e-14)
    inner = cr.vmap(lambda x, y: cr.vmap(lambda p, q: p * q + x[0])(x, y))(X, X)
    np.testing.assert_allclose(inner, X * X + X[:, :1], rtol=1e-14)
    table = cr.vmap(cr.vmap(lambda x, i: cr.batched(np).take(W[:, 0], i[None])[0] + x))(
        X, np.zeros((5, 3), int)
    )
    np.testing.assert_allclose(table, X + W[0, 0], rtol=1e-14)


def test_an_index_of_an_outer_batch():
    cubes, keys = RANDOM.normal(size=(4, 3, 3)), np.array([[0, 2], [1, 1]])
    for f in (
        lambda x, k: x[k],
        lambda x, k: x[k, k],
        cr.grad(lambda x, k: np.sum(x[k] ** 3)),
        cr.hessian(lambda x, k: np.sum(x[k] ** 3)),
    ):
        got = cr.vmap(lambda k, f=f: cr.vmap(f, (0, None))(cubes, k))(keys)
        np.testing.assert_allclose(got, np.stack([[f(x, k) for x in cubes] for k in keys]), rtol=1e-14)
    outside = cr.grad(lambda c: np.sum(cr.vmap(lambda k: cr.vmap(lambda x: x[k] ** 2)(c))(keys)))(cubes)
    np.testing.assert_allclose(outside, 2 * cubes * [[[1.0], [2.0], [1.0]]], rtol=1e-14)


def test_a_batch_of_length_0_and_elements_of_shape_empty():
    none = np.zeros((0, 3))
    for f in (
        lambda x: x @ W,
        np.sum,
        np.sort,
        lambda x: x.reshape(-1, 1),
        lambda x: np.concatenate([x, x]),
        lambda x: x[np.array([0, 2])],
        lambda x: np.linalg.inv(np.diag(x)),
    ):
        assert cr.vmap(f)(none).shape == (0, *f(np.ones(3)).shape)
    assert cr.vmap(lambda x: x @ x)(np.zeros((2, 0))).tolist() == [0, 0]
    for f in (
        np.sum,
        np.max,
        np.argmax,
        lambda x: np.flip(x),
        lambda x: np.repeat(x, 2),
        lambda x: np.roll(x, 1),
        np.fft.fftn,
        *(lambda x, f=f: f(x, axis=0) for f in (np.sum, np.argmax, np.all, np.squeeze, np.cumsum)),
        lambda x: np.repeat(x, 2, axis=0),
        lambda x: np.take(x, [0], axis=0),
    ):
        np.testing.assert_array_equal(cr.vmap(f)(X[:, 0]), [f(x) for x in X[:, 0]])


# --- Strict arrays, and those of other libraries ---


def test_every_device(device: cr.Device):
    here = Place(device)
    x, w, i = (here.device.asarray(v) for v in (X, W, np.array([0, 2, 1, 1, 0])))
    got = cr.vmap(lambda x, i: (x @ w, x[i], here.xp.__name__ and x * 2 - 1))(x, i)
    assert all(type(y) is type(x) and y.device == x.device for y in got)
    expected = (X @ W, X[np.arange(5), [0, 2, 1, 1, 0]], X * 2 - 1)
    for y, wanted in zip(got, expected, strict=True):
        np.testing.assert_allclose(here.numpy(y), wanted, rtol=1e-14)


@pytest.mark.parametrize("library", ["torch", "jax.numpy"])
def test_arrays_of_other_libraries(library: str):
    xp = pytest.importorskip(library)
    x = xp.asarray(X.astype("float32"))
    w = xp.asarray(W.astype("float32"))
    i = xp.asarray([0, 2, 1, 1, 0])

    def f(x: Any, i: Any) -> Any:
        space = x.__array_namespace__()
        return space.linalg.vector_norm(x @ w), x[i], x[1:] * space.ones_like(x[1:]), space.sum(x, axis=-1)

    got = cr.vmap(f)(x, i)
    assert all(type(y) is type(x) for y in got)
    expected = (np.linalg.norm(X @ W, axis=1), X[np.arange(5), [0, 2, 1, 1, 0]], X[:, 1:], X.sum(1))
    for y, wanted in zip(got, expected, strict=True):
        np.testing.assert_allclose(np.asarray(y), wanted, rtol=1e-5)


def test_gradients_of_a_batch_of_torch():
    torch = pytest.importorskip("torch")
    for f in (
        lambda xp, x: xp.sort(x) ** 2,
        lambda xp, x: xp.repeat(x, 2) ** 2,
        lambda xp, x: xp.concat([x[:, None], x[:, None] ** 2], axis=None) ** 2,
    ):
        gradients = []
        for library in (np, torch):
            xp = cr.batched(library)
            total = lambda X, f=f, xp=xp: xp.sum(cr.vmap(lambda x: f(xp, x))(X))  # noqa: E731
            gradients.append(cr.grad(total)(library.asarray(X)))
        np.testing.assert_allclose(gradients[1], gradients[0], rtol=1e-12)


# --- Indices ---

CUBE = RANDOM.normal(size=(6, 3, 4, 2))
KEYS = [
    *(0, -1, slice(1, 3), slice(None, None, -1), ..., None),
    *((..., 1), (None, 0), (slice(1, None), ..., None, 0), (0, 1, 1), (slice(None), -1)),
    *(
        [0, 2, 0],
        (slice(None), [1, 3]),
        ([0, 1], [2, 3]),
        ([0, 1], slice(None), [1, 0]),
        ([[0], [1]], [2, 3]),
    ),
    *((0, [1, 2]), (0, slice(None), [1, 0]), (..., [1, 0, 0]), (None, [1], None), np.array(1)),
    *(CUBE[0] > 0, (slice(None), CUBE[0, 0, :, 0] > 0), (CUBE[0, :, 0, 0] > 0, slice(None), 1)),
]


@pytest.mark.parametrize("key", KEYS, ids=[str(k).replace("\n", "")[:40] for k in KEYS])
def test_a_key_that_is_the_same_for_all(key: Any):
    got = cr.vmap(lambda x: x[key])(CUBE)
    np.testing.assert_array_equal(got, np.stack([x[key] for x in CUBE]))


PICKS, ROWS = RANDOM.integers(-2, 2, (6,)), RANDOM.integers(-2, 2, (6, 3))
BATCHED_KEYS: list[Callable[..., Any]] = [
    lambda i, j: i,
    lambda i, j: j,
    lambda i, j: (i, j),
    lambda i, j: (slice(None), j),
    lambda i, j: (slice(None), i, slice(1)),
    lambda i, j: (..., j),
    lambda i, j: (..., i, None),
    lambda i, j: (j, slice(None), j),
    lambda i, j: (j, slice(None), i),
    lambda i, j: (1, slice(None), j),
    lambda i, j: (slice(None), 1, j),
    lambda i, j: (None, i, slice(None), j),
    lambda i, j: (np.array([[0], [1]]), j),
    lambda i, j: (CUBE[0, :, 0, 0] > -10, j),
]


@pytest.mark.parametrize("number", range(len(BATCHED_KEYS)))
@pytest.mark.parametrize("mapped", ["both", "key"])
def test_a_key_for_each_element_of_the_batch(number: int, mapped: str):
    key = BATCHED_KEYS[number]
    if mapped == "both":
        got = cr.vmap(lambda x, i, j: x[key(i, j)])(CUBE, PICKS, ROWS)
        np.testing.assert_array_equal(got, looped(lambda x, i, j: x[key(i, j)], CUBE, PICKS, ROWS))
    else:
        space = cr.batched(np)
        table = space.asarray(CUBE[0])
        got = cr.vmap(lambda i, j: table[key(i, j)])(PICKS, ROWS)
        np.testing.assert_array_equal(got, looped(lambda i, j: CUBE[0][key(i, j)], PICKS, ROWS))


def test_indices_out_of_range_are_an_error():
    for f in (lambda x, i: x[i], lambda x, i: np.take(x, i), lambda x, i: cr.batched(np).take(X[0], i)):
        with pytest.raises(IndexError):
            cr.vmap(f)(X, np.array([0, 1, 3, 0, 0]))


# --- NumPy's names and dtypes ---

NUMPY = [
    lambda x: np.kron(x, np.eye(2)),
    lambda x: np.linalg.norm(x, axis=0),
    lambda x: np.einsum("ij,kj->ik", x, x),
    lambda x: np.where(x > 0, x, 0.0).mean(0),
    lambda x: np.pad(x, 1),
    lambda x: np.rot90(x),
    lambda x: np.vstack([x, np.zeros((1, 4))]),
    lambda x: np.outer(x, x),
    lambda x: np.dot(x, x.T),
    lambda x: np.diag(x[0]),
    lambda x: np.add.reduce(x),
    lambda x: np.nan_to_num(x / 0.0) if False else np.isclose(x, x),
    lambda x: x.std(axis=1, ddof=1),
    lambda x: np.sinc(x) + np.cbrt(x),
    lambda x: x.swapaxes(0, 1).ravel(),
    lambda x: np.clip(x, None, 0.5) + np.maximum(1, x),
    lambda x: x.astype("float32") + np.float32(1),
    lambda x: 1 - x if len(x) == 3 else x,
    lambda x: np.stack(list(x)),
    lambda x: np.clip(x.astype(int), 0.5, None),
    lambda x: np.clip(x.astype("float32"), x, 1.0),
    lambda x: np.rint(x.astype("int8")),
    lambda x: np.einsum("ij->i", x.astype("int32")) + np.einsum("ij->", x.astype("uint8")),
    lambda x: np.heaviside(np.round(x), 0.5) + np.frexp(x)[0],
    lambda x: np.tril(x[0]) - np.triu(x[1], 1),
    lambda x: np.isin(np.round(x), [0, 1], invert=True),
    lambda x: np.isin([[0.0, 1.0]], test_elements=np.round(x)),
    lambda x: np.searchsorted([-1.0, 0.0, 1.0], x, side="right"),
    lambda x: np.searchsorted(np.sort(x[0]), x[1]),
    lambda x: x[0].searchsorted([0.5], sorter=np.arange(4)),
    lambda x: np.linalg.matrix_rank(x, rtol=np.array([0.1, 0.3, 0.5, 0.7, 0.9])),
    lambda x: np.linalg.matrix_rank(x, tol=np.abs(x[0])),
]


@pytest.mark.parametrize("number", range(len(NUMPY)))
def test_numpys_names(number: int):
    f, x = NUMPY[number], RANDOM.normal(size=(5, 3, 4))
    got, expected = cr.vmap(f)(x), np.stack([f(row) for row in x])
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=1e-14, atol=1e-14)


@settings(max_examples=100)
@given(
    st.sampled_from(["int8", "uint8", "int32", "float32", "float64", "bool"]),
    st.sampled_from(["int8", "int64", "float32", "float64"]),
    st.lists(st.integers(0, 3), max_size=3),
    st.integers(0, 3),
    st.data(),
)
def test_dtypes_and_broadcast_shapes_are_those_of_the_loop(
    first: str, second: str, shape: list[int], n: int, data: st.DataObject
):
    other = [data.draw(st.sampled_from([k, 1])) for k in shape][data.draw(st.integers(0, len(shape))) :]
    a = RANDOM.integers(0, 2, (n, *shape)).astype(first)
    b = RANDOM.integers(1, 3, other).astype(second)
    place = data.draw(st.integers(0, len(shape)))

    def f(x: Any, y: Any) -> Any:
        return x + y, np.sum(x * y), np.where(x > y, x, y), np.sum(x, axis=0) if x.ndim else x, y - y

    got = cr.vmap(f, (place, None))(np.moveaxis(a, 0, place), b)
    one = f(np.zeros(shape, first), b)
    for y, wanted in zip(got, one, strict=True):
        assert (y.shape, y.dtype) == ((n, *np.shape(wanted)), np.asarray(wanted).dtype)
    for i in range(n):
        for y, wanted in zip(got, f(a[i], b), strict=True):
            np.testing.assert_array_equal(y[i], wanted)


def test_numbers_keep_the_dtype_of_what_they_meet():
    x = X.astype("float32")
    for f in (lambda x: 2 * x + 1.5, lambda x: 1 / x, lambda x: np.where(x > 0, x, 0.0), lambda x: x**2):
        assert cr.vmap(f)(x).dtype == np.float32


# --- Beside JAX ---


def test_beside_jax():
    jax = pytest.importorskip("jax")
    jnp = pytest.importorskip("jax.numpy")
    with jax.enable_x64(True):
        for f, axes, arrays in (
            (lambda xp, x, y: xp.tensordot(x, y, axes=1), (0, None), (X, W)),
            (
                lambda xp, x, y: xp.linalg.solve(x, y),
                (0, 1),
                (CUBE[..., :2, 0][:, :2], RANDOM.normal(size=(2, 6))),
            ),
            (
                lambda xp, x, y: xp.linalg.solve(x, y),
                (None, 0),
                (CUBE[0, :2, :2, 0], RANDOM.normal(size=(6, 2))),
            ),
            (lambda xp, x, i: xp.take(x, i, axis=1), (0, 0), (CUBE, np.abs(ROWS))),
            (lambda xp, x, y: xp.cumsum(x)[::-1] / y, (1, 0), (CUBE[0, :, :, 0], RANDOM.normal(size=4))),
        ):
            got = cr.vmap(lambda *a, f=f: f(np, *a), axes)(*arrays)
            expected = jax.vmap(lambda *a, f=f: f(jnp, *a), axes)(*map(jnp.asarray, arrays))
            np.testing.assert_allclose(got, np.asarray(expected), rtol=1e-12)


# --- Errors ---


@pytest.mark.parametrize(
    ("f", "what"),
    [
        (lambda x: x if x > 0 else -x, r"bool\(\).*xp.where"),
        (lambda x: float(x), r"float\(\)"),
        (lambda x: np.asarray(x), r"numpy.asarray\(\)"),
        (lambda x: W[x.astype(int)], r"xp.take"),
        (lambda x: range(x.astype(int)), r"index\(\)"),
        (lambda x: np.ones(x.astype(int)), "integer"),
        (lambda x: x[None][x[None] > 0], r"x\[mask\].*xp.where"),
        (lambda x: np.nonzero(x[None]), r"nonzero.*xp.where"),
        (lambda x: np.repeat(x, x.astype(int)), "repeat: an argument must be the same for the whole batch"),
        (lambda x: x.__array_namespace__().full((2,), x), "full: .*must be the same for the whole batch"),
    ],
)
def test_what_a_batch_has_no_single_value_for_is_an_error_that_says_what_to_write(f: Any, what: str):
    with pytest.raises(TypeError, match=what):
        cr.vmap(f)(X[:, 0])


def test_item_assignment_is_an_error():
    def f(x: Any) -> Any:
        x[0] = 1.0
        return x

    with pytest.raises(TypeError, match="item assignment"):
        cr.vmap(f)(X)


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: cr.vmap(lambda x, y: x)(X, X.T), "got 5 for argument 'x' and 3 for argument 'y'"),
        (
            lambda: cr.vmap(lambda p: p)({"a": X, "b": [W]}),
            r"5 for argument 'p'\['a'\] and 3 for argument 'p'\['b'\]\[0\]",
        ),
        (lambda: cr.vmap(lambda x: x, None)(X), "None for all"),
        (lambda: cr.vmap(lambda: 1)(), "None for all"),
        (lambda: cr.vmap(lambda x: x, 2)(X), "axis 2 of argument 'x'"),
        (lambda: cr.vmap(lambda x: x)(np.float64(1)), "axis 0 of argument 'x'"),
        (lambda: cr.vmap(lambda x: x, (0, 0))(X), "each of the 1 positional arguments"),
        (lambda: cr.vmap(lambda p: p, ([0],))((X, X)), "in_axes of argument 'p'"),
        (lambda: cr.vmap(lambda x: x, out_axes=(0, 0))(X), "out_axes"),
        (lambda: cr.vmap(lambda x: x, out_axes=None)(X), "same for the whole batch"),
        (lambda: cr.vmap(lambda x: x, True)(X), "in_axes"),
    ],
)
def test_axes_that_do_not_fit(call: Any, what: str):
    with pytest.raises(ValueError, match=what):
        call()


@pytest.mark.parametrize(
    ("call", "what"),
    [
        (lambda: cr.vmap(3), "vmap: expected a function"),
        (lambda: cr.vmap(lambda x, k: x)(X, 2.0), "argument 'k' to be an array"),
        (lambda: cr.vmap(lambda x: "text")(X), "to return arrays or numbers; got str"),
        (lambda: cr.vmap(lambda x: x)(np.ma.masked_array(X)), "MaskedArray"),
        (lambda: cr.batched(3), "batched: expected an array API namespace"),
    ],
)
def test_what_is_no_array_and_no_function(call: Any, what: str):
    with pytest.raises(TypeError, match=what):
        call()


def test_a_matrix_is_asked_for_where_an_element_is_a_vector():
    # The batch's own axis is none of the matrix's.
    for f in (np.linalg.inv, np.linalg.det, np.matrix_transpose, np.trace, lambda x: x.mT):
        with pytest.raises((ValueError, IndexError)):
            cr.vmap(f)(np.ones((3, 3)))


@pytest.mark.parametrize(
    "f",
    [
        lambda x: x * [1.0, 2.0, 3.0],
        lambda x: (0.0, 1.0, 2.0) - x,
        lambda x: np.maximum([0.0, 2.0, 2.5], x),
        lambda x: np.sin(x) + range(3),
        lambda x: x.__array_namespace__().clip(x, min=np.array([10.0, 0.0, -10.0])),
    ],
)
@pytest.mark.parametrize("n", [1, 3])
def test_lists_and_bounds_by_name_have_axes_of_their_own(f: Any, n: int):
    x = np.arange(1.0, n + 1)
    is_clip = "clip" in f.__code__.co_names
    plain = [np.clip(v, [10.0, 0.0, -10.0], None) if is_clip else f(np.asarray(v)) for v in x]
    np.testing.assert_array_equal(cr.vmap(f)(x), plain)
