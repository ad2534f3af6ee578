"""Turn the saved numbers of `pytest bench --benchmark-json=RESULTS.json` into a table and a picture.

python bench/report.py RESULTS.json [--out DIR]

prints the table, and leaves RESULTS.md and RESULTS.png in DIR, by default beside the numbers.
"""

import argparse
import importlib.util
import json
import math
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Of each direction: its spellings, the one that all others are a speed-up over, and the one whose time is 1.
DIRECTIONS = {
    "forward with backward": (
        ("by_loops", "by_sample", "by_scaling", "by_matmul", "by_tiles"),
        "by_loops",
        "by_matmul",
    ),
    "forward": (("by_loops", "by_sample", "by_matmul"), "by_loops", "by_matmul"),
    "backward": (("kept", "recomputed"), None, "kept"),
    "dot": (("by_loops", "by_matmul"), "by_loops", "by_matmul"),
}
TITLES = {
    "forward with backward": "One step: forward with backward",
    "forward": "Forward alone",
    "backward": "Backward alone, from the values that forward kept, and with those computed again",
    "dot": "The dot product, by_matmul being `x @ w`",
}
OVER = "not run: over the cap"

# Colours that stay apart for colour-blind eyes (Okabe and Ito), each with its own marker. by_tiles often lies on
# by_matmul, so it is drawn dashed and smaller, for both to be seen.
LOOKS = {
    "by_sample": {"color": "#E69F00", "marker": "s", "markersize": 6},
    "by_scaling": {"color": "#009E73", "marker": "^", "markersize": 7},
    "by_matmul": {"color": "#0072B2", "marker": "o", "markersize": 10},
    "by_tiles": {"color": "#D55E00", "marker": "D", "markersize": 5, "linestyle": "--"},
}


class ResultsError(ValueError):
    """A file of results that cannot be read; the message names the file and the fault."""


@dataclass(frozen=True, order=True)
class Size:
    """`grows` first, then m and n: the order of the table."""

    grows: str
    m: int
    n: int

    def __str__(self) -> str:
        return f"{self.m} x {self.n}"


@dataclass(frozen=True)
class Timing:
    """Seconds of one benchmark."""

    median: float
    q1: float
    q3: float
    min: float
    max: float
    rounds: int
    first: float
    transfer: float


@dataclass(frozen=True)
class Run:
    """One file of results: `timings` by (direction, size, spelling), `over` those that the caps kept out."""

    facts: dict[str, str]
    timings: dict[tuple[str, Size, str], Timing]
    over: frozenset[tuple[str, Size, str]]

    def sizes(self, direction: str) -> list[Size]:
        return sorted({size for which, size, _ in {*self.timings, *self.over} if which == direction})

    def median(self, direction: str, size: Size, spelling: str | None) -> float | None:
        timing = self.timings.get((direction, size, spelling or ""))
        return timing.median if timing else None


def read(path: Path) -> Run:
    """Return the results in the file, or raise ResultsError."""
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ResultsError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ResultsError(f"{path}: not JSON, or cut short: {error}") from error
    if not isinstance(saved, dict) or not isinstance(saved.get("benchmarks"), list):
        raise ResultsError(f"{path}: not a file of pytest-benchmark: no list 'benchmarks' in it")
    if not saved["benchmarks"]:
        raise ResultsError(f"{path}: no benchmark in it; see whether the run ended in failures")
    timings: dict[tuple[str, Size, str], Timing] = {}
    first: dict[str, Any] = {}
    for position, benchmark in enumerate(saved["benchmarks"], 1):
        name = benchmark.get("name", position) if isinstance(benchmark, dict) else position
        try:
            extra = benchmark["extra_info"]
            cell, timing = _cell(extra), _timing(benchmark["stats"], extra)
            same = {key: extra[key] for key in ("device", "dtype", "chainrule")}
            described = {str(key): str(value) for key, value in extra["describe"].items()}
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            fault = f"{error} is missing" if isinstance(error, KeyError) else str(error)
            raise ResultsError(
                f"{path}: benchmark {name}: {fault}; expected what `pytest bench --benchmark-json` writes"
            ) from error
        first = first or {"same": same, "describe": described}
        if same != first["same"]:
            raise ResultsError(f"{path}: benchmark {name}: {same}, others {first['same']}; expected one run")
        if cell in timings:
            raise ResultsError(f"{path}: benchmark {name}: there twice; expected one run")
        timings[cell] = timing
    try:
        over = frozenset(_cell(cell) for cell in saved.get("chainrule", {}).get("over_the_cap", []))
        facts = _facts(saved, first)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ResultsError(f"{path}: 'machine_info' or 'chainrule' is not as expected: {error}") from error
    return Run(facts, timings, over)


def _cell(facts: dict[str, Any]) -> tuple[str, Size, str]:
    direction, spelling, grows = facts["direction"], facts["spelling"], facts["grows"]
    if direction not in DIRECTIONS or spelling not in DIRECTIONS[direction][0] or grows not in ("m", "n"):
        raise ValueError(f"unknown direction, spelling or row of sizes {(direction, spelling, grows)}")
    for name in ("m", "n"):
        if type(facts[name]) is not int or facts[name] < 1:
            raise ValueError(f"{name} must be a whole number, 1 or more, got {facts[name]!r}")
    return direction, Size(grows, facts["m"], facts["n"]), spelling


def _timing(stats: dict[str, Any], extra: dict[str, Any]) -> Timing:
    seconds = [float(stats[name]) for name in ("median", "q1", "q3", "min", "max")]
    once = [float(extra[name]) for name in ("first_call_seconds", "transfer_seconds")]
    if not all(math.isfinite(value) and value > 0 for value in seconds + once):
        raise ValueError("its times must be finite and above 0")
    return Timing(*seconds, int(stats["rounds"]), *once)


def _facts(saved: dict[str, Any], first: dict[str, Any]) -> dict[str, str]:
    computer, same, described = saved["machine_info"], first["same"], first["describe"]
    return {
        "device": str(same["device"]),
        **described,
        "dtype": str(same["dtype"]),
        "machine": f"{computer['node']}, {computer['system']} {computer['release']}, {computer['machine']}",
        "processor": f"{computer['cpu'].get('brand_raw', 'not known')}, {computer['cpu'].get('count', '?')} processors",
        "versions": f"chainrule {same['chainrule']}, Python {computer['python_version']}",
        "threads": "; ".join(saved["benchmarks"][0]["extra_info"]["threads"])
        or "not known: no threadpoolctl",
        "run": str(saved.get("datetime", "not known"))[:19],
    }


def table(run: Run) -> str:
    """Return the results as Markdown."""
    lines = [f"# Benchmarks of chainrule on {run.facts['device']}", "", "| | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in run.facts.items()]
    lines += [
        "",
        "Every result was compared with by_matmul in float64 on NumPy before it was timed. A time is the median over "
        "the rounds, with the quartiles and the extremes beside it. The device was synchronised inside the timed call; "
        "the first call stands apart (it is what the call cost cold, the first of that size in this process), "
        "and so does the transfer of X. by_loops is plain Python on lists, on the processor whatever the device; "
        "making the lists is not timed.",
        "",
        "A ratio compares the medians of two benchmarks of this one run, in one process, on the machine above, and "
        "says nothing about others. Where by_tiles and by_matmul are close, two pools of threads disturb each other in "
        "one process: `python bench/tiles.py` compares them in a process each. Nothing is extrapolated.",
    ]
    for direction, title in TITLES.items():
        if sizes := run.sizes(direction):
            lines += ["", f"## {title}", "", *_rows(run, direction, sizes)]
    return "\n".join([*lines, *_transfers(run), ""])


def _rows(run: Run, direction: str, sizes: list[Size]) -> list[str]:
    spellings, slowest, unit = DIRECTIONS[direction]
    faster = f" times faster than {slowest} |" if slowest else ""
    lines = [
        f"| m x n | spelling | median | quartiles | min .. max | rounds |{faster} time, {unit} = 1 | first call |",
        "|---:|---|---:|---:|---:|---:|" + "---:|" * (3 if slowest else 2),
    ]
    for size in sizes:
        for spelling in spellings:
            timing = run.timings.get((direction, size, spelling))
            if timing is None:
                why = OVER if (direction, size, spelling) in run.over else "not run"
                lines.append(f"| {size} | {spelling} | {why} |" + " |" * (6 if slowest else 5))
                continue
            cells = [
                _seconds(timing.median),
                f"{_seconds(timing.q1)} .. {_seconds(timing.q3)}",
                f"{_seconds(timing.min)} .. {_seconds(timing.max)}",
                str(timing.rounds),
            ]
            if slowest:
                cells.append(_ratio(run, direction, size, slowest, lambda base, t=timing: base / t.median))
            cells.append(_ratio(run, direction, size, unit, lambda base, t=timing: t.median / base))
            lines.append(f"| {size} | {spelling} | {' | '.join([*cells, _seconds(timing.first)])} |")
    if direction == "forward":
        lines.append("| every size | by_scaling | as by_matmul: they share it |" + " |" * 6)
        lines.append("| every size | by_tiles | none: it is one pass, forward with backward |" + " |" * 6)
    return lines


def _ratio(run: Run, direction: str, size: Size, base: str, ratio: Callable[[float], float]) -> str:
    seconds = run.median(direction, size, base)
    if seconds is None:
        return f"{base} {OVER if (direction, size, base) in run.over else 'not run'}"
    return _short(ratio(seconds))


def _transfers(run: Run) -> list[str]:
    moved = {
        size: timing.transfer for (direction, size, _), timing in run.timings.items() if direction != "dot"
    }
    if not moved:
        return []
    copied = " (on this device it needs no copy)" if run.facts["device"] == "cpu" else ""
    lines = [
        "",
        f"## Transfer of X from the host to the device{copied}",
        "",
        "| m x n | median of 3 |",
        "|---:|---:|",
    ]
    return lines + [f"| {size} | {_seconds(moved[size])} |" for size in sorted(moved)]


def _seconds(value: float) -> str:
    units = {"s": 1, "ms": 1e3, "µs": 1e6, "ns": 1e9}
    unit = next((unit for unit, factor in units.items() if value * factor >= 1), "ns")
    return f"{_short(value * units[unit])} {unit}"


def _short(value: float) -> str:
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


def picture(run: Run, path: Path) -> None:
    """Draw how many times faster than by_loops one step is, as m grows and as n grows, both scales logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import NullLocator, StrMethodFormatter

    direction = "forward with backward"
    spellings, slowest, _ = DIRECTIONS[direction]
    figure, panels = plt.subplots(1, 2, figsize=(11, 5), sharey=True, layout="constrained")
    for panel, grows in zip(panels, "mn", strict=True):
        sizes = [size for size in run.sizes(direction) if size.grows == grows]
        for spelling in spellings:
            if spelling == slowest:
                continue
            points = [
                (getattr(size, grows), base / timing.median, base / timing.q3, base / timing.q1)
                for size in sizes
                if (base := run.median(direction, size, slowest))
                and (timing := run.timings.get((direction, size, spelling)))
            ]
            if not points:
                continue
            at, ratio, low, high = zip(*points, strict=True)
            panel.plot(at, ratio, linewidth=1.8, label=spelling, **LOOKS[spelling])
            panel.vlines(at, low, high, color=LOOKS[spelling]["color"], linewidth=4, alpha=0.3)
        panel.axhline(1, color="#444444", linewidth=1)
        panel.set(xscale="log", yscale="log")
        panel.set_xticks([getattr(size, grows) for size in sizes])
        panel.xaxis.set_minor_locator(NullLocator())
        panel.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        panel.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        panel.grid(which="major", color="#dddddd", linewidth=0.7)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
        panel.tick_params(which="minor", length=0)
        missing = [size for size in sizes if run.median(direction, size, slowest) is None]
        fixed = {str(size.n if grows == "m" else size.m) for size in sizes}
        who, other = ("samples", "features n") if grows == "m" else ("features", "samples m")
        panel.set_title(f"{who} {grows} grow", loc="left")
        note = f"{other} = {', '.join(sorted(fixed))}"
        if missing:
            note += f"; {', '.join(map(str, missing))} has no ratio: {slowest} was not run"
        panel.set_xlabel(f"{who} {grows}\n({note})")
    panels[0].set_ylabel(f"times faster than {slowest}")
    panels[0].annotate(
        slowest, (0.99, 1), xycoords=("axes fraction", "data"), xytext=(0, 3), textcoords="offset points",
        ha="right", color="#444444",
    )  # fmt: skip
    panels[0].legend(frameon=False)
    facts = run.facts
    named = f"{facts['device']} ({facts.get('hardware', facts['processor'])}), {facts['dtype']}"
    figure.suptitle(
        f"One logistic step, forward with backward, against plain loops on {facts['processor']}\n"
        f"{named}; {facts.get('library', '')}; threads: {facts['threads']}",
        fontsize=11,
    )
    _replace(path, lambda part: figure.savefig(part, format="png", dpi=150, metadata={"Description": named}))
    plt.close(figure)


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` make the file beside `path`, then rename it: a reader finds the old file or the new one."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def main(arguments: list[str] | None = None) -> int:
    """Print the table, save it and the picture; 2 with a message where that cannot be done."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, metavar="RESULTS.json")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: beside RESULTS.json")
    options = parser.parse_args(arguments)
    if importlib.util.find_spec("matplotlib") is None:
        print(
            'report: matplotlib, which draws the picture, is missing; pip install "chainrule[app]"',
            file=sys.stderr,
        )
        return 2
    try:
        run = read(options.results)
    except ResultsError as error:
        print(f"report: {error}", file=sys.stderr)
        return 2
    folder = options.out or options.results.parent
    folder.mkdir(parents=True, exist_ok=True)
    saved = [folder / f"{options.results.stem}{suffix}" for suffix in (".md", ".png")]
    text = table(run)
    print(text)
    _replace(saved[0], lambda part: part.write_text(text, encoding="utf-8"))
    picture(run, saved[1])
    print(f"Saved {saved[0]} and {saved[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
