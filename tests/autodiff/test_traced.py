"""The array object: what of NumPy's it has, and what it says of the rest."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import chainrule as cr

X = np.array([2.5, -1.25, 3.0])


def inside(f: Any, x: Any = X) -> Any:
    """Return f(x) for a traced x, and the gradient of its sum."""
    found = []

    def g(x: Any) -> Any:
        found.append(f(x))
        return np.sum(found[0]) if hasattr(found[0], "dtype") else 0.0

    slope = cr.grad(g)(x)
    return found[0], slope


def of_constant(f: Any, x: Any = X) -> Any:
    return inside(lambda traced: f(cr.stop_gradient(traced)), x)[0]


def value(x: Any) -> Any:
    return np.asarray(cr.stop_gradient(x))


class TestToSee:
    def test_formats(self):
        assert inside(lambda x: f"{x[0]:.3f} {np.sum(x):+.1e}")[0] == "2.500 +4.2e+00"
        assert "Traced" in inside(lambda x: f"{x}")[0]
        with pytest.raises(TypeError, match=r"format: expected one number for '.3f'; got .* shape \(3,\)"):
            inside(lambda x: f"{x:.3f}")

    def test_round_is_numpys_a_constant(self):
        rounded, slope = inside(lambda x: round(x[1]))
        assert (value(rounded), slope.tolist()) == (-1, [0, 0, 0])
        assert value(inside(lambda x: round(x[1], 1))[0]) == -1.2
        np.testing.assert_array_equal(value(inside(lambda x: x.round(1))[0]), np.round(X, 1))


class TestMethods:
    @pytest.mark.parametrize(
        ("name", "args"),
        [
            ("argsort", ()),
            ("nonzero", ()),
            ("round", ()),
            ("searchsorted", (2.75,)),
            ("conjugate", ()),
            ("real", None),
            ("nbytes", None),
            ("itemsize", None),
        ],
    )
    def test_they_give_numpys_values(self, name: str, args: Any):
        ask = (lambda x: getattr(x, name)) if args is None else (lambda x: getattr(x, name)(*args))
        right = ask(X)
        for got in (inside(ask)[0], of_constant(ask)):
            np.testing.assert_array_equal(value(got[0] if name == "nonzero" else got), np.squeeze(right))

    @pytest.mark.parametrize("name", ["item", "tolist"])
    def test_numbers_of_pythons_own_come_from_constants_alone(self, name: str):
        for place in (0, slice(0, 1)):
            if (name, place) != ("item", slice(0, 1)):
                assert of_constant(lambda x: getattr(x[place], name)()) == getattr(X[place], name)()  # noqa: B023
        with pytest.raises(TypeError, match=rf"{name}\(\): .*traced.*stop_gradient\(x\).{name}\(\)"):
            inside(lambda x: getattr(x[0], name)())

    @pytest.mark.parametrize(
        ("name", "write"),
        [
            ("sort", r"numpy.sort\(x\)"),
            ("fill", "full_like"),
            ("put", "xp.where"),
            ("view", "x.astype"),
            ("tobytes", r"stop_gradient\(x\).tobytes"),
        ],
    )
    def test_of_the_rest_an_error_says_what_to_write(self, name: str, write: str):
        with pytest.raises(AttributeError, match=f"{name}: a traced array .*Write .*{write}"):
            inside(lambda x: getattr(x, name))
        assert not inside(lambda x: hasattr(x, "no_such_name"))[0]

    def test_constants_change_in_place(self):
        def f(x: Any) -> Any:
            c = cr.stop_gradient(x)
            c.sort()
            c.flat[2] = 9.0
            return c

        assert value(inside(f)[0]).tolist() == [-1.25, 2.5, 9]

    def test_divmod(self):
        (whole, rest), _ = inside(lambda x: divmod(x, 2.0))
        assert value(whole).tolist() == [1, -1, 1]
        assert value(rest).tolist() == [0.5, 0.75, 1]
        assert cr.grad(lambda x: divmod(7.0, x)[1])(2.2) == -3


class TestCopies:
    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
    def test_a_copy_is_traced_like_the_array(self, copied: Any):
        def f(x: Any) -> Any:
            return np.sum(copied({"x": [x]})["x"][0] ** 2)

        np.testing.assert_array_equal(cr.grad(f)(X), 2 * X)
        np.testing.assert_array_equal(cr.grad(lambda x: np.sum(copied(x) * x))(X), 2 * X)

    @pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
    def test_a_copy_of_a_constant_has_memory_of_its_own(self, copied: Any):
        def f(x: Any) -> Any:
            c = cr.stop_gradient(x)
            d = copied(c)
            d[0] = 0.0
            return np.sum(c * x)

        np.testing.assert_array_equal(cr.grad(f)(X), X)

    def test_pickles(self):
        pickled = of_constant(lambda x: pickle.loads(pickle.dumps([x])))
        np.testing.assert_array_equal(value(pickled[0]), X)
        with pytest.raises(TypeError, match=r"pickle.dumps\(\): this array is traced"):
            inside(pickle.dumps)
