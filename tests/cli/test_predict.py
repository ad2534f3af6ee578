import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

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
    rows = np.loadtxt(three_kinds, delimiter=",", skiprows=1, usecols=(0, 1))
    P = model.net.forward(model.params, model.scaling.apply(rows, "float32"))
    assert len(told) == 240
    for row, (line, p) in enumerate(zip(told, P, strict=True), start=1):
        assert list(line) == ["input", "row", "class", "probability", "label", "probabilities"]
        assert line["row"] == row
        assert list(line["probabilities"]) == ["inner", "middle", "outer"]
        np.testing.assert_allclose(list(line["probabilities"].values()), p, atol=1e-5)
        assert line["probability"] == max(line["probabilities"].values())
        assert line["probabilities"][line["class"]] == line["probability"]
    plain = answer("predict", tmp_path / "run", three_kinds, "--device", device.name).splitlines()
    assert plain == [f"{three_kinds}:{k['row']}\t{k['class']}\t{k['probability']:.4f}" for k in told]


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
    assert "grey.png: expected a file with rows of numbers" in refused.stderr


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


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """Return a model of the digits, and a folder of 40 of them with a subfolder for each class."""
    from sklearn.datasets import load_digits

    folder, digits = tmp_path_factory.mktemp("digits"), load_digits()
    answer("train", "--hidden", 64, "--epochs", 30, "--out", folder / "run", CHAINRULE_DEVICE="cpu")
    for kind, turn in (("light on dark", False), ("dark on light", True)):
        for k in range(40):
            pixels = (digits.images[k] * 255 / 16).astype(np.uint8)
            path = folder / kind / str(digits.target[k]) / f"{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(255 - pixels if turn else pixels).save(path)
    return folder


def accuracy_told(stderr):
    line = next(line for line in stderr.splitlines() if line.startswith("accuracy: "))
    return float(line.split()[1].rstrip("%")), line


def test_pictures_of_digits_are_told_apart_and_turned_where_they_are_dark_ink_on_white(digits):
    turned = chainrule("predict", digits / "run", digits / "dark on light")
    assert accuracy_told(turned.stderr)[0] > 90
    assert "40 of 40 pictures have a light border where the model learnt from dark ones" in turned.stderr
    plain = chainrule("predict", digits / "run", digits / "light on dark")
    assert accuracy_told(plain.stderr)[0] > 94
    assert "border" not in plain.stderr
    answers = [[line.split("\t")[1] for line in result.stdout.splitlines()] for result in (plain, turned)]
    assert answers[0] == answers[1]
    left = chainrule("predict", digits / "run", digits / "dark on light", "--invert", "no")
    assert accuracy_told(left.stderr)[0] < 50
    asked = chainrule("predict", digits / "run", digits / "dark on light", "--invert", "yes", "--json")
    assert all(told["inverted"] for told in json.loads(asked.stdout))
    refused = chainrule("predict", digits / "run", digits / "dark on light", "--invert", "maybe")
    assert (refused.exit_code, "one of auto, yes, no, got 'maybe'" in refused.stderr) == (2, True)
    shown = answer(
        "explain", digits / "run", digits / "dark on light" / "0" / "0.png", "--png", digits / "a.png"
    )
    assert "the picture was turned to its negative" in shown


def test_answers_go_into_a_table_with_the_labels_of_the_folders(digits, tmp_path):
    path = tmp_path / "answers.csv"
    result = chainrule("predict", digits / "run", digits / "light on dark", "--out", path)
    assert (result.exit_code, result.stdout) == (0, "")
    assert f"40 answers are in {path}" in result.stderr
    rows = list(csv.DictReader(path.read_text().splitlines()))
    assert len(rows) == 40
    right = [row["class"] == row["label"] == row["input"].split("/")[-2] for row in rows]
    share, line = accuracy_told(result.stderr)
    assert share == pytest.approx(100 * np.mean(right), abs=0.01)
    assert "of 40 labelled rows" in line
    for row in rows:
        p = [float(row[f"probability of {k}"]) for k in range(10)]
        assert (sum(p), max(p)) == (pytest.approx(1), float(row["probability"]))
    printed = chainrule("predict", digits / "run", digits / "light on dark", "--out", "-")
    assert printed.stdout == path.read_text()
    assert "answers are in" not in printed.stderr
    assert "accuracy: " in printed.stderr
    both = chainrule("predict", digits / "run", digits / "light on dark", "--out", "-", "--json")
    assert (both.exit_code, "--out and --json: expected one" in both.stderr) == (2, True)
    for bad in (tmp_path, "", tmp_path / "answers.xlsx"):
        assert "expected the name of a .csv file" in chainrule("predict", digits, digits, "--out", bad).stderr


def test_small_digits_on_large_sheets_are_cut_to_their_ink(digits, tmp_path):
    import matplotlib

    rng = np.random.default_rng(0)
    fonts = (Path(matplotlib.get_data_path()) / "fonts" / "ttf").glob("DejaVuS*.ttf")
    for font in (font for font in sorted(fonts) if "Display" not in font.name):
        letters = ImageFont.truetype(font, 130)
        for digit in "0123456789":
            page = Image.new("L", (500, 400), 225)
            ImageDraw.Draw(page).text(rng.integers(20, 220, 2).tolist(), digit, font=letters, fill=40)
            (tmp_path / digit).mkdir(exist_ok=True)
            page.save(tmp_path / digit / f"{font.stem}.png")
    cut = chainrule("predict", digits / "run", tmp_path)
    assert accuracy_told(cut.stderr)[0] > 60
    assert "120 of 120 pictures were cut to their ink, which fills 88%" in cut.stderr
    whole = chainrule("predict", digits / "run", tmp_path, "--no-frame")
    assert accuracy_told(whole.stderr)[0] < 20
    assert "cut" not in whole.stderr
    some = next(tmp_path.rglob("*.png"))
    assert json.loads(answer("predict", digits / "run", some, "--json"))[0]["framed"] is True
    shown = answer("explain", digits / "run", some, "--png", digits / "b.png")
    assert "the picture was cut to its ink" in shown


def test_a_column_of_labels_that_no_input_has_is_the_fault_of_the_option(digits, tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    wrong = chainrule("predict", digits / "run", tmp_path / "a.csv", "--label", "nope")
    assert (wrong.exit_code, "--label: " in wrong.stderr, wrong.stdout) == (2, True, "")


def test_labelled_rows_of_every_layout_are_scored(tmp_path):
    y = np.arange(30) % 3
    X = np.eye(3)[y]
    np.savez(tmp_path / "a.npz", X=X, y=y, X_test=X[:6], y_test=np.array([0, 1, 2, 0, 0, 2]))
    answer("train", tmp_path / "a.npz", "--positive", 1, "--steps", 300, "--out", tmp_path / "one")
    answer("train", tmp_path / "a.npz", "--model", "logistic", "--steps", 300, "--out", tmp_path / "all")
    np.savez(tmp_path / "b.npz", X=X[:6], y=np.array([0, 1, 2, 0, 0, 7]))
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "y.npy", y)
    whole = chainrule("predict", tmp_path / "all", tmp_path / "a.npz", tmp_path / "X.npy")
    assert len(whole.stdout.splitlines()) == 60
    assert "right:    0 20 of 20, 1 20 of 20, 2 20 of 20" in whole.stderr
    other = chainrule("predict", tmp_path / "all", tmp_path / "b.npz")
    assert "80.00% of 5 labelled rows" in other.stderr
    assert "1 more have labels that the model does not know" in other.stderr
    held_out = chainrule("predict", tmp_path / "all", tmp_path / "a.npz", "--held-out")
    assert "of 6 labelled rows" in held_out.stderr
    # Where one class is the rest, so is a class that was never seen.
    rest = chainrule("predict", tmp_path / "one", tmp_path / "b.npz")
    assert "83.33% of 6 labelled rows" in rest.stderr
    assert "right:    not 1 4 of 5, 1 1 of 1" in rest.stderr
