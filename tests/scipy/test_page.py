"""The tables of docs/scipy.md have every name of the rooms, and no other."""

import re

import pytest

import chainrule as cr
from tests.helpers.pages import text_of
from tests.helpers.processes import in_a_new_process


@pytest.mark.parametrize("room", ["linalg", "stats", "integrate", "optimize", "sparse"])
def test_the_table_of_a_room_has_its_names(room):
    part = re.split(r"^## ", text_of("docs/scipy.md"), flags=re.MULTILINE)
    (section,) = (text for text in part if text.startswith(f"{room}\n"))
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    told = {name.split(".")[0] for row in rows for name in re.findall(r"`([\w.]+)`", row)}
    assert told == set(getattr(cr.scipy, room).__all__)
    for name in told:
        assert getattr(getattr(cr.scipy, room), name) is not None


def test_scipy_is_imported_where_it_is_needed():
    code = "import sys, chainrule.scipy; print(any(name.split('.')[0] == 'scipy' for name in sys.modules))"
    assert in_a_new_process(code) == "False"
