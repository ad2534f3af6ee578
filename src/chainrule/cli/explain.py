"""The command explain: an expression, or one sample through a trained model."""

import json
import math
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from chainrule.backend.device import get_device, use_device
from chainrule.backend.threads import fixed_threads
from chainrule.cli.console import (
    DeviceOption,
    FrameOption,
    InvertOption,
    JsonOption,
    MemoryOption,
    ThreadsOption,
    check_invert,
    faults_told,
    out,
    print_json,
    reserve_output,
    tell,
    write_file,
)
from chainrule.data.errors import shortened
from chainrule.data.limits import at_most
from chainrule.explain import Graph
from chainrule.explain import explain as graph_of
from chainrule.trained.answers import as_learnt, open_for
from chainrule.trained.model import read_model
from chainrule.trained.sample import Explained, explained_sample, shown
from chainrule.training.model_file import Model


def explain(
    context: typer.Context,
    first: Annotated[
        str,
        typer.Argument(
            metavar="EXPRESSION|MODEL",
            help='An expression, such as "3*(a+b*c)" or "u = b*c; J = 3*(a+u)"; or a model that train wrote.',
        ),
    ],
    rest: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME=VALUE...|SAMPLE]",
            help="For an expression its values, such as a=5 or x=[1,2,3]; for a model a picture, or rows in any "
            "layout that train reads.",
        ),
    ] = None,
    svg: Annotated[
        Path | None, typer.Option(help="Draw the graph into this file; - is the standard output.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write into this file a page that steps forward and backward.")
    ] = None,
    code: Annotated[
        bool, typer.Option("--code", help="Print forward and backward as one function of Python, too.")
    ] = False,
    png: Annotated[
        Path | None,
        typer.Option(
            help="For a model: the file for the picture of what mattered. Default: beside the model."
        ),
    ] = None,
    wanted: Annotated[
        str | None,
        typer.Option("--class", help="For a model: the class to explain. Default: the likeliest class."),
    ] = None,
    row: Annotated[int, typer.Option(help="For a file of rows: the number of the row, from 1.", min=1)] = 1,
    table: Annotated[
        bool, typer.Option("--table", help="For a model: print every gate with its numbers, too.")
    ] = False,
    invert: InvertOption = "auto",
    frame: FrameOption = True,
    as_json: JsonOption = False,
    memory: MemoryOption = None,
    device: DeviceOption = None,
    threads: ThreadsOption = None,
) -> None:
    """Show a computation gate by gate, with the value and the gradient at every node.

    For a model and a sample: the answer, and a picture of what mattered, the gradient of the log odds of a class with
    respect to the sample, and that gradient times the sample. The graph of --table, --svg and --html leads from the
    sample to the cost of the class. An expression is parsed and never executed.

    Examples: chainrule explain "3*(a+b*c)" a=5 b=3 c=2 --html graph.html | chainrule explain digits digit.png
    """
    if first == "-h" and not rest:
        typer.echo(context.get_help())
        return
    on = use_device(device) if device else nullcontext()
    with faults_told(), at_most(memory), fixed_threads(threads), on:
        reserve_output({"--svg": svg, "--html": html, "--png": png}, as_json=as_json)
        given = rest or []
        check_invert(invert)
        if first and not given and _is_there(first) and Path(first).is_dir():
            raise ValueError(
                f"explain: the model in {first} is explained by one sample; name a picture, or a file of rows"
            )
        if len(given) == 1 and _is_there(first) and ("=" not in given[0] or _is_there(given[0])):
            found = _of_a_sample(Path(first), Path(given[0]), wanted, row, png, invert, frame)
            graph, told = found.graph, found.as_json
        else:
            alone = {
                "--png": png,
                "--class": wanted,
                "--row": None if row == 1 else row,
                "--table": table or None,
            }
            for option, value in alone.items():
                if value is not None:
                    raise ValueError(
                        f"explain: {option} is for a model and a sample; leave it out of an expression"
                    )
            graph, table = graph_of(first, **_values(first, given)), True
            told = partial(_as_json, graph)
        if table:
            out.print(graph.to_text(), markup=False)
        if code:
            out.print(f"\n{graph.to_code()}", markup=False)
        for path, draw in ((svg, graph.to_svg), (html, graph.to_html)):
            if path is not None:
                write_file(path, draw().encode())
        if as_json:
            print_json(told())


def _is_there(name: str) -> bool:
    """Return whether a file or folder has this name; a long expression is none that a system takes."""
    try:
        return Path(name).exists()
    except OSError:
        return False


def _values(first: str, given: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for text in given:
        name, sign, value = text.partition("=")
        if not sign or not name.isidentifier():
            remedy = "--help has the options" if text.startswith("-") else f"there is no model {first}"
            raise ValueError(f"explain: expected a value such as a=5 or x=[1,2,3], got {text!r}; {remedy}")
        if name in values:
            raise ValueError(f"explain: {name} is given twice; leave one out")
        values[name] = _number_or_list(name, value)
    return values


def _number_or_list(name: str, text: str) -> Any:
    try:
        value = json.loads(text) if text.lstrip().startswith("[") else float(text)
        sound = _is_finite(value)
    except (ArithmeticError, ValueError, RecursionError):
        sound = False
    if not sound:
        got = shortened(repr(text), 100)
        raise ValueError(
            f"explain: {name} must be a finite number or a list of them, such as [1,2,3], got {got}"
        )
    return value


def _is_finite(value: Any) -> bool:
    """Return whether a value is a finite number, or a list of such values that is not empty."""
    if isinstance(value, list):
        return bool(value) and all(map(_is_finite, value))
    return type(value) in (int, float) and math.isfinite(value)


def _row_of(model: Model, sample: Path, row: int, invert: str, frame: bool) -> np.ndarray:
    """Return a sample of a file as a raw row (1, n), on the scale of the data that the model learnt from."""
    samples = open_for(model, sample, frame=frame)
    for note in samples.notes:
        tell("note", note)
    if row > samples.number:
        raise ValueError(f"--row: expected a number up to {samples.number}, the rows of {sample}, got {row}")
    block = next(block for block in samples.blocks if row < block.first + len(block.X))
    X, inverted = as_learnt(model, block, invert)
    if inverted[row - block.first]:
        tell("note", "the picture was turned to its negative (--invert no leaves it)")
    if block.framed and block.framed[row - block.first]:
        tell("note", "the picture was cut to its ink (--no-frame leaves it)")
    return X[row - block.first :][:1]


def _of_a_sample(
    path: Path, sample: Path, wanted: str | None, row: int, png: Path | None, invert: str, frame: bool
) -> Explained:
    """Print the answer to a sample and what mattered, and draw that."""
    device, model = get_device(), read_model(path)
    raw = _row_of(model, sample, row, invert, frame)
    if wanted is not None and wanted not in model.classes:
        known = f"one of {', '.join(model.classes)}" if model.classes else "none for a model of numbers"
        raise ValueError(f"--class: expected {known}, got {wanted!r}")
    found = explained_sample(model, device, raw, None if wanted is None else model.classes.index(wanted))
    if not model.classes:
        tell("answer", f"{found.P[0]:.6g}")
    else:
        for heading, k in zip(("answer", "next"), found.likeliest, strict=False):
            tell(heading, f"{model.classes[k]}, probability {shown(float(found.P[k]))}")
    if wanted is not None:
        tell("class", f"{wanted}, probability {shown(float(found.P[model.classes.index(wanted)]))}")
    tell("mattered", found.mattered)
    write_file(png or (path if path.is_dir() else path.parent) / f"{sample.stem}-mattered.png", found.png())
    return found


def _as_json(graph: Graph) -> dict[str, Any]:
    """Return the nodes of an expression in what JSON has."""
    return {
        "expression": graph.title,
        "nodes": [
            {
                "name": node.name,
                "gate": node.gate,
                "inputs": [graph.nodes[i].name for i in node.inputs],
                "value": node.value.tolist(),
                "gradient": None if node.gradient is None else node.gradient.tolist(),
            }
            for node in graph.nodes
        ],
    }
