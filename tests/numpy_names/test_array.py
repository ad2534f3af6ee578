"""Operators, methods and questions of Python's on arrays of our namespaces, answered as for the plain array."""

import abc
import functools
import numbers
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from tests.numpy_names.test_dispatch import STACK, A, V, numbers_and_slopes


class Foreign:
    """A class with operators of its own, which keeps what it was given."""

    def __radd__(self, x: Any) -> Any:
        return ("add", x)

    def __rmatmul__(self, x: Any) -> Any:
        return ("matmul", x)

    def __rpow__(self, x: Any) -> Any:
        return ("pow", x)

    def __lt__(self, x: Any) -> Any:
        return ("lt", x)


class TestForeignOperands:
    OPERATORS: tuple[tuple[str, Callable[[Any, Any], Any]], ...] = (
        ("add", lambda x, y: x + y),
        ("matmul", lambda x, y: x @ y),
        ("pow", lambda x, y: x**y),
        ("lt", lambda x, y: x > y),
    )

    @pytest.mark.parametrize(("name", "f"), OPERATORS)
    @pytest.mark.parametrize("constant", [False, True])
    def test_the_class_takes_the_operator_over(self, name: str, f: Callable[[Any, Any], Any], constant: bool):
        x = cr.variable(V)
        x = cr.stop_gradient(x) if constant else x
        assert f(x, Foreign()) == (name, x) or f(x, Foreign())[1] is x

    @pytest.mark.parametrize(("name", "f"), OPERATORS)
    def test_in_a_batch(self, name: str, f: Callable[[Any, Any], Any]):
        seen = []
        cr.vmap(lambda x: seen.append(f(x, Foreign())) or x)(A)
        assert seen[0][0] == name

    def test_without_an_operator_of_its_own_it_is_pythons_error(self):
        for x in (cr.variable(V), cr.stop_gradient(cr.variable(V))):
            with pytest.raises(TypeError, match="unsupported operand"):
                x - Foreign()
            with pytest.raises(TypeError, match="got an object of the class Foreign"):
                np.multiply(x, Foreign())

    def test_what_it_gives_back_is_followed(self):
        class Shift:
            def __radd__(self, x: Any) -> Any:
                return x * 3.0

        assert cr.grad(lambda x: np.sum(x + Shift()))(V).tolist() == [3, 3, 3]

    def test_a_rule_of_ones_own_takes_it(self):
        scaled = cr.gate(lambda xp, x, by: (x * by["factor"], (lambda g: g * by["factor"], None)))
        assert cr.grad(lambda x: np.sum(scaled(x, {"factor": 2.0})))(V).tolist() == [2, 2, 2]

    def test_a_dataarray_holds_the_traced_array(self):
        xarray = pytest.importorskip("xarray")
        weights = xarray.DataArray(V, dims="a")
        assert cr.grad(lambda x: np.sum((x * weights).data ** 2))(V) == pytest.approx(2 * V**3)

    @pytest.mark.parametrize("y", [[1.0, 2.0, 3.0], (1, 2, 3), 2, np.float32(2), V, np.int64(1)])
    def test_lists_and_numbers_are_none(self, y: Any):
        np.testing.assert_array_equal((cr.variable(V) + y).value, V + y)
        np.testing.assert_array_equal((y + cr.variable(V)).value, y + V)


@pytest.mark.parametrize(
    "f", [lambda x: x.T, lambda x: x.T @ np.ones(x.shape[0]), lambda x: (x.T * 2).T, lambda x: x[0].T]
)
@pytest.mark.parametrize("x", [V, A, STACK], ids=["vector", "matrix", "stack"])
def test_the_transpose_is_numpys(f: Callable[[Any], Any], x: np.ndarray):
    numbers_and_slopes(f, x)
    np.testing.assert_allclose(cr.vmap(f)(np.stack([x, 2 * x])), [f(x), f(2 * x)])


def test_the_transpose_is_the_standards_where_the_library_has_that():
    x = cr.get_device("strict").asarray([1.0, 2.0])
    with pytest.raises(ValueError, match="expected a matrix"):
        cr.grad(lambda x: x.T[0])(x)


class TestNumbers:
    QUESTIONS: tuple[Callable[[Any], Any], ...] = (
        np.isscalar,
        lambda x: isinstance(x, float),
        lambda x: isinstance(x, int | float),
        lambda x: isinstance(x, numbers.Real),
        lambda x: isinstance(x, numbers.Integral),
        lambda x: isinstance(x, list | tuple | dict),
        lambda x: isinstance(x, np.ndarray),
        np.ndim,
    )

    @pytest.mark.parametrize("f", [lambda x: x, lambda x: x * 2, np.sum])
    @pytest.mark.parametrize("x", [2.0, np.float64(2), np.float32(2), np.array(2.0), np.ones(1)])
    def test_a_traced_number_answers_as_the_plain_one(self, x: Any, f: Callable[[Any], Any]):
        traced = []

        def asked(x: Any) -> Any:
            traced.append([ask(f(x)) for ask in self.QUESTIONS])
            return np.sum(x)

        cr.grad(lambda x: np.sum(cr.grad(asked)(x) * x))(x)
        assert traced == [[ask(f(x)) for ask in self.QUESTIONS]]

    def test_it_keeps_its_gradient_in_the_branch_of_numbers(self):
        def f(x: Any) -> Any:
            return x * x if np.isscalar(x) and isinstance(x, float) else np.nan

        assert cr.grad(f)(3.0) == 6
        assert cr.grad(cr.grad(lambda x: f(x) * x))(3.0) == 18

    @pytest.mark.parametrize("x", [2.5, np.float64(2.5), np.float32(2.5), np.array(2.5)])
    def test_forward_mode_and_a_program_take_the_branch_of_reverse_mode(self, x: Any):
        def f(x: Any) -> Any:
            return x * (2 if isinstance(x, float) else 3) * (5 if np.isscalar(x) else 7)

        value, slope = cr.jvp(f, (x,), (x,))
        assert value == f(x)
        assert slope == x * cr.grad(f)(x)
        assert cr.jacobian(f, mode="forward")(x) == cr.compile(cr.grad(f))(x) == cr.grad(f)(x)

    def test_who_asks_for_another_is_not_asked_who_it_is(self):
        class Arrays(abc.ABC):  # noqa: B024
            pass

        Arrays.register(np.ndarray)

        @functools.singledispatch
        def f(x: Any) -> Any:
            return np.sum(x)

        f.register(np.ndarray, lambda x: np.sum(3 * x))
        f.register(np.float64, lambda x: 5 * x)
        for g, x, times in (
            (f, V, 3),
            (f, np.float64(2), 5),
            (lambda x: np.sum(x) * (1 + isinstance(x, Arrays)), V, 2),
        ):
            value, slope = cr.value_and_grad(g)(x)
            assert value == g(x)
            np.testing.assert_array_equal(slope, np.full_like(x, times))

    def test_exponents_that_are_traced_keep_their_gradients_at_every_order(self):
        # d/da of a^p log a, at p = a.
        a = 1.5
        slope = cr.grad(lambda a: cr.grad(lambda p: a**p)(a * 1.0))(a)
        assert slope == pytest.approx(a**a * ((np.log(a) + 1) * np.log(a) + 1 / a))
        assert cr.hessian(lambda p: 2.0**p)(1.5) == pytest.approx(2**1.5 * np.log(2) ** 2)

    @pytest.mark.parametrize(
        "transform",
        [
            *(lambda f: f, cr.compile, lambda f: lambda x: cr.vmap(f)(x[None])[0]),
            lambda f: lambda x: cr.compile(cr.vmap(f))(x[None])[0],
        ],
    )
    def test_every_transform_takes_the_branch_of_the_plain_value(self, transform: Callable[..., Any]):
        def f(x: Any) -> Any:
            s = np.sum(x)
            number = np.isscalar(s) and isinstance(s, float) and isinstance(s, np.floating)
            array = isinstance(x, np.ndarray) and not isinstance(s, np.ndarray) and not np.isscalar(x)
            return s * s if number and array else s * np.nan

        assert transform(f)(V) == V.sum() ** 2
        np.testing.assert_allclose(transform(cr.grad(f))(V), np.full(3, 2 * V.sum()))

    def test_it_does_not_matter_who_asks(self):
        # As code of NumPy's own files would.
        asked = compile("isinstance(x, np.ndarray), isinstance(x, np.generic)", np.__file__, "eval")
        for transform in (cr.grad, cr.vmap):
            seen: list[Any] = []

            def f(x: Any, seen: list[Any] = seen) -> Any:
                seen += [eval(asked, {"np": np, "x": y}) for y in (x, x[0])]
                return x[0]

            transform(f)(V if transform is not cr.vmap else A)
            assert seen == [(True, False), (False, True)]

    def test_arrays_of_no_axes_are_no_numbers_in_a_batch_either(self):
        for make in (
            np.squeeze,
            lambda x: x[0, ...],
            lambda x: cr.numpy.asarray(x[0]),
            lambda x: cr.numpy.zeros(()),
        ):
            assert cr.vmap(lambda x, f=make: x * isinstance(f(x), np.ndarray))(V[:, None]).all()
            assert isinstance(make(V[:1]), np.ndarray)

    @pytest.mark.parametrize("x", [2.0, np.float64(2), np.array(2.0)])
    def test_differences_take_the_branch_of_the_number_or_the_array(self, x: Any):
        cr.check_gradients(lambda x: x * x if isinstance(x, float) else 3.0 * x, x, order=2)

    @pytest.mark.parametrize("transform", [cr.grad, cr.vmap, lambda f: cr.vmap(cr.grad(f))])
    def test_results_are_numbers_or_arrays_as_numpys_are(self, transform: Any):
        def kinds(x: Any) -> list[tuple[bool, bool]]:
            seen = []
            results = (
                *(
                    x[0].copy(),
                    np.real(x[0]),
                    np.einsum("i,i", x, x),
                    np.angle(x[0]),
                    np.median(x),
                    np.sinc(x[0]),
                ),
                *(
                    np.where(x[0] > 0, x[0], x[1]),
                    np.tensordot(x, x, 1),
                    cr.numpy.full((), x[0]),
                    x[0, ...].copy(),
                ),
            )
            for y in results:
                before = y
                y += 1.0
                seen.append((isinstance(before, np.ndarray), y is before))
            return seen

        got: list[Any] = []

        def f(x: Any) -> Any:
            got.extend(kinds(x * 1))
            return x[0]

        transform(f)(V if transform is cr.grad else A)
        assert got == kinds(V * 1) == [(False, False)] * 6 + [(True, True)] * 4


class TestKeysOfPandas:
    @pytest.mark.parametrize("kind", ["mask", "places", "index", "masked array", "in a tuple"])
    def test_they_pick_what_numpy_picks_at_every_order(self, kind: str):
        pandas = pytest.importorskip("pandas")
        key = {
            "mask": pandas.Series([True, False, True], index=[7, 8, 9]),
            "places": pandas.Series([2, 0, 0]),
            "index": pandas.Index([2, 0]),
            "masked array": pandas.array([True, False, True]),
            "in a tuple": (pandas.Series([2, 0]),),
        }[kind]
        numbers_and_slopes(lambda x: x[key], V)
        curved = cr.hessian(lambda x: np.sum(x[key] ** 3))(V)
        times = np.zeros(3)
        np.add.at(times, np.asarray(key[0] if isinstance(key, tuple) else key), 1.0)
        np.testing.assert_allclose(curved, np.diag(6 * V * times))
        np.testing.assert_array_equal(cr.vmap(lambda x: x[key])(A), [row[key] for row in A])


def test_what_numpys_c_code_does_not_ask_says_what_to_write():
    with pytest.raises(TypeError, match=r"for A\.dot\(x\) write A @ x"):
        A.dot(cr.variable(V))


@pytest.mark.parametrize("x", [np.array(2.0), np.array([2]), np.array(True)], ids=str)
def test_what_is_no_whole_number_is_no_index_whatever_its_value(x):
    seen = []

    def f(x):
        with pytest.raises(
            TypeError, match=r"index: expected one whole number, got (float64|int64|bool) of shape"
        ):
            operator.index(x)
        seen.append(x)
        return x * 2

    np.testing.assert_array_equal(cr.compile(f)(x), x * 2)
    assert seen


def test_an_argument_that_is_a_list_says_that_it_is_one():
    with pytest.raises(TypeError, match=r"an argument that is a list, write `import chainrule\.numpy as np`"):
        cr.grad(lambda x: np.sum(x) ** 2)([1.0, 2.0])


@pytest.mark.parametrize("transform", [cr.grad, cr.vmap, cr.compile])
def test_one_value_is_asked_for_in_one_way(transform: Callable[..., Any]):
    for ask in (float, int, complex, lambda x: x.item(), lambda x: x.tolist(), lambda x: [1, 2][x]):
        with pytest.raises(TypeError):
            transform(lambda x, ask=ask: (ask(x[0]), x[1])[1])(A[0] if transform is not cr.vmap else A)


@pytest.mark.parametrize(
    "f",
    [
        *(
            lambda x: x.flat[1:],
            lambda x: sum(x.flat),
            lambda x: x.flat[-1],
            lambda x: x.real,
            lambda x: x.imag + x,
        ),
        *(lambda x: x * (7.0 in x) + x, lambda x: x.real.T, lambda x: x.round(1) + x),
        *(lambda x: x.compress([True, False, True]), lambda x: x.compress([False, True], axis=0)),
    ],
)
def test_attributes_and_questions_are_numpys(f: Callable[[Any], Any]):
    numbers_and_slopes(f, A)


@pytest.mark.parametrize("bounds", [{"min": 0.25}, {"max": 0.25}, {"a_min": None, "a_max": 0.25}])
def test_bounds_by_name_in_a_batch(bounds: dict[str, Any]):
    np.testing.assert_array_equal(cr.vmap(lambda x: np.clip(x, **bounds))(A), np.clip(A, **bounds))


def test_attributes_in_a_batch():
    for f in (lambda x: x.flat, lambda x: x.real, lambda x: x.imag, lambda x: x.round(1), round):
        np.testing.assert_array_equal(cr.vmap(f)(A), [f(row) for row in A] if f is not round else np.round(A))
    with pytest.raises(AttributeError, match=r"Write numpy\.sort\(x\)"):
        cr.vmap(lambda x: x.sort())(A)


@pytest.mark.parametrize("name", ["argsort", "round", "nonzero", "searchsorted", "argmax", "all"])
def test_methods_without_a_slope_give_constants(name: str):
    arguments = ([0.0, 2.0],) if name == "searchsorted" else ()
    x = np.sort(V)
    found = getattr(cr.variable(x), name)(*arguments)
    want = getattr(x, name)(*arguments)
    found, want = (found, want) if isinstance(want, tuple) else ((found,), (want,))
    for mine, its in zip(found, want, strict=True):
        assert mine.level == 0
        assert mine.dtype == its.dtype
        np.testing.assert_array_equal(np.asarray(mine), its)


def test_what_is_in_an_array():
    assert 3.0 in cr.variable(A)
    assert 3.5 not in cr.variable(A)


@pytest.mark.parametrize(
    "f",
    [
        *(np.array2string, np.array_repr, np.array_str, np.common_type, np.min_scalar_type),
        lambda x: np.einsum_path("ij,ij->i", x, x)[0],
    ],
)
def test_what_is_said_about_an_array_is_numpys(f: Callable[[Any], Any]):
    said = []
    cr.grad(lambda x: np.sum(cr.grad(lambda x: said.append(f(x)) or np.sum(x))(x)))(A)
    assert said == [f(A)]
    with pytest.raises(TypeError, match="elements of the batch"):
        cr.vmap(lambda x: f(x[None]) and x)(A)
