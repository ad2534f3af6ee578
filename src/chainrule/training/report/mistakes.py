"""The worst mistakes of pictures as they are shown: in a file of their own, and on the page."""

from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

import numpy as np

from chainrule.data.dataset import Dataset, ImageShape
from chainrule.training.evaluation import Evaluation
from chainrule.training.report import figures
from chainrule.training.report.elements import Tile, text, tiles
from chainrule.training.report.pixels import picture_png


def drawn(
    classes: Sequence[str], image: ImageShape, white: float | None, test: Dataset, held_out: Evaluation
) -> tuple[bytes, str]:
    """Return the worst mistakes as PNG and as HTML; with no mistake to show, the rows that came nearest to one."""
    worst, answers = held_out.worst, held_out.answers
    chosen = worst if len(worst) else held_out.least_certain
    heading = f"the {len(worst)} worst mistakes" if len(worst) else "no mistakes; the least certain"
    X, places = np.asarray(test.X[chosen]), [place_of(place) for place in test.places[chosen].tolist()]
    said = [(classes[held_out.y[i]], classes[answers[i]], held_out.P[i, answers[i]]) for i in chosen]
    titles = [
        f"{true}\np({answer}) = {p:.3f}\n{at}" for (true, answer, p), at in zip(said, places, strict=True)
    ]
    png = figures.pictures(X, titles, image, f"{heading}, held out")
    brightest = white or float(X.max()) or 1.0
    shown = [
        Tile(
            picture_png(x, image, brightest),
            f"A {true} taken for {answer}" if true != answer else f"A {true}, answered right",
            f"{text(true)}<br>p({text(answer)}) = {p:.3f}<br>{text(at)}",
        )
        for x, (true, answer, p), at in zip(X, said, places, strict=True)
    ]
    caption = (
        f"{heading[:1].upper()}{heading[1:]}, held out. Under each picture its class, the probability of the answer, "
        f"and its {'file' if isinstance(test.places[0], str) else 'number'}."
    )
    return png, tiles(shown, caption)


def place_of(place: Any) -> str:
    """Return where a row came from as it is written beside a picture: the name of its file, or its number."""
    return PurePath(place).name if isinstance(place, str) else f"row {place}"
