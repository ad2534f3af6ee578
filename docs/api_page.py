"""Write docs/api.md: every public name with its signature and its docstring. `python docs/api_page.py`."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import chainrule as cr

PAGE = Path(__file__).resolve().parent / "api.md"
# Every name of `chainrule.__all__`, by what one looks for.
GROUPS = {
    "Gradients": ["grad", "value_and_grad", "elementwise_grad", "vjp", "jvp", "jacobian", "hessian", "hvp"],
    "Gradients of objects": ["variable", "backward"],
    "Around gradients": ["stop_gradient", "checkpoint", "gate", "check_gradients", "at"],
    "Batches and programs": ["vmap", "compile"],
    "Namespaces": ["differentiable", "batched"],
    "Devices": ["get_device", "use_device", "Device"],
    "Networks": ["MLP", "L1", "L2", "ElasticNet"],
    "Estimators": ["LogisticRegression", "MLPClassifier", "MLPRegressor"],
    "Trained models": ["load_model"],
    "To look at": ["explain"],
    "Modules": ["logistic", "optim", "functions", "special", "numpy", "scipy", "optimizers"],
}
_FOR_USERS = re.compile(r"\((?!xp\b|ops\b|who\b)").match
HEAD = """# Every public name

Each with its signature and its docstring, as `help` shows them; written by `python docs/api_page.py`. `cr` is
chainrule: `import chainrule as cr`.
"""


def page() -> str:
    """Return the page."""
    return "\n".join([HEAD, *(line for group in GROUPS.items() for line in _group(*group))])


def _group(title: str, names: list[str]) -> Iterator[str]:
    yield f"## {title}\n"
    for name in names:
        yield from _entry(f"cr.{name}", getattr(cr, name))


def _entry(name: str, thing: Any) -> Iterator[str]:
    yield f"### `{name}`\n"
    if isinstance(thing, ModuleType):
        yield f"{_first_line(thing)}\n"
        yield from _members(thing)
        return
    yield _block(f"{name}{_signature(thing)}", thing)
    for one in _public(thing) if isinstance(thing, type) else ():
        member = inspect.getattr_static(thing, one)
        inner = member.fget if isinstance(member, property) else getattr(thing, one)
        ours = callable(inner) and inner.__module__.startswith("chainrule")
        # What begins with a namespace, an object of operations or the caller's name is between rooms.
        if ours and inspect.getdoc(inner) and _FOR_USERS(_signature(inner)):
            yield _block(f".{one}" + ("" if isinstance(member, property) else _signature(inner)), inner)


def _members(module: ModuleType) -> Iterator[str]:
    """Yield a module's names, each with its first line; SciPy's names alone, and where NumPy's are listed."""
    if module is cr.numpy:
        yield "Every name that the installed NumPy has in `numpy.__all__`.\n"
        return
    names = _public(module)
    if module in (cr.scipy, cr.special):
        yield ", ".join(f"`{one}`" for one in names) + "\n"
        return
    yield "| name | what it is |\n|---|---|"
    for one in names:
        member = getattr(module, one)
        its = str(getattr(member, "__module__", ""))
        # A module that lists no names has those that it does not import.
        if callable(member) and its.startswith(
            "chainrule" if hasattr(module, "__all__") else module.__name__
        ):
            yield f"| `{one}{_signature(member)}` | {_first_line(member).replace('|', chr(92) + '|')} |"
    yield ""


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _public(thing: Any) -> list[str]:
    names = getattr(thing, "__all__", None) or dir(thing)
    return sorted(name for name in names if not name.startswith("_"))


def _signature(thing: Any) -> str:
    """Return the names and defaults of the parameters, without their types."""
    signature = inspect.signature(thing)
    plain = [one.replace(annotation=one.empty) for one in signature.parameters.values() if one.name != "self"]
    return str(signature.replace(parameters=plain, return_annotation=signature.empty))


def _block(head: str, thing: Any) -> str:
    return f"```text\n{head}\n\n{inspect.getdoc(thing)}\n```\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
