"""What `import chainrule` brings, and that it changes nothing in the process."""

import sys

import numpy as np
import pytest

import chainrule as cr
from chainrule import estimators, optim
from tests.helpers.processes import in_a_new_process

ESTIMATORS = {"LogisticRegression", "MLPClassifier", "MLPRegressor"}


def test_import_needs_numpy_and_array_api_compat_alone():
    told = 'import sys; print(*sorted({name.partition(".")[0] for name in sys.modules}))'
    loaded = set(in_a_new_process("import chainrule; " + told).split())
    own = {"chainrule", "numpy", "array_api_compat"}
    assert own <= loaded
    # Some Pythons, Debian's among them, load a sitecustomize of their own whatever is imported.
    anyway = set(in_a_new_process(told).split())
    others = loaded - own - anyway - set(sys.stdlib_module_names)
    assert {name for name in others if not name.startswith("_")} == set()


def test_import_reads_few_files():
    told = 'import sys; print(sum(name.partition(".")[0] == "chainrule" for name in sys.modules))'
    assert int(in_a_new_process("import chainrule; " + told)) < 125


def test_a_gradient_imports_no_part_of_numpy_that_takes_long_and_no_networks():
    code = """
        import sys
        import numpy as np
        import chainrule as cr

        slope = cr.grad(lambda x: np.sum(np.tanh(x) ** 2))(np.ones(3))
        print(sorted({"numpy.f2py", "numpy.testing", "chainrule.models.mlp"} & set(sys.modules)))
        # Functions that NumPy spells otherwise than the standard are there all the same.
        print(cr.differentiable(np).argsort(slope, descending=True).shape, "numpy.f2py" in sys.modules)
    """
    assert in_a_new_process(code).splitlines() == ["[]", "(3,) True"]


def test_the_variable_is_read_when_asked_not_at_import():
    code = """
        import os
        import chainrule as cr
        os.environ["CHAINRULE_DEVICE"] = "strict"
        print(cr.get_device().name)
    """
    assert in_a_new_process(code, CHAINRULE_DEVICE="nonsense") == "strict"


def test_an_import_changes_nothing_in_the_process():
    code = """
        import os, signal, sys, threading, tracemalloc, warnings
        import array_api_compat, numpy

        def state():
            return {
                "folder": os.getcwd(),
                "path": list(sys.path),
                "signals": {name: signal.getsignal(name) for name in signal.valid_signals()},
                "hooks": (sys.excepthook, sys.displayhook, sys.unraisablehook, threading.excepthook),
                "limits": (sys.getrecursionlimit(), sys.getswitchinterval()),
                "warnings": list(warnings.filters),
                "threads": threading.enumerate(),
                "errors of NumPy": numpy.geterr(),
                "printing of NumPy": numpy.get_printoptions(),
            }

        before, set_or_unset = state(), []
        # Not by comparison: what an import sets is set in the parent process already, and inherited.
        sys.addaudithook(lambda event, what: event in ("os.putenv", "os.unsetenv") and set_or_unset.append(what))
        tracemalloc.start()
        import chainrule
        # Its own code takes less; a large array would be made to be freed.
        print(tracemalloc.get_traced_memory()[1] < 20 << 20)
        print([name for name, part in state().items() if part != before[name]], set_or_unset)
    """
    assert in_a_new_process(code).splitlines() == ["True", "[] []"]


class TestNames:
    def test_dir_and_all_are_the_public_names(self):
        assert set(dir(cr)) == {*cr.__all__, "__version__"}
        assert set(cr.__all__) >= ESTIMATORS | {"optim", "optimizers", "grad", "MLP", "get_device"}
        assert not [name for name in cr.__all__ if name.startswith("_")]

    def test_every_public_name_is_there(self):
        for name in dir(cr):
            assert getattr(cr, name) is not None
        for name in ESTIMATORS:
            assert getattr(cr, name) is getattr(estimators, name)
        for name in optim.__all__:
            assert getattr(cr.optim, name) is not None

    def test_an_unknown_name_is_an_attribute_error(self):
        with pytest.raises(AttributeError, match="'chainrule' has no attribute 'nothing'"):
            cr.nothing  # noqa: B018

    def test_optimizers_is_another_name_for_optim(self):
        assert cr.optimizers is cr.optim is optim
        descent = cr.optimizers.descend(
            lambda x: (x @ x, 2 * x), np.ones(2), optimizer=cr.optimizers.adam(0.1), steps=2
        )
        assert descent.steps == 2
