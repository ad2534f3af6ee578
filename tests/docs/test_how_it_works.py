"""What the page shows of the source stands there."""

import pathlib
import re

from chainrule.gates import elementwise

PAGE = (pathlib.Path(__file__).parents[2] / "docs" / "how-it-works.md").read_text()


def test_the_gate_on_the_page_is_the_gate():
    source = pathlib.Path(elementwise.__file__).read_text()
    shown = re.search(r"def tanh.*?y\),\)\n", PAGE, re.DOTALL).group(0)
    ours = re.search(r"def tanh.*?y\),\)\n", source, re.DOTALL).group(0)
    assert shown == re.sub(r": (Any|Array)|( -> Result)", "", ours)
