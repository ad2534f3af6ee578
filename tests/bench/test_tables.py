"""Numbers become ratios, limits, crossings and exponents."""

import pytest

from bench import tables
from tests.helpers.benchmarks import OURS, row, saved


@pytest.mark.parametrize(
    ("theirs", "line"),
    [
        ((0.5, 0.5, 0.5), "- logistic, 30 x 7: 2 (2 .. 2.2) the time of torch: we lose"),
        (
            (0.9, 0.9, 1.2),
            "- logistic, 30 x 7: 1.11 (0.917 .. 1.11) the time of torch: within the spread, we lose",
        ),
        ((2.0, 2.0, 2.0), "Nowhere among the rivals that were run."),
        ((), "Nowhere among the rivals that were run."),
    ],
)
def test_every_line_in_which_we_lose_is_named(theirs, line):
    found = saved(OURS, row("torch", *theirs), row("by_matmul", 0.1, 0.1, 0.1, library="chainrule 0.1.0"))
    (losses,) = (section for section in tables.sections(found) if section.title == "Where we lose")
    assert losses.sentences == [line]


def test_our_step_without_a_time_is_listed_among_the_losses():
    found = saved(row("by_tiles", why="unequal: off"), row("torch", 1.0, 1.0))
    (losses,) = (section for section in tables.sections(found) if section.title == "Where we lose")
    assert losses.sentences == ["- logistic, 30 x 7: ours, by_tiles, has no time: unequal: off"]


def test_a_contest_says_how_far_the_limit_is():
    limit = row("limit", 0.25, 0.5, 0.55, library="chainrule 0.1.0")
    far, none = row("numpy", 1.0, 1.0, 1.0, where="another"), row("torch")
    found = saved(OURS, limit, far, none)
    (section,) = (s for s in tables.sections(found) if s.title == "Logistic step beside peers")
    assert [cells[6] for cells in section.rows] == ["25 % (23 .. 25)", "= 16 GB/s", "not of this device", ""]
    (section,) = (s for s in tables.sections(saved(OURS)) if s.title == "Logistic step beside peers")
    assert section.rows[0][6] == "limit not measured"


def test_a_limit_that_is_beaten_is_none():
    found = saved(OURS, row("limit", 1.2, 1.3, 9.0, library="chainrule 0.1.0"))
    (section,) = (s for s in tables.sections(found) if s.title == "Logistic step beside peers")
    assert section.rows[0][6] == "faster than what was measured as the limit"


@pytest.mark.parametrize(
    ("times", "others", "said"),
    [
        ((2.0, 2.1, 2.2), 0.05, "we win"),
        ((2.0, 2.1, 2.2), 0.2, "too noisy to tell"),
        ((2.0, 5.0, 2.2), 0.05, "too noisy to tell"),
    ],
)
def test_a_row_of_a_busy_machine_or_of_a_wide_spread_says_nothing(times, others, said):
    found = tables.sections(saved(OURS, row("torch", *times), **{"used by others": others}))
    (section,) = (s for s in found if s.title == "Logistic step beside peers")
    assert section.rows[1][5] == said
    assert found[0].title == "In short"
    assert f"- Beside the peers, 1 rows: 1 times {said}." in found[0].sentences
    assert found[0].sentences[0].startswith("- Other programs used 20 % of the processors") == (others == 0.2)


def test_a_run_is_set_against_the_limit_of_all_its_passes():
    rows = [row("chainrule lbfgs", 1.0, 1.5, passes=3), row("limit", 0.1, 0.1, passes=1)]
    rows = [found | {"part": "cost", "ours": "chainrule lbfgs"} for found in rows]
    (section,) = (s for s in tables.sections(saved(*rows)) if s.title == "Time to a given cost")
    ours = dict(zip(section.header, section.rows[0], strict=True))
    assert (ours["passes"], ours["of the limit (min .. max)"]) == ("3", "25 % (20 .. 30)")


def test_memory_is_set_against_what_the_results_take():
    rows = [row("by_tiles", 1.0, part="memory", peak=400, result=40), row("by_loops", part="memory")]
    (section,) = (s for s in tables.sections(saved(*rows)) if s.title == "Memory of a step")
    assert [cells[4] for cells in section.rows] == ["10 %", ""]


def test_where_there_was_no_gpu_the_report_says_so():
    for device, said in (("cpu", True), ("cuda", False)):
        (machine,) = (s for s in tables.sections(saved(OURS, device=device)) if s.title == "The machine")
        assert (("GPU", "not run on a GPU") in machine.rows) == said


def test_a_step_by_loops_and_by_vectors_is_set_against_one_read():
    def of(contender, direction, *times):
        facts = {
            "part": "loops",
            "case": f"{direction}, 3 x 9",
            "direction": direction,
            "grows": "n",
            "m": 3,
            "n": 9,
        }
        return row(contender, *times, **facts)

    step, read = of("by_matmul", "backward", 2.0, 2.0, 2.0), of("limit", "one read", 0.09, 0.1, 0.5)
    (section,) = (s for s in tables.sections(saved(step, read)) if s.title.startswith("Backward"))
    assert dict(zip(section.header, section.rows[0], strict=True))["of the limit"] == "4.5 % (4.5 .. 4.5)"


def test_growth_has_the_exponent_and_where_the_device_beats_the_cpu():
    curve = {10: 9.0, 20: 2.0, 40: 4.0, 80: 8.0}
    rows = [
        row(name, *times, part="growth", case=f"{m}", grows=["m", m], library="chainrule 0.1.0")
        for m, second in curve.items()
        for name, times in (("by_tiles", (second, second**2)), ("by_tiles on cpu", (5.0, 65.0)))
    ]
    (growth,) = (s for s in tables.sections(saved(*rows, device="cuda")) if s.title == "Growth")
    assert growth.rows[0][3] == "1.5 (1.000 .. 2)"
    assert growth.rows[0][4] == ", ".join(f"{m}: limit not measured" for m in curve)
    limit = row("limit", 2.0, 3.0, part="growth", case="20", grows=["m", 20], library="chainrule 0.1.0")
    (near,) = (s for s in tables.sections(saved(*rows, limit, device="cuda")) if s.title == "Growth")
    assert "20: 75 % (50 .. 100), 40: limit not measured" in near.rows[0][4]
    assert "The device beats the CPU at no m that was measured." in growth.sentences
    rows[-2]["seconds"] = [4.9, 64.0]
    (growth,) = (s for s in tables.sections(saved(*rows, device="cuda")) if s.title == "Growth")
    assert "The device beats the CPU from m = 20 on." in growth.sentences


def test_the_size_from_which_vectors_beat_loops():
    def of(n, loops, vectors):
        facts = {"part": "loops", "case": f"dot, 1 x {n}", "direction": "dot", "grows": "n", "m": 1, "n": n}
        return [row("by_loops", *loops, **facts), row("by_matmul", *vectors, **facts)]

    def sentence(*rows):
        (dot,) = (s for s in tables.sections(saved(*rows)) if s.title.startswith("The dot"))
        return dot.sentences[0]

    small, even, large = of(1, (1, 1, 1), (5, 5, 5)), of(3, (2, 3, 9), (1, 2, 3)), of(9, (7, 8, 9), (1, 2, 3))
    said = sentence(*small, *even, *large)
    assert "beats by_loops from 1 x 9 on (smallest measured: 1 x 1)" in said
    assert said.endswith("200 times faster or more at 0 of 3 sizes, and at most 4 times, at 1 x 9.")
    assert "beats by_loops at no size that was measured" in sentence(*small, *even)
    far = of(27, (900, 900, 900), (2, 3, 3))
    assert "at 1 of 4 sizes, and at most 300 times" in sentence(*small, *even, *large, *far)
