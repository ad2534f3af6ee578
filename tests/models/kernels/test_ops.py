"""A network's operations in quick spellings against the gates as they are written."""

import numpy as np
import pytest

from chainrule.gates import activations, losses
from chainrule.models import kernels
from chainrule.models.activations import ACTIVATIONS, OUTPUTS
from chainrule.models.kernels.cupy import CupyOps, is_fused
from chainrule.models.kernels.numpy import FEW_CLASSES, NumpyOps
from chainrule.models.kernels.ops import Ops

OF_ROWS = (losses.softmax_cross_entropy, losses.multiclass_hinge)


def test_numpy_and_cupy_have_their_own_operations_and_every_other_library_the_plain_ones(device):
    ops = kernels.ops_for(device.xp)
    assert ops.xp is device.xp
    assert type(ops) is {"cpu": NumpyOps, "cuda": CupyOps}.get(device.name.partition(":")[0], Ops)


def lying(order, x):
    return np.asarray(x, order=order)


@pytest.mark.parametrize("k", [1, 2, 10, FEW_CLASSES + 1])
@pytest.mark.parametrize("orders", ["CC", "CF", "FC", "FF"])
@pytest.mark.parametrize("gate", [activations.relu, losses.hinge, *OF_ROWS], ids=lambda gate: gate.__name__)
def test_a_quick_gate_is_the_gate(gate, orders, k, dtype):
    rng = np.random.default_rng(k)
    Z = lying(orders[0], rng.standard_normal((7, k)).astype(dtype))
    rows = lying(orders[1], np.eye(k, dtype=dtype)[rng.integers(0, k, 7)])
    arrays = (Z,) if gate is activations.relu else (Z, rows)
    quick, (to_Z, *_) = NumpyOps().gate(gate)(np, *arrays)
    wanted, (plain_to_Z, *_) = gate(np, *arrays)
    g = rng.standard_normal(wanted.shape).astype(dtype)
    tolerance = 1e-5 if dtype == "float32" else 1e-13
    assert quick.dtype == dtype
    np.testing.assert_allclose(quick, wanted, rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(to_Z(g), plain_to_Z(g), rtol=tolerance, atol=tolerance)


def test_only_elementwise_gates_are_single_kernels():
    every = [row.gate for row in (*ACTIVATIONS.values(), *OUTPUTS.values())] + [
        *(losses.hinge, losses.sigmoid_cross_entropy),
        *OF_ROWS,
    ]
    for gate in set(every):
        settings = {"pieces": 2} if gate is ACTIVATIONS["maxout"].gate else {}
        takes_rows = gate.__module__ == losses.__name__
        Z = np.array([[0.3, -1.2, 0.7, 0.1]])
        arrays = (Z, np.array([[1.0, 0.0, 0.0, 0.0]])) if takes_rows else (Z,)
        whole = gate(np, *arrays, **settings)[0]
        # Of an elementwise gate, the result of a part is a part of the result.
        part = gate(np, *(x[:, 2:] for x in arrays), **settings)[0]
        elementwise = whole.shape == Z.shape and np.array_equal(part, whole[:, 2:])
        fused = is_fused(gate)
        assert not fused or elementwise, gate.__name__
        if elementwise and gate is not ACTIVATIONS["identity"].gate:
            assert fused, gate.__name__


@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 3)])
def test_the_mean_over_samples(device, dtype, shape):
    x = np.random.default_rng(1).standard_normal(shape)
    got = kernels.ops_for(device.xp).mean(device.asarray(x, dtype))
    np.testing.assert_allclose(device.to_numpy(got), x.sum() / 6, rtol=1e-5)
