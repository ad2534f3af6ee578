"""PyTorch's optimisers beside ours, step by step on the same gradients; skipped by name without PyTorch."""

from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from chainrule.optim import OPTIMIZERS, clipped

torch = pytest.importorskip("torch", reason="PyTorch is no part of any extra; install it to run these")

# PyTorch's rmsprop calls the decay alpha. Its sgd begins the velocity with the first gradient, as ours from zeros does.
PAIRS = {
    "gradient-descent": ({}, torch.optim.SGD, {}),
    "momentum": ({"beta": 0.8}, torch.optim.SGD, {"momentum": 0.8}),
    "nesterov": ({"beta": 0.8}, torch.optim.SGD, {"momentum": 0.8, "nesterov": True}),
    "rmsprop": ({"decay": 0.7, "epsilon": 1e-3}, torch.optim.RMSprop, {"alpha": 0.7, "eps": 1e-3}),
    "adam": (
        {"beta1": 0.8, "beta2": 0.95, "epsilon": 1e-3},
        torch.optim.Adam,
        {"betas": (0.8, 0.95), "eps": 1e-3},
    ),
    "adamw": (
        {"weight_decay": 0.2, "beta1": 0.8, "epsilon": 1e-6},
        torch.optim.AdamW,
        {"weight_decay": 0.2, "betas": (0.8, 0.999), "eps": 1e-6},
    ),
}
STEPS = 6
numbers = partial(arrays.arrays, np.float64, elements=st.floats(-5, 5).map(lambda x: round(x, 3)))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("largest_norm", [None, 1.5])
@pytest.mark.parametrize("name", PAIRS)
@given(start=numbers(5), gradients=numbers((STEPS, 5)))
@settings(max_examples=30)
def test_steps(name, largest_norm, dtype, start, gradients):
    ours, theirs, s = PAIRS[name]
    optimizer = OPTIMIZERS[name](0.05, **ours)
    if largest_norm:
        optimizer = clipped(optimizer, largest_norm)
    start, gradients = start.astype(dtype), gradients.astype(dtype)
    params = [start[:3], start[3:]]
    state = optimizer.init(params)
    tensors = [torch.tensor(p, requires_grad=True) for p in params]
    peer = theirs(tensors, lr=0.05, **s)
    for g in gradients:
        parts = [g[:3], g[3:]]
        params, state = optimizer.update(parts, state, params)
        for x, part in zip(tensors, parts, strict=True):
            x.grad = torch.tensor(part)
        if largest_norm:
            torch.nn.utils.clip_grad_norm_(tensors, largest_norm)
        peer.step()
    # PyTorch adds 1e-6 to the norm that it clips by.
    tolerance = 1e-4 if dtype == "float32" else 1e-5 if largest_norm else 1e-9
    for x, p in zip(tensors, params, strict=True):
        assert p.dtype == dtype
        np.testing.assert_allclose(p, x.detach().numpy(), rtol=tolerance, atol=tolerance)


def test_every_optimiser_has_its_peer():
    assert PAIRS.keys() == OPTIMIZERS.keys()
