"""L-BFGS: SciPy's minimizer with our costs and gradients. Data and gradients stay on their device; parameters cross."""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule import pytree
from chainrule.backend import threads
from chainrule.backend.gpus import on_their_gpu
from chainrule.backend.memory import keep_freed_memory
from chainrule.backend.namespaces import namespace, to_numpy
from chainrule.gates.types import Array
from chainrule.optim.descent import CostAndGradients, Descent
from chainrule.optim.monitor import DivergenceError, Report
from chainrule.optim.optimizers import Params, refuse_complex
from chainrule.validation import check_scalar_cost


class Variables(NamedTuple):
    """A linear change of variables, in which a minimizer finds its way more easily; each is a function of a nesting.

    inward      params -> variables
    outward     variables -> params
    pulled      the gradients in params -> those in the variables: the transpose of `outward`
    """

    inward: Callable[[Params], Params]
    outward: Callable[[Params], Params]
    pulled: Callable[[Params], Params]


@on_their_gpu
def lbfgs(
    cost_and_gradients: CostAndGradients,
    params: Params,
    *,
    steps: int,
    tol: float = 1e-4,
    on_report: Callable[[Report], None] | None = None,
    stop: Callable[[], bool] | None = None,
    evaluations: int | None = None,
    variables: Variables | None = None,
    least: Sequence[float] | None = None,
) -> Descent:
    """Minimise a cost by L-BFGS, a quasi-Newton method; `cost_and_gradients` and `params` are as for `descend`.

    One step is one iteration, which may evaluate several costs. The run ends with `stopped`

    - "tol" when the largest |gradient| is `tol` or less,
    - "converged" when the cost falls no more by what its dtype can tell, although the gradient is larger,
    - "stuck" when a line search found no lower cost although the step before had lowered it, or at the first step,
    - "steps" after `steps`, and "asked" when `stop`, called after each step, returns True,
    - "evaluations" when so many costs have been evaluated, by default 50 a step.

    There is a Report for the start and for each step. For each cost the vector of all parameters crosses from the host
    to the device, and the cost and the gradient cross back.

    With `variables` the search is in those; costs, reports, `tol` and results are of the parameters all the same.
    `least` holds a lower bound for each array of the parameters, in their order, minus infinity for none; no gradient
    counts that leads beyond. Variables with a bound must be multiples of their parameters, and the bound 0.

    Raises ImportError where SciPy is missing, ValueError for settings out of range, and DivergenceError where the first
    cost or gradient is not finite.
    Source: Byrd, Lu, Nocedal and Zhu, A limited memory algorithm for bound constrained optimization, SIAM J. Sci.
    Comput. 16 (1995).
    """
    try:
        from scipy.optimize import minimize
    except ImportError as error:
        raise ImportError("lbfgs needs SciPy: pip install '.[app]' in chainrule's folder") from error
    if steps < 0 or not tol >= 0:
        raise ValueError(f"lbfgs: expected steps >= 0 and tol >= 0, got steps={steps}, tol={tol}")
    keep_freed_memory()
    search = _Search(cost_and_gradients, params, tol, on_report, stop, variables, least)
    search.begin()
    if steps == 0 or search.within_tol:
        return Descent(params, 0, "tol" if search.within_tol else "steps", search.history)
    # The cost of a step that is too long may overflow on the way. SciPy's own products are small.
    with np.errstate(over="ignore", invalid="ignore"), threads.one_scipy_thread():
        found = minimize(
            search.evaluate,
            search.vector.start,
            jac=True,
            method="L-BFGS-B",
            bounds=search.bounds,
            callback=search.after_step,
            options={
                "maxiter": steps,
                "maxfun": 50 * steps if evaluations is None else evaluations,
                "maxls": 50,
                # `after_step` judges the gradient, which is that of the parameters.
                "gtol": 0.0,
                # Gradients are more exact than costs, and still lead on where a cost falls by its last digits.
                "ftol": 0.0,
            },
        )
    taken = len(search.history) - 1
    stopped = search.stopped(steps, found)
    return Descent(search.params_at(found.x), taken, stopped, search.history)


class _Search:
    """What SciPy's minimizer calls, and what has come of it: the last evaluation, and the reports of all steps."""

    def __init__(
        self,
        cost_and_gradients: CostAndGradients,
        params: Params,
        tol: float,
        on_report: Callable[[Report], None] | None,
        stop: Callable[[], bool] | None,
        variables: Variables | None,
        least: Sequence[float] | None,
    ) -> None:
        self.cost_and_gradients, self.params, self.tol = cost_and_gradients, params, tol
        self.on_report, self.stop, self.variables, self.least = on_report, stop, variables, least
        refuse_complex("lbfgs", params)
        self.vector = _Vector(params if variables is None else variables.inward(params))
        self.history: list[Report] = []
        self.asked = False
        # The cost, the largest |gradient|, then all gradients, where the last step led and where the minimizer has
        # looked last.
        self.accepted = self.last = np.empty(0)

    @property
    def within_tol(self) -> bool:
        """Whether the gradient of the last report is small enough."""
        return self.history[-1].largest_gradient <= self.tol

    @property
    def bounds(self) -> list[tuple[float, float]] | None:
        """The bounds of each variable for SciPy, None where there are none."""
        if self.least is None:
            return None
        sizes = map(math.prod, self.vector.shapes)
        return [(low, math.inf) for low, n in zip(self.least, sizes, strict=True) for _ in range(n)]

    def begin(self) -> None:
        """Evaluate and report the first parameters, or raise where they give no finite numbers."""
        self.last = self._looked(self.params)
        if not np.isfinite(self.last).all():
            raise DivergenceError(
                f"lbfgs: the first cost is {self.last[0]} and the largest |gradient| {self.last[1]}; see that the "
                "data hold no NaN and that the first parameters are not too large",
                self.params,
            )
        self.report()

    def params_at(self, x: np.ndarray) -> Params:
        """Return the parameters of a vector x (n,)."""
        found = self.vector.to_params(x)
        return found if self.variables is None else self.variables.outward(found)

    def evaluate(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the cost and the gradient (n,) of variables x (n,)."""
        self.last = self._looked(self.params_at(x))
        if np.isfinite(self.last).all():
            return float(self.last[0]), self.last[2:]
        # The line search cannot compute with NaN or infinity. The last accepted cost with a reversed gradient makes it
        # try half of the step.
        return float(self.accepted[0]), -self.accepted[2:]

    def _looked(self, params: Params) -> np.ndarray:
        """Return the cost, the largest |gradient| and all gradients in the variables, (2 + n,), by one copy."""
        cost, gradients = self.cost_and_gradients(params)
        check_scalar_cost("lbfgs", cost)
        leaves = pytree.along(gradients, self.params, "gradients")
        points = pytree.flat(params)
        got, expected = ([tuple(leaf.shape) for leaf in of] for of in (leaves, points))
        if got != expected:
            raise ValueError(
                f"lbfgs: expected gradients of the shapes of params, {expected}; got {got}; make them alike"
            )
        xp = self.vector.xp
        lows = [-math.inf] * len(leaves) if self.least is None else self.least
        sizes = [xp.max(_size(xp, p, g, low)) for p, g, low in zip(points, leaves, lows, strict=True)]
        if self.variables is not None:
            leaves = pytree.flat(self.variables.pulled(gradients))
        numbers = self.vector.to_host([cost, *sizes, *leaves])
        largest = np.max(numbers[1 : 1 + len(sizes)])
        return np.concatenate([numbers[:1], [largest], numbers[1 + len(sizes) :]])

    def after_step(self, x: np.ndarray) -> None:
        """Report a step that the minimizer took, and end its search at `tol` or where `stop` says so."""
        self.report()
        self.asked = bool(self.stop and self.stop())
        if self.asked or self.within_tol:
            raise StopIteration

    def report(self) -> None:
        # The minimizer's last look before it takes a step is at where the step leads.
        self.accepted = self.last
        self.history.append(Report(len(self.history), float(self.last[0]), float(self.last[1])))
        if self.on_report:
            self.on_report(self.history[-1])

    def stopped(self, steps: int, found: Any) -> str:
        """Return why the search ended, after at most `steps` steps and with what the minimizer says itself."""
        if self.asked:
            return "asked"
        if self.within_tol:
            return "tol"
        if len(self.history) - 1 >= steps:
            return "steps"
        if found.status == 1:
            return "evaluations"
        # A line search fails at the end too, where what is left to gain is lost in the rounding of costs.
        settled = found.success or self._gain() <= 64 * self.vector.epsilon
        return "converged" if settled else "stuck"

    def _gain(self) -> float:
        """Return the relative decrease of the cost in the last step; infinity where no step was taken."""
        if len(self.history) < 2:
            return math.inf
        before, after = self.history[-2].cost, self.history[-1].cost
        return (before - after) / max(abs(before), abs(after), 1.0)


def _size(xp: Any, p: Array, g: Array, low: float) -> Array:
    """Return |g|, or where g leads down to the bound `low` no more than p is above it."""
    return xp.abs(g) if low == -math.inf else xp.where(g > 0, xp.minimum(g, p - low), -g)


class _Vector:
    """Parameters as one vector (n,) of float64 on the host, and back."""

    def __init__(self, params: Params) -> None:
        self.params = params
        leaves = pytree.flat(params)
        self.xp = namespace(*leaves)
        self.dtype, self.device = self.xp.result_type(*leaves), leaves[0].device
        self.dtypes = [leaf.dtype for leaf in leaves]
        self.shapes = [tuple(leaf.shape) for leaf in leaves]
        self.epsilon = float(self.xp.finfo(self.dtype).eps)
        self.start = self.to_host(leaves)

    def to_params(self, x: np.ndarray) -> Params:
        """Return the parameters of a vector x (n,), each array of its first shape, dtype and device."""
        # One copy to the device, which is cut into arrays there.
        whole = self.xp.astype(self.xp.asarray(x, device=self.device), self.dtype)
        leaves, begin = [], 0
        for shape, dtype in zip(self.shapes, self.dtypes, strict=True):
            end = begin + math.prod(shape)
            leaves.append(self.xp.reshape(self.xp.astype(whole[begin:end], dtype, copy=False), shape))
            begin = end
        return pytree.rebuilt(self.params, iter(leaves))

    def to_host(self, arrays: list[Any]) -> np.ndarray:
        """Return the numbers of all arrays as one vector, by one copy from the device."""
        xp = self.xp
        parts = [xp.reshape(xp.astype(xp.asarray(x), self.dtype), (-1,)) for x in arrays]
        return to_numpy(xp.concat(parts)).astype(np.float64)
