"""`import chainrule.numpy as np`: NumPy itself on plain arguments, and what follows lists of traced arrays."""

import pickle
import types
from collections.abc import Callable
from typing import Any

import numpy
import pytest

import chainrule as cr
import chainrule.numpy as np
from tests.numpy_names.test_dispatch import A, V, numbers_and_slopes

# Each holds for a plain array as well, whose values are NumPy's own.
ROWS: dict[str, tuple[Callable[[Any], Any], numpy.ndarray]] = {
    "array": (lambda v: np.array([v[0], v[1]]), V),
    "array, nested": (lambda v: np.array([[v[0], 1], [2, v[1]]]), V),
    "array, in tuples": (lambda v: np.array(((v[0], 1.0), [2.0, v[1]])), V),
    "array, of rows": (lambda v: np.array([v, [1, v[0], v[1]], [0, 1, 2]]), V),
    "array, itself": (lambda v: np.array(v), V),
    "array, axes in front": (lambda v: np.array([v[0], 1], ndmin=3), V),
    "array, dtype": (lambda v: np.array([v[0], 1], dtype=float, order="C"), V),
    "asarray": (lambda v: np.asarray([v[0], 1.5]), V),
    "asanyarray": (lambda v: np.asanyarray([v[0], 1.5]), V),
    "ascontiguousarray": (lambda v: np.ascontiguousarray([v, v]), V),
    "asfortranarray": (lambda v: np.asfortranarray([v, v]), V),
    "asarray_chkfinite": (lambda v: np.asarray_chkfinite([v[0], 2]), V),
    "full": (lambda v: np.full(3, v[0]), V),
    "full, rows": (lambda v: np.full((2, 3), v), V),
    "full, list": (lambda v: np.full((3, 2), [v[0], 1]), V),
    "full_like": (lambda v: np.full_like(A, v[0]) * np.full_like(v, 2), V),
    "full_like, shape": (lambda v: np.full_like(v, v[2], shape=(2, 2)), V),
    "zeros_like": (lambda v: np.zeros_like([v[0], 1.0]) + v[:2], V),
    "arange": (lambda v: np.arange(v[2], 3 + v[0]), V),
    "arange, step": (lambda v: np.arange(v[0], 9.5, -v[1], dtype=float), V),
    "arange, stop alone": (lambda v: np.arange(3.5 * v[0]) * v[1], V),
    "require": (lambda v: np.require([v[0], 2], dtype=float, requirements="C"), V),
    "vectorize": (lambda v: np.vectorize(lambda x: x * x if x > 0 else 2 * x)(v), V),
    "vectorize, two": (lambda v: np.vectorize(lambda x, y: x * y)(v, [[v[0]], [2.0]]), V),
    "vectorize, several results": (lambda v: np.vectorize(lambda x: (x, x * x))(v)[1], V),
    "mean, list": (lambda v: np.mean([v, v + 2], axis=0), V),
    "sum, tuple": (lambda v: np.sum((v[0], 1, v[2])), V),
    "max, list": (lambda v: np.max([v[0], v[1], -5.0]), V),
    "sin, list": (lambda v: np.sin([v[0], 1.0]), V),
    "add, lists": (lambda v: np.add([v[0], 1.0], [[2.0, v[1]]]), V),
    "dot, list": (lambda v: np.dot(A, [v[0], 1, v[2]]), V),
    "stack": (lambda v: np.stack([v, [1, v[0], 2], (3, 4, 5)]), V),
    "concatenate": (lambda v: np.concatenate([[v[0], 1.0], v]), V),
    "hstack": (lambda v: np.hstack([[v[0], 1], v, 3.0]), V),
    "where, lists": (lambda v: np.where([True, False], [v[0], 1], 2.0), V),
    "linalg.norm, list": (lambda v: np.linalg.norm([v[0], 2.0, v[1]]), V),
    "linalg.det, list": (lambda v: np.linalg.det([[v[0], 2.0], [v[1], 1.0]]), V),
    "linalg.solve, lists": (lambda v: np.linalg.solve([[v[0], 2], [v[1], 1]], [1, v[2]]), V),
    "einsum, list": (lambda v: np.einsum("ij,j", [[v[0], 2], [1, v[1]]], v[1:]), V),
    "r_": (lambda v: np.r_[v, 0.5, v[1], [v[0], 2], 1:3], V),
    "r_, rows": (lambda a: np.r_[a, A], A),
    "r_, one": (lambda v: np.r_[v[0]], V),
    "c_": (lambda v: np.c_[v, V, A.T], V),
    "c_, numbers": (lambda v: np.c_[v[0], 1], V),
}


@pytest.mark.parametrize("name", ROWS)
def test_lists_of_traced_arrays_are_arrays(name: str):
    numbers_and_slopes(*ROWS[name])


@pytest.mark.parametrize("name", ["array, nested", "array, of rows", "full", "mean, list", "sin, list", "r_"])
def test_in_a_batch_and_in_a_program(name: str):
    f, x = ROWS[name]
    rows = numpy.stack([x, 2 * x])
    numpy.testing.assert_allclose(cr.vmap(f)(rows), [f(row) for row in rows])
    slopes = cr.grad(lambda v: np.sum(f(v) ** 2))
    numpy.testing.assert_allclose(cr.vmap(slopes)(rows), [slopes(row) for row in rows])
    numpy.testing.assert_allclose(cr.compile(f)(x), f(x))
    numpy.testing.assert_allclose(cr.compile(slopes)(x), slopes(x))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize(
    "f", [lambda v: [v[0], 1], lambda v: [v, [1.0, 2, 3]], lambda v: [[v[0], True], [v[1], v[2]]]]
)
def test_an_array_of_a_list_has_numpys_dtype(f: Callable[[Any], Any], dtype: str):
    x = V.astype(dtype)
    found = []
    g = cr.grad(lambda v: np.sum(found.append(np.array(f(v))) or found[0]))(x)
    assert found[0].dtype == numpy.array(f(x)).dtype
    assert g.dtype == dtype


@pytest.mark.parametrize("device", ["cpu", "strict"])
def test_asarray_of_a_list_in_each_namespace(device: str):
    device = cr.get_device(device)
    x = device.asarray([1.0, 2.0, 3.0])
    for xp in (cr.differentiable(device.xp), cr.batched(device.xp)):
        g = cr.grad(lambda v, xp=xp: xp.sum(xp.asarray([[v[0], 1], [v[1], 2.0]]) ** 2))(x)
        assert device.to_numpy(g).tolist() == [2, 4, 0]


class TestPlainArguments:
    def test_what_takes_no_arrays_is_numpys_own_object(self):
        names = ("float64", "ndarray", "dtype", "pi", "newaxis", "random.default_rng", "linalg.LinAlgError")
        for name in (*names, "errstate", "testing", "polynomial"):
            mine, its = np, numpy
            for part in name.split("."):
                mine, its = getattr(mine, part), getattr(its, part)
            assert mine is its

    def test_all_of_numpys_names_are_there(self):
        assert set(np.__all__) == set(numpy.__all__)
        for name in numpy.__all__:
            its, mine = getattr(numpy, name), getattr(np, name)
            assert callable(mine) == callable(its), name
            if name in ("c_", "r_"):
                continue
            if not callable(its) and not isinstance(its, types.ModuleType):
                assert mine is its
        for part in ("linalg", "fft", "random"):
            for name in getattr(numpy, part).__all__:
                assert getattr(getattr(np, part), name)
        with pytest.raises(AttributeError, match="nothing"):
            np.nothing  # noqa: B018

    @pytest.mark.parametrize(
        "f",
        [
            lambda np: np.array([[1, 2], [3, 4.5]]),
            lambda np: np.add.reduce(A, axis=1),
            lambda np: np.multiply.outer(V, V),
            lambda np: np.full(3, 2),
            lambda np: np.median([1, 2, 4]),
            lambda np: np.linalg.inv([[2.0, 1.0], [1.0, 3.0]]),
            lambda np: np.fft.fft(V),
            lambda np: np.array([1.0], dtype=np.float32),
            lambda np: np.r_["0,2", V, V],
            lambda np: np.c_[V, V],
            lambda np: np.random.default_rng(0).normal(size=3),
            lambda np: np.array([1.0, "a"], dtype=object),
        ],
    )
    def test_the_values_are_numpys(self, f: Callable[[Any], Any]):
        mine, its = f(np), f(numpy)
        assert type(mine) is type(its)
        assert mine.dtype == its.dtype
        numpy.testing.assert_array_equal(mine, its)

    def test_functions_keep_names_texts_and_places(self):
        for f in (np.sum, np.add, np.linalg.norm):
            again = pickle.loads(pickle.dumps(f))
            assert again.__name__ == f.__name__
            assert f.__doc__
        assert np.add.nin == 2
        assert np.sum is pickle.loads(pickle.dumps(np.sum))
        assert "chainrule.numpy" in repr(np.add)


def test_numpys_own_array_of_a_list_says_what_to_import():
    for f in (
        cr.grad(lambda v: numpy.sum(numpy.array([v[0], v[1]]))),
        cr.vmap(lambda v: numpy.array([v[0]])),
    ):
        with pytest.raises(TypeError, match=r"import chainrule\.numpy as np"):
            f(numpy.ones((2, 2)))


def test_a_list_of_unequal_rows_is_numpys_error():
    with pytest.raises(ValueError, match="shape"):
        cr.grad(lambda v: np.sum(np.array([v, [v[0]]])))(V)


@pytest.mark.parametrize(
    ("make", "copies"),
    [
        *((np.array, True), (np.asarray, False), (lambda x: np.array(x, copy=None), False)),
        *((lambda x: np.array(x, ndmin=2)[0], True), (lambda x: np.asarray(x, copy=True), True)),
        *((lambda x: np.asarray(x, dtype=float), False), (lambda x: np.full(3, x), True)),
        *((lambda x: np.r_[x], True), (lambda x: np.concatenate([x]), True)),
    ],
)
def test_a_copy_is_written_to_alone_and_an_array_itself_is_not(make: Callable[[Any], Any], copies: bool):
    def f(v: Any) -> Any:
        x = v * 2.0
        make(x)[0] = v[1] ** 2
        return x[0]

    numpy.testing.assert_allclose(f(V), 2 * V[0] if copies else V[1] ** 2)
    numpy.testing.assert_allclose(cr.grad(f)(V), [2, 0, 0] if copies else [0, 2 * V[1], 0])


# For arrays of any library; tests/peers runs them on PyTorch and JAX.
OF_ANY_LIBRARY: tuple[Callable[[Any], Any], ...] = (
    lambda v: np.sin(v) + np.sin([v[0], 1.0, 2.0]),
    lambda v: np.sum(np.array([[v[0], 1], [2, v[1]]]) ** 2, axis=0),
    lambda v: np.concatenate([v, np.stack([v[0], v[2]])]),
    lambda v: np.std(v, ddof=1) + np.full(3, v[0]),
    lambda v: np.linalg.norm([v[0], v[1], 2.0]) * v,
    lambda v: np.add.reduce(np.reshape(v, (3, 1)), axis=0),
    lambda v: np.r_[v, 0.5],
    lambda v: np.c_[v, v],
    np.vectorize(lambda v: v * v),
)


@pytest.mark.parametrize("f", OF_ANY_LIBRARY)
def test_arrays_of_other_libraries_stay_there(f: Callable[[Any], Any]):
    device = cr.get_device("strict")
    x = device.asarray(V)
    y = f(x)
    assert type(y) is type(x)
    numpy.testing.assert_allclose(device.to_numpy(y), f(V), rtol=1e-14)
