"""Ways to spoil bytes, JSON and folders, by a generator of random numbers."""

import os
import struct

_EDGES = [0, 1, 2**7, 2**8 - 1, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63 - 1, 2**63, 2**64 - 1]
_HOSTILE = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 10**400, -0.5, 1e308, float("nan"), float("inf"), "", "x", "../../etc",
    "\x1b[31m", "<script>", [], {}, [[]], [None], {"": None}, "9" * 5000, {"float": "0x1p999999999"}, {"array": "W0"},
]  # fmt: skip


def spoilt_bytes(rng, content):
    """Return bytes in which one to four things are wrong."""
    content = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        if not content:
            break
        # Heads decide more than what follows.
        at = int(len(content) * rng.random() ** rng.choice((1, 3)))
        how, length = rng.randrange(8), rng.choice((1, 2, 4, 8, 64, len(content) // 4))
        if how <= 1:
            content[at] ^= 1 << rng.randrange(8)
        elif how == 2:
            del content[at:]
        elif how == 3:
            del content[at : at + length]
        elif how == 4:
            content[at:at] = content[at : at + length]
        elif how == 5:
            content[at : at + length] = rng.randbytes(length)
        elif how == 6:
            content[at : at + length] = bytes([rng.choice((0, 255))]) * length
        else:
            form = rng.choice(("<I", ">I", "<Q", ">Q"))
            number = rng.choice(_EDGES) & (2 ** (8 * struct.calcsize(form)) - 1)
            content[at : at + struct.calcsize(form)] = struct.pack(form, number)
    return bytes(content)


def spoilt_json(rng, tree):
    """Return a tree of JSON of which one part is another, or is gone."""
    if isinstance(tree, (dict, list)) and tree and rng.random() < 0.85:
        place = rng.choice(list(tree) if isinstance(tree, dict) else range(len(tree)))
        changed = tree.copy()
        if rng.random() < 0.1:
            del changed[place]
        else:
            changed[place] = spoilt_json(rng, tree[place])
        return changed
    if isinstance(tree, (int, float)) and rng.random() < 0.3:
        return tree * rng.choice((-1, 0, 2, 1000, 10**9)) + rng.choice((0, 1))
    if isinstance(tree, str) and rng.random() < 0.3:
        return tree[: len(tree) // 2] or "y"
    return rng.choice(_HOSTILE)


def spoilt_folder(rng, folder):
    """Spoil a file of a folder: its bytes, or what lies in its place."""
    path = rng.choice(sorted(entry for entry in folder.rglob("*") if entry.is_file()))
    how = rng.randrange(10)
    content = path.read_bytes()
    path.unlink()
    if how == 0:
        os.mkfifo(path)
    elif how == 1:
        path.symlink_to("/dev/zero")
    elif how == 2:
        path.symlink_to("/etc/hostname")
    elif how == 3:
        path.mkdir()
    elif how > 4:
        path.write_bytes(spoilt_bytes(rng, content))
