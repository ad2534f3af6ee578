"""The command compare: runs beside each other, and whether chance may have made their difference."""

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from chainrule.cli.console import (
    JsonOption,
    faults_told,
    out,
    print_json,
    printable,
    reserve_output,
    write_file,
)
from chainrule.training.report.compared import comparison
from chainrule.training.report.compared.outcome import Outcome, read_run


def compare(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="RUN RUN...", help="Folders that train has written to, two or more."),
    ],
    page: Annotated[
        Path | None,
        typer.Option("--out", help="Write a page with the curves over each other; - is the standard output."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare runs: accuracy on held-out rows with error bars, chance or not, and the settings that differ.

    The runs must have one task and the same held-out rows. Each run is compared with the first: by McNemar's exact test
    of the answers to each row, for numbers by Student's test of the squared errors.

    Examples: chainrule compare digits wider | chainrule compare digits wider deeper --out compared.html
    """
    with faults_told():
        reserve_output({"--out": page}, as_json=as_json)
        if len(folders) < 2:
            raise ValueError(f"RUN: expected two runs or more, got {len(folders)}; name another one")
        names = _names(folders)
        runs = [read_run(folder, name) for folder, name in zip(folders, names, strict=True)]
        comparison.check_comparable(runs)
        _tell(runs)
        if page is not None:
            write_file(page, comparison.render(runs))
        if as_json:
            print_json(comparison.as_json(runs))


def _tell(runs: list[Outcome]) -> None:
    table = Table()
    table.add_column("")
    for run in runs:
        table.add_column(printable(run.name), overflow="fold")
    score = "error, held out" if runs[0].regression else "right, held out"
    table.add_row(score, *map(comparison.score_in_words, runs))
    table.add_row("steps", *(str(run.report["steps"]) for run in runs))
    table.add_row("seconds", *(f"{run.report['seconds']:.2f}" for run in runs), end_section=True)
    for name, values in comparison.settings_that_differ(runs).items():
        table.add_row(name, *map(printable, values))
    out.print(table, markup=False, soft_wrap=False)
    out.print(f"{runs[0].rows} held-out rows; error bars: {comparison.interval_name(runs)}", markup=False)
    for one in comparison.differences(runs):
        out.print(printable(comparison.said(one, regression=runs[0].regression)), markup=False)


def _names(folders: list[Path]) -> list[str]:
    """Return a name for each run: that of its folder; of several with one name the path, of one path with its place."""
    short = [folder.resolve().name for folder in folders]
    paths = [
        name if short.count(name) == 1 else str(folder) for name, folder in zip(short, folders, strict=True)
    ]
    return [name if paths.count(name) == 1 else f"{name} ({k + 1})" for k, name in enumerate(paths)]
