"""Random expression graphs: programs of 2 to 30 gates with fan-out, broadcasting, reductions and mixed
shapes.

A program is a list of (operation, first operand, second operand); operands count back through all values
so far, so one value is used many times. Every operation keeps its values of order 1, whatever comes in.
"""

from typing import Any

import numpy as np
from hypothesis import strategies as st

SHAPES = [(2, 3), (3,), (2, 1), (), (1, 3)]


def _soft(xp: Any, x: Any) -> Any:
    return x / (1 + x * x)


def _matrix(xp: Any, x: Any) -> Any:
    return xp.broadcast_to(x, (2, 3))


UNARY = [
    lambda xp, x: xp.tanh(x),
    lambda xp, x: xp.sin(x),
    lambda xp, x: xp.exp(-(x * x)),
    lambda xp, x: _soft(xp, x),
    lambda xp, x: xp.log1p(x * x),
    lambda xp, x: xp.sqrt(x * x + 0.5),
    lambda xp, x: xp.abs(x),
    lambda xp, x: xp.atan(x) ** 3,
    lambda xp, x: xp.where(x > 0.3, x, xp.expm1(-xp.abs(x))),
    lambda xp, x: xp.sum(x, axis=0, keepdims=True) if x.ndim else x * 2,
    lambda xp, x: xp.mean(x),
    lambda xp, x: xp.max(x, axis=-1, keepdims=True) if x.ndim else -x,
    lambda xp, x: xp.var(x, axis=-1, keepdims=True) if x.ndim else x - 1,
    lambda xp, x: xp.flip(_matrix(xp, x), axis=1),
    lambda xp, x: xp.sort(_matrix(xp, x), axis=1),
    lambda xp, x: xp.cumulative_sum(_matrix(xp, x), axis=1) / 3,
    lambda xp, x: xp.prod(xp.tanh(_matrix(xp, x)), axis=0),
    lambda xp, x: _matrix(xp, x)[:, ::2][:, :1],
    lambda xp, x: xp.take(_matrix(xp, x), xp.asarray([2, 0, 2]), axis=1),
    lambda xp, x: xp.reshape(xp.concat([_matrix(xp, x), _matrix(xp, x) ** 2], axis=0), (2, 2, 3))[1, ...] / 4,
]
BINARY = [
    lambda xp, x, y: x + y,
    lambda xp, x, y: x - y,
    lambda xp, x, y: xp.tanh(x) * y,
    lambda xp, x, y: x / (1 + y * y),
    lambda xp, x, y: xp.maximum(x, y),
    lambda xp, x, y: xp.logaddexp(x, y),
    lambda xp, x, y: xp.hypot(x, y + 3),
    lambda xp, x, y: xp.where(x > y, x, 2 * y),
    lambda xp, x, y: (1 + xp.tanh(x) ** 2) ** xp.sin(y),
    lambda xp, x, y: xp.matmul(xp.tanh(_matrix(xp, x)), xp.matrix_transpose(_matrix(xp, y)))[:, :1],
    lambda xp, x, y: xp.matmul(xp.matrix_transpose(xp.sin(_matrix(xp, x))), _matrix(xp, y))[:2, :],
]

programs = st.lists(
    st.tuples(st.integers(0, len(UNARY) + len(BINARY) - 1), st.integers(0, 9), st.integers(0, 9)),
    min_size=2,
    max_size=30,
)
inputs = st.tuples(st.lists(st.sampled_from(SHAPES), min_size=1, max_size=3), st.integers(0, 2**32 - 1))


def arrays(chosen: tuple[list[tuple[int, ...]], int]) -> list[np.ndarray]:
    shapes, seed = chosen
    random = np.random.default_rng(seed)
    return [random.uniform(-2, 2, shape) for shape in shapes]


def run(xp: Any, program: list[tuple[int, int, int]], *leaves: Any) -> Any:
    """Return the sum of every value that nothing else used."""
    values, used = list(leaves), set()
    for operation, first, second in program:
        i, j = (len(values) - 1 - back % len(values) for back in (first, second))
        used.add(i)
        if operation < len(UNARY):
            values.append(UNARY[operation](xp, values[i]))
        else:
            used.add(j)
            values.append(BINARY[operation - len(UNARY)](xp, values[i], values[j]))
    ends = [xp.sum(v) for i, v in enumerate(values) if i not in used]
    return sum(ends[1:], ends[0])
