"""The command export: a trained model in a format that other programs read."""

from pathlib import Path
from typing import Annotated

import typer

from chainrule.cli.console import (
    JsonOption,
    ModelArgument,
    faults_told,
    print_json,
    reserve_output,
    write_file,
)
from chainrule.trained.model import read_model
from chainrule.trained.onnx import as_onnx


def export(
    model_path: ModelArgument,
    onnx: Annotated[
        Path, typer.Option(help="The file to write, in the format ONNX; - is the standard output.")
    ],
    as_json: JsonOption = False,
) -> None:
    """Write a trained model as an ONNX file, with its scaling, for other runtimes.

    Its input is X, double (m, n): raw features as in the data that it learnt from. Its outputs are label (m,), the name
    of the likeliest class, and probabilities (m, k); or prediction (m,), where a number is predicted.

    Example: chainrule export digits --onnx digits.onnx
    """
    with faults_told():
        reserve_output({"--onnx": onnx}, as_json=as_json)
        content = as_onnx(read_model(model_path))
        write_file(onnx, content)
        if as_json:
            print_json({"wrote": str(onnx), "bytes": len(content)})
