"""Torch networks as ONNX files, which is how the application runs them."""

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
    """Write a network that takes one tensor to one or more.

    Parameters
    ----------
    example : Tensor
        An input.
    names : tuple of str
        Of the input and the outputs.
    free_axis : int
        Along which an input may have any length.
    """
    with warnings.catch_warnings():
        # The exporter that is not deprecated needs onnxscript and gives a slower graph.
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
    """Halve the large weights of a model; the runtime widens them once, when it loads them.

    Parameters
    ----------
    but_for : str, optional
        How the names of weights begin that are left as they are.
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
