"""chainrule.numpy on PyTorch's and JAX's arrays: results and gradients stay in the library.

It needs the extra `peers`; what is missing is skipped by name.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from tests.numpy_names.test_dispatch import V
from tests.numpy_names.test_namespace import OF_ANY_LIBRARY

LIBRARIES = ["torch", "jax.numpy"]


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("f", OF_ANY_LIBRARY)
def test_values_and_gradients_stay_in_the_library(f: Callable[[Any], Any], library: str):
    xp = pytest.importorskip(library, reason=f"{library} is in the extra `peers`")
    x = xp.asarray(V.astype("f4"))
    assert type(f(x)) is type(x)
    np.testing.assert_allclose(np.asarray(f(x)), f(V), rtol=1e-5)
    slopes = cr.grad(lambda v: cr.numpy.sum(f(v) ** 2))
    assert type(slopes(x)) is type(x)
    np.testing.assert_allclose(np.asarray(slopes(x)), slopes(V), rtol=1e-4)


def test_a_traced_tensor_answers_as_a_tensor():
    torch = pytest.importorskip("torch", reason="torch is in the extra `peers`")
    seen = []
    cr.grad(lambda x: seen.append(isinstance(x, torch.Tensor)) or (x * x).sum())(torch.ones(2))
    assert seen == [True]
