"""Folders of pictures: classes by subfolder, pixels as they were drawn, and what is malformed."""

import numpy as np
import pytest
from PIL import Image, features

from chainrule import data
from chainrule.data import DataError, ImageShape, limits, load
from chainrule.data.formats import pictures
from tests.helpers.format_files import Make, assert_refused, cut, edited, noise, write_folder, write_picture


def test_a_folder_gives_one_class_per_subfolder(tmp_path):
    write_folder(tmp_path / "pets", "dog")
    write_picture(tmp_path / "pets" / "cat" / "c.bmp", (1, 2, 3))
    write_picture(tmp_path / "pets" / ".hidden" / "x.png")
    (tmp_path / "pets" / "cat" / ".x.png").write_bytes(b"no picture")
    (tmp_path / "pets" / "cat" / "notes.txt").write_text("no picture")
    train, held_out = load(tmp_path / "pets", image_size=3)
    assert held_out is None
    assert train.classes == ("cat", "dog")
    assert train.y.tolist() == [0, 1, 1]
    assert train.image == ImageShape(3, 3, 3)
    assert train.X[0].tolist() == [1] * 9 + [2] * 9 + [3] * 9


@pytest.mark.parametrize("name", ["test", "val"])
def test_a_folder_of_train_and_test_brings_its_own_split(tmp_path, name):
    write_folder(tmp_path / "train", colour=(1, 1, 1))
    write_folder(tmp_path / name, "dog", colour=(2, 2, 2))
    train, held_out = load(tmp_path, image_size=2)
    assert held_out is not None
    assert train.classes == held_out.classes == ("cat", "dog")
    assert held_out.y.tolist() == [1, 1]
    assert (train.X.max(), held_out.X.min()) == (1, 2)


MALFORMED: dict[str, tuple[Make, list[str]]] = {
    "folder empty": (lambda p: p, ["one subfolder of pictures per class", "no subfolder"]),
    "folder no class": (lambda p: write_picture(p / "pets" / "a.png").parent, ["pets", "no subfolder"]),
    "folder one class": (lambda p: write_folder(p / "pets", "cat"), ["pets", "two classes", "only 'cat'"]),
    "folder empty class": (
        lambda p: ((p / "pets" / "eel").mkdir(parents=True), write_folder(p / "pets"))[1],
        ["eel", ".png", "an empty folder"],
    ),
    "folder broken picture": (
        lambda p: cut(write_folder(p / "pets") / "cat" / "a.png", 0.9).parents[1],
        ["a.png: expected a whole picture", "broken PNG"],
    ),
    "folder two broken": (
        lambda p: edited(
            edited(write_folder(p / "pets") / "cat" / "a.png", b"x").with_name("b.PNG"), b""
        ).parents[1],
        [
            "2 of 4 pictures do not open",
            "a.png: expected a picture",
            "another kind",
            "b.PNG",
            "an empty file",
        ],
    ),
    "folder test class": (
        lambda p: write_folder(write_folder(p / "pets" / "train").parent / "test", "eel").parent,
        ["test", "train", "'cat', 'dog'", "'eel' too"],
    ),
}


@pytest.mark.parametrize(("make", "said"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_data_is_refused_by_file_fault_and_remedy(tmp_path, make, said):
    assert_refused(tmp_path, make, said)


def test_a_class_folder_of_other_files_counts_them(tmp_path):
    write_folder(tmp_path / "pets")
    (tmp_path / "pets" / "eel").mkdir()
    (tmp_path / "pets" / "eel" / "a.heic").write_bytes(b"x")
    with pytest.raises(DataError, match=r"eel: expected pictures .*, got 1 files of other kinds; "):
        load(tmp_path / "pets")


def test_of_many_broken_pictures_ten_are_named_and_the_rest_counted(tmp_path):
    write_folder(tmp_path)
    for i in range(12):
        (tmp_path / "cat" / f"{i:02}.png").write_bytes(b"x")
    with pytest.raises(DataError, match="12 of 16 pictures do not open") as caught:
        load(tmp_path)
    assert "09.png" in str(caught.value)
    assert "10.png" not in str(caught.value)
    assert str(caught.value).endswith("... and 2 more")


def test_loading_does_not_run_a_program_of_postscript_that_is_named_as_a_picture(tmp_path):
    write_folder(tmp_path / "pets")
    Image.new("RGB", (2, 2)).save(tmp_path / "pets" / "cat" / "a.png", format="EPS")
    with pytest.raises(DataError, match=r"a\.png: .*another kind"):
        load(tmp_path / "pets")


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp"])
def test_a_picture_of_the_right_size_is_read_as_it_is(tmp_path, suffix):
    noise().save(tmp_path / f"a.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
    row = data.read_image(tmp_path / f"a.{suffix}", ImageShape(9, 8, 3))
    assert row.dtype == np.uint8
    assert np.array_equal(row, data.plane_order(np.asarray(noise())[None])[0])


def test_shrinking_a_picture_averages_instead_of_dropping_pixels(tmp_path):
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    Image.fromarray(stripes).save(tmp_path / "a.png")
    row = data.read_image(tmp_path / "a.png", ImageShape(4, 4, 1))
    assert np.abs(row.astype(int) - 127).max() < 10


def test_height_and_width_are_not_confused(tmp_path):
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert data.read_image(tmp_path / "a.png", ImageShape(2, 3, 1)).tolist() == list(range(6))


def test_a_picture_is_turned_upright_by_its_exif_orientation(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    row = data.read_image(tmp_path / "a.png", ImageShape(3, 2, 1))
    assert row.tolist() == np.rot90(pixels, -1).ravel().tolist()


def palette() -> Image.Image:
    picture = Image.new("P", (1, 1), 0)
    picture.putpalette([0, 0, 0, 9, 9, 9])
    picture.info["transparency"] = 0
    return picture


@pytest.mark.parametrize(
    ("picture", "expected"),
    [
        (Image.new("RGBA", (1, 1), (200, 0, 0, 0)), [255, 255, 255]),
        (Image.new("RGBA", (1, 1), (200, 0, 0, 255)), [200, 0, 0]),
        (Image.new("RGBA", (1, 1), (0, 0, 0, 51)), [204, 204, 204]),
        (Image.new("LA", (1, 1), (7, 0)), [255, 255, 255]),
        (palette(), [255, 255, 255]),
        (Image.new("L", (1, 1), 7), [7, 7, 7]),
        (Image.new("1", (1, 1), 1), [255, 255, 255]),
        (Image.fromarray(np.full((1, 1), 0x8012, np.uint16)), [128, 128, 128]),
    ],
)
def test_transparency_is_laid_on_white_and_every_depth_becomes_8_bits(tmp_path, picture, expected):
    picture.save(tmp_path / "a.png")
    assert data.read_image(tmp_path / "a.png", ImageShape(1, 1, 3)).tolist() == expected
    grey = data.read_image(tmp_path / "a.png", ImageShape(1, 1, 1)).tolist()
    assert grey == ([60] if expected == [200, 0, 0] else expected[:1])


def test_the_size_of_a_picture_is_judged_by_its_room_and_not_by_the_bound_of_pillow(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    path = write_picture(tmp_path / "a.png")
    assert data.read_image(path, ImageShape(1, 1, 3)).tolist() == [10, 20, 30]
    assert Image.MAX_IMAGE_PIXELS == 10
    with (
        limits.at_most(1e-9),
        pytest.raises(DataError, match=r"a picture of 6 x 4 pixels of a size .*--memory"),
    ):
        data.read_image(path, ImageShape(1, 1, 3))


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_of_very_many_pixels_is_decoded_smaller(tmp_path, monkeypatch, progressive):
    rng, path = np.random.default_rng(0), tmp_path / "a.jpg"
    coarse = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
    coarse.resize((640, 480), Image.Resampling.BICUBIC).save(path, quality=95, progressive=progressive)
    whole, sizes = data.read_image(path, ImageShape(8, 8, 3)), []
    monkeypatch.setattr(pictures, "_LARGE", 640 * 480 - 1)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    monkeypatch.setattr(pictures, "check_room", lambda path, what, size, held: sizes.append(size))
    smaller = data.read_image(path, ImageShape(8, 8, 3))
    assert np.abs(smaller.astype(int) - whole).max() <= 4
    assert sizes == [6 * 640 * 480 if progressive else 4 * 80 * 60]


def test_a_missing_picture_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"a\.png: expected a picture, got no such file; "):
        data.read_image(tmp_path / "a.png", ImageShape(1, 1, 3))


def test_pictures_in_subfolders_of_a_class_are_its_own_and_what_is_left_out_is_told(tmp_path):
    write_folder(tmp_path / "pets")
    write_picture(tmp_path / "pets" / "cat" / "2024" / "may" / "c.png", (9, 9, 9))
    for name in ("cat/c.heic", "cat/2024/d.HEIC", "dog/notes.txt", "loose.png"):
        (tmp_path / "pets" / name).write_bytes(b"left out")
    train, _ = load(tmp_path / "pets", image_size=2)
    assert [train.classes[k] for k in train.y] == ["cat", "cat", "cat", "dog", "dog"]
    (note,) = train.notes
    kinds = "2 .heic, 1 .png, 1 .txt"
    assert note.startswith(f"4 files in {tmp_path / 'pets'} are left out ({kinds}), the first loose.png: ")


def test_train_and_test_in_any_case_and_a_third_part_is_told(tmp_path):
    for part, colour in (("Training", (1, 1, 1)), ("TEST", (2, 2, 2)), ("Valid", (3, 3, 3))):
        write_folder(tmp_path / part, colour=colour)
    train, held_out = load(tmp_path, image_size=2)
    assert held_out is not None
    assert (train.X.max(), held_out.X.max()) == (1, 2)
    (note,) = train.notes
    left_out = f"4 pictures in {tmp_path / 'Valid'} are left out, beside TEST/"
    assert note == f"{left_out}; name them by --test to hold them out instead"


@pytest.mark.parametrize("suffix", [".jfif", ".tif", ".tiff", ".ppm", ".avif"])
def test_pictures_of_rarer_suffixes_are_read(tmp_path, suffix):
    if suffix == ".avif" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    path = tmp_path / f"a{suffix}"
    Image.new("RGB", (8, 8), (200, 100, 50)).save(path, "JPEG" if suffix == ".jfif" else None)
    row = data.read_image(path, ImageShape(1, 1, 3))
    assert np.abs(row.astype(int) - [200, 100, 50]).max() <= 3


def test_malformed_exif_data_leave_a_sound_picture(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (4, 4), (1, 2, 3)).save(
        path, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\xff\xff\xff\xff"
    )
    assert data.read_image(path, ImageShape(1, 1, 3)).tolist() == [1, 2, 3]


def test_a_grey_picture_of_16_bits_keeps_its_transparent_value(tmp_path):
    path = tmp_path / "a.png"
    pixels = np.full((2, 2), 0x1000, dtype=np.uint16)
    pixels[0] = 0x8000
    Image.fromarray(pixels).save(path, transparency=0x1000)
    assert data.read_image(path, ImageShape(2, 2, 1)).tolist() == [0x80, 0x80, 255, 255]


def test_a_picture_of_more_than_16_bits_is_refused(tmp_path):
    Image.fromarray(np.ones((2, 2), dtype=np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match="more than 16 bits a channel"):
        data.read_image(tmp_path / "a.tif", ImageShape(1, 1, 1))
