"""scikit-learn's handwritten digits: what is learnt where no data are named."""

import numpy as np

from chainrule.data.dataset import Dataset, ImageShape
from chainrule.data.errors import needs_app


def read() -> Dataset:
    """Return 1797 grey pictures of 8 x 8 pixels, raw values 0 to 16, in ten classes.

    Raises ImportError where scikit-learn is missing.
    """
    with needs_app("scikit-learn"):
        from sklearn.datasets import load_digits
    digits = load_digits()
    classes = tuple(str(name) for name in digits.target_names)
    y = digits.target.astype(np.int64)
    return Dataset(digits.data, y, classes, ImageShape(8, 8, 1), "scikit-learn's digits", full_scale=16.0)
