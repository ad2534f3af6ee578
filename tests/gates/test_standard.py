"""The table of functions: gates enter themselves and stay ordinary functions, and no name is there twice."""

import numpy as np
import pytest

from chainrule.gates import RULES, elementwise, linear_algebra, standard


def test_a_gate_enters_itself_and_stays_the_function_that_it_is():
    assert RULES["main"]["tanh"] is elementwise.tanh
    assert RULES["main"]["matmul"] is RULES["linalg"]["matmul"] is linear_algebra.matmul
    y, (pullback,) = elementwise.tanh(np, np.asarray(0.0))
    assert (y, pullback(2.0)) == (0, 2)


@pytest.mark.parametrize("part", ["main", "linalg", "fft", "beyond", "internal"])
def test_a_name_is_of_one_kind(part):
    names = [name for name, _, _ in standard.functions(part)]
    assert len(names) == len(set(names)) > 0


def test_names_are_told_by_kind():
    assert standard.names("constant", "linalg") == ("matrix_rank",)
    assert {"fftfreq", "rfftfreq"} == {*standard.names("creation", "fft")}
