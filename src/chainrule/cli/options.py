"""The options of `chainrule train`, each written once: the fields of a dataclass are the parameters of the command."""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields
from enum import Enum, StrEnum
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from chainrule.cli.console import DeviceOption, JsonOption, MemoryOption, ThreadsOption, faults_told, named
from chainrule.data import formats_help
from chainrule.training.config import Help, Options

SCHEDULER = "CHAINRULE_SCHEDULER"


@dataclass(frozen=True)
class TrainOptions(Options):
    """All options of `chainrule train`: how to learn, as `training.config.Options` has it, from what, and where."""

    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DATA]",
            help=formats_help(),
        ),
    ] = None
    dtype: Annotated[str, Help("Precision of data and parameters.", choices=("float32", "float64"))] = (
        "float32"
    )
    device: DeviceOption = None
    positive: Annotated[
        str | None,
        Help("The one class to tell from all others. Default: of two classes the second."),
    ] = None
    label: Annotated[str | None, Help("The label column of a .csv file.")] = None
    test: Annotated[Path | None, Help("Held-out rows in a file or folder of their own.")] = None
    held_out: Annotated[
        float, Help("Share of the rows to hold out where the data bring no held-out rows.")
    ] = 0.2
    image_size: Annotated[int, Help("Side in pixels to which a folder's pictures are brought.", least=1)] = 64
    memory: MemoryOption = None
    chunk_rows: Annotated[
        int | None,
        Help(
            "Read and compute so many rows at a time, on Dask; for a .zarr, an .h5 or a folder of .npy files larger "
            "than memory. Default with --workers or --scheduler: as many as take 64 MiB.",
            least=1,
        ),
    ] = None
    workers: Annotated[int | None, Help("Compute chunks on so many processes of this machine.", least=1)] = (
        None
    )
    scheduler: Annotated[
        str | None,
        typer.Option(
            help="Compute chunks on the cluster of this Dask scheduler, such as tcp://10.0.0.1:8786.",
            envvar=SCHEDULER,
        ),
    ] = None
    wait: Annotated[
        float,
        Help("Seconds to wait for workers or a scheduler that do not answer, before the run ends.", least=0),
    ] = 120.0
    threads: ThreadsOption = None
    as_json: JsonOption = False
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in --out, where there is one.")
    ] = False
    folder: Annotated[
        Path,
        typer.Option(
            "--out",
            help="Folder for the model, the history, the report and pictures.",
            parser=named,
            metavar="PATH",
        ),
    ] = Path("chainrule-run")

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.held_out < 1:
            raise ValueError(f"--held-out: expected a share above 0 and under 1, got {self.held_out}")


def takes_options(options: type[Any]) -> Callable[[Callable[[Any], None]], Callable[..., None]]:
    """Return a decorator that makes a function of such options a command with a parameter for each of their fields.

    The command tells faults of the options, as well as those of the function, as `faults_told` does.
    """

    def decorate(function: Callable[[Any], None]) -> Callable[..., None]:
        def command(**given: Any) -> None:
            plain = {name: value.value if isinstance(value, Enum) else value for name, value in given.items()}
            with faults_told():
                function(options(**plain))

        hints = get_type_hints(options, include_extras=True)
        command.__doc__, command.__name__ = function.__doc__, function.__name__
        command.__annotations__ = {name: _for_typer(name, hint) for name, hint in hints.items()}
        parameters = [
            inspect.Parameter(
                one.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=inspect.Parameter.empty if one.default is MISSING else one.default,
                annotation=command.__annotations__[one.name],
            )
            for one in fields(options)
        ]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return command

    return decorate


def _for_typer(name: str, hint: Any) -> Any:
    """Return the annotation of a field for Typer."""
    kind, about = get_args(hint)
    if not isinstance(about, Help):
        return hint
    if about.choices:
        make: Any = StrEnum
        enumeration = make(name, {choice: choice for choice in about.choices})
        kind = enumeration | None if type(None) in get_args(kind) else enumeration
    whole = int in (kind, *get_args(kind))
    return Annotated[kind, typer.Option(help=about.text, min=about.least if whole else None)]
