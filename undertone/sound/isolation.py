"""Decode in separate processes, so a file can crash a decoder but nothing else.

The rule: the decoder is still `audio.decode`; this module only calls it in another process. The
process has little memory and CPU time, runs in a sandbox (`sandbox`) and knows none of the server's
secrets. It is replaced if it stops answering.

A slow file is moved aside: its process goes on at a lower priority, and a new process takes its
place for the next file. So long or hostile files never occupy all decoders.
"""

import json
import logging
import queue
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass
from functools import cache

import numpy as np

from undertone.errors import AudioError, DecoderDied
from undertone.progress import Progress, nobody
from undertone.recording_bytes import AnyBytes, RecordingBytes
from undertone.sound.audio import Audio
from undertone.sound.decoder_process import (
    DONE,
    PROGRESS_EVERY_S,
    REQUEST,
    DecoderProcess,
    Kind,
)

# A file over these limits is a long one. A clip of a minute takes about 0.1 s.
BRIEF_CPU_S = 0.25
BRIEF_S = 3.0
START_LIMIT_S = 60.0  # for a process to import its libraries on a busy machine
BEGIN_LIMIT_S = 5.0  # for an idle process to begin with a file
SILENCE_LIMIT_S = 20.0  # between two messages while it decodes
CHECK_LIMIT_S = 2.0
_KINDS: list[type[AudioError]] = [AudioError, *AudioError.__subclasses__()]
_KNOWN = {kind.code: kind for kind in _KINDS}
logger = logging.getLogger("undertone")


@dataclass(frozen=True)
class _Task:
    """One file to decode."""

    data: RecordingBytes
    max_duration_s: float
    progress: Progress


class Decoders:
    """Pool of decoder processes for `decode`.

    Parameters
    ----------
    n_processes : int > 0
        Number of recordings decoded at the same time, and of long ones decoded beside them.

    Attributes
    ----------
    aside : callable
        Returns a context manager. It is entered while a long recording is decoded or waits for it.
    """

    def __init__(self, n_processes: int) -> None:
        self.aside: Callable[[], AbstractContextManager[None]] = nullcontext
        self._idle: queue.LifoQueue[DecoderProcess | None] = queue.LifoQueue()
        self._long = threading.BoundedSemaphore(n_processes)
        self._n_processes = n_processes
        for _ in range(n_processes - 1):
            self._idle.put(None)  # started on demand: at startup, each would delay the others
        self._idle.put(DecoderProcess())

    def decode(
        self, data: AnyBytes, *, max_duration_s: float, progress: Progress = nobody
    ) -> Audio:
        """Decode a recording in a separate process, as `audio.decode` does.

        Parameters
        ----------
        data : bytes, BinaryIO or RecordingBytes
            Content of the file.
        max_duration_s : float > 0
            Limit in seconds.
        progress : Progress, optional
            Called with the finished share.

        Raises
        ------
        DecoderDied
            The process crashed, exceeded its limits of time or memory, or stopped answering.
        AudioError
            Raised by `audio.decode`.
        """
        data = RecordingBytes.of(data)
        task = _Task(data, max_duration_s, progress)
        answer: Audio | AudioError | None = None
        long = None
        process = self._idle.get()
        try:
            process = _begin(process, task)
            answer = _listen(process, task, is_long=False)
            if answer is None:
                long, process = process, DecoderProcess()
        except BaseException as error:
            process = _replaced(process, error)
            raise _blame(error, data) from None
        finally:
            self._idle.put(process)
        if answer is None and long:
            answer = self._decode_aside(long, task)
        if isinstance(answer, AudioError):
            raise answer
        assert answer
        return answer

    def check(self) -> None:
        """Check for a working decoder: an idle process answers, or all are busy.

        Raises
        ------
        DecoderDied
            An idle process does not answer; it has been replaced.
        """
        try:
            process = self._idle.get_nowait()
        except queue.Empty:  # each busy process is watched by its caller
            return
        try:
            if process:
                _check(process)
        except (OSError, EOFError) as error:
            process = _replaced(process, error)
            raise DecoderDied("A decoder did not answer and was replaced.") from None
        finally:
            self._idle.put(process)

    def close(self) -> None:
        """Kill all processes."""
        for _ in range(self._n_processes):
            if process := self._idle.get():
                process.end()

    def _decode_aside(self, process: DecoderProcess, task: _Task) -> Audio | AudioError | None:
        """Wait for the answer of a process with a long file; the process ends afterwards."""
        try:
            with ExitStack() as place, self.aside():
                # The place is kept until `aside` has ended. This bounds the sound in memory.
                if not self._long.acquire(blocking=False):
                    process.end()  # while waiting, it would hold memory
                    self._wait_for_place(task)
                    place.callback(self._long.release)
                    process = _begin(None, task)
                else:
                    place.callback(self._long.release)
                process.step_back()
                answer = _listen(process, task, is_long=True)
                process.end()
        except BaseException as error:
            process.end(_fault(error))
            raise _blame(error, task.data) from None
        return answer

    def _wait_for_place(self, task: _Task) -> None:
        while not self._long.acquire(timeout=PROGRESS_EVERY_S):
            task.progress(0.0)


def _begin(process: DecoderProcess | None, task: _Task) -> DecoderProcess:
    """Start decoding and return the process: a new one if this one is dead or silent."""
    if process:
        try:
            _ask(process, task)
            return process
        except (OSError, EOFError) as error:  # not caused by the file, still unseen
            process.end(error)
    process = DecoderProcess()
    try:
        _ask(process, task)
    except BaseException:
        process.end()
        raise
    return process


def _ask(process: DecoderProcess, task: _Task) -> None:
    """Send the request, wait until the process begins with it, then send the file's bytes."""
    if not process.is_ready:
        _confirm(process, START_LIMIT_S)
    data = task.data.in_memory
    process.send(REQUEST.pack(data is None, len(task.data), task.max_duration_s), BEGIN_LIMIT_S)
    process.receive_answer(BEGIN_LIMIT_S)
    if data is None:
        process.send_file(task.data)
    else:
        process.send(data, SILENCE_LIMIT_S)


def _check(process: DecoderProcess) -> None:
    """Check an idle process: it must answer, or still be starting."""
    if not process.is_ready:
        if not process.has_said(0.0) and process.age_s < START_LIMIT_S:
            return
        _confirm(process, 0.0)
    process.send(REQUEST.pack(False, 0, 1.0), CHECK_LIMIT_S)  # an empty file
    for _ in (Kind.BEGUN, Kind.ERROR):
        process.receive_answer(CHECK_LIMIT_S)


def _confirm(process: DecoderProcess, patience_s: float) -> None:
    _, protections = process.receive_answer(patience_s)
    process.is_ready = True
    _log_protections(bytes(protections).decode())


@cache
def _log_protections(names: str) -> None:
    logger.info("Decoder processes are confined by: %s.", names)


def _listen(process: DecoderProcess, task: _Task, is_long: bool) -> Audio | AudioError | None:
    """Wait for the result of a file; None if it turns out to be long and `is_long` is False.

    Parameters
    ----------
    process : DecoderProcess
        Process with the file.
    task : _Task
        The file.
    is_long : bool
        True to wait for a long file too.

    Raises
    ------
    TimeoutError
        The process sent nothing for 20 s.
    """
    began_s = heard_s = time.monotonic()
    done = 0.0
    while True:
        if not process.has_said(PROGRESS_EVERY_S):
            if not is_long and time.monotonic() - began_s > BRIEF_S:
                return None
            if time.monotonic() - heard_s > SILENCE_LIMIT_S:
                raise TimeoutError(f"said nothing for {SILENCE_LIMIT_S:g} s")
            task.progress(done)
            continue
        what, answer = process.receive_answer(SILENCE_LIMIT_S)
        heard_s = time.monotonic()
        if what == Kind.SOUND:
            return Audio(np.frombuffer(answer, np.float32))
        if what == Kind.ERROR:
            error = json.loads(answer)
            return _KNOWN[error["code"]](error["error"])
        done, cpu_s = DONE.unpack(answer)
        task.progress(done)
        if not is_long and cpu_s > BRIEF_CPU_S:
            return None


def _replaced(process: DecoderProcess | None, error: BaseException) -> DecoderProcess:
    if process:
        process.end(_fault(error))
    return DecoderProcess()


def _fault(error: BaseException) -> BaseException | None:
    """Return the error if it came from the process."""
    return error if isinstance(error, (OSError, EOFError)) else None


def _blame(error: BaseException, data: RecordingBytes) -> BaseException:
    """Return the error for the client: `DecoderDied` if the process failed, else the same error."""
    if _fault(error) is None:
        return error
    return DecoderDied(
        f"The file ({len(data)} bytes) brought the decoder down, or took more time or "
        "memory than there is for one. Export it again, best as wav or flac."
    )
