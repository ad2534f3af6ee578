"""Ordinary differential equations by the method of Dormand and Prince, on arrays of any namespace.

The state is a tuple of arrays. Steps are fractions of the intervals between the times, and constants: gradients flow
through what is computed in them. Source: Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, 1993,
table II.5.2 and section II.4.
"""

import functools
import itertools
import math
from collections.abc import Callable, Sequence
from typing import Any

from chainrule.gates.helpers import innermost, is_transformed
from chainrule.gates.types import Array
from chainrule.scipy.arguments import largest, namespace_of

State = tuple[Array, ...]
Rate = Callable[[State, Array], State]

_NODES = (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
_STAGES: tuple[tuple[float, ...], ...] = (
    (),
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
# The weights of order 5 less those of order 4.
_ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)


def solution(
    rate: Rate, y: State, times: Sequence[Array], *, rtol: float, atol: float, mxstep: int, steps: int | None
) -> list[State]:
    """Return the states at the times, y the first of them, of y' = rate(y, t).

    With a number of `steps` each interval has as many of equal length; without, each step's error is held below
    atol + rtol |y|. Raises RuntimeError where an interval takes more than mxstep steps.
    """
    states, h = [y], None
    k = rate(y, times[0])
    for start, end in itertools.pairwise(times):
        span = end - start
        if steps is not None:
            for i in range(steps):
                y, k, _ = _step(rate, y, k, start + span * (i / steps), span / steps)
        else:
            y, k, h = _adaptive(rate, y, k, start, span, h, rtol, atol, mxstep)
        states.append(y)
    return states


def _adaptive(
    rate: Rate, y: State, k: State, start: Array, span: Array, h: Any, rtol: float, atol: float, mxstep: int
) -> tuple[State, State, float]:
    """Return the state and its rate after an interval, and the step to start the next one with."""
    length = size(span)
    if not length:
        return y, k, h
    at, tries = 0.0, 0
    h = h or _first_step(y, k, length, rtol, atol)
    while at < 1:
        part = min(h / length, 1 - at)
        if tries >= mxstep or at + part == at:
            raise RuntimeError(
                f"odeint: expected to cross an interval of length {length:g} in {mxstep} steps; came to {at:.3g} "
                "of it. Allow more with mxstep=, or larger errors with rtol= and atol=; a stiff equation needs another "
                "method"
            )
        new, new_k, errors = _step(rate, y, k, start + span * at, span * part)
        error = _error(y, new, errors, rtol, atol)
        # Nine tenths of the step that would have had the error that is allowed, as far as one trusts the estimate.
        factor = 10.0 if error == 0 else 0.9 * error**-0.2 if error < math.inf else 0.2
        fitting = part * length * min(10.0, max(0.2, factor))
        if error <= 1:
            last = part == 1 - at
            # The last step of an interval is cut to its end, and says little about the next.
            y, k, at, h = new, new_k, 1.0 if last else at + part, max(h, fitting) if last else fitting
        else:
            h = fitting
        tries += 1
    return y, k, h


def _step(rate: Rate, y: State, k: State, t: Array, h: Array) -> tuple[State, State, State]:
    """Return the state after one step, its rate there, and the estimate of the error."""
    rates = [k]
    for node, weights in zip(_NODES[1:], _STAGES[1:], strict=True):
        new = tuple(_moved(x, h, weights, parts) for x, *parts in zip(y, *rates, strict=True))
        rates.append(rate(new, t + node * h))
    errors = tuple(_moved(None, h, _ERROR, parts) for parts in zip(*rates, strict=True))
    return new, rates[-1], errors


def _moved(x: Array | None, h: Array, weights: Sequence[float], rates: Sequence[Array]) -> Array:
    """Return x, or 0, plus h times the sum of the weighted rates."""
    terms = [w * rate for w, rate in zip(weights, rates, strict=True) if w]
    xp = namespace_of([h, *terms] if x is None else [x, h, *terms])
    # As functions, because not every plain array lets a transformed one stand on its right.
    step = xp.multiply(h, functools.reduce(xp.add, terms))
    return step if x is None else xp.add(x, step)


# --- What decides the steps: numbers, through which no gradient flows ---


def size(x: Array) -> float:
    """Return the largest absolute value in x, also of a batch."""
    plain = innermost(x)
    return largest(namespace_of([plain]), abs(plain))


def _error(y: State, new: State, errors: State, rtol: float, atol: float) -> float:
    """Return the largest error over what is allowed, of all elements, also those of a batch.

    An element that is infinite or NaN already does not count.
    """
    found = 0.0
    for parts in zip(y, new, errors, strict=True):
        xp = namespace_of([*parts])
        a, b, e = (x.space.stop_gradient(x) if is_transformed(x) else x for x in parts)
        share = abs(e) / (atol + rtol * xp.maximum(abs(a), abs(b)))
        share = largest(xp, xp.where(xp.isfinite(abs(a)), share, 0))
        found = share if not share <= found else found
    return found


def _first_step(y: State, k: State, length: float, rtol: float, atol: float) -> float:
    """Return a hundredth of the time in which the state would change by its own size (Hairer and others, II.4)."""
    sizes = [(atol + rtol * size(x), size(x), size(rate)) for x, rate in zip(y, k, strict=True)]
    d0 = max((own / allowed for allowed, own, _ in sizes if allowed), default=0.0)
    d1 = max((speed / allowed for allowed, _, speed in sizes if allowed), default=0.0)
    h = 0.01 * d0 / d1 if d0 > 1e-5 and d1 > 1e-5 else 1e-6
    return min(h, length) if math.isfinite(h) else length
