"""Turn the numbers of bench/run.py into a page and a table, or say what changed between two files of them.

    python bench/report.py results.json [--html report.html] [--markdown report.md] [--png speed-ups.png]
    python bench/report.py --compare before.json after.json

The page needs nothing but itself: its figures are inside. By default both stand beside the numbers. A comparison is
printed as Markdown, and calls a change one only where the spreads of the two do not meet.
"""

import argparse
import html
import io
import json
import math
import sys
from pathlib import Path

if not __package__:
    # Run as a file, `python bench/report.py`: then this folder is on the path, and not the one that has `bench`.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import tables
from chainrule.training.storage import write_bytes

HOW = (
    "Every result was compared with the others' before its time was believed. Of loops against vectors a time is the "
    "median over the rounds of one process, with the quartiles. Elsewhere each contender is a process of its own with "
    "as many threads as the others, rounds go in turn A B C A B C, a time is the median of the rounds and a ratio the "
    "median of the rounds' ratios, each with its extremes. NumPy and PyTorch run each operation as it is written, JAX "
    "what it compiled. The device was synchronised inside the timed call. The first call is what it cost cold, "
    "compiling included, but that of scikit-learn where it had to fit once to be set up; the transfer is what bringing "
    "the data to the device cost. "
    "The peak is what a step allocates beyond its data; of PyTorch and JAX on a CPU, by how much the process grew, "
    "pages that they had kept not counted. Nothing is extrapolated, and nothing is said of other machines."
)
STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1a1d21; --soft: #5c6470; --rule: #d5dae0; --lost: #fdeee6; }
@media (prefers-color-scheme: dark) { :root { --paper: #14171b; --ink: #e8eaed; --soft: #a3abb6; --rule: #363d46;
  --lost: #46291a; } }
* { box-sizing: border-box; }
body { font: 1rem/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 75rem; padding: 1.5rem 1rem 4rem;
  background: var(--paper); color: var(--ink); overflow-wrap: break-word; }
h1 { font-size: 1.6rem; line-height: 1.25; } h2 { font-size: 1.2rem; display: inline; }
p { max-width: 50rem; } summary { cursor: pointer; margin: 1rem 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 1rem 0; font-size: .85rem; font-variant-numeric: tabular-nums; }
td, th { border-bottom: 1px solid var(--rule); padding: .2em .7em; text-align: left; vertical-align: top; }
.lost { background: var(--lost); } svg { max-width: 100%; height: auto; }
"""
# What a reader sees before opening anything.
OPEN = ("What is missing", "What failed", "In short", "Where we lose")


class ResultsError(ValueError):
    """A file of results that cannot be read; the message names the file and the fault."""


def read(path: Path) -> dict:
    """Return the results in the file, or raise ResultsError."""
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{path}: not JSON, or cut short: {error}") from error
    kinds = {"about": dict, "rows": list, "faults": list}
    if not isinstance(saved, dict) or any(not isinstance(saved.get(k), kind) for k, kind in kinds.items()):
        raise ResultsError(f"{path}: expected what `python bench/run.py` writes: about, rows and faults")
    if not isinstance(saved["about"].get("device"), str):
        raise ResultsError(
            f"{path}: about: the name of the device is missing; run `python bench/run.py` again"
        )
    for number, row in enumerate(saved["rows"], 1):
        try:
            _check(row)
        except (KeyError, TypeError, ValueError) as error:
            fault = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise ResultsError(f"{path}: row {number}: {fault}") from error
    return saved


def _check(row: dict) -> None:
    kinds = dict.fromkeys(("part", "case", "contender", "why"), str)
    if row["part"] == "loops":
        kinds |= {"direction": str, "m": int, "n": int, "grows": str | None}
    else:
        kinds |= {"ours": str, "unit": str, "amount": int | float, "grows": list | None}
    kinds |= {name: int | float for name in ("peak", "passes", "result") if row.get(name) is not None}
    for name, kind in kinds.items():
        if not isinstance(row[name], kind):
            expected = kind.__name__ if isinstance(kind, type) else kind
            raise ValueError(f"{name}: expected {expected}, got {row[name]!r}")
    if row["part"] == "growth" and (not row["grows"] or len(row["grows"]) != 2 or not row["grows"][1] > 0):
        raise ValueError(f"grows: expected what grows and its value, got {row['grows']}")
    if row["part"] == "memory" and not row["amount"] > 0:
        raise ValueError(f"amount: expected the bytes of X, got {row['amount']}")
    for name in ("seconds", "first", "transfer"):
        # A transfer that there is no need for takes no time.
        if not all(math.isfinite(value) and (value > 0 or name == "transfer") for value in row[name]):
            raise ValueError(f"{name}: times must be finite and above 0, got {row[name]}")


def markdown(title: str, sections: list[tables.Section]) -> str:
    lines = [f"# {title}"]
    for section in sections:
        lines += ["", f"## {section.title}", ""]
        lines += section.sentences
        if section.rows:
            lines += [""] * bool(section.sentences)
            lines += ["| " + " | ".join(section.header) + " |", "|---" * len(section.header) + "|"]
            lines += [
                "| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |" for row in section.rows
            ]
    return "\n".join([*lines, ""])


def page(title: str, sections: list[tables.Section], figures: dict[str, str]) -> str:
    """Return a page of HTML; `figures` are SVG by the title of the section that they open."""
    parts = [f"<h1>{html.escape(title)}</h1>"]
    for section in sections:
        heading = f"<h2>{html.escape(section.title)}</h2>"
        folded = section.title not in OPEN
        parts.append(f"<details><summary>{heading}</summary>" if folded else heading)
        parts.append(figures.get(section.title, ""))
        parts += [f"<p>{html.escape(sentence.removeprefix('- '))}</p>" for sentence in section.sentences]
        if section.rows:
            parts.append(
                '<div class="wide" tabindex="0" role="group" aria-label="Table"><table>'
                + _cells("th", section.header)
            )
            parts += [_cells("td", row) for row in section.rows]
            parts.append("</table></div>")
        parts.append("</details>" if folded else "")
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title>"
    )
    return "\n".join(
        [
            f"{head}<style>{STYLE}</style></head><body><main>",
            *filter(None, parts),
            "</main></body></html>",
            "",
        ]
    )


def _cells(kind: str, row: tuple[str, ...]) -> str:
    lost = ' class="lost"' if any("we lose" in cell for cell in row) else ""
    return f"<tr{lost}>" + "".join(f"<{kind}>{html.escape(cell)}</{kind}>" for cell in row) + "</tr>"


def main(arguments: list[str] | None = None) -> int:
    """Write the page and the table, or print the comparison; 2 with a message where that cannot be done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, nargs="?", metavar="results.json")
    parser.add_argument("--html", type=Path, help="default: beside results.json")
    parser.add_argument("--markdown", type=Path, help="default: beside results.json")
    parser.add_argument("--png", type=Path, help="the curves of the speed-ups as a picture of their own")
    parser.add_argument("--compare", type=Path, nargs=2, metavar=("before.json", "after.json"))
    options = parser.parse_args(arguments)
    if (options.results is None) == (options.compare is None):
        parser.error("expected results.json, or --compare before.json after.json")
    try:
        if options.compare:
            section = tables.compared(*map(read, options.compare))
            print(markdown(" -> ".join(map(str, options.compare)), [section]))
            return 0
        return _write(read(options.results), options)
    except ResultsError as error:
        print(f"report: {error}", file=sys.stderr)
    except OSError as error:
        print(
            f"report: cannot write {error.filename}: {error.strerror}; name a file that can be",
            file=sys.stderr,
        )
    except ModuleNotFoundError as error:
        print(
            f"report: {error.name}, which draws the figures, is missing; pip install '.[app]' in chainrule's folder",
            file=sys.stderr,
        )
    return 2


def _write(saved: dict, options: argparse.Namespace) -> int:
    from bench import figures

    there = {(row["part"], row["case"], row["contender"]) for row in saved["rows"]}
    for number, row in enumerate(saved["rows"], 1):
        if row["part"] in tables.PARTS and (row["part"], row["case"], row["ours"]) not in there:
            fault = f"row {number}: its case has no row of {row['ours']}, which it is set against"
            raise ResultsError(f"{options.results}: {fault}")
    title = f"Benchmarks of chainrule on {saved['about']['device']}" + ", partial" * (
        "partial" in saved["about"]
    )
    found = tables.sections(saved)
    found = [*found, tables.Section("How it was measured", [HOW])]
    drawn = {
        tables.DIRECTIONS["forward with backward"]: figures.speed_ups(saved),
        "Growth": figures.growth(saved),
    }
    targets = {
        options.html or options.results.with_suffix(".html"): page(
            title, found, {name: figures.svg(figure) for name, figure in drawn.items() if figure}
        ),
        options.markdown or options.results.with_suffix(".md"): markdown(title, found),
    }
    for path, text in targets.items():
        write_bytes(path, text.encode())
    speed_ups = next(iter(drawn.values()))
    if options.png and speed_ups:
        picture = io.BytesIO()
        speed_ups.savefig(picture, format="png", dpi=150)
        write_bytes(options.png, picture.getvalue())
    print(f"Saved {' and '.join(map(str, targets))}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
