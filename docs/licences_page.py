"""Write docs/licences.md: what the extras bring, each package with its licence. `python docs/licences_page.py`."""

from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

PAGE = Path(__file__).resolve().parent / "licences.md"
EXTRAS = ("app", "cluster", "fast")
HEAD = """# Licences

chainrule is under the MIT licence. Its extras `app`, `cluster` and `fast` bring these packages, in the versions that
were installed when this page was written by `python docs/licences_page.py`; each names its licence itself. None is
under the GPL, and a test keeps it so. The wheels of NumPy and SciPy carry libraries of GCC's runtime, which are under
the GPL with the exception that lets any program use them. The extras `cuda12` and `cuda13` bring CuPy (MIT) and
NVIDIA's own libraries, which are under NVIDIA's terms; `onnx` brings onnx (Apache-2.0) and protobuf (BSD-3-Clause).

| package | version | licence |
|---|---|---|
"""


def brought(name: str = "chainrule", extras: tuple[str, ...] = EXTRAS) -> dict[str, Distribution]:
    """Return the installed packages that a package with these extras asks for, and those that they ask for."""
    found: dict[str, Distribution] = {}
    waiting = list(_asked(distribution(name), extras))
    while waiting:
        name, its = waiting.pop()
        key = name.lower().replace("_", "-")
        if key in found or key == "chainrule":
            continue
        try:
            found[key] = distribution(name)
        except PackageNotFoundError:
            continue
        waiting += _asked(found[key], its)
    return found


def licence(package: Distribution) -> str:
    """Return a package's licence, as its metadata have it."""
    about = package.metadata
    classifiers = [
        text.rpartition(" :: ")[2] for text in about.get_all("Classifier", []) if "License ::" in text
    ]
    text = about.get("License-Expression") or ", ".join(classifiers) or about.get("License") or "not named"
    return text.strip().splitlines()[0]


def page() -> str:
    """Return the page for the packages that are installed now."""
    rows = sorted(brought().items())
    return HEAD + "".join(f"| {name} | {found.version} | {licence(found)} |\n" for name, found in rows)


def _asked(package: Distribution, extras: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for text in package.requires or ():
        asked = Requirement(text)
        if asked.marker is None or any(asked.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield asked.name, tuple(asked.extras)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
