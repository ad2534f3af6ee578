"""The dot product: one product at a time, and by `@`; and one read of both vectors."""

import numpy as np
import pytest

from bench import logistic_step
from chainrule.backend.namespaces import namespace, to_numpy
from chainrule.models.kernels import loops

SPELLINGS = {"by_loops": loops.dot, "by_matmul": lambda x, w: x @ w}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_dot(measure, problem, spelling):
    X, _, w, _ = problem.arrays
    # Products of one sign cancel nothing, so that a relative error means something.
    vectors = abs(X[0, :]), abs(w)
    on_host = [to_numpy(v) for v in vectors]
    want = {"z": on_host[0].astype("float64") @ on_host[1].astype("float64")}
    measure(
        SPELLINGS[spelling], tuple(v.tolist() for v in on_host) if spelling == "by_loops" else vectors, want
    )


@pytest.mark.parametrize("spelling", ["limit"])
def test_dot_read(measure, problem, spelling):
    X, _, w, _ = problem.arrays
    xp = namespace(X, w)
    both = xp.stack([X[0, :], w])
    step, _ = logistic_step.limit(lambda _: both, *problem.host)
    want = np.bitwise_or.reduce(both.view("uint32"), axis=None) if xp is np else xp.max(both)
    measure(step, (), {"read": to_numpy(want)})
