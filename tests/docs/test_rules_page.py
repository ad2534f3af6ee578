"""docs/rules.md is what docs/rules_page.py writes from the gates."""

import numpy as np

import chainrule as cr
import rules_page
from chainrule.gates import standard


def test_the_page_is_what_the_gates_say():
    assert rules_page.PAGE.read_text(encoding="utf-8") == rules_page.page()


def test_the_page_has_every_function_that_takes_arrays():
    space, text = cr.differentiable(np), rules_page.page()
    others = {
        *standard.names("creation", "main"),
        *standard.names("dtype", "main"),
        *standard.names("value", "main"),
        "asarray",
        "full_like",
        "stop_gradient",
    }
    names = {n for n, f in vars(space).items() if callable(f) and not n.startswith("_")}
    assert {n for n in names - others if f"| `{n}` |" not in text} == set()
