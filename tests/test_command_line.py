"""``python -m undertone``: as a process where that matters, else in this one."""

import json
import os
import pty
import signal
import subprocess
import sys
import termios
import tracemalloc
from collections.abc import Iterator
from pathlib import Path, PurePath

import pytest
from pypdf import PdfReader

from tests import sounds
from tests.conftest import wav
from tests.live import Server, running_server
from tests.samples import ANALYSIS
from undertone.__main__ import open_recognizer
from undertone.cli import DONE, FAILED, INTERRUPTED, WRONG_USE
from undertone.cli.command_line import main
from undertone.cli.many import ReportPlaces, Work
from undertone.cli.sources import Source, find
from undertone.errors import UnknownModel
from undertone.settings import ROOT

COMMAND = [sys.executable, "-m", "undertone"]


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two voices, one of them long and under another kind's name; what is none; what is damaged."""
    folder = tmp_path_factory.mktemp("clips")
    (folder / "more").mkdir()
    (folder / "short.wav").write_bytes(wav(sounds.voice(2.0)))
    (folder / "more" / "long.mp3").write_bytes(wav(sounds.voice(14.0, 180)))
    (folder / "more" / "notes.wav").write_text("words")
    (folder / "tone.wav").write_bytes(wav(sounds.tone(1.0)))
    return folder


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with running_server(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(autouse=True)
def without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UNDERTONE_API_KEY", raising=False)


def run(*arguments: str | Path) -> int:
    return main([str(argument) for argument in arguments], open_recognizer)


def told(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def process(*arguments: str | Path, **more: object) -> subprocess.CompletedProcess[str]:
    """A process of its own, in another folder than the repository's."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=environ, cwd="/", capture_output=True, text=True, timeout=120, check=False, **more,
    )  # fmt: skip


def test_from_another_folder_with_all_that_can_happen(clips: Path, tmp_path: Path) -> None:
    done = process(clips, "none.wav", "--json", "--out", tmp_path / "out.jsonl")
    assert done.returncode == FAILED
    assert not done.stdout
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [Path(record["path"]).name for record in records] == [
        "short.wav", "tone.wav", "long.mp3", "none.wav",
    ]  # fmt: skip
    assert [record.get("code") for record in records] == [None, "no-speech", None, "file-unusable"]
    assert records[0]["duration_s"] == 2.0
    assert sum(records[2]["probabilities"].values()) == pytest.approx(1)
    errors = done.stderr.splitlines()
    assert errors[0].startswith(f"undertone: {clips}/tone.wav: In 1.0 s of sound")
    assert errors[0].endswith("[no-speech]")
    assert errors[-1] == "2 analysed, 2 failed, 1 passed over as no recordings"


def test_from_the_repository_with_the_standard_input(clips: Path) -> None:
    with (clips / "short.wav").open("rb") as file:
        done = subprocess.run(
            [*COMMAND, "-"], cwd=ROOT, stdin=file, capture_output=True, text=True, check=False
        )
    assert done.returncode == DONE
    assert done.stdout.splitlines()[1].endswith("2.0 s  -")
    assert not done.stderr


def test_nothing_is_kept_of_what_is_heard_here(clips: Path, tmp_path: Path) -> None:
    data_dir, home, elsewhere = (tmp_path / name for name in ("data", "home", "tmp"))
    for folder in (home, elsewhere):
        folder.mkdir()
    done = subprocess.run(
        [*COMMAND, str(clips / "short.wav"), "--quiet"],
        env={
            **os.environ, "UNDERTONE_DATA_DIR": str(data_dir), "HOME": str(home),
            "TMPDIR": str(elsewhere),
        },
        cwd=ROOT, check=False, capture_output=True,
    )  # fmt: skip
    assert done.returncode == DONE
    assert not data_dir.exists()
    assert not list(home.iterdir())
    assert not list(elsewhere.iterdir())


def test_a_table_by_default(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(clips / "short.wav", clips / "more", "--timeline") == DONE
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].split() == ["emotion", "sure", "length", "recording"]
    assert lines[1].endswith(f"2.0 s  {clips / 'short.wav'}")
    assert sum(" to " in line for line in lines) >= 4
    assert printed.err == "2 analysed, 0 failed, 1 passed over as no recordings\n"


def test_csv(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(clips / "short.wav", "--csv", "--labels", "6") == DONE
    head, row = capsys.readouterr().out.splitlines()
    cells = dict(zip(head.split(","), row.split(","), strict=True))
    assert cells["p_surprise"] == cells["p_calm"] == ""
    assert float(cells["p_angry"]) < 1


def test_a_choice_of_labels_and_model(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(clips / "short.wav", "--json", "--labels", "8", "--model", "encoder") == DONE
    [record] = told(capsys)
    assert len(record["probabilities"]) == 8
    assert record["model"] == "encoder"


def test_quiet_tells_only_what_was_heard(clips: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(clips, "--quiet") == FAILED
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 3
    assert not printed.err


@pytest.mark.parametrize("jobs", ["1", "3"])
def test_the_order_is_that_of_the_paths(
    clips: Path, jobs: str, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [clips / "more" / "long.mp3", clips / "tone.wav", clips / "short.wav"]
    assert run(*paths, "--json", "--jobs", jobs) == FAILED
    assert [record["path"] for record in told(capsys)] == list(map(str, paths))


def test_a_server_says_what_this_process_says(
    server: Server, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [clips, "--json", "--timeline", "--labels", "8"]
    assert run(*asked) == FAILED
    here = told(capsys)
    assert run(*asked, "--server", server.url) == FAILED
    there = told(capsys)
    assert [record["path"] for record in here] == [record["path"] for record in there]
    for one, other in zip(here, there, strict=True):
        for record in (one, other):
            record.pop("id", None), record.pop("created_at", None)
        assert one == other
    assert len(here[2]["segments"]) >= 3


def test_a_report_of_one_recording(
    server: Server, clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "new" / "report.pdf"
    for more in ([], ["--server", server.url]):
        assert run(clips / "short.wav", "--json", "--report", path, *more) == DONE
        [record] = told(capsys)
        assert record["report"] == str(path)
        text = "".join(page.extract_text() for page in PdfReader(path).pages)
        assert "short.wav" in text
        assert record["emotion"] in text.lower()
        path.unlink()


def test_reports_of_several_recordings(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(clips, "--json", "--report", tmp_path / "out.pdf") == FAILED
    written = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.pdf"))
    assert written == [f"out/{clips.name}/more/long.mp3.pdf", f"out/{clips.name}/short.wav.pdf"]
    reports = [record["report"] for record in told(capsys) if "report" in record]
    assert sorted(reports) == [str(tmp_path / name) for name in written]


def test_a_report_that_cannot_be_written(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    assert run(clips / "short.wav", "--json", "--report", tmp_path / "file" / "a.pdf") == FAILED
    [record] = told(capsys)
    assert record["code"] == "file-unusable"
    assert "a.pdf cannot be written: " in record["error"]


def test_no_report_takes_the_place_of_another() -> None:
    places = ReportPlaces(Path("out"), is_one=False)
    sources = [Source(path, PurePath("clip.wav"), True) for path in ("a/clip.wav", "b/clip.wav")]
    assert [str(places.of(s)) for s in sources] == ["out/clip.wav.pdf", "out/clip.wav (2).pdf"]


def test_the_model_of_a_server(
    server: Server, clips: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(clips / "short.wav", "--server", server.url, "--model", "none") == WRONG_USE
    assert "has no model named 'none'; it has encoder" in capsys.readouterr().err


def test_wrong_use_is_said_before_anything_is_done(
    clips: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def says(*arguments: str | Path) -> str:
        try:
            assert run(*arguments) == WRONG_USE
        except SystemExit as stop:
            assert stop.code == WRONG_USE
        printed = capsys.readouterr()
        assert not printed.out
        return printed.err

    assert "the following arguments are required: PATH" in says()
    assert "not allowed with argument --json" in says(clips, "--json", "--csv")
    assert "--key is for a --server" in says(clips, "--key", "x")
    assert "no number from 1 to 64" in says(clips, "--jobs", "0")
    assert "choose from 8, 7, 6" in says(clips, "--labels", "5").replace("'", "")
    assert "no model named 'none'" in says(clips, "--model", "none")
    assert "is no address" in says(clips, "--server", "somewhere")
    assert "cannot be written: Is a directory" in says(clips, "--out", clips)
    monkeypatch.setenv("UNDERTONE_MAX_UPLOAD_MB", "much")
    assert "UNDERTONE_MAX_UPLOAD_MB='much' cannot be used" in says(clips)


def test_nothing_to_analyse_is_no_success(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path) == FAILED
    assert capsys.readouterr().err == "0 analysed, 0 failed, 0 passed over as no recordings\n"


def test_a_file_over_the_limit_is_not_read(
    clips: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("UNDERTONE_MAX_UPLOAD_MB", "0.1")
    assert run(clips / "more" / "long.mp3", clips / "short.wav", "--json") == FAILED
    assert [record.get("code") for record in told(capsys)] == ["file-too-large", None]


def test_a_fault_of_ours_with_one_file_does_not_stop_the_rest(tmp_path: Path) -> None:
    class Faulty:
        def analyse(self, recording: bytes, filename: str, *_: object) -> object:
            return ANALYSIS if filename == "good.wav" else 1 / 0

    for name in ("bad.wav", "good.wav"):
        (tmp_path / name).write_bytes(b"RIFF\x04\0\0\0WAVE")
    bad, good = Work(Faulty(), 10_000).outcomes(find([str(tmp_path)]), 2)
    assert bad.error.code == "internal-error"
    assert "ZeroDivisionError" in bad.error.message
    assert good.analysis == ANALYSIS


def test_memory_does_not_grow_with_the_number_of_recordings(tmp_path: Path) -> None:
    """Each of 3000 recordings holds 100 kB; all of them would be 300 MB."""

    class Echo:
        def analyse(self, recording: bytes, *_: object) -> bytes:
            return recording

    (tmp_path / "clip.wav").write_bytes(b"RIFF\x04\0\0\0WAVE" + bytes(100_000))
    [source] = find([str(tmp_path / "clip.wav")])
    tracemalloc.start()
    n_bytes = [len(o.analysis) for o in Work(Echo(), 200_000).outcomes([source] * 3000, 2)]
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n_bytes == [100_012] * 3000
    assert peak_bytes < 10_000_000


def heed_interrupts() -> None:
    """Undo what a shell does to the programs it starts in the background: they ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize("started_by", [signal.SIG_DFL, signal.SIG_IGN])  # in front, behind
def test_interrupted_it_ends_with_what_was_done(
    clips: Path, tmp_path: Path, started_by: signal.Handlers
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)  # nobody writes to it: the second recording takes for ever
    usual = signal.signal(signal.SIGINT, started_by)
    with subprocess.Popen(
        [*COMMAND, str(clips / "short.wav"), str(pipe), "--json"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        preexec_fn=heed_interrupts,
    ) as running:  # fmt: skip
        signal.signal(signal.SIGINT, usual)
        first = running.stdout.readline()
        running.send_signal(signal.SIGINT)
        rest, errors = running.communicate(timeout=60)
    assert running.returncode == INTERRUPTED
    assert json.loads(first)["emotion"]
    assert not rest
    assert errors == ""


def test_who_reads_no_further_is_not_shouted_at(clips: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, str(clips / "short.wav"), "--quiet"],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as running:  # fmt: skip
        running.stdout.close()
        assert running.stderr.read() == ""
        assert running.wait(60) == FAILED


def test_a_terminal_sees_progress(clips: Path) -> None:
    screen, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 80))
    subprocess.run(
        [*COMMAND, str(clips / "short.wav"), str(clips / "more")],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=terminal, check=True,
    )  # fmt: skip
    os.close(terminal)
    seen = os.read(screen, 100_000).decode()
    os.close(screen)
    assert "3/3" in seen
    assert "2 analysed" in seen


def test_help_needs_none_of_the_heavy_libraries() -> None:
    script = (
        "import runpy, sys\n"
        "sys.argv = ['undertone', '--help']\n"
        "try:\n    runpy.run_module('undertone', run_name='__main__')\n"
        "except SystemExit as stop:\n    assert stop.code == 0\n"
        "heavy = {'numpy', 'av', 'onnxruntime', 'flask', 'sqlalchemy', 'tqdm', 'urllib3'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "exit status" in done.stdout


def test_an_unknown_model_is_refused_by_the_recogniser() -> None:
    with pytest.raises(UnknownModel):
        open_recognizer("none")
