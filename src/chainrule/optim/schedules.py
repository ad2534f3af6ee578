"""Learning rates that change from step to step: a schedule is a function from the step, from 0, to a positive rate.

Every schedule made here can be pickled: it is a named function of this module with its numbers bound.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from chainrule.validation import real_number

Schedule = Callable[[int], float]


def constant(rate: float) -> Schedule:
    """Return the schedule that gives `rate`, a number above 0, at every step."""
    positive_number("constant", "rate", rate)
    return partial(_constant, rate)


def _constant(rate: float, step: int) -> float:
    return rate


def step_decay(rate: float, every: int, factor: float = 0.1) -> Schedule:
    """Return the schedule that multiplies `rate` by `factor` after each `every` steps; all three are above 0."""
    positive_number("step_decay", "rate", rate)
    positive_number("step_decay", "every", every)
    positive_number("step_decay", "factor", factor)
    return partial(_step_decay, rate, every, factor)


def _step_decay(rate: float, every: int, factor: float, step: int) -> float:
    return rate * factor ** (step // every)


def cosine(rate: float, steps: int, floor: float = 0.0) -> Schedule:
    """Return the schedule that falls from `rate` to `floor` along half a cosine in `steps` steps, and stays there.

    `rate` and `steps` are above 0, `floor` is from 0 to `rate`.
    Source: Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, ICLR 2017, equation 5.
    """
    positive_number("cosine", "rate", rate)
    positive_number("cosine", "steps", steps)
    if not 0 <= real_number("cosine", "floor", floor) <= rate:
        raise ValueError(f"cosine: floor must be from 0 to the rate {rate}, got {floor}")
    return partial(_cosine, rate, steps, floor)


def _cosine(rate: float, steps: int, floor: float, step: int) -> float:
    return floor + (rate - floor) * (1 + math.cos(math.pi * min(step / steps, 1))) / 2


def warm_up(rate: float | Schedule, steps: int) -> Schedule:
    """Return the schedule that rises evenly for `steps` steps to the first rate of `rate`, then follows `rate`.

    `rate` is a number above 0 or another schedule, whose step 0 comes after the rise; `steps` is above 0.
    Source: Goyal et al., Accurate, large minibatch SGD (2017), section 2.2.
    """
    positive_number("warm_up", "steps", steps)
    return partial(_warm_up, as_schedule("warm_up", rate), steps)


def _warm_up(after: Schedule, steps: int, step: int) -> float:
    return after(0) * (step + 1) / steps if step < steps else after(step - steps)


class ScheduleForm(NamedTuple):
    """A row of SCHEDULES: a schedule as a user writes it, NAME[:STEPS[:NUMBER]].

    make      makes the schedule from the rate, then the numbers; the first of them is a whole number of steps
    form      how it is written, for messages and help
    usual     gives the numbers of a run of so many steps where the text leaves them out
    """

    make: Callable[..., Schedule]
    form: str
    usual: Callable[[int], tuple[float, ...]]


SCHEDULES = {
    "constant": ScheduleForm(constant, "constant", lambda steps: ()),
    "step": ScheduleForm(step_decay, "step[:EVERY[:FACTOR]]", lambda steps: (max(1, -(-steps // 3)), 0.1)),
    "cosine": ScheduleForm(cosine, "cosine[:STEPS[:FLOOR]]", lambda steps: (max(1, steps), 0.0)),
    "warm-up": ScheduleForm(warm_up, "warm-up[:STEPS]", lambda steps: (max(1, steps // 10),)),
}


def as_schedule(who: str, rate: float | Schedule) -> Schedule:
    """Return a schedule as it is, and a number as the schedule that gives it at every step."""
    if callable(rate):
        return rate
    positive_number(who, "learning_rate", rate)
    return partial(_constant, rate)


def positive_number(who: str, name: str, value: float) -> float:
    """Return a number above 0 as Python's float; TypeError for what is no number, ValueError for any other."""
    if not (real_number(who, name, value) > 0 and math.isfinite(value)):
        raise ValueError(f"{who}: {name} must be a positive, finite number, got {value}")
    return float(value)
