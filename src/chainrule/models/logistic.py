"""Logistic regression: one learning step in five spellings that give equal numbers, two of them for many classes too.

The cost of w (n,) and b () on samples X (m, n) with targets y (m,) in 0..1 is the mean cross entropy

    J = mean of -(y log s(z) + (1 - y) log(1 - s(z))),    z = X w + b,    s(z) = 1 / (1 + e^-z)

and its gradient is dz = s(z) - y, dw = X^T dz / m, db = mean(dz). J is computed from z, never from s(z), so it
is finite for every finite z. Source: Cox, The regression analysis of binary sequences (1958); Bishop, Pattern
Recognition and Machine Learning, section 4.3.2 (2006).

Of k classes, w is (n, k), b (k,), y class numbers 0..k-1, z (m, k), and the cost the mean softmax cross entropy: dz is
softmax(z) less 1 at the class, dw = X^T dz / m, db = mean of dz over samples (Bishop, section 4.3.4). `by_matmul` and
`by_tiles` take these too.

A target that is not from 0 to 1 is a ValueError with NumPy's arrays, and so is a class number that is none. With
others, where looking at y would wait for the device at every step, such a class number makes cost and gradients NaN,
and such a target is not seen.

Every spelling takes (X, y, w, b), arrays of one device, float32 or float64 alike (y may hold integers or booleans,
b may be a number), and returns (cost, dw, db) as arrays there, in that dtype.
"""

import math
import operator
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache, reduce
from itertools import pairwise
from typing import Any

import numpy as np

from chainrule.backend import hardware, threads
from chainrule.backend.fusion import fused
from chainrule.backend.namespaces import namespace, to_numpy
from chainrule.gates.activations import sigmoid
from chainrule.gates.losses import sigmoid_cross_entropy, softmax_cross_entropy
from chainrule.models.kernels import loops
from chainrule.models.kernels.tiles import tile_height
from chainrule.validation import check_shares, whole_number

# Features from which compiled code is the faster one: with fewer, most of its time is the exponential of each row.
_KERNEL_FROM = 256
# Features up to which the first cache of a core holds a row and w.
_SHORT = 2048

Array = Any
Step = tuple[Array, Array, Array]


def by_loops(X: Array, y: Array, w: Array, b: Array) -> Step:
    """Return (cost, dw, db) by plain Python: a loop over samples, in it loops over features, on numbers."""
    xp, y, b = _checked("by_loops", X, y, w, b)
    return _from_lists(xp, X, loops.forward_backward(*_to_lists(X, y, w, b)))


def by_sample(X: Array, y: Array, w: Array, b: Array) -> Step:
    """Return (cost, dw, db) by a loop over samples, with vectors over features."""
    xp, y, b = _checked("by_sample", X, y, w, b)
    cost, dw, db = 0 * b, xp.zeros_like(w), 0 * b
    for i in range(X.shape[0]):
        loss, dw_i, db_i = _one_sample(xp, X[i, :], y[i], w, b)
        cost, dw, db = cost + loss, dw + dw_i, db + db_i
    return cost / X.shape[0], dw / X.shape[0], db / X.shape[0]


def by_scaling(X: Array, y: Array, w: Array, b: Array) -> Step:
    """Return (cost, dw, db) with no loop: scale the rows of X by dz, an (m, n) temporary, then average them."""
    xp, y, b = _checked("by_scaling", X, y, w, b)
    cost, dz = _cost_and_dz(xp, X @ w + b, y)
    return cost, xp.mean(X * dz[:, None], axis=0), xp.mean(dz)


def by_matmul(X: Array, y: Array, w: Array, b: Array) -> Step:
    """Return (cost, dw, db) with no loop and no temporary: X^T dz / m. It reads X twice.

    Takes two classes, w (n,), or many, w (n, k).
    """
    xp, y, b = _checked("by_matmul", X, y, w, b)
    return _by_matmul("by_matmul", xp, X, y, w, b)


def by_tiles(
    X: Array, y: Array, w: Array, b: Array, *, rows: int | None = None, workers: int | None = None
) -> Step:
    """Return (cost, dw, db) in one pass over X: a tile of rows serves forward and backward before it is let go.

    Takes two classes, w (n,), or many, w (n, k). Where X is larger than the last cache, `by_matmul` waits for memory
    twice and this once. `rows` is the height of a tile, by default what the cache holds; `workers` the number of
    threads that share the tiles out, by default as many as NumPy's own products use. An X that the cache holds whole
    is one tile, and so is one on a GPU. Only NumPy's arrays are shared out, and only where threadpoolctl can keep each
    product in its own worker. Beyond X, y and what it returns, each worker needs memory for one gradient and some
    twenty numbers (for each class) a row of its tile, however many rows X has; an X that is not in C order is copied
    a tile at a time.

    Where the extra `fast` (Numba) is installed, an X that fills the last cache, with rows in one piece and 256 features
    or more, goes through compiled code instead of tiles, unless `rows` asks for them or there are more than 256 classes
    (10 where the processor has no AVX-512). It needs memory for three gradients a worker, of many classes for five. A
    process's first such step loads it, and the first on a machine compiles it, for each dtype. Ctrl-C is answered after
    the step.
    """
    xp, y, b = _checked("by_tiles", X, y, w, b)
    m, n = X.shape
    rows, workers = (
        value if value is None else whole_number("by_tiles", name, value, 1)
        for name, value in (("rows", rows), ("workers", workers))
    )
    kernel = None
    if rows is None:
        # A row brings its features and about sixteen numbers a class that the gate makes on the way.
        rows = tile_height(X, (n + 16 * math.prod(w.shape[1:])) * xp.finfo(X.dtype).bits // 8)
        # Of less, most stays in the cache, where the BLAS is the quicker one at long rows.
        caches = 2.0 if n > _SHORT and w.ndim == 1 else 0.75
        if xp is np and n >= _KERNEL_FROM and X.nbytes > caches * hardware.cache_bytes(3):
            kernel = _kernel(math.prod(w.shape[1:]))
    if not kernel and rows >= m and w.ndim == 1:
        return _by_matmul("by_tiles", xp, X, y, w, b)
    if workers is None:
        workers = threads.blas_threads() if kernel or rows < m else 1
    if kernel and kernel.takes(X):
        fours = m // kernel.ROWS
        workers = min(workers, fours)
        bounds = [fours * k // workers * kernel.ROWS for k in range(workers + 1)]
        # A label of no class is named by the tiles.
        sums = _of_shares(
            lambda share: (
                kernel.sums(X[share], y[share], w, b) or _sum_of_tiles(np, X[share], y[share], w, b, rows)
            ),
            bounds,
        )
        if bounds[-1] < m:
            sums.append(_sum_of_tiles(np, X[bounds[-1] :], y[bounds[-1] :], w, b, rows))
    elif (workers := min(workers, -(-m // rows))) > 1 and xp is np and threads.can_limit_blas():
        with threads.one_blas_thread():
            bounds = [m * k // workers for k in range(workers + 1)]
            sums = _of_shares(lambda share: _sum_of_tiles(np, X[share], y[share], w, b, rows), bounds)
    else:
        sums = [_sum_of_tiles(xp, X, y, w, b, rows)]
    cost, dw, db = (reduce(operator.add, parts) / m for parts in zip(*sums, strict=True))
    return cost, dw if w.ndim == 1 else dw.T, db


SPELLINGS: dict[str, Callable[..., Step]] = {
    spelling.__name__: spelling for spelling in (by_loops, by_sample, by_scaling, by_matmul, by_tiles)
}


def one_sample(x: Array, y: Array, w: Array, b: Array) -> Step:
    """Return (loss, dw, db) of a single sample x (n,) with target y ()."""
    _shaped("one_sample", "x (n,)", x, 1)
    xp, y, b = _checked("one_sample", x[None, :], y, w, b)
    return _one_sample(xp, x, y, w, b)


def predict(X: Array, w: Array, b: Array) -> Array:
    """Return y_hat = s(X w + b), (m,): the probability of the positive class for each row."""
    xp, _, b = _checked("predict", X, None, w, b)
    return sigmoid(xp, X @ w + b)[0]


def forward(X: Array, y: Array, w: Array, b: Array) -> tuple[Array, Array]:
    """Return the cost and what `backward` needs to be kept: dz (m,)."""
    xp, y, b = _checked("forward", X, y, w, b)
    return _cost_and_dz(xp, X @ w + b, y)


def backward(X: Array, dz: Array) -> tuple[Array, Array]:
    """Return (dw (n,), db ()) from X (m, n) and the dz (m,) that `forward` kept."""
    _shaped("backward", "X (m, n)", X, 2)
    if getattr(dz, "shape", None) != X.shape[:1]:
        raise ValueError(
            f"backward: expected dz {tuple(X.shape[:1])}, one number a row of X, got {_shape(dz)}; forward returns it"
        )
    return _backward(namespace(X, dz), X, dz)


def backward_recomputed(X: Array, y: Array, w: Array, b: Array) -> tuple[Array, Array]:
    """Return (dw, db) with nothing kept from forward: the numbers of `backward`, for one more read of X."""
    return backward(X, forward(X, y, w, b)[1])


def learning_rate_bound(X: Array) -> float:
    """Return a learning rate at which the cost falls at every step, whatever the targets: 4 / mean(|x|^2 + 1).

    It is 1 / L for L = trace([X 1]^T [X 1]) / 4m, a bound on the curvature of J since s' <= 1/4.
    Source: Nesterov, Introductory Lectures on Convex Optimization, section 2.1.5 (2004); Bohning, Multinomial
    logistic regression algorithm (1992).
    """
    _shaped("learning_rate_bound", "X (m, n)", X, 2)
    xp, _, _ = _checked("learning_rate_bound", X, None, X[0, :], 0.0)
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


def _cost_and_dz(xp: Any, z: Array, y: Array) -> tuple[Array, Array]:
    losses, dz = _sigmoid_losses_and_dz(xp, z, y)
    return xp.mean(losses), dz


@fused
def _sigmoid_losses_and_dz(xp: Any, z: Array, y: Array) -> tuple[Array, Array]:
    losses, (to_z, _) = sigmoid_cross_entropy(xp, z, y)
    return losses, to_z(1.0)


def _losses_and_dz(who: str, xp: Any, z: Array, y: Array) -> tuple[Array, Array]:
    """Return the losses (m,) and dz, shaped as z: (m,) of two classes, (m, k) of many."""
    if z.ndim == 1:
        losses, dz = _sigmoid_losses_and_dz(xp, z, y)
        return losses, dz
    k = z.shape[1]
    # Classes in front, as z has them in memory, so that sums over classes run along samples.
    hit = (xp.arange(k, dtype=y.dtype, device=y.device)[:, None] == y[None, :]).T
    shares = xp.astype(hit, z.dtype)
    known = xp.sum(shares, axis=1)
    if xp is not np:
        # A look at the labels would be a copy to the host at every step: a label of no class gives a cost of NaN.
        shares = xp.where(known[:, None] > 0, shares, math.nan)
    elif not known.all():
        raise ValueError(
            f"{who}: y must hold class numbers from 0 to {k - 1}, got {y[known == 0][0]:g}; number them from 0"
        )
    losses, (to_z, _) = softmax_cross_entropy(xp, z, shares)
    return losses, to_z(xp.ones_like(losses))


def _by_matmul(who: str, xp: Any, X: Array, y: Array, w: Array, b: Array) -> Step:
    losses, dz = _losses_and_dz(who, xp, X @ w + b, y)
    m = X.shape[0]
    return xp.sum(losses) / m, ((dz.T @ X).T if w.ndim == 2 else dz @ X) / m, xp.sum(dz, axis=0) / m


def _backward(xp: Any, X: Array, dz: Array) -> tuple[Array, Array]:
    return (dz @ X) / X.shape[0], xp.mean(dz)


def _sum_of_tiles(xp: Any, X: Array, y: Array, w: Array, b: Array, rows: int) -> Step:
    """Return the sums of losses, of dw (of many classes (k, n), its transpose) and of db."""
    # np.matmul and np.vecdot hold Python's global lock for fewer than 500 results, so tiles would wait for each other;
    # np.dot lets go of it always.
    product = forward = np.dot if xp is np else xp.matmul
    m, n = X.shape
    if w.ndim == 2:
        # The order in which the BLAS is quicker where classes are few; of long rows it is the other, a copy included.
        forward = lambda tile, w: (  # noqa: E731
            product(w.T, tile.T).T if n <= _SHORT else xp.asarray(product(tile, w).T, copy=True).T
        )
    elif xp is np and X.flags.c_contiguous and 64 <= n <= _SHORT and 500 < rows < m:
        # Row by row it streams from memory twice as fast as four rows at a time, where a row and w fit the first cache.
        forward = np.vecdot
    sums: list[Array] = []
    for start in range(0, m, rows):
        stop = min(start + rows, m)
        tile = X[start:stop, :]
        losses, dz = _losses_and_dz("by_tiles", xp, forward(tile, w) + b, y[start:stop])
        parts = [xp.sum(losses), product(dz.T if w.ndim == 2 else dz, tile), xp.sum(dz, axis=0)]
        sums = [total + part for total, part in zip(sums, parts, strict=True)] if sums else parts
    cost, dw, db = sums
    return cost, dw, db


def _of_shares(sums_of: Callable[[slice], Step], bounds: list[int]) -> list[Step]:
    first, *others = (slice(*pair) for pair in pairwise(bounds))
    # The caller takes a share itself: a thread that has to wake up costs as much as reading a megabyte.
    try:
        waiting = [_pool(len(others), os.getpid()).submit(sums_of, share) for share in others]
    except RuntimeError:  # the main thread has ended before this one, and no pool takes anything any more
        return [sums_of(share) for share in (first, *others)]
    try:
        return [sums_of(first), *(share.result() for share in waiting)]
    finally:
        wait(waiting)


@cache
def _kernel(columns: int) -> Any:
    """Return the compiled kernel for so many columns of w, or None: for many, or without a Numba that works here."""
    try:
        if columns == 1:
            from chainrule.models.kernels import binary

            return binary
        from chainrule.models.kernels import multiclass
    except (ImportError, OSError):  # the latter: LLVM's library cannot be loaded
        return None
    return multiclass if columns <= multiclass.MOST else None


@cache
def _pool(workers: int, process: int) -> ThreadPoolExecutor:
    # Kept, because starting threads takes longer than a small step; by process, because a fork loses them.
    return ThreadPoolExecutor(workers, thread_name_prefix=f"chainrule-{process}")


def _to_lists(X: Array, y: Array, w: Array, b: Array) -> tuple[Any, Any, Any, float]:
    return to_numpy(X).tolist(), to_numpy(y).tolist(), to_numpy(w).tolist(), float(b)


def _from_lists(xp: Any, X: Array, step: tuple[float, list[float], float]) -> Step:
    cost, dw, db = (xp.asarray(part, dtype=X.dtype, device=X.device) for part in step)
    return cost, dw, db


def _shaped(who: str, expected: str, x: Array, ndim: int) -> None:
    if getattr(x, "ndim", None) != ndim or 0 in x.shape:
        raise ValueError(
            f"{who}: expected an array {expected}, no size 0, got {_shape(x)}; make one with get_device().asarray"
        )


def _shape(x: Any) -> str:
    return str(tuple(x.shape)) if hasattr(x, "shape") else type(x).__name__


def _checked(who: str, X: Array, y: Array, w: Array, b: Array) -> tuple[Any, Array, Array]:
    """Return the namespace, y in X's dtype and b as an array, or raise for what no spelling can compute."""
    arrays = (X, w) if who in ("predict", "learning_rate_bound") else (X, y, w)
    arrays += (b,) if hasattr(b, "space") else ()
    try:
        if not all(hasattr(x, "dtype") for x in arrays):
            raise TypeError("expected arrays")
        xp = namespace(*arrays)
    except TypeError as error:
        raise TypeError(
            f"{who}: X, y and w must be arrays of one library, got {', '.join(type(x).__name__ for x in arrays)}; "
            "make them with get_device().asarray"
        ) from error
    # In 16 bits a sum over samples overflows where its mean does not.
    if X.dtype not in (xp.float32, xp.float64) or w.dtype != X.dtype:
        raise TypeError(
            f"{who}: X and w must both be float32 or both float64, got {X.dtype} and {w.dtype}; convert them first, "
            "pixels for instance to floats divided by 255"
        )
    many = who in ("by_matmul", "by_tiles") and w.ndim == 2 and w.shape[1] > 1
    if X.ndim != 2 or 0 in X.shape or w.shape[:1] != X.shape[1:] or not (w.ndim == 1 or many):
        raise ValueError(
            f"{who}: expected X (m, n) with m, n >= 1 and w (n,), got X {tuple(X.shape)} and w {tuple(w.shape)}; "
            "w (n, k), for k >= 2 classes, is for by_matmul and by_tiles"
        )
    if y is not None:
        if y.shape not in ((), X.shape[:1]) or (y.ndim == 0) != (who == "one_sample"):
            raise ValueError(
                f"{who}: expected y {tuple(X.shape[:1])}, one target a row of X, got {tuple(y.shape)}"
            )
        if y.dtype != X.dtype:
            if not xp.isdtype(y.dtype, ("bool", "integral", "real floating")):
                raise TypeError(f"{who}: y must hold real numbers, integers or booleans, got {y.dtype}")
            y = xp.astype(y, X.dtype, copy=False)
        if xp is np and w.ndim == 1:
            check_shares(who, "cross_entropy", y)
    b = xp.asarray(b, dtype=X.dtype, device=X.device)
    if b.shape != w.shape[1:]:
        wanted = f"{tuple(w.shape[1:])}, a number for each class" if w.ndim == 2 else "one number"
        raise ValueError(f"{who}: b must be {wanted}, got shape {tuple(b.shape)}")
    return xp, y, b
