"""The freed memory that a process keeps: each test is a process of its own, because the request holds for it all."""

import platform
import sys

import pytest

from tests.helpers.processes import in_a_new_process

# What asks for freed memory to be kept: a loop written by hand begins with an optimiser's state.
RUNS = {
    "init": "cr.optim.adam().init(np.ones(2))",
    # With a state, so that no optimiser has to make one.
    "descend": "cr.optim.descend(lambda x: (x @ x, x), np.ones(2), steps=1, learning_rate=0.1, state={'step': 0})",
    "lbfgs": "cr.optim.lbfgs(lambda x: (x @ x, 2 * x), np.ones(2), steps=1)",
    "fit": "cr.LogisticRegression().fit(np.eye(2), [0, 1])",
}


def faults_after(run):
    """Return the page faults of eight temporaries of 1 MiB, once they have been made and freed before."""
    code = f"""
        import resource
        import numpy as np
        import chainrule as cr

        def faults_of_a_step():
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            temporaries = [np.ones(1 << 18, dtype="float32") for _ in range(8)]
            return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

        {run}
        for _ in range(3):
            faults_of_a_step()
        print(max(faults_of_a_step() for _ in range(5)))
    """
    return int(in_a_new_process(code))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other allocators have bounds of their own")
@pytest.mark.parametrize("run", RUNS)
def test_temporaries_of_a_step_keep_their_memory_for_the_next_one(run):
    assert faults_after(RUNS[run]) < 100


def test_a_run_needs_no_memory_for_it():
    resource = pytest.importorskip("resource")
    if not hasattr(resource, "RLIMIT_AS") or not sys.platform.startswith("linux"):
        pytest.skip("only Linux says how much a process has, and limits it")
    code = """
        import pathlib, resource
        import array_api_compat, numpy

        has = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (has + (25 << 20),) * 2)
        import chainrule

        x = chainrule.get_device("cpu").asarray([3.0])
        run = chainrule.optim.descend(lambda x: (x @ x, 2 * x), x, steps=1, learning_rate=0.5)
        print(run.params[0])
    """
    assert in_a_new_process(code) == "0.0"


def test_it_is_asked_for_once_a_process():
    code = """
        import tracemalloc
        import numpy as np
        import chainrule as cr

        for _ in range(2):
            tracemalloc.start()
            cr.optim.descend(lambda x: (x @ x, 2 * x), np.ones(2), steps=1, learning_rate=0.1)
            print(tracemalloc.get_traced_memory()[1] > 30 << 20)
            tracemalloc.stop()
    """
    assert in_a_new_process(code).split() == ["True", "False"]
