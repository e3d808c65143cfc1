"""Requests and answers, independent of a transport or a socket."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import attrs

from defender_remediate.casing import fold

_NUMBER = re.compile("[0-9]{1,9}")
_encoded = json.JSONEncoder(ensure_ascii=False).encode


@attrs.frozen(kw_only=True)
class Call:
    """One request.

    Attributes:
        method: Upper case.
        url: As it came.
        base: Scheme and host, for the absolute links in the answer.
        path: Decoded, with one leading slash.
        query: The parameters, names in lower case, ``$`` kept.
        headers: Names in lower case.
        content: The body.
    """

    method: str
    url: str
    base: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes = b""

    @classmethod
    def of(cls, method: str, url: str, headers: Mapping[str, str], content: bytes) -> Call:
        """Makes a call from the parts of a request."""
        parts = urlsplit(url)
        return cls(
            method=method.upper(),
            url=url,
            base=f"{parts.scheme}://{parts.netloc}",
            # A client whose endpoint ends with a slash doubles the first one.
            path="/" + unquote(parts.path).lstrip("/"),
            query={name.lower(): value for name, value in parse_qsl(parts.query, keep_blank_values=True)},
            headers={name.lower(): value for name, value in headers.items()},
            content=content,
        )

    @property
    def api_version(self) -> str:
        """The ``api-version``; empty if it is absent."""
        return self.query.get("api-version", "")

    @property
    def start(self) -> int | None:
        """How many items of a list were read before, by ``$skiptoken``; None for a token that is not one of this list."""
        token = self.query.get("$skiptoken") or self.token(0)
        number = token.partition("-")[0]
        return int(number) if _NUMBER.fullmatch(number) and token == self.token(int(number)) else None

    def token(self, number: int) -> str:
        """Returns the ``$skiptoken`` of this list after so many items: in another list it would skip what was never shown."""
        described = f"{fold(self.path.rstrip('/'))}?{self.query.get('$filter', '')}"
        return f"{number}-{zlib.crc32(described.encode(errors='replace')):08x}"

    @property
    def reads(self) -> bool:
        """Whether the method only reads."""
        return self.method in ("GET", "HEAD")


@attrs.frozen(kw_only=True)
class Reply:
    """One response, as bytes, so that it can also be malformed."""

    status: int
    headers: Mapping[str, str] = attrs.field(factory=dict)
    content: bytes = b""

    @classmethod
    def json(cls, body: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
        """Makes a JSON answer."""
        # Half of a surrogate pair, which a query can compute, has no encoding.
        content = _encoded(body).encode(errors="replace")
        return cls(
            status=status,
            headers={"Content-Type": "application/json; charset=utf-8", **(headers or {})},
            content=content,
        )

    @property
    def body(self) -> Any:
        """The JSON in it; None if it is empty."""
        return json.loads(self.content) if self.content else None


class ArmError(Exception):
    """A refusal, which the simulator turns into its answer."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status, reply.content)
        self.reply = reply


class ConnectionFault(Exception):  # noqa: N818 (a fault that was asked for, not an error)
    """The connection breaks instead of an answer.

    Attributes:
        sent: Whether the request had arrived, so that it may have had its effect.
    """

    def __init__(self, *, sent: bool) -> None:
        super().__init__("the connection was cut" if sent else "the connection could not be made")
        self.sent = sent
