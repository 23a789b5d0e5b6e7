"""Recordings where several machines see them: S3, or whatever else fsspec can open.

The rule: a file is there as a whole or not at all, and named as it would be here.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from shutil import copyfileobj
from typing import Any

from undertone.errors import StoreError
from undertone.recording_bytes import CHUNK_BYTES, AnyBytes, RecordingBytes
from undertone.settings import MIB, Settings
from undertone.spool import Spool, disk_errors
from undertone.store.recordings import Recordings, store_errors
from undertone.store.stores import as_os_errors, open_store
from undertone.store.waiting import Draft, Upload, WaitingFiles, losing

# A bucket has no locks. Storing the recordings of a job takes minutes at the most.
ORPHAN_AGE_S = 3600
_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
BLOCK_BYTES = 4 * MIB  # of a file that is fetched, in one request
# s3fs would read ten parts of 50 MB at a time.
S3_OPTIONS = {"chunksize": 8 * MIB, "max_concurrency": 2}


class Bucket:
    """A folder of an object store; safe under many threads, not to be taken over a fork.

    Parameters
    ----------
    url : str
        Such as ``s3://bucket/folder``.
    folder : Path
        For what is fetched, as long as it is open.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self._store, self._root = open_store(url, "UNDERTONE_AUDIO_URL")
        self._folder = folder

    def put(self, name: str, content: RecordingBytes) -> None:
        """Store a file; it is there as a whole or not at all."""
        with as_os_errors():
            if content.in_memory is not None:
                self._store.pipe_file(self._path(name), content.in_memory)
            else:  # the file may have no name
                options = S3_OPTIONS if "s3" in self._store.protocol else {}
                self._store.put_file(f"/dev/fd/{content.fileno()}", self._path(name), **options)

    def fetch(self, name: str) -> Spool:
        """Return a copy of a file; FileNotFoundError where there is none."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        spool = Spool(self._folder)
        try:
            with (
                as_os_errors(),
                self._store.open(
                    self._path(name), "rb", block_size=BLOCK_BYTES, cache_type="readahead"
                ) as file,
            ):
                copyfileobj(file, spool, CHUNK_BYTES)
        except BaseException:
            spool.close()
            raise
        return spool

    def written_s(self, name: str) -> float:
        """When a file was stored, in seconds since 1970; FileNotFoundError where there is none."""
        with as_os_errors():
            return _moment_s(self._store.info(self._path(name)))

    def all_written_s(self) -> dict[str, float]:
        """When each file was stored, by its name."""
        with as_os_errors():
            found = self._store.find(self._root, detail=True)
        n_root = len(self._root) + 1
        return {path[n_root:]: _moment_s(info) for path, info in found.items()}

    def remove(self, names: Sequence[str]) -> None:
        """Remove these files, where they are there."""
        for name in names:
            try:
                with as_os_errors():
                    self._store.rm_file(self._path(name))
            except FileNotFoundError:
                pass

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


class SharedRecordings(Recordings):
    """Kept recordings, in a bucket."""

    def __init__(self, bucket: Bucket, keep_for: timedelta) -> None:
        super().__init__(Path("nowhere"), keep_for)
        self._bucket = bucket

    def add(self, analysis_id: str, data: AnyBytes) -> None:
        """Keep the recording of an analysis, if any are kept."""
        if self.keep_for:
            with store_errors():
                self._bucket.put(analysis_id, RecordingBytes.of(data))

    def is_kept(self, analysis_id: str, now_s: float | None = None) -> bool:
        """Whether the recording of an analysis is there."""
        if not self.keep_for or not _ID.fullmatch(analysis_id):
            return False
        try:
            return not self.is_too_old(self._bucket.written_s(analysis_id), now_s)
        except OSError:
            return False

    def source(self, analysis_id: str) -> RecordingBytes | None:
        """The recording of an analysis, to be closed by the caller; None where it is not kept."""
        if not self.is_kept(analysis_id):
            return None
        try:
            return self._bucket.fetch(analysis_id).content()
        except (OSError, StoreError):
            return None

    def forget(self, ids: Sequence[str]) -> None:
        """Delete the recordings of these analyses, where there are any."""
        with store_errors():
            self._bucket.remove(ids)

    def expire(self, now_s: float) -> None:
        """Delete all recordings whose time is over."""
        with store_errors():
            written = self._bucket.all_written_s()
            self._bucket.remove([n for n, at_s in written.items() if self.is_too_old(at_s, now_s)])


class SharedWaitingFiles(WaitingFiles):
    """The recordings of all jobs, in a bucket; what is being received lies here until it is whole.

    Parameters
    ----------
    bucket : Bucket
    folder : Path
        For what is being received.
    """

    def __init__(self, bucket: Bucket, folder: Path) -> None:
        super().__init__(folder)
        self._bucket = bucket

    def keep(self, draft: Draft, wanted: Sequence[Upload]) -> None:
        """Have the wanted recordings in the bucket, and nothing here."""
        super().keep(draft, wanted)
        with disk_errors():
            for upload in wanted:
                if not upload.is_too_large:
                    path = self.folder / draft.job_id / str(upload.number)
                    with RecordingBytes(file=path.open("rb", buffering=0)) as content:
                        self._bucket.put(f"{draft.job_id}/{upload.number}", content)
        draft.discard()

    def open(self, job_id: str, number: int) -> RecordingBytes:
        """The recording of an item, to be closed by the caller."""
        with losing():
            return self._bucket.fetch(f"{job_id}/{number}").content()

    def remove(self, job_id: str, number: int) -> None:
        """Remove the recording of an item, if it is there."""
        with disk_errors():
            self._bucket.remove([f"{job_id}/{number}"])

    def remove_job(self, job_id: str) -> None:
        """Remove all recordings of a job that is over."""
        with disk_errors():
            names = self._bucket.all_written_s()
            self._bucket.remove([name for name in names if name.startswith(f"{job_id}/")])

    def sweep(self, are_over: Callable[[Sequence[str]], Mapping[str, bool]]) -> None:
        """Remove what a crash has left behind, here and there."""
        super().sweep(are_over)
        with disk_errors():
            written = self._bucket.all_written_s()
            known = are_over(list({name.partition("/")[0] for name in written}))
            long_ago_s = datetime.now().timestamp() - ORPHAN_AGE_S
            self._bucket.remove(
                [
                    name
                    for name, at_s in written.items()
                    if known.get(name.partition("/")[0], at_s < long_ago_s)
                ]
            )


def _moment_s(info: Mapping[str, Any]) -> float:
    """When a file was stored, as stores call it."""
    moment = next(
        info[k] for k in ("LastModified", "mtime", "last_modified", "created") if k in info
    )
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)


def open_recordings(settings: Settings) -> Recordings:
    """Where the settings say that recordings are kept."""
    if settings.audio_is_shared:
        return SharedRecordings(
            Bucket(f"{settings.audio_url}/recordings", settings.data_dir), settings.keep_audio
        )
    return Recordings(settings.audio_dir / "recordings", settings.keep_audio)


def open_waiting_files(settings: Settings) -> WaitingFiles:
    """Where the settings say that recordings of jobs wait."""
    if settings.audio_is_shared:
        bucket = Bucket(f"{settings.audio_url}/jobs", settings.data_dir)
        return SharedWaitingFiles(bucket, settings.data_dir / "jobs")
    return WaitingFiles(settings.audio_dir / "jobs")
