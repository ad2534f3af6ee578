"""The weights of the first layer as they are shown: in a file of their own, and on the page."""

import numpy as np

from chainrule.training.model_file import Model
from chainrule.training.report import figures
from chainrule.training.report.elements import Tile, bars, text, tiles
from chainrule.training.report.pixels import signed_png

# Of more features, units or classes those with the largest weights are shown.
MOST = 30


def drawn(model: Model) -> tuple[bytes, str]:
    """Return the weights as PNG and as HTML: of one output for and against, else an image of each, or norms in bars."""
    W, classes = model.params[0][0], model.classes
    single = model.net.sizes[1:] == (1,)
    words = "blue counts for the class, orange against it"
    if single:
        words = "blue raises the number, orange lowers it"
        if classes:
            words = f"blue counts for {classes[1]!r}, orange for {classes[0]!r}"
    if model.image is not None:
        return _images(model, words, single=single)
    values = W[:, 0] if single else np.linalg.norm(W, axis=1)
    order = largest(values)
    names = feature_names(model, order)
    label = "weight of the scaled feature" if single else "norm of the weights of the scaled feature"
    title = words if single else "what the first layer looks at"
    png = figures.bars({label: values[order]}, names, title)
    return png, bars(f"{title[:1].upper()}{title[1:]}", ("feature", label), values[order].tolist(), names)


def _images(model: Model, words: str, *, single: bool) -> tuple[bytes, str]:
    W, image = model.params[0][0], model.image
    assert image is not None
    planes = W.T.reshape(-1, image.channels, image.height, image.width)
    summed = planes.sum(axis=1)
    if single:
        shown = {"all colours" if image.channels == 3 else "weights": summed[0]}
        if image.channels == 3:
            shown |= dict(zip(("red", "green", "blue"), planes[0], strict=True))
        heading = words
    elif len(model.net.sizes) == 2:
        shown = dict(zip(model.classes, summed, strict=True))
        heading = f"weights of each class: {words}"
    else:
        order = np.sort(largest(np.linalg.norm(W, axis=0)))
        shown = {f"{j}": summed[j] for j in order}
        heading = (
            f"weights of {len(order)} of {W.shape[1]} units of the first layer: blue above 0, orange below"
        )
    limit = max(float(np.abs(plane).max()) for plane in shown.values())
    few = list(shown.items())[:MOST]
    more = "" if len(few) == len(shown) else f" The first {len(few)} of {len(shown)}; all are in weights.png."
    caption = f"{heading[:1].upper()}{heading[1:]}. Full colour is {limit:.3g}.{more}"
    page = [Tile(signed_png(plane, limit), f"Weights of {name}", text(name)) for name, plane in few]
    return figures.signed_images(shown, heading), tiles(page, caption)


def largest(values: np.ndarray) -> np.ndarray:
    """Return where the at most 30 largest |values| (n,) are, the largest first."""
    return np.argsort(-np.abs(values), kind="stable")[:MOST]


def feature_names(model: Model, order: np.ndarray) -> list[str]:
    """Return the names of features by their numbers, feature 3 where nobody named it."""
    return [model.features[j] if model.features else f"feature {j}" for j in order]
