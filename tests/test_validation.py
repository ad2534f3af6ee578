"""Arguments that are no function, no number or no array raise an error that names the function they were given to."""

import warnings

import numpy as np
import pytest

import chainrule as cr
from chainrule.backend.namespaces import to_numpy
from chainrule.models import logistic
from chainrule.validation import check_array_class

MASKED = np.ma.masked_array([1.0, 2.0], mask=[True, False])
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    MATRIX = np.matrix([[1.0, 2.0]])
X, y, w = np.ones((2, 2)), np.array([0.0, 1.0]), np.ones(2)
NET = cr.MLP((2, 1))
PARAMS = NET.init(device="cpu")


def squares(x):
    return (x * x).sum()


WITH_FUNCTIONS = {
    "grad": cr.grad,
    "value_and_grad": cr.value_and_grad,
    "hessian": cr.hessian,
    "vjp": lambda f: cr.vjp(f, w),
    "jvp": lambda f: cr.jvp(f, (w,), (w,)),
    "jacobian": cr.jacobian,
    "hvp": lambda f: cr.hvp(f, w, w),
    "checkpoint": cr.checkpoint,
    "gate": cr.gate,
    "check_gradients": lambda f: cr.check_gradients(f, w),
}


@pytest.mark.parametrize("name", WITH_FUNCTIONS)
@pytest.mark.parametrize(
    "f", [None, 3.0, "x*x", [np.sin], w], ids=["None", "number", "text", "list", "array"]
)
def test_what_is_no_function(name, f):
    # A Hessian and its products are made of gradients.
    who = "grad" if name in ("value_and_grad", "hessian", "hvp") else name
    with pytest.raises(TypeError, match=f"^{who}: expected a function; got {type(f).__name__}, which cannot"):
        WITH_FUNCTIONS[name](f)


WITH_ARRAYS = {
    "grad": lambda x: cr.grad(squares)(x),
    "vjp": lambda x: cr.vjp(squares, x),
    "g of vjp": lambda x: cr.vjp(lambda v: v * 2, w)[1](x.reshape(2)),
    "jvp": lambda x: cr.jvp(squares, (x,), (x,)),
    "hvp": lambda x: cr.hvp(squares, w, x.reshape(2)),
    "variable": cr.variable,
    "check_gradients": lambda x: cr.check_gradients(squares, x),
    "explain": lambda x: cr.explain(squares, x=x),
    "softmax": cr.functions.softmax,
    "norm": cr.functions.norm,
    "MLP": lambda x: NET.forward(PARAMS, x),
    "by_matmul": lambda x: logistic.by_matmul(x, y, w, 0.0),
    "targets": lambda x: logistic.by_tiles(X, x, w, 0.0),
    "update": lambda x: cr.optimizers.adam().update(x, cr.optimizers.adam().init(w), w),
    "LogisticRegression": lambda x: cr.LogisticRegression().fit(x, y),
    "labels": lambda x: cr.LogisticRegression().fit(X, x),
    "weights": lambda x: cr.MLPRegressor().fit(X, y, sample_weight=x),
}


@pytest.mark.parametrize("name", WITH_ARRAYS)
def test_a_masked_array_never_loses_its_mask_in_silence(name):
    with pytest.raises(TypeError, match=r"MaskedArray"):
        WITH_ARRAYS[name](MASKED)


BESIDE = {
    "times": lambda x: x * MASKED,
    "minus": lambda x: x - MASKED,
    "vectors": lambda x: x @ MASKED,
    "dot": lambda x: np.dot(MASKED, x),
    "concatenate": lambda x: np.concatenate([x, MASKED]),
    "where": lambda x: np.where(x > 0, x, MASKED),
    "einsum": lambda x: np.einsum("i,i", x, MASKED),
    "fmax": lambda x: np.fmax(x, MASKED),
    "asarray": lambda x: cr.differentiable(np).asarray(MASKED) * x,
    "a level below": lambda x: cr.grad(lambda y: (y * x * MASKED).sum())(w),
}


@pytest.mark.parametrize("name", BESIDE)
def test_a_mask_does_not_go_beside_a_followed_array(name):
    with pytest.raises(TypeError, match=r"got a MaskedArray, whose mask would be lost; give x.filled"):
        cr.grad(lambda x: np.sum(BESIDE[name](x)))(w)


@pytest.mark.parametrize("f", [lambda x: x * MATRIX, lambda x: x + MATRIX])
def test_a_matrix_beside_a_followed_array_has_another_product(f):
    with pytest.raises(TypeError, match=r"got a matrix, on which \* is the matrix product"):
        cr.grad(lambda x: np.sum(f(x)))(w)


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
def test_a_matrix_on_the_left_of_a_followed_array_has_another_product():
    # NumPy's own product of matrices asks first, and makes a matrix of the other operand.
    with pytest.raises(AttributeError, match=r"np\.asarray\(m\) for a matrix m beside it"):
        cr.grad(lambda x: np.sum(MATRIX * x))(w)


@pytest.mark.parametrize("make", [to_numpy, cr.get_device("cpu").asarray], ids=["to_numpy", "asarray"])
def test_a_mask_does_not_go_on_the_way_to_a_device(make):
    with pytest.raises(TypeError, match=r"got a MaskedArray, whose mask would be lost; give x.filled"):
        make(MASKED)


@pytest.mark.parametrize("name", ["grad", "variable", "softmax"])
def test_a_matrix_has_another_product(name):
    with pytest.raises(TypeError, match=r"got a matrix, on which \* is the matrix product; give np.asarray"):
        WITH_ARRAYS[name](MATRIX)


def test_what_is_an_array_and_what_has_an_index():
    pandas = type("Series", (), {"__module__": "pandas.core.series"})
    with pytest.raises(TypeError, match=r"got a Series, which has an index; give x.to_numpy\(\)"):
        check_array_class(type("Mine", (pandas,), {}))
    for kind in (np.ndarray, np.memmap, np.float32, type("Series", (), {}), list):
        check_array_class(kind)


@pytest.mark.parametrize("given", [(3.0,), (1.0, 2.0), (w,), ((1.0, 2.0),)], ids=str)
@pytest.mark.parametrize(
    ("f", "example"), [(squares, "f, x=..."), ("a*b", '"a*b", a=2.0'), (NET, "net, params=params, X=X, y=y")]
)
def test_explain_wants_names(f, example, given):
    with pytest.raises(TypeError) as raised:
        cr.explain(f, *given)
    told = (
        f"explain: expected values by their names, as in explain({example}); got {len(given)} without a name"
    )
    assert str(raised.value) == told


def test_explain_of_complex_numbers():
    with pytest.raises(TypeError, match="expected x to be an array of real numbers, got dtype complex128"):
        cr.explain(squares, x=np.array([1j]))
    with pytest.raises(
        TypeError, match=r"explain: multiply gave complex128; graphs are drawn of real numbers alone"
    ):
        cr.explain(lambda x: np.abs(x * 1j), x=1.0)


@pytest.mark.parametrize(
    ("call", "kind", "words"),
    [
        (
            lambda: cr.jvp(squares, w, (w,)),
            TypeError,
            r"jvp: expected primals as a tuple, one .* write \(x,\)",
        ),
        (
            lambda: cr.jvp(squares, (w,), 3.0),
            TypeError,
            "jvp: expected tangents as a tuple, one .* got float",
        ),
        (
            lambda: cr.vjp(squares, w)[1](np.array(1j)),
            TypeError,
            "vjp: expected a gradient of real numbers; got c",
        ),
        (
            lambda: cr.vjp(squares, w)[1](None),
            TypeError,
            "vjp: expected an array or a number as the .* got NoneType",
        ),
        (lambda: cr.vjp(squares, w)[1]("1"), TypeError, "vjp: expected an array or a number .* got str"),
        (lambda: cr.vjp(squares, w)[1](1j), TypeError, "vjp: expected an array or a number .* got complex"),
        (lambda: cr.hvp(lambda x: x * x, 2.0, None), TypeError, "vjp: expected an array or a number"),
        (
            lambda: cr.vjp(lambda x: None, w),
            TypeError,
            "vjp: expected <lambda> to return arrays or numbers; got NoneType",
        ),
        (lambda: cr.vjp(lambda x: (x, {"a": "b"}), w), TypeError, "to return arrays or numbers; got str"),
        (lambda: cr.jvp(lambda x: None, (w,), (w,)), TypeError, "to return arrays or numbers; got NoneType"),
        (
            lambda: cr.check_gradients(lambda x: None, w),
            TypeError,
            "to return arrays or numbers; got NoneType",
        ),
        (lambda: cr.check_gradients(squares, np.arange(3)), TypeError, "of a floating dtype; got int64"),
        (lambda: cr.check_gradients(squares, None), TypeError, "of a floating dtype; got NoneType"),
        (lambda: cr.check_gradients(squares), TypeError, "of a floating dtype; got none"),
        (
            lambda: cr.check_gradients(squares, w, order=0),
            ValueError,
            "order must be a whole number from 1 up, got 0",
        ),
        (
            lambda: cr.check_gradients(squares, w, order=1.5),
            TypeError,
            "order must be a whole number from 1 up, got 1",
        ),
        (
            lambda: cr.check_gradients(squares, w, seed=None),
            TypeError,
            "seed must be a whole number from 0 up",
        ),
        (
            lambda: cr.check_gradients(squares, w, modes="reverse"),
            ValueError,
            "in a tuple of one or both; got 'rev",
        ),
        (lambda: cr.check_gradients(squares, w, modes=()), ValueError, "in a tuple of one or both"),
        (
            lambda: cr.check_gradients(squares, w, rtol="1"),
            ValueError,
            "rtol must be a number from 0 up, got '1'",
        ),
        (lambda: cr.get_device(3), ValueError, "get_device: expected one of cpu, .* got 3"),
        (lambda: cr.get_device("cpu").asarray(w, 3), ValueError, "asarray: dtype must be .* got 3"),
        (
            lambda: cr.get_device("cpu").asarray(None),
            TypeError,
            "asarray: expected numbers, got NoneType of dtype obj",
        ),
        (
            lambda: cr.get_device("cpu").asarray(["a"]),
            TypeError,
            "asarray: expected numbers, got list of dtype <U1",
        ),
        (
            lambda: cr.get_device("cpu").asarray(np.zeros(2, "i4, f4")),
            TypeError,
            "asarray: expected numbers, got ndarray of dtype",
        ),
        (
            lambda: cr.get_device("cpu").standard_normal((2,), seed=1.5),
            TypeError,
            "seed must be a whole number",
        ),
        (lambda: cr.L2("a"), TypeError, "L2: strength must be a number, got 'a'"),
        (lambda: cr.ElasticNet(1.0, None), TypeError, "ElasticNet: l1_ratio must be a number, got None"),
        (lambda: NET.init("a"), TypeError, "MLP.init: seed must be a whole number from 0 up, got 'a'"),
        (lambda: NET.init(weights=[1, 2]), ValueError, r"MLP.init: weights must be \(W, b\) of each layer"),
        (lambda: NET.init(weights={1.0}), TypeError, "MLP.init: weights must be a number, got {1.0}"),
        (
            lambda: NET.forward(None, X),
            ValueError,
            r"MLP.forward: expected \(W, b\) shaped .* got \['NoneType'\]",
        ),
        (lambda: NET.forward(PARAMS, None), ValueError, r"MLP.forward: expected X \(m, 2\).* got NoneType"),
        (lambda: NET.cost_of(PARAMS, X, None), ValueError, r"MLP.cost_of: expected y .* got NoneType"),
        (lambda: NET.cost_of(PARAMS, X, y, sample_weight=3), ValueError, "expected sample_weight .* got int"),
        (lambda: cr.MLP((2, 1), w), ValueError, "MLP: activation must be one of sigmoid"),
        (
            lambda: logistic.by_matmul(None, y, w, 0.0),
            TypeError,
            "by_matmul: X, y and w .* got NoneType, ndarray",
        ),
        (
            lambda: logistic.by_sample(X, None, w, 0.0),
            TypeError,
            "by_sample: X, y and w .* got ndarray, NoneType",
        ),
        (
            lambda: logistic.by_loops(X, 3, w, 0.0),
            TypeError,
            "by_loops: X, y and w .* got ndarray, int, ndarray",
        ),
        (lambda: cr.optimizers.adam("a"), TypeError, "adam: learning_rate must be a number, got 'a'"),
        (lambda: cr.optimizers.momentum(0.1, None), TypeError, "momentum: beta must be a number, got None"),
        (lambda: cr.optimizers.clipped(0.1, 1.0), TypeError, "clipped: expected an optimiser such as adam"),
        (
            lambda: cr.optimizers.adam().init([3]),
            TypeError,
            r"adam: expected params\[0\] to be an array, got int",
        ),
        (
            lambda: cr.optimizers.adam().update(w, None, w),
            TypeError,
            "adam: expected the state of init .* NoneType",
        ),
    ],
)
def test_the_error_says_what_was_wrong(call, kind, words):
    with pytest.raises(kind, match=words):
        call()


@pytest.mark.parametrize(
    ("decompose", "words"),
    [
        (lambda xp, x: xp.linalg.svd(x)[1], "svd: the extra vectors .*; use full_matrices=False"),
        (lambda xp, x: xp.linalg.qr(x, mode="complete")[1], "qr: the extra columns .*; use mode='reduced'"),
    ],
    ids=["svd", "qr"],
)
def test_a_basis_of_what_is_left_over_has_no_gradient(decompose, words):
    xp = cr.differentiable(np)
    with pytest.raises(NotImplementedError, match=words):
        cr.grad(lambda x: xp.sum(decompose(xp, x)))(np.ones((3, 2)))
    cr.grad(lambda x: xp.sum(decompose(xp, x)))(np.diag([1.0, 2.0]) + 0.1)


@pytest.mark.parametrize("label", [3, -1])
def test_a_label_of_no_class_is_told_or_gives_nan(label):
    def cost(name):
        device = cr.get_device(name)
        there = (device.asarray(x) for x in (np.ones((3, 2)), [0, 1, label], np.zeros((2, 3)), np.zeros(3)))
        return [to_numpy(part) for part in logistic.by_matmul(*there)]

    with pytest.raises(ValueError, match=f"y must hold class numbers from 0 to 2, got {label}"):
        cost("cpu")
    assert all(np.isnan(part).all() for part in cost("strict"))


@pytest.mark.parametrize("cost", [cr.functions.softmax_cross_entropy, cr.functions.multiclass_hinge])
def test_class_numbers_are_no_row_of_shares(cost):
    # As many samples as classes: they would broadcast.
    with pytest.raises(ValueError, match=r"got \(3, 3\) and \(3,\); give y as rows, one number a class"):
        cost(np.ones((3, 3)), np.asarray([0.0, 1, 2]))


@pytest.mark.parametrize("cost", [cr.functions.softmax_cross_entropy, cr.functions.multiclass_hinge])
@pytest.mark.parametrize(
    ("z", "y"), [((3,), (4, 3)), ((1, 3), (4, 3)), ((4, 3), (1, 3)), ((4, 3), (2, 1, 3))]
)
def test_a_row_of_logits_or_shares_serves_many(cost, z, y):
    generator = np.random.default_rng(0)
    cr.check_gradients(cost, generator.normal(size=z), generator.uniform(size=y))
    cr.check_gradients(
        lambda z, y: cr.vmap(cost)(z, y), generator.normal(size=(2, *z)), generator.uniform(size=(2, *y))
    )
