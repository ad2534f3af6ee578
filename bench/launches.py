"""How many kernels a small step launches on a GPU, and how long the host takes to launch them.

    python bench/launches.py

A small step takes as long on a GPU as the host takes to launch its kernels, whatever they compute. Beside each step of
chainrule stands the same by hand, in plain CuPy and with `cupy.fuse`; all are proved equal to NumPy before they are
counted. Where CuPy runs over the pretended device of tests/cupy_on_cpu launches are counted, and the host is timed
while kernels do nothing. On a GPU a step is timed until the device has finished it.
"""

import functools
import importlib.util
import json
import os
import subprocess
import sys
import timeit
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench import engine, logistic_step, network

SIZES = (784, 256, 128, 10)
Maker = Callable[..., tuple[Callable[[], Any], Callable[[Any], list[Any]]]]


class Row(NamedTuple):
    """A row of STEPS: the numbers to start from, and who makes of them a step of chainrule, and of CuPy by hand."""

    problem: tuple[Any, ...]
    chainrule: Maker
    plain: Maker | None = None
    fused: Maker | None = None


def trained(rule: Callable[[Any], Any], penalty: Any = None) -> Maker:
    """Return the maker of a training step with the optimiser `rule(chainrule)`; its proof has the gradients too."""

    def make(put: Any, params: Any, X: Any, y: Any, _: str) -> Any:
        import chainrule as cr

        params, X, y = [(put(W), put(b)) for W, b in params], put(X), put(y)
        net = cr.MLP(SIZES, output="softmax", penalty=penalty and penalty(cr))
        optimizer = rule(cr)
        state = optimizer.init(params)

        def step() -> Any:
            nonlocal params, state
            cost, gradients = net.cost_and_gradients(params, X, y)
            params, state = optimizer.update(gradients, state, params)
            return [cost, *(x for tree in (gradients, params) for layer in tree for x in layer)]

        return step, list

    return make


def logistic_fused(put: Any, *numbers: Any) -> Any:
    """By hand: losses and slopes are one kernel."""
    import cupy

    X, y, w, b = map(put, numbers)

    @cupy.fuse()
    def losses_and_dz(z: Any, b: Any, y: Any) -> Any:
        z = z + b
        e = cupy.exp(-cupy.abs(z))
        return cupy.maximum(z, 0) - y * z + cupy.log1p(e), cupy.where(z >= 0, 1, e) / (1 + e) - y

    def step() -> Any:
        losses, dz = losses_and_dz(X @ w, b, y)
        return losses.sum() / len(X), (dz @ X) / len(X), dz.sum() / len(X)

    return step, list


SOFTMAX = r"""
extern "C" __global__ void softmax_rows(
    const float* Z, const float* b, const long long* y, int m, int k, float* g, float* loss)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= m) return;
    float top = -1e30f, sum = 0;
    for (int j = 0; j < k; j++) top = fmaxf(top, Z[i * k + j] + b[j]);
    for (int j = 0; j < k; j++) sum += expf(Z[i * k + j] + b[j] - top);
    for (int j = 0; j < k; j++) g[i * k + j] = (expf(Z[i * k + j] + b[j] - top) / sum - (y[i] == j)) / m;
    loss[i] = (logf(sum) + top - Z[i * k + y[i]] - b[y[i]]) / m;
}
"""


def network_fused(put: Any, params: Any, X: Any, y: Any, _: str) -> Any:
    """By hand: each activation is one kernel, so are softmax with its cost and slopes, and the update of an array."""
    import cupy

    params, X, y, t = [(put(W), put(b)) for W, b in params], put(X), put(y), 0
    kept = [[(cupy.zeros_like(p), cupy.zeros_like(p)) for p in layer] for layer in params]
    softmax_rows = cupy.RawKernel(SOFTMAX, "softmax_rows")

    @cupy.fuse()
    def relu_of(Z: Any, b: Any) -> Any:
        return cupy.maximum(Z + b, 0)

    @cupy.fuse()
    def through_relu(g: Any, H: Any) -> Any:
        return cupy.where(H > 0, g, 0)

    @cupy.fuse()
    def adam_on(p: Any, g: Any, mean: Any, square: Any, minus_length: float, epsilon: float) -> None:
        mean += (g - mean) * 0.1
        square += (g * g - square) * 0.001
        p += mean / (cupy.sqrt(square) + epsilon) * minus_length

    def step() -> Any:
        nonlocal t
        t += 1
        root = (1 - 0.999**t) ** 0.5
        H = [X]
        for W, b in params[:-1]:
            H.append(relu_of(H[-1] @ W, b))
        Z = H[-1] @ params[-1][0]
        g, losses = cupy.empty_like(Z), cupy.empty(len(X), "float32")
        shape = cupy.int32(len(X)), cupy.int32(Z.shape[1])
        softmax_rows((1,), (len(X),), (Z, params[-1][1], y, *shape, g, losses))
        cost = losses.sum()
        for k in range(len(params) - 1, -1, -1):
            gradients = H[k].T @ g, g.sum(axis=0)
            if k:
                g = through_relu(g @ params[k][0].T, H[k])
            for p, d, (mean, square) in zip(params[k], gradients, kept[k], strict=True):
                adam_on(p, d, mean, square, -1e-3 * root / (1 - 0.9**t), 1e-8 * root)
        return cost

    return step, lambda cost: [cost, *(p for layer in params for p in layer)]


def engine_fused(put: Any, params: Any, X: Any, Y: Any) -> Any:
    """By hand: bias with tanh is one kernel, and so is the way back through tanh."""
    import cupy

    params, X, Y = [(put(W), put(b)) for W, b in params], put(X), put(Y)

    @cupy.fuse()
    def tanh_of(Z: Any, b: Any) -> Any:
        return cupy.tanh(Z + b)

    @cupy.fuse()
    def through_tanh(g: Any, y: Any) -> Any:
        return g * (1 - y * y)

    def step() -> Any:
        H = [X]
        for W, b in params:
            H.append(tanh_of(H[-1] @ W, b))
        E = H[-1] - Y
        cost, g, gradients = (E * E).sum(), E * 2, []
        for i in range(len(params) - 1, -1, -1):
            g = through_tanh(g, H[i + 1])
            gradients.append((H[i].T @ g, g.sum(0)))
            g = g @ params[i][0].T if i else g
        return cost, gradients[::-1]

    return step, engine._read


def on_device(maker: Maker) -> Maker:
    """Return the maker for NumPy, which leaves its arrays where they are, as one of arrays on the device."""

    def make(put: Any, *numbers: Any) -> Any:
        return maker(put, *(_put_all(put, x) for x in numbers))

    return make


def _put_all(put: Any, x: Any) -> Any:
    if isinstance(x, list | tuple):
        return [_put_all(put, item) for item in x]
    return x if isinstance(x, str) else put(x)


ADAM = network.problem("adam", 128, *SIZES)
SPELLING = functools.partial(functools.partial, logistic_step.with_spelling)
STEPS = {
    "logistic by_matmul": Row(
        logistic_step.problem(209, 784),
        SPELLING("by_matmul"),
        on_device(logistic_step.with_numpy),
        logistic_fused,
    ),
    "logistic by_tiles": Row(logistic_step.problem(209, 784), SPELLING("by_tiles")),
    "logistic, 10 classes": Row(
        logistic_step.problem(209, 784, 10), SPELLING("by_matmul"), on_device(logistic_step.with_numpy)
    ),
    "network, Adam": Row(ADAM, network.with_chainrule, on_device(network.with_numpy), network_fused),
    "network, L2, Adam": Row(ADAM, trained(lambda cr: cr.optimizers.adam(), lambda cr: cr.L2(1e-3))),
    "network, Adam, clipped": Row(ADAM, trained(lambda cr: cr.optimizers.clipped(cr.optimizers.adam(), 0.5))),
    "value_and_grad, 4 x tanh": Row(
        engine.problem(64), engine.with_chainrule, on_device(engine.with_numpy), engine_fused
    ),
}


def proof(
    maker: Maker, problem: Any, device: Any, dtype: str = "float32", steps: int = 3
) -> list[np.ndarray]:
    """Return what the last of some steps computes in a dtype on a device, as arrays of NumPy."""
    step, read = maker(device.asarray, *_copied(problem, dtype))
    for _ in range(steps - 1):
        step()
    return [device.to_numpy(x) for x in read(step())]


def _copied(x: Any, dtype: str = "float32") -> Any:
    """Return the numbers anew, because steps by hand write into them."""
    if isinstance(x, list | tuple):
        return [_copied(item, dtype) for item in x]
    return x if isinstance(x, str) else x.astype(dtype if x.dtype.kind == "f" else x.dtype)


def launches(maker: Maker, problem: Any, device: Any) -> int:
    """Return how many kernels a step launches on the pretended device, once its kernels are there."""
    counts = importlib.import_module("cupy_on_cpu").counts
    step, _ = maker(device.asarray, *_copied(problem))
    step(), step()
    counts.clear()
    step()
    return int(counts.kernels)


def microseconds(maker: Maker, problem: Any, device: Any, rounds: int = 30) -> float:
    """Return the shortest time of a step, in microseconds, until the device has finished it."""
    step, _ = maker(device.asarray, *_copied(problem))

    def many() -> None:
        for _ in range(20):
            step()
        device.synchronize()

    many()
    return min(timeit.repeat(many, number=1, repeat=rounds)) / 20 * 1e6


def main() -> None:
    """Print the table: of each step, and of the same by hand, launches and microseconds."""
    import chainrule as cr

    gpu, cpu = cr.get_device("cuda"), cr.get_device("cpu")
    pretended = importlib.util.find_spec("cupy_on_cpu") is not None
    times = _idle_times() if pretended else {}
    facts = gpu.describe()
    print(f"{facts['hardware']}, {facts['library']}: launches and microseconds of a step")
    print(f"{'':26}{'chainrule':>18}{'by hand, plain':>18}{'by hand, fused':>18}")
    for name, (problem, *makers) in STEPS.items():
        cells, right = [], proof(makers[0], problem, cpu)
        for maker in filter(None, makers):
            for x, y in zip(proof(maker, problem, gpu), right, strict=True):
                np.testing.assert_allclose(x, y, rtol=1e-3, atol=1e-4)
            count = launches(maker, problem, gpu) if pretended else ""
            time = times[name].pop(0) if pretended else microseconds(maker, problem, gpu)
            cells.append(f"{count} {time:8.0f}")
        print(f"{name:26}" + "".join(f"{cell:>18}" for cell in cells), flush=True)


def _idle_times() -> dict[str, list[float]]:
    """Return the microseconds of each step where kernels do nothing, measured by a process of its own."""
    environment = os.environ | {"CUPY_ON_CPU_IDLE": "1"}
    done = subprocess.run(
        [sys.executable, __file__, "--idle"], env=environment, check=True, stdout=subprocess.PIPE
    )
    return json.loads(done.stdout)


def print_idle_times() -> None:
    """Print the microseconds of each step as JSON, on the pretended device whose kernels do nothing."""
    import cupy

    from chainrule.backend import device, namespaces

    # `get_device` would refuse the device, because the first number that it computes is wrong.
    gpu = device._Cuda("cuda:0", namespaces.namespace(cupy.empty(1)), 0)
    print(
        json.dumps(
            {
                name: [microseconds(maker, problem, gpu) for maker in filter(None, makers)]
                for name, (problem, *makers) in STEPS.items()
            }
        )
    )


if __name__ == "__main__":
    print_idle_times() if "--idle" in sys.argv[1:] else main()
