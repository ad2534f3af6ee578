"""The code on the page runs, and gives what the page says."""

import pathlib
import re

import numpy as np

import chainrule as cr
from chainrule.gates import elementwise

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "how-it-works.md").read_text()


def test_the_code_on_the_page_runs():
    known = {"cr": cr, "np": np, "W": np.eye(2), "X": np.ones((3, 2))}
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        exec(block, known)
    np.testing.assert_allclose(
        known["dW"], 3 * (2 * np.tanh(1.0) * (1 - np.tanh(1.0) ** 2)) * np.ones((2, 2))
    )
    assert (float(known["q"].value), float(known["q"].grad)) == (3, -4)
    x = np.array([0.5, -1.0])
    np.testing.assert_allclose(known["swish"](x, beta=2.0), x / (1 + np.exp(-2 * x)))


def test_the_gate_on_the_page_is_the_gate():
    source = pathlib.Path(elementwise.__file__).read_text()
    shown = re.search(r"def tanh.*?y\),\)\n", PAGE, re.DOTALL).group(0)
    ours = re.search(r"def tanh.*?y\),\)\n", source, re.DOTALL).group(0)
    assert shown == re.sub(r": (Any|Array)|( -> Result)", "", ours)
