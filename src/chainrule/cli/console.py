"""What all commands share: the consoles, the options, and the way in which faults are told."""

import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Annotated, Any, cast

import typer
from rich.console import Console

from chainrule import data
from chainrule.backend.device import VARIABLE, DeviceError
from chainrule.data.errors import SettingError
from chainrule.optim import DivergenceError
from chainrule.trained.answers import INVERT
from chainrule.training.checkpoint import CHECKPOINT, CheckpointError
from chainrule.training.model_file import ModelError
from chainrule.training.report.artifacts import FILES
from chainrule.training.storage import finite, write_bytes

# As a path: the standard output.
STANDARD_OUTPUT = Path("-")

# The characters that change the direction in which what follows is read (Unicode Standard Annex 9, table 4).
_TURNS = frozenset(("LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"))


def discard_output() -> None:
    """Let all that is still written to the standard output go nowhere, what waits in its buffer among it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Console(Console):
    """A console whose reader may go away: what is being learnt is worth more than the rest of the text."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        discard_output()


class _Output:
    """The standard output, which keeps the first fault of a write, such as a full disk, and then takes no more.

    While a file is written there by the name `-`, words go to the standard error.
    """

    fault: OSError | None = None
    holds_a_file = False

    @property
    def stream(self) -> IO[str]:
        return sys.stderr if self.holds_a_file else sys.stdout

    def write(self, text: str) -> int:
        self._kept(lambda: self.stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._kept(self.stream.flush)

    def _kept(self, action: Callable[[], object]) -> None:
        if self.fault is None:
            try:
                action()
            except BrokenPipeError:
                raise
            except OSError as error:
                self.fault = error

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


# No emoji: :x: in a path or an option is printed as it is.
_output = _Output()
out = _Console(file=cast(IO[str], _output), highlight=False, soft_wrap=True, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

JsonOption = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON object, and all words on the error stream."),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        help="Threads of matrix products. Default: one where one is quickest, else as many as there are processors.",
        min=1,
    ),
]
DeviceOption = Annotated[
    str | None, typer.Option("--device", help=f"cpu, cuda, cuda:N, auto or strict; default: {VARIABLE}.")
]
MemoryOption = Annotated[
    float | None,
    typer.Option(
        "--memory",
        help="Gigabytes that an array or a picture of the data may take. Default: 0.27, or 20 times its file where "
        "that is more, and no more than are free.",
        min=0,
    ),
]
InvertOption = Annotated[
    str,
    typer.Option(
        "--invert",
        help="Turn pictures to their negatives before they are answered: auto, yes or no. auto, for models of grey "
        "pictures, turns those whose border is light where the model learnt from dark ones, or the reverse.",
    ),
]
FrameOption = Annotated[
    bool,
    typer.Option(
        "--frame/--no-frame",
        help="Cut pictures of ink on a plain ground, such as a photo of a digit, to their ink, where it fills less "
        "of them than of the pictures that the model learnt from.",
    ),
]
LabelOption = Annotated[
    str | None,
    typer.Option(
        "--label", help="The label column of a table. Default: label, y or target, where there is one."
    ),
]
ModelArgument = Annotated[
    Path, typer.Argument(metavar="MODEL", help="What train left: the folder, or its model.safetensors.")
]


def on_terminal(console: Console) -> bool:
    """Whether what is printed is seen as it is: a file in which colours were asked for is no terminal."""
    return console.is_terminal and console.file.isatty()


def check_folder(folder: Path) -> None:
    """Raise an error now for a folder that could not be written to after all the learning."""
    in_place = [f"one where {name} is a folder" for name in FILES if (folder / name).is_dir()]
    # What reads or writes a pipe waits for its other end.
    in_place += [f"one where {name} is a pipe" for name in (*FILES, CHECKPOINT) if (folder / name).is_fifo()]
    if got := _hindrance(folder) or next(iter(in_place), None):
        raise ValueError(f"--out {folder}: expected a folder for the results, got {got}; name another one")


def _hindrance(folder: Path) -> str | None:
    """Return what stands where a folder is to be, or to be made, instead of one that may be written to; or None."""
    places = (folder, *folder.absolute().parents)
    above = next(place for place in places if place.exists() or place.is_symlink())
    if not above.is_dir():
        return "a link to nothing" if above.is_symlink() else "a file"
    return None if os.access(above, os.W_OK) else "one that cannot be written to"


def check_invert(invert: str) -> None:
    """Raise ValueError for a value that --invert does not have."""
    if invert not in INVERT:
        raise ValueError(f"--invert: expected one of {', '.join(INVERT)}, got {invert!r}")


def named(text: str) -> Path:
    """Return the path that an option gives; an error for no name, which would be the folder in which one stands."""
    if not text:
        raise typer.BadParameter("expected the name of a file or a folder, got ''")
    return Path(text)


@contextmanager
def faults_told() -> Iterator[None]:
    """Print an error that the user can mend as one line, and exit with status 1 or 2; any other error is raised."""
    _output.fault, _output.holds_a_file = None, False
    try:
        yield
        if _output.fault is not None:
            raise OSError(f"the standard output cannot be written ({_output.fault})")
    except BrokenPipeError:
        # The reader of the output has gone; typer ends the program without a message.
        raise
    except SettingError as error:
        complain(ValueError(f"--{error.setting}: {error}"))
        raise typer.Exit(2) from None
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
        # A name for a device comes by the option here, where it does not come by the variable.
        complain(ValueError(str(error).replace("get_device: ", "--device: ", 1)))
        raise typer.Exit(2) from None
    except MemoryError as error:
        complain(MemoryError(f"more memory is needed than there is ({error}); ask for less at once"))
        raise typer.Exit(1) from None


def complain(error: Exception, console: Console = err) -> None:
    """Print an error in a line, on the error stream unless another console is given."""
    console.print(f"chainrule: {printable(str(error))}", markup=False)


def tell(what: str, fact: str) -> None:
    """Print a fact under its heading."""
    out.print(f"{what + ':':10}{printable(fact)}", markup=False)


def reserve_output(options: dict[str, Path | None], *, as_json: bool = False) -> None:
    """Keep the standard output for JSON, or for the file of the option whose path is `-`.

    Raises ValueError where two ask for it, and where a path cannot be that of a file.
    """
    taken = [option for option, path in options.items() if path == STANDARD_OUTPUT] + ["--json"] * as_json
    if len(taken) > 1:
        raise ValueError(
            f"{' and '.join(taken)}: expected one of them on the standard output; name a file for the other"
        )
    for option, path in options.items():
        if path is None or (path.exists() and not path.is_dir()):
            continue
        if path.is_dir():
            raise ValueError(f"{option} {path}: expected a file to write, got a folder; name a file in it")
        if got := _hindrance(path.parent):
            expected = f"{path.parent} to be a folder to write in"
            raise ValueError(f"{option} {path}: expected {expected}, got {got}; name another one")
    _output.holds_a_file = bool(taken)


def write_file(path: Path, content: bytes) -> None:
    """Write what an option asked for into its file, or on the standard output where the path is `-`, and say so."""
    put(path, content)
    if path != STANDARD_OUTPUT:
        tell("wrote", str(path))


def print_json(content: dict[str, Any] | list[dict[str, Any]]) -> None:
    """Print a JSON object, or a list of them, on the standard output, with null for what is NaN or infinite."""
    sys.stdout.write(f"{json.dumps(finite(content), indent=1)}\n")
    sys.stdout.flush()


def put(path: Path, content: bytes) -> None:
    """Write content into a file, or on the standard output where the path is `-`."""
    if path != STANDARD_OUTPUT:
        write_bytes(path, content)
        return
    sys.stdout.flush()
    sys.stdout.buffer.write(content)
    sys.stdout.buffer.flush()


def printable(text: str) -> str:
    """Return a text whose control characters are written out: in a name they would be commands to the terminal."""

    def commands(c: str) -> bool:
        return c != "\n" and (unicodedata.category(c) == "Cc" or unicodedata.bidirectional(c) in _TURNS)

    return "".join(c.encode("unicode_escape").decode() if commands(c) else c for c in text)
