"""Networks as estimators: a classifier and a regressor."""

import inspect
import textwrap
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import column_or_1d

from chainrule.backend.gpus import on_their_gpu
from chainrule.estimators.classifier import Classifier
from chainrule.estimators.fitting import LBFGS
from chainrule.estimators.network import Network
from chainrule.estimators.placement import Data, Place, by_chunks, computing, on_host
from chainrule.estimators.validation import Rules, check_parameters, checked_data, checked_weight
from chainrule.gates.types import Array
from chainrule.models.activations import ACTIVATIONS
from chainrule.models.objective import outputs_for
from chainrule.numpy_names.sparse import is_sparse
from chainrule.optim import OPTIMIZERS

# The output of each loss of a regressor.
_OUTPUTS = {"squared_error": "identity", "poisson": "exp"}
_LOSS: Rules = {
    "loss": (f"one of {', '.join(_OUTPUTS)}", lambda name: isinstance(name, str) and name in _OUTPUTS)
}


def _with_loss(of: inspect.Signature) -> inspect.Signature:
    loss = inspect.Parameter("loss", inspect.Parameter.KEYWORD_ONLY, default="squared_error", annotation=str)
    return of.replace(parameters=[*of.parameters.values(), loss])


def _by_steps(estimator: Any) -> bool:
    if estimator.solver == LBFGS:
        raise AttributeError(
            "partial_fit needs a solver that takes single steps, got solver='lbfgs'; take 'adam' or 'sgd'"
        )
    return True


class MLPClassifier(Classifier, Network):
    """A network of dense layers that tells classes apart: a sigmoid output for two, softmax for more.

    Where y (m, k) holds 0 and 1, a row may have several labels: there is a sigmoid output for each, and the cost sums
    over them.

    The cost that is minimised, over the weights W of all layers and their biases, is

        J = sum(weight * cross_entropy) / M + alpha |W|^2 / (2 M),    M = sum(weight), m where all weights are 1,

    of all the rows learnt from. scikit-learn writes the same, but takes the M of each mini-batch in place of that of
    all rows for the penalty, which so grows as batches get smaller; here J does not depend on batch_size.

    hidden_layer_sizes   units of each hidden layer: a number, or several, or () for none
    activation           {activations}; "logistic" is another name of
                         "sigmoid", and "maxout" has two pieces
    solver               a row of cr.optim.OPTIMIZERS: {optimizers};
                         "sgd" for gradient descent with or without a momentum (see momentum); or "lbfgs" (SciPy's, all
                         rows at each step)
    alpha                the strength of the penalty of weights; with "adamw" J has none, and alpha is the weight decay
                         of that method, which each step takes from all parameters, times the learning rate
    batch_size           rows of a step; "auto" for 200, and all where there are fewer
    learning_rate        "constant" for learning_rate_init; "invscaling" for learning_rate_init / (t + 1)^power_t after
                         t rows; "adaptive" for a fifth of the rate each time that n_iter_no_change would end the run,
                         until it is under 1e-6; or a schedule of cr.optim: a function of the number of the step, from
                         0, to its rate. A method that scales its steps itself, such as "adam", takes both names for
                         "constant"
    max_iter, max_fun    the most epochs (with "lbfgs": steps, and costs evaluated); a ConvergenceWarning says that they
                         did not suffice
    shuffle              whether each epoch goes through the rows in another order
    random_state         None, a number or a RandomState: it draws the first weights and biases (as scikit-learn's are:
                         uniform up to (6 / (n_in + n_out))^0.5, for "sigmoid" (2 / (n_in + n_out))^0.5), the orders
                         and the held-out rows
    tol                  with n_iter_no_change, the least gain per epoch: in the cost, or in the held-out score where
                         early_stopping is on; with "lbfgs" the run is done when the largest |gradient| is under it
    n_iter_no_change     how many epochs in a row without that gain end the run; infinity for never
    verbose              whether to print each epoch
    warm_start           whether `fit` starts from what the last one learnt, of the same classes; the optimiser begins
                         anew, and loss_curve_ and validation_scores_ go on
    momentum             of "momentum", "nesterov" and "sgd"; "sgd" with 0 is gradient descent
    beta_1, beta_2, epsilon    of "adam" and "adamw"; "rmsprop" has the epsilon
    nesterovs_momentum   whether "sgd" with a momentum is "nesterov", else "momentum"
    early_stopping       whether to hold out the share validation_fraction of the rows (of each class alike), and keep
                         what scored best on it
    device               where to compute ("cpu", "cuda", ...; see get_device); None: where CHAINRULE_DEVICE says if it
                         is set to anything but auto, else where X lives

    With "lbfgs" nothing is shuffled or held out. Where a column of X is far from size 1, the first weights are drawn
    for one that is centred and of size 1, in whose weights the search is; what is learnt is of X's own columns.

    X may be an array of any library of the array API standard, a sparse matrix of SciPy's or CuPy's, a list or a
    DataFrame. float32 stays float32, other numbers become float64. What is learnt and predicted is returned where X
    lives, on whichever device it was computed; labels that are not numbers, and `classes_`, are NumPy's. For one
    random_state all devices start alike and see the same batches.

    The chunks of a Dask X are computed by Dask's workers, each on its own device; `device` is not looked at. Whole
    chunks are then the mini-batches, one ("auto") or as many as go into batch_size; what is learnt is NumPy's, and what
    is predicted Dask's.

    A row of weight k counts as k rows in J, and one of weight 0 is left out. Where one batch holds all rows a fit with
    weights is that with repeated rows; else the batches differ, and each step follows its rows' share of J. The
    held-out score is weighted too, but rows are held out one by one, whatever they weigh.

    After `fit`: `coefs_` and `intercepts_`, the (W, b) of each layer; `classes_`; `n_iter_`, epochs (or steps) taken;
    `loss_curve_`, the mean cost of the batches of each (or J after each), `loss_`, the last, and `best_loss_`, the
    least, None with early_stopping; with that `validation_scores_` and `best_validation_score_`, else None;
    `n_layers_`, `n_outputs_`, `out_activation_`; `n_features_in_`, and `feature_names_in_` where X names its columns.
    """

    @on_their_gpu
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from X (m, n) and labels y (m,), each row weighted by sample_weight (m,)."""
        data, home, numbers = self._data(X, y, sample_weight, first=self._starts_anew(), whole=True)
        return self._fit(data, home, strata=numbers)

    @available_if(_by_steps)  # type: ignore[untyped-decorator]
    @on_their_gpu
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Learn for one more epoch, from these rows; the first call must name all `classes` that will ever come.

        Calls with the same rows and random_state learn what `fit` learns in as many epochs. `n_iter_` and
        `loss_curve_` go on counting; M is that of the call's own rows.
        """
        first = not hasattr(self, "coefs_")
        if first and classes is None:
            raise ValueError(
                f"{type(self).__name__}.partial_fit: the first call needs classes, all labels that will ever come; "
                "pass for instance classes=np.unique(y_of_all_rows)"
            )
        if (
            not first
            and classes is not None
            and not np.array_equal(np.unique(on_host(classes)), self.classes_)
        ):
            raise ValueError(
                f"{type(self).__name__}.partial_fit: expected the classes of the first call, {self.classes_.tolist()}, "
                f"or none, got {np.unique(on_host(classes)).tolist()}; call fit for others"
            )
        data, home, _ = self._data(X, y, sample_weight, first=first, classes=classes)
        return self._partial_fit(data, home)

    def _data(
        self, X: Any, y: Any, weight: Any, *, first: bool, classes: Any = None, whole: bool = False
    ) -> tuple[Data, Place, np.ndarray | None]:
        self._check_parameters()
        X, y = checked_data(self, X, y, reset=first, multi_output=True)
        weight = checked_weight(self, weight, len(y))
        if first:
            self._multilabel = type_of_target(y) == "multilabel-indicator"
        if self._multilabel:
            targets = y = self._labelled(y, first=first)
            k = y.shape[1]
        else:
            y = column_or_1d(y, warn=True)
            if whole and not first and not np.array_equal(np.unique(y), self.classes_):
                raise ValueError(
                    f"{type(self).__name__}.fit: warm_start can only be used where `y` has the same classes as in the "
                    f"previous call to fit. Previously got {self.classes_}, `y` has {np.unique(y)}; fit anew without "
                    "warm_start, or call partial_fit for some of the classes"
                )
            targets = self._numbered(y, given=classes, kept=not first, least=1)
            k = outputs_for(max(2, len(self.classes_)))
        home = Place.home_of(X)
        data = Data.at(computing(self.device, home), X, targets, weight)
        several = k > 1 and not self._multilabel
        self._shape(k, "softmax" if several else "sigmoid", "cross_entropy", anew=first)
        return data, home, None if self._multilabel else targets if weight is None else targets[weight > 0]

    def _labelled(self, y: Any, *, first: bool) -> np.ndarray:
        """Return y (m, k) of 0 and 1 as a dense array; set `classes_` to the numbers of its columns."""
        y = y.toarray() if is_sparse(y) else y
        if first:
            self.classes_ = np.arange(y.shape[1])
        elif y.ndim != 2 or y.shape[1] != len(self.classes_):
            raise ValueError(
                f"{type(self).__name__}: expected y of {len(self.classes_)} labels, (m, {len(self.classes_)}), as "
                f"before, got shape {y.shape}; fit anew without warm_start"
            )
        return np.asarray(y)

    def _logits(self, X: Any, method: str) -> tuple[Array, Place]:
        Z, home = self._forward(X, method, logits=True)
        return (Z[:, 0] if Z.shape[1] == 1 else Z), home

    def _held_out_score(self, xp: Any, y_hat: Array, data: Data) -> Array:
        if data.y.ndim == 2:
            hit = xp.all((y_hat > 0.5) == (data.y > 0.5), axis=1)
        elif y_hat.shape[1] == 1:
            hit = (y_hat[:, 0] > 0.5) == (data.y > 0.5)
        else:
            hit = xp.argmax(y_hat, axis=1) == xp.astype(data.y, xp.int64)
        return _mean(xp, xp.astype(hit, y_hat.dtype), data)


class MLPRegressor(RegressorMixin, Network):  # type: ignore[misc]
    """A network of dense layers that predicts numbers, one or several for each row.

    The cost that is minimised is that of MLPClassifier with a loss, summed over the outputs, in place of cross_entropy:

    loss    "squared_error" for (y_hat - y)^2 / 2; or "poisson" for y_hat - y log(y_hat), where y_hat is e to the power
            of the last layer: for counts, of which none may be below 0. scikit-learn adds y log(y) - y to that loss,
            which changes no minimum, and no difference of costs

    The other parameters, what X may be, where results live, and what is there after `fit` are those of MLPClassifier,
    but for `classes_`; the held-out score of early_stopping is R^2, the mean over outputs.
    """

    def __init__(self, *args: Any, loss: str = "squared_error", **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.loss = loss

    # Of these scikit-learn makes the names of the parameters.
    __init__.__signature__ = _with_loss(inspect.signature(Network.__init__))  # type: ignore[attr-defined]

    @on_their_gpu
    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn from X (m, n) and numbers y (m,) or (m, k), each row weighted by sample_weight (m,)."""
        data, home = self._data(X, y, sample_weight, first=self._starts_anew())
        return self._fit(data, home)

    @available_if(_by_steps)  # type: ignore[untyped-decorator]
    @on_their_gpu
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn for one more epoch, from these rows; see MLPClassifier.partial_fit."""
        data, home = self._data(X, y, sample_weight, first=not hasattr(self, "coefs_"))
        return self._partial_fit(data, home)

    @on_their_gpu
    @by_chunks
    def predict(self, X: Any) -> Array:
        """Return y_hat, (m,) for one output and (m, k) for several, where X lives."""
        y_hat, home = self._forward(X, "predict")
        return home.bring(y_hat[:, 0] if y_hat.shape[1] == 1 else y_hat)

    @on_their_gpu
    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R^2 (mean over outputs), the share of y's variance, weighted by sample_weight, that is predicted."""
        y_hat = on_host(self.predict(X))
        return float(r2_score(on_host(y), y_hat, sample_weight=on_host(sample_weight)))

    def _data(self, X: Any, y: Any, weight: Any, *, first: bool) -> tuple[Data, Place]:
        self._check_parameters()
        check_parameters(self, _LOSS)
        X, y = checked_data(self, X, y, reset=first, multi_output=True, y_numeric=True)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        weight = checked_weight(self, weight, len(y))
        k = 1 if y.ndim == 1 else y.shape[1]
        if not first and k != self.n_outputs_:
            raise ValueError(f"MLPRegressor: expected y of {self.n_outputs_} outputs as before, got {k}")
        if self.loss == "poisson" and y.min() < 0:
            raise ValueError(
                f"MLPRegressor.fit: loss='poisson' needs numbers from 0 up, got {y.min():g}; take loss='squared_error'"
            )
        home = Place.home_of(X)
        data = Data.at(computing(self.device, home), X, y, weight)
        self._shape(k, _OUTPUTS[self.loss], self.loss, anew=first)
        return data, home

    def _held_out_score(self, xp: Any, y_hat: Array, data: Data) -> Array:
        y = xp.reshape(data.y, y_hat.shape)
        left = _mean(xp, xp.square(y - y_hat), data)
        all_of_it = _mean(xp, xp.square(y - _mean(xp, y, data)), data)
        # Where y does not vary, the score is 1 for an exact prediction, else 0, as in scikit-learn.
        share = left / xp.where(all_of_it > 0, all_of_it, 1.0)
        return xp.mean(1 - xp.where(all_of_it > 0, share, xp.astype(left > 0, left.dtype)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _mean(xp: Any, x: Array, data: Data) -> Array:
    """Return the weighted mean over rows of x (m,) or (m, k)."""
    if data.weight is None:
        return xp.mean(x, axis=0)
    weight = xp.reshape(data.weight, (-1,) + (1,) * (x.ndim - 1))
    return xp.sum(x * weight, axis=0) / xp.sum(weight)


def _listed(table: Iterable[str]) -> str:
    """Return the names of a table's rows as the lines of a docstring."""
    return textwrap.fill(", ".join(f'"{name}"' for name in table), 90, subsequent_indent=" " * 25)


# None under python -OO.
if MLPClassifier.__doc__:
    MLPClassifier.__doc__ = MLPClassifier.__doc__.format(
        activations=_listed(ACTIVATIONS), optimizers=_listed(OPTIMIZERS)
    )
