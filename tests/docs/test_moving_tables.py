"""The tables of the moving pages are what docs/moving_tables.py writes from chainrule."""

import pytest

import moving_tables


@pytest.mark.parametrize("name", moving_tables.TABLES)
def test_a_table_is_what_the_package_says(name):
    written = (moving_tables.FOLDER / name).read_text(encoding="utf-8")
    assert written == moving_tables.TABLES[name](), "run `python docs/moving_tables.py`"
