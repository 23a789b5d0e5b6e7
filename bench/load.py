"""Load generator: concurrent clients for a server."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import urllib3

from bench.processes import usage
from tests.conftest import multipart

PATIENCE_S = 300.0


@dataclass(frozen=True)
class Load:
    """Measurements of a series of requests.

    Attributes
    ----------
    latencies_s : list of float
        Seconds from each request to its response.
    lasted_s : float
        Seconds from the first request to the last response.
    cpu_s : float
        Seconds of CPU used by all processes of the server.
    memory_mb : tuple of float
        Memory of the server before and after, in MB.
    """

    latencies_s: list[float]
    lasted_s: float
    cpu_s: float
    memory_mb: tuple[float, float]

    @property
    def cpu_ms_each(self) -> float:
        """Milliseconds of CPU for each request."""
        return 1000 * self.cpu_s / len(self.latencies_s)

    @property
    def answers_per_s(self) -> float:
        """Responses a second."""
        return len(self.latencies_s) / self.lasted_s

    def latency_ms(self, percent: float) -> float:
        """Return a percentile of the latencies in milliseconds."""
        return float(1000 * np.percentile(self.latencies_s, percent))


class Client:
    """HTTP client for recordings, with a new connection for each.

    The server may close a kept-alive connection just as the next request is on its way.

    Parameters
    ----------
    url : str
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = urllib3.PoolManager(maxsize=64, retries=False, timeout=PATIENCE_S)

    def send(self, path: str, data: bytes, name: str = "clip.wav") -> urllib3.BaseHTTPResponse:
        """Upload a recording and return the response.

        Parameters
        ----------
        path : str
            Path of the endpoint.
        data : bytes
            Bytes of the recording.
        name : str
            Name of the file.
        """
        body, content_type = multipart(data, name)
        headers = {"Content-Type": content_type, "Connection": "close"}
        return self._pool.request("POST", self._url + path, body=body, headers=headers)

    def seconds(self, path: str, data: bytes) -> float:
        """Return the latency of one upload in seconds.

        Raises
        ------
        RuntimeError
            The status of the response is not 200.
        """
        began_s = time.perf_counter()
        response = self.send(path, data)
        if response.status != 200:
            raise RuntimeError(f"{path} answered {response.status}: {response.data[:300]!r}")
        return time.perf_counter() - began_s


def put_load(
    url: str, pid: int, path: str, clips: Sequence[bytes], n_requests: int, n_at_once: int
) -> Load:
    """Send requests with one clip after the other, and measure them.

    Parameters
    ----------
    url : str
        URL of the server.
    pid : int
        Process id of the server.
    path : str
        Path of the endpoint.
    clips : sequence of bytes
        Recordings to send in turn.
    n_requests : int
        Number of requests.
    n_at_once : int
        Number of concurrent requests.
    """
    client = Client(url)
    before = usage(pid)
    began_s = time.perf_counter()
    with ThreadPoolExecutor(n_at_once) as pool:
        chosen = [clips[index % len(clips)] for index in range(n_requests)]
        latencies_s = list(pool.map(lambda clip: client.seconds(path, clip), chosen))
    lasted_s = time.perf_counter() - began_s
    after = usage(pid)
    memory_mb = before.memory_mb, after.memory_mb
    return Load(latencies_s, lasted_s, after.cpu_s - before.cpu_s, memory_mb)
