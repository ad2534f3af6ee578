"""The page that a run leaves: its numbers read back, its names kept harmless, its drawings where they belong."""

import base64
import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chainrule import data, get_device
from chainrule.data.dataset import Dataset
from chainrule.data.formats.pictures import read_image
from chainrule.data.scaling import Scaling
from chainrule.models.mlp import MLP
from chainrule.optim import Report
from chainrule.training import evaluation
from chainrule.training.model_file import Model, load_model
from chainrule.training.report import artifacts, html
from chainrule.training.run_report import (
    Accuracy,
    Choices,
    RowCounts,
    RunReport,
    Sources,
    Summary,
    TwoClasses,
    summary,
)
from tests.helpers.commands import answer

VOID = {"meta", "img", "path", "circle", "rect", "br"}
PLAIN = """html head meta title style body main section h1 h2 p dl div dt dd data figure figcaption svg path text
circle rect br ul li table caption thead tbody tr th td img pre code details summary"""


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
    assert (origin["choices: held-out share"], origin["choices: validation share"]) == (0.2, 0.1)
    assert page.said("code") == report["command"]


def opened(source):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))))


def test_pictures_are_their_own_pixels_and_are_named_by_their_files(tmp_path, pictures):
    out = tmp_path / "run"
    answer("train", pictures, "--image-size", 8, "--steps", 2, "--learning-rate", 1e-9, "--out", out)
    page, report = page_in(out), json.loads((out / "report.json").read_text())
    shown = [about for tag, about, _ in page.elements if tag == "img"]
    model = load_model(out / "model.safetensors")
    # Two classes at a rate of nearly 0: half of the held-out rows are answered wrong.
    mistakes, weights = shown[: len(report["worst mistakes"])], shown[len(report["worst mistakes"]) :]
    assert len(mistakes) == 2
    assert len(weights) == 4
    for about, told in zip(mistakes, report["worst mistakes"], strict=True):
        assert about["alt"] == f"A {told['class']} taken for {told['answer']}"
        pixels = pictures_of(told["file"], model)
        assert opened(about["src"]).tolist() == pixels.tolist()
        assert Path(told["file"]).parent == pictures / told["class"]
        assert Path(told["file"]).name in page.said("figcaption")
    summed = model.params[0][0].reshape(3, 8, 8).sum(axis=0)
    drawn = opened(weights[0]["src"])
    assert drawn.shape == (8, 8, 4)
    blue, orange = drawn[summed > 0], drawn[summed < 0]
    assert (blue[:, 2] > blue[:, 0]).all()
    assert (orange[:, 0] > orange[:, 2]).all()
    limit = np.abs(model.params[0][0].reshape(3, 8, 8)).max(initial=np.abs(summed).max())
    np.testing.assert_allclose(drawn[..., 3], 255 * np.abs(summed) / limit, atol=0.51)
    assert [row[0] for row in page.tables[1][1:]] == [told["file"] for told in report["worst mistakes"]]
    drawings = [about for tag, about, _ in page.elements if tag == "svg"]
    assert all(about.get("aria-hidden") == "true" or about["aria-label"] for about in drawings)
    assert sum("aria-label" in about for about in drawings) == 2
    assert dict(page.tables["origin"][1:])["data: pictures"] == "8 x 8, 3 channels"


def pictures_of(path, model):
    return read_image(path, model.image).reshape(3, 8, 8).transpose(1, 2, 0)


def test_with_no_mistake_the_least_certain_rows_are_shown(tmp_path, pictures):
    answer("train", pictures, "--image-size", 8, "--steps", 200, "--out", tmp_path)
    page = page_in(tmp_path)
    assert "No mistakes; the least certain, held out." in page.said("p")
    assert "A dark, answered right" in [about.get("alt") for _, about, _ in page.elements]


def test_the_numbers_of_weights_stand_beside_their_bars(tmp_path, table):
    answer("train", table, "--label", "species", "--steps", 5, "--out", tmp_path)
    page = page_in(tmp_path)
    W = load_model(tmp_path / "model.safetensors").params[0][0][:, 0]
    rows = next(rows for rows in page.tables.values() if rows[0][0] == "feature")
    assert dict(row[:2] for row in rows[1:]) == dict(zip(("height", "weight"), W.tolist(), strict=True))
    bars = [about for _, about, _ in page.elements if about.get("class", "").startswith("bar")]
    assert [about["class"] for about in bars] == [
        "bar for" if value > 0 else "bar against" for value in sorted(W, key=abs, reverse=True)
    ]


def test_a_page_is_named_by_its_run_what_it_found_and_when(tmp_path, table):
    titles = set()
    for name in ("one", "two"):
        answer("train", table, "--label", "species", "--steps", 5, "--out", tmp_path / name)
        page, report = page_in(tmp_path / name), json.loads((tmp_path / name / "report.json").read_text())
        assert report["run"] == name
        found = f"{report['accuracy']['held out']:.2%} of 8 held-out rows answered right"
        ended = report["ended"][:16].replace("T", " ")
        assert page.said("title") == f"{name}: {found}, {ended} UTC"
        assert page.said("h1") == f"{name}: 'dog' or 'cat'"
        assert f"Learnt from {table}, 32 rows, by the network 2 - 1 sigmoid, {ended} UTC." in page.said("p")
        titles.add(page.said("title"))
    assert len(titles) == 2


def test_what_was_left_out_of_the_data_stands_at_the_top(tmp_path, pictures):
    (pictures / "readme.txt").write_text("no picture")
    answer("train", pictures, "--image-size", 4, "--steps", 2, "--out", tmp_path / "run")
    assert "1 files in" in page_in(tmp_path / "run").said("li")
    assert "are left out (1 .txt), the first readme.txt" in page_in(tmp_path / "run").said("li")


def test_every_answer_to_a_held_out_row_is_kept(tmp_path, three_kinds):
    answer("train", three_kinds, "--hidden", 8, "--epochs", 5, "--out", tmp_path)
    with (tmp_path / "held-out.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["row", "class", "answer", "probability"]
    everything = data.load(three_kinds)[0]
    _, held_out = data.split(everything, held_out=0.2, seed=0)
    assert len(rows) == len(held_out.y)
    P = evaluation.probabilities(get_device("cpu"), load_model(tmp_path / "model.safetensors"), everything.X)
    for number, true, said, p in rows:
        k = int(number) - 1
        assert true == everything.classes[everything.y[k]]
        assert said == everything.classes[np.argmax(P[k])]
        assert float(p) == pytest.approx(P[k].max(), rel=1e-6)


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
        name="made up",
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
        network="",
        choices=Choices(),
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
    report = report_with(names, summary(names, answers, {"train": answers.accuracy}, test.places), m)
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
    page = Page(html.render(report, ["step"], [], {}, {}).decode("utf-8"))
    assert page.tables["confusion"][2] == ["b\\udcff", "0", "0", "no row"]
