"""The class of followed arrays, by autograd's name."""

from chainrule.autodiff.traced import Traced as ArrayBox

__all__ = ["ArrayBox"]
