"""The benchmarks' room: what is timed was proved equal first, and its numbers become a table and a picture."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command, **environment):
    return subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def bench(results, *options, device="cpu", **environment):
    command = ("-m", "pytest", "bench", "--sizes", "tiny", "--benchmark-quiet", "-p", "no:cacheprovider")
    return run(*command, f"--benchmark-json={results}", *options, CHAINRULE_DEVICE=device, **environment)


@pytest.fixture(scope="module", params=["cpu", "strict:device1"])
def results(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "results.json"
    done = bench(path, device=request.param)
    assert done.returncode == 0, done.stdout + done.stderr
    return request.param, path


def test_report_leaves_a_table_and_a_picture_that_name_the_device(results, tmp_path):
    from PIL import Image

    device, path = results
    done = run("bench/report.py", path, "--out", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "new" / "results.md").read_text(encoding="utf-8")
    assert table in done.stdout
    assert f"| device | {device} |" in table
    for words in ("| 3 x 784 | by_tiles |", "| 209 x 3 | by_loops |", "| recomputed |", "in one process"):
        assert words in table
    assert "| every size | by_tiles | none: it is one pass" in table
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == ["results.md", "results.png"]
    with Image.open(tmp_path / "new" / "results.png") as picture:
        assert picture.width > 1000
        assert device in picture.info["Description"]


def test_results_hold_what_a_reader_of_the_numbers_needs(results):
    device, path = results
    for benchmark in json.loads(path.read_text())["benchmarks"]:
        extra = benchmark["extra_info"]
        assert extra["device"] == device
        assert extra["dtype"] == "float32"
        assert extra["first_call_seconds"] > 0
        assert extra["transfer_seconds"] > 0
        assert {"m", "n", "spelling", "direction", "describe", "chainrule", "threads"} <= extra.keys()


def test_a_missing_cell_says_why(results, tmp_path):
    saved = json.loads(results[1].read_text())
    for kind, spelling in (("over_the_cap", "by_loops"), ("failed", "by_sample")):
        name = f"test_forward_with_backward[3x784-{spelling}]"
        (left_out,) = [b for b in saved["benchmarks"] if b["name"] == name]
        saved["benchmarks"].remove(left_out)
        if kind == "over_the_cap":
            saved["chainrule"]["over_the_cap"].append(left_out["extra_info"])
    path = tmp_path / "fewer.json"
    path.write_text(json.dumps(saved))
    done = run("bench/report.py", path)
    assert done.returncode == 0, done.stderr
    assert "| 3 x 784 | by_loops | not run: over the cap |" in done.stdout
    assert "| 3 x 784 | by_sample | not run |" in done.stdout
    assert "| by_loops not run: over the cap |" in done.stdout


FOREIGN = {"name": "test_other", "stats": {"median": 1.0}, "extra_info": {}}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "not JSON"),
        ('{"benchmarks": [{"name"', "not JSON, or cut short"),
        ("[1, 2]", "no list 'benchmarks'"),
        ('{"benchmarks": []}', "no benchmark in it"),
        (json.dumps({"benchmarks": [FOREIGN]}), "benchmark test_other: 'direction' is missing"),
        ('{"benchmarks": [3]}', "benchmark 1"),
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


def test_a_wrong_spelling_is_not_timed(tmp_path):
    (tmp_path / "plant.py").write_text(PLANT)
    path = tmp_path / "results.json"
    done = bench(path, "-p", "plant", "-k", "forward_with_backward", PYTHONPATH=str(tmp_path))
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    for spelling, part in (("by_sample", "cost"), ("by_scaling", "dw"), ("by_matmul", "db")):
        assert f"{spelling}, forward with backward, 3 x 784: {part} is off by 1.0e-03" in done.stdout
    timed = {benchmark["extra_info"]["spelling"] for benchmark in json.loads(path.read_text())["benchmarks"]}
    assert timed == {"by_loops", "by_tiles"}


def test_an_unknown_device_is_named_before_anything_runs(tmp_path):
    done = bench(tmp_path / "r.json", device="gpu")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "expected one of cpu, cuda" in done.stderr
    assert "'gpu'" in done.stderr


def test_tiles_are_compared_in_processes_of_their_own():
    sizes = "30x7,1000000000x100000"
    done = run("bench/tiles.py", "--sizes", sizes, "--pairs", "1", CHAINRULE_DEVICE="cpu")
    assert done.returncode == 0, done.stderr
    small, large = done.stdout.splitlines()[-2:]
    assert small.startswith("| 30 x 7 | ")
    assert ".." in small
    assert large.startswith("| 1000000000 x 100000 | not run: needs ")
