"""Write each lesson as a notebook, in both languages: `python docs/make_notebooks.py`.

A block that a lesson runs is a cell of code with its output, what stands between them a cell of text.
"""

import json
import re
from pathlib import Path

import lessons

FOLDERS = {
    lessons.HERE / "lessons": lessons.HERE / "notebooks",
    lessons.HERE / "zh/lessons": lessons.HERE / "zh/notebooks",
}
# A link to something beside the lesson, such as another lesson or a picture.
_BESIDE = re.compile(r"\]\((?!\w+:|\.\./|#)")


def notebook(text: str) -> str:
    """Return the notebook of a lesson's text, as JSON."""
    cells: list[dict[str, object]] = []
    end = 0
    for block in lessons.RUN.finditer(text):
        cells += [*_text(text[end : block.start()]), _code(block[1], block[2])]
        end = block.end()
    cells += _text(text[end:])
    for number, cell in enumerate(cells):
        cell["id"] = f"cell-{number}"
    about = {"language_info": {"name": "python"}}
    whole = {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(whole, indent=1, ensure_ascii=False) + "\n"


def pairs() -> list[tuple[Path, Path]]:
    """Return each lesson with its notebook."""
    return [
        (page, there / f"{page.stem}.ipynb")
        for here, there in FOLDERS.items()
        for page in sorted(here.glob("*.md"))
    ]


def _text(words: str) -> list[dict[str, object]]:
    words = _BESIDE.sub("](../lessons/", words.strip())
    return (
        [{"cell_type": "markdown", "metadata": {}, "source": words.splitlines(keepends=True)}]
        if words
        else []
    )


def _code(code: str, printed: str | None) -> dict[str, object]:
    output = {"output_type": "stream", "name": "stdout", "text": (printed or "").splitlines(keepends=True)}
    return {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [output] if printed else [],
        "source": code.rstrip("\n").splitlines(keepends=True),
    }


if __name__ == "__main__":
    for page, written in pairs():
        written.parent.mkdir(exist_ok=True)
        written.write_text(notebook(page.read_text(encoding="utf-8")), encoding="utf-8")
