"""checkpoint: recompute intermediate results in backward (rematerialisation) instead of keeping them."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule import pytree
from chainrule.autodiff.namespace import first_space, plain_namespace
from chainrule.autodiff.traced import level_of
from chainrule.autodiff.transforms import vjp
from chainrule.gates import ADJOINT
from chainrule.gates.helpers import device_of, highest, innermost, is_complex
from chainrule.gates.types import Array
from chainrule.validation import check_function


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return f with the same values and gradients, which keeps its arguments only and runs f again in backward.

    f takes arrays and nested lists, tuples and dicts of arrays, also by name, and returns one array. Backward then
    costs a second forward, and keeps the memory of one call of f at a time. Raises TypeError where f uses a traced
    array that is not among its arguments, and RuntimeError where the second run gives another result than the first;
    on a GPU the gradient is NaN there. The results alone are compared: a factor that changed in between is not seen
    where it is multiplied by 0, so what may change belongs among the arguments.
    """
    check_function("checkpoint", f)
    name = getattr(f, "__name__", "f")

    @functools.wraps(f)
    def rerun(*args: Any, **kwargs: Any) -> Any:
        tree = (args, kwargs)
        leaves = pytree.flat(tree)
        level = max(map(level_of, leaves), default=0)
        if level == 0 or highest(leaves).level > level:
            # The function of a batch is not recorded as one gate: what is traced lies below the batch.
            return f(*args, **kwargs)
        # A copy of the lists and dicts, because the caller may change them before backward.
        tree = pytree.rebuilt(tree, iter(leaves))
        places = [i for i, x in enumerate(leaves) if hasattr(x, "dtype") and hasattr(x, "shape")]
        traced = [i for i in places if level_of(leaves[i]) == level]

        def run_with(values: dict[int, Any]) -> Any:
            positional, named = pytree.rebuilt(tree, iter([values.get(i, x) for i, x in enumerate(leaves)]))
            return f(*positional, **named)

        def rule(xp: Any, *operands: Any) -> Any:
            given = dict(zip(places, operands, strict=True))
            out = run_with(given)
            if max(map(level_of, pytree.flat(out)), default=0) >= level:
                raise TypeError(
                    f"checkpoint: {name} uses a traced array that is not among its arguments; pass it in"
                )
            marks = _fingerprints(out)
            latest: list[Any] = [None, {}]  # the last g, and the gradients for it that were not yet asked for

            def of_traced(*arrays: Any) -> Any:
                return run_with(given | dict(zip(traced, arrays, strict=True)))

            def pullback_to(i: int) -> Callable[[Array], Array]:
                def pullback(g: Array) -> Array:
                    # Each gradient is handed out once: g may be another one at the next call, in the same memory.
                    if latest[0] is not g or i not in latest[1]:
                        again, back = vjp(of_traced, *(given[k] for k in traced))
                        same = _agreement(name, marks, again)
                        latest[:] = [g, dict(zip(traced, back(g), strict=True))]
                        if same is not None:
                            latest[1] = {k: _scaled(share, same) for k, share in latest[1].items()}
                    return latest[1].pop(i)

                return pullback

            return out, tuple(pullback_to(i) if i in traced else None for i in places)

        rule.__name__ = name
        ADJOINT.add(rule)
        return first_space([leaves[i] for i in traced])._record(rule, [leaves[i] for i in places], {})

    return rerun


# --- Whether the second run gave the result of the first ---


def _fingerprints(out: Any) -> list[tuple[Any, Any]]:
    """Return little of each array, to know it by: a weighted sum of its elements, and how far rounding can move it."""
    return [_fingerprint(innermost(y)) for y in pytree.flat(out)]


def _fingerprint(y: Any) -> tuple[Any, Any]:
    y = np.asarray(y) if type(y) in (int, float, complex) else y
    xp = plain_namespace(y)
    if is_complex(xp, y):
        y = xp.stack([xp.real(y), xp.imag(y)])
    floating = xp.isdtype(y.dtype, "real floating")
    # As far as another order of the sums inside f moves its results, where these are independent.
    tolerance = 100 * float(xp.finfo(y.dtype).eps) if floating else 0.0
    y = xp.reshape(xp.astype(xp.asarray(y), xp.float64), (-1,))
    # The weights tell the places apart, and infinite and NaN elements count by their places.
    t = 0.6180339887498949 * xp.astype(xp.arange(y.shape[0], device=device_of(y)), xp.float64)
    y = xp.where(xp.isfinite(y), y, 12345.0) * (1.5 + t - xp.floor(t))
    size = xp.abs(y)
    largest = xp.max(size) if y.shape[0] else xp.sum(size)
    return xp.sum(y), tolerance * (largest + xp.sum(size) / max(1, y.shape[0]) ** 0.5)


def _agreement(name: str, before: list[tuple[Any, Any]], again: Any) -> Any:
    """Raise RuntimeError for a result unlike the first; on a device, where asking would wait, return 1 or NaN."""
    factor = None
    for (total, tolerance), (new, _) in zip(before, _fingerprints(again), strict=True):
        xp = plain_namespace(total)
        near = xp.logical_or(new == total, xp.abs(new - total) <= tolerance)
        if not issubclass(type(total), np.ndarray | np.generic):
            one = xp.where(near, xp.ones_like(total), xp.full_like(total, float("nan")))
            factor = one if factor is None else factor * one
        elif not near:
            raise RuntimeError(
                f"checkpoint: {name} gave another result when it ran again for backward, so its gradient is not "
                "known. Pass in what changed in between: a loop variable, a random mask, an array changed in place"
            )
    return factor


def _scaled(share: Array, factor: Array) -> Array:
    """Return share * factor in the dtype of the share."""
    xp = plain_namespace(factor)
    return share * (factor if factor.dtype == share.dtype else xp.astype(factor, share.dtype))
