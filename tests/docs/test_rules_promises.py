"""What docs/rules.md promises, sentence by sentence, in its order."""

import numpy as np
import pytest

import chainrule as cr
import rules_page
from chainrule.gates import standard
from tests.numpy_names.cases import CASES

SPACE = cr.differentiable(np)
F = cr.functions
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def slopes(f, x):
    """Return the gradient of the sum of f at x as a list."""
    return cr.grad(lambda x: np.sum(f(x)))(np.array(x)).tolist()


def named(name):
    """Return a function of the standard by its name, such as linalg.qr."""
    part, _, last = name.rpartition(".")
    return getattr(getattr(SPACE, part) if part else SPACE, last)


def of_kind(kind):
    return [
        f"{part}.{name}" if part != "main" else name
        for part in ("main", "linalg", "fft")
        for name in standard.names(kind, part)
    ]


# --- The kinds of functions ---

MATRIX = np.array([[4.0, 1.0], [1.0, 3.0]])
# Functions that take others than one array, or no floating ones: they are held to their kind in tests/autodiff.
INTEGERS = {
    "bitwise_and",
    "bitwise_or",
    "bitwise_xor",
    "bitwise_left_shift",
    "bitwise_right_shift",
    "bitwise_invert",
}
OF_TWO = {"nextafter", "searchsorted", "isin", "floor_divide"} | {
    *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
    *("logical_and", "logical_or", "logical_xor"),
}


@pytest.mark.parametrize("name", sorted(set(of_kind("constant")) - INTEGERS))
def test_no_gradient_flows_through_a_constant(name):
    x = np.array([1.5, 2.5]) if name != "linalg.matrix_rank" else MATRIX
    arguments = 2 if name in OF_TWO else 1

    def f(x):
        out = named(name)(*[x] * arguments)
        first = out[0] if isinstance(out, tuple) else out
        return np.sum(x * np.sum(SPACE.astype(first, np.float64)))  # linear in x, were the factor constant

    value, g = cr.value_and_grad(f)(x)
    np.testing.assert_allclose(g, np.full(x.shape, value / x.sum()))


@pytest.mark.parametrize("name", of_kind("no rule"))
def test_a_traced_array_is_an_error_that_says_so_where_there_is_no_rule(name):
    arguments = 2 if name in OF_TWO else 1
    with pytest.raises(TypeError, match="no gradient rule"):
        cr.grad(lambda x: np.sum(named(name)(*[x] * arguments)))(MATRIX)


@pytest.mark.parametrize("name", ["unique_values", "unique_inverse"])
def test_constants_pass_through_where_there_is_no_rule(name):
    x = np.array([[1.0, 2.0], [2.0, 1.0]])
    for of_constant, expected in zip(named(name)(SPACE.asarray(x)), getattr(np, name)(x), strict=True):
        np.testing.assert_allclose(getattr(of_constant, "value", of_constant), expected)


def test_complex_numbers_pass_through():
    z = np.array([1 + 2j, 3 - 1j])
    np.testing.assert_allclose(SPACE.abs(SPACE.asarray(z)).value, np.abs(z))
    np.testing.assert_allclose(cr.grad(lambda z: np.sum(np.abs(z)))(z), z / np.abs(z))


# --- Ties and kinks ---


@pytest.mark.parametrize(
    ("f", "x", "expected"),
    [
        (np.max, [2.0, 2.0, 1.0], [0.5, 0.5, 0.0]),
        (np.min, [2.0, 1.0, 1.0], [0.0, 0.5, 0.5]),
        (lambda x: np.maximum(x, cr.stop_gradient(x)), [1.0], [0.5]),
        (lambda x: np.minimum(x, cr.stop_gradient(x)), [1.0], [0.5]),
        (lambda x: np.sort(x)[:1], [1.0, 3.0, 1.0], [0.5, 0.0, 0.5]),
        (np.abs, [0.0], [0.0]),
        (F.relu, [0.0], [0.0]),
        (np.linalg.norm, [0.0, 0.0], [0.0, 0.0]),
        (np.std, [3.0, 3.0], [0.0, 0.0]),
        (lambda x: np.hypot(x, x), [0.0], [0.0]),
        (lambda x: np.arctan2(x, x), [0.0], [0.0]),
        (lambda x: np.clip(x, 0.0, 1.0), [0.0, 1.0], [1.0, 1.0]),
    ],
)
def test_ties_and_kinks(f, x, expected):
    assert slopes(f, x) == expected


# --- Masks: every selection of the page is one (tests/contract/test_masks.py); here what ends one ---


def test_what_a_selection_did_not_pick_gets_0_through_infinite_slopes():
    assert slopes(lambda x: np.where(x > 0, np.log(np.sqrt(x)), 0.0), [0.0, 4.0]) == [0.0, 0.125]


def test_a_product_of_matrices_ends_a_mask_and_a_masked_operand_does_not():
    def f(x, floor):
        y = np.sqrt(np.where(x > 0, x, floor)) if floor else np.sqrt(x)
        return np.where(x > 0, y @ np.eye(2), 0.0)

    assert np.isnan(slopes(lambda x: f(x, None), [0.0, 4.0])[0])
    assert slopes(lambda x: f(x, 1.0), [0.0, 4.0]) == [0.0, 0.25]


def test_a_rule_of_your_own_ends_a_mask():
    @cr.gate
    def same(xp, x):
        return x, (lambda g: g,)

    assert np.isnan(slopes(lambda x: np.where(x > 0, same(np.sqrt(x)), 0.0), [0.0, 4.0])[0])


def test_what_is_not_masked_follows_the_formula():
    assert np.isnan(slopes(lambda x: np.sqrt(x) ** 2, [0.0])[0])


# --- Second derivatives at kinks ---


@pytest.mark.parametrize("power", [1, 2])
@pytest.mark.parametrize(
    "f",
    [
        lambda x: np.abs(x[0]),
        lambda x: np.copysign(x[0], 1.0),
        lambda x: np.hypot(x[0], x[1]),
        lambda x: np.arctan2(x[0], x[1]),
        np.std,
        np.linalg.norm,
    ],
    ids=["abs", "copysign", "hypot", "atan2", "std", "norm"],
)
def test_second_derivatives_at_a_kink_are_nan_also_those_of_the_square(f, power):
    assert np.isnan(cr.hessian(lambda x: f(x) ** power)(np.zeros(2))[0, 0])


def test_what_the_page_writes_for_the_squares_is_right():
    np.testing.assert_array_equal(cr.hessian(lambda x: np.sum(x * x))(np.zeros(2)), 2 * np.eye(2))
    np.testing.assert_array_equal(cr.hessian(np.var)(np.zeros(2)), [[0.5, -0.5], [-0.5, 0.5]])


# --- Decompositions ---


def test_vectors_of_equal_values_have_no_gradient_and_the_values_have():
    M, eye = np.arange(9.0).reshape(3, 3), np.eye(3)
    for f in (
        lambda A: np.sum(np.linalg.eigh(A)[1] * M),
        lambda A: np.sum(np.linalg.svd(A)[0] * M),
        lambda A: np.sum(np.linalg.eigh(A)[1] @ np.linalg.eigh(A)[1].T * M),
    ):
        assert np.isnan(cr.grad(f)(eye)).all()
    np.testing.assert_allclose(cr.grad(lambda A: np.sum(np.linalg.eigvalsh(A)))(eye), eye)
    np.testing.assert_allclose(cr.grad(lambda A: np.sum(np.linalg.svdvals(A)))(eye), eye)
    for values in (np.linalg.eigvalsh, np.linalg.svdvals):
        assert np.isnan(cr.hessian(lambda A, f=values: np.sum(f(A) ** 2))(eye)).any()


def test_values_apart_by_rounding_count_as_equal():
    n = 3
    A = np.diag([1.0, 1.0 + 2 * np.sqrt(n) * np.finfo(float).eps, 2.0])
    assert np.isnan(cr.grad(lambda A: np.sum(np.linalg.eigh(A)[1] * np.arange(9.0).reshape(3, 3)))(A)).any()


def test_a_singular_value_of_0_is_a_kink_with_slope_0():
    np.testing.assert_array_equal(
        cr.grad(lambda A: np.sum(np.linalg.svdvals(A)))(np.zeros((2, 2))), np.zeros((2, 2))
    )


def test_qr_of_dependent_columns_has_no_gradient():
    assert np.isnan(cr.grad(lambda A: np.sum(np.linalg.qr(A)[0]))(np.ones((2, 2)))).any()


# --- Products, determinants, extremes ---


def test_products_at_zeros_and_out_of_range():
    assert slopes(np.prod, [0.0, 2.0, 3.0]) == [6.0, 0.0, 0.0]
    assert slopes(lambda x: np.cumulative_prod(x)[-1], [0.0, 2.0, 3.0]) == [6.0, 0.0, 0.0]
    np.testing.assert_allclose(slopes(np.prod, [1e200, 1e200, 1e-300]), [1e-100, 1e-100, np.inf])
    assert slopes(lambda x: np.cumulative_prod(x)[0], [1.0, 1e200, 1e200]) == [1.0, 0.0, 0.0]


def test_determinants_of_singular_matrices():
    singular = np.array([[1.0, 2.0], [2.0, 4.0]])
    np.testing.assert_allclose(cr.grad(np.linalg.det)(singular), [[4.0, -2.0], [-2.0, 1.0]], rtol=1e-12)
    assert np.isnan(cr.grad(lambda A: np.linalg.slogdet(A)[1])(singular)).all()


@pytest.mark.parametrize("f", [np.max, np.min])
def test_extremes_among_nan_have_the_gradient_nan(f):
    assert np.isnan(slopes(f, [1.0, np.nan])).all()


# --- NumPy's own ---


def test_ties_masks_and_nan_of_numpys_functions():
    assert slopes(np.median, [5.0, 2.0, 1.0, 2.0]) == [0.0, 0.5, 0.0, 0.5]
    assert slopes(lambda x: np.quantile(x, 0.4), [2.0, 2.0, 1.0, 3.0]) == [0.5, 0.5, 0.0, 0.0]
    assert slopes(np.unique, [3.0, 1.0, 3.0]) == [0.5, 1.0, 0.5]
    assert slopes(lambda x: np.sum(np.log(x), where=x > 0), [1.0, -1.0, 2.0]) == [1.0, 0.0, 0.5]
    assert slopes(np.nanmedian, [1.0, np.nan, 3.0]) == [0.5, 0.0, 0.5]
    assert np.isnan(slopes(np.median, [1.0, np.nan, 3.0])).any()
    lines = [0.0, 1.0, 2.0], [0.0, 1.0, 5.0]
    assert slopes(lambda x: np.interp(x, *lines), [0.0, 1.0, 2.0, -1.0, 3.0]) == [1.0, 4.0, 4.0, 0.0, 0.0]
    assert slopes(lambda x: np.heaviside(x, x), [-1.0, 0.0, 2.0]) == [0.0, 1.0, 0.0]
    assert slopes(lambda x: np.add.reduce(np.multiply.outer(x, x), axis=None), [1.0, 2.0]) == [6.0, 6.0]
    assert slopes(lambda x: np.quantile(np.array([1.0, 2.0, 5.0]), x), [0.75, 0.2]) == [6.0, 2.0]


SPECIAL = {
    "append": lambda x: np.append(x, x),
    "array_split": lambda x: np.array_split(x, 2)[0],
    "concatenate": lambda x: np.concatenate([x, x]),
    "column_stack": lambda x: np.column_stack([x, x]),
    "diag": lambda x: np.diag(x),
    "dsplit": lambda x: np.dsplit(x[:, :, None], 1)[0],
    "dstack": lambda x: np.dstack([x, x]),
    "einsum": lambda x: np.einsum("ij,jk->ik", x, x),
    "hsplit": lambda x: np.hsplit(x, 2)[0],
    "hstack": lambda x: np.hstack([x, x]),
    "linalg.multi_dot": lambda x: np.linalg.multi_dot([x, x, x]),
    "matvec": lambda x: np.matvec(x, x[0]),
    "pad": lambda x: np.pad(x, 1),
    "select": lambda x: np.select([x > 2], [x], 0.0),
    "split": lambda x: np.split(x, 2)[0],
    "swapaxes": lambda x: np.swapaxes(x, 0, 1),
    "vecmat": lambda x: np.vecmat(x[0], x),
    "vsplit": lambda x: np.vsplit(x, 2)[0],
    "vstack": lambda x: np.vstack([x, x]),
    "linalg.svd": lambda x: np.linalg.svd(x)[1],
}
OF_TWO_ARRAYS = {
    *("allclose", "array_equal", "isclose", "cross", "dot", "inner", "outer", "kron"),
    *("fmax", "fmin", "logaddexp2"),
}


# Those that change an array in place, and that of complex eigenvalues.
OTHERS = {"copyto", "fill_diagonal", "place", "put", "put_along_axis", "putmask", "roots"}


# tests/numpy_names/test_fuzz.py asks the same, of many arguments, of the functions that have a case there.
@pytest.mark.parametrize(
    "name", sorted({name.strip("`") for name in rules_page.numpys_own()} - {*CASES} - OTHERS)
)
def test_numpys_own_functions_take_a_traced_array(name):
    random = np.random.default_rng(0)
    x = random.normal(size=(3, 3) if name == "cross" else (2, 2)) + 3 * np.eye(3 if name == "cross" else 2)
    plain = np.linalg if name.startswith("linalg.") else np
    function = getattr(plain, name.removeprefix("linalg."), None)
    if function is None:
        pytest.skip(f"this NumPy has no {name}")
    f = SPECIAL.get(name) or ((lambda x: function(x, x)) if name in OF_TWO_ARRAYS else function)
    if np.asarray(f(x)).dtype.kind != "f":
        assert (
            cr.grad(lambda x: np.sum(x * 2.0) + 0 * bool(np.all(f(x))))(x).tolist()
            == np.full(x.shape, 2.0).tolist()
        )
        return
    value, g = cr.value_and_grad(lambda x: np.sum(f(x)))(x)
    np.testing.assert_allclose(value, np.sum(f(x)), rtol=1e-12)
    d = random.normal(size=x.shape)
    h = 1e-6
    numeric = (np.sum(f(x + h * d)) - np.sum(f(x - h * d))) / (2 * h)
    np.testing.assert_allclose(np.sum(g * d), numeric, rtol=1e-6, atol=1e-8)
