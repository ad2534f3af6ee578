import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from chainrule import cli, device, logistic
from chainrule.files import load_model

OUTPUTS = {"model.safetensors", "history.csv", "report.json", "cost.png", "weights.png", "mistakes.png"}


def chainrule(*arguments, **environment):
    return CliRunner(env=environment).invoke(cli.app, [str(argument) for argument in arguments])


def answer(*arguments, **environment):
    result = chainrule(*arguments, **environment)
    assert result.exit_code == 0, result.output
    return result.stdout


def history_in(folder):
    return list(csv.DictReader((folder / "history.csv").read_text().splitlines()))


@pytest.fixture
def pictures(tmp_path):
    """Return a folder of bright and of dark pictures, of several sizes and kinds."""
    rng = np.random.default_rng(0)
    for name, low, high in (("bright", 150, 255), ("dark", 0, 110)):
        (tmp_path / "data" / name).mkdir(parents=True)
        for k in range(12):
            pixels = rng.integers(low, high, (7 + k, 9, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "data" / name / f"{k}.{('png', 'bmp', 'jpg')[k % 3]}")
    return tmp_path / "data"


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "table.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["height", "weight", "species"])
        for k in range(40):
            writer.writerow([100 * (k % 2) + rng.normal(), 1e-3 * rng.normal(), ("cat", "dog")[k % 2]])
    return path


def test_train_and_predict_digits_on_every_device(device, tmp_path):
    out = tmp_path / "run"
    text = answer("train", "--steps", 300, "--device", device.name, "--out", out)
    assert f"device:   {device.name} (" in text
    assert ", float32" in text
    assert "cost before step    150" in text
    assert {path.name for path in out.iterdir()} == OUTPUTS
    report = json.loads((out / "report.json").read_text())
    assert report["device"]["name"] == device.name
    assert report["classes"] == {"negative": "not 3", "positive": "3"}
    assert report["rows"]["train"] + report["rows"]["held out"] == 1797
    assert report["accuracy"]["held out"] > 0.95 > report["accuracy"]["commoner class"]
    history = history_in(out)
    assert [row["step"] for row in history] == [str(step) for step in range(0, 301, 15)]
    assert float(history[0]["cost"]) == pytest.approx(np.log(2))
    assert float(history[-1]["cost"]) == report["cost"] < 0.11
    for name in OUTPUTS:
        if name.endswith(".png"):
            with Image.open(out / name) as picture:
                picture.verify()


def test_a_digit_drawn_from_the_data_is_recognised(tmp_path):
    from sklearn.datasets import load_digits

    answer("train", "--positive", 8, "--steps", 300, "--out", tmp_path / "run")
    digits = load_digits()
    files = []
    for k in np.concatenate([np.flatnonzero(digits.target == 8)[:5], np.flatnonzero(digits.target == 1)[:5]]):
        files.append(tmp_path / f"{digits.target[k]}-{k}.png")
        Image.fromarray((digits.images[k] * 255 / 16).astype(np.uint8)).save(files[-1])
    model = load_model(tmp_path / "run" / "model.safetensors")
    p = logistic.predict(digits.data / 16, model.w.astype(float), model.b.astype(float))
    lines = answer("predict", tmp_path / "run" / "model.safetensors", *files).splitlines()
    assert len(lines) == len(files)
    for line, file in zip(lines, files, strict=True):
        name, label, probability = line.split("\t")
        assert name == str(file)
        k = int(file.stem.partition("-")[2])
        assert label == ("8" if p[k] > 0.5 else "not 8")
        # Pixels of 256 steps are not quite the data's 17.
        assert float(probability) == pytest.approx(max(p[k], 1 - p[k]), abs=0.02)


def test_a_folder_of_pictures(pictures, tmp_path):
    answer("train", pictures, "--image-size", 8, "--steps", 200, "--out", tmp_path / "run")
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["accuracy"] == {"train": 1.0, "held out": 1.0, "commoner class": 0.5}
    assert report["worst mistakes"] == []
    model = tmp_path / "run" / "model.safetensors"
    told = json.loads(
        answer("predict", model, pictures / "bright" / "0.png", pictures / "dark" / "1.bmp", "--json")
    )
    assert [line["class"] for line in told] == ["bright", "dark"]
    assert all(line["probability"] > 0.5 for line in told)


def test_a_table(table, tmp_path):
    out = tmp_path / "run"
    answer("train", table, "--label", "species", "--positive", "cat", "--steps", 200, "--out", out)
    assert {path.name for path in out.iterdir()} == OUTPUTS - {"mistakes.png"}
    lines = answer("predict", out, table).splitlines()
    assert [line.split("\t")[:2] for line in lines] == [
        [f"{table}:{k + 1}", ("cat", "dog")[k % 2]] for k in range(40)
    ]


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


def test_npz_with_its_own_held_out_rows_and_the_test_option(tmp_path):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((30, 2))
    y = (X[:, 0] > 0).astype(int)
    np.savez(tmp_path / "own.npz", X=X[:20], y=y[:20], X_test=X[20:], y_test=y[20:])
    np.savez(tmp_path / "a.npz", X=X[:20], y=y[:20])
    np.savez(tmp_path / "b.npz", X=X[20:], y=y[20:])
    answer("train", tmp_path / "own.npz", "--steps", 50, "--out", tmp_path / "1")
    answer("train", tmp_path / "a.npz", "--test", tmp_path / "b.npz", "--steps", 50, "--out", tmp_path / "2")
    first, second = (load_model(tmp_path / k / "model.safetensors") for k in "12")
    np.testing.assert_array_equal(first.w, second.w)
    for k in "12":
        assert json.loads((tmp_path / k / "report.json").read_text())["rows"] == {"train": 20, "held out": 10}


def test_the_seed_decides_the_split_and_the_dtype_the_model(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        answer("train", "--steps", 5, "--seed", seed, "--dtype", "float64", "--out", tmp_path / name)
    a, b, c = (load_model(tmp_path / name / "model.safetensors") for name in "abc")
    np.testing.assert_array_equal(a.w, b.w)
    assert not np.array_equal(a.w, c.w)
    assert a.w.dtype == np.float64


def test_tol_ends_the_run(tmp_path):
    text = answer("train", "--tol", 0.05, "--report-every", 1, "--out", tmp_path / "run")
    assert "the largest |gradient| is under tol" in text
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["largest gradient"] < 0.05
    assert 0 < report["steps"] < 1000


def test_the_variable_chooses_the_device_and_the_option_wins(tmp_path):
    assert "device:   strict (" in answer("train", "--steps", 1, "--out", tmp_path, CHAINRULE_DEVICE="strict")
    text = answer("train", "--steps", 1, "--device", "cpu", "--out", tmp_path, CHAINRULE_DEVICE="strict")
    assert "device:   cpu (" in text


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["train", "nowhere.csv"], 1, "nowhere.csv"),
        (["train", "--positive", "ten"], 1, "'ten'"),
        (["train", "--device", "gpu"], 2, "expected one of cpu, cuda"),
        (["train", "--learning-rate", "-1"], 2, "positive, finite number, got -1"),
        (["train", "--learning-rate", "nan"], 2, "positive, finite number, got nan"),
        (
            ["train", "--out", "/dev/null"],
            1,
            "--out /dev/null: expected a folder for the results, got a file",
        ),
        (["train", "--out", "/dev/null/deeper"], 1, "expected a folder for the results, got a file"),
        (["train", "--held-out", "2"], 1, "held_out between 0 and 1"),
        (["train", "--dtype", "float16"], 2, "float16"),
        (["predict", "nowhere.safetensors", "x.png"], 1, "nowhere.safetensors: expected a model"),
    ],
)
def test_what_the_user_can_mend_is_told_in_a_line(arguments, status, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = chainrule(*arguments)
    assert result.exit_code == status
    assert words in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.output
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_diverges_says_what_to_try_and_leaves_the_old_model(tmp_path):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.integers(0, 255, (20, 3)), rng.integers(0, 255, (20, 3))]).astype(np.uint8)
    np.savez(tmp_path / "data.npz", X=X, y=np.arange(40) % 2)
    answer("train", tmp_path / "data.npz", "--steps", 5, "--out", tmp_path / "run")
    before = (tmp_path / "run" / "model.safetensors").read_bytes()
    result = chainrule("train", tmp_path / "data.npz", "--learning-rate", 1e300, "--out", tmp_path / "run")
    assert result.exit_code == 1
    assert "try learning_rate=1e+299" in result.stderr
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == before


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


def test_devices_shows_each_with_facts_or_remedy(monkeypatch):
    monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: None)
    text = answer("devices", COLUMNS="200")
    for words in (
        "cpu (chosen)",
        "numpy",
        "CuPy is missing",
        "strict:device1",
        "GiB free",
        "OMP_NUM_THREADS",
    ):
        assert words in text
    told = json.loads(answer("devices", "--json", CHAINRULE_DEVICE="strict"))
    assert told["chosen"] == "strict"
    assert told["why"] == "asked for by CHAINRULE_DEVICE=strict"
    works = {found["name"]: found["works"] for found in told["devices"]}
    assert works == {"cpu": True, "cuda": False, "strict": True, "strict:device1": True}


def test_help_names_the_commands_and_their_options():
    assert all(command in answer("--help") for command in ("devices", "train", "predict", "CHAINRULE_DEVICE"))
    text = answer("train", "--help", COLUMNS="200")
    options = "--steps --learning-rate --tol --dtype --device --positive --seed --out --test --label"
    assert all(option in text for option in options.split())


def test_without_its_packages_the_command_says_how_to_get_them():
    code = "import sys; sys.modules['typer'] = None; from chainrule.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == 'chainrule: the commands need the package typer; pip install "chainrule[app]"\n'


def start(*arguments):
    """Start a training in a process of its own and return it once it takes steps."""
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "chainrule", "train", *(str(argument) for argument in arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"CHAINRULE_DEVICE": "cpu"},
    )
    for line in process.stdout:
        if "cost before step" in line and not line.rstrip().startswith("cost before step      0"):
            return process
    pytest.fail(process.stderr.read())


@pytest.mark.skipif(sys.platform == "win32", reason="no shell with pipes as here")
def test_a_reader_that_goes_away_does_not_cost_what_is_learnt(tmp_path):
    command = f"{sys.executable} -m chainrule train --steps 2000 --out {tmp_path / 'run'} | head -1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert load_model(tmp_path / "run" / "model.safetensors").b != 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a child")
def test_an_interrupt_stops_after_the_running_step_and_keeps_what_was_learnt(tmp_path):
    process = start("--steps", 100_000_000, "--report-every", 100, "--out", tmp_path / "run")
    process.send_signal(signal.SIGINT)
    text, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "interrupted; what was learnt is kept" in text
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert 0 < report["steps"] < 100_000_000
    assert report["cost"] < np.log(2)
    assert np.any(load_model(tmp_path / "run" / "model.safetensors").w)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_kill_while_training_leaves_the_old_model(tmp_path):
    answer("train", "--steps", 3, "--out", tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()
    process = start("--steps", 100_000_000, "--report-every", 100, "--out", tmp_path)
    process.kill()
    process.communicate()
    assert (tmp_path / "model.safetensors").read_bytes() == before


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_kill_at_the_end_of_training_leaves_the_old_model_or_the_new_one(tmp_path):
    answer("train", "--steps", 3, "--out", tmp_path)
    path = tmp_path / "model.safetensors"
    before = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(3):
        process = start("--steps", 2000, "--report-every", 500, "--out", tmp_path)
        time.sleep(rng.random() * 0.2)
        process.kill()
        process.communicate()
        load_model(path)
        assert path.read_bytes() == before or load_model(path).b != 0


class TestCats:
    def test_the_published_run(self, course_file, tmp_path):
        trace = json.loads(course_file("reference/cat_logistic_trace.json").read_text())
        path = course_file("data/catvnoncat/train_catvnoncat.h5")
        answer(
            "train", path, "--steps", 2000, "--learning-rate", 0.005, "--dtype", "float64", "--out", tmp_path
        )
        history = history_in(tmp_path)
        costs = [round(float(row["cost"]), 6) for row in history if int(row["step"]) < 2000]
        assert costs == trace["costs_every_100"]
        accuracy = json.loads((tmp_path / "report.json").read_text())["accuracy"]
        assert accuracy["train"] * 100 == pytest.approx(trace["train_acc"], abs=1e-9)
        assert accuracy["held out"] * 100 == pytest.approx(trace["test_acc"], abs=1e-9)

    def test_its_first_100_steps_where_nothing_reaches_numpy(self, course_file, tmp_path):
        trace = json.loads(course_file("reference/cat_logistic_trace.json").read_text())
        path = course_file("data/catvnoncat/train_catvnoncat.h5")
        settings = ["--steps", 100, "--learning-rate", 0.005, "--dtype", "float64", "--out", tmp_path]
        answer("train", path, *settings, CHAINRULE_DEVICE="strict:device1")
        history = history_in(tmp_path)
        assert [round(float(history[k]["cost"]), 6) for k in (0, -1)] == trace["costs_every_100"][:2]
