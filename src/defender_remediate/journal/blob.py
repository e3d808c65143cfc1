"""Stores journals in a container of Azure Blob Storage, for processes on several machines."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import SplitResult, urlsplit

from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential

from defender_remediate.display import quoted
from defender_remediate.errors import InvalidEndpointError, InvalidInputError, JournalError, JournalLockedError
from defender_remediate.journal import blob_container
from defender_remediate.journal.blob_container import BlobContainer, StorageRequestError, acquire, connect
from defender_remediate.journal.blob_sink import (
    CANCELLED,
    BlobSink,
    MonotonicClock,
    again_until,
    hint_of,
    unwritable,
)
from defender_remediate.journal.chained_journal import ChainedJournal
from defender_remediate.journal.protocol import check_run_id, is_run_id
from defender_remediate.threads import every, in_parallel
from defender_remediate.validation import did_you_mean, is_loopback

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential
    from azure.storage.blob import BlobLeaseClient

_T = TypeVar("_T")
_SUFFIX = ".jsonl"
# Between a run id, which has none, and the number of a blob after the first.
_NUMBER_MARK = "~"
_PREFIX = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]{0,98}/){0,8}")
_LEASE_SECONDS = range(15, 61)
_IS_LEASED = frozenset({"LeaseAlreadyPresent", "LeaseIsBreakingAndCannotBeAcquired"})
_LOOK_AGAIN_SECONDS = 2.0
_READ_AGAIN_SECONDS = 30.0
# As much of a first line as says when its run began.
_BEGINNING = 256
_READERS = 8
_OPTIONS = (
    "api_version",
    "audience",
    "connection_cert",
    "connection_timeout",
    "connection_verify",
    "logging_enable",
    "proxies",
    "read_timeout",
    "transport",
    "use_env_settings",
    "user_agent",
)
_HINT = "use the URL of a container, such as https://contosojournals.blob.core.windows.net/runs"


class _SystemMonotonicClock:
    """The system's clock."""

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class BlobJournal(ChainedJournal):
    """A journal in Azure Blob Storage: an append blob ``<run id>.jsonl`` for each run. Implements ``Journal``.

    Processes on several machines can share the container; each run has one writer at a time. A run is locked by a lease on
    its blob, which is renewed while the run is open. When a process dies, its lease ends after ``lease_seconds``, and
    another process can resume the run. A process whose lease was lost stops with ``JournalLockLostError`` before it sends
    anything else. A record is durable when the service has confirmed its append; an append whose outcome is unknown is sent
    again at the same position, so that it takes effect once. Needs the extra ``blob``.

    The container must exist. The identity needs the role Storage Blob Data Contributor on the container (an account key or a
    SAS with read, add, create, write, delete and list is accepted too). No error and no ``repr`` contains a key or a
    signature. A run of more than 50,000 appends continues in ``<run id>~2.jsonl``.

    Args:
        container_url: The URL of the container in any cloud. A SAS in it is used as the credential.
        credential: A credential of azure-identity, an ``AzureSasCredential`` or an ``AzureNamedKeyCredential``.
        prefix: A folder in the container, such as ``"prod/"``.
        lease_seconds: From 15 to 60. For how long a run stays locked after its process died, and for how long the storage may
            be unavailable before a run stops.
        lock_timeout: How many seconds ``create`` and ``open`` wait for another process to release the run.
        clock: Measures time and waits; the system's clock by default.
        **options: Options of the SDK's ``ContainerClient``: ``api_version``, ``audience``, ``connection_cert``,
            ``connection_timeout``, ``connection_verify``, ``logging_enable``, ``proxies``, ``read_timeout``, ``transport``,
            ``use_env_settings`` and ``user_agent``. Redirects are never followed.

    Raises:
        InvalidEndpointError: The URL is not that of a container, or is http and not a loopback address.
        InvalidInputError: Another argument is wrong.
    """

    def __init__(
        self,
        container_url: str,
        credential: TokenCredential | AzureSasCredential | AzureNamedKeyCredential | None = None,
        *,
        prefix: str | None = None,
        lease_seconds: int = 60,
        lock_timeout: float = 0.0,
        clock: MonotonicClock | None = None,
        **options: Any,
    ) -> None:
        self._url, signature = _checked_url(container_url)
        if signature and credential is not None:
            raise InvalidInputError(
                "container_url has a query and there is a credential",
                hint="remove one of the two: a SAS is a credential",
            )
        self._credential = AzureSasCredential(signature) if signature else credential
        is_token_credential = hasattr(self._credential, "get_token") and not isinstance(self._credential, type)
        if not (is_token_credential or isinstance(self._credential, (AzureSasCredential, AzureNamedKeyCredential))):
            # The value is not repeated: it may be a key.
            raise InvalidInputError(
                f"credential must be a credential of azure-identity or azure-core, got {type(credential).__name__}",
                hint="use DefaultAzureCredential(), AzureSasCredential(...) or AzureNamedKeyCredential(...)",
            )
        if prefix is not None and not (isinstance(prefix, str) and _PREFIX.fullmatch(prefix)):
            raise InvalidInputError(f"invalid prefix {quoted(prefix)}", hint='use folder names, such as "prod/"')
        self._prefix = prefix or ""
        if type(lease_seconds) is not int or lease_seconds not in _LEASE_SECONDS:
            raise InvalidInputError(f"lease_seconds must be an integer from 15 to 60, got {quoted(lease_seconds)}")
        self._lease_seconds = lease_seconds
        if type(lock_timeout) not in (int, float) or not 0 <= lock_timeout < float("inf"):
            raise InvalidInputError(f"lock_timeout must be a number of seconds, got {quoted(lock_timeout)}")
        self._lock_timeout = lock_timeout
        self._clock = clock or _SystemMonotonicClock()
        for name in options:
            if name not in _OPTIONS:
                hint = did_you_mean(name, ("prefix", "lease_seconds", "lock_timeout", "clock", *_OPTIONS))
                raise InvalidInputError(f"BlobJournal has no option {quoted(name)}", hint=hint)
        self._options = options
        self._connected: BlobContainer | None = None

    def __repr__(self) -> str:
        return f"BlobJournal({self._url}/{self._prefix})"

    def __getstate__(self) -> dict[str, Any]:
        # A connection stays in its process.
        return {**self.__dict__, "_connected": None}

    def source_of(self, run_id: str, /) -> str:
        """The URL of the blob of a run, without a signature.

        Raises:
            InvalidInputError: It is not a valid run id.
        """
        return f"{self._url}/{self._name(check_run_id(run_id))}"

    def read_lines(self, run_id: str, /) -> Iterable[bytes]:
        """The lines of a run.

        Raises:
            MissingExtraError: The extra ``blob`` is not installed.
            JournalError: The storage cannot be read.
            OSError: There is no such run.
        """
        source = self.source_of(run_id)
        content = io.BytesIO()
        number = 1
        while True:
            try:
                end = self._again(partial(self._container.end_of, self._name(run_id, number)))
                content.write(self._again(partial(self._container.read, self._name(run_id, number), 0, end.size)))
            except StorageRequestError as error:
                if error.code != "BlobNotFound":
                    raise _unreadable(error, source) from None
                if number == 1:
                    raise FileNotFoundError(source) from None
                break
            if end.blocks < blob_container.MAX_BLOCKS:
                break
            number += 1
        return _lines(content.getvalue())

    def hold(self, run_id: str, /, *, new: bool) -> BlobSink:
        """Lock the blob of a run.

        Raises:
            MissingExtraError: The extra ``blob`` is not installed.
            JournalLockedError: Another process, or another ``RunLog``, has it open.
            JournalUnwritableError: The storage refuses it.
            OSError: There is no such run.
        """
        source = self.source_of(run_id)
        name_of = partial(self._name, run_id)
        try:
            if new:
                self._create(name_of(1))
            with ExitStack() as on_error:
                started, lease = self._take(name_of(1), run_id)
                sink = BlobSink(
                    run_id=run_id,
                    source=source,
                    container=self._container,
                    clock=self._clock,
                    name_of=name_of,
                    take=lambda name: self._take(name, run_id)[1],
                    seconds=self._lease_seconds,
                    ends_at=started + self._lease_seconds,
                    leases=(lease,),
                )
                on_error.callback(sink.leave)
                sink.stop_renewing = every(self._lease_seconds / 3, BlobSink.renew, sink)
                sink.go_to_end()
                on_error.pop_all()
        except StorageRequestError as error:
            if error.code == "BlobNotFound":
                raise FileNotFoundError(source) from None
            raise unwritable(error, source) from None
        return sink

    def read_first_lines(self) -> Mapping[str, bytes]:
        """The beginning of the first line of every run. Sends two requests for each run, eight at once.

        Raises:
            MissingExtraError: The extra ``blob`` is not installed.
            JournalError: The storage cannot be read.
        """
        try:
            listed = self._again(lambda: list(self._container.list_sizes(self._prefix)))
            found = []
            for name, size in listed:
                run_id = name.removeprefix(self._prefix).removesuffix(_SUFFIX)
                if size and is_run_id(run_id) and name == self._name(run_id):
                    found.append((run_id, size))
            lines = in_parallel(lambda run: self._first_line(*run), found, workers=_READERS)
        except StorageRequestError as error:
            raise _unreadable(error, repr(self)) from None
        return {run_id: line for (run_id, _), line in zip(found, lines, strict=True)}

    def _first_line(self, run_id: str, size: int) -> bytes:
        read = partial(self._container.read, self._name(run_id))
        if size > _BEGINNING:
            begin = self._again(partial(read, 0, _BEGINNING))
            end = self._again(partial(read, size - len(CANCELLED), size))
            if end.endswith(b"\n") and end != CANCELLED:
                # There is a whole record, so the first line is whole, or follows one that was cancelled.
                return begin.partition(b"\n")[0] + b"\n"
        return next(iter(_lines(self._again(partial(read, 0, size)))), b"")

    def _name(self, run_id: str, number: int = 1) -> str:
        mark = "" if number == 1 else f"{_NUMBER_MARK}{number}"
        return f"{self._prefix}{run_id}{mark}{_SUFFIX}"

    @property
    def _container(self) -> BlobContainer:
        if self._connected is None:
            self._connected = connect(self._url, self._credential, self._options)
        return self._connected

    def _again(self, call: Callable[[], _T]) -> _T:
        return again_until(self._clock.monotonic() + _READ_AGAIN_SECONDS, call, clock=self._clock)

    def _create(self, name: str) -> None:
        try:
            self._again(partial(self._container.create, name))
        except StorageRequestError as error:
            # The run exists, or an earlier answer was lost: who has the lease will see.
            if error.code != "BlobAlreadyExists":
                raise

    def _take(self, name: str, run_id: str) -> tuple[float, BlobLeaseClient]:
        """A lease on a blob, and when it was asked for."""
        lease = self._container.lease_of(name)
        deadline = self._clock.monotonic() + self._lock_timeout
        while True:
            started = self._clock.monotonic()
            try:
                self._again(partial(acquire, lease, self._lease_seconds))
            except StorageRequestError as error:
                if error.code not in _IS_LEASED:
                    raise
            else:
                return started, lease
            if self._clock.monotonic() >= deadline:
                raise JournalLockedError(
                    f"the journal of run {run_id} is locked by another process or another RunLog",
                    source=self.source_of(run_id),
                    hint=f"wait until it ends, or end it; the lock of a dead process ends within {self._lease_seconds} s",
                )
            self._clock.sleep(_LOOK_AGAIN_SECONDS)


def _lines(content: bytes) -> list[bytes]:
    return [line for line in io.BytesIO(content) if not line.endswith(CANCELLED)]


def _unreadable(error: StorageRequestError, source: str) -> JournalError:
    return JournalError(f"the journal cannot be read: {error}", source=source, hint=hint_of(error))


def _checked_url(url: str) -> tuple[str, str]:
    """The URL without its query, and the query, which is a SAS. No message repeats the whole URL."""
    if not isinstance(url, str) or re.search(r"[\s\x00-\x1f\\]", url):
        raise InvalidEndpointError("container_url is not a URL", hint=_HINT)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InvalidEndpointError("container_url is not a URL", hint=_HINT) from None
    if not host or parts.scheme not in ("https", "http") or "@" in parts.netloc or parts.fragment:
        raise InvalidEndpointError("container_url is not an https URL without user info and fragment", hint=_HINT)
    if parts.scheme == "http" and not is_loopback(host):
        raise InvalidEndpointError(f"http://{host} would send the credential unencrypted", hint=_HINT)
    path = parts.path.strip("/")
    # The emulator has the name of the account in the path.
    if not path or path.count("/") > is_loopback(host) or "" in path.split("/"):
        raise InvalidEndpointError(f"container_url at {host} does not name one container", hint=_HINT)
    return SplitResult(parts.scheme, parts.netloc, f"/{path}", "", "").geturl(), parts.query
