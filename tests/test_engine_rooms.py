"""Which room of the engine may import which: transforms, checking -> namespace -> tape -> gates."""

import ast
import pathlib

import pytest

import chainrule

SOURCE = pathlib.Path(chainrule.__file__).parent
TAPE = {"chainrule.gates", "chainrule.protocols", "chainrule.traced"}
SPACE = TAPE | {"chainrule.tape", "chainrule.makers"}
TRANSFORMS = SPACE | {"chainrule.namespace", "chainrule.trees"}
ALLOWED = {
    "gates": {"chainrule.gates"},
    "protocols.py": set(),
    "trees.py": set(),
    "traced.py": {"chainrule.protocols", "chainrule.gates"},
    "tape.py": TAPE,
    "makers.py": SPACE - {"chainrule.makers"},
    "namespace.py": SPACE,
    "transforms.py": TRANSFORMS,
    "checking.py": TRANSFORMS | {"chainrule.transforms"},
    "functions.py": TRANSFORMS | {"chainrule.transforms"},
}
FILES = [
    path
    for room in ALLOWED
    for path in ([SOURCE / room] if room.endswith(".py") else (SOURCE / room).glob("*"))
]
FILES = [path for path in FILES if path.suffix == ".py"]


def imported(path: pathlib.Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            known = {name for name in names if (SOURCE / name.partition(".")[2]).exists() or _is_file(name)}
            found |= known or {node.module}
    return found


def _is_file(name: str) -> bool:
    return (SOURCE / (name.partition(".")[2].replace(".", "/") + ".py")).exists()


@pytest.mark.parametrize("path", FILES, ids=[str(p.relative_to(SOURCE)) for p in FILES])
def test_a_room_imports_what_it_may_and_nothing_else(path: pathlib.Path):
    room = "gates" if path.parent.name == "gates" else path.name
    ours = {name for name in imported(path) if name.split(".")[0] == "chainrule"}
    for name in ours:
        assert any(name == allowed or name.startswith(f"{allowed}.") for allowed in ALLOWED[room]), name
    if room == "gates":
        assert not {"numpy", "array_api_compat"} & {name.split(".")[0] for name in imported(path)}
