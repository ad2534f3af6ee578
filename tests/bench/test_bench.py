"""The benchmarks' room: what is timed was proved equal first, and its numbers become a page, a table, a comparison."""

import importlib
import json
import os
import re
import subprocess
import sys
import time
import types

import numpy as np
import pytest

import chainrule as cr
from bench import contest, logistic_step, one_pass, ratios, tables, to_a_cost
from bench import run as suite
from chainrule.models import logistic
from tests.helpers import ROOT
from tests.helpers.devices import device_asked_for


def run(*command, **environment):
    env = os.environ | environment
    # pytest-benchmark times nothing where it thinks that other tests run beside it.
    env.pop("PYTEST_XDIST_WORKER", None)
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def measured(results, *only, device="cpu", **environment):
    command = ("bench/run.py", "--sizes", "tiny", "--out", results, "--only", *only)
    return run(*command, CHAINRULE_DEVICE=device, **environment)


@pytest.fixture(scope="module", params=[("cpu", "loops", "logistic"), ("strict:device1", "loops")])
def results(request, tmp_path_factory):
    device, *parts = request.param
    path = tmp_path_factory.mktemp("bench") / "results.json"
    done = measured(path, *parts, device=device)
    assert done.returncode == 0, done.stdout + done.stderr
    return device, parts, path


def test_one_command_leaves_numbers_a_page_and_a_table_that_name_the_device(results):
    device, parts, path = results
    assert sorted(file.name for file in path.parent.iterdir()) == [
        "results.html",
        "results.json",
        "results.md",
    ]
    table, page = (path.with_suffix(suffix).read_text(encoding="utf-8") for suffix in (".md", ".html"))
    for text in (table, page):
        assert f"on {device}" in text
        for words in ("Where we lose", "One step: forward with backward", "209 x 3", "recomputed", "TF32"):
            assert words in text
    assert "| 3 x 784 | by_tiles |" in table
    assert ("| 30 x 7 | limit |" in table) == ("logistic" in parts)
    assert page.count("<svg") == 1
    # Nothing is fetched: no script, no style sheet, no picture from elsewhere.
    assert not re.findall(r"<script|<link|<img|\bsrc=|url\(", page.replace("url(#", ""))


def test_rows_hold_what_a_reader_of_the_numbers_needs(results):
    device, parts, path = results
    saved = json.loads(path.read_text(encoding="utf-8"))
    assert saved["faults"] == []
    assert {row["part"] for row in saved["rows"]} == set(parts)
    for row in saved["rows"]:
        if row["why"]:
            assert row["why"].startswith("not installed: ")
            assert row["seconds"] == []
            continue
        assert all(second > 0 for second in row["seconds"] + row["first"])
        plain = row["contender"] in ("by_loops", "numpy", "sklearn")
        assert row["where"] == ("cpu" if plain else device)
        if row["part"] == "logistic" and row["contender"] == "by_scaling":
            assert row["peak"] >= 30 * 7 * 4


PLANT = """
from chainrule import logistic

def plant(spelling, part):
    right = logistic.SPELLINGS[spelling]

    def wrong(*arguments):
        step = list(right(*arguments))
        step[part] = step[part] * 1.001
        return tuple(step)

    logistic.SPELLINGS[spelling] = wrong

plant("by_sample", 0)
plant("by_scaling", 1)
plant("by_matmul", 2)
"""


def test_a_wrong_spelling_is_not_timed_and_fails_the_run(tmp_path):
    (tmp_path / "plant.py").write_text(PLANT)
    path = tmp_path / "results.json"
    options = "-p plant -k forward_with_backward"
    done = measured(path, "loops", PYTHONPATH=_with(tmp_path), PYTEST_ADDOPTS=options)
    assert done.returncode == 1
    for spelling, part in (("by_sample", "cost"), ("by_scaling", "dw"), ("by_matmul", "db")):
        assert re.search(rf"3x784-{spelling}.* - .*{part} is off by 1.0e-03", done.stderr), done.stderr
    timed = {row["contender"] for row in json.loads(path.read_text())["rows"]}
    assert timed == {"by_loops", "by_tiles"}
    assert "## What failed" in path.with_suffix(".md").read_text(encoding="utf-8")


CONTENDERS = """
import time
from pathlib import Path
import numpy as np

def problem(n):
    return (np.arange(1.0, int(n) + 1),)

def contender(put, x, *, factor=1.0, slow=0.0, error=None):
    if error:
        raise error
    x = put(x)

    def step():
        time.sleep(0.001 + slow)
        return x * factor

    return step, lambda out: [out.sum(), out]

def late(put, x):
    mark = Path(__file__).with_suffix(".mark")
    seen = mark.exists()
    mark.touch()
    return contender(put, x, factor=1.002 if seen else 1.0)

def planted(**faults):
    return lambda put, x: contender(put, x, **faults)

CONTENDERS = {
    "numpy": contender,
    "numpy slow": planted(slow=0.02),
    "numpy near": planted(factor=1 + 1e-6),
    "numpy wrong": planted(factor=1.002),
    "numpy late": late,
    "numpy nan": planted(factor=float("nan")),
    "numpy missing": planted(error=ModuleNotFoundError("No module named 'rival'")),
    "numpy broken": planted(error=ValueError("out of order")),
}
"""


def test_a_contest_finds_the_unequal_the_missing_and_the_broken(tmp_path, monkeypatch):
    (tmp_path / "planted.py").write_text(CONTENDERS)
    monkeypatch.setenv("PYTHONPATH", _with(tmp_path))
    names = [
        f"numpy{fault}" for fault in ("", " slow", " near", " wrong", " late", " nan", " missing", " broken")
    ]
    case = contest.Contest("logistic", "a case", "planted", (5,), tuple(names), "numpy", 1)
    turns = []
    rows = {
        row["contender"]: row for row in contest.hold(case, {}, rounds=2, seconds=0.001, done=turns.append)
    }
    assert turns == names * 2
    assert rows["numpy"]["why"] == rows["numpy near"]["why"] == rows["numpy slow"]["why"] == ""
    assert rows["numpy wrong"]["why"].startswith("unequal: result 0 is off that of numpy by 2.0e-03")
    assert rows["numpy late"]["why"].startswith("unequal")
    assert rows["numpy nan"]["why"].startswith("unequal")
    assert rows["numpy missing"]["why"] == "not installed: No module named 'rival'"
    assert rows["numpy broken"]["why"] == "failed: out of order"
    assert all(
        rows[f"numpy {fault}"]["seconds"] == [] for fault in ("wrong", "late", "nan", "missing", "broken")
    )
    _, low, _ = ratios.ratio(rows["numpy slow"], rows["numpy"])
    assert low > 2


def test_a_python_that_is_not_there_is_named():
    case = contest.Contest("logistic", "a case", "bench.logistic_step", (5, 4), ("torch",), "torch", 1)
    (row,) = contest.hold(case, {"torch": "/no/such/python"}, rounds=1, seconds=0.001)
    assert row["why"].startswith("failed: /no/such/python")


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("bench.logistic_step", (30, 7)),
        ("bench.network", ("gradient-descent", 5, 4, 3)),
        ("bench.network", ("adam", 5, 4, 3)),
        ("bench.engine", (4,)),
        ("bench.to_a_cost", ("breast_cancer",)),
        ("bench.to_a_cost", ("digits",)),
    ],
)
def test_everyone_who_is_installed_finds_the_same(module, arguments, device, monkeypatch):
    if module == "bench.engine" and device.name.startswith("strict"):
        pytest.skip("the engine's cost has a plain array on the left of a traced one, which strict refuses")
    monkeypatch.setenv("CHAINRULE_DEVICE", device.name)
    case, proofs = importlib.import_module(module), {}
    for name, make in case.CONTENDERS.items():
        if name == "one_pass_kernel" and not device.name.startswith("cuda"):
            continue
        try:
            step, read = make(contest.Target(name).put, *case.problem(*arguments))
        except ModuleNotFoundError:
            continue
        proofs[name] = [np.asarray(part, dtype="float64") for part in read(step())]
    assert proofs.pop("limit", []) == []
    assert len(proofs) >= 2
    right = next(iter(proofs.values()))
    assert {
        name: contest.unequal("the first", right, parts) for name, parts in proofs.items()
    } == dict.fromkeys(proofs, "")


@pytest.mark.parametrize("way", suite.WAYS)
@pytest.mark.parametrize("device", ["cpu", "strict"])
def test_every_contender_of_a_plan_is_known_to_its_module(way, device):
    cases = suite.contests(way, suite.PARTS, cr.get_device(device), 2)
    assert {case.part for case in cases} == set(suite.PARTS) - {"loops"}
    assert len({(case.part, case.case) for case in cases}) == len(cases)
    for case in cases:
        assert set(case.contenders) <= set(importlib.import_module(case.module).CONTENDERS)
        assert case.ours in case.contenders
        assert "limit" not in case.contenders or case.amount > 0


def test_a_gpu_has_cases_and_a_contender_of_its_own():
    cases = suite.contests("full", ("logistic",), types.SimpleNamespace(name="cuda:0"), 2)
    assert (100000, 12288) in [case.arguments for case in cases]
    for case in cases:
        assert {"by_tiles", "torch", "jax", "limit"} <= set(case.contenders)
        assert ("one_pass_kernel" in case.contenders) == (len(case.arguments) == 2)
        assert set(case.contenders) <= set(importlib.import_module(case.module).CONTENDERS)


@pytest.mark.parametrize(
    ("n", "threads", "columns"), [(1, 64, 1), (64, 64, 1), (769, 128, 7), (12288, 1024, 12)]
)
def test_a_block_of_the_one_pass_kernel_holds_a_row(n, threads, columns):
    assert one_pass.shape_of(n) == (threads, columns)


def test_a_row_that_no_block_can_hold_is_refused():
    with pytest.raises(ValueError, match="one_pass: a row may have up to 12288 features, got 12289"):
        one_pass.shape_of(12289)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (1000, 65), (300, 784), (50, 12288)], ids=str)
def test_the_one_pass_kernel_finds_what_by_matmul_finds(shape, dtype):
    device = device_asked_for("cuda")
    numbers = [np.asarray(x, dtype=dtype) for x in logistic_step.problem(*shape)]
    step, read = one_pass.with_one_pass(device.asarray, *numbers)
    right = logistic.by_matmul(*(x.astype("float64") for x in numbers))
    once, again = read(step()), read(step())
    for mine, other, want in zip(once, again, right, strict=True):
        assert mine.dtype == dtype
        np.testing.assert_array_equal(mine, other)
        tolerance = 1e-5 if dtype == "float32" else 1e-12
        np.testing.assert_allclose(mine, want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("asleep", [True, False])
def test_the_limit_reads_all_of_x_by_the_sooner_of_one_thread_and_all(monkeypatch, asleep):
    asked = []

    class Pool:
        def __init__(self, threads):
            assert threads == 3

        def map(self, read, shares):
            asked.append(len(shares))
            if not asleep:
                return [0]
            time.sleep(0.05)
            return map(read, shares)

    monkeypatch.setattr(logistic_step, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr("chainrule.backend.threads.blas_threads", lambda: 3)
    X, *others = logistic_step.problem(500, 700)
    step, read = logistic_step.limit(lambda X: X, X, *others)
    asked.clear()
    every_bit = np.bitwise_or.reduce(X.view("uint32"), axis=None)
    assert (step(), asked) == ((every_bit, []) if asleep else (0, [3]))
    assert read(step()) == []


def test_what_memory_cannot_hold_is_not_tried():
    (case,) = (contest.Contest("logistic", "", "bench.logistic_step", (10**9, 10**5), (), "", 1),)
    assert re.fullmatch(r"needs [\d.]+ GiB of memory, [\d.]+ GiB free", suite.missing_memory(case))
    assert suite.missing_memory(case._replace(arguments=(30, 7))) == ""


def row(contender, *seconds, part="logistic", case="30 x 7", library="", **more):
    facts = {
        "part": part,
        "case": case,
        "contender": contender,
        "ours": "by_tiles",
        "amount": 8e9,
        "unit": "B",
    }
    facts |= {
        "grows": None,
        "why": "" if seconds else "not installed: it",
        "where": "cpu",
        "library": library,
    }
    return facts | {"seconds": list(seconds), "first": [1.0], "transfer": [0.0], "peak": None} | more


def saved(*rows, faults=(), **about):
    return {"about": {"device": "cpu"} | about, "rows": list(rows), "faults": list(faults)}


OURS = row("by_tiles", 1.0, 1.0, 1.1, library="chainrule 0.1.0")


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


def test_a_step_of_ours_without_a_time_is_no_victory():
    found = saved(row("by_tiles", why="unequal: off"), row("torch", 1.0, 1.0))
    (losses,) = (section for section in tables.sections(found) if section.title == "Where we lose")
    assert losses.sentences == ["- logistic, 30 x 7: ours, by_tiles, has no time: unequal: off"]


def test_a_contest_says_how_far_the_limit_is():
    limit = row("limit", 0.25, 0.5, 0.55, library="chainrule 0.1.0")
    far, none = row("numpy", 1.0, 1.0, 1.0, where="another"), row("torch")
    found = saved(OURS, limit, far, none)
    (section,) = (s for s in tables.sections(found) if s.title == "Logistic step beside peers")
    assert [cells[6] for cells in section.rows] == ["50 % (25 .. 50)", "= 16 GB/s", "not of this device", ""]
    (section,) = (s for s in tables.sections(saved(OURS)) if s.title == "Logistic step beside peers")
    assert section.rows[0][6] == "limit not measured"


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


@pytest.mark.parametrize("name", ["breast_cancer", "digits"])
def test_the_products_of_a_pass_are_those_of_its_data(name):
    X, _, k, *_ = to_a_cost.problem(name)
    assert to_a_cost.SIZES[name] == (*X.shape, k)


def test_the_passes_of_whole_runs_are_counted():
    numbers = to_a_cost.problem("breast_cancer")
    counts = {}
    for name in ("chainrule lbfgs", "chainrule descent", "sklearn", "limit"):
        step, _ = to_a_cost.CONTENDERS[name](np.asarray, *numbers)
        counts[name] = to_a_cost.passes(step())
    assert counts.pop("limit") == 1
    # Descent looks at its cost every tenth step, by a pass of its own in the end.
    assert counts["chainrule descent"] % to_a_cost.LOOK in (1, 2)
    assert 1 < min(counts.values()) <= max(counts.values()) < 1000


def test_every_row_of_a_whole_run_says_how_near_its_limit_is(tmp_path):
    path = tmp_path / "results.json"
    done = measured(path, "cost", "memory")
    assert done.returncode == 0, done.stderr
    for section in tables.sections(json.loads(path.read_text())):
        for cells in section.rows if section.title.startswith(("Time", "Memory")) else ():
            facts = dict(zip(section.header, cells, strict=True))
            (near,) = (text for name, text in facts.items() if name.startswith("of the limit"))
            timed = "not installed" not in " ".join(cells) and facts.get("contender") != "limit"
            assert bool(re.search(r"\d %", near)) == timed, cells
            if section.title.startswith("Memory"):
                assert 0 < float(near.removesuffix(" %")) <= 100


def test_where_there_was_no_gpu_the_report_says_so():
    for device, said in (("cpu", True), ("cuda", False)):
        machine = tables.sections(saved(OURS, device=device))[0]
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
    assert dict(zip(section.header, section.rows[0], strict=True))["of the limit"] == "5 % (4.5 .. 25)"


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
    assert "20: 88 % (75 .. 100), 40: limit not measured" in near.rows[0][4]
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
        assert "Over 100 %:" in dot.sentences[-1]
        return dot.sentences[0]

    small, even, large = of(1, (1, 1, 1), (5, 5, 5)), of(3, (2, 3, 9), (1, 2, 3)), of(9, (7, 8, 9), (1, 2, 3))
    said = sentence(*small, *even, *large)
    assert "beats by_loops from 1 x 9 on (smallest measured: 1 x 1)" in said
    assert said.endswith("200 times or more at no size that was measured; the most is 4 times, at 1 x 9.")
    assert "beats by_loops at no size that was measured" in sentence(*small, *even)
    far = of(27, (900, 900, 900), (2, 3, 3))
    assert "200 times or more from 1 x 27 on; the most is 300 times" in sentence(*small, *even, *large, *far)


def test_a_comparison_tells_a_change_from_its_spread(tmp_path):
    before = saved(
        row("a", 1, 1.1, peak=10), row("b", 1, 1.1), row("c", 1, 1.1), row("d", 1.0), dtype="float32"
    )
    after = saved(
        row("a", 2, 2.1, peak=30), row("b", 1.05, 1.2), row("c", 0.5, 0.6), row("e"), dtype="float64"
    )
    paths = tmp_path / "a.json", tmp_path / "b.json"
    for path, results in zip(paths, (before, after), strict=True):
        path.write_text(json.dumps(results))
    done = run("bench/report.py", "--compare", *paths)
    assert done.returncode == 0, done.stderr
    changes = dict(
        re.findall(r"^\| logistic \| 30 x 7 \| (\w) \|.* \| ([^|]+) \| [^|]*\|$", done.stdout, re.MULTILINE)
    )
    wanted = {"a": "slower", "b": "within the spread", "c": "faster"}
    assert changes == wanted | {"d": "only in the first", "e": "only in the second"}
    assert "- dtype: float32 -> float64" in done.stdout
    assert "1.95 (1.82 .. 2.1) | slower | 10 B -> 30 B |" in done.stdout


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not JSON"),
        ('{"rows": [{"part"', "not JSON, or cut short"),
        ("[1, 2]", "expected what `python bench/run.py` writes"),
        ('{"benchmarks": []}', "expected what `python bench/run.py` writes"),
        (json.dumps(saved({"part": "loops"})), "row 1: 'case' is missing"),
        (json.dumps(saved(OURS, row("torch", -1.0))), "row 2: seconds: times must be finite and above 0"),
        (json.dumps(saved(3)), "row 1"),
    ],
)
def test_report_refuses_a_broken_file_by_name(text, fault, tmp_path):
    path = tmp_path / "broken.json"
    path.write_text(text)
    done = run("bench/report.py", path)
    assert done.returncode == 2
    assert str(path) in done.stderr
    assert fault in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [path]


def test_report_refuses_a_file_that_is_not_there(tmp_path):
    done = run("bench/report.py", tmp_path / "none.json")
    assert done.returncode == 2
    assert "none.json: cannot be read" in done.stderr


def test_an_unknown_device_is_named_before_anything_runs(tmp_path):
    done = measured(tmp_path / "r.json", "loops", device="gpu")
    assert done.returncode == 2
    assert "expected one of cpu, cuda" in done.stderr
    assert "'gpu'" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="Linux alone counts it")  # noqa: PTH110
def test_the_memory_of_a_library_that_python_does_not_see():
    found = contest._peak_of_process(lambda: np.ones(10_000_000).sum())
    assert 79e6 < found < 100e6


def _with(folder):
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"why": "a | b", "seconds": []}, None),
        ({"case": 3}, "row 1: case: expected str, got 3"),
        ({"ours": "nobody"}, "row 1: its case has no row of nobody"),
        ({"peak": "much"}, "row 1: peak: expected int | float, got 'much'"),
        ({"part": "growth"}, "row 1: grows: expected what grows and its value, got None"),
        ({"part": "memory", "amount": 0}, "row 1: amount: expected the bytes of X, got 0"),
        ({"seconds": "ab"}, "row 1: must be real number, not str"),
    ],
)
def test_a_file_of_results_that_is_off_is_told_so_and_not_drawn(tmp_path, change, fault):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(saved(OURS | change)))
    done = run("bench/report.py", path)
    assert "Traceback" not in done.stderr
    if fault is None:
        assert done.returncode == 0
        assert r"a \| b" in path.with_suffix(".md").read_text(encoding="utf-8")
    else:
        assert (done.returncode, f"report: {path}: {fault}" in done.stderr) == (2, True), done.stderr


def test_a_file_of_no_device_and_a_page_that_cannot_be_written(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(saved(OURS) | {"about": {}}))
    assert "about: the name of the device is missing" in run("bench/report.py", path).stderr
    path.write_text(json.dumps(saved(OURS)))
    done = run("bench/report.py", path, "--html", path / "page.html")
    assert done.returncode == 2
    assert "report: cannot write " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("options", "variables", "fault"),
    [
        (["--python", "/no/python"], {}, "--python: no program at /no/python"),
        (["--out", "."], {}, "--out: expected a file such as results.json, got ."),
        (["--out", "page.html"], {}, "--out: expected a file such as results.json, got page.html"),
        (
            ["--out", "pyproject.toml/results.json"],
            {},
            "--out: pyproject.toml/results.json cannot be written",
        ),
        (
            [],
            {"OMP_NUM_THREADS": "2,1"},
            "OMP_NUM_THREADS: expected a number of threads from 1 up, got '2,1'",
        ),
        ([], {"OMP_NUM_THREADS": "0"}, "OMP_NUM_THREADS: expected a number of threads from 1 up, got '0'"),
    ],
)
def test_what_cannot_end_well_does_not_begin(options, variables, fault):
    done = run("bench/run.py", "--sizes", "tiny", "--only", "memory", *options, **variables)
    assert (done.returncode, fault in done.stderr) == (2, True), done.stderr
    assert "Traceback" not in done.stderr


# Of the three contests the second waits until it is told to end in some way.
STOPPED = """
import os, signal, sys, time
from pathlib import Path
from bench import contest, run

held, turns = contest.hold, []

def hold(case, *arguments, **settings):
    turns.append(case)
    if len(turns) == 2:
        for number in {numbers}:
            os.kill(os.getpid(), number)
        {then}
    return held(case, *arguments, **settings)

contest.hold = hold
plan = run.contests
run.contests = lambda *arguments: plan(*arguments)[:3]
sys.argv = ["run.py", "--sizes", "tiny", "--only", "memory", "growth", "--out", sys.argv[1]]
sys.exit(run.main())
"""


@pytest.mark.parametrize(
    ("numbers", "then", "status", "said"),
    [
        ("[signal.SIGINT]", "time.sleep(60)", 1, "interrupted by Ctrl-C"),
        ("[signal.SIGTERM]", "time.sleep(60)", 1, "interrupted by SIGTERM"),
        ("[]", "raise ValueError('out of order')", 1, "ended by ValueError: out of order"),
        ("[signal.SIGKILL]", "time.sleep(60)", -9, "the run is under way, or was killed"),
    ],
    ids=["Ctrl-C", "SIGTERM", "crash", "SIGKILL"],
)
def test_what_was_measured_before_the_end_is_kept(tmp_path, numbers, then, status, said):
    (tmp_path / "stopped.py").write_text(STOPPED.format(numbers=numbers, then=then))
    path = tmp_path / "results.json"
    done = run(tmp_path / "stopped.py", path, PYTHONPATH=_with(ROOT), CHAINRULE_DEVICE="cpu")
    assert done.returncode == status, done.stderr
    found = json.loads(path.read_text())
    assert {found_row["part"] for found_row in found["rows"]} == {"memory"}
    assert found["about"]["partial"] == f"1 of 3 contests; {said}"
    if status > 0:
        assert f"run: {said}: what followed was not run" in done.stderr
    else:
        assert run("bench/report.py", path).returncode == 0
    table = path.with_suffix(".md").read_text(encoding="utf-8")
    assert table.startswith("# Benchmarks of chainrule on cpu, partial")
    assert f"This report is partial: 1 of 3 contests; {said}." in table
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".html", ".json", ".md", ".py"]


def test_a_run_that_measured_nothing_leaves_the_results_of_another(tmp_path):
    text = STOPPED.format(numbers="[]", then="").replace(
        "turns = contest.hold, []", "turns = contest.hold, [0]"
    )
    (tmp_path / "stopped.py").write_text(text.replace("in []", "in [signal.SIGTERM]"))
    path = tmp_path / "results.json"
    path.write_text("another's")
    done = run(tmp_path / "stopped.py", path, PYTHONPATH=_with(ROOT), CHAINRULE_DEVICE="cpu")
    assert done.returncode == 1, done.stderr
    assert f"run: nothing was measured, and {path} was not written" in done.stderr
    assert path.read_text() == "another's"


def test_an_interrupted_run_of_loops_leaves_no_process_behind(monkeypatch):
    begun = []

    class Popen(subprocess.Popen):
        def __init__(self, command, **settings):
            super().__init__(
                [sys.executable, "-c", "print(' [ 1%]', flush=True); input()"], **settings, stdin=-1
            )
            begun.append(self)

    def tell(percent):
        raise KeyboardInterrupt

    monkeypatch.setattr(suite.subprocess, "Popen", Popen)
    with pytest.raises(KeyboardInterrupt):
        suite.loops("tiny", tell)
    assert begun[0].wait(10) == -9
