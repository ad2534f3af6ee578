"""Run the lessons, and write what their blocks print and draw into both languages: `python docs/lessons.py`.

A block marked `python` is run, all of a page in one namespace and one empty folder; a block marked `text` right behind
it is what it printed. A block marked `py` is shown from the source and not run. Pictures that a page saves are kept in
`lessons/pictures`. A page in `zh` has the blocks of its English page.
"""

import contextlib
import io
import os
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
PICTURES = HERE / "lessons" / "pictures"
PAGES = sorted((HERE / "lessons").glob("*.md"))

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```\n", re.DOTALL | re.MULTILINE)
# A block that is run, with what is shown of its output.
RUN = re.compile(r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.DOTALL | re.MULTILINE)
_PIECE = re.compile(f"{RUN.pattern}|{_BLOCK.pattern}", re.DOTALL | re.MULTILINE)


class Ran(NamedTuple):
    """A block's code, what the page shows behind it, and what it printed."""

    code: str
    shown: str
    printed: str


def blocks(text: str) -> list[tuple[str, str]]:
    """Return the mark and the content of every fenced block of a page."""
    return _BLOCK.findall(text)


def run(page: Path, folder: Path) -> list[Ran]:
    """Run a page's blocks in their order, in `folder`, and return each with its output."""
    os.environ["MPLBACKEND"] = "Agg"
    scope: dict[str, object] = {"__name__": page.stem}
    ran = []
    with contextlib.chdir(folder):
        for number, (code, shown) in enumerate(RUN.findall(page.read_text(encoding="utf-8")), start=1):
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(compile(code, f"{page.name}, block {number}", "exec"), scope)
            ran.append(Ran(code, shown, printed.getvalue()))
    return ran


def with_output(text: str, ran: list[Ran]) -> str:
    """Return the page with each block's output behind it."""
    outputs = iter(ran)

    def block(match: re.Match[str]) -> str:
        printed = next(outputs).printed
        return f"```python\n{match[1]}```\n" + (f"\n```text\n{printed}```\n" if printed else "")

    return RUN.sub(block, text)


def with_blocks_of(text: str, original: str) -> str:
    """Return a translation with the blocks of its original, output and all."""
    pieces = iter([match[0] for match in _PIECE.finditer(original)])
    return _PIECE.sub(lambda match: next(pieces, match[0]), text)


def main() -> None:
    """Run all lessons, say how long each took, and write outputs, translations' blocks and pictures."""
    for page in PAGES:
        with tempfile.TemporaryDirectory() as folder:
            start = time.perf_counter()
            ran = run(page, Path(folder))
            print(f"{page.name}: {len(ran)} blocks, {time.perf_counter() - start:.1f} s")
            PICTURES.mkdir(exist_ok=True)
            for picture in Path(folder).iterdir():
                shutil.copy(picture, PICTURES)
        text = with_output(page.read_text(encoding="utf-8"), ran)
        page.write_text(text, encoding="utf-8")
        translation = HERE / "zh" / "lessons" / page.name
        if translation.exists():
            own = translation.read_text(encoding="utf-8")
            translation.write_text(with_blocks_of(own, text), encoding="utf-8")


if __name__ == "__main__":
    main()
