import json
import os
import signal
import stat
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save

import chainrule as cr
from chainrule.data import ImageShape
from chainrule.data.scaling import Scaling
from chainrule.models.mlp import MLP
from chainrule.training import model_file, storage
from chainrule.training.model_file import Model, ModelError, load_model, save_model
from chainrule.training.storage import write_bytes

NET = MLP((12, 5, 3), "tanh", "softmax", penalty=cr.ElasticNet(0.1, 0.3, biases=True))
NETS = [
    NET,
    MLP((12, 1)),
    MLP((12, 4, 4, 1), "maxout", penalty=cr.L1(2), pieces=3),
    MLP((12, 4, 1), cost="squared_error", penalty=cr.L2(0.7), bias_gradient="mean"),
    MLP((12, 2), output="softmax"),
]


def model(net=NET, dtype="float32", image=None):
    rng = np.random.default_rng(0)
    params = [tuple(rng.standard_normal(shape).astype(dtype) for shape in layer) for layer in net.shapes]
    n, k = net.sizes[0], max(2, net.sizes[-1])
    return Model(
        net,
        params,
        scaling=Scaling(np.zeros(n), np.full(n, 2.0)),
        classes=("dog", "cat – 猫", "fish")[:k],
        image=image,
        white=16.0 if image else None,
        border=0.25 if image else None,
        ink=0.875 if image else None,
        features=() if image else tuple(f"f{j}" for j in range(n)),
    )


def assert_same(a, b):
    for one, other in zip(a.params, b.params, strict=True):
        for x, y in zip(one, other, strict=True):
            assert (x.dtype, x.shape, x.tobytes()) == (y.dtype, y.shape, y.tobytes())
    for name in ("shift", "scale"):
        np.testing.assert_array_equal(getattr(a.scaling, name), getattr(b.scaling, name))
    arrays = dict.fromkeys(("params", "scaling"))
    assert vars(a) | arrays == vars(b) | arrays


@pytest.mark.parametrize("image", [None, ImageShape(2, 2, 3)])
@pytest.mark.parametrize("net", NETS, ids=str)
def test_a_model_comes_back_as_it_was(tmp_path, dtype, net, image):
    path = tmp_path / "deep" / "model.safetensors"
    saved = model(net, dtype, image)
    save_model(path, saved)
    loaded = load_model(path)
    assert_same(loaded, saved)
    assert loaded.dtype == dtype


def test_a_model_cut_at_any_byte_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(path, model())
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        # Thousands of times; pytest.raises would take ten times as long.
        try:
            load_model(path)
        except ModelError as error:
            assert "model.safetensors: expected a model of chainrule, got " in str(error)  # noqa: PT017
        else:
            pytest.fail(f"{length} bytes of {len(whole)} were taken for a model")


def test_a_model_with_any_byte_changed_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(path, model())
    whole = path.read_bytes()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        try:
            load_model(path)
        except ModelError:
            continue
        pytest.fail(f"byte {at} of {len(whole)} was changed, and nobody minded")


@pytest.mark.parametrize(("first", "rest"), [("not a", True), ("b", False)])
def test_a_file_that_does_not_say_whether_a_class_is_the_rest_says_it_by_its_name(tmp_path, first, rest):
    path = tmp_path / "model.safetensors"
    saved = replace(model(MLP((12, 1))), classes=(first, "a"))
    for known in (False, True):
        save_model(path, replace(saved, rest=known))
        assert load_model(path).rest is known
    rewritten(path, about={"rest": "gone"})
    assert load_model(path).rest is rest
    with pytest.raises(ValueError, match="a class for all the rest among 3"):
        replace(model(), rest=True)


def test_a_file_without_the_brightness_of_borders_and_the_share_of_ink_is_read(tmp_path):
    path = tmp_path / "model.safetensors"
    save_model(path, model(image=ImageShape(2, 2, 3)))
    assert load_model(path).ink == 0.875
    rewritten(path, about={"border": "gone", "ink": "gone"})
    assert (load_model(path).border, load_model(path).ink) == (None, None)


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


def rewritten(path, *, tensors=None, net=None, about=None, **metadata):
    """Write the model in a file again with some of its parts replaced; None takes a part away."""
    with safe_open(path, framework="numpy") as file:
        parts = {name: file.get_tensor(name) for name in file.keys()} | (tensors or {})  # noqa: SIM118
        known = file.metadata()
    told = json.loads(known["about"]) | (about or {})
    told["net"] = {name: value for name, value in (told["net"] | (net or {})).items() if value != "gone"}
    kept = {name: part for name, part in parts.items() if part is not None}
    text = json.dumps({name: value for name, value in told.items() if value != "gone"})
    known |= {"about": text, "checksum": storage.checksum(text, kept)} | metadata
    path.write_bytes(save(kept, {name: value for name, value in known.items() if value is not None}))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": "1"}, "version '1' where this chainrule reads '2'; use the chainrule that wrote it"),
        ({"version": None}, "version None"),
        ({"format": "chainrule logistic regression"}, "whose format is 'chainrule logistic regression'"),
        ({"about": "{"}, "malformed"),
        ({"about": "[]"}, "malformed"),
        ({"about": None}, "without 'about'"),
        ({"checksum": None}, "without 'checksum'"),
        ({"checksum": "0" * 32}, "the checksum does not fit the content"),
        ({"about": "[" * 100_000}, "malformed"),
        ({"tensors": {"W1": None}}, "without 'W1'"),
        ({"tensors": {"W2": np.ones((3, 3), "float32")}}, "W2 beside what the network has"),
        ({"tensors": {"W1": np.ones((5, 4), "float32")}}, r"parameters of shapes .*\(5, 4\)"),
        ({"tensors": {"b0": np.ones(1, "float32")}}, r"parameters of shapes .*\(1,\)"),
        ({"tensors": {"W0": np.ones((12, 5))}}, "parameters of type float32 and float64"),
        ({"tensors": dict.fromkeys(("shift", "scale"))}, "without 'shift'"),
        ({"tensors": {"W1": np.full((5, 3), np.nan, "float32")}}, "NaN or infinite"),
        ({"tensors": {"b1": np.full(3, np.inf, "float32")}}, "NaN or infinite"),
        (
            {"tensors": {"shift": np.zeros(5), "scale": np.ones(5)}},
            "scaling of 5 features for a network of 12",
        ),
        ({"tensors": {"scale": np.zeros(12)}}, "malformed"),
        ({"net": {"activation": "swish"}}, "activation must be one of .*, got 'swish'"),
        ({"net": {"activation": ["relu"]}}, "malformed"),
        ({"net": {"output": "sigmoid"}}, "3 classes for 3 sigmoid outputs"),
        ({"net": {"cost": "hinge"}}, "the cost hinge needs output identity"),
        ({"net": {"sizes": [12, 6, 3]}}, "parameters of shapes"),
        ({"net": {"sizes": [12]}}, "sizes must be"),
        ({"net": {"sizes": [12, 5.5, 3]}}, "malformed"),
        ({"net": {"sizes": 12}}, "malformed"),
        ({"net": {"penalty": {"kind": "L3", "strength": 1}}}, "without 'L3'"),
        ({"net": {"penalty": {"kind": "L2", "strength": -1}}}, "strength must be a finite number"),
        ({"net": {"penalty": {"kind": "L2", "width": 1}}}, "malformed"),
        ({"net": {"penalty": "gone"}}, "without 'penalty'"),
        ({"net": {"momentum": 1}}, "malformed"),
        ({"about": {"classes": ["one"]}}, "1 classes for 3 softmax outputs"),
        ({"about": {"classes": ["one", "two", "one"]}}, "not two or more different ones"),
        ({"about": {"classes": "gone"}}, "without 'classes'"),
        ({"about": {"image": {"height": 2, "width": 2, "channels": 1}}}, "for a network of 12 features"),
        ({"about": {"image": {"height": 2}}}, "malformed"),
        ({"about": {"features": ["a"]}}, "1 names of features"),
        ({"about": {"white": -1}}, "a white of -1"),
        ({"about": {"white": "snow"}}, "malformed"),
        ({"about": {"border": 2}}, "a border of brightness 2"),
        ({"about": {"ink": 0}}, "ink that fills 0"),
    ],
    ids=lambda part: str(part)[:60],
)
def test_a_model_with_a_wrong_part_is_refused(tmp_path, change, words):
    path = tmp_path / "model.safetensors"
    save_model(path, model())
    rewritten(path)
    assert_same(load_model(path), model())
    change = dict(change)
    text = change.pop("about", {})
    rewritten(path, **change, **({"about": text} if isinstance(text, dict) else {}))
    if not isinstance(text, dict):
        tensors = {"W0": np.ones((12, 1))}
        sums = {"checksum": storage.checksum(text or "", tensors)}
        metadata = (
            {"format": model_file.FORMAT, "version": model_file.VERSION}
            | sums
            | ({"about": text} if text else {})
        )
        path.write_bytes(save(tensors, metadata))
    with pytest.raises(ModelError, match=words):
        load_model(path)


def test_whole_numbers_and_halves_are_no_parameters(tmp_path):
    for kind in ("int32", "float16"):
        with pytest.raises(
            ValueError, match=f"parameters of type {kind}, not all of one of float32, float64"
        ):
            model(dtype=kind)


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

    def test_a_link_stays_and_what_it_leads_to_is_replaced(self, tmp_path):
        (tmp_path / "there").mkdir()
        link = tmp_path / "link"
        link.symlink_to("there/file")
        for content in (b"new", b"newer"):
            write_bytes(link, content)
            assert (tmp_path / "there" / "file").read_bytes() == content
        assert link.is_symlink()

    def test_a_pipe_is_written_to(self, tmp_path):
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
        write_bytes(pipe, b"content")
        assert os.read(reader, 99) == b"content"
        os.close(reader)
        assert stat.S_ISFIFO(pipe.stat().st_mode)

    def test_an_open_file_of_a_process_is_written_to(self, tmp_path):
        with (tmp_path / "file").open("wb") as file:
            write_bytes(Path(f"/dev/fd/{file.fileno()}"), b"content")
            assert os.fstat(file.fileno()).st_size == len(b"content")

    @pytest.mark.parametrize("call", ["fsync", "replace"])
    def test_a_failure_leaves_the_old_file_and_nothing_beside(self, tmp_path, monkeypatch, call):
        path = tmp_path / "model.safetensors"
        save_model(path, model())
        before = path.read_bytes()

        def fail(*arguments):
            raise OSError("no space left on device")

        monkeypatch.setattr(*(("os.fsync", fail) if call == "fsync" else ("pathlib.Path.replace", fail)))
        with pytest.raises(OSError, match="no space left"):
            save_model(path, replace(model(), classes=("a", "b", "c")))
        assert path.read_bytes() == before
        assert [entry.name for entry in tmp_path.iterdir()] == [path.name]

    @pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
    def test_a_kill_at_any_moment_leaves_one_of_the_models_whole(self, tmp_path):
        path = tmp_path / "model.safetensors"
        program = f"""
import numpy as np
from pathlib import Path
from chainrule.data import Scaling
from chainrule.training.model_file import Model, save_model
from chainrule.models.mlp import MLP
scaling, net = Scaling(np.array(0.0), np.array(1.0)), MLP((200_000, 1))
models = [
    Model(net, [(np.full((200_000, 1), k, "float32"), np.full(1, k, "float32"))], scaling, ("a", "b"), None)
    for k in (1, 2)
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
            ((W, b),) = load_model(path).params
            assert set(np.unique(W)) == {float(b[0])}


def test_equal_models_are_equal_files(tmp_path):
    contents = set()
    for k in range(20):
        save_model(tmp_path / f"{k}", model())
        contents.add((tmp_path / f"{k}").read_bytes())
    assert len(contents) == 1
    (content,) = contents
    assert (8 + int.from_bytes(content[:8], "little")) % 8 == 0
