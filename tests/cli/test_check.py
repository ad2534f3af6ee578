import numpy as np
import pytest

import chainrule as cr
from chainrule.models import logistic
from chainrule.models.activations import ACTIVATIONS
from tests.helpers.commands import answer, chainrule


@pytest.fixture
def trained(three_kinds, tmp_path):
    answer(
        "train",
        three_kinds,
        "--hidden",
        "30,5",
        "--epochs",
        5,
        "--penalty",
        "l2:0.1",
        "--out",
        tmp_path / "run",
    )
    return tmp_path / "run"


def wrong_relu(monkeypatch):
    relu = ACTIVATIONS["relu"]

    def wrong(xp, z):
        y, (pullback,) = relu.gate(xp, z)
        return y, (lambda g: pullback(g) * 1.001,)

    monkeypatch.setitem(ACTIVATIONS, "relu", relu._replace(gate=wrong))


def test_the_gradients_of_a_model_are_right_on_every_device(device, trained, three_kinds):
    text = answer("check", trained, three_kinds, "--device", device.name)
    assert f"32 rows of {three_kinds}, float64 on {device.name}" in text
    for line in ("W0 (2, 30), 60 elements: right", "W1 (30, 5), ", "b2 (3,), 3 elements: right"):
        assert line in text
    assert text.endswith("verdict:  the gradients are those of the cost\n")


def test_a_slope_wrong_by_a_thousandth_is_named_where_it_shows(trained, three_kinds, monkeypatch):
    wrong_relu(monkeypatch)
    result = chainrule("check", trained, three_kinds, "--rows", 100)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()[2:]
    assert [line.split()[0] for line in lines] == ["W0", "b0", "W1", "b1", "W2", "b2", "verdict:"]
    for line in lines[:4]:
        assert ": wrong at " in line
        numeric, analytic = (
            float(line.split(f"{kind} ")[1].split(",")[0]) for kind in ("numeric", "analytic")
        )
        assert analytic != numeric == pytest.approx(analytic, rel=0.01)
        assert f": wrong at {line.split()[0]}[" in line
    assert all(line.endswith(": right") for line in lines[4:6])
    assert lines[6] == "verdict:  4 of 6 parameters have gradients that are not those of the cost"


def test_one_digit_against_the_rest_is_checked_on_the_embedded_data(tmp_path):
    answer("train", "--positive", 3, "--steps", 20, "--out", tmp_path)
    assert "W0 (64, 1), 64 elements: right" in answer("check", tmp_path / "model.safetensors")


def test_pictures_are_brought_to_the_size_of_the_model(pictures, tmp_path):
    answer("train", pictures, "--image-size", 8, "--hidden", 3, "--epochs", 2, "--out", tmp_path / "run")
    text = answer("check", tmp_path / "run", pictures, "--rows", 5, "--elements", 10)
    assert "W0 (192, 3), 10 elements: right" in text


def test_data_that_are_read_in_chunks_alone_are_checked(tmp_path):
    rows = np.random.default_rng(0).standard_normal((40, 2))
    np.save(tmp_path / "X.npy", rows)
    np.save(tmp_path / "y.npy", rows[:, 0] > rows[:, 1])
    answer("train", tmp_path, "--steps", 3, "--out", tmp_path / "run")
    assert f"32 rows of {tmp_path}, float64" in answer("check", tmp_path / "run", tmp_path)


def test_data_that_do_not_fit_are_told_in_a_line(trained, table, three_kinds, tmp_path):
    np.savez(tmp_path / "wide.npz", X=np.ones((4, 5)), y=np.arange(4) % 2)
    for path, more, words in (
        (table, ["--label", "species"], "expected the classes inner, middle, outer, got cat, dog too"),
        (tmp_path / "wide.npz", [], "expected 2 features as the model learnt, got 5"),
        (tmp_path / "nowhere.csv", [], "nowhere.csv"),
    ):
        result = chainrule("check", trained, path, *more)
        assert result.exit_code == 1
        assert words in result.stderr
    assert chainrule("check", tmp_path / "nothing", three_kinds).exit_code == 1


def test_logistic_regression_is_checked_by_both_ways_in_which_it_learns(table, tmp_path, monkeypatch):
    answer("train", table, "--label", "species", "--steps", 3, "--out", tmp_path / "run")
    check = ("check", tmp_path / "run", table, "--label", "species")
    assert "W0 by tiles (2, 1), 2 elements: right" in answer(*check)
    by_tiles = logistic.by_tiles

    def wrong(X, y, w, b):
        cost, dw, db = by_tiles(X, y, w, b)
        return cost, dw, db * 1.001 + 1e-6

    monkeypatch.setattr(logistic, "by_tiles", wrong)
    result = chainrule(*check)
    assert result.exit_code == 1
    assert "b0 by tiles (1,), 1 elements: wrong at b0 by tiles[0]" in result.stdout
    assert "verdict:  1 of 4 parameters" in result.stdout


def test_small_gradients_of_a_model_that_has_learnt_are_judged(table, tmp_path, monkeypatch):
    run = ("train", table, "--label", "species", "--hidden", 20, "--batch", "all", "--steps", 3000)
    answer(*run, "--learning-rate", 0.1, "--out", tmp_path / "run")
    check = ("check", tmp_path / "run", table, "--label", "species")
    assert answer(*check).endswith("verdict:  the gradients are those of the cost\n")
    wrong_relu(monkeypatch)
    result = chainrule(*check)
    assert result.exit_code == 1
    assert "W0 (2, 20), 40 elements: wrong at W0[" in result.stdout


def test_gradients_that_rounding_hides_are_not_called_right(table, tmp_path, monkeypatch):
    answer("train", table, "--label", "species", "--hidden", 5, "--steps", 3, "--out", tmp_path / "run")
    cost = cr.MLP.cost_of
    monkeypatch.setattr(cr.MLP, "cost_of", lambda self, *arguments: cost(self, *arguments) + 1e18)
    result = chainrule("check", tmp_path / "run", table, "--label", "species")
    assert result.exit_code == 1
    assert "W0 (2, 5), 10 elements: too small to tell at W0" in result.stdout
    assert "verdict:  no gradient is found wrong, 4 of 4 are too small to tell; give rows" in result.stdout
