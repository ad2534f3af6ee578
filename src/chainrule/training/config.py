"""Recipes: what was asked for, with all that was left open decided."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from chainrule.models.mlp import MLP
from chainrule.models.penalties import L1, L2, ElasticNet, Penalty
from chainrule.optim import OPTIMIZERS, Optimizer, clipped, cosine, step_decay, warm_up
from chainrule.training.model_file import net_as_json

# What a network learns by where nobody asks for anything else.
HIDDEN, BATCH, EPOCHS, STEPS, PATIENCE, VALIDATION = (512, 256), 64, 200, 1000, 20, 0.1
_RATES = {"rmsprop": 1e-3, "adam": 1e-3, "adamw": 1e-3}
_RATE = 1e-2


@dataclass(frozen=True)
class Recipe:
    """How a network learns, with nothing left to be decided: the same recipe and data give the same run.

    weights     how the first parameters are drawn: a name that MLP.init knows, or None for its own choice
    schedule    a text that `read_schedule` gave
    batch       rows in a mini-batch, or None for all rows at every step
    """

    net: MLP
    weights: str | None
    optimizer: str
    learning_rate: float
    schedule: str
    clip: float | None
    batch: int | None
    steps: int
    report_every: int
    tol: float | None
    patience: int | None
    seed: int

    def settings(self) -> dict[str, Any]:
        """Return all of it in what JSON has."""
        return {**vars(self), "net": net_as_json(self.net)}

    def make_optimizer(self) -> Optimizer:
        """Return the optimiser that all this describes."""
        made = OPTIMIZERS[self.optimizer](scheduled(self.schedule, self.learning_rate))
        return made if self.clip is None else clipped(made, self.clip)


@dataclass(frozen=True)
class Wishes:
    """What was asked for; None where the choice was left open. The fields are the options of `chainrule train`."""

    model: str | None = None
    hidden: str | None = None
    activation: str | None = None
    optimizer: str | None = None
    learning_rate: float | None = None
    schedule: str = "constant"
    clip: float | None = None
    penalty: str = "none"
    weights: str | None = None
    batch: str | None = None
    steps: int | None = None
    epochs: int | None = None
    tol: float | None = None
    validation: float | None = None
    patience: int | None = None
    report_every: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        given = [name for name in ("hidden", "activation") if getattr(self, name) is not None]
        if self.model == "logistic" and given:
            raise ValueError(f"--{given[0]} is for networks, got --model logistic too; give one of them")
        if self.steps is not None and self.epochs is not None:
            raise ValueError("expected --steps or --epochs, got both; give one")
        if self.validation is not None and not 0 <= self.validation < 1:
            raise ValueError(f"--validation: expected a share from 0 up and under 1, got {self.validation}")

    def settled(self, classes: int) -> "Wishes":
        """Return the wishes with model, batch, validation and patience decided, for a task of so many classes."""
        network = self.hidden is not None or self.activation is not None or classes > 2
        model = self.model or ("mlp" if network else "logistic")
        batch = self.batch
        if batch is None:
            batch = "all" if model == "logistic" else str(BATCH)
        if batch != "all" and not (batch.isdecimal() and int(batch)):
            raise ValueError(f"--batch: expected a number of rows from 1 up, or all, got {batch!r}")
        if batch != "all" and self.tol is not None:
            raise ValueError(
                "--tol judges the gradient of all rows, got batches; give --batch all, or --patience"
            )
        validation, patience = self.validation, self.patience
        if validation is None:
            validation = 0.0 if batch == "all" else VALIDATION
        if patience is None and validation and batch != "all":
            patience = PATIENCE
        return replace(self, model=model, batch=batch, validation=validation, patience=patience)

    def recipe(self, m: int, n: int, classes: int, safe_rate: Callable[[MLP], float]) -> Recipe:
        """Return the recipe for m rows of n features; `safe_rate` gives the rate of a network without hidden layers."""
        wishes = self.settled(classes)
        network = wishes.model == "mlp"
        hidden: tuple[int, ...] = HIDDEN if network else ()
        if wishes.hidden is not None:
            hidden = read_sizes(wishes.hidden)
        net = MLP(
            (n, *hidden, 1 if classes == 2 else classes),
            "relu" if wishes.activation is None else wishes.activation,
            "sigmoid" if classes == 2 else "softmax",
            penalty=read_penalty(wishes.penalty),
        )
        optimizer = wishes.optimizer
        if optimizer is None:
            optimizer = "adam" if network else "gradient-descent"
        if optimizer not in OPTIMIZERS:
            raise ValueError(f"--optimizer: expected one of {', '.join(OPTIMIZERS)}, got {optimizer!r}")
        rate = wishes.learning_rate
        if rate is None:
            by_data = not network and optimizer not in _RATES
            rate = safe_rate(net) if by_data else _RATES.get(optimizer, _RATE)
        batch = None if wishes.batch == "all" else int(str(wishes.batch))
        an_epoch = 1 if batch is None else -(-m // batch)
        steps = STEPS if wishes.steps is None and batch is None else EPOCHS * an_epoch
        steps = wishes.steps if wishes.steps is not None else steps
        steps = wishes.epochs * an_epoch if wishes.epochs is not None else steps
        return Recipe(
            net=net,
            weights=wishes.weights or (None if network else "zeros"),
            optimizer=optimizer,
            learning_rate=rate,
            schedule=read_schedule(wishes.schedule, steps),
            clip=wishes.clip,
            batch=batch,
            steps=steps,
            report_every=wishes.report_every or (max(1, steps // 20) if batch is None else an_epoch),
            tol=wishes.tol,
            patience=wishes.patience,
            seed=wishes.seed,
        )


def read_sizes(text: str) -> tuple[int, ...]:
    """Return the sizes of hidden layers from text such as 20,7,5."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise ValueError(f"--hidden: expected whole numbers from 1 up such as 20,7,5, got {text!r}")
    return tuple(int(part) for part in parts)


def read_penalty(text: str) -> Penalty | None:
    """Return the penalty that none, l1:STRENGTH, l2:STRENGTH or elastic:STRENGTH:RATIO describes."""
    name, numbers = _parts(text, "--penalty", "none, l1:0.1, l2:0.7 or elastic:0.1:0.5")
    match name, numbers:
        case "none", []:
            return None
        case "l1", [strength]:
            return L1(strength)
        case "l2", [strength]:
            return L2(strength)
        case "elastic", [strength, ratio]:
            return ElasticNet(strength, ratio)
    raise ValueError(f"--penalty: expected none, l1:0.1, l2:0.7 or elastic:0.1:0.5, got {text!r}")


_SCHEDULES = "constant, step[:EVERY[:FACTOR]], cosine[:STEPS[:FLOOR]] or warm-up[:STEPS]"


def read_schedule(text: str, steps: int) -> str:
    """Return a schedule with nothing left to be decided: what is not said goes by the number of steps of the run."""
    name, numbers = _parts(text, "--schedule", _SCHEDULES)
    usual: dict[str, list[float]] = {
        "constant": [],
        "step": [max(1, -(-steps // 3)), 0.1],
        "cosine": [max(1, steps), 0.0],
        "warm-up": [max(1, steps // 10)],
    }
    if name not in usual or len(numbers) > len(usual[name]):
        raise ValueError(f"--schedule: expected {_SCHEDULES}, got {text!r}")
    numbers += usual[name][len(numbers) :]
    if numbers and (numbers[0] < 1 or not float(numbers[0]).is_integer()):
        raise ValueError(f"--schedule: expected a whole number of steps from 1 up, got {text!r}")
    resolved = ":".join([name, *(f"{number:.17g}" for number in numbers)])
    scheduled(resolved, 1.0)
    return resolved


def scheduled(text: str, rate: float) -> Any:
    """Return the learning rate, or the function from step to rate, of a text that `read_schedule` gave."""
    name, *numbers = text.split(":")
    values = [float(number) for number in numbers]
    match name:
        case "step":
            return step_decay(rate, int(values[0]), values[1])
        case "cosine":
            return cosine(rate, int(values[0]), values[1])
        case "warm-up":
            return warm_up(rate, int(values[0]))
    return rate


def _parts(text: str, option: str, expected: str) -> tuple[str, list[float]]:
    name, *numbers = text.split(":")
    try:
        values = [float(number) for number in numbers]
    except ValueError:
        values = [math.nan]
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"{option}: expected {expected}, got {text!r}")
    return name, values
