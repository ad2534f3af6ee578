"""The palette: its colours as CSS takes them, and written nowhere else."""

import pytest

from chainrule.training.report import palette
from tests.conftest import ROOT

COLOURS = {
    colour
    for value in vars(palette).values()
    for colour in (value if isinstance(value, tuple) else (value,))
    if isinstance(colour, str) and colour.startswith("#") and len(colour) == 7
}


def test_a_colour_is_its_three_channels():
    assert palette.channels("#0072b2") == "0, 114, 178"


@pytest.mark.parametrize("folder", ["src/chainrule/training", "bench"])
def test_the_colours_of_the_palette_are_written_in_no_other_file(folder):
    assert {palette.BLUE, palette.ORANGE, *palette.ON_DARK} <= COLOURS
    named = COLOURS | {palette.channels(colour) for colour in COLOURS}
    for path in (ROOT / folder).rglob("*.py"):
        if path.name != "palette.py":
            text = path.read_text(encoding="utf-8").lower()
            assert [colour for colour in named if colour in text] == [], path
