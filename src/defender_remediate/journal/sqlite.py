"""Stores journals in one SQLite database, for the processes of one machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError, JournalError, JournalUnwritableError
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
    import sqlite3

    from filelock import BaseFileLock

# Says in the header of the file whose database it is, and in which version of its format.
_APPLICATION_ID, _VERSION = 0x64_72_65_6D, 1
_TABLE = "CREATE TABLE lines (run_id TEXT NOT NULL, position INTEGER NOT NULL, line BLOB NOT NULL, PRIMARY KEY (run_id, position))"
# A writer of another run holds the database for the time of one commit.
_BUSY_SECONDS = 60.0
# As much of a first line as says when its run began.
_BEGINNING = 256


def _path(path: str | os.PathLike[str]) -> Path:
    if not isinstance(path, (str, os.PathLike)) or not os.fspath(path) or "\0" in os.fspath(path):
        raise InvalidInputError(f"path must be the path of a file, got {quoted(path)}")
    return Path(path)


@attrs.frozen
class SqliteJournal(ChainedJournal):
    """A journal in one SQLite database, which several processes of one machine share. Implements ``Journal``.

    Nothing is created before the first run. Only the owner can read the file. Each record is committed and flushed to the
    disk before ``append`` returns (write-ahead logging, ``synchronous=FULL``); the records of several runs can be written
    side by side, one commit at a time. A file in the directory ``<path>.locks`` locks each run while it is open; the system
    releases the lock when a process dies, and the empty file remains.

    Args:
        path: The database. Use a local disk: SQLite's write-ahead log does not work on a network file system.
    """

    path: Path = attrs.field(converter=_path)

    def source_of(self, run_id: str, /) -> str:
        """The path of the database and the run.

        Raises:
            InvalidInputError: It is not a valid run id.
        """
        return f"{self.path}, run {check_run_id(run_id)}"

    def read_lines(self, run_id: str, /) -> Iterable[bytes]:
        """The lines of a run; none for an unknown run.

        Raises:
            JournalError: The database cannot be read.
            OSError: The file does not exist.
        """
        source = self.source_of(run_id)
        with _typed(JournalError, source), closing(self._connect()) as database:
            # Whatever type someone has stored: the chain is checked over its bytes.
            rows = database.execute(
                "SELECT CAST(line AS BLOB) FROM lines WHERE run_id = ? ORDER BY position", (run_id,)
            )
            return [line or b"" for (line,) in rows]

    def hold(self, run_id: str, /, *, new: bool) -> _SqliteSink:
        """Lock a run.

        Raises:
            JournalLockedError: Another process, or another ``RunLog``, has it open.
            JournalUnwritableError: The database cannot be written.
            OSError: The file does not exist or cannot be created.
        """
        source = self.source_of(run_id)
        if new:
            make_private_directory(self.path.parent)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, PRIVATE_FILE))
            sync_directory(self.path.parent)
        with _typed(JournalUnwritableError, source), ExitStack() as on_error:
            database = self._connect()
            on_error.callback(database.close)
            if not new and not _size(database, run_id):
                raise FileNotFoundError(source)
            make_private_directory(self._locks)
            lock = locked(self._locks / f"{run_id}.lock", run_id, source=source)
            on_error.callback(lock.release)
            size = _size(database, run_id)
            opened = self.path.stat()
            on_error.pop_all()
        return _SqliteSink(
            run_id=run_id, source=source, path=self.path, opened=opened, database=database, size=size, lock=lock
        )

    def read_first_lines(self) -> Mapping[str, bytes]:
        """The beginning of the first line of every run.

        Raises:
            JournalError: The database cannot be read.
        """
        if not self.path.exists():
            return {}
        query = "SELECT run_id, substr(CAST(line AS BLOB), 1, ?), substr(CAST(line AS BLOB), -1) FROM lines WHERE position = 0"
        with _typed(JournalError, str(self.path)), closing(self._connect()) as database:
            rows = database.execute(query, (_BEGINNING,))
            # SQLite's substr of nothing is NULL.
            return {run: (begin or b"") + (end if end == b"\n" else b"") for run, begin, end in rows if is_run_id(run)}

    @property
    def _locks(self) -> Path:
        return self.path.with_name(f"{self.path.name}.locks")

    def _connect(self) -> sqlite3.Connection:
        # Imported here because most programs keep their journals in files.
        import sqlite3

        if not self.path.exists():
            raise FileNotFoundError(str(self.path))
        database = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            for pragma in ("synchronous = FULL", "fullfsync = ON", "checkpoint_fullfsync = ON"):
                database.execute(f"PRAGMA {pragma}")
            if not _pragma(database, "application_id"):
                self._set_up(database)
            elif (_pragma(database, "application_id"), _pragma(database, "user_version")) != (
                _APPLICATION_ID,
                _VERSION,
            ):
                raise self._foreign()
        except BaseException:
            database.close()
            raise
        return database

    def _set_up(self, database: sqlite3.Connection) -> None:
        """Make a journal of an empty database, unless another process just has."""
        import filelock

        make_private_directory(self._locks)
        # No run id begins with a dot.
        with filelock.FileLock(self._locks / ".set-up.lock", timeout=_BUSY_SECONDS, mode=PRIVATE_FILE):
            if _pragma(database, "application_id"):
                return
            if database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                raise self._foreign()
            database.execute("PRAGMA journal_mode = WAL")
            with _transaction(database):
                database.execute(_TABLE)
                database.execute(f"PRAGMA user_version = {_VERSION}")
                database.execute(f"PRAGMA application_id = {_APPLICATION_ID}")

    def _foreign(self) -> JournalError:
        return JournalError(
            "this is not a journal that this version of the library can use",
            source=str(self.path),
            hint="name another file; it is created when it does not exist",
        )


@attrs.define(kw_only=True)
class _SqliteSink:
    """Appends to one run and holds its lock."""

    run_id: str
    source: str
    path: Path
    opened: os.stat_result
    database: sqlite3.Connection
    size: int
    lock: BaseFileLock

    def write(self, line: bytes, /) -> None:
        self.write_all([line])

    def write_all(self, lines: Sequence[bytes], /) -> None:
        rows, end = [], self.size
        for line in lines:
            rows.append((self.run_id, end, line))
            end += len(line)
        with _typed(JournalUnwritableError, self.source), _transaction(self.database):
            self.database.executemany("INSERT INTO lines VALUES (?, ?, ?)", rows)
        check_in_place(self.path, self.opened)
        self.size = end

    def cut(self, size: int, /) -> None:
        with _typed(JournalUnwritableError, self.source), _transaction(self.database):
            self.database.execute("DELETE FROM lines WHERE run_id = ? AND position >= ?", (self.run_id, size))
        self.size = size

    def close(self) -> None:
        try:
            self.database.close()
        finally:
            self.lock.release()


def _pragma(database: sqlite3.Connection, name: str) -> int:
    found: int = database.execute(f"PRAGMA {name}").fetchone()[0]
    return found


def _size(database: sqlite3.Connection, run_id: str) -> int:
    query = "SELECT coalesce(sum(length(CAST(line AS BLOB))), 0) FROM lines WHERE run_id = ?"
    found: int = database.execute(query, (run_id,)).fetchone()[0]
    return found


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


@contextmanager
def _typed(kind: type[JournalError], source: str) -> Iterator[None]:
    """Turn an error of SQLite into one of this library."""
    import sqlite3

    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError) as error:
        # The message about a damaged schema quotes it, and need not be text.
        raise kind(
            f"the database cannot be used: {error}",
            source=source,
            hint="it must be a database of this library on a local disk with free space, which no other program keeps locked",
        ) from error
