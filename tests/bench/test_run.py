"""One command measures, proves results equal before it times them, and keeps what was measured."""

import importlib
import json
import re
import subprocess
import sys
import types

import pytest

import chainrule as cr
from bench import contest, tables
from bench import run as suite
from tests.helpers import ROOT
from tests.helpers.benchmarks import measured, path_with, run


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
    done = measured(path, "loops", PYTHONPATH=path_with(tmp_path), PYTEST_ADDOPTS=options)
    assert done.returncode == 1
    for spelling, part in (("by_sample", "cost"), ("by_scaling", "dw"), ("by_matmul", "db")):
        assert re.search(rf"3x784-{spelling}.* - .*{part} is off by 1.0e-03", done.stderr), done.stderr
    timed = {row["contender"] for row in json.loads(path.read_text())["rows"]}
    assert timed == {"by_loops", "by_tiles"}
    assert "## What failed" in path.with_suffix(".md").read_text(encoding="utf-8")


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


def test_a_case_larger_than_the_memory_is_not_run():
    (case,) = (contest.Contest("logistic", "", "bench.logistic_step", (10**9, 10**5), (), "", 1),)
    assert re.fullmatch(r"needs [\d.]+ GiB of memory, [\d.]+ GiB free", suite.missing_memory(case))
    assert suite.missing_memory(case._replace(arguments=(30, 7))) == ""


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


def test_an_unknown_device_is_named_before_anything_runs(tmp_path):
    done = measured(tmp_path / "r.json", "loops", device="gpu")
    assert done.returncode == 2
    assert "expected one of cpu, cuda" in done.stderr
    assert "'gpu'" in done.stderr
    assert list(tmp_path.iterdir()) == []


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
def test_wrong_options_are_refused_before_anything_is_measured(options, variables, fault):
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
def test_rows_measured_before_an_early_end_are_kept(tmp_path, numbers, then, status, said):
    (tmp_path / "stopped.py").write_text(STOPPED.format(numbers=numbers, then=then))
    path = tmp_path / "results.json"
    done = run(tmp_path / "stopped.py", path, PYTHONPATH=path_with(ROOT), CHAINRULE_DEVICE="cpu")
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
    done = run(tmp_path / "stopped.py", path, PYTHONPATH=path_with(ROOT), CHAINRULE_DEVICE="cpu")
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
