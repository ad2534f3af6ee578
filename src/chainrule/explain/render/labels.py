"""What is written on a gate and at its wire: signs, numbers of small arrays, pictures of large ones."""

import unicodedata
from dataclasses import dataclass

import numpy as np

from chainrule.explain.format import number
from chainrule.explain.render.png import as_matrix, png

SMALL = 6
"""Arrays of at most so many elements are written as numbers."""

SIGNS = {
    "abs": "|x|",
    "add": "+",
    "divide": "÷",
    "equal": "=",
    "matmul": "@",
    "maximum": "max",
    "mean": "mean",
    "minimum": "min",
    "matrix_transpose": "ᵀ",
    "multiply": "×",
    "negative": "−x",
    "pow": "xʸ",
    "prod": "∏",
    "reciprocal": "1/x",
    "sigmoid": "σ",
    "sigmoid_cross_entropy": "cross entropy",
    "softmax_cross_entropy": "cross entropy",
    "sqrt": "√",
    "square": "x²",
    "subtract": "−",
    "sum": "Σ",
}
"""The signs of gates; the others are labelled with their names."""

LINE = 13.0
"""Height of a line of small text, in user units."""

FIGURE = 7.9
"""How wide a figure of a single number is, in user units; its font is monospaced."""

_ADVANCE = 6.7  # of a figure of the small text
_TALL = 15.0  # a line with a single number
_PICTURE = (72.0, 40.0)


@dataclass(frozen=True)
class Label:
    """What stands above or below a wire: lines of text, and above them maybe a picture (PNG) of (width, height)."""

    lines: tuple[str, ...] = ()
    picture: bytes | None = None
    size: tuple[float, float] = (0.0, 0.0)
    scalar: bool = False

    @property
    def width(self) -> float:
        """The width, in user units."""
        advance = FIGURE if self.scalar else _ADVANCE
        return max([self.size[0], *(text_width(line, advance) for line in self.lines)])

    @property
    def height(self) -> float:
        """The height, in user units."""
        return self.size[1] + (_TALL if self.scalar else LINE) * len(self.lines)


@np.errstate(all="ignore")
def label(x: np.ndarray | None, with_shape: bool = True) -> Label:
    """Return the label of an array of any shape; of None, an empty one."""
    if x is None:
        return Label()
    if x.ndim == 0:
        return Label((number(x),), scalar=True)
    if x.size == 0:
        return Label((_shape(x),))
    if x.size <= SMALL:
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
    return Label(tuple(lines), png(numbers), _fitted(as_matrix(x).shape))


def shortened(text: str, most: int) -> str:
    """Return text of at most `most` characters that a picture can show on one line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def text_width(text: str, advance: float = _ADVANCE) -> float:
    """Return about how wide text is, in user units, at `advance` a letter: East Asian signs take two."""
    return advance * sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _rows(x: np.ndarray) -> tuple[str, ...]:
    """Write a small array row by row, in columns; a row of more than three goes on in the next line."""
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
    """Return the size of the picture of a matrix: as large as the place, never so thin that nothing is seen."""
    rows, columns = shape
    scale = min(_PICTURE[0] / columns, _PICTURE[1] / rows)
    return max(columns * scale, 8.0), max(rows * scale, 8.0)
