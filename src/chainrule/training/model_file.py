"""The model file: a network with all that a new sample needs, as arrays and text."""

import json
import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data import ImageShape
from chainrule.data.scaling import Scaling
from chainrule.models import penalties
from chainrule.models.mlp import MLP
from chainrule.training.storage import checksum, read_tensors, write_tensors

FORMAT = "chainrule model"
VERSION = "2"

Params = list[tuple[np.ndarray, np.ndarray]]

_PENALTIES = {kind.__name__: kind for kind in (penalties.L1, penalties.L2, penalties.ElasticNet)}
_DTYPES = ("float32", "float64")


class ModelError(ValueError):
    """A file that is no model of this version; the message names the file, the fault and what to do."""


@dataclass(frozen=True, eq=False)
class Model:
    """A network with all that a new sample needs. A logistic regression is the network without a hidden layer.

    net        what is computed; one sigmoid for two classes, or k softmax outputs for k
    params     one (W, b) a layer, of one floating dtype
    scaling    what is done to raw features before the network takes them
    classes    the names of the k classes in the order of their numbers; of two, that for probability 1 comes second;
               () where the network predicts a number
    image      the shape of pictures that the features are, or None
    white      the raw value of a white pixel in the data that it learnt from, or None where that is not known
    features   the names of the columns, or () where nobody named them
    rest       whether the first of two classes stands for all classes but the second
    border     the mean brightness, from 0 to 1, of the borders of the pictures that it learnt from, or None
    ink        how much of these pictures their ink fills, from 0 to 1, or None where they are no ink on a plain ground

    ValueError where these do not fit each other.
    """

    net: MLP
    params: Params
    scaling: Scaling
    classes: tuple[str, ...]
    image: ImageShape | None
    white: float | None = None
    features: tuple[str, ...] = ()
    rest: bool = False
    border: float | None = None
    ink: float | None = None

    def __post_init__(self) -> None:
        n, k = self.net.sizes[0], len(self.classes)
        outputs = (self.net.output, self.net.sizes[-1])
        number = (k, *outputs) == (0, "identity", 1)
        if outputs != ("softmax", k) and (k, *outputs) != (2, "sigmoid", 1) and not number:
            raise ValueError(f"{k} classes for {outputs[1]} {outputs[0]} outputs")
        if (k < 2 and not number) or len(set(self.classes)) < k:
            raise ValueError(f"the classes {self.classes}, not two or more different ones")
        shapes = [tuple(part.shape for part in layer) for layer in self.params]
        if shapes != self.net.shapes:
            raise ValueError(f"parameters of shapes {shapes} where the network has {self.net.shapes}")
        dtypes = sorted({str(part.dtype) for layer in self.params for part in layer})
        if len(dtypes) != 1 or dtypes[0] not in _DTYPES:
            raise ValueError(
                f"parameters of type {' and '.join(dtypes)}, not all of one of {', '.join(_DTYPES)}"
            )
        if not all(np.isfinite(part).all() for layer in self.params for part in layer):
            raise ValueError("parameters that are NaN or infinite")
        if self.scaling.shift.shape not in ((), (n,)):
            raise ValueError(f"scaling of {self.scaling.shift.size} features for a network of {n}")
        if self.image is not None and self.image.n != n:
            raise ValueError(f"{self.image} for a network of {n} features")
        if self.white is not None and not 0 < self.white < math.inf:
            raise ValueError(f"a white of {self.white}")
        if self.border is not None and not 0 <= self.border <= 1:
            raise ValueError(f"a border of brightness {self.border}")
        if self.ink is not None and not 0 < self.ink <= 1:
            raise ValueError(f"ink that fills {self.ink} of a picture")
        if self.rest and k != 2:
            raise ValueError(f"a class for all the rest among {k}")
        if len(self.features) not in (0, n):
            raise ValueError(f"{len(self.features)} names of features for a network of {n}")

    @property
    def dtype(self) -> np.dtype[Any]:
        """The precision of the parameters."""
        return self.params[0][0].dtype


def net_as_json(net: MLP) -> dict[str, Any]:
    """Return the settings of a network as JSON has them."""
    about = {field.name: getattr(net, field.name) for field in fields(net)}
    about["sizes"] = list(net.sizes)
    if net.penalty is not None:
        about["penalty"] = {"kind": type(net.penalty).__name__, **asdict(net.penalty)}
    return about


def net_from_json(about: dict[str, Any]) -> MLP:
    """Return the network whose settings `net_as_json` gave; KeyError, TypeError or ValueError where it gave others."""
    about = dict(about)
    if about["penalty"] is not None:
        settings = dict(about["penalty"])
        about["penalty"] = _PENALTIES[settings.pop("kind")](**settings)
    return MLP(tuple(about.pop("sizes")), **about)


def save_model(path: Path, model: Model) -> None:
    """Write a model as a safetensors file: arrays and text, nothing that could be executed."""
    told = {
        "net": net_as_json(model.net),
        "classes": list(model.classes),
        "image": asdict(model.image) if model.image else None,
        "white": model.white,
        "features": list(model.features),
        "rest": model.rest,
        "border": model.border,
        "ink": model.ink,
    }
    tensors = {"shift": model.scaling.shift, "scale": model.scaling.scale}
    for layer, (W, b) in enumerate(model.params):
        tensors |= {f"W{layer}": W, f"b{layer}": b}
    about = json.dumps(told)
    metadata = {"format": FORMAT, "version": VERSION, "about": about, "checksum": checksum(about, tensors)}
    write_tensors(path, tensors, metadata)


def load_model(path: Path) -> Model:
    """Read a model that `save_model` wrote, or raise ModelError for a file that is not one."""

    def refused(fault: str, remedy: str = "train it again, or name another file") -> ModelError:
        return ModelError(f"{path}: expected a model of chainrule, {fault}; {remedy}")

    if not path.is_file():
        raise refused("got no file", "check the path; chainrule train makes one")
    tensors, metadata = read_tensors(path, FORMAT, VERSION, refused)
    try:
        if metadata["checksum"] != checksum(metadata["about"], tensors):
            raise ValueError("the checksum does not fit the content")
        about = json.loads(metadata["about"])
        net = net_from_json(about["net"])
        params = [(tensors.pop(f"W{i}"), tensors.pop(f"b{i}")) for i in range(len(net.shapes))]
        scaling = Scaling(tensors.pop("shift"), tensors.pop("scale"))
        if tensors:
            raise ValueError(f"{', '.join(sorted(tensors))} beside what the network has")
        classes = tuple(str(name) for name in about["classes"])
        return Model(
            net,
            params,
            scaling,
            classes,
            ImageShape(**about["image"]) if about["image"] else None,
            None if about["white"] is None else float(about["white"]),
            tuple(str(name) for name in about["features"]),
            # Files without the entry say it by the name of the first class.
            bool(about.get("rest", len(classes) == 2 and classes[0] == f"not {classes[-1]}")),
            *(None if about.get(name) is None else float(about[name]) for name in ("border", "ink")),
        )
    except KeyError as error:
        raise refused(f"got one without {error}") from error
    except (ArithmeticError, AttributeError, RecursionError, TypeError, ValueError) as error:
        raise refused(f"got one with an entry malformed ({error})") from error
