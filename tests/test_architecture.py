"""The arrows between the rooms: who may import whom."""

import ast
from pathlib import Path

import pytest

import chainrule

SOURCE = Path(chainrule.__file__).parent

# Device is the leaf that every room but the pure ones may lean on, and `machine` is a part of it.
ARROWS = {
    "machine": set(),
    # What all public rooms ask alike; they may lean on it as on the device.
    "checks": set(),
    "device": {"checks", "machine"},
    # For those who compute: what CuPy does with a chain of elementwise operations.
    "fusing": set(),
    "loops": set(),
    "gates": set(),
    "raw": set(),
    "idx": {"raw"},
    "images": {"raw"},
    "tables": {"images", "raw"},
    "data": {"idx", "images", "raw", "tables"},
    "files": {"data", "mlp", "penalties"},
    "checkpoints": {"descent", "device", "files", "trees"},
    "recipes": {"files", "mlp", "optimizers", "penalties"},
    "training": {
        "batches",
        "checkpoints",
        "data",
        "descent",
        "device",
        "files",
        "logistic",
        "machine",
        "mlp",
        "recipes",
    },
    "gradcheck": {"device", "trees"},
    "pictures": {"data", "descent"},
    "penalties": {"checks"},
    "batches": {"checks", "device"},
    "optimizers": {"checks", "device", "fusing", "trees"},
    "descent": {"checks", "device", "optimizers", "trees"},
    "lbfgs": {"checks", "descent", "device", "machine", "optimizers", "trees"},
    "mlp": {"checks", "device", "fusing", "gates", "layers", "penalties"},
    "layers": {"fusing", "gates"},
    "logistic": {
        "checks",
        "descent",
        "fusing",
        "gates",
        "loops",
        "device",
        "machine",
        "one_pass",
        "one_pass_classes",
    },
    # Compiled code, loaded where Numba is installed and not before a step asks for it.
    "one_pass": {"compiled", "vectors"},
    "one_pass_classes": {"compiled", "vectors"},
    "compiled": set(),
    "vectors": set(),
    "line_chart": set(),
    "report_page": {"line_chart"},
    "runs": {"data", "descent", "device", "files", "pictures", "report_page"},
    "cluster": {
        "batches",
        "checkpoints",
        "data",
        "descent",
        "device",
        "files",
        "images",
        "logistic",
        "machine",
        "mlp",
        "raw",
        "recipes",
        "runs",
        "training",
        "trees",
    },
    "estimators": {
        "checks",
        "batches",
        "cluster",
        "descent",
        "device",
        "gates",
        "layers",
        "lbfgs",
        "logistic",
        "machine",
        "mlp",
        "optimizers",
        "penalties",
        "trees",
    },
    "conversion": {"gates"},
    "einsum": {"conversion", "gates"},
    "numpy_shapes": {"checks", "conversion", "gates"},
    "numpy_names": {"checks", "conversion", "einsum", "gates", "numpy_shapes"},
    "protocols": {"conversion", "numpy_names"},
    "trees": set(),
    "traced": {"protocols", "gates"},
    "tape": {"checks", "traced", "gates"},
    "makers": {"tape", "traced", "gates"},
    "namespace": {"checks", "makers", "tape", "traced", "gates"},
    "transforms": {"checks", "namespace", "tape", "traced", "trees", "gates"},
    "checking": {"checks", "transforms", "namespace", "traced", "trees", "gates"},
    "checkpointing": {"checks", "transforms", "tape", "traced", "gates"},
    "functions": {"transforms", "namespace", "traced", "gates"},
    "explain": {"checks", "device", "gates", "mlp", "namespace", "tape", "traced", "trees"},
    "cli": {
        "checkpoints",
        "cluster",
        "data",
        "descent",
        "device",
        "explain",
        "files",
        "gradcheck",
        "layers",
        "machine",
        "mlp",
        "optimizers",
        "pictures",
        "recipes",
        "runs",
        "training",
        "trees",
    },
    "__main__": {"cli"},
    "__init__": {
        "checking",
        "checkpointing",
        "device",
        "estimators",
        "explain",
        "functions",
        "logistic",
        "mlp",
        "namespace",
        "optimizers",
        "penalties",
        "transforms",
    },
}


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            if node.module == "chainrule":
                yield from (f"chainrule.{alias.name}" for alias in node.names)
            else:
                yield node.module


def room_of(path):
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


FILES = sorted(SOURCE.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_import_follows_an_arrow(path):
    room = room_of(path)
    assert room in ARROWS, f"the room {room} has no arrows in this test"
    ours = {name.split(".")[1] for name in imports(path) if name.startswith("chainrule.")}
    assert ours - {room} <= ARROWS[room]


def test_only_the_device_room_names_cupy():
    naming = {room_of(path) for path in FILES if "cupy" in {name.split(".")[0] for name in imports(path)}}
    assert naming == {"device"}


def test_only_the_compiled_rooms_name_numba():
    naming = {
        room_of(path)
        for path in FILES
        if {"numba", "llvmlite"} & {name.split(".")[0] for name in imports(path)}
    }
    assert naming == {"compiled", "one_pass", "one_pass_classes", "vectors"}


def test_a_gate_uses_the_namespace_that_it_is_handed_and_no_other():
    named = {name.split(".")[0] for path in FILES if room_of(path) == "gates" for name in imports(path)}
    assert not named & {"numpy", "array_api_compat", "array_api_strict", "cupy"}


def test_the_loops_know_no_array_library():
    assert {name.split(".")[0] for name in imports(SOURCE / "loops.py")} <= {"math", "collections"}


def test_no_file_has_grown_into_two():
    sizes = {
        str(path.relative_to(SOURCE)): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES
    }
    assert {name: size for name, size in sizes.items() if size > 400} == {}
