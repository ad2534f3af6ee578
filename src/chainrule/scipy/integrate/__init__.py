"""scipy.integrate with gradients: differential equations, and integrals of sampled functions."""

from chainrule.scipy.integrate.equations import odeint
from chainrule.scipy.integrate.quadrature import cumulative_trapezoid, simpson, trapezoid

__all__ = ["cumulative_trapezoid", "odeint", "simpson", "trapezoid"]
