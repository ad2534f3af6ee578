"""What `predict` tells of each sample, and of all of them: of classes, and of numbers."""

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any, NamedTuple

from chainrule.cli.console import printable
from chainrule.trained.answers import Answers
from chainrule.training.model_file import Model


class Told(NamedTuple):
    """What is told of a sample: words of its line, cells of its row in a table, and its entry in JSON."""

    words: tuple[str, ...]
    cells: list[Any]
    entry: dict[str, Any]


class Classes:
    """Answers of a model of classes, and how many of the labelled rows are right."""

    def __init__(self, model: Model) -> None:
        self.classes = model.classes
        self.columns = ["class", "probability", "label", *(f"probability of {name}" for name in self.classes)]
        self.rows: Counter[str] = Counter()
        self.right: Counter[str] = Counter()
        self.unknown = 0

    def of(self, part: Answers) -> Iterator[Told]:
        """Yield what is told of each sample of a block."""
        classes = self.classes
        for p, number, label, right in zip(
            part.P.tolist(), part.likeliest.tolist(), part.block.labels, part.right, strict=True
        ):
            if right is not None:
                # Where a class is the rest, its rows have several labels.
                true = str(label) if label in classes else classes[0]
                self.rows[true] += 1
                self.right[true] += right
            elif label is not None:
                self.unknown += 1
            entry = {"class": classes[number], "probability": p[number]}
            entry |= ({} if label is None else {"label": label}) | {
                "probabilities": dict(zip(classes, p, strict=True))
            }
            yield Told((classes[number], f"{p[number]:.4f}"), [classes[number], p[number], label, *p], entry)

    def end(self) -> Iterator[str]:
        """Yield the lines that sum up how many labelled rows are right."""
        total = self.rows.total()
        if not total:
            return
        commonest = max(self.rows.values()) / total
        beside = f", {self.unknown} more have labels that the model does not know" if self.unknown else ""
        yield (
            f"accuracy: {self.right.total() / total:.2%} of {total} labelled rows "
            f"(always the commonest class: {commonest:.2%}){beside}"
        )
        by_class = (
            f"{name} {self.right[name]} of {self.rows[name]}" for name in self.classes if name in self.rows
        )
        yield f"right:    {printable(', '.join(by_class))}"


class Numbers:
    """Answers of a model that predicts a number, and how far they are from those that the rows bring."""

    columns = ("prediction", "number")

    def __init__(self) -> None:
        self.apart: list[float] = []

    def of(self, part: Answers) -> Iterator[Told]:
        """Yield what is told of each sample of a block."""
        for (prediction,), label in zip(part.P.tolist(), part.block.labels, strict=True):
            entry = {"prediction": prediction}
            # A label that is no number, such as the folder of a picture, is not looked at.
            with suppress(ValueError):
                entry["number"] = float(label or "")
                self.apart.append(prediction - entry["number"])
            yield Told((f"{prediction:.6g}",), [prediction, entry.get("number")], entry)

    def end(self) -> Iterator[str]:
        """Yield the line that sums up how far predictions are from the numbers of the rows."""
        if self.apart:
            error = math.hypot(*self.apart) / math.sqrt(len(self.apart))
            yield f"error:    {error:.6g}, root mean square of {len(self.apart)} labelled rows"
