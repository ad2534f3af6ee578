"""Options as a user gives them, and the configuration of a run, in which nothing is left to be decided."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple, get_type_hints

from chainrule.data.targets import TASKS
from chainrule.models.activations import ACTIVATIONS
from chainrule.models.initializers import INITIALIZERS
from chainrule.models.mlp import MLP
from chainrule.models.objective import outputs_for, safe_learning_rate
from chainrule.models.penalties import L1, L2, ElasticNet, Penalty
from chainrule.optim.optimizers import OPTIMIZERS, Optimizer, clipped
from chainrule.optim.schedules import SCHEDULES, Schedule
from chainrule.training.model_file import net_as_json
from chainrule.training.rows import Rows

# What a network learns by where nobody asks for anything else.
HIDDEN, BATCH, EPOCHS, STEPS, PATIENCE, VALIDATION = (512, 256), 64, 200, 1000, 20, 0.1
MODELS = ("logistic", "linear", "mlp")
# Fewer rows do not tell one step from another: their mean cost differs more by chance than by what is learnt.
FEWEST_VALIDATED = 50
# How a schedule and a penalty are written, for messages and help.
_SCHEDULES = ", ".join(row.form for row in SCHEDULES.values())
_SCHEDULES = " or ".join(_SCHEDULES.rsplit(", ", 1))
_PENALTIES = "none, l1:0.1, l2:0.7 or elastic:0.1:0.5"


class Help(NamedTuple):
    """What a command line says of an option, and which values the option takes: from `least` up, or above `above`."""

    text: str
    choices: Iterable[str] = ()
    least: int | None = None
    above: int | None = None


@dataclass(frozen=True)
class Config:
    """How a network learns, with nothing left to be decided: the same configuration and data give the same run.

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
        """Return the optimiser with its schedule, clipped where that is asked for."""
        made = OPTIMIZERS[self.optimizer].make(scheduled(self.schedule, self.learning_rate))
        return made if self.clip is None else clipped(made, self.clip)


@dataclass(frozen=True)
class Options:
    """The options of `chainrule train` that say how to learn; None where the choice is left open.

    Raises ValueError, which names the option, for values that no run can have.
    """

    task: Annotated[
        str | None,
        Help(
            "classes, or regression: labels are numbers to predict. Default: classes, with a question where the labels "
            "of a table may be either.",
            choices=TASKS,
        ),
    ] = None
    model: Annotated[
        str | None,
        Help(
            "Default: logistic for two classes or with --positive, else mlp, a network; linear is for regression.",
            choices=MODELS,
        ),
    ] = None
    hidden: Annotated[str | None, Help("Units of the hidden layers, such as 20,7,5; makes it a network.")] = (
        None
    )
    activation: Annotated[str | None, Help(f"{', '.join(ACTIVATIONS)}; default: relu.")] = None
    optimizer: Annotated[
        str | None,
        Help(
            f"{', '.join(OPTIMIZERS)}, or sgd for gradient-descent; default: gradient-descent for "
            "logistic, adam for mlp."
        ),
    ] = None
    learning_rate: Annotated[
        float | None,
        Help(
            "Length of a step. Default: for logistic one from the data, at which the cost falls at every step.",
            above=0,
        ),
    ] = None
    schedule: Annotated[str, Help(f"{_SCHEDULES}.")] = "constant"
    clip: Annotated[float | None, Help("Largest norm of the gradient of a step.", above=0)] = None
    penalty: Annotated[
        str, Help("Of the weights: none, l1:STRENGTH, l2:STRENGTH, elastic:STRENGTH:RATIO.")
    ] = "none"
    weights: Annotated[
        str | None,
        Help("First weights. Default: zeros for logistic, by activation for mlp.", choices=INITIALIZERS),
    ] = None
    batch: Annotated[
        str | None, Help(f"Rows of a step, or all. Default: all for logistic, {BATCH} for mlp.")
    ] = None
    steps: Annotated[
        int | None,
        Help(f"Steps, at most. Default: {STEPS} on all rows; else see --epochs.", least=0),
    ] = None
    epochs: Annotated[int | None, Help(f"Passes over all rows, at most. Default: {EPOCHS}.", least=0)] = None
    tol: Annotated[
        float | None, Help("Stop at the first report whose largest |gradient| is under this.", least=0)
    ] = None
    validation: Annotated[
        float | None,
        Help(
            f"Share of the training rows to choose the best step by. Default: {VALIDATION} with batches, where that is "
            f"{FEWEST_VALIDATED} rows or more."
        ),
    ] = None
    patience: Annotated[
        int | None,
        Help(
            f"Stop after so many reports without a better one. Default: {PATIENCE} with batches and validation.",
            least=1,
        ),
    ] = None
    report_every: Annotated[
        int | None, Help("Steps from one report to the next. Default: an epoch, or 20 reports.", least=1)
    ] = None
    seed: Annotated[int, Help("Seed of splits, first weights and the order of rows.", least=0)] = 0

    def __post_init__(self) -> None:
        for name, hint in get_type_hints(type(self), include_extras=True).items():
            for about in hint.__metadata__:
                if isinstance(about, Help):
                    _check_number(name, getattr(self, name), about)
        given = [name for name in ("hidden", "activation") if getattr(self, name) is not None]
        if self.model in ("logistic", "linear") and given:
            raise ValueError(f"--{given[0]} is for networks, got --model {self.model} too; give one of them")
        if self.model in ("logistic", "linear") and (self.model == "linear") != (self.task == "regression"):
            raise ValueError(
                f"--model {self.model}: expected --task {'regression' if self.model == 'linear' else 'classes'}, got "
                f"--task {self.task or 'classes'}; give --model mlp, or the other task"
            )
        if self.steps is not None and self.epochs is not None:
            raise ValueError("expected --steps or --epochs, got both; give one")
        if self.validation is not None and not 0 <= self.validation < 1:
            raise ValueError(f"--validation: expected a share from 0 up and under 1, got {self.validation}")

    def settled(self, classes: int, usual_batch: int | None = None, rows: int | None = None) -> "Plan":
        """Return what these options mean for so many classes, and rows of which some may be held back.

        A mini-batch has `usual_batch` rows, or BATCH, where nobody says.
        """
        # No class is told apart where numbers are predicted.
        network = self.hidden is not None or self.activation is not None or classes != 2
        if self.model is not None:
            network = self.model == "mlp"
        batch = (usual_batch or BATCH) if network else None
        if self.batch is not None:
            batch = read_batch(self.batch)
        if batch is not None and self.tol is not None:
            raise ValueError(
                "--tol judges the gradient of all rows, got batches; give --batch all, or --patience"
            )
        validation, patience = self.validation, self.patience
        if validation is None:
            few = rows is not None and rows * VALIDATION < FEWEST_VALIDATED
            validation = 0.0 if batch is None or few else VALIDATION
        if patience is None and validation and batch is not None:
            patience = PATIENCE
        return Plan(self, classes, network, batch, validation, patience)


@dataclass(frozen=True)
class Plan:
    """Options, with all decided that the number of classes decides: 0 where numbers are predicted.

    network         whether it is a network with hidden layers, or logistic regression
    batch           rows in a mini-batch, or None for all rows at every step
    validation      the share of training rows to validate by
    """

    options: Options
    classes: int
    network: bool
    batch: int | None
    validation: float
    patience: int | None

    def config(self, n: int, rows: Rows, bound: Callable[[], float]) -> Config:
        """Return the configuration for rows of n features; `bound` gives their `learning_rate_bound`."""
        options = self.options
        net = self.net(n)
        optimizer = "gradient-descent" if options.optimizer == "sgd" else options.optimizer
        if optimizer is None:
            optimizer = "adam" if self.network else "gradient-descent"
        if optimizer not in OPTIMIZERS:
            raise ValueError(f"--optimizer: expected one of {', '.join(OPTIMIZERS)}, got {optimizer!r}")
        rate = options.learning_rate
        if rate is None:
            method = OPTIMIZERS[optimizer]
            by_data = not (self.network or method.adaptive)
            rate = safe_learning_rate(net, bound()) if by_data else method.learning_rate
        epoch = 1 if self.batch is None else len(rows.batches(self.batch))
        steps = options.steps
        if steps is None:
            usual = STEPS if self.batch is None else EPOCHS * epoch
            steps = usual if options.epochs is None else options.epochs * epoch
        return Config(
            net=net,
            weights=options.weights or (None if self.network else "zeros"),
            optimizer=optimizer,
            learning_rate=rate,
            schedule=read_schedule(options.schedule, steps),
            clip=options.clip,
            batch=self.batch,
            steps=steps,
            report_every=options.report_every or (max(1, steps // 20) if self.batch is None else epoch),
            tol=options.tol,
            patience=self.patience,
            seed=options.seed,
        )

    def net(self, n: int) -> MLP:
        """Return the network for rows of n features."""
        hidden: tuple[int, ...] = HIDDEN if self.network else ()
        if self.options.hidden is not None:
            hidden = read_sizes(self.options.hidden)
        outputs, output, cost = outputs_for(self.classes), "softmax", "cross_entropy"
        if self.classes == 2:
            output = "sigmoid"
        if self.classes == 0:
            outputs, output, cost = 1, "identity", "squared_error"
        activation = "relu" if self.options.activation is None else self.options.activation
        if activation not in ACTIVATIONS:
            raise ValueError(f"--activation: expected one of {', '.join(ACTIVATIONS)}, got {activation!r}")
        return MLP(
            (n, *hidden, outputs), activation, output, cost, penalty=read_penalty(self.options.penalty)
        )


def read_batch(text: str) -> int | None:
    """Return the rows of a mini-batch from text such as 64, or None from all."""
    if text == "all":
        return None
    if not (text.isdecimal() and int(text)):
        raise ValueError(f"--batch: expected a number of rows from 1 up, or all, got {text!r}")
    return int(text)


def read_sizes(text: str) -> tuple[int, ...]:
    """Return the sizes of hidden layers from text such as 20,7,5."""
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) for part in parts):
        raise ValueError(f"--hidden: expected whole numbers from 1 up such as 20,7,5, got {text!r}")
    return tuple(int(part) for part in parts)


def read_penalty(text: str) -> Penalty | None:
    """Return the penalty that none, l1:STRENGTH, l2:STRENGTH or elastic:STRENGTH:RATIO describes."""
    name, numbers = _parts(text, "--penalty", _PENALTIES)
    with _named("--penalty", text):
        match name, numbers:
            case "none", []:
                return None
            case "l1", [strength]:
                return L1(strength)
            case "l2", [strength]:
                return L2(strength)
            case "elastic", [strength, ratio]:
                return ElasticNet(strength, ratio)
    raise ValueError(f"--penalty: expected {_PENALTIES}, got {text!r}")


def read_schedule(text: str, steps: int) -> str:
    """Return a schedule with all its numbers; those that the text leaves out follow from the steps of the run."""
    name, numbers = _parts(text, "--schedule", _SCHEDULES)
    usual = SCHEDULES[name].usual(steps) if name in SCHEDULES else ()
    if name not in SCHEDULES or len(numbers) > len(usual):
        raise ValueError(f"--schedule: expected {_SCHEDULES}, got {text!r}")
    numbers += usual[len(numbers) :]
    if numbers and (numbers[0] < 1 or not float(numbers[0]).is_integer()):
        raise ValueError(f"--schedule: expected a whole number of steps from 1 up, got {text!r}")
    resolved = ":".join([name, *(f"{number:.17g}" for number in numbers)])
    with _named("--schedule", text):
        scheduled(resolved, 1.0)
    return resolved


def scheduled(text: str, rate: float) -> Schedule:
    """Return the function from step to rate of a text that `read_schedule` gave, for a first rate."""
    name, *numbers = text.split(":")
    steps, rest = [int(number) for number in numbers[:1]], [float(number) for number in numbers[1:]]
    return SCHEDULES[name].make(rate, *steps, *rest)


def _parts(text: str, option: str, expected: str) -> tuple[str, list[float]]:
    name, *numbers = text.split(":")
    try:
        values = [float(number) for number in numbers]
    except ValueError:
        values = [math.nan]
    if not all(math.isfinite(value) for value in values):
        raise ValueError(f"{option}: expected {expected}, got {text!r}")
    return name, values


@contextmanager
def _named(option: str, text: str) -> Iterator[None]:
    """Name the option and its text, and no function, in a ValueError of a number in it."""
    try:
        yield
    except ValueError as error:
        said = str(error).partition(": ")[2].partition(", got ")[0]
        raise ValueError(f"{option}: {said.replace('l1_ratio', 'the ratio')}, got {text!r}") from error


def _check_number(name: str, value: float | None, help_: Help) -> None:
    """Raise ValueError for a number out of the range of its option."""
    if value is None or (help_.least is None and help_.above is None):
        return
    expected = (
        "a positive, finite number" if help_.above is not None else f"a finite number from {help_.least} up"
    )
    above = -math.inf if help_.above is None else help_.above
    least = -math.inf if help_.least is None else help_.least
    if not (value > above and value >= least and value < math.inf):
        raise ValueError(f"--{name.replace('_', '-')}: expected {expected}, got {value}")
