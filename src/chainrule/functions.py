"""What every user needs beyond the standard, for plain and traced arrays of any namespace."""

import functools
from collections.abc import Callable
from typing import Any

from chainrule.autodiff.namespace import space_of
from chainrule.autodiff.traced import Traced
from chainrule.autodiff.transforms import gate
from chainrule.gates import activations as rules
from chainrule.gates import composed, losses


def _composed(composite: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(composite)
    def function(x: Any, *others: Any, **settings: Any) -> Any:
        space = space_of(x)
        traced = any(type(a) is Traced for a in (x, *others))
        return composite(space if traced else space.base, x, *others, **settings)

    return function


elu = gate(rules.elu)
hinge = gate(losses.hinge)
leaky_relu = gate(rules.leaky_relu)
log_sigmoid = gate(rules.log_sigmoid)
log_softmax = gate(rules.log_softmax)
logsumexp = gate(rules.logsumexp)
maxout = _composed(composed.maxout)
multiclass_hinge = gate(losses.multiclass_hinge)
norm = _composed(composed.norm)
relu = gate(rules.relu)
safe_divide = _composed(composed.safe_divide)
sigmoid = gate(rules.sigmoid)
sigmoid_cross_entropy = gate(losses.sigmoid_cross_entropy)
softmax = gate(rules.softmax)
softmax_cross_entropy = gate(losses.softmax_cross_entropy)
softplus = gate(rules.softplus)
