"""One sample through a trained model: the answer, and what of the sample mattered."""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.backend.device import Device
from chainrule.explain import Graph
from chainrule.explain import explain as graph_of
from chainrule.explain.graph import Sight
from chainrule.models.objective import class_probabilities
from chainrule.training.evaluation import outputs
from chainrule.training.model_file import Model
from chainrule.training.report import figures
from chainrule.training.report.elements import Tile, bars, text, tiles
from chainrule.training.report.pixels import picture_png, signed_png
from chainrule.training.report.weights import feature_names, largest

# Log odds that are not worth a word: odds that change by less than a thousandth.
_NOTHING = 1e-3
# Classes and features that are named.
_LIKELIEST, _STRONGEST = 5, 3

# Of the page of a graph, for the pieces of a report in it.
_CSS = """
.sample{display:flex;flex-wrap:wrap;gap:.5rem 2.5rem;align-items:flex-start;margin:.75rem 0}
.sample h2{flex:0 0 100%;margin:0;font-size:1.1rem} .sample p{margin:.25rem 0}
.sample .tiles{display:flex;flex-wrap:wrap;gap:1rem} .sample figure{margin:0}
.sample img{width:9rem;height:auto;image-rendering:pixelated;display:block;border:1px solid var(--line)}
.sample figcaption,.sample .soft,.sample caption{color:var(--soft);font-size:.85rem;text-align:left;max-width:40rem}
.sample th,.sample td{text-align:right;padding:.1rem .6rem} .sample td.bar{min-width:8rem;background:
linear-gradient(90deg,transparent var(--from),var(--hue) var(--from) var(--to),transparent var(--to))}
.sample .for{--hue:var(--value)} .sample .against{--hue:var(--gradient)}
"""


@dataclass(frozen=True, eq=False)
class Explained:
    """The answer of a model to one sample, and what mattered to a class, or to the number that is predicted.

    raw         (n,) the sample as the data have it; `scaled` (n,) as the network takes it
    P           (k,) the probability of each class, or (1,) the number
    number      the class that is explained, or None where a number is predicted
    logit       log(p / (1 - p)) of that class, or the number
    gradient    (n,) of the logit with respect to the scaled sample; it does not vanish where p is nearly 0 or 1
    graph       from the sample to the cost of the class; its page shows all of this
    """

    model: Model
    raw: np.ndarray
    scaled: np.ndarray
    P: np.ndarray
    number: int | None
    logit: float
    gradient: np.ndarray
    graph: Graph

    @property
    def share(self) -> np.ndarray:
        """Gradient times input, (n,): what each feature would add to the logit, were it linear."""
        return np.asarray(self.gradient * self.scaled)

    @property
    def nothing(self) -> bool:
        """Whether nothing mattered: every feature moved by one would not change the odds by a thousandth."""
        return self.most < _NOTHING * (1.0 if self.number is not None else abs(self.logit))

    @property
    def most(self) -> float:
        """How far the logit moves, by its gradient, where every feature moves by one in the direction that helps."""
        return float(np.abs(self.gradient).sum())

    @property
    def name(self) -> str:
        """What is explained, in words."""
        return "the number" if self.number is None else f"the log odds of {self.model.classes[self.number]!r}"

    @property
    def likeliest(self) -> list[int]:
        """The numbers of the likeliest classes, at most five."""
        return [int(k) for k in np.argsort(-self.P, kind="stable")[:_LIKELIEST]]

    @property
    def mattered(self) -> str:
        """What mattered most, in a sentence."""
        if self.nothing:
            return f"nothing matters here: {self.name} would move by {self.most:.2g}, were every feature moved by one"
        order = largest(self.share if self.share.any() else self.gradient)[:_STRONGEST]
        named = ", ".join(f"{self._feature(j)} {self.share[j]:+.3g}" for j in order)
        return f"{named} (gradient times input) of {self.name}, {self.logit:.3g}"

    def png(self) -> bytes:
        """Draw what mattered: beside the picture as maps, or as bars of features."""
        heading = f"{self.name}: blue raises it, orange lowers it"
        if self.nothing:
            heading = f"nothing matters here: moved by one, all features move {self.name} by {self.most:.2g}"
        if self.model.image is not None:
            return figures.saliency_image(self._shown, self.model.image, self._maps(), heading)
        order = largest(self.share if self.share.any() else self.gradient)
        columns = {"gradient times input": self.share[order], "gradient": self.gradient[order]}
        return figures.bars(columns, feature_names(self.model, order), heading)

    def as_json(self) -> dict[str, Any]:
        """Return the answer in what JSON has."""
        order = largest(self.share if self.share.any() else self.gradient)
        found: dict[str, Any] = {"number": float(self.P[0])}
        if self.number is not None:
            P, names = self.P.tolist(), self.model.classes
            first, second = self.likeliest[:2]
            found = {
                "class": names[first],
                "probability": P[first],
                "runner-up": {"class": names[second], "probability": P[second]},
                "explained": names[self.number],
                "log odds": self.logit,
                "probabilities": dict(zip(names, P, strict=True)),
            }
        features = [
            {
                "feature": self._feature(j),
                "gradient": float(self.gradient[j]),
                "gradient times input": float(self.share[j]),
            }
            for j in order
        ]
        return found | {"nothing matters": self.nothing, "strongest": features}

    def html(self) -> str:
        """Return the answer and what mattered as HTML, for the page of the graph."""
        heading = f"The number: {self.P[0]:.6g}"
        table = ""
        if self.number is not None:
            first = self.likeliest[0]
            heading = (
                f"The answer: {text(self.model.classes[first])}, probability {shown(float(self.P[first]))}"
            )
            names = [self.model.classes[k] for k in self.likeliest]
            P = self.P[self.likeliest].tolist()
            table = bars("The likeliest classes", ("class", "probability"), P, names)
        told = f"<p>{text(self.mattered[:1].upper() + self.mattered[1:])}.</p>"
        inside = f"<h2>{heading}</h2>{self._pictures()}{table}{told}"
        return f'<style>{_CSS}</style><section class="sample">{inside}</section>'

    def _pictures(self) -> str:
        image = self.model.image
        if image is None:
            order = largest(self.share)[:10]
            names = feature_names(self.model, order)
            head = ("feature", "gradient times input")
            return bars(f"What mattered to {self.name}", head, self.share[order].tolist(), names)
        shown = [Tile(picture_png(self._shown, image, 1.0), "The sample", "the sample")]
        for title, plane in self._maps().items():
            limit = float(np.abs(plane).max())
            caption = f"{title}; full colour is {limit:.2g}" if limit else f"{title}: nothing matters here"
            shown.append(Tile(signed_png(plane, limit), f"Map: {title}", caption))
        return f"<div>{tiles(shown, f'Blue raises {self.name}, orange lowers it.')}</div>"

    @property
    def _shown(self) -> np.ndarray:
        """The picture (n,) from 0 to 1."""
        return np.clip(self.raw / (self.model.white or float(self.raw.max()) or 1.0), 0, 1)

    def _maps(self) -> dict[str, np.ndarray]:
        """Return the gradient and gradient times input as (h, w), colours added up; 0 where nothing matters."""
        image = self.model.image
        assert image is not None
        maps = {"gradient": self.gradient, "gradient times input": self.share}
        return {
            title: np.zeros((image.height, image.width))
            if self.nothing
            else values.reshape(image.channels, image.height, image.width).sum(axis=0)
            for title, values in maps.items()
        }

    def _feature(self, j: int) -> str:
        image = self.model.image
        if image is None:
            return feature_names(self.model, np.array([j]))[0]
        plane, pixel = divmod(int(j), image.height * image.width)
        row, column = divmod(pixel, image.width)
        colour = ("", "red ", "green ", "blue ")[plane + 1 if image.channels == 3 else 0]
        return f"{colour}pixel (row {row}, column {column})"


def explained_sample(model: Model, device: Device, row: np.ndarray, wanted: int | None = None) -> Explained:
    """Return what a model says of one raw sample (1, n), and what mattered to a class, by default the likeliest.

    Of a model that predicts a number, what mattered to the number.
    """
    number, P = None, outputs(device, model, row)
    if model.classes:
        P = class_probabilities(P)
        number = int(np.argmax(P[0])) if wanted is None else wanted
    graph = _graph(model, device, row, number)
    X = graph.node("X")
    if number is None:
        assert X.gradient is not None
        slope, logit = X.gradient[0], float(graph.output.value)
    else:
        Z = graph.node(f"Z{len(model.params)}")
        seed, logit = _log_odds(Z.value[0].astype(np.float64), number)
        assert graph.tape is not None
        slope = graph.tape.gradients(Z.index, seed.astype(Z.value.dtype)[None, :])[X.index][0]
    scaled, gradient = X.value[0].astype(np.float64), np.asarray(slope, np.float64)
    found = Explained(model, row[0], scaled, P[0], number, logit, gradient, graph)
    return replace(found, graph=replace(graph, above=found.html(), sight=_sight(model)))


def _sight(model: Model) -> dict[str, Sight]:
    """Return how the graph of a sample shows the sample and the probabilities."""
    found = {}
    if model.image is not None:
        found["X"] = Sight(picture=(model.image.channels, model.image.height, model.image.width))
    if model.classes:
        # A single output is the probability of the second class.
        found["y_hat"] = Sight(columns=model.classes[-model.net.sizes[-1] :])
    return found


def _graph(model: Model, device: Device, row: np.ndarray, number: int | None) -> Graph:
    """Return the graph from one raw sample (1, n) to the cost of class `number`: minus its log probability.

    For None it is the graph to the number that the model predicts.
    """
    target = {} if number is None else {"y": device.asarray(np.array([number]))}
    return graph_of(
        replace(model.net, penalty=None, bias_gradient="exact"),
        params=[(device.asarray(W), device.asarray(b)) for W, b in model.params],
        X=device.asarray(model.scaling.apply(row, model.dtype)),
        **target,
    )


def shown(p: float) -> str:
    """Return a probability in four places, or where these are all 0 in two digits; 1 only where it is 1."""
    if 0 < p < 0.00005:
        return f"{p:.1e}"
    return f"{p:.4f}" if p < 0.99995 or p == 1 else "over 0.9999"


def _log_odds(z: np.ndarray, number: int) -> tuple[np.ndarray, float]:
    """Return the gradient of log(p / (1 - p)) of a class by the last layer's z, (k,) or (1,), and its value."""
    if len(z) == 1:
        sign = 1.0 if number == 1 else -1.0
        return np.array([sign]), sign * float(z[0])
    others = np.delete(z, number)
    top = float(others.max())
    weights = np.exp(others - top)
    total = float(weights.sum())
    return np.insert(-weights / total, number, 1.0), float(z[number]) - top - math.log(total)
