import inspect
import json
import os
import pickle
import subprocess
import sys
from contextlib import nullcontext

import array_api_compat
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_classification, make_regression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import chainrule as cr
from chainrule.estimators.placement import Place
from chainrule.models.activations import ACTIVATIONS
from chainrule.optim import OPTIMIZERS

# The rows of these tests are few, and 200 epochs of them too few to converge.
unconverged = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
NETWORKS = (cr.MLPClassifier, cr.MLPRegressor)


SCHEDULE = cr.optimizers.warm_up(cr.optimizers.cosine(0.05, 40), 5)


def classes(k=3, m=60, seed=0):
    X, y = make_classification(m, 5, n_informative=4, n_redundant=0, n_classes=k, random_state=seed)
    return X, y


def numbers(m=60, outputs=1, seed=0):
    X, y = make_regression(m, 5, n_targets=outputs, random_state=seed)
    return X, y / 100


def data_for(kind, **settings):
    return numbers(**settings) if kind is cr.MLPRegressor else classes(**settings)


def small(kind, **settings):
    if kind is cr.LogisticRegression:
        return kind(**settings)
    return kind(**{"hidden_layer_sizes": (7,), "random_state": 0, "max_iter": 12} | settings)


def home(x):
    name = array_api_compat.array_namespace(x).__name__
    return name, str(array_api_compat.device(x)), str(x.dtype).rpartition(".")[2]


def host(x):
    return cr.get_device("cpu").to_numpy(x)


def learnt(model):
    if isinstance(model, cr.LogisticRegression):
        return [model.coef_, model.intercept_]
    return [*model.coefs_, *model.intercepts_]


def answers(model, X):
    names = ("predict", "predict_proba", "predict_log_proba", "decision_function")
    return [getattr(model, name)(X) for name in names if hasattr(model, name)]


def copied(model):
    return pickle.loads(pickle.dumps(model))


def assert_same(one, other, **tolerances):
    for a, b in zip(learnt(one), learnt(other), strict=True):
        np.testing.assert_allclose(host(a), host(b), **tolerances)


@unconverged
@parametrize_with_checks(
    [
        cr.LogisticRegression(),
        cr.LogisticRegression(solver="gradient-descent", class_weight="balanced"),
        cr.LogisticRegression(solver="nesterov"),
        cr.MLPClassifier(random_state=0),
        cr.MLPClassifier(random_state=0, solver="lbfgs"),
        cr.MLPClassifier((20,), random_state=0, solver="sgd", learning_rate_init=0.05, max_iter=60),
        cr.MLPRegressor(random_state=0),
        cr.MLPRegressor(random_state=0, solver="lbfgs"),
        cr.MLPRegressor((20,), random_state=0, solver="adamw", learning_rate_init=0.01, max_iter=60),
    ]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


ARRAY_API_CHECKS = """
import json, sys, unittest, warnings
import chainrule as cr
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import estimator_checks as theirs
from sklearn.utils._array_api import NamespaceAndDevice

warnings.simplefilter("error")
warnings.simplefilter("ignore", ConvergenceWarning)
estimator = eval(sys.argv[1])
name = type(estimator).__name__
strict, other = NamespaceAndDevice("array_api_strict", "device1"), NamespaceAndDevice("numpy", None)
settings = {"check_values": True, "check_sample_weight": True}
checks = [(theirs._check_name(c), c) for _, c in theirs.estimator_checks_generator(estimator) if "array_api" in str(c)]
for dtype in ("float32", "float64"):
    checks.append(("values", lambda e, d=dtype: theirs.check_array_api_input_and_values(
        name, e, "array_api_strict", "device1", d, check_sample_weight=True)))
checks += [("mixed", lambda e: theirs.check_array_api_mixed_inputs(name, e, strict, other, **settings)),
           ("mixed", lambda e: theirs.check_array_api_mixed_inputs(name, e, other, strict, **settings))]
seen = []
for which, check in checks:
    try:
        check(estimator)
        seen.append((which, "passed"))
    except unittest.SkipTest as reason:
        seen.append((which, str(reason)))
    except Exception as error:
        seen.append((which, f"failed: {error!r}"))
print(json.dumps(seen))
"""


@pytest.mark.parametrize(
    "estimator",
    [
        "cr.LogisticRegression()",
        "cr.MLPClassifier(random_state=0)",
        "cr.MLPRegressor(random_state=0, solver='lbfgs')",
    ],
)
def test_scikit_learns_array_api_checks(estimator):
    pytest.importorskip(
        "sklearn", minversion="1.9", reason="scikit-learn's checks take two namespaces from 1.9 on"
    )
    # SciPy reads the variable when it is imported.
    run = subprocess.run(
        [sys.executable, "-c", ARRAY_API_CHECKS, estimator],
        env=os.environ | {"SCIPY_ARRAY_API": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    seen = json.loads(run.stdout)
    other_libraries = ("cupy", "CuPy", "torch", "PyTorch", "dpnp", "dpctl", "SYCL", "MPS", "XPU")
    odd = [
        (which, end)
        for which, end in seen
        if end != "passed" and not any(word in end for word in other_libraries)
    ]
    assert odd == []
    passed = [which for which, end in seen if end == "passed"]
    assert passed.count("check_array_api_input") >= 3
    assert passed.count("values") == passed.count("mixed") == 2
    assert "check_array_api_same_namespace" in passed


class TestAllLibraries:
    @unconverged
    @pytest.mark.parametrize("k", [2, 3])
    @pytest.mark.parametrize("kind", [cr.LogisticRegression, *NETWORKS])
    def test_the_same_numbers_everywhere_and_results_live_where_the_data_live(self, device, dtype, kind, k):
        X, y = data_for(kind, outputs=k) if kind is cr.MLPRegressor else data_for(kind, k=k)
        X = X.astype(dtype)
        weight = np.arange(len(X)) % 3
        here = small(kind).fit(X, y, weight)
        there = small(kind).fit(*(device.asarray(x) for x in (X, y, weight)))
        there_X = device.asarray(X)
        tolerances = {"rtol": 1e-10, "atol": 1e-10} if dtype == "float64" else {"rtol": 2e-3, "atol": 1e-4}
        assert_same(here, there, **tolerances)
        for x in learnt(there):
            assert home(x) == home(there_X)
        for mine, theirs in zip(answers(here, X), answers(there, there_X), strict=True):
            assert home(theirs)[:2] == home(there_X)[:2]
            assert str(mine.dtype) == home(theirs)[2]
            assert mine.dtype in (dtype, "int64")
            np.testing.assert_allclose(mine, host(theirs), **tolerances)
        assert there.score(there_X, device.asarray(y)) == pytest.approx(here.score(X, y), rel=1e-3)
        assert isinstance(there.score(there_X, device.asarray(y), device.asarray(weight)), float)

    @unconverged
    @pytest.mark.parametrize("kind", NETWORKS)
    def test_mini_batches_held_out_rows_and_single_epochs_are_the_same_everywhere(self, device, kind):
        X, y = data_for(kind, m=100)
        settings = {"batch_size": 16, "early_stopping": True, "max_iter": 5}
        weight = np.arange(len(X)) % 4
        models = [
            small(kind, **settings).fit(*(f(x) for x in (X, y, weight))) for f in (np.asarray, device.asarray)
        ]
        assert_same(*models, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(models[0].loss_curve_, models[1].loss_curve_, rtol=1e-10)
        np.testing.assert_allclose(models[0].validation_scores_, models[1].validation_scores_, rtol=1e-10)
        for model, f in zip(models, (np.asarray, device.asarray), strict=True):
            model.set_params(early_stopping=False).partial_fit(f(X), f(y))
        assert_same(*models, rtol=1e-10, atol=1e-10)

    def test_torch_where_installed(self):
        torch = pytest.importorskip("torch")
        X, y = classes()
        for kind in (cr.LogisticRegression, cr.MLPClassifier):
            model = small(kind, tol=1.0).fit(torch.asarray(X), torch.asarray(y))
            assert_same(small(kind, tol=1.0).fit(X, y), model, rtol=1e-8, atol=1e-8)
            assert isinstance(model.predict(torch.asarray(X)), torch.Tensor)
            assert 0 < model.score(torch.asarray(X), torch.asarray(y)) <= 1

    def test_labels_that_are_not_numbers_come_back_as_numpys(self, device):
        X, y = classes()
        names = np.array(["one", "three", "two"])[y]
        for labels in (names, names.astype(object), names.tolist()):
            model = cr.LogisticRegression().fit(device.asarray(X), labels)
            assert model.classes_.tolist() == ["one", "three", "two"]
            predicted = model.predict(device.asarray(X))
            assert isinstance(predicted, np.ndarray)
            assert (predicted == names).mean() == model.score(device.asarray(X), labels) > 0.6
            assert home(model.predict_proba(device.asarray(X)))[:2] == home(device.asarray(X))[:2]

    def test_labels_that_the_library_of_X_would_change_come_back_as_numpys(self, monkeypatch):
        """As JAX does with 64 bits by default, this library makes whole numbers of 32 of them."""
        strict, bring = cr.get_device("strict"), Place.bring

        def narrow(place, x):
            there = bring(place, x)
            return place.xp.astype(there, place.xp.int32) if there.dtype == place.xp.int64 else there

        monkeypatch.setattr(Place, "bring", narrow)
        X, y = classes()
        for labels in (y, y + 2**40):
            predicted = cr.LogisticRegression().fit(strict.asarray(X), labels).predict(strict.asarray(X))
            assert isinstance(predicted, np.ndarray) == (labels is not y)
            assert np.mean(host(predicted) == labels) > 0.5

    def test_numbers_that_are_no_class_numbers_are_labels_too(self, device):
        X, y = classes(k=2)
        for labels in (y * 7 - 3, y.astype(float) + 0.0, y.astype(bool)):
            place = device.asarray(labels)
            predicted = cr.LogisticRegression().fit(device.asarray(X), place).predict(device.asarray(X))
            assert home(predicted) == home(place)
            assert set(host(predicted).tolist()) == set(labels.tolist())

    def test_whole_numbers_become_float64(self, device):
        X, y = classes()
        whole = np.round(X * 10).astype(int)
        model = cr.LogisticRegression(max_iter=500).fit(device.asarray(whole), device.asarray(y))
        assert home(model.coef_)[2] == "float64"
        assert_same(model, cr.LogisticRegression(max_iter=500).fit(whole.astype(float), y), rtol=1e-10)

    @unconverged
    def test_what_was_learnt_in_one_place_predicts_in_any(self, device, dtype):
        X, y = classes()
        model = small(cr.MLPClassifier).fit(X, y)
        there = device.asarray(X.astype(dtype))
        p = model.predict_proba(there)
        assert home(p) == home(there)
        np.testing.assert_allclose(
            host(p), model.predict_proba(X), atol=1e-12 if dtype == "float64" else 1e-5
        )
        back = small(cr.MLPClassifier).fit(there, device.asarray(y)).predict_proba(X)
        assert home(back) == home(X)

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda X, y: (X[:, 0], y),
            lambda X, y: (X[:0], y[:0]),
            lambda X, y: (X[:, :0], y),
            lambda X, y: (X[:-1], y),
            lambda X, y: (np.where(X > 1, np.nan, X), y),
            lambda X, y: (np.where(X > 1, np.inf, X), y),
            lambda X, y: (X + 1j, y),
            lambda X, y: (X, y + 0.5),
            lambda X, y: (X, y.reshape(-1, 1, 1)),
            lambda X, y: (X, None),
            lambda X, y: (X, np.where(y == 1, np.nan, y)),
            lambda X, y: (X, np.zeros_like(y)),
        ],
    )
    def test_errors_are_those_for_numpy_arrays(self, device, spoil):
        X, y = spoil(*classes())
        place = device.asarray(X), y if y is None else device.asarray(y)
        caught = []
        for arguments in ((X, y), place):
            with pytest.raises(ValueError, match=r"\w") as error:
                cr.LogisticRegression().fit(*arguments)
            caught.append(str(error.value))
        assert caught[0] == caught[1]

    def test_rows_to_predict_are_checked_too(self, device):
        X, y = classes()
        model = cr.LogisticRegression().fit(device.asarray(X), device.asarray(y))
        for f in (np.asarray, device.asarray):
            with pytest.raises(ValueError, match="X has 4 features, but LogisticRegression is expecting 5"):
                model.predict(f(X[:, :4]))
            with pytest.raises(ValueError, match="Input X contains NaN"):
                model.predict(f(np.where(X > 1, np.nan, X)))


class TestDevice:
    @pytest.fixture
    def computed_on(self, monkeypatch):
        """Collect the places at which networks were asked for a cost or a prediction."""
        seen = set()
        for name in ("cost_and_gradients", "forward"):
            original = getattr(cr.MLP, name)

            def spied(self, params, X, *arguments, _original=original, **settings):
                seen.add(home(X)[:2])
                return _original(self, params, X, *arguments, **settings)

            monkeypatch.setattr(cr.MLP, name, spied)
        return seen

    @unconverged
    @pytest.mark.parametrize("how", ["parameter", "variable", "use_device"])
    def test_one_that_is_asked_for_computes_and_results_come_back(self, monkeypatch, computed_on, how):
        X, y = classes()
        reference = small(cr.MLPClassifier, early_stopping=True).fit(X, y)
        computed_on.clear()
        name = "strict:device1"
        model = small(cr.MLPClassifier, early_stopping=True, device=name if how == "parameter" else None)
        if how == "variable":
            monkeypatch.setenv("CHAINRULE_DEVICE", name)
        with cr.use_device(name) if how == "use_device" else nullcontext():
            model.fit(X, y)
            results = [*learnt(model), *answers(model, X)]
            more = copied(model).set_params(early_stopping=False).partial_fit(X, y)
        assert computed_on == {home(cr.get_device(name).asarray(0.0))[:2]}
        assert all(isinstance(x, np.ndarray) for x in results)
        monkeypatch.delenv("CHAINRULE_DEVICE", raising=False)
        assert_same(model, reference, rtol=1e-10, atol=1e-10)
        reference.set_params(early_stopping=False).partial_fit(X, y)
        assert_same(more, reference, rtol=1e-10, atol=1e-10)
        computed_on.clear()
        more = copied(model).set_params(early_stopping=False, device=None).partial_fit(X, y)
        assert computed_on == {home(X)[:2]}
        assert_same(more, reference, rtol=1e-10, atol=1e-10)

    @pytest.mark.parametrize("value", ["", "auto"])
    def test_without_one_the_data_decide(self, monkeypatch, computed_on, value):
        monkeypatch.setenv("CHAINRULE_DEVICE", value)
        X, y = (cr.get_device("strict:device1").asarray(x) for x in classes())
        cr.LogisticRegression(max_iter=1000).fit(X, y).predict(X)
        assert computed_on == {home(X)[:2]}

    def test_one_that_is_not_known_is_named(self):
        with pytest.raises(ValueError, match=r"expected one of cpu, cuda.*got 'gpu'"):
            cr.LogisticRegression(device="gpu").fit(*classes())


class TestConventions:
    @pytest.mark.parametrize("kind", [cr.LogisticRegression, *NETWORKS])
    def test_pipelines_grids_and_clones(self, kind):
        X, y = data_for(kind)
        settings = {} if kind is cr.LogisticRegression else {"solver": "lbfgs", "max_iter": 2000, "tol": 1e-3}
        line = make_pipeline(StandardScaler(), small(kind, **settings))
        prefix = kind.__name__.lower()
        name = "C" if kind is cr.LogisticRegression else "alpha"
        grid = GridSearchCV(line, {f"{prefix}__{name}": [1e-3, 1e2], f"{prefix}__warm_start": [False]}, cv=2)
        grid.fit(X, y)
        # Without a penalty numbers without noise are met, and with few rows the classes are learnt by heart.
        assert grid.best_params_[f"{prefix}__{name}"] == (1e2 if name == "C" else 1e-3)
        assert cross_val_score(grid.best_estimator_, X, y, cv=2).mean() > (
            0.5 if kind is not cr.MLPRegressor else 0.3
        )
        copy = clone(grid.best_estimator_)
        assert not hasattr(copy[-1], "n_iter_")
        assert copy[-1].get_params() == grid.best_estimator_[-1].get_params()

    @unconverged
    @pytest.mark.parametrize("kind", [cr.LogisticRegression, *NETWORKS])
    def test_pickles_predict_and_learn_on_alike(self, kind):
        X, y = data_for(kind)
        model = small(kind, **({} if kind is cr.LogisticRegression else {"learning_rate": SCHEDULE})).fit(
            X, y
        )
        again = copied(model)
        for one, other in zip(answers(model, X), answers(again, X), strict=True):
            np.testing.assert_array_equal(one, other)
        if kind is not cr.LogisticRegression:
            assert_same(model.partial_fit(X, y), again.partial_fit(X, y), rtol=0)

    def test_names_of_columns(self):
        pandas = pytest.importorskip("pandas")
        X, y = classes()
        frame = pandas.DataFrame(X, columns=list("abcde"))
        model = cr.LogisticRegression().fit(frame, pandas.Series(y, name="label"))
        assert model.feature_names_in_.tolist() == list("abcde")
        np.testing.assert_array_equal(model.predict(frame), model.predict(frame.copy()))
        with pytest.raises(ValueError, match="feature names should match"):
            model.predict(frame[list("edcba")])
        with pytest.warns(UserWarning, match="does not have valid feature names"):
            model.predict(X)

    @pytest.mark.parametrize(
        ("kind", "wrong", "message"),
        [
            (cr.LogisticRegression, {"C": 0}, "C must be a number above 0"),
            (
                cr.LogisticRegression,
                {"solver": "adam"},
                "solver must be one of lbfgs, gradient-descent, momentum, nesterov, newton-cg",
            ),
            (cr.LogisticRegression, {"max_iter": 1.5}, "max_iter must be a whole number from 0 up, got 1.5"),
            (cr.LogisticRegression, {"tol": -1}, "tol must be a finite number from 0 up, got -1"),
            (cr.LogisticRegression, {"class_weight": {9: 1}}, "class_weight must be None, 'balanced' or"),
            (cr.LogisticRegression, {"class_weight": "even"}, "class_weight must be .* got 'even'"),
            *(
                (
                    cr.LogisticRegression,
                    {"class_weight": {0: value}},
                    "class_weight must be .* from 0 up for some",
                )
                for value in (-0.5, np.nan, np.inf, "a", None)
            ),
            (
                cr.LogisticRegression,
                {"class_weight": dict.fromkeys(range(3), 0)},
                "class_weight must leave a row",
            ),
            (cr.MLPClassifier, {"hidden_layer_sizes": (3, 0)}, "hidden_layer_sizes must be whole numbers"),
            (cr.MLPClassifier, {"activation": "gelu"}, "activation must be one of sigmoid, tanh, relu"),
            (
                cr.MLPClassifier,
                {"solver": "newton"},
                "solver must be one of gradient-descent, momentum, nesterov, rmsprop, adam, adamw, sgd, lbfgs,",
            ),
            (cr.MLPClassifier, {"alpha": -0.1}, "alpha must be"),
            (cr.MLPClassifier, {"batch_size": 0}, "batch_size must be 'auto' or"),
            (
                cr.MLPClassifier,
                {"learning_rate": "slow"},
                "learning_rate must be one of constant, invscaling, adaptive or",
            ),
            (cr.MLPClassifier, {"learning_rate_init": 0}, "learning_rate_init must be"),
            (cr.MLPRegressor, {"momentum": 1.0}, "momentum must be from 0 up and under 1, got 1.0"),
            (cr.MLPRegressor, {"validation_fraction": 1.0}, "validation_fraction must be between 0 and 1"),
            (cr.MLPRegressor, {"n_iter_no_change": 0}, "n_iter_no_change must be"),
            (cr.MLPRegressor, {"early_stopping": True, "solver": "lbfgs"}, "early_stopping needs a solver"),
            (
                cr.MLPRegressor,
                {"early_stopping": True, "validation_fraction": 0.01},
                "The validation set is too small: early_stopping needs 2 held-out rows",
            ),
        ],
    )
    def test_a_parameter_that_cannot_be_is_named(self, kind, wrong, message):
        with pytest.raises(ValueError, match=rf"{kind.__name__}\.fit: {message}"):
            kind(**wrong).fit(*data_for(kind))

    @pytest.mark.parametrize(
        ("weight", "message"),
        [
            (np.ones(59), r"sample_weight must be \(60,\), one number a row of X, got \(59,\)"),
            (np.full(60, -1.0), "no negative number and not only zeros, got -1 .. -1"),
            (np.zeros(60), "no negative number and not only zeros"),
            (np.full(60, np.nan), "Input sample_weight contains NaN"),
        ],
    )
    def test_weights_that_cannot_be_are_named(self, device, weight, message):
        X, y = classes()
        with pytest.raises(ValueError, match=message):
            cr.LogisticRegression().fit(device.asarray(X), device.asarray(y), device.asarray(weight))

    def test_one_number_weighs_all_rows(self):
        X, y = classes()
        one = cr.LogisticRegression().fit(X, y, np.full(60, 2.5))
        assert_same(cr.LogisticRegression().fit(X, y, 2.5), one, rtol=0)

    def test_all_parameters_can_be_got_and_set(self):
        for kind in (cr.LogisticRegression, *NETWORKS):
            names = list(inspect.signature(kind).parameters)
            assert sorted(kind().get_params()) == sorted(names)

    def test_without_scikit_learn_the_rest_works_and_the_error_says_what_to_install(self):
        code = (
            "import sys, chainrule as cr\n"
            "assert not {'sklearn', 'scipy'} & set(sys.modules)\n"
            "assert not hasattr(cr, 'NoSuchThing')\n"
            "sys.modules['sklearn'] = None\n"
            "try:\n    cr.MLPClassifier\n"
            "except ImportError as error:\n    print(error)"
        )
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert (
            run.stdout.strip()
            == "the estimators need scikit-learn: pip install '.[app]' in chainrule's folder"
        )


def test_the_text_of_the_classifier_names_the_rows_of_the_tables():
    for name in (*ACTIVATIONS, *OPTIMIZERS):
        assert f'"{name}"' in cr.MLPClassifier.__doc__
    assert "{" not in cr.MLPClassifier.__doc__
