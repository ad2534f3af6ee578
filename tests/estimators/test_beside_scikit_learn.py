"""The estimators beside scikit-learn's own: minima, accuracies, and what people pass to them."""

import os
import warnings

import numpy as np
import pytest
import sklearn.datasets as data
from scipy import sparse
from scipy.special import xlogy
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression as TheirLogisticRegression
from sklearn.linear_model import PoissonRegressor
from sklearn.metrics import mean_poisson_deviance
from sklearn.model_selection import GridSearchCV, KFold, cross_val_score
from sklearn.neural_network import MLPClassifier as TheirMLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import chainrule as cr

unconverged = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

BESIDE = "CHAINRULE_BESIDE" in os.environ
# On "quantiles" the accuracies of 20 seeds have a standard deviation of 0.017, nearly the standard error allowed.
SEEDS = range(10 if BESIDE else 3)
TEN = {
    "iris": lambda: data.load_iris(return_X_y=True),
    "wine": lambda: data.load_wine(return_X_y=True),
    "breast cancer": lambda: data.load_breast_cancer(return_X_y=True),
    "digits": lambda: tuple(part[:500] for part in data.load_digits(return_X_y=True)),
    "classification": lambda: data.make_classification(300, 20, n_informative=6, n_classes=3, random_state=0),
    "moons": lambda: data.make_moons(300, noise=0.25, random_state=0),
    "circles": lambda: data.make_circles(300, noise=0.1, factor=0.5, random_state=0),
    "blobs": lambda: data.make_blobs(300, 4, centers=4, cluster_std=4.0, random_state=0),
    "quantiles": lambda: data.make_gaussian_quantiles(n_samples=300, n_features=3, random_state=0),
    "hastie": lambda: data.make_hastie_10_2(300, random_state=0),
}


def cost(coef, intercept, X, y, C=1.0, ratio=0.0):
    """J of LogisticRegression by its formula, and its largest |gradient| for ratio 0."""
    m, Z = len(y), X @ coef.T + intercept
    if len(coef) == 1:
        Z = np.hstack([np.zeros_like(Z), Z])
    losses = np.logaddexp.reduce(Z, axis=1) - Z[np.arange(m), y]
    J = losses.mean() + (ratio * np.abs(coef).sum() + (1 - ratio) * (coef**2).sum() / 2) / (C * m)
    P = np.exp(Z - np.logaddexp.reduce(Z, axis=1, keepdims=True))
    P[np.arange(m), y] -= 1
    P = P[:, -len(coef) :]
    return J, max(np.abs(P.T @ X / m + coef / (C * m)).max(), np.abs(P.mean(axis=0)).max())


@pytest.mark.parametrize("name", TEN)
def test_logistic_regression_has_the_cost_of_theirs_on_ten_data_sets(name):
    X, y = TEN[name]()
    X, y = StandardScaler().fit_transform(X), np.unique(y, return_inverse=True)[1]
    mine = cr.LogisticRegression(tol=1e-7, max_iter=1000).fit(X, y)
    theirs = TheirLogisticRegression(tol=1e-7, max_iter=1000).fit(X, y)
    costs = [cost(model.coef_, model.intercept_, X, y)[0] for model in (mine, theirs)]
    assert costs[0] == pytest.approx(costs[1], abs=1e-8)
    assert mine.score(X, y) == pytest.approx(theirs.score(X, y), abs=1 / len(y))


@unconverged
@pytest.mark.parametrize("name", TEN if BESIDE else ["moons"])
def test_networks_are_as_right_as_theirs_on_ten_data_sets(name):
    X, y = TEN[name]()
    settings = {"hidden_layer_sizes": (20,), "learning_rate_init": 0.01, "max_iter": 150}
    rights = []
    for kind in (cr.MLPClassifier, TheirMLPClassifier):
        models = [make_pipeline(StandardScaler(), kind(random_state=seed, **settings)) for seed in SEEDS]
        folds = KFold(3, shuffle=True, random_state=0)
        rights.append(np.mean([cross_val_score(model, X, y, cv=folds).mean() for model in models]))
    error = np.sqrt(rights[1] * (1 - rights[1]) / len(y))
    print(f"{name}: {rights[0]:.4f}, scikit-learn {rights[1]:.4f}, standard error {error:.4f}")
    assert rights[0] > rights[1] - error


class TestColumnsOfAnySize:
    def test_one_far_from_zero_is_learnt_from_in_float32(self):
        X = np.linspace(2e4, 8e4, 100, dtype="float32")[:, None]
        y = (X[:, 0] > 5e4).astype(int)
        for model in (
            cr.LogisticRegression(max_iter=10000),
            cr.MLPClassifier((8,), solver="lbfgs", random_state=0, max_iter=1000),
        ):
            with warnings.catch_warnings():
                # In float32 a gradient in such a column may not get under tol, which is told.
                warnings.simplefilter("ignore", ConvergenceWarning)
                assert model.fit(X, y).score(X, y) == 1.0

    def test_seconds_of_an_epoch_beside_small_numbers(self):
        rng = np.random.default_rng(0)
        t, Z = rng.uniform(1.70e9, 1.73e9, 300), rng.standard_normal((300, 3))
        X = np.column_stack([t, Z])
        y = (Z[:, 0] + (t - 1.715e9) / 1e7 + rng.standard_normal(300) > 0).astype(int)
        S = StandardScaler().fit_transform(X)
        with pytest.warns(
            ConvergenceWarning, match=r"largest \|gradient\| is .* not under tol=0.0001; scale X"
        ):
            model = cr.LogisticRegression(C=1e6).fit(X, y)
        assert model.score(X, y) == cr.LogisticRegression(C=1e6).fit(S, y).score(S, y) > 0.75

    @pytest.mark.parametrize("scale", [1.0, 1e-3, 1e3])
    @pytest.mark.parametrize("k", [2, 3])
    def test_a_fit_without_a_warning_has_a_small_gradient(self, scale, k):
        X, y = data.make_classification(80, 6, n_informative=4, n_classes=k, random_state=k)
        X = (X + np.array([0, 9, 0, 99, 0, 0])) * np.array([1, 1, scale, 1, 1 / scale, 0])
        model = cr.LogisticRegression(tol=1e-5, max_iter=1000).fit(X, y)
        J, largest = cost(model.coef_, model.intercept_, X, y)
        assert largest <= 1.01e-5
        assert pytest.approx(model.loss_curve_[-1], rel=1e-9) == J


class TestPenalties:
    @pytest.mark.parametrize("k", [2, 3])
    @pytest.mark.parametrize("ratio", [1.0, 0.5])
    @pytest.mark.parametrize("fit_intercept", [True, False])
    def test_the_minimum_is_sagas(self, k, ratio, fit_intercept):
        X, y = data.make_classification(80, 10, n_informative=4, n_classes=k, random_state=1)
        settings = {"C": 0.2, "l1_ratio": ratio, "fit_intercept": fit_intercept, "solver": "saga"}
        mine = cr.LogisticRegression(tol=1e-8, max_iter=1000, **settings).fit(X, y)
        theirs = TheirLogisticRegression(tol=1e-9, max_iter=50000, **settings).fit(X, y)
        np.testing.assert_allclose(mine.coef_, theirs.coef_, atol=1e-5)
        assert 0 < np.count_nonzero(mine.coef_ == 0) == np.count_nonzero(theirs.coef_ == 0)
        J = cost(mine.coef_, mine.intercept_, X, y, 0.2, ratio)[0]
        assert pytest.approx(cost(theirs.coef_, theirs.intercept_, X, y, 0.2, ratio)[0], abs=1e-8) == J
        assert pytest.approx(mine.loss_curve_[-1], rel=1e-12) == J
        warm = mine.set_params(warm_start=True).fit(X, y)
        assert warm.n_iter_.tolist() == [0]

    @pytest.mark.parametrize("ratio", [0.0, 1.0])
    @pytest.mark.parametrize("fit_intercept", [True, False])
    def test_liblinears_penalty_counts_biases(self, ratio, fit_intercept):
        X, y = data.make_classification(80, 6, n_informative=4, weights=[0.8], random_state=1)
        settings = {"C": 0.3, "l1_ratio": ratio, "fit_intercept": fit_intercept, "solver": "liblinear"}
        mine = cr.LogisticRegression(tol=1e-8, max_iter=1000, **settings).fit(X, y)
        theirs = TheirLogisticRegression(tol=1e-10, max_iter=50000, **settings).fit(X, y)
        np.testing.assert_allclose(mine.coef_, theirs.coef_, atol=1e-5)
        np.testing.assert_allclose(mine.intercept_, theirs.intercept_, atol=1e-5)
        free = cr.LogisticRegression(tol=1e-8, max_iter=1000, **settings | {"solver": "saga"}).fit(X, y)
        assert (abs(free.intercept_ - mine.intercept_) > 1e-2) == fit_intercept
        assert mine.set_params(warm_start=True).fit(X, y).n_iter_.tolist() == [0]

    def test_names(self):
        X, y = data.make_classification(60, 6, random_state=0)
        lasso = cr.LogisticRegression(l1_ratio=1.0).fit(X, y).coef_
        np.testing.assert_array_equal(cr.LogisticRegression(penalty="l1").fit(X, y).coef_, lasso)
        ridge = cr.LogisticRegression().fit(X, y).coef_
        np.testing.assert_array_equal(cr.LogisticRegression(penalty="l2").fit(X, y).coef_, ridge)
        np.testing.assert_array_equal(cr.LogisticRegression(penalty="elasticnet").fit(X, y).coef_, ridge)
        X, y = data.make_classification(60, 3, n_redundant=0, flip_y=0.4, random_state=0)
        free = cr.LogisticRegression(C=np.inf, tol=1e-8).fit(X, y).coef_
        np.testing.assert_array_equal(cr.LogisticRegression(penalty=None, tol=1e-8).fit(X, y).coef_, free)
        with pytest.warns(UserWarning, match=r"penalty=l2 with l1_ratio=0.5, which is not looked at"):
            cr.LogisticRegression(penalty="l2", l1_ratio=0.5).fit(X, y)
        with pytest.warns(UserWarning, match="penalty=None will ignore the C"):
            cr.LogisticRegression(penalty=None, C=3.0).fit(X, y)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"penalty": "l3"}, "penalty must be one of auto, l2, l1, elasticnet, None, got 'l3'"),
            ({"l1_ratio": 1.5}, "l1_ratio must be a number from 0 to 1"),
            ({"penalty": "elasticnet", "l1_ratio": None}, "penalty='elasticnet' needs an l1_ratio"),
            ({"penalty": "l1", "solver": "nesterov"}, r"a penalty of \|w\|_1 needs solver='lbfgs'"),
            (
                {"solver": "liblinear"},
                "The 'liblinear' solver does not support multiclass classification, got 3",
            ),
        ],
    )
    def test_what_cannot_be(self, settings, message):
        with pytest.raises(ValueError, match=f"LogisticRegression.fit: {message}"):
            cr.LogisticRegression(**settings).fit(*data.load_iris(return_X_y=True))


class TestClassWeights:
    def test_names_of_classes_that_are_in_no_row(self):
        X, y = data.load_iris(return_X_y=True)
        two = cr.LogisticRegression(class_weight={0: 1.0, 1: 3.0}).fit(X[:100], y[:100])
        more = cr.LogisticRegression(class_weight={0: 1.0, 1: 3.0, 2: 9.0}).fit(X[:100], y[:100])
        np.testing.assert_array_equal(two.coef_, more.coef_)
        scores = cross_val_score(cr.LogisticRegression(class_weight={0: 1, 1: 1, 2: 2}), X, y, cv=KFold(3))
        assert scores.tolist() == [0.0] * 3
        with pytest.raises(ValueError, match="class_weight must be None"):
            cr.LogisticRegression(class_weight={0: 1.0, 7: 9.0}).fit(X, y)

    def test_arrays_and_series(self):
        pandas = pytest.importorskip("pandas")
        X, y = data.load_iris(return_X_y=True)
        named = cr.LogisticRegression(class_weight={0: 1.0, 1: 3.0, 2: 0.5}).fit(X, y).coef_
        for given in (np.array([1.0, 3.0, 0.5]), [1.0, 3.0, 0.5], pandas.Series([0.5, 1.0, 3.0], [2, 0, 1])):
            np.testing.assert_array_equal(cr.LogisticRegression(class_weight=given).fit(X, y).coef_, named)


class TestSparse:
    TEXTS = ("the cat sat", "a dog barked", "the cat purred", "dogs bark", "cats purr", "a dog sat", "a cat")
    LABELS = ("cat", "dog", "cat", "dog", "cat", "dog", "cat")

    def test_texts(self):
        model = make_pipeline(TfidfVectorizer(), cr.LogisticRegression(C=10.0))
        assert model.fit(self.TEXTS, self.LABELS).score(self.TEXTS, self.LABELS) == 1.0

    @unconverged
    @pytest.mark.parametrize("form", [sparse.csr_matrix, sparse.csc_array, sparse.coo_matrix])
    @pytest.mark.parametrize(
        "make",
        [
            lambda: cr.LogisticRegression(tol=1e-6),
            lambda: cr.LogisticRegression(solver="nesterov", max_iter=50),
            lambda: cr.LogisticRegression(l1_ratio=0.5, tol=1e-6),
            lambda: cr.MLPClassifier((5,), batch_size=16, max_iter=4, random_state=0, early_stopping=True),
            lambda: cr.MLPClassifier((), solver="lbfgs", max_iter=9, random_state=0),
        ],
        ids=["lbfgs", "nesterov", "elastic net", "batches", "network by lbfgs"],
    )
    def test_the_numbers_are_those_of_a_dense_X(self, form, make):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((70, 9)) * (rng.random((70, 9)) < 0.3)
        y, weight = rng.integers(0, 3, 70), np.arange(70) % 3
        dense, thin = make().fit(X, y, weight), make().fit(form(X), y, weight)
        np.testing.assert_allclose(thin.predict_proba(form(X)), dense.predict_proba(X), atol=1e-6)
        np.testing.assert_allclose(thin.loss_curve_[-1], dense.loss_curve_[-1], rtol=1e-6)
        assert thin.score(form(X), y) == dense.score(X, y)

    def test_another_library_has_none(self):
        X, y = sparse.random(20, 4, 0.5, "csr", random_state=0), np.arange(20) % 2
        with pytest.raises(TypeError, match=r"by NumPy or CuPy, not by array_api_strict; call X\.toarray"):
            cr.LogisticRegression(device="strict").fit(X, y)
        net = cr.MLP((4, 1))
        params = net.init(0, "cpu")
        with pytest.raises(TypeError, match="expected a dense X"):
            net.input_gradient(params, X, y)


class TestPoisson:
    def counts(self, outputs=1):
        rng = np.random.default_rng(0)
        X = rng.standard_normal((200, 4))
        rates = np.exp(X @ rng.standard_normal((4, outputs)) / 2 + np.arange(1, outputs + 1) / 2)
        return X, rng.poisson(rates[:, 0] if outputs == 1 else rates)

    @pytest.mark.parametrize("weighted", [False, True])
    @pytest.mark.parametrize("outputs", [1, 2])
    def test_without_hidden_layers_it_is_their_regressor(self, weighted, outputs):
        X, y = self.counts(outputs)
        weight = np.arange(200) % 3 / 2 if weighted else None
        total = 200 if weight is None else weight.sum()
        settings = {"loss": "poisson", "solver": "lbfgs", "tol": 1e-7, "max_iter": 2000, "random_state": 0}
        mine = cr.MLPRegressor((), alpha=0.3 * total, **settings).fit(X, y, weight)
        assert (mine.out_activation_, mine.n_outputs_) == ("exp", outputs)
        for k in range(outputs):
            theirs = PoissonRegressor(alpha=0.3, tol=1e-9, max_iter=2000)
            theirs.fit(X, y.reshape(200, -1)[:, k], weight)
            np.testing.assert_allclose(mine.coefs_[0][:, k], theirs.coef_, atol=1e-6)
            np.testing.assert_allclose(mine.predict(X).reshape(200, -1)[:, k], theirs.predict(X), rtol=1e-5)

    @unconverged
    @pytest.mark.parametrize(
        "settings", [{}, {"early_stopping": True}, {"solver": "sgd"}, {"batch_size": 30}]
    )
    def test_networks_learn_counts(self, settings, device):
        X, y = self.counts()
        model = cr.MLPRegressor((20,), loss="poisson", random_state=0, learning_rate_init=0.01, **settings)
        model.fit(device.asarray(X), device.asarray(y))
        y_hat = device.to_numpy(model.predict(device.asarray(X)))
        assert y_hat.min() > 0
        assert np.mean(y_hat - y * np.log(y_hat)) < np.mean(y - y * np.log(y.mean())) - 0.2
        assert clone(model).loss == "poisson"

    def test_its_loss_is_theirs_without_what_y_alone_decides(self):
        X, y = self.counts()
        settings = {"loss": "poisson", "alpha": 0.5, "solver": "lbfgs", "random_state": 0, "tol": 1e-6}
        mine = cr.MLPRegressor((3,), activation="tanh", max_iter=2000, **settings).fit(X, y)
        half_deviance = mean_poisson_deviance(y, mine.predict(X)) / 2
        penalty = 0.5 * sum((W**2).sum() for W in mine.coefs_) / 400
        assert mine.loss_ + np.mean(xlogy(y, y) - y) == pytest.approx(half_deviance + penalty, rel=1e-12)

    def test_what_it_refuses(self):
        X, y = self.counts()
        for low in (-1.0, -1e-9):
            with pytest.raises(ValueError, match=r"loss='poisson' needs numbers from 0 up, got -"):
                cr.MLPRegressor(loss="poisson").fit(X, np.where(y == 0, low, y))
        with pytest.raises(ValueError, match="loss must be one of squared_error, poisson, got 'gamma'"):
            cr.MLPRegressor(loss="gamma").fit(X, y)

    @pytest.mark.parametrize("settings", [{"batch_size": 20}, {"max_iter": 5}])
    def test_an_exponential_that_no_number_holds_is_an_error(self, settings):
        X, y = self.counts()
        settings = {"loss": "poisson", "solver": "sgd", "learning_rate_init": 1e3} | settings
        model = cr.MLPRegressor((5,), random_state=0, **settings)
        with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
            model.fit(X, y)

    def test_a_prediction_that_no_number_holds_is_infinite(self):
        X, y = self.counts()
        model = cr.MLPRegressor((), loss="poisson", solver="lbfgs", random_state=0).fit(X, y)
        with np.errstate(over="ignore"):
            far = model.predict(1e4 * model.coefs_[0].T)
        assert far.tolist() == [np.inf]


@unconverged
class TestNetworks:
    def test_the_usual_grid_has_no_NaN(self):
        X, y = data.load_wine(return_X_y=True)
        grid = {
            "solver": ["sgd", "adam"],
            "activation": ["tanh", "relu"],
            "alpha": [1e-4, 0.05],
            "learning_rate": ["constant", "adaptive", "invscaling"],
        }
        search = GridSearchCV(cr.MLPClassifier((8,), max_iter=8, random_state=0), grid, cv=2)
        search.fit(StandardScaler().fit_transform(X), y)
        assert np.isfinite(search.cv_results_["mean_test_score"]).all()

    def test_an_adaptive_rate_is_divided_by_five_until_it_is_small(self):
        X, y = [[3.0, 2.0], [1.0, 6.0]], [1, 0]
        settings = {"tol": 0.5, "max_iter": 3000, "solver": "sgd", "n_iter_no_change": 4, "random_state": 0}
        constant = cr.MLPClassifier(**settings).fit(X, y)
        adaptive = cr.MLPClassifier(learning_rate="adaptive", **settings).fit(X, y)
        assert adaptive.n_iter_ == constant.n_iter_ + 5 * 4, "1e-3 is over 1e-6 for five divisions"
        assert adaptive.loss_curve_[: constant.n_iter_] == constant.loss_curve_

    def test_the_rate_of_invscaling_falls_with_the_rows_seen(self):
        X, y = data.load_iris(return_X_y=True)
        settings = {"solver": "sgd", "momentum": 0, "batch_size": 50, "max_iter": 3, "random_state": 0}
        inverse = cr.MLPClassifier(learning_rate="invscaling", power_t=0.25, **settings).fit(X, y)

        def by_hand(step):
            return 1e-3 / (150 * (step // 3) + 1) ** 0.25

        schedule = cr.MLPClassifier(learning_rate=by_hand, **settings).fit(X, y)
        np.testing.assert_array_equal(inverse.coefs_[0], schedule.coefs_[0])

    @pytest.mark.parametrize("change", [{"beta_1": 0.5}, {"beta_2": 0.9}, {"epsilon": 1e-2}])
    def test_settings_of_adam_count(self, change):
        X, y = data.load_iris(return_X_y=True)
        one, other = (
            cr.MLPClassifier((4,), max_iter=2, random_state=0, **more).fit(X, y) for more in ({}, change)
        )
        assert not np.array_equal(one.coefs_[0], other.coefs_[0])

    def test_max_fun(self):
        X, y = data.load_iris(return_X_y=True)
        model = cr.MLPClassifier((4,), solver="lbfgs", max_fun=5, random_state=0)
        with pytest.warns(ConvergenceWarning, match="evaluated max_fun costs"):
            model.fit(X, y)
        assert model.n_iter_ <= 5

    def test_several_labels_a_row(self, device):
        X, Y = data.make_multilabel_classification(60, 6, n_classes=4, random_state=0)
        X = StandardScaler().fit_transform(X)
        settings = {"activation": "tanh", "random_state": 0}
        model = cr.MLPClassifier((20,), solver="lbfgs", max_iter=100, **settings)
        model.fit(device.asarray(X), device.asarray(Y))
        p = device.to_numpy(model.predict_proba(device.asarray(X)))
        assert p.shape == (60, 4)
        assert (p.sum(axis=1) > 1.5).any()
        np.testing.assert_array_equal(device.to_numpy(model.predict(device.asarray(X))), p > 0.5)
        assert model.score(device.asarray(X), Y) > 0.95
        parts = cr.MLPClassifier((20,), max_iter=3, **settings).fit(X, Y)
        again = cr.MLPClassifier((20,), **settings)
        for _ in range(3):
            again.partial_fit(X, Y, classes=range(4))
        np.testing.assert_array_equal(parts.coefs_[0], again.coefs_[0])
        with pytest.raises(ValueError, match="expected y of 4 labels"):
            again.partial_fit(X, Y[:, :3])
        assert 0 <= cr.MLPClassifier(early_stopping=True, max_iter=2).fit(X, Y).best_validation_score_ <= 1

    def test_rare_classes_are_held_out_by_class(self):
        X, y = data.load_iris(return_X_y=True)
        names = np.array(["a", "b", "c"], object)[y]
        names[0] = "once"
        model = cr.MLPClassifier((4,), early_stopping=True, validation_fraction=0.02, max_iter=2).fit(
            X, names
        )
        assert len(model.validation_scores_) == 2
        assert model.classes_.tolist() == ["a", "b", "c", "once"]

    def test_one_class_is_told_from_nothing(self):
        model = cr.MLPClassifier((2,), max_iter=2).fit(np.ones((5, 2)), ["only"] * 5)
        assert model.predict(np.zeros((2, 2))).tolist() == ["only", "only"]
        assert model.predict_proba(np.zeros((2, 2))).tolist() == [[1.0], [1.0]]

    def test_a_run_that_diverges_keeps_what_scored_best_on_held_out_rows(self):
        X, y = data.load_iris(return_X_y=True)
        settings = {"activation": "identity", "solver": "sgd", "learning_rate_init": 1.0, "random_state": 0}
        model = cr.MLPRegressor((100,), early_stopping=True, **settings)
        with pytest.warns(ConvergenceWarning, match="was no number after"):
            model.fit(X, y)
        assert np.isnan(model.validation_scores_[-1])
        assert np.isfinite(model.predict(X)).all()
        with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
            cr.MLPRegressor((100,), max_iter=500, **settings).fit(X * 100, y)
