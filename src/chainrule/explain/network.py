"""The graph of a network's cost, gate by gate, in the notation of the books: X, W1, b1, Z1, H1, ..., y_hat, J."""

from collections.abc import Callable
from typing import Any

from chainrule.autodiff.namespace import plain_namespace
from chainrule.explain.graph import Graph
from chainrule.explain.recorder import Recorder
from chainrule.gates.types import Array, Gate, Result
from chainrule.models.kernels.ops import Dense, Ops
from chainrule.models.mlp import MLP
from chainrule.models.types import Params


def graph(net: MLP, params: Params, X: Array, y: Array | None = None) -> Graph:
    """Return the graph of the cost of samples X (m, n) with targets y, penalty included; errors as MLP.cost_of.

    Without y it is the graph of y_hat (m, k), summed.
    """
    if net.bias_gradient != "exact":
        raise ValueError(
            'explain: the graph has exact gradients, and this network "mean" ones of biases; make it without '
            "bias_gradient"
        )
    if y is None:
        net.forward(params, X)
    else:
        net.cost_of(params, X, y)
    space = Recorder(plain_namespace(X))
    space.dtype = X.dtype
    ops = _Recording(space)
    H = space.entered(X, "X")
    rows = None if y is None else space.entered(net.rows("cost_of", space._base, X, y), "y", traced=False)
    _, Z = net.forward_pass(ops, params, H)
    y_hat = net.y_hat(ops, Z)
    sizes = "-".join(map(str, net.sizes))
    title = f"MLP {sizes}, {net.activation}, {net.output}"
    space.name(y_hat, "y_hat")
    space.begin("")
    if rows is None:
        return space.graph(space.sum(y_hat), title, "sum")
    losses, _ = net.losses(ops, Z, rows)
    space.name(losses, "L")
    J, _ = net.mean(ops, losses, None)
    if net.penalty is not None:
        space.name(J, "mean_loss")
        J = net.penalty.added_cost(space, ops.entered, J)
    space.name(J, "J")
    return space.graph(J, f"{title}, {net.cost}", "J", shown=(y_hat,))


class _Recording(Ops):
    """The operations of a network on a recorder: parameters enter, and every result gets its name, layer by layer."""

    def __init__(self, space: Recorder) -> None:
        super().__init__(space)
        self.entered: Params = []
        self._results: dict[Any, Array] = {}

    def dense(self, H: Array, W: Array, b: Array, *, any_order: bool = False) -> tuple[Array, Dense]:
        space, below = self.xp, len(self.entered)
        if below:
            # Where the activation is the identity, H is Z and stays Z.
            space.name(H, f"H{below}", again=False)
        layer = below + 1
        space.begin(f"layer {layer}")
        W, b = space.entered(W, f"W{layer}"), space.entered(b, f"b{layer}")
        self.entered.append((W, b))
        Z, dense = super().dense(H, W, b)
        space.name(Z, f"Z{layer}")
        return Z, dense

    def gate(self, gate: Gate) -> Callable[..., Any]:
        """Return the gate as one node, and where it has run already, as that node; the tape has its pullbacks."""

        def run(space: Recorder, *arrays: Array, **settings: Any) -> Result:
            key = (gate, *map(id, arrays))
            if key not in self._results:
                function = getattr(space, gate.__name__, None)
                self._results[key] = (
                    function(*arrays, **settings) if function else gate(space, *arrays, **settings)[0]
                )
            return self._results[key], (None,) * len(arrays)

        return run
