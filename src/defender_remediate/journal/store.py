"""The protocols of a journal and of the log of one run, and which run ids are valid."""

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
    """The journal of one run, open for writing. It can be opened once at a time.

    Threads share it. It is a context manager that closes itself.
    """

    @property
    def records(self) -> tuple[Record, ...]:
        """Everything recorded so far, in order, without the secrets."""

    def append(self, record: Record, /) -> None:
        """Record one thing. It is durable when this returns, and it was never recorded when this raises.

        Secrets are hidden first: see ``defender_remediate.journal.records.redact_record``.

        Raises:
            JournalUnwritableError: It could not be made durable. What it announces must not be done, and the log takes
                nothing more.
            JournalError: The log is closed, or its first record is not its run's ``RunOpened``.
        """

    def close(self) -> None:
        """Let others open the journal. Closing twice does nothing."""

    def __enter__(self) -> RunLog:
        """The log itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close."""


@runtime_checkable
class Journal(Protocol):
    """A place that keeps the journals of runs. Threads share it.

    ``ChainedJournal`` is a base class for places of your own, and ``defender_remediate.testing.contracts.journal`` has the contract
    that they keep.
    """

    def create(self, run_id: str, /) -> RunLog:
        """Begin the journal of a new run. The caller appends ``RunOpened`` before anything is sent to Azure.

        Raises:
            InvalidInputError: The run id is not valid.
            JournalError: The run already has a journal.
            JournalLockedError: Another process or another ``RunLog`` has it open.
            JournalUnwritableError: The place does not take it.
        """

    def open(self, run_id: str, /) -> RunLog:
        """Open the journal of a run to continue it. A torn last record is cut off.

        Raises:
            InvalidInputError: The run id is not valid.
            UnknownRunError: There is no such run.
            JournalLockedError: Another process or another ``RunLog`` has it open.
            JournalTamperedError: A record is not what was written.
            JournalUnwritableError: The place takes no more records.
        """

    def read(self, run_id: str, /) -> tuple[Record, ...]:
        """The whole records of a run, also while another process continues it. Never empty.

        Raises:
            InvalidInputError: The run id is not valid.
            UnknownRunError: There is no such run.
            JournalTamperedError: A record is not what was written.
            JournalError: It cannot be read.
        """

    def list_runs(self) -> Iterator[str]:
        """The ids of the runs that have a record, newest first, by the time of their first record."""


def check_run_id(run_id: str) -> str:
    """Return the run id if it can be the name of a file on any system.

    Raises:
        InvalidInputError: It is not 1 to 100 letters, digits, dots, hyphens and underscores, begins or ends with a dot, or
            is a name that Windows reserves for a device.
    """
    if not is_run_id(run_id):
        raise InvalidInputError(
            f"invalid run id {quoted(run_id)}", hint="use 1 to 100 letters, digits, dots, hyphens and underscores"
        )
    return run_id


def is_run_id(text: object) -> bool:
    """Whether the text can be a run id."""
    return isinstance(text, str) and bool(_RUN_ID.fullmatch(text)) and not _DEVICE.fullmatch(text)
