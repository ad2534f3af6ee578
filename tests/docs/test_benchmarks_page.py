"""The tables of docs/benchmarks.md and of the README are those of the run that they name."""

import re

import pytest

from bench import ratios, report, tables
from tests.helpers import ROOT
from tests.helpers.pages import text_of

RESULTS = ROOT / "bench" / "results"
SAVED = report.read(RESULTS / "cpu-amd-epyc-2026-11-30.json")
OF_NETWORKS = report.read(RESULTS / "cpu-amd-epyc-2026-11-30-network.json")
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
    "The engine": ("engine", lambda row: f"4 tanh layers, {row.removesuffix(', compiled')}"),
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
    "a relu network, 784 - 1024 - 1024 - 10, batch 512, gradient descent": (
        "network",
        "784 - 1024 - 1024 - 10, batch 512, gradient-descent",
    ),
    "the engine, value and gradient of 4 tanh layers, 64 x 64": ("engine", "4 tanh layers, 64 x 64"),
    "the engine, compiled by `cr.compile`, 64 x 64": ("engine", "4 tanh layers, 64 x 64"),
}


def table_of(page, heading):
    """Return the cells of the one table under a heading, its header first."""
    section = re.split(r"^## ", text_of(page), flags=re.MULTILINE)
    (text,) = (part for part in section if part.startswith(f"{heading}\n"))
    rows = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row] for row in rows]


def rows_of(part, case):
    return cases_of(part)[case]


def cases_of(part):
    return ratios.cases(ratios.of(OF_NETWORKS if part == "network" else SAVED, part))


def ours(rows, label):
    """Return the row of chainrule that a line of a table is about."""
    return rows["chainrule compiled" if "compiled" in label else rows["limit"]["ours"]]


@pytest.mark.parametrize("heading", SECTIONS)
def test_ratios_are_those_of_the_run(heading):
    part, case_of = SECTIONS[heading]
    header, *lines = table_of("docs/benchmarks.md", heading)
    cases = [case_of(line[0]) for line in lines]
    # Every case of the run, or its losses could be left out.
    assert set(cases) == set(cases_of(part))
    for case, line in zip(cases, lines, strict=True):
        rows = rows_of(part, case)
        for name, cell in zip(header[1:-1], line[1:-1], strict=True):
            middle, low, high = ratios.ratio(ours(rows, line[0]), rows[CONTENDERS[name]])
            assert cell == f"{middle:.2f} ({low:.2f} .. {high:.2f})", (case, name)
        near = ratios.ratio(rows["limit"], ours(rows, line[0]))
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
    assert [line[0] for line in lines] == [*IN_THE_README]
    for label, *cells in lines:
        rows = rows_of(*IN_THE_README[label])
        for name, cell in zip(header[1:], cells, strict=True):
            middle, _, _ = ratios.ratio(ours(rows, label), rows[CONTENDERS[name]])
            assert cell == f"{middle:.2f}", (label, name)
