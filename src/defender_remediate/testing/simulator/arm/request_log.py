"""The list of requests, which forgets the oldest ones."""

from __future__ import annotations

import attrs


@attrs.frozen(kw_only=True)
class RecordedRequest:
    """One request, as the simulator's list of requests keeps it.

    Attributes:
        status: The HTTP status; 0 when the connection broke.
        changed: Whether the tenant's resources are others than before.
        url: The whole of it, with the query.
        headers: Those that matter, names in lower case; of the token only whether it is there.
        body: The bytes sent.
    """

    method: str
    path: str
    url: str
    api_version: str
    headers: dict[str, str]
    body: bytes
    status: int
    changed: bool

    def __str__(self) -> str:
        return f"{self.method} {self.path}?api-version={self.api_version} -> {self.status or 'cut'}"


class RequestLog(list[RecordedRequest]):
    """A list of the newest requests. When it is full, the oldest tenth of them goes.

    Attributes:
        limit: How many requests it holds.
        forgotten: How many are gone.
    """

    def __init__(self, limit: int) -> None:
        super().__init__()
        self.limit = limit
        self.forgotten = 0

    def append(self, request: RecordedRequest) -> None:
        """Adds a request."""
        if len(self) >= self.limit:
            gone = max(1, self.limit // 10)
            del self[:gone]
            self.forgotten += gone
        super().append(request)
