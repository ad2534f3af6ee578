"""Measure this machine: everything in one command, on the device of CHAINRULE_DEVICE.

    python bench/run.py [--quick] [--python PEERS] [--out results.json] [--only PART...]

PEERS is a Python that has the peers (`pip install '.[peers]'`), by default this one; a peer that it lacks is named
and left out. Every result is proved equal to the others' before its time is believed. Leaves results.json and beside it
results.html and results.md, which `python bench/report.py` writes again. The exit status is 1 if something failed.

results.json is written anew after each contest, so whatever ends the run early, what was measured until then is there;
Ctrl-C and SIGTERM write the report of it too. Both say that they are partial.
"""

import argparse
import datetime
import importlib.util
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

if not __package__:
    # Run as a file, `python bench/run.py`: then this folder is on the path, and not the one that has `bench`.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import chainrule as cr
from bench import contest, derivatives, engine, network, report, to_a_cost
from bench.contest import ROOT, Contest
from chainrule.backend import hardware
from chainrule.backend.device import DeviceError
from chainrule.backend.threads import THREAD_VARIABLES
from chainrule.training.storage import write_bytes

PEERS = ("torch", "jax", "sklearn", "autograd", "mygrad")
PARTS = ("loops", "logistic", "network", "engine", "derivatives", "cost", "memory", "growth")
# Of each way to run: rounds, seconds of warm-up in each, and what a process and the loops take, in seconds.
WAYS = {"full": (5, 0.3, 3.0, 90.0), "quick": (2, 0.05, 1.1, 20.0), "tiny": (1, 0.001, 0.7, 3.0)}

LOGISTIC = {
    "full": [(20000, 12288), (1000000, 32), (60000, 784), (209, 12288)],
    "quick": [(20000, 784)],
    "tiny": [(30, 7)],
}
# For a GPU: the memory of most hosts takes long to read an X of this size.
ON_A_GPU = {"full": [(100000, 12288)], "quick": [], "tiny": []}
# With many classes, which two spellings take.
CLASSES = {"full": [(60000, 784, 10), (20000, 12288, 10)], "quick": [], "tiny": [(30, 7, 3)]}
NETWORKS = {
    "full": [(128, 784, 256, 128, 10), (512, 784, 1024, 1024, 10)],
    "quick": [(128, 784, 256, 128, 10)],
    "tiny": [(5, 4, 3)],
}
ENGINES = {"full": [4, 64, 512], "quick": [4], "tiny": [4]}
DERIVATIVES = {"full": derivatives.CASES, "quick": derivatives.CASES[:1], "tiny": derivatives.CASES[:1]}
DATA = {"full": ["breast_cancer", "digits"], "quick": ["breast_cancer"], "tiny": ["breast_cancer"]}
MEMORY = {"full": [(209, 12288), (20000, 784)], "quick": [(209, 3072)], "tiny": [(5, 4)]}
# Of the curves: samples, features (of 784), depth (of 256 wide), width (of 2 deep), all for a batch of 128.
CURVES = {
    "full": ([1000, 4000, 16000, 64000, 256000], [48, 192, 768, 3072, 12288], [1, 2, 4, 8, 16], [64, 256, 512, 1024]),
    "quick": ([2000, 8000, 32000], [768, 12288], [2, 8], [128, 512]),
    "tiny": ([2, 4], [2, 4], [1, 2], [2, 4]),
}  # fmt: skip
# What by_loops and by_sample can do in a second or so.
FEW_NUMBERS, FEW_SAMPLES = 209 * 12288, 5000


def contests(way: str, only: tuple[str, ...], device: cr.Device, threads: int) -> list[Contest]:
    """Return all that is measured in processes of their own, in the order of the report."""
    found = []

    def add(part, case, module, arguments, contenders, *rest, threads=threads, grows=None):
        if part in only:
            ours = contenders[0]
            found.append(
                Contest(part, case, module, arguments, contenders, ours, threads, *rest, grows=grows)
            )

    gpu = device.name.startswith("cuda")
    for m, n in LOGISTIC[way] + ON_A_GPU[way] * gpu:
        # The limit is next to whom it bounds: what memory gives moves from minute to minute.
        rivals = ("by_tiles", "limit", "one_pass_kernel" if gpu else "by_tiles, no Numba", "by_matmul")
        rivals += ("by_scaling", "numpy", "torch", "jax", "sklearn")
        add("logistic", f"{m} x {n}", "bench.logistic_step", (m, n), rivals, 4.0 * m * n, "B")
    for m, n, k in CLASSES[way]:
        rivals = ("by_tiles", "limit", "by_matmul", "numpy", "torch", "jax", "sklearn")
        rivals += () if gpu else ("by_tiles, no Numba",)
        add("logistic", f"{m} x {n}, {k} classes", "bench.logistic_step", (m, n, k), rivals, 4.0 * m * n, "B")
    for sizes in NETWORKS[way]:
        for optimizer in list(network.RATES)[-1 if way == "quick" else 0 :]:
            case = f"{' - '.join(map(str, sizes[1:]))}, batch {sizes[0]}, {optimizer}"
            rivals = ("chainrule", "compiled", "fused", "numpy", "torch", "jax", "sklearn", "limit")
            amount = network.products(*sizes)
            add("network", case, "bench.network", (optimizer, *sizes), rivals, amount, "flop")
    for n in ENGINES[way]:
        case = f"{engine.LAYERS} tanh layers, {n} x {n}"
        add(
            "engine",
            case,
            "bench.engine",
            (n,),
            tuple(engine.CONTENDERS),
            engine.products(n),
            "flop",
            threads=1,
        )
    for case in DERIVATIVES[way]:
        rivals = tuple(derivatives.CONTENDERS)
        add("derivatives", case, "bench.derivatives", (case,), rivals, threads=1)
    for name in DATA[way]:
        rivals = ("chainrule lbfgs", "chainrule descent", "torch lbfgs", "torch sgd", "sklearn", "limit")
        add(
            "cost",
            name.replace("_", " "),
            "bench.to_a_cost",
            (name,),
            rivals,
            to_a_cost.products(name),
            "flop",
        )
    for m, n in MEMORY[way]:
        names = ["by_tiles", "by_matmul", "by_scaling"]
        names += ["by_sample"] * (m <= FEW_SAMPLES) + ["by_loops"] * (m * n <= FEW_NUMBERS)
        add("memory", f"{m} x {n}", "bench.logistic_step", (m, n), tuple(names), 4.0 * m * n, "B")
    samples, features, depths, widths = CURVES[way]
    # Where the device is not the CPU, the curve of the CPU beside it shows where the device begins to be worth it.
    steps = ("by_tiles", *(("by_tiles on cpu",) if device.name != "cpu" else ()), "limit")
    for what, values, shape in (("m", samples, lambda m: (m, 784)), ("n", features, lambda n: (784, n))):
        for value in values:
            m, n = shape(value) if way != "tiny" else (value, value)
            case = f"{what} = {value}: {m} x {n}"
            add("growth", case, "bench.logistic_step", (m, n), steps, 4.0 * m * n, "B", grows=(what, value))
    for what, values, shape in (
        ("depth", depths, lambda depth: [256] * (depth + 1)),
        ("width", widths, lambda width: [width] * 3),
    ):
        for value in values:
            sizes = (128, *shape(value), 10) if way != "tiny" else (3, *[2] * value, 2)
            case = f"{what} = {value}: {' - '.join(map(str, sizes[1:]))}"
            arguments, amount = ("gradient-descent", *sizes), network.products(*sizes)
            add(
                "growth",
                case,
                "bench.network",
                arguments,
                ("chainrule", "limit"),
                amount,
                "flop",
                grows=(what, value),
            )
    return found


def threads_asked_for() -> int:
    """Return how many threads each process is to have, or raise ValueError."""
    name = next((name for name in THREAD_VARIABLES if os.environ.get(name)), None)
    if name is None:
        return hardware.cpu_count()
    if not re.fullmatch("[1-9][0-9]{0,3}", os.environ[name]):
        raise ValueError(
            f"{name}: expected a number of threads from 1 up, got {os.environ[name]!r}; set it, or none"
        )
    return int(os.environ[name])


def missing_memory(case: Contest) -> str:
    """Say why this machine cannot hold a step on X, or nothing."""
    memory = hardware.memory_bytes()
    if case.module != "bench.logistic_step" or memory is None:
        return ""
    m, n = case.arguments[:2]
    # X, by_scaling's temporary, and half a gigabyte for the libraries themselves.
    needed = 8 * m * n + (1 << 29)
    if needed <= memory[1]:
        return ""
    return f"needs {needed / 2**30:.1f} GiB of memory, {memory[1] / 2**30:.1f} GiB free"


def loops(way: str, tell) -> tuple[list[dict], list[str]]:
    """Run the files of pytest-benchmark; return their rows and what failed. `tell` is called with percents done."""
    if importlib.util.find_spec("pytest_benchmark") is None:
        return [], [
            "loops: pytest-benchmark is missing; pip install '.[app,test]' brings it; --only leaves loops out"
        ]
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "loops.json"
        command = [
            sys.executable,
            "-m",
            "pytest",
            str(ROOT / "bench"),
            "-v",
            "--sizes",
            way,
            "-p",
            "no:cacheprovider",
        ]
        command += ["--benchmark-quiet", f"--benchmark-json={saved}", "--rootdir", str(ROOT)]
        env = os.environ | {"COLUMNS": "200"}
        lines = []
        with subprocess.Popen(
            command, cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            try:
                for line in process.stdout:
                    lines.append(line.rstrip())
                    if percent := re.search(r"\[ *(\d+)%\]$", line.rstrip()):
                        tell(int(percent[1]))
            except BaseException:
                process.kill()
                raise
        faults = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
        if process.returncode and not faults:
            faults = [f"pytest ended with {process.returncode}: {' '.join(lines[-3:])}"]
        if not saved.exists() or not saved.stat().st_size:
            return [], faults
        results = json.loads(saved.read_text(encoding="utf-8"))
    rows = [_row(b["extra_info"], b["stats"]) for b in results["benchmarks"]]
    return rows + [_row(cell, None) for cell in results["chainrule"]["over_the_cap"]], faults


def _row(facts: dict, stats: dict | None) -> dict:
    """Return one of pytest-benchmark's as a row like a contest's: its quartiles are its spread."""
    row = {name: facts[name] for name in ("direction", "grows", "m", "n")}
    row |= {"part": "loops", "contender": facts["spelling"], "why": "over the cap"}
    row["case"] = f"{facts['direction']}, {facts['m']} x {facts['n']}"
    if stats is None:
        return row | {"seconds": [], "first": [], "transfer": []}
    once = {"first": [facts["first_call_seconds"]], "transfer": [facts["transfer_seconds"]]}
    # What plain Python computes, it computes on the processor.
    where = "cpu" if facts["spelling"] == "by_loops" else facts["device"]
    return row | once | {"seconds": [stats[q] for q in ("q1", "median", "q3")], "why": "", "where": where}


def about(device: cr.Device, threads: int, way: str) -> dict[str, str]:
    """Return the facts that stand above every figure."""
    names = ("chainrule", "numpy", "array-api-compat", "numba", "pytest-benchmark")
    described = device.describe()
    # Their threads are not those of the processes that are measured.
    blas = re.sub(", [0-9]+ threads?", "", described.pop("threads", "none that this device uses"))
    tf32 = "none on this device"
    if device.name.startswith("cuda"):
        # CuPy has this one switch; PyTorch's is off by default, and the contests turn JAX's off.
        tf32 = "on for CuPy (CUPY_TF32)" if described["TF32"] == "on" else "off for all"
    return {
        "device": device.name,
        **described,
        "processor": f"{hardware.cpu_name()}, {hardware.cpu_count()} processors",
        "threads": f"{threads}, each process on as many processors; 1 for the engine",
        "BLAS": blas,
        "dtype": "float32",
        "TF32": tf32,
        "system": f"{platform.system()}, {platform.machine()}",
        "versions": ", ".join(
            [f"Python {platform.python_version()}", *(f"{n} {_version(n)}" for n in names)]
        ),
        # Above 1 or so somebody else was computing, and the spreads will show it.
        "load before": f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "not said",
        "run": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC") + f", {way}",
    }


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def measure(options: argparse.Namespace, device: cr.Device) -> dict:
    """Run all contests and return the results, which are in the file too after each of them."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    way, only = options.sizes, tuple(options.only or PARTS)
    rounds, _, each, for_loops = WAYS[way]
    threads = threads_asked_for()
    cases = contests(way, only, device, threads)
    total = rounds * each * sum(len(case.contenders) for case in cases) + for_loops * ("loops" in only)
    saved = {"about": about(device, threads, way), "rows": [], "faults": []}
    start, used = time.perf_counter(), _used_by_others()
    columns = (BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    ended, done, many = "", 0, len(cases) + ("loops" in only)
    console = Console(stderr=True, highlight=False)
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=total)
        now, of_what = 0.0, ""

        def tell(advance, what):
            nonlocal now, of_what
            bar.update(task, advance=advance, description=what)
            now += advance
            about = what.rpartition(": ")[0] or what
            if not console.is_terminal and about != of_what:
                of_what = about
                print(f"{100 * now / total:3.0f} %  {about}", file=sys.stderr, flush=True)

        try:
            for done, _ in enumerate(_contests_held(saved, cases, options, tell), 1):
                saved["about"]["used by others"] = used()
                _keep(saved, options.out, start, _partial(done, many, "the run is under way, or was killed"))
        except KeyboardInterrupt as interrupt:
            ended = f"interrupted by {str(interrupt) or 'Ctrl-C'}"
        except Exception as error:
            ended = f"ended by {type(error).__name__}: {error}"
            traceback.print_exc()
    if ended:
        saved["faults"].append(f"{ended}: what followed was not run")
        # Nothing is no reason to write over the results of another run.
        if done:
            _keep(saved, options.out, start, _partial(done, many, ended))
    return saved


def _used_by_others() -> Callable[[], float]:
    """Return a function that says which share of the processors others than this run used since now; 0 if unknown."""
    start = _processors()

    def share() -> float:
        end = _processors()
        all_, idle, ours = (b - a for a, b in zip(start, end, strict=True))
        return round(max(0.0, all_ - idle - ours) / all_, 3) if all_ else 0.0

    return share


def _processors() -> tuple[float, float, float]:
    """Return the seconds of all processors since the system began, those idle, and those of this run."""
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
    except OSError:
        return 0.0, 0.0, 0.0
    ticks = [int(field) / os.sysconf("SC_CLK_TCK") for field in fields]
    return sum(ticks), ticks[3] + ticks[4], sum(os.times()[:4])


def _partial(done: int, many: int, why: str) -> str:
    return f"{done} of {many} contests; {why}" if done < many else ""


def _keep(saved: dict, out: Path, start: float, partial: str) -> None:
    about, libraries = saved["about"], sorted({row["library"] for row in saved["rows"] if row.get("library")})
    about["took"] = f"{time.perf_counter() - start:.0f} s"
    about["peers"] = ", ".join(name for name in libraries if not name.startswith(("chainrule", "numpy")))
    about.pop("partial", "")
    about |= {"partial": partial} if partial else {}
    write_bytes(out, json.dumps(saved, indent=1).encode())


def _contests_held(saved: dict, cases: list[Contest], options: argparse.Namespace, tell) -> Iterator[None]:
    """Add rows and faults to `saved`, and yield after each contest, the loops being one.

    `tell` gets the seconds that a piece was thought to take, and its name.
    """
    rounds, seconds, each, for_loops = WAYS[options.sizes]
    if "loops" in (options.only or PARTS):
        tell(0, "loops against vectors")
        done = 0

        def percent(now):
            nonlocal done
            tell(for_loops * (now - done) / 100, "loops against vectors")
            done = now

        rows, faults = loops(options.sizes, percent)
        saved["rows"] += rows
        saved["faults"] += faults
        yield
    for case in cases:
        name = f"{case.part}, {case.case}"
        if why := missing_memory(case):
            saved["rows"] += contest.blank(case, f"not run: {why}")
            tell(each * rounds * len(case.contenders), name)
            yield
            continue
        pythons = {who: options.python for who in case.contenders if who.split()[0] in PEERS}
        rows = contest.hold(
            case,
            pythons,
            rounds=rounds,
            seconds=seconds,
            done=lambda who, name=name: tell(each, f"{name}: {who}"),
        )
        saved["rows"] += rows
        saved["faults"] += [
            f"{name}: {row['contender']}: {row['why']}"
            for row in rows
            if row["why"].startswith(("failed", "unequal"))
        ]
        yield


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", choices=list(WAYS), default="full", help=argparse.SUPPRESS)
    parser.add_argument(
        "--quick", action="store_const", const="quick", dest="sizes", help="under two minutes"
    )
    parser.add_argument(
        "--python", default=sys.executable, help="a Python that has the peers; default: this one"
    )
    parser.add_argument("--out", type=Path, default=Path("results.json"), help="default: results.json")
    parser.add_argument("--only", nargs="+", choices=PARTS, metavar="PART", help=f"of {', '.join(PARTS)}")
    options = parser.parse_args()
    # Now, and not when all is measured.
    if shutil.which(options.python) is None:
        parser.error(f"--python: no program at {options.python}; give a Python that has the peers, or none")
    if options.out.is_dir() or options.out.suffix in (".html", ".md"):
        parser.error(
            f"--out: expected a file such as results.json, got {options.out}; the page and the table stand beside it"
        )
    try:
        device = cr.get_device()
        threads_asked_for()
        options.out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=options.out.parent):
            pass
    except (ValueError, DeviceError) as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"--out: {options.out} cannot be written: {error.strerror}; name another file")
    # Every process of the run is to be on the same device, whatever it would choose by itself.
    os.environ["CHAINRULE_DEVICE"] = device.name
    signal.signal(signal.SIGTERM, _interrupted)
    saved = measure(options, device)
    for fault in saved["faults"]:
        print(f"run: {fault}", file=sys.stderr)
    if "took" not in saved["about"]:
        print(f"run: nothing was measured, and {options.out} was not written", file=sys.stderr)
        return 1
    status = report.main([str(options.out)])
    return status or int(bool(saved["faults"]))


def _interrupted(number: int, frame: object) -> None:
    raise KeyboardInterrupt(signal.Signals(number).name)


if __name__ == "__main__":
    sys.exit(main())
