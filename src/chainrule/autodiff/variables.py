"""variable and backward: arrays that keep a value and a gradient, on the tape of the transforms."""

import threading

from chainrule.autodiff.tape import VARIABLE_LEVEL, backward_pass
from chainrule.autodiff.traced import Traced, level_of
from chainrule.autodiff.transforms import (
    ones_for,
    owned,
    refuse_complex_result,
    refuse_level,
    traced_leaf,
)
from chainrule.backend.gpus import on_their_gpu
from chainrule.gates.types import Array, Cotangents

# Of each thread the last call of `backward`: a list with one item, which says whether its gradients still hold.
_calls = threading.local()


def variable(array: Array) -> Traced:
    """Return an array to compute with, whose .value and .grad can be asked for after `backward`.

    Raises TypeError for what is not an array of a floating dtype or a number of Python's, a float or complex.
    """
    try:
        return traced_leaf(array, VARIABLE_LEVEL)
    except TypeError as error:
        raise TypeError(f"variable: argument 'array': {error}") from None


@on_their_gpu
def backward(out: Traced) -> None:
    """Compute the gradient of `out`, an array of shape (), with respect to all that it was computed from.

    Every variable and every intermediate result then has it as .grad, shaped as its .value. The gradients of an earlier
    call can no longer be asked for: .grad of an array that this call did not reach is an AttributeError. Raises
    TypeError where `out` was not computed from a variable, is not of shape () or is complex.
    """
    if level_of(out) != VARIABLE_LEVEL:
        raise TypeError(
            "backward: expected a result computed from chainrule.variable; got one that is not traced there"
        )
    if out.shape != ():
        raise TypeError(
            f"backward: expected one number, an array of shape (); got shape {out.shape}. "
            "Take xp.sum or xp.mean of it"
        )
    refuse_complex_result("backward", None, out)
    found = backward_pass(out.space, [(out.node, ones_for(out))], keep=True)
    getattr(_calls, "latest", [True])[0] = False
    _calls.latest = holds = [True]
    given: set[int] = set()
    for node, g in found.items():
        if type(g) is Cotangents:
            continue  # of the items of an array, which have theirs
        refuse_level("backward", g, VARIABLE_LEVEL)
        node.grad = owned(g, out.space._base, given), holds
