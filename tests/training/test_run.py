import dataclasses

import numpy as np
import pytest
import threadpoolctl
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.models.objective import targets
from chainrule.optim import OPTIMIZERS, monitor
from chainrule.training.checkpoint import CheckpointError
from tests.helpers.runs import run_on


def assert_same(a, b):
    assert (a.steps, a.stopped, a.history, a.best) == (b.steps, b.stopped, b.history, b.best)
    for one, other in zip(a.params, b.params, strict=True):
        for x, y in zip(one, other, strict=True):
            x, y = (monitor.to_numpy(v) for v in (x, y))
            assert (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes())


def interrupted(run, checkpoint, *, after, **settings):
    """Learn until so many steps are taken, as Ctrl-C would have it."""
    left = [after]

    def stop():
        left[0] -= 1
        return left[0] <= 0

    return run.learn(checkpoint, stop=stop, **settings)


def test_a_run_interrupted_is_one_uninterrupted_on_every_device(device, tmp_path):
    options = {"hidden": "4", "batch": "7", "epochs": 6, "optimizer": "adam", "learning_rate": 0.05}
    run = run_on(device, dtype="float32", **options)
    whole = run.learn(tmp_path / "whole")
    first = interrupted(run, tmp_path / "c", after=run.config.steps // 2)
    assert first.stopped == "asked"
    begun, reports = [], []
    second = run.learn(tmp_path / "c", resume=True, on_begin=begun.append, on_report=reports.append)
    assert 0 < begun[0] <= run.config.steps // 2
    assert reports == [report for report in whole.history if report.step > begun[0]]
    assert_same(second, whole)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    tmp_path_factory, model, k, stops, dtype, **options
):
    folder = tmp_path_factory.mktemp("runs")
    hidden = "4" if model == "mlp" else None
    run = run_on(
        cr.get_device("cpu"), k, dtype, model=model, hidden=hidden, steps=40, learning_rate=0.05, **options
    )
    whole = run.learn(folder / "whole")
    for after in stops:
        interrupted(run, folder / "c", after=after, resume=True)
    assert_same(run.learn(folder / "c", resume=True), whole)


def test_more_steps_of_a_finished_run_are_those_of_a_longer_one(tmp_path):
    for batch in ("all", "7"):
        longer = run_on(cr.get_device("cpu"), hidden="4", batch=batch, steps=40, report_every=4)
        shorter = dataclasses.replace(longer, config=dataclasses.replace(longer.config, steps=20))
        shorter.learn(tmp_path / batch)
        begun = []
        more = longer.learn(tmp_path / batch, resume=True, on_begin=begun.append)
        assert begun == [20]
        assert_same(more, longer.learn(tmp_path / "whole"))
        assert_same(longer.learn(tmp_path / batch, resume=True), more)


@pytest.mark.parametrize(
    ("options", "name"),
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
def test_a_run_of_other_settings_does_not_go_on_and_leaves_the_checkpoint(tmp_path, options, name):
    given = {"hidden": "4", "batch": "7", "steps": 20, "learning_rate": 0.01}
    run = run_on(cr.get_device("cpu"), **given)
    run.learn(tmp_path / "c")
    before = (tmp_path / "c").read_bytes()
    other = run_on(cr.get_device("cpu"), **(given | options))
    with pytest.raises(CheckpointError, match=f"one of a run whose {name} was .* where this one has"):
        other.learn(tmp_path / "c", resume=True)
    assert (tmp_path / "c").read_bytes() == before


def test_neither_another_precision_nor_another_device_goes_on(tmp_path):
    run = run_on(cr.get_device("cpu"), steps=5)
    run.learn(tmp_path / "c")
    for place, dtype, name in (("cpu", "float32", "dtype"), ("strict", "float64", "device")):
        other = run_on(cr.get_device(place), dtype=dtype, steps=5)
        with pytest.raises(CheckpointError, match=f"whose {name} was"):
            other.learn(tmp_path / "c", resume=True)


def test_the_best_parameters_by_validation_are_kept(tmp_path):
    run = run_on(cr.get_device("cpu"), hidden="30", batch="8", learning_rate=0.1, patience=5, validation=0.3)
    result = run.learn(tmp_path / "c")
    assert result.stopped == "patience"
    assert result.best.validation == min(report.validation for report in result.history)
    assert result.history[-1].step > result.best.step
    model = run.model(result.params)
    rows = run.problem.validation
    cost = run.config.net.cost_of(
        model.params, run.problem.scaling.apply(rows.X, "float64"), targets(rows.y, 3, "float64")
    )
    assert cost == pytest.approx(result.best.validation, rel=1e-12)


def test_the_penalty_is_no_part_of_validation(tmp_path):
    run = run_on(cr.get_device("cpu"), hidden="4", penalty="l2:100", steps=1, batch="all", validation=0.3)
    report = run.learn(tmp_path / "c").history[0]
    assert report.cost > 50 > report.validation


def test_one_copy_to_the_host_serves_each_report(tmp_path, monkeypatch):
    original, copies = monitor.to_numpy, []
    monkeypatch.setattr(monitor, "to_numpy", lambda x: copies.append(x.shape) or original(x))
    for batch in ("7", "all"):
        run = run_on(cr.get_device("strict:device1"), hidden="4", batch=batch, steps=40, validation=0.2)
        copies.clear()
        result = run.learn(tmp_path / batch)
        assert len(copies) == len(result.history) > 2


@pytest.mark.parametrize(("k", "penalty"), [(2, "none"), (3, "none"), (3, "l2:3"), (2, "l2:0.5")])
def test_the_rate_from_the_data_lets_the_cost_fall_at_every_step(tmp_path, k, penalty):
    run = run_on(
        cr.get_device("cpu"), k, model="logistic", penalty=penalty, steps=60, report_every=1, weights="lecun"
    )
    curvature = float(np.mean(np.sum(run.rows.train.X**2, axis=1) + 1)) / (4 if k == 2 else 2)
    penalized = run.config.net.penalty.strength if run.config.net.penalty else 0
    assert run.config.learning_rate == pytest.approx(1 / (curvature + penalized))
    costs = [report.cost for report in run.learn(tmp_path / "c").history]
    assert np.all(np.diff(costs) <= 1e-15)
    assert costs[-1] < costs[0]


@pytest.mark.parametrize(("units", "batch", "threads"), [(20, "30", {1}), (20, "all", {1})])
def test_small_products_are_not_shared_out(units, batch, threads, tmp_path, monkeypatch):
    def current():
        return {pool["num_threads"] for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"}

    usual = current()
    options = {"hidden": f"{units},{units}", "batch": batch, "steps": 1, "report_every": 1, "validation": 0.0}
    run = run_on(cr.get_device("cpu"), dtype="float32", **options)
    seen = []
    run.learn(tmp_path / "checkpoint", on_report=lambda report: seen.append(current()))
    assert seen[-1] == threads
    assert current() == usual
