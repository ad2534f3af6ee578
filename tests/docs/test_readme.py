"""What the README says is run, and what CI runs is what the README says."""

import re
import shlex

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import chainrule as cr
from chainrule import cli
from tests.helpers import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def user_files(tmp_path, monkeypatch):
    """Stand in a folder with the files that the README's user has."""
    rng = np.random.default_rng(0)
    for name, low in (("cat", 0), ("other", 100)):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for k in range(5):
            pixels = rng.integers(low, low + 100, (20, 30, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{k}.jpg")
    Image.fromarray(pixels).save(tmp_path / "photo.jpg")
    Image.fromarray(pixels).save(tmp_path / "digit.png")
    monkeypatch.chdir(tmp_path)


def test_the_commands_of_the_readme_work_in_their_order(user_files):
    lines = [line for block in blocks("sh") for line in block.splitlines() if line.startswith("chainrule ")]
    assert len(lines) >= 5
    for line in lines:
        result = CliRunner().invoke(cli.app, shlex.split(line)[1:])
        assert result.exit_code == 0, f"{line}\n{result.output}"
        assert result.stdout


def test_the_python_of_the_readme_works(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scope = {}
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), scope)
    by_engine, network, by_hand = capsys.readouterr().out.splitlines()
    assert by_engine == "f = -12.0, gradients -4.0, -4.0, 3.0"
    assert float(network.split()[0]) > 0.95
    assert float(re.match(r"cost (0\.\d+), w points to \(\d+, -\d+, -?\d\)", by_hand)[1]) < 0.2


def test_ci_runs_the_test_command_of_the_readme():
    command = next(line for block in blocks("sh") for line in block.splitlines() if "pytest" in line)
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()


def test_the_first_page_of_the_site_names_every_page():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        assert f"]({page.name})" in index or page.name == "index.md", page.name


def test_the_places_that_the_readme_names_are_there():
    table = README.split("## Where everything is")[1]
    places = [
        place
        for row in re.findall(r"^\| (.*?) \|", table, flags=re.MULTILINE)
        for place in re.findall(r"`([^`]+)`", row)
    ]
    assert len(places) > 10
    here = "src/chainrule/"
    for place in places:
        assert (ROOT / place).exists() or (ROOT / here / place).exists(), place


def test_the_picture_of_the_readme_is_what_the_project_draws():
    drawn = cr.explain("3*(a+b*c)", a=5, b=3, c=2).to_svg()
    assert (ROOT / "docs" / "graph.svg").read_text(encoding="utf-8") == drawn
