"""Write what the pages say of the package's tables, and the blocks of translations: `python docs/fill_tables.py`.

On a page, the text between `<!-- NAME -->` and `<!-- end -->` is that of FILLED[NAME]. A page in TRANSLATED has the
blocks of its original; lessons.py does that for the lessons.
"""

import re
from collections.abc import Iterable
from pathlib import Path

import lessons
from chainrule.data import READERS
from chainrule.models.activations import ACTIVATIONS, OUTPUTS
from chainrule.models.initializers import INITIALIZERS
from chainrule.models.losses import COSTS
from chainrule.optim import OPTIMIZERS

HERE = Path(__file__).resolve().parent
PAGES = [HERE / folder / name for folder in ("", "zh") for name in ("networks.md", "training.md")]
TRANSLATED = {
    HERE.parent / "README.zh-CN.md": HERE.parent / "README.md",
    **{page: HERE / page.name for page in HERE.glob("zh/*.md")},
}


def names(table: Iterable[str], quote: str = "") -> str:
    """Return the names of a table's rows, each as code."""
    return ", ".join(f"`{quote}{name}{quote}`" for name in table)


FILLED = {
    "activations": names(ACTIVATIONS),
    "outputs": names(OUTPUTS),
    "costs": names(COSTS),
    "initializers": names(INITIALIZERS),
    "quoted initializers": names(INITIALIZERS, '"'),
    "optimizers": names(OPTIMIZERS),
    "formats": "\n\n| data | layout |\n|---|---|\n"
    + "".join(f"| {reader.name} | {reader.layout} |\n" for reader in READERS)
    + "| nothing | scikit-learn's digits |\n\n",
}


def filled(page: str) -> str:
    """Return the text of a page with every marked part as the tables have it now."""
    return re.sub(
        r"<!-- ([a-z ]+) -->.*?<!-- end -->",
        lambda part: f"<!-- {part[1]} -->{FILLED[part[1]]}<!-- end -->",
        page,
        flags=re.DOTALL,
    )


if __name__ == "__main__":
    for path in PAGES:
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
    for path, original in TRANSLATED.items():
        pages = (page.read_text(encoding="utf-8") for page in (path, original))
        path.write_text(lessons.with_blocks_of(*pages), encoding="utf-8")
