"""The entry point of the image: the commands of chainrule, and beside them the benchmarks and the tests.

docker run IMAGE bench [...]      bench/run.py with these arguments
docker run IMAGE test [...]       pytest with these arguments, on the tests
docker run IMAGE COMMAND [...]    chainrule COMMAND [...]
"""

import os
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OWN = {"bench": "Run the benchmarks.", "test": "Run the tests."}


def command(arguments: list[str], root: Path) -> list[str]:
    """Return what Python is to run for the image's `arguments`; `root` has the benchmarks and the tests."""
    match arguments:
        case ["bench", *rest]:
            return [str(root / "bench" / "run.py"), *rest]
        case ["test", *rest]:
            return ["-m", "pytest", *rest]
        case _:
            return ["-m", "chainrule", *arguments]


def main() -> None:
    """Become the command that was asked for, so that signals reach it and its exit status is the container's."""
    arguments = sys.argv[1:]
    root = ROOT
    if arguments in ([], ["--help"]):
        print("This image has the commands below and, of its own,")
        print("\n".join(f"  {name:8}{does}" for name, does in OWN.items()), flush=True)
    elif arguments[0] == "devices" and find_spec("cupy") is None:
        # On stderr, for `devices --json` to stay JSON.
        print("This image has no CUDA: for a GPU build the stage cuda of docker/Dockerfile.", file=sys.stderr)
    elif arguments[0] in OWN:
        # pytest leaves files beside the tests, where the image's user may not write.
        root = Path(tempfile.mkdtemp(prefix="chainrule-")) / "chainrule"
        shutil.copytree(ROOT, root)
    if arguments[:1] == ["test"]:
        os.chdir(root)
    os.execv(sys.executable, [sys.executable, *command(arguments, root)])


if __name__ == "__main__":
    main()
