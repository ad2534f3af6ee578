"""The page on how it works names the files and functions that one operation passes; these are all that it passes."""

import importlib
import re
import sys
from pathlib import Path

import numpy as np

import chainrule as cr

PAGE = (Path(__file__).parents[2] / "docs" / "how-it-works.md").read_text(encoding="utf-8")
# `name` in `folder/file.py`, over the end of a line too.
NAMED = re.findall(r"`([\w.]+)`\s+in\s+`(\w+/\w+)\.py`", PAGE)
STEPS = re.findall(r"^\d\. \*\*.*?`(\w+/\w+\.py)`", PAGE, re.DOTALL | re.MULTILINE)


def test_the_functions_that_the_page_names_exist():
    assert len(NAMED) > len(STEPS) == 6
    for name, file in NAMED:
        found = importlib.import_module(f"chainrule.{file.replace('/', '.')}")
        for part in name.split("."):
            found = getattr(found, part)


def test_tanh_passes_the_six_files_of_the_page_and_no_other():
    slope, x = cr.grad(np.tanh), np.asarray(0.5)
    slope(x)
    # The namespace stands and knows NumPy's arrays; the name of the function is looked up once more.
    del cr.differentiable(np)._by_ufunc[np.tanh]
    source, passed = Path(cr.__file__).parent, []

    def see(frame, event, _):
        file = Path(frame.f_code.co_filename)
        if event == "call" and file.is_relative_to(source):
            passed.append(file.relative_to(source).as_posix())

    sys.setprofile(see)
    try:
        slope(x)
    finally:
        sys.setprofile(None)
    # The page says what these are for: the argument is its own leaf here, and lies on no GPU.
    assert set(passed) - {"pytree.py", "backend/gpus.py"} == set(STEPS)
    order = [passed.index(file) for file in STEPS]
    forward = order[:3] + order[5:]
    assert forward == sorted(forward)
