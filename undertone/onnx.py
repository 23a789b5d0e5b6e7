"""How Undertone runs ONNX models: one place for the runtime's options."""

from pathlib import Path

import onnxruntime

onnxruntime.disable_telemetry_events()  # on Windows; elsewhere see undertone/__init__.py


def one_thread_session(path: Path) -> onnxruntime.InferenceSession:
    """An inference session that computes on the calling thread alone.

    Requests are already parallel; threads inside each of them would only fight for the cores.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Without the arena memory is given back after a long clip instead of being kept for good.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
