"""A decoder process that has been taken over: it runs as Python what it should decode.

``python -m tests.intruder``: all but `decode` is that of `undertone.sound.decoder_main`.
"""

from typing import Any

from undertone.errors import AudioError
from undertone.recording_bytes import RecordingBytes
from undertone.sound import decoder_main


def run(data: RecordingBytes, **_: Any) -> None:
    """Run code; its variable `found`, or its error, comes back as an AudioError."""
    names: dict[str, Any] = {}
    try:
        exec(data[:].decode(), names)
        raise AudioError(f"done: {names.get('found')!r}")
    except AudioError:
        raise
    except BaseException as error:
        raise AudioError(f"{type(error).__name__}: {error}") from error


if __name__ == "__main__":
    decoder_main.decode = run
    decoder_main._warm_up()  # as `main` does, but with the decoder itself
    decoder_main.main()
