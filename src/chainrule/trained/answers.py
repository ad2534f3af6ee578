"""A trained model's answers to new samples from files: which class, how probable, and whether that is right."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from chainrule.backend.device import Device
from chainrule.data import Block, DataError, Samples, Wanted, open_samples
from chainrule.data.dataset import border_pixels
from chainrule.data.errors import fault
from chainrule.models.objective import class_probabilities
from chainrule.training.evaluation import outputs
from chainrule.training.model_file import Model

INVERT = ("auto", "yes", "no")
# A border of medium brightness tells no picture from its negative.
_MEDIUM = (0.35, 0.65)


@dataclass(frozen=True, eq=False)
class Answers:
    """The answers to a block of samples.

    P         (m, k) the probability of each class; (m, 1) the number, of a model that predicts one
    block     the samples, as they were read
    X         (m, n) as the model takes them, unscaled
    inverted  (m,) whether a picture was turned to its negative
    right     whether the likeliest class is that of the row's label, None where it has none that the model knows, and
              where a number is predicted
    """

    P: np.ndarray
    block: Block
    X: np.ndarray
    inverted: np.ndarray
    right: list[bool | None]

    @property
    def likeliest(self) -> np.ndarray:
        """The number of the likeliest class of each row; of equal ones the first."""
        return np.asarray(np.argmax(self.P, axis=1))


def open_for(
    model: Model,
    path: Path,
    *,
    label: str | None = None,
    held_out: bool = False,
    on_fault: Callable[[DataError], None] | None = None,
    frame: bool = True,
) -> Samples:
    """Return the samples at `path` for a model, as `open_samples` does.

    With `frame`, pictures of ink that fills less of them than of those that the model learnt from are framed to it.
    """
    return open_samples(
        path,
        Wanted(model.net.sizes[0], model.features, model.image, model.ink if frame else None),
        label=label,
        held_out=held_out,
        on_fault=on_fault,
        numbers=not model.classes,
    )


def answers(model: Model, device: Device, samples: Samples, *, invert: str = "auto") -> Iterator[Answers]:
    """Yield a model's answers block by block; `invert` says which pictures are turned to their negatives first.

    auto  those whose border is light where the model learnt from dark ones, or the reverse, for models of grey pictures
    yes   all
    no    none

    Raises DataError for pictures where the model's data do not tell which number is white.
    """
    for block in samples.blocks:
        X, inverted = as_learnt(model, block, invert)
        P = outputs(device, model, X)
        verdicts: list[bool | None] = [None] * len(P)
        if model.classes:
            P = class_probabilities(P)
            verdicts = _verdicts(model, samples.names, np.argmax(P, axis=1), block.labels)
        yield Answers(P, block, X, inverted, verdicts)


def as_learnt(model: Model, block: Block, invert: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows of a block on the scale of the data that the model learnt from, and which were turned."""
    if block.files is None:
        return block.X, np.zeros(len(block.X), np.bool_)
    if model.white is None or model.image is None:
        learnt = "pictures whose white is not known"
        raise fault(
            block.files[0],
            f"a file with rows of numbers, for this model learnt from {learnt}",
            "a picture",
            "give rows",
        )
    turned = _negatives(model, block.X) if invert == "auto" else np.full(len(block.X), invert == "yes")
    X = np.where(turned[:, None], 255 - block.X, block.X)
    return X * (model.white / 255), turned


def _verdicts(
    model: Model, names: frozenset[str], answers: np.ndarray, labels: list[str | None]
) -> list[bool | None]:
    """Return whether each answer is right, None for a row without a label or with one that is no class of the model.

    Where a class is the rest, every label but the other class's is of it, if the data have that other class.
    """
    rest = model.rest and model.classes[1] in names
    number: dict[str | None, int] = {name: k for k, name in enumerate(model.classes)}
    if rest:
        number = {**dict.fromkeys(names, 0), **number}
    return [
        None if label not in number else bool(number[label] == answer)
        for label, answer in zip(labels, answers.tolist(), strict=True)
    ]


def _negatives(model: Model, X: np.ndarray) -> np.ndarray:
    """Return which pictures (m, n) have a border on the other side of grey than those that the model learnt from."""
    image, border = model.image, model.border
    if image is None or image.channels != 1 or border is None or _MEDIUM[0] < border < _MEDIUM[1]:
        return np.zeros(len(X), np.bool_)
    seen = X[:, border_pixels(image)].mean(axis=1) / 255
    return np.asarray((seen - 0.5) * (border - 0.5) < 0)
