"""The kinds of what is tried: how a sound one is made, how it is spoilt, and how it is used."""

import csv
import gzip
import json
import re
import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import zarr
from PIL import Image

from chainrule import data
from chainrule.backend.device import get_device
from chainrule.data.chunked import open_rows
from chainrule.training import evaluation
from chainrule.training.checkpoint import CheckpointError
from chainrule.training.model_file import ModelError, load_model
from chainrule.training.storage import checksum, read_tensors, write_tensors
from tests.fuzz.mutations import spoilt_bytes, spoilt_folder, spoilt_json
from tests.helpers.commands import chainrule

REFUSALS = (data.DataError, ModelError, CheckpointError)
READ, REFUSED = "read", "refused"


@dataclass(frozen=True)
class Kind:
    """A kind of what is tried.

    make   (folder) -> the path of a sound one, made once
    spoil  (rng, path) -> nothing: spoils a copy in place; or the hostile thing itself, where nothing is made
    use    (path or thing, folder) -> READ or REFUSED; any other exception than REFUSALS is a fault
    share  the part of the tries that this kind gets, for those that take long
    """

    make: Callable[[Path], Path] | None
    spoil: Callable[[Any, Any], Any]
    use: Callable[[Any, Path], str]
    share: float = 1.0


def _edit(rng, path):
    path.write_bytes(spoilt_bytes(rng, path.read_bytes()))


def _loaded(path, folder):
    for part in data.load(path):
        if part is not None:
            assert np.isfinite(part.X).all()
    return READ


def _computed(path, folder):
    for part in open_rows(path, 5):
        if part is not None:
            part.X.compute(scheduler="sync")
    return READ


def _arrays():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((12, 3)).astype(np.float32) + 5
    return {"X": X, "y": np.arange(12) % 3 + 1, "X_test": X[:4], "y_test": np.arange(4) % 3 + 1}


def _csv(folder):
    rows = [["a", "b", "label"], *([n / 7, -n, "uvw"[n % 3]] for n in range(30))]
    with (folder / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    return folder / "a.csv"


def _npz(save):
    def make(folder):
        save(folder / "a.npz", **_arrays())
        return folder / "a.npz"

    return make


def _edit_member(rng, path):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(sorted(members))
    members[name] = spoilt_bytes(rng, members[name])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def _npy_folder(folder):
    (folder / "rows").mkdir()
    for name, values in _arrays().items():
        np.save(folder / "rows" / f"{name}.npy", values)
    return folder / "rows"


def _idx(packed):
    def make(folder):
        (folder / "idx").mkdir()
        for name, values in (
            ("images-idx3", np.arange(160, dtype=np.uint8).reshape(10, 4, 4)),
            ("labels-idx1", np.arange(10, dtype=np.uint8) % 3),
        ):
            head = bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes()
            content = head + values.tobytes()
            path = folder / "idx" / f"train-{name}-ubyte{'.gz' if packed else ''}"
            path.write_bytes(gzip.compress(content, mtime=0) if packed else content)
        return folder / "idx"

    return make


def _edit_packed(rng, folder):
    path = rng.choice(sorted(folder.iterdir()))
    path.write_bytes(gzip.compress(spoilt_bytes(rng, gzip.decompress(path.read_bytes())), mtime=0))


def _h5_pictures(folder):
    path = folder / "train.h5"
    with h5py.File(path, "w") as file:
        file["train_set_x"] = np.arange(6 * 48, dtype=np.uint8).reshape(6, 4, 4, 3)
        file["train_set_y"] = np.arange(6) % 2
        file["list_classes"] = np.array(["non-cat", "cat"], dtype=h5py.string_dtype())
    return path


def _h5_rows(folder):
    path = folder / "rows.h5"
    with h5py.File(path, "w", libver="latest") as file:
        for name, values in _arrays().items():
            chunks = (5, *values.shape[1:]) if len(values) > 5 else None
            options = {"compression": "gzip", "shuffle": True, "fletcher32": True} if chunks else {}
            file.create_dataset(name, data=values, chunks=chunks, **options)
    return path


def _zarr(version):
    def make(folder):
        group = zarr.open_group(folder / "rows.zarr", mode="w", zarr_format=version)
        for name, values in _arrays().items():
            group.create_array(name, data=values, chunks=(5, *values.shape[1:]))
        return folder / "rows.zarr"

    return make


def _picture(suffix, mode="RGB", **options):
    def make(folder):
        pixels = np.random.default_rng(0).integers(0, 256, (24, 20, len(mode)), dtype=np.uint8)
        picture = Image.fromarray(pixels[..., 0] if mode == "P" else pixels)
        picture.save(folder / f"a{suffix}", **options)
        return folder / f"a{suffix}"

    return make


def _seen(path, folder):
    assert data.read_image(path, data.ImageShape(8, 8, 3)).shape == (192,)
    return READ


def _run(*how):
    def make(folder):
        _told("train", _csv(folder), *how, "--steps", 6, "--out", folder / "run")
        return folder

    return make


def _told(*arguments):
    """Run a command: READ where it is done, REFUSED where it says why not, in a line."""
    result = chainrule(*arguments)
    if result.exit_code == 0:
        return READ
    if not isinstance(result.exception, SystemExit):
        raise result.exception
    lines = [line for line in result.stderr.splitlines() if line]
    # typer draws its own errors in a box.
    sound = (
        result.exit_code in (1, 2) and lines and (lines[0].startswith("chainrule: ") or "Usage" in lines[0])
    )
    assert sound, result.stderr[:1000]
    return REFUSED


def _edit_model(rng, folder):
    _edit(rng, folder / "run" / "model.safetensors")


def _edit_checkpoint(rng, folder):
    _edit(rng, folder / "run" / "checkpoint.safetensors")


def _resealed(name, form, version):
    def spoil(rng, folder):
        path = folder / "run" / name
        tensors, metadata = read_tensors(path, form, version, lambda *said: ValueError(said))
        about = json.loads(metadata["about"])
        if rng.random() < 0.8:
            about = spoilt_json(rng, about)
        else:
            key = rng.choice(sorted(tensors))
            changed = [
                tensors[key][:0],
                tensors[key] * np.nan,
                tensors[key].astype("float16"),
                tensors[key].T + 1,
            ]
            tensors[key] = rng.choice(changed)
        text = json.dumps(about)
        write_tensors(path, tensors, metadata | {"about": text, "checksum": checksum(text, tensors)})

    return spoil


def _answered(folder, empty):
    model = load_model(folder / "run" / "model.safetensors")
    P = evaluation.probabilities(get_device("cpu"), model, np.ones((2, model.net.sizes[0])))
    assert np.isfinite(P).all()
    return READ


def _resumed(folder, empty):
    return _told(
        "train", folder / "a.csv", "--hidden", 3, "--steps", 8, "--report-every", 2, "--resume", "--out", folder / "run"
    )  # fmt: skip


_ALLOWED = """
a b x y A sum(x) mean(A) exp(a) log(b) softmax(x) norm(x) x@y A@x A@A transpose(A) max(A,axis=0) s(a) 1e308 -1e308 0
1/0 0**0 (-1)**0.5 10**10**10 x**1000 log(0) log(-1) e pi sqrt(-1) dot(x,x) min(a,b) cross_entropy(x,y) -+-+-a A@y y@A
"""
_REFUSED = """
9**9**9**9 inf nan __import__('os') a.real a.__class__ x[0] [1,2] {1} "a" b'' f'{a}' lambda:a (a:=1) if else a<b not(a)
~a a//b a%b a<<99999 ... () None True sum(x,axis=10**30) sum(x,axis=a) sum(x,axis=-9) sum(axis=0) sum(x,x) exp() exp(*x)
exp(**x) print(a) a(b) sum sum(sum) 0x1p5 1_000 1j 1e400 00 ²a a² a×b α ａ 𝟏 # ; ;; a=1 u=a;u=b;u u=u u=a;3*u import del
@ ** await yield *a a,b a; ( ) ((((((((((a)))))))))) outer(x,x)
"""
_JOINTS = ["+", "-", "*", "/", "**", "@", ";", "\n", " ", ",", "=", "("]
_VALUES = {
    "a": ["5", "-1e308", "0", "1e-320", "nan", "9" * 400, "x", "", "[1]", "0x10", "١", "1e999999999"],
    "b": ["2", "-3", "0", "1_0", "inf", "[[]]"],
    "x": [
        "[1,2,3]",
        "[0,0,0]",
        "[1e308,1e308,1]",
        "[]",
        "[[1],[2,3]]",
        '[{"a":1}]',
        "[null]",
        "[true]",
        "[" * 3000,
    ],
    "y": ["[1,0,0]", "[1,2]", '["a"]', "[NaN]", "[1e400]"],
    "A": ["[[1,2,3],[4,5,6],[7,8,10]]", "[[0,0,0],[0,0,0],[0,0,0]]", "[[[1]]]", "[1,2,3]"],
}


def _expression(rng, nothing):
    # Half of them of what is allowed, which overflows, divides by zero, has no shape or has one.
    allowed = rng.random() < 0.5
    atoms, joints = (_ALLOWED if allowed else _ALLOWED + _REFUSED).split(), _JOINTS[: 6 if allowed else None]
    text = rng.choice(atoms)
    for _ in range(rng.choice((0, 0, 1, 2, 5, 300))):
        text = f"{text}{rng.choice(joints)}{rng.choice(atoms)}"
        if rng.random() < 0.3:
            text = rng.choice(("({})", "sum({})", "exp({})", "-({})", "log(({})**2)")).format(text)
    if rng.random() < 0.2:
        text = spoilt_bytes(rng, text.encode()).decode("utf-8", "ignore").replace("\0", "0")
    used = [name for name in _VALUES if re.search(rf"\b{name}\b", text) or rng.random() < 0.02]
    sound = rng.random() < 0.6
    values = [f"{name}={_VALUES[name][0] if sound else rng.choice(_VALUES[name])}" for name in used]
    return [text, *values, *rng.choice(([], [], ["--code"], ["--html"], ["--svg"]))]


def _explained(arguments, folder):
    if arguments[-1] in ("--html", "--svg"):
        arguments = [*arguments, folder / "graph"]
    told = _told("explain", *arguments)
    if (folder / "graph").exists():
        assert_harmless((folder / "graph").read_text())
    return told


_MARKUP = [
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</script><script>alert(1)//", "' onload='alert(1)",
    "</title><svg onload=alert(1)>", "<!--", "]]>", "</style><body onload=alert(1)>", "javascript:alert(1)", "&lt;b",
    "\\u003cscript\\u003e", "{{7*7}}", "${alert(1)}", "`", "</svg><iframe src=//x>", "\u2028alert(1)", "\x1b]0;x\x07",
    "$\\frac{", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "a\nb", "<math><mtext></p><style>",
]  # fmt: skip


def _names(rng, nothing):
    return [f"{''.join(rng.sample(_MARKUP, rng.choice((1, 2))))}{k}" for k in range(5)]


def _pages(names, folder):
    """Learn from a table of hostile names, in a folder of one, and look at the pages that it leaves."""
    path = folder / f"{names[4].replace('/', '|')[:60]}.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([[*names[:2], "label"], *([n, -n, names[2 + n % 2]] for n in range(20))])
    told = _told("train", path, "--steps", 2, "--out", folder / "run")
    if told == READ:
        _told("explain", folder / "run", path, "--html", folder / "graph.html", "--svg", folder / "graph.svg")
        pages = [folder / "run" / "report.html", folder / "graph.html", folder / "graph.svg"]
        for page in pages:
            assert_harmless(page.read_text(encoding="utf-8"))
    return told


class _Page(HTMLParser):
    """What a browser would find."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, attributes))


def assert_harmless(text):
    """No element of a page came from a name: none runs, none is fetched."""
    for tag, attributes in _Page(text).found:
        assert tag not in ("iframe", "object", "embed", "base", "form", "math", "link"), tag
        assert not [name for name, _ in attributes if name.startswith("on")], attributes
        assert not [value for name, value in attributes if name in ("src", "href") and not _local(value)], (
            attributes
        )
    assert "<script>alert" not in text.lower()


def _local(value):
    return value.startswith(("data:image/png;base64,", "#"))


KINDS = {
    "csv": Kind(_csv, _edit, _loaded),
    "npz": Kind(_npz(np.savez), _edit, _loaded),
    "npz, packed": Kind(_npz(np.savez_compressed), _edit, _loaded),
    "npz, an array in it": Kind(_npz(np.savez_compressed), _edit_member, _loaded),
    "npy, a folder": Kind(_npy_folder, spoilt_folder, _computed),
    "idx": Kind(_idx(False), spoilt_folder, _loaded),
    "idx.gz": Kind(_idx(True), spoilt_folder, _loaded),
    "idx.gz, what is packed": Kind(_idx(True), _edit_packed, _loaded),
    "h5, pictures": Kind(_h5_pictures, _edit, _loaded, 0.5),
    "h5, in chunks": Kind(_h5_rows, _edit, _computed),
    "zarr 3": Kind(_zarr(3), spoilt_folder, _computed),
    "zarr 2": Kind(_zarr(2), spoilt_folder, _computed),
    "png": Kind(_picture(".png"), _edit, _seen),
    "jpg": Kind(_picture(".jpg"), _edit, _seen),
    "webp": Kind(_picture(".webp"), _edit, _seen),
    "gif": Kind(_picture(".gif"), _edit, _seen),
    "bmp": Kind(_picture(".bmp"), _edit, _seen),
    "tiff": Kind(_picture(".tiff", compression="tiff_lzw"), _edit, _seen),
    "ppm": Kind(_picture(".ppm"), _edit, _seen),
    "avif": Kind(_picture(".avif"), _edit, _seen),
    "model": Kind(_run(), _edit_model, _answered),
    "model, sealed again": Kind(
        _run("--hidden", 3), _resealed("model.safetensors", "chainrule model", "2"), _answered
    ),
    "checkpoint": Kind(_run("--hidden", 3, "--report-every", 2), _edit_checkpoint, _resumed, 0.25),
    "checkpoint, sealed again": Kind(
        _run("--hidden", 3, "--report-every", 2),
        _resealed("checkpoint.safetensors", "chainrule checkpoint", "1"),
        _resumed,
        0.25,
    ),
    "expression": Kind(None, _expression, _explained, 2),
    "names in pages": Kind(None, _names, _pages, 0.1),
}


def used(kind, rng, sound, folder):
    """Spoil a copy of a sound one in an empty folder, and return what using it came to."""
    kind = KINDS[kind]
    if sound is None:
        return kind.use(kind.spoil(rng, None), folder)
    path = folder / sound.name
    if sound.is_dir():
        shutil.copytree(sound, path)
    else:
        shutil.copy(sound, path)
    kind.spoil(rng, path)
    try:
        return kind.use(path, folder)
    except REFUSALS as error:
        message = str(error)
        assert str(folder) in message, f"names no file: {message}"
        assert len(message.splitlines()) == 1, f"more than a line: {message}"
        assert len(message) < 2000, f"{len(message)} characters"
        return REFUSED
