"""Gradients in complex numbers beside PyTorch's, which are ours, and JAX's, which are the conjugates of ours.

They need the extra `peers`, and are skipped by name without it.
"""

from typing import Any

import array_api_compat
import numpy as np
import pytest

import chainrule as cr
from tests.contract.test_complex import ROWS

# Not compared: what a peer refuses, and what it gets wrong by its own values.
NOT_OF_JAX = (
    "linalg.eig-",  # asks for an opt-in to gradients of vectors
    "linalg.qr-wide",  # has no rule for more columns than rows
    "acosh",  # the other sign left of the imaginary axis
    "sign",  # 0
)
NOT_OF_TORCH = (
    "where-real",  # an error of its own
    "linalg.det-singular",  # 0
)
SPECTRA: dict[str, Any] = {
    f"fft.{name}": lambda xp, z, name=name: getattr(xp.fft, name)(z)
    for name in ("fft", "ifft", "fftn", "ifftn", "irfft", "irfftn", "hfft")
}
ALL = {**ROWS, **{name: (f, ROWS["linalg.inv"][1]) for name, f in SPECTRA.items()}}


def cost(xp: Any, f: Any, *zs: Any) -> Any:
    ys = f(xp, *zs)
    return sum(xp.sum(xp.abs(y + 0.5) ** 2) for y in (ys if isinstance(ys, tuple) else (ys,)))


def ours(name: str) -> list[np.ndarray]:
    f, *arrays = ALL[name]
    space = cr.differentiable(np)
    return list(cr.grad(lambda *zs: cost(space, f, *zs), tuple(range(len(arrays))))(*arrays))


def assert_near(mine: list[np.ndarray], theirs: list[Any]) -> None:
    for g, h in zip(mine, theirs, strict=True):
        np.testing.assert_allclose(g, h, rtol=1e-8, atol=1e-9 * np.max(np.abs(g)))


@pytest.mark.filterwarnings("ignore:torch.asarray")
@pytest.mark.parametrize("name", [name for name in ALL if name not in NOT_OF_TORCH])
def test_gradients_are_those_of_pytorch(name: str):
    torch = pytest.importorskip("torch", reason="torch is in the extra `peers`")

    xp = array_api_compat.array_namespace(torch.asarray(0.0))
    f, *arrays = ALL[name]
    leaves = [torch.tensor(z, requires_grad=True) for z in arrays]

    class Torch:
        linalg, fft = xp.linalg, xp.fft

        def __getattr__(self, called: str) -> Any:
            return {"sigmoid": torch.sigmoid, "sign": torch.sgn}.get(called) or getattr(xp, called)

    value = cost(Torch(), f, *leaves)
    assert_near(ours(name), [g.resolve_conj().numpy() for g in torch.autograd.grad(value, leaves)])


@pytest.mark.parametrize("name", [name for name in ALL if not name.startswith(NOT_OF_JAX)])
def test_gradients_are_the_conjugates_of_those_of_jax(name: str):
    jax = pytest.importorskip("jax", reason="jax is in the extra `peers`")
    jax.config.update("jax_enable_x64", True)

    class Jax:
        def __getattr__(self, called: str) -> Any:
            return jax.nn.sigmoid if called == "sigmoid" else getattr(jax.numpy, called)

    f, *arrays = ALL[name]
    theirs = jax.grad(lambda *zs: cost(Jax(), f, *zs), tuple(range(len(arrays))))(*arrays)
    assert_near(ours(name), [np.conj(g) for g in theirs])
