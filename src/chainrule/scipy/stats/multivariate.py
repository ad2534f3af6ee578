"""Distributions of vectors."""

import math
from typing import Any

from chainrule.gates.helpers import output, somewhere
from chainrule.gates.types import Array, Result
from chainrule.scipy.arguments import prepared
from chainrule.scipy.linalg.triangular import triangular_solution
from chainrule.special.elementary import xlogy
from chainrule.special.gamma_functions import gammaln

_LOG_2PI = math.log(2 * math.pi)


class Dirichlet:
    """The Dirichlet distribution, as scipy.stats.dirichlet."""

    def logpdf(self, x: Array, alpha: Array) -> Array:
        """Return the logarithm of `pdf`."""
        xp, x, alpha = prepared(x, alpha)
        n = alpha.shape[0] if alpha.ndim == 1 else 0
        if not n or x.ndim not in (1, 2) or x.shape[0] not in (n - 1, n):
            raise ValueError(
                f"dirichlet: expected alpha (n,) and x (n,) or (n, k), of which the last row may be left out; "
                f"got shapes {alpha.shape} and {x.shape}"
            )
        if x.shape[0] == n - 1:
            x = xp.concat([x, 1 - xp.sum(x, axis=0, keepdims=True)], axis=0)
        off = (
            xp.abs(xp.sum(x, axis=0) - 1) > 1e-9
            if x.dtype == xp.float64
            else xp.abs(xp.sum(x, axis=0) - 1) > 1e-5
        )
        if somewhere(xp, xp.logical_or(off, xp.any(x < 0, axis=0))):
            raise ValueError("dirichlet: expected x from 0 up, with a sum of 1 along its first axis")
        alpha = xp.where(alpha > 0, alpha, math.nan)
        log_beta = xp.sum(output(gammaln, xp, alpha)) - output(gammaln, xp, xp.sum(alpha))
        weights = alpha[:, None] if x.ndim == 2 else alpha
        return xp.sum(output(xlogy, xp, weights - 1, x), axis=0) - log_beta

    def pdf(self, x: Array, alpha: Array) -> Array:
        """Return the density at x (n,), or at each column of x (n, k), whose numbers have the sum 1.

        The last row of x may be left out. Raises ValueError where x is not of that form.
        """
        y = self.logpdf(x, alpha)
        return prepared(y)[0].exp(y)


class MultivariateNormal:
    """The normal distribution of vectors, as scipy.stats.multivariate_normal."""

    def logpdf(
        self, x: Array, mean: Array | None = None, cov: Array = 1, allow_singular: bool = False
    ) -> Array:
        """Return the logarithm of `pdf`."""
        xp, x, mean, cov = prepared(x, mean, cov)
        n = _length(mean, cov)
        # One number is a vector of length 1.
        x = x[..., None] if x.ndim == 0 or (n == 1 and x.ndim == 1) else x
        _check_shapes(n, x, mean, cov)
        away = x if mean is None else x - mean
        rows = xp.reshape(away, (-1, n))
        y = _on_the_range(xp, rows, cov) if allow_singular else _in_all_directions(xp, rows, cov)
        return xp.reshape(y, away.shape[:-1])

    def pdf(self, x: Array, mean: Array | None = None, cov: Array = 1, allow_singular: bool = False) -> Array:
        """Return the density at x (..., n), with mean (n,), 0 without one, and cov (n, n), (n,) or one number.

        The gradient in cov is symmetric. Raises LinAlgError, on a GPU gives NaN, where cov is not positive definite.
        With allow_singular it may have eigenvalues of 0: the density is one on its range, and 0 outside; the gradients
        in x and mean are those along the range, and that in cov is NaN. Negative eigenvalues are then a ValueError.
        """
        y = self.logpdf(x, mean, cov, allow_singular)
        return prepared(y)[0].exp(y)

    def entropy(self, mean: Array | None = None, cov: Array = 1) -> Array:
        """Return the differential entropy. Of mean it takes the length alone; cov may be singular as in `pdf`."""
        xp, mean, cov = prepared(mean, cov)
        n = _length(mean, cov)
        _check_shapes(n, None, mean, cov)
        w, _, kept, _ = _spectrum(xp, cov, n)
        rank, log_det = _rank_and_log(xp, w, kept)
        return (rank * (_LOG_2PI + 1) + log_det) / 2


def _length(mean: Array | None, cov: Array) -> int:
    return int(mean.shape[0] if mean is not None and mean.ndim else cov.shape[0] if cov.ndim else 1)


def _check_shapes(n: int, x: Array | None, mean: Array | None, cov: Array) -> None:
    fits = (x is None or x.shape[-1] == n) and (mean is None or mean.shape in ((), (n,)))
    if not fits or cov.shape not in ((), (n,), (n, n)):
        shapes = ", ".join(str(a.shape) for a in (x, mean, cov) if a is not None)
        raise ValueError(
            f"multivariate_normal: expected x (..., n), mean (n,) and cov (n, n), (n,) or (); got shapes {shapes}"
        )


def _in_all_directions(xp: Any, rows: Array, cov: Array) -> Array:
    """Return the logarithm of the density at rows less the mean."""
    n = rows.shape[-1]
    if cov.ndim < 2:
        variance = xp.where(cov > 0, cov, math.nan)
        square = xp.sum(rows * rows / variance, axis=-1)
        log_det = xp.sum(xp.broadcast_to(xp.log(variance), (n,)))
    else:
        L = xp.linalg.cholesky(cov)
        lower = {"lower": True, "transposed": False, "unit_diagonal": False}
        z = output(triangular_solution, xp, L, xp.matrix_transpose(rows), **lower)
        square, log_det = xp.sum(z * z, axis=0), 2 * xp.sum(xp.log(xp.linalg.diagonal(L)))
    return -(square + log_det + n * _LOG_2PI) / 2


def _on_the_range(xp: Any, rows: Array, cov: Array) -> Array:
    """Return the logarithm of the density at rows less the mean, on the range of cov."""
    w, V, kept, bound = _spectrum(xp, cov, rows.shape[-1])
    z2 = xp.matmul(rows, V) ** 2
    square = xp.sum(xp.where(kept, z2 / xp.where(kept, w, 1), 0), axis=-1)
    rank, log_det = _rank_and_log(xp, w, kept)
    outside = xp.sum(xp.where(kept, 0, z2), axis=-1) >= (1e3 * bound) ** 2
    # Where every direction counts, no x is outside.
    outside = xp.logical_and(outside, xp.logical_not(xp.all(kept)))
    return xp.where(outside, -math.inf, -(square + log_det + rank * _LOG_2PI) / 2)


def _spectrum(xp: Any, cov: Array, n: int) -> tuple[Array, Array, Array, Array]:
    """Return the eigenvalues of cov, its vectors, which of the values count, and what they lie above, as in SciPy."""
    if cov.ndim < 2:
        cov = xp.multiply(xp.broadcast_to(cov, (n,))[:, None], xp.eye(n, dtype=cov.dtype, device=cov.device))
    w, V = xp.linalg.eigh(cov)
    finfo = xp.finfo(cov.dtype)
    bound = (1e3 if finfo.bits == 32 else 1e6) * float(finfo.eps) * xp.max(xp.abs(w))
    if somewhere(xp, w < -bound):
        raise ValueError("multivariate_normal: expected cov without negative eigenvalues")
    kept = w > bound
    return output(_of_full_rank, xp, w, xp.all(kept)), V, kept, bound


def _of_full_rank(xp: Any, w: Array, full: Array, /) -> Result:
    """The eigenvalues themselves; their gradients are NaN where some count as 0, for they may become positive."""
    return w, ((lambda g: g * xp.where(full, xp.ones_like(w), math.nan)), None)


def _rank_and_log(xp: Any, w: Array, kept: Array) -> tuple[Array, Array]:
    """Return how many eigenvalues count, and the logarithm of their product."""
    return xp.sum(xp.astype(kept, w.dtype)), xp.sum(xp.log(xp.where(kept, w, 1)))


dirichlet, multivariate_normal = Dirichlet(), MultivariateNormal()
