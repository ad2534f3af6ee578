"""The options of train: each written once, their help from the tables."""

import inspect
import json
from dataclasses import fields

import pytest
import typer

import chainrule as cr
from chainrule import cli
from chainrule.backend import threads
from chainrule.cli.options import TrainOptions
from chainrule.data import READERS
from chainrule.models.activations import ACTIVATIONS
from chainrule.models.initializers import INITIALIZERS
from chainrule.optim import OPTIMIZERS, SCHEDULES
from tests.helpers.commands import answer, chainrule


@pytest.fixture(scope="module")
def parameters():
    """Return the parameters of train by their names."""
    return {one.name: one for one in typer.main.get_command(cli.app).commands["train"].params}


def test_each_field_is_a_parameter_with_its_default(parameters):
    names = [one.name for one in fields(TrainOptions)]
    assert [name for name in parameters if name != "help"] == names
    for one in fields(TrainOptions):
        assert parameters[one.name].default == one.default
        assert parameters[one.name].help


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("activation", ACTIVATIONS),
        ("optimizer", OPTIMIZERS),
        ("schedule", [row.form for row in SCHEDULES.values()]),
        ("path", [reader.name.replace("`", "")[1:] for reader in READERS]),
    ],
)
def test_help_names_every_row_of_a_table(name, table, parameters):
    for row in table:
        assert row in parameters[name].help


def test_a_choice_is_one_of_the_rows_of_a_table(table, tmp_path):
    given = ("train", table, "--label", "species", "--hidden", 3, "--epochs", 0, "--out", tmp_path / "run")
    for name in INITIALIZERS:
        assert "steps:    0" in answer(*given, "--weights", name)
    told = chainrule("train", "--weights", "random", COLUMNS="200")
    assert told.exit_code == 2
    assert f"is not one of {', '.join(map(repr, INITIALIZERS))}" in " ".join(told.stderr.split())


@pytest.mark.parametrize("option", ["--learning-rate", "--clip", "--tol"])
@pytest.mark.parametrize("value", ["-1", "nan", "inf"])
def test_a_number_out_of_its_range_is_told_with_its_option(option, value):
    told = chainrule("train", option, value)
    assert told.exit_code == 2
    assert f"{option}: expected a " in told.stderr
    assert f"got {float(value)}" in told.stderr


def test_the_command_shows_its_docstring():
    (train,) = (one for one in cli.app.registered_commands if one.name == "train")
    assert inspect.getdoc(train.callback).startswith("Learn to tell classes apart")


def test_the_version_and_the_short_form_of_help():
    assert answer("--version") == f"chainrule {cr.__version__}\n"
    assert answer("train", "-h") == answer("train", "--help")


def test_the_lines_of_help_are_broken_by_the_terminal_alone():
    told = answer("train", "--help", COLUMNS="100")
    text = [line.strip() for line in told.partition("Leaves in")[2].partition("Examples")[0].splitlines()]
    assert max(map(len, text)) > 80
    assert all(len(line) > 80 for line in text[1:-3] if line)


@pytest.mark.parametrize(("option", "value", "said"), [
    ("--held-out", "1", "--held-out: expected a share above 0 and under 1, got 1.0"),
    ("--validation", "1", "--validation: expected a share from 0 up and under 1, got 1.0"),
    ("--device", "gpu", "--device: expected one of cpu, cuda"),
    ("--label", "nope", "--label: {table}, line 1: expected one label column ('nope'), got the columns"),
    ("--positive", "fox", "expected a positive class, one of 'cat', 'dog', got 'fox'; name one of them"),
    ("--activation", "swish", "--activation: expected one of sigmoid, tanh, relu"),
    ("--optimizer", "lion", "--optimizer: expected one of gradient-descent"),
    ("--penalty", "l2:-1", "--penalty: strength must be a finite number from 0 up, got 'l2:-1'"),
    ("--penalty", "elastic:1:2", "--penalty: the ratio must be from 0 to 1, got 'elastic:1:2'"),
    ("--schedule", "cosine:9:2", "--schedule: floor must be from 0 to the rate 1.0, got 'cosine:9:2'"),
    ("--wait", "-1", "--wait: expected a finite number from 0 up, got -1.0"),
    ("--wait", "nan", "--wait: expected a finite number from 0 up, got nan"),
    ("--threads", "0", "Invalid value for '--threads'"),
    ("--image-size", "0", "Invalid value for '--image-size'"),
    ("--out", "", "Invalid value for '--out': expected the name of a file or a folder, got ''"),
])  # fmt: skip
def test_a_wrong_value_is_told_by_its_option_and_by_no_name_of_python(option, value, said, table):
    usual = () if option == "--label" else ("--label", "species")
    told = chainrule("train", table, *usual, option, value, COLUMNS="200")
    words = " ".join(line.strip("│ ") for line in told.stderr.splitlines())
    assert (told.exit_code, told.stdout.count("cost")) == (2, 0), words
    assert said.format(table=table) in words
    assert option in words
    for name in ("split:", "get_device:", "MLP:", "L2:", "ElasticNet:", "cosine:  ", "label=", "l1_ratio"):
        assert name not in words


@pytest.mark.parametrize("command", ["train", "predict", "explain", "check", "compare", "devices", "export"])
def test_every_command_takes_json(command):
    assert "--json" in answer(command, "--help", COLUMNS="120")


def test_train_prints_one_json_object_and_all_words_beside_it(table, tmp_path):
    out = tmp_path / "a run"
    result = chainrule("train", table, "--label", "species", "--steps", 3, "--out", out, "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["accuracy"] == json.loads((out / "report.json").read_text())["accuracy"]
    assert told["out"] == str(out)
    assert {out / name for name in told["files"]} | {out / "checkpoint.safetensors"} == {*out.iterdir()}
    assert "accuracy: " in result.stderr


def test_train_says_what_may_come_next(table, pictures, tmp_path):
    text = answer("train", table, "--label", "species", "--steps", 3, "--out", tmp_path / "a run")
    folder = f"'{tmp_path / 'a run'}'"
    page = f"'{tmp_path / 'a run' / 'report.html'}'"
    assert text.splitlines()[-1] == f"next:     open {page}; chainrule predict {folder} rows.csv"
    text = answer("train", pictures, "--image-size", 4, "--steps", 3, "--out", tmp_path / "b")
    assert text.endswith(f"chainrule predict {tmp_path / 'b'} photo.jpg\n")


def test_the_number_of_threads_is_that_of_the_run(table, tmp_path):
    before = threads.blas_threads()
    for number in (1, 3):
        how = ("--label", "species", "--hidden", 300, "--epochs", 1, "--threads", number)
        answer("train", table, *how, "--out", tmp_path / "run")
        told = json.loads((tmp_path / "run" / "report.json").read_text())
        assert told["threads while learning"] == number
        assert f"{number} thread" in told["device"]["threads"]
        assert threads.blas_threads() == before


def test_chunks_have_the_threads_of_their_workers(three_kinds, tmp_path):
    result = chainrule("train", three_kinds, "--chunk-rows", 50, "--threads", 2, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "--threads: chunks have the threads of their workers, got 2; leave it out" in result.stderr
