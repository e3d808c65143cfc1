"""Appends the lines of one run to blobs, as the only writer.

Every append names the lease and the size that the blob must have. The size makes it safe to send an append again when its
effect is unknown: it takes effect at most once. The lease ends when a process dies, and its loss is noticed by the next append,
which precedes every request to Azure. See docs/adr, "A journal blob is written at a position under a lease".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol, TypeVar

import attrs

from defender_remediate.errors import JournalLockLostError, JournalTamperedError, JournalUnwritableError
from defender_remediate.journal import blob_container
from defender_remediate.journal.blob_container import BlobContainer, StorageRequestError, release, renew

if TYPE_CHECKING:
    from azure.storage.blob import BlobLeaseClient

_T = TypeVar("_T")
CANCELLED = b"\x18\n"
"""Ends a line that is not one: an append blob cannot be cut. JSON has no such character."""

# What the service says of a lease that this process no longer has.
LEASE_LOST = frozenset(
    {
        "LeaseLost",
        "LeaseNotPresentWithBlobOperation",
        "LeaseIdMismatchWithBlobOperation",
        "LeaseIdMismatchWithLeaseOperation",
        "LeaseNotPresentWithLeaseOperation",
        "LeaseIsBrokenAndCannotBeRenewed",
        "LeaseIsBreakingAndCannotBeAcquired",
    }
)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_HINT = "nothing further was sent; when no other process executes the run, client.resume(run_id) continues it"


class MonotonicClock(Protocol):
    """Measures time, and waits. The clock of a client and that of a simulated tenant are such clocks."""

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment; never decreases."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


def again_until(deadline: float, call: Callable[[], _T], *, clock: MonotonicClock) -> _T:
    """The result of a call, which is sent again while its outcome is unknown and the deadline is not over.

    Raises:
        StorageRequestError: The last answer.
    """
    pause = _FIRST_PAUSE
    while True:
        try:
            return call()
        except StorageRequestError as error:
            pause = max(pause, error.retry_after or 0.0)
            if not error.may_succeed_later or clock.monotonic() + pause >= deadline:
                raise
        clock.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


@attrs.define(kw_only=True)
class BlobSink:
    """The blobs of one run, of which the last is appended to.

    Attributes:
        name_of: The name of the blob of this number.
        number: The number of the last blob.
        leases: The lease of each blob that this process appends to; that of the first is the lock of the run.
        ends_at: When the first of the leases ends, if it is not renewed.
        position: The size of the last blob.
        blocks: The number of appends that it consists of.
        size: The bytes of all blobs.
        stop_renewing: Ends the renewals of the leases.
    """

    run_id: str
    source: str
    container: BlobContainer
    clock: MonotonicClock
    name_of: Callable[[int], str]
    take: Callable[[str], BlobLeaseClient]
    seconds: int
    ends_at: float
    leases: tuple[BlobLeaseClient, ...]
    number: int = 1
    position: int = 0
    blocks: int = 0
    size: int = 0
    stop_renewing: Callable[[], None] = attrs.field(default=lambda: None)
    _lost: bool = attrs.field(default=False, init=False)

    def go_to_end(self) -> None:
        """Find where the last blob of the run ends, and lock it too.

        Raises:
            StorageRequestError: The storage does not answer as it should.
            JournalLockedError: Another process still has the lease of a later blob.
        """
        while True:
            end = self._patiently(lambda: self.container.end_of(self.name_of(self.number)))
            self.position, self.blocks = end.size, end.blocks
            self.size += end.size
            if end.blocks < blob_container.MAX_BLOCKS:
                return
            try:
                self._patiently(lambda: self.container.end_of(self.name_of(self.number + 1)))
            except StorageRequestError as error:
                if error.code == "BlobNotFound":
                    return
                raise
            self._go_to(self.number + 1)

    def write(self, line: bytes, /) -> None:
        """Append a line."""
        self.write_all([line])

    def write_all(self, lines: Sequence[bytes], /) -> None:
        """Append lines, in one request if they fit into it.

        Raises:
            JournalLockLostError: The lease was lost, or the storage was unavailable for as long as a lease lasts.
            JournalTamperedError: The blob does not end where this process has written.
            JournalUnwritableError: The storage refuses them.
        """
        for data in _appends(lines):
            self._append(data)

    def cut(self, _size: int, /) -> None:
        """Cancel the incomplete line at the end."""
        self._append(CANCELLED)

    def close(self) -> None:
        """End the leases, and delete the blob of a run without a record."""
        if self.size:
            self.leave()
            return
        self.stop_renewing()
        # A run without a record never began; an empty blob that remains is no run either.
        with suppress(StorageRequestError):
            self.container.delete(self.name_of(1), self.leases[0])

    def leave(self) -> None:
        """End the leases. One that cannot be ended ends by itself."""
        self.stop_renewing()
        with suppress(StorageRequestError):
            for lease in reversed(self.leases):
                release(lease)

    def renew(self) -> bool:
        """Renew the leases; whether that succeeded. A lease that is lost is noticed by the next append."""
        started = self.clock.monotonic()
        try:
            for lease in self.leases:
                renew(lease)
        except StorageRequestError as error:
            self._lost = self._lost or error.code in LEASE_LOST
            return False
        self.ends_at = started + self.seconds
        return True

    def _append(self, data: bytes) -> None:
        if self.blocks >= blob_container.MAX_BLOCKS:
            self._begin_next()
        try:
            self.blocks = self._as_owner(lambda: self._append_once(data))
        except StorageRequestError as error:
            raise unwritable(error, self.source) from None
        self.position += len(data)
        self.size += len(data)

    def _append_once(self, data: bytes) -> int:
        """Append at the position where these bytes belong; they may be there already, after an answer that was lost."""
        name = self.name_of(self.number)
        try:
            return self.container.append(name, data, position=self.position, lease=self.leases[-1])
        except StorageRequestError as error:
            if error.code != "AppendPositionConditionNotMet":
                raise
        end = self.container.end_of(name)
        if end.size != self.position + len(data) or self.container.read(name, self.position, end.size) != data:
            raise JournalTamperedError(
                "the journal was changed by something other than its writer",
                source=self.source,
                hint="nothing further was sent; read the targets before you rely on the journal",
            )
        return end.blocks

    def _begin_next(self) -> None:
        """Continue in another blob: an append blob has a largest number of blocks."""
        try:
            self._as_owner(lambda: _create(self.container, self.name_of(self.number + 1)))
            self._go_to(self.number + 1)
        except StorageRequestError as error:
            raise unwritable(error, self.source) from None
        self.position, self.blocks = 0, 0

    def _go_to(self, number: int) -> None:
        left = self.leases[1:]
        self.leases = (self.leases[0], self.take(self.name_of(number)))
        self.number = number
        with suppress(StorageRequestError):
            for lease in left:
                release(lease)

    def _as_owner(self, call: Callable[[], _T]) -> _T:
        """The result of a call that needs the lock, which is renewed once if it seems to be over.

        Raises:
            JournalLockLostError: It cannot be renewed.
            StorageRequestError: The storage refuses the call, or cannot answer it although it renews the lock.
        """
        failure: StorageRequestError | None = None
        is_renewed = False
        for _ in range(2):
            if self._lost:
                break
            try:
                return self._patiently(call)
            except StorageRequestError as error:
                if not error.may_succeed_later and error.code not in LEASE_LOST:
                    raise
                failure = error
            is_renewed = self.renew()
        if failure is not None and failure.may_succeed_later and is_renewed:
            raise failure
        reason = failure or "another process may have taken it"
        raise JournalLockLostError(
            f"the lock on the journal of run {self.run_id} was lost: {reason}", source=self.source, hint=_HINT
        )

    def _patiently(self, call: Callable[[], _T]) -> _T:
        return again_until(self.ends_at, call, clock=self.clock)


def unwritable(error: StorageRequestError, source: str) -> JournalUnwritableError:
    """The error of a record that was refused by the storage."""
    return JournalUnwritableError(f"the storage refused a record: {error}", source=source, hint=hint_of(error))


def hint_of(error: StorageRequestError) -> str:
    """What can be done about it."""
    if error.code == "ContainerNotFound":
        return "create the container, or correct its URL"
    if error.status in (401, 403):
        return "assign the role Storage Blob Data Contributor on the container, and allow this network in the firewall of the account"
    if error.status is not None and 300 <= error.status < 400:
        return "redirects are not followed: pass the URL of the blob endpoint itself"
    if error.code == "BlobImmutableDueToPolicy":
        return "allow protected append writes in the immutability policy"
    return "continue when the storage is available: client.resume(run_id)"


def _create(container: BlobContainer, name: str) -> None:
    try:
        container.create(name)
    except StorageRequestError as error:
        # It is this process's own if an earlier answer was lost. The lease and the position decide who writes.
        if error.code != "BlobAlreadyExists":
            raise


def _appends(lines: Sequence[bytes]) -> Iterator[bytes]:
    """Whole lines together, as many as fit into one append; a line that does not fit is divided."""
    waiting: list[bytes] = []
    length = 0
    for line in lines:
        if waiting and length + len(line) > blob_container.MAX_APPEND_BYTES:
            yield b"".join(waiting)
            waiting, length = [], 0
        rest = memoryview(line)
        while len(rest) > blob_container.MAX_APPEND_BYTES:
            yield bytes(rest[: blob_container.MAX_APPEND_BYTES])
            rest = rest[blob_container.MAX_APPEND_BYTES :]
        waiting.append(bytes(rest))
        length += len(rest)
    yield b"".join(waiting)
