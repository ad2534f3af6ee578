import dataclasses
import json
import math
import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from chainrule import pytree
from chainrule.optim.descent import Report, Snapshot
from chainrule.training import checkpoint
from chainrule.training.checkpoint import (
    FORMAT,
    VERSION,
    Checkpointer,
    CheckpointError,
    fingerprint,
    load_checkpoint,
    save_checkpoint,
)
from chainrule.training.storage import checksum, read_tensors, write_tensors

SETTINGS = {"data": "some", "dtype": "float64", "learning_rate": 0.1, "net": {"sizes": [2, 3]}, "steps": 100}


def params(place, dtype="float64", shift=0.0):
    rng = np.random.default_rng(0)
    return [
        (
            place.asarray(rng.standard_normal(shape) + shift, dtype),
            place.asarray(rng.standard_normal(shape[1]), dtype),
        )
        for shape in ((2, 3), (3, 1))
    ]


def state(place, dtype="float64"):
    zeros = tuple(place.asarray(np.full(shape, 1e-300), dtype) for shape in ((2, 3), (3,), (3, 1), (1,)))
    return {"step": 7, "mean": zeros, "square": zeros}


def snapshot(place, dtype="float64", **changes):
    history = (Report(0, 0.1 + 0.2, 1 / 3), Report(10, 5e-324, math.pi, 0.7))
    given = {"best": history[1], "since": 2, "rises": 1, "start": math.inf, "previous": 1e308}
    made = Snapshot(
        20, params(place, dtype), state(place, dtype), params(place, dtype, 1), history=history, **given
    )
    return dataclasses.replace(made, **changes)


def load(path, place, dtype="float64", settings=SETTINGS):
    return load_checkpoint(path, settings, params(place, dtype), state(place, dtype), place)


def refusal(path, place):
    # Thousands of times; pytest.raises would take ten times as long.
    try:
        load(path, place)
    except CheckpointError as error:
        return str(error)
    return ""


def assert_same(a, b):
    for field in dataclasses.fields(Snapshot):
        one, other = getattr(a, field.name), getattr(b, field.name)
        if field.name in ("params", "state", "best_params"):
            assert pytree.mapped(lambda x: None, one) == pytree.mapped(lambda x: None, other)
            for x, y in zip(pytree.flat(one), pytree.flat(other), strict=True):
                assert type(x) is type(y)
                if hasattr(x, "dtype"):
                    assert (x.dtype, x.shape, x.device) == (y.dtype, y.shape, y.device)
                    x, y = (np.asarray(v) if v.device == "cpu" else checkpoint.to_numpy(v) for v in (x, y))
                    assert x.tobytes() == y.tobytes()
                else:
                    assert x == y
        else:
            assert repr(one) == repr(other)
            assert type(one) is type(other)


def test_a_snapshot_comes_back_bit_for_bit(device, dtype, tmp_path):
    saved = snapshot(device, dtype)
    save_checkpoint(tmp_path / "c", saved, SETTINGS)
    assert_same(load(tmp_path / "c", device, dtype), saved)


def test_a_snapshot_between_looks_comes_back_bit_for_bit(device, dtype, tmp_path):
    saved = snapshot(device, dtype, pending=device.asarray(np.array([0.1, 0.2], dtype)), rows=(4, 3))
    save_checkpoint(tmp_path / "c", saved, SETTINGS)
    found = load(tmp_path / "c", device, dtype)
    assert_same(found, saved)
    assert device.to_numpy(found.pending).tobytes() == np.array([0.1, 0.2], dtype).tobytes()


@pytest.mark.parametrize(
    "history",
    [
        tuple(Report(k, 1 / (k + 1), 2.0 / 3, None, (0.1, 5e-324, 0.3)) for k in range(5000)),
        tuple(Report(k, 1 / (k + 1), math.inf, -0.0) for k in range(3)),
        # Not alike: those of a run before there was a validation, or largest gradients by array.
        (Report(0, 1.0, 2.0), Report(1, 1.0, 2.0, None, (0.5, 0.25)), Report(2, 1.0, 2.0, 0.1)),
        (),
    ],
    ids=["long", "validated", "unlike", "none"],
)
def test_a_history_comes_back_and_takes_little_memory_to_write(cpu, tmp_path, history):
    saved = snapshot(cpu, history=history)
    tracemalloc.start()
    save_checkpoint(tmp_path / "c", saved, SETTINGS)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # An object of Python for each number would take 24 bytes.
    assert peak < 2**20 + 500 * len(history)
    assert_same(load(tmp_path / "c", cpu), saved)
    assert (tmp_path / "c").stat().st_size < 4000 + 8 * 7 * len(history)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"rows": (1,)}, "not as many rows as pending costs"),
        ({"pending": np.ones(2), "rows": (1, 1), "step": SETTINGS["steps"]}, "ask for more steps"),
    ],
)
def test_one_between_looks_that_does_not_fit_is_refused(cpu, tmp_path, more, said):
    save_checkpoint(tmp_path / "c", snapshot(cpu, **more), SETTINGS)
    assert said in refusal(tmp_path / "c", cpu)


def test_a_number_of_a_checkpoint_that_no_float_holds_is_refused(cpu, tmp_path):
    save_checkpoint(tmp_path / "c", snapshot(cpu), SETTINGS)
    tensors, metadata = read_tensors(tmp_path / "c", FORMAT, VERSION, ValueError)
    about = re.sub('"float": "[^"]*"', '"float": "0x1p999999999"', metadata["about"], count=1)
    assert about != metadata["about"]
    write_tensors(tmp_path / "c", tensors, metadata | {"about": about, "checksum": checksum(about, tensors)})
    assert "got one that is damaged" in refusal(tmp_path / "c", cpu)


def test_a_checkpoint_is_due_between_reports_after_a_minute(cpu, tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    with Checkpointer(tmp_path / "c", SETTINGS) as keeper:
        assert not keeper.due()
        now[0] += 59
        assert not keeper.due()
        now[0] += 2
        assert keeper.due()
        keeper(snapshot(cpu))
        assert not keeper.due()
        now[0] += 61
        assert keeper.due()
        keeper.spent = 40.0
        assert not keeper.due(), "writing has taken more than a tenth of the time"


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    numbers=st.lists(st.floats(), min_size=6, max_size=6),
    cost=st.floats(),
    steps=st.integers(0, 100),
)
def test_any_numbers_come_back_bit_for_bit(cpu, tmp_path, numbers, cost, steps):
    (W, b), last = params(cpu)
    odd = [(np.array(numbers).reshape(W.shape), b), last]
    reports = (Report(steps, cost, cost, cost), Report(steps, cost, cost))
    saved = snapshot(cpu, step=steps, params=odd, previous=cost, history=reports, best=reports[0])
    save_checkpoint(tmp_path / "c", saved, SETTINGS)
    assert_same(load(tmp_path / "c", cpu), saved)


@pytest.fixture
def cpu():
    from chainrule import get_device

    return get_device("cpu")


def test_one_cut_at_any_byte_is_refused(cpu, tmp_path):
    path = tmp_path / "checkpoint.safetensors"
    save_checkpoint(path, snapshot(cpu), SETTINGS)
    whole = path.read_bytes()
    # Every fifth, and where its parts end: the length of the header, the header, the last byte.
    header = 8 + int.from_bytes(whole[:8], "little")
    for length in {*range(0, len(whole), 5), 7, 8, 9, header - 1, header, header + 1, len(whole) - 1}:
        path.write_bytes(whole[:length])
        assert "checkpoint.safetensors: expected a checkpoint of this run, got " in refusal(path, cpu), length


def test_one_with_any_byte_changed_is_refused(cpu, tmp_path):
    path = tmp_path / "c"
    save_checkpoint(path, snapshot(cpu), SETTINGS)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in (*range(0, len(whole), 7), len(whole) - 1):
        changed = bytearray(whole)
        changed[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        # White space in the header means nothing, and a file without it changed is the same file.
        try:
            loaded = load(path, cpu)
        except CheckpointError:
            continue
        assert_same(loaded, snapshot(cpu))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"data": "other"},
            "whose data was 'some' where this one has 'other'; give what that run was given, or",
        ),
        ({"learning_rate": 0.2}, "whose learning_rate was 0.1 where this one has 0.2"),
        ({"net": {"sizes": [2, 4]}}, r"whose net.sizes was \[2, 3\] where this one has \[2, 4\]"),
        ({"net": {"sizes": [2, 3], "penalty": {"kind": "L2"}}}, "whose net.penalty was not set where"),
        ({"net": {"sizes": [2, 3], "penalty": None}}, r"whose net was \{'sizes': \[2, 3\]\} where"),
        ({"net": "none"}, r"whose net was \{'sizes': \[2, 3\]\} where this one has 'none'"),
        ({"clip": 1.0}, "whose clip was not set where this one has 1.0"),
        ({"steps": 19}, "after step 20, later than the 19 steps of this run; ask for more steps"),
    ],
)
def test_one_of_other_settings_is_refused_by_their_name(cpu, tmp_path, change, words):
    save_checkpoint(tmp_path / "c", snapshot(cpu), SETTINGS)
    with pytest.raises(CheckpointError, match=words):
        load(tmp_path / "c", cpu, settings=SETTINGS | change)


def test_more_steps_are_no_other_setting(cpu, tmp_path):
    save_checkpoint(tmp_path / "c", snapshot(cpu), SETTINGS)
    assert load(tmp_path / "c", cpu, settings=SETTINGS | {"steps": 1000}).step == 20
    assert load(tmp_path / "c", cpu, settings=SETTINGS | {"steps": 20}).step == 20


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"params": [(np.zeros((2, 4)), np.zeros(4))]}, "params: expected 2 items; got 1 items"),
        (
            {"params": [(np.zeros((2, 4)), np.zeros(3)), (np.zeros((3, 1)), np.zeros(1))]},
            r"\(2, 4\) float64 where",
        ),
        ({"best_params": np.zeros(3)}, "best_params: expected 2 items"),
        ({"state": {"step": 0}}, r"state: expected a dict with \['step', 'mean', 'square'\]"),
        (
            {"params": [(np.zeros((2, 3), "float32"), np.zeros(3)), (np.zeros((3, 1)), np.zeros(1))]},
            "float32 where",
        ),
    ],
)
def test_one_of_other_shapes_is_refused(cpu, tmp_path, change, words):
    save_checkpoint(tmp_path / "c", snapshot(cpu, **change), SETTINGS)
    with pytest.raises(CheckpointError, match=words):
        load(tmp_path / "c", cpu)


def rewritten(path, *, version=checkpoint.VERSION, change=None):
    """Write the checkpoint again as another version, or with its JSON changed and the checksum made to fit."""

    def refused(fault, remedy):
        return AssertionError(fault)

    tensors, metadata = read_tensors(path, checkpoint.FORMAT, checkpoint.VERSION, refused)
    about = json.loads(metadata["about"])
    if change:
        change(about)
    text = json.dumps(about)
    metadata |= {"version": version, "about": text, "checksum": checksum(text, tensors)}
    path.write_bytes(save(tensors, metadata))


@pytest.mark.parametrize(
    "change",
    [
        lambda about: about.pop("snapshot"),
        lambda about: about["snapshot"].pop("params"),
        lambda about: about["snapshot"].update(unknown=1),
        lambda about: about["snapshot"].update(params={"pickle": "x"}),
        lambda about: about["snapshot"].update(params={"array": "nowhere"}),
        lambda about: about["snapshot"].update(history={"tuple": [{"report": [1]}]}),
        lambda about: about["snapshot"].update(history={"reports": "params.0.1"}),
        lambda about: about["snapshot"].update(history={"reports": "params.0.0"}),
        lambda about: about["snapshot"].update(previous={"float": "much"}),
        lambda about: about["snapshot"].update(step="20"),
        lambda about: about["snapshot"].update(history=3),
        lambda about: about.update(settings=[]),
    ],
)
def test_one_with_a_part_malformed_is_refused(cpu, tmp_path, change):
    path = tmp_path / "c"
    save_checkpoint(path, snapshot(cpu), SETTINGS)
    rewritten(path)
    assert_same(load(path, cpu), snapshot(cpu))
    rewritten(path, change=change)
    with pytest.raises(CheckpointError, match="expected a checkpoint of this run, got one"):
        load(path, cpu)


def test_another_version_no_file_and_other_files_are_refused(cpu, tmp_path):
    path = tmp_path / "c"
    with pytest.raises(CheckpointError, match="got no file"):
        load(path, cpu)
    save_checkpoint(path, snapshot(cpu), SETTINGS)
    rewritten(path, version="9")
    with pytest.raises(CheckpointError, match="version '9' where this chainrule reads '1'"):
        load(path, cpu)
    path.write_bytes(save({"W": np.ones(3)}))
    with pytest.raises(CheckpointError, match="whose format is None"):
        load(path, cpu)
    path.write_bytes(b"not a checkpoint at all, whatever one may think of it")
    with pytest.raises(CheckpointError, match="broken or of another kind"):
        load(path, cpu)
    assert checkpoint.settings_in(path) == {}


@pytest.mark.parametrize("call", ["os.fsync", "pathlib.Path.replace"])
def test_a_failure_to_write_leaves_the_old_one_whole(cpu, tmp_path, monkeypatch, call):
    save_checkpoint(tmp_path / "c", snapshot(cpu), SETTINGS)
    assert checkpoint.settings_in(tmp_path / "c") == SETTINGS

    def fail(*arguments):
        raise OSError("no space left on device")

    monkeypatch.setattr(call, fail)
    with pytest.raises(OSError, match="no space left"):
        save_checkpoint(tmp_path / "c", snapshot(cpu, step=30), SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    assert_same(load(tmp_path / "c", cpu), snapshot(cpu))


def test_a_fingerprint_differs_where_anything_differs(device):
    X = np.arange(6.0).reshape(2, 3)
    first = fingerprint(device.asarray(X), device.asarray(X[0]))
    assert fingerprint(device.asarray(X.copy()), device.asarray(X[0])) == first
    others = (X + np.array([0, 0, 1e-15]), X.reshape(3, 2), X.astype("float32"), -X, X[:1])
    assert len({first, *(fingerprint(device.asarray(other), device.asarray(X[0])) for other in others)}) == 6


class TestCheckpointer:
    def test_it_writes_as_often_as_a_tenth_of_the_time_allows_and_the_last_one_always(
        self, cpu, tmp_path, monkeypatch
    ):
        now, written = [0.0], []
        monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])

        def slowly(path, kept, settings):
            now[0] += 1.0
            written.append(kept.step)

        monkeypatch.setattr(checkpoint, "save_checkpoint", slowly)
        with Checkpointer(tmp_path / "c", SETTINGS) as checkpointer:
            for step in range(0, 35):
                checkpointer(snapshot(cpu, step=step))
                now[0] += 1.0
        assert written == [0, 9, 18, 27, 34]

    def test_an_error_leaves_the_last_one_too(self, cpu, tmp_path):
        checkpointer = Checkpointer(tmp_path / "c", SETTINGS)

        def interrupted():
            with checkpointer:
                checkpointer(snapshot(cpu, step=5))
                checkpointer.spent = math.inf
                checkpointer(snapshot(cpu, step=6))
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            interrupted()
        assert load(tmp_path / "c", cpu).step == 6
