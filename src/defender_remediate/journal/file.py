"""Journals as files: one per run, one line per record, each on the disk before ``append`` returns."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from defender_remediate.errors import JournalError, JournalLockedError, JournalUnwritableError
from defender_remediate.journal.chain import Verified, newest_first, verify
from defender_remediate.journal.log import ChainedLog, checked, unknown, unwritable
from defender_remediate.journal.records import Record
from defender_remediate.journal.store import check_run_id, is_run_id

if TYPE_CHECKING:
    from filelock import BaseFileLock

_SUFFIX = ".jsonl"
# Windows translates line ends unless told not to.
_FLAGS = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0)
_PRIVATE_FILE, _PRIVATE_DIRECTORY = 0o600, 0o700


def _place(directory: str | os.PathLike[str] | None) -> Path:
    if directory is not None:
        return Path(directory)
    # Only a run needs to know where state goes on this system.
    import platformdirs

    return Path(platformdirs.user_state_dir("defender-remediate", appauthor=False), "runs")


@attrs.frozen
class FileJournal:
    """A journal in a directory: ``<run id>.jsonl`` for each run. Implements ``Journal``.

    Nothing is created before the first run. Files are readable by their owner alone, and so is a directory that is made
    here. Each record is flushed to the disk before ``append`` returns. A ``<run id>.lock`` beside each journal keeps
    other processes away while it is open; the system lets go of it when a process dies, and the empty file stays.

    Args:
        directory: Where to keep them; ``defender-remediate/runs`` in the user's state directory when left out, such as
            ``~/.local/state`` or ``%LOCALAPPDATA%``. Use a local disk: network file systems promise too little about
            locks, and about what survives a power cut.
    """

    directory: Path = attrs.field(default=None, converter=_place)

    def create(self, run_id: str, /) -> ChainedLog:
        """Begin the journal of a new run.

        Raises:
            InvalidInputError: The run id cannot be a name.
            JournalError: The run has a journal.
            JournalLockedError: Another process, or another ``RunLog``, has it open.
            JournalUnwritableError: The directory takes no file.
        """
        path = self._path(run_id)
        with ExitStack() as undo, _writing(path):
            _make(self.directory)
            sink = _take(path, _FLAGS | os.O_CREAT)
            undo.callback(sink.close)
            if sink.size:
                raise JournalError(f"run {run_id} has a journal", source=str(path), hint="open it to go on with it")
            _sync(self.directory)
            undo.pop_all()
        return ChainedLog(run_id, Verified(), sink)

    def open(self, run_id: str, /) -> ChainedLog:
        """Go on with the journal of a run. A torn last record is cut off.

        Raises:
            InvalidInputError: The run id cannot be a name.
            UnknownRunError: No such run.
            JournalLockedError: Another process, or another ``RunLog``, has it open.
            JournalTamperedError: A record is not what was written.
            JournalUnwritableError: The file takes no more records.
        """
        path = self._path(run_id)
        with ExitStack() as undo, _writing(path):
            if not path.exists():
                raise unknown(run_id, str(path))
            sink = _take(path, _FLAGS)
            undo.callback(sink.close)
            verified = _verified(path, run_id)
            if verified.torn:
                sink.cut(verified.size)
            undo.pop_all()
        return ChainedLog(run_id, verified, sink)

    def read(self, run_id: str, /) -> tuple[Record, ...]:
        """The whole records of a run, also while somebody else goes on with it.

        Raises:
            InvalidInputError: The run id cannot be a name.
            UnknownRunError: No such run.
            JournalTamperedError: A record is not what was written.
            JournalError: It cannot be read.
        """
        return _verified(self._path(run_id), run_id).records

    def runs(self) -> Iterator[str]:
        """The ids of the runs that have a record, newest first.

        Raises:
            JournalError: The directory or a file in it cannot be read.
        """
        try:
            found = [path for path in self.directory.iterdir() if path.suffix == _SUFFIX and is_run_id(path.stem)]
            return iter(newest_first({path.stem: _first_line(path) for path in found}))
        except FileNotFoundError:
            return iter(())
        except OSError as error:
            raise _unreadable(str(error.filename or self.directory), error) from error

    def _path(self, run_id: str) -> Path:
        return self.directory / f"{check_run_id(run_id)}{_SUFFIX}"


@attrs.define(kw_only=True)
class _FileSink:
    """Appends to one file, and holds its lock."""

    path: Path
    descriptor: int
    size: int
    lock: BaseFileLock

    @property
    def name(self) -> str:
        return str(self.path)

    def write(self, line: bytes) -> None:
        try:
            written = 0
            while written < len(line):
                written += os.write(self.descriptor, line[written:])
            os.fsync(self.descriptor)
        except BaseException:
            # The next reader would cut the half off as well; a disk that fails may refuse even this.
            with suppress(OSError):
                os.ftruncate(self.descriptor, self.size)
            raise
        self.size += len(line)

    def cut(self, size: int) -> None:
        """Drop what follows the whole records."""
        os.ftruncate(self.descriptor, size)
        os.fsync(self.descriptor)
        self.size = size

    def close(self) -> None:
        try:
            os.close(self.descriptor)
            if not self.size:
                # A run without a record never began. Nobody else can have begun it: the lock is still held.
                with suppress(OSError):
                    self.path.unlink()
        finally:
            self.lock.release()


def _take(path: Path, flags: int) -> _FileSink:
    """The file of a run and its lock, for one holder at a time."""
    lock = _locked(path)
    try:
        descriptor = os.open(path, flags, _PRIVATE_FILE)
        return _FileSink(path=path, descriptor=descriptor, size=os.fstat(descriptor).st_size, lock=lock)
    except BaseException:
        lock.release()
        raise


def _locked(path: Path) -> BaseFileLock:
    # Reading a journal needs no lock.
    import filelock

    # Whichever thread closes the log lets go of the lock.
    lock = filelock.FileLock(path.with_suffix(".lock"), timeout=0, mode=_PRIVATE_FILE, thread_local=False)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise JournalLockedError(
            f"run {path.stem} is open in another process or another RunLog",
            source=str(path),
            hint="wait until it ends, or close it; a lock whose process died is gone by itself",
        ) from error
    except NotImplementedError as error:
        raise JournalUnwritableError(
            f"the file system has no locks: {error}", source=str(path), hint="keep the journal on a local disk"
        ) from error
    return lock


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """What the system refuses, as this library's error."""
    try:
        yield
    except OSError as error:
        raise unwritable(str(error.filename or path), error) from error


def _make(directory: Path) -> None:
    """Make a directory and those above it, for their owner alone, so that they survive a power cut."""
    if directory.is_dir():
        return
    _make(directory.parent)
    directory.mkdir(_PRIVATE_DIRECTORY, exist_ok=True)
    _sync(directory.parent)


def _sync(directory: Path) -> None:
    """Make the names in a directory durable. Windows does so by itself, and opens no directories."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _verified(path: Path, run_id: str) -> Verified:
    try:
        with path.open("rb") as lines:
            return checked(verify(lines, source=str(path)), run_id, source=str(path))
    except FileNotFoundError as error:
        raise unknown(run_id, str(path)) from error
    except OSError as error:
        raise _unreadable(str(path), error) from error


def _first_line(path: Path) -> bytes:
    try:
        with path.open("rb") as lines:
            return lines.readline()
    except FileNotFoundError:
        # Closed without a record since the directory was listed.
        return b""


def _unreadable(source: str, error: OSError) -> JournalError:
    return JournalError(f"the journal cannot be read: {error.strerror or error}", source=source)
