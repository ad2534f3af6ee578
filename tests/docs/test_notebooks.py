"""The notebooks are the lessons: the same code in the same order, with the outputs that the lessons show."""

import json

import pytest

import lessons
import make_notebooks


@pytest.mark.parametrize(
    ("page", "written"), make_notebooks.pairs(), ids=lambda path: f"{path.parent.parent.name}-{path.name}"
)
def test_a_notebook_is_its_lesson(page, written):
    text = page.read_text(encoding="utf-8")
    kept = written.read_text(encoding="utf-8")
    assert kept == make_notebooks.notebook(text), "run `python docs/make_notebooks.py`"
    cells = json.loads(kept)["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    assert code == [block.rstrip("\n") for mark, block in lessons.blocks(text) if mark == "python"]
    assert len({cell["id"] for cell in cells}) == len(cells)


def test_a_notebook_runs_and_prints_what_it_shows(tmp_path, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.chdir(tmp_path)
    page = nbformat.reads(make_notebooks.pairs()[0][1].read_text(encoding="utf-8"), as_version=4)
    nbformat.validate(page)
    shown = [
        "".join(out["text"] for out in cell["outputs"]) for cell in page.cells if cell["cell_type"] == "code"
    ]
    nbclient.NotebookClient(page).execute()
    ran = [
        "".join(out.get("text", "") for out in cell["outputs"])
        for cell in page.cells
        if cell["cell_type"] == "code"
    ]
    assert ran == shown
