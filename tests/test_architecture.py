"""The storeys of the package: who may import whom, and how large a room may be."""

import ast
import graphlib
import re
from pathlib import Path

import pytest

import chainrule

SOURCE = Path(chainrule.__file__).parent

# From the rock up. A room (a folder, or a module of the root) imports rooms of lower storeys alone, and stands
# directly above the highest of them.
STOREYS = (
    {"validation", "pytree", "gates"},
    {"backend", "numpy_names"},
    {"autodiff", "models", "program", "data"},
    {"functions", "numpy", "special", "explain", "optim", "batching"},
    {"cluster", "scipy"},
    {"training"},
    {"estimators"},
    {"trained"},
    {"cli", "__init__"},
    {"__main__", "autograd"},
)
STOREY = {room: number for number, rooms in enumerate(STOREYS) for room in rooms}
FILES = sorted(SOURCE.rglob("*.py"))


def module_of(path):
    return ".".join(("chainrule", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")


MODULES = {module_of(path): path for path in FILES}


def room_of(module):
    return module.split(".")[1] if "." in module else "__init__"


def nodes(tree):
    """Yield every node but those that type checkers alone read."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        yield node
        yield from nodes(node)


def imports(path):
    """Yield the full name of every module that a file imports, inside functions too."""
    for node in nodes(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module


ARROWS = {module: {name for name in imports(path) if name in MODULES} for module, path in MODULES.items()}


def rooms_below(room):
    return {room_of(other) for module in MODULES if room_of(module) == room for other in ARROWS[module]} - {
        room
    }


def test_every_room_has_a_storey():
    assert {room_of(module) for module in MODULES} == set(STOREY)


@pytest.mark.parametrize("room", sorted(STOREY))
def test_arrows_go_down_and_a_room_stands_on_what_it_needs(room):
    below = {other: STOREY[other] for other in rooms_below(room)}
    assert {other for other, storey in below.items() if storey >= STOREY[room]} == set(), "upward"
    assert STOREY[room] == max(below.values(), default=-1) + 1, f"{room} could stand lower: {below}"


def test_no_import_goes_round_in_a_circle():
    graphlib.TopologicalSorter(ARROWS).prepare()


def naming(*libraries):
    return {
        module
        for module, path in MODULES.items()
        if {name.split(".")[0] for name in imports(path)} & {*libraries}
    }


def test_only_the_backend_names_cupy():
    assert {room_of(module) for module in naming("cupy")} == {"backend"}


def test_only_compiled_kernels_name_numba():
    kernels = {f"chainrule.models.kernels.{name}" for name in ("binary", "jit", "multiclass", "simd")}
    assert naming("numba", "llvmlite") == kernels


def test_a_gate_uses_the_namespace_that_it_is_handed_and_no_other():
    assert "gates" not in {
        room_of(m) for m in naming("numpy", "array_api_compat", "array_api_strict", "cupy")
    }


def test_the_loops_know_no_array_library():
    named = {name.split(".")[0] for name in imports(MODULES["chainrule.models.kernels.loops"])}
    assert named <= {"math", "collections"}


def test_the_root_and_every_folder_are_small():
    counts = {}
    for path in FILES:
        counts[path.parent] = counts.get(path.parent, 0) + (path.name != "__init__.py")
    assert counts.pop(SOURCE) + 1 <= 8
    assert {str(folder.relative_to(SOURCE)): n for folder, n in counts.items() if n > 12} == {}


def test_no_function_is_longer_than_sixty_lines():
    long = {}
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                first = node.body[1 if ast.get_docstring(node) and len(node.body) > 1 else 0]
                lines = node.end_lineno - first.lineno + 1
                if lines > 60:
                    long[f"{module}.{node.name}"] = lines
    assert long == {}


def test_the_array_type_is_named_in_one_place():
    said = {m for m, path in MODULES.items() if "Array = Any" in path.read_text(encoding="utf-8")}
    assert said <= {"chainrule.gates.types"}


def test_no_room_that_sees_traced_arrays_asks_them_by_isinstance_whether_they_are_numpys():
    # They say yes, for the code of callers. Where a number may come too, as beside int, yes is right.
    rooms = ("autodiff", "batching", "gates", "models", "numpy", "numpy_names", "program", "scipy", "special")
    asking = []
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and ast.unparse(node.func) == "isinstance"
                and room_of(module) in rooms
            ):
                kinds = set(re.findall(r"[\w.]+", ast.unparse(node.args[1])))
                if kinds & {"np.ndarray", "np.generic", "_OF_NUMPY"} and not kinds & {"int", "Number"}:
                    asking.append((module, ast.unparse(node)))
    assert asking == []


def test_device_tricks_stand_beside_the_mathematics():
    tricks = {m for m, path in MODULES.items() if "xp is np" in path.read_text(encoding="utf-8")}
    assert {m for m in tricks if m.startswith(("chainrule.models.", "chainrule.optim."))} <= {
        m for m in MODULES if m.startswith("chainrule.models.kernels.")
    }
