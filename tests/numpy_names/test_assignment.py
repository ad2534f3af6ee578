"""Item assignment: programs that change arrays have NumPy's values, and the slopes of complex steps."""

import os
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import chainrule as cr
import chainrule.numpy as cnp

SPACE = cr.differentiable(np)
W = np.array([[0.3, -0.7, 1.1], [0.6, 0.2, -0.4]])


def grown(xp: Any, w: Any) -> Any:
    H = xp.zeros((4, 3), dtype=w.dtype)
    before = H[0]
    before[:] = w[0]
    for t in range(1, 4):
        H[t] = np.sin(H[t - 1] * w[1])
        H[t][1] = H[t, 1] + before[0]
    return H


def through_views(xp: Any, w: Any) -> Any:
    x = w * 2
    row, flat, turned = x[0], x.reshape(-1), x.T
    row[1] = w[1, 2]
    turned[::-1, 1] *= 3
    flat[-2:] += w[0, :2]
    return x * row + np.flip(turned.T)


def kept(xp: Any, w: Any) -> Any:
    x = np.sin(w)
    y, copy, other = x * x, x.flatten(), x
    x[:, 0] = 5.0
    other[0] -= w[1]
    copy[0] = w[0, 0]
    return x + y + copy.reshape(2, 3)


def by_indices(xp: Any, w: Any) -> Any:
    x = xp.ones((5,), dtype=w.dtype)
    x[[0, 3, 0]] = w[0]
    x[np.array([True, False, False, True, True])] *= w[1]
    np.add.at(x, np.array([1, 1, -1]), w[0])
    x[np.array([[4, 2], [2, 2]])] = w[:, :2]
    return x


def of_the_argument(xp: Any, w: Any) -> Any:
    v, row = w, w[1]
    v += 1.0
    w *= row
    return w * v + row


def numbers(xp: Any, w: Any) -> Any:
    s = np.sum(w)
    t = s
    s += 1.0
    for v in w[0]:
        v *= 2.0
        s = s * v
    return s + t


def named(xp: Any, w: Any) -> Any:
    x = xp.zeros((3, 2), dtype=w.dtype)
    parts, diagonal, wide = np.split(x, [1]), np.diagonal(x), np.broadcast_to(x, (2, 3, 2))
    np.ravel(x)[1:3] = w[0, :2]
    np.rot90(x)[0, 0] = w[1, 1]
    x[2:] = w[1:, 1:]
    return sum(np.sum(np.sin(p) * i) for i, p in enumerate((*parts, diagonal, wide, np.squeeze(x[None])), 1))


def numbers_of_a_row(xp: Any, w: Any) -> Any:
    x = w * 2
    a, b, c = x[0]
    x[0] = 5.0
    corner, one = x[1, 1, ...], np.squeeze(x[1:, 2:])
    corner += a
    one *= b
    return x * c


def as_they_lie(xp: Any, w: Any) -> Any:
    x, y = w.T.copy(), w * 1
    y[0] += y.T.ravel("A")[1:4]
    x.reshape(-1)[1] = w[0, 0]
    np.ravel(y.T, order="F")[2] = w[1, 1]
    y.T.ravel("K")[0] *= 3
    return x.T + y


def views_and_copies(xp: Any, w: Any) -> Any:
    x, z = w * 1, xp.ones((2, 3), dtype=w.dtype)
    views = (np.lib.stride_tricks.sliding_window_view(x, 2, axis=1), np.broadcast_arrays(z, w)[0])
    copies = (np.pad(x, 0), np.choose([0], [x]), np.block(x))
    x[0], z[1] = w[1], w[0] * w[1]
    return sum(np.sum(np.sin(y) * i) for i, y in enumerate((*views, *copies), 1))


def parts_and_rows(xp: Any, w: Any) -> Any:
    x, z = w * 1, xp.ones((2, 3), dtype=w.dtype)
    first, _ = np.unstack(z)
    a, b = np.unstack(x, axis=1)[:2]
    picked, row = x.flat[1:3], x.T.flat
    picked[0], z[0], row[1] = 5.0, w[1], w[0, 0]
    x.flat[-2:] *= 3
    return x * first + sum(v * i for i, v in enumerate(row)) + np.sum(a * b) + picked[1]


def numbers_as_arrays(xp: Any, w: Any) -> Any:
    s, zero = xp.asarray(w[0, 0]), xp.zeros((), dtype=w.dtype)
    same, also, number = s, zero, w[0, 2]
    before = number
    for v in w[1]:
        s += v
        zero += v * s
        number *= v
    zero[...] = zero * 2
    return same * also * w + before * number


def written_to(xp: Any, w: Any) -> Any:
    y, total = xp.zeros((2, 3), dtype=w.dtype), xp.zeros((), dtype=w.dtype)
    np.sum(np.multiply(w, w, out=y) * w, out=total)
    np.add(y, w, y)
    return y * total


def copies_for_each_of_a_batch(xp: Any, w: Any) -> Any:
    x, turned = xp.zeros((3, 2), dtype=w.dtype), xp.ones((2, 3), dtype=w.dtype).T
    for y in (x, turned):
        np.add.at(y, (slice(1, None), slice(None, None, -1)), w[0, 0])
        row = y.ravel()
        row[[-5, 0]] = w[0, 1]
    return x + turned


PROGRAMS: list[Callable[..., Any]] = [
    grown,
    through_views,
    kept,
    by_indices,
    of_the_argument,
    numbers,
    named,
    numbers_of_a_row,
    as_they_lie,
    views_and_copies,
    parts_and_rows,
    numbers_as_arrays,
    written_to,
    copies_for_each_of_a_batch,
]
EVERY = pytest.mark.parametrize("program", PROGRAMS)


def loss(xp: Any, program: Callable[..., Any]) -> Callable[..., Any]:
    def f(w: Any) -> Any:
        y = program(xp, w)
        return np.sum(np.sin(y * 0.5) * np.cos(np.arange(float(y.size)).reshape(y.shape)))

    return f


def slopes(f: Callable[..., Any], w: Any) -> np.ndarray:
    """The gradient of a program that NumPy itself runs, by complex steps."""
    steps = np.eye(w.size).reshape(w.size, *w.shape) * 1e-25j
    return np.array([f(w + step).imag / 1e-25 for step in steps]).reshape(w.shape)


@EVERY
def test_a_program_that_changes_arrays_has_the_value_and_the_gradient_that_it_has_in_numpy(program: Any):
    w = W.copy()
    value, g = cr.value_and_grad(loss(SPACE, program))(w)
    np.testing.assert_array_equal(w, W)
    np.testing.assert_allclose(value, loss(np, program)(W.copy()), rtol=1e-14)
    np.testing.assert_allclose(g, slopes(loss(np, program), W), rtol=1e-12, atol=1e-14)


@EVERY
def test_it_has_rates_second_derivatives_a_batch_and_compiled_code(program: Any):
    f, v = loss(SPACE, program), np.cos(W)
    g = cr.grad(f)(W)
    np.testing.assert_allclose(cr.jvp(f, (W,), (v,))[1], np.sum(g * v), rtol=1e-12)
    cr.check_gradients(f, W, order=2)
    batch = np.stack([W, W * 0.5])
    np.testing.assert_allclose(cr.vmap(cr.grad(f))(batch), [g, cr.grad(f)(W * 0.5)], rtol=1e-12)
    if program is not by_indices:
        np.testing.assert_allclose(cr.compile(cr.grad(f))(W), g, rtol=1e-12)
    if program is not of_the_argument:
        np.testing.assert_allclose(cr.vmap(f)(batch)[1], cr.value_and_grad(f)(W * 0.5)[0], rtol=1e-12)


def first(x: Any, value: Any = 1.0) -> None:
    x[0] = value


CALLERS, OUTSIDE = np.ones(3), SPACE.zeros((3,))
REFUSED = {
    "an argument": (lambda w: first(w), r"argument.*x\.at\[key\]\.set"),
    "a part of it": (lambda w: first(w[1:]), "argument"),
    "the caller's memory": (lambda w: first(SPACE.asarray(CALLERS), w[0]), "caller's memory"),
    "a plain array": (lambda w: np.zeros((2, 3)).__setitem__(0, w), r"chainrule\.numpy\.zeros"),
    "what outlives the function": (lambda w: first(OUTSIDE, w[0]), "made outside"),
    "what outlives it, by +=": (lambda w: OUTSIDE.__iadd__(w), "made outside"),
    "memory handed out": (lambda w: handed_out(w), "caller's memory"),
    "copies in one place": (lambda w: first(np.broadcast_to(w * 1, (2, 3))), "cannot be written to"),
    "out of another shape": (lambda w: np.sum(w, axis=0, out=SPACE.zeros((2, 3))), "expected out= of shape"),
    "integers": (lambda w: first(SPACE.zeros(3, dtype=np.int64), w[0]), "int64 cannot hold"),
    "a larger result": (lambda w: (w * 1).__iadd__(np.ones((2, 3))), "shape"),
    "a result of a gate that shares memory": (lambda w: shared(w), "shares memory"),
}


def handed_out(w: Any) -> None:
    x = SPACE.zeros(3)
    plain = np.asarray(x)
    x[0] = w[0] * plain[1]


def shared(w: Any) -> None:
    x = w * 2
    y = cr.gate(lambda xp, x: (x, (lambda g: g,)))(x)
    x[0] = 1.0
    del y


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_followed_is_refused(name: str):
    f, message = REFUSED[name]
    with pytest.raises((TypeError, ValueError), match=message):
        cr.vjp(lambda w: (f(w), w)[1], np.array([1.0, 2.0, 3.0]))
    np.testing.assert_array_equal(CALLERS, 1)


@pytest.mark.parametrize("key", [1, (slice(None), [2, 0]), np.array([1, 1]), W > 0])
def test_at_gives_a_new_array(key: Any):
    v = np.full(W[key].shape, 2.5)
    changed, more = W.copy(), W.copy()
    changed[key] = v
    np.add.at(more, key, v)
    before = W.copy()
    np.testing.assert_array_equal(cr.at(W)[key].set(2.5), changed)
    np.testing.assert_array_equal(cr.at(W)[key].add(v), more)
    np.testing.assert_array_equal(W, before)
    cr.check_gradients(lambda w, v: np.sum(cr.at(w)[key].set(v) ** 2 + cr.at(w)[key].add(v) ** 2), W, v)


def test_arrays_of_chainrule_numpy_take_traced_items_inside_a_followed_function():
    def f(w: Any) -> Any:
        x, y, eye = cnp.zeros(3), cnp.full_like(w, 0.5), cnp.eye(3)
        for made in (cnp.array(CALLERS), cnp.copy(CALLERS), cnp.array([1.0, 2.0]), cnp.arange(3.0)):
            made[0] = w[2]
            x[0] += made[0] * made[1]
        x[1:] += w[:2] * w[2]
        y[0] = x[1]
        eye[0, 1] = w[0]
        cnp.add.at(y, np.array([1, 1]), w[0])
        return cnp.sum(x * x) + cnp.sum((eye @ y) ** 2)

    w = np.array([1.0, 2.0, 3.0])
    g = cr.grad(f)(w)
    cr.check_gradients(f, w, order=2)
    np.testing.assert_allclose(cr.vmap(cr.grad(f))(np.stack([w, w]))[1], g)
    np.testing.assert_allclose(cr.jacobian(f)(w), g)
    np.testing.assert_allclose(cr.compile(f)(w), cr.vmap(f)(w[None])[0])
    np.testing.assert_allclose(cr.compile(cr.grad(f))(w), g)
    assert type(cnp.zeros(3)) is np.ndarray
    np.testing.assert_array_equal(CALLERS, 1)
    for callers in (cnp.asarray, lambda x: cnp.array(x, copy=False)):
        assert cr.grad(lambda w, f=callers: np.sum(w) * (f(CALLERS) is CALLERS))(w).all()


def test_arrays_made_in_other_threads_take_items_too():
    def f(w: Any) -> Any:
        def part(i: int) -> Any:
            x = w.__array_namespace__().zeros((3,))
            x[:2] = w[i]
            return np.sum(x)

        return sum(pool.map(part, range(3)))

    with ThreadPoolExecutor(1) as pool:
        np.testing.assert_array_equal(cr.grad(f)(np.ones(3)), 2)


def written_in_the_inner_function(a: Any) -> Any:
    x = np.sin(a)

    def inner(b: Any) -> Any:
        y = np.sum(x * b * b)
        x[0] = 5.0
        return y

    return np.sum(cr.grad(inner)(np.array([1.0, 2.0, 3.0])))


def written_before_the_pullback(a: Any) -> Any:
    x = np.sin(a)
    _, pullback = cr.vjp(lambda b: np.sum(x * b * b), np.array([1.0, 2.0, 3.0]))
    x[0] = 5.0
    return np.sum(pullback(1.0)[0])


@pytest.mark.parametrize("f", [written_in_the_inner_function, written_before_the_pullback])
def test_what_an_inner_pullback_keeps_is_not_changed_by_a_later_write(f: Any):
    a = np.array([0.1, 0.2, 0.3])
    np.testing.assert_allclose(cr.grad(f)(a), 2 * np.cos(a) * [1, 2, 3], rtol=1e-14)


def test_methods_that_take_their_arguments_otherwise_than_numpys_functions_of_their_names():
    def f(w: Any) -> Any:
        same = w * 1
        same.conj()[0] = 5.0
        return np.sum(same) + np.sum(w.compress([True, False, True]) ** 2)

    np.testing.assert_array_equal(cr.grad(f)(np.array([2.0, 3.0, 4.0])), [4, 1, 9])


def test_what_trim_zeros_leaves_is_a_view():
    def f(w: Any) -> Any:
        x = w * 1
        np.trim_zeros(x)[0] = 5.0
        return np.sum(x * x)

    np.testing.assert_array_equal(cr.grad(f)(np.array([2.0, 3.0, 4.0])), [0, 6, 8])


def test_infinite_slopes_of_what_was_written_over_do_not_reach_the_gradient():
    def f(w: Any) -> Any:
        x = np.sqrt(w)
        x[0] = 1.0
        return np.sum(x)

    with np.errstate(divide="ignore"):
        np.testing.assert_array_equal(cr.grad(f)(np.array([0.0, 4.0])), [0, 0.25])


def test_values_are_cast_to_the_dtype_of_the_array():
    def f(w: Any) -> Any:
        x = SPACE.zeros((2,), dtype=np.float32)
        x[0] = w
        x += w
        assert x.dtype == np.float32
        return np.sum(x)

    g = cr.grad(f)(np.array(2.0))
    assert g.dtype == np.float64
    assert g == 3


# --- Random programs ---

TAKES = [
    lambda x: x.T,
    lambda x: x.ravel(),
    lambda x: x.reshape(-1),
    lambda x: x[None],
    lambda x: np.flip(x),
    lambda x: np.split(x, [1])[0],
    lambda x: x[..., ::-1],
    lambda x: np.atleast_2d(x),
    lambda x: np.diagonal(x.reshape(x.shape[0], -1)),
    lambda x: x.flatten(),
    lambda x: x.copy(),
    lambda x: np.concatenate([x]),
    lambda x: np.roll(x, 1, axis=0),
    lambda x: np.sin(x),
    lambda x: x,
    lambda x: x[[0, -1]],
    lambda x: np.repeat(x, 2, axis=0),
]


def random_key(draw: random.Random, shape: tuple[int, ...]) -> Any:
    if draw.random() < 0.25:
        return [draw.randrange(-shape[0], shape[0]) for _ in range(2)]
    parts: list[Any] = [
        draw.choice([draw.randrange(-n, n), slice(draw.randrange(n), None), slice(None, None, -1)])
        for n in shape
    ]
    return tuple(parts[: draw.randrange(1, len(parts) + 1)])


def random_program(seed: int, xp: Any, w: Any) -> Any:
    draw = random.Random(seed)
    pool = [np.sin(w) * 1.5, xp.zeros((3, 2), dtype=w.dtype), w * 1.0]
    for _ in range(8):
        x = draw.choice([y for y in pool if y.ndim and y.shape[0]])
        kind = draw.choice(["take", "take", "item", "write", "write", "write", "in place", "at"])
        if kind == "take":
            pool.append(draw.choice(TAKES)(x))
            continue
        if kind == "in place":
            x *= np.sum(draw.choice(pool))
            continue
        key = random_key(draw, x.shape)
        value = np.sum(draw.choice(pool)) if draw.random() < 0.7 else 0.5
        if kind == "item":
            pool.append(x[key])
        elif kind == "write":
            x[key] = value
        elif type(x) is np.ndarray and not x.flags.writeable:
            raise ValueError  # which NumPy's add.at does not look at
        else:
            np.add.at(x, key, value)
    return sum(np.sum(np.sin(y * (i + 1) * 0.1)) for i, y in enumerate(pool))


@pytest.mark.parametrize("seed", range(int(os.environ.get("CHAINRULE_ASSIGNMENT_PROGRAMS", "40"))))
def test_a_random_program_has_the_value_and_the_gradient_that_it_has_in_numpy(seed: int):
    w = np.random.default_rng(seed).uniform(-1, 1, (2, 3))
    try:
        expected = slopes(lambda w: random_program(seed, np, w), w)
    except ValueError:
        pytest.skip("NumPy gives a view that cannot be written to, or the shapes do not fit")
    value, g = cr.value_and_grad(lambda w: random_program(seed, SPACE, w))(w)
    np.testing.assert_allclose(value, random_program(seed, np, w.copy()), rtol=1e-11)
    np.testing.assert_allclose(g, expected, rtol=1e-8, atol=1e-10)


def test_fill_sets_every_item():
    def f(x):
        y = x * 2
        y.fill(x[0])
        return np.sum(y * x)

    np.testing.assert_array_equal(cr.grad(f)(np.array([1.0, 2.0, 3.0])), [7.0, 1.0, 1.0])
    with pytest.raises(TypeError, match="item assignment: an argument"):
        cr.grad(lambda x: x.fill(0.0))(np.ones(2))
