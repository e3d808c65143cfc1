"""Locks that end with their process, and directories that are private and survive a power failure."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from defender_remediate.errors import JournalLockedError, JournalUnwritableError

if TYPE_CHECKING:
    from filelock import BaseFileLock

PRIVATE_FILE = 0o600
_PRIVATE_DIRECTORY = 0o700


def locked(path: Path, run_id: str, *, source: str) -> BaseFileLock:
    """Lock a run by an empty file, which remains; the system releases the lock when the process dies.

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
    return lock


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
