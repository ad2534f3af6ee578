"""NumPy's own spellings on traced arrays: NumPy's numbers and the right slopes, or an error that says what to do."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr

A = np.array([[4.0, 1.0, 3.0], [-1.0, 0.5, 2.0]])
V = np.array([1.0, -2.0, 0.5])
STACK = np.arange(24.0).reshape(4, 2, 3) / 7
ROWS = np.arange(12.0).reshape(4, 3) / 5 - 1
HAS_MATVEC = hasattr(np, "matvec")
with_matvec = pytest.mark.skipif(not HAS_MATVEC, reason="NumPy 2.2 brought it")

SPELLINGS: dict[str, tuple[Callable[[Any], Any], np.ndarray]] = {
    "matvec, matrix": (lambda m: np.matvec(m, ROWS), A),
    "matvec, vectors": (lambda v: np.matvec(A, v), ROWS),
    "matvec, stacks": (lambda v: np.matvec(STACK, v), ROWS),
    "matvec, one vector": (lambda v: np.matvec(STACK, v), V),
    "matvec, list": (lambda m: np.matvec(m, [1.0, 2.0, 3.0]), A),
    "vecmat, matrix": (lambda m: np.vecmat(ROWS, np.matrix_transpose(m)), A),
    "vecmat, vectors": (lambda v: np.vecmat(v, np.swapaxes(STACK, 1, 2)), ROWS),
    "vecmat, one vector": (lambda v: np.vecmat(v, np.swapaxes(STACK, 1, 2)), V),
    "array @ matrix": (lambda m: ROWS @ m.T, A),
    "array @ vector": (lambda v: A @ v, V),
    "stack @ vector": (lambda v: STACK @ v, V),
    "vector @ array": (lambda v: v @ A.T, V),
    "array @ traced, vector first": (lambda m: V @ m.T, A),
    "tile, integer": (lambda a: np.tile(a, 2), A),
    "tile, numpy integer": (lambda a: np.tile(a, np.int64(2)), A),
    "tile, list": (lambda a: np.tile(a, [2, 1]), A),
    "squeeze": (np.squeeze, A[:, None, :, None]),
    "squeeze, nothing": (np.squeeze, A),
    "squeeze, axis": (lambda a: np.squeeze(a, 1), A[:, None, :, None]),
    "take, list": (lambda a: np.take(a, [0, 1, 0]), V),
    "take, flattened": (lambda a: np.take(a, [0, 5, 0, -2]), A),
    "take, list on an axis": (lambda a: np.take(a, [[0, 1], [2, 2]], axis=1), A),
    "take, integer": (lambda a: np.take(a, 4), A),
    "stack, axis": (lambda a: np.stack([a, A, 2 * a], -1), A),
    "stack, all by name": (lambda a: np.stack(arrays=(a, A), axis=2), A),
    "stack, numbers": (lambda a: np.stack([a[0], 2.0, a[1]]), V),
    "stack, numpy integer": (lambda a: np.stack([a, A], axis=np.int64(1)), A),
    "concatenate, axis": (lambda a: np.concatenate([a, A, a], 1), A),
    "concatenate, flattened": (lambda a: np.concatenate([a, V, a], None), A),
    "concatenate, named None": (lambda a: np.concatenate((a, V), axis=None), A),
    "concatenate, lists": (lambda a: np.concatenate([a, [[1.0, 2.0, 3.0]]]), A),
    "sort, flattened": (lambda a: np.sort(a, axis=None), A),
    "sort": (np.sort, A),
    "cumsum, flattened": (np.cumsum, A),
    "cumprod, flattened": (np.cumprod, A),
    "cumsum, axis": (lambda a: np.cumsum(a, np.int64(1)), A),
    "sum, numpy integer": (lambda a: np.sum(a, axis=np.int64(0)), A),
    "sum, numpy integers": (lambda a: np.sum(a, axis=(np.int64(0), np.int64(1))), A),
    "sum method, numpy integer": (lambda a: a.sum(np.int64(0)), A),
    "mean, numpy integer": (lambda a: np.mean(a, np.int64(1), keepdims=True), A),
    "mean method": (lambda a: a.mean(1, keepdims=True), A),
    "roll, numpy integer": (lambda a: np.roll(a, np.int64(1)), A),
    "roll, lists": (lambda a: np.roll(a, [1, 2], axis=[0, 1]), A),
    "tensordot, integers": (lambda a: np.tensordot(a, A, axes=(0, 0)), A),
    "tensordot, lists": (lambda a: np.tensordot(a, A, axes=([0, 1], [0, 1])), A),
    "tensordot, numpy integer": (lambda a: np.tensordot(a, A.T, axes=np.int64(1)), A),
    "std, ddof": (lambda a: a.std(ddof=1), A),
    "var, axis and ddof": (lambda a: a.var(1, ddof=1, keepdims=True), A),
    "std function": (lambda a: np.std(a, 1, ddof=1), A),
    "reshape, list": (lambda a: np.reshape(a, [3, -1]), A),
    "transpose, list": (lambda a: np.transpose(a, [1, 0]), A),
    "where, three": (lambda a: np.where(A > 1, a, 0.0), A),
}


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_spelling_gives_numpys_numbers_and_the_right_slopes(name: str):
    if name.startswith(("matvec", "vecmat")) and not HAS_MATVEC:
        pytest.skip("NumPy 2.2 brought it")
    numbers_and_slopes(*SPELLINGS[name])


def numbers_and_slopes(f: Callable[[Any], Any], x: np.ndarray) -> None:
    """Compare f of a traced array with f of a plain one, and its gradient with differences."""
    want, got = f(x), f(cr.variable(x))
    assert got.level, "the gradient is followed"
    assert got.shape == np.shape(want)
    np.testing.assert_allclose(got.value, want, rtol=1e-14, atol=1e-14)
    constant = f(cr.stop_gradient(cr.variable(x)))
    np.testing.assert_allclose(np.asarray(constant), want, rtol=1e-14, atol=1e-14)

    weights = np.cos(np.arange(np.size(want), dtype=float)).reshape(np.shape(want))
    slopes = cr.grad(lambda a: np.sum(f(a) * weights))(x)
    step, numeric = 1e-6, np.zeros_like(x)
    for at in np.ndindex(x.shape):
        d = np.zeros_like(x)
        d[at] = step
        numeric[at] = np.sum((f(x + d) - f(x - d)) * weights) / (2 * step)
    np.testing.assert_allclose(slopes, numeric, rtol=1e-6, atol=1e-7)


@with_matvec
def test_the_second_slope_goes_through_a_matvec():
    f = cr.grad(lambda v: np.sum(np.matvec(A, v) ** 2))
    slopes = cr.grad(lambda v: np.sum(f(v) ** 2))(ROWS)
    np.testing.assert_allclose(slopes, 8 * ROWS @ (A.T @ A) @ (A.T @ A))


@with_matvec
def test_vecmat_conjugates_its_vectors_as_numpys_does():
    v = V + 1j * V[::-1]
    got = np.vecmat(cr.stop_gradient(cr.variable(V)) * (1 + 0j) + 1j * V[::-1], A.T)
    np.testing.assert_allclose(np.asarray(got), np.vecmat(v, A.T))


@with_matvec
@pytest.mark.parametrize("name", ["matvec", "vecmat"])
def test_a_number_is_no_vector_and_a_vector_no_matrix(name: str):
    f = getattr(np, name)
    v = cr.variable(V)
    for pair in [(v, V), (A, v[0]), (v[0], A)]:
        with pytest.raises(ValueError, match=rf"numpy\.{name}: expected"):
            f(*pair)


def test_an_array_without_axes_cannot_be_iterated():
    for x in (cr.variable(np.array(1.0)), cr.stop_gradient(cr.variable(np.array(1.0)))):
        with pytest.raises(TypeError, match=r"iteration over an array of shape \(\)"):
            iter(x)
    assert [float(x.value) for x in cr.variable(V)] == list(V)
    first, second = cr.variable(A)
    assert first.level
    assert second.shape == (3,)
    assert list(cr.variable(np.zeros((0, 2)))) == []
    assert cr.grad(lambda x: sum(i * x for i, x in enumerate(x)))(V).tolist() == [0, 1, 2]


def test_where_with_a_condition_alone_gives_constants():
    for condition in (cr.variable(A), cr.variable(A) > 1):
        got = np.where(condition)
        assert [g.level for g in got] == [0, 0]
        for g, want in zip(got, np.where(condition.value), strict=True):
            np.testing.assert_array_equal(np.asarray(g), want)
    with pytest.raises(TypeError, match=r"numpy\.where: expected .* got 2"):
        np.where(A > 1, cr.variable(A))


@pytest.mark.filterwarnings("ignore:numpy.fix is deprecated:DeprecationWarning")  # by NumPy 2.5
@pytest.mark.parametrize("f", [np.around, np.round, np.fix, np.rint, np.trunc, np.fabs])
def test_what_rounds_is_called_as_numpy_calls_it(f: Callable[[Any], Any]):
    np.testing.assert_array_equal(f(cr.variable(A)).value, f(A))


REFUSED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "concatenate, dtype": (
        lambda a: np.concatenate([a, a], dtype=float),
        r"numpy\.concatenate: dtype= .*leave it out",
    ),
    "stack, out": (lambda a: np.stack([a, a], out=np.zeros((2, 2, 3))), r"numpy\.stack: out= .*leave it out"),
    "stack, dtype": (lambda a: np.stack([a, a], dtype="f4"), r"numpy\.stack: dtype= .*astype"),
    "take, out": (lambda a: np.take(a, [0], out=np.zeros(1)), r"numpy\.take: out= .*leave it out"),
    "add, out": (lambda a: np.add(A, a, out=np.zeros((2, 3))), r"numpy\.add: .*z = numpy\.add\(\.\.\.\)"),
    "exp, out": (lambda a: np.exp(a, out=np.zeros((2, 3))), r"numpy\.exp: .*z = numpy\.exp\(\.\.\.\)"),
    "power, where": (lambda a: np.power(a, 2, where=A > 1), r"numpy\.power with where: "),
    "clip, twice": (lambda a: np.clip(a, 0, min=5), r"numpy\.clip: got min= by two names"),
    "clip, both ends twice": (lambda a: np.clip(a, 0, 1, max=5), r"numpy\.clip: got max= by two names"),
    "sort, both": (
        lambda a: np.sort(a, kind="stable", stable=True),
        r"numpy\.sort: got stable= by two names",
    ),
    "std function, both": (
        lambda a: np.std(a, ddof=1, correction=2),
        r"numpy\.std: got correction= by two names",
    ),
    "std, both": (lambda a: a.std(ddof=1, correction=1), r"std\(\): .*ddof.*correction"),
    "sum, ddof": (lambda a: a.sum(ddof=1), "ddof"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_says_what_to_write(name: str):
    f, message = REFUSED[name]
    with pytest.raises(TypeError, match=message):
        f(cr.variable(A))


def test_a_plain_array_is_not_changed_in_place_by_a_traced_one():
    a, z = cr.variable(A), np.ones((2, 3))
    with pytest.raises(TypeError, match=r"numpy\.add: .*[Ww]rite z = z \+ a"):
        z += a
    with pytest.raises(TypeError, match=r"numpy\.multiply: .*[Ww]rite z = z \* a"):
        z *= a
    with pytest.raises(TypeError, match=r"numpy\.add: .*[Ww]rite z = z \+ a"):
        np.add(z, a, out=z)
    square = np.eye(3)
    with pytest.raises(TypeError, match=r"numpy\.matmul: .*[Ww]rite z = z @ a"):
        square @= cr.variable(np.eye(3))
    np.testing.assert_array_equal(z, 1)


def test_rows_of_a_strict_array_can_be_iterated():
    x = cr.get_device("strict").asarray([[1.0, 2.0], [3.0, 4.0]])
    rows = cr.vjp(lambda x: [row * row for row in x], x)[0]
    assert [[float(row[j]) for j in range(2)] for row in rows] == [[1, 4], [9, 16]]


@pytest.mark.parametrize("name", ["sigmoid", "relu", "power", "tanh"])
def test_a_foreign_function_is_not_taken_for_one_of_ours_by_its_name(name):
    numba = pytest.importorskip("numba")
    # Numba's ufuncs have the name of the function that was compiled.
    scope = {}
    exec(f"def {name}(x):\n    return 10.0 * x\n", scope)
    kernel = numba.vectorize(["float64(float64)"])(scope[name])
    x = cr.variable(np.asarray([1.0, 2.0]))
    with pytest.raises(TypeError, match=r"expected a function of NumPy, SciPy or CuPy; got another one"):
        kernel(x)


@pytest.mark.parametrize(
    "f",
    [
        *(lambda v, w: v * w, lambda v, w: w * v, lambda v, w: np.divide(w, v), lambda v, w: v**w),
        *(lambda v, w: v @ w, lambda v, w: w @ v, lambda v, w: np.matmul(v, w), lambda v, w: np.dot(w, v)),
        *(lambda v, w: np.clip(v, w, 9.0), lambda v, w: np.where([True, False, True], v, w)),
        lambda v, w: cr.gate(lambda xp, a, b: (a * xp.asarray(b), (lambda g: g * xp.asarray(b), None)))(v, w),
    ],
)
def test_a_list_among_the_operands_is_an_array_and_may_change_afterwards(f):
    x = np.array([1.5, 2.5, 0.5])

    def changing(v):
        w = [1.0, 2.0, 3.0]
        y = f(v, w)
        w[:] = [100.0, 100.0, 100.0]
        return np.sum(y)

    expected = cr.grad(lambda v: np.sum(f(v, np.array([1.0, 2.0, 3.0]))))(x)
    np.testing.assert_allclose(cr.grad(changing)(x), expected)
    cr.check_gradients(changing, x)


class TestConstantsAlone:
    """A NumPy function on constants is NumPy's own, with a rule or without."""

    @staticmethod
    def run(f: Callable[[Any], Any], x: np.ndarray) -> Any:
        found = []

        def g(x: Any) -> Any:
            found.append(f(cr.stop_gradient(x)))
            return np.sum(x)

        assert cr.grad(g)(x).tolist() == [1] * len(x)
        return found[0]

    @pytest.mark.parametrize(
        "f",
        [
            np.median,
            lambda c: np.percentile(c, 30),
            lambda c: np.flatnonzero(c > 0),
            lambda c: np.unique(np.argsort(c)),
            lambda c: np.bincount(np.argsort(c)),
            lambda c: np.interp(c, [0.0, 1.0], [3.0, 4.0]),
            lambda c: np.random.default_rng(0).permutation(c),
            lambda c: np.add.reduce(c),
            lambda c: np.median(c[0]),
            lambda c: np.take(c, [5, -7], mode="wrap"),
        ],
    )
    def test_the_value_is_numpys(self, f: Callable[[Any], Any]):
        got = self.run(f, V)
        np.testing.assert_array_equal(np.asarray(got), f(V))

    @pytest.mark.parametrize(
        "f",
        [
            lambda c: np.unique(c, return_counts=True),
            np.frexp,
            lambda c: np.histogram(c, 2),
            np.unique_counts,
        ],
    )
    def test_several_results_stay_what_they_are(self, f: Callable[[Any], Any]):
        got, right = self.run(f, V), f(V)
        assert type(got) is type(right)
        for mine, its in zip(got, right, strict=True):
            np.testing.assert_array_equal(np.asarray(mine), its)

    def test_what_is_no_array_stays_so(self):
        assert self.run(np.array2string, V) == np.array2string(V)

    @pytest.mark.parametrize(
        "change",
        [
            lambda c: np.copyto(c, 7.0),
            lambda c: np.put(c, [0], 7.0),
            lambda c: np.add(c, 1.0, out=c),
            lambda c: np.add.at(c, [0, 0], 1.0),
            lambda c: np.fill_diagonal(c[None], 7.0),
            lambda c: np.cumsum(c, out=c),
            lambda c: np.putmask(c, c > 0, 0.0),
        ],
    )
    def test_what_changes_an_array_in_place_changes_it(self, change: Callable[[Any], Any]):
        right = V.copy()
        change(right)
        assert not np.array_equal(right, V)
        got = self.run(lambda c: (change(c), c)[1], V)
        np.testing.assert_array_equal(np.asarray(got), right)

    def test_out_comes_back_as_it_was_given(self):
        def f(c: Any) -> Any:
            plain = np.ones(3)
            before = plain
            plain += c
            assert plain is before
            return plain

        np.testing.assert_array_equal(self.run(f, V), V + 1)

    def test_a_traced_array_among_them_is_refused_as_ever(self):
        for f in (
            lambda x: np.copyto(np.zeros(3), x),
            lambda x: np.add(x, 1.0, out=np.zeros(3)),
            np.spacing,
        ):
            with pytest.raises(TypeError, match="numpy"):
                cr.grad(f)(V)


def test_equal_elements_are_in_the_order_that_numpy_gives_them():
    x = np.random.default_rng(0).integers(0, 3, 100).astype(float)
    found = []
    cr.grad(lambda x: found.append(np.argsort(x)) or np.sum(x))(x)
    np.testing.assert_array_equal(np.asarray(found[0]), np.argsort(x))


def test_a_decomposition_is_computed_once(monkeypatch: pytest.MonkeyPatch):
    calls, eigh = [], np.linalg.eigh
    monkeypatch.setattr(np.linalg, "eigh", lambda x: calls.append(1) or eigh(x))
    cr.grad(lambda x: np.sum(cr.differentiable(np).linalg.eigh(x)[0]))(np.diag([1.0, 2.0]))
    assert len(calls) == 1
