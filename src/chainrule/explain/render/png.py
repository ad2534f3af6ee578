"""A matrix as a small picture: PNG bytes, written with the standard library alone."""

import struct
import zlib

import numpy as np

LARGEST_SIDE = 64
# Hues that the common kinds of colour-blindness keep apart (Okabe and Ito, Color Universal Design, 2008).
_BELOW, _ZERO, _ABOVE, _NONE = (
    np.array(rgb) for rgb in ((213, 94, 0), (255, 255, 255), (0, 114, 178), (128, 128, 128))
)


def as_matrix(x: np.ndarray) -> np.ndarray:
    """Return x with two axes: a vector as a row, further axes one below the other, empty ones as (0, 0)."""
    if x.size == 0:
        return np.zeros((0, 0))
    return x.reshape(-1, x.shape[-1] if x.ndim else 1)


def png(x: np.ndarray) -> bytes:
    """Draw real x: blue above 0, orange below, the deeper the larger; grey where it is no number.

    A matrix of more than 64 rows or columns is averaged in blocks.
    """
    matrix = _shrunk(as_matrix(x).astype(float))
    largest = np.abs(matrix[np.isfinite(matrix)]).max(initial=0.0) or 1.0
    share = np.clip(matrix / largest, -1, 1)[..., None]
    rgb = _ZERO + np.abs(share) * (np.where(share > 0, _ABOVE, _BELOW) - _ZERO)
    return _encoded(np.where(np.isnan(matrix)[..., None], _NONE, rgb).round().astype(np.uint8))


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
    # A filter byte 0, "as it is", stands before each row.
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
