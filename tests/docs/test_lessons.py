"""Every block of a lesson runs, prints what the page shows behind it, and draws the pictures that the page has."""

import re
import textwrap

import numpy as np
import pytest
from packaging.version import Version
from PIL import Image

import lessons
from tests.helpers import ROOT

SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))


@pytest.fixture(autouse=True)
def _no_open_figures(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    plt = pytest.importorskip("matplotlib.pyplot")
    yield
    plt.close("all")


def written_in(markup):
    body = re.sub(r"<(style|script).*?</\1>", "", markup, flags=re.DOTALL)
    return sorted(filter(None, map(str.strip, re.findall(r">([^<]+)<", body))))


@pytest.mark.parametrize("page", lessons.PAGES, ids=lambda page: page.stem)
def test_a_lesson_prints_and_draws_what_it_shows(page, tmp_path):
    ran = lessons.run(page, tmp_path)
    assert len(ran) >= 5
    for block in ran:
        assert block.printed == block.shown, f"{page.name}: run `python docs/lessons.py`\n{block.code}"
    shown = set(re.findall(r"\]\(pictures/([^)]*)\)", page.read_text(encoding="utf-8")))
    assert shown == {path.name for path in tmp_path.iterdir()}
    for name in shown:
        if not name.endswith(".png"):
            # Where things stand may change with the version of the layout's library, what is written there may not.
            kept, drawn = ((path / name).read_text(encoding="utf-8") for path in (lessons.PICTURES, tmp_path))
            assert written_in(kept) == written_in(drawn), f"{name}: run `python docs/lessons.py`"
            continue
        pictures = [Image.open(path / name) for path in (lessons.PICTURES, tmp_path)]
        kept, drawn = (np.asarray(picture, float) for picture in pictures)
        assert kept.shape == drawn.shape, name
        by, now = (
            Version(re.search(r"version([\d.]+)", p.info["Software"])[1]).release[:2] for p in pictures
        )
        if now < by:
            continue  # an older matplotlib sets letters otherwise
        # Where a curve moved, colours are others.
        assert np.mean(np.abs(kept - drawn) > 100) < 1e-3, f"{name}: run `python docs/lessons.py`"


@pytest.mark.parametrize("page", lessons.PAGES, ids=lambda page: page.stem)
def test_what_a_lesson_shows_of_the_source_stands_there(page):
    for mark, code in lessons.blocks(page.read_text(encoding="utf-8")):
        assert mark in ("python", "py", "text", "sh"), f"{page.name}: {mark!r} is neither run nor compared"
        if mark == "py":
            lines = [re.escape(line) for line in textwrap.dedent(code).splitlines()]
            assert re.search(r"\n *".join(lines), SOURCE), f"{page.name}: not in src\n{code}"


def test_every_lesson_is_there_and_numbered():
    numbers = [int(page.name.split("-")[0]) for page in lessons.PAGES]
    assert numbers == list(range(1, 10))
    assert all(
        page.read_text(encoding="utf-8").startswith(f"# {n}. ") for n, page in enumerate(lessons.PAGES, 1)
    )


def test_every_lesson_has_exercises_with_folded_answers():
    for page in lessons.PAGES:
        exercises = page.read_text(encoding="utf-8").split("\n## Exercises\n")[1].split("\n## ")[0]
        assert len(re.findall(r"^\d\. ", exercises, re.MULTILINE)) in (2, 3), page.name
        assert exercises.count("<details>") == exercises.count("</details>") in (2, 3), page.name


def test_every_picture_that_is_kept_is_shown():
    text = "".join(page.read_text(encoding="utf-8") for page in lessons.PAGES)
    assert all(path.name in text for path in lessons.PICTURES.iterdir())


def test_an_output_that_is_not_shown_is_written_and_another_is_replaced():
    page = "# T\n\n```python\nprint(1)\n```\n\n```text\n2\n```\n\n```python\nprint(3)\n```\n\nEnd.\n"
    ran = [lessons.Ran("print(1)\n", "2\n", "1\n"), lessons.Ran("print(3)\n", "", "3\n")]
    written = lessons.with_output(page, ran)
    assert [content for _, content in lessons.blocks(written)] == ["print(1)\n", "1\n", "print(3)\n", "3\n"]
    assert lessons.with_output(written, ran) == written
    assert written.endswith("```\n\nEnd.\n")


def test_a_translation_gets_the_blocks_of_its_page():
    page = "# One\n\n```python\nprint(1)\n```\n\n```text\n1\n```\n\nThen\n\n```py\nx = 1\n```\n"
    own = "# 一\n\n```python\nprint(0)\n```\n\n然后\n\n```py\nx = 0\n```\n"
    assert lessons.with_blocks_of(own, page) == page.replace("One", "一").replace("Then", "然后")
