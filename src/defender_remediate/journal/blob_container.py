"""The few requests that a journal sends to a container of Azure Blob Storage, with what can go wrong in each.

No request is sent again here, none is redirected, and none is traced, because a URL may contain a signature.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import attrs
from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError

from defender_remediate.errors import MissingExtraError
from defender_remediate.redaction import redact_text

if TYPE_CHECKING:
    from azure.storage.blob import BlobClient, BlobLeaseClient, ContainerClient

_T = TypeVar("_T")
# More of them since version 2022-11-02 of the service, of which Azure Stack Hub and other clouds may have an older one.
MAX_APPEND_BYTES = 4 * 1024 * 1024
MAX_BLOCKS = 50_000
_READ_BYTES = 16 * 1024 * 1024
_MAY_SUCCEED_LATER = frozenset({408, 429, 500, 502, 503, 504})
_FIRST_REDIRECT = 300
_LONGEST_MESSAGE = 300
_QUERY = re.compile(r"\?[^\s'\")]*")
_UNTRACED: Mapping[str, Any] = {"tracing_options": {"enabled": False}}
# One that the storage of every cloud and the emulator know; nothing newer is used.
_API_VERSION = "2021-12-02"
# Well below the shortest lease, so that a request that hangs does not cost the lock.
_TIMEOUTS = {"connection_timeout": 5.0, "read_timeout": 10.0}


class StorageRequestError(Exception):
    """A request to the storage that failed. Holds no secret and neither request nor response.

    Attributes:
        status: The HTTP status; None when there was no response.
        code: The error code of the storage service, such as ``LeaseLost``; None when there is none.
        may_succeed_later: Whether the same request may succeed when it is sent again. Its effect is unknown.
        retry_after: The seconds that the service asks to wait; None when it does not.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        may_succeed_later: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.may_succeed_later = may_succeed_later
        self.retry_after = retry_after


@attrs.frozen(kw_only=True)
class BlobEnd:
    """Where an append blob ends.

    Attributes:
        size: Its bytes.
        blocks: The number of appends that it consists of.
    """

    size: int
    blocks: int


@attrs.frozen
class BlobContainer:
    """A container. Safe to use from several threads.

    Args:
        client: A ``ContainerClient`` that neither sends a request again nor follows a redirect.
    """

    client: ContainerClient = attrs.field(repr=False)

    def create(self, name: str) -> None:
        """Create an empty append blob; ``BlobAlreadyExists`` if there is one, also one that another process created."""
        blob = self._blob(name)
        _sent(blob.create_append_blob, match_condition=MatchConditions.IfMissing, **_UNTRACED)

    def end_of(self, name: str) -> BlobEnd:
        """The size of a blob."""
        found = _sent(self._blob(name).get_blob_properties, **_UNTRACED)
        # A blob of another type has no number of blocks; appending to it fails.
        return BlobEnd(size=found.size, blocks=found.append_blob_committed_block_count or 0)

    def append(self, name: str, data: bytes, *, position: int, lease: BlobLeaseClient) -> int:
        """Append to a blob that has this size and this lease; the number of its blocks after that."""
        blob = self._blob(name)
        answer = _sent(
            blob.append_block, data, length=len(data), appendpos_condition=position, lease=lease.id, **_UNTRACED
        )
        blocks = answer.get("blob_committed_block_count")
        if not isinstance(blocks, int):
            # Something between here and the service answered; whether the service got the lines is unknown.
            raise StorageRequestError("the answer to an append has no number of blocks", may_succeed_later=True)
        return blocks

    def read(self, name: str, start: int, end: int) -> bytes:
        """The bytes of a blob between two positions; they have to be there."""
        blob, parts = self._blob(name), []
        for offset in range(start, end, _READ_BYTES):
            # Each fits into one response, so that a blob that grows meanwhile is no contradiction.
            length = min(_READ_BYTES, end - offset)
            parts.append(_sent(lambda offset=offset, length=length: _download(blob, offset, length)))
        return b"".join(parts)

    def list_sizes(self, prefix: str) -> Iterator[tuple[str, int]]:
        """The name and size of every blob whose name begins so."""
        pages = self.client.list_blobs(name_starts_with=prefix, **_UNTRACED).by_page()
        while (page := _sent(lambda: next(pages, None))) is not None:
            yield from _sent(lambda page=page: [(blob.name, blob.size) for blob in page])

    def delete(self, name: str, lease: BlobLeaseClient) -> None:
        """Delete a blob that has this lease."""
        _sent(self._blob(name).delete_blob, lease=lease.id, **_UNTRACED)

    def lease_of(self, name: str) -> BlobLeaseClient:
        """A lease with an id of its own, which has not been acquired: acquiring it twice has the effect of once."""
        from azure.storage.blob import BlobLeaseClient

        return BlobLeaseClient(self._blob(name))

    def _blob(self, name: str) -> BlobClient:
        return self.client.get_blob_client(name)


def connect(url: str, credential: Any, options: Mapping[str, Any]) -> BlobContainer:
    """The container at a URL.

    Args:
        url: The URL of the container, without a query.
        credential: What the SDK takes.
        options: Options of the SDK's ``ContainerClient``.

    Raises:
        MissingExtraError: ``azure-storage-blob`` is not installed.
    """
    try:
        from azure.storage.blob import ContainerClient
    except ImportError as error:
        raise MissingExtraError("a journal in Azure Blob Storage needs azure-storage-blob", extra="blob") from error
    # urllib3 logs whole URLs at DEBUG; with a SAS they are signed.
    logger, host = logging.getLogger("urllib3.connectionpool"), urlsplit(url).hostname or ""
    if host not in (one.host for one in logger.filters if isinstance(one, _StorageQueryFilter)):
        logger.addFilter(_StorageQueryFilter(host))
    defaults = {"api_version": _API_VERSION, **_TIMEOUTS}
    fixed = {"retry_total": 0, "permit_redirects": False}
    client = ContainerClient.from_container_url(url, credential=credential, **{**defaults, **options, **fixed})
    return BlobContainer(client)


def acquire(lease: BlobLeaseClient, seconds: int) -> None:
    """Acquire a lease, or acquire it again."""
    _sent(lease.acquire, lease_duration=seconds, **_UNTRACED)


def renew(lease: BlobLeaseClient) -> None:
    """Renew a lease; this also works for one that has expired, unless another process has acquired one since."""
    _sent(lease.renew, **_UNTRACED)


def release(lease: BlobLeaseClient) -> None:
    """End a lease."""
    _sent(lease.release, **_UNTRACED)


class _StorageQueryFilter(logging.Filter):
    """Hides the query of URLs in urllib3's log lines about one host."""

    def __init__(self, host: str) -> None:
        super().__init__()
        self.host = host

    def filter(self, record: logging.LogRecord) -> bool:
        """Let the record through, without signatures."""
        if isinstance(record.args, tuple) and self.host in record.args:
            record.args = tuple(_QUERY.sub("?(hidden)", one) if isinstance(one, str) else one for one in record.args)
        return True


def _download(blob: BlobClient, offset: int, length: int) -> bytes:
    data: bytes = blob.download_blob(offset=offset, length=length, max_concurrency=1, **_UNTRACED).readall()
    return data


def _sent(call: Callable[..., _T], *arguments: Any, **options: Any) -> _T:
    """The result of a call of the SDK, or what went wrong, without the request and the response that its errors hold."""
    try:
        return call(*arguments, **options)
    except HttpResponseError as error:
        failure = _answered(error)
    except AzureError as error:
        failure = StorageRequestError(_shown(error), may_succeed_later=True)
    except Exception as error:  # noqa: BLE001 - a credential or a response may raise anything
        failure = StorageRequestError(f"{type(error).__name__}: {_shown(error)}")
    # Raised outside of the handler: the SDK's error would stay attached as the context.
    raise failure


def _answered(error: HttpResponseError) -> StorageRequestError:
    status = error.status_code
    code = getattr(error, "error_code", None)
    code = str(getattr(code, "value", code) or "") or None
    headers = getattr(error.response, "headers", None) or {}
    seconds = str(headers.get("Retry-After", ""))
    if (status is None or status < _FIRST_REDIRECT) and not isinstance(error, ClientAuthenticationError):
        # The answer could not be read.
        return StorageRequestError(_shown(error), may_succeed_later=True)
    return StorageRequestError(
        " ".join(str(part) for part in (status, code, _shown(error)) if part),
        status=status,
        code=code,
        may_succeed_later=status in _MAY_SUCCEED_LATER,
        retry_after=float(seconds) if seconds.isdecimal() else None,
    )


def _shown(error: Exception) -> str:
    first_line = (str(error).strip().splitlines() or [""])[0]
    return redact_text(_QUERY.sub("?(hidden)", first_line))[:_LONGEST_MESSAGE]
