"""With this folder in front of CuPy on the path, `import cupy` gives CuPy over a pretended device; see cupy_on_cpu."""

import sys
from pathlib import Path

import cupy_on_cpu

cupy_on_cpu.become(sys.modules[__name__], Path(__file__).parents[1])
