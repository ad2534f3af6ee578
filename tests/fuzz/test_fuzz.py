"""A slice of the tries of docs/reliability.md; CHAINRULE_TRIES=300 is all of it, about a quarter of an hour."""

import os

import pytest

from tests.fuzz.run import tries


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes and limits of POSIX")
def test_each_spoilt_file_and_each_hostile_text_ends_in_a_line_or_in_an_answer():
    done = tries(int(os.environ.get("CHAINRULE_TRIES", "4")), [])
    assert [one for one in done if one[2] == "lost"] == []
    # Tries that are all refused would try nothing but the first lines of a reader.
    assert {outcome for _, _, outcome, _ in done} == {"read", "refused"}
