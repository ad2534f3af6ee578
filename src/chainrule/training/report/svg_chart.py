"""Lines over steps, drawn as SVG that takes its colours from the page around it."""

import html
import math
import sys
from collections.abc import Mapping, Sequence

Points = Sequence[tuple[float, float]]

_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 480, 260, 58, 14, 12, 40
# More than a screen shows: a page does not grow with the run.
_POINTS = 500

# Hues that the common kinds of colour-blindness keep apart, in a darker and a lighter row (Okabe and Ito, Color
# Universal Design, 2008); with the dashes, neighbours differ without any hue.
_LIGHT = ("#0072b2", "#d55e00", "#007a5a", "#a8467f", "#8a6100", "#2b6f9e", "#555555")
_DARK = ("#56b4e9", "#ff8c42", "#2fc79a", "#e29ac5", "#e6b325", "#9ad1f5", "#bbbbbb")
_DASHES = ("none", "7 4", "2 3", "9 3 2 3")

CSS = "\n".join(
    [
        ".chart { width: 100%; height: auto; min-width: 20rem; }",
        ".chart text { fill: currentColor; font: 12px system-ui, sans-serif; }",
        ".chart .grid { stroke: currentColor; opacity: .18; }",
        ".line { fill: none; stroke-width: 2; stroke-linejoin: round; }",
        *(f".c{i} {{ stroke: {hue}; }}" for i, hue in enumerate(_LIGHT)),
        "@media (prefers-color-scheme: dark) {",
        *(f".c{i} {{ stroke: {hue}; }}" for i, hue in enumerate(_DARK)),
        "}",
        *(f".d{i} {{ stroke-dasharray: {dash}; }}" for i, dash in enumerate(_DASHES)),
        ".legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; }",
        ".legend svg { width: 2rem; height: .6rem; margin-right: .4rem; }",
        ".mark { fill: none; stroke: currentColor; stroke-width: 2; }",
    ]
)


def line_chart(
    lines: Mapping[str, Points], *, label: str, log: bool = False, mark: tuple[float, float] | None = None
) -> str:
    """Return SVG of lines by their names, each of points (x, y) of rising x, with a legend; `label` says it in words.

    Points that are not finite, and on a logarithmic scale those that are not positive, are left out. `mark` is a point
    with a ring around it.
    """

    def drawn(y: float) -> bool:
        return math.isfinite(y) and (not log or y > 0)

    lines = {name: _thinned([p for p in points if drawn(p[1])]) for name, points in lines.items()}
    mark = mark if mark and drawn(mark[1]) else None
    points = [*(p for line in lines.values() for p in line), *([mark] if mark else [])]
    if not points:
        return "<p>No number to draw.</p>"
    left, right = min(x for x, _ in points), max(x for x, _ in points)
    lowest, highest = min(y for _, y in points), max(y for _, y in points)
    heights = _decades(lowest, highest) if log else _round_numbers(min(0.0, lowest), highest)
    low, high = min(heights[0], lowest), max(heights[-1], highest)

    def across(x: float) -> float:
        return _LEFT + (x - left) / ((right - left) or 1) * (_WIDTH - _LEFT - _RIGHT)

    def down(y: float) -> float:
        if log:
            share = (math.log(y) - math.log(low)) / ((math.log(high) - math.log(low)) or 1)
        else:
            share = (y - low) / ((high - low) or 1)
        return _HEIGHT - _BOTTOM - share * (_HEIGHT - _TOP - _BOTTOM)

    parts = []
    for y in heights:
        at = down(y)
        parts.append(f'<path class="grid" d="M{_LEFT} {at:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{y:g}</text>')
    for x in _round_numbers(left, right):
        if left <= x <= right:
            parts.append(
                f'<text x="{across(x):.1f}" y="{_HEIGHT - _BOTTOM + 18}" text-anchor="middle">{x:g}</text>'
            )
    parts.append(f'<text x="{(_LEFT + _WIDTH) / 2:g}" y="{_HEIGHT - 4}" text-anchor="middle">step</text>')
    for i, line in enumerate(lines.values()):
        if line:
            path = "L".join(f"{across(x):.1f} {down(y):.1f}" for x, y in line)
            end = "" if len(line) > 1 else "h0.1"
            parts.append(f'<path class="line {_style(i)}" d="M{path}{end}" stroke-linecap="round"/>')
    if mark:
        parts.append(f'<circle class="mark" cx="{across(mark[0]):.1f}" cy="{down(mark[1]):.1f}" r="5"/>')
    drawing = (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html.escape(label)}">'
        f"{''.join(parts)}</svg>"
    )
    return f"{drawing}\n{_legend(list(lines))}" if len(lines) > 1 else drawing


def _style(i: int) -> str:
    return f"c{i % len(_LIGHT)} d{i % len(_DASHES)}"


def _legend(names: Sequence[str]) -> str:
    items = (
        f'<li><svg viewBox="0 0 32 8" aria-hidden="true"><path class="line {_style(i)}" d="M0 4H32"/></svg>'
        f"{html.escape(name)}</li>"
        for i, name in enumerate(names)
    )
    return f'<ul class="legend">{"".join(items)}</ul>'


def _thinned(points: Points) -> Points:
    """Return at most _POINTS of the points, evenly, the last among them."""
    every = -(-len(points) // _POINTS)
    return points if every <= 1 else [*points[:-1:every], points[-1]]


def _round_numbers(low: float, high: float) -> list[float]:
    """Return four to seven multiples of 1, 2 or 5 times a power of ten that reach from `low` to `high` or beyond."""
    rough = max((high - low) / 5 or abs(high) or 1.0, sys.float_info.min)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * k for k in (1, 2, 5, 10) if power * k >= rough * (1 - 1e-9))
    first, last = math.floor(low / step), math.ceil(high / step)
    return [k * step for k in range(first, last + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Return some powers of ten that reach from `low` to `high` or beyond."""
    # Under -307 a power of ten is no normal number any more, and soon 0.
    first = max(-307, math.floor(math.log10(low)))
    last = max(first, math.ceil(math.log10(high)))
    every = max(1, -(-(last - first) // 6))
    last += -(last - first) % every
    return [10.0 ** min(k, 308) for k in range(first, last + 1, every)]
