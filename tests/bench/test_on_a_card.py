"""bench/on_a_card.sh: its limits, and the parts of bench/on_a_card.py at their smallest."""

import re

import pytest

from bench import on_a_card
from tests.helpers import ROOT
from tests.helpers.devices import device_asked_for

SCRIPT = (ROOT / "bench" / "on_a_card.sh").read_text(encoding="utf-8")


def test_all_parts_take_twelve_minutes_at_most():
    limits = re.findall(r"^(?:part|tests) (\w+) (\d+) ", SCRIPT, re.MULTILINE)
    assert set(on_a_card.PARTS) < {name for name, _ in limits}
    assert sum(int(limit) for _, limit in limits) <= 12 * 60


@pytest.mark.parametrize("name", on_a_card.PARTS)
def test_a_part_says_something(name, capsys):
    gpu = device_asked_for("cuda")
    on_a_card.PARTS[name](gpu, tiny=True)
    said = capsys.readouterr().out
    assert len(said.splitlines()) >= 2
    assert "DIFFER" not in said
