"""What the README says is run, and what CI runs is what the README says."""

import re
import shlex

import numpy as np
import pytest
from PIL import Image

import chainrule as cr
from tests.helpers import ROOT
from tests.helpers.commands import chainrule
from tests.helpers.pages import shell_lines, text_of


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
    lines = [line for line in shell_lines("README.md") if line.startswith("chainrule ")]
    assert len(lines) >= 5
    for line in lines:
        result = chainrule(*shlex.split(line)[1:])
        assert result.exit_code == 0, f"{line}\n{result.output}"
        assert result.stdout


def test_ci_runs_the_test_command_of_the_readme():
    command = next(line for line in shell_lines("README.md") if "pytest" in line)
    assert command in text_of(".ci/run").splitlines()


def test_the_first_page_of_the_site_names_every_page():
    index = text_of("docs/index.md")
    for page in (ROOT / "docs").glob("*.md"):
        assert f"]({page.name})" in index or page.name == "index.md", page.name


def test_the_places_that_the_readme_names_are_there():
    table = text_of("README.md").split("## Where everything is")[1]
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
    assert text_of("docs/graph.svg") == drawn
