"""The positions of boxes and wires in a drawing: layers from left to right, and no two boxes overlap.

A box's layer comes from its longest path; then each layer gets an order with few crossings, and then heights that keep
wires straight. Source: Sugiyama, Tagawa and Toda, Methods for visual understanding of hierarchical system structures,
IEEE Transactions on Systems, Man, and Cybernetics 11 (1981).
"""

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

ROW_GAP = 14.0
LAYER_GAP = 26.0
_BEND_HEIGHT = 10.0
_ROUNDS = 24


@dataclass(frozen=True)
class Layout:
    """Positions in user units: x to the right, y down, both from 0.

    left     the left edge of each box
    middle   the y of the middle of each box
    right    the right edge of the layer of each box, where its wires begin
    bends    for each wire its straight pieces past other layers: y, and the x of both ends
    """

    left: tuple[float, ...]
    middle: tuple[float, ...]
    right: tuple[float, ...]
    bends: dict[tuple[int, int], tuple[tuple[float, float, float], ...]]
    width: float
    height: float


def arranged(sizes: Sequence[tuple[float, float]], wires: Sequence[tuple[int, int]]) -> Layout:
    """Return positions for boxes of `sizes` (width, height), whose wires (from, to) each lead to a higher number."""
    pairs = list(dict.fromkeys(wires))
    wrong = [pair for pair in pairs if not 0 <= pair[0] < pair[1] < len(sizes)]
    if wrong:
        raise ValueError(f"arranged: expected each wire to lead to a box of a higher number, got {wrong[0]}")
    layer = _layers(len(sizes), pairs)
    heights = [height for _, height in sizes]
    passing: dict[tuple[int, int], int] = {}
    chains = {}
    for start, end in pairs:
        # A wire past other layers is a member of each of them, so that it passes between their boxes. The wires that
        # leave one box share the members, and part where they must.
        chains[start, end] = [start]
        for between in range(layer[start] + 1, layer[end]):
            bend = passing.setdefault((start, between), len(heights))
            if bend == len(heights):
                layer.append(between)
                heights.append(_BEND_HEIGHT)
            chains[start, end].append(bend)
        chains[start, end].append(end)
    links = list(dict.fromkeys(link for chain in chains.values() for link in pairwise(chain)))
    order = _ordered(layer, links)
    fed = {end for _, end in pairs}
    middle = _heights(order, heights, links, [_pull(link, len(sizes), fed) for link in links])

    x, lefts, rights = 0.0, [], []
    for members in order:
        lefts.append(x)
        x += max((sizes[i][0] for i in members if i < len(sizes)), default=0.0)
        rights.append(x)
        x += LAYER_GAP
    top = min((y - height / 2 for y, height in zip(middle, heights, strict=True)), default=0.0)
    middle = [y - top for y in middle]
    return Layout(
        left=tuple(lefts[layer[i]] for i in range(len(sizes))),
        middle=tuple(middle[: len(sizes)]),
        right=tuple(rights[layer[i]] for i in range(len(sizes))),
        bends={
            pair: tuple((middle[i], lefts[layer[i]], rights[layer[i]]) for i in chain[1:-1])
            for pair, chain in chains.items()
        },
        width=max(rights, default=0.0),
        height=max((y + height / 2 for y, height in zip(middle, heights, strict=True)), default=0.0),
    )


def _layers(count: int, wires: list[tuple[int, int]]) -> list[int]:
    """Return the layer of each box: after all boxes that feed it; a box that none feeds, right before its first use."""
    layer = [0] * count
    for start, end in sorted(wires, key=lambda wire: wire[1]):
        layer[end] = max(layer[end], layer[start] + 1)
    first_use: dict[int, int] = {}
    for start, end in wires:
        first_use[start] = min(first_use.get(start, layer[end]), layer[end])
    fed = {end for _, end in wires}
    return [first_use[i] - 1 if i in first_use and i not in fed else layer[i] for i in range(count)]


def _ordered(layer: list[int], links: list[tuple[int, int]]) -> list[list[int]]:
    """Return the members of each layer, from top to bottom, in the order with the fewest crossings that was found."""
    before: list[list[int]] = [[] for _ in layer]
    after: list[list[int]] = [[] for _ in layer]
    for start, end in links:
        before[end].append(start)
        after[start].append(end)
    order: list[list[int]] = [[] for _ in range(max(layer, default=-1) + 1)]
    for i in _depth_first(before, after):
        order[layer[i]].append(i)
    best, fewest = [list(members) for members in order], _crossings(order, after)
    for turn in range(_ROUNDS):
        if fewest == 0:
            break
        onward = turn % 2 == 0
        for members in order if onward else reversed(order):
            _sort_by_neighbours(members, before if onward else after, order, layer)
        crossings = _crossings(order, after)
        if crossings < fewest:
            best, fewest = [list(members) for members in order], crossings
    return best


def _depth_first(before: list[list[int]], after: list[list[int]]) -> list[int]:
    """Return all members, each after those that feed it, depth first from the outputs: neighbours stay close."""
    found: dict[int, None] = {}
    stack = [i for i in range(len(before)) if not after[i]]
    while stack:
        i = stack[-1]
        waiting = [j for j in before[i] if j not in found]
        if waiting and i not in found:
            stack.append(waiting[0])
        else:
            found.setdefault(stack.pop())
    return list(found)


def _sort_by_neighbours(
    members: list[int], neighbours: list[list[int]], order: list[list[int]], layer: list[int]
) -> None:
    """Sort a layer in place by the mean rank of each member's neighbours; a member without neighbours stays."""
    joined = [i for i in members if neighbours[i]]
    if not joined:
        return
    rank = {j: k for k, j in enumerate(order[layer[neighbours[joined[0]][0]]])}
    mean = {i: sum(rank[j] for j in neighbours[i]) / len(neighbours[i]) for i in joined}
    ranked = iter(sorted(joined, key=mean.__getitem__))
    members[:] = [next(ranked) if i in mean else i for i in members]


def _crossings(order: list[list[int]], after: list[list[int]]) -> int:
    rank = {i: k for members in order for k, i in enumerate(members)}
    count = 0
    for members in order:
        seen: list[int] = []
        for i in members:
            ends = [rank[j] for j in after[i]]
            count += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return count


def _pull(link: tuple[int, int], boxes: int, fed: set[int]) -> float:
    """Return how strongly a link is kept straight: of a long wire most, then gate to gate, then from an input."""
    start, end = link
    bends = (start >= boxes) + (end >= boxes)
    return 16.0 if bends == 2 else 4.0 if bends == 1 or start in fed else 0.02


def _heights(
    order: list[list[int]], heights: list[float], links: list[tuple[int, int]], pulls: list[float]
) -> list[float]:
    """Return the y of each member: a small sum of pull * (difference along a link)^2, and no two members overlap."""
    joined: list[list[tuple[int, float]]] = [[] for _ in heights]
    for (start, end), pull in zip(links, pulls, strict=True):
        joined[start].append((end, pull))
        joined[end].append((start, pull))
    y = [0.0] * len(heights)
    for members in order:
        _apart(members, y, heights, [1.0] * len(members))
    for turn in range(max(2 * _ROUNDS, min(400, 80_000 // max(len(heights), 1)))):
        for members in order if turn % 2 else reversed(order):
            weights = [sum(pull for _, pull in joined[i]) or 1e-3 for i in members]
            for i in members:
                if joined[i]:
                    y[i] = sum(y[j] * pull for j, pull in joined[i]) / sum(pull for _, pull in joined[i])
            _apart(members, y, heights, weights)
    return y


def _apart(members: list[int], y: list[float], heights: list[float], weights: list[float]) -> None:
    """Move the members of a layer apart in their order, with the least weighted squares (pooling)."""
    offset = 0.0
    offsets: list[float] = []
    for above, below in zip([members[0], *members], members, strict=False):
        if offsets:
            offset += (heights[above] + heights[below]) / 2 + ROW_GAP
        offsets.append(offset)
    pools: list[tuple[float, float, int]] = []  # mean, weight, number of members
    for i, offset, weight in zip(members, offsets, weights, strict=True):
        mean, count = y[i] - offset, 1
        while pools and pools[-1][0] > mean:
            other, other_weight, other_count = pools.pop()
            mean = (mean * weight + other * other_weight) / (weight + other_weight)
            weight, count = weight + other_weight, count + other_count
        pools.append((mean, weight, count))
    means = [mean for mean, _, count in pools for _ in range(count)]
    for i, mean, offset in zip(members, means, offsets, strict=True):
        y[i] = mean + offset
