"""The command devices."""

import os
import platform
from importlib.metadata import version

from rich.table import Table

from chainrule.backend.device import choice, survey
from chainrule.backend.threads import THREAD_VARIABLES
from chainrule.cli.console import JsonOption, faults_told, out, print_json


@faults_told()
def devices(as_json: JsonOption = False) -> None:
    """Show which devices work here, which is chosen and why, and what is missing for the others."""
    chosen, why = choice()
    findings = survey()
    asked = {name: os.environ.get(name, "not set") for name in THREAD_VARIABLES}
    about = {
        "chosen": chosen.name,
        "why": why,
        "python": platform.python_version(),
        "chainrule": version("chainrule"),
        "array-api-compat": version("array-api-compat"),
        "system": platform.platform(),
        "threads asked for": asked,
    }
    if as_json:
        found = [
            {"name": f.name, "works": True, **f.device.describe()}
            if f.device
            else {"name": f.name, "works": False, "missing": f.fault}
            for f in findings
        ]
        print_json(about | {"devices": found})
        return
    table = Table(show_lines=True)
    for heading in ("device", "works", "facts, or what is missing and the way to get it"):
        table.add_column(heading, overflow="fold")
    for f in findings:
        facts = (
            "\n".join(f"{name}: {fact}" for name, fact in f.device.describe().items())
            if f.device
            else f.fault
        )
        table.add_row(
            f.name + (" (chosen)" if f.name == chosen.name else ""), "yes" if f.device else "no", facts
        )
    out.print(table, markup=False, soft_wrap=False)
    out.print(f"chosen: {chosen.name}, {why}", markup=False)
    out.print(f"chainrule {about['chainrule']}, array-api-compat {about['array-api-compat']}", markup=False)
    out.print(f"Python {about['python']} on {about['system']}", markup=False)
    out.print("threads asked for: " + ", ".join(f"{name} {number}" for name, number in asked.items()))
