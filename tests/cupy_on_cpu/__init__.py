"""CuPy over a pretended device; see README.md beside this file."""

import sys
from pathlib import Path

# It serves where this folder stands in front of CuPy on the path.
IN_FRONT = str(Path(__file__).parent) in sys.path
