"""What a program could replay wrongly: whatever changes between calls gives the numbers of f, or an error."""

import collections
import configparser
import contextvars
import copy
import ctypes
import dataclasses
import datetime
import functools
import importlib
import io
import itertools
import math
import operator
import os
import queue
import random
import re
import sys
import types
import uuid
import warnings
import weakref

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

import chainrule as cr

X = np.arange(6.0).reshape(2, 3) / 7
RATE = 2.0
TABLE = np.arange(3.0)
module = types.ModuleType("a_module_of_the_callers")
module.W = np.arange(3.0)
RATES = {"rate": 2.0}


def own(value):
    """A case's array, of more than 512 bytes."""
    return np.full(1000, float(value))


# Each case gives a function, its arguments, and a change after which it is called again.


def number_of_an_array():
    W = np.array([1.0, 2.0])
    return lambda x: x * W.max() + W[0], (X,), lambda: W.__setitem__(slice(None), 5.0)


def float_of_an_array():
    W = np.array([1.0, 2.0])
    return lambda x: x * float(W[1]), (X,), lambda: W.__setitem__(1, 5.0)


def branch_on_an_array():
    W = np.array([1.0, 2.0])
    return lambda x: x if W[0] > 0 else -x, (X,), lambda: W.__setitem__(0, -1.0)


def one_element_of_many():
    W = own(1)
    return lambda x: x * float((W * 2).sum()), (X,), lambda: W.__setitem__(77, 5.0)


def function_that_is_not_followed():
    W = own(1)
    return lambda x: x * np.histogram(W, 2)[0][0], (X,), lambda: W.__setitem__(77, 5.0)


def table_by_argument():
    W, rows = np.arange(12.0).reshape(4, 3), np.array([0, 1])
    return lambda x: W[x] * 2, (rows,), lambda: W.__setitem__(0, 9.0)


def shape_by_an_array():
    n = np.array(2)
    return lambda x: np.broadcast_to(x, (int(n), *x.shape)) * 1, (X,), lambda: n.__setitem__((), 3)


def item_of_a_list():
    rates = [2.0]
    return lambda x: x * rates[0], (X,), lambda: rates.__setitem__(0, 3.0)


def length_of_a_list():
    terms = [1.0]
    return lambda x: x * len(terms), (X,), lambda: terms.append(1.0)


def item_of_a_dict():
    return lambda x: x * RATES["rate"], (X,), lambda: RATES.update(rate=RATES["rate"] + 1)


def attribute():
    settings = types.SimpleNamespace(rate=2.0)
    return lambda x: x * settings.rate, (X,), lambda: setattr(settings, "rate", 3.0)


class Model:
    scale = np.ones(3)

    def __init__(self):
        self.W, self.rate = np.arange(3.0), 2.0

    def __call__(self, x):
        return x * self.W * self.rate + float(self.W[1])


def attribute_of_the_callable():
    model = Model()
    return model, (X,), lambda: setattr(model, "rate", 3.0)


def array_of_a_method():
    model = Model()
    return model.__call__, (X,), lambda: model.W.__setitem__(1, 3.0)


def array_of_a_class():
    model = Model()
    return lambda x: x * float(model.scale[0]), (X,), lambda: Model.scale.__setitem__(0, Model.scale[0] + 1)


class Slots:
    __slots__ = ("W", "rate")

    def __init__(self):
        self.W, self.rate = np.ones(3), 2.0


def array_in_a_slot():
    slots = Slots()
    return lambda x: x * float(slots.W[0]), (X,), lambda: slots.W.__setitem__(0, 3.0)


def number_in_a_slot():
    slots = Slots()
    return lambda x: x * slots.rate, (X,), lambda: setattr(slots, "rate", 3.0)


def array_of_a_module():
    return lambda x: x * float(module.W[1]), (X,), lambda: module.W.__setitem__(1, module.W[1] + 1)


def number_of_a_module():
    module.rate = 2.0
    return lambda x: x * module.rate, (X,), lambda: setattr(module, "rate", 3.0)


class OfClasses(type):
    W = np.ones(3)


class OfMeta(metaclass=OfClasses):
    pass


def array_of_a_metaclass():
    return lambda x: x * float(OfMeta.W[0]), (X,), lambda: OfClasses.W.__setitem__(0, OfClasses.W[0] + 1)


def array_for_compiled_code():
    W = np.ones(3)
    return lambda x: x * memoryview(W)[0], (X,), lambda: W.__setitem__(0, 3.0)


def array_behind_a_reference():
    W = np.ones(3)
    get = weakref.ref(W)
    return lambda x: x * float(get()[0]), (X,), lambda: W.__setitem__(0, 3.0)


def array_behind_a_view_of_a_dict():
    W = types.MappingProxyType({"W": np.ones(3)})
    return lambda x: x * float(W["W"][0]), (X,), lambda: W["W"].__setitem__(0, 3.0)


def text_of_an_array():
    W = np.ones(1)
    return lambda x: x * len(str(W)), (X,), lambda: W.__setitem__(0, 1.2345)


def keyword_only_default():
    W = np.ones(3)

    def f(x, *, scale=W):
        return x * float(scale[0])

    return f, (X,), lambda: W.__setitem__(0, 3.0)


def array_in_a_deque():
    W = collections.deque([np.ones(3)])
    return lambda x: x * float(W[0][0]), (X,), lambda: W[0].__setitem__(0, 3.0)


def array_in_a_cache():
    @functools.lru_cache
    def table():
        return np.ones(3)

    return lambda x: x * float(table()[0]) + table(), (X,), lambda: table().__setitem__(0, 3.0)


def attribute_by_name():
    module.rate = 2.0
    return lambda x: x * getattr(module, "ra" + "te"), (X,), lambda: setattr(module, "rate", 3.0)


def name_outside():
    def change():
        global RATE  # noqa: PLW0603
        RATE += 1.0

    return lambda x: x * RATE, (X,), change


def helper_outside():
    def helper(x):
        return x * scale[0]

    scale = [2.0]
    return lambda x: helper(x) + 1, (X,), lambda: scale.__setitem__(0, 3.0)


def variable_of_a_closure():
    rate = 2.0

    def change():
        nonlocal rate
        rate = 3.0

    return lambda x: x * rate, (X,), change


def gradient_of_a_closure():
    W = np.ones(3)
    return cr.grad(lambda x: (x * W.max() ** 2).sum()), (X,), lambda: W.__setitem__(0, 3.0)


def code_of_a_helper():
    def helper(x):
        return x * 2

    return lambda x: helper(x), (X,), lambda: setattr(helper, "__code__", (lambda x: x * 3).__code__)


def default_of_a_helper():
    def helper(x, k=2.0):
        return x * k

    return lambda x: helper(x), (X,), lambda: setattr(helper, "__defaults__", (3.0,))


def number_of_a_module_with_a_name_of_pythons():
    shadow = types.ModuleType("this")
    shadow.__file__ = "this.py"
    exec("k = 2.0\ndef helper(x): return x * k", vars(shadow))
    sys.modules["this"] = shadow
    return shadow.helper, (X,), lambda: setattr(shadow, "k", 3.0)


def attribute_of_a_librarys_object():
    model = LinearRegression().fit(X, X[:, 0])
    return lambda x: x @ model.coef_, (X,), lambda: model.fit(X, -X[:, 1])


class Setting:
    def __init__(self):
        self.rate = 2.0


def attribute_of_an_argument():
    setting = Setting()
    return lambda x, s: x * s.rate, (X, setting), lambda: setattr(setting, "rate", 3.0)


def array_of_an_argument():
    model = Model()
    return lambda x, m: m(x), (X, model), lambda: model.W.__setitem__(1, 3.0)


def attribute_that_a_class_gets():
    class Rates:
        pass

    return lambda x: x * getattr(Rates, "rate", 2.0), (X,), lambda: setattr(Rates, "rate", 3.0)


def attribute_that_hides_that_of_a_base():
    class First:
        rate = 2.0

    class Second(First):
        pass

    own = Second()
    return lambda x: x * own.rate, (X,), lambda: setattr(Second, "rate", 3.0)


def name_that_a_module_gets():
    vars(module).pop("more", None)
    return lambda x: x * getattr(module, "more", 2.0), (X,), lambda: setattr(module, "more", 3.0)


def slot_that_is_filled():
    slots = object.__new__(Slots)
    return lambda x: x * getattr(slots, "rate", 2.0), (X,), lambda: setattr(slots, "rate", 3.0)


def name_that_hides_a_builtin():
    scope = {}
    exec("def f(x): return x * len([1, 2])", scope)
    return scope["f"], (X,), lambda: scope.update(len=lambda items: 7)


def class_of_an_object():
    class Other(Model):
        def __call__(self, x):
            return x * 7

    model = Model()
    return lambda x: model(x), (X,), lambda: setattr(model, "__class__", Other)


def keywords_of_a_partial():
    f = functools.partial(lambda x, k: x * k, k=2.0)
    return f, (X,), lambda: f.keywords.update(k=3.0)


def keyword_only_default_of_a_helper():
    def helper(x, *, k=2.0):
        return x * k

    return lambda x: helper(x), (X,), lambda: helper.__kwdefaults__.update(k=3.0)


def attribute_of_a_function():
    def f(x):
        return x * f.rate

    f.rate = 2.0
    return f, (X,), lambda: setattr(f, "rate", 3.0)


def shape_of_an_array():
    W = np.arange(4.0)
    return lambda x: x * len(W), (X,), lambda: W.resize((2, 2), refcheck=False)


def cache_that_is_emptied():
    rates = {"rate": 3.0}

    @functools.lru_cache
    def cached(n):
        return n * rates["rate"]

    cached(3)
    rates["rate"] = 2.0
    return lambda x: x * cached(3), (X,), cached.cache_clear


def property_that_is_computed_anew():
    class Rates:
        def __init__(self):
            self.rate = 2.0

        @functools.cached_property
        def twice(self):
            return 2 * self.rate

    rates = Rates()
    assert rates.twice == 4.0
    rates.rate = 3.0
    return lambda x: x * rates.twice, (X,), lambda: delattr(rates, "twice")


def method_of_a_dict():
    rates = {"rate": 2.0}
    get = rates.get
    return lambda x: x * get("rate"), (X,), lambda: rates.update(rate=3.0)


def method_of_an_array():
    W = np.ones(3)
    item = W.item
    return lambda x: x * item(0), (X,), lambda: W.__setitem__(0, 3.0)


def view_of_a_dict():
    rates = {"rate": 2.0}
    found = rates.values()
    return lambda x: x * sum(found), (X,), lambda: rates.update(rate=3.0)


def function_in_an_object_of_a_library():
    each = np.vectorize(lambda v: v * rates[0])
    rates = [2.0]
    return lambda x: x * float(each(1.0)), (X,), lambda: rates.__setitem__(0, 3.0)


def object_of_a_library_that_is_fitted_anew():
    model = LinearRegression().fit(np.eye(2), np.arange(2.0))
    return (
        lambda x: x * float(model.predict(np.ones((1, 2)))[0]),
        (X,),
        lambda: model.fit(np.eye(2), np.ones(2) * 9),
    )


def parser_of_settings():
    settings = configparser.ConfigParser()
    settings["all"] = {"rate": "2"}
    return lambda x: x * settings.getfloat("all", "rate"), (X,), lambda: settings.set("all", "rate", "3")


def the_environment():
    os.environ["CHAINRULE_TEST_RATE"] = "2"
    return (
        lambda x: x * float(os.environ["CHAINRULE_TEST_RATE"]),
        (X,),
        lambda: os.environ.update(CHAINRULE_TEST_RATE="3"),
    )


def the_environment_by_a_function():
    _, args, change = the_environment()
    return lambda x: x * float(os.getenv("CHAINRULE_TEST_RATE")), args, change


def arguments_of_the_command():
    return lambda x: x * len(sys.argv), (X,), lambda: setattr(sys, "argv", [*sys.argv, "more"])


def list_in_a_frozen_dataclass():
    config = Config(2.0, [1.0])
    return lambda x: x * len(config.W) * config.rate, (X,), lambda: config.W.append(3.0)


CHANGES = [
    *(attribute_that_a_class_gets, attribute_that_hides_that_of_a_base, name_that_a_module_gets),
    *(slot_that_is_filled, name_that_hides_a_builtin, class_of_an_object, keywords_of_a_partial),
    *(keyword_only_default_of_a_helper, attribute_of_a_function, shape_of_an_array, cache_that_is_emptied),
    *(property_that_is_computed_anew, method_of_a_dict, method_of_an_array),
    *(view_of_a_dict, function_in_an_object_of_a_library, object_of_a_library_that_is_fitted_anew),
    *(parser_of_settings, the_environment, the_environment_by_a_function, arguments_of_the_command),
    list_in_a_frozen_dataclass,
    *(number_of_an_array, float_of_an_array, branch_on_an_array, one_element_of_many),
    *(function_that_is_not_followed, table_by_argument, shape_by_an_array, item_of_a_list, length_of_a_list),
    *(item_of_a_dict, attribute, attribute_of_the_callable, array_of_a_method, array_of_a_class),
    *(array_in_a_slot, number_in_a_slot, array_of_a_module, number_of_a_module, keyword_only_default),
    *(
        attribute_by_name,
        array_in_a_deque,
        array_in_a_cache,
        name_outside,
        helper_outside,
        variable_of_a_closure,
    ),
    *(
        array_of_a_metaclass,
        array_for_compiled_code,
        array_behind_a_reference,
        array_behind_a_view_of_a_dict,
        text_of_an_array,
    ),
    *(gradient_of_a_closure, attribute_of_an_argument, array_of_an_argument, attribute_of_a_librarys_object),
    *(code_of_a_helper, default_of_a_helper, number_of_a_module_with_a_name_of_pythons),
]


@pytest.mark.parametrize("case", CHANGES)
def test_what_changes_outside_is_seen(case, monkeypatch):
    monkeypatch.setenv("CHAINRULE_TEST_RATE", "")  # which is unset after the test
    monkeypatch.setattr(sys, "argv", sys.argv)
    f, args, change = case()
    g = cr.compile(f)
    np.testing.assert_array_equal(g(*args), f(*args))
    np.testing.assert_array_equal(g(*args), f(*args))
    change()
    np.testing.assert_array_equal(g(*args), f(*args))
    np.testing.assert_array_equal(g(*args), f(*args))


# --- What f changes ---

count, log = 0, []


def counts(x):
    global count  # noqa: PLW0603
    count += 1
    return x * count


def sets_an_attribute(x, s=Setting()):  # noqa: B008
    s.rate += 1
    return x * s.rate


def fills_a_buffer(x, buffer=np.zeros(3)):  # noqa: B008
    buffer[:] = 3
    return x * buffer


def fills_an_array_of_a_class(x):
    Model.scale[:] = 3
    return x * Model.scale


def keeps(x, kept=[1.0]):  # noqa: B006
    kept.append(x)
    return x * len(kept)


def changes_a_large_array(x):
    own = np.zeros(5_000_000, "int8")
    y = x[:1, 0].astype("int8") + own
    own[3] = 3
    return x + (y + own)[3]


class Asks:
    def method(self, x):
        return x * 2 if type(x) is np.ndarray else x * 3


asks, CONTEXT = Asks(), contextvars.ContextVar("CONTEXT", default=2.0)


@functools.singledispatch
def dispatched(x):
    return x


def of_subclasses(x):
    return x * len(Model.__subclasses__())


NUMBER, ROW = ctypes.c_double(2.0), np.zeros(1, [("rate", float)])[0]
VALUES, LINES = queue.Queue(), io.StringIO("2\n3\n4\n")
VALUES.queue.extend([1.0, 2.0])
HIDDEN = np.frompyfunc(lambda v: v * RATE, 1, 1)


@pytest.mark.parametrize(
    ("f", "message"),
    [
        (lambda x: x * NUMBER.value, "a c_double outside the function may change"),
        (lambda x: x * ROW["rate"], "a void outside the function may change"),
        (lambda x: x * float(HIDDEN(1.0)), "frompyfunc hides its function"),
        (lambda x: x * float(LINES.readline()), "changed what is outside itself"),
        (lambda x: x * VALUES.get(), "changed what is outside itself"),
        (of_subclasses, "calls __subclasses__, which is not followed"),
    ],
)
def test_objects_whose_state_no_comparison_reaches_are_refused(f, message):
    with pytest.raises(TypeError, match=message):
        cr.compile(f)(X)


@pytest.mark.parametrize(
    "f",
    [
        lambda x: asks.method(x),
        lambda x: dispatched(x),
        lambda x: x * CONTEXT.get(),
        lambda x: x * globals()["RATE"],
    ],
)
def test_what_cannot_be_seen_is_refused(f):
    with pytest.raises(TypeError, match="is not followed"):
        cr.compile(f)(X)


def test_lists_and_dicts_among_the_arguments_stay_as_they_are():
    def f(params, x):
        params["W"] = params["W"] - x
        return x

    with pytest.raises(TypeError, match="a list or a dict among the arguments"):
        cr.compile(f)({"W": X}, X)


@pytest.mark.parametrize(
    "f", [counts, sets_an_attribute, fills_a_buffer, fills_an_array_of_a_class, keeps, changes_a_large_array]
)
def test_what_f_changes_outside_is_refused(f):
    with pytest.raises(TypeError, match="compile: "):
        cr.compile(f)(X)


def test_a_list_that_only_grows_is_no_input():
    def f(x):
        log.append(1)
        return x * 2

    g = cr.compile(f)
    g(X), g(X)
    assert len(log) == 1


def test_a_closure_may_lead_back_to_its_function():
    W = np.ones(3)

    def f(x, n):
        return f(x * W, n - 1) if n else x

    g = cr.compile(f)
    np.testing.assert_array_equal(g(X, 3), f(X, 3))
    W[:] = 2
    np.testing.assert_array_equal(g(X, 3), f(X, 3))


# --- Which argument is which ---


def swallows(operation):
    def f(x, *more):
        try:
            return operation(x, *more)
        except Exception:
            return x * 0

    return f


def silent(x):
    try:
        with np.errstate(all="raise"):
            np.log(x)
    except FloatingPointError:
        return x * 0
    return x + 5


def singular(x):
    try:
        np.linalg.inv(x)
    except np.linalg.LinAlgError:
        return x * 0
    return x + 5


def quotient(x, n):
    try:
        1 / n
    except ZeroDivisionError:
        return x * 0
    return x * 1


def hidden(x):
    with np.errstate(all="raise"):
        try:
            y = np.log(x)
        except FloatingPointError:
            y = x * 3
    return y


def outside_the_array(call):
    def f(x, i):
        try:
            call(x, i)
        except (IndexError, ValueError, OverflowError):
            return x * 0
        return x * 1

    return f


Pair = collections.namedtuple("Pair", "a b")


def as_an_error(x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            return np.log(x)
        except RuntimeWarning:
            return x * 3


POSITIVE, NEGATIVE = np.eye(2) + 1, np.zeros((2, 2))
# A function, and arguments one after the other.
CALLS = [
    (lambda a, b: a * 3 if a is b else a + b, [(X, X), (X, X + 1), (X, X)]),
    (lambda x, n: x * 2 if type(n) is int else x * 3, [(X, 2), (X, 2.0)]),
    (lambda x, n: x * 2 if isinstance(n, int) else x * 3, [(X, 2), (X, 2.0)]),
    (lambda x: x * 2 if isinstance(x, np.ndarray) else x * 3, [(X,)]),
    (lambda x: x * 2 if type(x) is np.ndarray else x * 3, [(X,)]),
    (
        lambda x, s: x * 2 if type(next(iter(s))) is int else x * 3,
        [(X, frozenset([1])), (X, frozenset([1.0]))],
    ),
    (lambda x, s: x * s.imag + math.copysign(1, s.imag), [(X, complex(1, 0.0)), (X, complex(1, -0.0))]),
    (lambda x, s: x * 2 if s is True else x * 3, [(X, True), (X, 1), (X, 1.0)]),
    (lambda d: next(d[k] * 2 if type(k) is int else d[k] for k in d), [({1: X},), ({True: X},), ({1.0: X},)]),
    (swallows(divmod), [(X, 2.0)]),
    (swallows(lambda x, n, m: x * (n & m)), [(X, 6, 3), (X, 5, 3)]),
    (swallows(lambda x, n: x * divmod(n, 4)[1]), [(X, 6), (X, 5)]),
    (swallows(lambda x: x.strides[0] * x), [(X,)]),
    (swallows(np.linalg.inv), [(POSITIVE,), (NEGATIVE,)]),
    (swallows(np.linalg.inv), [(NEGATIVE,), (POSITIVE,)]),
    (silent, [(POSITIVE,), (NEGATIVE,)]),
    (silent, [(NEGATIVE,), (POSITIVE,)]),
    (hidden, [(POSITIVE,), (NEGATIVE,)]),
    (singular, [(POSITIVE,), (NEGATIVE,)]),
    (singular, [(NEGATIVE,), (POSITIVE,)]),
    (quotient, [(X, 1), (X, 0)]),
    (quotient, [(X, 0), (X, 1)]),
    (lambda __MISS, __type=1: __MISS * 2 * __type, [(X,), (X, 2), (X, 2.0)]),
    (lambda np, np_: np * np_, [(X, X)]),
    (lambda x, s: x[:, s], [(X, slice(0, 2)), (X, slice(1, 2))]),
    (lambda x, n: (x, n * 2, n), [(X, 2), (X, 2.5), (X, 3)]),
    # What another call does not commute with.
    (lambda x, y: (x + y, y + x), [(np.array(["a"]), np.array(["bc"]))]),
    (lambda x, y: x * 2 if operator.is_(x, y) else x * 3, [(X, X + 1), (X, X)]),
    # An error may come of a call of which nothing else is needed.
    (outside_the_array(lambda x, i: x[i]), [(X, np.array([0])), (X, np.array([9]))]),
    (outside_the_array(lambda x, i: np.take(x, i, axis=0)), [(X, np.array([0])), (X, np.array([9]))]),
    (
        outside_the_array(lambda x, i: np.arange(3) ** i),
        [(X, np.array([1, 2, 0])), (X, np.array([1, -1, 0]))],
    ),
    (outside_the_array(lambda x, n: np.arange(3, dtype=np.int8) + n), [(X, 1), (X, 300)]),
    (as_an_error, [(POSITIVE,), (NEGATIVE,)]),
    # The type of a number of Python's decides that of an array.
    (lambda x, n: np.arange(3) * (n * 1.0), [(X, 2), (X, 3)]),
    (lambda x, n: np.arange(3) * (n / 1), [(X, 2), (X, 3)]),
    (lambda x, n: x * 2 if isinstance(2**n, int) else x * 3, [(X, 2), (X, -1), (X, 3)]),
    (lambda x, n: x * 2 if isinstance(n**0.5, float) else x * 3, [(X, 4.0), (X, -4.0), (X, 9.0)]),
    (lambda x, n: x * 2 if isinstance((-4.0) ** n, float) else x * 3, [(X, 2.0), (X, 0.5)]),
    (lambda x, n: np.concatenate(Pair(x, x * copy.deepcopy([n])[0])), [(X, 2.0), (X, 3.0)]),
    (lambda x, n: (n + 1j) * x - x / (1j * n), [(X, 2.0), (X, 3.0)]),
]


REFUSED = {12, 32}


@pytest.mark.parametrize("case", range(len(CALLS)))
def test_every_call_gives_the_numbers_of_f_or_an_error(case):
    f, calls = CALLS[case]
    g, given = cr.compile(f), 0
    for args in calls:
        expected = f(*args)
        try:
            out = g(*args)
        except TypeError as error:
            assert "compile: " in str(error)  # noqa: PT017
        else:
            given += 1
            if isinstance(out, tuple):
                assert list(map(type, out)) == list(map(type, expected))
                assert not np.shares_memory(out[0], args[0])
                out, expected = out[1:], expected[1:]
            np.testing.assert_array_equal(out, expected)
    assert given or case in REFUSED


@dataclasses.dataclass(frozen=True)
class Config:
    rate: float
    W: np.ndarray


@dataclasses.dataclass
class Derived:
    rate: float

    def __post_init__(self):
        self.twice = self.rate * 2


def test_dataclasses_are_trees():
    g = cr.compile(lambda x, config: (Config(config.rate * 2, x * config.rate + config.W), config))
    for rate in (2.0, 3.0):
        out, same = g(X, Config(rate, X + rate))
        assert (type(out), out.rate, type(same), same.rate) == (Config, rate * 2, Config, rate)
        np.testing.assert_array_equal(out.W, X * rate + (X + rate))
        np.testing.assert_array_equal(same.W, X + rate)
    assert len(g.signatures) == 1
    g = cr.compile(lambda x, both: x * both["a"][0].twice + both["a"][0].rate)
    for rate in (2.0, 3.0):
        np.testing.assert_array_equal(g(X, {"a": [Derived(rate)]}), X * rate * 2 + rate)


def test_a_comprehension_handles_no_errors():
    # A call without use stays only where its error could be handled.
    assert "inv" not in cr.compile(lambda x: (np.linalg.inv(x), [x * k for k in (1, 2)])[1]).source(np.eye(2))

    def handled(x):
        try:
            np.linalg.inv(x)
        finally:
            x = x * 2
        return x

    assert "inv" in cr.compile(handled).source(np.eye(2))


def test_what_keeps_changing_warns_once():
    rates = [0.0]
    g = cr.compile(lambda x: x * rates[0])

    def call(rate):
        rates[0] = float(rate)
        np.testing.assert_array_equal(g(X), X * rate)

    with pytest.warns(RuntimeWarning, match="keeps changing") as caught:
        list(map(call, range(20)))
    assert len(caught) == 1


def test_iterators_are_refused():
    with pytest.raises(TypeError, match="differs from call to call"):
        cr.compile(lambda x, it: x * next(it))(X, iter([1, 2]))
    steps = itertools.count()
    with pytest.raises(TypeError, match="other values at each call"):
        cr.compile(lambda x: x * next(steps))(X)


@pytest.mark.parametrize(
    "f",
    [lambda x: x + np.random.default_rng().normal(), lambda x: x + random.random()],
)
def test_random_draws_warn(f):
    with pytest.warns(RuntimeWarning, match="drew random numbers"):
        cr.compile(f)(X)


def of_a_file(x):
    with open(__file__) as file:  # noqa: PTH123
        return x * len(file.read())


def at_any_time(x):
    import time

    return x * time.perf_counter()


@pytest.mark.parametrize(
    ("f", "name"),
    [
        (lambda x: x * datetime.datetime.now().microsecond, r"the clock, by datetime\.datetime\.now"),
        (at_any_time, r"the clock, by time\.perf_counter"),
        (of_a_file, "files, by open"),
        (lambda x: x * np.loadtxt([str(RATE)]), r"files, by numpy\.loadtxt"),
        (lambda x: x * uuid.uuid4().int, r"chance, by uuid\.uuid4"),
    ],
)
def test_what_f_reads_of_the_world_warns(f, name):
    with pytest.warns(RuntimeWarning) as caught:
        cr.compile(f)(X)
    assert any(re.search(f"reads {name}, while it is recorded", str(w.message)) for w in caught)


def test_what_only_has_the_name_of_a_clock_does_not_warn():
    clock = types.SimpleNamespace(time=lambda: 2.0, now=3.0)
    np.testing.assert_array_equal(cr.compile(lambda x: x * clock.time() * clock.now)(X), X * 6)


def test_a_cache_gets_no_number_of_a_recording():
    @functools.lru_cache
    def cached(n):
        return n * 2.0

    class Rates:
        @functools.lru_cache  # noqa: B019
        def of(self, n):
            return n * 2.0

    rates = Rates()
    cr.compile(lambda x, n: x * cached(n) * rates.of(n))(X, 3.0)
    assert (type(cached(3.0)), type(rates.of(3.0))) == (float, float)


@pytest.mark.parametrize("folder", ["site-packages", "lib"])
def test_a_package_may_be_the_callers_wherever_it_is_installed(folder, tmp_path, monkeypatch):
    (tmp_path / folder).mkdir()
    # One has the name of a library that is installed elsewhere.
    name = "rates_of_the_callers" if folder == "site-packages" else "pluggy"
    (tmp_path / folder / f"{name}.py").write_text("rate = 2.0\ndef scaled(x):\n    return x * rate\n")
    monkeypatch.syspath_prepend(str(tmp_path / folder))
    monkeypatch.delitem(sys.modules, name, raising=False)
    own = importlib.import_module(name)
    g = cr.compile(lambda x: own.scaled(x))
    np.testing.assert_array_equal(g(X), X * 2)
    own.rate = 3.0
    np.testing.assert_array_equal(g(X), X * 3)
    monkeypatch.delitem(sys.modules, name)


def test_arrays_that_a_function_closes_over_cost_no_look_at_them():
    W = np.ones((1000, 3))
    g = cr.compile(lambda x: x @ W.T)
    g(X)
    W[500] = 3
    np.testing.assert_array_equal(g(X), X @ W.T)
    assert "W" in g.source(X)
    assert len(g.signatures) == 1
