"""The code on the page of clusters runs in its order."""

import re

from tests.helpers import ROOT

PAGE = (ROOT / "docs" / "cluster.md").read_text(encoding="utf-8")


def test_the_code_on_the_page_runs(capsys):
    known = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "cluster.md", "exec"), known)
    estimator, descent = capsys.readouterr().out.splitlines()
    assert estimator.startswith("dask.array<predict, shape=(1000,)")
    assert float(estimator.split()[-1]) > 0.95
    assert re.fullmatch(r"0\.\d+ Spent\(steps=21, .*\)", descent)
