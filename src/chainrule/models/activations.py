"""The activations of hidden layers, and what a network's output may be: one row each."""

from typing import Any, NamedTuple

from chainrule.gates import activations, elementwise, manipulation, statistical
from chainrule.gates.types import Array, Gate, Pullback

# Both gates have a pullback for their array, which the type of a gate leaves open.
_max: Any = statistical.max
_reshape: Any = manipulation.reshape


class Activation(NamedTuple):
    """A row of ACTIVATIONS.

    gate          gate(xp, Z), and gate(xp, Z, pieces=p) where a unit has pieces
    initializer   the row of INITIALIZERS that suits it: "he" where slopes are 1 or nearly 0, "glorot" elsewhere
    pieces        whether a unit is made of several affine pieces, which are neighbours in Z (m, n * p)
    """

    gate: Gate
    initializer: str
    pieces: bool = False


class Output(NamedTuple):
    """A row of OUTPUTS: the gate from the last Z to y_hat, and whether a row of y_hat is one choice among classes."""

    gate: Gate
    classes: bool = False


def identity(xp: Any, Z: Array, /) -> tuple[Array, tuple[Pullback]]:
    """H = Z: dZ = dH."""
    return Z, (lambda g: g,)


def maxout(xp: Any, Z: Array, /, *, pieces: int) -> tuple[Array, tuple[Pullback]]:
    """The largest of each group of `pieces` neighbours in a row of Z: (m, n * pieces) to (m, n).

    Source: Goodfellow et al., Maxout networks, ICML 2013.
    """
    grouped, (to_Z,) = _reshape(xp, Z, (Z.shape[0], -1, pieces))
    H, (to_grouped,) = _max(xp, grouped, axis=-1)
    return H, (lambda g: to_Z(to_grouped(g)),)


ACTIVATIONS = {
    "sigmoid": Activation(activations.sigmoid, "glorot"),
    "tanh": Activation(elementwise.tanh, "glorot"),
    "relu": Activation(activations.relu, "he"),
    "leaky_relu": Activation(activations.leaky_relu, "he"),
    "elu": Activation(activations.elu, "he"),
    "identity": Activation(identity, "glorot"),
    "maxout": Activation(maxout, "he", pieces=True),
}
OUTPUTS = {
    "sigmoid": Output(activations.sigmoid),
    "softmax": Output(activations.softmax, classes=True),
    "identity": Output(identity),
    "exp": Output(elementwise.exp),
}
