"""What all commands share: the consoles, the options, and the way in which faults are told."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from chainrule import data
from chainrule.backend.device import VARIABLE, DeviceError
from chainrule.optim import DivergenceError
from chainrule.training.checkpoint import CheckpointError
from chainrule.training.model_file import Model, ModelError, load_model


class _Console(Console):
    """A console whose reader may go away: what is being learnt is worth more than the rest of the text."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


# No emoji: :x: in a path or an option is printed as it is.
out = _Console(highlight=False, soft_wrap=True, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

DeviceOption = Annotated[
    str | None, typer.Option("--device", help=f"cpu, cuda, cuda:N, auto or strict; default: {VARIABLE}.")
]
ModelArgument = Annotated[
    Path, typer.Argument(metavar="MODEL", help="What train left: the folder, or its model.safetensors.")
]


def load(path: Path) -> Model:
    """Read the model that is in a folder of results, or that is the file itself."""
    return load_model(path / "model.safetensors" if path.is_dir() else path)


def check_folder(folder: Path) -> None:
    """Raise an error now for a folder that could not be written to after all the learning."""
    above = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        got = "one that cannot be written to" if above.is_dir() else "a file"
        raise data.DataError(
            f"--out {folder}: expected a folder for the results, got {got}; name another one"
        )


@contextmanager
def faults_told() -> Iterator[None]:
    """Print an error that the user can mend as one line, and exit with status 1 or 2; any other error is raised."""
    try:
        yield
    except BrokenPipeError:
        # The reader of the output has gone; typer ends the program without a message.
        raise
    except (
        data.DataError,
        DeviceError,
        ModelError,
        CheckpointError,
        DivergenceError,
        ImportError,
        OSError,
    ) as error:
        complain(error)
        raise typer.Exit(1) from None
    except ValueError as error:
        complain(error)
        raise typer.Exit(2) from None
    except MemoryError as error:
        complain(MemoryError(f"more memory is needed than there is ({error}); ask for less at once"))
        raise typer.Exit(1) from None


def complain(error: Exception, console: Console = err) -> None:
    """Print an error in a line, on the error stream unless another console is given."""
    console.print(f"chainrule: {error}", markup=False)


def tell(what: str, fact: str) -> None:
    """Print a fact under its heading."""
    out.print(f"{what + ':':10}{fact}", markup=False)
