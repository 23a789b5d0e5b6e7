"""What the most expensive requests cost a server in memory and CPU, relative to their length."""

import http.client
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.live import Server, running_server

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux's /proc"
)
MIB = 2**20
N = 30 * MIB
FORM, MULTIPART, JSON = (
    "application/x-www-form-urlencoded", "multipart/form-data; boundary=b", "application/json",
)  # fmt: skip
FILE = b'Content-Disposition: form-data; name="file"; filename="a"'


def form(headers: bytes, data: bytes = b"x", before: bytes = b"", after: bytes = b"") -> bytes:
    return b"%s--b\r\n%s\r\n\r\n%s\r\n--b--%s" % (before, headers, data, after)


# Nothing of these is a recording: path, type, body, code of the refusal.
USELESS: dict[str, tuple[str, str, Callable[[], bytes], str]] = {
    "percent signs": ("/history/delete", FORM, lambda: b"%" * N, "request-too-large"),
    "percent signs to /upload": ("/upload", FORM, lambda: b"%" * N, "request-too-large"),
    "fields": ("/history/delete", FORM, lambda: b"a1=1&" * (N // 5), "request-too-large"),
    "fields to /upload": ("/upload", FORM, lambda: b"a1=1&" * (N // 5), "request-too-large"),
    "fields to /jobs": ("/jobs", FORM, lambda: b"a1=1&" * (N // 5), "request-too-large"),
    "lists": ("/record", JSON, lambda: b'{"audio":[' + b"[]," * (N // 3) + b"[]]}", "not-json"),
    "members": ("/record", JSON, lambda: b'{"a":0,' * (N // 7), "not-json"),
    "a deep list": ("/record", JSON, lambda: b"[" * N, "not-json"),
    "a number": ("/record", JSON, lambda: b'{"audio":' + b"9" * N + b"}", "not-json"),
    "a text beside": ("/record", JSON, lambda: b'{"a":"' + b"9" * N + b'"}', "not-json"),
    "escapes": ("/record", JSON, lambda: b'{"a":"' + b"\\u00e9" * (N // 6), "not-json"),
    "blanks": ("/record", JSON, lambda: b'{"audio":' + b" " * N + b'"x"}', "not-json"),
    "a part's header": (
        "/upload", MULTIPART, lambda: form(FILE[:-1] + b"x" * N + b'"'), "request-too-large",
    ),
    "a part's parameters": (
        "/upload", MULTIPART, lambda: form(FILE + b"\r\n ;a=b" * (N // 7)), "request-too-large",
    ),
    "headers": (
        "/upload", MULTIPART, lambda: form(FILE + b"\r\nX: y" * (N // 6)), "request-too-large",
    ),
    "headers to /jobs": (
        "/jobs", MULTIPART, lambda: form(FILE + b"\r\nX: y" * (N // 6)), "request-too-large",
    ),
    "parts": (
        "/upload", MULTIPART, lambda: (b"--b\r\n" + FILE + b"\r\n\r\nx\r\n") * (N // 70),
        "request-too-large",
    ),
    "a text field": (
        "/upload", MULTIPART, lambda: form(FILE[:37] + b'; name="x"', b"x" * N),
        "request-too-large",
    ),
    "before the first part": (
        "/upload", MULTIPART, lambda: form(FILE, before=b"x" * N), "request-too-large",
    ),
    "after the last part": ("/upload", MULTIPART, lambda: form(FILE, after=b"x" * N), "not-audio"),
    "a file where none is taken": (
        "/history/delete", MULTIPART, lambda: form(FILE, b"x" * N), "request-too-large",
    ),
    "a body where none is taken": ("/jobs/x/cancel", "x/y", lambda: b"x" * N, "request-too-large"),
}  # fmt: skip
RECORDINGS: dict[str, tuple[str, str, Callable[[], bytes], str]] = {
    "a file": ("/upload", MULTIPART, lambda: form(FILE, b"x" * N), "not-audio"),
    "a file of line breaks": (
        "/upload", MULTIPART, lambda: form(FILE, b"\r\n" * (N // 2)), "not-audio",
    ),
    "base64": ("/record", JSON, lambda: b'{"audio":"' + b"QUFB" * (N // 4) + b'"}', "not-audio"),
    "base64 in escapes": (
        "/record", JSON, lambda: b'{"audio":"' + b"\\u0041\\/QQ" * (N // 10) + b'"}', "not-audio",
    ),
    "base64 in short lines": (
        "/record", JSON, lambda: b'{"audio":"' + b"Q\\n" * (N // 12 * 4) + b'"}', "not-audio",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("data")
    with running_server(folder, UNDERTONE_MAX_UPLOAD_MB="50", UNDERTONE_DECODERS="1") as running:
        ask(running, "/upload", MULTIPART, form(FILE))
        worker, cpu_s = Worker(running), -1.0
        while worker.cpu_s > cpu_s + 0.05:  # it still loads what the first answer did not need
            cpu_s = worker.cpu_s
            time.sleep(1.0)
        yield running


def ask(server: Server, path: str, content_type: str, body: bytes) -> tuple[int, str]:
    """Status and code of the answer."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=300)
    try:
        connection.request("POST", path, body, {"Content-Type": content_type})
        response = connection.getresponse()
        return response.status, json.loads(response.read())["code"]
    finally:
        connection.close()


class Worker:
    """The process of a server that answers."""

    def __init__(self, server: Server) -> None:
        master = server.process.pid
        children = Path(f"/proc/{master}/task/{master}/children").read_text()
        self._folder = Path(f"/proc/{children.split()[0]}")

    def memory_mib(self, name: str) -> float:
        """VmRSS, what it uses; VmHWM, the most that it has used since `reset`."""
        for line in (self._folder / "status").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) / 1024
        raise KeyError(name)

    def reset(self) -> None:
        (self._folder / "clear_refs").write_text("5")

    @property
    def cpu_s(self) -> float:
        ticks = (self._folder / "stat").read_text().rpartition(")")[2].split()
        return (int(ticks[11]) + int(ticks[12])) / os.sysconf("SC_CLK_TCK")


def cost(
    server: Server, path: str, content_type: str, make: Callable[[], bytes], code: str
) -> tuple[float, float]:
    """MiB of memory and seconds of CPU that a request takes."""
    body, worker = make(), Worker(server)
    assert len(body) > 0.9 * N
    worker.reset()
    memory_mib, cpu_s = worker.memory_mib("VmRSS"), worker.cpu_s
    assert ask(server, path, content_type, body)[1] == code
    return worker.memory_mib("VmHWM") - memory_mib, worker.cpu_s - cpu_s


@pytest.mark.parametrize("name", USELESS)
def test_what_is_no_recording_costs_next_to_nothing(server: Server, name: str) -> None:
    memory_mib, cpu_s = cost(server, *USELESS[name])
    assert memory_mib < 0.6 * N / MIB
    assert cpu_s < 0.02 * N / MIB


@pytest.mark.parametrize("name", RECORDINGS)
def test_a_recording_costs_little_more_than_its_length(server: Server, name: str) -> None:
    memory_mib, cpu_s = cost(server, *RECORDINGS[name])
    assert memory_mib < 3.5 * N / MIB
    assert cpu_s < 0.06 * N / MIB
