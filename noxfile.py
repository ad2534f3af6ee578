"""The checks of the project, on several Pythons and on the lowest versions.

`nox` runs all, `nox -l` lists them, `nox -s lowest` runs one, `nox -t versions` the tests on every Python and on the
lowest versions; what follows `--` goes to pytest.

A Python that this machine lacks is skipped by name.
"""

from pathlib import Path

import nox
from packaging.requirements import Requirement

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
nox.options.reuse_existing_virtualenvs = True

PROJECT = nox.project.load_toml("pyproject.toml")
# Those of the classifiers.
PYTHONS = nox.project.python_versions(PROJECT)
# The lock files of docker/, of the image and of .ci/run, and the extras whose packages each holds.
LOCKS = {"cpu": ["app", "test"], "cuda12": ["cuda12"], "cuda13": ["cuda13"], "ci": ["app", "dev"]}


def lowest_versions() -> list[str]:
    """Return a constraint for each requirement of the package and its extras: the version at its lower bound."""
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = [*PROJECT["project"]["dependencies"]]
    for name in ("app", "cluster", "fast", "test"):
        wanted += extras[name]
    requirements = [
        requirement for requirement in map(Requirement, wanted) if requirement.name != "chainrule"
    ]
    return [
        f"{requirement.name}=={bound.version}"
        for requirement in requirements
        for bound in requirement.specifier
    ]


@nox.session
def lint(session: nox.Session) -> None:
    """Lint and format."""
    session.install("ruff")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types of src."""
    session.install("-e", ".[app,dev]")
    session.run("mypy")


@nox.session(python=PYTHONS, tags=["versions"])
def tests(session: nox.Session) -> None:
    """Run the tests on every Python that is there."""
    session.install("-e", ".[app,test]")
    session.run("pytest", "-n", "auto", *session.posargs)


@nox.session(python=PYTHONS[0], tags=["versions"])
def lowest(session: nox.Session) -> None:
    """Run the tests on the lowest Python with the lowest versions of what pyproject.toml asks for."""
    constraints = Path(session.create_tmp()) / "lowest.txt"
    constraints.write_text("\n".join(lowest_versions()), encoding="utf-8")
    session.install("-c", str(constraints), "-e", ".[app,test]")
    # What is old calls what its own newer dependencies call deprecated.
    session.run("pytest", "-n", "auto", "-W", "ignore::DeprecationWarning", *session.posargs)


@nox.session
def lock(session: nox.Session) -> None:
    """Write the lock files: every package of an environment, with its version and the hashes of its wheels."""
    session.install("uv")
    for name, extras in LOCKS.items():
        session.run(
            *("uv", "pip", "compile", "pyproject.toml", *(f"--extra={extra}" for extra in extras)),
            *("--universal", f"--python-version={PYTHONS[0]}", "--only-binary=:all:", "--generate-hashes"),
            *("--no-annotate", "--no-header", "--upgrade", "--quiet", f"--output-file=docker/{name}.lock"),
            *(() if name == "cpu" else ("--constraint=docker/cpu.lock",)),
        )


@nox.session
def docs(session: nox.Session) -> None:
    """Run the lessons and build the site, a warning being an error."""
    session.install("-e", ".[docs]")
    session.run("python", "docs/make_site.py", "--out", str(Path(session.create_tmp()) / "site"))


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel, install it, and run what it brings."""
    folder = Path(session.create_tmp()) / "wheel"
    session.run("python", "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), ".")
    (built,) = folder.glob("*.whl")
    session.install("--force-reinstall", f"{built}[app]")
    with session.chdir(folder):
        session.run("chainrule", "explain", "3*(a+b*c)", "a=5", "b=3", "c=2", "--html", "graph.html")
