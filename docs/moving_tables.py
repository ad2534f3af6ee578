"""Write the tables of the moving pages from chainrule: `python docs/moving_tables.py`."""

import keyword
from pathlib import Path

import numpy as np

from chainrule.explain import notation
from chainrule.explain.notation import NOTATION

FOLDER = Path(__file__).resolve().parent / "moving"
_HEAD = "// Written by docs/moving_tables.py, from {}.\n"
# Functions of an expression that are not one gate of the same name.
_OTHERS = {"dot": "multiply", "max": "maximum", "min": "minimum", "s": "sigmoid"}
_SEEDS, _MOST_HIDDEN = 6, 8


def gates() -> str:
    """Return the gates of single numbers, how they are drawn and explained, and the functions that call them."""
    computed = {gate: row for gate, row in NOTATION.items() if row.is_computed_by_the_page}
    called = {gate: gate for gate, row in computed.items() if row.call} | _OTHERS
    drawn = [
        f"  {gate}: {{ sign: {_text(row.sign or gate)}, ordered: {str(row.ordered).lower()}, "
        f"slopes: [{', '.join(map(_text, row.slopes))}] }},\n"
        for gate, row in computed.items()
    ]
    calls = [
        f"  {name}: [{_text(gate)}, {len(NOTATION[gate].slopes)}],\n" for name, gate in sorted(called.items())
    ]
    return (
        _HEAD.format("the notation of chainrule.explain")
        + f"const GATES = {notation.javascript()};\n"
        + f"const DRAWN = {{\n{''.join(drawn)}}};\n"
        + f"const CALLS = {{\n{''.join(calls)}}};\n"
        + f"const KEYWORDS = [{', '.join(map(_text, keyword.kwlist))}];\n"
    )


def normals() -> str:
    """Return the first normal numbers of NumPy's generators, from which cr.MLP((2, hidden, 1)).init(seed) starts."""
    rows = (np.random.default_rng(seed).standard_normal(3 * _MOST_HIDDEN) for seed in range(_SEEDS))
    listed = "".join(f"  [{', '.join(map(repr, row.tolist()))}],\n" for row in rows)
    return _HEAD.format("NumPy's normal numbers, a row a seed") + f"const NORMALS = [\n{listed}];\n"


def _text(text: str) -> str:
    return f'"{text}"'


TABLES = {"gates-table.js": gates, "network-normals.js": normals}


def main() -> None:
    """Write each table."""
    for name, table in TABLES.items():
        (FOLDER / name).write_text(table(), encoding="utf-8")


if __name__ == "__main__":
    main()
