"""The files by which a project is met: how to cite it, its forms for issues, and its public CI."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

import chainrule

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PYTHONS = [
    line.rpartition(" ")[2]
    for line in PROJECT["classifiers"]
    if line.startswith("Programming Language") and "." in line
]


def read(name):
    return pytest.importorskip("yaml").safe_load((ROOT / name).read_text(encoding="utf-8"))


def sessions_of_nox():
    """Return the sessions of noxfile.py; one that runs on every Python has its name for each."""
    for one in ast.parse((ROOT / "noxfile.py").read_text(encoding="utf-8")).body:
        if isinstance(one, ast.FunctionDef) and one.decorator_list:
            everywhere = re.search(r"python=PYTHONS\b(?!\[)", ast.unparse(one.decorator_list[0]))
            yield from (f"{one.name}-{python}" for python in PYTHONS) if everywhere else [one.name]


def test_the_public_ci_runs_every_session_on_every_python():
    rows = read(".github/workflows/ci.yml")["jobs"]["check"]["strategy"]["matrix"]["include"]
    assert sorted(row["session"] for row in rows) == sorted(set(sessions_of_nox()) - {"lock"})
    for row in rows:
        assert row["python"] == (row["session"].partition("-")[2] or PYTHONS[0])


def test_a_citation_names_the_version_and_the_licence():
    citation = read("CITATION.cff")
    assert citation["version"] == chainrule.__version__
    assert citation["license"] == PROJECT["license"]
    assert citation["authors"] == [dict(author) for author in PROJECT["authors"]]


@pytest.mark.parametrize("form", ["wrong-number", "function", "page"])
def test_a_form_asks_for_what_an_answer_needs(form):
    fields = read(f".github/ISSUE_TEMPLATE/{form}.yml")["body"]
    assert any(one.get("validations", {}).get("required") for one in fields)
    assert len({one["id"] for one in fields}) == len(fields)
