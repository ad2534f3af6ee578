"""Runs that are compared."""

from functools import partial

import numpy as np

from chainrule import pytree
from chainrule.models.mlp import MLP
from chainrule.models.objective import on_all_rows
from chainrule.models.penalties import L2, ElasticNet
from chainrule.optim.descent import descend

NETS = {
    "logistic": MLP((5, 1), penalty=L2(0.1)),
    "mlp": MLP((5, 6, 1), "tanh", penalty=ElasticNet(0.1)),
}


def one_machine(net, X, y, steps=50):
    params = net.init(0, "cpu")
    return descend(partial(on_all_rows, net, X, y), params, steps=steps, learning_rate=0.5, report_every=1)


def descended(rows, net, steps=50, **settings):
    params = net.init(0, "cpu")
    cost = rows.cost_and_gradients(net)
    return descend(cost, params, steps=steps, learning_rate=0.5, report_every=1, **settings)


def apart(one, other):
    pairs = zip(pytree.flat(one), pytree.along(other, one, "other"), strict=True)
    return max(float(np.max(np.abs(a - b))) for a, b in pairs)


def assert_same_run(run, other):
    assert apart([r.cost for r in run.history], [r.cost for r in other.history]) <= 1e-10
    assert apart(run.params, other.params) <= 1e-10
