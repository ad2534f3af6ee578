"""The programs that lesson 9 prints, line by line: every value that one computes is that of the code by hand."""

import re

import numpy as np
import pytest

import lessons

PAGE = next(page for page in lessons.PAGES if page.stem.startswith("09"))
random = np.random.default_rng(0)


def lines_of(name, *arguments):
    """Run a printed program to its last line, and return each value that it computes by its name."""
    printed = (text for mark, text in lessons.blocks(PAGE.read_text(encoding="utf-8")) if mark == "text")
    text = next(text for text in printed if f"\ndef {name}(" in text).rstrip()
    text = text[text.index("import numpy") :]
    text, count = re.subn(r"\n    return [^\n]*$", "\n    return locals()", text)
    assert count == 1
    session = {}
    exec(text, session)
    return session[name](*arguments)


def three_gates():
    a, b, c = 5.0, 3.0, 2.0
    u = b * c
    v = a + u
    return (a, b, c), {"u": u, "v": v, "J": 3 * v, "db": 3 * c, "dc": 3 * b}


def neuron():
    """Lesson 2: dy_hat, then dz = s(z) - y, then dw."""
    w, b, x, y = np.array([2.0, -3.0]), -3.0, np.array([-1.0, -2.0]), 1.0
    z = x @ w + b
    e = np.exp(-z)
    y_hat = 1 / (1 + e)
    no, yes = -(1 - y) / (1 - y_hat), -y / y_hat
    return (w, b, x, y), {
        **{
            "z": z,
            "t1": e,
            "t2": 1 + e,
            "y_hat": y_hat,
            "t3": y * np.log(y_hat),
            "t4": 1 - y,
            "t5": 1 - y_hat,
        },
        "L": -(y * np.log(y_hat) + (1 - y) * np.log(1 - y_hat)),
        **{"g1": -(1 - y), "g2": no, "dy_hat": -no, "g3": -y, "dy_hat1": yes - no},
        **{"g4": -(yes - no) * y_hat**2, "g5": -(yes - no) * y_hat**2 * e},
        **{"dz": y_hat - y, "g6": np.full(2, y_hat - y), "dw": (y_hat - y) * x},
    }


def logistic():
    """Lesson 3: the error of all rows at once, and the stable cost of lesson 4."""
    X, Y = random.normal(size=(8, 3)), random.integers(0, 2, (8, 1)).astype(float)
    W, b = random.normal(size=(3, 1)), random.normal(size=1)
    Z = X @ W + b
    yes = (Z >= 0).astype(float)
    small = np.exp(-abs(Z))
    dZ = (1 / (1 + np.exp(-Z)) - Y) / 8
    return (W, b, X, Y), {
        **{"Z": Z, "t1": yes, "t2": -np.sign(Z), "t3": small, "t4": small / (1 + small), "t5": yes - Y},
        "J": np.mean(-(Y * np.log(1 / (1 + np.exp(-Z))) + (1 - Y) * np.log(1 / (1 + np.exp(Z))))),
        **{"dZ": dZ, "db": dZ.sum(axis=0), "dW": X.T @ dZ},
    }


def network():
    """Lesson 5: from the last layer to the first, dZ from dH, then dW and db."""
    (W1, b1), (W2, b2) = params = [
        (random.normal(size=(a, b)), random.normal(size=b)) for a, b in ((3, 4), (4, 2))
    ]
    X, Y = random.normal(size=(8, 3)), random.normal(size=(8, 2))
    Z = X @ W1 + b1
    H = np.tanh(Z)
    E = H @ W2 + b2 - Y
    dE, dH = 2 * E, 2 * E @ W2.T
    dZ = dH / np.cosh(Z) ** 2
    return (params, X, Y), {
        **{"W1": W1, "b1": b1, "W2": W2, "b2": b2, "Z": Z, "H": H, "E": E, "J": (E**2).sum()},
        **{"dE": dE, "db2": dE.sum(axis=0), "dH": dH, "dW2": H.T @ dE},
        **{"dZ": dZ, "db1": dZ.sum(axis=0), "dW1": X.T @ dZ},
    }


@pytest.mark.parametrize(
    ("by_hand", "parameters"),
    [(three_gates, "a b c"), (neuron, "w b x y"), (logistic, "W b X Y"), (network, "params X Y")],
)
def test_each_line_of_a_program_is_one_by_hand(by_hand, parameters):
    arguments, expected = by_hand()
    found = lines_of(by_hand.__name__, *arguments)
    assert found.keys() - expected.keys() == {*parameters.split()}
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-12, err_msg=name)
