"""autograd's operators on functions, by chainrule's. The gradient of a complex argument is the conjugate of ours."""

import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import pytree
from chainrule.autograd import core
from chainrule.autograd.core import as_autograds, floating, scalars
from chainrule.autograd.vector_spaces import is_complex, vspace
from chainrule.autograd.wrap_util import unary_to_nary

Function = Callable[..., Any]

make_vjp = unary_to_nary(core.make_vjp)
make_jvp = unary_to_nary(core.make_jvp)


@unary_to_nary
def grad(fun: Function, x: Any) -> Any:
    """
    Returns a function which gives the gradient of fun in the argument number argnum, 0 unless given.

    It takes the arguments of fun, whose result is one real number. The gradient is nested and shaped as the argument;
    for a tuple of numbers as argnum it is a tuple. Raises TypeError for another result.
    """
    return _value_and_grad(fun, x)[1]


@unary_to_nary
def value_and_grad(fun: Function, x: Any) -> Any:
    """Return a function which gives the value of fun and its gradient, with one run of it."""
    return _value_and_grad(fun, x)


@unary_to_nary
def grad_and_aux(fun: Function, x: Any) -> Any:
    """Return a function which gives the gradient of the first of two results of fun, and the second."""
    gradient, more = cr.grad(lambda x: tuple(fun(x)), has_aux=True)(floating(x))
    return as_autograds(gradient), scalars(more)


def _value_and_grad(fun: Function, x: Any) -> tuple[Any, Any]:
    def number_and_value(x: Any) -> tuple[Any, Any]:
        value = fun(x)
        return _one_real_number(value), value

    (_, value), gradient = cr.value_and_grad(number_and_value, has_aux=True)(floating(x))
    return scalars(value), as_autograds(gradient)


def _one_real_number(value: Any) -> Any:
    if pytree.is_nested(value) or is_complex(value) or np.size(value) != 1:
        raise TypeError(
            f"grad: expected one real number; got {value!r}. Use jacobian, elementwise_grad or holomorphic_grad"
        )
    return value if np.shape(value) == () else np.reshape(value, ())


@unary_to_nary
def elementwise_grad(fun: Function, x: Any) -> Any:
    """Return a function which gives the sum of each column of the Jacobian: of an elementwise fun, its derivative."""
    vjp, ans = core.make_vjp(fun, x)
    if vspace(ans).iscomplex:
        raise TypeError("elementwise_grad: expected real numbers from the function; got complex ones")
    return vjp(vspace(ans).ones())


@unary_to_nary
def deriv(fun: Function, x: Any) -> Any:
    """Return a function which gives the rate of fun as every element of its argument grows alike."""
    return core.make_jvp(fun, x)(vspace(x).ones())[1]


@unary_to_nary
def jacobian(fun: Function, x: Any) -> Any:
    """Return a function which gives all derivatives, an array of shape fun(x).shape + x.shape."""
    return as_autograds(cr.jacobian(lambda x: _array(fun(x)))(floating(x)))


def _array(y: Any) -> Any:
    return y if pytree.is_nested(y) or hasattr(y, "shape") else np.asarray(y)


@unary_to_nary
def holomorphic_grad(fun: Function, x: Any) -> Any:
    """Return a function which gives the complex derivative of a holomorphic fun."""
    if not vspace(x).iscomplex:
        warnings.warn("holomorphic_grad: expected a complex argument", stacklevel=3)
    return grad(lambda x: np.real(fun(x)))(x)


def grad_named(fun: Function, argname: str) -> Function:
    """Return the gradient of fun in the argument of a name."""
    return grad(fun, list(inspect.signature(fun).parameters).index(argname))  # type: ignore[no-any-return]


@unary_to_nary
def hessian(fun: Function, x: Any) -> Any:
    """Return a function which gives all second derivatives, an array of shape fun(x).shape + x.shape + x.shape."""
    return jacobian(jacobian(fun))(x)


@unary_to_nary
def make_hvp(fun: Function, x: Any) -> Any:
    """Return a function which gives (v -> the Hessian times v, the gradient) at its arguments."""
    return core.make_vjp(grad(fun), x)


def hessian_tensor_product(fun: Function, argnum: int = 0) -> Function:
    """Return product(*args, v): the Hessian of fun at args times v, which is shaped as the argument."""

    def product(*args: Any, **kwargs: Any) -> Any:
        return make_hvp(fun, argnum)(*args[:-1], **kwargs)[0](args[-1])

    return product


hessian_vector_product = hessian_tensor_product


def tensor_jacobian_product(fun: Function, argnum: int = 0) -> Function:
    """Return product(*args, v): v times the Jacobian, summed over the axes of v, the first ones of fun(*args)."""

    def dot(*args: Any, **kwargs: Any) -> Any:
        return np.tensordot(args[-1], fun(*args[:-1], **kwargs), axes=np.ndim(args[-1]))

    return jacobian(dot, argnum)  # type: ignore[no-any-return]


vector_jacobian_product = tensor_jacobian_product


@unary_to_nary
def make_jvp_reversemode(fun: Function, x: Any) -> Any:
    """Return a function which gives (v -> the Jacobian times v) at its arguments, with one run of fun."""
    vjp, y = core.make_vjp(fun, x)
    return core.make_vjp(vjp, vspace(y).zeros())[0]  # the transpose of what is linear


def _half_square(x: Any) -> Any:
    return 0.5 * np.sum(x**2, axis=-1)


def make_ggnvp(f: Function, g: Function = _half_square, f_argnum: int = 0) -> Function:
    """Return a function which gives v -> J^T H J v at its arguments, the generalised Gauss-Newton matrix times v.

    J is the Jacobian of f and H the Hessian of g, half the sum of squares unless given, at the result of f.
    """

    @unary_to_nary
    def product_at(f: Function, x: Any) -> Function:
        f_vjp, f_x = core.make_vjp(f, x)
        g_hvp, _ = core.make_vjp(grad(g), f_x)
        f_jvp, _ = core.make_vjp(f_vjp, vspace(f_x).zeros())
        return lambda v: f_vjp(g_hvp(f_jvp(v)))

    return product_at(f, f_argnum)  # type: ignore[no-any-return]


def multigrad_dict(fun: Function) -> Function:
    """Return a function which gives the gradients in all arguments of fun, in a dict by their names."""
    signature = inspect.signature(fun)

    def gradients(*args: Any, **kwargs: Any) -> dict[str, Any]:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()

        def of_arguments(arguments: dict[str, Any]) -> Any:
            bound.arguments = arguments
            return fun(*bound.args, **bound.kwargs)

        return grad(of_arguments)(dict(bound.arguments))  # type: ignore[no-any-return]

    return gradients


def checkpoint(fun: Function) -> Function:
    """Return fun with the same values and gradients, which runs again in backward and keeps only its arguments."""
    return cr.checkpoint(fun)
