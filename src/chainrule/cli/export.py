"""The command export: a trained model in a format that other programs read."""

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.console import ModelArgument, faults_told, tell
from chainrule.trained.model import read_model
from chainrule.trained.onnx import as_onnx
from chainrule.training.storage import write_bytes


def export(
    model_path: ModelArgument,
    onnx: Annotated[Path, typer.Option(help="The file to write, in the format ONNX.")],
) -> None:
    """Write a trained model as an ONNX file, with its scaling, for other runtimes.

    Its input is X, double (m, n): raw features as in the data that it learnt from. Its outputs are label (m,), the name
    of the likeliest class, and probabilities (m, k).

    Example: chainrule export digits --onnx digits.onnx
    """
    with faults_told():
        write_bytes(onnx, as_onnx(read_model(model_path)))
        tell("wrote", str(onnx))
