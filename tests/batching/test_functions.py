"""Every function of the standard's tables for a batch, against a loop over the batch."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import chainrule as cr
from chainrule import pytree
from chainrule.batching.table import CONSTANT, rows
from chainrule.gates import standard
from tests.contract.operations import OPERATIONS, Operation, general, uniform
from tests.helpers.devices import Place, place

N = 3


def integers(low: int, high: int, shape: tuple[int, ...] = (2, 3)) -> Callable[..., np.ndarray]:
    return lambda random: random.integers(low, high, shape)


def booleans(random: np.random.Generator) -> np.ndarray:
    return random.random((2, 3)) < 0.5


def few(random: np.random.Generator) -> np.ndarray:
    return random.integers(-2, 3, (2, 3)) / 2


def named(name: str, *draws: Any, **settings: Any) -> Operation:
    """One call of a function that has no gate."""
    label = "-".join(f"{k}={v}" for k, v in settings.items())

    def f(xp: Any, *arrays: Any) -> Any:
        room = xp
        for part in name.split("."):
            room = getattr(room, part)
        y = room(*arrays, **settings)
        return tuple(y) if isinstance(y, list) else y

    return Operation(name, f, draws, label)


# Functions through which no gradient flows: they have no row in the contract.
OTHERS = [
    *(
        named(name, few, **kw)
        for name in ("all", "any", "count_nonzero")
        for kw in ({}, {"axis": 1}, {"keepdims": True})
    ),
    *(
        named(name, few, **kw)
        for name in ("argmax", "argmin")
        for kw in ({}, {"axis": 0}, {"axis": -1, "keepdims": True}, {"keepdims": True})
    ),
    *(named("argsort", few, **kw) for kw in ({}, {"axis": 0, "descending": True})),
    *(named(f"bitwise_{name}", integers(0, 9), integers(0, 9, (3,))) for name in ("and", "or", "xor")),
    *(named(f"bitwise_{name}_shift", integers(0, 9), integers(0, 4)) for name in ("left", "right")),
    named("bitwise_invert", integers(0, 9)),
    *(named(name, uniform(-3, 3)) for name in ("ceil", "floor", "round", "trunc", "sign", "signbit")),
    *(named(name, few) for name in ("isfinite", "isinf", "isnan")),
    *(
        named(name, few, few)
        for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "nextafter")
    ),
    named("floor_divide", few, uniform(0.3, 2, (3,))),
    *(named(f"logical_{name}", booleans, booleans) for name in ("and", "or", "xor")),
    named("logical_not", booleans),
    named("isin", integers(0, 5), integers(0, 5, (4,))),
    named("isin", integers(0, 5), integers(0, 5, (4,)), invert=True),
    Operation(
        "searchsorted",
        lambda xp, a, v: xp.searchsorted(a, v),
        (lambda r: np.sort(r.random(5)), uniform(0, 1)),
    ),
    *(named(f"{name}_like", few) for name in ("ones", "zeros")),
    Operation("full_like", lambda xp, x: xp.full_like(x, 2.0), (few,)),
    Operation("empty_like", lambda xp, x: xp.empty_like(x) * 0, (few,)),
    *(
        Operation(
            name,
            lambda xp, x, name=name: getattr(xp, name)(xp.astype(x, xp.complex128) * 1j),
            (few,),
            "complex",
        )
        for name in ("real", "imag", "conj")
    ),
    named("linalg.matrix_rank", general(2, 2)),
    named("linalg.eig", lambda random: random.normal(size=(2, 2, 2))),
    named("linalg.eigvals", lambda random: random.normal(size=(2, 2, 2))),
    *(
        named(f"fft.{name}", uniform(-1, 1, (3, 4)), **kw)
        for name in ("rfft", "ihfft")
        for kw in ({}, {"axis": 0, "n": 3})
    ),
    *(
        Operation(
            f"fft.{name}",
            lambda xp, x, name=name, kw=kw: getattr(xp.fft, name)(xp.astype(x, xp.complex128), **kw),
            (uniform(-1, 1, (3, 4)),),
            str(kw),
        )
        for name in ("fft", "ifft", "irfft", "hfft")
        for kw in ({}, {"axis": 0})
    ),
    *(
        Operation(
            f"fft.{name}",
            lambda xp, x, name=name, kw=kw: getattr(xp.fft, name)(xp.astype(x, xp.complex128), **kw),
            (uniform(-1, 1, (2, 3, 4)),),
            str(kw),
        )
        for name in ("fftn", "ifftn", "irfftn")
        for kw in ({}, {"axes": (0, 2)})
    ),
    *(
        named("fft.rfftn", uniform(-1, 1, (2, 3, 4)), **kw)
        for kw in ({}, {"axes": (2, 0)}, {"s": (2, 2), "axes": (1, 2)})
    ),
    *(
        named(f"fft.{name}", uniform(-1, 1), **kw)
        for name in ("fftshift", "ifftshift")
        for kw in ({}, {"axes": 1})
    ),
]
# A batched mask has another number of true elements in each element of the batch.
EVERY = [*(o for o in OPERATIONS if o.id not in ("getitem-mask", "assigned-mask")), *OTHERS]


def test_every_function_has_a_family_and_a_row_here():
    tried = {operation.gate for operation in EVERY}
    left_out = set()
    for part in ("main", "linalg", "fft", "beyond", "internal"):
        for name, kind, _, family in rows(part):
            full = f"{part}.{name}" if part in ("linalg", "fft") else name
            if kind not in ("creation", "dtype", "value") and full not in tried:
                left_out.add(full)
            assert callable(family) or family in ("written", CONSTANT)
    assert left_out == {"nonzero", "unique_all", "unique_counts", "unique_inverse", "unique_values"}


@pytest.mark.parametrize(
    "name", ["nonzero", "unique_all", "unique_counts", "unique_inverse", "unique_values"]
)
def test_shapes_that_depend_on_values_are_an_error_that_says_what_to_write(name: str):
    f = getattr(cr.batched(np), name)
    with pytest.raises(TypeError, match=f"{name}: cannot be computed for a batch.* Write xp"):
        cr.vmap(f)(np.ones((3, 2)))


@pytest.mark.parametrize("part", ["main", "linalg", "fft"])
def test_the_namespace_has_all_that_the_plain_one_has(part: str):
    at = place("strict")
    space = cr.batched(at.xp)
    room, plain = (space, at.xp) if part == "main" else (getattr(space, part), getattr(at.xp, part))
    assert {name for name, _, _ in standard.functions(part) if hasattr(plain, name)} <= set(dir(room))


def leaves(tree: Any) -> list[Any]:
    return [y for _, y in pytree.leaves(tree, "")]


def in_a_loop(f: Any, at: Place, arrays: list[Any], mapped: tuple[int, ...]) -> list[np.ndarray]:
    """The results of f for one element of the batch after the other, stacked."""
    space = cr.differentiable(at.xp)
    each = [
        [
            at.numpy(y.value)
            for y in leaves(
                f(space, *(space.asarray(x[i, ...] if k in mapped else x) for k, x in enumerate(arrays)))
            )
        ]
        for i in range(N)
    ]
    return [np.stack(parts) for parts in zip(*each, strict=True)]


def batches(operation: Operation, mapped: tuple[int, ...]) -> list[np.ndarray]:
    drawn = [operation.arrays(seed) for seed in range(N)]
    return [
        np.stack([arrays[k] for arrays in drawn]) if k in mapped else drawn[0][k]
        for k in range(len(drawn[0]))
    ]


def subsets(operation: Operation) -> list[tuple[int, ...]]:
    count = len(operation.draws)
    return list(dict.fromkeys([*((k,) for k in range(count)), tuple(range(count))]))


CASES = [(o, mapped) for o in EVERY for mapped in subsets(o)]


@pytest.mark.parametrize("name", ["cpu", "strict:device1"])
@pytest.mark.parametrize(("operation", "mapped"), CASES, ids=[f"{o.id}-{m}" for o, m in CASES])
def test_a_batch_is_what_a_loop_over_it_gives(operation: Operation, mapped: tuple[int, ...], name: str):
    at = place(name)
    space = cr.batched(at.xp)
    values = batches(operation, mapped)
    expected = in_a_loop(operation.f, at, [at.device.asarray(x) for x in values], mapped)
    # The batch lies along the last axis of what is handed in.
    given = [at.device.asarray(np.moveaxis(x, 0, -1) if k in mapped else x) for k, x in enumerate(values)]
    axes = tuple(-1 if k in mapped else None for k in range(len(values)))
    got = leaves(cr.vmap(lambda *xs: operation.f(space, *map(space.asarray, xs)), axes)(*given))
    assert len(got) == len(expected)
    for y, wanted in zip(got, expected, strict=True):
        assert y.device == given[0].device
        y = at.numpy(y)
        assert (y.shape, y.dtype) == (wanted.shape, wanted.dtype)
        np.testing.assert_allclose(y, wanted, rtol=1e-12, atol=1e-12)
