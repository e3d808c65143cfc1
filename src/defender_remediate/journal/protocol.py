"""The protocols of a journal and of the log of one run, and the rules for run ids."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import TracebackType
from typing import Protocol, runtime_checkable

from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.journal.records import Record

_RUN_ID = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")
# Windows opens a device for these, whatever the file's extension.
_DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


@runtime_checkable
class RunLog(Protocol):
    """The journal of one run, open for writing. Only one can be open at a time.

    Safe to use from several threads. It is a context manager.
    """

    @property
    def records(self) -> tuple[Record, ...]:
        """All records so far, in order, without secrets."""

    def append(self, record: Record, /) -> None:
        """Append a record. It is durable when this method returns, and is not recorded when it raises.

        Secrets are hidden first: see ``defender_remediate.journal.records.redact_record``.

        Raises:
            JournalUnwritableError: The record could not be made durable. The request that it announces must not be sent, and the
                log accepts no further records.
            JournalLockLostError: The same, and another process may continue the run: this one stops.
            JournalError: The log is closed, or the first record is not the ``RunOpened`` of its run.
        """

    def close(self) -> None:
        """Release the lock of the journal. Closing twice has no effect."""

    def __enter__(self) -> RunLog:
        """The log itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close."""


@runtime_checkable
class Journal(Protocol):
    """A store for the journals of runs. Safe to use from several threads.

    ``ChainedJournal`` is a base class for custom journals. ``defender_remediate.testing.contracts.journal`` has the contract that
    they must satisfy.
    """

    def create(self, run_id: str, /) -> RunLog:
        """Begin the journal of a new run. The caller appends ``RunOpened`` before anything is sent to Azure.

        Raises:
            InvalidInputError: The run id is not valid.
            RunExistsError: The run already has a journal with a record.
            JournalLockedError: Another process or another ``RunLog`` has it open.
            JournalUnwritableError: The journal cannot be created.
        """

    def open(self, run_id: str, /) -> RunLog:
        """Open the journal of a run to continue it. An incomplete last record is removed.

        Raises:
            InvalidInputError: The run id is not valid.
            UnknownRunError: There is no such run.
            JournalLockedError: Another process or another ``RunLog`` has it open.
            JournalTamperedError: A record was changed after it was written.
            JournalUnwritableError: The journal cannot be written.
        """

    def read(self, run_id: str, /) -> tuple[Record, ...]:
        """The complete records of a run, also while another process continues it. Never empty.

        Raises:
            InvalidInputError: The run id is not valid.
            UnknownRunError: There is no such run.
            JournalTamperedError: A record was changed after it was written.
            JournalError: The journal cannot be read.
        """

    def list_runs(self) -> Iterator[str]:
        """The ids of the runs that have a record, newest first, by the time of their first record."""


def check_run_id(run_id: str) -> str:
    """Return the run id if it can be the name of a file on any system.

    Raises:
        InvalidInputError: The id is not 1 to 100 letters, digits, dots, hyphens and underscores, begins or ends with a dot, or
            is a reserved device name on Windows.
    """
    if not is_run_id(run_id):
        raise InvalidInputError(
            f"invalid run id {quoted(run_id)}", hint="use 1 to 100 letters, digits, dots, hyphens and underscores"
        )
    return run_id


def is_run_id(text: object) -> bool:
    """Whether the string is a valid run id."""
    return isinstance(text, str) and bool(_RUN_ID.fullmatch(text)) and not _DEVICE.fullmatch(text)
