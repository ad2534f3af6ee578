import json
import subprocess
import sys

from chainrule.backend import device
from tests.helpers.commands import answer


def test_devices_shows_each_with_facts_or_remedy(monkeypatch):
    monkeypatch.setattr(device.importlib.util, "find_spec", lambda name: None)
    # Without what earlier tests found.
    monkeypatch.setattr(device, "_cuda", device._cuda.__wrapped__)
    text = answer("devices", COLUMNS="200")
    for words in (
        "cpu (chosen)",
        "numpy",
        "CuPy is missing",
        "strict:device1",
        "GiB free",
        "OMP_NUM_THREADS",
    ):
        assert words in text
    told = json.loads(answer("devices", "--json", CHAINRULE_DEVICE="strict"))
    assert told["chosen"] == "strict"
    assert told["why"] == "asked for by CHAINRULE_DEVICE=strict"
    works = {found["name"]: found["works"] for found in told["devices"]}
    assert works == {"cpu": True, "cuda": False, "strict": True, "strict:device1": True}


def test_help_names_the_commands_and_their_options():
    assert all(
        command in answer("--help")
        for command in ("devices", "train", "predict", "check", "CHAINRULE_DEVICE")
    )
    text = answer("train", "--help", COLUMNS="200")
    options = "--steps --learning-rate --tol --dtype --device --positive --seed --out --test --label --model --hidden "
    options += (
        "--activation --optimizer --schedule --batch --epochs --penalty --clip --patience --validation "
    )
    options += "--weights --resume"
    assert all(option in text for option in options.split())


def test_without_its_packages_the_command_says_how_to_get_them():
    code = "import sys; sys.modules['typer'] = None; from chainrule.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert (
        done.stderr
        == "chainrule: the commands need the package typer; pip install '.[app]' in chainrule's folder\n"
    )
