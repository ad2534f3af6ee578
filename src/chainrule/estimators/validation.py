"""What a user hands in, checked: data in scikit-learn's words, parameters by their rules.

X is checked where it lives; y and sample_weight, which are small beside it, are checked on the host. Errors about data
are those of scikit-learn's own checks, whatever the library.
"""

import math
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn import get_config
from sklearn.utils.validation import check_array, check_is_fitted, validate_data

from chainrule import validation
from chainrule.backend.namespaces import namespace
from chainrule.estimators.placement import Place, elsewhere, in_chunks, on_host
from chainrule.gates.types import Array
from chainrule.numpy_names.sparse import is_sparse

Rules = dict[str, tuple[str, Callable[[Any], bool]]]


def checked_rows(estimator: Any, X: Any, method: str, fitted: str) -> Array:
    """Return X (m, n) for a fitted estimator's `method`, float32 or float64; `fitted` names an array that fit left.

    Raises NotFittedError, ValueError or TypeError in scikit-learn's words; and ValueError for an X that does not live
    where fit's lived, where scikit-learn's array_api_dispatch is on: it is scikit-learn's rule there.
    """
    check_is_fitted(estimator, fitted)
    X, _ = _checked(estimator, X, "no_validation", reset=False)
    learnt = getattr(estimator, fitted)
    learnt = learnt[0] if isinstance(learnt, list) else learnt
    if get_config()["array_api_dispatch"] and Place.of(X) != Place.of(learnt):
        who = f"{type(estimator).__name__}.{method}()"
        raise ValueError(
            f"{who}: X must use the same namespace and the same device as the X of fit while array_api_dispatch is on, "
            f"got {Place.of(X)} after {Place.of(learnt)}; move X, or turn array_api_dispatch off to have {who} follow X"
        )
    return X


def checked_data(estimator: Any, X: Any, y: Any, *, reset: bool, **settings: Any) -> tuple[Array, np.ndarray]:
    """Return X (m, n) where it lives, float32 or float64, and y on the host; `settings` are those of check_X_y.

    With `reset` the estimator is no longer fitted: should the new fit fail, no prediction mixes it with the last one.
    """
    if reset:
        for fitted in ("coef_", "coefs_"):
            vars(estimator).pop(fitted, None)
    return _checked(estimator, X, on_host(y), reset=reset, **settings)


def checked_weight(estimator: Any, weight: Any, m: int) -> np.ndarray | None:
    """Return sample_weight (m,) on the host in float64, None where there is none.

    Raises ValueError for another shape, for a negative weight, and where no weight is above zero.
    """
    if weight is None:
        return None
    validation.check_array(weight)
    if isinstance(weight, numbers.Real):
        weight = np.full(m, float(weight))
    w: np.ndarray = check_array(
        on_host(weight), ensure_2d=False, dtype=np.float64, input_name="sample_weight", estimator=estimator
    )
    who = f"{type(estimator).__name__}.fit"
    if w.shape != (m,):
        raise ValueError(f"{who}: sample_weight must be ({m},), one number a row of X, got {w.shape}")
    if (w < 0).any() or not w.any():
        raise ValueError(
            f"{who}: sample_weight must hold no negative number and not only zeros, got {w.min():g} .. {w.max():g}"
        )
    return w


def check_parameters(estimator: Any, rules: Rules) -> None:
    """Raise ValueError for the first parameter that breaks its rule; a rule is what is expected, in words and as f."""
    for name, (expected, holds) in rules.items():
        value = getattr(estimator, name)
        if not holds(value):
            raise ValueError(f"{type(estimator).__name__}.fit: {name} must be {expected}, got {value!r}")


def is_count(value: Any) -> bool:
    """Return whether value is a whole number from 1 up."""
    return isinstance(value, numbers.Integral) and not isinstance(value, bool) and int(value) >= 1


def is_size(value: Any) -> bool:
    """Return whether value is a finite number from 0 up."""
    return isinstance(value, numbers.Real) and not isinstance(value, bool) and 0 <= float(value) < math.inf


def _checked(estimator: Any, X: Any, y: Any, *, reset: bool, **settings: Any) -> tuple[Array, Any]:
    dtypes = [np.float64, np.float32]
    with_y = not isinstance(y, str)
    for given in (X, y):
        validation.check_array(given)
    if is_sparse(X) and type(X).__module__.startswith("cupyx."):
        return _checked_on_gpu(estimator, X, y, with_y, reset=reset, **settings)
    if not elsewhere(X):
        out = validate_data(estimator, X, y, reset=reset, dtype=dtypes, accept_sparse="csr", **settings)
        return out if with_y else (out, None)
    if in_chunks(X) and any(math.isnan(k) for k in X.shape):
        raise ValueError(
            f"{type(estimator).__name__}: expected a Dask X whose chunks have known sizes, got shape {X.shape}; call "
            "X.compute_chunk_sizes() first"
        )
    xp = namespace(X)
    real = xp.isdtype(X.dtype, ("bool", "integral", "real floating"))
    floating = real and xp.isdtype(X.dtype, "real floating")
    sound = X.ndim == 2 and real and (not floating or bool(xp.all(xp.isfinite(X))))
    # Where the numbers of X are sound, scikit-learn checks zeros of X's shape, which take the memory of one number.
    # Else it checks a copy of X, so that its error shows the fault; of a Dask X, which may exceed memory, a bad row.
    if sound:
        seen = np.broadcast_to(0.0, tuple(X.shape))
    elif floating and X.ndim == 2 and in_chunks(X):
        bad = int(np.argmin(on_host(xp.all(xp.isfinite(X), axis=1))))
        seen = on_host(X[bad : bad + 1])
    else:
        seen = on_host(X)
    out = validate_data(
        estimator, seen, y, reset=reset, dtype=dtypes, ensure_all_finite=not sound, **settings
    )
    X = X if X.dtype in (xp.float32, xp.float64) else xp.astype(X, xp.float64)
    return X, out[1] if with_y else None


def _checked_on_gpu(estimator: Any, X: Any, y: Any, with_y: bool, **settings: Any) -> tuple[Any, Any]:
    """Return a sparse X of CuPy's in rows, float32 or float64, and y; scikit-learn checks its shape and its numbers."""
    X, xp = X.tocsr(), namespace(X.data)
    if X.dtype not in (xp.float32, xp.float64):
        X = X.astype(xp.float64)
    sound = bool(xp.all(xp.isfinite(X.data)))
    seen = np.broadcast_to(0.0, X.shape) if sound else X.get()
    out = validate_data(estimator, seen, y, accept_sparse="csr", **settings)
    return X, out[1] if with_y else None
