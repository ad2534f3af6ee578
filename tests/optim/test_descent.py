import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import chainrule as cr
from chainrule.models import logistic
from chainrule.optim import Batches, DivergenceError, Optimizer, descend, descent, gradient_descent
from chainrule.optim.batches import on_rows
from chainrule.program import code, fusing
from tests.helpers.devices import count_copies


def bowl(xp, centre):
    """Half the squared distance from `centre`: its gradient is x - centre, its curvature 1."""

    def cost_and_gradients(params):
        (x,) = params
        return xp.sum((x - centre) * (x - centre)) / 2, (x - centre,)

    return cost_and_gradients


def run(device, dtype="float64", start=(5.0, -3.0), **settings):
    centre = device.asarray([1.0, 2.0], dtype)
    arguments = {"learning_rate": 0.1, "steps": 100, "report_every": 10} | settings
    return descend(bowl(device.xp, centre), (device.asarray(list(start), dtype),), **arguments)


def test_the_steps_are_those_of_the_closed_form(device, dtype):
    result = run(device, dtype, steps=50)
    expected = np.array([1, 2]) + np.array([4, -5]) * 0.9**50
    np.testing.assert_allclose(
        device.to_numpy(result.params[0]), expected, rtol=1e-5 if dtype == "float32" else 1e-13
    )
    assert result.params[0].dtype == getattr(device.xp, dtype)
    assert result.steps == 50
    assert result.stopped == "steps"


def test_history_holds_the_cost_before_each_reported_step_and_after_the_last():
    result = run(cr.get_device("cpu"), steps=25, report_every=10)
    assert [report.step for report in result.history] == [0, 10, 20, 25]
    for report in result.history:
        assert report.cost == pytest.approx(41 / 2 * 0.81**report.step, rel=1e-12)
        assert report.largest_gradient == pytest.approx(5 * 0.9**report.step, rel=1e-12)


def test_all_parameters_are_updated_at_once():
    def cost_and_gradients(params):
        x, y = params
        return x * y, (y, x)

    result = descend(cost_and_gradients, (np.asarray(3.0), np.asarray(5.0)), learning_rate=0.5, steps=1)
    assert [float(part) for part in result.params] == [0.5, 3.5]


def test_no_steps_leave_the_parameters_and_report_once():
    result = run(cr.get_device("cpu"), steps=0)
    assert result.params[0].tolist() == [5.0, -3.0]
    assert [report.step for report in result.history] == [0]


def test_tol_stops_at_the_first_report_that_is_under_it():
    result = run(cr.get_device("cpu"), tol=1.0, report_every=1)
    first = next(k for k in range(100) if 5 * 0.9**k < 1.0)
    assert (result.steps, result.stopped) == (first, "tol")
    coarse = run(cr.get_device("cpu"), tol=1.0, report_every=10)
    assert coarse.steps == math.ceil(first / 10) * 10
    assert coarse.history[-1].step == coarse.steps
    at_the_minimum = run(cr.get_device("cpu"), start=(1.0, 2.0), tol=0.0)
    assert at_the_minimum.stopped == "steps", "no gradient is under 0"


def test_stop_ends_after_the_running_step_with_what_was_learnt():
    asked = iter([False, False, True])
    result = run(cr.get_device("cpu"), stop=lambda: next(asked))
    assert (result.steps, result.stopped) == (3, "asked")
    assert result.history[-1].step == 3
    np.testing.assert_allclose(result.params[0], np.array([1, 2]) + np.array([4, -5]) * 0.9**3)


def test_reports_are_handed_over_as_they_come():
    seen = []
    result = run(cr.get_device("cpu"), on_report=seen.append)
    assert seen == result.history


def test_nothing_is_copied_from_the_device_between_reports(monkeypatch):
    strict = cr.get_device("strict:device1")
    reads = count_copies(monkeypatch, strict)
    counts = []
    run(strict, steps=20, report_every=10, stop=lambda: counts.append(len(reads)) or False)
    assert counts[0] > 0, "the first report reads"
    assert len(set(counts[:9])) == 1, "the steps up to the next report do not"
    assert counts[10] > counts[9]
    assert len(set(counts[10:19])) == 1


class TestDivergence:
    @pytest.mark.parametrize("every", [1, 7, 50])
    def test_growth_without_end_names_the_step_and_a_rate(self, device, every):
        with pytest.raises(DivergenceError, match=r"grown at each of \d+ steps.*learning_rate=0\.25 "):
            run(device, learning_rate=2.5, steps=200, report_every=every)

    @pytest.mark.parametrize("every", [1, 7, 50])
    def test_the_first_cost_that_is_not_a_number_is_named(self, every):
        def cost_and_gradients(params):
            (k,) = params
            return np.where(k < 12, -k, np.nan), (np.asarray(-1.0),)

        with pytest.raises(
            DivergenceError, match=r"the cost before step 12 is nan.*see that the data hold no NaN"
        ) as caught:
            descend(cost_and_gradients, (np.asarray(0.0),), learning_rate=1.0, steps=60, report_every=every)
        assert float(caught.value.params[0]) <= 12

    def test_a_gradient_that_is_not_a_number_is_named(self):
        with pytest.raises(DivergenceError, match=r"largest \|gradient\| before step 0 is nan"):
            descend(
                lambda params: (np.asarray(1.0), (np.full(2, np.nan),)),
                (np.ones(2),),
                learning_rate=1.0,
                steps=5,
            )

    def test_a_cost_that_creeps_up_and_does_not_double_is_let_be(self):
        costs = iter(1 + k / 100 for k in range(60))
        result = descend(
            lambda params: (np.asarray(next(costs)), (np.zeros(1),)),
            (np.ones(1),),
            learning_rate=1.0,
            steps=50,
        )
        assert result.stopped == "steps"

    def test_growth_that_stays_under_the_first_cost_is_let_be(self):
        # Down from 8 to 1, then up again as a momentum carries a run: doubled, and far under where it began.
        costs = iter([*np.linspace(8, 1, 30), *np.linspace(1, 6, 40)])
        result = descend(
            lambda params: (np.asarray(next(costs)), (np.zeros(1),)),
            (np.ones(1),),
            learning_rate=1.0,
            steps=60,
        )
        assert result.stopped == "steps"

    def test_an_infinite_cost_is_named(self):
        with pytest.raises(DivergenceError, match="before step 0 is inf"):
            descend(lambda params: (np.asarray(np.inf), params), (np.ones(1),), learning_rate=1.0, steps=5)

    def test_costs_that_swing_on_their_way_down_are_let_be(self):
        rng = np.random.default_rng(0)
        X, y = rng.random((40, 60)), np.arange(40.0) % 2

        def cost_and_gradients(params):
            cost, dw, db = logistic.by_matmul(X, y, *params)
            return cost, (dw, db)

        result = descend(
            cost_and_gradients, (np.zeros(60), np.asarray(0.0)), learning_rate=3.0, steps=500, report_every=1
        )
        costs = [report.cost for report in result.history]
        assert any(after > before for before, after in pairwise(costs))
        assert costs[-1] < costs[0]

    @given(start=st.floats(-1e150, 1e150), rate=st.floats(0.01, 1.99))
    @settings(max_examples=50)
    def test_a_rate_that_converges_is_never_refused(self, start, rate):
        result = run(cr.get_device("cpu"), start=(start, 0.0), learning_rate=rate, report_every=3)
        assert result.steps == 100


class TestRefusals:
    @pytest.mark.parametrize("rate", [0, -1.0, math.nan, math.inf])
    def test_learning_rate(self, rate):
        with pytest.raises(ValueError, match="learning_rate must be a positive, finite number, got"):
            run(cr.get_device("cpu"), learning_rate=rate)

    @pytest.mark.parametrize(
        "setting", [{"steps": -1}, {"report_every": 0}, {"tol": -1.0}, {"tol": math.nan}]
    )
    def test_other_settings(self, setting):
        with pytest.raises(ValueError, match=f"descend: .*{next(iter(setting))}"):
            run(cr.get_device("cpu"), **setting)

    def test_a_cost_of_several_numbers(self):
        with pytest.raises(
            ValueError, match=r"descend: expected a cost of shape \(\), got \(2,\); take its sum"
        ):
            descend(lambda x: (x**2, 2 * x), np.ones(2), steps=1, learning_rate=0.1)


def test_an_optimiser_is_a_pair_of_pure_functions():
    optimizer = gradient_descent(0.5)
    assert isinstance(optimizer, Optimizer)
    params, gradients = (np.ones(2),), (np.array([2.0, 4.0]),)
    state = optimizer.init(params)
    after, _ = optimizer.update(gradients, state, params)
    assert after[0].tolist() == [0.0, -1.0]
    assert params[0].tolist() == [1.0, 1.0]
    assert gradients[0].tolist() == [2.0, 4.0]


@pytest.mark.parametrize("batches", [None, Batches(12, 5, like=np.zeros(0))])
def test_a_compiled_cost_gives_the_run_bit_for_bit(batches):
    random = np.random.default_rng(0)
    X, y = random.normal(size=(12, 3)), random.normal(size=12)
    runs = []

    def cost(w, X, y):
        runs.append(1)
        return ((np.tanh(X @ w["w"]) - y) ** 2).mean()

    gradients = cr.value_and_grad(cost)
    of_rows = on_rows(gradients, X, y)

    def run(**settings):
        start = {"w": np.zeros(3)}
        optimizer = cr.optim.adam(cr.optim.cosine(0.1, 20))
        return descend(
            of_rows if batches else lambda w: gradients(w, X, y),
            start,
            steps=20,
            optimizer=optimizer,
            batches=batches,
            report_every=5,
            **settings,
        )

    plain = run()
    runs.clear()
    compiled = run(compile=True)
    assert len(runs) == (1 if batches is None else 2)
    np.testing.assert_array_equal(plain.params["w"], compiled.params["w"])
    assert plain.history == compiled.history
    middle = []
    run(compile=True, on_snapshot=middle.append)
    np.testing.assert_array_equal(run(compile=True, resume=middle[1]).params["w"], plain.params["w"])


@pytest.mark.parametrize("name", [*cr.optim.OPTIMIZERS, "clipped"])
def test_a_long_run_compiles_its_update_and_keeps_its_bits(name, monkeypatch):
    # Loops of any size, which Python runs as they are written: compiling them takes Numba seconds.
    if (found := fusing.numba()) is not None:
        monkeypatch.setattr(found.config, "DISABLE_JIT", True)
    monkeypatch.setattr(code, "LARGE", 1)
    monkeypatch.setattr(code, "HUGE", 1)
    updates = []
    monkeypatch.setattr(
        descent, "compiled", lambda f, **how: updates.append(cr.compile(f, **how)) or updates[-1]
    )
    start = np.random.default_rng(0).normal(size=(2, 3)).astype("float32")

    def end(pays_after, draws=False):
        monkeypatch.setattr(descent, "PAYS_AFTER", pays_after)
        rate = cr.optim.cosine(0.1, 9)
        made = cr.optim.OPTIMIZERS["adam" if name == "clipped" else name](rate)
        made = cr.optim.clipped(made, 0.5) if name == "clipped" else made
        if draws:
            update = made.update
            made = Optimizer(made.init, lambda *tree: update(*tree))
        run = descend(lambda w: ((w**4).sum(), 4 * w**3), start, steps=6, optimizer=made)
        return run.params.tobytes(), run.history

    expected = end(math.inf)
    assert end(0.0, draws=True) == expected
    assert updates == []
    assert end(0.0) == expected
    (update,) = updates
    assert len(update.signatures) == 1
