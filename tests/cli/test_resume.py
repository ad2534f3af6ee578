import json
import os
import signal
import sys
import time

import numpy as np
import pytest

from chainrule.training import checkpoint as checkpoints
from chainrule.training.model_file import load_model
from tests.helpers.commands import answer, chainrule, history_in, start

WAYS = [
    ["--model", "logistic", "--optimizer", "gradient-descent", "--steps", 8000, "--report-every", 100],
    ["--hidden", "30,10", "--optimizer", "adam", "--batch", 16, "--epochs", 250, "--patience", 1000],
    [
        "--model",
        "logistic",
        "--optimizer",
        "nesterov",
        "--batch",
        20,
        "--epochs",
        800,
        "--patience",
        2000,
        "--schedule",
        "cosine",
    ],
    [
        "--hidden",
        40,
        "--optimizer",
        "rmsprop",
        "--batch",
        "all",
        "--steps",
        2000,
        "--validation",
        0.2,
        "--clip",
        1,
    ],
]


def assert_same(folder, other):
    assert history_in(folder) == history_in(other)
    one, two = (load_model(place / "model.safetensors").params for place in (folder, other))
    for (W, b), (V, c) in zip(one, two, strict=True):
        assert (W.tobytes(), b.tobytes()) == (V.tobytes(), c.tobytes())


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.parametrize("way", WAYS, ids=lambda way: "-".join(str(part).strip("-") for part in way[:4]))
def test_a_run_killed_goes_on_bit_for_bit_as_if_it_had_not_been(three_kinds, tmp_path, way):
    answer("train", three_kinds, *way, "--out", tmp_path / "whole")
    rng = np.random.default_rng(len(str(way)))
    command = [three_kinds, *way, "--resume", "--out", tmp_path / "killed"]
    for _ in range(2):
        process = start(*command, sign="none")
        # The first report is told before the first checkpoint is written.
        while not (tmp_path / "killed" / "checkpoint.safetensors").exists() and process.poll() is None:
            time.sleep(0.001)
        time.sleep(rng.random() * 0.05)
        assert process.poll() is None, "it was done before it could be killed"
        process.kill()
        process.communicate()
    text = answer("train", *command)
    assert "resume:   after step " in text
    assert_same(tmp_path / "killed", tmp_path / "whole")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to a child")
@pytest.mark.parametrize("end", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_run_interrupted_goes_on_bit_for_bit_as_if_it_had_not_been(three_kinds, tmp_path, end):
    if signal.getsignal(getattr(signal, end)) is signal.SIG_IGN:
        pytest.skip(f"{end} is ignored here, as under nohup, and so by every process that is started")
    command = [three_kinds, "--hidden", 30, "--epochs", 10**6, "--patience", 10**6, "--learning-rate", 1e-4]
    process = start(*command, "--out", tmp_path / "run")
    time.sleep(0.2)
    process.send_signal(getattr(signal, end))
    text, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    done = json.loads((tmp_path / "run" / "report.json").read_text())["steps"]
    assert 0 < done < 3 * 10**6
    # As far again would take its time; what counts is the way past the interruption.
    further = [*command, "--steps", done + 50]
    del further[3:5]
    text = answer("train", *further, "--resume", "--out", tmp_path / "run")
    assert "resume:   after step " in text
    answer("train", *further, "--out", tmp_path / "whole")
    assert_same(tmp_path / "run", tmp_path / "whole")


def test_a_folder_serves_one_run_at_a_time_and_loses_what_a_killed_one_left_half_written(
    three_kinds, tmp_path
):
    out = tmp_path / "run"
    process = start(three_kinds, "--hidden", 30, "--epochs", 10**6, "--patience", 10**6, "--out", out)
    result = chainrule("train", three_kinds, "--steps", 1, "--out", out)
    assert result.exit_code == 1
    assert (
        "got one that another run is writing to; wait for that run, or name another folder" in result.stderr
    )
    process.kill()
    process.communicate()
    for name in (".model.safetensors.ab_d3f9h.part", ".hidden.part"):
        (out / name).write_bytes(b"half")
    answer("train", three_kinds, "--steps", 1, "--out", out)
    assert [file.name for file in out.iterdir() if file.name.startswith(".")] == [".hidden.part"]


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda out: out.symlink_to("nowhere"), "got a link to nothing"),
        (
            lambda out: (out / "model.safetensors").mkdir(parents=True),
            "got one where model.safetensors is a folder",
        ),
        (lambda out: out.write_text("a file"), "got a file"),
        *(
            pytest.param(
                lambda out, name=name: out.mkdir() or os.mkfifo(out / name),
                f"got one where {name} is a pipe",
                marks=pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here"),
            )
            for name in ("history.csv", "checkpoint.safetensors")
        ),
    ],
)
def test_a_place_that_cannot_take_the_results_is_refused_before_the_learning(
    three_kinds, tmp_path, made, said
):
    made(tmp_path / "run")
    result = chainrule("train", three_kinds, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""


def test_a_run_that_comes_to_nothing_leaves_no_folder(tmp_path):
    assert chainrule("train", tmp_path / "nowhere.csv", "--out", tmp_path / "run").exit_code == 1
    assert not (tmp_path / "run").exists()


def test_more_steps_are_taken_from_a_finished_run_in_its_rhythm(three_kinds, tmp_path):
    answer("train", three_kinds, "--batch", "all", "--hidden", 5, "--steps", 60, "--out", tmp_path)
    text = answer(
        "train", three_kinds, "--batch", "all", "--hidden", 5, "--steps", 90, "--resume", "--out", tmp_path
    )
    assert "resume:   after step 60" in text
    assert [int(row["step"]) for row in history_in(tmp_path)] == list(range(0, 91, 3))


def test_a_run_from_the_start_keeps_the_checkpoint_of_the_run_before_and_no_more(three_kinds, tmp_path):
    command = ["train", three_kinds, "--hidden", 4, "--out", tmp_path]
    checkpoint, earlier = tmp_path / "checkpoint.safetensors", tmp_path / "checkpoint-earlier.safetensors"
    assert "earlier:" not in answer(*command, "--epochs", 3, "--seed", 1)
    for seed in (2, 3):
        before = checkpoint.read_bytes()
        text = answer(*command, "--epochs", 2, "--seed", seed)
        assert f"earlier:  its checkpoint is now {earlier};" in text
        assert earlier.read_bytes() == before != checkpoint.read_bytes()
        assert sorted(tmp_path.glob("*checkpoint*")) == [earlier, checkpoint]
    assert "earlier:" not in answer(*command, "--epochs", 6, "--seed", 3, "--resume")
    earlier.replace(checkpoint)
    assert "resume:   after step" in answer(*command, "--epochs", 6, "--seed", 2, "--resume")


def test_a_broken_checkpoint_does_not_take_the_place_of_a_whole_one(three_kinds, tmp_path):
    command = ["train", three_kinds, "--hidden", 4, "--epochs", 2, "--out", tmp_path]
    for seed in (1, 2):
        answer(*command, "--seed", seed)
    checkpoint, earlier = tmp_path / "checkpoint.safetensors", tmp_path / "checkpoint-earlier.safetensors"
    whole, content = earlier.read_bytes(), checkpoint.read_bytes()
    for broken in (content[:1000], content[:-1] + bytes([content[-1] ^ 1])):
        checkpoint.write_bytes(broken)
        assert "earlier:" not in answer(*command, "--seed", 3)
        assert earlier.read_bytes() == whole


def test_without_a_checkpoint_it_begins_at_the_start_and_says_so(three_kinds, tmp_path):
    text = answer("train", three_kinds, "--epochs", 1, "--resume", "--out", tmp_path)
    assert f"resume:   no checkpoint {tmp_path / 'checkpoint.safetensors'}; from the start" in text


def test_other_settings_and_broken_checkpoints_are_told_in_a_line_and_change_nothing(three_kinds, tmp_path):
    command = ["train", three_kinds, "--hidden", 4, "--out", tmp_path]
    answer(*command, "--epochs", 3)
    files = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    for more, words in (
        (
            ["--epochs", 3, "--optimizer", "momentum"],
            "whose optimizer was 'adam' where this one has 'momentum'",
        ),
        (["--epochs", 3, "--seed", 1], "whose seed was 0 where this one has 1"),
        (["--epochs", 1], "after step 9, later than the 3 steps of this run; ask for more steps"),
    ):
        result = chainrule(*command, *more, "--resume")
        assert result.exit_code == 1
        assert words in result.stderr
        assert {path: path.read_bytes() for path in files} == files
    checkpoint = tmp_path / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    result = chainrule(*command, "--epochs", 3, "--resume")
    assert result.exit_code == 1
    assert (
        "checkpoint.safetensors: expected a checkpoint of this run, got a file that is broken"
        in result.stderr
    )


def test_a_checkpoint_that_cannot_be_written_does_not_cost_what_is_learnt(three_kinds, tmp_path, monkeypatch):
    def fail(*arguments):
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoints, "save_checkpoint", fail)
    result = chainrule("train", three_kinds, "--hidden", 4, "--epochs", 30, "--out", tmp_path)
    assert result.exit_code == 0
    assert result.stderr.count("checkpoint.safetensors cannot be written (no space left on device)") == 1
    assert load_model(tmp_path / "model.safetensors").net.sizes == (2, 4, 3)
