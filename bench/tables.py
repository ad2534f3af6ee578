"""The sections of a report: a title, sentences and a table each, of plain strings."""

from typing import NamedTuple

from bench.ratios import (
    BUSY,
    NOISY,
    cases,
    exponent,
    from_where,
    is_busy,
    is_rival,
    near,
    of,
    points,
    ratio,
    spread,
    verdict,
)

DIRECTIONS = {
    "forward with backward": "One step: forward with backward",
    "forward": "Forward alone",
    "backward": "Backward alone, from the values that forward kept, and with those computed again",
    "dot": "The dot product, by_matmul being `x @ w`",
}
# At least so many times faster is what the books call several hundred times faster.
SEVERAL_HUNDRED = 200
PARTS = {
    "logistic": ("Logistic step beside peers", "The limit is one read of X by the same threads."),
    "network": (
        "A training step of a relu network beside peers",
        "Forward, backward and update. The limit is the step's matrix products alone.",
    ),
    "engine": (
        "The engine beside its peers",
        "Value and gradient, one thread. The limit is the step's matrix products alone.",
    ),
    "derivatives": (
        "Jacobians, Hessians and gradients for each sample",
        "One thread. A Jacobian 200 x 200, a Hessian of logistic regression in 300 weights, and the gradients of 256 "
        "samples in a tanh network; `numpy` is the closed form by hand.",
    ),
    "cost": (
        "Time to a given cost",
        "Logistic regression from zeros to within a hundredth of the lowest cost. Descent and SGD take the same steps. "
        "A pass is one cost with its gradient over all rows. The limit is the bare matrix products of as many passes "
        "as each took; of scikit-learn its iterations are counted, which are passes at the least.",
    ),
}
ROW_OF_SIZES = {"m": "samples grow", "n": "features grow", "m and n": "both grow"}
CONTEST = (
    "case",
    "contender",
    "on",
    "time (min .. max)",
    "ours / it (min .. max)",
    "verdict",
    "of the limit (min .. max)",
)
CONTEST += ("first call", "transfer", "peak beyond the data")
ELSEWHERE = "not of this device"
BEATEN = "faster than what was measured as the limit"
# Two runs of one program differ by so much on a machine that nobody else uses.
USUAL = 1.1


class Section(NamedTuple):
    title: str
    sentences: list[str]
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


def sections(saved) -> list[Section]:
    gpu = () if saved["about"]["device"].startswith("cuda") else (("GPU", "not run on a GPU"),)
    facts = [
        (name, percent_of(fact) if name == "used by others" else fact)
        for name, fact in saved["about"].items()
    ]
    found = [
        _in_short(saved),
        _losses(saved),
        Section("The machine", [], ("", ""), (*facts, *gpu)),
        *_loops(saved),
        *(_contest(saved, part) for part in PARTS if of(saved, part)),
        *_memory(saved),
        *_growth(saved),
    ]
    if partial := saved["about"].get("partial"):
        found.insert(0, Section("What is missing", [f"This report is partial: {partial}."]))
    if saved["faults"]:
        found.insert(0, Section("What failed", [f"- {fault}" for fault in saved["faults"]]))
    return found


def _in_short(saved) -> Section:
    """Return what a reader wants to know first: vectors, the GPU, the limits, the peers, and whether to believe it."""
    lines = []
    if is_busy(saved):
        others = percent_of(saved["about"]["used by others"])
        lines.append(
            f"Other programs used {others} of the processors during the run, more than {percent_of(BUSY)}: no row says "
            "who is faster. Run it again on a quiet machine."
        )
    steps = cases(of(saved, "loops", direction="forward with backward"))
    lines += [line for grows in ROW_OF_SIZES if (line := _crossing(steps, grows))]
    lines += _device_against_cpu(saved) or ["What a GPU is worth here: not run on a GPU."]
    for part in ("logistic", "network", "engine"):
        shares = [
            found[0]
            for rows in cases(of(saved, part)).values()
            for row in rows.values()
            if row["contender"] == row["ours"] and (found := _share(rows.get("limit"), row))
        ]
        if shares:
            lines.append(
                f"{PARTS[part][0]}: ours reaches {percent_of(min(shares))} to {percent_of(max(shares))} of the limit."
            )
    said = [verdict for part in PARTS for verdict in _verdicts(saved, part)]
    if said:
        counted = ", ".join(f"{said.count(words)} times {words}" for words in dict.fromkeys(said))
        lines.append(f"Beside the peers, {len(said)} rows: {counted}.")
    return Section("In short", [f"- {line}" for line in lines])


def _verdicts(saved, part):
    for rows in cases(of(saved, part)).values():
        for row in rows.values():
            found = ratio(rows[row["ours"]], row) if is_rival(row) else None
            if found:
                yield verdict(found, is_busy(saved))


def _losses(saved) -> Section:
    lines = []
    for part in PARTS:
        for case, rows in cases(of(saved, part)).items():
            for row in rows.values():
                ours = rows[row["ours"]]
                found = ratio(ours, row) if is_rival(row) else None
                if row is ours and not row["seconds"]:
                    lines.append(f"- {part}, {case}: ours, {row['contender']}, has no time: {row['why']}")
                elif found and found[0] > 1:
                    said = verdict(found, is_busy(saved))
                    lines.append(f"- {part}, {case}: {times(found)} the time of {row['contender']}: {said}")
    return Section("Where we lose", lines or ["Nowhere among the rivals that were run."])


def _loops(saved):
    rows = of(saved, "loops")
    reads = {(row["direction"], row["m"], row["n"]): row for row in rows}
    for direction, title in DIRECTIONS.items():
        chosen = [row for row in rows if row["direction"] == direction]
        if not chosen:
            continue
        by_case = cases(chosen)
        lines = [_crossing(by_case, grows) for grows in ROW_OF_SIZES]
        read, what = ("dot read", "both vectors") if direction == "dot" else ("one read", "X")
        lines.append(f"The limit is one read of {what}, whatever else there is to read and to compute.")
        table = []
        for case, spellings in by_case.items():
            for name, row in spellings.items():
                faster, own = (
                    ratio(a, b, paired=False) if a and b else None
                    for a, b in ((spellings.get("by_loops"), row), (row, spellings.get("by_matmul")))
                )
                said = times(faster), times(own), _near(reads.get((read, row["m"], row["n"])), row)
                table.append((case.rpartition(", ")[2], name, took(row), *said, *_once(row)))
        header = (
            "m x n",
            "spelling",
            "median (quartiles)",
            "times faster than by_loops",
            "time, by_matmul = 1",
        )
        header += ("of the limit", "first call", "transfer of X")
        yield Section(title, [line for line in lines if line], header, tuple(table))


def _crossing(by_case, grows):
    pairs = []
    for case, rows in by_case.items():
        loops, vectors = rows.get("by_loops"), rows.get("by_matmul")
        found = (
            ratio(vectors, loops, paired=False) if loops and vectors and vectors["grows"] == grows else None
        )
        if found:
            pairs.append((case.rpartition(", ")[2], found))
    if not pairs:
        return ""
    first = from_where(pairs)
    first = f"from {first} on" if first else "at no size that was measured, spread and all"
    several = sum(SEVERAL_HUNDRED * middle <= 1 for _, (middle, _, _) in pairs)
    best, at = max((1 / middle, size) for size, (middle, _, _) in pairs)
    return (
        f"Where {ROW_OF_SIZES[grows]}, by_matmul beats by_loops {first} (smallest measured: {pairs[0][0]}); its "
        f"median is {SEVERAL_HUNDRED} times faster or more at {several} of {len(pairs)} sizes, and at most "
        f"{short(best)} times, at {at}."
    )


def _contest(saved, part) -> Section:
    title, sentence = PARTS[part]
    table = []
    for case, rows in cases(of(saved, part)).items():
        limit = rows.get("limit")
        for name, row in rows.items():
            found, where = ratio(rows[row["ours"]], row), row.get("where", "")
            if name == "limit":
                of_limit, found = rate(row), None
            else:
                of_limit = _near(limit, row)
            said = verdict(found, is_busy(saved)) if found and is_rival(row) else ""
            peak = size(row.get("peak")) if row["seconds"] else ""
            passes = (str(row.get("passes", "not counted") if row["seconds"] else ""),) * (part == "cost")
            cells = (case, name, where, took(row), times(found), said, of_limit, *passes)
            table.append((*cells, *_once(row), peak))
    return Section(
        title,
        [sentence, f"Under 1, ours ({', '.join(_ours(saved, part))}) takes less time."],
        (*CONTEST[:7], *("passes",) * (part == "cost"), *CONTEST[7:]),
        tuple(table),
    )


def _near(limit, row):
    """Return how near a row is to its limit, or why that is not known."""
    if not row["seconds"]:
        return ""
    if not limit or not limit["seconds"]:
        return "limit not measured"
    if limit.get("where") != row.get("where"):
        return ELSEWHERE
    return percent(near(limit, row)) or BEATEN


def _share(limit, row):
    """Return the share of the limit in the time of a row, or None where it is not known."""
    known = limit and limit["seconds"] and row["seconds"] and limit.get("where") == row.get("where")
    return near(limit, row) if known else None


def _ours(saved, part):
    return sorted({row["ours"] for row in of(saved, part)})


def _memory(saved):
    table = []
    for row in of(saved, "memory"):
        peak = row.get("peak") if row["seconds"] else None
        share = f"{100 * peak / row['amount']:.3g} %" if peak is not None else ""
        least = row.get("result") if peak else None
        of_limit = f"{100 * least / peak:.2g} %" if least else "limit not measured" if row["seconds"] else ""
        table.append(
            (row["case"], row["contender"], size(peak) if row["seconds"] else row["why"], share, of_limit)
        )
    sentences = [
        "The largest sum of all that a step holds at a time, its results among it, beside X and the targets.",
        "The limit is what the results take, the cost and the gradients: no step can hold less.",
    ]
    if table:
        header = ("case", "spelling", "peak", "of X's own", "of the limit")
        yield Section("Memory of a step", sentences, header, tuple(table))


def _growth(saved):
    if not of(saved, "growth"):
        return
    table, lines = [], []
    for what in ("m", "n", "depth", "width"):
        curves = points(saved, what)
        limits = {row["grows"][1]: row for row in curves.get("limit", [])}
        for name, rows in curves.items():
            found = exponent(rows)
            at = ", ".join(f"{row['grows'][1]}: {seconds(spread(row['seconds'])[0])}" for row in rows)
            of_limit = ", ".join(
                f"{row['grows'][1]}: {_near(limits.get(row['grows'][1]), row)}" for row in rows
            )
            of_limit = of_limit if name != "limit" else ""
            table.append((what, name, at, times(found) if found else "too few points", of_limit))
    lines += _device_against_cpu(saved)
    if saved["about"]["device"] == "cpu":
        lines.append("The size from which a GPU beats the CPU: not run on a GPU.")
    lines.append("The exponent is p of time ~ size^p, fitted to the three largest sizes.")
    lines.append(
        "The limit is one read of X for the logistic step, the bare matrix products for the network's."
    )
    header = ("what grows", "contender", "time at each", "exponent (min .. max)", "of the limit at each")
    yield Section("Growth", lines, header, tuple(table))


def _device_against_cpu(saved):
    """Return from which size on the device beats the CPU, a sentence for each curve that has both."""
    lines = []
    for what in ("m", "n"):
        curves = points(saved, what)
        if {"by_tiles", "by_tiles on cpu"} <= curves.keys():
            pairs = [
                (device["grows"][1], ratio(device, cpu))
                for device, cpu in zip(curves["by_tiles"], curves["by_tiles on cpu"], strict=False)
            ]
            first = from_where(pairs)
            said = f"from {what} = {first} on" if first else f"at no {what} that was measured"
            lines.append(f"The device beats the CPU {said}.")
    return lines


def compared(old, new) -> Section:
    """Return what changed between two files of results, and what differs in the machines.

    Peers and limits are the same programs in both, so what they moved by is the noise: a change is more than that.
    """
    lines = [
        f"- {name}: {old['about'].get(name, 'not said')} -> {new['about'].get(name, 'not said')}"
        for name in {**old["about"], **new["about"]}
        if old["about"].get(name) != new["about"].get(name)
    ]
    mine, theirs = (
        {(r["part"], r["case"], r["contender"]): r for r in saved["rows"]} for saved in (old, new)
    )
    both = [(ratio(theirs[key], mine[key], paired=False), mine[key]) for key in mine.keys() & theirs.keys()]
    moved = [found[0] for found, row in both if found and (is_rival(row) or row["contender"] == "limit")]
    noise = max([USUAL, *(max(middle, 1 / middle) for middle in moved)])
    busy = is_busy(old) or is_busy(new)
    lines.append(
        f"A change is a time over {short(noise)} times the other, spreads apart: so far did {len(moved)} rows of peers "
        "and limits move, whose programs are the same in both."
        if moved
        else f"A change is a time over {short(noise)} times the other, spreads apart. No peer and no limit is in both, "
        "which would show how far the machine itself moved."
    )
    table = []
    for key in {**mine, **theirs}:
        before, after = mine.get(key), theirs.get(key)
        if not before or not after:
            table.append((*key, "", "", "", f"only in the {'first' if before else 'second'}", ""))
            continue
        found = ratio(after, before, paired=False)
        peaks = [size(row["peak"]) for row in (before, after) if row.get("peak") is not None]
        peak = " -> ".join(dict.fromkeys(peaks))
        table.append((*key, took(before), took(after), times(found), _change(found, noise, busy), peak))
    header = ("part", "case", "contender", "first", "second", "second / first", "change", "peak")
    return Section("What changed", lines, header, tuple(table))


def _change(found, noise, busy):
    if not found:
        return "not measured in both"
    middle, low, high = found
    if busy or high / low > 2 * noise:
        return NOISY
    apart = middle > noise if low > 1 else middle < 1 / noise if high < 1 else False
    return ("slower" if low > 1 else "faster") if apart else "within the spread"


def took(row):
    if not row["seconds"]:
        return row["why"] or "not run"
    middle, low, high = spread(row["seconds"])
    return f"{seconds(middle)} ({seconds(low)} .. {seconds(high)})"


def _once(row):
    return tuple(seconds(spread(row[name])[0]) if row[name] else "" for name in ("first", "transfer"))


def times(found):
    if not found:
        return ""
    # Near 1 the third digit decides who is faster.
    middle, low, high = (f"{value:.3f}" if 0.9 < value < 1.1 else short(value) for value in found)
    return f"{middle} ({low} .. {high})"


def percent(found):
    if not found:
        return ""
    middle, low, high = (f"{100 * x:.0f}" if x >= 0.1 else f"{100 * x:.2g}" for x in found)
    return f"{middle} % ({low} .. {high})"


def percent_of(share):
    return f"{100 * share:.2g} %"


def rate(row):
    if not row["seconds"]:
        return ""
    return f"= {short(row['amount'] / spread(row['seconds'])[0] / 1e9)} G{row['unit']}/s"


def seconds(value):
    if value == 0:
        return "none"
    units = {"s": 1, "ms": 1e3, "µs": 1e6, "ns": 1e9}
    unit = next((unit for unit, factor in units.items() if value * factor >= 1), "ns")
    return f"{short(value * units[unit])} {unit}"


def size(value):
    if value is None:
        return "not measured"
    units = {"MiB": 1 << 20, "KiB": 1 << 10, "B": 1}
    unit = next((unit for unit, factor in units.items() if value >= factor), "B")
    return f"{short(value / units[unit])} {unit}"


def short(value):
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"
