import numpy as np
import pytest

import chainrule as cr
from chainrule.models.objective import on_all_rows


@pytest.mark.parametrize("penalty", [None, cr.L2(0.3), cr.ElasticNet(0.2, 0.4, biases=True)])
def test_logistic_regression_goes_by_tiles_with_the_numbers_of_the_network(
    device, dtype, penalty, monkeypatch
):
    calls = []
    by_tiles = cr.logistic.by_tiles
    monkeypatch.setattr(cr.logistic, "by_tiles", lambda *arrays: calls.append(1) or by_tiles(*arrays))
    rng = np.random.default_rng(0)
    net = cr.MLP((5, 1), penalty=penalty)
    W, b, X, y = (
        rng.standard_normal((5, 1)),
        np.array([0.3]),
        rng.standard_normal((40, 5)),
        np.arange(40) % 2,
    )
    params, X, y = (
        [(device.asarray(W, dtype), device.asarray(b, dtype))],
        *(device.asarray(x, dtype) for x in (X, y)),
    )
    cost, [(dW, db)] = on_all_rows(net, X, y, params)
    right, [right_layer] = net.cost_and_gradients(params, X, y)
    assert calls == [1]
    rtol = 1e-12 if dtype == "float64" else 1e-5
    for got, want in ((cost, right), (dW, right_layer[0]), (db, right_layer[1])):
        assert (got.shape, got.dtype) == (want.shape, want.dtype)
        np.testing.assert_allclose(device.to_numpy(got), device.to_numpy(want), rtol=rtol, atol=rtol)


def test_what_is_no_logistic_regression_does_not_go_by_tiles(monkeypatch):
    monkeypatch.setattr(cr.logistic, "by_tiles", None)
    X, y = np.eye(3), np.asarray([0, 1, 1])
    for net in (cr.MLP((3, 2, 1)), cr.MLP((3, 2), output="softmax"), cr.MLP((3, 1), cost="squared_error")):
        on_all_rows(net, X, y, net.init(device="cpu"))
