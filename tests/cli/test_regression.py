"""`train --task regression`: numbers are predicted, in their own unit, and the report says how well."""

import json

import numpy as np
import pytest
from PIL import Image

import chainrule as cr
from chainrule import data
from chainrule.data.dataset import Dataset
from chainrule.data.targets import ask
from tests.helpers.commands import answer, chainrule, history_in


@pytest.fixture
def prices(tmp_path):
    """A table of 120 rows whose label is 5e5 + 1e5 (2 a - b), rounded to whole numbers, and noise of 2e4."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 2))
    y = np.rint(5e5 + 1e5 * (2 * X[:, 0] - X[:, 1]) + 2e4 * rng.standard_normal(120)).astype(int)
    path = tmp_path / "prices.csv"
    lines = [f"{a:.6g},{b:.6g},{price}" for (a, b), price in zip(X, y, strict=True)]
    path.write_text("\n".join(["a,b,price", *lines]))
    return path


def test_a_line_is_found_and_told(prices, tmp_path):
    out = tmp_path / "run"
    how = ("--label", "price", "--task", "regression", "--out", out)
    text = answer("train", prices, *how, "--model", "linear", "--steps", 300)
    assert "task:     regression: numbers from" in text
    assert "root mean square (always the mean: " in text
    report = json.loads((out / "report.json").read_text())
    assert report["R^2"]["held out"] > 0.95
    assert 1e4 < report["root mean square error"]["held out"] < 4e4
    assert report["mean absolute error"]["held out"] < report["root mean square error"]["held out"]
    assert report["classes"] == []
    told = json.loads(answer("predict", out, prices, "--json"))
    table = np.loadtxt(prices, delimiter=",", skiprows=1)
    y_hat = np.array([line["prediction"] for line in told])
    A = np.column_stack([table[:, :2], np.ones(120)])
    best = A @ np.linalg.lstsq(A, table[:, 2], rcond=None)[0]
    assert np.sqrt(np.mean((y_hat - best) ** 2)) < 1e4, "the line of least squares, but for the rows held out"
    worst = report["furthest predictions"][0]
    assert abs(worst["prediction"] - worst["number"]) == max(
        abs(one["prediction"] - one["number"]) for one in report["furthest predictions"]
    )
    page = (out / "report.html").read_text()
    assert "Numbers predicted" in page
    assert "Furthest predictions" in page
    assert "Confusion" not in page
    assert (out / "predictions.png").read_bytes().startswith(b"\x89PNG")
    assert float(history_in(out)[-1]["cost"]) < 0.1
    assert "the gradients are those of the cost" in answer("check", out, prices, "--label", "price")
    told = json.loads(answer("explain", out, prices, "--row", 3, "--json"))
    assert told["number"] == pytest.approx(y_hat[2], rel=1e-6)
    slopes = {one["feature"]: one["gradient"] for one in told["strongest"]}
    assert slopes["a"] == pytest.approx(2e5 * np.std(table[:, 0]), rel=0.2)
    assert slopes["b"] == pytest.approx(-1e5 * np.std(table[:, 1]), rel=0.2)
    refused = chainrule("explain", out, prices, "--class", "a")
    assert refused.exit_code == 2
    assert "--class: expected none for a model of numbers, got 'a'" in refused.output


def test_a_network_with_rows_to_validate_by(prices, tmp_path):
    how = ("--label", "price", "--task", "regression", "--hidden", "8", "--validation", 0.2, "--epochs", 60)
    answer("train", prices, *how, "--learning-rate", 0.02, "--out", tmp_path / "run")
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert set(report["R^2"]) == {"train", "held out", "validation"}
    assert report["R^2"]["held out"] > 0.9


def test_whole_numbers_of_many_values_are_a_question(prices, tmp_path):
    asked = chainrule("train", prices, "--label", "price", "--out", tmp_path / "run")
    assert asked.exit_code == 1
    assert "different whole numbers" in asked.output
    for option in ("--task regression", "--task classes"):
        assert option in asked.output


def raw(labels, features=("a",)):
    labels = np.asarray(labels)
    return data.formats.reader.Raw(np.zeros((len(labels), 1)), labels, None, "table", features=features)


@pytest.mark.parametrize(
    ("labels", "asks"),
    [
        (np.arange(49), False),
        (np.arange(50), True),
        (np.arange(49) + 0.5, True),
        ([f"{k}th" for k in range(60)], False),
    ],
)
def test_which_labels_are_asked_about(labels, asks):
    ask(raw(np.arange(60), features=()))
    if not asks:
        ask(raw(labels))
        return
    with pytest.raises(data.DataError, match="give --task regression to predict the number"):
        ask(raw(labels))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--positive", "3"), "--positive names a class, got --task regression"),
        (("--model", "logistic"), "--model logistic: expected --task classes, got --task regression"),
        (
            ("--chunk-rows", "10"),
            "expected classes to tell apart, got numbers to predict; give data that are read whole",
        ),
    ],
)
def test_what_regression_cannot_have(prices, tmp_path, change, message):
    refused = chainrule(
        "train", prices, "--label", "price", "--task", "regression", *change, "--out", tmp_path / "run"
    )
    assert refused.exit_code in (1, 2)
    assert message in refused.output


def test_labels_that_are_no_numbers_or_one_number(tmp_path):
    path = tmp_path / "table.csv"
    for labels, message in ((("x", "y"), "expected numbers to predict"), ((3, 3), "3 in all 2 rows")):
        path.write_text("a,label\n" + "\n".join(f"{k},{label}" for k, label in enumerate(labels)))
        with pytest.raises(data.DataError, match=message):
            data.load(path, task="regression")
    with pytest.raises(data.DataError, match="finite float64 numbers to predict"):
        Dataset(np.ones((2, 1)), np.array([1.0, np.nan]), (), None, "table")


def test_numbers_are_told_as_classes_are(tmp_path):
    """Of a model of pictures: labels that are fractions, a picture that does not open, a table on the output."""
    rng = np.random.default_rng(0)
    X = rng.integers(0, 256, (60, 4, 4), dtype=np.uint8)
    y = X.mean(axis=(1, 2)) / 7
    np.savez(tmp_path / "shades.npz", X=X, y=y)
    run = tmp_path / "run"
    how = ("--task", "regression", "--model", "linear", "--steps", 500)
    answer("train", tmp_path / "shades.npz", *how, "--out", run)
    told = chainrule("predict", run, tmp_path / "shades.npz", "--out", "-")
    table = [line.split(",") for line in told.stdout.splitlines()]
    assert table[0] == ["input", "row", "prediction", "number"]
    apart = np.array([float(row[2]) - float(row[3]) for row in table[1:]])
    np.testing.assert_array_equal([float(row[3]) for row in table[1:]], y)
    error = float(told.stderr.partition("error:    ")[2].split(",")[0])
    assert error == pytest.approx(np.sqrt(np.mean(apart**2)), rel=1e-5)
    Image.fromarray(X[0]).save(tmp_path / "one.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "one.png").read_bytes()[:40])
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    for name in ("broken", "one"):
        (tmp_path / f"{name}.png").rename(mixed / f"{name}.png")
    went_on = chainrule("predict", run, mixed)
    assert went_on.exit_code == 1
    assert "broken.png" in went_on.stderr
    (line,) = went_on.stdout.splitlines()
    assert line.split("\t")[0] == str(mixed / "one.png")
    assert float(line.split("\t")[1]) == pytest.approx(cr.load_model(run).predict(X[:1])[0], rel=1e-4)


def test_numbers_of_a_named_column_may_be_fractions_and_readers_notes_are_told(prices, tmp_path):
    out = tmp_path / "run"
    answer("train", prices, "--label", "price", "--task", "regression", "--model", "linear", "--out", out)
    path = tmp_path / "half.csv"
    path.write_text("a;b;price\n0,5;1,5;450000,5\n1,0;0,25;\n")
    told = chainrule("predict", out, path, "--label", "price", "--json")
    entries = json.loads(told.stdout)
    assert [entry.get("number") for entry in entries] == [450000.5, None]
    assert "root mean square of 1 labelled rows" in told.stderr
    assert "note: " in told.stderr
