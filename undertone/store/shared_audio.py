"""Recordings shared by several machines: S3, or any other store supported by fsspec.

A file is stored completely or not at all. File names are the same as on the local disk.
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

# A bucket has no locks. Storing the recordings of a job takes minutes at most.
ORPHAN_AGE_S = 3600
_ID = re.compile(r"[\w-]{1,64}", re.ASCII)
BLOCK_BYTES = 4 * MIB  # size of one request in a download
# By default s3fs reads ten parts of 50 MB at a time.
S3_OPTIONS = {"chunksize": 8 * MIB, "max_concurrency": 2}


class Bucket:
    """Folder of an object store. Safe for many threads, but not across a fork.

    Parameters
    ----------
    url : str
        Such as ``s3://bucket/folder``.
    folder : Path
        Local folder for downloaded files, as long as they are open.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self._store, self._root = open_store(url, "UNDERTONE_AUDIO_URL")
        self._folder = folder

    def put(self, name: str, content: RecordingBytes) -> None:
        """Store a file, completely or not at all."""
        with as_os_errors():
            if content.in_memory is not None:
                self._store.pipe_file(self._path(name), content.in_memory)
            else:  # the file may have no name
                options = S3_OPTIONS if "s3" in self._store.protocol else {}
                self._store.put_file(f"/dev/fd/{content.fileno()}", self._path(name), **options)

    def fetch(self, name: str) -> Spool:
        """Return a local copy of a file. Raise FileNotFoundError if there is none."""
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
        """Return the upload time in seconds since 1970, or raise FileNotFoundError."""
        with as_os_errors():
            return _moment_s(self._store.info(self._path(name)))

    def all_written_s(self) -> dict[str, float]:
        """Return the upload time of each file by name, in seconds since 1970."""
        with as_os_errors():
            found = self._store.find(self._root, detail=True)
        n_root = len(self._root) + 1
        return {path[n_root:]: _moment_s(info) for path, info in found.items()}

    def remove(self, names: Sequence[str]) -> None:
        """Remove these files, if they exist."""
        for name in names:
            try:
                with as_os_errors():
                    self._store.rm_file(self._path(name))
            except FileNotFoundError:
                pass

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


class SharedRecordings(Recordings):
    """Kept recordings in a bucket."""

    def __init__(self, bucket: Bucket, keep_for: timedelta) -> None:
        super().__init__(Path("nowhere"), keep_for)
        self._bucket = bucket

    def add(self, analysis_id: str, data: AnyBytes) -> None:
        """Keep the recording of an analysis, unless `keep_for` is zero."""
        if self.keep_for:
            with store_errors():
                self._bucket.put(analysis_id, RecordingBytes.of(data))

    def is_kept(self, analysis_id: str, now_s: float | None = None) -> bool:
        """Return True if the recording of an analysis is kept."""
        if not self.keep_for or not _ID.fullmatch(analysis_id):
            return False
        try:
            return not self.is_too_old(self._bucket.written_s(analysis_id), now_s)
        except OSError:
            return False

    def source(self, analysis_id: str) -> RecordingBytes | None:
        """Open the recording of an analysis. The caller closes it. None if it is not kept."""
        if not self.is_kept(analysis_id):
            return None
        try:
            return self._bucket.fetch(analysis_id).content()
        except (OSError, StoreError):
            return None

    def forget(self, ids: Sequence[str]) -> None:
        """Delete the recordings of these analyses, if there are any."""
        with store_errors():
            self._bucket.remove(ids)

    def expire(self, now_s: float) -> None:
        """Delete all recordings past their retention."""
        with store_errors():
            written = self._bucket.all_written_s()
            self._bucket.remove([n for n, at_s in written.items() if self.is_too_old(at_s, now_s)])


class SharedWaitingFiles(WaitingFiles):
    """Recordings of all jobs, in a bucket. Uploads are on the local disk until complete.

    Parameters
    ----------
    bucket : Bucket
    folder : Path
        Local folder for uploads in progress.
    """

    def __init__(self, bucket: Bucket, folder: Path) -> None:
        super().__init__(folder)
        self._bucket = bucket

    def keep(self, draft: Draft, wanted: Sequence[Upload]) -> None:
        """Move the wanted recordings to the bucket and leave no local file."""
        super().keep(draft, wanted)
        with disk_errors():
            for upload in wanted:
                if not upload.is_too_large:
                    path = self.folder / draft.job_id / str(upload.number)
                    with RecordingBytes(file=path.open("rb", buffering=0)) as content:
                        self._bucket.put(f"{draft.job_id}/{upload.number}", content)
        draft.discard()

    def open(self, job_id: str, number: int) -> RecordingBytes:
        """Open the recording of an item. The caller closes it."""
        with losing():
            return self._bucket.fetch(f"{job_id}/{number}").content()

    def remove(self, job_id: str, number: int) -> None:
        """Remove the recording of an item, if it exists."""
        with disk_errors():
            self._bucket.remove([f"{job_id}/{number}"])

    def remove_job(self, job_id: str) -> None:
        """Remove all recordings of a finished job."""
        with disk_errors():
            names = self._bucket.all_written_s()
            self._bucket.remove([name for name in names if name.startswith(f"{job_id}/")])

    def sweep(self, are_over: Callable[[Sequence[str]], Mapping[str, bool]]) -> None:
        """Remove files left behind by a crash, on the local disk and in the bucket."""
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
    """Return the upload time of a file. Its key differs between stores."""
    moment = next(
        info[k] for k in ("LastModified", "mtime", "last_modified", "created") if k in info
    )
    return moment.timestamp() if isinstance(moment, datetime) else float(moment)


def open_recordings(settings: Settings) -> Recordings:
    """Open the store of kept recordings chosen in the settings."""
    if settings.audio_is_shared:
        return SharedRecordings(
            Bucket(f"{settings.audio_url}/recordings", settings.data_dir), settings.keep_audio
        )
    return Recordings(settings.audio_dir / "recordings", settings.keep_audio)


def open_waiting_files(settings: Settings) -> WaitingFiles:
    """Open the store of waiting recordings chosen in the settings."""
    if settings.audio_is_shared:
        bucket = Bucket(f"{settings.audio_url}/jobs", settings.data_dir)
        return SharedWaitingFiles(bucket, settings.data_dir / "jobs")
    return WaitingFiles(settings.audio_dir / "jobs")
