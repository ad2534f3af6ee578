"""Python code in a process of its own, for what holds once a process."""

import os
import subprocess
import sys
import textwrap


def in_a_new_process(code, **environment):
    """Return what the code prints; a warning in it is an error, and any error fails the test."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(code)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
