"""Ink on a plain ground: how much of a picture it fills, and a picture framed so that it fills as much as in others."""

from typing import Any, NamedTuple

import numpy as np

from chainrule.data.dataset import ImageShape

# What differs from the ground by less than this, of 255, is no ink: paper is not even.
_FAINT = 40.0
# The share of the ink that may lie outside of its box: specks.
_SPECKS = 0.002
# The share of the border that ink may cover, for the ground to be plain.
_COVERED = 0.3
# A picture is framed where its ink fills less than this share of what it usually fills, or where its sides are that far
# from those of the model's pictures: nearer ones are read as they are.
_NEAR = 0.75
# Pictures from which the usual share is taken; how many of them must be ink on a plain ground, and how far from the
# middle of grey their ground is then: photographs have other grounds.
_LOOKED_AT, _MOST, _PLAIN = 200, 0.9, 76.5


class Ink(NamedTuple):
    """The ink of a grey picture (h, w).

    ground  the brightness of what is no ink, from 0 to 255
    apart  (h, w) how far each pixel is from the ground, 1 where the ink is full
    rows   the first and the last row of the ink
    columns  likewise
    """

    ground: float
    apart: np.ndarray
    rows: tuple[int, int]
    columns: tuple[int, int]

    @property
    def share(self) -> float:
        """How much of the picture the ink fills, of the side of which it fills more, between the middles of pixels."""
        ends = zip(self.apart.shape, (self.rows, self.columns), strict=True)
        return float(max((last - first) / side for side, (first, last) in ends))


def find_ink(grey: np.ndarray) -> Ink | None:
    """Return the ink of a grey picture (h, w) from 0 to 255, None where there is none or its ground is not plain."""
    width = max(1, min(grey.shape) // 50)
    inner = np.zeros(grey.shape, dtype=np.bool_)
    inner[width:-width, width:-width] = True
    ground = float(np.median(grey[~inner]))
    apart = np.abs(grey - ground)
    # The strongest pixels of a large picture may be specks.
    inked = apart > max(float(np.quantile(apart, 1 - _SPECKS / 4)), _FAINT) / 2
    if not apart[inked].max(initial=0.0) >= _FAINT or inked[~inner].mean() > _COVERED:
        return None
    # The edges of a stroke are fainter than its middle.
    full = float(np.quantile(apart[inked], 0.9))
    rows, columns = (_ends(inked.sum(axis=axis)) for axis in (1, 0))
    return Ink(ground, np.minimum(apart / full, 1.0), rows, columns)


def _ends(counts: np.ndarray) -> tuple[int, int]:
    """Return the first and the last place between which nearly all is."""
    so_far = np.cumsum(counts) / counts.sum()
    first, last = np.searchsorted(so_far, (_SPECKS, 1 - _SPECKS))
    return int(first), int(last)


def usual_share(X: np.ndarray, image: ImageShape, white: float) -> float | None:
    """Return how much of grey pictures (m, n) their ink usually fills; None where they are no ink on a plain ground."""
    if image.channels != 1 or min(image.height, image.width) < 3:
        return None
    some = X[:: max(1, len(X) // _LOOKED_AT)]
    planes = np.clip(np.asarray(some, dtype=np.float64) * (255 / white), 0, 255)
    found = [find_ink(plane) for plane in planes.reshape(-1, image.height, image.width)]
    shares = [ink.share for ink in found if ink is not None and abs(ink.ground - 127.5) >= _PLAIN]
    share = float(np.median(shares)) if len(shares) >= _MOST * len(found) else 0.0
    return share or None


def framed(picture: Any, image: ImageShape, share: float) -> Any | None:
    """Return a grey picture of Pillow's cut or widened until its ink fills `share` of it; None where it stays as it is.

    The ink is in the middle, the ground is even, and white or black as it was light or dark; the sides are as those of
    `image`. A picture stays where its ink fills nearly as much, where it has the size of `image`, and where no ink on a
    plain ground is found.
    """
    from PIL import Image

    if picture.size == (image.width, image.height) or min(picture.size) < 3:
        return None
    grey = np.asarray(picture, dtype=np.float64)
    ink = find_ink(grey)
    if ink is None:
        return None
    across = picture.width * image.height / (picture.height * image.width)
    if ink.share >= _NEAR * share and _NEAR <= across <= 1 / _NEAR:
        return None
    (top, bottom), (left, right) = ink.rows, ink.columns
    unit = max((bottom + 1 - top) / image.height, (right + 1 - left) / image.width) / share
    height, width = unit * image.height, unit * image.width
    middle = (top + bottom + 1) / 2, (left + right + 1) / 2
    left, top = round(middle[1] - width / 2), round(middle[0] - height / 2)
    box = (left, top, left + round(width), top + round(height))
    # Outside of the picture a cut of Pillow's is black, which is no ink here.
    cut = Image.fromarray((255 * ink.apart).astype(np.uint8)).crop(box)
    return Image.fromarray(255 - np.asarray(cut)) if ink.ground > 127.5 else cut
