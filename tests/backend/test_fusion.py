"""Elementwise chains as one kernel: how many are asked for, and that they compute what the rules say.

A module that calls itself CuPy and computes with NumPy shows what is asked for. What CuPy makes of it is seen on a GPU.
"""

import types

import numpy as np
import pytest

import chainrule as cr
from chainrule import pytree
from chainrule.backend.fusion import fused, fused_gate
from chainrule.gates import activations as rules
from chainrule.gates import elementwise, losses
from chainrule.models import logistic, validation
from chainrule.models.activations import ACTIVATIONS
from chainrule.models.kernels.cupy import CupyOps
from chainrule.optim import optimizers
from tests.helpers.devices import device_asked_for
from tests.helpers.networks import EVERY_COST, network, parameters, samples

NAMES = sorted(optimizers.OPTIMIZERS)
# CuPy fuses operators, methods and universal functions. These make an array of numbers, and cannot follow one.
MAKERS = ("array", "asarray", "zeros", "ones", "empty", "full", "zeros_like", "ones_like", "full_like")
# Every gate that is fused by itself, with how many arrays it takes.
GATES = {
    name: (CupyOps(None).gate(gate), count)
    for name, gate, count in (
        *((name, row.gate, 1) for name, row in ACTIVATIONS.items() if name != "identity" and not row.pieces),
        ("square", elementwise.square, 1),
        ("hinge", losses.hinge, 2),
        ("sigmoid_cross_entropy", losses.sigmoid_cross_entropy, 2),
    )
}
# Of the optimisers' rules, with how many arrays and which numbers they take.
RULES = {
    "gradient descent": (optimizers._gradient_descent_rule, 2, (-0.1,)),
    "momentum": (optimizers._momentum_rule, 3, (-0.1, 0.9)),
    "nesterov": (optimizers._nesterov_rule, 3, (-0.1, 0.9)),
    "rmsprop": (optimizers._rmsprop_rule, 3, (-0.1, 0.1, 1e-8)),
    "adam": (optimizers._adam_rule, 4, (-0.1, 0.1, 0.001, 1e-8, None)),
    "adamw": (optimizers._adam_rule, 4, (-0.1, 0.1, 0.001, 1e-8, 0.99)),
}
EVERY_RULE = pytest.mark.parametrize("name", RULES)
EVERY_GATE = pytest.mark.parametrize("name", GATES)


class Number(float):
    """A number that an array may be computed with, and nothing else: CuPy would make a float64 of two of them."""

    def _with(self, other):
        if not isinstance(other, np.ndarray):
            raise AssertionError("a fused function computes with numbers alone")
        return NotImplemented

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _with

    def __neg__(self):
        return self._with(None)


@pytest.fixture
def fake():
    """Return a module named cupy, NumPy inside, with a list `asked` of the kernels that were run."""
    cupy = types.ModuleType("cupy")
    vars(cupy).update({name: getattr(np, name) for name in dir(np) if not name.startswith("__")})
    cupy.asked = []
    fusing = []

    def maker(name):
        def make(*arguments, **settings):
            assert not fusing, f"{fusing[0]} calls {name}"
            return getattr(np, name)(*arguments, **settings)

        return make

    vars(cupy).update({name: maker(name) for name in MAKERS})

    def fuse(*, kernel_name):
        def kernel_of(f):
            def kernel(*arguments):
                cupy.asked.append(kernel_name)
                assert {type(x) for x in arguments} <= {np.ndarray, float, type(None)}
                fusing.append(kernel_name)
                try:
                    return f(*(Number(x) if isinstance(x, float) else x for x in arguments))
                finally:
                    fusing.pop()

            return kernel

        return kernel_of

    cupy.fuse = fuse
    return cupy


def arrays(count, shape=(2, 5), dtype="float64", seed=0):
    # Running means of squares are never negative.
    return [np.abs(x).astype(dtype) for x in np.random.default_rng(seed).standard_normal((count, *shape))]


def test_everywhere_else_a_fused_function_is_the_function_itself(device):
    seen = []

    @fused
    def twice(xp, x, factor):
        seen.append((xp, x, factor))
        return x * factor

    x = device.asarray([1.0, 2.0])
    assert device.to_numpy(twice(device.xp, x, 2.0)).tolist() == [2, 4]
    if not device.name.startswith("cuda"):
        assert seen == [(device.xp, x, 2.0)]
        assert seen[0][1] is x
    assert twice.__name__ == "twice"


def test_traced_arrays_are_recorded_by_the_gate_itself():
    gate = fused_gate(rules.sigmoid)
    space = cr.differentiable(np)
    slope = cr.grad(lambda x: space.sum(gate(space, space.asarray(x))[0]))(np.array([0.0, 1.0]))
    s = 1 / (1 + np.exp(-np.array([0.0, 1.0])))
    np.testing.assert_allclose(slope, s * (1 - s), rtol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_an_update_is_one_kernel_for_each_parameter(monkeypatch, fake, name):
    optimizer = optimizers.OPTIMIZERS[name](0.1)
    params = [tuple(arrays(2)), {"w": np.ones(3)}]
    gradients = [tuple(arrays(2, seed=1)), {"w": np.full(3, 2.0)}]
    expected, kept = optimizer.update(gradients, optimizer.init(params), params)
    monkeypatch.setattr(optimizers, "namespace", lambda *arrays: fake)
    got, state = optimizer.update(gradients, optimizer.init(params), params)
    assert len(fake.asked) == 3
    assert len(set(fake.asked)) == 1
    for x, y in zip(pytree.flat((got, state)), pytree.flat((expected, kept)), strict=True):
        np.testing.assert_array_equal(x, y)


@EVERY_GATE
def test_a_gate_is_one_kernel_and_so_is_each_pullback(fake, name):
    gate, count = GATES[name]
    x, g = arrays(count), arrays(1, seed=3)[0]
    y, pullbacks = gate(fake, *x)
    assert len(fake.asked) == 1
    assert len(pullbacks) == count
    slopes = [pullback(g) for pullback in pullbacks]
    assert len(fake.asked) == 1 + count
    expected, right = gate(np, *x)
    np.testing.assert_array_equal(y, expected)
    for slope, pullback in zip(slopes, right, strict=True):
        np.testing.assert_array_equal(slope, pullback(g))


@EVERY_COST
def test_a_network_is_the_same_by_kernels(monkeypatch, fake, output, cost):
    if (output, cost) == ("softmax", "cross_entropy"):
        pytest.skip("its kernel is written in CUDA's language; tests/models/test_launches.py runs it")
    net, cpu = network("tanh", output, cost, sizes=(3, 4, 5, 3)), cr.get_device("cpu")
    params, (X, y, _, _) = parameters(net, cpu, "float64"), samples(net, cpu, "float64")
    expected = net.cost_and_gradients(params, X, y)
    monkeypatch.setattr(validation, "namespace", lambda *arrays: fake)
    got = net.cost_and_gradients(params, X, y)
    for a, b in zip(pytree.flat(got), pytree.flat(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    # Two hidden layers, forward and backward, and the cost's where it is elementwise.
    assert len(fake.asked) >= 4


@pytest.mark.parametrize("spelling", ["by_scaling", "by_matmul", "by_tiles"])
def test_losses_and_their_slopes_are_one_kernel(monkeypatch, fake, spelling):
    X, y, w = arrays(1)[0], np.array([1.0, 0.0]), np.linspace(-1, 1, 5)
    expected = logistic.by_matmul(X, y, w, 0.5)
    monkeypatch.setattr(validation, "namespace", lambda *arrays: fake)
    got = logistic.SPELLINGS[spelling](X, y, w, 0.5)
    assert fake.asked == ["_sigmoid_losses_and_dz"]
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


class TestOnAGpu:
    @pytest.fixture
    def gpu(self):
        return device_asked_for("cuda")

    @pytest.fixture
    def kernels(self, gpu, monkeypatch):
        """Return a list of what CuPy's fusion makes from now on."""
        made, original = [], gpu.xp.fuse

        def fuse(*, kernel_name):
            def kernel_of(f):
                made.append(original(kernel_name=kernel_name)(f))
                return made[-1]

            return kernel_of

        monkeypatch.setattr(gpu.xp, "fuse", fuse)
        return made

    def agree(self, gpu, got, expected, dtype):
        for x, y in zip(pytree.flat(got), pytree.flat(expected), strict=True):
            assert (x.dtype, x.shape, x.device) == (y.dtype, y.shape, y.device)
            # A product and a sum in one instruction round once where two round twice.
            tolerance = 1e-5 if dtype == "float32" else 1e-13
            np.testing.assert_allclose(gpu.to_numpy(x), gpu.to_numpy(y), rtol=tolerance, atol=tolerance)

    @EVERY_RULE
    @pytest.mark.parametrize("shape", [(3, 5), (7,), (), (0, 4), (1000, 33)], ids=str)
    def test_a_rule_by_a_kernel_is_the_rule(self, gpu, kernels, dtype, name, shape):
        rule, count, numbers = RULES[name]
        there = [gpu.asarray(x, dtype) for x in arrays(count, shape)]
        # Anew, so that what it makes is seen.
        got = fused(rule.__wrapped__)(gpu.xp, *there, *numbers)
        self.agree(gpu, got, rule.__wrapped__(gpu.xp, *there, *numbers), dtype)
        # Where CuPy cannot trace a function into one elementwise kernel it goes another, slower way in silence.
        assert [kernel.new_fusion for kernel in kernels] == [None]

    @EVERY_GATE
    def test_a_gate_by_kernels_is_the_gate(self, gpu, dtype, name):
        gate, count = GATES[name]
        Z = np.array([[-1000, -87.5, -2, -0.1, -0.0], [0, 0.1, 2, 87.5, 1000]])
        there = [gpu.asarray(x, dtype) for x in [Z, *arrays(1)][:count]]
        y, pullbacks = gate(gpu.xp, *there)
        expected, right = gate.__wrapped__(gpu.xp, *there)
        self.agree(gpu, y, expected, dtype)
        for pullback, slope in zip(pullbacks, right, strict=True):
            # One g for each element, and one for each row.
            for g in (arrays(1, seed=3)[0], arrays(1, (2, 1), seed=4)[0]):
                g = gpu.asarray(g, dtype)
                self.agree(gpu, pullback(g), slope(g), dtype)

    def test_a_number_that_changes_makes_no_new_kernel(self, gpu, kernels):
        rule = fused(optimizers._adam_rule.__wrapped__)
        there = [gpu.asarray(x, "float32") for x in arrays(4)]
        for step in range(1, 6):
            rule(gpu.xp, *there, -0.1 / step, 0.1, 0.001, 1e-8 / step, None)
        assert len(kernels) == 1
        assert len(kernels[0]._memo) == 1
