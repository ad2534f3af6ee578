"""L-BFGS: SciPy's minimizer with our costs and gradients. Data and gradients stay on their device; parameters cross."""

import math
from collections.abc import Callable
from typing import Any

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


@on_their_gpu
def lbfgs(
    cost_and_gradients: CostAndGradients,
    params: Params,
    *,
    steps: int,
    tol: float = 1e-4,
    on_report: Callable[[Report], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Descent:
    """Minimise a cost by L-BFGS, a quasi-Newton method; `cost_and_gradients` and `params` are as for `descend`.

    One step is one iteration, which may evaluate several costs. The run ends with `stopped`

    - "tol" when the largest |gradient| is `tol` or less,
    - "converged" when the cost falls no more by what its dtype can tell,
    - "stuck" when a line search found no lower cost although the step before had lowered it, or at the first step,
    - "steps" after `steps`, and "asked" when `stop`, called after each step, returns True.

    There is a Report for the start and for each step. For each cost the vector of all parameters crosses from the host
    to the device, and the cost and the gradient cross back.

    Raises ImportError where SciPy is missing, ValueError for settings out of range, and DivergenceError where the first
    cost or gradient is not finite.
    Source: Byrd, Lu, Nocedal and Zhu, A limited memory algorithm for bound constrained optimization, SIAM J. Sci.
    Comput. 16 (1995).
    """
    try:
        from scipy.optimize import minimize
    except ImportError as error:
        raise ImportError('lbfgs needs SciPy: pip install "chainrule[app]"') from error
    if steps < 0 or not tol >= 0:
        raise ValueError(f"lbfgs: expected steps >= 0 and tol >= 0, got steps={steps}, tol={tol}")
    keep_freed_memory()
    search = _Search(cost_and_gradients, params, on_report, stop)
    search.begin()
    if steps == 0:
        return Descent(params, 0, "steps", search.history)
    # The cost of a step that is too long may overflow on the way. SciPy's own products are small.
    with np.errstate(over="ignore", invalid="ignore"), threads.one_scipy_thread():
        found = minimize(
            search.evaluate,
            search.vector.start,
            jac=True,
            method="L-BFGS-B",
            callback=search.after_step,
            options={
                "maxiter": steps,
                "maxfun": 50 * steps,
                "maxls": 50,
                "gtol": tol,
                # In units of float32 a run would end where gradients, which are more exact than costs, still lead on.
                "ftol": 64 * float(np.finfo(np.float64).eps),
            },
        )
    taken = len(search.history) - 1
    stopped = search.stopped(steps, tol, success=found.success)
    return Descent(search.vector.to_params(found.x), taken, stopped, search.history)


class _Search:
    """What SciPy's minimizer calls, and what has come of it: the last evaluation, and the reports of all steps."""

    def __init__(
        self,
        cost_and_gradients: CostAndGradients,
        params: Params,
        on_report: Callable[[Report], None] | None,
        stop: Callable[[], bool] | None,
    ) -> None:
        self.cost_and_gradients, self.params = cost_and_gradients, params
        self.on_report, self.stop = on_report, stop
        self.vector = _Vector(params)
        self.history: list[Report] = []
        self.asked = False
        # The cost, then all gradients, where the last step led and where the minimizer has looked last.
        self.accepted = self.last = np.empty(0)

    def begin(self) -> None:
        """Evaluate and report the first parameters, or raise where they give no finite numbers."""
        self.last = self.vector.to_host(*self.cost_and_gradients(self.params))
        if not np.isfinite(self.last).all():
            raise DivergenceError(
                f"lbfgs: the first cost is {self.last[0]} and the largest |gradient| "
                f"{np.max(np.abs(self.last[1:]))}; see that the data hold no NaN and that the first parameters are "
                "not too large",
                self.params,
            )
        self.report()

    def evaluate(self, x: np.ndarray) -> tuple[float, np.ndarray]:
        """Return the cost and the gradient (n,) of parameters x (n,)."""
        self.last = self.vector.to_host(*self.cost_and_gradients(self.vector.to_params(x)))
        if np.isfinite(self.last).all():
            return float(self.last[0]), self.last[1:]
        # The line search cannot compute with NaN or infinity. The last accepted cost with a reversed gradient makes it
        # try half of the step.
        return float(self.accepted[0]), -self.accepted[1:]

    def after_step(self, x: np.ndarray) -> None:
        """Report a step that the minimizer took, and end its search where `stop` says so."""
        self.report()
        self.asked = bool(self.stop and self.stop())
        if self.asked:
            raise StopIteration

    def report(self) -> None:
        # The minimizer's last look before it takes a step is at where the step leads.
        self.accepted = self.last
        cost, largest = float(self.last[0]), float(np.max(np.abs(self.last[1:])))
        self.history.append(Report(len(self.history), cost, largest))
        if self.on_report:
            self.on_report(self.history[-1])

    def stopped(self, steps: int, tol: float, *, success: bool) -> str:
        """Return why the search ended, after at most `steps` steps and with the minimizer's own verdict `success`."""
        if self.asked:
            return "asked"
        if self.history[-1].largest_gradient <= tol:
            return "tol"
        if len(self.history) - 1 >= steps:
            return "steps"
        # A line search fails at the end too, where what is left to gain is lost in the rounding of costs.
        settled = success or self._gain() <= 64 * self.vector.epsilon
        return "converged" if settled else "stuck"

    def _gain(self) -> float:
        """Return the relative decrease of the cost in the last step; infinity where no step was taken."""
        if len(self.history) < 2:
            return math.inf
        before, after = self.history[-2].cost, self.history[-1].cost
        return (before - after) / max(abs(before), abs(after), 1.0)


class _Vector:
    """Parameters as one vector (n,) of float64 on the host, and back."""

    def __init__(self, params: Params) -> None:
        self.params = params
        leaves = pytree.flat(params)
        refuse_complex("lbfgs", params)
        self.xp = namespace(*leaves)
        self.dtype, self.device = self.xp.result_type(*leaves), leaves[0].device
        self.dtypes = [leaf.dtype for leaf in leaves]
        self.shapes = [tuple(leaf.shape) for leaf in leaves]
        self.epsilon = float(self.xp.finfo(self.dtype).eps)
        self.start = self._joined(leaves)

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

    def to_host(self, cost: Array, gradients: Params) -> np.ndarray:
        """Return the cost, then all gradients, as one vector (1 + n,), by one copy from the device."""
        check_scalar_cost("lbfgs", cost)
        leaves = pytree.along(gradients, self.params, "gradients")
        shapes = [tuple(leaf.shape) for leaf in leaves]
        if shapes != self.shapes:
            raise ValueError(
                f"lbfgs: expected gradients of the shapes of params, {self.shapes}; got {shapes}; make them alike"
            )
        return self._joined([cost, *leaves])

    def _joined(self, arrays: list[Any]) -> np.ndarray:
        xp = self.xp
        parts = [xp.reshape(xp.astype(xp.asarray(x), self.dtype), (-1,)) for x in arrays]
        return to_numpy(xp.concat(parts)).astype(np.float64)
