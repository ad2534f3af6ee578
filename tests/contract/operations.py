"""One table of operations; every contract test runs down it. A gate without a row fails the tests."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Draw = Callable[[np.random.Generator], np.ndarray]


@dataclass(frozen=True)
class Operation:
    """f(xp, *arrays), how to draw arrays from its smooth domain, and what the tests may expect of it."""

    gate: str
    f: Callable[..., Any]
    draws: tuple[Draw, ...]
    label: str = ""
    elementwise: bool = False
    empty: tuple[tuple[int, ...], ...] = ()  # shapes with a length of 0 that the operation accepts

    @property
    def id(self) -> str:
        return f"{self.gate}{f'-{self.label}' if self.label else ''}"

    def arrays(self, seed: int = 0) -> list[np.ndarray]:
        random = np.random.default_rng(seed)
        return [draw(random) for draw in self.draws]


def uniform(low: float, high: float, shape: tuple[int, ...] = (2, 3)) -> Draw:
    return lambda random: random.uniform(low, high, shape)


def apart(shape: tuple[int, ...] = (2, 3), gap: float = 0.3) -> Draw:
    """Numbers no two of which are closer than a gap, none near 0: no ties, no kinks."""

    def draw(random: np.random.Generator) -> np.ndarray:
        n = int(np.prod(shape))
        signs = random.choice([-1.0, 1.0], n)
        return (random.permutation(n) * gap + gap + random.uniform(0, gap / 4, n)).reshape(
            shape
        ) * signs.reshape(shape)

    return draw


def definite(n: int = 3, batch: tuple[int, ...] = ()) -> Draw:
    """Symmetric positive definite matrices with eigenvalues apart."""

    def draw(random: np.random.Generator) -> np.ndarray:
        Q = np.linalg.qr(random.standard_normal((*batch, n, n)))[0]
        w = np.arange(1, n + 1) + random.uniform(0, 0.3, n)
        return Q * w @ np.swapaxes(Q, -1, -2)

    return draw


def general(*shape: int) -> Draw:
    """Matrices with singular values apart."""

    def draw(random: np.random.Generator) -> np.ndarray:
        U, s, Vh = np.linalg.svd(random.standard_normal(shape), full_matrices=False)
        s = np.broadcast_to(np.arange(1, s.shape[-1] + 1) + 0.3, s.shape)
        return U * s[..., None, :] @ Vh

    return draw


def _call(gate: str) -> Callable[..., Any]:
    def f(xp: Any, *arrays: Any) -> Any:
        room = xp
        for part in gate.split("."):
            room = getattr(room, part)
        return room(*arrays)

    return f


def unary(gate: str, low: float, high: float) -> Operation:
    return Operation(gate, _call(gate), (uniform(low, high),), elementwise=True, empty=((0, 2),))


def binary(gate: str, first: Draw, second: Draw, label: str = "") -> Operation:
    return Operation(gate, _call(gate), (first, second), label, elementwise=True, empty=((0, 1), (1, 3)))


def one(gate: str, label: str, f: Callable[..., Any], draw: Draw | None = None, **settings: Any) -> Operation:
    return Operation(gate, f, (draw or uniform(-2, 2),), label, **settings)


def beside(xp: Any, x: Any, integers: list[Any]) -> Any:
    """Integers on the device of x, as far as x tells it."""
    return xp.asarray(integers, device=getattr(x, "device", None))


def symmetric(f: Callable[..., Any]) -> Callable[..., Any]:
    """A function of matrices that reads one triangle, as a function of both."""
    return lambda xp, x: f(xp, (x + xp.matrix_transpose(x)) / 2)


def signless(xp: Any, V: Any) -> Any:
    """Vectors are found up to sign: what does not depend on it."""
    return V * V


def turned(xp: Any, x: Any) -> Any:
    """Complex numbers made of real ones, in the dtype that goes with theirs."""
    return xp.astype(x, xp.complex64 if x.dtype == xp.float32 else xp.complex128) * (1 + 2j) + (0.5 - 1j)


def parts(xp: Any, z: Any) -> Any:
    """The real and the imaginary part, for tests that square and add results."""
    return xp.stack([xp.real(z), xp.imag(z)])


_FFT: dict[str, dict[str, Any]] = {
    "fft": {"n": 4, "norm": "ortho"},
    "ifft": {"n": 2, "axis": 0},
    "fftn": {"norm": "forward"},
    "ifftn": {"s": (3, 4), "axes": (1, 0)},
    "fftshift": {},
    "ifftshift": {"axes": (1,)},
}

OPERATIONS = [
    Operation("abs", _call("abs"), (apart(),), elementwise=True, empty=((0, 2),)),
    unary("acos", -0.9, 0.9),
    unary("acosh", 1.2, 3.0),
    binary("add", uniform(-2, 2), uniform(-2, 2)),
    unary("asin", -0.9, 0.9),
    unary("asinh", -3, 3),
    unary("atan", -3, 3),
    binary("atan2", apart(), apart()),
    unary("atanh", -0.9, 0.9),
    one("clip", "both", lambda xp, x: xp.clip(x, -1.05, 0.95), apart(), elementwise=True),
    one("clip", "min", lambda xp, x: xp.clip(x, min=0.05), apart(), elementwise=True),
    one("clip", "max", lambda xp, x: xp.clip(x, max=0.05), apart(), elementwise=True),
    Operation(
        "clip",
        lambda xp, x, low, high: xp.clip(x, low, high),
        (uniform(-2, 2, (3, 4)), uniform(-0.8, -0.6, (4,)), uniform(0.5, 0.7, (3, 1))),
        "arrays",
    ),
    unary("conj", -2, 2),
    binary("copysign", apart(), apart()),
    one("copysign", "by-scalar", lambda xp, x: xp.copysign(x, -1.0), apart(), elementwise=True),
    unary("cos", -3, 3),
    unary("cosh", -2, 2),
    binary("divide", uniform(-2, 2), apart()),
    one("divide", "of-scalar", lambda xp, x: 2 / x, apart(), elementwise=True),
    one("divide", "by-scalar", lambda xp, x: x / 3, elementwise=True),
    unary("exp", -2, 2),
    unary("expm1", -2, 2),
    binary("hypot", apart(), apart()),
    one("imag", "", lambda xp, x: xp.imag(turned(xp, x)), elementwise=True),
    unary("log", 0.3, 3),
    unary("log10", 0.3, 3),
    unary("log1p", -0.6, 3),
    unary("log2", 0.3, 3),
    binary("logaddexp", uniform(-2, 2), uniform(-2, 2)),
    one("logaddexp", "of-scalar", lambda xp, x: xp.logaddexp(0.5, x), elementwise=True),
    one("logaddexp", "by-scalar", lambda xp, x: xp.logaddexp(x, 0.5), elementwise=True),
    Operation(
        "logaddexp2",
        lambda xp, x, y: xp._logaddexp2(x, y),
        (uniform(-2, 2), uniform(-2, 2)),
        elementwise=True,
        empty=((0, 1), (1, 3)),
    ),
    binary("maximum", uniform(-2, -0.1), uniform(0.1, 2)),
    binary("maximum", uniform(0.1, 2), uniform(-2, -0.1), "first"),
    binary("minimum", uniform(-2, -0.1), uniform(0.1, 2)),
    binary("minimum", uniform(0.1, 2), uniform(-2, -0.1), "second"),
    binary("multiply", uniform(-2, 2), uniform(-2, 2)),
    unary("negative", -2, 2),
    unary("positive", -2, 2),
    binary("pow", uniform(0.3, 2), uniform(-2, 2)),
    one("pow", "square", lambda xp, x: x**2, elementwise=True),
    one("pow", "negative", lambda xp, x: x**-3, apart(), elementwise=True),
    one("pow", "zero", lambda xp, x: x**0, elementwise=True),
    one("pow", "half", lambda xp, x: x**0.5, uniform(0.3, 2), elementwise=True),
    one("pow", "of-scalar", lambda xp, x: 2.0**x, elementwise=True),
    unary("real", -2, 2),
    Operation("reciprocal", _call("reciprocal"), (apart(),), elementwise=True, empty=((0, 2),)),
    binary("remainder", uniform(2.1, 2.9), uniform(0.96, 1.02)),
    unary("sin", -3, 3),
    unary("sinh", -2, 2),
    unary("sqrt", 0.3, 3),
    unary("square", -2, 2),
    binary("subtract", uniform(-2, 2), uniform(-2, 2)),
    unary("tan", -1.2, 1.2),
    unary("tanh", -2, 2),
    Operation("where", lambda xp, a, b: xp.where(a > b, a * 1, b * 1), (uniform(-2, 2), uniform(-2, 2))),
    # slopes that are gates themselves
    one("cbrt", "", lambda xp, x: xp._cbrt(x), apart(), elementwise=True),
    one("complement", "", lambda xp, x: xp._complement(x), elementwise=True),
    one("direction", "complex", lambda xp, x: parts(xp, xp.sign(turned(xp, x)))),
    one("direction", "", lambda xp, x: xp._direction(x), apart(), elementwise=True),
    Operation("over", lambda xp, x, d: xp._over(x, d), (uniform(-2, 2), apart()), elementwise=True),
    Operation("share", lambda xp, x, y: xp._share(x, y), (uniform(-2, 2), uniform(-2, 2)), elementwise=True),
    one("share", "of-scalar", lambda xp, x: xp._share(0.5, x, base=2), elementwise=True),
    *(
        Operation(
            "power_log",
            lambda xp, a, b, n=n: xp._power_log(a, b, n=n),
            (uniform(0.3, 2), uniform(-2, 2)),
            f"{n}",
        )
        for n in (1, 2)
    ),
    one("sech_squared", "", lambda xp, x: xp._sech_squared(x), elementwise=True),
    one("unit", "all", lambda xp, x: xp._unit(x), empty=((0, 2),)),
    one("unit", "axis", lambda xp, x: xp._unit(x, axis=1), apart()),
    # statistical
    one("sum", "all", lambda xp, x: xp.sum(x), empty=((0, 2),)),
    one("sum", "axis", lambda xp, x: xp.sum(x, axis=-1), empty=((0, 2),)),
    one("sum", "axes", lambda xp, x: xp.sum(x, axis=(0, 2), keepdims=True), uniform(-2, 2, (2, 3, 2))),
    one("mean", "all", lambda xp, x: xp.mean(x)),
    one("mean", "axis", lambda xp, x: xp.mean(x, axis=0, keepdims=True), empty=((2, 0),)),
    one("var", "all", lambda xp, x: xp.var(x)),
    one("var", "axis", lambda xp, x: xp.var(x, axis=-1, correction=1.0), empty=((0, 2),)),
    one("std", "all", lambda xp, x: xp.std(x), apart()),
    one("std", "axis", lambda xp, x: xp.std(x, axis=0, correction=0.5, keepdims=True), apart((3, 2))),
    one("max", "all", lambda xp, x: xp.max(x), apart()),
    one("max", "axis", lambda xp, x: xp.max(x, axis=1, keepdims=True), apart(), empty=((0, 2),)),
    one("min", "all", lambda xp, x: xp.min(x), apart()),
    one("min", "axes", lambda xp, x: xp.min(x, axis=(0, 2)), apart((2, 3, 2))),
    one("prod", "all", lambda xp, x: xp.prod(x)),
    one("prod", "axis", lambda xp, x: xp.prod(x, axis=0, keepdims=True), empty=((0, 2),)),
    one("prod", "zeros", lambda xp, x: xp.prod(xp.where(x > 0, x, 0), axis=(1, 0)), apart((2, 2, 2))),
    one("cumulative_sum", "axis", lambda xp, x: xp.cumulative_sum(x, axis=-1), empty=((0, 2), (2, 0))),
    one("cumulative_sum", "initial", lambda xp, x: xp.cumulative_sum(x, axis=0, include_initial=True)),
    one("cumulative_sum", "vector", lambda xp, x: xp.cumulative_sum(x), uniform(-2, 2, (5,))),
    one("cumulative_prod", "axis", lambda xp, x: xp.cumulative_prod(x, axis=-1), empty=((0, 2), (2, 0))),
    one("cumulative_prod", "initial", lambda xp, x: xp.cumulative_prod(x, axis=0, include_initial=True)),
    one("cumulative_prod", "zeros", lambda xp, x: xp.cumulative_prod(xp.where(x > 0, x, 0)), apart((5,))),
    # manipulation
    one("astype", "float64", lambda xp, x: xp.astype(x, xp.float64), empty=((0,),)),
    one("broadcast_to", "", lambda xp, x: xp.broadcast_to(x, (4, 2, 3)), uniform(-2, 2, (2, 1))),
    Operation(
        "concat", lambda xp, a, b: xp.concat([a, b], axis=1), (uniform(-2, 2), uniform(-2, 2, (2, 1))), "axis"
    ),
    Operation(
        "concat",
        lambda xp, a, b: xp.concat([a, b], axis=None),
        (uniform(-2, 2), uniform(-2, 2, (2,))),
        "flat",
    ),
    one("expand_dims", "", lambda xp, x: xp.expand_dims(x, axis=1), empty=((0, 2),)),
    one("flip", "", lambda xp, x: xp.flip(x, axis=1), empty=((0, 2),)),
    one("flip", "all", lambda xp, x: xp.flip(x)),
    one("matrix_transpose", "", lambda xp, x: xp.matrix_transpose(x), empty=((0, 2),)),
    one("moveaxis", "", lambda xp, x: xp.moveaxis(x, (0, 1), (-1, 0)), uniform(-2, 2, (2, 3, 2))),
    one("permute_dims", "", lambda xp, x: xp.permute_dims(x, (1, 2, 0)), uniform(-2, 2, (2, 3, 2))),
    one("repeat", "flat", lambda xp, x: xp.repeat(x, 2)),
    one("repeat", "axis", lambda xp, x: xp.repeat(x, 3, axis=0)),
    one("repeat", "counts", lambda xp, x: xp.repeat(x, beside(xp, x, [2, 0, 1]), axis=1)),
    one("reshape", "", lambda xp, x: xp.reshape(x, (3, -1))),
    one("roll", "", lambda xp, x: xp.roll(x, 2, axis=1), empty=((0, 2),)),
    one("roll", "axes", lambda xp, x: xp.roll(x, (1, -1), axis=(0, 1))),
    one("roll", "flat", lambda xp, x: xp.roll(x, 2)),
    one("squeeze", "", lambda xp, x: xp.squeeze(x, 1), uniform(-2, 2, (2, 1, 2))),
    Operation("stack", lambda xp, a, b: xp.stack([a, b], axis=-1), (uniform(-2, 2), uniform(-2, 2))),
    one("tile", "more", lambda xp, x: xp.tile(x, (2, 1, 2))),
    one("tile", "fewer", lambda xp, x: xp.tile(x, (2,))),
    one("tril", "", lambda xp, x: xp.tril(x, k=-1), uniform(-2, 2, (3, 3))),
    one("triu", "", lambda xp, x: xp.triu(x, k=1), uniform(-2, 2, (3, 3))),
    one("to_device", "", lambda xp, x: x.to_device(x.device)),
    # indexing and sorting
    one("getitem", "slices", lambda xp, x: x[::-1, 1:]),
    one("getitem", "integer", lambda xp, x: x[1, ...]),
    one("getitem", "new-axis", lambda xp, x: x[None, :, 0]),
    one("getitem", "mask", lambda xp, x: x[x > 0], apart()),
    one(
        "getitem",
        "arrays",
        lambda xp, x: x[beside(xp, x, [0, 1, 0, -1]), beside(xp, x, [2, 0, 2, 1])],
    ),
    Operation(
        "convolve_vectors",
        lambda xp, a, v: xp._convolve_vectors(a, v),
        (uniform(-2, 2, (4,)), uniform(-2, 2, (3,))),
    ),
    Operation(
        "assigned",
        lambda xp, x, v: x.at[:, 1].set(v),
        (uniform(-2, 2), uniform(-2, 2, (2,))),
        "basic",
    ),
    Operation(
        "assigned",
        lambda xp, x, v: x.at[beside(xp, x, [0, -1, 1, 1]), beside(xp, x, [2, 0, 0, 1])].set(v),
        (uniform(-2, 2, (2, 3)), uniform(-2, 2, (4,))),
        "repeated",
    ),
    Operation(
        "assigned",
        lambda xp, x, v: x.at[beside(xp, x, [[True, False, True], [False, False, True]])].set(v),
        (uniform(-2, 2), uniform(-2, 2, ())),
        "mask",
    ),
    Operation(
        "scatter",
        lambda xp, g: xp._scatter(g, keys=((slice(None), 1),), shape=(2, 3)),
        (uniform(-2, 2, (2,)),),
        "basic",
    ),
    Operation(
        "scatter",
        lambda xp, g: xp._scatter(g, keys=((beside(xp, g, [0, 0, 2]).value,),), shape=(4,)),
        (uniform(-2, 2, (3,)),),
        "repeated",
    ),
    Operation(
        "put",
        lambda xp, g: xp._put(g, positions=beside(xp, g, [0, 0, 2]).value, size=4),
        (uniform(-2, 2, (3,)),),
    ),
    one("take", "axis", lambda xp, x: xp.take(x, beside(xp, x, [2, -1, 0, 2]), axis=1)),
    one("take", "vector", lambda xp, x: xp.take(x, beside(xp, x, [1, 1])), uniform(-2, 2, (3,))),
    one(
        "take_along_axis",
        "",
        lambda xp, x: xp.take_along_axis(x, beside(xp, x, [[0, 0], [-1, 1]]), axis=1),
    ),
    one(
        "take_along_axis",
        "broadcast",
        lambda xp, x: xp.take_along_axis(x, beside(xp, x, [[1, 0, 1]]), axis=0),
    ),
    one("sort", "", lambda xp, x: xp.sort(x), apart(), empty=((2, 0),)),
    one("sort", "descending", lambda xp, x: xp.sort(x, axis=0, descending=True), apart((4, 2))),
    # linear algebra
    Operation("matmul", _call("matmul"), (uniform(-2, 2, (2, 3)), uniform(-2, 2, (3, 2)))),
    Operation("matmul", _call("matmul"), (uniform(-2, 2, (3,)), uniform(-2, 2, (3,))), "vectors"),
    Operation("matmul", _call("matmul"), (uniform(-2, 2, (3,)), uniform(-2, 2, (2, 3, 2))), "row"),
    Operation("matmul", _call("matmul"), (uniform(-2, 2, (2, 2, 3)), uniform(-2, 2, (3,))), "column"),
    Operation("matmul", _call("matmul"), (uniform(-2, 2, (2, 1, 2, 3)), uniform(-2, 2, (2, 3, 1))), "stacks"),
    one("linalg.cholesky", "", symmetric(lambda xp, x: xp.linalg.cholesky(x)), definite()),
    one(
        "linalg.cholesky",
        "upper",
        symmetric(lambda xp, x: xp.linalg.cholesky(x, upper=True)),
        definite(2, (2,)),
    ),
    one("linalg.det", "", lambda xp, x: xp.linalg.det(x), general(2, 3, 3)),
    one("linalg.inv", "", lambda xp, x: xp.linalg.inv(x), general(2, 2, 2)),
    one("linalg.pinv", "tall", lambda xp, x: xp.linalg.pinv(x), general(3, 2)),
    one("linalg.pinv", "wide", lambda xp, x: xp.linalg.pinv(x), general(2, 3)),
    one("linalg.pinv", "truncated", lambda xp, x: xp.linalg.pinv(x, rtol=0.5), general(2, 3, 4)),
    Operation("linalg.solve", _call("linalg.solve"), (general(2, 2), uniform(-2, 2, (2, 2, 1)))),
    Operation("linalg.solve", _call("linalg.solve"), (general(2, 2, 2), uniform(-2, 2, (2,))), "vector"),
    one("linalg.vector_norm", "2", lambda xp, x: xp.linalg.vector_norm(x, axis=1)),
    one("linalg.vector_norm", "1", lambda xp, x: xp.linalg.vector_norm(x, axis=0, ord=1), apart()),
    one("linalg.vector_norm", "inf", lambda xp, x: xp.linalg.vector_norm(x, ord=float("inf")), apart()),
    one("linalg.vector_norm", "3", lambda xp, x: xp.linalg.vector_norm(x, ord=3, keepdims=True), apart()),
    one("linalg.vector_norm", "0", lambda xp, x: xp.linalg.vector_norm(x, ord=0), apart()),
    one("linalg.slogdet", "", lambda xp, x: xp.linalg.slogdet(x)[1], general(2, 2, 2)),
    one("linalg.eigh", "values", symmetric(lambda xp, x: xp.linalg.eigh(x)[0]), definite()),
    one("linalg.eigh", "vectors", symmetric(lambda xp, x: signless(xp, xp.linalg.eigh(x)[1])), definite()),
    one("linalg.eigvalsh", "", symmetric(lambda xp, x: xp.linalg.eigvalsh(x)), definite(2, (2,))),
    one("linalg.qr", "tall", lambda xp, x: tuple(xp.linalg.qr(x)), general(3, 2)),
    one("linalg.qr", "wide", lambda xp, x: tuple(xp.linalg.qr(x)), general(2, 3)),
    one("linalg.svd", "values", lambda xp, x: xp.linalg.svd(x, full_matrices=False)[1], general(3, 2)),
    *(
        one(
            "linalg.svd",
            f"{name}-{i}",
            lambda xp, x, i=i: signless(xp, xp.linalg.svd(x, full_matrices=False)[i]),
            d,
        )
        for name, d in (("tall", general(3, 2)), ("wide", general(2, 3)))
        for i in (0, 2)
    ),
    one("linalg.svdvals", "", lambda xp, x: xp.linalg.svdvals(x), general(2, 2, 3)),
    one("linalg.eig", "values", lambda xp, x: parts(xp, xp.linalg.eig(turned(xp, x))[0]), general(2, 2)),
    one("linalg.eig", "vectors", lambda xp, x: xp.abs(xp.linalg.eig(turned(xp, x))[1]), general(2, 2)),
    one("linalg.eigvals", "", lambda xp, x: parts(xp, xp.linalg.eigvals(turned(xp, x))), general(2, 2)),
    # Fourier transforms
    *(
        one(f"fft.{name}", "", lambda xp, x, f=name: parts(xp, getattr(xp.fft, f)(turned(xp, x), **_FFT[f])))
        for name in ("fft", "ifft", "fftn", "ifftn", "fftshift", "ifftshift")
    ),
    *(
        one(f"fft.{name}", label, lambda xp, x, f=name, n=n: getattr(xp.fft, f)(turned(xp, x), **n))
        for name, label, n in (
            ("irfft", "", {}),
            ("irfft", "longer", {"n": 5, "norm": "forward"}),
            ("irfftn", "", {"s": (3, 3), "axes": (1, 0)}),
            ("hfft", "", {"n": 3, "axis": 0}),
        )
    ),
    *(
        one(f"fft.{name}", label, lambda xp, x, f=name, n=n: parts(xp, getattr(xp.fft, f)(x, **n)))
        for name, label, n in (
            ("rfft", "", {}),
            ("rfft", "shorter", {"n": 2, "norm": "ortho"}),
            ("rfftn", "", {"s": (3, 4), "axes": (0, 1)}),
            ("ihfft", "", {}),
        )
    ),
    # activations and costs
    unary("sigmoid", -3, 3),
    unary("log_sigmoid", -3, 3),
    unary("softplus", -3, 3),
    Operation("relu", _call("relu"), (apart(),), elementwise=True),
    Operation("leaky_relu", _call("leaky_relu"), (apart(),), elementwise=True),
    Operation("elu", _call("elu"), (apart(),), elementwise=True),
    one("logsumexp", "all", lambda xp, x: xp.logsumexp(x)),
    one("logsumexp", "axis", lambda xp, x: xp.logsumexp(x, axis=1, keepdims=True), empty=((0, 2),)),
    one("softmax", "", lambda xp, x: xp.softmax(x), empty=((0, 2),)),
    one("log_softmax", "", lambda xp, x: xp.log_softmax(x, axis=0), empty=((2, 0),)),
    binary("sigmoid_cross_entropy", uniform(-3, 3), uniform(0, 1)),
    Operation("softmax_cross_entropy", _call("softmax_cross_entropy"), (uniform(-3, 3), uniform(0, 1))),
    # Margins of 1 - t z and of 1 + z - z_right that stay away from their kink at 0.
    binary("hinge", apart(), uniform(-0.2, 0.2)),
    binary("hinge", apart(), uniform(4, 5), "some-met"),
    Operation("multiclass_hinge", _call("multiclass_hinge"), (apart(), uniform(0, 0.3))),
    # written in the others
    Operation(
        "broadcast_arrays",
        lambda xp, a, b: xp.broadcast_arrays(a, b),
        (uniform(-2, 2, (2, 1)), uniform(-2, 2, (3,))),
    ),
    one("diff", "", lambda xp, x: xp.diff(x, axis=0, n=2), uniform(-2, 2, (4, 2))),
    Operation(
        "diff",
        lambda xp, x, p: xp.diff(x, prepend=p, append=p),
        (uniform(-2, 2), uniform(-2, 2, (2, 1))),
        "ends",
    ),
    Operation(
        "meshgrid", lambda xp, a, b: tuple(xp.meshgrid(a, b)), (uniform(-2, 2, (2,)), uniform(-2, 2, (3,)))
    ),
    Operation("tensordot", _call("tensordot"), (uniform(-2, 2, (2, 2, 3)), uniform(-2, 2, (2, 3, 2)))),
    Operation(
        "linalg.tensordot",
        lambda xp, a, b: xp.linalg.tensordot(a, b, axes=((0, 1), (2, 0))),
        (uniform(-2, 2, (2, 3, 2)), uniform(-2, 2, (3, 2, 2))),
    ),
    Operation("linspace", lambda xp, a, b: xp.linspace(a, b, 4), (uniform(-2, 2), uniform(-2, 2, (3,)))),
    one("linspace", "open", lambda xp, x: xp.linspace(x, 3.0, 3, endpoint=False)),
    one("unstack", "", lambda xp, x: tuple(xp.unstack(x, axis=1))),
    Operation("vecdot", _call("vecdot"), (uniform(-2, 2, (2, 3)), uniform(-2, 2, (3,)))),
    Operation(
        "linalg.vecdot",
        lambda xp, a, b: xp.linalg.vecdot(a, b, axis=-2),
        (uniform(-2, 2, (2, 3)), uniform(-2, 2, (2, 3))),
    ),
    Operation("linalg.cross", _call("linalg.cross"), (uniform(-2, 2, (2, 3)), uniform(-2, 2, (2, 3)))),
    one("linalg.diagonal", "", lambda xp, x: xp.linalg.diagonal(x, offset=1), uniform(-2, 2, (2, 3, 3))),
    one("linalg.diagonal", "below", lambda xp, x: xp.linalg.diagonal(x, offset=-1), uniform(-2, 2, (3, 2))),
    *(
        one(
            "linalg.matrix_norm",
            str(ord),
            lambda xp, x, ord=ord: xp.linalg.matrix_norm(x, ord=ord),
            general(3, 2),
        )
        for ord in ("fro", "nuc", 1, 2, -2, float("inf"))
    ),
    one("linalg.matrix_power", "3", lambda xp, x: xp.linalg.matrix_power(x, 3), general(2, 2)),
    one("linalg.matrix_power", "-2", lambda xp, x: xp.linalg.matrix_power(x, -2), general(2, 2)),
    one("linalg.matrix_power", "0", lambda xp, x: xp.linalg.matrix_power(x, 0), general(2, 2)),
    Operation("linalg.outer", _call("linalg.outer"), (uniform(-2, 2, (2,)), uniform(-2, 2, (3,)))),
    one("linalg.trace", "", lambda xp, x: xp.linalg.trace(x, offset=-1), uniform(-2, 2, (2, 3, 3))),
    Operation("linalg.matmul", _call("linalg.matmul"), (uniform(-2, 2, (2, 3)), uniform(-2, 2, (3, 2)))),
    one("linalg.matrix_transpose", "", lambda xp, x: xp.linalg.matrix_transpose(x)),
    one("maxout", "", lambda xp, z: xp.maxout(z, pieces=2), apart((2, 4))),
    one("norm", "", lambda xp, x: xp.norm(x, axis=1)),
    Operation("safe_divide", _call("safe_divide"), (uniform(-2, 2), apart())),
]
