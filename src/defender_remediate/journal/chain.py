"""Encodes records as lines, each chained to the previous one by a hash.

A line is a JSON object: ``n`` counts from 1, ``prev`` is the SHA-256 of the previous line (64 zeros in the first), and
``hash``, always the last member, is the SHA-256 of the line without it. The chain therefore reveals edited, deleted, inserted
and reordered lines, and can be checked with ``sha256sum``.

The chain does not reveal lines that were removed at the end, or a chain that was recomputed from an edited line on, because a
hash is not a signature. To detect these as well, store ``Verified.head`` elsewhere.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any

import attrs

from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError, JournalTamperedError
from defender_remediate.journal import records
from defender_remediate.journal.records import Record
from defender_remediate.json_values import OWN_MAX_DEPTH, format_json, parse_json
from defender_remediate.serialization import json_parts

FIRST = "0" * 64
"""What the first line has for the hash of the line before."""

_HASH = b',"hash":"'
_OPENED_AT = re.compile(rb'\{"n":1,"version":\d+,"record":"RunOpened","at":"([^"]{1,40})"')
_SEALED = len(_HASH) + 64 + len(b'"}')
_HINT = "The records before this line are intact. Read the targets before you rely on the other records."


@attrs.frozen(kw_only=True)
class Verified:
    """The verified content of a journal.

    Attributes:
        records: Every complete record, in order.
        torn: Whether an incomplete record without a line end follows, because the process or machine died while writing.
            Nothing that depended on the record was done.
        size: The size of the complete records in bytes; the incomplete record follows.
        head: The SHA-256 of the last complete line, which the next line refers to.
    """

    records: tuple[Record, ...] = attrs.field(default=(), repr=False)
    torn: bool = False
    size: int = 0
    head: str = FIRST


def encode_line(record: Record, *, n: int, prev: str) -> bytes:
    """Return the line of a record, with its line end.

    Args:
        record: The record to write.
        n: Its number, from 1.
        prev: The SHA-256 of the previous line; ``FIRST`` for the first.

    Raises:
        InvalidInputError: It is not a record, or JSON has no such value.
    """
    return chain(encode_members(record), n=n, prev=prev)


def encode_redacted(record: Record) -> tuple[Record, bytes]:
    """A record without secrets, and its members as text: both from one pass over a record that has none.

    Raises:
        InvalidInputError: As for ``redact_record`` and ``encode_line``.
    """
    with _as_json():
        members = records.encode_clean(record)
        if members is not None:
            return record, members[1:-1]
    record = records.redact_record(record)
    return record, encode_members(record)


def encode_members(record: Record) -> bytes:
    """The members of a record as text, without the braces of the object.

    Raises:
        InvalidInputError: As for ``encode_line``.
    """
    members = records.members_of(record)
    with _as_json():
        # A record with a whole plan is encoded step by step.
        return b"".join([part.encode() for part in json_parts(members)])[1:-1]


@contextmanager
def _as_json() -> Iterator[None]:
    try:
        yield
    except InvalidInputError:
        raise
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInputError(f"the record has a value that JSON does not have: {error}") from error


def chain(members: bytes, *, n: int, prev: str) -> bytes:
    """The line of a record whose members are encoded."""
    parts = (f'{{"n":{n},'.encode(), members, f',"prev":{format_json(prev)}'.encode())
    digest = hashlib.sha256()
    for part in (*parts, b"}"):
        digest.update(part)
    # The hash comes last in the object.
    return b"".join((*parts, _HASH, digest.hexdigest().encode(), b'"}\n'))


def sha256(line: bytes) -> str:
    """The SHA-256 in hexadecimal. The line end does not count."""
    return hashlib.sha256(memoryview(line)[: -1 if line.endswith(b"\n") else None]).hexdigest()


def verify(lines: Iterable[bytes], *, source: str = "") -> Verified:
    """Read the lines of a journal and check each against the chain.

    Args:
        lines: The lines with their line ends, as a binary file yields them.
        source: The file, for the error.

    Raises:
        InvalidInputError: The lines are not several bytes objects.
        JournalTamperedError: A line is not the one that was written there; the error names it. A last line that has a line
            end was written whole, so it is checked like any other.
        JournalError: A line is intact, but this library cannot read it.
    """
    found = list(lines) if isinstance(lines, Iterable) and not isinstance(lines, (bytes, str)) else None
    if found is None or not all(isinstance(line, bytes) for line in found):
        raise InvalidInputError(f"the lines of a journal must be bytes, got {quoted(lines)}")
    torn = bool(found) and not found[-1].endswith(b"\n")
    whole = found[:-1] if torn else found
    head, read = FIRST, []
    for n, line in enumerate(whole, start=1):
        document = _checked(line, n=n, prev=head, source=source)
        head = sha256(line)
        read.append(records.decode(document, source=source, line=n))
    return Verified(records=tuple(read), torn=torn, size=sum(map(len, whole)), head=head)


def newest_first(begun: Mapping[str, bytes]) -> list[str]:
    """Return run ids by the time in the first line of each, without those whose first line is incomplete.

    Lines are not checked here: a run whose journal was tampered with is listed too. One without a time comes last.
    """
    for line in begun.values() if isinstance(begun, Mapping) else (None,):
        if not isinstance(line, bytes):
            raise InvalidInputError(f"the first line of each run must be bytes by run id, got {quoted(line)}")
    times = {run_id: _opened_at(line) for run_id, line in begun.items() if line.endswith(b"\n")}
    return sorted(times, key=lambda run_id: (times[run_id], run_id), reverse=True)


def _opened_at(line: bytes) -> datetime:
    # A first line holds a whole plan; only its beginning is looked at.
    found = _OPENED_AT.match(line)
    try:
        return datetime.fromisoformat(found[1].decode("ascii", "replace") if found else "").astimezone(timezone.utc)
    except (OverflowError, ValueError):
        return datetime.min.replace(tzinfo=timezone.utc)


def _checked(line: bytes, *, n: int, prev: str, source: str) -> dict[str, Any]:
    try:
        document = parse_json(line.decode("utf-8", "surrogatepass"), unique_names=True, max_depth=OWN_MAX_DEPTH)
    except ValueError as error:
        raise _tampered(f"the line is damaged: {error}", n, source) from error
    if not isinstance(document, dict):
        raise _tampered("the line is damaged: it is not a JSON object", n, source)
    text = line.removesuffix(b"\n")
    body, seal = text[:-_SEALED] + b"}", text[-_SEALED:]
    if seal != _HASH + sha256(body).encode() + b'"}':
        raise _tampered("the record was edited: its hash does not match", n, source)
    if (document.pop("n", None), document.pop("prev", None)) != (n, prev):
        raise _tampered(f"this is not record {n}: a record was removed, inserted or moved here", n, source)
    document.pop("hash")
    return document


def _tampered(message: str, line: int, source: str) -> JournalTamperedError:
    return JournalTamperedError(message, source=source, line=line, hint=_HINT)
