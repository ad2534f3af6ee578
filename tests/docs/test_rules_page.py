"""docs/rules.md is what docs/rules_page.py writes from the gates."""

import numpy as np

import chainrule as cr
import rules_page
from chainrule.gates import standard


def test_the_page_is_what_the_gates_say():
    assert rules_page.PAGE.read_text(encoding="utf-8") == rules_page.page()


def test_the_page_has_every_function_that_takes_arrays():
    space, text = cr.differentiable(np), rules_page.page()
    others = {
        *standard.names("creation", "main"),
        *standard.names("dtype", "main"),
        *standard.names("value", "main"),
        "asarray",
        "full_like",
        "stop_gradient",
    }
    names = {n for n, f in vars(space).items() if callable(f) and not n.startswith("_")}
    assert {n for n in names - others if f"| `{n}` |" not in text} == set()


def test_the_function_of_a_matrix_that_the_page_writes_has_the_gradient_of_the_logarithm():
    names = {"cr": cr}
    exec(rules_page.HEAD.split("```python")[1].split("```")[0], names)
    random = np.random.default_rng(0)
    M, Q = random.normal(size=(3, 3)), np.linalg.qr(random.normal(size=(3, 3)))[0]
    slope = cr.grad(lambda A: np.sum(names["logm"](A) * M))
    # At the identity the derivative of log is the identity map.
    np.testing.assert_allclose(slope(np.eye(3)), (M + M.T) / 2, rtol=1e-14)
    A, step = Q * [1.0, 1.0, 3.0] @ Q.T, 1e-5 * (M + M.T)

    def total(A):
        w, V = np.linalg.eigh(A)
        return np.sum((V * np.log(w)) @ V.T * M)

    expected = (total(A + step) - total(A - step)) / 2
    np.testing.assert_allclose(np.sum(slope((A + A.T) / 2) * step), expected, rtol=1e-6)
