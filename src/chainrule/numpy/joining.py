"""numpy.r_ and numpy.c_ for every array: what stands between the brackets, joined."""

from typing import Any

import numpy as np

from chainrule.numpy.functions import RECORDED, answering, without_list


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
        array, kind = answering(key if isinstance(key, tuple) else (key,))
        if kind < RECORDED:
            return self._plain[key]
        parts = [without_list(part) for part in (key if isinstance(key, tuple) else (key,))]
        if any(isinstance(part, str) for part in parts):
            raise TypeError(
                f"numpy.{self._name}: a text cannot be traced; write numpy.concatenate or numpy.stack"
            )
        # Numbers have the dtype of the arrays beside them, as far as it holds them.
        parts = [np.r_[part] if isinstance(part, slice) else part for part in parts]
        xp = array.space
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
