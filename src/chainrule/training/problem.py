"""What is to be learnt: rows to learn from, to validate by and to test on, with the classes to tell apart."""

from dataclasses import dataclass, replace

import numpy as np

from chainrule.data import Dataset, Scaling, to_binary
from chainrule.data.dataset import border_pixels
from chainrule.data.framing import usual_share


@dataclass(frozen=True, eq=False)
class Problem:
    """Rows to learn from, rows to choose the best step by, and held-out rows to test on.

    `train`, `validation` (or None) and `test` hold raw rows with their classes as numbers into `classes`; of two
    classes, number 1 is the one whose probability a single sigmoid gives. `scaling` is fitted to `train`. `rest` says
    whether class 0 stands for all classes but one.
    """

    train: Dataset
    validation: Dataset | None
    test: Dataset
    scaling: Scaling
    rest: bool = False

    @property
    def target(self) -> Scaling | None:
        """The scaling of the numbers to predict, fitted to `train`; None where there are classes."""
        if self.classes:
            return None
        y = self.train.y
        return Scaling(np.array(y.mean()), np.array(y.std() or 1.0))

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of their numbers."""
        return self.train.classes

    @property
    def notes(self) -> list[str] | None:
        """What a reader should know of the reading of the rows, None where it is nothing."""
        return list(dict.fromkeys((*self.train.notes, *self.test.notes))) or None

    @property
    def border(self) -> float | None:
        """The mean brightness from 0 to 1 of the borders of training pictures, None where rows are none."""
        rows = self.train
        if rows.image is None or rows.white is None:
            return None
        mean = np.asarray(rows.X[:, border_pixels(rows.image)].mean())
        return float(np.clip(mean / rows.white, 0, 1))

    @property
    def ink(self) -> float | None:
        """How much of training pictures their ink fills, None where they are no grey pictures of ink."""
        rows = self.train
        return (
            None if rows.image is None or rows.white is None else usual_share(rows.X, rows.image, rows.white)
        )

    @property
    def features(self) -> int:
        """The number of features of a row."""
        return int(self.train.X.shape[1])


def number_of_classes(train: Dataset, positive: str | None) -> int:
    """Return how many classes are told apart: two where `positive` names one of them, else all; 0 for numbers."""
    if positive is not None and not train.classes:
        raise ValueError("--positive names a class, got --task regression; leave one of them out")
    return len(train.classes) if positive is None else 2


def classes_of(train: Dataset, test: Dataset, positive: str | None) -> tuple[Dataset, Dataset]:
    """Return both with the classes to tell apart: `positive` as 1 and the rest as 0, or all of more than two.

    Where `positive` is None and there are two classes, the second is 1. Raises DataError for an unknown class.
    """
    if positive is None and len(train.classes) != 2:
        return train, test
    one, other = (_one_against_rest(rows, positive) for rows in (train, test))
    return one, other


def _one_against_rest(rows: Dataset, positive: str | None) -> Dataset:
    y, positive = to_binary(rows, positive)
    others = [name for name in rows.classes if name != positive]
    rest = others[0] if len(others) == 1 else f"not {positive}"
    return replace(rows, y=y, classes=(rest, positive))
