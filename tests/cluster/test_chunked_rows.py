"""Rows in chunks, computed by threads of this process: however they are cut, the numbers are those of all rows."""

import threading

import dask
import dask.array as da
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import pytree
from chainrule.cluster import ChunkedRows
from chainrule.cluster import chunked_rows as rows_in_chunks
from chainrule.estimators import validation
from chainrule.models.mlp import MLP
from chainrule.models.penalties import L2
from tests.helpers.chunked_runs import NETS, apart, assert_same_run, descended, one_machine

COSTS = [
    ("sigmoid", "cross_entropy", 1),
    ("softmax", "cross_entropy", 3),
    ("identity", "squared_error", 2),
    ("sigmoid", "summed_squared_error", 2),
    ("identity", "hinge", 1),
    ("identity", "multiclass_hinge", 3),
]


@settings(max_examples=25)
@given(
    cut=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    kind=st.sampled_from(COSTS),
    hidden=st.sampled_from([(), (4,)]),
    weighed=st.booleans(),
    bias_gradient=st.sampled_from(["exact", "mean"]),
    dtype=st.sampled_from(["float32", "float64"]),
    keep=st.booleans(),
    penalty=st.sampled_from([None, L2(0.3, biases=True)]),
)
def test_however_rows_are_cut_cost_and_gradients_are_those_of_all(
    cut, kind, hidden, weighed, bias_gradient, dtype, keep, penalty
):
    output, cost, k = kind
    m = sum(cut)
    rng = np.random.default_rng(m)
    X = rng.standard_normal((m, 3)).astype(dtype)
    y = rng.integers(0, 2, (m, k)).astype(dtype)
    if k == 3:
        y = rng.integers(0, 3, m)
    # Some chunks weigh nothing at all.
    weight = None
    if weighed:
        weight = np.repeat(rng.integers(0, 2, len(cut)), cut) * rng.random(m) + np.eye(m)[0]
        weight = weight.astype(dtype)
    net = MLP((3, *hidden, k), "tanh", output, cost, penalty, bias_gradient=bias_gradient)
    params = net.init(0, "cpu", dtype, weights=1.0)
    chunks = ChunkedRows(da.from_array(X, chunks=(tuple(cut), 2)), y, weight, keep=keep)
    assert chunks.kept == keep
    found = chunks.cost_and_gradients(net)(params)
    expected = net.cost_and_gradients(params, X, y, sample_weight=weight)
    scale = max(1.0, float(np.max(np.abs(expected[0]))))
    near = 1e-10 if dtype == "float64" else 1e-4
    assert apart(list(found), list(expected)) <= near * scale
    assert all(x.dtype == dtype for x in pytree.flat(list(found)))
    alone = chunks.cost_of(net)(params)
    assert abs(float(alone - net.cost_of(params, X, y, sample_weight=weight))) <= near * scale
    assert apart([chunks.forward(net, params)], [net.forward(params, X)]) <= near


@pytest.mark.parametrize("number", [1, 2, 7, 8, 9, 16, 17, 64, 65, 73])
def test_the_tree_leaves_no_chunk_out(rows, number):
    X, y = (x[:number] for x in rows)
    net = NETS["logistic"]
    params = net.init(0, "cpu", weights=1.0)
    found = ChunkedRows(da.from_array(X, chunks=(1, 5)), y).cost_and_gradients(net)(params)
    assert apart(list(found), list(net.cost_and_gradients(params, X, y))) <= 1e-12


def test_each_worker_computes_on_its_own_device(monkeypatch, rows):
    X, y = rows
    monkeypatch.setenv("CHAINRULE_DEVICE", "strict")
    chunks = ChunkedRows(da.from_array(X, chunks=(100, 5)), y)
    (part, *_) = dask.compute(*chunks.parts)
    assert {type(x).__module__.partition(".")[0] for x in part[:2]} == {"array_api_strict"}
    net = NETS["mlp"]
    assert_same_run(descended(chunks, net, steps=5), one_machine(net, X, y, steps=5))


def test_what_is_no_chunks_of_rows_is_refused(rows):
    X, y = rows
    lazy = da.from_array(X, chunks=(100, 5))
    with pytest.raises(TypeError, match="expected X as a Dask array"):
        ChunkedRows(X, y)
    with pytest.raises(TypeError, match="float32 or float64, got Array of int64"):
        ChunkedRows(lazy.astype(int), y)
    with pytest.raises(ValueError, match="compute_chunk_sizes"):
        ChunkedRows(lazy[lazy[:, 0] > 0], y)
    with pytest.raises(ValueError, match="expected y with 400 rows"):
        ChunkedRows(lazy, y[:-1])
    with pytest.raises(ValueError, match="from 0 to 1, got"):
        ChunkedRows(lazy, y + 7).cost_and_gradients(NETS["mlp"])(NETS["mlp"].init(0, "cpu"))


@pytest.mark.parametrize("weighed", [False, True], ids=["alike", "weighed"])
@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("solver", ["lbfgs", "nesterov"])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_an_estimator_takes_dask_arrays_as_they_are(rows, weighed, k, solver):
    X, y = rows
    if k == 3:
        y = np.digitize(X[:, 0], [-0.5, 0.5])
    w = np.arange(len(y)) % 3 if weighed else None
    lazy, labels = da.from_array(X, chunks=(70, 3)), da.from_array(y, chunks=90)
    settings = {"solver": solver, "max_iter": 15}
    here = cr.LogisticRegression(**settings).fit(X, y, w)
    there = cr.LogisticRegression(**settings).fit(lazy, labels, w)
    assert type(there.coef_) is np.ndarray
    np.testing.assert_allclose(there.coef_, here.coef_, rtol=1e-9)
    for method in ("predict", "predict_proba", "decision_function"):
        answer = getattr(there, method)(lazy)
        assert isinstance(answer, da.Array)
        np.testing.assert_allclose(answer.compute(), getattr(here, method)(X), rtol=1e-8)
    assert there.score(lazy, labels) == here.score(X, y)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("weighed", [False, True], ids=["alike", "weighed"])
def test_networks_take_dask_arrays_too(rows, weighed):
    X, y = rows
    w = 1.0 + np.arange(len(y)) % 3 if weighed else None
    lazy = da.from_array(X, chunks=(70, 5))
    settings = {"hidden_layer_sizes": (4,), "max_iter": 8, "batch_size": len(y), "random_state": 0}
    for kind, targets in ((cr.MLPClassifier, y), (cr.MLPRegressor, X[:, :2])):
        here = kind(**settings).fit(X, targets, w)
        there = kind(**settings).fit(lazy, da.from_array(targets), w)
        assert apart(there.coefs_, here.coefs_) <= 1e-10
        np.testing.assert_allclose(there.predict(lazy).compute(), here.predict(X), rtol=1e-8)
    early = cr.MLPClassifier((4,), early_stopping=True, max_iter=5, random_state=0).fit(lazy, y, w)
    assert len(early.validation_scores_) == 5
    with pytest.raises(ValueError, match="compute_chunk_sizes"):
        early.fit(lazy[lazy[:, 0] > 0], y)


def test_an_epoch_of_an_estimator_sees_every_chunk_once(rows):
    X, y = rows
    lazy = da.from_array(X, chunks=(100, 5))
    settings = {"hidden_layer_sizes": (), "solver": "sgd", "momentum": 0.0, "alpha": 0.0}
    fitted = cr.MLPClassifier(**settings, shuffle=False, random_state=0).partial_fit(lazy, y, classes=[0, 1])
    batched = cr.MLPClassifier(**settings, batch_size=100, shuffle=False, random_state=0)
    batched.partial_fit(X, y, classes=[0, 1])
    assert apart(fitted.coefs_, batched.coefs_) <= 1e-12


def test_seconds_of_threads_that_compute_at_once_count_once(monkeypatch, rows):
    X, y = rows
    net, together = NETS["logistic"], threading.Barrier(2, timeout=20)

    def slowly(*arguments, weight):
        together.wait()
        together.wait()
        return net.cost_and_gradients(arguments[3], *arguments[1:3])

    monkeypatch.setattr(rows_in_chunks, "on_all_rows", slowly)
    chunks = ChunkedRows(da.from_array(X, chunks=(200, 5)), y)
    with dask.config.set(num_workers=2):
        chunks.cost_and_gradients(net)(net.init(0, "cpu"))
    spent = chunks.spent
    assert spent.compute / 2 <= spent.busiest < min(spent.compute, spent.wall)
    monkeypatch.undo()
    chunks = ChunkedRows(da.from_array(X, chunks=(20, 5)), y)
    with dask.config.set(scheduler="synchronous"):
        chunks.cost_and_gradients(net)(net.init(0, "cpu"))
    assert chunks.spent.busiest == pytest.approx(chunks.spent.compute, rel=1e-12)
    assert chunks.spent.rest == chunks.spent.wall - chunks.spent.busiest > 0


def test_chunks_may_have_no_rows(rows):
    X, y = rows
    lazy = da.from_array(X, chunks=(100, 5))
    chosen = np.arange(400) % 200 >= 100
    some, X, y = lazy[da.from_array(chosen, chunks=100)].compute_chunk_sizes(), X[chosen], y[chosen]
    assert some.chunks[0] == (0, 100, 0, 100)
    here = cr.LogisticRegression().fit(X, y)
    there = cr.LogisticRegression().fit(some, y)
    np.testing.assert_allclose(there.coef_, here.coef_, rtol=1e-9)
    for method in ("predict", "predict_proba"):
        np.testing.assert_allclose(getattr(there, method)(some), getattr(here, method)(X), rtol=1e-8)
    assert there.score(some, y) == here.score(X, y)


def test_of_rows_that_are_not_finite_one_is_looked_at(monkeypatch, rows):
    X, y = rows
    X[250, 2] = np.nan
    seen, copied = [], validation.on_host

    def on_host(x):
        seen.append(getattr(x, "shape", None))
        return copied(x)

    monkeypatch.setattr(validation, "on_host", on_host)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        cr.MLPClassifier().fit(da.from_array(X, chunks=(100, 5)), y)
    assert X.shape not in seen
