"""The figures that training leaves: the cost curve, the weights, the worst mistakes. PNG, as bytes."""

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from chainrule.data.dataset import ImageShape
from chainrule.optim import Report
from chainrule.training.report.palette import BLUE, GREY, ORANGE
from chainrule.training.report.pixels import picture
from chainrule.training.report.svg_chart import decades

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage


def cost_curve(history: Sequence[Report], title: str) -> bytes:
    """Draw the cost, that of validation rows too where it was taken, and the largest |gradient| over steps."""
    figure = _figure(8, 4)
    left, right = figure.subplots(1, 2)
    steps = [report.step for report in history]
    marker = "o" if len(steps) < 40 else ""
    costs = [report.cost for report in history]
    left.plot(steps, costs, color=BLUE, marker=marker, markersize=3, label="training")
    validated = [(report.step, report.validation) for report in history if report.validation is not None]
    if validated:
        left.plot(*zip(*validated, strict=True), color=GREY, marker=marker, markersize=3, label="validation")
        best = min(validated, key=lambda pair: pair[1])
        left.plot(*best, color=ORANGE, marker="o", linestyle="", label=f"kept: step {best[0]}")
        left.legend(frameon=False)
    left.set(title="cost", xlabel="step", ylim=(0, None))
    gradients = [report.largest_gradient for report in history]
    right.plot(steps, gradients, color=ORANGE, marker=marker, markersize=3)
    right.set(title="largest |gradient|", xlabel="step")
    drawn = [gradient for gradient in gradients if 0 < gradient < np.inf]
    if drawn:
        # Matplotlib writes the powers of ten of its own ticks as formulas.
        powers = decades(min(drawn), max(drawn))
        right.set(yscale="log", ylim=(powers[0], powers[-1]))
        right.set_yticks(powers, [f"{power:g}" for power in powers])
        right.set_yticks([], minor=True)
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title)
    return _png(figure)


def signed_images(planes: Mapping[str, np.ndarray], heading: str) -> bytes:
    """Draw numbers (h, w) by their titles as images of one scale: blue above 0, orange below."""
    limit = max(float(np.abs(plane).max()) for plane in planes.values())
    columns = min(10 if len(planes) > 4 else 4, len(planes))
    rows, side = -(-len(planes) // columns), 1.2 if len(planes) > 4 else 2.6
    figure, grid = _grid(rows, columns, side * columns + 1, (side + 0.3) * rows)
    for axes, (title, plane) in zip(grid, planes.items(), strict=False):
        drawn = _signed_image(axes, plane, limit)
        axes.set_title(title, fontsize=9)
    figure.colorbar(drawn, ax=grid.tolist(), shrink=0.75)
    figure.suptitle(heading)
    return _png(figure)


def bars(columns: Mapping[str, np.ndarray], names: Sequence[str], title: str) -> bytes:
    """Draw columns of numbers (n,), by their headings, as bars beside the names of their rows: blue above 0."""
    figure = _figure(3.2 + 3.8 * len(columns), 1.5 + 0.25 * len(names))
    places = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    at = np.arange(len(names))
    for axes, (label, values) in zip(places, columns.items(), strict=True):
        axes.barh(at, values, color=[BLUE if value > 0 else ORANGE for value in values])
        axes.axvline(0, color=GREY, linewidth=0.8)
        axes.spines[["top", "right"]].set_visible(False)
        axes.set(xlabel=label)
    # Two features of one name have a bar each.
    places[0].set_yticks(at, names)
    places[0].invert_yaxis()
    figure.suptitle(title)
    return _png(figure)


def pictures(X: np.ndarray, titles: Sequence[str], image: ImageShape, heading: str) -> bytes:
    """Draw raw pictures X (k, n), k >= 1, each under its title."""
    columns = min(6, len(X))
    rows = -(-len(X) // columns)
    figure, grid = _grid(rows, columns, 2.1 * columns, 2.7 * rows)
    for axes, x, title in zip(grid, X, titles, strict=False):
        axes.imshow(picture(x, image), cmap="gray")
        axes.set_title(title, fontsize=9)
    figure.suptitle(heading)
    return _png(figure)


def prediction_cloud(y: np.ndarray, y_hat: np.ndarray) -> bytes:
    """Draw predictions y_hat (m,) over numbers y (m,), with the line of exact ones, and a histogram of y_hat - y."""
    figure = _figure(8, 4)
    left, right = figure.subplots(1, 2)
    ends = [min(y.min(), y_hat.min()), max(y.max(), y_hat.max())]
    left.plot(ends, ends, color=GREY, linewidth=0.8)
    left.plot(y, y_hat, color=BLUE, marker="o", markersize=3, linestyle="", alpha=0.5)
    left.set(title="predictions, held out", xlabel="number", ylabel="prediction")
    right.hist(y_hat - y, bins=min(40, max(5, len(y) // 5)), color=BLUE)
    right.axvline(0, color=GREY, linewidth=0.8)
    right.set(title="how far off", xlabel="prediction - number", ylabel="rows")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    return _png(figure)


def saliency_image(x: np.ndarray, image: ImageShape, maps: Mapping[str, np.ndarray], heading: str) -> bytes:
    """Draw a picture x (n,) of numbers from 0 to 1 beside maps (h, w), by their titles, each of its own scale."""
    figure = _figure(3.7 * (1 + len(maps)), 3.8)
    left, *others = figure.subplots(1, 1 + len(maps))
    left.imshow(picture(x, image), cmap="gray", vmin=0, vmax=1)
    left.set(title="the sample", xticks=[], yticks=[])
    for axes, (title, plane) in zip(others, maps.items(), strict=True):
        drawn = _signed_image(axes, plane, float(np.abs(plane).max()))
        figure.colorbar(drawn, ax=axes, shrink=0.75)
        axes.set(title=title, xticks=[], yticks=[])
    figure.suptitle(heading)
    return _png(figure)


def _grid(rows: int, columns: int, width: float, height: float) -> "tuple[Figure, np.ndarray]":
    """Return a figure of rows x columns places for images, without axes, and the places one after the other."""
    figure = _figure(max(width, 6), height + 0.6)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    return figure, grid


def _signed_image(axes: "Axes", plane: np.ndarray, limit: float) -> "AxesImage":
    """Draw numbers (h, w) as an image: blue above 0, white at 0, orange below; full colour at `limit`."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("for_against", [ORANGE, "white", BLUE])
    limit = limit or 1.0
    return axes.imshow(plane, cmap=colours, vmin=-limit, vmax=limit)


def _figure(width: float, height: float) -> "Figure":
    # pyplot would look for a screen and keep every figure alive.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def _png(figure: "Figure") -> bytes:
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        # Names are shown as they are: a dollar begins no formula. Half of a surrogate pair, which a file name that is
        # no UTF-8 has, cannot be drawn.
        text.set_parse_math(False)
        text.set_text(text.get_text().encode(errors="replace").decode())
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The font lacks the signs of many scripts and draws a box for each, so a warning would say no more.
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        figure.savefig(buffer, format="png")
    return buffer.getvalue()
