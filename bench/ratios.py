"""What the rows of a file of results say: medians, ratios with their spread, crossings, exponents."""

import math
import statistics

Spread = tuple[float, float, float]


def of(saved, part, **wanted):
    """Return the rows of a part, of those that have what is wanted."""
    return [
        row
        for row in saved["rows"]
        if row["part"] == part and all(row.get(name) == value for name, value in wanted.items())
    ]


def cases(rows):
    """Return {case: {contender: row}} in the order in which they were measured."""
    found = {}
    for row in rows:
        found.setdefault(row["case"], {})[row["contender"]] = row
    return found


def spread(values):
    return statistics.median(values), min(values), max(values)


def ratio(a, b, *, paired=True) -> Spread | None:
    """Return the time of row a over that of row b: median, lowest, highest; None where one was not measured.

    Rows of one contest were measured in turn, so it is the ratios of the rounds that are looked at. Rows that are not
    paired have nothing to do with each other: every time of the one may have met every time of the other.
    """
    if not a["seconds"] or not b["seconds"]:
        return None
    if a is b:
        return 1.0, 1.0, 1.0
    if paired and len(a["seconds"]) == len(b["seconds"]):
        return spread([x / y for x, y in zip(a["seconds"], b["seconds"], strict=True)])
    (middle, low, high), (other, least, most) = spread(a["seconds"]), spread(b["seconds"])
    return middle / other, low / most, high / least


def from_where(pairs):
    """Return the first value from which on the ratios are under 1, spread and all, or None.

    `pairs` is [(value, ratio)] in the order of growth.
    """
    won = None
    for value, (_, _, high) in pairs:
        if high >= 1:
            won = None
        elif won is None:
            won = value
    return won


def points(saved, what):
    """Return {contender: its measured rows, in the order of what grows}."""
    found = {}
    for row in of(saved, "growth"):
        if row["grows"][0] == what and row["seconds"]:
            found.setdefault(row["contender"], []).append(row)
    return {name: sorted(rows, key=lambda row: row["grows"][1]) for name, rows in found.items()}


def exponent(rows) -> Spread | None:
    """Return p of time ~ value^p over the three largest values, fitted to each round; None for fewer than two."""
    rows = rows[-3:]
    rounds = min((len(row["seconds"]) for row in rows), default=0)
    if len(rows) < 2 or not rounds:
        return None
    at = [math.log(row["grows"][1]) for row in rows]
    return spread(
        [
            statistics.linear_regression(at, [math.log(row["seconds"][k]) for row in rows]).slope
            for k in range(rounds)
        ]
    )


def is_rival(row):
    """Say whether losing to this one is losing: it is neither ours nor the bound."""
    return row["contender"] != "limit" and not row.get("library", "").startswith("chainrule")


# Ratios of the rounds that are further apart tell more of the machine than of the contenders.
WIDE = 2.0
# Of what the processors can do: above it, other programs took a part in every time.
BUSY = 0.1
NOISY = "too noisy to tell"


def is_busy(saved) -> bool:
    """Say whether other programs used the processors during the run."""
    return saved["about"].get("used by others", 0.0) > BUSY


def near(limit, row) -> Spread | None:
    """Return the share of a limit in the time of a row; None where the limit was beaten, and so is none.

    Whatever disturbs a measurement adds to it, so the limit is the least of its times. Of a run it is that of all its
    passes.
    """
    least = row.get("passes", 1) * min(limit["seconds"])
    found = spread([least / seconds for seconds in row["seconds"]])
    return None if found[0] > 1 else found


def verdict(found: Spread, busy: bool = False) -> str:
    """Name what a ratio of our time to theirs means."""
    middle, low, high = found
    if busy or high / low > WIDE:
        return NOISY
    if low > 1:
        return "we lose"
    if high < 1:
        return "we win"
    return f"within the spread, we {'lose' if middle > 1 else 'win' if middle < 1 else 'draw'}"
