"""The entry point of the image: the commands of chainrule, and beside them the benchmarks and the tests.

docker run IMAGE bench [...]      bench/run.py with these arguments
docker run IMAGE test [...]       pytest with these arguments
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


def command(arguments: list[str]) -> list[str]:
    """Return what Python is to run for the image's `arguments`."""
    match arguments:
        case ["bench", *rest]:
            return [str(ROOT / "bench" / "run.py"), *rest]
        case ["test", *rest]:
            return ["-m", "pytest", *rest]
        case _:
            return ["-m", "chainrule", *arguments]


def main() -> None:
    """Become the command that was asked for, so that signals reach it and its exit status is the container's."""
    arguments = sys.argv[1:]
    if arguments in ([], ["--help"]):
        print("This image has the commands below and, of its own,")
        print("\n".join(f"  {name:8}{does}" for name, does in OWN.items()), flush=True)
    if arguments[:1] == ["devices"] and find_spec("cupy") is None:
        print("This image has no CUDA: for a GPU build the stage cuda of docker/Dockerfile.", flush=True)
    if arguments[:1] == ["test"]:
        # Tests leave files beside themselves, where the image's user may not write.
        copy = Path(tempfile.mkdtemp(prefix="chainrule-")) / "chainrule"
        shutil.copytree(ROOT, copy)
        os.chdir(copy)
    os.execv(sys.executable, [sys.executable, *command(arguments)])


if __name__ == "__main__":
    main()
