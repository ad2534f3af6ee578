"""The stages of a run: what rows are made of, and how often they move."""

import numpy as np
import pytest

import chainrule as cr
from chainrule.data.chunked import chunked
from chainrule.data.dataset import Dataset
from chainrule.training import checkpoint, rows
from chainrule.training.chunked import Chunked
from chainrule.training.pipeline import InMemory, open_pipeline, prepare
from tests.helpers.runs import dataset, problem, run_on


def pixels(k):
    """Return rows whose scaled numbers are the same on every machine."""
    X = (np.arange(240).reshape(60, 4) % 251).astype(np.uint8)
    return Dataset(X, np.arange(60) % k, tuple("abc"[:k]), None, "made up")


@pytest.mark.parametrize(
    ("k", "dtype", "validation", "text"),
    [
        (
            3,
            "float32",
            0.2,
            "(48, 4) float32, (48, 3) float32, (12, 4) float32, (12, 3) float32, "
            "checksum 56c6698f2860fb9e454f7102b6c7fa96",
        ),
        (2, "float64", 0.0, "(60, 4) float64, (60,) float64, checksum af9b596e08315843756329964d82c1c4"),
    ],
)
def test_the_fingerprint_is_that_of_earlier_checkpoints(k, dtype, validation, text):
    made = problem(pixels(k), pixels(k), validation=validation)
    assert InMemory().rows(made, cr.get_device("cpu"), dtype).fingerprint == text


def test_the_fingerprint_of_chunks_is_that_of_earlier_checkpoints():
    pipeline, rows_in_chunks = Chunked(25), chunked(pixels(3), 25)
    made = prepare(pipeline, rows_in_chunks, rows_in_chunks, positive=None, validation=0.2, seed=0)
    assert pipeline.rows(made, pipeline.device(None), "float32").fingerprint == (
        "(48, 4) float32 in 3 chunks, checksum f26f44914be260a5a617fafc54902b19; to validate by "
        "(12, 4) float32 in 3 chunks, checksum dbeac21e5c912f430d6891ebf8a4fad2"
    )


def test_rows_and_targets_move_to_the_device_once_and_never_back(tmp_path, monkeypatch):
    device = cr.get_device("strict:device1")
    there, back = [], []
    asarray = type(device).asarray

    def moved(self, x, dtype=None):
        there.append(getattr(x, "shape", None))
        return asarray(self, x, dtype)

    monkeypatch.setattr(type(device), "asarray", moved)
    for module in (checkpoint, rows):
        to_numpy = module.to_numpy

        def copied(x, to_numpy=to_numpy):
            back.append((type(x).__module__.partition(".")[0], tuple(x.shape)))
            return to_numpy(x)

        monkeypatch.setattr(module, "to_numpy", copied)
    run = run_on(device, hidden="5", batch="7", epochs=2, validation=0.2)
    result = run.learn(tmp_path / "c")
    run.accuracy(result.params)
    # 48 rows of 3 features to learn from with targets of 3 classes, and 12 to validate by.
    assert [there.count((m, 3)) for m in (48, 12)] == [2, 2]
    assert [shape for library, shape in back if library != "numpy" and shape in ((48, 3), (12, 3))] == [
        (48, 3),
        (12, 3),
    ], "the answers alone, one array of probabilities each"


def test_rows_beyond_the_precision_are_told_with_those_to_test_on():
    far = dataset()
    far.X[3, 1] = 1e300
    made = problem(dataset(), far)
    with pytest.raises(ValueError, match="expected numbers that float32 holds once scaled"):
        InMemory().rows(made, cr.get_device("cpu"), "float32")


def test_the_data_and_the_options_decide_where_rows_lie(tmp_path):
    with open_pipeline(None) as pipeline:
        assert isinstance(pipeline, InMemory)
        assert pipeline.about() == {}
    with open_pipeline(None, chunk_rows=7) as pipeline:
        assert isinstance(pipeline, Chunked)
        assert pipeline.about() == {"workers": "threads of this process"}
    (tmp_path / "rows.zarr").mkdir()
    with open_pipeline(tmp_path / "rows.zarr") as pipeline:
        assert isinstance(pipeline, Chunked)
