from chainrule.backend import hardware


def test_sizes_are_positive():
    assert hardware.cpu_name()
    assert hardware.cpu_count() >= 1
    assert hardware.cache_bytes(3) >= hardware.cache_bytes(2) > 0
    total, free = hardware.memory_bytes()
    assert total > free > 0


def test_cache_sizes_are_read_with_their_units():
    assert [hardware._size(text) for text in ("512", "48K\n", "2M", "1G")] == [
        512,
        48 << 10,
        2 << 20,
        1 << 30,
    ]
