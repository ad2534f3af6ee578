"""The tables on the pages are those of the package, and `python docs/fill_tables.py` writes them."""

import re

import pytest

import fill_tables as docs_tables


@pytest.mark.parametrize("path", docs_tables.PAGES, ids=lambda path: path.name)
def test_a_page_says_what_the_tables_say(path):
    page = path.read_text(encoding="utf-8")
    assert re.findall(r"<!-- ([a-z ]+) -->", page.replace("<!-- end -->", ""))
    assert page == docs_tables.filled(page), "run python docs/fill_tables.py"


def test_a_new_row_reaches_the_page(monkeypatch):
    monkeypatch.setitem(docs_tables.FILLED, "outputs", "`quartic`")
    assert (
        docs_tables.filled("| <!-- outputs -->`sigmoid`<!-- end --> |")
        == "| <!-- outputs -->`quartic`<!-- end --> |"
    )
