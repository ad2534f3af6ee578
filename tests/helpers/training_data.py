"""Files of data that a user might have, as fixtures."""

import csv

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def pictures(tmp_path):
    """Return a folder of bright and of dark pictures, of several sizes and kinds."""
    rng = np.random.default_rng(0)
    for name, low, high in (("bright", 150, 255), ("dark", 0, 110)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for k in range(12):
            pixels = rng.integers(low, high, (7 + k, 9, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{k}.{('png', 'bmp', 'jpg')[k % 3]}")
    return tmp_path / "data"


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "table.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["height", "weight", "species"])
        for k in range(40):
            writer.writerow([100 * (k % 2) + rng.normal(), 1e-3 * rng.normal(), ("cat", "dog")[k % 2]])
    return path


@pytest.fixture
def three_kinds(tmp_path):
    """Return a table of three classes that no straight line tells apart."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((240, 2))
    radius = np.hypot(*X.T)
    y = np.digitize(radius, np.quantile(radius, [1 / 3, 2 / 3]))
    path = tmp_path / "rings.csv"
    names = ("inner", "middle", "outer")
    rows = [f"{a:.6f},{b:.6f},{names[k]}" for (a, b), k in zip(X, y, strict=True)]
    path.write_text("\n".join(["across,up,label", *rows]) + "\n", encoding="utf-8")
    return path
