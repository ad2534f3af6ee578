"""Every kernel that was kept, compiled by the real NVRTC: python -m cupy_on_cpu.nvrtc [NAME...]; needs no driver.

The packages nvidia-cuda-nvrtc and nvidia-cuda-runtime, which CuPy's extra `ctk` brings, must be installed. Names
choose the kernels that are compiled; without names all are.
"""

import json
import sys
from collections import Counter
from pathlib import Path

from cupy_backends.cuda.libs import nvrtc
from cupy_on_cpu.kernels import CACHE

ARCHITECTURES = (75, 90)


def complaint(source: Path, architecture: int) -> str:
    """Return NVRTC's log of a source that it refuses, an empty text where it compiles."""
    about = json.loads(source.with_suffix(".json").read_text())
    options = (*about["options"], "-ftz=true", f"--gpu-architecture=sm_{architecture}")
    program = nvrtc.createProgram(source.read_text(), source.name, (), ())
    try:
        for name in about["names"]:
            nvrtc.addNameExpression(program, name)
        nvrtc.compileProgram(program, options)
        nvrtc.getCUBIN(program)
    except nvrtc.NVRTCError:
        return str(nvrtc.getProgramLog(program))
    finally:
        nvrtc.destroyProgram(program)
    return ""


def main(names: list[str]) -> int:
    """Print the kernels that do not compile and the number of those that do; return 1 where one does not."""
    found: Counter[tuple[int, bool]] = Counter()
    for source in sorted(CACHE.glob("*.cu")):
        kernels = json.loads(source.with_suffix(".json").read_text())["kernels"]
        if names and not set(names) & set(kernels):
            continue
        for architecture in ARCHITECTURES:
            said = complaint(source, architecture)
            found[architecture, not said] += 1
            if said:
                print(f"{source}, {', '.join(kernels)}, sm_{architecture}: {said}")
    for architecture in ARCHITECTURES:
        print(f"sm_{architecture}: {found[architecture, True]} compile, {found[architecture, False]} do not")
    return int(any(not good for _, good in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
