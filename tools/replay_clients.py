"""Replay the requests of existing clients to a running server.

``python -m tools.replay_clients URL CLIP`` prints a table. It exits with 1 if a response lacks
anything read by a client. Additional fields are ignored.
"""

import argparse
import base64
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

SEVEN = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
EIGHT = ("angry", "calm", "disgust", "fearful", "happy", "neutral", "sad", "surprised")
PNG = b"\x89PNG\r\n\x1a\n"
TIMEOUT_S = 120


class Unexpected(Exception):
    """Response with a missing or wrong part."""


@dataclass(frozen=True)
class Clip:
    """Recording to upload."""

    name: str
    data: bytes

    def as_file(self, field: str) -> dict[str, Any]:
        """Return the `requests` arguments of a multipart upload."""
        return {"files": {field: (self.name, self.data)}}

    def as_base64(self, prefix: str = "") -> dict[str, Any]:
        """Return the `requests` arguments of a JSON upload."""
        return {"json": {"audio": prefix + base64.b64encode(self.data).decode("ascii")}}


class Server:
    """HTTP client for a server at a URL."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()

    def send(self, method: str, path: str, status: int = 200, **more: Any) -> requests.Response:
        """Send a request and return the response.

        Parameters
        ----------
        method : str
        path : str
        status : int
            Expected status code.
        **more
            Further arguments of `requests.request`.

        Raises
        ------
        Unexpected
            The status code is another one.
        """
        url = f"{self._url}/{path.lstrip('/')}"
        response = self._session.request(
            method, url, timeout=TIMEOUT_S, allow_redirects=False, **more
        )
        if response.status_code != status:
            raise Unexpected(f"status {response.status_code}: {response.text[:200].strip()}")
        return response


def main() -> int:
    """Replay all clients and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("url", help="where the server is, such as http://127.0.0.1:5000")
    parser.add_argument("clip", type=Path, help="a recording of somebody speaking")
    options = parser.parse_args()
    clip = Clip(options.clip.name, options.clip.read_bytes())
    rows = replay(options.url, clip)
    width = max(len(name) for name, _ in rows)
    for name, problem in rows:
        print(f"{name:{width}}  {'ok' if problem is None else f'FAILED: {problem}'}")
    n_failed = sum(problem is not None for _, problem in rows)
    print(f"{len(rows) - n_failed} of {len(rows)} calls answered as their clients expect.")
    return 1 if n_failed else 0


def replay(url: str, clip: Clip) -> list[tuple[str, str | None]]:
    """Run each call of `CALLS`; return its name and its problem, or None if it is right."""
    server = Server(url)
    rows: list[tuple[str, str | None]] = []
    for name, call in CALLS.items():
        try:
            call(server, clip)
            rows.append((name, None))
        except (Unexpected, requests.RequestException, LookupError, TypeError, ValueError) as error:
            rows.append((name, f"{type(error).__name__}: {error}"[:300]))
    return rows


# --- the calls ------------------------------------------------------------------------------


def _page(server: Server, clip: Clip) -> None:
    page = server.send("GET", "/", headers={"Accept": "text/html"})
    _expect("a page of HTML", "text/html" in page.headers["Content-Type"])


def _form(server: Server, clip: Clip) -> None:
    answer = server.send("POST", "/result", 303, **clip.as_file("file"))
    page = server.send("GET", answer.headers["Location"], headers={"Accept": "text/html"})
    _expect("a page of HTML", "text/html" in page.headers["Content-Type"])


def _upload(server: Server, clip: Clip) -> None:
    answer = server.send("POST", "/upload", **clip.as_file("file")).json()
    _shares(answer["probabilities"], SEVEN, 1.0, answer["predicted_emotion"])
    prefix, _, chart = answer["chart_url"].partition(",")
    _expect("a data URL", prefix == "data:image/png;base64")
    _png(base64.b64decode(chart, validate=True))


def _predict(server: Server, clip: Clip) -> None:
    answer = server.send("POST", "/predict", **clip.as_file("file")).json()
    _expect("the name of the file", answer["audio_file"] == clip.name)
    _prediction(server, answer)


def _record(server: Server, clip: Clip) -> None:
    for prefix in ("data:audio/wav;base64,", "data:audio/webm;codecs=opus;base64,", ""):
        answer = server.send("POST", "/record", **clip.as_base64(prefix)).json()
        _expect("a name of its own", answer["audio_file"].startswith("recording_"))
        _prediction(server, answer)


def _prediction(server: Server, answer: dict[str, Any]) -> None:
    _shares(answer["probabilities"], SEVEN, 1.0, answer["emotion"])
    for folder in ("/", "/static/"):
        _png(server.send("GET", folder + answer["visualization"]).content)


def _api_predict(server: Server, clip: Clip) -> None:
    answer = server.send("POST", "/api/predict", **clip.as_file("file")).json()
    _expect("the name of the file", answer["filename"] == clip.name)
    _shares(answer["probabilities"], SEVEN, 1.0, answer["emotion"])
    _expect(
        "the confidence to be the share of the emotion",
        answer["confidence"] == answer["probabilities"][answer["emotion"]],
    )


def _analyze(server: Server, clip: Clip) -> None:
    answer = server.send("POST", "/analyze", **clip.as_file("file")).json()
    _expect("success to be true", answer["success"] is True)
    _shares(answer["emotion_probs"], EIGHT, 100.0, answer["emotion"])
    _expect(
        "the confidence to be the share of the emotion",
        answer["confidence"] == answer["emotion_probs"][answer["emotion"]],
    )
    for plot in ("emotion_plot", "waveform_plot", "spectrogram_plot"):
        _png(base64.b64decode(answer[plot], validate=True))
    if answer["audio_path"] is not None:
        server.send("GET", answer["audio_path"])


def _classify_audio(server: Server, clip: Clip) -> None:
    for given, used in (("svm", "SVM"), ("cnn", "CNN"), ("other", "SVM")):
        form = {"model_type": given}
        answer = server.send("POST", "/classify_audio", data=form, **clip.as_file("audio")).json()
        _expect("one of eight emotions", answer["audio_emotion"] in EIGHT)
        _expect(f"{used} to be used", answer["model_used"] == used)


def _classify_audio_both(server: Server, clip: Clip) -> None:
    answer = server.send("POST", "/classify_audio_both", **clip.as_file("audio")).json()
    _expect("one of eight emotions", answer["svm_emotion"] in EIGHT)
    _expect("one of eight emotions", answer["cnn_emotion"] in EIGHT)


def _history(server: Server, clip: Clip) -> None:
    stored = server.send("POST", "/api/predict", **clip.as_file("file")).json()
    newest = server.send("GET", "/history").json()["history"][0]
    datetime.strptime(newest["timestamp"], "%Y-%m-%d %H:%M:%S")
    _expect("the newest first", newest["filename"] == stored["filename"])
    _expect("what was answered", newest["predicted_emotion"] == stored["emotion"])
    _expect("its confidence", newest["confidence"] == stored["confidence"])
    top = json.loads(newest["top_3_probabilities"])
    ranked = sorted(stored["probabilities"].items(), key=lambda item: -item[1])
    _expect("the three most probable", list(top.items()) == ranked[:3])


def _report(server: Server, clip: Clip) -> None:
    stored = server.send("POST", "/api/predict", **clip.as_file("file")).json()
    for name in (stored["filename"], stored["id"]):
        report = server.send("GET", f"/download-report/{quote(name)}")
        _expect("a PDF", report.content.startswith(b"%PDF-"))
        _expect("its type", report.headers["Content-Type"] == "application/pdf")
        _expect("a download", report.headers["Content-Disposition"].startswith("attachment"))


def _models_info(server: Server, clip: Clip) -> None:
    answer = server.send("GET", "/models/info").json()
    for field in ("model_type", "n_features", "trained_on", "feature_type", "scaler"):
        _expect(f"a {field}", bool(answer[field]))
    _expect("the emotions", set(SEVEN) <= set(answer["classes"]))


def _health(server: Server, clip: Clip) -> None:
    _expect("status ok", server.send("GET", "/health").json()["status"] == "ok")


def _documents(server: Server, clip: Clip) -> None:
    paths = server.send("GET", "/openapi.json").json()["paths"]
    _expect("/upload among the paths", "post" in paths["/upload"])
    page = server.send("GET", "/docs", headers={"Accept": "text/html"})
    _expect("a page of HTML", "text/html" in page.headers["Content-Type"])


def _errors(server: Server, clip: Clip) -> None:
    for path, status in (("/upload", 400), ("/analyze", 400), ("/nothing", 404)):
        answer = server.send("POST", path, status).json()
        _expect("an error in words", isinstance(answer["error"], str))
        _expect("the status again", answer["status"] == status)


CALLS: dict[str, Callable[[Server, Clip], None]] = {
    "GET / (browser)": _page,
    "POST /result (form)": _form,
    "POST /upload": _upload,
    "POST /predict": _predict,
    "POST /record": _record,
    "POST /api/predict": _api_predict,
    "POST /analyze": _analyze,
    "POST /classify_audio": _classify_audio,
    "POST /classify_audio_both": _classify_audio_both,
    "GET /history": _history,
    "GET /download-report/<filename>": _report,
    "GET /models/info": _models_info,
    "GET /health": _health,
    "GET /openapi.json, GET /docs": _documents,
    "errors": _errors,
}


# --- checks of responses --------------------------------------------------------------------


def _expect(what: str, is_so: bool) -> None:
    if not is_so:
        raise Unexpected(f"expected {what}")


def _shares(shares: dict[str, float], names: tuple[str, ...], whole: float, best: str) -> None:
    """Check the emotions' shares: their names, their sum, and the largest as the named emotion."""
    _expect(f"the emotions {', '.join(names)}", set(shares) == set(names))
    _expect(f"a sum of {whole:g}", abs(sum(shares.values()) - whole) < 1e-3 * whole)
    _expect("the emotion with the largest share to be named", shares[best] == max(shares.values()))


def _png(data: bytes) -> None:
    _expect("a PNG", data.startswith(PNG))


if __name__ == "__main__":
    sys.exit(main())
