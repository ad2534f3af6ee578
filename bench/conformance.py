"""The official conformance suite on differentiable(xp), beside xp itself: it must pass every test that xp passes.

    git clone --recurse-submodules https://github.com/data-apis/array-api-tests
    pip install -r array-api-tests/requirements.txt pytest-timeout
    python bench/conformance.py array-api-tests [--modules numpy array_api_strict] [--examples 20]

Every test runs derandomised, so that both see the same examples, under a limit of 60 s. The exit status is
1 where differentiable(xp) fails a test that xp passes.
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET


def outcomes(suite, script, examples, only):
    """Run the suite on the namespace that a script names xp; return the outcome of each test."""
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "array_api_tests",
            "-q",
            f"--max-examples={examples}",
            "--timeout=60",
        ]
        command += ["--disable-deadline", "--derandomize", f"--junitxml={report}", "-p", "no:cacheprovider"]
        command += ["-k", only] if only else []
        env = dict(os.environ, ARRAY_API_TESTS_MODULE=f"exec('{script}')", ARRAY_API_TESTS_VERSION="2025.12")
        done = subprocess.run(command, cwd=suite, env=env, capture_output=True, text=True, check=False)
        if not report.exists():
            raise SystemExit(done.stdout[-3000:] + done.stderr[-3000:])
        found = {}
        for case in ET.parse(report).iter("testcase"):
            kinds = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
            name = f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"
            text = next((child.get("message", "") for child in case if child.tag in ("failure", "error")), "")
            found[name] = ("failed" if {"failure", "error"} & set(kinds) else (*kinds, "passed")[0], text)
        return found


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suite", type=pathlib.Path)
    parser.add_argument("--modules", nargs="*", default=["numpy", "array_api_strict"])
    parser.add_argument("--examples", type=int, default=20)
    parser.add_argument("--only", default="", help="pytest's -k")
    settings = parser.parse_args()
    worse = 0
    for module in settings.modules:
        plain, ours = (
            outcomes(
                settings.suite, f"import {module}, chainrule; xp = {xp}", settings.examples, settings.only
            )
            for xp in (module, f"chainrule.differentiable({module})")
        )
        print(f"\n{module}: {'':12}{'passed':>8}{'failed':>8}{'skipped':>8}")
        for name, found in ((module, plain), (f"differentiable({module})", ours)):
            counts = [sum(o == kind for o, _ in found.values()) for kind in ("passed", "failed", "skipped")]
            print(f"  {name:32}" + "".join(f"{n:8}" for n in counts))
        for test, (outcome, text) in sorted(ours.items()):
            if outcome != "failed" or plain.get(test, ("absent", ""))[0] == "failed":
                continue
            # Both drew their examples by chance: with many more, xp itself may fail the test too.
            name = test.partition("::")[2].partition("[")[0]
            more = outcomes(settings.suite, f"import {module}; xp = {module}", 50 * settings.examples, name)
            if more.get(test, ("absent", ""))[0] == "failed":
                print(f"  {module} fails {test} with more examples; differentiable: failed")
                continue
            worse += 1
            print(f"  only differentiable({module}) fails {test}: {text.partition(chr(10))[0][:160]}")
        for test, (outcome, _) in sorted(plain.items()):
            if outcome == "failed":
                print(f"  {module} fails {test}; differentiable: {ours.get(test, ('absent', ''))[0]}")
    sys.exit(worse > 0)


if __name__ == "__main__":
    main()
