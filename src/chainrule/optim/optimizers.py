"""Optimisers as (init, update) pairs of pure functions, and learning rates that change as steps go by.

    state = optimizer.init(params)
    params, state = optimizer.update(gradients, state, params)

Parameters are arrays, or lists, tuples and dicts of them; gradients are built alike. A state is a dict of arrays and
whole numbers. Learning rates are Python numbers and what is learnt stays in its dtype, on its device.

All that an optimiser or a schedule is made of has a name in this module, so that other processes can be sent one.
"""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

from chainrule import pytree
from chainrule.backend.fusion import fused
from chainrule.backend.namespaces import namespace
from chainrule.validation import real_number

Array = Any
Params = Any
State = dict[str, Any]
Schedule = Callable[[int], float]
_Leaves = Sequence[Array]
_Rule = Callable[..., tuple[Array, ...]]
_Numbers = Callable[[float, int], tuple[float | None, ...]]


class Optimizer(NamedTuple):
    """`init(params) -> state` and `update(gradients, state, params) -> (params, state)`, pure functions both.

    `learning_rate` is the first one, for messages; None where nobody knows it.
    """

    init: Callable[[Params], State]
    update: Callable[[Params, State, Params], tuple[Params, State]]
    learning_rate: float | None = None


def gradient_descent(learning_rate: float | Schedule) -> Optimizer:
    """Return the optimiser that takes learning_rate times the gradient from all parameters at once.

    Source: Cauchy, Methode generale pour la resolution des systemes d'equations simultanees (1847).
    """
    return _optimizer("gradient_descent", learning_rate, _descended, _of_descent)


def momentum(learning_rate: float | Schedule, beta: float = 0.9) -> Optimizer:
    """Return gradient descent with a velocity: v = beta v + g; p -= rate v.

    Source: Polyak, Some methods of speeding up the convergence of iteration methods (1964).
    """
    (beta,) = _fractions("momentum", beta=beta)
    return _optimizer("momentum", learning_rate, _rolled, partial(_of_momentum, beta), "velocity")


def nesterov(learning_rate: float | Schedule, beta: float = 0.9) -> Optimizer:
    """Return momentum that looks ahead: v = beta v + g; p -= rate (g + beta v).

    Source: Nesterov, A method of solving a convex programming problem with convergence rate O(1/k^2) (1983), in the
    form of Sutskever et al., On the importance of initialization and momentum in deep learning, ICML 2013.
    """
    (beta,) = _fractions("nesterov", beta=beta)
    return _optimizer("nesterov", learning_rate, _looked_ahead, partial(_of_momentum, beta), "velocity")


def rmsprop(learning_rate: float | Schedule = 1e-3, decay: float = 0.9, epsilon: float = 1e-8) -> Optimizer:
    """Return steps over the root of a running mean of squares: s = decay s + (1 - decay) g^2.

    p -= rate g / (sqrt(s) + epsilon). Source: Tieleman and Hinton, Neural Networks for Machine Learning, lecture 6.5
    (2012).
    """
    (decay,) = _fractions("rmsprop", decay=decay)
    (epsilon,) = _positive("rmsprop", epsilon=epsilon)

    return _optimizer("rmsprop", learning_rate, _scaled, partial(_of_rmsprop, decay, epsilon), "square")


def adam(
    learning_rate: float | Schedule = 1e-3, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
) -> Optimizer:
    """Return steps of the mean gradient over the root of the mean square, both free of their start at 0.

    Source: Kingma and Ba, Adam, ICLR 2015, algorithm 1.
    """
    return _adam("adam", learning_rate, beta1, beta2, epsilon, 0.0)


def adamw(
    learning_rate: float | Schedule = 1e-3,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-8,
    weight_decay: float = 0.01,
) -> Optimizer:
    """Return adam that also takes rate * weight_decay of each parameter away, apart from the gradient.

    Source: Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019, algorithm 2.
    """
    if not (real_number("adamw", "weight_decay", weight_decay) >= 0 and math.isfinite(weight_decay)):
        raise ValueError(f"adamw: weight_decay must be a finite number from 0 up, got {weight_decay}")
    return _adam("adamw", learning_rate, beta1, beta2, epsilon, float(weight_decay))


def _adam(
    who: str, learning_rate: float | Schedule, beta1: float, beta2: float, epsilon: float, decay: float
) -> Optimizer:
    beta1, beta2 = _fractions(who, beta1=beta1, beta2=beta2)
    (epsilon,) = _positive(who, epsilon=epsilon)

    numbers = partial(_of_adam, beta1, beta2, epsilon, decay)
    return _optimizer(who, learning_rate, _adapted, numbers, "mean", "square")


def clipped(optimizer: Optimizer, largest_norm: float) -> Optimizer:
    """Return the optimiser fed with gradients of a norm, over all parameters, of at most `largest_norm`.

    Source: Pascanu et al., On the difficulty of training recurrent neural networks, ICML 2013, algorithm 1.
    """
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"clipped: expected an optimiser such as adam(), got {type(optimizer).__name__}")
    (largest_norm,) = _positive("clipped", largest_norm=largest_norm)

    update = partial(_clipped_update, optimizer, largest_norm)
    return Optimizer(optimizer.init, update, optimizer.learning_rate)


def constant(rate: float) -> Schedule:
    """Return the schedule of one rate for all steps."""
    _positive("constant", rate=rate)
    return partial(_constant, rate)


def step_decay(rate: float, every: int, factor: float = 0.1) -> Schedule:
    """Return the schedule that multiplies the rate by `factor` after each `every` steps."""
    _positive("step_decay", rate=rate, every=every, factor=factor)
    return partial(_step_decay, rate, every, factor)


def cosine(rate: float, steps: int, floor: float = 0.0) -> Schedule:
    """Return the schedule that falls from `rate` to `floor` along half a cosine in `steps` steps, and stays there.

    Source: Loshchilov and Hutter, SGDR: stochastic gradient descent with warm restarts, ICLR 2017, equation 5.
    """
    _positive("cosine", rate=rate, steps=steps)
    if not 0 <= real_number("cosine", "floor", floor) <= rate:
        raise ValueError(f"cosine: floor must be from 0 to the rate {rate}, got {floor}")
    return partial(_cosine, rate, steps, floor)


def warm_up(rate: float | Schedule, steps: int) -> Schedule:
    """Return the schedule that rises evenly to that of `rate` within `steps` steps; the schedule begins after them.

    Source: Goyal et al., Accurate, large minibatch SGD (2017), section 2.2.
    """
    _positive("warm_up", steps=steps)
    return partial(_warm_up, _schedule("warm_up", rate), steps)


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    maker.__name__.replace("_", "-"): maker
    for maker in (gradient_descent, momentum, nesterov, rmsprop, adam, adamw)
}


# The numbers that a rule takes, of the rate and the step.


def _of_descent(rate: float, step: int) -> tuple[float, ...]:
    return (-rate,)


def _of_momentum(beta: float, rate: float, step: int) -> tuple[float, ...]:
    return -rate, beta


def _of_rmsprop(decay: float, epsilon: float, rate: float, step: int) -> tuple[float, ...]:
    return -rate, 1 - decay, epsilon


def _of_adam(
    beta1: float, beta2: float, epsilon: float, decay: float, rate: float, step: int
) -> tuple[float | None, ...]:
    # Both corrections are numbers, so two passes over the arrays are saved.
    root = math.sqrt(1 - beta2 ** (step + 1))
    length = rate * root / (1 - beta1 ** (step + 1))
    return -length, 1 - beta1, 1 - beta2, epsilon * root, 1 - rate * decay if decay else None


# The rules for one array: (xp, p, g, *what is kept, *numbers) -> (p, *what is kept).


@fused
def _descended(xp: Any, p: Array, g: Array, minus_rate: float) -> tuple[Array]:
    # In the one array that it is made in: fresh memory for every term costs half of the time again. It is made by xp,
    # because nothing that is followed can be added into an array which is not.
    moved = xp.multiply(g, minus_rate)
    moved += p
    return (moved,)


@fused
def _rolled(xp: Any, p: Array, g: Array, v: Array, minus_rate: float, beta: float) -> tuple[Array, Array]:
    v = v * beta + g
    return v * minus_rate + p, v


@fused
def _looked_ahead(
    xp: Any, p: Array, g: Array, v: Array, minus_rate: float, beta: float
) -> tuple[Array, Array]:
    v = v * beta + g
    return (v * beta + g) * minus_rate + p, v


@fused
def _scaled(
    xp: Any, p: Array, g: Array, s: Array, minus_rate: float, gain: float, epsilon: float
) -> tuple[Array, Array]:
    s = s + (g * g - s) * gain
    return g / (xp.sqrt(s) + epsilon) * minus_rate + p, s


@fused
def _adapted(
    xp: Any,
    p: Array,
    g: Array,
    mean: Array,
    square: Array,
    minus_length: float,
    gain1: float,
    gain2: float,
    epsilon: float,
    share: float | None,
) -> tuple[Array, Array, Array]:
    # mean + (1 - beta1) (g - mean), and so on, each in the one array that it is made in: fresh memory for every
    # term costs half of the time again.
    new_mean = g - mean
    new_mean *= gain1
    new_mean += mean
    new_square = g * g
    new_square -= square
    new_square *= gain2
    new_square += square
    moved = xp.sqrt(new_square)
    moved += epsilon
    moved = new_mean / moved
    moved *= minus_length
    moved += p if share is None else p * share
    return moved, new_mean, new_square


def _optimizer(
    who: str,
    learning_rate: float | Schedule,
    rule: _Rule,
    numbers: _Numbers,
    *kept: str,
) -> Optimizer:
    """Make the pair from the rule for one array and the numbers that it takes, functions of (rate, step)."""
    schedule = _schedule(who, learning_rate)
    update = partial(_update, who, schedule, rule, numbers, kept)
    return Optimizer(partial(_init, who, kept), update, float(schedule(0)))


def _init(who: str, kept: tuple[str, ...], params: Params) -> State:
    for name, p in pytree.leaves(params, "params"):
        if not hasattr(p, "dtype"):
            raise TypeError(f"{who}: expected {name} to be an array, got {type(p).__name__}")
    # Zeros by multiplication would keep a NaN.
    zeros = [namespace(p).zeros_like(p) for p in pytree.flat(params)] if kept else []
    return {"step": 0} | {name: tuple(zeros) for name in kept}


def _update(
    who: str,
    schedule: Schedule,
    rule: _Rule,
    numbers: _Numbers,
    kept: tuple[str, ...],
    gradients: Params,
    state: State,
    params: Params,
) -> tuple[Params, State]:
    old = pytree.flat(params)
    leaves = pytree.along(gradients, params, "gradients")
    if not isinstance(state, dict) or "step" not in state:
        raise TypeError(
            f"{who}: expected the state of init or of the last update, got {type(state).__name__}"
        )
    _fit(who, old, leaves, params)
    step, xp = state["step"], namespace(*old, *leaves)
    # A Python number, because NumPy's scalars would widen float32.
    now = numbers(float(schedule(step)), step)
    rows = zip(old, leaves, *(state[name] for name in kept), strict=True)
    new, *keeps = zip(*(rule(xp, *row, *now) for row in rows), strict=True)
    return pytree.rebuilt(params, iter(new)), {"step": step + 1} | dict(zip(kept, keeps, strict=True))


def _clipped_update(
    optimizer: Optimizer, largest_norm: float, gradients: Params, state: State, params: Params
) -> tuple[Params, State]:
    leaves = pytree.along(gradients, params, "gradients")
    xp = namespace(*leaves)
    largest = xp.max(xp.stack([xp.max(xp.abs(xp.asarray(g))) for g in leaves]))
    # Squares of numbers up to 1 cannot overflow. All on the device: whether it clips is not asked by the host.
    scale = xp.where(largest > 0, largest, 1)
    root = xp.sqrt(xp.sum(xp.stack([xp.sum(xp.square(g / scale)) for g in leaves])))
    excess = scale / largest_norm * root
    factor = 1 / xp.where(excess > 1, excess, 1)
    return optimizer.update(pytree.rebuilt(params, iter([g * factor for g in leaves])), state, params)


def _fit(who: str, old: _Leaves, leaves: _Leaves, params: Params) -> None:
    """Refuse gradients that would broadcast a parameter to another shape or widen its dtype."""
    for i, (p, g) in enumerate(zip(old, leaves, strict=True)):
        if not hasattr(g, "dtype"):
            raise TypeError(f"{who}: expected gradients that are arrays, got {type(g).__name__}")
        if p.shape != g.shape or p.dtype != g.dtype:
            name = [name for name, _ in pytree.leaves(params, "params")][i]
            raise ValueError(
                f"{who}: expected a gradient of the shape and dtype of {name}, {p.shape} {p.dtype}; got {g.shape} "
                f"{g.dtype}; make it like the parameter"
            )


def _schedule(who: str, rate: float | Schedule) -> Schedule:
    if callable(rate):
        return rate
    _positive(who, learning_rate=rate)
    return partial(_constant, rate)


def _constant(rate: float, step: int) -> float:
    return rate


def _step_decay(rate: float, every: int, factor: float, step: int) -> float:
    return rate * factor ** (step // every)


def _cosine(rate: float, steps: int, floor: float, step: int) -> float:
    return floor + (rate - floor) * (1 + math.cos(math.pi * min(step / steps, 1))) / 2


def _warm_up(after: Schedule, steps: int, step: int) -> float:
    return after(0) * (step + 1) / steps if step < steps else after(step - steps)


def _positive(who: str, **values: float) -> list[float]:
    for name, value in values.items():
        if not (real_number(who, name, value) > 0 and math.isfinite(value)):
            raise ValueError(f"{who}: {name} must be a positive, finite number, got {value}")
    return [float(value) for value in values.values()]


def _fractions(who: str, **values: float) -> list[float]:
    for name, value in values.items():
        if not 0 <= real_number(who, name, value) < 1:
            raise ValueError(f"{who}: {name} must be from 0 up and under 1, got {value}")
    return [float(value) for value in values.values()]
