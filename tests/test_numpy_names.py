"""NumPy's functions that the standard does not have: NumPy's numbers and the right slopes, on every device."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule import numpy_names
from tests.test_numpy_spellings import STACK, A, V, numbers_and_slopes

SQUARE = np.array([[2.0, 1.0, 0.5], [-1.0, 3.0, 0.25], [0.5, 0.0, 1.5]])
HOLES = np.array([1.0, np.nan, np.inf, -np.inf, -2.0])


def joined(parts: Any) -> Any:
    """The parts side by side, each weighed by its place."""
    return np.concatenate([np.reshape(part, -1) * (i + 1.0) for i, part in enumerate(parts)])


NAMES: dict[str, tuple[Callable[[Any], Any], np.ndarray]] = {
    "append": (lambda a: np.append(a, V), A),
    "append, axis": (lambda a: np.append(a, [[1.0, 2.0, 3.0]], axis=0), A),
    "append, number": (lambda a: np.append(V, a), np.array(2.0)),
    "array_split": (lambda a: joined(np.array_split(a, 2, axis=-1)), A),
    "array_split, unequal": (lambda a: joined(np.array_split(a, 2)), V),
    "array_split, more parts than elements": (lambda a: joined(np.array_split(a, 5)), V),
    "split": (lambda a: joined(np.split(a, 3, axis=1)), A),
    "split, places": (lambda a: joined(np.split(a, [1, 2], 1)), A),
    "split, an array of places": (lambda a: joined(np.split(a, np.array([1]))), V),
    "split, places from the end and beyond it": (lambda a: joined(np.split(a, [-2, 7])), V),
    "hsplit": (lambda a: joined(np.hsplit(a, 3)), A),
    "hsplit, vector": (lambda a: joined(np.hsplit(a, 3)), V),
    "vsplit": (lambda a: joined(np.vsplit(a, 2)), A),
    "dsplit": (lambda a: joined(np.dsplit(a, [2])), STACK),
    "atleast_1d": (np.atleast_1d, np.array(2.0)),
    "atleast_1d, several": (lambda a: joined(np.atleast_1d(a, 3.0)), V),
    "atleast_2d": (np.atleast_2d, V),
    "atleast_3d, number": (np.atleast_3d, np.array(2.0)),
    "atleast_3d, vector": (np.atleast_3d, V),
    "atleast_3d, matrix": (np.atleast_3d, A),
    "atleast_3d, as it is": (np.atleast_3d, STACK),
    "vstack": (lambda a: np.vstack([a, A, V]), A),
    "vstack, vectors": (lambda a: np.vstack((a, [1.0, 2.0, 3.0])), V),
    "hstack": (lambda a: np.hstack([a, A]), A),
    "hstack, vectors and numbers": (lambda a: np.hstack([a, 2.0, V]), V),
    "dstack": (lambda a: np.dstack([a, A]), A),
    "column_stack": (lambda a: np.column_stack([a, V, SQUARE]), V),
    "ravel": (np.ravel, A),
    "flatten": (lambda a: a.flatten(), A),
    "swapaxes": (lambda a: np.swapaxes(a, 0, -1), STACK),
    "swapaxes method": (lambda a: a.swapaxes(1, 2), STACK),
    "squeeze method": (lambda a: a.squeeze(), A[:, None]),
    "squeeze method, axis": (lambda a: a.squeeze(axis=1), A[:, None]),
    "clip method": (lambda a: a.clip(-0.7, 2.5), A),
    "cumsum method": (lambda a: a.cumsum(), A),
    "cumprod method": (lambda a: a.cumprod(axis=1), A),
    "repeat method": (lambda a: a.repeat(2), A),
    "take method": (lambda a: a.take([0, 0, 2], axis=1), A),
    "trace method": (lambda a: a.trace(), SQUARE),
    "diagonal method": (lambda a: a.diagonal(1), SQUARE),
    "flipud": (np.flipud, A),
    "fliplr": (np.fliplr, A),
    **{f"rot90, {k}": (lambda a, k=k: np.rot90(a, k), A) for k in (-1, 0, 1, 2, 3)},
    "rot90, axes": (lambda a: np.rot90(a, axes=(1, 2)), STACK),
    **{f"diag of a vector, {k}": (lambda v, k=k: np.diag(v, k), V) for k in (-2, 0, 1)},
    **{f"diag of a matrix, {k}": (lambda a, k=k: np.diag(a, k), A) for k in (-1, 0, 1, 2)},
    "diagflat": (lambda a: np.diagflat(a, 1), A),
    "diagonal, axes": (lambda a: np.diagonal(a, 1, 2, 0), STACK),
    "trace, axes": (lambda a: np.trace(a, offset=-1, axis1=0, axis2=1), STACK),
    "dot, numbers": (lambda a: np.dot(a, 2.0), A),
    "dot, stacks": (lambda a: np.dot(a, np.swapaxes(STACK, 1, 2)), STACK),
    "dot, stack and vector": (lambda v: np.dot(STACK, v), V),
    "dot, vector and stack": (lambda v: np.dot(v, np.swapaxes(STACK, 1, 2)), V),
    "inner": (lambda a: np.inner(a, STACK), A),
    "inner, number": (lambda a: np.inner(a, 3.0), V),
    "outer, not only vectors": (lambda a: np.outer(a, SQUARE), A),
    "outer, numbers": (lambda a: np.outer(a, 2.0), V),
    "kron": (lambda a: np.kron(a, SQUARE), A),
    "kron, fewer axes": (lambda a: np.kron(STACK, a), V),
    "kron, more axes": (lambda v: np.kron(v, A), V),
    "kron, number": (lambda a: np.kron(a, 2.0), A),
    "cross": (lambda a: np.cross(a, V), A),
    "cross, axes": (lambda a: np.cross(a, SQUARE, axisa=0, axisb=1, axisc=0), SQUARE + 1),
    "cross, axis": (lambda a: np.cross(a, SQUARE, axis=0), SQUARE + 1),
    "norm": (np.linalg.norm, A),
    "norm, axis": (lambda a: np.linalg.norm(a, axis=1, keepdims=True), A),
    "norm, two axes": (lambda a: np.linalg.norm(a, axis=(0, 2)), STACK + 1),
    "norm, order": (lambda a: np.linalg.norm(a, 3, 0), A),
    "norm of a vector, order": (lambda v: np.linalg.norm(v, ord=1), V),
    "norm, nuclear": (
        lambda a: np.linalg.norm(a, "nuc", axis=(2, 0), keepdims=True),
        np.cos(STACK[:3] ** 2 * 9),
    ),
    "norm, spectral": (lambda a: np.linalg.norm(a, 2), A),
    "norm, Frobenius": (lambda a: np.linalg.norm(a, "fro"), A),
    "multi_dot": (lambda a: np.linalg.multi_dot([a, SQUARE, V]), A),
    "svd, values alone": (lambda a: np.linalg.svd(a, compute_uv=False), A),
    "linspace": (lambda a: np.linspace(a, 3.0, 4), np.array(1.5)),
    "linspace, arrays": (lambda v: np.linspace(V, v * 2, 5, endpoint=False), V),
    "linspace, nothing": (lambda v: np.linspace(0.0, v, 0), V),
    "nan_to_num": (lambda v: np.nan_to_num(v + HOLES, nan=2.0, posinf=7.0, neginf=-7.0), np.arange(1.0, 6.0)),
    "pad": (lambda a: np.pad(a, 1), A),
    "pad, sides": (lambda a: np.pad(a, ((1, 2), (0, 3)), constant_values=((1.0, 2.0), (3.0, 4.0))), A),
    "select": (lambda a: np.select([A > 2, A > 0], [a * 2, a**2], default=-1.0), A),
    "copy": (np.copy, A),
    "cbrt": (np.cbrt, A),
    "transpose of a vector, integer": (lambda v: np.transpose(v, 0), V),
    "repeat of a number": (lambda a: np.repeat(a, 3, axis=0), np.array(2.0)),
    "exp2": (np.exp2, A),
    "deg2rad": (np.deg2rad, A),
    "radians": (np.radians, A),
    "rad2deg": (lambda a: np.rad2deg(a) / 50, A),
    "degrees": (lambda a: np.degrees(a) / 50, A),
    "fmax": (lambda a: np.fmax(a, np.array([np.nan, 0.0, 9.0])), A),
    "fmin": (lambda a: np.fmin(np.array([np.nan, 0.0, 9.0]), a), A),
    "logaddexp2": (lambda a: np.logaddexp2(a, V), A),
    "sinc": (np.sinc, np.array([0.0, 1e-3, -2e-3, 0.3, -1.5, 2.0])),
    "einsum, product": (lambda a: np.einsum("ij,jk->ik", a, SQUARE), A),
    "einsum, sum": (lambda a: np.einsum("ij->", a), A),
    "einsum, transpose": (lambda a: np.einsum("ij->ji", a), A),
    "einsum, order of letters": (lambda a: np.einsum("ba", a), A),
    "einsum, diagonal": (lambda a: np.einsum("ii->i", a), SQUARE),
    "einsum, trace": (lambda a: np.einsum("ii", a), SQUARE),
    "einsum, twice the same": (lambda a: np.einsum("ij,ij->i", a, a), A),
    "einsum, stacks": (lambda a: np.einsum("...ij,...jk->...ik", a, SQUARE), STACK),
    "einsum, ellipses stretched": (
        lambda a: np.einsum("i...,...i->i...", a, V),
        np.ones((3, 1)) * V[:, None],
    ),
    "einsum, three": (lambda a: np.einsum("ij,kj,jl->ikl", a, A, SQUARE), A),
    "einsum, diagonal and product": (
        lambda a: np.einsum("iij,jk->ik", a, SQUARE),
        SQUARE[:, None] * V[:, None],
    ),
    "einsum, lists": (lambda a: np.einsum(a, [0, 1], SQUARE, [1, 2], [0, 2]), A),
    "einsum, lists and no result": (lambda a: np.einsum(a, [1, 0]), A),
    "einsum, lists and ellipsis": (lambda a: np.einsum(a, [..., 0], V, [0], [...]), STACK),
    "einsum, optimize": (lambda a: np.einsum("ij,jk", a, SQUARE, optimize=True), A),
    "einsum, length 1 stretched": (lambda a: np.einsum("ij,jk->ik", a, SQUARE), A[:, :1]),
    "einsum, both of length 1": (lambda a: np.einsum("i,i->", a, np.array([2.0])), V[:1]),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_function_gives_numpys_numbers_and_the_right_slopes(name: str):
    numbers_and_slopes(*NAMES[name])


def test_every_function_has_a_row():
    rows = " ".join(NAMES)
    questions = {"allclose", "array_equal", "iscomplexobj", "isclose", "isrealobj"}
    known = {*numpy_names.MAIN, *numpy_names.LINALG, *numpy_names.UFUNCS} - questions
    assert [name for name in sorted(known) if name not in rows] == []


ANYWHERE: dict[str, Callable[[Any], Any]] = {
    "array_split": lambda a: np.array_split(a, 2, axis=1)[0],
    "atleast_3d": np.atleast_3d,
    "cross": lambda a: np.cross(a, a[::-1, :]),
    "diag": lambda a: np.diag(a[0, :], -1),
    "einsum": lambda a: np.einsum("ij,kj->ik", a, a),
    "exp2": np.exp2,
    "fmax": lambda a: np.fmax(a, a[::-1, :]),
    "kron": lambda a: np.kron(a, a),
    "linspace": lambda a: np.linspace(a, a * 2, 4),
    "nan_to_num": np.nan_to_num,
    "norm": lambda a: np.linalg.norm(a, "nuc"),
    "pad": lambda a: np.pad(a, 1),
    "rot90": np.rot90,
    "select": lambda a: np.select([a > 0], [a], default=2.0),
    "sinc": np.sinc,
    "vstack": lambda a: np.vstack([a, a]),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ANYWHERE)
def test_they_run_on_arrays_of_another_library_too(name: str, dtype: str):
    device, f = cr.get_device("strict:device1"), ANYWHERE[name]
    x = device.asarray(A, dtype)

    def cost(a: Any) -> Any:
        return np.sum(f(a) ** 2)

    dx = cr.grad(cost)(x)
    assert (dx.device, dx.dtype) == (x.device, x.dtype)
    rtol = 1e-4 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(device.to_numpy(dx), cr.grad(cost)(A), rtol=rtol, atol=rtol)


@given(data=st.data())
def test_einsum_of_any_two_arrays_is_numpys(data: st.DataObject):
    letters = st.text("abc", min_size=1, max_size=3)
    first, second = data.draw(letters), data.draw(letters)
    result = data.draw(st.lists(st.sampled_from(sorted({*first, *second})), unique=True))
    lengths = {a: data.draw(st.integers(0, 3)) for a in "abc"}
    random = np.random.default_rng(0)
    x, y = (random.standard_normal([lengths[a] for a in labels]) for labels in (first, second))
    text = f"{first},{second}->{''.join(result)}"
    want = np.einsum(text, x, y)
    got, back = cr.vjp(lambda x, y: np.einsum(text, x, y), x, y)
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)
    # Linear in each array: <g, f(u, y)> = <dx, u> for every u.
    g, u = random.standard_normal(want.shape), random.standard_normal(x.shape)
    np.testing.assert_allclose(
        np.sum(g * np.einsum(text, u, y)), np.sum(back(g)[0] * u), rtol=1e-10, atol=1e-10
    )


@pytest.mark.parametrize("device", ["cpu", "strict:device1"])
def test_a_dtype_may_be_named(device: str):
    x = cr.get_device(device).asarray(A)
    for name in ("float32", float, np.float64):
        y = cr.variable(x).astype(name)
        assert str(y.dtype).endswith(np.dtype(name).name)
        assert y.level
    assert not cr.variable(x).astype(int).level


def test_questions_are_answered_and_not_followed():
    def f(x: Any) -> Any:
        assert np.allclose(x, x * 3 / 3)
        assert not np.array_equal(x, x + 1)
        assert np.isclose(x, V).all()
        assert np.isrealobj(x)
        assert not np.iscomplexobj(x)
        return np.sum(x * x)

    np.testing.assert_array_equal(cr.grad(f)(V), 2 * V)
    with pytest.raises(TypeError, match="one number"):
        cr.grad(lambda x: np.allclose(x, V))(V)


REFUSED: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "split": (
        lambda a: np.split(a, 2, axis=1),
        ValueError,
        r"numpy\.split: .*divides the length 3; got 2.*array_split",
    ),
    "pad, mode": (lambda a: np.pad(a, 1, "wrap"), TypeError, r"numpy\.pad: mode='wrap'.*concatenate"),
    "vstack, dtype": (
        lambda a: np.vstack([a, a], dtype="f4"),
        TypeError,
        r"numpy\.vstack: .*'dtype'.*takes tup",
    ),
    "ravel, order": (lambda a: np.ravel(a, "F"), TypeError, r"numpy\.ravel: order='F'.*transpose"),
    "norm, axes": (lambda a: np.linalg.norm(a[None], 2), ValueError, r"numpy\.linalg\.norm: .*\(0, 1, 2\)"),
    "einsum, count": (lambda a: np.einsum("ij,jk", a), ValueError, "einsum: expected 2 arrays"),
    "einsum, axes": (
        lambda a: np.einsum("ijk->i", a),
        ValueError,
        r"einsum: expected an array of .*\(2, 3\)",
    ),
    "einsum, lengths": (lambda a: np.einsum("ij,ij", a, SQUARE), ValueError, "einsum: axis 'i' has lengths"),
    "einsum, unknown": (lambda a: np.einsum("ij->k", a), ValueError, "einsum: .*result.*'k'"),
    "einsum, twice": (lambda a: np.einsum("ij->ii", a), ValueError, "einsum: .*once"),
    "einsum, signs": (lambda a: np.einsum("i1->i", a), ValueError, "einsum: expected letters"),
    "a function with no rule": (
        lambda a: np.partition(a, 1),
        TypeError,
        r"numpy\.partition: has no gradient rule",
    ),
    "a part's function": (
        lambda a: np.linalg.cond(a),
        TypeError,
        r"numpy\.linalg\.cond: has no gradient rule",
    ),
    "a list of followed numbers": (
        lambda a: np.array([a[0, 0], 1.0]),
        TypeError,
        r"numpy\.asarray.*xp\.stack",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_says_what_to_write(name: str):
    f, kind, message = REFUSED[name]
    with pytest.raises(kind, match=message):
        f(cr.variable(A))


def test_a_function_of_another_library_is_not_called_numpys():
    special = pytest.importorskip("scipy.special")
    with pytest.raises(TypeError, match=r"^gammaln: has no gradient rule"):
        special.gammaln(cr.variable(A))
