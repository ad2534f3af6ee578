"""The names that the signatures of models use."""

from chainrule.gates.types import Array

Params = list[
    tuple[Array, Array]
]  # (W, b) of each layer, W (n_in, n_out) and b (n_out,); gradients are shaped alike
Step = tuple[Array, Array, Array]  # cost (), dw shaped as w, db shaped as b
