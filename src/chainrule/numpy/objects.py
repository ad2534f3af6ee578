"""What NumPy has as objects and classes, for every array: r_ and c_, which join, and vectorize."""

from typing import Any

import numpy as np

from chainrule.numpy.functions import FOREIGN, PLAIN, answering, of_constants, without_list
from chainrule.numpy_names.coercion import array_of


class Joined:
    """What `r_` and `c_` are: `r_[x, 0.0, 1:4]` joins arrays, numbers and ranges along the first axis.

    `c_` joins them along the last, with vectors as columns. Where an array is traced a text, as in r_["0,2", x, y], is
    a TypeError.
    """

    def __init__(self, name: str) -> None:
        self._name, self._plain = name, getattr(np, name)

    def __repr__(self) -> str:
        return f"<{self._name} of chainrule.numpy>"

    def __len__(self) -> int:
        return 0

    def __getitem__(self, key: Any) -> Any:
        key = key if isinstance(key, tuple) else (key,)
        array, kind = answering(key)
        if kind == PLAIN:
            return self._plain[key]
        return self._joined(*key) if kind != FOREIGN else of_constants(array, self._joined, *key)

    def _joined(self, *key: Any) -> Any:
        array, _ = answering(key)
        parts = [without_list(part) for part in key]
        if any(isinstance(part, str) for part in parts):
            raise TypeError(
                f"numpy.{self._name}: a text cannot be traced; write numpy.concatenate or numpy.stack"
            )
        # Numbers have the dtype of the arrays beside them, as far as it holds them.
        parts = [np.r_[part] if isinstance(part, slice) else part for part in parts]
        xp = array.space
        if getattr(xp, "_base", np) is np:
            parts = [xp.asarray(part) if isinstance(part, list) else part for part in parts]
        dtype = xp.result_type(
            *(getattr(part, "dtype", part) for part in parts if not isinstance(part, list))
        )
        parts = [part if hasattr(part, "dtype") else xp.asarray(part, dtype=dtype) for part in parts]
        return xp.concat([self._with_axes(xp, part) for part in parts], axis=0 if self._name == "r_" else -1)

    def _with_axes(self, xp: Any, x: Any) -> Any:
        shape = tuple(x.shape)
        if self._name == "c_" and len(shape) < 2:
            return xp.reshape(x, (*shape, *(1,) * (2 - len(shape))))
        return x if shape else xp.reshape(x, (1,))


class vectorize(np.vectorize):  # noqa: N801  # NumPy's name
    """A function of numbers as one of arrays: it is called for each element, and traced elements stay traced.

    Raises TypeError where an array is traced and there is a `signature`, or an argument is given by name or excluded.
    """

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return the results for all elements, in one array for each result of the function."""
        array, kind = answering((*args, *kwargs.values()))
        if kind == PLAIN:
            return super().__call__(*args, **kwargs)
        if kind == FOREIGN:
            return of_constants(array, self, *args, **kwargs)
        if self.signature is not None or self.excluded or kwargs:
            raise TypeError("numpy.vectorize: a signature, and arguments by name, cannot be traced")
        xp = array.space
        arrays = [x if hasattr(x, "dtype") else xp.asarray(without_list(x)) for x in args]
        arrays = xp.broadcast_arrays(*arrays) if len(arrays) > 1 else arrays
        shape = tuple(arrays[0].shape)
        rows = zip(*(xp.reshape(x, (-1,)) for x in arrays), strict=True)
        results = [self.pyfunc(*row) for row in rows]
        if results and isinstance(results[0], tuple):
            parts = zip(*results, strict=True)
            return tuple(self._array(xp, list(part), shape, i) for i, part in enumerate(parts))
        return self._array(xp, results, shape)

    def _array(self, xp: Any, results: list[Any], shape: tuple[int, ...], i: int = 0) -> Any:
        y = xp.reshape(array_of(xp, results), shape)
        return y.astype(self.otypes[i]) if self.otypes else y
