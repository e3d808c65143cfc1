"""Locks that end with their process, and directories that are private and survive a power failure."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from defender_remediate.errors import JournalLockedError, JournalUnwritableError

if TYPE_CHECKING:
    from filelock import BaseFileLock

_HELD: WeakSet[BaseFileLock] = WeakSet()
PRIVATE_FILE = 0o600
_PRIVATE_DIRECTORY = 0o700


def locked(path: Path, run_id: str, *, source: str) -> BaseFileLock:
    """Lock a run by an empty file, which remains; the system releases the lock when the process dies.

    A process that is forked meanwhile, such as one of a ``ProcessPoolExecutor``, does not keep the lock.

    Raises:
        JournalLockedError: Another process, or another ``RunLog``, has locked it.
        JournalUnwritableError: The file system has no locks.
        OSError: The file cannot be created.
    """
    # Imported here because reading a journal needs no lock.
    import filelock

    # Whichever thread closes the log releases the lock.
    lock = filelock.FileLock(path, timeout=0, mode=PRIVATE_FILE, thread_local=False)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise JournalLockedError(
            f"the journal of run {run_id} is locked by another process or another RunLog",
            source=source,
            hint="wait until it ends, or end it; the lock of a dead process is released automatically",
        ) from error
    except NotImplementedError as error:
        raise JournalUnwritableError(
            f"the file system has no locks: {error}", source=source, hint="keep the journal on a local disk"
        ) from error
    _HELD.add(lock)
    return lock


def _leave_inherited() -> None:  # pragma: no cover - in processes that are forked
    # Inherited, a lock would outlive the process that took it, or be released when a forked one drops its objects. Older
    # versions of filelock leave that to us. To close the descriptor here does not release the lock of the other process.
    for lock in tuple(_HELD):
        context: Any = getattr(lock, "_context", None)
        with suppress(AttributeError, OSError):
            if context.lock_file_fd is not None:
                os.close(context.lock_file_fd)
                context.lock_file_fd = None


if hasattr(os, "register_at_fork"):  # pragma: no branch - Windows cannot fork
    os.register_at_fork(after_in_child=_leave_inherited)


def check_in_place(path: Path, opened: os.stat_result) -> None:
    """Refuse to write to a file that was removed or replaced since it was opened: what is written then is lost.

    Raises:
        OSError: Another file has its name, or none.
    """
    try:
        is_same = os.path.samestat(os.stat(path), opened)
    except FileNotFoundError:
        is_same = False
    if not is_same:
        raise OSError("the file was removed or replaced while the run had it open")


def make_private_directory(directory: Path) -> None:
    """Create a directory and its parents, accessible to their owner only, so that they survive a power failure."""
    if directory.is_dir():
        return
    make_private_directory(directory.parent)
    directory.mkdir(_PRIVATE_DIRECTORY, exist_ok=True)
    sync_directory(directory.parent)


def sync_directory(directory: Path) -> None:
    """Make the names in a directory durable. Windows does this itself, and cannot open directories."""
    if hasattr(os, "O_DIRECTORY"):
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
