"""Export of torch networks to ONNX. The application runs the ONNX files."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from onnx import ModelProto


def export_onnx(
    network: nn.Module, example: Tensor, path: Path, names: tuple[str, ...], free_axis: int
) -> None:
    """Write a network with one input tensor and one or more output tensors as ONNX.

    Parameters
    ----------
    network : Module
    example : Tensor
        An example input.
    path : Path
        File to write.
    names : tuple of str
        Names of the input and of the outputs.
    free_axis : int
        Axis of the input with variable length.
    """
    with warnings.catch_warnings():
        # The newer, undeprecated exporter needs onnxscript and produces a slower graph.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network.eval(),
            (example,),
            str(path),
            input_names=names[:1],
            output_names=names[1:],
            dynamic_axes={names[0]: {free_axis: "n"}},
            opset_version=17,
            dynamo=False,
        )


def store_in_half_precision(model: "ModelProto", but_for: str = "") -> None:
    """Store the large weights of a model in half precision, in place.

    The runtime converts them back to single precision once, at load time.

    Parameters
    ----------
    model : ModelProto
    but_for : str, optional
        Weights with this name prefix keep their precision.
    """
    from onnx import TensorProto, helper, numpy_helper

    graph = model.graph
    for stored in graph.initializer:
        values = numpy_helper.to_array(stored)
        is_large = values.dtype == np.float32 and values.size >= 10_000
        if not is_large or (but_for and stored.name.startswith(but_for)):
            continue
        name = stored.name
        stored.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        graph.node.insert(0, helper.make_node("Cast", [stored.name], [name], to=TensorProto.FLOAT))
