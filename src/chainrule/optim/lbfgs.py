"""L-BFGS: SciPy's minimizer with our costs and gradients. Data and gradients stay on their device; parameters cross."""

import math
from collections.abc import Callable

import numpy as np

from chainrule import pytree
from chainrule.backend import threads
from chainrule.backend.namespaces import namespace, to_numpy
from chainrule.gates.types import Array
from chainrule.optim.descent import CostAndGradients, Descent, DivergenceError, Report
from chainrule.optim.optimizers import Params
from chainrule.validation import check_cost


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

    One step is one iteration, which may take several costs. The run is done when the largest |gradient| is `tol` or
    less, when the cost cannot be told lower any more ("converged"), or after `steps`; "stuck" says that a line search
    found no lower cost where the last step had still lowered it, or there was none. There is a Report for the start
    and for each step; `stop` is asked after each. The vector of all parameters crosses from the host to the device for
    each cost, and cost and gradient back.

    Raises ImportError where SciPy is missing, DivergenceError where the first cost or gradient is not finite.
    Source: Byrd, Lu, Nocedal and Zhu, A limited memory algorithm for bound constrained optimization, SIAM J. Sci.
    Comput. 16 (1995).
    """
    try:
        from scipy.optimize import minimize
    except ImportError as error:
        raise ImportError('lbfgs needs SciPy: pip install "chainrule[app]"') from error
    if steps < 0 or not tol >= 0:
        raise ValueError(f"lbfgs: expected steps >= 0 and tol >= 0, got steps={steps}, tol={tol}")
    vector = _Vector(params)
    history: list[Report] = []
    asked = False
    here = last = np.empty(0)

    def fun(x: np.ndarray) -> tuple[float, np.ndarray]:
        nonlocal last
        last = vector.to_host(*cost_and_gradients(vector.to_params(x)))
        if np.isfinite(last).all():
            return float(last[0]), last[1:]
        # The line search cannot reckon with these. As high as here and rising, it looks half way.
        return float(here[0]), -here[1:]

    def report() -> None:
        nonlocal here
        # The minimizer's last look before it takes a step is at where the step leads.
        here = last
        history.append(Report(len(history), float(last[0]), float(np.max(np.abs(last[1:])))))
        if on_report:
            on_report(history[-1])

    def callback(x: np.ndarray) -> None:
        nonlocal asked
        report()
        asked = bool(stop and stop())
        if asked:
            raise StopIteration

    last = vector.to_host(*cost_and_gradients(params))
    if not np.isfinite(last).all():
        raise DivergenceError(
            f"lbfgs: the first cost is {last[0]} and the largest |gradient| {np.max(np.abs(last[1:]))}; see that the "
            "data hold no NaN and that the first parameters are not too large",
            params,
        )
    report()
    if steps == 0:
        return Descent(params, 0, "steps", history)
    # The cost of a step that is too long may overflow on the way. SciPy's own products are small.
    with np.errstate(over="ignore", invalid="ignore"), threads.one_scipy_thread():
        found = minimize(
            fun,
            vector.start,
            jac=True,
            method="L-BFGS-B",
            callback=callback,
            options={
                "maxiter": steps,
                "maxfun": 50 * steps,
                "maxls": 50,
                "gtol": tol,
                # In units of float32 a run would end where gradients, which are more exact than costs, still lead on.
                "ftol": 64 * float(np.finfo(np.float64).eps),
            },
        )
    taken = len(history) - 1
    if asked:
        stopped = "asked"
    elif history[-1].largest_gradient <= tol:
        stopped = "tol"
    else:
        # A line search fails too where what is left to gain is lost in the rounding of costs; there it is the end.
        settled = found.success or _gain(history) <= 64 * vector.epsilon
        stopped = "steps" if taken >= steps else "converged" if settled else "stuck"
    return Descent(vector.to_params(found.x), taken, stopped, history)


def _gain(history: list[Report]) -> float:
    """Return by which share of it the last step lowered the cost; infinity where no step was taken."""
    if len(history) < 2:
        return math.inf
    before, after = history[-2].cost, history[-1].cost
    return (before - after) / max(abs(before), abs(after), 1.0)


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
        self.start = self._joined(leaves)

    def to_params(self, x: np.ndarray) -> Params:
        # One copy to the device, which is then cut up there.
        whole = self.xp.astype(self.xp.asarray(x, device=self.device), self.dtype)
        leaves, begin = [], 0
        for shape, dtype in zip(self.shapes, self.dtypes, strict=True):
            end = begin + math.prod(shape)
            leaves.append(self.xp.reshape(self.xp.astype(whole[begin:end], dtype, copy=False), shape))
            begin = end
        return pytree.rebuilt(self.params, iter(leaves))

    def to_host(self, cost: Array, gradients: Params) -> np.ndarray:
        """Return the cost, then all gradients, by one copy from the device."""
        check_cost("lbfgs", cost)
        leaves = pytree.along(gradients, self.params, "gradients")
        shapes = [tuple(leaf.shape) for leaf in leaves]
        if shapes != self.shapes:
            raise ValueError(
                f"lbfgs: expected gradients of the shapes of params, {self.shapes}; got {shapes}; make them alike"
            )
        return self._joined([cost, *leaves])

    def _joined(self, arrays: list[Array]) -> np.ndarray:
        xp = self.xp
        parts = [xp.reshape(xp.astype(xp.asarray(x), self.dtype), (-1,)) for x in arrays]
        return to_numpy(xp.concat(parts)).astype(np.float64)
