"""The body of a PUT that is built from what a GET returned."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.redaction import is_secret_name

_NEVER_SENT = frozenset({"id", "name", "type", "resourcegroup", "subscriptionid"})
"""Top-level members, in lower case: Azure takes these from the URL. Some services return the last two as well."""

_MASK = re.compile(r"\*{3,}|<hidden>|\[hidden\]", re.IGNORECASE)
"""A value that stands for a secret. A connection string of which only the key is masked is kept: Azure takes it back."""


def put_body(body: Mapping[str, Any]) -> dict[str, Any]:
    """What of a body may be sent back: nothing that the URL says already, and nothing that stands for a secret.

    Args:
        body: The target as it was read, with the change merged into it.
    """
    sent: dict[str, Any] = _without_masks({name: item for name, item in body.items() if fold(name) not in _NEVER_SENT})
    return sent


def _without_masks(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {}
        for name, item in value.items():
            is_mask = isinstance(item, str) and _MASK.fullmatch(item) is not None
            if not is_mask and not (item is None and is_secret_name(name)):
                kept[name] = _without_masks(item)
        return kept
    return [_without_masks(item) for item in value] if isinstance(value, (list, tuple)) else value
