"""The page that a run leaves: its numbers read back, its names kept harmless, its drawings where they belong."""

import csv
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from chainrule import data, get_device
from chainrule.data.dataset import Dataset
from chainrule.data.scaling import Scaling
from chainrule.models.mlp import MLP
from chainrule.optim import Report
from chainrule.training import evaluation
from chainrule.training.model_file import Model, load_model
from chainrule.training.report import artifacts, html
from chainrule.training.report.elements import Figure
from chainrule.training.run_report import (
    Accuracy,
    RowCounts,
    RunReport,
    Sources,
    Summary,
    TwoClasses,
    summary,
)
from tests.helpers.commands import answer

VOID = {"meta", "img", "path", "circle"}
PLAIN = """html head meta title style body main section h1 h2 p dl div dt dd data figure figcaption svg path text
circle ul li table caption thead tbody tr th td img pre code details summary"""


class Page(HTMLParser):
    """A page read as a browser would: its elements, its tables, its texts; unbalanced ones fail."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.open, self.tables, self.texts = [], [], {}, []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.elements.append((tag, attributes, [name for name, _ in self.open]))
        if tag == "table":
            self.rows = self.tables.setdefault(attributes.get("id", len(self.tables)), [])
        elif tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "data" and any(name == "td" for name, _ in self.open):
            self.rows[-1][-1] = float(attributes["value"])
        if tag not in VOID:
            self.open.append((tag, attributes))

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes), [name for name, _ in self.open]))

    def handle_endtag(self, tag):
        assert self.open.pop()[0] == tag

    def handle_data(self, text):
        names = [name for name, _ in self.open]
        self.texts.append((names[-1:], text))
        if names and names[-1] in ("td", "th") and isinstance(self.rows[-1][-1], str):
            self.rows[-1][-1] += text

    def said(self, tag):
        return "".join(text for names, text in self.texts if names == [tag])

    def facts(self):
        names = [text for where, text in self.texts if where == ["dt"]]
        values = [float(about["value"]) for tag, about, within in self.elements if within[-1:] == ["dd"]]
        return dict(zip(names, values, strict=True))


def page_in(folder):
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def assert_harmless(page):
    """Nothing of the page runs or is fetched."""
    assert {tag for tag, _, _ in page.elements} <= set(PLAIN.split())
    for _, attributes, _ in page.elements:
        assert not [name for name in attributes if name.startswith("on") or name in ("href", "srcset")]
        assert attributes.get("src", "data:image/png;base64,").startswith("data:image/png;base64,")
    assert not re.search(r"url\(|@import|expression", page.said("style"))
    ((_, policy, _),) = [found for found in page.elements if "http-equiv" in found[1]]
    assert policy["content"].startswith("default-src 'none';")
    assert "script" not in policy["content"]


def history_of(folder):
    with (folder / "history.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    return header, [[float(x) if x else "" for x in row] for row in rows]


def test_every_number_is_that_of_the_report_and_the_history(tmp_path, three_kinds):
    from sklearn.metrics import confusion_matrix

    answer("train", three_kinds, "--hidden", "16,8", "--epochs", 30, "--validation", 0.1, "--out", tmp_path)
    page, report = page_in(tmp_path), json.loads((tmp_path / "report.json").read_text())
    assert_harmless(page)
    assert page.facts() == {
        "right, training": report["accuracy"]["train"],
        "right, validation": report["accuracy"]["validation"],
        "right, held out": report["accuracy"]["held out"],
        "steps": report["steps"],
        "last cost": report["cost"],
        "largest |gradient|": report["largest gradient"],
        "seconds of learning": report["seconds"],
    }
    header, rows = history_of(tmp_path)
    layers = [f"largest_d{kind}{k}" for k in (1, 2, 3) for kind in "Wb"]
    assert header == ["step", "cost", "largest_gradient", "validation", *layers]
    assert page.tables["history"] == [header, *rows]
    assert all(max(row[4:]) == row[2] for row in rows)

    everything = data.load(three_kinds)[0]
    _, held_out = data.split(everything, held_out=0.2, seed=0)
    P = evaluation.probabilities(get_device("cpu"), load_model(tmp_path / "model.safetensors"), held_out.X)
    counts = confusion_matrix(held_out.y, np.argmax(P, axis=1))
    head, *table = page.tables["confusion"]
    assert head == ["true \\ answer", "inner", "middle", "outer", "right"]
    assert [row[0] for row in table] == ["inner", "middle", "outer"]
    assert [[int(cell) for cell in row[1:-1]] for row in table] == counts.tolist()
    assert [row[-1] for row in table] == (np.diag(counts) / counts.sum(axis=1)).tolist()

    origin = dict(row for row in page.tables["origin"] if row[0] != "what")
    assert origin["versions: numpy"] == np.__version__
    assert (origin["dtype"], origin["settings: seed"], origin["device: name"]) == ("float32", 0.0, "cpu")
    assert origin["seconds reading"] == report["seconds reading"] > 0
    assert origin["threads while learning"] == 1.0
    assert origin["settings: net: sizes"] == "2, 16, 8, 3"
    assert page.said("code") == report["command"]


def test_pictures_are_those_beside_it_and_have_words(tmp_path, pictures):
    import base64

    answer("train", pictures, "--image-size", 8, "--steps", 200, "--out", tmp_path)
    page = page_in(tmp_path)
    shown = [about for tag, about, _ in page.elements if tag == "img"]
    assert [base64.b64decode(about["src"].partition(",")[2]) for about in shown] == [
        (tmp_path / name).read_bytes() for name in ("mistakes.png", "weights.png")
    ]
    assert "no mistakes; the least certain: a " in shown[0]["alt"]
    assert "blue counts for 'dark'" in shown[1]["alt"]
    drawn = [about for tag, about, _ in page.elements if tag == "svg"]
    assert all(about.get("aria-hidden") == "true" or about["aria-label"] for about in drawn)
    assert sum("aria-label" in about for about in drawn) == 2


@pytest.mark.parametrize("many", [False, True])
def test_names_stay_names(tmp_path, many, monkeypatch):
    names = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "a & b &lt; '"]
    names = names if many else names[:2]
    path = tmp_path / "<b>&.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["<i>height</i>", "label"])
        writer.writerows([[k % 7 + k % len(names), names[k % len(names)]] for k in range(60)])
    monkeypatch.setattr("sys.argv", ["chainrule", "train", str(path), "--steps", "3"])
    answer("train", path, "--steps", 3, "--out", tmp_path / "run")
    page = page_in(tmp_path / "run")
    assert_harmless(page)
    classes = load_model(tmp_path / "run" / "model.safetensors").classes
    assert set(classes) == set(names)
    head, *rows = page.tables["confusion"]
    assert head[1:-1] == [row[0] for row in rows] == list(classes)
    assert page.said("code") == f"chainrule train '{path}' --steps 3"
    assert dict(page.tables["origin"][1:])["data: train"].startswith(str(path))


def test_going_on_extends_it(tmp_path, three_kinds):
    command = ["train", three_kinds, "--hidden", 6, "--out", tmp_path]
    answer(*command, "--epochs", 3)
    assert "resumed after step" not in dict(page_in(tmp_path).tables["origin"])
    answer(*command, "--epochs", 5, "--resume")
    page = page_in(tmp_path)
    assert [row[0] for row in page.tables["history"][1:]] == [3.0, 6.0, 9.0, 12.0, 15.0]
    assert dict(page.tables["origin"])["resumed after step"] == 9.0


def test_no_step_is_a_page_too(tmp_path, three_kinds):
    answer("train", three_kinds, "--epochs", 0, "--out", tmp_path)
    page = page_in(tmp_path)
    assert "history" not in page.tables
    assert page.facts()["steps"] == 0
    assert "No step was reported." in page.said("p")


def report_with(classes, summary, m):
    """Return the report of a run in which nothing but `classes` and `summary` tells anything."""
    return RunReport(
        command="chainrule train",
        ended="now",
        device={"name": "cpu"},
        threads=1,
        dtype="float64",
        versions={},
        python="3",
        data=Sources("made up", "made up", 2),
        rows=RowCounts(m, m),
        classes=classes,
        settings={},
        steps=9,
        stopped="so",
        cost=None,
        largest_gradient=None,
        best=None,
        resumed_after=None,
        seconds_reading=1.0,
        seconds=1.0,
        summary=summary,
    )


def saved(folder, k=3, history=(), m=400):
    """Save a run with k classes whose held-out answers are drawn at random; return how they were answered."""
    rng = np.random.default_rng(k)
    net = MLP((2, 4, k), output="softmax")
    params = [(np.ones((2, 4)), np.zeros(4)), (np.ones((4, k)), np.zeros(k))]
    names = tuple(f"class {c}" for c in range(k))
    test = Dataset(rng.standard_normal((m, 2)), rng.integers(0, k, m), names, None, "made up")
    answers = evaluation.Evaluation(rng.dirichlet(np.ones(k), m), test.y)
    report = report_with(names, summary(names, answers, {"train": answers.accuracy}), m)
    model = Model(net, params, Scaling(np.zeros(2), np.ones(2)), names, None, None, ())
    artifacts.save(folder, model, history, report, test, answers)
    return answers


@pytest.mark.parametrize(("k", "table", "folded"), [(20, True, False), (21, True, True), (201, False, None)])
def test_many_classes_are_folded_and_very_many_left_out(k, table, folded, tmp_path):
    from sklearn.metrics import confusion_matrix

    held_out = saved(tmp_path, k)
    counts = confusion_matrix(held_out.y, held_out.answers, labels=range(k))
    page = page_in(tmp_path)
    assert_harmless(page)
    assert ("confusion" in page.tables) == table
    if table:
        found = [[int(cell) for cell in row[1:-1]] for row in page.tables["confusion"][1:]]
        assert found == counts.tolist()
        ((_, _, within),) = [element for element in page.elements if element[1].get("id") == "confusion"]
        assert ("details" in within) == folded
    if folded is not False:
        ranked = page.tables[0][1:]
        np.fill_diagonal(counts, 0)
        assert [row[2] for row in ranked] == sorted(counts.ravel().tolist(), reverse=True)[:10]
        for true, answered, number in ranked:
            assert counts[int(true.split()[1]), int(answered.split()[1])] == number


def test_reports_of_an_older_checkpoint_have_no_gradients_by_layer(tmp_path):
    saved(tmp_path, history=[Report(0, 3.0, 0.5), Report(5, 2.0, 0.4, None, (0.4, 0.1, 0.2, 0.3))])
    header, rows = history_of(tmp_path)
    assert rows == [[0, 3, 0.5, "", "", "", "", ""], [5, 2, 0.4, "", 0.4, 0.1, 0.2, 0.3]]
    kept = [0, 1, 2, 4, 5, 6, 7]
    shown = page_in(tmp_path).tables["history"]
    assert shown == [[row[k] for k in kept] for row in (header, *rows)]


def test_a_long_history_is_thinned_and_says_so(tmp_path):
    saved(tmp_path, history=[Report(step, 9.0 / (step + 1), 0.1, None, (0.1,) * 4) for step in range(5000)])
    page = page_in(tmp_path)
    steps = [row[0] for row in page.tables["history"][1:]]
    assert len(steps) <= 201
    assert (steps[0], steps[-1]) == (0, 4999)
    assert "Of 5000 reports about one in 25; all stand in history.csv." in page.said("caption")
    assert len(history_of(tmp_path)[1]) == 5000
    assert (tmp_path / "report.html").stat().st_size < 400_000


def test_names_that_no_encoding_takes_are_written_out():
    found = Summary(Accuracy(1.0, 1.0, 0.5), {"a": 1.0, "b\udcff": None}, [[2, 0], [0, 0]], [])
    report = report_with(TwoClasses("a", "b\udcff"), found, 2)
    page = Page(html.render(report, ["step"], [], {}, {"Weights": Figure(b"", "<", "<")}).decode("utf-8"))
    assert page.tables["confusion"][2] == ["b\\udcff", "0", "0", "no row"]
