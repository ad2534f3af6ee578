"""The commands: devices, train, predict, explain, check, export."""

import typer

from chainrule.backend.device import VARIABLE
from chainrule.cli import check, devices, explain, export, predict, train

app = typer.Typer(
    help="Learn by gradient descent, on a CPU or a GPU, and see the numbers.\n\n"
    f"The device is that of --device, else of the environment variable {VARIABLE} "
    "(cpu, cuda, cuda:N, auto, strict), else a GPU where one works, else the CPU.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("devices")(devices.devices)
app.command("train")(train.train)
app.command("predict")(predict.predict)
# An expression may begin with a minus.
app.command("explain", context_settings={"ignore_unknown_options": True})(explain.explain)
app.command("check")(check.check)
app.command("export")(export.export)
