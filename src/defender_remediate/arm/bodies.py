"""Reads the bodies of responses. The functions raise only the documented errors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.errors import MalformedResponseError
from defender_remediate.html_text import plain_text
from defender_remediate.json_values import freeze, parse_json
from defender_remediate.redaction import redact_text

LONGEST_RETRY_AFTER = 86_400.0
"""Seconds in a day: a longer wait that a server asks for counts as this."""
_SHORT = 300
_DEEP = 12
# Digits that a number in a header may have; a longer one counts as the longest wait.
_NUMBER = re.compile(r"([0-9]+)(\.[0-9]{1,9})?[0-9]*")


@attrs.frozen(kw_only=True)
class ErrorDetail:
    """One code and message of an error body, and where it was.

    Attributes:
        code: Such as ``ScopeLocked``; empty when the body has a message only.
        depth: 0 for the outermost.
        info: Its ``additionalInfo``, as objects.
    """

    code: str
    message: str
    depth: int = 0
    info: tuple[Mapping[str, Any], ...] = ()

    def __str__(self) -> str:
        return ": ".join(filter(None, (self.code, self.message)))


def json_body(content: bytes, where: str) -> Any:
    """The JSON in a body; None when it is empty.

    Raises:
        MalformedResponseError: The body is not UTF-8, not JSON, truncated, or nested too deeply.
    """
    if not content.strip():
        return None
    problem = None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Not chained: the error carries all that was received, and shows it.
        problem = f"{where}: the response is not UTF-8 ({error.reason} at {error.start})"
    if problem:
        raise MalformedResponseError(problem)
    try:
        return parse_json(text)
    except ValueError as error:
        raise MalformedResponseError(
            f"{where}: the response is not JSON, or is truncated: {summary(content)!r}",
            hint="a proxy or gateway may have answered instead of Azure" if content.lstrip()[:1] == b"<" else "",
        ) from error


def summary(content: bytes) -> str:
    """The first words of a body that is not JSON, without its markup and the secrets in it."""
    text = content[:20_000].decode("utf-8", errors="replace")
    if "<" in text:
        text = plain_text(text)
    text = redact_text(" ".join(text.split()))
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"


def error_details(document: Any) -> tuple[ErrorDetail, ...]:
    """Every code and message in an error document, outermost first, however they are nested.

    Azure nests errors in ``error``, in ``details``, in ``innererror``, and as JSON text inside a message.
    """
    return tuple(dict.fromkeys(_walk(document, 0))) if isinstance(document, (Mapping, list)) else ()


def _walk(node: Any, depth: int) -> Iterator[ErrorDetail]:
    if depth > _DEEP:
        return
    if isinstance(node, list):
        for item in node:
            yield from _walk(item, depth)
        return
    if not isinstance(node, Mapping):
        return
    inner = wire.pick(node, "error")
    code, message = wire.text(node, "code"), wire.text(node, "message")
    if isinstance(inner, str) and not code:
        # The shape that OAuth uses.
        code, message = inner, message or wire.text(node, "error_description")
    embedded = _embedded(message)
    if code or message:
        shown = "" if embedded is not None else " ".join(message.split())
        info = wire.pick(node, "additionalInfo")
        items = info if isinstance(info, list) else [info]
        # Frozen, so that a detail can be compared and hashed.
        objects = tuple(freeze(item) for item in items if isinstance(item, Mapping))
        yield ErrorDetail(code=code, message=shown, depth=depth, info=objects)
    for part in (inner, embedded, wire.pick(node, "details"), wire.pick(node, "innererror")):
        if isinstance(part, str):
            part = _embedded(part)
        yield from _walk(part, depth + 1)


def _embedded(text: str) -> Any:
    if not text.lstrip().startswith(("{", "[")):
        return None
    try:
        found = parse_json(text)
    except ValueError:
        return None
    return found if isinstance(found, (Mapping, list)) else None


def retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """The number of seconds that a response asks the caller to wait; None if it does not.

    Azure sends seconds or an HTTP date, and milliseconds under other names. A date is compared with the answer's own
    ``Date``, so that a wrong clock on this machine does not matter, else with ``now``.
    """
    for name in ("retry-after-ms", "x-ms-retry-after-ms"):
        milliseconds = _number(str(headers.get(name, "")).strip())
        if milliseconds is not None:
            return min(milliseconds / 1000, LONGEST_RETRY_AFTER)
    text = str(headers.get("retry-after", "")).strip()
    seconds = _number(text)
    if seconds is not None:
        return min(seconds, LONGEST_RETRY_AFTER)
    until, base = _http_date(text), _http_date(str(headers.get("date", ""))) or now
    return min(max(0.0, (until - base).total_seconds()), LONGEST_RETRY_AFTER) if until and base else None


def _number(text: str) -> float | None:
    found = _NUMBER.fullmatch(text)
    if not found:
        return None
    return float(found[0][:32]) if len(found[1]) <= 15 else LONGEST_RETRY_AFTER * 1000


def _http_date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
        return found if found.utcoffset() is not None else None
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
