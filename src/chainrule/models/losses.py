"""The costs of a network: one row each, with the outputs that it is made for, its losses and its targets.

A function of losses takes the last Z (m, k) and target rows (m, k); it returns losses (m,) or (m, k), and their
pullback to Z.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chainrule.gates import elementwise, losses
from chainrule.gates.types import Array, Gate, Pullback
from chainrule.models.activations import OUTPUTS, identity

Losses = Callable[[Any, Array, Array], tuple[Array, Pullback]]


def of_logits(gate: Gate) -> Losses:
    """Return the losses that a gate computes from Z and the rows, with no y_hat between that could round to 0 or 1."""

    def losses_of(ops: Any, Z: Array, rows: Array) -> tuple[Array, Pullback]:
        each, (to_Z, _) = ops.gate(gate)(ops.xp, Z, rows)
        return each, to_Z

    return losses_of


def squared_error(output: Gate) -> Losses:
    """Return the losses (y_hat - y)^2, where y_hat is the gate `output` of Z."""

    def losses_of(ops: Any, Z: Array, rows: Array) -> tuple[Array, Pullback]:
        y_hat, (to_Z,) = ops.gate(output)(ops.xp, Z)
        each, (to_error,) = ops.gate(elementwise.square)(ops.xp, y_hat - rows)
        return each, lambda g: to_Z(to_error(g))

    return losses_of


def poisson(ops: Any, Z: Array, rows: Array) -> tuple[Array, Pullback]:
    """Return the losses y_hat - y log(y_hat), where y_hat is e^Z and its logarithm Z itself.

    They are half of the Poisson deviance, but for y log(y) - y, which does not depend on y_hat.

    Source: McCullagh and Nelder, Generalized linear models (1989), section 6.2.
    """
    Z, (to_Z,) = ops.gate(identity)(ops.xp, Z)
    y_hat, (to_exponent,) = ops.gate(elementwise.exp)(ops.xp, Z)
    return y_hat - Z * rows, lambda g: to_Z(to_exponent(g) - g * rows)


def half(losses_of: Losses) -> Losses:
    """Return half of the losses."""

    def halves_of(ops: Any, Z: Array, rows: Array) -> tuple[Array, Pullback]:
        each, to_Z = losses_of(ops, Z, rows)
        return 0.5 * each, lambda g: to_Z(0.5 * g)

    return halves_of


def one_against_rest(xp: Any, rows: Array) -> Array:
    """Return rows of 0 and 1 as sides of -1 and 1; a row of NaN, which stands for a number that is no class, stays."""
    return xp.where(rows > 0, 1, xp.where(rows <= 0, -1, rows))


@dataclass(frozen=True)
class Cost:
    """A row of COSTS.

    losses        the losses of each output that the cost is made for, by the output's name
    mean          whether J is the mean of the losses over samples; else J is their sum
    classes       whether targets may be class numbers with every output; with softmax they always may
    most          targets must be from 0 to so much; None where they may be any numbers
    min_outputs   how many outputs there must be: a cost that compares classes needs 2
    targets       the function from rows of given targets to the rows that `losses` takes
    """

    losses: dict[str, Losses]
    mean: bool = True
    classes: bool = False
    most: float | None = None
    min_outputs: int = 1
    targets: Callable[[Any, Array], Array] = lambda xp, rows: rows


COSTS = {
    "cross_entropy": Cost(
        {
            "sigmoid": of_logits(losses.sigmoid_cross_entropy),
            "softmax": of_logits(losses.softmax_cross_entropy),
        },
        most=1.0,
    ),
    "squared_error": Cost({name: half(squared_error(output.gate)) for name, output in OUTPUTS.items()}),
    "summed_squared_error": Cost(
        {name: squared_error(output.gate) for name, output in OUTPUTS.items()}, mean=False
    ),
    "poisson": Cost({"exp": poisson}, most=math.inf),
    "hinge": Cost({"identity": of_logits(losses.hinge)}, classes=True, targets=one_against_rest),
    "multiclass_hinge": Cost(
        {"identity": of_logits(losses.multiclass_hinge)}, classes=True, most=1.0, min_outputs=2
    ),
}
