"""Lines, points and bars, drawn as SVG that takes its colours from the page around it."""

import html
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chainrule.training.report import palette

Points = Sequence[tuple[float, float]]

# On a phone a chart is as wide as the page, 358 pixels; its letters are then of 11.6.
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 480, 290, 74, 28, 14, 54
_LETTERS = 15.5
# A screen shows no more points, and with a limit a page does not grow with the run.
_POINTS = 500

# With the dashes, lines that are neighbours differ without any hue.
_DASHES = ("none", "7 4", "2 3", "9 3 2 3")

CSS = "\n".join(
    [
        ".chart { width: 100%; height: auto; min-width: 20rem; max-width: 36rem; }",
        f".chart text {{ fill: currentColor; font: {_LETTERS}px system-ui, sans-serif; }}",
        ".chart .grid { stroke: currentColor; opacity: .18; }",
        ".line { fill: none; stroke-width: 2; stroke-linejoin: round; }",
        *(f".c{i} {{ stroke: {hue}; }}" for i, hue in enumerate(palette.ON_LIGHT)),
        "@media (prefers-color-scheme: dark) {",
        *(f".c{i} {{ stroke: {hue}; }}" for i, hue in enumerate(palette.ON_DARK)),
        "}",
        *(f".d{i} {{ stroke-dasharray: {dash}; }}" for i, dash in enumerate(_DASHES)),
        ".legend { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; }",
        ".legend svg { width: 2rem; height: .6rem; margin-right: .4rem; }",
        ".mark { fill: none; stroke: currentColor; stroke-width: 2; }",
        ".dot, .block { fill: rgb(var(--right)); } .dot { opacity: .55; }",
    ]
)


@dataclass(frozen=True)
class _Scale:
    """Where numbers from `low` to `high` lie on the way from pixel `begin` to pixel `end`."""

    low: float
    high: float
    begin: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the pixel of a number; `begin` for every number where `low` is `high`."""
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return self.begin + (value - low) / ((high - low) or 1) * (self.end - self.begin)


def line_chart(
    lines: Mapping[str, Points],
    *,
    label: str,
    log: bool = False,
    mark: tuple[float, float] | None = None,
    looks: Sequence[tuple[int, int]] = (),
) -> str:
    """Return SVG of lines by their names, each of points (x, y) of rising x, with a legend.

    `label` says in words what the chart shows. `log` draws y on a logarithmic scale, and `mark` is a point with a ring
    around it. `looks` has the number of the colour and that of the dashes of each line. Points that are not finite or
    beyond 1e307 on either side are left out; on a logarithmic scale those of which y is not finite or not positive.
    """

    def drawn(point: tuple[float, float]) -> bool:
        # The distance of the two largest numbers of opposite signs is infinite.
        x, y = point
        return abs(x) <= 1e307 and (0 < y < math.inf if log else abs(y) <= 1e307)

    lines = {name: _thinned([p for p in points if drawn(p)]) for name, points in lines.items()}
    styles = [_style(*look) for look in looks or [(i, i) for i in range(len(lines))]]
    mark = mark if mark and drawn(mark) else None
    points = [*(p for line in lines.values() for p in line), *([mark] if mark else [])]
    if not points:
        return "<p>No number to draw.</p>"
    xs, ys = zip(*points, strict=True)
    heights = decades(min(ys), max(ys)) if log else _round_numbers(min(0.0, *ys), max(ys))
    across = _Scale(min(xs), max(xs), _LEFT, _WIDTH - _RIGHT)
    low, high = min(heights[0], *ys), max(heights[-1], *ys)
    down = _Scale(low, high, _HEIGHT - _BOTTOM, _TOP, log)
    parts = [
        *_axes(across, down, heights, "step"),
        *(
            _curve(line, style, across, down)
            for line, style in zip(lines.values(), styles, strict=True)
            if line
        ),
    ]
    if mark:
        parts.append(f'<circle class="mark" cx="{across(mark[0]):.1f}" cy="{down(mark[1]):.1f}" r="5"/>')
    drawing = _drawing(label, parts)
    return f"{drawing}\n{_legend(list(lines), styles)}" if len(lines) > 1 else drawing


def cloud(points: Points, *, label: str, across: str) -> str:
    """Return SVG of points (x, y) on one scale for both, with the line x = y; `across` says what x is."""
    shown = _thinned(points)
    ends = [min(min(point) for point in shown), max(max(point) for point in shown)]
    heights = _round_numbers(*ends)
    over, down = (
        _Scale(min(ends[0], heights[0]), max(ends[1], heights[-1]), *pixels)
        for pixels in ((_LEFT, _WIDTH - _RIGHT), (_HEIGHT - _BOTTOM, _TOP))
    )
    parts = _axes(over, down, heights, across)
    parts.append(
        f'<path class="grid" d="M{over(over.low):.1f} {down(down.low):.1f}L{over(over.high):.1f} {_TOP}"/>'
    )
    parts += [f'<circle class="dot" cx="{over(x):.1f}" cy="{down(y):.1f}" r="3"/>' for x, y in shown]
    return _drawing(label, parts)


def histogram(counts: Sequence[int], edges: Sequence[float], *, label: str, across: str) -> str:
    """Return SVG of counts (k,) as blocks between edges (k + 1,); `across` says what the edges are numbers of."""
    heights = _round_numbers(0.0, max(counts))
    over = _Scale(edges[0], edges[-1], _LEFT, _WIDTH - _RIGHT)
    down = _Scale(0.0, heights[-1], _HEIGHT - _BOTTOM, _TOP)
    parts = _axes(over, down, heights, across)
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        x, y = over(left), down(count)
        width, height = max(over(right) - x - 1, 0.5), _HEIGHT - _BOTTOM - y
        parts.append(
            f'<rect class="block" x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
        )
    return _drawing(label, parts)


def _drawing(label: str, parts: Sequence[str]) -> str:
    return (
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{html.escape(label)}">'
        f"{''.join(parts)}</svg>"
    )


def _axes(across: _Scale, down: _Scale, heights: Sequence[float], name: str) -> list[str]:
    """Return the horizontal lines with their numbers, and below the numbers of the other axis and its name."""
    parts = []
    for y in heights:
        at = down(y)
        parts.append(f'<path class="grid" d="M{_LEFT} {at:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{at + 5:.1f}" text-anchor="end">{y:g}</text>')
    for x in _round_numbers(across.low, across.high):
        if across.low <= x <= across.high:
            at, below = across(x), _HEIGHT - _BOTTOM + 20
            parts.append(f'<text x="{at:.1f}" y="{below}" text-anchor="middle">{x:g}</text>')
    parts.append(f'<text x="{(_LEFT + _WIDTH) / 2:g}" y="{_HEIGHT - 8}" text-anchor="middle">{name}</text>')
    return parts


def _curve(line: Points, style: str, across: _Scale, down: _Scale) -> str:
    path = "L".join(f"{across(x):.1f} {down(y):.1f}" for x, y in line)
    # A path of one point has no length and would not be seen.
    end = "" if len(line) > 1 else "h0.1"
    return f'<path class="line {style}" d="M{path}{end}" stroke-linecap="round"/>'


def _style(colour: int, dashes: int) -> str:
    return f"c{colour % len(palette.ON_LIGHT)} d{dashes % len(_DASHES)}"


def _legend(names: Sequence[str], styles: Sequence[str]) -> str:
    items = (
        f'<li><svg viewBox="0 0 32 8" aria-hidden="true"><path class="line {style}" d="M0 4H32"/></svg>'
        f"{html.escape(name)}</li>"
        for name, style in zip(names, styles, strict=True)
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


def decades(low: float, high: float) -> list[float]:
    """Return some powers of ten, two at least, that reach from `low` to `high` or beyond; both are positive."""
    # Powers of ten under 1e-307 are no normal numbers, and soon 0.
    first = max(-307, math.floor(math.log10(low)))
    last = max(first + 1, math.ceil(math.log10(high)))
    every = max(1, -(-(last - first) // 6))
    last += -(last - first) % every
    return [10.0 ** min(k, 308) for k in range(first, last + 1, every)]
