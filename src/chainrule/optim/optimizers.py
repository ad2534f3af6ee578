"""Optimisers: each a pair (init, update) of pure functions.

    state = optimizer.init(params)
    params, state = optimizer.update(gradients, state, params)

Parameters are arrays, or lists, tuples and dicts of them; gradients are nested alike, each of the shape and dtype of
its parameter. A state is a dict of arrays and whole numbers. Learning rates are Python numbers, or schedules of
`optim.schedules`; parameters keep their dtype and device. A setting that is no number raises TypeError, one out of its
range ValueError.

A method stands on one screen: the function that makes the optimiser; the numbers that one step takes of the learning
rate and of the step's number; and the rule for one array, (xp, p, g, *kept, *numbers) -> (p, *kept), where `kept` are
the arrays that the state keeps for p. Its row in OPTIMIZERS is all that the command line and the estimators read.

Every optimiser can be pickled: it is made of named functions of this module with their numbers bound.
"""

import math
import operator
from collections.abc import Callable, Sequence
from functools import partial
from inspect import signature
from typing import Any, NamedTuple

from chainrule import pytree
from chainrule.backend.fusion import fused, of_each, parts, whole
from chainrule.backend.gpus import on_their_gpu
from chainrule.backend.memory import keep_freed_memory
from chainrule.backend.namespaces import namespace
from chainrule.gates.helpers import is_complex
from chainrule.gates.types import Array
from chainrule.optim.schedules import Schedule, as_schedule, positive_number
from chainrule.program.numbers import numbers_of
from chainrule.validation import real_number

Params = Any  # an array, or lists, tuples and dicts of Params
State = dict[str, Any]
_Rule = Callable[..., tuple[Array, ...]]
_Numbers = Callable[[float, int], tuple[float | None, ...]]


class Optimizer(NamedTuple):
    """`init(params) -> state` and `update(gradients, state, params) -> (params, state)`, two pure functions.

    `learning_rate` is that of step 0, for messages; None where it is not known.
    """

    init: Callable[[Params], State]
    update: Callable[[Params, State, Params], tuple[Params, State]]
    learning_rate: float | None = None


# x += y, x -= y and x *= y as expressions: with them a rule makes one array for each term, and changes it in place.
_Changed = Callable[[Array, Array | float], Array]
iadd: _Changed = operator.iadd
isub: _Changed = operator.isub
imul: _Changed = operator.imul


def gradient_descent(learning_rate: float | Schedule) -> Optimizer:
    """Return the optimiser p -= rate g, for all parameters at once.

    Source: Cauchy, Methode generale pour la resolution des systemes d'equations simultanees (1847).
    """
    return _optimizer("gradient_descent", learning_rate, _gradient_descent_rule, _gradient_descent_numbers)


def _gradient_descent_numbers(rate: float, step: int) -> tuple[float, ...]:
    return (-rate,)


@fused
def _gradient_descent_rule(xp: Any, p: Array, g: Array, minus_rate: float) -> tuple[Array]:
    # Where p is traced xp gives a traced array, and a traced p cannot be added into a plain one.
    return (iadd(xp.multiply(g, minus_rate), p),)


def momentum(learning_rate: float | Schedule, beta: float = 0.9) -> Optimizer:
    """Return gradient descent with a velocity: v = beta v + g; p -= rate v, with beta from 0 up and under 1.

    Source: Polyak, Some methods of speeding up the convergence of iteration methods (1964).
    """
    beta = _fraction("momentum", "beta", beta)
    return _optimizer("momentum", learning_rate, _momentum_rule, partial(_momentum_numbers, beta), "velocity")


def _momentum_numbers(beta: float, rate: float, step: int) -> tuple[float, ...]:
    return -rate, beta


@fused
def _momentum_rule(
    xp: Any, p: Array, g: Array, v: Array, minus_rate: float, beta: float
) -> tuple[Array, Array]:
    v = v * beta + g
    return v * minus_rate + p, v


def nesterov(learning_rate: float | Schedule, beta: float = 0.9) -> Optimizer:
    """Return momentum that looks ahead: v = beta v + g; p -= rate (g + beta v), with beta from 0 up and under 1.

    Source: Nesterov, A method of solving a convex programming problem with convergence rate O(1/k^2) (1983), in the
    form of Sutskever et al., On the importance of initialization and momentum in deep learning, ICML 2013.
    """
    beta = _fraction("nesterov", "beta", beta)
    return _optimizer("nesterov", learning_rate, _nesterov_rule, partial(_momentum_numbers, beta), "velocity")


@fused
def _nesterov_rule(
    xp: Any, p: Array, g: Array, v: Array, minus_rate: float, beta: float
) -> tuple[Array, Array]:
    v = v * beta + g
    return (v * beta + g) * minus_rate + p, v


def rmsprop(learning_rate: float | Schedule = 1e-3, decay: float = 0.9, epsilon: float = 1e-8) -> Optimizer:
    """Return steps over the root of a running mean of squares: s = decay s + (1 - decay) g^2.

    p -= rate g / (sqrt(s) + epsilon), with decay from 0 up and under 1, and epsilon above 0.
    Source: Tieleman and Hinton, Neural Networks for Machine Learning, lecture 6.5 (2012).
    """
    decay, epsilon = _fraction("rmsprop", "decay", decay), positive_number("rmsprop", "epsilon", epsilon)
    numbers = partial(_rmsprop_numbers, decay, epsilon)
    return _optimizer("rmsprop", learning_rate, _rmsprop_rule, numbers, "square")


def _rmsprop_numbers(decay: float, epsilon: float, rate: float, step: int) -> tuple[float, ...]:
    return -rate, 1 - decay, epsilon


@fused
def _rmsprop_rule(
    xp: Any, p: Array, g: Array, s: Array, minus_rate: float, gain: float, epsilon: float
) -> tuple[Array, Array]:
    s = s + (g * g - s) * gain
    return g / (xp.sqrt(s) + epsilon) * minus_rate + p, s


def adam(
    learning_rate: float | Schedule = 1e-3, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8
) -> Optimizer:
    """Return steps of the mean gradient over the root of the mean square, both corrected for their start at 0.

    m = beta1 m + (1 - beta1) g; s = beta2 s + (1 - beta2) g^2; at step t, from 1,
    p -= rate m / (1 - beta1^t) / (sqrt(s / (1 - beta2^t)) + epsilon).
    Both betas are from 0 up and under 1, and epsilon is above 0.
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
    """Return `adam` that also takes rate * weight_decay * p from each parameter p, apart from the gradient.

    `weight_decay` is from 0 up.
    Source: Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019, algorithm 2.
    """
    if not (real_number("adamw", "weight_decay", weight_decay) >= 0 and math.isfinite(weight_decay)):
        raise ValueError(f"adamw: weight_decay must be a finite number from 0 up, got {weight_decay}")
    return _adam("adamw", learning_rate, beta1, beta2, epsilon, float(weight_decay))


def _adam(
    who: str, learning_rate: float | Schedule, beta1: float, beta2: float, epsilon: float, decay: float
) -> Optimizer:
    beta1, beta2 = _fraction(who, "beta1", beta1), _fraction(who, "beta2", beta2)
    epsilon = positive_number(who, "epsilon", epsilon)
    numbers = partial(_adam_numbers, beta1, beta2, epsilon, decay)
    return _optimizer(who, learning_rate, _adam_rule, numbers, "mean", "square")


def _adam_numbers(
    beta1: float, beta2: float, epsilon: float, decay: float, rate: float, step: int
) -> tuple[float | None, ...]:
    # Both corrections go into the numbers, which saves two passes over the arrays.
    root = math.sqrt(1 - beta2 ** (step + 1))
    length = rate * root / (1 - beta1 ** (step + 1))
    return -length, 1 - beta1, 1 - beta2, epsilon * root, 1 - rate * decay if decay else None


@fused
def _adam_rule(
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
    mean = iadd(imul(g - mean, gain1), mean)  # mean + (1 - beta1) (g - mean)
    square = iadd(imul(isub(g * g, square), gain2), square)  # square + (1 - beta2) (g^2 - square)
    step = imul(mean / iadd(xp.sqrt(square), epsilon), minus_length)
    return iadd(step, p if share is None else p * share), mean, square


class Method(NamedTuple):
    """A row of OPTIMIZERS; called as `make` is, it makes the optimiser.

    make            the public function, of a learning rate and of settings
    learning_rate   the rate to take where nobody asks for another
    adaptive        whether the method scales its steps by the gradients that it has seen; the steps of any other are
                    proportional to the gradient, so that a safe rate follows from the data
    """

    make: Callable[..., Optimizer]
    learning_rate: float
    adaptive: bool

    @property
    def settings(self) -> tuple[str, ...]:
        """The names of the settings that `make` takes beside the learning rate, such as beta or weight_decay."""
        return tuple(signature(self.make).parameters)[1:]

    def __call__(self, *arguments: Any, **settings: Any) -> Optimizer:
        """Return what `make` returns."""
        return self.make(*arguments, **settings)


OPTIMIZERS = {
    "gradient-descent": Method(gradient_descent, 1e-2, adaptive=False),
    "momentum": Method(momentum, 1e-2, adaptive=False),
    "nesterov": Method(nesterov, 1e-2, adaptive=False),
    "rmsprop": Method(rmsprop, 1e-3, adaptive=True),
    "adam": Method(adam, 1e-3, adaptive=True),
    "adamw": Method(adamw, 1e-3, adaptive=True),
}


def clipped(optimizer: Optimizer, largest_norm: float) -> Optimizer:
    """Return the optimiser fed with gradients of a norm, over all parameters, of at most `largest_norm`, above 0.

    Source: Pascanu et al., On the difficulty of training recurrent neural networks, ICML 2013, algorithm 1.
    """
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"clipped: expected an optimiser such as adam(), got {type(optimizer).__name__}")
    largest_norm = positive_number("clipped", "largest_norm", largest_norm)
    update = partial(_clipped_update, optimizer, largest_norm)
    return Optimizer(optimizer.init, update, optimizer.learning_rate)


@on_their_gpu
def _clipped_update(
    optimizer: Optimizer, largest_norm: float, gradients: Params, state: State, params: Params
) -> tuple[Params, State]:
    leaves = pytree.along(gradients, params, "gradients")
    refuse_complex("clipped", params)
    xp = namespace(*leaves)
    vector = whole(xp, leaves)
    vectors = leaves if vector is None else [vector]
    # Squares of numbers up to 1 cannot overflow. The factor stays on the device: the host never asks whether it clips.
    scale = _scale(xp, _over_all(xp, xp.max, [xp.max(xp.abs(xp.asarray(g))) for g in vectors]))
    total = _over_all(xp, xp.sum, [xp.sum(_square_of_share(xp, g, scale)) for g in vectors])
    factor = _factor(xp, scale, total, largest_norm)
    shorter = [g * factor for g in vectors]
    if vector is not None:
        shorter = parts(shorter[0], leaves)
    return optimizer.update(pytree.rebuilt(params, iter(shorter)), state, params)


def _over_all(xp: Any, reduction: Callable[[Array], Array], numbers: list[Array]) -> Array:
    return numbers[0] if len(numbers) == 1 else reduction(xp.stack(numbers))


@fused
def _scale(xp: Any, largest: Array) -> Array:
    return xp.where(largest > 0, largest, 1)


@fused
def _square_of_share(xp: Any, g: Array, scale: Array) -> Array:
    return xp.square(g / scale)


@fused
def _factor(xp: Any, scale: Array, total: Array, largest_norm: float) -> Array:
    excess = scale / largest_norm * xp.sqrt(total)
    return 1 / xp.where(excess > 1, excess, 1)


# What all methods share.


def computes_alone(optimizer: Optimizer) -> bool:
    """Say whether an update does nothing but compute, as those of this module do; another may draw or count."""
    made = optimizer.update if isinstance(optimizer.update, partial) else partial(optimizer.update)
    if made.func is _clipped_update:
        return computes_alone(made.args[0])
    return made.func is _update


def _optimizer(
    who: str,
    learning_rate: float | Schedule,
    rule: _Rule,
    numbers: _Numbers,
    *kept: str,
) -> Optimizer:
    """Return the pair made of the rule for one array and of its numbers, a function of (rate, step)."""
    schedule = as_schedule(who, learning_rate)
    update = partial(_update, who, schedule, rule, numbers, kept)
    return Optimizer(partial(_init, who, kept), update, float(schedule(0)))


@on_their_gpu
def _init(who: str, kept: tuple[str, ...], params: Params) -> State:
    # A loop written by hand begins here.
    keep_freed_memory()
    for name, p in pytree.leaves(params, "params"):
        if not hasattr(p, "dtype"):
            raise TypeError(f"{who}: expected {name} to be an array, got {type(p).__name__}")
    if "square" in kept:
        refuse_complex(who, params)
    # Not p * 0, which would keep a NaN.
    zeros = [namespace(p).zeros_like(p) for p in pytree.flat(params)] if kept else []
    return {"step": 0} | {name: tuple(zeros) for name in kept}


@on_their_gpu
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
    _check_gradients(who, old, leaves, params)
    step, xp = state["step"], namespace(*old, *leaves)
    now = numbers_of(partial(_numbers_at, schedule, numbers), step)
    columns = (old, leaves, *(state[name] for name in kept))
    new, *keeps = of_each(rule, xp, columns, now)
    return pytree.rebuilt(params, iter(new)), {"step": step + 1} | {
        name: tuple(arrays) for name, arrays in zip(kept, keeps, strict=True)
    }


def _numbers_at(schedule: Schedule, numbers: _Numbers, step: int) -> tuple[float | None, ...]:
    # A Python number, because NumPy's scalars would widen float32.
    return numbers(float(schedule(step)), step)


def refuse_complex(who: str, params: Params) -> None:
    """Raise TypeError for complex parameters, whose squares are no sizes."""
    for name, p in pytree.leaves(params, "params"):
        if is_complex(namespace(p), p):
            raise TypeError(
                f"{who}: expected {name} to be real, got {p.dtype}; give its real and its imaginary part, or use "
                "gradient_descent, momentum or nesterov"
            )


def _check_gradients(who: str, old: Sequence[Array], leaves: Sequence[Array], params: Params) -> None:
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


def _fraction(who: str, name: str, value: float) -> float:
    if not 0 <= real_number(who, name, value) < 1:
        raise ValueError(f"{who}: {name} must be from 0 up and under 1, got {value}")
    return float(value)
