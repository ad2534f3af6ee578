"""What docs/how-it-works.md promises and refuses, in its order."""

import numpy as np
import pytest

import chainrule as cr

x = np.array([1.5, -0.5, 2.0])


@pytest.mark.parametrize("value", [np.array([1, 2]), np.array([True]), 3])
def test_integers_and_booleans_are_refused_by_name(value):
    with pytest.raises(TypeError, match=r"'x'.*(int|bool)"):
        cr.grad(lambda x: np.sum(x))(value)


def leak_into(buffer):
    def f(x):
        buffer[0] = x[0]
        return np.sum(buffer)

    return f


def by_a_closure(x):
    @cr.gate
    def gate(xp, y):
        return y * x, (lambda g: g,)

    return np.sum(gate(x * 2))


LEAVING = {
    "float": lambda x: float(x[0]),
    "asarray": lambda x: np.sum(np.asarray(x)),
    "an element of a buffer": leak_into(np.zeros(3)),
    "a slice of a buffer": lambda x: np.sum(np.add(np.zeros(3), x, out=np.zeros(3))),
    "an array of objects": lambda x: np.array([x[0], None], dtype=object)[0],
    "a result in an array of objects": lambda x: np.array([np.sum(x), 1.0], dtype=object),
    "a closure": by_a_closure,
}


@pytest.mark.parametrize("door", LEAVING)
def test_what_leaves_the_trace_is_an_error(door):
    with pytest.raises((TypeError, ValueError)):
        cr.grad(LEAVING[door])(x)


def test_a_container_of_another_library_is_an_error():
    pandas = pytest.importorskip("pandas")
    for f in (lambda x: pandas.Series([1.0, 2.0, 3.0]) * x, lambda x: x * pandas.Series([1.0, 2.0, 3.0])):
        with pytest.raises(TypeError, match=r"traced|Series"):
            cr.grad(lambda x, f=f: f(x).sum())(x)


def test_what_an_inner_transform_left_behind_is_an_error():
    def f(x):
        left = []
        cr.grad(lambda u: (left.append(u * x), u)[1])(1.0)
        return left[0]

    with pytest.raises(TypeError, match="another transform"):
        cr.grad(f)(2.0)


def test_a_second_run_with_another_result_is_an_error():
    random, data = np.random.default_rng(0), np.ones(3)

    def late(x):
        y = x
        for i in range(1, 3):
            y = cr.checkpoint(lambda z: z * i)(y)  # noqa: B023  what the page speaks of
        return np.sum(y)

    def noisy(x):
        return np.sum(cr.checkpoint(lambda z: z * random.normal(size=3))(x))

    def changed(x):
        y = np.sum(cr.checkpoint(lambda z: z * data)(x))
        data[:] = 5.0
        return y

    for f in (late, noisy, changed):
        with pytest.raises(RuntimeError, match="checkpoint"):
            cr.grad(f)(x)


def test_results_are_the_callers_own():
    g = cr.grad(lambda x: np.sum(x))(x)
    (value, _), (rate, other) = cr.jvp(lambda x: (x, x), (x,), (np.ones(3),))
    for array in (g, value, rate):
        assert not np.shares_memory(array, x)
        array[:] = 9.0
    assert other.tolist() == [1.0, 1.0, 1.0]

    def stopped(x):
        y = x * 2
        s = cr.stop_gradient(y)
        s[0] = 0.0
        return np.sum(y * y)

    np.testing.assert_array_equal(cr.grad(stopped)(x), 8 * x)


def test_a_list_among_the_operands_is_copied():
    def f(x):
        w = [1.0, 2.0, 3.0]
        y = np.sum(x * w)
        w[0] = 100.0
        return y

    assert cr.grad(f)(x).tolist() == [1.0, 2.0, 3.0]
