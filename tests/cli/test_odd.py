"""Odd values, odd names and odd numbers: told in a line, or served."""

import csv
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from chainrule.training.storage import checksum, read_tensors, write_tensors
from tests.helpers.commands import OUTPUTS, answer, chainrule


def written(path, header, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


@pytest.mark.parametrize("option", ["--hidden", "--activation", "--optimizer", "--batch"])
def test_nothing_is_no_value(option, table, tmp_path):
    result = chainrule("train", table, "--label", "species", option, "", "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "got ''" in result.stderr
    assert not (tmp_path / "run").exists()


def test_what_was_given_is_told_as_it_was_given(table):
    result = chainrule("train", table, "--label", "species", "--schedule", "step:x:1")
    assert "got 'step:x:1'" in result.stderr


@pytest.mark.parametrize("tol", ["inf", "nan", "-1"])
def test_tol_is_a_number_to_get_under(tol, table, tmp_path):
    result = chainrule("train", table, "--label", "species", "--tol", tol, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "--tol" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_network_that_no_memory_holds_is_told_in_a_line(table, tmp_path):
    result = chainrule(
        "train", table, "--label", "species", "--hidden", "100000,1000000000", "--out", tmp_path / "run"
    )
    assert result.exit_code == 1
    assert result.stderr.startswith("chainrule: more memory is needed than there is (")


@pytest.mark.parametrize("every", [0, -3, "often", None, 1.5])
def test_a_checkpoint_whose_rhythm_is_none_is_refused(every, table, tmp_path):
    run = ("train", table, "--label", "species", "--steps", 20, "--out", tmp_path)
    answer(*run)
    path = tmp_path / "checkpoint.safetensors"
    tensors, metadata = read_tensors(path, "chainrule checkpoint", "1", ValueError)
    about = json.loads(metadata["about"])
    about["settings"]["report_every"] = every
    text = json.dumps(about)
    write_tensors(path, tensors, metadata | {"about": text, "checksum": checksum(text, tensors)})
    result = chainrule(*run, "--resume")
    assert result.exit_code == 1
    assert "expected a checkpoint of this run, got one of a run whose report_every was" in result.stderr


@pytest.mark.parametrize("how", [(), ("--hidden", 3)])
def test_a_row_beyond_the_precision_is_told_before_the_learning(how, tmp_path):
    rows = written(tmp_path / "rows.csv", ["a", "b", "label"], [[k, 1, "uv"[k % 2]] for k in range(40)])
    far = written(tmp_path / "far.csv", ["a", "b", "label"], [[0, 1, "u"], [1, -1e300, "v"]])
    result = chainrule("train", rows, "--test", far, *how, "--out", tmp_path / "run")
    assert result.exit_code == 1
    assert "expected numbers that float32 holds once scaled, got -1e+300 in column 1" in result.stderr
    assert "cost" not in result.stdout
    assert not (tmp_path / "run").exists()
    answer("train", rows, "--test", far, *how, "--out", tmp_path / "run", "--dtype", "float64", "--steps", 3)


def test_a_row_beyond_the_precision_is_no_prediction(tmp_path):
    rows = written(tmp_path / "rows.csv", ["a", "b", "label"], [[k, 1, "uv"[k % 2]] for k in range(40)])
    far = written(tmp_path / "far.csv", ["a", "b"], [[0, 1], [1, 1e300]])
    answer("train", rows, "--steps", 3, "--out", tmp_path / "run")
    result = chainrule("predict", tmp_path / "run", far, rows)
    assert result.exit_code == 1
    assert "got 1e+300 in column 1" in result.stderr
    assert "nan" not in result.stdout
    assert len(result.stdout.splitlines()) == 40


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("how", [(), ("--hidden", 3)])
def test_names_of_any_kind_are_drawn(how, tmp_path):
    names = ["$\\frac{", "a_$x_$"], ["$^", "猫"]
    for k, (u, v) in enumerate(names):
        rows = [[n, -n, (u, v)[n % 2]] for n in range(40)]
        path = written(tmp_path / f"{k}.csv", ["$\\", "高$^$", "label"], rows)
        answer("train", path, *how, "--steps", 3, "--out", tmp_path / f"run{k}")
        assert {file.name for file in (tmp_path / f"run{k}").iterdir()} == OUTPUTS - {"mistakes.png"}


@pytest.mark.skipif(sys.platform != "linux", reason="file names that are bytes")
def test_folders_whose_names_are_no_text_are_drawn(pictures, tmp_path):
    (pictures / "dark").rename(os.fsdecode(os.fsencode(pictures) + b"/dark\xff"))
    command = [sys.executable, "-m", "chainrule", "train", pictures, "--image-size", "4", "--steps", "3"]
    for encoding in ("utf-8", "ascii"):
        ended = subprocess.run(
            [*map(str, command), "--out", tmp_path / encoding],
            env=os.environ | {"PYTHONIOENCODING": encoding, "CHAINRULE_DEVICE": "cpu"},
            capture_output=True,
            check=False,
        )
        assert (ended.returncode, ended.stderr) == (0, b"")
        assert {file.name for file in (tmp_path / encoding).iterdir()} == OUTPUTS
        assert rb"dark\udcff" in ended.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
@pytest.mark.parametrize("how", [(), ("--json",)])
def test_answers_that_cannot_be_written_are_told_in_a_line(how, table, tmp_path):
    answer("train", table, "--label", "species", "--steps", 3, "--out", tmp_path / "run")
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(
            [sys.executable, "-u", "-m", "chainrule", "predict", tmp_path / "run", table, *how],
            env=os.environ | {"CHAINRULE_DEVICE": "cpu"},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert "No space left" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_full_disk_is_told_with_the_name_of_the_file(table, tmp_path):
    command = f'ulimit -f 6; exec "{sys.executable}" -m chainrule train "{table}" --label species --steps 3'
    ended = subprocess.run(
        ["bash", "-c", f'{command} --out "{tmp_path / "run"}"'],
        env=os.environ | {"CHAINRULE_DEVICE": "cpu"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "File too large: " in ended.stderr
    assert ".png" in ended.stderr
    assert not [file for file in (tmp_path / "run").iterdir() if file.name.endswith(".part")]


def test_a_reader_that_has_enough_answers_hears_no_complaint(tmp_path):
    rows = written(tmp_path / "rows.csv", ["a", "label"], [[k, "uv"[k % 2]] for k in range(9000)])
    answer("train", rows, "--steps", 1, "--out", tmp_path / "run")
    with subprocess.Popen(
        [sys.executable, "-m", "chainrule", "predict", tmp_path / "run", rows],
        env=os.environ | {"CHAINRULE_DEVICE": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout.readline().startswith(os.fsencode(f"{rows}:1\t"))
        process.stdout.close()
        assert process.stderr.read() == b""


def test_an_interrupt_while_the_commands_are_loaded_is_no_fault():
    program = (
        "import sys, chainrule.__main__ as door\n"
        "class Interrupt:\n"
        "    def find_spec(self, name, *others):\n"
        "        if name == 'chainrule.cli':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Interrupt())\n"
        "door.main()\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (130, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
@pytest.mark.parametrize("command", ["devices", "--help", "explain a a=1", "devices --json"])
def test_output_that_cannot_be_written_is_told_in_a_line(command):
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "chainrule", *command.split()],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert ended.returncode == 1
    assert ended.stderr.startswith("chainrule: ")
    assert "No space left on device" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device that is always full")
def test_what_was_learnt_is_kept_where_the_output_cannot_be_written(table, tmp_path):
    command = [
        sys.executable,
        "-m",
        "chainrule",
        "train",
        table,
        "--label",
        "species",
        "--out",
        tmp_path / "run",
    ]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert ended.returncode == 1
    assert "the standard output cannot be written" in ended.stderr
    assert {file.name for file in (tmp_path / "run").iterdir()} == OUTPUTS - {"mistakes.png"}


@pytest.mark.skipif(os.name != "posix", reason="a shell that closes the output")
def test_a_closed_output_takes_all(tmp_path):
    run = shlex.join(
        [sys.executable, "-m", "chainrule", "train", "--steps", "1", "--out", str(tmp_path / "run")]
    )
    assert subprocess.run(["sh", "-c", f"{run} >&- 2>&-"], check=False).returncode == 0
    assert (tmp_path / "run" / "model.safetensors").exists()


def test_a_picture_whose_path_has_a_sign_of_equality_is_a_sample(pictures, tmp_path):
    answer("train", pictures, "--image-size", 4, "--steps", 3, "--out", tmp_path / "run")
    (tmp_path / "label=3").mkdir()
    picture = next((pictures / "dark").iterdir()).rename(tmp_path / "label=3" / "d.png")
    assert "answer:   " in answer("explain", tmp_path / "run", picture)


def test_a_file_that_may_not_be_read_is_said_to_be_there(table, tmp_path, monkeypatch):
    answer("train", table, "--label", "species", "--steps", 3, "--out", tmp_path / "run")
    denied = PermissionError(13, "Permission denied")
    for name in ("open", "read_bytes"):
        monkeypatch.setattr(Path, name, lambda path, *arguments: (_ for _ in ()).throw(denied))
    for result in (chainrule("train", table), chainrule("predict", tmp_path / "run", table)):
        assert result.exit_code == 1
        assert "no permission" in result.stderr
        assert "ask for it (chmod), or name a copy of your own" in result.stderr


def test_a_name_gives_no_commands_to_the_terminal(tmp_path):
    rows = [[n, -n, ("\x1b[31mred\x07", "\x9bgreen\u202e")[n % 2]] for n in range(20)]
    path = written(tmp_path / "a.csv", ["a", "b", "label"], rows)
    told = answer("train", path, "--steps", 3, "--out", tmp_path / "run")
    told += answer("predict", tmp_path / "run", written(tmp_path / "b.csv", ["a", "b"], [[1, -1], [2, -2]]))
    assert "\\x1b[31mred\\x07" in told
    assert "\\x9bgreen\\u202e" in told
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(told)
