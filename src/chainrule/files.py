"""Files that are either whole or not there: written beside, then renamed. And the model file."""

import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data import ImageShape, Scaling

FORMAT = "chainrule logistic regression"
VERSION = "1"


class ModelError(ValueError):
    """A file that is no model of this version; the message names the file, the fault and what to do."""


@dataclass(frozen=True, eq=False)
class Model:
    """A logistic regression with all that a new sample needs.

    w, b       (n,) and (), of one floating dtype
    scaling    what was done to raw features before they were learnt from
    classes    the names for probability 0 and probability 1
    image      the shape of pictures that the features are, or None
    white      the raw value of a white pixel in the data that it learnt from, or None where that is not known
    features   the names of the columns, or () where nobody named them
    """

    w: np.ndarray
    b: np.ndarray
    scaling: Scaling
    classes: tuple[str, str]
    image: ImageShape | None
    white: float | None = None
    features: tuple[str, ...] = ()


def write_bytes(path: Path, content: bytes) -> None:
    """Make `path` hold `content`. Whenever this is interrupted, the old file or the new one is there, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp's files are for their owner's eyes alone; what is left for the user has the usual permissions.
        mask = os.umask(0)
        os.umask(mask)
        Path(beside).chmod(0o666 & ~mask)
        Path(beside).replace(path)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, by `write_bytes`."""
    write_bytes(path, (json.dumps(content, indent=1, allow_nan=False) + "\n").encode())


def save_model(path: Path, model: Model) -> None:
    """Write a model as a safetensors file: arrays and text, nothing that could be executed."""
    from safetensors.numpy import save

    about = {
        "classes": list(model.classes),
        "image": asdict(model.image) if model.image else None,
        "white": model.white,
        "features": list(model.features),
    }
    tensors = {"w": model.w, "b": model.b, "shift": model.scaling.shift, "scale": model.scaling.scale}
    metadata = {"format": FORMAT, "version": VERSION, "about": json.dumps(about)}
    write_bytes(path, save({name: np.asarray(x, order="C") for name, x in tensors.items()}, metadata))


def load_model(path: Path) -> Model:
    """Read a model that `save_model` wrote, or raise ModelError for a file that is not one."""
    from safetensors import SafetensorError, safe_open

    def refused(fault: str, remedy: str = "train it again, or name another file") -> ModelError:
        return ModelError(f"{path}: expected a model of chainrule, {fault}; {remedy}")

    if not path.is_file():
        raise refused("got no file", "check the path; chainrule train makes one")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError) as error:
        raise refused(f"got a file that is broken or of another kind ({error})") from error
    if metadata.get("format") != FORMAT:
        raise refused(f"got a safetensors file whose format is {metadata.get('format')!r}")
    if metadata.get("version") != VERSION:
        raise refused(
            f"got version {metadata.get('version')!r} where this chainrule reads {VERSION!r}",
            "use the chainrule that wrote it, or train it again",
        )
    try:
        about = json.loads(metadata["about"])
        negative, positive = (str(name) for name in about["classes"])
        image = ImageShape(**about["image"]) if about["image"] else None
        white = None if about["white"] is None else float(about["white"])
        features = tuple(str(name) for name in about["features"])
        w, b = tensors["w"], tensors["b"]
        scaling = Scaling(tensors["shift"], tensors["scale"])
    except (KeyError, TypeError, ValueError) as error:
        raise refused(f"got one with an entry missing or malformed ({error})") from error
    n = w.size
    fits = (
        w.shape == (n,)
        and n > 0
        and b.shape == ()
        and w.dtype == b.dtype
        and np.issubdtype(w.dtype, np.floating)
        and scaling.shift.shape in ((), (n,))
        and (image is None or image.n == n)
        and (white is None or 0 < white < float("inf"))
        and len(features) in (0, n)
        and bool(np.isfinite(w).all() and np.isfinite(b))
    )
    if not fits:
        raise refused(
            f"got w {w.shape} {w.dtype}, b {b.shape} {b.dtype}, shift {scaling.shift.shape}, {image}"
        )
    return Model(w, b, scaling, (negative, positive), image, white, features)
