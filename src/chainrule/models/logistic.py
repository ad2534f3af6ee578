"""Logistic regression: one learning step in five spellings that give equal numbers, two of them for many classes too.

The cost of w (n,) and b () on samples X (m, n) with targets y (m,) in 0..1 is the mean cross entropy

    J = mean of -(y log s(z) + (1 - y) log(1 - s(z))),    z = X w + b,    s(z) = 1 / (1 + e^-z)

and its gradient is dz = s(z) - y, dw = X^T dz / m, db = mean(dz). J is computed from z, never from s(z), so it
is finite for every finite z. Source: Cox, The regression analysis of binary sequences (1958); Bishop, Pattern
Recognition and Machine Learning, section 4.3.2 (2006).

With k classes, w is (n, k), b (k,), y class numbers 0..k-1, z (m, k), and the cost the mean softmax cross entropy: dz
is softmax(z) less 1 at the class, dw = X^T dz / m, db = mean of dz over samples (Bishop, section 4.3.4). `by_matmul`
and `by_tiles` take k classes too.

Every spelling takes (X, y, w, b), arrays on one device, all float32 or all float64 (y may hold integers or booleans,
b may be a number), and returns (cost, dw, db) as arrays there, in that dtype. Arrays of another shape are a ValueError,
arrays of another dtype or of several libraries a TypeError. With NumPy's arrays a target that is not from 0 to 1 is a
ValueError, and so is a number that is no class. With other arrays a look at y would wait for the device at every step:
there a number that is no class makes cost and gradients NaN, and a target outside of 0..1 is not noticed.
"""

import math
from collections.abc import Callable
from typing import Any

from chainrule.backend.fusion import fused
from chainrule.backend.gpus import on_their_gpu
from chainrule.backend.namespaces import namespace, to_numpy
from chainrule.gates.activations import sigmoid
from chainrule.gates.losses import sigmoid_cross_entropy, softmax_cross_entropy
from chainrule.gates.types import Array
from chainrule.models.kernels import loops, ops_for, tiles
from chainrule.models.targets import one_hot
from chainrule.models.types import Step
from chainrule.models.validation import check_ndim, check_step, check_weights, shape_of
from chainrule.validation import whole_number


@on_their_gpu
def by_loops(X: Array, y: Array, w: Array, b: Array) -> Step:
    """Return (cost, dw, db) by plain Python: a loop over samples, in it loops over features, on numbers."""
    xp, y, b = check_step("by_loops", X, y, w, b)
    lists = (to_numpy(x).tolist() for x in (X, y, w, b))
    cost, dw, db = (
        xp.asarray(part, dtype=X.dtype, device=X.device) for part in loops.forward_backward(*lists)
    )
    return cost, dw, db


@on_their_gpu
def by_sample(X: Array, y: Array, w: Array, b: Array) -> Step:
    """Return (cost, dw, db) by a loop over samples, with vectors over features."""
    xp, y, b = check_step("by_sample", X, y, w, b)
    cost, dw, db = 0 * b, xp.zeros_like(w), 0 * b
    for i in range(X.shape[0]):
        loss, dw_i, db_i = _one_sample(xp, X[i, :], y[i], w, b)
        cost, dw, db = cost + loss, dw + dw_i, db + db_i
    return cost / X.shape[0], dw / X.shape[0], db / X.shape[0]


@on_their_gpu
def by_scaling(X: Array, y: Array, w: Array, b: Array) -> Step:
    """Return (cost, dw, db) with no loop: scale the rows of X by dz, an (m, n) temporary, then average them."""
    xp, y, b = check_step("by_scaling", X, y, w, b)
    losses, dz = _losses_and_dz("by_scaling", xp, X @ w, b, y)
    return xp.mean(losses), xp.mean(X * dz[:, None], axis=0), xp.mean(dz)


@on_their_gpu
def by_matmul(X: Array, y: Array, w: Array, b: Array) -> Step:
    """Return (cost, dw, db) with no loop and no temporary: X^T dz / m. It reads X twice.

    Takes two classes, w (n,), or many, w (n, k).
    """
    xp, y, b = check_step("by_matmul", X, y, w, b, classes=True)
    return _by_matmul("by_matmul", xp, X, y, w, b)


@on_their_gpu
def by_tiles(
    X: Array, y: Array, w: Array, b: Array, *, rows: int | None = None, workers: int | None = None
) -> Step:
    """Return (cost, dw, db) in one pass over X: forward and backward of a tile of rows, then of the next tile.

    rows      the height of a tile; by default as many rows as the cache holds
    workers   how many threads share the tiles; by default as many as NumPy's own products use

    Takes two classes, w (n,), or many, w (n, k). Where X is larger than the last cache, `by_matmul` reads it twice from
    memory, and `by_tiles` once. An X that the cache holds whole is one tile, and so is an X on a GPU. Only NumPy's
    arrays are shared among threads, and only where threadpoolctl can keep each product in its own thread. Beyond X, y
    and the results, each worker needs memory for one gradient and for some twenty numbers (times the classes) a row of
    its tile, however many rows X has; an X that is not in C order is copied tile by tile.

    Each worker adds up its own share of the rows, so results differ by rounding where the default is another one: also
    while another thread keeps NumPy's products in one thread, as some fits do. With `rows` and `workers` given, from
    two workers up, the bits do not depend on other threads.

    Where the extra `fast` (Numba) is installed, an X that fills the last cache, with rows in one piece and 256 features
    or more, goes through compiled code instead of tiles, unless `rows` is given or there are more than 256 classes (10
    where the processor has no AVX-512). The code needs memory for three gradients a worker, for five with many classes.
    The first such step of a process loads the code, and the first on a machine compiles it, for each dtype. Ctrl-C is
    answered after the step.
    """
    xp, y, b = check_step("by_tiles", X, y, w, b, classes=True)
    rows, workers = (
        value if value is None else whole_number("by_tiles", name, value, 1)
        for name, value in (("rows", rows), ("workers", workers))
    )
    plan = tiles.plan(xp, X, w, rows, workers)
    if plan is None:
        return _by_matmul("by_tiles", xp, X, y, w, b)
    forward, backward = tiles.products(xp, X, w, plan)

    def sums_of(X: Array, y: Array) -> Step:
        losses, dz = _losses_and_dz("by_tiles", xp, forward(X, w), b, y)
        return xp.sum(losses), backward(_transposed(dz), X), xp.sum(dz, axis=0)

    cost, dw, db = (total / X.shape[0] for total in tiles.sums(plan, sums_of, X, y, w, b))
    return cost, _transposed(dw), db


SPELLINGS: dict[str, Callable[..., Step]] = {
    spelling.__name__: spelling for spelling in (by_loops, by_sample, by_scaling, by_matmul, by_tiles)
}


@on_their_gpu
def one_sample(x: Array, y: Array, w: Array, b: Array) -> Step:
    """Return (loss, dw, db) of a single sample x (n,) with target y ()."""
    check_ndim("one_sample", "x (n,)", x, 1)
    xp, y, b = check_step("one_sample", x[None, :], y, w, b, one=True)
    return _one_sample(xp, x, y, w, b)


@on_their_gpu
def predict(X: Array, w: Array, b: Array) -> Array:
    """Return y_hat = s(X w + b), (m,): the probability of the positive class for each row."""
    xp, b = check_weights("predict", X, w, b)
    return sigmoid(xp, X @ w + b)[0]


@on_their_gpu
def forward(X: Array, y: Array, w: Array, b: Array) -> tuple[Array, Array]:
    """Return the cost (), and dz (m,), which `backward` needs."""
    xp, y, b = check_step("forward", X, y, w, b)
    losses, dz = _losses_and_dz("forward", xp, X @ w, b, y)
    return xp.mean(losses), dz


@on_their_gpu
def backward(X: Array, dz: Array) -> tuple[Array, Array]:
    """Return (dw (n,), db ()) from X (m, n) and the dz (m,) that `forward` kept."""
    check_ndim("backward", "X (m, n)", X, 2)
    if getattr(dz, "shape", None) != X.shape[:1]:
        raise ValueError(
            f"backward: expected dz {tuple(X.shape[:1])}, one number a row of X, got {shape_of(dz)}; forward returns it"
        )
    return (dz @ X) / X.shape[0], namespace(X, dz).mean(dz)


def backward_recomputed(X: Array, y: Array, w: Array, b: Array) -> tuple[Array, Array]:
    """Return (dw (n,), db ()) as `backward` does, with nothing kept from forward: X is read once more."""
    return backward(X, forward(X, y, w, b)[1])


def learning_rate_bound(X: Array) -> float:
    """Return a learning rate at which the cost falls at every step, whatever the targets: 4 / mean(|x|^2 + 1).

    The rate is 1 / L for L = trace([X 1]^T [X 1]) / 4m, a bound on the curvature of J since s' <= 1/4. Raises
    ValueError for an X whose squares overflow.

    Source: Nesterov, Introductory Lectures on Convex Optimization, section 2.1.5 (2004); Bohning, Multinomial
    logistic regression algorithm (1992).
    """
    check_ndim("learning_rate_bound", "X (m, n)", X, 2)
    xp, _ = check_weights("learning_rate_bound", X, X[0, :], 0.0)
    largest = float(xp.max(xp.abs(X)))
    # Squares of numbers up to 1 cannot overflow.
    mean_square = float(xp.mean(xp.square(X / (largest or 1.0)))) * int(X.shape[1]) * largest * largest
    if not math.isfinite(mean_square):
        raise ValueError(
            f"learning_rate_bound: expected numbers whose squares float64 can hold, got up to {largest:g}; scale X down"
        )
    return 4 / (mean_square + 1)


def _one_sample(xp: Any, x: Array, y: Array, w: Array, b: Array) -> Step:
    loss, (to_z, _) = sigmoid_cross_entropy(xp, x @ w + b, y)
    dz = to_z(1.0)
    return loss, x * dz, dz


def _by_matmul(who: str, xp: Any, X: Array, y: Array, w: Array, b: Array) -> Step:
    losses, dz = _losses_and_dz(who, xp, X @ w, b, y)
    m = X.shape[0]
    return xp.sum(losses) / m, _transposed(_transposed(dz) @ X) / m, xp.sum(dz, axis=0) / m


def _transposed(x: Array) -> Array:
    return x.T if x.ndim == 2 else x


def _losses_and_dz(who: str, xp: Any, product: Array, b: Array, y: Array) -> tuple[Array, Array]:
    """Return the losses (m,) of z = X w + b, and dz, shaped as X w: (m,) for two classes, (m, k) for many."""
    if product.ndim == 1:
        losses, dz = _sigmoid_losses_and_dz(xp, product, b, y)
        return losses, dz
    ops, rows = ops_for(xp), one_hot(xp, y, product.shape[1], product.dtype, who=who)
    return ops.losses_and_slopes(softmax_cross_entropy, ops.add_bias(product, b), rows)


@fused
def _sigmoid_losses_and_dz(xp: Any, product: Array, b: Array, y: Array) -> tuple[Array, Array]:
    losses, (to_z, _) = sigmoid_cross_entropy(xp, product + b, y)
    return losses, to_z(1.0)
