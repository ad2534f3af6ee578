"""Estimators with scikit-learn's conventions, on arrays of NumPy, CuPy or any other library of the standard."""

try:
    from chainrule.estimators.logistic_regression import LogisticRegression
    from chainrule.estimators.mlp import MLPClassifier, MLPRegressor
except ModuleNotFoundError as error:
    if (error.name or "").partition(".")[0] != "sklearn":
        raise
    raise ImportError(
        "the estimators need scikit-learn: pip install '.[app]' in chainrule's folder"
    ) from error

__all__ = ["LogisticRegression", "MLPClassifier", "MLPRegressor"]
