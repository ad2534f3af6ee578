"""Rows and weights that are pictures, as PNG of their own pixels: pages bring them to a size and write beside them."""

import io

import numpy as np

from chainrule.data.dataset import ImageShape
from chainrule.training.report.palette import BLUE_BEHIND_TEXT, ORANGE_BEHIND_TEXT, channels


def picture(x: np.ndarray, image: ImageShape) -> np.ndarray:
    """Return a row x (n,) as pixels: (h, w, 3), or (h, w) where it is grey."""
    pixels = np.moveaxis(x.reshape(image.channels, image.height, image.width), 0, -1)
    return pixels if image.channels == 3 else pixels[..., 0]


def picture_png(x: np.ndarray, image: ImageShape, white: float) -> bytes:
    """Draw a raw row x (n,) of a picture; 0 is black, and `white` is white."""
    share = np.clip(np.asarray(x, np.float64) / white, 0, 1)
    return _png(np.rint(255 * picture(share, image)).astype(np.uint8))


def signed_png(plane: np.ndarray, limit: float) -> bytes:
    """Draw numbers (h, w): blue above 0, orange below, full colour at `limit`, and at 0 the paper behind it."""
    share = np.clip(np.asarray(plane, np.float64) / (limit or 1.0), -1, 1)
    hues = np.array([[int(part) for part in channels(hue).split(", ")] for hue in _HUES], np.uint8)
    alpha = np.rint(255 * np.abs(share)).astype(np.uint8)
    return _png(np.concatenate([hues[(share < 0).astype(int)], alpha[..., None]], axis=-1))


_HUES = (BLUE_BEHIND_TEXT, ORANGE_BEHIND_TEXT)


def _png(pixels: np.ndarray) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
