"""Files that are cut short or have a bit flipped: refused, or harmless."""

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chainrule import data
from chainrule.data import DataError, ImageShape, load
from tests.helpers.format_files import PICTURES, X6, Y6, edited, noise, write_h5, write_npz


def whole(path: Path) -> bytes:
    """What a load of the file gives, as bytes."""
    if path.suffix in (".npz", ".h5"):
        train, held_out = load(path)
        return b"".join(part.X.tobytes() + part.y.tobytes() for part in (train, held_out) if part is not None)
    return data.read_image(path, ImageShape(9, 8, 3)).tobytes()


def outcome(path: Path) -> object:
    """What a load gives, or "refused" where it names the file in a DataError."""
    try:
        return whole(path)
    except DataError as error:
        return "refused" if path.name in str(error) else error


@pytest.fixture(scope="module")
def sound(tmp_path_factory) -> dict[str, bytes]:
    """The bytes of a sound file of each kind."""
    folder = tmp_path_factory.mktemp("sound")
    write_npz(folder / "a.npz", X_test=X6, y_test=Y6)
    np.savez_compressed(folder / "small.npz", X=PICTURES, y=Y6)
    write_h5(folder / "a.h5")
    for suffix in ("png", "jpg", "bmp", "gif", "webp"):
        noise().save(folder / f"a.{suffix}")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_message_is_short_whatever_names_a_file_holds(sound, tmp_path):
    content = bytearray(sound["small.npz"])
    # The local header of the first member says how long its name is.
    content[26:28] = (len(content) // 2).to_bytes(2, "little")
    path = edited(tmp_path / "small.npz", bytes(content))
    with pytest.raises(DataError, match=r"File name in directory .* characters in all\)") as told:
        load(path)
    assert len(str(told.value)) < 1000
    with zipfile.ZipFile(path, "w") as archive:
        for k in range(20):
            archive.writestr(f"{k:0>60000}.npy", b"")
    with pytest.raises(DataError, match=r"60002 characters in all.* \(20 in all\)") as told:
        load(path)
    assert len(str(told.value)) < 2000


@pytest.mark.parametrize("name", ["a.npz", "small.npz", "a.h5", "a.png"])
@settings(max_examples=150)
@given(where=st.floats(0, 1, exclude_max=True), from_end=st.booleans())
def test_a_truncated_file_is_always_refused(sound, tmp_path_factory, name, where, from_end):
    content = sound[name]
    keep = len(content) - 1 - int(where * 40) if from_end else int(where * len(content))
    path = edited(tmp_path_factory.mktemp("cut") / name, content[:keep])
    with pytest.raises(DataError, match=name):
        whole(path)


@pytest.mark.parametrize("name", ["a.jpg", "a.bmp", "a.gif", "a.webp"])
def test_a_truncated_picture_is_refused_or_gives_every_pixel(sound, tmp_path, name):
    path = edited(tmp_path / name, sound[name])
    expected, refused = whole(path), 0
    for keep in range(len(sound[name])):
        result = outcome(edited(path, sound[name][:keep]))
        assert result in (expected, "refused"), f"{keep} of {len(sound[name])} bytes"
        refused += result == "refused"
    assert refused > 0.9 * len(sound[name])


@pytest.mark.parametrize("name", ["a.npz", "small.npz", "a.png"])
@settings(max_examples=150)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_is_refused_or_harmless(sound, tmp_path_factory, name, where, bit):
    content = bytearray(sound[name])
    path = edited(tmp_path_factory.mktemp("flip") / name, bytes(content))
    expected = whole(path)
    content[int(where * len(content))] ^= 1 << bit
    edited(path, bytes(content))
    assert outcome(path) in (expected, "refused")
