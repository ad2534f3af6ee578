"""The figures that training leaves: the cost curve, the weights, the worst mistakes. PNG, as bytes."""

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from chainrule.data.dataset import ImageShape
from chainrule.optim import Report
from chainrule.training.report.palette import BLUE, GREY, ORANGE

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
    right.set(title="largest |gradient|", xlabel="step", yscale="log" if any(gradients) else "linear")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title)
    return _png(figure)


def weight_image(w: np.ndarray, image: ImageShape, classes: Sequence[str]) -> bytes:
    """Draw w (n,) as an image: weights for the positive class in blue, weights against it in orange."""
    planes = w.reshape(image.channels, image.height, image.width)
    panels = {"all colours": planes.sum(axis=0)} if image.channels == 3 else {"weights": planes[0]}
    if image.channels == 3:
        panels |= dict(zip(("red", "green", "blue"), planes, strict=True))
    figure = _figure(3.2 * len(panels) + 1, 3.8)
    row = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (name, plane) in zip(row, panels.items(), strict=True):
        drawn = _signed_image(axes, plane)
        axes.set(title=name, xticks=[], yticks=[])
        figure.colorbar(drawn, ax=axes, shrink=0.75)
    figure.suptitle(_for_and_against(classes))
    return _png(figure)


def weight_bars(w: np.ndarray, features: Sequence[str], classes: Sequence[str]) -> bytes:
    """Draw the at most 30 largest of w (n,) as bars, by the names of their features."""
    figure, axes = _bars(w, features)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set(xlabel="weight of the scaled feature", title=_for_and_against(classes))
    return _png(figure)


def weight_grid(W: np.ndarray, image: ImageShape, names: Sequence[str]) -> bytes:
    """Draw columns of W (n, k) as images, colours added up: all by their names, or the 30 of the largest norm."""
    norms = np.linalg.norm(W, axis=0)
    shown = range(len(names)) if names else np.sort(np.argsort(-norms, kind="stable")[:30])
    columns = min(10, len(shown))
    rows = -(-len(shown) // columns)
    figure, grid = _grid(rows, columns, 1.2 * columns, 1.4 * rows)
    for axes, j in zip(grid, shown, strict=False):
        _signed_image(axes, W[:, j].reshape(image.channels, image.height, image.width).sum(axis=0))
        axes.set_title(names[j] if names else f"{j}", fontsize=8)
    what = "each class" if names else f"{len(shown)} of {W.shape[1]} units of the first layer"
    figure.suptitle(f"weights of {what}: blue counts for, orange against")
    return _png(figure)


def feature_bars(W: np.ndarray, features: Sequence[str]) -> bytes:
    """Draw the at most 30 largest norms of the rows of W (n, k) as bars, by the names of their features."""
    figure, axes = _bars(np.linalg.norm(W, axis=1), features)
    axes.set(xlabel="norm of the weights of the scaled feature", title="what the first layer looks at")
    return _png(figure)


def mistakes(X: np.ndarray, titles: Sequence[str], image: ImageShape, heading: str) -> bytes:
    """Draw raw pictures X (k, n), k >= 1, each under its title."""
    columns = min(6, len(X))
    rows = -(-len(X) // columns)
    figure, grid = _grid(rows, columns, 2.1 * columns, 2.5 * rows)
    for axes, x, title in zip(grid, X, titles, strict=False):
        axes.imshow(_picture(x, image), cmap="gray")
        axes.set_title(title, fontsize=8)
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


def saliency_image(x: np.ndarray, slope: np.ndarray, image: ImageShape, name: str) -> bytes:
    """Draw a picture x (n,) of numbers from 0 to 1 beside the slopes (n,) of log p(name), colours added up."""
    summed = slope.reshape(image.channels, -1).sum(axis=0).reshape(image.height, image.width)
    figure = _figure(7.4, 3.8)
    left, right = figure.subplots(1, 2)
    left.imshow(_picture(x, image), cmap="gray", vmin=0, vmax=1)
    figure.colorbar(_signed_image(right, summed), ax=right, shrink=0.75)
    for axes, title in ((left, "the sample"), (right, f"d log p({name}) / d pixel")):
        axes.set(title=title, xticks=[], yticks=[])
    figure.suptitle(f"blue: more of it makes {name!r} likelier; orange: less likely")
    return _png(figure)


def saliency_bars(slope: np.ndarray, features: Sequence[str], name: str) -> bytes:
    """Draw the at most 30 largest of the slopes (n,) of log p(name) as bars, by the names of their features."""
    figure, axes = _bars(slope, features)
    axes.axvline(0, color=GREY, linewidth=0.8)
    title = f"d log p({name}): blue makes it likelier, orange less likely"
    axes.set(xlabel="slope in the scaled feature", title=title)
    return _png(figure)


def _for_and_against(classes: Sequence[str]) -> str:
    if not classes:
        return "blue raises the number, orange lowers it"
    return f"blue counts for {classes[1]!r}, orange for {classes[0]!r}"


def _bars(values: np.ndarray, features: Sequence[str]) -> "tuple[Figure, Axes]":
    """Draw the at most 30 largest |values| (n,) as bars, by the names of their features: blue above 0, else orange."""
    order = np.argsort(-np.abs(values), kind="stable")[:30][::-1]
    names = [features[j] if features else f"feature {j}" for j in order]
    figure = _figure(7, 1.5 + 0.25 * len(order))
    axes = figure.subplots()
    axes.barh(names, values[order], color=[BLUE if values[j] > 0 else ORANGE for j in order])
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _grid(rows: int, columns: int, width: float, height: float) -> "tuple[Figure, np.ndarray]":
    """Return a figure of rows x columns places for images, without axes, and the places one after the other."""
    figure = _figure(max(width, 6), height + 0.6)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    return figure, grid


def _picture(x: np.ndarray, image: ImageShape) -> np.ndarray:
    """Return a row x (n,) as matplotlib takes pictures: (h, w, 3), or (h, w) where it is grey."""
    picture = np.moveaxis(x.reshape(image.channels, image.height, image.width), 0, -1)
    return picture if image.channels == 3 else picture[..., 0]


def _signed_image(axes: "Axes", plane: np.ndarray) -> "AxesImage":
    """Draw numbers (h, w) as an image: blue above 0, white at 0, orange below."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = LinearSegmentedColormap.from_list("for_against", [ORANGE, "white", BLUE])
    limit = float(np.abs(plane).max()) or 1.0
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
