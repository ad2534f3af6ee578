"""Several threads that call the same function at once."""

import threading
from typing import Any

import numpy as np

from chainrule.models import logistic


def callers_agree(arrays: Any, **settings: Any) -> None:
    """Have eight threads take the logistic step by tiles at once; each must get what the plain step gives."""
    results = []
    callers = [
        threading.Thread(target=lambda: results.append(logistic.by_tiles(*arrays, **settings)))
        for _ in range(8)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert len(results) == 8
    expected = logistic.by_matmul(*arrays)
    for step in results:
        for got, want in zip(step, expected, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-12)
