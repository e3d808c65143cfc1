"""Stores journals as files: one file per run, one line per record."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.journal.chained_journal import ChainedJournal
from defender_remediate.journal.local_disk import (
    PRIVATE_FILE,
    check_in_place,
    locked,
    make_private_directory,
    sync_directory,
)
from defender_remediate.journal.protocol import check_run_id, is_run_id

if TYPE_CHECKING:
    from filelock import BaseFileLock

_SUFFIX = ".jsonl"
# Windows translates line ends unless O_BINARY is given.
_FLAGS = os.O_RDWR | os.O_APPEND | getattr(os, "O_BINARY", 0)


def _default_directory(directory: str | os.PathLike[str] | None) -> Path:
    if directory is not None:
        if not isinstance(directory, (str, os.PathLike)) or "\0" in os.fspath(directory):
            raise InvalidInputError(f"directory must be a path, got {quoted(directory)}")
        return Path(directory)
    # Imported here because only a run needs to know where state goes on this system.
    import platformdirs

    return Path(platformdirs.user_state_dir("defender-remediate", appauthor=False), "runs")


@attrs.frozen
class FileJournal(ChainedJournal):
    """A journal in a directory: ``<run id>.jsonl`` for each run. Implements ``Journal``.

    Nothing is created before the first run. Only the owner can read the files and a directory that this class creates. Each
    record is flushed to the disk before ``append`` returns. A ``<run id>.lock`` next to each journal locks it against
    other processes while it is open. The system releases the lock when a process dies; the empty file remains.

    Args:
        directory: Where to store them; by default ``defender-remediate/runs`` in the user's state directory, such as
            ``~/.local/state`` or ``%LOCALAPPDATA%``. Use a local disk: network file systems do not guarantee locks, or
            that records survive a power failure.
    """

    directory: Path = attrs.field(default=None, converter=_default_directory)

    def source_of(self, run_id: str, /) -> str:
        """The path of the file of a run.

        Raises:
            InvalidInputError: It is not a valid run id.
        """
        return str(self.directory / f"{check_run_id(run_id)}{_SUFFIX}")

    def read_lines(self, run_id: str, /) -> Iterable[bytes]:
        """The lines of a run.

        Raises:
            OSError: The file does not exist or cannot be read.
        """
        with open(self.source_of(run_id), "rb") as file:
            return file.readlines()

    def hold(self, run_id: str, /, *, new: bool) -> _FileSink:
        """Open and lock the file of a run.

        Raises:
            JournalLockedError: Another process, or another ``RunLog``, has it open.
            JournalUnwritableError: The file system has no locks.
            OSError: The file does not exist or cannot be written.
        """
        path = Path(self.source_of(run_id))
        if new:
            make_private_directory(self.directory)
        elif not path.exists():
            raise FileNotFoundError(str(path))
        lock = locked(path.with_suffix(".lock"), run_id, source=str(path))
        try:
            descriptor = os.open(path, _FLAGS | os.O_CREAT if new else _FLAGS, PRIVATE_FILE)
            opened = os.fstat(descriptor)
            sink = _FileSink(path=path, descriptor=descriptor, opened=opened, size=opened.st_size, lock=lock)
        except BaseException:
            lock.release()
            raise
        if new:
            try:
                sync_directory(self.directory)
            except BaseException:
                sink.close()
                raise
        return sink

    def read_first_lines(self) -> Mapping[str, bytes]:
        """The first line of every run.

        Raises:
            OSError: The directory or a file in it cannot be read.
        """
        first_lines: dict[str, bytes] = {}
        try:
            paths = list(self.directory.iterdir())
        except FileNotFoundError:
            return first_lines
        for path in paths:
            # A journal that is closed without a record disappears.
            with suppress(FileNotFoundError):
                if path.suffix == _SUFFIX and is_run_id(path.stem):
                    with path.open("rb") as file:
                        first_lines[path.stem] = file.readline()
        return first_lines


@attrs.define(kw_only=True)
class _FileSink:
    """Appends to one file and holds its lock."""

    path: Path
    descriptor: int
    opened: os.stat_result
    size: int
    lock: BaseFileLock

    def write_all(self, lines: Sequence[bytes], /) -> None:
        self.write(b"".join(lines))

    def write(self, line: bytes, /) -> None:
        try:
            written = 0
            while written < len(line):
                written += os.write(self.descriptor, line[written:])
            os.fsync(self.descriptor)
            check_in_place(self.path, self.opened)
        except BaseException:
            # The next reader would cut off the half as well; a disk that fails may refuse even this.
            with suppress(OSError):
                os.ftruncate(self.descriptor, self.size)
            raise
        self.size += len(line)

    def cut(self, size: int, /) -> None:
        os.ftruncate(self.descriptor, size)
        os.fsync(self.descriptor)
        self.size = size

    def close(self) -> None:
        try:
            os.close(self.descriptor)
            if not self.size:
                # A run without a record never began. No other process can have begun it: the lock is still held.
                with suppress(OSError):
                    self.path.unlink()
        finally:
            self.lock.release()
