"""chainrule compare: runs beside each other."""

import csv
import json
import math
import re

import numpy as np
import pytest
from scipy import stats

from tests.helpers.commands import answer, chainrule
from tests.training.report.test_html import Page, assert_harmless


@pytest.fixture
def runs(three_kinds, tmp_path):
    """Return a run that learns well, and one of few steps that cannot."""
    made = []
    for name, how in (
        ("good", ["--hidden", 16, "--learning-rate", 0.02, "--epochs", 60, "--validation", 0.1]),
        ("weak", ["--model", "logistic", "--steps", 3]),
    ):
        made.append(tmp_path / name)
        answer("train", three_kinds, *how, "--seed", 0, "--out", made[-1])
    return made


def answers_in(folder):
    return list(csv.DictReader((folder / "held-out.csv").read_text().splitlines()))


def test_the_numbers_are_those_of_the_runs(runs):
    told = json.loads(answer("compare", *runs, "--json"))
    right = []
    for run, folder in zip(told["runs"], runs, strict=True):
        report = json.loads((folder / "report.json").read_text())
        right.append([row["class"] == row["answer"] for row in answers_in(folder)])
        assert run["accuracy"] == report["accuracy"]["held out"] == np.mean(right[-1])
        interval = stats.binomtest(sum(right[-1]), len(right[-1])).proportion_ci(method="wilson")
        assert run["95 % interval"] == pytest.approx([interval.low, interval.high])
        assert (run["run"], run["held-out rows"]) == (folder.name, 48)
    (one,) = told["differences"]
    good, weak = np.array(right)
    only = int((good & ~weak).sum()), int((weak & ~good).sum())
    assert one["p"] == pytest.approx(stats.binomtest(only[0], sum(only)).pvalue)
    assert one["p"] < 0.001
    assert (one["run"], one["against"], one["test"]) == ("weak", "good", "McNemar, exact")
    assert one["verdict"] == "good is better; that can be told from chance"
    assert one["better by"] == pytest.approx(weak.mean() - good.mean())


def test_only_the_settings_that_differ_are_told(runs):
    told = json.loads(answer("compare", *runs, "--json"))["settings that differ"]
    assert told["settings: net: sizes"] == {"good": "[2, 16, 3]", "weak": "[2, 3]"}
    assert told["settings: optimizer"] == {"good": "adam", "weak": "gradient-descent"}
    assert not {"settings: seed", "dtype", "data: train", "device: name", "run", "command"} & set(told)
    text = answer("compare", *runs, COLUMNS="150")
    assert "settings: optimizer" in text
    assert "settings: seed" not in text
    assert "48 held-out rows; error bars: 95 %, Wilson" in text


def test_the_page_has_the_curves_of_all_runs_and_runs_nothing(runs, tmp_path):
    answer("compare", *runs, "--out", tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    assert_harmless(page)
    assert page.said("title") == page.said("h1") == "good and weak compared"
    lines = [about["class"] for tag, about, within in page.elements if tag == "path" and "ul" in within]
    # A colour a run, dashes for validation, which the second run has not.
    assert lines == ["line c0 d0", "line c0 d1", "line c1 d0"]
    results = page.tables[0]
    assert [row[0] for row in results[1:]] == ["good", "weak"]
    assert "cannot be told" not in page.said("li")
    assert "good is better; that can be told from chance." in page.said("li")


def test_runs_of_the_same_settings_cannot_be_told_apart(three_kinds, tmp_path):
    for name in ("one", "two"):
        answer("train", three_kinds, "--hidden", 4, "--epochs", 2, "--out", tmp_path / name)
    text = answer("compare", tmp_path / "one", tmp_path / "two", "--out", tmp_path / "page.html")
    assert "two against one: +0.00 points right; 0 of 48 rows right only here, 0 only there; p = 1 " in text
    assert "cannot be told from chance" in text
    assert (
        json.loads(answer("compare", tmp_path / "one", tmp_path / "two", "--json"))["settings that differ"]
        == {}
    )
    assert "All settings are equal." in (tmp_path / "page.html").read_text()


def test_of_several_runs_p_must_be_under_its_share(runs):
    told = json.loads(answer("compare", *runs, runs[1], "--json"))
    assert [one["told apart where p is under"] for one in told["differences"]] == [0.025, 0.025]
    # Folders of one name are told by their paths, and those of one path by their places.
    assert [run["run"] for run in told["runs"]] == ["good", f"{runs[1]} (2)", f"{runs[1]} (3)"]


def test_without_the_answers_to_each_row_the_shares_are_compared(runs):
    for folder in runs:
        (folder / "held-out.csv").unlink()
    (one,) = json.loads(answer("compare", *runs, "--json"))["differences"]
    assert one["test"] == "two proportions"
    assert re.fullmatch(r"\d+ of 48 rows right here, \d+ there", one["counted"])


def test_numbers_are_compared_by_their_errors(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((200, 2))
    rows = [
        f"{a:.6g},{b:.6g},{2 * a - b + 0.1 * c:.6g}"
        for (a, b), c in zip(X, rng.standard_normal(200), strict=True)
    ]
    path = tmp_path / "rows.csv"
    path.write_text("\n".join(["a,b,label", *rows]))
    for name, steps in (("far", 2), ("near", 200)):
        how = ("--task", "regression", "--model", "linear", "--steps", steps)
        answer("train", path, *how, "--out", tmp_path / name)
    told = json.loads(answer("compare", tmp_path / "far", tmp_path / "near", "--json"))
    far, near = (
        np.array([float(row["prediction"]) - float(row["number"]) for row in answers_in(tmp_path / name)])
        ** 2
        for name in ("far", "near")
    )
    (one,) = told["differences"]
    assert one["p"] == pytest.approx(stats.ttest_rel(far, near).pvalue)
    assert one["verdict"] == "near is better; that can be told from chance"
    assert one["better by"] == pytest.approx(np.sqrt(far.mean()) - np.sqrt(near.mean()))
    low, high = told["runs"][1]["95 % interval"]
    assert low < np.sqrt(near.mean()) < high
    answers = tmp_path / "far" / "held-out.csv"
    sound = answers.read_text()
    for head, words in (("", "squared error is not finite"), ('"', "has 0 rows, report.json 40")):
        answers.write_text(
            head + re.sub(r",[^,\n]*\n", ",-1e308\n", sound).replace(",-1e308", ",prediction", 1)
        )
        result = chainrule("compare", tmp_path / "far", tmp_path / "near")
        assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
        assert words in result.stderr
    answers.write_text(sound)
    (tmp_path / "near" / "held-out.csv").unlink()
    assert "p = nan (no test): cannot be told from chance" in answer(
        "compare", tmp_path / "far", tmp_path / "near"
    )
    (one,) = json.loads(answer("compare", tmp_path / "far", tmp_path / "near", "--json"))["differences"]
    assert one["p"] is None


def test_other_rows_or_another_task_are_refused_in_a_line(runs, three_kinds, table, tmp_path):
    answer("train", three_kinds, "--hidden", 4, "--epochs", 1, "--seed", 1, "--out", tmp_path / "other")
    answer("train", three_kinds, "--positive", "inner", "--steps", 1, "--out", tmp_path / "binary")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "report.json").write_text('{"classes": ["a", "b"]}')
    for name, words in (
        ("other", "expected runs with the same held-out rows, got 48 of"),
        (
            "binary",
            "expected runs of one task, got 3 classes told apart in good and 'inner' or 'not inner' in binary",
        ),
        ("empty", "expected the folder of a run, got one without report.json"),
        ("broken", "expected a report of a run, got one that cannot be read"),
        ("nowhere", "expected the folder of a run, got no such folder"),
    ):
        result = chainrule("compare", runs[0], tmp_path / name)
        assert (result.exit_code, result.stdout) == (1, "")
        assert words in result.stderr
    alone = chainrule("compare", runs[0])
    assert alone.exit_code == 2
    assert "RUN: expected two runs or more, got 1" in alone.stderr


def test_pictures_brought_to_another_size_are_the_same_rows(pictures, tmp_path):
    for size in (4, 8):
        answer("train", pictures, "--image-size", size, "--steps", 5, "--out", tmp_path / f"run{size}")
    told = json.loads(answer("compare", tmp_path / "run4", tmp_path / "run8", "--json"))
    assert told["settings that differ"]["data: pictures"] == {
        "run4": "4 x 4, 3 channels",
        "run8": "8 x 8, 3 channels",
    }


def test_a_checksum_tells_rows_that_look_alike(tmp_path):
    for name, factor in (("a", 1), ("b", 2)):
        rows = [f"{factor * k % 7},{k % 5},{'uv'[k % 2]}" for k in range(60)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["p,q,label", *rows]))
        answer("train", tmp_path / f"{name}.csv", "--steps", 2, "--out", tmp_path / name)
    assert chainrule("compare", tmp_path / "a", tmp_path / "b").exit_code == 1


def test_a_run_whose_files_are_damaged_or_differ_is_refused_in_a_line(runs):
    report, history, answers = (runs[1] / name for name in ("report.json", "history.csv", "held-out.csv"))
    told, head = json.loads(report.read_text()), "row,class,answer"
    for file, text, words in (
        (report, json.dumps(told | {"steps": None, "seconds": "a while"}), "format code"),
        (report, json.dumps({name: value for name, value in told.items() if name != "steps"}), "'steps'"),
        (report, json.dumps(told | {"rows": {"held out": 0}}), "on 0 held-out rows"),
        (report, json.dumps(told | {"rows": {"held out": math.inf}}), "infinity"),
        (history, history.read_text().replace("step,", "stair,"), "'step'"),
        (answers, f"{head}\n{'x' * 200_000}\n", "field limit"),
        # Where both are missing, the class and the answer are equal.
        (answers, f"{head}\n" + 48 * "1\n", r"the score is 1 by held-out.csv, 0\.\d+ by report.json"),
    ):
        sound = file.read_text()
        file.write_text(text)
        for how in ([], ["--json"], ["--out", "-"]):
            result = chainrule("compare", *runs, *how)
            assert (result.exit_code, result.stdout) == (1, ""), words
            assert re.search(words, result.stderr), result.stderr
            assert result.stderr.count("\n") == 1
        file.write_text(sound)


def test_steps_and_costs_of_any_size_have_a_page(runs):
    history = runs[1] / "history.csv"
    head, *rows = history.read_text().splitlines()
    columns = [head.split(",").index(name) for name in ("step", "cost")]
    for row, odd in enumerate((("0", "-1e308"), ("1", "1e308"), ("2", "nan"), ("inf", "1"))):
        cells = rows[row].split(",")
        for column, cell in zip(columns, odd, strict=True):
            cells[column] = cell
        rows[row] = ",".join(cells)
    history.write_text("\n".join([head, *rows]))
    assert "<h2>Cost</h2>" in answer("compare", *runs, "--out", "-")


def test_of_several_runs_the_bound_of_p_is_told(runs):
    assert "(McNemar, exact, told apart under 0.025)" in answer("compare", *runs, runs[1])
