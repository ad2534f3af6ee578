"""The code on the page of networks runs in its order, and learns what the page says."""

import re

import numpy as np

from tests.helpers import ROOT

PAGE = (ROOT / "docs" / "networks.md").read_text(encoding="utf-8")


def test_the_code_on_the_page_runs(capsys):
    known = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        exec(compile(block, "networks.md", "exec"), known)
    shapes, xor, run, search = capsys.readouterr().out.splitlines()
    assert shapes == "(2, 4) (2, 4)"
    assert xor == "[0. 1. 1. 0.]"
    assert float(run.split()[-1]) < 0.5 * np.log(3)
    assert float(search.split()[-1]) > 0.8
