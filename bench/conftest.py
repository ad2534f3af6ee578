"""Options of the benchmarks, and which of them run on which device.

pytest bench [--quick]     on the device of CHAINRULE_DEVICE; `python bench/run.py` runs this and all the rest
"""

import pytest

import chainrule as cr
from bench import measuring
from chainrule.backend.device import DeviceError

DEVICE = pytest.StashKey[cr.Device]()
NOT_RUN = pytest.StashKey[list[dict]]()


def pytest_addoption(parser):
    group = parser.getgroup("benchmarks of chainrule")
    group.addoption("--dtype", choices=list(measuring.TOLERANCES), default="float32", help="default: float32")
    group.addoption("--sizes", choices=list(measuring.PLANS), default="full", help="default: full")
    group.addoption(
        "--quick", action="store_const", const="quick", dest="sizes", help="under a minute: --sizes quick"
    )


def pytest_configure(config):
    try:
        config.stash[DEVICE] = cr.get_device()
    except (ValueError, DeviceError) as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[NOT_RUN] = []


def pytest_generate_tests(metafunc):
    if "size" in metafunc.fixturenames:
        plan = measuring.PLANS[metafunc.config.getoption("sizes")]
        sizes = plan.dots if _direction(metafunc.definition).startswith("dot") else plan.steps
        metafunc.parametrize("size", sizes, ids=lambda size: f"{size.m}x{size.n}")


def pytest_collection_modifyitems(config, items):
    for item in items:
        if "measure" not in getattr(item, "fixturenames", ()):
            continue
        # Where the proof fails nothing is timed; that is one fault, not two.
        item.add_marker(pytest.mark.filterwarnings("ignore:Benchmark fixture was not used"))
        size, spelling = item.callspec.params["size"], item.callspec.params["spelling"]
        if measuring.over_the_cap(spelling, size.m, size.n, config.stash[DEVICE]):
            item.add_marker(pytest.mark.skip(reason="not run: over the cap"))
            cell = {"direction": _direction(item), "spelling": spelling, **size._asdict()}
            config.stash[NOT_RUN].append(cell)


def pytest_benchmark_update_json(config, output_json):
    output_json["chainrule"] = {"over_the_cap": config.stash[NOT_RUN]}


@pytest.fixture
def problem(size, request):
    config = request.config
    return measuring.problem(size.m, size.n, config.stash[DEVICE], config.getoption("dtype"))


@pytest.fixture
def measure(size, spelling, benchmark, problem, request):
    """Return a function of (call, arguments, want) that proves the call's result and times it."""
    config = request.config
    plan = measuring.PLANS[config.getoption("sizes")]
    facts = {
        "direction": _direction(request.node),
        "spelling": spelling,
        **size._asdict(),
        "dtype": config.getoption("dtype"),
        "device": config.stash[DEVICE],
        "transfer_seconds": problem.transfer,
    }

    def measure(call, arguments, want):
        measuring.measure(benchmark, plan, call, arguments, want, **facts)

    return measure


def _direction(item):
    return item.originalname.removeprefix("test_").replace("_", " ")
