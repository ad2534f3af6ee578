import dataclasses
import os

import numpy as np
import pytest
import threadpoolctl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.data import load
from chainrule.data import split as splitting
from chainrule.data.dataset import Dataset
from chainrule.optim import monitor
from chainrule.optim.optimizers import OPTIMIZERS
from chainrule.training import run as training
from chainrule.training.checkpoint import CheckpointError
from chainrule.training.config import Wishes


def dataset(m=60, n=3, k=3, seed=0):
    rng = np.random.default_rng(seed)
    y = np.arange(m) % k
    X = rng.standard_normal((m, n)) + 2 * np.eye(k, n)[y]
    return Dataset(X, y, tuple("abcdefgh"[:k]), None, "made up")


def prepared(place, k=3, dtype="float64", **wishes):
    settled = Wishes(**wishes).settled(k)
    rows = training.classes_of(dataset(k=k), dataset(k=k, seed=1), None)
    task = training.prepare(*rows, validation=settled.validation, seed=settled.seed)
    run = training.Run(place, task, dtype)
    made = settled.recipe(len(task.train.y), task.train.X.shape[1], k, run.longest_safe_rate)
    return run, made


def assert_same(a, b):
    assert (a.steps, a.stopped, a.history, a.best) == (b.steps, b.stopped, b.history, b.best)
    for one, other in zip(a.params, b.params, strict=True):
        for x, y in zip(one, other, strict=True):
            x, y = (monitor.to_numpy(v) for v in (x, y))
            assert (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes())


def interrupted(run, recipe, checkpoint, *, after, **settings):
    """Learn until so many steps are taken, as Ctrl-C would have it."""
    left = [after]

    def stop():
        left[0] -= 1
        return left[0] <= 0

    return run.learn(recipe, checkpoint, stop=stop, **settings)


def test_a_run_interrupted_is_one_uninterrupted_on_every_device(device, tmp_path):
    wishes = {"hidden": "4", "batch": "7", "epochs": 6, "optimizer": "adam", "learning_rate": 0.05}
    run, recipe = prepared(device, dtype="float32", **wishes)
    whole = run.learn(recipe, tmp_path / "whole")
    first = interrupted(run, recipe, tmp_path / "c", after=recipe.steps // 2)
    assert first.stopped == "asked"
    begun, reports = [], []
    second = run.learn(recipe, tmp_path / "c", resume=True, on_begin=begun.append, on_report=reports.append)
    assert 0 < begun[0] <= recipe.steps // 2
    assert reports == [report for report in whole.history if report.step > begun[0]]
    assert_same(second, whole)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    model=st.sampled_from(["logistic", "mlp"]),
    k=st.sampled_from([2, 3]),
    optimizer=st.sampled_from(list(OPTIMIZERS)),
    schedule=st.sampled_from(["constant", "step:5", "cosine:30", "warm-up:9"]),
    batch=st.sampled_from(["all", "7", "64"]),
    validation=st.sampled_from([0.0, 0.2]),
    patience=st.sampled_from([None, 1, 3]),
    clip=st.sampled_from([None, 0.1]),
    penalty=st.sampled_from(["none", "l2:0.01", "elastic:0.01:0.5"]),
    seed=st.integers(0, 3),
    report_every=st.integers(1, 12),
    stops=st.lists(st.integers(1, 30), min_size=1, max_size=3),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_a_run_interrupted_anywhere_is_bit_for_bit_one_uninterrupted(
    tmp_path_factory, model, k, stops, dtype, **wishes
):
    folder = tmp_path_factory.mktemp("runs")
    hidden = "4" if model == "mlp" else None
    run, recipe = prepared(
        cr.get_device("cpu"), k, dtype, model=model, hidden=hidden, steps=40, learning_rate=0.05, **wishes
    )
    whole = run.learn(recipe, folder / "whole")
    for after in stops:
        interrupted(run, recipe, folder / "c", after=after, resume=True)
    assert_same(run.learn(recipe, folder / "c", resume=True), whole)


def test_more_steps_of_a_finished_run_are_those_of_a_longer_one(tmp_path):
    for batch in ("all", "7"):
        run, longer = prepared(cr.get_device("cpu"), hidden="4", batch=batch, steps=40, report_every=4)
        shorter = dataclasses.replace(longer, steps=20)
        run.learn(shorter, tmp_path / batch)
        begun = []
        more = run.learn(longer, tmp_path / batch, resume=True, on_begin=begun.append)
        assert begun == [20]
        assert_same(more, run.learn(longer, tmp_path / "whole"))
        assert_same(run.learn(longer, tmp_path / batch, resume=True), more)


@pytest.mark.parametrize(
    ("wishes", "name"),
    [
        ({"seed": 1}, "seed"),
        ({"hidden": "5"}, "net.sizes"),
        ({"penalty": "l2:1"}, "net.penalty"),
        ({"weights": "lecun"}, "weights"),
        ({"optimizer": "momentum"}, "optimizer"),
        ({"learning_rate": 0.02}, "learning_rate"),
        ({"schedule": "cosine"}, "schedule"),
        ({"clip": 1.0}, "clip"),
        ({"batch": "8"}, "batch"),
        ({"report_every": 3}, "report_every"),
        ({"patience": 3}, "patience"),
        ({"validation": 0.5}, "data"),
        ({"activation": "tanh"}, "net.activation"),
    ],
    ids=str,
)
def test_a_run_of_other_settings_does_not_go_on_and_leaves_the_checkpoint(tmp_path, wishes, name):
    given = {"hidden": "4", "batch": "7", "steps": 20, "learning_rate": 0.01}
    run, recipe = prepared(cr.get_device("cpu"), **given)
    run.learn(recipe, tmp_path / "c")
    before = (tmp_path / "c").read_bytes()
    other, its = prepared(cr.get_device("cpu"), **(given | wishes))
    with pytest.raises(CheckpointError, match=f"one of a run whose {name} was .* where this one has"):
        other.learn(its, tmp_path / "c", resume=True)
    assert (tmp_path / "c").read_bytes() == before


def test_neither_another_precision_nor_another_device_goes_on(tmp_path):
    run, recipe = prepared(cr.get_device("cpu"), steps=5)
    run.learn(recipe, tmp_path / "c")
    for place, dtype, name in (("cpu", "float32", "dtype"), ("strict", "float64", "device")):
        other, its = prepared(cr.get_device(place), dtype=dtype, steps=5)
        with pytest.raises(CheckpointError, match=f"whose {name} was"):
            other.learn(its, tmp_path / "c", resume=True)


def test_the_best_parameters_by_validation_are_kept(tmp_path):
    run, recipe = prepared(
        cr.get_device("cpu"), hidden="30", batch="8", learning_rate=0.1, patience=5, validation=0.3
    )
    result = run.learn(recipe, tmp_path / "c")
    assert result.stopped == "patience"
    assert result.best.validation == min(report.validation for report in result.history)
    assert result.history[-1].step > result.best.step
    model = run.model(recipe.net, result.params)
    rows = run.task.validation
    cost = recipe.net.cost_of(
        model.params, run.task.scaling.apply(rows.X, "float64"), training.targets(recipe.net, rows.y)
    )
    assert cost == pytest.approx(result.best.validation, rel=1e-12)


def test_the_penalty_is_no_part_of_validation(tmp_path):
    run, recipe = prepared(
        cr.get_device("cpu"), hidden="4", penalty="l2:100", steps=1, batch="all", validation=0.3
    )
    report = run.learn(recipe, tmp_path / "c").history[0]
    assert report.cost > 50 > report.validation


def test_one_copy_to_the_host_serves_each_report(tmp_path, monkeypatch):
    original, copies = monitor.to_numpy, []
    monkeypatch.setattr(monitor, "to_numpy", lambda x: copies.append(x.shape) or original(x))
    for batch in ("7", "all"):
        run, recipe = prepared(
            cr.get_device("strict:device1"), hidden="4", batch=batch, steps=40, validation=0.2
        )
        copies.clear()
        result = run.learn(recipe, tmp_path / batch)
        assert len(copies) == len(result.history) > 2


@pytest.mark.parametrize(("k", "penalty"), [(2, "none"), (3, "none"), (3, "l2:3"), (2, "l2:0.5")])
def test_the_rate_from_the_data_lets_the_cost_fall_at_every_step(tmp_path, k, penalty):
    run, recipe = prepared(
        cr.get_device("cpu"), k, model="logistic", penalty=penalty, steps=60, report_every=1, weights="lecun"
    )
    curvature = float(np.mean(np.sum(run.X**2, axis=1) + 1)) / (4 if k == 2 else 2)
    penalized = recipe.net.penalty.strength if recipe.net.penalty else 0
    assert recipe.learning_rate == pytest.approx(1 / (curvature + penalized))
    costs = [report.cost for report in run.learn(recipe, tmp_path / "c").history]
    assert np.all(np.diff(costs) <= 1e-15)
    assert costs[-1] < costs[0]


def test_one_class_against_the_rest():
    whole = dataset(k=3)
    train, test = training.classes_of(whole, whole, "b")
    assert train.classes == test.classes == ("not b", "b")
    np.testing.assert_array_equal(train.y, whole.y == 1)
    two, _ = training.classes_of(dataset(k=2), dataset(k=2), None)
    assert two.classes == ("a", "b")
    first, _ = training.classes_of(dataset(k=2), dataset(k=2), "a")
    assert first.classes == ("b", "a")
    np.testing.assert_array_equal(first.y, dataset(k=2).y == 0)
    assert training.classes_of(whole, whole, None) == (whole, whole)


def test_scaling_goes_by_the_rows_that_are_learnt_from():
    task = training.prepare(dataset(), dataset(seed=1), validation=0.25, seed=0)
    np.testing.assert_allclose(task.scaling.apply(task.train.X, "float64").mean(axis=0), 0, atol=1e-12)
    assert (len(task.train.y), len(task.validation.y)) == (45, 15)
    assert os.fspath(task.train.source).endswith("training rows")


@pytest.mark.parametrize("penalty", [None, cr.L2(0.3), cr.ElasticNet(0.2, 0.4, biases=True)])
def test_logistic_regression_goes_by_tiles_with_the_numbers_of_the_network(
    device, dtype, penalty, monkeypatch
):
    calls = []
    by_tiles = cr.logistic.by_tiles
    monkeypatch.setattr(cr.logistic, "by_tiles", lambda *arrays: calls.append(1) or by_tiles(*arrays))
    rng = np.random.default_rng(0)
    net = cr.MLP((5, 1), penalty=penalty)
    W, b, X, y = (
        rng.standard_normal((5, 1)),
        np.array([0.3]),
        rng.standard_normal((40, 5)),
        np.arange(40) % 2,
    )
    params, X, y = (
        [(device.asarray(W, dtype), device.asarray(b, dtype))],
        *(device.asarray(x, dtype) for x in (X, y)),
    )
    cost, [(dW, db)] = training.on_all_rows(net, X, y, params)
    right, [right_layer] = net.cost_and_gradients(params, X, y)
    assert calls == [1]
    rtol = 1e-12 if dtype == "float64" else 1e-5
    for got, want in ((cost, right), (dW, right_layer[0]), (db, right_layer[1])):
        assert (got.shape, got.dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(device.to_numpy(got), device.to_numpy(want), rtol=rtol, atol=rtol)


def test_what_is_no_logistic_regression_does_not_go_by_tiles(monkeypatch):
    monkeypatch.setattr(cr.logistic, "by_tiles", None)
    X, y = np.eye(3), np.asarray([0, 1, 1])
    for net in (cr.MLP((3, 2, 1)), cr.MLP((3, 2), output="softmax"), cr.MLP((3, 1), cost="squared_error")):
        training.on_all_rows(net, X, y, net.init(device="cpu"))


def test_a_row_of_each_class_is_told_with_the_way_without_validation():
    rows = dataset(m=3)
    with pytest.raises(
        load.DataError, match=r"to validate by one of them, got a row of each at most; .*--validation 0"
    ):
        training.prepare(rows, rows, validation=0.1, seed=0)
    assert training.prepare(rows, rows, validation=0.0, seed=0).validation is None


def test_rows_that_are_learnt_from_are_called_so_once():
    train, test = splitting.split(dataset(), held_out=0.2, seed=0)
    assert training.prepare(train, test, validation=0.1, seed=0).train.source == "made up, training rows"


@pytest.mark.parametrize(
    ("units", "batch", "threads"), [(20, "30", {1}), (20, "all", {1}), (3000, "30", None)]
)
def test_small_products_are_not_shared_out(units, batch, threads, tmp_path, monkeypatch):
    def current():
        return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}

    usual = current()
    wishes = {"hidden": f"{units},{units}", "batch": batch, "steps": 1, "report_every": 1, "validation": 0.0}
    run, recipe = prepared(cr.get_device("cpu"), dtype="float32", **wishes)
    seen = []
    run.learn(recipe, tmp_path / "checkpoint", on_report=lambda report: seen.append(current()))
    assert seen[-1] == (threads or usual)
    assert current() == usual
