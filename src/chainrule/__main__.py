"""The door to the commands: `chainrule` and `python -m chainrule`."""

import io
import sys


def main() -> None:
    """Run the command line, or say which packages it needs."""
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal cannot show is no reason to lose what was learnt.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        from chainrule.cli import app
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "chainrule":
            raise
        sys.exit(f'chainrule: the commands need the package {error.name}; pip install "chainrule[app]"')
    app(prog_name="chainrule")


if __name__ == "__main__":
    main()
