"""docs/rules.md is written from the gates: `python -m tests.docs.test_rules_page` writes it, the test compares."""

import pathlib
import textwrap

import numpy as np

import chainrule as cr
from chainrule import gates
from chainrule.autodiff import namespace
from chainrule.numpy.names import FUNCTIONS, UFUNCS

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "rules.md"
HEAD = """# The rules

What `differentiable(xp)` does with each function of the array API standard 2025.12, and what it has
beyond it. This page is written from the gates' own texts by `python -m tests.docs.test_rules_page`.

- **gate**: the function has a local gradient of its own, in `src/chainrule/gates/`.
- **composed**: it is written in the others, and its gradient follows from the chain rule.
- **constant**: its results are integers, booleans or constant between jumps; no gradient flows.
- **no rule**: constants and complex numbers pass through; for a followed array it is an error that says so.

Ties: `max`, `min`, `maximum`, `minimum` and `sort` share evenly; the slope of `abs` and `relu` at 0 is 0,
that of a norm, of `std`, of `hypot` and of `atan2` at their origin too; `clip` passes the gradient at its
ends.
A gradient of exactly 0 stays 0 where a slope is infinite (`sqrt`, `log`, `divide`, `pow`, `exp`, norms and
their like), so what `where` masks stays masked. A product or matrix product with a value that is itself NaN
or infinite is not covered: 0 times NaN is NaN there. Mask the operand too: `where(x > 0, x, 1)`.

Complex numbers have no gradients here, and neither has `fft`.
"""


def page() -> str:
    rows: dict[str, tuple[str, str]] = {}
    for prefix, tables in (
        ("", (gates.MAIN, gates.COMPOSED_MAIN)),
        ("linalg.", (gates.LINALG, gates.COMPOSED_LINALG)),
    ):
        for kind, table in zip(("gate", "composed"), tables, strict=True):
            rows |= {prefix + name: (kind, rule(f)) for name, f in table.items()}
    rows |= dict.fromkeys(namespace.CONSTANT_RESULT, ("constant", ""))
    rows |= {f"linalg.{name}": ("constant", "") for name in namespace.LINALG_CONSTANT_RESULT}
    rows |= dict.fromkeys(namespace.WITHOUT_RULE, ("no rule", ""))
    rows |= {f"linalg.{name}": ("no rule", "") for name in namespace.LINALG_WITHOUT_RULE}
    rows |= {f"fft.{name}": ("no rule", "") for name in namespace.FFT_WITHOUT_RULE}
    rows["x[key]"] = ("gate", rule(gates.INTERNAL["getitem"]))
    rows["x.to_device"] = ("gate", rule(gates.INTERNAL["to_device"]))
    beyond = {name: ("gate", rule(f)) for name, f in gates.BEYOND.items()}
    beyond |= {name: ("composed", rule(f)) for name, f in gates.COMPOSED_BEYOND.items()}
    return (
        HEAD
        + f"\n## The standard\n\n{table_of(rows)}\n"
        + "\n## Beyond it\n\nIn `chainrule.functions`, for plain and traced arrays, and in every "
        + "`differentiable(xp)`.\n\n"
        + f"{table_of(beyond)}\n"
        + "\n## NumPy's own\n\nNumPy's functions outside the standard that may be called on a followed array, whatever "
        + "library it is of;\nthey are composed of those above.\n\n"
        + f"{textwrap.fill(', '.join(numpys_own()), 110)}.\n"
    )


def numpys_own() -> list[str]:
    names = {*FUNCTIONS, *UFUNCS} - vars(cr.differentiable(np)).keys()
    return [f"`{name}`" for name in sorted(names)]


def rule(f) -> str:
    return " ".join(f.__doc__.split("\n\n")[0].split()).replace("|", "\\|")


def table_of(rows: dict[str, tuple[str, str]]) -> str:
    lines = [f"| `{name}` | {kind} | {text} |" for name, (kind, text) in sorted(rows.items())]
    return "\n".join(["| function | kind | rule |", "|---|---|---|", *lines])


def test_the_page_is_what_the_gates_say():
    assert PAGE.read_text() == page()


def test_the_page_has_every_function_that_takes_arrays():
    space, text = cr.differentiable(np), page()
    others = {
        *namespace.CREATION,
        *namespace.ABOUT_DTYPES,
        *namespace.NAMES,
        "asarray",
        "full_like",
        "stop_gradient",
    }
    names = {n for n, f in vars(space).items() if callable(f) and not n.startswith("_")}
    hidden = {"scatter", "put", "getitem", "to_device"}
    missing = {n for n in names - others - hidden if f"| `{n}` |" not in text}
    assert missing == {"gates"} & missing


if __name__ == "__main__":
    PAGE.write_text(page())
