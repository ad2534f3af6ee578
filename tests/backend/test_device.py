import sys
import types
import warnings

import array_api_strict
import numpy as np
import pytest

import chainrule as cr
from chainrule.backend import device as room


def fake_cupy(monkeypatch, *, driver=12040, runtime=12090, devices=1, works=True, version="14.2.0"):
    """Put a CuPy in the way that answers as one on a machine of that kind would; the computation is NumPy's."""

    class CUDARuntimeError(RuntimeError):
        pass

    def count():
        if driver < runtime // 1000 * 1000:
            raise CUDARuntimeError("cudaErrorInsufficientDriver")
        if devices == 0:
            raise CUDARuntimeError("cudaErrorNoDevice")
        return devices

    def arange(stop):
        if not works:
            raise RuntimeError("libnvrtc.so not found")
        return np.arange(stop)

    class Place:
        def __init__(self, index):
            self.index = index

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

    cupy = types.ModuleType("cupy")
    cupy.__spec__, cupy.__version__ = types.SimpleNamespace(name="cupy"), version
    cupy.arange, cupy.sum = arange, np.sum
    cupy.cuda = types.SimpleNamespace(
        Device=Place,
        runtime=types.SimpleNamespace(
            CUDARuntimeError=CUDARuntimeError,
            driverGetVersion=lambda: driver,
            runtimeGetVersion=lambda: runtime,
            getDeviceCount=count,
        ),
    )
    monkeypatch.setitem(sys.modules, "cupy", cupy)
    monkeypatch.setattr(room.importlib.util, "find_spec", lambda name: cupy.__spec__)
    monkeypatch.setattr(room, "cupy_namespace", lambda: cupy)
    room._cuda.cache_clear()
    room._warn_once.cache_clear()


@pytest.fixture(autouse=True)
def _no_device_chosen(monkeypatch):
    monkeypatch.delenv("CHAINRULE_DEVICE")
    yield
    room._cuda.cache_clear()
    room._warn_once.cache_clear()


def no_cupy(monkeypatch):
    monkeypatch.setattr(room.importlib.util, "find_spec", lambda name: None)


class TestChoosing:
    def test_by_name_then_block_then_variable_then_auto(self, monkeypatch):
        no_cupy(monkeypatch)
        assert cr.get_device().name == "cpu"
        monkeypatch.setenv("CHAINRULE_DEVICE", "strict")
        assert cr.get_device().name == "strict"
        with cr.use_device("strict:device1") as device:
            assert device is not None
            assert cr.get_device().name == device.name == "strict:device1"
            assert cr.get_device("cpu").name == "cpu"
            with cr.use_device("cpu"):
                assert cr.get_device().name == "cpu"
            assert cr.get_device().name == "strict:device1"
        assert cr.get_device().name == "strict"

    def test_a_block_that_fails_is_left_all_the_same(self, monkeypatch):
        monkeypatch.setenv("CHAINRULE_DEVICE", "strict")
        with pytest.raises(KeyError), cr.use_device("cpu"):
            raise KeyError
        assert cr.get_device().name == "strict"

    @pytest.mark.parametrize(
        "name",
        [
            "gpu",
            "CPU",
            "cuda:",
            "cuda:N",
            "cuda:12345",
            "cuda:" + "9" * 5000,
            "cuda:-1",
            "cuda:x",
            "strict:device9",
            "cpu:0",
            "",
        ],
    )
    def test_an_unknown_name_lists_the_known_ones(self, name):
        with pytest.raises(
            ValueError, match=r"get_device: expected one of cpu, cuda, cuda:N, auto, strict.*got"
        ):
            cr.get_device(name)

    def test_an_unknown_value_of_the_variable_names_the_variable(self, monkeypatch):
        monkeypatch.setenv("CHAINRULE_DEVICE", "tpu")
        with pytest.raises(ValueError, match=r"CHAINRULE_DEVICE: expected one of cpu.*got 'tpu'"):
            cr.get_device()

    def test_an_empty_variable_is_an_unset_one(self, monkeypatch):
        no_cupy(monkeypatch)
        monkeypatch.setenv("CHAINRULE_DEVICE", " ")
        assert cr.get_device().name == "cpu"

    def test_auto_may_be_asked_for_everywhere(self, monkeypatch):
        no_cupy(monkeypatch)
        monkeypatch.setenv("CHAINRULE_DEVICE", "auto")
        assert cr.get_device().name == cr.get_device("auto").name == "cpu"
        with cr.use_device("auto"):
            assert cr.get_device().name == "cpu"

    def test_a_choice_comes_with_its_reason(self, monkeypatch):
        no_cupy(monkeypatch)
        assert "not installed" in room.choice()[1]
        monkeypatch.setenv("CHAINRULE_DEVICE", "strict")
        assert "CHAINRULE_DEVICE=strict" in room.choice()[1]


class TestGpuThatCannotWork:
    def test_no_package(self, monkeypatch):
        no_cupy(monkeypatch)
        with pytest.raises(room.DeviceError, match=r"package CuPy is missing; pip install '\.\[cuda13\]'"):
            cr.get_device("cuda")

    @pytest.mark.parametrize(
        ("machine_has", "name", "words"),
        [
            ({"driver": 0}, "cuda", "driver is missing.*nvidia-smi.*--gpus all"),
            ({"driver": 12040, "runtime": 13000}, "cuda", r"serves CUDA 12\.4.*built for 13\.0.*cuda12"),
            ({"devices": 0}, "cuda", "no device answers.*CUDA_VISIBLE_DEVICES"),
            ({"devices": 2}, "cuda:2", r"cuda:2: no such device, this machine has 2.*cuda:0, cuda:1"),
            ({"version": "14.1.0"}, "cuda", r"CuPy 14\.1\.0 is installed.*before 14\.2.*--upgrade"),
            ({"works": False}, "cuda", r"libnvrtc.*\.\[cuda12\]"),
        ],
    )
    def test_each_missing_part_is_named_with_its_remedy(self, monkeypatch, machine_has, name, words):
        fake_cupy(monkeypatch, **machine_has)
        with pytest.raises(room.DeviceError, match=words):
            cr.get_device(name)

    def test_auto_falls_back_and_warns_once(self, monkeypatch):
        fake_cupy(monkeypatch, driver=0)
        with pytest.warns(RuntimeWarning, match="CuPy is installed but cannot work.*driver is missing"):
            assert cr.get_device().name == "cpu"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert cr.get_device().name == "cpu"

    def test_auto_takes_a_gpu_that_works(self, monkeypatch):
        fake_cupy(monkeypatch)
        device, why = room.choice()
        assert device.name == "cuda:0"
        assert "cuda works" in why

    def test_the_survey_goes_on_past_what_is_missing(self, monkeypatch):
        fake_cupy(monkeypatch, driver=0)
        found = {finding.name: finding for finding in room.survey()}
        assert set(found) == {"cpu", "cuda", "strict", "strict:device1"}
        assert found["cuda"].device is None
        assert "driver" in found["cuda"].fault
        assert all(found[name].device for name in ("cpu", "strict", "strict:device1"))

    def test_strict_without_its_package_says_so(self, monkeypatch):
        def missing(name):
            raise ModuleNotFoundError(name=name)

        monkeypatch.setattr(room.importlib, "import_module", missing)
        with pytest.raises(room.DeviceError, match="pip install array-api-strict"):
            cr.get_device("strict")


@pytest.mark.parametrize(("computes_in", "said"), [(1, "off"), (7, "on")])
def test_a_gpu_says_what_its_products_compute_in_whatever_was_asked_for(monkeypatch, computes_in, said):
    monkeypatch.setenv("CUPY_TF32", "1")
    fake_cupy(monkeypatch)
    products = types.SimpleNamespace(COMPUTE_TYPE_TF32=7, get_compute_type=lambda dtype: computes_in)
    core = types.ModuleType("cupy._core")
    core._routines_linalg = products
    monkeypatch.setitem(sys.modules, "cupy._core", core)
    cupy = sys.modules["cupy"]
    runtime = cupy.cuda.runtime
    runtime.getDeviceProperties = lambda index: {"name": b"a card", "major": 9, "minor": 0}
    runtime.memGetInfo = lambda: (1 << 30, 2 << 30)
    facts = cr.get_device("cuda").describe()
    assert facts["TF32"] == said
    assert facts["hardware"] == "a card, compute capability 9.0"
    assert facts["memory"] == "2.0 GiB, 1.0 GiB free"


class TestArrays:
    def test_lists_and_arrays_come_and_go(self, device, dtype):
        x = device.asarray([[1.5, 2.0], [3.0, -4.0]], dtype)
        assert x.dtype == getattr(device.xp, dtype)
        back = device.to_numpy(x)
        assert isinstance(back, np.ndarray)
        assert back.dtype == dtype
        np.testing.assert_array_equal(back, [[1.5, 2.0], [3.0, -4.0]])

    def test_the_dtype_of_an_array_is_kept(self, device):
        for dtype in ("uint8", "int64", "float32", "bool"):
            assert device.to_numpy(device.asarray(np.ones(3, dtype))).dtype == dtype

    def test_arrays_move_from_every_device_to_every_other(self, device):
        for other in ("cpu", "strict", "strict:device1"):
            x = cr.get_device(other).asarray([1.0, 2.0], "float32")
            moved = device.asarray(x)
            assert moved.dtype == device.xp.float32
            np.testing.assert_array_equal(device.to_numpy(moved), [1.0, 2.0])
            assert type(moved) is type(device.asarray([1.0]))

    def test_device1_is_where_its_arrays_are(self):
        x = cr.get_device("strict:device1").asarray([1.0])
        assert x.device == array_api_strict.Device("device1")
        with pytest.raises(RuntimeError):
            np.asarray(x)

    def test_random_numbers_are_the_same_everywhere(self, device, dtype):
        x = device.standard_normal((3, 4), seed=7, dtype=dtype)
        expected = np.random.default_rng(7).standard_normal((3, 4)).astype(dtype)
        np.testing.assert_array_equal(device.to_numpy(x), expected)
        assert not np.array_equal(
            device.to_numpy(device.standard_normal((3, 4), seed=8, dtype=dtype)), expected
        )

    def test_an_unknown_dtype_is_named(self, device):
        with pytest.raises(ValueError, match="float33"):
            device.asarray([1.0], "float33")

    def test_a_description_names_hardware_and_library(self, device):
        facts = device.describe()
        assert facts["hardware"]
        assert "numpy" in facts["library"]
        device.synchronize()
