"""The tables of docs/benchmarks.md and of the README are those of the run that they name."""

import re

import pytest

from bench import ratios, report, tables
from tests.helpers import ROOT
from tests.helpers.pages import text_of

SAVED = report.read(ROOT / "bench" / "results" / "cpu-amd-epyc-2026-11-21.json")
CONTENDERS = {
    "PyTorch 2.13.0": "torch",
    "JAX 0.10.2, jitted": "jax",
    "scikit-learn 1.9.1": "sklearn",
    "autograd 1.9.1": "autograd",
    "MyGrad 2.5.0": "mygrad",
    "NumPy by hand": "numpy",
    "`by_matmul`": "by_matmul",
    "`by_tiles`, no Numba": "by_tiles, no Numba",
}
# Of each section of the page: the part of the run, and the name that the run gives the case of a row.
SECTIONS = {
    "The logistic step": ("logistic", lambda row: row),
    "The engine": ("engine", "4 tanh layers, {}".format),
    "A training step of a network": (
        "network",
        lambda row: "{}, batch {}, {}".format(*row.replace("t d", "t-d").lower().split("; ")),
    ),
}
IN_THE_README = {
    "logistic regression, 60000 x 784, `by_tiles`": ("logistic", "60000 x 784"),
    "a relu network, 784 - 256 - 128 - 10, batch 128, gradient descent": (
        "network",
        "784 - 256 - 128 - 10, batch 128, gradient-descent",
    ),
    "the engine, value and gradient of 4 tanh layers, 64 x 64": ("engine", "4 tanh layers, 64 x 64"),
}
ON_THE_XEON = report.read(ROOT / "bench" / "results" / "cpu-intel-xeon-2026-11-30-engine.json")
# Of each row of the README that is of the other run: our contender.
OF_THE_XEON = {
    "the engine on the Xeon, 64 x 64": "chainrule",
    "the engine on the Xeon, 64 x 64, compiled by `cr.compile`": "chainrule compiled",
}


def table_of(page, heading):
    """Return the cells of the one table under a heading, its header first."""
    section = re.split(r"^## ", text_of(page), flags=re.MULTILINE)
    (text,) = (part for part in section if part.startswith(f"{heading}\n"))
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows]


def rows_of(part, case):
    return ratios.cases(ratios.of(SAVED, part))[case]


def ours_over(row, rows):
    return ratios.ratio(rows[row["ours"]], row)


@pytest.mark.parametrize("heading", SECTIONS)
def test_ratios_are_those_of_the_run(heading):
    part, case_of = SECTIONS[heading]
    header, *lines = table_of("docs/benchmarks.md", heading)
    cases = [case_of(line[0]) for line in lines]
    # Every case of the run, or its losses could be left out.
    assert sorted(cases) == sorted(ratios.cases(ratios.of(SAVED, part)))
    for case, line in zip(cases, lines, strict=True):
        rows = rows_of(part, case)
        for name, cell in zip(header[1:-1], line[1:-1], strict=True):
            middle, low, high = ours_over(rows[CONTENDERS[name]], rows)
            assert cell == f"{middle:.2f} ({low:.2f} .. {high:.2f})", (case, name)
        near = ratios.ratio(rows["limit"], rows[rows["limit"]["ours"]])
        assert line[-1] == tables.percent(near), case


def test_loops_against_vectors_are_those_of_the_run():
    rows = rows_of("loops", "forward with backward, 209 x 12288")
    _, *lines = table_of("docs/benchmarks.md", "Loops against vectors")
    assert [line[0].strip("`") for line in lines] == [name for name in rows if name != "limit"]
    for spelling, time, faster in lines:
        row = rows[spelling.strip("`")]
        assert time == tables.took(row)
        assert faster == tables.short(ratios.ratio(rows["by_loops"], row, paired=False)[0])


def test_the_rows_of_the_readme_are_those_of_the_runs():
    header, *lines = table_of("README.md", "Measure your machine")
    assert [line[0] for line in lines] == [*IN_THE_README, *OF_THE_XEON]
    of_the_xeon = ratios.cases(ratios.of(ON_THE_XEON, "engine"))["4 tanh layers, 64 x 64"]
    for case, *cells in lines:
        rows = of_the_xeon if case in OF_THE_XEON else rows_of(*IN_THE_README[case])
        ours = rows[OF_THE_XEON.get(case, rows["limit"]["ours"])]
        for name, cell in zip(header[1:], cells, strict=True):
            assert cell == f"{ratios.ratio(ours, rows[CONTENDERS[name]])[0]:.2f}", (case, name)
