"""How Undertone runs ONNX models: one place for the runtime's options."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TypeVar

import onnxruntime

Part = TypeVar("Part")
Found = TypeVar("Found")

onnxruntime.disable_telemetry_events()  # on Windows; elsewhere see undertone/__init__.py


def one_thread_session(path: Path) -> onnxruntime.InferenceSession:
    """An inference session that computes on the calling thread alone.

    Requests are already parallel, and so are the parts of a long recording (`on_all_cores`);
    threads inside each of them would only fight for the cores.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Without the arena memory is given back after a long clip instead of being kept for good.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def on_all_cores(compute: Callable[[Part], Found], parts: Iterable[Part]) -> list[Found]:
    """What is computed of each part, in their order; as many at a time as there are cores.

    The threads are shared by all who ask, so that many long recordings take no more of them.
    """
    parts = list(parts)
    if len(parts) < 2:
        return [compute(part) for part in parts]
    return list(_threads().map(compute, parts))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="inference")
