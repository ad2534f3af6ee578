"""The Python of every page runs, block after block in one namespace, and does what the page says.

A page is a row of PAGES: how many blocks it has, the names that it takes as given, and a check of what it printed and
left in its namespace. (Lessons print what they show, word for word: test_lessons.)
"""

import ast
import re
import shlex

import numpy as np
import pytest

import chainrule as cr
import lessons
from tests.helpers import ROOT
from tests.helpers.commands import answer
from tests.helpers.pages import blocks, shell_lines


def check_readme(printed, known):
    by_engine, network, by_hand = printed.splitlines()
    assert by_engine == "f = -12.0, gradients -4.0, -4.0, 3.0"
    assert float(network.split()[0]) > 0.95
    assert float(re.match(r"cost (0\.\d+), w points to \(\d+, -\d+, -?\d\)", by_hand)[1]) < 0.2


def check_how_it_works(printed, known):
    np.testing.assert_allclose(
        known["dW"], 3 * (2 * np.tanh(1.0) * (1 - np.tanh(1.0) ** 2)) * np.ones((2, 2))
    )
    assert (float(known["q"].value), float(known["q"].grad)) == (3, -4)
    x = np.array([0.5, -1.0])
    np.testing.assert_allclose(known["swish"](x, beta=2.0), x / (1 + np.exp(-2 * x)))
    y = np.tanh(known["X"])
    np.testing.assert_allclose(known["slopes"], 2 * y * (1 - y * y), rtol=1e-14)
    assert "np.tanh(" in known["program"]
    assert not re.search("chainrule|vmap|grad", known["program"])


def check_networks(printed, known):
    shapes, xor, run, search = printed.splitlines()
    assert shapes == "(2, 4) (2, 4)"
    assert xor == "[0. 1. 1. 0.]"
    assert float(run.split()[-1]) < 0.5 * np.log(3)
    assert float(search.split()[-1]) > 0.8


def check_explain(printed, known):
    (table,) = blocks("docs/explain.md", "text")
    assert printed.startswith(table)
    assert printed.removeprefix(table).splitlines() == [
        "2.0 1.0 6.0",
        "None",
        "['input', 'input', 'matmul', 'tanh', 'constant', 'pow', 'mean']",
        "['X', 'y', 'W1', 'b1', 'Z1', 'H1', 'W2', 'b2', 'Z2', 'y_hat', 'L', 'J']",
    ]


def check_compile(printed, known):
    assert printed == "".join(blocks("docs/compile.md", "text"))


def check_cluster(printed, known):
    estimator, descent = printed.splitlines()
    assert estimator.startswith("dask.array<predict, shape=(1000,)")
    assert float(estimator.split()[-1]) > 0.95
    assert re.fullmatch(r"0\.\d+ StepTimes\(steps=21, .*\)", descent)


def check_rules(printed, known):
    np.testing.assert_allclose(known["logm"](np.diag([1.0, np.e])), np.diag([0.0, 1.0]), atol=1e-12)


def check_scipy(printed, known):
    assert printed == "".join(blocks("docs/scipy.md", "text"))


def check_vmap(printed, known):
    assert printed == "".join(blocks("docs/vmap.md", "text"))


GIVEN = {"W": np.eye(2), "X": np.ones((3, 2))}


def check_complex(printed, known):
    assert printed == "".join(blocks("docs/complex.md", "text"))


def check_coming_from(printed, known):
    assert printed == "".join(blocks("docs/coming-from.md", "text"))


PAGES = {
    "README.md": (4, {}, check_readme),
    "docs/how-it-works.md": (6, GIVEN, check_how_it_works),
    "docs/networks.md": (4, {}, check_networks),
    "docs/explain.md": (4, {}, check_explain),
    "docs/vmap.md": (3, {}, check_vmap),
    "docs/complex.md": (4, {}, check_complex),
    "docs/compile.md": (4, {}, check_compile),
    "docs/coming-from.md": (4, {}, check_coming_from),
    "docs/cluster.md": (2, {}, check_cluster),
    "docs/scipy.md": (1, {}, check_scipy),
    "docs/rules.md": (1, {"cr": cr}, check_rules),
}


@pytest.mark.parametrize("page", PAGES)
def test_the_code_on_a_page_runs(page, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    count, given, check = PAGES[page]
    found, known = blocks(page, "python"), dict(given)
    assert len(found) == count
    for block in found:
        exec(compile(block, page, "exec"), known)
    check(capsys.readouterr().out, known)


def test_every_page_with_python_has_a_row():
    pages = [path.relative_to(ROOT).as_posix() for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))]
    # The Chinese README has the blocks of the English one (test_translations).
    assert {page for page in pages if blocks(page, "python")} - {"README.zh-CN.md"} == set(PAGES)


# What of chainrule a page may import: the package itself, and the rooms that are public.
PUBLIC = {
    *("chainrule", "chainrule.autograd", "chainrule.autograd.extend", "chainrule.autograd.numpy"),
    *("chainrule.cluster", "chainrule.data", "chainrule.scipy"),
}


@pytest.mark.parametrize("page", [*PAGES, *(f"docs/lessons/{path.name}" for path in lessons.PAGES)])
def test_a_page_imports_public_names_alone(page):
    for block in blocks(page, "python"):
        for node in ast.walk(ast.parse(block)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) else []
            assert {name for name in names if name.split(".")[0] == "chainrule"} <= PUBLIC, block


def test_the_commands_on_the_page_of_graphs_work():
    lines = shell_lines("docs/explain.md")
    assert len(lines) == 2
    for line in lines:
        assert "backward" in answer(*shlex.split(line)[1:])
