"""How first weights are drawn: normal numbers of mean 0, whose variance is a function of the layer's size."""

from collections.abc import Callable
from typing import NamedTuple


class Initializer(NamedTuple):
    """A row of INITIALIZERS: the variance of W (n_in, n_out) from (n_in, n_out), and who found it."""

    variance: Callable[[int, int], float]
    source: str


INITIALIZERS = {
    "zeros": Initializer(lambda n_in, n_out: 0.0, "for networks without a hidden layer"),
    "lecun": Initializer(lambda n_in, n_out: 1 / n_in, "LeCun et al., Efficient backprop, 1998"),
    "he": Initializer(lambda n_in, n_out: 2 / n_in, "He et al., Delving deep into rectifiers, ICCV 2015"),
    "glorot": Initializer(lambda n_in, n_out: 2 / (n_in + n_out), "Glorot and Bengio, AISTATS 2010"),
}
