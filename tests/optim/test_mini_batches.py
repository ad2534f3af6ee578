"""The loop with mini-batches, validation, patience and snapshots; plain descent is in test_descent.py."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule import pytree
from chainrule.optim import (
    OPTIMIZERS,
    Batches,
    DivergenceError,
    Optimizer,
    Report,
    Snapshot,
    cosine,
    descend,
    on_rows,
    optimizers,
    warm_up,
)
from tests.helpers.arrays import read_only
from tests.helpers.devices import count_copies

CPU = cr.get_device("cpu")


def line(params, X, y):
    """Half the mean squared error of X w + b: a convex cost of parameters in a dict."""
    w, b = params["w"], params["b"][0]
    residual = X @ w + b - y
    m = X.shape[0]
    return (residual @ residual) / (2 * m), {"w": residual @ X / m, "b": [(residual @ (y * 0 + 1)) / m]}


@cache
def rows_of(device, dtype="float64"):
    """Rows to learn from, and noisier ones held back, whose cost soon rises."""
    rng = np.random.default_rng(4)
    X = rng.standard_normal((11, 3))
    y = X @ [1.0, -2.0, 0.5] + 0.3 + rng.standard_normal(11) / 2
    held = rng.standard_normal((5, 3)), rng.standard_normal(5)
    return tuple(read_only(device.asarray(part, dtype)) for part in (X, y, *held))


def train(device=CPU, dtype="float64", size=4, held_back=False, **settings):
    X, y, X_held, y_held = rows_of(device, dtype)
    zeros = {"w": X[0, :] * 0, "b": [X[0, 0] * 0]}
    arguments = {"steps": 30, "report_every": 3, "optimizer": optimizers.adam(0.1)} | settings
    if held_back:
        arguments["validate"] = lambda params: line(params, X_held, y_held)[0]
    if size:
        arguments["batches"] = Batches(11, size, seed=2, like=X)
        return descend(on_rows(line, X, y), zeros, **arguments)
    return descend(lambda params: line(params, X, y), zeros, **arguments)


def walk(costs=(), scores=(), **settings):
    """A run whose parameter is minus the number of steps taken, with costs and validations as they are listed."""
    costs, scores = list(costs), list(scores)

    def cost_and_gradients(params, rows=None):
        return np.asarray(costs[-int(params[0])] if costs else 0.0), [np.asarray(1.0)]

    if scores:
        settings["validate"] = lambda params: scores[-int(params[0]) // settings["report_every"]]
    return descend(cost_and_gradients, [np.asarray(0.0)], learning_rate=1.0, **settings)


def assert_same(one, other):
    assert (one.steps, one.stopped, one.best) == (other.steps, other.stopped, other.best)
    assert one.history == other.history
    for kind in ("params", "state"):
        theirs = getattr(other, kind)
        assert [name for name, _ in pytree.leaves(getattr(one, kind), kind)] == [
            name for name, _ in pytree.leaves(theirs, kind)
        ]
        for x, y in zip(pytree.flat(getattr(one, kind)), pytree.flat(theirs), strict=True):
            assert np.array_equal(x, y), kind


class TestBatches:
    @pytest.mark.parametrize("size", [1, 3, 4, 11, 20])
    def test_a_report_an_epoch_is_the_mean_over_all_rows(self, size):
        y = np.random.default_rng(0).random(11)
        batches = Batches(11, size, like=y)
        # Parameters that stay make every epoch's mean that of all rows.
        result = descend(
            lambda params, rows: (np.mean(y[rows]), [np.asarray(0.0)]),
            [np.asarray(1.0)],
            learning_rate=1.0,
            steps=3 * len(batches),
            batches=batches,
            report_every=len(batches),
        )
        assert [report.step for report in result.history] == [len(batches) * k for k in (1, 2, 3)]
        assert [report.cost for report in result.history] == pytest.approx([np.mean(y)] * 3, rel=1e-14)

    @given(size=st.integers(1, 12), every=st.integers(1, 9), steps=st.integers(0, 25))
    @settings(max_examples=60)
    def test_reports_weigh_by_rows_what_came_since_the_last(self, size, every, steps):
        y = np.random.default_rng(0).random(11)
        batches = Batches(11, size, like=y)
        result = descend(
            lambda params, rows: (np.mean(y[rows]), [-np.max(y[rows])]),
            [np.asarray(1.0)],
            learning_rate=1.0,
            steps=steps,
            batches=batches,
            report_every=every,
        )
        ends = sorted({*range(every, steps + 1, every), steps} - {0})
        assert [report.step for report in result.history] == ends
        for begin, report in zip([0, *ends], result.history, strict=False):
            rows = np.concatenate([batches(step) for step in range(begin, report.step)])
            assert report.cost == pytest.approx(np.mean(y[rows]), rel=1e-13)
            assert report.largest_gradient == np.max(y[batches(report.step - 1)]), "of the last batch"
            assert report.validation is None

    def test_the_cost_is_handed_the_rows_of_each_step(self):
        batches = Batches(11, 4, like=np.zeros(1))
        seen = []
        descend(
            lambda params, rows: (seen.append(rows) or np.asarray(0.0), [np.asarray(0.0)]),
            [np.asarray(1.0)],
            learning_rate=1.0,
            steps=7,
            batches=batches,
            report_every=2,
        )
        assert [rows.tolist() for rows in seen] == [batches(step).tolist() for step in range(7)]

    @pytest.mark.parametrize("name", sorted(OPTIMIZERS))
    def test_all_devices_learn_the_same(self, name, device, dtype):
        here = train(optimizer=OPTIMIZERS[name](0.05))
        there = train(device, dtype, optimizer=OPTIMIZERS[name](0.05), held_back=True)
        like = rows_of(device, dtype)[0]
        rtol = 1e-3 if dtype == "float32" else 1e-10
        for report, other in zip(here.history, there.history, strict=True):
            assert other.cost == pytest.approx(report.cost, rel=rtol)
        for x in pytree.flat(there.params):
            assert (x.dtype, x.device) == (like.dtype, like.device)
        last = train(device, dtype, optimizer=OPTIMIZERS[name](0.05))
        for x, y in zip(pytree.flat(last.params), pytree.flat(here.params), strict=True):
            np.testing.assert_allclose(device.to_numpy(x), y, rtol=rtol, atol=1e-4)

    def test_no_steps_see_no_rows(self):
        result = train(steps=0, held_back=True)
        assert (result.steps, result.stopped, result.history, result.best) == (0, "steps", [], None)
        assert result.params["w"].tolist() == [0, 0, 0]

    def test_a_network_learns(self, device):
        rng = np.random.default_rng(1)
        X = rng.standard_normal((60, 2))
        y = (X[:, 0] * X[:, 1] > 0).astype(float)
        X, y = device.asarray(X, "float32"), device.asarray(y, "float32")
        net = cr.MLP((2, 8, 1), activation="tanh")
        params = net.init(0, device, "float32")
        batches = Batches(60, 16, like=X)
        result = descend(
            on_rows(net.cost_and_gradients, X, y),
            params,
            steps=40 * len(batches),
            optimizer=optimizers.adam(0.05),
            batches=batches,
            report_every=len(batches),
        )
        assert [type(layer) for layer in result.params] == [tuple, tuple]
        guess = device.to_numpy(net.forward(result.params, X))[:, 0] > 0.5
        assert np.mean(guess == device.to_numpy(y)) > 0.9
        assert len(result.history) == 40


class TestValidation:
    @pytest.mark.parametrize("batches", [None, Batches(8, 1, like=np.zeros(1))])
    def test_the_parameters_of_the_lowest_validation_are_returned(self, batches):
        scores = [9.0, 4.0, 2.0, 3.0, 2.0, 7.0]
        result = walk(scores=scores, steps=10, report_every=2, batches=batches)
        begin = 1 if batches else 0
        assert [report.validation for report in result.history] == scores[begin:]
        assert float(result.params[0]) == -4, "the first of equals"
        assert result.best == result.history[2 - begin]
        assert (result.steps, result.stopped) == (10, "steps")
        assert result.state == {"step": 10}, "the optimiser's is that after all steps"

    def test_also_when_asked_to_stop(self):
        scores, asked = [9.0, 4.0, 2.0, 3.0, 1.0], iter([False] * 6 + [True])
        result = walk(scores=scores, steps=10, report_every=2, stop=lambda: next(asked))
        assert (result.steps, result.stopped) == (7, "asked")
        assert [report.step for report in result.history] == [0, 2, 4, 6, 7]
        assert float(result.params[0]) == -4
        asked = iter([False] * 3 + [True])
        assert (
            float(walk(scores=[9.0, 4.0, 5.0], steps=10, report_every=2, stop=lambda: next(asked)).params[0])
            == -2
        )

    def test_also_when_tol_or_patience_is_met(self):
        patient = walk(scores=[9.0, 4.0, 5.0, 6.0, 1.0], steps=10, report_every=2, patience=2)
        assert (float(patient.params[0]), patient.steps, patient.stopped) == (-2, 6, "patience")
        slow = train(size=None, held_back=True, steps=900, tol=0.05)
        assert slow.stopped == "tol"
        assert slow.best == min(slow.history, key=lambda report: report.validation)
        assert slow.best != slow.history[-1]

    def test_without_it_the_last_are_returned(self):
        result = walk(costs=[5.0, 1.0, 3.0, 2.0], steps=3, report_every=1)
        assert float(result.params[0]) == -3
        assert result.best == Report(1, 1.0, 1.0, None, (1.0,))

    def test_it_may_be_an_array_of_any_device(self, device, dtype):
        result = train(device, dtype, held_back=True)
        _, _, X, y = rows_of(device, dtype)
        assert result.best == min(result.history, key=lambda report: report.validation)
        assert result.best != result.history[-1]
        assert float(device.to_numpy(line(result.params, X, y)[0])) == result.best.validation

    @pytest.mark.parametrize("kind", [float, int, np.float64, np.float32, np.asarray])
    def test_it_may_be_a_number(self, device, kind):
        result = train(device, "float32", validate=lambda params: kind(3), steps=5)
        assert [report.validation for report in result.history] == [3.0, 3.0]
        assert all(type(report.validation) is float for report in result.history)

    def test_infinity_is_worse_than_any_number(self):
        result = walk(scores=[math.inf, 4.0, math.inf], steps=2, report_every=1)
        assert float(result.params[0]) == -1

    @pytest.mark.parametrize("kind", [float, np.asarray])
    def test_nan_ends_the_run(self, kind):
        scores = [kind(3.0), kind(2.0), kind(math.nan)]
        with pytest.raises(DivergenceError, match="the validation before step 4 is nan"):
            walk(scores=scores, steps=4, report_every=2)


def looks_until(watched, patience, min_improvement):
    """How many looks patience allows, written out: the index after the last one."""
    since, best = 0, math.inf
    for k, number in enumerate(watched):
        since = 0 if number < best - min_improvement else since + 1
        best = min(best, number)
        if k and since >= patience:
            return k + 1, "patience"
    return len(watched), "steps"


class TestPatience:
    @given(
        watched=st.lists(st.integers(1, 9).map(float), min_size=1, max_size=14),
        patience=st.integers(1, 4),
        min_improvement=st.sampled_from([0.0, 0.5, 1.0, 2.5]),
        validated=st.booleans(),
    )
    @example([5.0, 4.0, 3.0, 2.0, 1.0], 2, 1.0, True)
    @settings(max_examples=60)
    def test_it_ends_a_run_where_the_rule_written_out_does(
        self, watched, patience, min_improvement, validated
    ):
        listed = {"scores": watched} if validated else {"costs": watched}
        result = walk(
            **listed,
            steps=len(watched) - 1,
            report_every=1,
            patience=patience,
            min_improvement=min_improvement,
        )
        looks, stopped = looks_until(watched, patience, min_improvement)
        assert len(result.history) == looks
        # At the last step of all there is nothing left to stop.
        assert result.stopped == (stopped if looks < len(watched) else "steps")
        assert result.best.step == int(np.argmin(watched[:looks]))

    def test_the_best_is_kept_though_it_was_no_improvement_to_speak_of(self):
        result = walk(scores=[5.0, 4.5, 4.0, 3.5], steps=3, report_every=1, patience=3, min_improvement=1.0)
        assert result.best.validation == 3.5
        assert float(result.params[0]) == -3

    def test_without_patience_all_steps_are_taken(self):
        assert walk(costs=[1.0] * 21, steps=20, report_every=1).stopped == "steps"

    def test_with_batches_the_mean_cost_is_watched(self):
        y = np.array([1.0, 3.0])
        result = descend(
            lambda params, rows: (np.mean(y[rows]), [np.asarray(0.0)]),
            [np.asarray(0.0)],
            learning_rate=1.0,
            steps=100,
            batches=Batches(2, 1, like=y),
            report_every=2,
            patience=3,
        )
        assert (result.stopped, result.steps) == ("patience", 8), "one best report and three more"


RECIPES = {name: (lambda maker=maker: maker(0.05)) for name, maker in OPTIMIZERS.items()} | {
    "scheduled": lambda: optimizers.momentum(warm_up(cosine(0.1, 20), 5)),
    "clipped": lambda: optimizers.clipped(optimizers.adam(0.05), 0.3),
}


@st.composite
def recipes(draw):
    """Settings of a run that a snapshot may be taken of."""
    size = draw(st.sampled_from([None, 1, 4, 11]))
    return {
        "name": draw(st.sampled_from(sorted(RECIPES))),
        "size": size,
        "steps": draw(st.integers(0, 40)),
        "report_every": draw(st.integers(1, 8)),
        "held_back": draw(st.booleans()),
        "patience": draw(st.sampled_from([None, None, 1, 2, 4])),
        "min_improvement": draw(st.sampled_from([0.0, 0.01])),
        "tol": draw(st.sampled_from([None, 0.1, 0.3])) if size is None else None,
    }


def by_recipe(recipe, **more):
    arguments = recipe | more
    return train(optimizer=RECIPES[arguments.pop("name")](), **arguments)


def forbidden(*arguments):
    raise AssertionError("a run that has ended computes nothing")


class TestResume:
    @given(recipe=recipes(), data=st.data())
    @settings(max_examples=40)
    def test_from_any_snapshot_a_run_ends_as_the_uninterrupted_one(self, recipe, data):
        snapshots, reports = [], []
        whole = by_recipe(recipe, on_snapshot=snapshots.append, on_report=reports.append)
        assert reports == whole.history
        due = [report.step for report in whole.history if report.step % recipe["report_every"] == 0]
        assert [snapshot.step for snapshot in snapshots] == due
        if not snapshots:
            return
        number = data.draw(st.integers(0, len(snapshots) - 1))
        later, heard = [], []
        resumed = by_recipe(
            recipe, resume=snapshots[number], on_snapshot=later.append, on_report=heard.append
        )
        assert_same(resumed, whole)
        done = len(snapshots[number].history)
        assert heard == whole.history[done:], "what was reported is not reported again"
        assert [snapshot.step for snapshot in later] == due[number + 1 :]
        for one, other in zip(later, snapshots[number + 1 :], strict=True):
            assert replace(one, params=0, state=0, best_params=0) == replace(
                other, params=0, state=0, best_params=0
            )
            for x, y in zip(
                pytree.flat([one.params, one.state, one.best_params]),
                pytree.flat([other.params, other.state, other.best_params]),
                strict=True,
            ):
                assert np.array_equal(x, y)

    @given(recipe=recipes(), more=st.integers(1, 30), data=st.data())
    @settings(max_examples=40)
    def test_with_more_steps_it_ends_as_a_longer_run(self, recipe, more, data):
        snapshots = []
        by_recipe(recipe, on_snapshot=snapshots.append)
        if snapshots:
            longer = recipe | {"steps": recipe["steps"] + more}
            assert_same(by_recipe(longer, resume=data.draw(st.sampled_from(snapshots))), by_recipe(longer))

    @given(recipe=recipes(), more=st.integers(0, 20), data=st.data())
    @settings(max_examples=120)
    def test_from_a_snapshot_between_looks_too(self, recipe, more, data):
        snapshots = []
        by_recipe(recipe, on_snapshot=snapshots.append, snapshot_due=lambda: True)
        longer = recipe | {"steps": recipe["steps"] + more}
        whole = by_recipe(longer)
        if not snapshots:
            return
        one = data.draw(st.sampled_from(snapshots))
        if one.rows and one.step >= longer["steps"]:
            with pytest.raises(ValueError, match="to go on from a snapshot between two looks"):
                by_recipe(longer, resume=one)
        else:
            assert_same(by_recipe(longer, resume=one), whole)

    @given(recipe=recipes(), after=st.integers(1, 40), data=st.data())
    @settings(max_examples=40)
    def test_a_run_that_was_asked_to_stop_goes_on_as_if_it_had_not_been(self, recipe, after, data):
        snapshots, steps = [], iter(range(1, 100))
        asked = by_recipe(recipe, on_snapshot=snapshots.append, stop=lambda: next(steps) == after)
        whole = by_recipe(recipe)
        if whole.steps > after:
            assert (asked.stopped, asked.steps) == ("asked", after)
        if snapshots:
            assert_same(by_recipe(recipe, resume=data.draw(st.sampled_from(snapshots))), whole)

    @pytest.mark.parametrize("size", [None, 4])
    @pytest.mark.parametrize("ending", ["steps", "patience", "tol"])
    def test_of_a_run_that_has_ended_it_returns_at_once(self, size, ending):
        if size and ending == "tol":
            pytest.skip("tol judges full batches")
        recipe = {"name": "adam", "size": size, "report_every": 3, "steps": 300, "held_back": True}
        recipe |= {"steps": {"steps": 30}, "patience": {"patience": 2}, "tol": {"tol": 0.1}}[ending]
        snapshots = []
        whole = by_recipe(recipe, on_snapshot=snapshots.append)
        assert whole.stopped == ending
        again = descend(
            forbidden,
            {"w": None, "b": [None]},
            steps=recipe["steps"],
            report_every=3,
            optimizer=Optimizer(forbidden, forbidden),
            batches=Batches(11, 4, like=np.zeros(1)) if size else None,
            validate=forbidden,
            patience=recipe.get("patience"),
            tol=recipe.get("tol"),
            on_report=forbidden,
            on_snapshot=forbidden,
            stop=forbidden,
            resume=snapshots[-1],
        )
        assert_same(again, whole)

    def test_patience_that_was_lost_at_the_last_step_ends_a_longer_run_at_once(self):
        settings = {"costs": [1.0] * 9, "report_every": 1, "patience": 3}
        snapshots = []
        short = walk(**settings, steps=3, on_snapshot=snapshots.append)
        longer = walk(**settings, steps=8)
        assert (short.stopped, longer.stopped, longer.steps) == ("steps", "patience", 3)
        assert_same(walk(**settings, steps=3, resume=snapshots[-1]), short)
        assert_same(walk(**settings, steps=8, resume=snapshots[-1]), longer)

    @pytest.mark.parametrize("size", [None, 4])
    @pytest.mark.parametrize("every", [1, 3])
    def test_a_run_that_grows_without_end_is_given_up_at_the_same_step(self, size, every):
        settings = {"size": size, "optimizer": optimizers.gradient_descent(3.0), "report_every": every}
        snapshots = []
        with pytest.raises(DivergenceError, match="grown at each of") as whole:
            train(**settings, steps=200, on_snapshot=snapshots.append)
        assert len(snapshots) > 3
        for snapshot in snapshots:
            with pytest.raises(DivergenceError) as resumed:
                train(**settings, steps=200, resume=snapshot)
            assert str(resumed.value) == str(whole.value)

    def test_a_snapshot_is_not_changed_by_the_run_that_goes_on(self):
        snapshots = []
        train(on_snapshot=lambda snapshot: snapshots.append((snapshot, repr(vars(snapshot)))), held_back=True)
        train(resume=snapshots[2][0], held_back=True)
        assert all(repr(vars(snapshot)) == before for snapshot, before in snapshots)
        assert isinstance(snapshots[0][0], Snapshot)


class TestState:
    @pytest.mark.parametrize("name", sorted(RECIPES))
    @pytest.mark.parametrize("size", [None, 4])
    def test_a_state_handed_on_makes_two_runs_one(self, name, size):
        # Whole epochs in the order of the rows: the batches of a run begin at step 0.
        X, y, _, _ = rows_of(CPU)
        batches = Batches(11, size, like=X, shuffle=False) if size else None
        cost = on_rows(line, X, y) if size else lambda params: line(params, X, y)

        def go(params, steps, **settings):
            return descend(cost, params, steps=steps, batches=batches, optimizer=RECIPES[name](), **settings)

        start = {"w": np.zeros(3), "b": [np.asarray(0.0)]}
        first = go(start, 6)
        both, whole = go(first.params, 9, state=first.state), go(start, 15)
        for kind in ("params", "state"):
            for one, other in zip(
                pytree.flat(getattr(both, kind)), pytree.flat(getattr(whole, kind)), strict=True
            ):
                assert np.array_equal(one, other)
        assert both.steps == 9
        assert both.history[-1].cost == pytest.approx(whole.history[-1].cost) if not size else True


class TestDivergence:
    @pytest.mark.parametrize("every", [1, 4, 50])
    def test_the_first_batch_whose_cost_is_no_number_is_named(self, every):
        taken = []

        def cost_and_gradients(params, rows):
            taken.append(params)
            return np.asarray(math.nan if float(params[0]) <= -9 else 1.0), [np.asarray(1.0)]

        with pytest.raises(
            DivergenceError, match=r"the cost before step 9 is nan.*learning_rate=0\.1 \(a tenth of 1\)"
        ) as caught:
            descend(
                cost_and_gradients,
                [np.asarray(0.0)],
                optimizer=optimizers.gradient_descent(1.0),
                steps=50,
                batches=Batches(6, 2, like=np.zeros(1)),
                report_every=every,
            )
        assert float(caught.value.params[0]) == -(9 // every * every), "those of the last look"

    def test_epochs_that_grow_to_ten_times_the_first_are_given_up(self):
        with pytest.raises(
            DivergenceError, match=r"the cost has grown at each of 10 reports, from 1 to 11 before step 22"
        ):
            walk(
                costs=[1.0 + k // 2 for k in range(40)],
                steps=39,
                report_every=2,
                batches=Batches(2, 1, like=np.zeros(1)),
            )

    def test_epochs_that_climb_to_less_than_that_are_let_be(self):
        costs = [1 + 0.4 * (k // 2) for k in range(40)]
        assert (
            walk(costs=costs, steps=39, report_every=2, batches=Batches(2, 1, like=np.zeros(1))).steps == 39
        )

    def test_a_first_cost_that_is_no_number_is_not_blamed_on_the_steps(self):
        with pytest.raises(
            DivergenceError,
            match=r"the cost before step 0 is nan; no step was taken yet: see that the data hold no NaN",
        ):
            walk(costs=[math.nan] * 3, steps=2)

    def test_batches_that_differ_in_cost_are_let_be(self):
        result = walk(
            costs=[10.0 ** (k % 12) for k in range(48)],
            steps=48,
            report_every=12,
            batches=Batches(12, 1, like=np.zeros(1)),
        )
        assert result.stopped == "steps"

    def test_an_optimiser_that_knows_no_rate_is_told_to_take_shorter_steps(self):
        within, scores = optimizers.gradient_descent(1.0), iter([1.0, math.nan])
        with pytest.raises(DivergenceError, match="too long for this cost: try shorter ones, and see"):
            train(
                size=None,
                optimizer=Optimizer(within.init, within.update),
                validate=lambda params: next(scores),
            )


class TestGradientsByArray:
    def test_they_are_those_of_the_parameters_in_their_order(self, device, dtype):
        result = train(device, dtype, size=None, steps=7)
        X, y, *_ = rows_of(device, dtype)
        gradients = pytree.flat(line(result.params, X, y)[1])
        expected = [float(np.max(np.abs(device.to_numpy(gradient)))) for gradient in gradients]
        assert result.history[-1].largest_by_array == pytest.approx(expected, rel=1e-6)
        assert len(set(expected)) == 2
        for report in result.history:
            assert max(report.largest_by_array) == report.largest_gradient

    @pytest.mark.parametrize("place", [0, 1])
    def test_one_that_is_no_number_ends_the_run(self, place):
        gradients = [np.asarray(1.0), np.asarray(1.0)]
        gradients[place] = np.asarray(math.nan)
        with pytest.raises(DivergenceError, match=r"the largest \|gradient\| before step 0 is nan"):
            descend(lambda params: (np.asarray(1.0), gradients), gradients, steps=3, learning_rate=1.0)


class TestCopies:
    @pytest.mark.parametrize("size", [None, 4])
    @pytest.mark.parametrize("held_back", [False, True])
    def test_one_a_report_and_none_between(self, monkeypatch, size, held_back):
        strict = cr.get_device("strict:device1")
        rows_of(strict)
        copies, seen = count_copies(monkeypatch, strict), []
        result = train(
            strict,
            size=size,
            held_back=held_back,
            optimizer=optimizers.clipped(optimizers.adam(0.1), 1.0),
            steps=20,
            report_every=5,
            patience=50,
            on_report=lambda report: seen.append(len(copies)),
            on_snapshot=lambda snapshot: None,
            stop=lambda: seen.append(len(copies)),
        )
        assert copies.count("to_device") == len(result.history)
        assert len(copies) == 2 * len(result.history), "to the host's memory, and into NumPy"
        assert len(set(seen)) == len(result.history) + (size is not None)


class TestRefusals:
    def test_tol_with_batches(self):
        with pytest.raises(
            ValueError, match="descend: tol judges the gradient of the full batch, got batches too"
        ):
            train(tol=0.1)

    @pytest.mark.parametrize("both", [{}, {"learning_rate": 0.1, "optimizer": optimizers.adam()}])
    def test_an_optimiser_and_a_rate(self, both):
        with pytest.raises(
            ValueError,
            match="descend: expected either learning_rate or optimizer, got both or neither; give one",
        ):
            descend(lambda params: (params, params), np.asarray(1.0), steps=1, **both)

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ({"patience": 0}, "patience must be 1 or more, or None for no such stop, got 0"),
            ({"min_improvement": -0.1}, "min_improvement must be 0 or more, got -0.1"),
            ({"min_improvement": math.nan}, "min_improvement must be 0 or more, got nan"),
        ],
    )
    def test_other_settings(self, setting, message):
        with pytest.raises(ValueError, match=f"^descend: {message}$"):
            train(**setting)
