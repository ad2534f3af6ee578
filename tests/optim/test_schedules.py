import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.optim import SCHEDULES, constant, cosine, step_decay, warm_up

RATES = st.floats(0.001, 1).map(lambda x: round(x, 4))


def test_constant():
    assert [constant(0.3)(step) for step in (0, 1, 10**6)] == [0.3] * 3


@given(rate=RATES, every=st.integers(1, 20), factor=st.floats(0.1, 2), epoch=st.integers(0, 20))
def test_step_decay_multiplies_after_every_so_many_steps(rate, every, factor, epoch):
    schedule = step_decay(rate, every, factor)
    expected = rate
    for _ in range(epoch):
        expected *= factor
    first, last = epoch * every, (epoch + 1) * every - 1
    assert schedule(first) == schedule(last) == pytest.approx(expected, rel=1e-12)
    assert schedule(0) == rate
    assert step_decay(rate, every)(every) == pytest.approx(rate / 10)


@given(rate=RATES, part=st.floats(0, 1), steps=st.integers(1, 1000), step=st.integers(0, 2000))
def test_cosine_falls_from_the_rate_to_the_floor_and_stays_there(rate, part, steps, step):
    floor = rate * part
    schedule = cosine(rate, steps, floor)
    assert schedule(0) == pytest.approx(rate, rel=1e-12)
    assert schedule(steps) == schedule(steps + 1) == schedule(10 * steps) == pytest.approx(floor)
    assert schedule(step + 1) <= schedule(step) * (1 + 1e-12)
    assert schedule(steps / 2) == pytest.approx((rate + floor) / 2, rel=1e-12), "half way down in the middle"
    angle = math.pi * step / steps
    if step <= steps:
        assert schedule(step) == pytest.approx(floor + (rate - floor) * math.cos(angle / 2) ** 2, abs=1e-12)


def test_cosine_falls_to_0_by_itself():
    assert cosine(0.5, 8)(8) == 0
    assert cosine(0.5, 8)(4) == pytest.approx(0.25)


@pytest.mark.parametrize(
    "after", [0.4, constant(0.4), step_decay(0.4, 3), cosine(0.4, 7), lambda step: 0.4 / (step + 1)]
)
@pytest.mark.parametrize("steps", [1, 5])
def test_warm_up_rises_evenly_and_hands_over(after, steps):
    schedule = warm_up(after, steps)
    assert [schedule(k) for k in range(steps)] == pytest.approx([0.4 * (k + 1) / steps for k in range(steps)])
    then = after if callable(after) else constant(after)
    assert [schedule(steps + k) for k in range(12)] == [then(k) for k in range(12)]


class TestTable:
    @pytest.mark.parametrize("name", SCHEDULES)
    @given(steps=st.integers(0, 10_000))
    def test_every_row_makes_a_schedule_for_a_run_of_any_length(self, name, steps):
        row = SCHEDULES[name]
        schedule = row.make(0.5, *row.usual(steps))
        assert all(0 <= schedule(step) <= 0.5 for step in {0, steps // 2, max(0, steps - 1)})
        assert schedule(max(0, steps - 1)) > 0

    @pytest.mark.parametrize("name", SCHEDULES)
    def test_a_form_names_the_row_and_each_of_its_numbers(self, name):
        row = SCHEDULES[name]
        assert row.form.startswith(name)
        assert row.form.count(":") == len(row.usual(10))

    def test_the_usual_numbers(self):
        usual = {name: row.usual(100) for name, row in SCHEDULES.items()}
        assert usual == {"constant": (), "step": (34, 0.1), "cosine": (100, 0.0), "warm-up": (10,)}


class TestRefusals:
    @pytest.mark.parametrize("value", [0, -1.0, math.nan, math.inf])
    @pytest.mark.parametrize(
        ("who", "setting", "make"),
        [
            ("constant", "rate", constant),
            ("step_decay", "rate", lambda x: step_decay(x, 2)),
            ("step_decay", "every", lambda x: step_decay(0.1, x)),
            ("step_decay", "factor", lambda x: step_decay(0.1, 2, x)),
            ("cosine", "rate", lambda x: cosine(x, 2)),
            ("cosine", "steps", lambda x: cosine(0.1, x)),
            ("warm_up", "learning_rate", lambda x: warm_up(x, 2)),
            ("warm_up", "steps", lambda x: warm_up(0.1, x)),
        ],
    )
    def test_numbers(self, who, setting, make, value):
        with pytest.raises(
            ValueError, match=f"^{who}: {setting} must be a positive, finite number, got {value}$"
        ):
            make(value)

    @pytest.mark.parametrize("value", [-0.1, 0.6, math.nan])
    def test_floors(self, value):
        with pytest.raises(
            ValueError, match=rf"^cosine: floor must be from 0 to the rate 0\.5, got {value}$"
        ):
            cosine(0.5, 10, value)
