"""The class of traced arrays, by autograd's name."""

from chainrule.autodiff.traced import Traced as ArrayBox
from chainrule.autograd.tracer import getval

__all__ = ["ArrayBox"]

# Programs read the plain value of an array that is followed by this name.
setattr(ArrayBox, "_value", property(getval))  # noqa: B010
