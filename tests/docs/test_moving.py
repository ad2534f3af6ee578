"""The tables beside the pages of docs/moving are those that the project would write today."""

import json
import re

import pytest

import moving_tables
from tests.helpers import ROOT

MOVING = ROOT / "docs" / "moving"


@pytest.mark.parametrize("name", moving_tables.TABLES)
def test_a_table_is_current(name):
    kept = (MOVING / name).read_text(encoding="utf-8")
    assert kept == moving_tables.TABLES[name](), "run `python docs/moving_tables.py`"


def run(day, rows, device="cpu"):
    about = {
        "run": f"{day} 10:00 UTC, full",
        "device": device,
        "hardware": "a machine",
        "library": "numpy 2",
        "dtype": "float32",
    }
    return json.dumps({"about": about, "rows": rows})


def test_the_newest_run_with_loops_is_read_and_sizes_that_a_lane_lacks_are_left_out(tmp_path, monkeypatch):
    def row(lane, m, seconds, part="loops"):
        return {
            "part": part,
            "direction": "forward with backward",
            "contender": lane,
            "m": m,
            "n": 4,
            "seconds": seconds,
        }

    lanes = [
        row(lane, 2, [1.0, median, 3.0])
        for lane, median in zip(moving_tables.LANES, (2.0, 1.5, 1.25), strict=True)
    ]
    slow = [
        row("by_loops", 9, []),
        row("by_sample", 9, [1.0, 1.0, 1.0]),
        row("by_matmul", 9, [1.0, 1.0, 1.0]),
    ]
    (tmp_path / "a.json").write_text(run("2026-02-01", lanes + slow))
    (tmp_path / "b.json").write_text(
        run("2026-01-01", [row(lane, 2, [7.0] * 3) for lane in moving_tables.LANES])
    )
    (tmp_path / "c.json").write_text(run("2026-03-01", [row("by_loops", 2, [8.0] * 3, part="engine")]))
    (tmp_path / "d.json").write_text(run("2026-03-01", lanes, device="cuda:0"))
    monkeypatch.setattr(moving_tables, "RESULTS", tmp_path)
    text = moving_tables.race_times()
    assert "bench/results/a.json" in text
    assert "{ m: 2, n: 4, by_loops: 2.0, by_sample: 1.5, by_matmul: 1.25 }" in text
    assert text.count("{ m:") == 1


def test_a_page_loads_nothing_but_what_lies_beside_it():
    for page in MOVING.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        loads = re.findall(r'(?:src|href)="([^"]*)"', text)
        assert {"moving.css", "moving.js", f"{page.stem}.js"} <= set(loads), page.name
        assert all((MOVING / load).is_file() for load in loads), page.name
    for script in MOVING.glob("*.js"):
        assert not re.search(
            r"https?://(?!www\.w3\.org/2000/svg)|fetch\(|import ", script.read_text(encoding="utf-8")
        )


def test_a_page_is_shown_in_a_lesson_of_each_language():
    for folder, up in (("docs/lessons", "../"), ("docs/zh/lessons", "../../")):
        text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / folder).glob("*.md"))
        for page in MOVING.glob("*.html"):
            assert re.search(rf"\n\n\[[^\]]+\]\({up}moving/{page.name}\)\n\n", text), (folder, page.name)
