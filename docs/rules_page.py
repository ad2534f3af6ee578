"""Write docs/rules.md from the gates: `python docs/rules_page.py`."""

import inspect
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule.gates import RULES, standard
from chainrule.numpy_names.names import FUNCTIONS, UFUNCS

PAGE = Path(__file__).resolve().parent / "rules.md"
HEAD = """# The rules

What `differentiable(xp)` does with each function of the array API standard 2025.12, and what it has
beyond it. This page is written from the gates' own texts by `python docs/rules_page.py`.

- **gate**: the function has a local gradient of its own, in `src/chainrule/gates/`.
- **composed**: it is written in the others, and its gradient follows from the chain rule.
- **constant**: its results are integers, booleans or constant between jumps; no gradient flows.
- **no rule**: constants pass through; for a traced array it is an error that says so.

Where all arrays are constants, as `x > 0` and `stop_gradient(x)` are, each function of NumPy's is NumPy's own, with a
rule or without: `np.median(stop_gradient(x))`, `np.flatnonzero(x > 0)`; `out=` and `np.copyto` then write into the
constant. Of a traced array `round(x)`, `x.argsort()` and other such methods give constants, and `f"{x:.3f}"` shows a
number; `x.item()`, `x.tolist()` and `pickle` raise, as `float(x)` does. `copy.deepcopy(x)` is traced like `x`.

`import chainrule.numpy as np` has all of NumPy's names. On plain arguments they are NumPy's own; on traced, batched and
recorded arrays they are those of this page, and a list of such arrays is an array: `np.array([[x, 1], [2, y]])`,
`np.full(3, x)`, `np.mean([x, y])`, `np.r_[x, 0.0]`. Arrays of CuPy, JAX and Dask go to their own library's functions,
those of PyTorch to the ones of this page. NumPy itself does not ask what is in a list: with `import numpy as np` a list
of traced arrays is an error, which names this import. `xp.asarray([x, y])` is an array in every `differentiable(xp)`
and `batched(xp)`.

In your own code `isinstance(x, np.ndarray)`, `isinstance(x, float)` and `np.isscalar(x)` are what they are for the
plain value, in every transform. The code of libraries is told of numbers alone: `isinstance(x, np.ndarray)` is False
there, since they may reach for the memory. An operator leaves an operand whose class has operators of its own, such
as an `xarray.DataArray`, to that class. `x.T` reverses all axes, as NumPy has it; on array-api-strict it is the
standard's, of matrices alone. NumPy's C code does not ask the array in `A.dot(x)` of a plain `A`: write `A @ x`.

Items may be set on arrays that the function itself made: `x[key] = v`, `x[key] += v`, `x += v` and `np.add.at(x, key,
v)`. The name `x` then stands for a new array, and gradients follow what was written; pullbacks keep the old one.
Other names of `x` and its views (`x[1:]`, `x.T`, `x.reshape(-1)`) see the write, and a write to a view is one to `x`,
as in NumPy. Of several values for one element the last counts. `chainrule.numpy.zeros`, `ones`, `empty`, `full`,
`eye` and their kin, called inside a function whose gradient is taken, and those of `differentiable(xp)` take traced
items; an array of `numpy.zeros` cannot, and says so. Items of an argument, and of arrays in the caller's memory, are
not set: that is an error. `w += v` on an argument holds inside the function, and leaves the caller's array as it is.
Numbers, as `np.sum(x)` gives them, do not change: after `t = s; s += 1` the name `t` has the old one.
`cr.at(x)[key].set(v)` and `.add(v)`, on traced arrays `x.at[key]` too, give a new array of any library; those of JAX
have this way alone.

`batched(xp)` has the same functions for every element of a batch at once: [Batches](vmap.md).

Ties: `max`, `min`, `maximum`, `minimum` and `sort` share evenly; the slope of `abs` and `relu` at 0 is 0,
that of a norm, of `std`, of `hypot` and of `atan2` at their origin too; `clip` passes the gradient at its
ends.
A selection (`where`, `maximum`, `minimum`, `clip`, `relu`, `max`, `min`, `x[key]`, `take`, `tril` and others) masks
what it did not pick: the gradient there is 0, whatever the slopes before it, infinite or NaN, through every gate that
is elementwise or moves elements. A product of matrices, a decomposition and a rule of your own end a mask: mask their
operand, `where(x > 0, x, 1)`. An element that is not masked follows the formula: the gradient of `sqrt(x)**2` at 0 is
NaN, 0 times an infinite slope.
The second derivative of `abs`, `copysign`, `hypot`, `atan2`, `std` and of norms does not exist there and is NaN; so are
those of their squares, which exist: write `sum(x * x)` for the square of a norm, `var` for that of `std`.

Where eigenvalues of `linalg.eigh` or singular values of `linalg.svd` are equal, or apart by no more than rounding
(4 sqrt(n) units in the last place of the largest), their vectors have no gradient: it is NaN, also for a function
of the vectors that does have one. Eigenvalues and singular values alone are right there at first order; their second
derivatives are NaN. A singular value of 0 is a kink, with slope 0. For `linalg.qr` of columns that depend on each other
the gradient is NaN. Write a function of a symmetric matrix as a rule of its own, whose divided differences know the
limit; here for the logarithm:

```python
@cr.gate
def logm(xp, A):
    w, V = xp.linalg.eigh(A)
    f = xp.log(w)
    gaps = w[:, None] - w
    near = xp.abs(gaps) <= 1e-8 * xp.max(xp.abs(w))
    slopes = 2 / (w[:, None] + w)  # f' where two values are one
    F = xp.where(near, slopes, (f[:, None] - f) / xp.where(near, 1.0, gaps))
    return (V * f) @ V.T, (lambda g: V @ (V.T @ ((g + g.T) / 2) @ V * F) @ V.T,)
```

The nearest rotation `U @ Vh`, the square root and the inverse have such rules too; the inverse is `linalg.inv`.

Sums of many numbers in float16 and float32, where a broadcast or a copy is undone, elements are counted or shares are
formed, are made in blocks along every axis, and those of float16 in float32: their error does not grow with the number
of rows. The gradients of one float16 array that is used more than 2048 times are added in float16.
The slope of `tanh` is 1 - y^2, exact to one unit in the last place of 1 (2.2e-16 in float64) and not to one of its own:
it is 0 from |x| = 19.1 on (10 in float32), where 4 exp(-2|x|) is right. Where that tail matters write
`2 * sigmoid(2 * x) - 1`, whose slope has all its digits; its value is exact to a unit of 1.

`prod`, `cumulative_prod` and `linalg.det` are right at zeros and at singular matrices, and `prod` and
`cumulative_prod` also where products of some elements leave the range of the dtype. `linalg.slogdet` of a singular
matrix has no slope: NaN. The gradient of `max` and `min` of numbers among which there is a NaN is NaN, and so are those
of `maximum`, `minimum` and `clip` for all their operands where one is NaN, and those of the activations and the hinge
losses. `fmax` and `fmin` pass over one NaN; `nan_to_num` has slope 0 where it replaces; `sort` moves a NaN, and its
gradient, as any number.

NumPy's functions have its values, dtypes and shapes. What answers with places, counts or truth is constant: `argwhere`,
`digitize`, `np.histogram` without weights. `median`, `percentile` and `quantile`, by all 13 methods, share among equal
elements as `sort` does and have a slope in q where they interpolate; `unique` shares too. A mask `where=` gives 0 to
what it leaves out, and the functions that begin with `nan` give 0 to NaN. At its points `interp` has the slope on their
right, at the last one that on its left, and 0 beyond; it has slopes in all three arguments. `heaviside` has slope 0 in
its first argument. `linalg.lstsq` and `polyfit` are right where the rank does not change. A list of traced numbers is
an array wherever the function itself is reached. Methods of universal functions, `np.add.reduce(x)`, `accumulate`,
`reduceat` and `outer`, are followed for every function of two numbers that is. Under `vmap` and `compile` a result
whose shape depends on values, as that of `unique`, is an error. What changes an array in place, `np.put(x, i, v)` and
its kin, is item assignment.

On a GPU an error would cost a wait for the device at each call. With CuPy `linalg.inv` and `linalg.solve` of a
singular matrix give infinities and NaN and `linalg.cholesky` of a matrix that is not positive definite gives NaN, where
NumPy raises; an index out of range counts on from the other end, so check indices on the host.

The gradient in a complex z is dL/dRe(z) + i dL/dIm(z), the direction of steepest ascent: [Complex numbers](complex.md).
A gate that is holomorphic has one rule for real and for complex numbers. `jacobian` gives dy/dz for it, and an error
where y depends on the conjugate of z as well. A complex result has no gradient, and `grad` says so. Activations, costs,
`logsumexp` and most special functions have rules for real numbers alone, and complex ones are a TypeError; `sigmoid`
takes both, as `erf` and `erfc` do on NumPy. `sign` is constant for real numbers and has a slope for complex ones.
Vectors of complex matrices, in `linalg.eigh`, `linalg.svd` and `linalg.eig`, are found up to a phase: the gradient of
what depends on it is NaN. Eigenvalues of matrices without as many vectors have no slope: NaN.

The transforms of `fft`, of all lengths, norms and axes, have gradients of every order: each is the adjoint of another.

`check_gradients` and `chainrule check` hold gradients against central differences, by steps relative to each number.
A slope may differ from the numeric one by 1e-5 of the larger, and by the error of the numeric one, which is measured:
what shrinking steps change, and the rounding of the function. A slope far below the largest of its array is judged
against that. Where rounding hides every slope of an array the answer is `CannotTellError`, an AssertionError, never a
pass. A gradient of 0 passes where the function is constant to its last digit, until steps leave that part.
`check_gradients` raises at a kink, or nearer to it than 4e-6 of the typical size, and names both slopes, unless the
gradient is their mean; `chainrule check` takes any slope between these two.
"""


SPECIAL = """In `chainrule.special`, with SciPy's arguments. The values are those of `scipy.special` for NumPy's arrays,
of `cupyx.scipy.special` for CuPy's, and of what PyTorch and JAX have by these names for theirs; a function that the
library of the arrays lacks is an error that says so. SciPy comes with the extra `app`.

`scipy.special.erf(x)` on a traced array is `chainrule.special.erf(x)`: NumPy's universal functions ask their arguments.
SciPy's `logsumexp`, `softmax`, `log_softmax`, `polygamma` and `zeta` do not; write those of `chainrule.special`.
Linear algebra, distributions, differential equations, roots and sparse matrices: [SciPy's neighbours](scipy.md).

An argument whose derivative is not known here, such as the order of a Bessel function, is an error by name where a
gradient is asked for. Outside the domain, at poles and where the value is NaN the gradient is not finite. Slopes
have all digits but the last one or two, also in tails where the value has none; slopes of Bessel and Struve functions
have the digits of the library's values, and those of `i0e`, `i1e` and `ive` lose up to two for x near 30 or below the
square of the order, where they are small differences, and their second derivatives up to four.
"""


def page() -> str:
    """Return the text of the page."""
    of_the_standard = [row for part in ("main", "linalg", "fft") for row in rows(part)]
    of_the_array = [("x[key]", "gate", RULES["internal"]["getitem"])]
    of_the_array += [("x.to_device", "gate", RULES["internal"]["to_device"])]
    return (
        f"{HEAD}\n## The standard\n\n{table_of([*of_the_standard, *of_the_array])}\n"
        "\n## Beyond it\n\nIn `chainrule.functions`, for plain and traced arrays, and in every "
        f"`differentiable(xp)`.\n\n{table_of(rows('beyond'))}\n"
        "\n## NumPy's own\n\nNumPy's functions outside the standard that may be called on a traced array, whatever "
        "library it is of;\nthey are composed of those above.\n\n"
        f"{textwrap.fill(', '.join(numpys_own()), 110)}.\n"
        f"\n## SciPy's special functions\n\n{SPECIAL}\n{special_table()}\n"
    )


def rows(part: str) -> list[tuple[str, str, Callable | None]]:
    """Return name, kind and function of all that takes arrays in a part of the namespace."""
    prefix = "" if part in ("main", "beyond") else f"{part}."
    shown = ("gate", "composed", "constant", "no rule")
    return [(prefix + name, kind, f) for name, kind, f in standard.functions(part) if kind in shown]


def numpys_own() -> list[str]:
    """Return NumPy's names that are outside the standard, each as code."""
    asked = {
        name for name, f in FUNCTIONS.items() if f.__module__ != "chainrule.numpy_names.functions.creation"
    }
    return [f"`{name}`" for name in sorted({*asked, *UFUNCS} - vars(cr.differentiable(np)).keys())]


def special_table() -> str:
    """Return the table of `chainrule.special`."""
    functions = {name: getattr(cr.special, name) for name in dir(cr.special)}
    lines = [
        f"| `{name}({', '.join(inspect.signature(f).parameters)})` | {rule(f)} |"
        for name, f in sorted(functions.items())
    ]
    return "\n".join(["| function | rule |", "|---|---|", *lines])


def table_of(rows: list[tuple[str, str, Callable | None]]) -> str:
    """Return rows as a table, with the first paragraph of a function's text as its rule."""
    lines = [f"| `{name}` | {kind} | {rule(f) if f else ''} |" for name, kind, f in sorted(rows, key=_name)]
    return "\n".join(["| function | kind | rule |", "|---|---|---|", *lines])


def rule(function: Callable) -> str:
    """Return the first paragraph of a function's text, for a cell of a table."""
    return " ".join(function.__doc__.split("\n\n")[0].split()).replace("|", "\\|")


def _name(row: tuple[str, str, Callable | None]) -> str:
    return row[0]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
