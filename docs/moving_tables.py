"""Write what the pages of docs/moving take from the project, as scripts beside them: `python docs/moving_tables.py`."""

import json
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "bench" / "results"
LANES = ("by_loops", "by_sample", "by_matmul")


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


TABLES: dict[str, Callable[[], str]] = {"race-times.js": race_times}

if __name__ == "__main__":
    for name, table in TABLES.items():
        (HERE / "moving" / name).write_text(table(), encoding="utf-8")
