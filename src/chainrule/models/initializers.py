"""How first weights are drawn: normal numbers of mean 0, whose variance is a function of the layer's size."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from chainrule.models.types import Params
from chainrule.models.validation import check_name
from chainrule.validation import real_number, whole_number


class Initializer(NamedTuple):
    """A row of INITIALIZERS: the variance of W (n_in, n_out) as a function of (n_in, n_out), and its source."""

    variance: Callable[[int, int], float]
    source: str


INITIALIZERS = {
    "zeros": Initializer(lambda n_in, n_out: 0.0, "convex costs, of networks without a hidden layer"),
    "lecun": Initializer(lambda n_in, n_out: 1 / n_in, "LeCun et al., Efficient backprop, 1998"),
    "he": Initializer(lambda n_in, n_out: 2 / n_in, "He et al., Delving deep into rectifiers, ICCV 2015"),
    "glorot": Initializer(lambda n_in, n_out: 2 / (n_in + n_out), "Glorot and Bengio, AISTATS 2010"),
}


def draw(shapes: Sequence[tuple[tuple[int, int], tuple[int]]], weights: str | float, seed: int) -> Params:
    """Return (W, b) of each layer as NumPy arrays of float64: b is 0, and W normal numbers from one generator.

    `weights` is the name of a row of INITIALIZERS, or the standard deviation of W. ValueError for another name and for
    a number that is not finite, TypeError for what is neither.
    """
    if isinstance(weights, str):
        check_name("MLP", "weights", weights, INITIALIZERS)
    elif not math.isfinite(real_number("MLP.init", "weights", weights)):
        raise ValueError(f"MLP.init: weights must be a finite number, got {weights}")
    generator = np.random.default_rng(whole_number("MLP.init", "seed", seed))
    params = []
    for shape, units in shapes:
        W = generator.standard_normal(shape)
        W *= math.sqrt(INITIALIZERS[weights].variance(*shape)) if isinstance(weights, str) else weights
        params.append((W, np.zeros(units)))
    return params
