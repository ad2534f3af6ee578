"""A matrix as a heat map: bytes of PNG, encoded with the standard library alone."""

import struct
import zlib

import numpy as np

from chainrule.explain.render import palette

LARGEST_SIDE = 64


def as_matrix(x: np.ndarray) -> np.ndarray:
    """Return x as a matrix: a vector as one row, a stack of matrices one below the other, an empty x as (0, 0)."""
    if x.size == 0:
        return np.zeros((0, 0))
    return x.reshape(-1, x.shape[-1] if x.ndim else 1)


def heatmap(x: np.ndarray) -> bytes:
    """Draw real x of any shape: blue above 0, orange below, the deeper the larger; grey where it is NaN.

    A matrix of more than 64 rows or columns is averaged in blocks.
    """
    matrix = _shrunk(as_matrix(x).astype(float))
    largest = np.abs(matrix[np.isfinite(matrix)]).max(initial=0.0) or 1.0
    share = np.clip(matrix / largest, -1, 1)[..., None]
    zero = np.array(palette.ZERO)
    rgb = zero + np.abs(share) * (np.where(share > 0, palette.ABOVE, palette.BELOW) - zero)
    return _encoded(np.where(np.isnan(matrix)[..., None], palette.NOT_A_NUMBER, rgb).round().astype(np.uint8))


def _shrunk(matrix: np.ndarray) -> np.ndarray:
    for axis in (0, 1):
        length = matrix.shape[axis]
        if length > LARGEST_SIDE:
            starts = np.arange(LARGEST_SIDE) * length // LARGEST_SIDE
            counts = np.diff(np.append(starts, length))
            with np.errstate(invalid="ignore", over="ignore"):
                total = np.add.reduceat(matrix, starts, axis=axis)
            matrix = total / (counts[:, None] if axis == 0 else counts)
    return matrix


def _encoded(rgb: np.ndarray) -> bytes:
    """Encode rgb (rows, columns, 3) of bytes. Source: Portable Network Graphics, third edition (W3C, 2025)."""
    rows, columns, _ = rgb.shape
    # Each row begins with the number of its filter: 0 is no filter.
    lines = np.concatenate([np.zeros((rows, 1), np.uint8), rgb.reshape(rows, -1)], axis=1)
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", columns, rows, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(lines.tobytes(), 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )
