"""A model as an ONNX file, run by another runtime."""

import json
import sys

import numpy as np
import pytest

import chainrule as cr
from tests.helpers.commands import answer, chainrule
from tests.trained.conftest import NETS, NUMBERS, rows


@pytest.mark.parametrize("net", [*NETS, cr.MLP((6, 4, 3), "maxout", "softmax", pieces=3)], ids=str)
def test_another_runtime_answers_alike(saved, net, dtype, tmp_path):
    onnx, onnxruntime = pytest.importorskip("onnx"), pytest.importorskip("onnxruntime")
    path, X = saved(net, dtype=dtype), rows()
    answer("export", path, "--onnx", tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    label, P = session.run(["label", "probabilities"], {"X": X})
    model = cr.load_model(path)
    assert P.dtype == dtype
    close = {"rtol": 2e-5, "atol": 2e-7} if dtype == "float32" else {"rtol": 1e-12}
    np.testing.assert_allclose(P, model.predict_proba(X), **close)
    assert label.tolist() == model.predict(X).tolist()
    about = {
        entry.key: json.loads(entry.value) for entry in onnx.load(tmp_path / "model.onnx").metadata_props
    }
    assert about["classes"] == model.classes.tolist()


@pytest.mark.parametrize("net", NUMBERS, ids=str)
def test_another_runtime_predicts_the_number(saved, net, dtype, tmp_path):
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    path, X = saved(net, dtype=dtype), rows()
    answer("export", path, "--onnx", tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    assert [(one.name, one.shape) for one in session.get_outputs()] == [("prediction", ["m"])]
    (prediction,) = session.run(None, {"X": X})
    assert prediction.dtype == dtype
    rtol = 2e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(prediction, cr.load_model(path).predict(X), rtol=rtol, atol=rtol)


def test_a_file_that_cannot_be_written_is_one_line(saved, tmp_path):
    pytest.importorskip("onnx")
    for bad in (tmp_path, ""):
        refused = chainrule("export", saved(NETS[0]), "--onnx", bad)
        assert refused.exit_code == 2
        (line,) = refused.stderr.splitlines()
        assert "--onnx" in line
        assert "got a folder" in line


def test_without_onnx_it_is_named(saved, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    result = chainrule("export", saved(NETS[0]), "--onnx", tmp_path / "model.onnx")
    assert result.exit_code == 1
    assert "export to ONNX needs onnx: pip install '.[onnx]'" in result.stderr
    assert not (tmp_path / "model.onnx").exists()
