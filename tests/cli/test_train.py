import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

import chainrule as cr
from chainrule import data
from chainrule.data.scaling import Scaling
from chainrule.optim.descent import descend
from chainrule.training.model_file import load_model
from tests.helpers.commands import OUTPUTS, answer, chainrule, history_in, start


def test_one_digit_against_the_rest_on_every_device(device, tmp_path):
    out = tmp_path / "run"
    text = answer("train", "--positive", 3, "--steps", 300, "--device", device.name, "--out", out)
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
    np.testing.assert_array_equal(first.params[0][0], second.params[0][0])
    for k in "12":
        assert json.loads((tmp_path / k / "report.json").read_text())["rows"] == {"train": 20, "held out": 10}


def test_the_seed_decides_the_split_and_the_dtype_the_model(tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        answer(
            "train",
            "--hidden",
            8,
            "--steps",
            5,
            "--seed",
            seed,
            "--dtype",
            "float64",
            "--out",
            tmp_path / name,
        )
    a, b, c = (load_model(tmp_path / name / "model.safetensors") for name in "abc")
    np.testing.assert_array_equal(a.params[0][0], b.params[0][0])
    assert not np.array_equal(a.params[0][0], c.params[0][0])
    assert a.dtype == np.float64


def test_tol_ends_the_run(tmp_path):
    text = answer("train", "--positive", 3, "--tol", 0.05, "--report-every", 1, "--out", tmp_path / "run")
    assert "the largest |gradient| is under tol" in text
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["largest gradient"] < 0.05
    assert 0 < report["steps"] < 1000


def test_the_variable_chooses_the_device_and_the_option_wins(tmp_path):
    assert "device:   strict (" in answer(
        "train", "--positive", 3, "--steps", 1, "--out", tmp_path, CHAINRULE_DEVICE="strict"
    )
    text = answer(
        "train",
        "--positive",
        3,
        "--steps",
        1,
        "--device",
        "cpu",
        "--out",
        tmp_path,
        CHAINRULE_DEVICE="strict",
    )
    assert "device:   cpu (" in text


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["train", "nowhere.csv"], 1, "nowhere.csv"),
        (["train", "--positive", "ten"], 2, "--positive: "),
        (["train", "--device", "gpu"], 2, "expected one of cpu, cuda"),
        (["train", "--learning-rate", "-1"], 2, "positive, finite number, got -1"),
        (["train", "--learning-rate", "nan"], 2, "positive, finite number, got nan"),
        (
            ["train", "--out", "/dev/null"],
            2,
            "--out /dev/null: expected a folder for the results, got a file",
        ),
        (["train", "--out", "/dev/null/deeper"], 2, "expected a folder for the results, got a file"),
        (["train", "--held-out", "2"], 2, "--held-out: expected a share above 0 and under 1"),
        (["train", "--model", "logistic", "--hidden", "3"], 2, "--hidden is for networks"),
        (["train", "--hidden", "3;4"], 2, "--hidden: expected whole numbers"),
        (["train", "--optimizer", "lion"], 2, "--optimizer: expected one of gradient-descent, momentum"),
        (["train", "--penalty", "l2"], 2, "--penalty: expected none, l1:0.1"),
        (["train", "--steps", "3", "--epochs", "3"], 2, "expected --steps or --epochs, got both"),
        (["train", "--weights", "random"], 2, "'random' is not one of"),
        (["train", "--tol", "0.1"], 2, "--tol judges the gradient of all rows"),
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


@pytest.mark.skipif(sys.platform == "win32", reason="no shell with pipes as here")
def test_a_reader_that_goes_away_does_not_cost_what_is_learnt(tmp_path):
    command = (
        f"{sys.executable} -m chainrule train --positive 3 --steps 2000 --out {tmp_path / 'run'} | head -1"
    )
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert np.any(load_model(tmp_path / "run" / "model.safetensors").params[0][1])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a child")
def test_an_interrupt_stops_after_the_running_step_and_keeps_what_was_learnt(tmp_path):
    process = start("--positive", 3, "--steps", 100_000_000, "--report-every", 100, "--out", tmp_path / "run")
    process.send_signal(signal.SIGINT)
    text, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "interrupted; what was learnt is kept" in text
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert 0 < report["steps"] < 100_000_000
    assert report["cost"] < np.log(2)
    assert np.any(load_model(tmp_path / "run" / "model.safetensors").params[0][0])


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_kill_while_training_leaves_the_old_model(tmp_path):
    answer("train", "--positive", 3, "--steps", 3, "--out", tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()
    process = start("--positive", 3, "--steps", 100_000_000, "--report-every", 100, "--out", tmp_path)
    process.kill()
    process.communicate()
    assert (tmp_path / "model.safetensors").read_bytes() == before


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_kill_at_the_end_of_training_leaves_the_old_model_or_the_new_one(tmp_path):
    answer("train", "--positive", 3, "--steps", 3, "--out", tmp_path)
    path = tmp_path / "model.safetensors"
    before = path.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(3):
        process = start("--positive", 3, "--steps", 2000, "--report-every", 500, "--out", tmp_path)
        time.sleep(rng.random() * 0.2)
        process.kill()
        process.communicate()
        ((W, _),) = load_model(path).params
        assert path.read_bytes() == before or np.any(W)


class TestNetworks:
    def test_ten_digits_by_default(self, tmp_path):
        text = answer("train", "--out", tmp_path / "run")
        assert "network:  64 - 512 relu - 256 relu - 10 softmax" in text
        assert "no better report for so long" in text
        report = json.loads((tmp_path / "run" / "report.json").read_text())
        assert report["accuracy"]["held out"] > 0.97
        assert report["classes"] == list("0123456789")
        confusion = np.array(report["held-out confusion, true class down, answer across"])
        assert confusion.sum() == report["rows"]["held out"] == 359
        assert np.trace(confusion) / 359 == report["accuracy"]["held out"]
        for name, row in zip(report["classes"], confusion, strict=True):
            by_class = report["held-out accuracy by class"][name]
            assert by_class == row[int(name)] / row.sum()
        assert len(report["worst mistakes"]) == 359 - np.trace(confusion)
        for mistake in report["worst mistakes"]:
            assert confusion[int(mistake["class"]), int(mistake["answer"])] > 0
        history = history_in(tmp_path / "run")
        best = min(history, key=lambda row: float(row["validation"]))
        assert report["best"]["step"] == int(best["step"]) < int(history[-1]["step"])
        assert {path.name for path in (tmp_path / "run").iterdir()} == OUTPUTS

    def test_a_network_on_every_device(self, device, tmp_path, three_kinds):
        settings = ["--hidden", 8, "--epochs", 3, "--batch", 50, "--activation", "tanh"]
        text = answer(
            "train", three_kinds, *settings, "--device", device.name, "--out", tmp_path / device.name
        )
        assert f"device:   {device.name} (" in text
        answer("train", three_kinds, *settings, "--device", "cpu", "--out", tmp_path / "plain")
        one, other = (load_model(tmp_path / k / "model.safetensors").params for k in (device.name, "plain"))
        for (W, b), (V, c) in zip(one, other, strict=True):
            np.testing.assert_allclose(W, V, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(b, c, rtol=1e-4, atol=1e-5)

    def test_layers_learn_what_a_logistic_regression_cannot(self, tmp_path, three_kinds):
        accuracies = {}
        for model in ("logistic", "mlp"):
            settings = ["--model", model, "--learning-rate", 0.01] if model == "mlp" else ["--model", model]
            text = answer("train", three_kinds, *settings, "--out", tmp_path / model)
            accuracies[model] = json.loads((tmp_path / model / "report.json").read_text())["accuracy"][
                "held out"
            ]
            assert {path.name for path in (tmp_path / model).iterdir()} == OUTPUTS - {"mistakes.png"}
        assert "network:  2 - 512 relu - 256 relu - 3 softmax" in text
        assert accuracies["logistic"] < 0.6 < 0.9 < accuracies["mlp"]

    @pytest.mark.parametrize(
        "settings",
        [
            "--optimizer gradient-descent --learning-rate 0.1 --clip 1 --weights lecun",
            "--optimizer momentum --schedule cosine --batch 16 --validation 0",
            "--optimizer nesterov --schedule step:50:0.5 --penalty l2:0.001 --activation elu",
            "--optimizer rmsprop --penalty l1:0.0001 --activation maxout --patience 5",
            "--optimizer adamw --schedule warm-up:20 --batch all --steps 80 --validation 0.2 --tol 0.01",
            "--penalty elastic:0.0001:0.5 --weights glorot --dtype float64 --activation leaky_relu",
        ],
    )
    def test_every_way_to_learn(self, tmp_path, three_kinds, settings):
        rest = [] if "--steps" in settings else ["--epochs", 40]
        rest += [] if "--learning-rate" in settings else ["--learning-rate", 0.01]
        answer("train", three_kinds, "--hidden", "20", *settings.split(), *rest, "--out", tmp_path)
        report = json.loads((tmp_path / "report.json").read_text())
        costs = [float(row["cost"]) for row in history_in(tmp_path)]
        assert min(costs) < 0.9 * costs[0]
        for option in ("optimizer", "weights"):
            asked = dict(zip(settings.split()[::2], settings.split()[1::2], strict=True)).get(f"--{option}")
            assert asked in (None, report["settings"][option])
        assert load_model(tmp_path / "model.safetensors").net.sizes == (2, 20, 3)

    def test_one_class_of_many_by_a_network(self, tmp_path, three_kinds):
        text = answer(
            "train", three_kinds, "--positive", "middle", "--hidden", 16, "--epochs", 5, "--out", tmp_path
        )
        assert "network:  2 - 16 relu - 1 sigmoid" in text
        assert load_model(tmp_path / "model.safetensors").classes == ("not middle", "middle")

    def test_no_steps_are_few_steps(self, tmp_path, three_kinds):
        answer("train", three_kinds, "--epochs", 0, "--out", tmp_path)
        assert json.loads((tmp_path / "report.json").read_text())["cost"] is None
        assert history_in(tmp_path) == []

    @pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a child")
    def test_an_interrupt_keeps_the_best(self, tmp_path, three_kinds):
        settings = [
            "--hidden",
            20,
            "--validation",
            0.1,
            "--epochs",
            10**6,
            "--patience",
            10**6,
            "--learning-rate",
            0.01,
        ]
        process = start(three_kinds, *settings, "--out", tmp_path / "run", sign="cost up to step      3")
        process.send_signal(signal.SIGINT)
        text, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
        assert "interrupted; what was learnt is kept" in text
        report = json.loads((tmp_path / "run" / "report.json").read_text())
        scores = [float(row["validation"]) for row in history_in(tmp_path / "run")]
        assert report["best"]["validation"] == min(scores)
        assert f"kept:     the parameters after step {report['best']['step']}" in text


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

    def test_a_network_of_three_hidden_layers(self, course_file, tmp_path):
        path = course_file("data/catvnoncat/train_catvnoncat.h5")
        settings = "--model mlp --hidden 20,7,5 --steps 40 --learning-rate 0.0075 --dtype float64"
        settings += " --optimizer gradient-descent --batch all --seed 1"
        answer("train", path, *settings.split(), "--out", tmp_path)
        train, held_out = data.load(path)
        scaling, net = Scaling.fit(train), cr.MLP((12288, 20, 7, 5, 1))
        X, X_held_out = (scaling.apply(part.X, np.float64) for part in (train, held_out))
        run = descend(
            lambda params: net.cost_and_gradients(params, X, train.y),
            net.init(1, "cpu", "float64"),
            steps=40,
            learning_rate=0.0075,
            report_every=2,
        )
        costs = [float(row["cost"]) for row in history_in(tmp_path)]
        assert costs == pytest.approx([report.cost for report in run.history], rel=1e-12)
        accuracy = json.loads((tmp_path / "report.json").read_text())["accuracy"]
        for name, rows, y in (("train", X, train.y), ("held out", X_held_out, held_out.y)):
            assert accuracy[name] == np.mean((net.forward(run.params, rows)[:, 0] > 0.5) == y)
