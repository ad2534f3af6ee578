"""chainrule explain: an expression, or one sample through a model."""

import re

import numpy as np
import pytest
from PIL import Image

import chainrule as cr
from chainrule.training.model_file import load_model
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
    assert "--svg and --html: expected one file on the standard output" in both.stderr


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
    assert f"{p}  {label}  (explained)" in told
    assert f"wrote:    {run / '0-mattered.png'}" in told
    with Image.open(run / "0-mattered.png") as picture:
        assert picture.size[0] > 600
    other = {"dark": "bright", "bright": "dark"}[label]
    told = answer("explain", run, sample, "--class", other, "--png", tmp_path / "why" / "not.png")
    assert f"{1 - float(p):.4f}  {other}  (explained)" in told
    assert (tmp_path / "why" / "not.png").is_file()
    result = chainrule("explain", run, sample, "--class", "fish")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--class: expected one of bright, dark, got 'fish'" in result.stderr


def test_a_row_of_a_table_through_a_model(three_kinds, tmp_path, monkeypatch):
    drawn = []
    draw = drawings.saliency_bars
    monkeypatch.setattr(drawings, "saliency_bars", lambda *args: drawn.append(args) or draw(*args))
    run = tmp_path / "run"
    answer("train", three_kinds, "--hidden", 8, "--epochs", 40, "--out", run)
    told = answer("explain", run, three_kinds, "--row", 5)
    model = load_model(run / "model.safetensors")
    x = np.genfromtxt(three_kinds, delimiter=",", skip_header=1, usecols=(0, 1))[4:5]
    P = model.net.forward(model.params, model.scaling.apply(x, model.dtype))[0]
    for k, name in enumerate(model.classes):
        assert f"{P[k]:.4f}  {name}{'  (explained)' if k == P.argmax() else ''}\n" in told
    (J,) = re.findall(r"J = mean\(L\) = mean\(\[(.*?)\]\)", told)
    assert float(J) == pytest.approx(-np.log(P.max()), rel=1e-5)
    assert (run / "rings-mattered.png").is_file()
    ((slope, features, name),) = drawn
    assert (features, name) == (("across", "up"), model.classes[P.argmax()])
    scaled = model.scaling.apply(x, "float64")
    params = [(W.astype(float), b.astype(float)) for W, b in model.params]
    for j, step in enumerate(1e-6 * np.eye(2)):
        up, down = (np.log(model.net.forward(params, scaled + s * step)[0, P.argmax()]) for s in (1, -1))
        assert slope[j] == pytest.approx((up - down) / 2e-6, rel=1e-3, abs=1e-5)
    assert np.abs(slope).max() > 1e-3
    result = chainrule("explain", run, three_kinds, "--row", 999)
    assert result.exit_code == 1
    assert "expected a row 999, got 240 rows" in result.stderr


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
