"""The pictures that training leaves: the cost curve, the weights, the worst mistakes. PNG, as bytes."""

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from chainrule.data.load import ImageShape
from chainrule.optim import Report

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import LinearSegmentedColormap
    from matplotlib.figure import Figure

# Hues that the common kinds of colour-blindness keep apart (Okabe and Ito, Color Universal Design, 2008).
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#555555"


def cost_curve(history: Sequence[Report], title: str) -> bytes:
    """Draw the cost, that of validation rows too where it was taken, and the largest |gradient| over steps."""
    figure = _figure(8, 4)
    steps = [report.step for report in history]
    left, right = figure.subplots(1, 2)
    marker = "o" if len(steps) < 40 else ""
    left.plot(
        steps, [report.cost for report in history], color=BLUE, marker=marker, markersize=3, label="training"
    )
    validated = [(report.step, report.validation) for report in history if report.validation is not None]
    if validated:
        left.plot(*zip(*validated, strict=True), color=GREY, marker=marker, markersize=3, label="validation")
        best = min(validated, key=lambda pair: pair[1])
        left.plot(*best, color=ORANGE, marker="o", linestyle="", label=f"kept: step {best[0]}")
        left.legend(frameon=False)
    left.set(title="cost", xlabel="step", ylim=(0, None))
    right.plot(
        steps, [report.largest_gradient for report in history], color=ORANGE, marker=marker, markersize=3
    )
    right.set(title="largest |gradient|", xlabel="step", yscale="log")
    for axes in (left, right):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(title)
    return _png(figure)


def weight_image(w: np.ndarray, image: ImageShape, classes: Sequence[str]) -> bytes:
    """Draw w (n,) as a picture: what counts for the positive class in blue, what counts against it in orange."""
    planes = w.reshape(image.channels, image.height, image.width)
    panels = {"all colours": planes.sum(axis=0)} if image.channels == 3 else {"weights": planes[0]}
    if image.channels == 3:
        panels |= dict(zip(("red", "green", "blue"), planes, strict=True))
    figure = _figure(3.2 * len(panels) + 1, 3.8)
    for_against = _for_against()
    for axes, (name, plane) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        limit = float(np.abs(plane).max()) or 1.0
        shown = axes.imshow(plane, cmap=for_against, vmin=-limit, vmax=limit)
        axes.set(title=name, xticks=[], yticks=[])
        figure.colorbar(shown, ax=axes, shrink=0.75)
    figure.suptitle(f"blue counts for {classes[1]!r}, orange for {classes[0]!r}")
    return _png(figure)


def weight_bars(w: np.ndarray, features: Sequence[str], classes: Sequence[str]) -> bytes:
    """Draw the at most 30 largest of w (n,) as bars, by the names of their features."""
    figure, axes = _bars(w, features)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set(
        xlabel="weight of the scaled feature",
        title=f"blue counts for {classes[1]!r}, orange for {classes[0]!r}",
    )
    return _png(figure)


def weight_grid(W: np.ndarray, image: ImageShape, names: Sequence[str]) -> bytes:
    """Draw columns of W (n, k) as pictures, colours added up: all by their names, or the 30 of the largest norm."""
    norms = np.linalg.norm(W, axis=0)
    shown = range(len(names)) if names else np.sort(np.argsort(-norms, kind="stable")[:30])
    columns = min(10, len(shown))
    rows = -(-len(shown) // columns)
    figure = _figure(max(1.2 * columns, 6), 1.4 * rows + 0.6)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, j in zip(grid, shown, strict=False):
        plane = W[:, j].reshape(image.channels, image.height, image.width).sum(axis=0)
        limit = float(np.abs(plane).max()) or 1.0
        axes.imshow(plane, cmap=_for_against(), vmin=-limit, vmax=limit)
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
    figure = _figure(max(2.1 * columns, 6), 2.5 * rows + 0.6)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, x, title in zip(grid, X, titles, strict=False):
        picture = np.moveaxis(x.reshape(image.channels, image.height, image.width), 0, -1)
        axes.imshow(picture if image.channels == 3 else picture[..., 0], cmap="gray")
        axes.set_title(title, fontsize=8)
    figure.suptitle(heading)
    return _png(figure)


def what_mattered(x: np.ndarray, slope: np.ndarray, image: ImageShape, name: str) -> bytes:
    """Draw a picture x (n,) of numbers from 0 to 1 beside the slopes (n,) of log p(name), colours added up."""
    planes = (x.reshape(image.channels, image.height, image.width), slope.reshape(image.channels, -1))
    picture = np.moveaxis(planes[0], 0, -1)
    summed = planes[1].sum(axis=0).reshape(image.height, image.width)
    figure = _figure(7.4, 3.8)
    left, right = figure.subplots(1, 2)
    left.imshow(picture if image.channels == 3 else picture[..., 0], cmap="gray", vmin=0, vmax=1)
    limit = float(np.abs(summed).max()) or 1.0
    shown = right.imshow(summed, cmap=_for_against(), vmin=-limit, vmax=limit)
    figure.colorbar(shown, ax=right, shrink=0.75)
    for axes, title in ((left, "the sample"), (right, f"d log p({name}) / d pixel")):
        axes.set(title=title, xticks=[], yticks=[])
    figure.suptitle(f"blue: more of it makes {name!r} likelier; orange: less likely")
    return _png(figure)


def what_mattered_bars(slope: np.ndarray, features: Sequence[str], name: str) -> bytes:
    """Draw the at most 30 largest of the slopes (n,) of the log probability of a class as bars."""
    figure, axes = _bars(slope, features)
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set(
        xlabel="slope in the scaled feature",
        title=f"d log p({name}): blue makes it likelier, orange less likely",
    )
    return _png(figure)


def _bars(values: np.ndarray, features: Sequence[str]) -> "tuple[Figure, Axes]":
    """Draw the at most 30 largest |values| (n,) as bars, by the names of their features: blue above 0, else orange."""
    order = np.argsort(-np.abs(values), kind="stable")[:30][::-1]
    names = [features[j] if features else f"feature {j}" for j in order]
    figure = _figure(7, 1.5 + 0.25 * len(order))
    axes = figure.subplots()
    axes.barh(names, values[order], color=[BLUE if values[j] > 0 else ORANGE for j in order])
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _for_against() -> "LinearSegmentedColormap":
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("for_against", [ORANGE, "white", BLUE])


def _figure(width: float, height: float) -> "Figure":
    # Not through pyplot, which would look for a screen and keep every figure alive.
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=120, layout="constrained")


def _png(figure: "Figure") -> bytes:
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        # Names are shown as they are: a dollar begins no formula, and half of a pair of surrogates, as a file name
        # that is no UTF-8 has, is no character to draw.
        text.set_parse_math(False)
        text.set_text(text.get_text().encode(errors="replace").decode())
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # The font has no sign for many a script and draws a box; a warning about each would say no more.
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        figure.savefig(buffer, format="png")
    return buffer.getvalue()
