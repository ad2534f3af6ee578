"""scipy.integrate.odeint with gradients, for programs of autograd."""

from chainrule.scipy.integrate import odeint

__all__ = ["odeint"]
