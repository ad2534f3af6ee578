"""All contenders compute the same, and limits are what they are said to be."""

import importlib
import time

import numpy as np
import pytest

from bench import contest, logistic_step, one_pass, to_a_cost
from chainrule.models import logistic
from tests.helpers.devices import device_asked_for


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        ("bench.logistic_step", (30, 7)),
        ("bench.network", ("gradient-descent", 5, 4, 3)),
        ("bench.network", ("adam", 5, 4, 3)),
        ("bench.engine", (4,)),
        ("bench.to_a_cost", ("breast_cancer",)),
        ("bench.to_a_cost", ("digits",)),
    ],
)
# PyTorch's compiler imports what its own newer versions call deprecated.
@pytest.mark.filterwarnings("ignore:.*torch.jit.script_method:DeprecationWarning")
def test_all_installed_contenders_compute_the_same(module, arguments, device, monkeypatch):
    if module == "bench.engine" and device.name.startswith("strict"):
        pytest.skip("the engine's cost has a plain array on the left of a traced one, which strict refuses")
    monkeypatch.setenv("CHAINRULE_DEVICE", device.name)
    case, proofs = importlib.import_module(module), {}
    for name, make in case.CONTENDERS.items():
        if name == "one_pass_kernel" and not device.name.startswith("cuda"):
            continue
        try:
            step, read = make(contest.Target(name).put, *case.problem(*arguments))
        except ModuleNotFoundError:
            continue
        proofs[name] = [np.asarray(part, dtype="float64") for part in read(step())]
    assert proofs.pop("limit", []) == []
    assert len(proofs) >= 2
    right = next(iter(proofs.values()))
    assert {
        name: contest.unequal("the first", right, parts) for name, parts in proofs.items()
    } == dict.fromkeys(proofs, "")


@pytest.mark.parametrize(
    ("n", "threads", "columns"), [(1, 64, 1), (64, 64, 1), (769, 128, 7), (12288, 1024, 12)]
)
def test_a_block_of_the_one_pass_kernel_holds_a_row(n, threads, columns):
    assert one_pass.shape_of(n) == (threads, columns)


def test_a_row_that_no_block_can_hold_is_refused():
    with pytest.raises(ValueError, match="one_pass: a row may have up to 12288 features, got 12289"):
        one_pass.shape_of(12289)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (1000, 65), (300, 784), (50, 12288)], ids=str)
def test_the_one_pass_kernel_finds_what_by_matmul_finds(shape, dtype):
    device = device_asked_for("cuda")
    numbers = [np.asarray(x, dtype=dtype) for x in logistic_step.problem(*shape)]
    step, read = one_pass.with_one_pass(device.asarray, *numbers)
    right = logistic.by_matmul(*(x.astype("float64") for x in numbers))
    once, again = read(step()), read(step())
    for mine, other, want in zip(once, again, right, strict=True):
        assert mine.dtype == dtype
        np.testing.assert_array_equal(mine, other)
        tolerance = 1e-5 if dtype == "float32" else 1e-12
        np.testing.assert_allclose(mine, want, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("asleep", [True, False])
def test_the_limit_reads_all_of_x_by_the_sooner_of_one_thread_and_all(monkeypatch, asleep):
    asked = []

    class Pool:
        def __init__(self, threads):
            assert threads == 3

        def map(self, read, shares):
            asked.append(len(shares))
            if not asleep:
                return [0]
            time.sleep(0.05)
            return map(read, shares)

    monkeypatch.setattr(logistic_step, "ThreadPoolExecutor", Pool)
    monkeypatch.setattr("chainrule.backend.threads.blas_threads", lambda: 3)
    X, *others = logistic_step.problem(500, 700)
    step, read = logistic_step.limit(lambda X: X, X, *others)
    asked.clear()
    every_bit = np.bitwise_or.reduce(X.view("uint32"), axis=None)
    assert (step(), asked) == ((every_bit, []) if asleep else (0, [3]))
    assert read(step()) == []


@pytest.mark.parametrize("name", ["breast_cancer", "digits"])
def test_the_products_of_a_pass_are_those_of_its_data(name):
    X, _, k, *_ = to_a_cost.problem(name)
    assert to_a_cost.SIZES[name] == (*X.shape, k)


def test_the_passes_of_whole_runs_are_counted():
    numbers = to_a_cost.problem("breast_cancer")
    counts = {}
    for name in ("chainrule lbfgs", "chainrule descent", "sklearn", "limit"):
        step, _ = to_a_cost.CONTENDERS[name](np.asarray, *numbers)
        counts[name] = to_a_cost.passes(step())
    assert counts.pop("limit") == 1
    # Descent looks at its cost every tenth step, by a pass of its own in the end.
    assert counts["chainrule descent"] % to_a_cost.LOOK in (1, 2)
    assert 1 < min(counts.values()) <= max(counts.values()) < 1000
