"""Numbers of a report as curves, for a file or as SVG inside a page."""

import io
import os

from bench.ratios import of, points, ratio
from chainrule.training.report.palette import AMBER, BLUE, GREEN, ORANGE

# Each colour has its own marker. by_tiles often lies on by_matmul, so it is drawn dashed and smaller, for both to be
# seen.
LOOKS = {
    "by_sample": {"color": AMBER, "marker": "s", "markersize": 6},
    "by_scaling": {"color": GREEN, "marker": "^", "markersize": 7},
    "by_matmul": {"color": BLUE, "marker": "o", "markersize": 10},
    "by_tiles": {"color": ORANGE, "marker": "D", "markersize": 5, "linestyle": "--"},
    "by_tiles on cpu": {"color": "#000000", "marker": "x", "markersize": 6, "linestyle": ":"},
    "limit": {"color": "#777777", "marker": "_", "markersize": 8, "linestyle": ":"},
    "chainrule": {"color": BLUE, "marker": "o", "markersize": 6},
}


def speed_ups(saved):
    """Return how many times faster than by_loops a step is over each row of sizes, or None where none was run."""
    panels = []
    for grows, label in (("m", "samples m"), ("n", "features n"), ("m and n", "samples = features")):
        rows = of(saved, "loops", direction="forward with backward", grows=grows)
        base = {(row["m"], row["n"]): row for row in rows if row["contender"] == "by_loops"}
        curves = {}
        for row in rows:
            found = (
                ratio(base[row["m"], row["n"]], row, paired=False) if (row["m"], row["n"]) in base else None
            )
            if found and row["contender"] != "by_loops":
                at = row["m"] if grows != "n" else row["n"]
                curves.setdefault(row["contender"], []).append((at, *found))
        fixed = {row["n" if grows == "m" else "m"] for row in rows}
        note = "" if grows == "m and n" else f" (the other: {', '.join(map(str, sorted(fixed)))})"
        if curves:
            panels.append((label + note, curves))
    return _draw(panels, "times faster than by_loops", line=1) if panels else None


def growth(saved):
    """Return the times over samples, features, depth and width, or None where none was run."""
    panels = []
    for what, label in (("m", "samples m"), ("n", "features n"), ("depth", "depth"), ("width", "width")):
        curves = {}
        for contender, rows in points(saved, what).items():
            curves[contender] = [
                (row["grows"][1], *(1e3 * second for second in _middle(row["seconds"]))) for row in rows
            ]
        if curves:
            panels.append((label, curves))
    return _draw(panels, "milliseconds a step") if panels else None


def svg(figure):
    """Return the figure as an element for a page; equal numbers give equal text."""
    import matplotlib

    with matplotlib.rc_context({"svg.hashsalt": "chainrule"}):
        text = io.StringIO()
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    # Black is the colour of the page's text, which may be light on dark.
    drawn = text.getvalue()[text.getvalue().index("<svg") :].replace("#000000", "currentColor")
    return drawn.replace("<svg", '<svg fill="currentColor"', 1)


def _middle(seconds):
    ordered = sorted(seconds)
    return ordered[len(ordered) // 2], ordered[0], ordered[-1]


def _draw(panels, label, line=None):
    os.environ.setdefault("MPLBACKEND", "Agg")
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter, NullLocator, StrMethodFormatter

    figure = Figure(figsize=(4.2 * len(panels) + 0.8, 4.2), layout="constrained")
    for number, (title, curves) in enumerate(panels, start=1):
        panel = figure.add_subplot(1, len(panels), number)
        for name, curve in curves.items():
            at, median, low, high = zip(*sorted(curve), strict=True)
            panel.plot(at, median, linewidth=1.8, label=name, **LOOKS[name])
            panel.vlines(at, low, high, color=LOOKS[name]["color"], linewidth=4, alpha=0.3)
        if line is not None:
            panel.axhline(line, color="#444444", linewidth=1)
        panel.set(xscale="log", yscale="log", xlabel=title)
        panel.set_xticks(sorted({point[0] for curve in curves.values() for point in curve}))
        panel.xaxis.set_minor_locator(NullLocator())
        panel.yaxis.set_minor_formatter(NullFormatter())
        panel.tick_params(axis="x", labelrotation=45)
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        panel.grid(which="major", color="#dddddd", linewidth=0.7)
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
        if number == 1:
            panel.set_ylabel(label)
            panel.legend(frameon=False)
    return figure
