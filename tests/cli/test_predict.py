import json

import numpy as np
import pytest
from PIL import Image

from chainrule.data import read_rows
from chainrule.models import logistic
from chainrule.training.model_file import load_model
from tests.helpers.commands import answer, chainrule


def test_a_digit_drawn_from_the_data_is_recognised(tmp_path):
    from sklearn.datasets import load_digits

    answer("train", "--positive", 8, "--steps", 300, "--out", tmp_path / "run")
    digits = load_digits()
    files = []
    for k in np.concatenate([np.flatnonzero(digits.target == 8)[:5], np.flatnonzero(digits.target == 1)[:5]]):
        files.append(tmp_path / f"{digits.target[k]}-{k}.png")
        Image.fromarray((digits.images[k] * 255 / 16).astype(np.uint8)).save(files[-1])
    ((W, b),) = load_model(tmp_path / "run" / "model.safetensors").params
    p = logistic.predict(digits.data / 16, W[:, 0].astype(float), float(b[0]))
    lines = answer("predict", tmp_path / "run" / "model.safetensors", *files).splitlines()
    assert len(lines) == len(files)
    for line, file in zip(lines, files, strict=True):
        name, label, probability = line.split("\t")
        assert name == str(file)
        k = int(file.stem.partition("-")[2])
        assert label == ("8" if p[k] > 0.5 else "not 8")
        # Pixels of 256 steps are not quite the data's 17.
        assert float(probability) == pytest.approx(max(p[k], 1 - p[k]), abs=0.02)


def test_all_probabilities_of_many_classes(device, three_kinds, tmp_path):
    answer(
        "train",
        three_kinds,
        "--hidden",
        16,
        "--epochs",
        60,
        "--learning-rate",
        0.01,
        "--out",
        tmp_path / "run",
    )
    told = json.loads(answer("predict", tmp_path / "run", three_kinds, "--json", "--device", device.name))
    model = load_model(tmp_path / "run" / "model.safetensors")
    rows = read_rows(three_kinds, ("across", "up"), 2)
    P = model.net.forward(model.params, model.scaling.apply(rows, "float32"))
    assert len(told) == 240
    for row, (line, p) in enumerate(zip(told, P, strict=True), start=1):
        assert list(line) == ["input", "row", "class", "probability", "probabilities"]
        assert line["row"] == row
        assert list(line["probabilities"]) == ["inner", "middle", "outer"]
        np.testing.assert_allclose(list(line["probabilities"].values()), p, atol=1e-5)
        assert line["probability"] == max(line["probabilities"].values())
        assert line["probabilities"][line["class"]] == line["probability"]
    plain = answer("predict", tmp_path / "run", three_kinds, "--device", device.name).splitlines()
    assert plain == [f"{three_kinds}:{k['row']}\t{k['class']}\t{k['probability']:.4f}" for k in told]


def test_the_digits_are_told_apart_from_pictures_of_them(tmp_path):
    from sklearn.datasets import load_digits

    answer("train", "--hidden", 64, "--epochs", 30, "--out", tmp_path / "run")
    digits, files = load_digits(), []
    for k in range(40):
        files.append(tmp_path / f"{k}.png")
        Image.fromarray((digits.images[k] * 255 / 16).astype(np.uint8)).save(files[-1])
    lines = answer("predict", tmp_path / "run", *files).splitlines()
    assert np.mean([line.split("\t")[1] == str(digits.target[k]) for k, line in enumerate(lines)]) > 0.94


def test_pictures_of_floats_are_predicted_from_rows_for_their_white_is_not_known(tmp_path):
    X = np.random.default_rng(0).standard_normal((20, 2, 2))
    X[::2] += 3
    np.savez(tmp_path / "data.npz", X=X, y=np.arange(20) % 2)
    answer("train", tmp_path / "data.npz", "--steps", 100, "--out", tmp_path / "run")
    model = tmp_path / "run" / "model.safetensors"
    lines = answer("predict", model, tmp_path / "data.npz").splitlines()
    assert [line.split("\t")[1] for line in lines] == ["0", "1"] * 10
    Image.fromarray(np.zeros((2, 2), np.uint8)).save(tmp_path / "grey.png")
    refused = chainrule("predict", model, tmp_path / "grey.png")
    assert refused.exit_code == 1
    assert "grey.png: expected a .csv or .npz file" in refused.stderr


def test_an_unreadable_picture_is_named_and_the_others_are_answered(pictures, tmp_path):
    answer("train", pictures, "--image-size", 8, "--steps", 200, "--out", tmp_path / "run")
    (tmp_path / "broken.png").write_bytes((pictures / "dark" / "0.png").read_bytes()[:60])
    model = tmp_path / "run" / "model.safetensors"
    result = chainrule("predict", model, tmp_path / "broken.png", pictures / "dark" / "0.png")
    assert result.exit_code == 1
    assert "broken.png" in result.stderr
    assert result.stdout.splitlines() == [
        line for line in result.stdout.splitlines() if "0.png\tdark\t" in line
    ]
    assert len(result.stdout.splitlines()) == 1
