"""A trained model in the format ONNX, for other runtimes."""

import json
from typing import Any

import numpy as np

from chainrule.training.model_file import Model

# What runtimes of 2022 and later read.
_OPSET, _IR = 17, 8


def as_onnx(model: Model) -> bytes:
    """Return a model as an ONNX file: from raw features X, double (m, n), to `label` (m,) and `probabilities` (m, k).

    `label` has the names of the classes; so has the metadata `classes`, as JSON. Where a number is predicted, the one
    output is `prediction` (m,). Features are scaled in double, as
    `chainrule predict` does, the rest is computed in the precision of the parameters. Raises ImportError without onnx.
    """
    try:
        from onnx import TensorProto, checker, helper
    except ImportError as error:
        raise ImportError("export to ONNX needs onnx: pip install '.[onnx]' in chainrule's folder") from error
    graph = _Graph(model)
    graph.build()
    n, k, dtype = model.net.sizes[0], len(model.classes), _tensor_type(model.dtype)
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.STRING, ["m"]),
        helper.make_tensor_value_info("probabilities", dtype, ["m", k]),
    ]
    if not k:
        outputs = [helper.make_tensor_value_info("prediction", dtype, ["m"])]
    made = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "chainrule",
            [helper.make_tensor_value_info("X", TensorProto.DOUBLE, ["m", n])],
            outputs,
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR,
        producer_name="chainrule",
    )
    image = vars(model.image) if model.image else None
    about = {"classes": model.classes, "features": model.features, "image": image, "white": model.white}
    helper.set_model_props(made, {name: json.dumps(value) for name, value in about.items()})
    checker.check_model(made, full_check=True)
    content: bytes = made.SerializeToString()
    return content


class _Graph:
    """The nodes and constants of a model."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def build(self) -> None:
        """Add all nodes, from X to probabilities and label, or to the prediction of a number."""
        net, dtype = self.model.net, self.model.dtype
        scaling = self.model.scaling
        Z = self.node(
            "Div", self.node("Sub", "X", self.constant(scaling.shift)), self.constant(scaling.scale)
        )
        Z = self.node("Cast", Z, to=_tensor_type(dtype))
        for layer, (W, b) in enumerate(self.model.params):
            if layer:
                Z = self.activation(Z)
            Z = self.node("Add", self.node("MatMul", Z, self.constant(W)), self.constant(b))
        if not self.model.classes:
            self.node("Squeeze", Z, self.constant(np.array([1])), name="prediction")
            return
        if net.output == "softmax":
            P = self.node("Softmax", Z, axis=1, name="probabilities")
        else:
            # onnxruntime's Sigmoid has no digit of a probability under 1e-7 in single precision.
            one = self.scalar(1)
            p = self.node("Div", one, self.node("Add", one, self.node("Exp", self.node("Neg", Z))))
            P = self.node("Concat", self.node("Sub", one, p), p, axis=1, name="probabilities")
        number = self.node("ArgMax", P, axis=1, keepdims=0)
        self.node(
            "Gather", self.constant(np.array(self.model.classes, dtype=object)), number, axis=0, name="label"
        )

    def activation(self, Z: str) -> str:
        """Add the activation of a hidden layer; runtimes have LeakyRelu and Elu in single precision alone."""
        match self.model.net.activation:
            case "identity":
                return Z
            case "sigmoid" | "tanh" | "relu" as name:
                return self.node(name.capitalize(), Z)
            case "leaky_relu":
                return self.node("Max", Z, self.node("Mul", Z, self.scalar(0.01)))
            case "elu":
                tail = self.node("Sub", self.node("Exp", self.node("Min", Z, self.scalar(0))), self.scalar(1))
                return self.node("Where", self.node("Greater", Z, self.scalar(0)), Z, tail)
            case "maxout":
                shape = self.constant(np.array([0, -1, self.model.net.pieces]))
                return self.node("ReduceMax", self.node("Reshape", Z, shape), axes=[2], keepdims=0)
            case other:
                raise ValueError(
                    f"export: expected an activation that ONNX has, got {other!r}; predict by chainrule"
                )

    def node(self, kind: str, *inputs: str, name: str = "", **settings: Any) -> str:
        """Add a node and return the name of its output."""
        from onnx import helper

        name = name or f"{kind}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **settings))
        return name

    def constant(self, value: np.ndarray) -> str:
        """Add an array and return its name."""
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, order="C"), name))
        return name

    def scalar(self, value: float) -> str:
        """Add a number in the precision of the parameters."""
        return self.constant(np.array(value, self.model.dtype))


def _tensor_type(dtype: np.dtype[Any]) -> int:
    from onnx import helper

    kind: int = helper.np_dtype_to_tensor_dtype(dtype)
    return kind
