"""The same questions to rows on a device and to rows in chunks have the same answers."""

import dask.array as da
import numpy as np
import pytest

import chainrule as cr
from chainrule.cluster import ChunkedRows
from chainrule.models import objective
from chainrule.training import rows as device_rows
from chainrule.training.rows import DeviceRows

NETS = [
    cr.MLP((4, 1), penalty=cr.L2(0.2)),
    cr.MLP((4, 3), output="softmax"),
    cr.MLP((4, 5, 3), "tanh", "softmax", penalty=cr.L2(0.1)),
]


@pytest.fixture(params=[False, True], ids=["alike", "weighted"])
def pair(request):
    """Return both kinds of rows for a number of classes."""

    def of_classes(k):
        rng = np.random.default_rng(k)
        X, y = rng.standard_normal((50, 4)), np.arange(50) % k
        weight = np.arange(50) % 3 + 0.5 if request.param else None
        mean = 1.0 if weight is None else float(weight.mean())
        on_device = DeviceRows(X, objective.targets(y, objective.outputs_for(k), "float64"), weight, mean)
        return on_device, ChunkedRows(da.from_array(X, chunks=(20, 4)), y, weight)

    return of_classes


@pytest.mark.parametrize("net", NETS, ids=str)
def test_rows_on_a_device_and_in_chunks_answer_alike(pair, net):
    one, other = pair(2 if net.sizes[-1] == 1 else 3)
    params = net.init(0, "cpu", "float64", weights=1.0)
    assert len(one) == len(other) == 50
    assert float(one.cost_of(net)(params)) == pytest.approx(float(other.cost_of(net)(params)), rel=1e-12)
    (J, gradients), (K, others) = (rows.cost_and_gradients(net)(params) for rows in (one, other))
    assert float(J) == pytest.approx(float(K), rel=1e-12)
    for (dW, db), (dV, dc) in zip(gradients, others, strict=True):
        np.testing.assert_allclose(dW, dV, rtol=1e-10, atol=1e-14)
        np.testing.assert_allclose(db, dc, rtol=1e-10, atol=1e-14)
    np.testing.assert_array_equal(one.answers(net, params), other.answers(net, params))
    np.testing.assert_allclose(one.forward(net, params), other.forward(net, params), rtol=1e-12)
    assert one.learning_rate_bound() == pytest.approx(other.learning_rate_bound(), rel=1e-12)


@pytest.mark.parametrize("net", NETS, ids=str)
def test_mini_batches_of_one_size_have_the_mean_cost_of_all_rows(pair, net):
    rows, _ = pair(2 if net.sizes[-1] == 1 else 3)
    params = net.init(0, "cpu", "float64", weights=1.0)
    batches, cost = rows.batches(10, seed=1), rows.cost_and_gradients(net)
    assert len(batches) == 5
    whole, of_whole = cost(params)
    parts = [cost(params, batches(step)) for step in range(5)]
    assert np.mean([part for part, _ in parts]) == pytest.approx(whole, rel=1e-12)
    for layer, (dW, _) in enumerate(of_whole):
        np.testing.assert_allclose(
            np.mean([g[layer][0] for _, g in parts], axis=0), dW, rtol=1e-10, atol=1e-14
        )


def test_answers_in_blocks_are_those_of_all_rows(device, monkeypatch):
    net = cr.MLP((4, 3), output="softmax")
    X = device.standard_normal((50, 4), seed=0)
    rows, params = DeviceRows(X, X[:, 0]), net.init(0, device, "float64")
    whole = rows.answers(net, params)
    monkeypatch.setattr(device_rows, "BLOCK", 7)
    np.testing.assert_array_equal(rows.answers(net, params), whole)
    np.testing.assert_array_equal(whole, np.argmax(device.to_numpy(net.forward(params, X)), axis=1))
