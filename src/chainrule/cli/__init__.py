"""The commands: devices, train, predict, explain, compare, check, export."""

import inspect
import re
from collections.abc import Callable
from importlib.metadata import version
from typing import Annotated, Any

import typer

from chainrule.backend.device import VARIABLE
from chainrule.cli import check, compare, devices, explain, export, predict, train

app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"chainrule {version('chainrule')}")
        raise typer.Exit


@app.callback(
    help="Learn by gradient descent, on a CPU or a GPU, and see the numbers.\n\n"
    f"The device is that of --device, else of the environment variable {VARIABLE} "
    "(cpu, cuda, cuda:N, auto, strict), else a GPU where one works, else the CPU."
)
def _options_of_all(
    shown: Annotated[
        bool,
        typer.Option("--version", help="Show the version and exit.", callback=_print_version, is_eager=True),
    ] = False,
) -> None: ...


def _add(command: Callable[..., Any], **settings: Any) -> None:
    """Add a command by the name of its function, with its docstring as help: the terminal breaks the lines anew."""
    text = re.sub(r"(?<=\S)\n(?=\S)", " ", inspect.getdoc(command) or "")
    app.command(command.__name__, help=text, **settings)(command)


_add(devices.devices)
_add(train.train)
_add(predict.predict)
# An expression may begin with a minus, and be -h*2.
_add(explain.explain, context_settings={"ignore_unknown_options": True, "help_option_names": ["--help"]})
_add(compare.compare)
_add(check.check)
_add(export.export)
