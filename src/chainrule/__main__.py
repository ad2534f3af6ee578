"""The command line: `chainrule` and `python -m chainrule`."""

import io
import os
import sys


def main() -> None:
    """Run the command line, or exit with a message that names the package that it needs."""
    for name in ("stdout", "stderr"):
        # One that is closed, as by >&-, takes all and shows nothing.
        stream = getattr(sys, name) or os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
        setattr(sys, name, stream)
        # A character that the terminal cannot show must not end a run and lose what was learnt.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        from chainrule.cli import app
        from chainrule.cli.console import discard_output
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "chainrule":
            raise
        sys.exit(
            f"chainrule: the commands need the package {error.name}; pip install '.[app]' in chainrule's folder"
        )
    status: str | int | None = None
    try:
        app(prog_name="chainrule")
    except SystemExit as end:
        status = end.code
    except OSError as error:
        # Of --help, too, the output may not be writable.
        status = f"chainrule: {error}"
    try:
        sys.stdout.flush()
    except OSError as error:
        # Python would write what is left again at its end, and complain again.
        discard_output()
        status = status or f"chainrule: {error}"
    sys.exit(status)


if __name__ == "__main__":
    main()
