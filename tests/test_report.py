"""The PDF, read back and drawn."""

import io
import re
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pypdf
import pypdfium2
import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests import samples, sounds
from tests.conftest import upload
from tests.test_error_shape import assert_error
from undertone.drawing.report import report
from undertone.emotions import EMOTIONS
from undertone.prediction import Analysis, Prediction, Segment
from undertone.recognition.model_store import ModelInfo, load_info
from undertone.sound.audio import Audio
from undertone.sound.spectrogram import mel_spectrogram
from undertone.web.languages import words

SHARES = {"sad": 0.52, "angry": 0.3, "happy": 0.15, "calm": 0.028, "fear": 0.002}
SAD = Prediction("sad", 0.52, SHARES, "encoder", False)
NAMES = [
    "Gespräch, Teil 3 (ü).wav",
    "Łódź Привет Ωμέγα.wav",
    "采访录音 録音ファイル 녹음.m4a",
    "नमस्ते क्षत्रिय.wav",
    "บันทึกเสียงที่นี่.mp3",
    "பதிவு.wav",
]


@pytest.fixture(scope="module")
def info() -> ModelInfo:
    return load_info("encoder")


@pytest.fixture(scope="module")
def analysis(info: ModelInfo) -> Analysis:
    return samples.analysis(
        filename="interview.wav",
        duration_s=4.0,
        speech_s=3.2,
        prediction=SAD,
        segments=(),
        model_id=info.id,
        envelope=tuple(np.abs(np.sin(np.arange(240) / 9))),
        profile={"pitch_median_hz": 182.4, "syllables_per_s": 3.1, "loudness_dbfs": -24.0},
        spectrogram=mel_spectrogram(Audio(sounds.voice(4.0))),
    )


def read(pdf: bytes) -> list[str]:
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages]


def drawn(pdf: bytes, page: int = 0) -> np.ndarray:
    return np.asarray(pypdfium2.PdfDocument(pdf)[page].render(scale=1.0).to_pil())


def test_it_says_what_was_heard_and_how_sure_that_is(analysis: Analysis, info: ModelInfo) -> None:
    pages = read(report(analysis, info))
    text = " ".join(" ".join(pages).split())
    for part in (
        "interview.wav", "4.0 s", "3.2 s", "21 November 2025, 12:30 UTC", analysis.id,
        "Heard in this voice", "Sad", "52 %", "not for decisions about people", "acted speech",
        "Angry 30.0 %", "Fear 0.2 %", "Overall tone: negative",
        "182 Hz", "85 to 155 Hz", "3.1 syllables/s", "−24 dBFS", "Baken & Orlikoff",
        "Emotions over time", "Waveform", "Mel spectrogram", "MFCC",
        info.id, "crema_d, nemo, ravdess, ravdess_song, tess",
    ):  # fmt: skip
        assert part in text, part
    for test, score in info.scores.items():
        low, high = score["uar_interval_95"]
        uar, low, high = (f"{100 * share:.1f} %" for share in (score["uar"], low, high))
        figures = f"{test} {score['n_speakers']} {uar} {low} to {high}"
        assert figures in text
    for number, page in enumerate(pages, 1):
        assert f"page {number} of {len(pages)}" in page


def test_it_knows_what_it_is(analysis: Analysis) -> None:
    document = pypdf.PdfReader(io.BytesIO(report(analysis, None)))
    assert document.metadata.title == "Emotion in the voice: interview.wav"
    assert document.metadata.author == "Undertone"
    assert document.trailer["/Root"]["/Lang"] == "en"


def test_it_is_in_the_language_that_is_asked_for(analysis: Analysis, info: ModelInfo) -> None:
    many = replace(analysis, duration_s=63.0, segments=windows(20, lambda k: "sad"))
    pdf = report(many, info, words("de"))
    pages = read(pdf)
    text = " ".join(" ".join(pages).split())
    for part in (
        "Bericht über eine Aufnahme", "1:03 min", "3,2 s", "21. November 2025, 12:30 UTC",
        "In dieser Stimme zu hören", "Trauer", "52 %", "nicht für Entscheidungen über Menschen",
        "Gefühl Wahrscheinlichkeit", "Wut 30,0 %", "Angst 0,2 %", "Grundton: negativ (−0,",
        "182 Hz", "3,1 Silben/s", "−24 dBFS", "1,6 bis 3,6 in der Sekunde", "neutrale Sätze",
        "Gefühle im Lauf der Zeit", "Wellenform", "Mel-Spektrogramm", "Nr. 4", "−2,5 SD",
        "„encoder“, Version", "cremad-si, 6 Gefühle", "Fenster für Fenster",
    ):  # fmt: skip
        assert part in text, part
    # Not a word is left in English.
    for word in ("the", "of", "and", "to", "emotions", "speech", "page", "Sad", "Angry"):
        assert not re.search(rf"\b{word}\b", text.replace("Measurement of Speech and Voice", "")), (
            word
        )
    for number, page in enumerate(pages, 1):
        assert f"Seite {number} von {len(pages)}" in page
    document = pypdf.PdfReader(io.BytesIO(pdf))
    assert document.metadata.title == "Gefühl in der Stimme: interview.wav"
    assert document.trailer["/Root"]["/Lang"] == "de"


def test_the_address_names_its_language(app: Flask) -> None:
    app.extensions["undertone"].history.add(samples.analysis())
    for query, language, heard in (("", "en", "Heard"), ("?lang=de", "de", "zu hören")):
        response = app.test_client().get(
            f"/download-report/id0000{query}", headers={"Accept-Language": "de"}
        )
        assert heard in read(response.data)[0]
        assert response.headers["Content-Language"] == language


def test_a_guess_is_called_one(analysis: Analysis, info: ModelInfo) -> None:
    guess = replace(analysis, prediction=replace(SAD, uncertain=True))
    text = read(report(guess, info))[0]
    assert "This is a guess. Closest to" in text
    assert "Heard in this voice" not in text


@pytest.mark.parametrize("change", [{}, {"model_id": ""}])
def test_another_models_accuracy_is_not_given(
    analysis: Analysis, info: ModelInfo, change: dict[str, str]
) -> None:
    other = replace(analysis, **({"model_id": "0123456789ab"} | change))
    for known in (info, None):
        text = " ".join(" ".join(read(report(other, known))).split())
        assert "not the one installed today" in text
        assert "emobox" not in text


@pytest.mark.parametrize("name", NAMES)
def test_names_in_any_script_can_be_copied(analysis: Analysis, name: str) -> None:
    assert name in read(report(replace(analysis, filename=name), None))[0]


@pytest.mark.parametrize("name", ["تسجيل صوتي (12).wav", "הקלטה 3.wav"])
def test_words_from_right_to_left_can_be_copied(analysis: Analysis, name: str) -> None:
    pdf = report(replace(analysis, filename=name), None)
    text = read(pdf)[0]
    assert all(word in text for word in name.split(" ")[:-1])
    assert name in pypdf.PdfReader(io.BytesIO(pdf)).metadata.title


HARD = [
    "نسخة", "😀🎤", "e\u0301\ufe0f", "\U00012000\u0f40", "$a$b$", "\\frac", "<b>&amp;", "\u202e",
    "\ue000", "\ud800", "क" + "\u0900" * 50, "文" * 200, "س" * 200, "x" * 200, "",
]  # fmt: skip


@pytest.mark.parametrize("name", HARD)
def test_no_name_is_an_error(analysis: Analysis, name: str) -> None:
    pdf = report(replace(analysis, filename=name), None)
    plain = drawn(report(replace(analysis, filename="."), None))
    here = slice(50, 78)
    is_seen = any(unicodedata.category(c) not in ("Cf", "Cs") for c in name)
    assert ((drawn(pdf)[here] < 100).sum() > (plain[here] < 100).sum()) == is_seen


def test_the_name_stays_on_the_page(analysis: Analysis) -> None:
    for name in ("W" * 200, "文" * 200):
        page = drawn(report(replace(analysis, filename=name), None))
        assert (page[:, :45] == 255).all() and (page[:, -45:] == 255).all()


def test_charts_are_in_the_emotions_colours(analysis: Analysis) -> None:
    page = drawn(report(analysis, None)).astype(int)
    for name in ("sad", "angry", "happy"):
        colour = [int(EMOTIONS[name].colour[i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(page - colour).max(axis=2) < 12).sum() > 100, name


def windows(count: int, label_of: Callable[[int], str]) -> tuple[Segment, ...]:
    return tuple(
        Segment(3.0 * k, 3.0 * k + 6.0, replace(SAD, label=label_of(k))) for k in range(count)
    )


def test_a_few_windows_are_listed_one_by_one(analysis: Analysis) -> None:
    heard = replace(analysis, duration_s=63.0, segments=windows(20, lambda k: "sad"))
    text = " ".join(read(report(heard, None))[-1].split())
    assert "0:57 1:03 Sad 52 % Angry, 30 %" in text


def test_many_windows_are_listed_as_runs_over_several_pages(analysis: Analysis) -> None:
    def label_of(number: int) -> str:
        return "sad" if number % 6 < 4 else "angry"

    heard = replace(analysis, duration_s=1803.0, segments=windows(600, label_of))
    pages = read(report(heard, None))
    listing = [page for page in pages if "Probability" in page and "Windows" in page]
    assert 3 <= len(listing) <= 6
    assert "0:00 0:15 Sad 52 % 4" in " ".join(listing[0].split())
    assert all("From" in page for page in listing)  # the heading is on each page


def test_an_old_analysis_has_a_report_too(analysis: Analysis) -> None:
    old = replace(analysis, profile={}, spectrogram=None, model_id="")
    text = " ".join(read(report(old, None)))
    assert "Waveform" in text
    assert "Mel spectrogram" not in text and "The voice" not in text


def test_reports_can_be_written_at_the_same_time(analysis: Analysis) -> None:
    with ThreadPoolExecutor(4) as pool:
        pdfs = list(
            pool.map(lambda name: report(replace(analysis, filename=name), None), NAMES * 2)
        )
    for name, pdf in zip(NAMES * 2, pdfs, strict=True):
        assert name in read(pdf)[0]


def test_download_by_name_and_by_id(app: Flask, voice_wav: bytes) -> None:
    client = app.test_client()
    older, newer = (
        client.post("/upload", **upload(voice_wav, "same name.wav")).get_json()["id"]
        for _ in range(2)
    )
    response = client.get("/download-report/same name.wav")
    assert response.status_code == 200
    assert response.mimetype == "application/pdf"
    assert newer in " ".join(read(response.data))
    assert older in " ".join(read(client.get(f"/download-report/{older}").data))


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("clip.wav", 'attachment; filename="Undertone - clip.pdf"'),
        ('a"b;c.wav', 'attachment; filename="Undertone - a\\"b;c.pdf"'),
        ("录音.wav", "attachment; filename=\"Undertone - .pdf\"; "
                     "filename*=UTF-8''Undertone%20-%20%E5%BD%95%E9%9F%B3.pdf"),
    ],
)  # fmt: skip
def test_the_files_name_is_safe(app: Flask, name: str, header: str) -> None:
    app.extensions["undertone"].history.add(samples.analysis(filename=name))
    response = app.test_client().get("/download-report/id0000")
    assert response.headers["Content-Disposition"] == header


def test_no_such_report(client: FlaskClient) -> None:
    assert_error(client.get("/download-report/none.wav"), 404, "analysis-not-found")
    assert_error(client.get("/download-report/"), 404, "not-found")
