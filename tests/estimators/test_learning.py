import math
import os
import subprocess
import sys
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_breast_cancer, load_digits, make_classification, make_regression
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning, NotFittedError
from sklearn.linear_model import LogisticRegression as TheirLogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier as TheirMLPClassifier
from sklearn.neural_network import MLPRegressor as TheirMLPRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state

import chainrule as cr
from chainrule.data.splitting import held_out_rows
from chainrule.models.activations import ACTIVATIONS
from chainrule.optim import (
    OPTIMIZERS,
    DivergenceError,
    adam,
    adamw,
    descend,
    gradient_descent,
    momentum,
    nesterov,
    rmsprop,
)

unconverged = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
SCHEDULE = cr.optimizers.cosine(0.05, 60)


def classes(k=3, m=60):
    return make_classification(m, 5, n_informative=4, n_redundant=0, n_classes=k, random_state=0)


def numbers(m=60, outputs=1):
    X, y = make_regression(m, 5, n_targets=outputs, random_state=0)
    return X, y / 100


def data_for(kind):
    return numbers() if kind is cr.MLPRegressor else classes()


def small(kind, **parameters):
    return kind(**{"hidden_layer_sizes": (7,), "random_state": 0, "max_iter": 6} | parameters)


def params_of(model):
    return list(zip(model.coefs_, model.intercepts_, strict=True))


def first_params(kind, X, y, **settings):
    """Return the parameters that a fit starts from: steps of this length change no bit of them."""
    still = {"learning_rate_init": 1e-300, "max_iter": 1, "solver": "sgd"}
    with pytest.warns(ConvergenceWarning):
        return params_of(small(kind, **settings | still).fit(X, y))


def assert_same(one, other, **tolerances):
    for (W, b), (V, c) in zip(params_of(one), params_of(other), strict=True):
        np.testing.assert_allclose(W, V, **tolerances)
        np.testing.assert_allclose(b, c, **tolerances)


THEIRS = {cr.MLPClassifier: TheirMLPClassifier, cr.MLPRegressor: TheirMLPRegressor}
both = pytest.mark.parametrize("kind", [cr.MLPClassifier, cr.MLPRegressor])


def logistic_cost(coef, intercept, X, y, C, weight):
    Z = X @ coef.T + intercept
    if len(coef) == 1:
        losses = np.logaddexp(0, Z[:, 0]) - y * Z[:, 0]
    else:
        losses = np.log(np.exp(Z - Z.max(1)[:, None]).sum(1)) + Z.max(1) - Z[np.arange(len(y)), y]
    return weight @ losses / weight.sum() + (coef**2).sum() / (2 * C * weight.sum())


class TestLogisticRegression:
    @pytest.mark.parametrize("load", [load_breast_cancer, load_digits])
    @pytest.mark.parametrize("weighted", [False, True])
    @pytest.mark.parametrize("fit_intercept", [True, False])
    def test_the_minimum_is_scikit_learns(self, load, weighted, fit_intercept):
        X, y = load(return_X_y=True)
        X = StandardScaler().fit_transform(X)
        weight = np.arange(len(y)) % 3 / 2 if weighted else None
        settings = {"C": 0.5, "tol": 1e-8, "max_iter": 2000, "fit_intercept": fit_intercept}
        mine = cr.LogisticRegression(**settings).fit(X, y, weight)
        theirs = TheirLogisticRegression(**settings).fit(X, y, weight)
        np.testing.assert_allclose(mine.coef_, theirs.coef_, atol=1e-4)
        np.testing.assert_allclose(mine.intercept_, theirs.intercept_, atol=1e-3)
        weight = np.ones(len(y)) if weight is None else weight
        costs = [logistic_cost(m.coef_, m.intercept_, X, y, 0.5, weight) for m in (mine, theirs)]
        assert costs[0] == pytest.approx(costs[1], abs=1e-8)
        assert mine.loss_curve_[-1] == pytest.approx(costs[0], abs=1e-12)
        np.testing.assert_allclose(mine.predict_proba(X), theirs.predict_proba(X), atol=1e-4)
        np.testing.assert_array_equal(mine.predict(X), mine.predict_proba(X).argmax(axis=1))
        np.testing.assert_allclose(mine.decision_function(X), theirs.decision_function(X), atol=2e-3)

    @pytest.mark.parametrize("k", [2, 3])
    @pytest.mark.parametrize("solver", ["gradient-descent", "momentum", "nesterov"])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_all_solvers_come_to_the_same_minimum(self, k, solver, weighted):
        X, y = classes(k)
        weight = np.arange(len(y)) % 4 if weighted else None
        settings = {"C": 0.1, "tol": 1e-7, "max_iter": 20000}
        mine = cr.LogisticRegression(solver=solver, **settings).fit(X, y, weight)
        theirs = TheirLogisticRegression(**settings).fit(X, y, weight)
        np.testing.assert_allclose(mine.coef_, theirs.coef_, atol=1e-5)
        assert mine.n_iter_ == len(mine.loss_curve_) > 10
        assert all(np.diff(mine.loss_curve_) < 1e-12) or solver != "gradient-descent", "no step is too long"

    @pytest.mark.parametrize("class_weight", ["balanced", {0: 3.0, 1: 0.25}, {1: 0}])
    def test_class_weights(self, class_weight):
        X, y = classes(3)
        settings = {"class_weight": class_weight, "tol": 1e-8, "max_iter": 1000}
        for weight in (None, np.arange(60) % 4):
            mine = cr.LogisticRegression(**settings).fit(X, y, weight)
            theirs = TheirLogisticRegression(**settings).fit(X, y, weight)
            np.testing.assert_allclose(mine.coef_, theirs.coef_, atol=1e-5)

    @pytest.mark.filterwarnings("ignore:Setting penalty=None will ignore")  # of scikit-learn 1.8
    def test_without_a_penalty(self):
        X, y = classes(2, m=400)
        y = np.where(np.arange(400) % 5 == 0, 1 - y, y)
        settings = {"C": np.inf, "tol": 1e-8, "max_iter": 1000}
        mine = cr.LogisticRegression(**settings).fit(X, y)
        np.testing.assert_allclose(mine.coef_, TheirLogisticRegression(**settings).fit(X, y).coef_, atol=1e-5)

    @pytest.mark.parametrize("k", [2, 3])
    @pytest.mark.parametrize("fit_intercept", [True, False])
    def test_a_warm_start_at_the_minimum_takes_no_step(self, k, fit_intercept):
        X, y = classes(k)
        model = cr.LogisticRegression(warm_start=True, tol=1e-5, fit_intercept=fit_intercept).fit(X, y)
        assert model.n_iter_ > 3
        assert len(model.loss_curve_) == model.n_iter_
        first = model.coef_
        assert model.fit(X, y).n_iter_ == 0
        np.testing.assert_array_equal(model.coef_, first)
        assert model.fit(X, y, np.ones(60)).n_iter_ == 0, "the same in the other form of the cost"
        assert model.set_params(warm_start=False).fit(X, y).n_iter_ > 3

    def test_a_run_that_is_cut_short_warns(self):
        with pytest.warns(
            ConvergenceWarning, match="lbfgs failed to converge: it took max_iter=2 steps"
        ) as caught:
            model = cr.LogisticRegression(max_iter=2).fit(*classes())
        assert model.n_iter_ == 2
        assert caught[0].filename == __file__


class TestCost:
    def test_without_hidden_layers_it_is_logistic_regression_of_C_one_over_alpha(self):
        for k in (2, 3):
            X, y = classes(k)
            weight = np.arange(len(y)) % 3
            settings = {"solver": "lbfgs", "tol": 1e-8, "max_iter": 1000}
            network = small(cr.MLPClassifier, hidden_layer_sizes=(), alpha=4.0, **settings).fit(X, y, weight)
            line = cr.LogisticRegression(C=1 / 4.0, tol=1e-8, max_iter=1000).fit(X, y, weight)
            np.testing.assert_allclose(network.coefs_[0], line.coef_.T, atol=1e-7)
            assert network.loss_ == pytest.approx(line.loss_curve_[-1], rel=1e-10)

    @unconverged
    @both
    @pytest.mark.parametrize("batch_size", [15, 16, 60, "auto"])
    @pytest.mark.parametrize("shuffle", [True, False])
    @pytest.mark.parametrize("weighted", [False, True])
    def test_batches_of_any_size_add_up_to_the_cost_of_all_rows(self, kind, batch_size, shuffle, weighted):
        X, y = data_for(kind)
        # Sorted, so that without shuffling whole batches are heavy or light.
        weight = np.sort(np.random.default_rng(0).gamma(1.0, size=60)) if weighted else None
        params = first_params(kind, X, y)
        alpha, rate = 3.0, 1e-8
        total = 60 if weight is None else weight.sum()
        network = cr.MLP(
            (5, 7, 3 if kind is cr.MLPClassifier else 1),
            output="softmax" if kind is cr.MLPClassifier else "identity",
            cost="cross_entropy" if kind is cr.MLPClassifier else "squared_error",
            penalty=cr.L2(alpha / total),
        )
        J, gradients = network.cost_and_gradients(params, X, y, sample_weight=weight)
        settings = {"batch_size": batch_size, "shuffle": shuffle, "alpha": alpha, "learning_rate_init": rate}
        model = small(kind, solver="sgd", momentum=0, max_iter=1, **settings).fit(X, y, weight)
        assert model.loss_ == pytest.approx(J, rel=1e-5)
        if batch_size != 16:
            steps = 4 if batch_size == 15 else 1
            for (W, _), (V, _), (dW, _) in zip(params, params_of(model), gradients, strict=True):
                np.testing.assert_allclose((W - V) / (rate * steps), dW, atol=1e-5)

    @settings(max_examples=20)
    @given(
        counts=st.lists(st.integers(0, 3), min_size=60, max_size=60),
        kind=st.sampled_from([cr.LogisticRegression, cr.MLPClassifier, cr.MLPRegressor]),
    )
    def test_a_row_of_weight_k_is_k_rows(self, counts, kind):
        X, y = data_for(kind)
        # The first rows hold all classes, of which a row of weight 0 would still count as one.
        counts = np.asarray(counts) + (np.arange(60) < 10)
        line = kind is cr.LogisticRegression
        model = kind(max_iter=8, tol=0, solver="nesterov") if line else small(kind, batch_size=200)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            weighed = model.fit(X, y, counts).loss_curve_
            repeated = model.fit(np.repeat(X, counts, axis=0), np.repeat(y, counts)).loss_curve_
        np.testing.assert_allclose(weighed, repeated, rtol=1e-7)

    @unconverged
    @both
    def test_rows_of_no_weight_are_no_rows(self, kind):
        X, y = data_for(kind)
        weight = np.arange(60) % 3
        for parameters in ({"batch_size": 7}, {}, {"batch_size": 7, "early_stopping": True}):
            one = small(kind, **parameters).fit(X, y, weight)
            other = small(kind, **parameters).fit(X[weight > 0], y[weight > 0], weight[weight > 0])
            assert_same(one, other, rtol=0)


class TestSolvers:
    @both
    @pytest.mark.parametrize(("activation", "factor"), [("relu", 6), ("tanh", 6), ("logistic", 2)])
    def test_first_weights_and_biases_are_drawn_as_scikit_learns(self, kind, activation, factor):
        settings = {"hidden_layer_sizes": (400,), "activation": activation}
        ours, theirs = first_params(kind, *data_for(kind), **settings), THEIRS[kind](max_iter=1, **settings)
        theirs.set_params(learning_rate_init=1e-300, solver="sgd", random_state=0)
        with pytest.warns(ConvergenceWarning):
            theirs.fit(*data_for(kind))
        for (W, b), (V, c) in zip(ours, params_of(theirs), strict=True):
            bound = (factor / sum(W.shape)) ** 0.5
            assert W.std() == pytest.approx(V.std(), rel=0.08) == pytest.approx(bound / 3**0.5, rel=0.08)
            for drawn in (W, b, V, c):
                assert 0 < np.abs(drawn).max() <= bound
        assert ours[0][1].std() == pytest.approx(ours[0][0].std(), rel=0.15)

    @unconverged
    @both
    @pytest.mark.parametrize(
        ("settings", "optimizer"),
        [
            ({}, adam(1e-3)),
            ({"learning_rate_init": 0.02}, adam(0.02)),
            ({"learning_rate": SCHEDULE, "learning_rate_init": 9.0}, adam(SCHEDULE)),
            ({"solver": "rmsprop"}, rmsprop(1e-3)),
            ({"solver": "adamw"}, adamw(1e-3, weight_decay=0.5)),
            ({"solver": "sgd"}, nesterov(1e-3, 0.9)),
            ({"solver": "sgd", "nesterovs_momentum": False}, momentum(1e-3, 0.9)),
            ({"solver": "sgd", "momentum": 0.5}, nesterov(1e-3, 0.5)),
            ({"solver": "sgd", "momentum": 0}, gradient_descent(1e-3)),
            ({"solver": "gradient-descent"}, gradient_descent(1e-3)),
            ({"solver": "momentum", "momentum": 0.5}, momentum(1e-3, 0.5)),
            ({"solver": "nesterov", "momentum": 0.5}, nesterov(1e-3, 0.5)),
        ],
    )
    def test_steps_are_those_of_the_optimiser(self, kind, settings, optimizer):
        X, y = data_for(kind)
        model = small(kind, alpha=0.5, **settings).fit(X, y)
        network = cr.MLP(
            (5, 7, 3 if kind is cr.MLPClassifier else 1),
            output="softmax" if kind is cr.MLPClassifier else "identity",
            cost="cross_entropy" if kind is cr.MLPClassifier else "squared_error",
            penalty=None if settings.get("solver") == "adamw" else cr.L2(0.5 / 60),
        )
        run = descend(
            lambda params: network.cost_and_gradients(params, X, y),
            first_params(kind, X, y),
            steps=6,
            optimizer=optimizer,
            report_every=1,
        )
        for (W, b), (V, c) in zip(params_of(model), run.params, strict=True):
            np.testing.assert_allclose(W, V, rtol=1e-12)
            np.testing.assert_allclose(b, c, rtol=1e-12)
        np.testing.assert_allclose(model.loss_curve_, [r.cost for r in run.history[:-1]], rtol=1e-12)

    @unconverged
    @both
    @pytest.mark.parametrize(
        "change",
        [
            {"hidden_layer_sizes": 7},
            {"hidden_layer_sizes": np.array([7])},
            {"alpha": 1.0},
            {"batch_size": 13},
            {"batch_size": 20, "shuffle": False},
            {"random_state": 1},
            {"early_stopping": True, "validation_fraction": 0.2},
            {"activation": "tanh"},
            {"learning_rate_init": 0.01},
            {"max_iter": 7},
        ],
    )
    def test_parameters_count(self, kind, change):
        X, y = data_for(kind)
        base = {"batch_size": 20} | ({"early_stopping": True} if "early_stopping" in change else {})
        one, other = small(kind, **base).fit(X, y), small(kind, **base | change).fit(X, y)
        same = all(np.array_equal(W, V) for W, V in zip(one.coefs_, other.coefs_, strict=True))
        assert same == ("hidden_layer_sizes" in change)

    @unconverged
    @both
    @pytest.mark.parametrize("activation", [*ACTIVATIONS, "logistic"])
    def test_activations(self, kind, activation):
        X, y = data_for(kind)
        settings = {"hidden_layer_sizes": (7, 4), "max_iter": 60, "solver": "lbfgs"}
        model = small(kind, activation=activation, **settings).fit(X, y)
        assert model.loss_curve_[-1] < 0.9 * model.loss_curve_[0]
        assert model.n_layers_ == 4
        name = "sigmoid" if activation == "logistic" else activation
        if kind is cr.MLPClassifier:
            network = cr.MLP((5, 7, 4, 3), name, "softmax")
            np.testing.assert_allclose(
                network.forward(params_of(model), X), model.predict_proba(X), atol=1e-12
            )
        else:
            network = cr.MLP((5, 7, 4, 1), name, "identity", "squared_error")
            np.testing.assert_allclose(
                network.forward(params_of(model), X)[:, 0], model.predict(X), rtol=1e-12
            )
        if activation == "logistic":
            assert_same(model, clone_with(model, activation="sigmoid").fit(X, y), rtol=0)

    @unconverged
    @both
    def test_random_states(self, kind):
        X, y = data_for(kind)

        def coefs(state):
            return small(kind, batch_size=20, random_state=state).fit(X, y).coefs_[0]

        np.testing.assert_array_equal(coefs(0), coefs(0))
        state = np.random.RandomState(0)
        np.testing.assert_array_equal(coefs(state), coefs(0))
        assert not np.array_equal(coefs(state), coefs(0)), "a RandomState goes on"
        assert not np.array_equal(coefs(None), coefs(None))

    def test_schedules_count_steps_not_epochs(self):
        seen = []

        def schedule(step):
            seen.append(step)
            return 1e-3

        X, y = classes()
        with pytest.warns(ConvergenceWarning):
            small(cr.MLPClassifier, batch_size=20, learning_rate=schedule, max_iter=2).fit(X, y)
        assert sorted(set(seen)) == list(range(6))

    def test_more_outputs(self):
        X, y = numbers(outputs=3)
        model = small(cr.MLPRegressor, solver="lbfgs", max_iter=3000, tol=1e-6).fit(X, y)
        assert model.predict(X).shape == (60, 3)
        assert model.n_outputs_ == 3
        assert model.score(X, y) > 0.99
        assert model.loss_ == pytest.approx(
            ((model.predict(X) - y) ** 2).sum(1).mean() / 2
            + 1e-4 * sum((W**2).sum() for W in model.coefs_) / 120,
            rel=1e-9,
        )

    @unconverged
    def test_a_column_of_numbers_is_one_output(self):
        X, y = numbers()
        with pytest.warns(DataConversionWarning, match="column-vector"):
            model = small(cr.MLPRegressor).fit(X, y[:, None])
        assert_same(model, small(cr.MLPRegressor).fit(X, y), rtol=0)
        assert model.predict(X).shape == (60,)

    def test_digits(self):
        X, y = load_digits(return_X_y=True)
        X, X_test, y, y_test = train_test_split((X / 16).astype("float32"), y, random_state=0)
        settings = {"learning_rate_init": 3e-3, "n_iter_no_change": 5, "tol": 1e-3, "random_state": 0}
        model = cr.MLPClassifier((64,), **settings).fit(X, y)
        assert model.score(X_test, y_test) > 0.96
        assert {W.dtype.name for W in model.coefs_} == {model.predict_proba(X_test).dtype.name} == {"float32"}


def clone_with(model, **settings):
    return type(model)(**model.get_params() | settings)


class TestEnds:
    @both
    def test_the_end_of_max_iter_warns_and_that_of_tol_does_not(self, kind):
        X, y = data_for(kind)
        with pytest.warns(ConvergenceWarning, match=rf"{kind.__name__}: max_iter=6 came") as caught:
            model = small(kind).fit(X, y)
        assert caught[0].filename == __file__
        assert model.n_iter_ == len(model.loss_curve_) == 6
        assert model.loss_ == model.loss_curve_[-1]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model = small(kind, tol=10.0, n_iter_no_change=4, max_iter=50).fit(X, y)
        assert model.n_iter_ == len(model.loss_curve_) == 5, (
            "the first epoch is the best, then 4 do not gain 10"
        )
        with pytest.warns(ConvergenceWarning):
            assert small(kind, tol=10.0, n_iter_no_change=np.inf, max_iter=50).fit(X, y).n_iter_ == 50

    @both
    def test_lbfgs_ends_by_its_gradient(self, kind):
        X, y = data_for(kind)
        # A minimum at a kink of relu has no small gradient.
        settings = {"solver": "lbfgs", "activation": "tanh", "alpha": 1.0, "max_iter": 5000}
        model = small(kind, tol=1e-3, **settings).fit(X, y)
        assert model.n_iter_ == len(model.loss_curve_) > 5
        assert np.all(np.diff(model.loss_curve_) < 1e-12)
        with pytest.warns(ConvergenceWarning):
            model = small(kind, solver="lbfgs", max_iter=3).fit(X, y)
        assert model.n_iter_ == len(model.loss_curve_) == 3

    @unconverged
    @both
    @pytest.mark.parametrize("weighted", [False, True])
    def test_early_stopping_keeps_what_scored_best_on_the_held_out_rows(self, kind, weighted):
        X, y = data_for(kind)
        weight = np.arange(60) % 7 + 1.0 if weighted else None
        settings = {"learning_rate_init": 0.3, "batch_size": 9, "n_iter_no_change": np.inf, "max_iter": 25}
        model = small(kind, early_stopping=True, validation_fraction=0.3, **settings).fit(X, y, weight)
        assert len(model.validation_scores_) == len(model.loss_curve_) == model.n_iter_ == 25
        best = int(np.argmax(model.validation_scores_))
        assert 0 < best < 24, "an end at the best epoch would show nothing"
        assert model.best_validation_score_ == model.validation_scores_[best]
        short = clone_with(model, max_iter=best + 1).fit(X, y, weight)
        assert_same(model, short, rtol=0)
        seed = check_random_state(0).randint(2**31 - 1, size=3)[2]
        strata = y if kind is cr.MLPClassifier else np.zeros(60, int)
        rows = np.flatnonzero(held_out_rows(strata, int(strata.max()) + 1, 0.3, seed))
        assert len(rows) == 18
        held = None if weight is None else weight[rows]
        assert model.score(X[rows], y[rows], held) == pytest.approx(model.best_validation_score_, rel=1e-12)

    @unconverged
    def test_held_out_numbers_that_do_not_vary_score_one_or_nothing(self):
        X, _ = numbers()
        never_met = small(cr.MLPRegressor, early_stopping=True, max_iter=3).fit(X, np.full(60, 7.0))
        assert never_met.validation_scores_ == [0.0, 0.0, 0.0]
        met = small(cr.MLPRegressor, early_stopping=True, hidden_layer_sizes=(), max_iter=1)
        met.set_params(learning_rate_init=1e-300, warm_start=True).fit(np.zeros((60, 5)), np.zeros(60))
        met.intercepts_[0][:] = 0
        met.fit(np.zeros((60, 5)), np.zeros(60))
        assert met.validation_scores_ == [0.0, 1.0]

    @unconverged
    def test_without_early_stopping_there_are_no_scores(self):
        model = small(cr.MLPClassifier, early_stopping=True).fit(*classes())
        assert 0 <= model.best_validation_score_ <= 1
        model.set_params(early_stopping=False).fit(*classes())
        assert model.validation_scores_ is model.best_validation_score_ is None

    @unconverged
    def test_verbose_prints_each_epoch(self, capsys):
        X, y = classes()
        model = small(cr.MLPClassifier, verbose=True, batch_size=20, early_stopping=True, max_iter=3).fit(
            X, y
        )
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 3
        for epoch, (line, cost) in enumerate(zip(lines, model.loss_curve_, strict=True), start=1):
            assert line.startswith(f"MLPClassifier: Iteration {epoch}, cost {cost:.6g}, held-out score ")
        model.set_params(early_stopping=False).partial_fit(X, y)
        assert capsys.readouterr().out.startswith("MLPClassifier: Iteration 4, cost ")
        model.set_params(solver="lbfgs").fit(X, y)
        assert "MLPClassifier: Iteration 3, cost " in capsys.readouterr().out
        model.set_params(verbose=False).fit(X, y)
        assert capsys.readouterr().out == ""


class TestLearningOn:
    @unconverged
    @both
    @pytest.mark.parametrize("batch_size", ["auto", 7])
    @pytest.mark.parametrize("solver", ["adam", "adamw", "rmsprop", "sgd"])
    def test_single_epochs_are_those_of_one_fit(self, kind, solver, batch_size):
        X, y = data_for(kind)
        weight = np.arange(60) % 5
        settings = {"solver": solver, "batch_size": batch_size, "learning_rate": SCHEDULE}
        whole = small(kind, **settings).fit(X, y, weight)
        parts = small(kind, **settings)
        named = {"classes": [2, 1, 0]} if kind is cr.MLPClassifier else {}
        for _ in range(6):
            parts.partial_fit(X, y, weight, **named)
        assert_same(whole, parts, rtol=0)
        assert parts.loss_curve_ == whole.loss_curve_
        assert parts.n_iter_ == whole.n_iter_ == 6
        longer = small(kind, **settings | {"max_iter": 7}).fit(X, y, weight)
        assert_same(whole.partial_fit(X, y, weight), longer, rtol=0)

    @unconverged
    @both
    def test_epochs_of_other_rows_and_another_dtype(self, kind):
        X, y = data_for(kind)
        model = small(kind).fit(X.astype("float32"), y)
        model.partial_fit(X[:20], y[:20])
        assert {W.dtype.name for W in model.coefs_} == {"float64"}
        model.partial_fit(X[:3].astype("float32"), y[:3])
        assert {W.dtype.name for W in model.coefs_} == {"float32"}

    @unconverged
    @both
    def test_another_solver_goes_on_from_the_parameters_alone(self, kind):
        X, y = data_for(kind)
        model = small(kind).fit(X, y)
        for epoch, change in enumerate(
            [{"solver": "sgd"}, {"momentum": 0}, {"momentum": 0.5}, {"solver": "rmsprop"}], start=7
        ):
            model.set_params(**change).partial_fit(X, y)
            assert model.n_iter_ == len(model.loss_curve_) == epoch
        model.set_params(solver="lbfgs").fit(X, y).set_params(solver="adam").partial_fit(X, y)

    def test_classes_that_come_later(self):
        X, y = classes()
        model = small(cr.MLPClassifier)
        with pytest.raises(ValueError, match=r"the first call needs classes.*np\.unique"):
            model.partial_fit(X, y)
        model.partial_fit(X[y == 0], y[y == 0], classes=[0, 1, 2]).partial_fit(X, y)
        assert model.predict_proba(X).shape == (60, 3)
        with pytest.raises(ValueError, match=r"expected labels of the classes \[0, 1, 2\], got \[3\] too"):
            model.partial_fit(X, y + 1)
        with pytest.raises(ValueError, match=r"expected the classes of the first call, \[0, 1, 2\]"):
            model.partial_fit(X, y, classes=[0, 1, 2, 3])

    @both
    def test_what_single_epochs_cannot_do(self, kind):
        X, y = data_for(kind)
        assert hasattr(kind(), "partial_fit")
        assert not hasattr(kind(solver="lbfgs"), "partial_fit")
        named = {"classes": [0, 1, 2]} if kind is cr.MLPClassifier else {}
        with pytest.raises(ValueError, match=r"partial_fit does not support early_stopping=True: one epoch"):
            kind(early_stopping=True).partial_fit(X, y, **named)

    @unconverged
    @both
    def test_a_warm_start_goes_on_from_what_was_learnt(self, kind):
        X, y = data_for(kind)
        model = small(kind, warm_start=True).fit(X, y)
        before, curve = params_of(model), list(model.loss_curve_)
        model.set_params(learning_rate_init=1e-300, max_iter=1, solver="sgd").fit(X, y)
        assert model.n_iter_ == 1
        assert model.loss_curve_ == [*curve, model.loss_]
        assert model.best_loss_ == min(model.loss_curve_)
        for (W, b), (V, c) in zip(before, params_of(model), strict=True):
            np.testing.assert_array_equal(W, V)
            np.testing.assert_array_equal(b, c)
        model.set_params(warm_start=False).fit(X, y)
        assert not np.array_equal(before[0][0], model.coefs_[0])

    @unconverged
    @both
    def test_a_warm_start_needs_a_network_of_the_same_shape(self, kind):
        X, y = data_for(kind)
        model = small(kind, warm_start=True).fit(X, y)
        with pytest.raises(ValueError, match=r"hidden_layer_sizes=\(8,\) asks for .*without warm_start"):
            model.set_params(hidden_layer_sizes=(8,)).fit(X, y)
        with pytest.raises(ValueError, match="X has 4 features"):
            model.set_params(hidden_layer_sizes=(7,)).fit(X[:, :4], y)
        with pytest.raises(ValueError, match=r"has \[0 2 9\]" if kind is cr.MLPClassifier else "1 outputs"):
            model.fit(X, np.where(y == 1, 9, y) if kind is cr.MLPClassifier else numbers(outputs=2)[1])

    def test_a_fit_that_failed_leaves_nothing_to_predict_with(self):
        X, y = numbers()
        model = small(cr.MLPRegressor, solver="sgd", learning_rate_init=1e6, max_iter=100)
        with pytest.raises(DivergenceError, match="try learning_rate=100000"):
            model.fit(X, y)
        with pytest.raises(NotFittedError):
            model.predict(X)

    def test_infinity_is_a_number_of_epochs_only_for_patience(self):
        with pytest.raises(ValueError, match="max_iter must be a whole number from 1 up, got inf"):
            small(cr.MLPClassifier, max_iter=math.inf).fit(*classes())

    def test_float32_goes_on_while_costs_fall(self):
        """A bound of the fall in the units of float32 ends this run at probabilities that are 0.009 off."""
        X, y = load_breast_cancer(return_X_y=True)
        X = StandardScaler().fit_transform(X)
        expected = cr.LogisticRegression(tol=1e-8, max_iter=1000).fit(X, y).predict_proba(X)
        got = cr.LogisticRegression(tol=1e-5).fit(X.astype("float32"), y).predict_proba(X)
        assert np.max(np.abs(got - expected)) < 2e-3

    @pytest.mark.parametrize("kind", [cr.LogisticRegression, cr.MLPClassifier])
    def test_huge_numbers_are_learnt_from_and_a_gradient_above_tol_is_told(self, kind):
        X, y = classes(2)
        model = kind() if kind is cr.LogisticRegression else kind((), solver="lbfgs", random_state=0)
        with pytest.warns(
            ConvergenceWarning, match=r"gradient\| is \d.*e\+\d+, not under tol=0.0001; scale X"
        ):
            model.fit(X * 1e150, y)
        assert model.score(X * 1e150, y) == clone_with(model).fit(X, y).score(X, y)

    @pytest.mark.parametrize("kind", [cr.LogisticRegression, cr.MLPClassifier])
    def test_a_second_fit_that_failed_leaves_nothing_of_the_first(self, kind):
        X, y = classes(2)
        settings = {} if kind is cr.LogisticRegression else {"solver": "lbfgs", "hidden_layer_sizes": ()}
        model = kind(**settings).fit(X, y)
        with pytest.raises(ValueError, match=r"got one class, 'cat'; there is nothing|inconsistent numbers"):
            model.fit(X, np.full(60 if kind is cr.LogisticRegression else 59, "cat"))
        with pytest.raises(NotFittedError):
            model.predict(X)

    @pytest.mark.parametrize("sizes", [(n for n in (3, 4)), {}, {3: 4}])
    def test_units_that_can_be_counted_only_once_are_refused(self, sizes):
        with pytest.raises(ValueError, match="hidden_layer_sizes must be whole numbers"):
            cr.MLPClassifier(sizes).fit(*classes())


def test_the_docstring_names_every_row_of_the_tables():
    told = cr.MLPClassifier.__doc__
    for name in (*ACTIVATIONS, *OPTIMIZERS):
        assert f'"{name}"' in told


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_row_of_the_table_of_optimisers_is_a_solver(name):
    X, y = classes()
    with pytest.warns(ConvergenceWarning):
        assert small(cr.MLPClassifier, solver=name).fit(X, y).n_iter_ == 6
    if OPTIMIZERS[name].adaptive:
        with pytest.raises(ValueError, match="solver must be one of lbfgs, gradient-descent"):
            cr.LogisticRegression(solver=name).fit(X, y)
    else:
        assert cr.LogisticRegression(solver=name, tol=1e-2, max_iter=1000).fit(X, y).n_iter_ > 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_while_another_thread_draws_its_first_weights():
    code = """
import os, signal, sys, threading, time
import numpy as np
import chainrule as cr

inside, lock = threading.Event(), threading.Lock()

class Slow(np.random.RandomState):
    def randint(self, *arguments, **settings):
        with lock:
            inside.set()
            time.sleep(0.5)
            return super().randint(*arguments, **settings)

X, y, source = np.eye(8), np.arange(8) % 2, Slow(0)

def fit():
    cr.MLPClassifier(max_iter=1, random_state=source).fit(X, y)

thread = threading.Thread(target=fit)
thread.start()
inside.wait()
child = os.fork()
if child == 0:
    signal.alarm(20)
    fit()
    os._exit(0)
thread.join()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], timeout=60, check=False)
    assert done.returncode == 0
