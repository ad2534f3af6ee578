"""The command line: `chainrule` and `python -m chainrule`."""

import io
import sys


def main() -> None:
    """Run the command line, or exit with a message that names the package that it needs."""
    for stream in (sys.stdout, sys.stderr):
        # A character that the terminal cannot show must not end a run and lose what was learnt.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        from chainrule.cli import app
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "chainrule":
            raise
        sys.exit(
            f"chainrule: the commands need the package {error.name}; pip install '.[app]' in chainrule's folder"
        )
    try:
        app(prog_name="chainrule")
    except OSError as error:
        # Of --help, too, the output may not be writable.
        sys.exit(f"chainrule: {error}")


if __name__ == "__main__":
    main()
