import array_api_strict
import numpy as np
import pytest

import chainrule as cr
from chainrule.backend.namespaces import namespace


def test_the_namespace_of_numpy_is_numpy_itself():
    assert namespace(np.ones(2), np.float32(1)) is np
    strict = cr.get_device("strict").asarray([1.0])
    assert namespace(strict) is array_api_strict
    with pytest.raises(TypeError):
        namespace(np.ones(2), strict)
