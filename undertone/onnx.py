"""ONNX Runtime sessions with common options, and parallel inference."""

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
    """Open an inference session with all computation on the calling thread.

    Requests are already parallel, and so are the parts of a long recording (`on_all_cores`). More
    threads inside each of them would only compete for the cores.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Without the arena, memory is freed after a long clip. With it, memory would be kept for good.
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def on_all_cores(compute: Callable[[Part], Found], parts: Iterable[Part]) -> list[Found]:
    """Compute a result for each part, one at a time on each core; results keep the order.

    All callers share the threads, so many long recordings do not add threads.
    """
    parts = list(parts)
    if len(parts) < 2:
        return [compute(part) for part in parts]
    return list(_threads().map(compute, parts))


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="inference")
