"""The report of a run: its fields, and the keys that its JSON has for them."""

import json

import numpy as np
import pytest

from chainrule.optim import Report
from chainrule.training.evaluation import Evaluation, Prediction
from chainrule.training.run_report import (
    Accuracy,
    Choices,
    ChunkTimes,
    RowCounts,
    RunReport,
    Sources,
    TwoClasses,
    regression,
    summary,
)

HELD_OUT = Evaluation(np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7]]), np.array([0, 1, 1]))


def report(**fields):
    made = {
        "name": "first",
        "command": "chainrule train",
        "ended": "2000-01-01T00:00:00+00:00",
        "device": {"name": "cpu"},
        "threads": 2,
        "dtype": "float32",
        "versions": {"chainrule": "0"},
        "python": "3",
        "data": Sources("a.csv", "b.csv", 4, pictures="2 x 2, 1 channels", checksum="abc"),
        "rows": RowCounts(5, 3, 2),
        "classes": TwoClasses("cat", "dog"),
        "network": "4 - 1 sigmoid",
        "choices": Choices(positive="dog", held_out=0.2, validation=0.1),
        "settings": {"seed": 0},
        "steps": 7,
        "stopped": "all steps taken",
        "cost": 0.5,
        "largest_gradient": 0.1,
        "best": Report(7, 0.5, 0.1, 0.6),
        "resumed_after": None,
        "seconds_reading": 0.1,
        "seconds": 0.2,
        "summary": summary(("cat", "dog"), HELD_OUT, {"train": 1.0, "validation": 0.5}, np.array([7, 9, 4])),
    }
    return RunReport(**(made | fields))


def test_the_json_has_these_keys():
    assert report().as_json() == {
        "run": "first",
        "command": "chainrule train",
        "ended": "2000-01-01T00:00:00+00:00",
        "device": {"name": "cpu"},
        "threads while learning": 2,
        "dtype": "float32",
        "versions": {"chainrule": "0"},
        "python": "3",
        "data": {
            "train": "a.csv",
            "held out": "b.csv",
            "features": 4,
            "pictures": "2 x 2, 1 channels",
            "checksum of held-out rows": "abc",
        },
        "rows": {"train": 5, "held out": 3, "validation": 2},
        "classes": {"negative": "cat", "positive": "dog"},
        "network": "4 - 1 sigmoid",
        "choices": {"positive": "dog", "held-out share": 0.2, "validation share": 0.1},
        "settings": {"seed": 0},
        "steps": 7,
        "stopped": "all steps taken",
        "cost": 0.5,
        "largest gradient": 0.1,
        "best": {
            "step": 7,
            "cost": 0.5,
            "largest_gradient": 0.1,
            "validation": 0.6,
            "largest_by_array": (),
        },
        "resumed after step": None,
        "seconds reading": 0.1,
        "seconds": 0.2,
        "accuracy": {"train": 1.0, "held out": 2 / 3, "commoner class": 2 / 3, "validation": 0.5},
        "held-out accuracy by class": {"cat": 1.0, "dog": 0.5},
        "held-out confusion, true class down, answer across": [[1, 0], [1, 1]],
        "worst mistakes": [
            {
                "held-out row": 1,
                "class": "dog",
                "answer": "cat",
                "probability of the answer": 0.8,
                "row of the data, from 1": 9,
            }
        ],
    }


def test_what_is_not_there_is_left_out_or_null():
    made = report(rows=RowCounts(5, 3), classes=("a", "b", "c"), cost=None, best=None).as_json()
    assert made["rows"] == {"train": 5, "held out": 3}
    assert made["classes"] == ["a", "b", "c"]
    assert made["cost"] is made["best"] is made["resumed after step"] is None
    assert "chunks" not in made
    assert Accuracy(1.0, 0.5, 0.5).as_json() == {"train": 1.0, "held out": 0.5, "commoner class": 0.5}


def test_a_mistake_names_its_file_or_the_number_of_its_row():
    for places, named in (
        (np.array(["a/1.png", "b/2.png", "b/3.png"]), {"file": "b/2.png"}),
        (np.array([30, 20, 10]), {"row of the data, from 1": 20}),
    ):
        (mistake,) = summary(("cat", "dog"), HELD_OUT, {"train": 1.0}, places).as_json()["worst mistakes"]
        assert named.items() <= mistake.items()
        assert not {"file", "row of the data, from 1"} - set(named) & set(mistake)
        numbers = Prediction(np.array([1.0, 5.0, 2.0]), np.array([1.0, 2.0, 2.5]))
        told = regression(numbers, {"train": numbers}, places).as_json()["furthest predictions"]
        assert told[0] == {"held-out row": 1, "number": 2.0, "prediction": 5.0, **named}


def test_a_share_of_a_variance_of_0_is_null():
    numbers = Prediction(np.array([1.0, 2.0]), np.array([3.0, 3.0]))
    made = regression(numbers, {"train": numbers}, np.array([1, 2])).as_json()
    assert json.loads(json.dumps(made, allow_nan=False))["R^2"] == {"train": None, "held out": None}


def test_chunks_have_their_times():
    times = ChunkTimes(3, 25, True, 12, 1.0, 0.75, 0.25, 1.5, 0.5)
    made = json.loads(json.dumps(report(chunks=times).as_json()))["chunks"]
    assert made == {
        "number": 3,
        "rows of the tallest": 25,
        "kept on workers": True,
        "steps computed": 12,
        "seconds of steps": 1.0,
        "seconds of computing": 0.75,
        "seconds of moving, reading and waiting": 0.25,
        "seconds of computing, summed over all threads": 1.5,
        "seconds of validating, beside the steps": 0.5,
    }


def test_fields_are_taken_by_their_names():
    assert report().as_json("steps", "threads") == {"steps": 7, "threads while learning": 2}
    with pytest.raises(AttributeError):
        report().as_json("threads while learning")
