"""chainrule explain: an expression, or one sample through a model."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import chainrule as cr
from chainrule.training.model_file import load_model, save_model
from chainrule.training.report import figures as drawings
from tests.helpers.commands import answer, chainrule


def test_an_expression():
    told = answer("explain", "3*(a+b*c)", "a=5", "b=3", "c=2")
    assert told == cr.explain("3*(a+b*c)", a=5, b=3, c=2).to_text() + "\n"
    assert "db += dv3 * c = 3 * 2 = 6" in told


def test_an_expression_that_is_longer_than_a_name_of_a_file_may_be():
    assert "da" in answer("explain", "+".join("a" * 200), "a=1")


def test_lists_a_leading_minus_and_a_device(device):
    told = answer("explain", "-sum(x * W @ y)", "x=[1, 2]", "W=[[1,0],[0,1]]", "y=[0.5,-1e1]",
                  "--device", device.name)  # fmt: skip
    assert "dx = [-0.5, 10]" in told


@pytest.mark.parametrize(("arguments", "said"), [
    (("a.b", "a=1"), "is not allowed"),
    (("a*b", "a=1"), "b has no value"),
    (("a", "a=1", "b=2"), "does not use b"),
    (("a", "a=1", "a=2"), "a is given twice"),
    (("a", "a=one"), "a must be a finite number or a list of them, such as [1,2,3], got 'one'"),
    (("a", "a=nan"), "a must be a finite number"),
    (("a", 'a=["1"]'), "a must be a finite number"),
    (("a", "a=[1,"), "a must be a finite number"),
    (("sum(a)", 'a=[{"b":1}]'), "a must be a finite number"),
    (("sum(a)", f"a=[1{'0' * 400}]"), "a must be a finite number"),
    (("sum(a, axis=1" + "0" * 30 + ")", "a=[1]"), "axis must be a whole number, that of an axis"),
    (("sum(a*b)", f"a={[[k] for k in range(4000)]}", f"b={[*range(4000)]}"), "a*b would have 16000000 numbers"),
    (("a@b", f"a={[[k] for k in range(4000)]}", f"b={[[*range(4000)]]}"), "a@b would have 16000000 numbers"),
    (("a", "a=[]"), "a must be a finite number"),
    (("a", "a=" + "[" * 5000), "a must be a finite number"),
    (("sum(a)", "a=[[1],[2,3]]"), "rows of different lengths"),
    (("a", "a=1", "--svgg", "x"), "got '--svgg'; --help has the options"),
    (("nowhere", "cat.png"), "got 'cat.png'; there is no model nowhere"),
    (("a", "a=1", "--class", "cat"), "--class is for a model and a sample; leave it out of an expression"),
    (("", ), "got an empty text"),
    (("a", "a=1", "--html", ""), "--html .: expected a file to write, got a folder; name a file in it"),
    (("a", "a=1", "--svg", "/"), "--svg /: expected a file to write, got a folder"),
    (("a", "a=1", "--svg", f"{__file__}/a.svg"), f"expected {__file__} to be a folder to write in, got a file"),
])  # fmt: skip
def test_bad_input_is_told_in_a_line(arguments, said):
    result = chainrule("explain", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_a_picture_may_go_to_the_standard_output_alone():
    told = chainrule("explain", "a*b", "a=2", "b=3", "--svg", "-")
    graph = cr.explain("a*b", a=2, b=3)
    assert told.stdout == graph.to_svg()
    assert told.stderr == graph.to_text() + "\n"
    both = chainrule("explain", "a", "a=1", "--svg", "-", "--html", "-")
    assert (both.exit_code, both.stdout) == (2, "")
    assert "--svg and --html: expected one of them on the standard output" in both.stderr


def test_h_asks_for_help_unless_it_has_a_value():
    assert "Show a computation gate by gate" in answer("explain", "-h")
    assert "dh = -2" in answer("explain", "-h*2", "h=1")


def test_a_model_without_a_sample_is_told_what_is_missing(tmp_path):
    result = chainrule("explain", tmp_path)
    assert result.exit_code == 2
    assert "is explained by one sample; name a picture, or a file of rows" in result.stderr


def test_one_picture_through_a_model(pictures, tmp_path, device):
    run = tmp_path / "run"
    answer("train", pictures, "--hidden", 8, "--epochs", 30, "--image-size", 6, "--out", run)
    sample = pictures / "dark" / "0.png"
    told = answer("explain", run, sample, "--device", device.name)
    _, label, p = answer("predict", run, sample).strip().split("\t")
    other = {"dark": "bright", "bright": "dark"}[label]
    lines = told.splitlines()
    assert len(lines) == 4
    assert lines[0] == f"answer:   {label}, probability {p}"
    assert lines[1].startswith(f"next:     {other}, probability {1 - float(p):.4f}")
    assert "(gradient times input) of the log odds of" in lines[2]
    assert lines[3] == f"wrote:    {run / '0-mattered.png'}"
    with Image.open(run / "0-mattered.png") as picture:
        assert picture.size[0] > 600
    told = answer("explain", run, sample, "--class", other, "--png", tmp_path / "why" / "not.png")
    assert f"class:    {other}, probability {1 - float(p):.4f}" in told
    assert f"of the log odds of '{other}'" in told
    assert (tmp_path / "why" / "not.png").is_file()
    result = chainrule("explain", run, sample, "--class", "fish")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--class: expected one of bright, dark, got 'fish'" in result.stderr


def test_a_row_of_a_table_through_a_model(three_kinds, tmp_path):
    run = tmp_path / "run"
    answer("train", three_kinds, "--hidden", 8, "--epochs", 40, "--out", run)
    told = json.loads(answer("explain", run, three_kinds, "--row", 5, "--json"))
    model = load_model(run / "model.safetensors")
    x = np.genfromtxt(three_kinds, delimiter=",", skip_header=1, usecols=(0, 1))[4:5]
    P = model.net.forward(model.params, model.scaling.apply(x, model.dtype))[0]
    best, second = np.argsort(-P)[:2]
    assert told["class"] == told["explained"] == model.classes[best]
    assert told["runner-up"]["class"] == model.classes[second]
    assert told["probabilities"] == pytest.approx(dict(zip(model.classes, P.tolist(), strict=True)), rel=1e-5)
    assert told["log odds"] == pytest.approx(np.log(P[best] / (1 - P[best])), rel=1e-4)
    assert (run / "rings-mattered.png").is_file()
    scaled = model.scaling.apply(x, "float64")
    params = [(W.astype(float), b.astype(float)) for W, b in model.params]

    def log_odds(row):
        p = model.net.forward(params, row)[0, best]
        return np.log(p / (1 - p))

    found = {one["feature"]: one for one in told["strongest"]}
    for j, step in enumerate(1e-6 * np.eye(2)):
        slope = (log_odds(scaled + step) - log_odds(scaled - step)) / 2e-6
        one = found[("across", "up")[j]]
        assert one["gradient"] == pytest.approx(slope, rel=1e-3, abs=1e-5)
        assert one["gradient times input"] == pytest.approx(slope * scaled[0, j], rel=1e-3, abs=1e-5)
    assert max(abs(one["gradient"]) for one in found.values()) > 1e-3
    result = chainrule("explain", run, three_kinds, "--row", 999)
    assert result.exit_code == 2
    assert f"--row: expected a number up to 240, the rows of {three_kinds}, got 999" in result.stderr


def test_the_table_of_a_sample_is_printed_when_it_is_asked_for(three_kinds, tmp_path):
    answer("train", three_kinds, "--hidden", 8, "--epochs", 2, "--out", tmp_path)
    assert "forward" not in answer("explain", tmp_path, three_kinds)
    (J,) = re.findall(
        r"J = mean\(L\) = mean\(\[(.*?)\]\)", answer("explain", tmp_path, three_kinds, "--table")
    )
    told = json.loads(answer("explain", tmp_path, three_kinds, "--json"))
    assert float(J) == pytest.approx(-np.log(told["probability"]), rel=1e-4)


def test_where_nothing_matters_it_is_said_and_drawn(three_kinds, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(drawings, "bars", lambda *arguments: drawn.append(arguments) or b"")
    answer("train", three_kinds, "--hidden", 8, "--epochs", 1, "--out", tmp_path)
    drawn.clear()
    model = load_model(tmp_path / "model.safetensors")
    save_model(tmp_path / "model.safetensors", replace(model, params=[(0 * W, b) for W, b in model.params]))
    told = answer("explain", tmp_path, three_kinds, "--html", tmp_path / "page.html")
    assert (
        "mattered: nothing matters here: the log odds of 'inner' would move by 0, were every feature" in told
    )
    assert drawn[0][2].startswith("nothing matters here")
    assert "Nothing matters here" in (tmp_path / "page.html").read_text()
    assert json.loads(answer("explain", tmp_path, three_kinds, "--json"))["nothing matters"] is True


def test_an_expression_as_json():
    told = json.loads(answer("explain", "u = b*c; J = 3*u", "b=3", "c=[1,2]", "--json"))
    assert told["expression"] == "u = b*c; J = 3*u"
    nodes = {node["name"]: node for node in told["nodes"]}
    assert (nodes["b"]["gradient"], nodes["u"]["value"], nodes["u"]["inputs"]) == (
        9.0,
        [3.0, 6.0],
        ["b", "c"],
    )
    both = chainrule("explain", "a", "a=1", "--json", "--svg", "-")
    assert (both.exit_code, both.stdout) == (2, "")
    assert "--svg and --json: expected one of them on the standard output" in both.stderr


def test_the_drawing_and_the_page_are_written_into_files(tmp_path):
    svg, html = tmp_path / "new" / "graph.svg", tmp_path / "graph.html"
    told = answer("explain", "3*(a+b*c)", "a=5", "b=3", "c=2", "--svg", svg, "--html", html)
    assert [line for line in told.splitlines() if line.startswith("wrote:")] == [
        f"wrote:    {svg}",
        f"wrote:    {html}",
    ]
    graph = cr.explain("3*(a+b*c)", a=5, b=3, c=2)
    assert svg.read_text(encoding="utf-8") == graph.to_svg()
    assert html.read_text(encoding="utf-8") == graph.to_html()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["graph.html", "graph.svg", "new"]
