"""Write what the pages of docs/moving take from the project, as scripts beside them: `python docs/moving_tables.py`."""

import json
import keyword
from collections.abc import Callable
from pathlib import Path

import numpy as np

from chainrule.explain import notation
from chainrule.explain.notation import NOTATION
from chainrule.gates import SELECTING

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "bench" / "results"
LANES = ("by_loops", "by_sample", "by_matmul")
OPERATORS = ("add", "subtract", "multiply", "divide", "pow", "negative")
# Functions of an expression that are not one gate of the same name.
OTHERS = {"dot": "multiply", "max": "maximum", "min": "minimum", "s": "sigmoid"}
SEEDS, MOST_HIDDEN = 6, 8


def newest_loops() -> tuple[str, dict]:
    """Return the name and the content of the newest saved run that timed loops against vectors on a CPU."""
    runs = [(path.name, json.loads(path.read_text(encoding="utf-8"))) for path in RESULTS.glob("*.json")]
    timed = [
        (name, saved)
        for name, saved in runs
        if saved["about"]["device"] == "cpu" and any(row["part"] == "loops" for row in saved["rows"])
    ]
    return max(timed, key=lambda run: run[1]["about"]["run"])


def race_times() -> str:
    """Return the script with the median seconds of a step, forward with backward, at each size that all lanes ran."""
    name, saved = newest_loops()
    about = saved["about"]
    sizes: dict[tuple[int, int], dict[str, float]] = {}
    for row in saved["rows"]:
        if row["part"] == "loops" and row["direction"] == "forward with backward" and row["seconds"]:
            # Saved are the first quartile, the median and the third.
            sizes.setdefault((row["m"], row["n"]), {})[row["contender"]] = row["seconds"][1]
    whole = {
        "source": f"bench/results/{name}",
        "hardware": about["hardware"],
        "date": about["run"].split()[0],
        "library": about["library"],
        "dtype": about["dtype"],
    }
    facts = [f"  {key}: {json.dumps(value)},\n" for key, value in whole.items()]
    rows = [
        f"    {{ m: {m}, n: {n}, " + ", ".join(f"{lane}: {found[lane]!r}" for lane in LANES) + " },\n"
        for (m, n), found in sorted(sizes.items())
        if found.keys() >= set(LANES)
    ]
    table = f"const TIMES = {{\n{''.join(facts)}  sizes: [\n{''.join(rows)}  ],\n}};\n"
    return f"// Written by docs/moving_tables.py.\n{table}"


def gates_table() -> str:
    """Return the script with the gates of single numbers, how they are drawn and told, and what calls them."""
    single = [gate for gate, row in NOTATION.items() if row.is_elementwise and row.js is not None]
    called = {gate: gate for gate in single if NOTATION[gate].call} | OTHERS
    used = {gate: NOTATION[gate] for gate in single if gate in {*OPERATORS, *called.values()}}
    selecting = {gate.__name__ for gate in SELECTING}
    drawn = [
        f"  {gate}: {{ sign: {json.dumps(row.sign or gate, ensure_ascii=False)}, ordered: {json.dumps(row.ordered)}, "
        f"selects: {json.dumps(gate in selecting)}, slopes: {json.dumps(row.slopes)} }},\n"
        for gate, row in used.items()
    ]
    calls = [
        f"  {name}: {json.dumps([gate, len(NOTATION[gate].slopes)])},\n"
        for name, gate in sorted(called.items())
    ]
    return (
        "// Written by docs/moving_tables.py.\n"
        f"const GATES = {notation.javascript(used)};\n"
        f"const DRAWN = {{\n{''.join(drawn)}}};\n"
        f"const CALLS = {{\n{''.join(calls)}}};\n"
        f"const KEYWORDS = {json.dumps(keyword.kwlist)};\n"
    )


def normals() -> str:
    """Return the script with the normal numbers, a row a seed, that the weights of small networks are drawn from."""
    rows = (np.random.default_rng(seed).standard_normal(3 * MOST_HIDDEN) for seed in range(SEEDS))
    listed = "".join(f"  {json.dumps(row.tolist())},\n" for row in rows)
    return f"// Written by docs/moving_tables.py.\nconst NORMALS = [\n{listed}];\n"


TABLES: dict[str, Callable[[], str]] = {
    "race-times.js": race_times,
    "gates-table.js": gates_table,
    "network-normals.js": normals,
}

if __name__ == "__main__":
    for name, table in TABLES.items():
        (HERE / "moving" / name).write_text(table(), encoding="utf-8")
