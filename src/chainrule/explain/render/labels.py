"""The labels at the wires of a drawing: the numbers of small arrays, heat maps of large ones."""

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from chainrule.explain.format import FEW, number
from chainrule.explain.render.png import as_matrix, heatmap

if TYPE_CHECKING:
    from chainrule.explain.graph import Sight

LINE = 13.0
"""Height of a line of small text, in user units."""

DIGIT = 7.9
"""Width of a digit of a single number, in user units; its font is monospaced."""

_SMALL_DIGIT = 6.7
_TALL_LINE = 15.0  # height of a single number
_LARGEST_HEATMAP = (72.0, 40.0)


@dataclass(frozen=True)
class Label:
    """A text above or below a wire: lines, and over them a heat map of a large array.

    heatmap   PNG, or None
    size      width and height of the heat map, in user units
    scalar    whether the only line is a single number, which is written larger
    """

    lines: tuple[str, ...] = ()
    heatmap: bytes | None = None
    size: tuple[float, float] = (0.0, 0.0)
    scalar: bool = False

    @property
    def width(self) -> float:
        """The width, in user units."""
        advance = DIGIT if self.scalar else _SMALL_DIGIT
        return max([self.size[0], *(text_width(line, advance) for line in self.lines)])

    @property
    def height(self) -> float:
        """The height, in user units."""
        return self.size[1] + (_TALL_LINE if self.scalar else LINE) * len(self.lines)


@np.errstate(all="ignore")
def label(x: np.ndarray | None, with_shape: bool = True, sight: "Sight | None" = None) -> Label:
    """Return the label of an array of any shape; for None, an empty label.

    `sight` says what its numbers are: named columns are the three largest, a picture is a heat map, colours added up.
    """
    if x is None:
        return Label()
    if sight and sight.columns:
        order = np.argsort(-x[0], kind="stable")[:3]
        return Label(tuple(f"{shortened(sight.columns[k], 12)} {_short(x[0, k])}" for k in order))
    if x.ndim == 0:
        return Label((number(x),), scalar=True)
    if x.size == 0:
        return Label((_shape(x),))
    if x.size <= FEW:
        return Label(_rows(x))
    if np.iscomplexobj(x):
        return Label((_shape(x), f"norm {_short(np.linalg.norm(x.ravel()))}"))
    numbers = x.astype(float)
    finite = numbers[np.isfinite(numbers)]
    lines = [_shape(x)] if with_shape else []
    lines.append(f"{_short(finite.min())} .. {_short(finite.max())}" if finite.size else "no finite number")
    lines.append(f"norm {_short(np.linalg.norm(finite))}")
    if finite.size < x.size:
        lines.append(f"{x.size - finite.size:,} not finite")
    if sight and sight.picture:
        numbers = numbers.reshape(sight.picture).sum(axis=0)
    return Label(tuple(lines), heatmap(numbers), _fitted(as_matrix(numbers).shape))


def room(x: np.ndarray) -> float:
    """Return the width to keep for numbers of six digits and a sign in place of those of x, in user units."""
    if x.ndim == 0:
        return text_width("0" * 9, DIGIT)
    return text_width("0" * (7 * min(x.shape[-1], 3) + 1)) if 0 < x.size <= FEW else 0.0


def shortened(text: str, most: int) -> str:
    """Return text cut to at most `most` characters, on one line and without characters that cannot be drawn."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def text_width(text: str, advance: float = _SMALL_DIGIT) -> float:
    """Return about the width of text in user units: `advance` for a letter, twice that for an East Asian sign."""
    return advance * sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _rows(x: np.ndarray) -> tuple[str, ...]:
    """Return the lines of a small array: a row a line, in columns; a row of more than three numbers takes two lines."""
    rows = [row[k : k + 3] for row in as_matrix(x) for k in range(0, len(row), 3)]
    texts = [[_short(element) for element in row] for row in rows]
    widest = max(len(text) for row in texts for text in row) if len(texts) > 1 else 0
    lines = [" ".join(text.rjust(widest) for text in row) for row in texts]
    lines[0] = f"[{lines[0]}"
    lines[-1] = f"{lines[-1]}]"
    return (lines[0], *(f" {line}" for line in lines[1:]))


def _shape(x: np.ndarray) -> str:
    return " × ".join(map(str, x.shape)) if x.ndim > 1 else f"{x.size} numbers"


def _short(x: object) -> str:
    return f"{x:.3g}" if isinstance(x, float | np.floating | complex | np.complexfloating) else str(x)


def _fitted(shape: tuple[int, ...]) -> tuple[float, float]:
    """Return the width and height of a matrix's heat map: as large as allowed, and never too thin to be seen."""
    rows, columns = shape
    scale = min(_LARGEST_HEATMAP[0] / columns, _LARGEST_HEATMAP[1] / rows)
    return max(columns * scale, 8.0), max(rows * scale, 8.0)
