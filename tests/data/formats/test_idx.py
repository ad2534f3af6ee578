"""The idx format: what loads by which names, and that no damaged file passes or makes room for what it promises."""

import gzip
import os
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from chainrule.data import DataError, ImageShape, load, load_test
from chainrule.data.dataset import Dataset
from chainrule.data.formats import idx
from chainrule.data.scaling import Scaling

RNG = np.random.default_rng(0)
PICTURES = RNG.integers(0, 256, size=(6, 3, 2), dtype=np.uint8)
LABELS = np.array([7, 2, 7, 0, 2, 2], np.uint8)
IMAGES_NAME, LABELS_NAME = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES_NAME, TEST_LABELS_NAME = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
NAMES = (IMAGES_NAME, LABELS_NAME, TEST_IMAGES_NAME, TEST_LABELS_NAME)


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def encoded(values: np.ndarray, kind: int = 8) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in values.shape)
    return bytes([0, 0, kind, values.ndim]) + sizes + values.tobytes()


def write(folder: Path, name: str, values: np.ndarray | bytes) -> Path:
    """Write an array in the idx format, or bytes as they are; packed where the name ends with .gz."""
    folder.mkdir(parents=True, exist_ok=True)
    content = values if isinstance(values, bytes) else encoded(values)
    (folder / name).write_bytes(packed(content) if name.endswith(".gz") else content)
    return folder / name


def write_all(folder: Path, gz: str = "") -> Path:
    for name, values in zip(NAMES, (PICTURES, LABELS, PICTURES[:2], LABELS[:2]), strict=True):
        write(folder, name + gz, values)
    return folder


def named(dataset: Dataset) -> list[int]:
    return [int(dataset.classes[i]) for i in dataset.y]


ENDINGS = st.tuples(st.sampled_from("-."), st.sampled_from(("", ".gz")))


@settings(max_examples=60)
@given(
    m=st.integers(2, 5),
    h=st.integers(1, 4),
    w=st.integers(1, 4),
    seed=st.integers(0, 99),
    endings=st.tuples(ENDINGS, ENDINGS),
    held_out=st.booleans(),
)
def test_rows_and_labels_come_back_as_written(tmp_path_factory, m, h, w, seed, endings, held_out):
    rng = np.random.default_rng(seed)
    pictures = rng.integers(0, 256, size=(m, h, w), dtype=np.uint8)
    labels = rng.permutation(256)[:m].astype(np.uint8)
    folder = tmp_path_factory.mktemp("idx")
    (dot, gz), (dot_too, gz_too) = endings
    for part in ("train", "t10k") if held_out else ("train",):
        images = write(folder, f"{part}-images{dot}idx3-ubyte{gz}", pictures)
        write(folder, f"{part}-labels{dot_too}idx1-ubyte{gz_too}", labels)
    train, test = load(folder)
    assert train.X.dtype == np.uint8
    assert train.X.flags.c_contiguous
    assert np.array_equal(train.X, pictures.reshape(m, h * w))
    assert train.image == ImageShape(h, w, 1)
    assert train.classes == tuple(map(str, sorted(labels.tolist())))
    assert named(train) == labels.tolist()
    assert (test is not None) is held_out
    if test is not None:
        assert np.array_equal(test.X, train.X)
        assert np.array_equal(test.y, train.y)
        assert test.source == str(images)


@pytest.mark.parametrize("gz", ["", ".gz"])
def test_the_images_file_itself_may_be_named(tmp_path, gz):
    write_all(tmp_path, gz)
    train, test = load(tmp_path / f"{IMAGES_NAME}{gz}")
    assert test is not None
    assert (train.X.shape, test.X.shape) == ((6, 6), (2, 6))
    assert train.source == str(tmp_path / f"{IMAGES_NAME}{gz}")
    assert np.array_equal(Scaling.fit(train).apply(train.X, np.float64), train.X / 255)
    alone, none = load(tmp_path / f"{TEST_IMAGES_NAME}{gz}")
    assert none is None
    assert np.array_equal(alone.X, test.X)


def test_held_out_rows_may_be_asked_for_alone(tmp_path):
    write_all(tmp_path / "a")
    train, test = load(tmp_path / "a")
    assert test is not None
    assert np.array_equal(load_test(tmp_path / "a", train).X, test.X)
    assert np.array_equal(load_test(tmp_path / "a" / TEST_IMAGES_NAME, train).X, test.X)
    assert np.array_equal(load_test(tmp_path / "a" / IMAGES_NAME, train).X, train.X)
    write(tmp_path / "b", TEST_IMAGES_NAME, PICTURES[:, :2])
    write(tmp_path / "b", TEST_LABELS_NAME, LABELS)
    with pytest.raises(
        DataError, match=r"b.t10k-images-idx3-ubyte: expected picture shape .*height=3.*height=2"
    ):
        load_test(tmp_path / "b", train)


def test_a_class_that_training_lacks_is_refused_in_held_out_rows(tmp_path):
    write(write_all(tmp_path), TEST_LABELS_NAME, np.array([7, 9], np.uint8))
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte: expected the classes .*'9' too"):
        load(tmp_path)


def test_of_a_packed_and_an_unpacked_file_the_unpacked_is_read(tmp_path):
    write_all(tmp_path)
    write(tmp_path, f"{IMAGES_NAME}.gz", PICTURES + np.uint8(1))
    assert np.array_equal(load(tmp_path)[0].X, PICTURES.reshape(6, 6))


def test_content_tells_what_is_packed_and_the_name_does_not(tmp_path):
    write_all(tmp_path)
    (tmp_path / IMAGES_NAME).write_bytes(packed(encoded(PICTURES)))
    (tmp_path / LABELS_NAME).rename(tmp_path / f"{LABELS_NAME}.gz")
    train, _ = load(tmp_path)
    assert np.array_equal(train.X, PICTURES.reshape(6, 6))
    assert named(train) == LABELS.tolist()


@pytest.mark.parametrize("at", [0, 2, 16, 30, 52])
def test_a_gzip_file_of_several_members_is_read_whole(tmp_path, at):
    write_all(tmp_path)
    content = encoded(PICTURES)
    (tmp_path / IMAGES_NAME).write_bytes(packed(content[:at]) + packed(content[at:]))
    assert np.array_equal(load(tmp_path)[0].X, PICTURES.reshape(6, 6))


def test_content_longer_than_one_piece_of_reading_is_read_whole(tmp_path):
    pictures = RNG.integers(0, 256, size=(300, 20, 30), dtype=np.uint8)
    write(tmp_path, f"{IMAGES_NAME}.gz", pictures)
    write(tmp_path, LABELS_NAME, (np.arange(300) % 10).astype(np.uint8))
    train, _ = load(tmp_path)
    assert np.array_equal(train.X, pictures.reshape(300, 600))
    assert train.classes == tuple("0123456789")


def test_folders_of_the_same_names_beside_the_files_are_left_alone(tmp_path):
    for name in NAMES:
        (tmp_path / name).mkdir()
    write_all(tmp_path, ".gz")
    assert load(tmp_path)[0].X.shape == (6, 6)


def test_a_folder_of_pictures_is_still_one(tmp_path):
    for name in ("t10k-images-idx3-ubyte", "cat"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "a.png")
    (tmp_path / "images-idx3-ubyte").write_bytes(b"x")
    train, _ = load(tmp_path, image_size=2)
    assert train.classes == ("cat", "t10k-images-idx3-ubyte")


# What is malformed


@settings(max_examples=150)
@given(
    which=st.integers(0, 3),
    gz=st.sampled_from(("", ".gz")),
    left=st.floats(0, 1, exclude_max=True),
    by_file=st.booleans(),
)
@example(which=0, gz="", left=0.0, by_file=False)
@example(which=0, gz="", left=0.0, by_file=True)
@example(which=1, gz=".gz", left=0.999, by_file=False)
def test_a_file_cut_at_any_byte_is_refused_by_its_name(tmp_path_factory, which, gz, left, by_file):
    folder = write_all(tmp_path_factory.mktemp("idx"), gz)
    path = folder / (NAMES[which] + gz)
    os.truncate(path, int(path.stat().st_size * left))
    with pytest.raises(DataError) as caught:
        load(folder / (IMAGES_NAME + gz) if by_file else folder)
    assert str(caught.value).startswith(f"{path}: expected ")


@given(which=st.integers(0, 3), more=st.binary(min_size=1, max_size=40), gz=st.sampled_from(("", ".gz")))
def test_a_file_with_more_than_its_header_says_is_refused_by_its_name(tmp_path_factory, which, more, gz):
    folder = write_all(tmp_path_factory.mktemp("idx"), gz)
    path = folder / (NAMES[which] + gz)
    content = path.read_bytes()
    spoilt = [content + more]
    if gz:
        spoilt += [packed(gzip.decompress(content) + more), content + packed(more)]
    for each in spoilt:
        path.write_bytes(each)
        with pytest.raises(DataError) as caught:
            load(folder)
        assert str(caught.value).startswith(f"{path}: expected ")


@pytest.mark.parametrize("at", range(1, 9))
def test_a_gzip_file_whose_checksum_or_length_is_another_is_refused(tmp_path, at):
    path = write_all(tmp_path, ".gz") / f"{LABELS_NAME}.gz"
    content = bytearray(path.read_bytes())
    content[-at] ^= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{LABELS_NAME}.gz: .*incorrect (data|length) check"):
        load(tmp_path)


def header(*sizes: int, kind: int = 8) -> bytes:
    return bytes([0, 0, kind, len(sizes)]) + b"".join(size.to_bytes(4, "big") for size in sizes)


MALFORMED: dict[str, tuple[str, np.ndarray | bytes, list[str]]] = {
    "empty": (IMAGES_NAME, b"", ["a header of 16 bytes, got 0"]),
    "floats": (IMAGES_NAME, encoded(PICTURES.astype(">f4"), 13), ["00 00 08 03", "got 00 00 0d 03"]),
    "other bytes": (IMAGES_NAME, b"\x89PNG" * 20, ["00 00 08 03", "got 89 50 4e 47"]),
    "two dimensions": (IMAGES_NAME, PICTURES[:, 0], ["3-dimensional", "got 00 00 08 02"]),
    "labels as images": (IMAGES_NAME, LABELS, ["3-dimensional", "got 00 00 08 01"]),
    "images as labels": (LABELS_NAME, PICTURES, ["1-dimensional", "got 00 00 08 03"]),
    "no rows": (IMAGES_NAME, PICTURES[:0], ["from 1 up, got 0 x 3 x 2"]),
    "no column": (IMAGES_NAME, PICTURES[:, :, :0], ["from 1 up, got 6 x 3 x 0"]),
    "short": (IMAGES_NAME, header(6, 3, 3) + PICTURES.tobytes(), ["70 bytes, header and 6 x 3 x 3, got 52"]),
    "long": (IMAGES_NAME, header(6, 3, 1) + PICTURES.tobytes(), ["34 bytes, header and 6 x 3 x 1, got more"]),
    "little end first": (IMAGES_NAME, header(6 << 24, 3 << 24, 2 << 24), ["got 16; "]),
    "largest sizes": (IMAGES_NAME, header(*[2**32 - 1] * 3), ["got 16; "]),
    "fewer labels": (LABELS_NAME, LABELS[:5], ["one label for each", "(5,) for 6 samples"]),
    "more labels": (LABELS_NAME, np.append(LABELS, LABELS), ["one label for each", "(12,) for 6 samples"]),
    "fewer held-out labels": (TEST_LABELS_NAME, LABELS[:1], ["(1,) for 2 samples"]),
}


@pytest.mark.parametrize("pack", [False, True], ids=["plain", "packed"])
@pytest.mark.parametrize(("name", "values", "said"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_files_are_refused_by_file_fault_and_remedy(tmp_path, name, values, said, pack):
    path = write(write_all(tmp_path), name, values)
    if pack:
        path.write_bytes(packed(path.read_bytes()))
        said = ["gzip file of only" if words == "got 16; " else words for words in said]
    with pytest.raises(DataError) as caught:
        load(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{path}: expected ")
    assert [words for words in said if words not in message] == []
    assert all(words in message for words in (", got ", "; ")), message


def test_one_class_is_refused(tmp_path):
    write(write_all(tmp_path), LABELS_NAME, LABELS * 0)
    with pytest.raises(DataError, match="samples of at least two classes, got only '0'"):
        load(tmp_path)


@pytest.mark.parametrize("gz", ["", ".gz"])
@pytest.mark.parametrize(
    ("missing", "file", "said"),
    [
        (IMAGES_NAME, "", "expected train-images-idx3-ubyte, .* got its labels without it"),
        (LABELS_NAME, "", f"{IMAGES_NAME}.*: expected train-labels-idx1-ubyte, .* got no such file"),
        (LABELS_NAME, IMAGES_NAME, f"{IMAGES_NAME}.*: expected train-labels-idx1-ubyte, .* got no such file"),
        (TEST_IMAGES_NAME, "", "expected t10k-images-idx3-ubyte, .* got its labels without it"),
        (TEST_LABELS_NAME, "", f"{TEST_IMAGES_NAME}.*: expected t10k-labels-idx1-ubyte, .* got no such file"),
        (IMAGES_NAME, IMAGES_NAME, f"{IMAGES_NAME}.*: expected a file, got none of this name"),
        (
            None,
            LABELS_NAME,
            f"{LABELS_NAME}.*: expected the file of the images, got that of their labels; name",
        ),
    ],
)
def test_a_missing_file_is_named(tmp_path, missing, file, said, gz):
    write_all(tmp_path, gz)
    if missing:
        (tmp_path / f"{missing}{gz}").unlink()
    with pytest.raises(DataError, match=said):
        load(tmp_path / f"{file}{gz}" if file else tmp_path)


def test_a_folder_of_held_out_rows_alone_is_no_training_data_nor_the_reverse(tmp_path):
    train, _ = load(write_all(tmp_path / "both"))
    for name in NAMES:
        (tmp_path / "both" / name).rename(write(tmp_path / name[:4], name, b""))
    with pytest.raises(
        DataError, match=r"t10k: expected train-images-idx3-ubyte, .* got other idx files alone"
    ):
        load(tmp_path / "t10k")
    with pytest.raises(
        DataError, match=r"trai: expected t10k-images-idx3-ubyte, .* got other idx files alone"
    ):
        load_test(tmp_path / "trai", train)


def test_another_name_is_answered_with_the_names_that_are_read(tmp_path):
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte.*, got the suffix '.gz'"):
        load(write(tmp_path, "pictures.gz", PICTURES))


def test_a_folder_that_may_not_be_listed_is_refused_by_its_name(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError("not for you")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(DataError, match="expected a file or folder that you may read, got no permission"):
        load(tmp_path)


def test_label_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"expected no column of labels, which only a \.csv or \.tsv file"):
        load(write_all(tmp_path), label="y")


class Counting:
    """A decompressor that counts what it puts out."""

    total = 0

    def __init__(self, stream):
        self.stream = stream

    def __getattr__(self, name):
        return getattr(self.stream, name)

    def decompress(self, *given):
        piece = self.stream.decompress(*given)
        Counting.total += len(piece)
        return piece


def test_a_gzip_bomb_is_unpacked_to_one_byte_more_than_its_header_promises(tmp_path, monkeypatch):
    make = zlib.decompressobj
    monkeypatch.setattr(idx.zlib, "decompressobj", lambda wbits: Counting(make(wbits=wbits)))
    monkeypatch.setattr(Counting, "total", 0)
    write(write_all(tmp_path), f"{IMAGES_NAME}.gz", header(6, 3, 2) + bytes(20_000_000))
    with pytest.raises(DataError, match="52 bytes, header and 6 x 3 x 2, got more"):
        load(tmp_path / f"{IMAGES_NAME}.gz")
    assert Counting.total == 16 + 52 + 1


def test_the_densest_content_of_gzip_is_not_taken_for_a_false_promise(tmp_path):
    write(tmp_path, f"{IMAGES_NAME}.gz", np.zeros((100, 300, 1000), np.uint8))
    write(tmp_path, LABELS_NAME, (np.arange(100) % 2).astype(np.uint8))
    assert load(tmp_path)[0].X.shape == (100, 300_000)


def test_no_room_is_made_for_what_a_packed_header_promises_in_vain(tmp_path, monkeypatch):
    asked = []
    empty = np.empty
    monkeypatch.setattr(idx.np, "empty", lambda size, dtype: asked.append(size) or empty(size, dtype))
    path = write(write_all(tmp_path), f"{IMAGES_NAME}.gz", header(60000, 28, 28))
    with pytest.raises(DataError, match=f"got a gzip file of only {path.stat().st_size}; "):
        load(path)
    assert asked == [16]


def emnist(name):
    return "emnist-letters-" + name.replace("t10k", "test")


def test_the_names_of_emnist_are_read_and_its_pictures_stand_upright(tmp_path):
    write_all(tmp_path)
    upright, upright_test = load(tmp_path)
    for name in NAMES:
        (tmp_path / name).rename(tmp_path / emnist(name))
    for path in (tmp_path, tmp_path / emnist(IMAGES_NAME)):
        train, held_out = load(path)
        lying = upright.X.reshape(-1, upright.image.height, upright.image.width)
        assert np.array_equal(train.X, lying.transpose(0, 2, 1).reshape(len(lying), -1))
        assert train.image == ImageShape(upright.image.width, upright.image.height, 1)
        assert held_out.y.tolist() == upright_test.y.tolist()
        assert "read upright" in train.notes[0]
    (tmp_path / "emnist-digits-train-images-idx3-ubyte").write_bytes(b"")
    with pytest.raises(DataError, match="'emnist-digits-', 'emnist-letters-'; name the images file of one"):
        load(tmp_path)


@pytest.mark.parametrize("inner", ["raw", "MNIST/raw"])
def test_files_are_found_where_torchvision_leaves_them(tmp_path, inner):
    (tmp_path / inner).mkdir(parents=True)
    write_all(tmp_path / inner)
    train, held_out = load(tmp_path)
    expected, expected_test = load(tmp_path / inner)
    assert np.array_equal(train.X, expected.X)
    assert np.array_equal(held_out.X, expected_test.X)
