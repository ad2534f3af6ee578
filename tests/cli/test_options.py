"""The options of train: each written once, their help from the tables."""

import inspect
from dataclasses import fields

import pytest
import typer

import chainrule as cr
from chainrule import cli
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
    ("--device", "gpu", "--device: expected one of cpu, cuda"),
])  # fmt: skip
def test_a_wrong_value_is_told_by_its_option(option, value, said):
    told = chainrule("train", option, value)
    assert told.exit_code == 2
    assert said in told.stderr
