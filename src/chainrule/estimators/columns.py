"""The columns of X, centred and of one size, as the variables of L-BFGS; what is learnt is of X's own columns."""

from collections.abc import Sequence
from typing import Any

from chainrule import pytree
from chainrule.backend.gpus import on_their_gpu
from chainrule.backend.namespaces import namespace
from chainrule.estimators.placement import Data, in_chunks
from chainrule.gates.types import Array
from chainrule.numpy_names.sparse import is_sparse
from chainrule.optim.lbfgs import Variables


def of_columns(
    data: Data, strength: float, *, biases: bool = True, signs: Sequence[int] = (1,), coarse: bool = False
) -> Variables:
    """Return the variables for parameters of which the first arrays are weights W (n, k) of X, the next their biases.

    A variable is a weight times the size of its column, by which the curvatures of logistic regression with a penalty
    of strength / 2 |W|^2 become alike. With biases the columns are centred: Z = (X - mean) W + b', b' = b + mean W.
    Two weights of `signs` (1, -1) are the two parts of one W.

    With `coarse` they are for networks, whose first weights are drawn in them: columns of a size from 0.1 to 10 stay as
    they are, as do means of up to 10 sizes, and no number is more than six sizes from its mean, so that a rare one
    makes no large Z.

    Source: the diagonal preconditioner of Nocedal and Wright, Numerical Optimization (2006), section 5.1.
    """
    mean, size = _sizes(data.X, data, strength, centred=biases, coarse=coarse)
    first = len(signs)

    def shift(weights: Sequence[Array]) -> list[Array]:
        """Return what the bias of centred columns has beside that of X's own, [] where there is none."""
        products = [sign * (mean @ W) for sign, W in zip(signs, weights, strict=True)]
        return [sum(products[1:], products[0])] if biases else []

    @on_their_gpu
    def inward(params: Any) -> Any:
        leaves = pytree.flat(params)
        W, rest = leaves[:first], leaves[first:]
        moved = [b + by for b, by in zip(rest, shift(W), strict=False)]
        return pytree.rebuilt(params, iter([*(w * size for w in W), *moved, *rest[len(moved) :]]))

    @on_their_gpu
    def outward(variables: Any) -> Any:
        leaves = pytree.flat(variables)
        W, rest = [u / size for u in leaves[:first]], leaves[first:]
        moved = [b - by for b, by in zip(rest, shift(W), strict=False)]
        return pytree.rebuilt(variables, iter([*W, *moved, *rest[len(moved) :]]))

    @on_their_gpu
    def pulled(gradients: Any) -> Any:
        leaves = pytree.flat(gradients)
        slopes = leaves[:first]
        if biases:
            by_mean = mean[:, None] * leaves[first]
            slopes = [dW - sign * by_mean for sign, dW in zip(signs, slopes, strict=True)]
        return pytree.rebuilt(gradients, iter([*(dW / size for dW in slopes), *leaves[first:]]))

    return Variables(inward, outward, pulled)


@on_their_gpu
def _sizes(X: Any, data: Data, strength: float, *, centred: bool, coarse: bool) -> tuple[Array, Array]:
    """Return the mean (n,) and the size (n, 1) of each column where parameters are kept: 1 of one that is constant."""
    place = data.place
    if in_chunks(X) and 0 in X.chunks[0]:
        # A chunk without rows has no largest number.
        X = X.rechunk({0: tuple(filter(None, X.chunks[0]))})
    xp = namespace(X.data if is_sparse(X) else X)
    if data.weight is None:
        share = xp.full(
            X.shape[0], 1 / X.shape[0], dtype=X.dtype, **({} if in_chunks(X) else {"device": data.y.device})
        )
    else:
        # A row of weight k is k rows.
        share = xp.asarray(data.weight / data.total)
    if is_sparse(X):
        mean = X.T @ share
        farthest = xp.reshape(abs(X).max(axis=0).toarray(), (-1,))
        spread = xp.sqrt(xp.maximum(X.multiply(X).T @ share - centred * mean * mean, 0.0))
    else:
        # Squares of numbers up to 1 cannot overflow.
        largest = xp.max(xp.abs(X), axis=0)
        largest = xp.where(largest > 0, largest, xp.ones_like(largest))
        V = X / largest
        mean = share @ V
        V = V - mean if centred else V
        spread = largest * xp.sqrt(share @ xp.square(V))
        farthest, mean = largest * xp.max(xp.abs(V), axis=0), mean * largest
    if in_chunks(X):
        # Computed at once.
        mean, spread, farthest = place.xp.asarray(xp.stack([mean, spread, farthest]))
    xp = place.xp
    # What is left of a constant column is the rounding error of its mean.
    varies = spread > 16 * float(xp.finfo(X.dtype).eps) * xp.abs(mean)
    spread = xp.maximum(spread, farthest / 6) if coarse else spread
    size = xp.hypot(spread, xp.full_like(spread, 2 * strength**0.5))
    size = xp.where(varies & (size > 0) & xp.isfinite(size), size, xp.ones_like(size))
    if coarse:
        size = xp.where((size > 0.1) & (size < 10), xp.ones_like(size), size)
        mean = xp.where(xp.abs(mean) > 10 * size, mean, xp.zeros_like(mean))
    return mean, size[:, None]
