"""Makes external text safe to display: without terminal sequences, hidden direction marks or additional lines.

Names, messages and tags come from Azure or from files. Printed unchanged, they could move the cursor,
reverse the text, or add a line to a plan that is being approved.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

from defender_remediate.redaction import redact_text

_LONGEST = 100
_LONGEST_READ = 10_000
# Line and tab characters, which become a space where one line is wanted.
_BREAKS = re.compile(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]+")
# C0 and C1 controls, direction marks and overrides, invisible characters, and surrogates that no encoding can write.
_UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)


def one_line(text: str) -> str:
    r"""The text on one line, without secrets: line ends and tabs become a space, other unsafe characters ``\u202e``."""
    return _UNSAFE.sub(_escaped, _BREAKS.sub(" ", redact_text(text)))


def multi_line(text: str) -> str:
    """The text with its line feeds kept; everything else as in ``one_line``."""
    return "\n".join(map(one_line, text.replace("\r\n", "\n").split("\n")))


def quoted(value: object) -> str:
    """The value that a caller passed, for an error message: its ``repr`` without secrets, limited to 100 characters."""
    try:
        # Truncate first, because the text may have megabytes; a secret is recognized long before the limit.
        shown = one_line(redact_text(repr(value)[:_LONGEST_READ]))
    except Exception:  # noqa: BLE001 - nested too deeply, an integer of thousands of digits, or a value whose repr fails
        shown = f"a {type(value).__name__}"
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"


def counted(count: int, noun: str) -> str:
    """A number with its noun in the singular or plural."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def iso(when: datetime | None) -> str:
    """A time in ISO 8601 to the second; an empty string for None."""
    return when.isoformat(timespec="seconds") if when else ""


def noted(text: str, notes: Iterable[str | None]) -> str:
    """The text with notes in brackets, separated by semicolons; absent and empty notes are omitted."""
    kept = "; ".join(stripped for note in notes if (stripped := (note or "").strip().rstrip(".;")))
    return f"{text} ({kept})" if kept else text


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
