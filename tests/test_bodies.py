"""What is accepted of a request's body, and what is said of the rest."""

import base64
import gzip
import io
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from tests import sounds
from tests.conftest import multipart, upload, wav
from tests.live import Server, running_server
from tests.test_error_shape import assert_error
from undertone.errors import NotBase64, NotJson, UndertoneError
from undertone.web import json_body
from undertone.web.base64_text import RecordingText
from undertone.web.body_errors import CutOff
from undertone.web.json_body import read_json
from undertone.web.part_names import decoded

VOICE = wav(sounds.voice(2.0))
BASE64 = base64.b64encode(VOICE).decode()
# Its base64 holds '+' and '/', and takes padding.
AUDIO = VOICE + b"\xfb\xff\xbf\xfe\x3e" * 20
STANDARD = base64.b64encode(AUDIO).decode()
FORM = "application/x-www-form-urlencoded"


def decode(*pieces: str) -> bytes:
    """Bytes of text that comes in pieces."""
    file = io.BytesIO()
    text = RecordingText(file.write)
    for piece in pieces:
        text.feed(piece)
    text.end()
    return file.getvalue()


class TestBase64:
    @given(
        st.binary(max_size=200),
        st.booleans(),
        st.booleans(),
        st.sampled_from(["", "\n", "\r\n"]),
        st.sampled_from(
            ["", "data:;base64,", "data:video/webm;codecs=vp8,opus;base64,",
             'data:audio/ogg;codecs="a,b;c";base64,', "DATA:audio/wav;BASE64,",
             "\n data:x; base64 ,",
             "data:audio/webm;codecs=opus;x=" + "y" * 300 + ";base64,"]
        ),
        st.data(),
    )  # fmt: skip
    def test_every_way_to_write_it(
        self, data: bytes, url_safe: bool, padded: bool, line_end: str, head: str, draw: Any
    ) -> None:
        encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
        text = encode(data).decode()
        text = text if padded else text.rstrip("=")
        if line_end:
            text = line_end.join(text[n : n + 76] for n in range(0, len(text), 76)) + line_end
        text = head + text
        cuts = sorted(draw.draw(st.lists(st.integers(0, len(text)), max_size=4)))
        starts, ends = [0, *cuts], [*cuts, len(text)]
        assert decode(*(text[a:b] for a, b in zip(starts, ends, strict=True))) == data

    @given(st.binary(min_size=3, max_size=100), st.data())
    def test_damage_is_never_decoded(self, data: bytes, draw: Any) -> None:
        text = base64.b64encode(data).decode()
        at = draw.draw(st.integers(1, len(text.rstrip("=")) - 2))
        for damaged in (
            text[:at] + " " + text[at:],
            text[:at] + "\t" + text[at + 1 :],
            text[:at] + draw.draw(st.sampled_from("*%é.,:;\0\ud800")) + text[at + 1 :],
            text[:at] + "=" + text[at + 1 :],
            text + "=",
            text.rstrip("=") + "=QUJD",
            text[:at] + "+-" + text[at:],
            text[:at] + "_" + text[at:] + "/",
            "data:audio/wav," + text,
            "data:audio/wav;base64" + text,
            "data:" + "x" * 500 + ";base64," + text,
        ):
            with pytest.raises(NotBase64):
                decode(damaged)
            with pytest.raises(NotBase64):
                decode(damaged[:at], damaged[at:])

    @pytest.mark.parametrize(
        "text", ["QUJDR", "Q", "QUJD=", "QQ=", "QQ===", "QQ==QQ==", "=", "===="]
    )
    def test_lengths_that_are_none(self, text: str) -> None:
        with pytest.raises(NotBase64):
            decode(text)

    def test_a_plus_at_the_end_that_became_a_blank(self) -> None:
        assert decode("QUJ+") == b"AB~"
        with pytest.raises(NotBase64):
            decode("QUJ ")
        assert decode("QUJD ") == b"ABC"  # nothing is missing

    def test_what_form_encoding_does_to_it_is_named(self) -> None:
        with pytest.raises(NotBase64, match="'\\+' becomes a blank"):
            decode(STANDARD.replace("+", " "))


@pytest.mark.parametrize(
    "text",
    [
        f"data:video/webm;codecs=vp8,opus;base64,{STANDARD}",
        base64.urlsafe_b64encode(AUDIO).decode().rstrip("="),
        base64.encodebytes(AUDIO).decode().replace("\n", "\r\n"),
    ],
)
def test_record_takes_it(client: FlaskClient, text: str) -> None:
    plain = client.post("/record", json={"audio": STANDARD}).get_json()
    response = client.post("/record", json={"audio": text})
    assert response.status_code == 200
    assert response.get_json()["probabilities"] == plain["probabilities"]


def test_record_refuses_it(client: FlaskClient) -> None:
    for text in (STANDARD.replace("+", " "), STANDARD.replace("+", "-"), STANDARD[:101]):
        assert_error(client.post("/record", json={"audio": text}), 400, "not-base64")


def read(body: bytes, piece_bytes: int = 64 * 1024) -> Any:
    """The JSON, with the recording as bytes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_body, "PIECE_BYTES", piece_bytes)
        document = read_json(io.BytesIO(body), io.BytesIO)
    if isinstance(document, dict) and hasattr(document.get("audio"), "stream"):
        document["audio"] = document["audio"].read()
    return document


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["audio", "x", '"', "\\", "ż", "{"]), inner, max_size=4)
    ),
    max_leaves=12,
)


class TestJson:
    @given(
        st.dictionaries(st.text(max_size=5), JSON, max_size=5),
        st.binary(max_size=50),
        st.sampled_from([None, 2]),
        st.booleans(),
        st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
        st.integers(4, 40),
    )
    def test_as_any_reader_but_for_the_recording(
        self, others: dict[str, Any], data: bytes, indent: int | None, ascii_: bool, encoding: str,
        piece_bytes: int,
    ) -> None:  # fmt: skip
        encoded = base64.b64encode(b"x" + data).decode()
        document = {
            **others,
            "audio": encoded,
            **{f"{name} ": each for name, each in others.items()},
        }
        text = json.dumps(document, indent=indent, ensure_ascii=ascii_)
        assert read(text.encode(encoding), piece_bytes) == {**document, "audio": b"x" + data}

    @given(JSON, st.integers(1, 40))
    def test_without_a_recording_nothing_is_changed(self, document: Any, piece_bytes: int) -> None:
        if isinstance(document, dict):
            document.pop("audio", None)
        body = json.dumps(document).encode()
        assert read(body, max(4, piece_bytes)) == document

    @given(st.binary(max_size=40), st.integers(4, 20))
    def test_any_bytes_are_read_or_refused(self, body: bytes, piece_bytes: int) -> None:
        for each in (body, b'{"audio":' + body, b'{"audio":"' + body + b'"}'):
            try:
                read(each, piece_bytes)
            except UndertoneError as error:
                assert error.status == 400

    @pytest.mark.parametrize("piece_bytes", range(4, 30))
    def test_escapes(self, piece_bytes: int) -> None:
        for text in (
            STANDARD.replace("/", "\\/"),  # PHP
            STANDARD.replace("+", "\\u002B"),  # .NET
            STANDARD.replace("+", "\\u002b").replace("/", "\\u002F"),
            base64.encodebytes(AUDIO).decode().replace("\n", "\\r\\n"),
        ):
            head = "data:video\\/webm;codecs=vp8,opus;base64,"
            body = '{ "\\u0061udio" :\n "' + head + text + '" , "model": "x"}'
            if piece_bytes < 29:
                body = body.replace(text, text[:500] + text[:500].count("=") * "")
                body = body.replace(text[:500], "QUJDR\\/\\u002B\\/")
                assert read(body.encode(), piece_bytes)["audio"] == decode("QUJDR/+/")
            else:
                assert read(body.encode()) == {"audio": AUDIO, "model": "x"}

    @pytest.mark.parametrize(
        "body",
        ['{"audio": "QUJD', '{"audio": "QUJD\\', '{"audio": "' + "QUJD" * 50_000],
    )
    def test_cut_off(self, body: str) -> None:
        with pytest.raises(CutOff, match="cut off"):
            read(body.encode())

    @pytest.mark.parametrize(
        "body",
        ['{"audio": "QU\\xJD"}', '{"audio": "QU\\u00zzQQQQQQ"}', '{"audio": "QUJD"',
         '{"audio" "x"}',
         '{"audio": "QUJD"}}', '{"audio": "QUJD"} x', '[{"audio": "x"}', '{"audio": "QUJD",}',
         '{"a" "audio": "QUJD"}', "{:", '{"audio::', "\ufeff"],
    )  # fmt: skip
    def test_no_json(self, body: str) -> None:
        with pytest.raises(NotJson):
            read(body.encode())

    def test_only_the_top_levels_audio_is_one(self) -> None:
        for body in ('{"x": {"audio": "*"}}', '[{"audio": "*"}]', '"audio"', '{"audio": ["*"]}',
                     '{"x": "audio", "y": "*"}', '{"audio": {"audio": "*"}}'):  # fmt: skip
            assert read(body.encode()) == json.loads(body)

    def test_twice(self, client: FlaskClient) -> None:
        body = '{"audio": "QUJD", "audio": "QUJD"}'
        response = client.post("/record", data=body, content_type="application/json")
        assert_error(response, 400, "bad-request")
        assert "twice" in response.get_json()["error"]

    def test_much_beside_the_recording(self) -> None:
        body = json.dumps({"a": "x" * 60_000, "audio": STANDARD, "b": "y" * 5000}).encode()
        assert read(body)["audio"] == AUDIO
        for text in ("x" * 70_000, ["x"] * 20_000, {str(n): n for n in range(9999)}):
            for document in ({"a": text, "audio": STANDARD}, {"audio": STANDARD, "a": text}):
                with pytest.raises(NotJson, match="64 kB"):
                    read(json.dumps(document).encode())


NAMES = {
    "utf-8": "запись 录音.wav",
    "latin-1": "résumé Größe.wav",
    "cp1252": "“naïve” – 1€.wav",
    "cp932": "録音データ 表示ソ.wav",
}


def part(disposition: bytes, data: bytes = VOICE, headers: bytes = b"") -> dict[str, Any]:
    """Arguments of a test client's `post` for a form of one part."""
    body = b"--b\r\nContent-Disposition: form-data" + disposition + b"\r\n" + headers
    return {
        "data": body + b"\r\n" + data + b"\r\n--b--\r\n",
        "content_type": "multipart/form-data; boundary=b",
    }


class TestForms:
    @pytest.mark.parametrize("encoding", NAMES)
    def test_names_in_other_encodings(self, client: FlaskClient, encoding: str) -> None:
        name = NAMES[encoding].encode(encoding)
        response = client.post("/upload", **part(b'; name="file"; filename="' + name + b'"'))
        assert response.status_code == 200
        assert response.get_json()["filename"] == NAMES[encoding]

    @given(st.binary(max_size=30))
    def test_names_of_any_bytes(self, data: bytes) -> None:
        assert isinstance(decoded(data), str)
        assert decoded("żółć".encode(), "utf-8") == "żółć"

    @pytest.mark.parametrize("encoding", NAMES)
    @pytest.mark.parametrize("plain", [b"", b'; filename="plain.wav"'])
    def test_extended_names(self, client: FlaskClient, encoding: str, plain: bytes) -> None:
        quoted = "".join(f"%{byte:02X}" for byte in NAMES[encoding].encode(encoding))
        extended = f"; filename*={encoding}'en'{quoted}".encode()
        for disposition in (extended + plain, plain + extended):
            response = client.post("/upload", **part(b'; name="file"' + disposition))
            assert response.get_json()["filename"] == NAMES[encoding]

    def test_extended_names_that_say_nothing(self, client: FlaskClient) -> None:
        for value in (b"hex''6162.wav", b"nonesuch''a.wav", b"utf-8''%ff.wav", b"''a.wav",
                      b"punycode''a" + b"%80" * 5000):  # fmt: skip
            request = part(b'; name="file"; filename*=' + value)
            assert client.post("/upload", **request).status_code == 200

    @pytest.mark.parametrize("field", ["file", "audio"])
    def test_a_part_without_a_file_name(self, client: FlaskClient, field: str) -> None:
        path = "/upload" if field == "file" else "/classify_audio"
        request = part(f'; name="{field}"'.encode())
        response = client.post(path, **request)
        assert response.status_code == 200
        assert response.get_json()["filename"] == "recording"
        assert client.post("/result", **part(b'; name="file"')).status_code == 303
        job = client.post("/jobs", **part(b'; name="file"'))
        assert job.status_code == 202
        assert job.get_json()["items"][0]["filename"] == "recording"

    def test_a_part_without_a_name(self, client: FlaskClient) -> None:
        for disposition in (b"", b'; filename="a.wav"'):
            response = client.post("/upload", **part(disposition))
            assert_error(response, 400, "missing-file")

    @pytest.mark.parametrize(
        ("boundary", "parameter"),
        [
            ("b", '"b"'), ("a b;c,d", '"a b;c,d"'), ("==_Part_0?=:/(x)", "==_Part_0?=:/(x)"),
            ('q"uote', '"q\\"uote"'), ("żółć", "żółć"), ("x" * 70, "x" * 70), ("a.*+[b", "a.*+[b"),
            ("----WebKitFormBoundary7MA4", "----WebKitFormBoundary7MA4; charset=utf-8"),
        ],
    )  # fmt: skip
    def test_boundaries(self, client: FlaskClient, boundary: str, parameter: str) -> None:
        body, _ = multipart(VOICE)
        response = client.post(
            "/upload",
            data=body.replace(b"--undertone", b"--" + boundary.encode()),
            environ_overrides={
                "CONTENT_TYPE": f"Multipart/Form-Data; BOUNDARY = {parameter}".encode().decode(
                    "latin-1"
                )
            },
        )
        assert response.status_code == 200, response.get_json()

    @pytest.mark.parametrize(
        "content_type",
        ["multipart/form-data", "multipart/form-data; boundary", "multipart/form-data; boundary=",
         'multipart/form-data; boundary=""', "multipart/form-data; boundary=other",
         "multipart/form-data; charset=utf-8"],
    )  # fmt: skip
    @pytest.mark.parametrize("path", ["/upload", "/classify_audio", "/result", "/jobs"])
    def test_without_its_boundary(self, client: FlaskClient, content_type: str, path: str) -> None:
        response = client.post(path, data=multipart(VOICE)[0], content_type=content_type)
        assert_error(response, 400, "form-damaged")
        assert "boundary" in response.get_json()["error"]

    @pytest.mark.parametrize("path", ["/upload", "/result", "/jobs"])
    def test_cut_off_anywhere(self, client: FlaskClient, path: str) -> None:
        body, content_type = multipart(VOICE, model="encoder")
        start = body.index(b"\r\n") + 2
        for n_bytes in (start + 3, start + 60, 200, 300, len(body) // 2, len(body) - 20):
            response = client.post(path, data=body[:n_bytes], content_type=content_type)
            assert_error(response, 400, "cut-off")
            assert "cut off" in response.get_json()["error"]
        assert_error(client.post(path, data=b"", content_type=content_type), 400, "missing-file")

    def test_an_end_that_is_not_marked_as_one(self, client: FlaskClient) -> None:
        body, content_type = multipart(VOICE)
        for end in (b"--undertone--", b"--undertone\r\n", b"--undertone\r\n--",
                    b"--undertone--\r\nepilogue" + bytes(200_000)):  # fmt: skip
            whole = body.replace(b"--undertone--\r\n", end)
            response = client.post("/upload", data=whole, content_type=content_type)
            assert response.status_code == 200

    def test_a_part_without_a_disposition(self, client: FlaskClient) -> None:
        body, content_type = multipart(VOICE)
        body = body.replace(b"Content-Disposition", b"Content-Description")
        response = client.post("/upload", data=body, content_type=content_type)
        assert_error(response, 400, "form-damaged")

    @pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "x" * 500])
    @pytest.mark.parametrize("path", ["/upload", "/record", "/jobs", "/result"])
    def test_compressed(self, client: FlaskClient, path: str, encoding: str) -> None:
        request = {"json": {"audio": BASE64}} if path == "/record" else upload(VOICE)
        if encoding == "gzip":
            body, kind = multipart(VOICE)
            request = {"data": gzip.compress(body), "content_type": kind}
        response = client.post(path, headers={"Content-Encoding": encoding}, **request)
        assert_error(response, 415, "encoding-refused")
        request = upload(VOICE) if path != "/record" else {"json": {"audio": BASE64}}
        response = client.post(path, headers={"Content-Encoding": "identity"}, **request)
        assert response.status_code < 400

    def test_a_part_in_base64(self, client: FlaskClient) -> None:
        disposition = b'; name="file"; filename="a.wav"'
        for encoding, status in ((b"base64", 415), (b"quoted-printable", 415), (b"BINARY", 200)):
            header = b"Content-Transfer-Encoding: " + encoding + b"\r\n"
            response = client.post("/upload", **part(disposition, headers=header))
            assert response.status_code == status

    def test_line_ends_of_one_character(self, client: FlaskClient) -> None:
        head = b'--b\nContent-Disposition: form-data; name="file"; filename="a.wav"\n\n'
        response = client.post(
            "/upload",
            data=head + VOICE + b"\n--b--\n",
            content_type="multipart/form-data; boundary=b",
        )
        assert response.status_code == 200

    @pytest.mark.parametrize("n_bytes", [1, 7, 100, 65_536])
    def test_however_it_is_cut_into_pieces(
        self, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, n_bytes: int
    ) -> None:
        monkeypatch.setattr("undertone.web.form_body.PIECE_BYTES", n_bytes)
        body, content_type = multipart(VOICE[:2000], "żółć.wav", labels="6", model="encoder")
        response = client.post("/upload", data=body, content_type=content_type)
        assert_error(response, 422, "recording-too-short")
        if n_bytes > 99:
            response = client.post("/upload", **upload(VOICE, labels="6"))
            assert len(response.get_json()["probabilities"]) == 6


def test_the_refusals_are_sentences_for_browsers_too(client: FlaskClient) -> None:
    response = client.post(
        "/result", data=multipart(VOICE)[0][:500], content_type=multipart(VOICE)[1],
        headers={"Accept": "text/html", "Accept-Language": "de"},
    )  # fmt: skip
    assert response.status_code == 400
    assert "nicht vollständig angekommen" in response.get_data(as_text=True)


class TestLimits:
    """Of everything that is no recording."""

    def test_routes_that_take_no_recording_take_no_large_body(self, app: Flask) -> None:
        client = app.test_client()
        tested, large = set(), bytes(70_000)
        for rule in app.url_map.iter_rules():
            takes_recording = rule.endpoint.startswith("api.") or rule.endpoint in (
                "result", "jobs.add",
            )  # fmt: skip
            if takes_recording or rule.websocket:
                continue
            path = rule.rule.replace("<path:filename>", "base.css")
            for name in rule.arguments:
                path = path.replace(f"<{name}>", "x")
            for method in rule.methods - {"OPTIONS", "HEAD"}:
                for kind in (FORM, "multipart/form-data; boundary=b", "application/json", "x/y"):
                    response = client.open(path, method=method, data=large, content_type=kind)
                    assert_error(response, 413, "request-too-large")
                tested.add(rule.endpoint)
        assert {
            "index",
            "static",
            "history.delete_all_form",
            "jobs.cancel",
            "server.health",
        } <= tested

    def test_forms_of_a_page_still_work(self, client: FlaskClient) -> None:
        data = {"search": "x" * 200, "emotion": ["happy", "sad"]}
        assert client.post("/history/delete", data=data).status_code == 303

    @pytest.mark.parametrize("path", ["/upload", "/predict", "/classify_audio", "/result", "/jobs"])
    @pytest.mark.parametrize(
        "make",
        [
            lambda n: (b"%" * n, FORM),
            lambda n: (b"a=1&" * (n // 4), FORM),
            lambda n: (b"%ff" * (n // 3), FORM),
            lambda n: (b"--b\r\nX: " + b"x" * n, "multipart/form-data; boundary=b"),
            lambda n: (b"x" * n, "multipart/form-data; boundary=b"),
            lambda n: (
                b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n' + b"x" * n
                + b"\r\n--b--",
                "multipart/form-data; boundary=b",
            ),
            lambda n: (
                b'--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n' * (n // 50),
                "multipart/form-data; boundary=b",
            ),
            lambda n: (
                b'--b\r\nContent-Disposition: form-data; name="x"' + b"\r\n ;a=b" * (n // 7)
                + b"\r\n\r\n1\r\n--b--",
                "multipart/form-data; boundary=b",
            ),
        ],
    )  # fmt: skip
    def test_large_forms(self, client: FlaskClient, path: str, make: Any) -> None:
        body, content_type = make(500_000)
        response = client.post(path, data=body, content_type=content_type)
        assert_error(response, 413, "request-too-large")

    def test_headers(self, app: Flask) -> None:
        client = app.test_client(use_cookies=False)
        for headers in ({"Cookie": "a=b; " * 14_000}, {"Accept": "a/b," * 20_000}):
            assert_error(client.get("/history", headers=headers), 413, "request-too-large")
        assert_error(client.get("/?" + "a=1&" * 20_000), 413, "request-too-large")
        assert client.get("/", headers={"Cookie": "a=b; " * 1500}).status_code == 200


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("data"), UNDERTONE_DECODERS="1") as running:
        yield running


class TestWire:
    """The same through a real server, which decodes headers and lengths itself."""

    @staticmethod
    def ask(server: Server, head: str, body: bytes) -> tuple[int, dict[str, Any]]:
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(
                f"POST {head}\r\nHost: localhost\r\nConnection: close\r\n".encode("latin-1")
                + b"\r\n"
                + body
            )
            connection.shutdown(socket.SHUT_WR)
            answer = b""
            while part := connection.recv(65_536):
                answer += part
        top, _, content = answer.partition(b"\r\n\r\n")
        return int(top.split()[1]), json.loads(content)

    def test_names_and_boundaries(self, server: Server) -> None:
        for encoding, name in NAMES.items():
            body = part(b'; name="file"; filename="' + name.encode(encoding) + b'"')["data"]
            head = (
                "/upload HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                f"Content-Length: {len(body)}"
            )
            status, answer = self.ask(server, head, body)
            assert (status, answer["filename"]) == (200, name)
        head = (
            f"/upload HTTP/1.1\r\nContent-Type: multipart/form-data\r\nContent-Length: {len(body)}"
        )
        assert self.ask(server, head, body)[1]["code"] == "form-damaged"

    def test_a_connection_that_ends_within_the_body(self, server: Server) -> None:
        body, content_type = multipart(VOICE)
        head = f"/upload HTTP/1.1\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}"
        for n_bytes in (0, 50, len(body) // 2, len(body) - 20):
            status, answer = self.ask(server, head, body[:n_bytes])
            assert (status, answer["code"]) == (400, "cut-off")

    def test_chunked(self, server: Server) -> None:
        body, content_type = multipart(VOICE)
        chunks = b"".join(
            b"%x\r\n%s\r\n" % (len(body[n : n + 9999]), body[n : n + 9999])
            for n in range(0, len(body), 9999)
        )
        head = f"HTTP/1.1\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked"
        assert self.ask(server, f"/upload {head}", chunks + b"0\r\n\r\n")[0] == 200
        status, answer = self.ask(server, f"/upload {head}", chunks[:20_000])
        assert status == 400
        status, answer = self.ask(server, f"/history/delete {head}", 3 * chunks + b"0\r\n\r\n")
        assert (status, answer["code"]) == (413, "request-too-large")
