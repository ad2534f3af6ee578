"""The command predict."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from chainrule import data
from chainrule.backend.device import Device, get_device
from chainrule.backend.threads import fixed_threads
from chainrule.cli.console import (
    STANDARD_OUTPUT,
    DeviceOption,
    FrameOption,
    InvertOption,
    LabelOption,
    MemoryOption,
    ModelArgument,
    ThreadsOption,
    check_invert,
    complain,
    err,
    faults_told,
    on_terminal,
    out,
    print_json,
    printable,
    put,
    reserve_output,
)
from chainrule.cli.verdicts import Classes, Numbers
from chainrule.data.errors import SettingError
from chainrule.data.limits import at_most
from chainrule.trained.answers import Answers, answers, open_for
from chainrule.trained.model import read_model
from chainrule.training.model_file import Model


def predict(
    model_path: ModelArgument,
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="SAMPLES...",
            help="Pictures of any size, folders of them, or data in any layout that train reads, labelled or not.",
        ),
    ],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON list, with the probability of every class.")
    ] = False,
    table: Annotated[
        Path | None,
        typer.Option(
            "--out",
            help="Write the answers, with the probability of every class, into this .csv file; - is the standard "
            "output.",
        ),
    ] = None,
    label: LabelOption = None,
    held_out: Annotated[
        bool, typer.Option("--held-out", help="Answer the held-out rows of data that bring some.")
    ] = False,
    invert: InvertOption = "auto",
    frame: FrameOption = True,
    memory: MemoryOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Print the class of each sample and its probability, one line each; and the accuracy where labels are there.

    Of a model that predicts a number, it prints the number, and the root mean square error where labels are there. A
    picture in a folder has the label of its first subfolder. Pictures are resized whole, but those of ink that --frame
    cuts: crop them as those that the model learnt from are cropped. Of data that bring held-out rows the others are
    answered, unless --held-out is given. An input that cannot be read is named on the error stream, the others are
    still answered, and the exit status is 1.

    Examples: chainrule predict digits digit.png | chainrule predict cats photos/ --out answers.csv
    """
    with faults_told(), at_most(memory), fixed_threads(threads):
        check_invert(invert)
        if table and table != STANDARD_OUTPUT and (table.suffix.lower() != ".csv" or table.is_dir()):
            raise ValueError(f"--out: expected the name of a .csv file, got {table}; name one")
        reserve_output({"--out": table}, as_json=as_json)
        model = read_model(model_path)
        told = _Told(model, as_json=as_json, table=table, asked=invert == "yes")
        settings = {"label": label, "held_out": held_out, "on_fault": told.fault, "frame": frame}
        with _bar(shown=table is not None or as_json) as bar:
            task = bar.add_task("samples", total=0)
            for path, number, part in _answered(model, get_device(device), inputs, invert, settings, told):
                bar.update(task, total=number)
                told.add(path, part)
                bar.advance(task, len(part.P))
        told.end()
        if told.failed:
            raise typer.Exit(1)


def _answered(
    model: Model, device: Device, inputs: list[Path], invert: str, settings: dict[str, Any], told: "_Told"
) -> Iterator[tuple[Path, int, Answers]]:
    """Yield each block of answers with its input and the number of samples known so far."""
    number = 0
    for path in inputs:
        try:
            samples = open_for(model, path, **settings)
            number += samples.number
            for note in samples.notes:
                told.note(note)
            for part in answers(model, device, samples, invert=invert):
                yield path, number, part
        except SettingError:
            # It is the option that is wrong, and no input more than another.
            raise
        except (data.DataError, ImportError) as error:
            told.fault(error)


def _bar(*, shown: bool) -> Progress:
    """Return a progress bar on the error stream, unless lines of answers show on the same terminal how it goes."""
    return Progress(
        TextColumn("samples"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        redirect_stdout=False,
        disable=not (on_terminal(err) and (shown or not on_terminal(out))),
    )


class _Told:
    """What is told of answers: lines, JSON or a table of them, and what sums them up."""

    def __init__(self, model: Model, *, as_json: bool, table: Path | None, asked: bool) -> None:
        self.model, self.as_json, self.table, self.asked = model, as_json, table, asked
        self.verdicts = Classes(model) if model.classes else Numbers()
        self.failed = False
        self.entries: list[dict[str, Any]] = []
        self.text = io.StringIO(newline="")
        self.writer = csv.writer(self.text, lineterminator="\n")
        self.writer.writerow(["input", "row", *self.verdicts.columns])
        self.answered = self.inverted = self.framed = 0

    def fault(self, error: Exception) -> None:
        """Tell of an input that cannot be read."""
        self.failed = True
        complain(error)

    def note(self, text: str) -> None:
        """Tell a fact on the error stream."""
        err.print(f"note: {printable(text)}", markup=False)

    def add(self, path: Path, part: Answers) -> None:
        """Take a block of answers to the samples in `path`."""
        files, first = part.block.files, part.block.first
        self.answered += len(part.P)
        self.inverted += int(part.inverted.sum())
        self.framed += sum(part.block.framed)
        for k, (words, cells, entry) in enumerate(self.verdicts.of(part)):
            source = str(files[k]) if files else str(path)
            row = None if files else first + k
            if self.table is not None:
                self.writer.writerow([source, row, *cells])
            if self.as_json:
                where: dict[str, Any] = {"input": source} | ({} if row is None else {"row": row})
                changed = {"inverted": bool(part.inverted[k]), "framed": any(part.block.framed[k : k + 1])}
                self.entries.append(where | {name: True for name, was in changed.items() if was} | entry)
            elif self.table is None:
                print("\t".join(map(printable, (source if row is None else f"{source}:{row}", *words))))

    def end(self) -> None:
        """Write what was kept, and tell what sums it up."""
        if self.as_json:
            print_json(self.entries)
        if self.table is not None:
            put(self.table, self.text.getvalue().encode(errors="surrogateescape"))
            if self.table != STANDARD_OUTPUT:
                self.note(f"{self.answered} answers are in {self.table}")
        if self.framed:
            self.note(
                f"{self.framed} of {self.answered} pictures were cut to their ink, which fills {self.model.ink:.0%} "
                "of those that the model learnt from (--no-frame leaves them whole)"
            )
        if self.inverted and not self.asked:
            learnt, came = ("dark", "light") if (self.model.border or 0) < 0.5 else ("light", "dark")
            self.note(
                f"{self.inverted} of {self.answered} pictures have a {came} border where the model learnt from "
                f"{learnt} ones: turned to their negatives (--invert no leaves them)"
            )
        for line in self.verdicts.end():
            err.print(line, markup=False)
