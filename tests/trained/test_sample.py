"""One sample through a model: what mattered to it, held against finite differences."""

import re
from dataclasses import replace

import numpy as np
import pytest

import chainrule as cr
from chainrule.data import ImageShape, Scaling
from chainrule.models.objective import class_probabilities
from chainrule.trained.sample import explained_sample, shown
from chainrule.training.model_file import Model
from tests.trained.conftest import NETS, made, rows


def log_odds(model, scaled, number):
    p = class_probabilities(model.net.forward(model.params, scaled))[0, number]
    return np.log(p) - np.log1p(-p)


@pytest.mark.parametrize("net", NETS, ids=str)
def test_the_gradient_is_that_of_the_log_odds_of_each_class(net):
    model, row = made(net), rows(1)
    model = replace(model, params=[(0.5 * W, b) for W, b in model.params])
    scaled = model.scaling.apply(row, "float64")
    for number in range(len(model.classes)):
        found = explained_sample(model, cr.get_device("cpu"), row, number)
        assert found.logit == pytest.approx(log_odds(model, scaled, number), rel=1e-9, abs=1e-9)
        for j, step in enumerate(1e-6 * np.eye(6)):
            up, down = (log_odds(model, scaled + side * step, number) for side in (1, -1))
            assert found.gradient[j] == pytest.approx((up - down) / 2e-6, rel=1e-5, abs=1e-6)
        np.testing.assert_array_equal(found.share, found.gradient * scaled[0])


def test_what_mattered_to_a_sure_answer_is_not_lost_in_rounding():
    net = cr.MLP((6, 4, 3), "tanh", "softmax")
    model, row = made(net, dtype="float32"), rows(1)
    (W, b), (V, c) = model.params
    sure = replace(model, params=[(W, b), (30 * V, 30 * c)])
    found = explained_sample(sure, cr.get_device("cpu"), row)
    assert found.P.max() == 1
    assert np.abs(found.gradient).max() > 0.1
    assert not found.nothing
    # The gradient of the cost, which the graph shows, is 0 there.
    assert np.abs(found.graph.node("X").gradient).max() < 1e-6


@pytest.mark.parametrize("scale", [0.0, 1e-9])
def test_nothing_mattered_where_no_feature_moves_the_odds(scale):
    model = made(cr.MLP((6, 3), output="softmax"))
    model = replace(model, params=[(scale * W, b) for W, b in model.params])
    found = explained_sample(model, cr.get_device("cpu"), rows(1))
    assert found.nothing
    assert found.mattered.startswith("nothing matters here: the log odds of")
    assert found.as_json()["nothing matters"]


def test_a_picture_is_shown_as_one_with_its_classes_named():
    net = cr.MLP((12, 3), output="softmax")
    params = [(np.linspace(-1, 1, 36).reshape(12, 3), np.zeros(3))]
    model = Model(
        net, params, Scaling(np.array(0.0), np.array(1.0)), ("a<b", "c", "d"), ImageShape(2, 2, 3), 1.0
    )
    row = np.array([[0.0, 1, 0.5, 0.25] * 3])
    found = explained_sample(model, cr.get_device("cpu"), row)
    page = found.graph.to_html()
    assert '<section class="sample">' in page
    assert "a&lt;b" in page
    assert page.count('src="data:image/png;base64,') == 3
    # The graph draws the sample as a picture, and names the classes at the outputs.
    drawing = found.graph.to_svg()
    assert re.search(
        r'data-name="X".*?<image x="[\d.]+" y="[\d.]+" width="40.0" height="40.0"', drawing, re.DOTALL
    )
    outputs = re.search(r'data-name="y_hat".*?</g>', drawing, re.DOTALL)[0]
    assert [name for name in ("a&lt;b", "c", "d") if f">{name} 0." in outputs] == ["a&lt;b", "c", "d"]
    # Row 0, column 1 is the brightest pixel; the last of its colours has the largest weights.
    assert "blue pixel (row 0, column 1)" in found.mattered
    assert cr.explain("a", a=1).to_html().count("section class=") == 0


@pytest.mark.parametrize(
    ("p", "said"),
    [(0.25, "0.2500"), (1.0, "1.0000"), (0.99999, "over 0.9999"), (2e-7, "2.0e-07"), (0.0, "0.0000")],
)
def test_a_probability_that_is_not_1_is_not_called_1(p, said):
    assert shown(p) == said
