"""Renders values as JSON."""

from __future__ import annotations

from collections.abc import Mapping

from defender_remediate.json_values import format_json
from defender_remediate.redaction import redact_json
from defender_remediate.reports.rows import Listed, checked_values
from defender_remediate.serialization import Value, plain


def to_json(values: Listed) -> str:
    """Render values as JSON: what ``to_dict()`` of each gives, in an array if several were passed. Secrets are hidden.

    Unlike the text of ``plan.to_json()``, that of a plan is for reading: it cannot be applied.

    Raises:
        InvalidInputError: Something else than values of this library was passed.
    """
    found = [_plain(value) for value in checked_values(values)]
    return format_json(found[0] if isinstance(values, (Value, Mapping)) else found, indent=2)


def _plain(value: object) -> object:
    return value.to_dict() if isinstance(value, Value) else redact_json(plain(value))
