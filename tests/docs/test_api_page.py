"""The page of public names has all of them, as they are."""

import re

import api_page
import chainrule as cr


def test_every_public_name_stands_in_a_group():
    listed = [name for names in api_page.GROUPS.values() for name in names]
    assert sorted(listed) == sorted(cr.__all__)


def test_the_page_is_what_the_program_writes():
    kept = api_page.PAGE.read_text(encoding="utf-8")
    assert kept == api_page.page(), "run `python docs/api_page.py`"
    assert re.search(r"^cr\.grad\(f, argnums=0, has_aux=False\)$", kept, re.MULTILINE)
    assert "| `by_matmul(X, y, w, b)` |" in kept
