"""A trained model in Python: what it answers, what it shows, and the estimator that it becomes."""

import pickle

import numpy as np
import pandas as pd
import pytest

import chainrule as cr
from chainrule.data import ImageShape
from tests.trained.conftest import NETS, NUMBERS, rows


def expected(model, X):
    """Return the probability of each class by the network's own forward pass on scaled rows."""
    y_hat = model.net.forward(model.params, (X - model.shift) / model.scale)
    return y_hat if y_hat.shape[1] > 1 else np.concatenate([1 - y_hat, y_hat], axis=1)


@pytest.mark.parametrize("net", NETS, ids=str)
def test_a_model_and_its_estimator_answer_as_the_network_does(saved, net):
    model, X = cr.load_model(saved(net)), rows()
    P = model.predict_proba(X)
    np.testing.assert_allclose(P, expected(model, X), rtol=1e-12)
    assert model.classes.tolist() == ["10", "9", "2"][: P.shape[1]]
    assert model.predict(X).tolist() == [model.classes[k] for k in P.argmax(axis=1)]
    estimator = pickle.loads(pickle.dumps(model.to_estimator()))
    assert isinstance(estimator, cr.MLPClassifier if len(net.sizes) > 2 else cr.LogisticRegression)
    assert estimator.classes_.tolist() == sorted(map(int, model.classes))
    columns = [model.classes.tolist().index(str(label)) for label in estimator.classes_]
    np.testing.assert_allclose(estimator.predict_proba(X), P[:, columns], rtol=1e-7, atol=1e-9)
    assert estimator.score(X, model.predict(X).astype(int)) == 1


def test_a_converted_network_learns_on(saved):
    estimator = cr.load_model(saved(NETS[0])).to_estimator()
    X = rows()
    before = estimator.predict_proba(X)
    estimator.partial_fit(X, np.resize([2, 9, 10], len(X)))
    assert estimator.n_iter_ == 1
    assert not np.array_equal(estimator.predict_proba(X), before)


def test_what_x_may_be(saved, device, tmp_path):
    names = tuple("fedcba")
    path = saved(cr.MLP((6, 1)), features=names, classes=("no", "yes"))
    model, X = cr.load_model(path, device=device.name), rows()
    P = model.predict_proba(X)
    table = pd.DataFrame(X, columns=list(names))
    np.testing.assert_allclose(model.predict_proba(table[sorted(names)]), P, rtol=1e-12)
    assert np.array_equal(model.predict_proba(X.tolist()), P)
    np.testing.assert_allclose(model.predict_proba(device.asarray(X, "float64")), P, rtol=1e-12)
    table.to_csv(tmp_path / "rows.csv", index=False)
    np.testing.assert_allclose(model.predict_proba(tmp_path / "rows.csv"), P, rtol=1e-12)
    assert model.to_estimator().feature_names_in_.tolist() == list(names)
    with pytest.raises(ValueError, match="got none called 'a'"):
        model.predict(table.drop(columns="a"))
    for odd in (X[:, :5], X[0], X.astype(str), X * 1j):
        with pytest.raises(ValueError, match=r"X must be real numbers \(m, 6\)"):
            model.predict(odd)
    with pytest.raises(ValueError, match="finite numbers, got NaN"):
        model.predict(np.full((1, 6), np.nan))


def test_pictures_are_rows(saved):
    model = cr.load_model(saved(cr.MLP((6, 1)), image=ImageShape(2, 3, 1)))
    X = rows()
    assert np.array_equal(model.predict_proba(X.reshape(-1, 2, 3)), model.predict_proba(X))


def test_a_sample_is_explained_to_the_cost_of_its_class(saved):
    model, X = cr.load_model(saved(NETS[1])), rows()[:1]
    P = model.predict_proba(X)[0]
    for wanted in (None, "2"):
        number = int(P.argmax()) if wanted is None else 2
        graph = model.explain(X, wanted=wanted)
        assert float(graph.node("J").value) == pytest.approx(-np.log(P[number]))
    with pytest.raises(ValueError, match="wanted must be one of 10, 9, 2, got '3'"):
        model.explain(X, wanted="3")
    with pytest.raises(ValueError, match="expected one sample, got 20"):
        model.explain(rows())


@pytest.mark.parametrize("net", NUMBERS, ids=str)
def test_a_model_of_numbers(saved, net, tmp_path):
    model, X = cr.load_model(saved(net)), rows()
    scaled = (X - model.shift) / model.scale
    y_hat = net.forward(model.params, scaled)[:, 0]
    np.testing.assert_allclose(model.predict(X), y_hat, rtol=1e-12)
    np.savetxt(tmp_path / "rows.csv", X, "%.17g", ",", header="a,b,c,d,e,f", comments="")
    np.testing.assert_allclose(model.predict(tmp_path / "rows.csv"), y_hat, rtol=1e-12)
    assert "a number" in repr(model)
    estimator = pickle.loads(pickle.dumps(model.to_estimator()))
    assert isinstance(estimator, cr.MLPRegressor)
    np.testing.assert_allclose(estimator.predict(X), y_hat, rtol=1e-7)
    estimator.partial_fit(X, y_hat)
    assert estimator.n_iter_ == 1
    graph = model.explain(X[:1])
    assert float(graph.output.value) == pytest.approx(y_hat[0], rel=1e-12)
    slope = [
        (net.forward(model.params, scaled[:1] + h) - net.forward(model.params, scaled[:1] - h))[0, 0] / 2e-6
        for h in 1e-6 * np.eye(6)
    ]
    np.testing.assert_allclose(graph.node("X").gradient[0], slope, rtol=1e-6, atol=1e-8)
    for refused in (lambda: model.predict_proba(X), lambda: model.explain(X[:1], wanted="9")):
        with pytest.raises(ValueError, match="expected a model of classes, got one that predicts a number"):
            refused()


def test_a_maxout_of_other_pieces_is_no_estimator(saved):
    model = cr.load_model(saved(cr.MLP((6, 4, 3), "maxout", "softmax", pieces=3)))
    assert model.predict_proba(rows()).shape == (20, 3)
    with pytest.raises(ValueError, match=r"maxout of 2 pieces, .*, got 3"):
        model.to_estimator()


def test_what_is_no_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a model of chainrule, got no file"):
        cr.load_model(tmp_path)
