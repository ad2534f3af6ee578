"""What the estimators of networks share: parameters, and fitting to rows that have been checked."""

import math
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state

from chainrule.backend.threads import no_fork
from chainrule.data.splitting import held_out_rows
from chainrule.estimators.columns import of_columns
from chainrule.estimators.fitting import (
    LBFGS,
    RATES,
    SOLVERS,
    by_all_rows,
    by_epochs,
    method_of,
    optimizer_of,
    rates,
    shortfall,
    takes,
)
from chainrule.estimators.placement import Data, Place, brought, computing, dtype_of, in_chunks
from chainrule.estimators.validation import Rules, check_parameters, checked_rows, is_count, is_size
from chainrule.gates.types import Array
from chainrule.models.activations import ACTIVATIONS
from chainrule.models.mlp import MLP
from chainrule.models.penalties import L2, Penalty
from chainrule.models.types import Params
from chainrule.optim import OPTIMIZERS, Descent, DivergenceError, Optimizer, Report

_ACTIVATIONS = (*ACTIVATIONS, "logistic")
_RULES: Rules = {
    "hidden_layer_sizes": (
        "whole numbers from 1 up, one a hidden layer",
        lambda n: is_count(n) or (isinstance(n, list | tuple | np.ndarray) and all(map(is_count, n))),
    ),
    "activation": (f"one of {', '.join(_ACTIVATIONS)}", lambda name: name in _ACTIVATIONS),
    "solver": (f"one of {', '.join(SOLVERS)}", lambda name: name in SOLVERS),
    "alpha": ("a finite number from 0 up", is_size),
    "batch_size": ("'auto' or a whole number from 1 up", lambda n: n == "auto" or is_count(n)),
    "learning_rate": (
        f"one of {', '.join(RATES)} or a schedule, a function of the step",
        lambda r: callable(r) or (isinstance(r, str) and r in RATES),
    ),
    "power_t": ("a finite number from 0 up", is_size),
    "learning_rate_init": ("a finite number above 0", lambda rate: is_size(rate) and rate > 0),
    "max_iter": ("a whole number from 1 up", is_count),
    "tol": ("a finite number from 0 up", is_size),
    "momentum": ("from 0 up and under 1", lambda beta: is_size(beta) and beta < 1),
    "beta_1": ("from 0 up and under 1", lambda beta: is_size(beta) and beta < 1),
    "beta_2": ("from 0 up and under 1", lambda beta: is_size(beta) and beta < 1),
    "epsilon": ("a finite number above 0", lambda epsilon: is_size(epsilon) and epsilon > 0),
    "max_fun": ("a whole number from 1 up", is_count),
    "validation_fraction": ("between 0 and 1", lambda share: is_size(share) and 0 < share < 1),
    "n_iter_no_change": ("a whole number from 1 up, or infinity", lambda n: is_count(n) or n == math.inf),
}


class Network(BaseEstimator):  # type: ignore[misc]
    """The base of both estimators; MLPClassifier's docstring tells what the parameters mean."""

    _network: MLP
    # That of the last epoch, whose rate an "adaptive" epoch goes on with.
    _optimizer: Optimizer

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: bool = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        device: str | None = None,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.device = device

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.array_api_support = True
        tags.input_tags.sparse = True
        return tags

    @abstractmethod
    def _held_out_score(self, xp: Any, y_hat: Array, data: Data) -> Array:
        """Return the score () of predictions y_hat (m, k), higher for better."""

    def _starts_anew(self) -> bool:
        return not (self.warm_start and hasattr(self, "coefs_"))

    def _check_parameters(self) -> None:
        check_parameters(self, _RULES)
        if self.early_stopping and self.solver == LBFGS:
            raise ValueError(
                f"{type(self).__name__}.fit: early_stopping needs a solver that sees epochs, got solver='lbfgs'; "
                "take 'adam' or 'sgd', or early_stopping=False"
            )

    def _shape(self, outputs: int, output: str, cost: str, *, anew: bool) -> None:
        """Set the network for `n_features_in_` features; one that goes on learning must be of the same shape."""
        hidden = self.hidden_layer_sizes
        hidden = tuple(hidden) if isinstance(hidden, Iterable) else (hidden,)
        activation = "sigmoid" if self.activation == "logistic" else self.activation
        network = MLP((self.n_features_in_, *hidden, outputs), activation, output, cost)
        if not anew and network.shapes != self._network.shapes:
            raise ValueError(
                f"{type(self).__name__}: what was learnt has weights and biases shaped {self._network.shapes}, now "
                f"hidden_layer_sizes={self.hidden_layer_sizes} asks for {network.shapes}; fit anew without warm_start"
            )
        self._network = network
        self.n_layers_, self.n_outputs_, self.out_activation_ = len(network.sizes), outputs, output

    def _fit(self, data: Data, home: Place, strata: np.ndarray | None = None) -> Self:
        anew = self._starts_anew()
        params, seed = self._begun(data, anew)
        held = None
        if self.early_stopping:
            strata = np.zeros(len(data), np.int64) if strata is None else strata
            chosen = held_out_rows(strata, int(strata.max()) + 1, float(self.validation_fraction), seed)
            if chosen.sum() < 2:
                raise ValueError(
                    f"{type(self).__name__}.fit: The validation set is too small: early_stopping needs 2 held-out rows "
                    f"or more, got {chosen.sum()} of {len(data)}; raise validation_fraction or give more rows"
                )
            data, held = data.subset(np.flatnonzero(~chosen)), data.subset(np.flatnonzero(chosen))
        if anew:
            self.loss_curve_: list[float] = []
            self.validation_scores_: list[float] | None = None
        run = self._run(data, params, held, anew=anew)
        # The first report of a minimizer is of the start.
        self.n_iter_ = run.steps if self.solver == LBFGS else len(run.history)
        self._keep(run, home)
        if held is None:
            self.validation_scores_ = self.best_validation_score_ = None
        else:
            scores = [-report.watched for report in run.history]
            self.validation_scores_ = [*(self.validation_scores_ or []), *scores]
            self.best_validation_score_ = float(np.nanmax(self.validation_scores_))
        if run.stopped not in ("tol", "patience"):
            warnings.warn(
                f"{type(self).__name__}: {self._shortfall(run)}",
                ConvergenceWarning,
                stacklevel=4,
            )
        return self

    def _run(self, data: Data, params: Params, held: Data | None, *, anew: bool) -> Descent:
        """Return the end of all steps or epochs of a fit."""
        if self.solver == LBFGS:
            return self._by_lbfgs(data, params, anew=anew)
        try:
            return self._by_epochs(data, params, int(self.max_iter), held=held)
        except DivergenceError as error:
            raise NonFiniteError(
                f"{type(self).__name__}: Solver produced non-finite parameter weights. The input data may contain "
                f"large values and need to be preprocessed. {error}",
                error.params,
            ) from error

    def _shortfall(self, run: Descent) -> str:
        """Return how a run ended before it was done, and what to do."""
        if run.stopped == "diverged":
            return (
                f"the cost or the held-out score was no number after {len(run.history)} epochs, and what had scored "
                "best is kept; lower learning_rate_init or scale X"
            )
        if self.solver != LBFGS:
            return f"max_iter={self.max_iter} came before the end that tol={self.tol:g} sets; raise max_iter or tol"
        return f"{self.solver} {shortfall(run, self.max_iter, self.tol)}"

    def _partial_fit(self, data: Data, home: Place) -> Self:
        if self.early_stopping:
            raise ValueError(
                f"{type(self).__name__}.partial_fit does not support early_stopping=True: one epoch cannot stop "
                "early; set it to False, or call fit"
            )
        anew = not hasattr(self, "coefs_")
        if anew:
            params, _ = self._begun(data, True)
            self.loss_curve_, self.n_iter_, self._state = [], 0, (self._kind_of_state(), None)
            self.validation_scores_ = self.best_validation_score_ = None
        else:
            params = self._learnt(data)
        method, state = self._state
        state = brought(state, data.place, data.X.dtype) if method == self._kind_of_state() else None
        run = self._by_epochs(data, params, 1, first=self.n_iter_, state=state)
        self._keep(run, home)
        self.n_iter_ += 1
        return self

    def _begun(self, data: Data, anew: bool) -> tuple[Params, int]:
        """Return the parameters to start from and a seed for the held-out rows; keep that of the shuffling."""
        # The generator may be the one that all threads share, which has a lock.
        with no_fork():
            seeds = check_random_state(self.random_state).randint(2**31 - 1, size=3)
        first, self._seed, split = seeds.tolist()
        if not anew:
            return self._learnt(data), split
        place = data.place
        # Drawn on the host whatever the device, so that all start alike.
        params = self._network.init(device="cpu", dtype=dtype_of(data.X, place), weights=self._drawn(first))
        return [(place.bring(W), place.bring(b)) for W, b in params], split

    def _drawn(self, seed: int) -> Params:
        """Return first weights and biases as scikit-learn's networks have them, so that its settings suit these too.

        Source: Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks (2010).
        """
        generator, factor = np.random.default_rng(seed), 2 if self._network.activation == "sigmoid" else 6

        def layer(n_in: int, n_out: int) -> tuple[np.ndarray, np.ndarray]:
            bound = math.sqrt(factor / (n_in + n_out))
            return generator.uniform(-bound, bound, (n_in, n_out)), generator.uniform(-bound, bound, n_out)

        return [layer(*shape) for shape, _ in self._network.shapes]

    def _learnt(self, data: Data) -> Params:
        return self._params(data.place, data.X.dtype)

    def _params(self, place: Place, dtype: Any) -> Params:
        """Return what was learnt at `place` in a dtype."""
        params: Params = brought(list(zip(self.coefs_, self.intercepts_, strict=True)), place, dtype)
        return params

    def _keep(self, run: Descent, home: Place) -> None:
        self.coefs_ = [home.bring(W) for W, _ in run.params]
        self.intercepts_ = [home.bring(b) for _, b in run.params]
        # Beside the parameters, so that a pickle of them needs no other library. A run of another solver has none.
        self._state = (self._kind_of_state(), brought(run.state, home, self.coefs_[0].dtype) or None)
        # The first report of a minimizer is of the start.
        self.loss_curve_ += [report.cost for report in run.history[self.solver == LBFGS :]]
        self.loss_ = self.loss_curve_[-1] if self.loss_curve_ else run.history[-1].cost
        self.best_loss_ = None if self.early_stopping else min([self.loss_, *self.loss_curve_])

    def _forward(self, X: Any, method: str, *, logits: bool = False) -> tuple[Array, Place]:
        """Return y_hat (m, k), or what goes into the output, where it is computed, and the place of X."""
        X = checked_rows(self, X, method, "coefs_")
        home = Place.of(X)
        at = computing(self.device, home)
        X = at.bring(X)
        network = replace(self._network, output="identity", cost="squared_error") if logits else self._network
        return network.forward(self._params(at, X.dtype), X), home

    def _by_lbfgs(self, data: Data, params: Params, *, anew: bool) -> Descent:
        penalty = self._penalty(data)
        columns = of_columns(data, float(self.alpha) / data.total, coarse=True)
        with data.rows.threads_for(self._network) as watched:
            return by_all_rows(
                watched(data.rows.cost_and_gradients(replace(self._network, penalty=penalty))),
                # First weights are drawn for columns of one size, else units begin where they cannot learn.
                columns.outward(params) if anew else params,
                None,
                steps=int(self.max_iter),
                tol=float(self.tol),
                on_report=self._announce(lambda report: report.step),
                evaluations=int(self.max_fun),
                variables=columns,
            )

    def _by_epochs(
        self,
        data: Data,
        params: Params,
        epochs: int,
        *,
        first: int = 0,
        state: Any = None,
        held: Data | None = None,
    ) -> Descent:
        """Learn for so many epochs, the first of which is number `first`."""
        # Of chunks the smallest batch is one of them.
        usual = 1 if in_chunks(data.X) else 200
        size = min(usual if self.batch_size == "auto" else int(self.batch_size), len(data))
        method = method_of(self.solver, self.momentum, self.nesterovs_momentum)
        settings = {
            "beta": self.momentum,
            "beta1": self.beta_1,
            "beta2": self.beta_2,
            "epsilon": self.epsilon,
            "weight_decay": self.alpha,
        }
        adaptive = self.learning_rate == "adaptive" and not OPTIMIZERS[method].adaptive
        start = float(self.learning_rate_init)
        if adaptive and state is not None:
            # An epoch that goes on has the rate that the last one ended with.
            start = self._optimizer.learning_rate or start
        rate = rates(self.learning_rate, start, method, float(self.power_t), data.rows, size)
        net = replace(self._network, penalty=self._penalty(data))
        with data.rows.threads_for(net, size) as watched:
            run, self._optimizer = by_epochs(
                data.rows,
                watched(data.rows.cost_and_gradients(net)),
                params,
                lambda share: optimizer_of(method, rate(share), **settings),
                adaptive=adaptive,
                size=size,
                shuffle=bool(self.shuffle),
                seed=self._seed,
                first=first,
                epochs=epochs,
                on_report=self._announce(),
                validate=None if held is None else partial(self._cost_of_held_out, held),
                patience=None if self.n_iter_no_change == math.inf else int(self.n_iter_no_change),
                min_improvement=float(self.tol),
                state=state,
            )
        return run

    def _cost_of_held_out(self, held: Data, params: Params) -> Array:
        return -self._held_out_score(held.place.xp, held.rows.forward(self._network, params), held)

    def _kind_of_state(self) -> tuple[str, bool]:
        """Return what decides which numbers the optimiser keeps between steps."""
        return self.solver, self.solver == "sgd" and not self.momentum

    def _penalty(self, data: Data) -> Penalty | None:
        """Return the penalty of J; a method that decays weights itself has none."""
        return None if takes(self.solver, "weight_decay") else L2(float(self.alpha) / data.total)

    def _announce(self, number: Callable[[Report], int] | None = None) -> Callable[..., None] | None:
        def announce(report: Report, epoch: int = 0) -> None:
            score = "" if report.validation is None else f", held-out score {-report.validation:.6g}"
            when = number(report) if number else epoch
            print(f"{type(self).__name__}: Iteration {when}, cost {report.cost:.6g}{score}")

        return announce if self.verbose else None


class NonFiniteError(DivergenceError, ValueError):
    """A DivergenceError for those who expect the ValueError that scikit-learn's estimators raise."""
