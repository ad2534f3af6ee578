"""NumPy's functions that the standard does not have: NumPy's numbers and the right slopes, on every device."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.numpy_names.names import FUNCTIONS, UFUNCS
from tests.numpy_names.cases import CASES
from tests.numpy_names.test_dispatch import SPELLINGS, STACK, A, V, numbers_and_slopes
from tests.numpy_names.test_namespace import ROWS

SQUARE = np.array([[2.0, 1.0, 0.5], [-1.0, 3.0, 0.25], [0.5, 0.0, 1.5]])
HOLES = np.array([1.0, np.nan, np.inf, -np.inf, -2.0])


def joined(parts: Any) -> Any:
    """The parts side by side, each weighed by its place."""
    return np.concatenate([np.reshape(part, -1) * (i + 1.0) for i, part in enumerate(parts)])


def in_parts(z: Any) -> Any:
    """The real and the imaginary parts side by side."""
    return np.concatenate([np.real(z), np.imag(z)])


NAMES: dict[str, tuple[Callable[[Any], Any], np.ndarray]] = {
    "append": (lambda a: np.append(a, V), A),
    "append, axis": (lambda a: np.append(a, [[1.0, 2.0, 3.0]], axis=0), A),
    "append, number": (lambda a: np.append(V, a), np.array(2.0)),
    "diff, number in front": (lambda a: np.diff(a, prepend=0.5), A),
    "diff, at both ends": (lambda a: np.diff(a, 2, axis=0, prepend=A[:1], append=[[1.0, 2.0, 3.0]]), A),
    "diff, a followed number behind": (lambda a: np.diff(a, append=a[0]), V),
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
    "ravel method": (lambda a: a.ravel("C"), A),
    "reshape method, list": (lambda a: a.reshape([3, -1]), A),
    "reshape method, array": (lambda a: a.reshape(np.array([3, 2])), A),
    "transpose method, list": (lambda a: a.transpose([1, 0]), A),
    "transpose method, None": (lambda a: a.transpose(None), A),
    "astype method, copy": (lambda a: a.astype("f8", copy=False), A),
    "dot method": (lambda a: a.dot(SQUARE), A),
    "dot method, stacks": (lambda a: a.dot(np.swapaxes(STACK, 1, 2)), STACK),
    "dot method, number": (lambda a: a.dot(2.0), A),
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
    "norm, Frobenius": (lambda a: np.linalg.norm(a, "fro") + np.linalg.norm(a, "f"), A),
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
    "take_along_axis, flattened": (lambda a: np.take_along_axis(a, np.array([5, 0, 5]), None), A),
    "broadcast_arrays, number": (lambda a: joined(np.broadcast_arrays(a, 2.0)), A),
    "meshgrid, list": (lambda v: joined(np.meshgrid(v, [1.0, 2.0])), V),
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
    "angle": (lambda a: np.angle(a + 2j), A),
    "angle, degrees": (lambda a: np.angle(a * (1 + 2j) + 0.5, deg=True) / 50, A),
    "fft2": (lambda a: in_parts(np.fft.fft2(a)), A),
    "ifft2": (lambda a: in_parts(np.fft.ifft2(a * 2j, axes=(0, 1), norm="ortho")), A),
    "rfft2": (lambda a: in_parts(np.fft.rfft2(a, s=(3, 2))), A),
    "irfft2": (lambda a: np.fft.irfft2(a * (1 - 1j), [2, 5]), A),
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
    "einsum, list of followed numbers": (lambda v: np.einsum("i,i->", [v[0], 1.0, v[2]], v), V),
    "einsum, both of length 1": (lambda a: np.einsum("i,i->", a, np.array([2.0])), V[:1]),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_function_gives_numpys_numbers_and_the_right_slopes(name: str):
    numbers_and_slopes(*NAMES[name])


def test_every_function_has_a_row():
    rows = {re.split("[, ]", row)[0].rpartition(".")[2] for row in (*NAMES, *SPELLINGS, *CASES, *ROWS)}
    constant = {"allclose", "argsort", "array_equal", "iscomplexobj", "isclose", "isrealobj"}
    constant |= {"ndim", "result_type", "shape", "size"}
    known = {name.rpartition(".")[2] for name in (*FUNCTIONS, *UFUNCS) if not name.startswith("fft.")}
    assert known - constant - rows == set()


def plain(a: Any) -> Any:
    return cr.stop_gradient(a).value


ANYWHERE: dict[str, Callable[[Any], Any]] = {
    "append, numbers": lambda a: np.append(a, [1.0, 2.0]),
    "cross, numbers": lambda a: np.cross([1.0, 2.0, 3.0], a),
    "diff, number": lambda a: np.diff(a, prepend=0.5),
    "dot, number": lambda a: np.dot(a, 2.0),
    "dot, plain number first": lambda a: np.dot(plain(a)[0, 0], a),
    "dot, plain first": lambda a: np.dot(plain(a), a.T),
    "einsum, numbers": lambda a: np.einsum(",ij,j->i", 2.0, a, [1.0, 2.0, 3.0]),
    "fmax, number": lambda a: np.fmax(1.5, a),
    "inner, plain first": lambda a: np.inner(plain(a), a),
    "kron, plain number first": lambda a: np.kron(plain(a)[0, 0], a),
    "linspace, plain first": lambda a: np.linspace(plain(a), a, 3),
    "linspace, number": lambda a: np.linspace(0, a, 3),
    "logaddexp2, number": lambda a: np.logaddexp2(a, 0.5),
    "outer, plain first": lambda a: np.outer(plain(a), a),
    "repeat, list": lambda a: np.repeat(a, [1, 2, 0], axis=1),
    "reshape, integer": lambda a: np.reshape(a, -1),
    "select, numbers": lambda a: np.select([a > 1, a > 0], [a, 1.0], default=2),
    "stack, numbers": lambda a: np.stack([a[0, 0], 2.0]),
    "solve, list": lambda a: np.linalg.solve(a[:, 1:], [[1.0], [2.0]]),
    "take, list": lambda a: np.take(a, [0, 0, 2], axis=1),
    "take_along_axis, list": lambda a: np.take_along_axis(a, [[0], [2]], axis=1),
    "tensordot, list": lambda a: np.tensordot(a, [[1.0, 2.0], [3.0, 4.0]], axes=(0, 1)),
    "where, list": lambda a: np.where(a > 1, a, [1.0, 2.0, 3.0]),
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


def test_einsum_sums_in_the_dtype_of_its_result():
    x = np.array([[1e8, 1.0, -1e8]], dtype="float32")
    got = np.einsum("ij,k->i", cr.variable(x), V)
    np.testing.assert_array_equal(got.value, np.einsum("ij,k->i", x, V))
    (dx,) = cr.vjp(lambda x: np.einsum("ij,k->i", x, V), x)[1](np.ones(1))
    assert dx.dtype == np.float32


@pytest.mark.parametrize("device", ["cpu", "strict:device1"])
def test_a_dtype_may_be_named(device: str):
    x = cr.get_device(device).asarray(A)
    for name in ("float32", float, np.float64):
        y = cr.variable(x).astype(name)
        assert str(y.dtype).endswith(np.dtype(name).name)
        assert y.level
    assert not cr.variable(x).astype(int).level


@pytest.mark.parametrize("device", ["cpu", "strict:device1"])
def test_questions_are_answered_and_not_followed(device: str):
    def f(x: Any) -> Any:
        assert np.allclose(x, b=x * 3 / 3)
        assert np.allclose(x, x + 0.01, atol=0.1)
        assert not np.allclose(x, [1.0, -2.0, 0.6])
        assert np.array_equal(a1=x, a2=x)
        assert not np.array_equal(x, x + 1)
        assert not np.array_equal(x, x[:2])
        assert np.isclose(x, x * 1.0).all()
        assert np.isrealobj(x)
        assert not np.iscomplexobj(x)
        return np.sum(x * x)

    device = cr.get_device(device)
    np.testing.assert_array_equal(device.to_numpy(cr.grad(f)(device.asarray(V))), 2 * V)


@pytest.mark.parametrize("device", ["cpu", "strict:device1"])
def test_the_shape_and_the_order_of_a_followed_array_are_numpys(device: str):
    x = cr.variable(cr.get_device(device).asarray(A))
    assert (np.ndim(x), np.shape(x), np.size(x)) == (2, (2, 3), 6)
    assert (np.size(x, axis=1), np.size(x, axis=(0, -1)), np.size(a=x, axis=())) == (3, 6, 1)
    with pytest.raises(IndexError, match=r"numpy\.size: got axis 2"):
        np.size(x, axis=2)
    for axis in (-1, 0, None):
        order = np.argsort(x, axis=axis)
        assert not order.level
        np.testing.assert_array_equal(cr.get_device(device).to_numpy(order.value), np.argsort(A, axis=axis))


ODD = np.array([1.0, 1.0 + 1e-9, -1e-9, np.inf, -np.inf, np.nan, 0.0])


@pytest.mark.parametrize("equal_nan", [False, True])
def test_isclose_is_numpys(equal_nan: bool):
    pairs = np.stack(np.meshgrid(ODD, ODD))
    got = np.isclose(*(cr.variable(x) for x in pairs), equal_nan=equal_nan)
    np.testing.assert_array_equal(np.asarray(got), np.isclose(*pairs, equal_nan=equal_nan))
    for x in (ODD, ODD[:3]):
        got = np.array_equal(cr.variable(x), x, equal_nan=equal_nan)
        assert got is np.array_equal(x, x, equal_nan=equal_nan)


def test_a_question_has_no_gradient():
    with pytest.raises(TypeError, match="one number"):
        cr.grad(lambda x: np.allclose(x, V))(V)


def test_points_between_whole_numbers():
    """Constants of a traced namespace may be integers."""
    xp = cr.differentiable(np)
    for start, stop in (
        (xp.asarray(0), 10),
        (xp.asarray(np.uint8(9)), xp.asarray(np.uint8(2))),
        ([0], xp.asarray(3)),
    ):
        got = np.linspace(start, stop, 5)
        want = np.linspace(*(getattr(x, "value", x) for x in (start, stop)), 5)
        np.testing.assert_allclose(got.value, want, rtol=1e-14)
        assert got.dtype == want.dtype


@given(
    st.floats(-1e20, 1e20),
    st.floats(-1e20, 1e20) | st.sampled_from([0.0, 1.0]),
    st.integers(0, 9),
    st.booleans(),
)
@example(start=5e-324, stop=0.0, num=3, endpoint=False)
@example(start=1e16, stop=1.0, num=3, endpoint=True)
def test_points_are_numpys_to_the_last_bit(start: float, stop: float, num: int, endpoint: bool):
    got = np.linspace(cr.variable(np.array(start)), stop, num, endpoint=endpoint)
    # Where a step is too small for a float, NumPy takes another way.
    np.testing.assert_allclose(
        got.value, np.linspace(start, stop, num, endpoint=endpoint), rtol=0, atol=1e-300
    )


def test_what_takes_the_place_of_nan_may_be_infinite():
    for ends in ({"nan": np.inf}, {"posinf": -np.inf, "neginf": 3.0}, {"nan": -np.inf, "posinf": np.nan}):
        got, want = np.nan_to_num(cr.variable(HOLES), **ends), np.nan_to_num(HOLES, **ends)
        np.testing.assert_array_equal(got.value, want)
    whole = cr.differentiable(np).asarray([1, 2])
    np.testing.assert_array_equal(np.asarray(np.nan_to_num(whole)), [1, 2])


NUMBERS: dict[str, Callable[[Any], Any]] = {
    "fmin": lambda a: np.fmin(a, 0.5),
    "linspace": lambda a: np.linspace(a, 2, 3),
    "logaddexp2": lambda a: np.logaddexp2(2.0, a),
    "select": lambda a: np.select([a > 1, a > 0], [a, 1.0], default=0),
}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_takes_the_dtype_of_the_array_beside_it(name: str):
    x = A.astype(np.float32)
    assert NUMBERS[name](cr.variable(x)).dtype == NUMBERS[name](x).dtype == np.float32


def test_a_product_of_two_matrices_is_one_operation():
    for a, b in ((A, SQUARE), (V, SQUARE), (STACK, SQUARE), (V, V), (V, np.swapaxes(STACK, 1, 2))):
        x = cr.variable(a)
        assert np.dot(x, b).node.edges[0][0] is x.node
        assert x.dot(b).node.edges[0][0] is x.node


def test_a_copy_may_be_of_anything():
    for x in ([True, False], [1, 2]):
        constant = cr.differentiable(np).asarray(x)
        for got in (np.copy(constant), constant.copy()):
            np.testing.assert_array_equal(np.asarray(got), x)
            assert not np.shares_memory(got.value, constant.value)


@pytest.mark.parametrize("device", ["cpu", "strict:device1"])
def test_counts_and_dtypes_are_no_numbers_to_follow(device: str):
    x = cr.variable(cr.get_device(device).asarray(A))
    assert int(np.count_nonzero(x > 1)) == np.count_nonzero(A > 1)
    assert [int(n) for n in np.count_nonzero(x - 1, axis=1)] == [2, 3]
    assert np.result_type(x, 1.0) == x.dtype


def test_an_axis_may_be_an_integer_of_numpys():
    xp, axis = cr.differentiable(np), np.int64(-1)
    for f in (
        xp.sum,
        xp.prod,
        xp.mean,
        xp.std,
        xp.max,
        xp.linalg.vector_norm,
        xp.logsumexp,
        xp.cumulative_sum,
    ):
        want = cr.grad(lambda x, f=f: xp.sum(f(x, axis=-1) ** 2))(A)
        np.testing.assert_array_equal(cr.grad(lambda x, f=f: xp.sum(f(x, axis=axis) ** 2))(A), want)
    assert cr.grad(lambda x: xp.logsumexp(x, axis=0))(np.array(2.0)) == 1


REFUSED: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "split": (
        lambda a: np.split(a, 2, axis=1),
        ValueError,
        r"numpy\.split: .*divides the length 3; got 2.*array_split",
    ),
    "diff, axis": (
        lambda a: np.diff(a, axis=None),
        TypeError,
        r"numpy\.diff: expected a whole number .*None",
    ),
    "unstack, axis": (
        lambda a: np.unstack(a, axis=(0,)),
        TypeError,
        r"unstack: expected a whole number .*\(0,\)",
    ),
    "cumulative_sum, no axis": (np.cumulative_sum, ValueError, "axis"),
    "linspace, less than nothing": (
        lambda a: np.linspace(a, 1.0, -1),
        ValueError,
        r"linspace: num must be a whole number from 0 up, got -1",
    ),
    "split, no parts": (lambda a: np.array_split(a, 0), ValueError, r"numpy\.array_split: .*1 up, got 0"),
    "split, fewer than no parts": (lambda a: np.split(a, -1), ValueError, r"numpy\.split: .*1 up, got -1"),
    "split, fractions": (lambda a: np.split(a, [1.5]), TypeError, r"numpy\.split: .*whole number.*\[1\.5\]"),
    "split, axis": (lambda a: np.split(a, 1, axis=2), IndexError, r"numpy\.split: got axis 2; .*-2 to 1"),
    "median, axis": (lambda a: np.median(a, axis=7), IndexError, r"numpy\.median: got axis 7; .*-2 to 1"),
    "median, one axis twice": (
        lambda a: np.median(a, axis=(0, -2)),
        ValueError,
        r"numpy\.median: .*different axes.*\(0, -2\)",
    ),
    "nanmedian, axis": (lambda a: np.nanmedian(a, axis=-3), IndexError, r"numpy\.nanmedian: got axis -3"),
    "percentile, axis": (
        lambda a: np.percentile(a, 5, axis=2),
        IndexError,
        r"numpy\.percentile: got axis 2",
    ),
    "sum, a mask larger than the array": (
        lambda a: np.sum(a[0], where=np.ones((2, 3), bool)),
        ValueError,
        "more dimensions",
    ),
    "apply_over_axes, axis": (
        lambda a: np.apply_over_axes(np.sum, a, [5]),
        IndexError,
        r"numpy\.apply_over_axes: got axis 5",
    ),
    "vsplit, vector": (
        lambda a: np.vsplit(a[0], 1),
        ValueError,
        r"numpy\.vsplit: .*\(3,\)\. Write numpy\.split",
    ),
    "hsplit, number": (
        lambda a: np.hsplit(a[0, 0], 1),
        IndexError,
        r"numpy\.hsplit: got axis 0; expected none",
    ),
    "dsplit, matrix": (lambda a: np.dsplit(a, 1), IndexError, r"numpy\.dsplit: got axis 2"),
    "swapaxes": (lambda a: np.swapaxes(a, 0, 2), IndexError, r"numpy\.swapaxes: got axis 2"),
    "fliplr": (lambda a: np.fliplr(a[0]), IndexError, r"numpy\.fliplr: got axis 1"),
    "rot90, one axis": (
        lambda a: np.rot90(a, axes=(0, -2)),
        ValueError,
        r"numpy\.rot90: .*different.*\(0, -2\)",
    ),
    "rot90, three axes": (lambda a: np.rot90(a[None], axes=(0, 1, 2)), ValueError, r"numpy\.rot90: .*two"),
    "diagonal, one axis": (lambda a: np.diagonal(a, 0, 1, -1), ValueError, r"numpy\.diagonal: .*different"),
    "trace of a vector": (lambda a: np.trace(a[0]), IndexError, r"numpy\.diagonal: got axis 1"),
    "diag of a stack": (lambda a: np.diag(a[None]), ValueError, r"numpy\.diag: .*\(1, 2, 3\)"),
    "pad, less than nothing": (lambda a: np.pad(a, -1), ValueError, r"numpy\.pad: .*from 0 up.*got -1"),
    "pad, dict": (lambda a: np.pad(a, {0: 1}), ValueError, r"numpy\.pad: .*whole numbers.*\{0: 1\}"),
    "pad, followed": (lambda a: np.pad(a, 1, constant_values=a[0, 0]), TypeError, "would be lost"),
    "cross, four components": (
        lambda a: np.cross(np.hstack([a, a[:, :1]]), np.ones(4)),
        ValueError,
        r"cross: expected vectors of three .*\(2, 4\) and \(4,\)",
    ),
    "cross, one component": (lambda a: np.cross(a[0, :1], V), ValueError, r"cross: .*three .*\(1,\)"),
    "cross, number": (
        lambda a: np.cross(a[0, 0], V),
        IndexError,
        r"numpy\.cross: got axis -1; expected none",
    ),
    "linalg.cross": (
        lambda a: np.linalg.cross(np.hstack([a, a]), np.ones(6)),
        ValueError,
        r"cross: expected vectors of three",
    ),
    "linalg.vecdot": (
        lambda a: np.linalg.vecdot(a[:, :1], A),
        ValueError,
        "vecdot: expected vectors of equal lengths; got 1 and 3",
    ),
    "linalg.qr": (
        lambda a: np.linalg.qr(a, "raw"),
        ValueError,
        "qr: mode must be 'reduced' or 'complete'; got 'raw'",
    ),
    "linalg.svd": (lambda a: np.linalg.svd(a[0]), ValueError, "1-dimensional array given"),
    "multi_dot, one": (
        lambda a: np.linalg.multi_dot([a]),
        ValueError,
        r"numpy\.linalg\.multi_dot: expected two .*\(2, 3\)",
    ),
    "multi_dot, stacks": (
        lambda a: np.linalg.multi_dot([a, STACK, a]),
        ValueError,
        r"multi_dot: .*\(4, 2, 3\)",
    ),
    "nan_to_num, in place": (
        lambda a: np.nan_to_num(a, copy=False),
        TypeError,
        r"numpy\.nan_to_num: copy=False",
    ),
    "select, choices": (
        lambda a: np.select([a > 1], [a, a]),
        ValueError,
        r"numpy\.select: .*1 conditions and 2",
    ),
    "take, number": (lambda a: np.take(a[0, 0], 0, axis=0), IndexError, "take: got axis 0; expected none"),
    "another part": (lambda a: np.emath.sqrt(a), TypeError, r"scimath(_impl)?\.sqrt: has no gradient rule"),
    "ravel method, order": (lambda a: a.ravel("Z"), ValueError, r"expected order= 'C' or 'F'.*got 'Z'"),
    "ravel, gaps": (lambda a: a[:, ::2].ravel("K"), TypeError, r"order='K' of an array with gaps"),
    "pad, mode": (lambda a: np.pad(a, 1, "wrapped"), ValueError, r"numpy\.pad: .*got 'wrapped'"),
    "vstack, dtype": (
        lambda a: np.vstack([a, a], dtype="f4"),
        TypeError,
        r"numpy\.vstack: dtype= .*leave it out and write xp.astype.*takes tup",
    ),
    "norm, axes": (lambda a: np.linalg.norm(a[None], 2), ValueError, r"numpy\.linalg\.norm: .*\(0, 1, 2\)"),
    "einsum, count": (lambda a: np.einsum("ij,jk", a), ValueError, "einsum: expected 2 arrays"),
    "einsum, axes": (
        lambda a: np.einsum("ijk->i", a),
        ValueError,
        r"einsum: expected an array of .*\(2, 3\)",
    ),
    "einsum, lengths": (lambda a: np.einsum("ij,ij", a, SQUARE), ValueError, "einsum: axis 'i' has lengths"),
    "einsum, one array": (
        lambda a: np.einsum("ii", a[:1]),
        ValueError,
        "einsum: axis 'i' has lengths 1 and 3",
    ),
    "einsum, lost axes": (
        lambda a: np.einsum("...j->j", a),
        ValueError,
        r"einsum: expected '\.\.\.' in the result",
    ),
    "einsum, no labels": (lambda a: np.einsum(a, SQUARE), TypeError, "einsum: expected whole numbers"),
    "einsum, letters in a list": (lambda a: np.einsum(a, ["i", "j"]), TypeError, r"einsum: .*\['i', 'j'\]"),
    "einsum, two ellipses": (lambda a: np.einsum(a, [..., ...]), TypeError, r"einsum: .*at most one \.\.\."),
    "einsum, unknown": (lambda a: np.einsum("ij->k", a), ValueError, "einsum: .*result.*'k'"),
    "einsum, twice": (lambda a: np.einsum("ij->ii", a), ValueError, "einsum: .*once"),
    "einsum, signs": (lambda a: np.einsum("i1->i", a), ValueError, "einsum: expected letters"),
    "a function with no rule": (
        np.sort_complex,
        TypeError,
        r"numpy\.sort_complex: has no gradient rule",
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


@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
@pytest.mark.parametrize(
    "f",
    [
        *(np.median, np.nanmedian, lambda a: np.median(a, axis=1, keepdims=True)),
        *(lambda a: np.nanmax(a, initial=0.5), lambda a: np.nanmin(a, axis=1, initial=0.5)),
    ],
)
def test_no_elements_give_numpys_numbers(f: Callable[[Any], Any]):
    x = np.ones((2, 0))
    value, pullback = cr.vjp(f, x)
    np.testing.assert_array_equal(value, f(x), strict=True)
    assert pullback(value)[0].shape == x.shape


def test_a_function_of_another_library_is_not_called_numpys():
    special = pytest.importorskip("scipy.special")
    with pytest.raises(TypeError, match=r"^ber: has no gradient rule"):
        special.ber(cr.variable(A))


@pytest.mark.filterwarnings("ignore:Degrees of freedom:RuntimeWarning")
def test_covariances_of_too_few_observations_are_infinite():
    settings = {"ddof": 3, "aweights": np.array([1.0, 2.0])}
    with np.errstate(divide="ignore"):
        want = np.cov([[1.0, 2.0], [3.0, 1.0]], **settings)
        found = cr.vjp(lambda x: np.cov(x, **settings), np.array([[1.0, 2.0], [3.0, 1.0]]))[0]
    assert np.isinf(want).all()
    np.testing.assert_array_equal(found, want)


@pytest.mark.parametrize("dtype", [float, complex])
def test_vectors_of_either_half_have_numpys_phases(dtype: type):
    random = np.random.default_rng(0)
    for n in (2, 3, 4, 5):
        x = random.normal(size=(3, n, n)).astype(dtype)
        x = x + 1j * random.normal(size=x.shape) if dtype is complex else x
        for half in ("L", "U", "u"):
            for want, y in zip(np.linalg.eigh(x, half), np.linalg.eigh(cr.variable(x), half), strict=True):
                np.testing.assert_array_equal(y.value, want)
            np.testing.assert_array_equal(
                cr.vmap(lambda x, h=half: np.linalg.eigh(x, h)[1])(x), np.linalg.eigh(x, half)[1]
            )
    x = random.normal(size=(3, 3))
    f = lambda x: np.sum(np.sin(np.linalg.eigh(x + x.T, "U")[1]))  # noqa: E731
    cr.check_gradients(f, x, order=2)
    np.testing.assert_array_equal(cr.compile(f)(x), f(x))


@pytest.mark.parametrize("f", [np.mean, np.var, np.std, np.nanmean])
def test_masked_means_of_many_in_float16_do_not_overflow(f: Callable[..., Any]):
    x = np.tile(np.array([60.0, 61.0], dtype=np.float16), 40000)
    y = f(cr.variable(x), where=np.ones(x.shape, dtype=bool))
    assert y.dtype == x.dtype
    assert y.value == f(x.astype(np.float64))


@pytest.mark.parametrize("f", [np.i0, np.poly, np.sinc, np.median, np.trapezoid])
def test_half_precision_has_numpys_dtypes(f: Callable[..., Any]):
    x = np.array([1.0, 2.0, 0.5], dtype=np.float16)
    assert f(cr.variable(x)).dtype == f(x).dtype
    assert cr.grad(lambda x: np.sum(f(x)))(x).dtype == x.dtype


@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.interp(x, x, x * x)[1],
        lambda x: np.sum(np.frexp(x)[0]),
        lambda x: np.sum(np.piecewise(x[0], [True], [1.5])) * x[1],
    ],
)
def test_gradients_of_each_element_of_a_batch_are_those_one_by_one(f: Callable[..., Any]):
    rows = np.array([[0.3, 0.7, 1.9], [0.2, 2.5, 3.1]])
    np.testing.assert_array_equal(cr.vmap(cr.grad(f))(rows), np.stack([cr.grad(f)(row) for row in rows]))


@pytest.mark.parametrize("name", ["nanquantile", "nanpercentile"])
def test_quantiles_of_nothing_are_nan_beside_weights_too(name: str):
    x, settings = np.array([np.nan, np.nan]), {"weights": np.ones(2), "method": "inverted_cdf"}
    assert np.isnan(getattr(np, name)(cr.variable(x), 0.5, **settings).value)


def test_complex_numbers_have_no_mantissas():
    with pytest.raises(TypeError, match="frexp: expected real numbers"):
        np.frexp(cr.variable(np.array([1.0 + 2.0j])))
