"""install: `import autograd` finds chainrule.autograd."""

import importlib
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any

_OURS = "chainrule.autograd"


def install() -> None:
    """Make `import autograd`, and that of its modules, give those of chainrule.autograd, in this process.

    Raises RuntimeError where autograd itself was imported before.
    """
    before = sys.modules.get("autograd")
    if before is not None and before is not sys.modules[_OURS]:
        raise RuntimeError(
            f"install: autograd was imported before, from {getattr(before, '__file__', None)}; call install first"
        )
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
    importlib.import_module("autograd")


class _Finder:
    """Finds autograd.x as the module chainrule.autograd.x, and loads it."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.partition(".")[0] != "autograd":
            return None
        if importlib.util.find_spec(_ours(fullname)) is None:
            return None
        return importlib.machinery.ModuleSpec(fullname, self)  # type: ignore[arg-type]

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(_ours(spec.name))
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        # The import gave the module the spec of its second name.
        if module.__spec__ is not None:
            module.__spec__ = module.__spec__.loader_state


def _ours(fullname: str) -> str:
    return _OURS + fullname.removeprefix("autograd")
