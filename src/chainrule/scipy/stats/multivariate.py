"""Distributions of vectors."""

import math

from chainrule.gates.helpers import output, somewhere
from chainrule.gates.types import Array
from chainrule.scipy.arguments import prepared
from chainrule.scipy.linalg.triangular import triangular_solution
from chainrule.special.elementary import xlogy
from chainrule.special.gamma_functions import gammaln


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
        if allow_singular:
            raise ValueError(
                "multivariate_normal: expected allow_singular=False, a density in all directions"
            )
        xp, x, mean, cov = prepared(x, mean, cov)
        n = mean.shape[0] if mean is not None and mean.ndim else cov.shape[0] if cov.ndim else 1
        # One number is a vector of length 1.
        x = x[..., None] if x.ndim == 0 or (n == 1 and x.ndim == 1) else x
        shapes = x.shape, None if mean is None else mean.shape, cov.shape
        if shapes[0][-1] != n or shapes[1] not in (None, (), (n,)) or shapes[2] not in ((), (n,), (n, n)):
            raise ValueError(
                "multivariate_normal: expected x (..., n), mean (n,) and cov (n, n), (n,) or (); got shapes "
                f"{shapes[0]}, {shapes[1]} and {shapes[2]}"
            )
        away = x if mean is None else x - mean
        rows = xp.reshape(away, (-1, n))
        if cov.ndim < 2:
            variance = xp.where(cov > 0, cov, math.nan)
            square = xp.sum(rows * rows / variance, axis=-1)
            log_det = xp.sum(xp.broadcast_to(xp.log(variance), (n,)))
        else:
            L = xp.linalg.cholesky(cov)
            lower = {"lower": True, "transposed": False, "unit_diagonal": False}
            z = output(triangular_solution, xp, L, xp.matrix_transpose(rows), **lower)
            square, log_det = xp.sum(z * z, axis=0), 2 * xp.sum(xp.log(xp.linalg.diagonal(L)))
        y = -(square + log_det + n * math.log(2 * math.pi)) / 2
        return xp.reshape(y, away.shape[:-1])

    def pdf(self, x: Array, mean: Array | None = None, cov: Array = 1, allow_singular: bool = False) -> Array:
        """Return the density at x (..., n), with mean (n,), 0 without one, and cov (n, n), (n,) or one number.

        The gradient in cov is symmetric. Raises LinAlgError, on a GPU gives NaN, where cov is not positive definite.
        """
        y = self.logpdf(x, mean, cov, allow_singular)
        return prepared(y)[0].exp(y)


dirichlet, multivariate_normal = Dirichlet(), MultivariateNormal()
