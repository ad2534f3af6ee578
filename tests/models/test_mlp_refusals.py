"""What a network refuses, and with which words."""

import math

import numpy as np
import pytest

import chainrule as cr
from chainrule.models.activations import ACTIVATIONS, OUTPUTS
from chainrule.models.losses import COSTS as EVERY_COST_NAMED
from tests.helpers.networks import COSTS

X, ROWS, NUMBERS = np.ones((4, 3)), np.eye(2)[[0, 1, 0, 1]], np.array([0, 1, 0, 1])
ONE, TWO = cr.MLP((3, 1)), cr.MLP((3, 2), output="softmax")
SEVERAL, MANY = cr.MLP((3, 2)), cr.MLP((3, 4, 2), output="identity", cost="hinge")
RIGHT_OVER_WRONG = cr.MLP((3, 2), output="identity", cost="multiclass_hinge")
COUNTS = cr.MLP((3, 2), output="exp", cost="poisson")
CALLS = ("cost_of", "cost_and_gradients", "input_gradient")
EVERY_CALL = pytest.mark.parametrize("call", CALLS)


class TestSettings:
    @pytest.mark.parametrize("sizes", [(), (3,), (3, 0), (0, 1), (3, -1, 2)], ids=str)
    def test_sizes(self, sizes):
        with pytest.raises(
            ValueError, match=r"MLP: sizes must be features, hidden units and outputs, each from 1"
        ):
            cr.MLP(sizes)

    @pytest.mark.parametrize("sizes", [(3.5, 1), ("3", 1), (True, 1), "31", 3, None], ids=str)
    def test_sizes_that_are_no_whole_numbers(self, sizes):
        with pytest.raises(TypeError, match=r"^MLP: (each of )?sizes must be (a )?whole number"):
            cr.MLP(sizes)

    @pytest.mark.parametrize(
        ("name", "known"),
        [
            ("activation", ", ".join(ACTIVATIONS)),
            ("output", ", ".join(OUTPUTS)),
            ("cost", ", ".join(EVERY_COST_NAMED)),
            ("bias_gradient", "exact, mean"),
        ],
    )
    def test_names(self, name, known):
        with pytest.raises(ValueError, match=f"^MLP: {name} must be one of {known}, got 'swish'$"):
            cr.MLP((3, 1), **{name: "swish"})

    def test_costs_that_are_not_made_for_an_output(self):
        outputs, costs = OUTPUTS, dict.fromkeys(cost for _, cost in COSTS)
        refused = 0
        for output in outputs:
            for cost in costs:
                if (output, cost) in COSTS:
                    assert cr.MLP((3, 2), output=output, cost=cost).shapes
                    continue
                with pytest.raises(
                    ValueError, match=f"the cost {cost} needs output .*, got '{output}'; choose that"
                ):
                    cr.MLP((3, 2), output=output, cost=cost)
                refused += 1
        assert refused == 11

    @pytest.mark.parametrize(
        ("output", "cost"), [("softmax", "cross_entropy"), ("identity", "multiclass_hinge")]
    )
    def test_classes_of_one(self, output, cost):
        with pytest.raises(
            ValueError, match=f"{output} with {cost} needs 2 outputs or more, got 1; take output="
        ):
            cr.MLP((3, 1), output=output, cost=cost)

    @pytest.mark.parametrize("penalty", [0.1, "l2", cr.L2], ids=str)
    def test_penalty(self, penalty):
        with pytest.raises(
            TypeError, match=r"MLP: penalty must be L1\(...\), L2\(...\), ElasticNet\(...\) or None, got"
        ):
            cr.MLP((3, 1), penalty=penalty)

    @pytest.mark.parametrize("pieces", [0, -1])
    def test_pieces(self, pieces):
        with pytest.raises(ValueError, match=f"MLP: pieces must be a whole number from 1 up, got {pieces}"):
            cr.MLP((3, 1), pieces=pieces)


class TestInit:
    def test_an_unknown_name(self):
        with pytest.raises(ValueError, match="weights must be one of zeros, lecun, he, glorot, got 'xavier'"):
            ONE.init(weights="xavier")

    @pytest.mark.parametrize(
        "weights", [[], [(np.ones((1, 3)), np.ones(1))], [(np.ones((3, 1)), np.ones(2))], [(X.T, X[0])] * 2]
    )
    def test_weights_of_another_shape(self, weights):
        with pytest.raises(
            ValueError, match=r"MLP.init: expected \(W, b\) shaped \[\(\(3, 1\), \(1,\)\)\], got \["
        ):
            ONE.init(weights=weights)

    @pytest.mark.parametrize("weights", [math.nan, math.inf])
    def test_a_number_that_is_not_finite(self, weights):
        with pytest.raises(ValueError, match=f"MLP.init: weights must be a finite number, got {weights}"):
            ONE.init(weights=weights)

    @pytest.mark.parametrize("dtype", ["int32", "float16", "complex128"])
    def test_other_dtypes(self, dtype):
        with pytest.raises(TypeError, match=f"MLP.init: dtype must be float32 or float64, got {dtype}"):
            ONE.init(dtype=dtype)


class TestSamples:
    @pytest.mark.parametrize("shape", [(3,), (4, 2), (0, 3), (4, 3, 1), ()], ids=str)
    @pytest.mark.parametrize("call", ["forward", *CALLS])
    def test_shape(self, device, call, shape):
        given = [ONE.init(device=device, dtype="float64"), device.asarray(np.ones(shape))]
        given += [] if call == "forward" else [device.asarray(np.ones(4))]
        with pytest.raises(
            ValueError, match=rf"MLP.{call}: expected X \(m, 3\) with m >= 1, one row a sample, got"
        ):
            getattr(ONE, call)(*given)

    @pytest.mark.parametrize("kind", ["float32", "int64", "bool", "complex128"])
    def test_another_dtype_than_the_parameters(self, device, kind):
        with pytest.raises(
            TypeError, match=r"must be float32 or all float64, got .*; convert X, or make parameters"
        ):
            ONE.forward(ONE.init(device=device, dtype="float64"), device.asarray(X, kind))

    def test_parameters_of_two_dtypes(self, device):
        params = MANY.init(device=device, dtype="float64")
        params[1] = (device.asarray(params[1][0], "float32"), params[1][1])
        with pytest.raises(TypeError, match=r"got .*float32.*float64"):
            MANY.forward(params, device.asarray(X))

    @pytest.mark.parametrize("call", ["forward", *CALLS])
    def test_no_arrays_or_arrays_of_two_libraries(self, call):
        match = rf"MLP.{call}: .* must be arrays of one library, got ndarray, .*; make them with get_device"
        targets = [] if call == "forward" else [NUMBERS]
        for other in (X.tolist(), cr.get_device("strict").asarray(X)):
            with pytest.raises(TypeError, match=match):
                getattr(ONE, call)(ONE.init(device="cpu"), other, *targets)
        if targets:
            with pytest.raises(TypeError, match=match):
                getattr(ONE, call)(ONE.init(device="cpu"), X, NUMBERS.tolist())

    def test_parameters_of_another_network(self, device):
        match = r"expected \(W, b\) shaped \[\(\(3, 1\), \(1,\)\)\], got .*; make them by init"
        for params in (
            MANY.init(device=device, dtype="float64"),
            ONE.init(device=device, dtype="float64")[0],
            [],
        ):
            with pytest.raises(ValueError, match=match):
                ONE.forward(params, device.asarray(X))


class TestTargets:
    @EVERY_CALL
    @pytest.mark.parametrize(
        ("net", "shape", "wanted"),
        [
            (ONE, (3,), r"\(4,\) or \(4, 1\)"),
            (ONE, (4, 2), r"\(4,\) or \(4, 1\)"),
            (ONE, (), r"\(4,\) or \(4, 1\)"),
            (TWO, (4, 3), r"\(4,\) or \(4, 2\)"),
            (TWO, (5,), r"\(4,\) or \(4, 2\)"),
            (MANY, (2, 4), r"\(4,\) or \(4, 2\)"),
            (SEVERAL, (4,), r"\(4, 2\)"),
            (SEVERAL, (4, 1), r"\(4, 2\)"),
        ],
        ids=str,
    )
    def test_shape(self, device, call, net, shape, wanted):
        match = (
            rf"MLP.{call}: expected y {wanted} for X \(4, 3\), {net.sizes[-1]} outputs \({net.output}\) and"
        )
        with pytest.raises(ValueError, match=match):
            getattr(net, call)(
                net.init(device=device, dtype="float64"), device.asarray(X), device.asarray(np.zeros(shape))
            )

    def test_kind(self, device):
        with pytest.raises(TypeError, match=r"y must hold real numbers, integers or booleans, got .*complex"):
            ONE.cost_of(
                ONE.init(device=device, dtype="float64"),
                device.asarray(X),
                device.asarray(NUMBERS, "complex128"),
            )

    @EVERY_CALL
    @pytest.mark.parametrize("wrong", [2, -1, 0.5, math.nan, math.inf])
    def test_a_label_of_no_class(self, call, wrong):
        y = np.array([0, 1, wrong, 1])
        match = rf"MLP.{call}: y must hold class numbers from 0 to 1, got {wrong:g}; number them from 0"
        with pytest.raises(ValueError, match=match):
            getattr(TWO, call)(TWO.init(), X, y)

    @EVERY_CALL
    @pytest.mark.parametrize(
        ("net", "most", "wrong"),
        [
            *(
                (net, 1, wrong)
                for net in (ONE, SEVERAL, RIGHT_OVER_WRONG)
                for wrong in (-1, 2, math.nan, math.inf)
            ),
            *((net, math.inf, wrong) for net in (TWO, COUNTS) for wrong in (-1, math.nan)),
        ],
        ids=str,
    )
    def test_a_target_that_is_no_share(self, call, net, most, wrong):
        y = np.full((4, net.sizes[-1]), 0.5)
        y[2, 0] = wrong
        wanted, remedy = ("to 1", "0 and 1, or shares") if most == 1 else ("up", "no negative number")
        match = rf"MLP.{call}: {net.cost} needs targets from 0 {wanted}, got .*{wrong:g}.*; give {remedy}"
        with pytest.raises(ValueError, match=match):
            getattr(net, call)(net.init(device="cpu"), X, y)

    def test_sides_of_minus_one_and_one_are_for_the_hinge(self):
        params = MANY.init(device="cpu")
        rows = MANY.cost_of(params, X, ROWS)
        assert MANY.cost_of(params, X, 2 * ROWS - 1) == rows

    @pytest.mark.parametrize("wrong", [2, -1, 0.5, math.nan])
    @pytest.mark.parametrize(
        ("output", "cost"), [pair for pair in COSTS if pair[0] == "softmax" or "hinge" in pair[1]]
    )
    def test_a_label_of_no_class_where_nobody_may_look(self, output, cost, wrong):
        device = cr.get_device("strict:device1")
        net = cr.MLP((3, 2), output=output, cost=cost)
        y = device.asarray(np.array([0, 1, wrong, 1]))
        assert math.isnan(float(net.cost_of(net.init(device=device, dtype="float64"), device.asarray(X), y)))


class TestSampleWeight:
    @EVERY_CALL
    @pytest.mark.parametrize("shape", [(3,), (4, 1), ()], ids=str)
    def test_shape(self, device, call, shape):
        weight = device.asarray(np.ones(shape))
        with pytest.raises(
            ValueError, match=rf"MLP.{call}: expected sample_weight \(4,\) of .*float64, got \("
        ):
            getattr(ONE, call)(
                ONE.init(device=device, dtype="float64"),
                device.asarray(X),
                device.asarray(NUMBERS),
                sample_weight=weight,
            )

    @pytest.mark.parametrize("kind", ["float32", "int64"])
    def test_dtype(self, device, kind):
        weight = device.asarray(np.ones(4), kind)
        with pytest.raises(
            ValueError, match=rf"expected sample_weight \(4,\) of .*float64, got \(4,\) of .*{kind}"
        ):
            ONE.cost_of(
                ONE.init(device=device, dtype="float64"),
                device.asarray(X),
                device.asarray(NUMBERS),
                sample_weight=weight,
            )
