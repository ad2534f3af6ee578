import json
import os
import signal
import stat
import subprocess
import sys
import time
from dataclasses import asdict, replace

import numpy as np
import pytest
from safetensors.numpy import save

from chainrule import files
from chainrule.data import ImageShape, Scaling
from chainrule.files import Model, ModelError, load_model, save_model, write_bytes


def model(n=12, dtype="float32", image=None):
    rng = np.random.default_rng(0)
    return Model(
        w=rng.standard_normal(n).astype(dtype),
        b=np.asarray(0.5, dtype),
        scaling=Scaling(np.zeros(n), np.full(n, 2.0)),
        classes=("dog", "cat – 猫"),
        image=image,
        white=16.0 if image else None,
        features=() if image else tuple(f"f{j}" for j in range(n)),
    )


@pytest.mark.parametrize("image", [None, ImageShape(2, 2, 3)])
def test_a_model_comes_back_as_it_was(tmp_path, dtype, image):
    path = tmp_path / "deep" / "model.safetensors"
    saved = model(dtype=dtype, image=image)
    save_model(path, saved)
    loaded = load_model(path)
    for name in ("w", "b"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(saved, name))
        assert getattr(loaded, name).dtype == dtype
    np.testing.assert_array_equal(loaded.scaling.scale, saved.scaling.scale)
    arrays = dict.fromkeys(("w", "b", "scaling"))
    assert asdict(loaded) | arrays == asdict(saved) | arrays


def test_a_model_cut_at_any_byte_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(path, model())
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError, match=r"model\.safetensors: expected a model of chainrule, got .*; "):
            load_model(path)


def test_no_file_and_other_files_are_refused(tmp_path):
    with pytest.raises(ModelError, match="got no file; check the path"):
        load_model(tmp_path / "nothing")
    with pytest.raises(ModelError, match="got no file"):
        load_model(tmp_path)
    (tmp_path / "text").write_text("not a model at all, and longer than a header")
    with pytest.raises(ModelError, match="broken or of another kind"):
        load_model(tmp_path / "text")
    (tmp_path / "foreign").write_bytes(save({"w": np.ones(3)}))
    with pytest.raises(ModelError, match="whose format is None"):
        load_model(tmp_path / "foreign")


def write_model(path, *, tensors=None, about=None, **metadata):
    """Write a model file with some of its parts replaced; None takes a part away."""
    saved = model()
    parts = {"w": saved.w, "b": saved.b, "shift": saved.scaling.shift, "scale": saved.scaling.scale} | (
        tensors or {}
    )
    text = {"classes": ["no", "yes"], "image": None, "white": None, "features": []} | (about or {})
    known = {"format": files.FORMAT, "version": files.VERSION, "about": json.dumps(text)} | metadata
    kept = {name: part for name, part in parts.items() if part is not None}
    path.write_bytes(save(kept, {name: value for name, value in known.items() if value is not None}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": "2"}, "version '2' where this chainrule reads '1'; use the chainrule that wrote it"),
        ({"version": None}, "version None"),
        ({"about": "{"}, "malformed"),
        ({"tensors": {"w": None}}, "missing or malformed .*'w'"),
        ({"tensors": {"w": np.ones((3, 4), "float32")}}, r"got w \(3, 4\)"),
        ({"tensors": {"w": np.ones(12)}}, r"float64, b \(\) float32"),
        ({"tensors": {"w": np.ones(12, "int32"), "b": np.asarray(1, "int32")}}, "int32"),
        ({"tensors": {"b": np.ones(1, "float32")}}, r"b \(1,\)"),
        ({"tensors": {"w": np.full(12, np.nan, "float32")}}, "got w"),
        ({"tensors": {"shift": np.zeros(5), "scale": np.ones(5)}}, r"shift \(5,\)"),
        ({"tensors": {"scale": np.zeros(12)}}, "malformed"),
    ],
)
def test_a_model_with_a_wrong_part_is_refused(tmp_path, change, words):
    path = tmp_path / "model.safetensors"
    write_model(path)
    load_model(path)
    change = dict(change)
    if change.get("about") == "{":
        save_about = change.pop("about")
        parts = {"w": np.ones(2), "b": np.asarray(1.0), "shift": np.zeros(2), "scale": np.ones(2)}
        path.write_bytes(save(parts, {"format": files.FORMAT, "version": files.VERSION, "about": save_about}))
    else:
        write_model(path, **change)
    with pytest.raises(ModelError, match=words):
        load_model(path)


@pytest.mark.parametrize(
    "about",
    [
        {"classes": ["one"]},
        {"image": {"height": 2, "width": 2, "channels": 1}},
        {"image": {"height": 2}},
        {"features": ["a"]},
        {"white": -1},
        {"white": "snow"},
    ],
)
def test_a_description_that_does_not_fit_is_refused(tmp_path, about):
    path = tmp_path / "model.safetensors"
    write_model(path, about=about)
    with pytest.raises(ModelError):
        load_model(path)


class TestWriting:
    def test_content_replaces_content(self, tmp_path):
        path = tmp_path / "file"
        for content in (b"old", b"new and longer", b""):
            write_bytes(path, content)
            assert path.read_bytes() == content
        assert [entry.name for entry in tmp_path.iterdir()] == ["file"]

    def test_permissions_are_the_usual_ones(self, tmp_path):
        before = os.umask(0o022)
        try:
            write_bytes(tmp_path / "file", b"")
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == 0o644

    @pytest.mark.parametrize("call", ["fsync", "replace"])
    def test_a_failure_leaves_the_old_file_and_nothing_beside(self, tmp_path, monkeypatch, call):
        path = tmp_path / "model.safetensors"
        save_model(path, model())
        before = path.read_bytes()

        def fail(*arguments):
            raise OSError("no space left on device")

        monkeypatch.setattr(*(("os.fsync", fail) if call == "fsync" else ("pathlib.Path.replace", fail)))
        with pytest.raises(OSError, match="no space left"):
            save_model(path, replace(model(), b=np.asarray(9.0, "float32")))
        assert path.read_bytes() == before
        assert [entry.name for entry in tmp_path.iterdir()] == [path.name]

    @pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
    def test_a_kill_at_any_moment_leaves_one_of_the_models_whole(self, tmp_path):
        path = tmp_path / "model.safetensors"
        program = f"""
import numpy as np
from pathlib import Path
from chainrule.data import Scaling
from chainrule.files import Model, save_model
scaling = Scaling(np.array(0.0), np.array(1.0))
models = [
    Model(np.full(200_000, k, "float32"), np.asarray(k, "float32"), scaling, ("a", "b"), None) for k in (1, 2)
]
print("ready", flush=True)
while True:
    for model in models:
        save_model(Path({str(path)!r}), model)
        print("saved", flush=True)
"""
        rng = np.random.default_rng(0)
        for _ in range(8):
            writer = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
            assert writer.stdout.readline() == "ready\n"
            assert writer.stdout.readline() == "saved\n"
            time.sleep(rng.random() * 0.02)
            writer.kill()
            writer.wait()
            writer.stdout.close()
            loaded = load_model(path)
            assert set(np.unique(loaded.w)) == {float(loaded.b)}
