"""A file of results becomes a page and a table, or is refused by name."""

import json
import re

import pytest

from tests.helpers.benchmarks import OURS, row, run, saved


def test_a_comparison_tells_a_change_from_its_spread(tmp_path):
    def results(names, *times, **about):
        rows = [
            row(name, *pair, library="chainrule 0.1.0", peak=10 * pair[0])
            for name, pair in zip(names, times, strict=True)
        ]
        return saved(*rows, row("limit", 1.0, 1.0), **about)

    before = results("abcd", (1, 1.1), (1, 1.1), (1, 1.1), (1, 1), dtype="float32")
    after = results("abce", (2, 2.1), (1.05, 1.2), (0.5, 0.6), (1, 1), dtype="float64")
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
    assert "1.95 (1.82 .. 2.1) | slower | 10 B -> 20 B |" in done.stdout


@pytest.mark.parametrize(("limit", "said"), [(1.02, "slower"), (2.0, "within the spread")])
def test_what_moved_no_further_than_the_peers_did_not_change(tmp_path, limit, said):
    paths = tmp_path / "a.json", tmp_path / "b.json"
    for path, ours, bound in zip(paths, (1.0, 1.5), (1.0, limit), strict=True):
        rows = row("by_tiles", ours, ours, library="chainrule 0.1.0"), row("limit", bound, bound)
        path.write_text(json.dumps(saved(*rows)))
    done = run("bench/report.py", "--compare", *paths)
    assert re.search(rf"\| by_tiles \|.*\| {said} \|", done.stdout), done.stdout
    assert f"over {max(1.1, limit):.3g} times the other, spreads apart: so far did 1 rows" in done.stdout


def test_the_page_opens_with_what_matters_and_folds_the_rest(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(saved(OURS, row("torch", 2.0), faults=["it fell"])))
    assert run("bench/report.py", path).returncode == 0
    page = path.with_suffix(".html").read_text(encoding="utf-8")
    shown, *folded = page.split("<details>")
    titles = [re.findall(r"<h2>(.*?)</h2>", part) for part in (shown, "".join(folded))]
    assert titles[0] == ["What failed", "In short", "Where we lose"]
    assert titles[1] == ["The machine", "Logistic step beside peers", "How it was measured"]
    assert 'name="viewport"' in shown
    assert "prefers-color-scheme: dark" in shown


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
def test_report_refuses_a_wrong_row_by_its_number(tmp_path, change, fault):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(saved(OURS | change)))
    done = run("bench/report.py", path)
    assert "Traceback" not in done.stderr
    if fault is None:
        assert done.returncode == 0
        assert r"a \| b" in path.with_suffix(".md").read_text(encoding="utf-8")
    else:
        assert (done.returncode, f"report: {path}: {fault}" in done.stderr) == (2, True), done.stderr


def test_report_names_a_missing_device_and_a_page_that_cannot_be_written(tmp_path):
    path = tmp_path / "results.json"
    path.write_text(json.dumps(saved(OURS) | {"about": {}}))
    assert "about: the name of the device is missing" in run("bench/report.py", path).stderr
    path.write_text(json.dumps(saved(OURS)))
    done = run("bench/report.py", path, "--html", path / "page.html")
    assert done.returncode == 2
    assert "report: cannot write " in done.stderr
    assert "Traceback" not in done.stderr
