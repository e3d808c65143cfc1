"""RFC 7396, by which Azure Resource Manager and most providers read a PATCH."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.testing.simulator.state.store import copied


def merge_patch(target: Any, patch: Any) -> Any:
    """Merges as RFC 7396 says: objects merge, null removes, everything else replaces. Changes neither argument."""
    return copied(_merged(target, patch))


def _merged(target: Any, patch: Any) -> Any:
    if not isinstance(patch, Mapping):
        return patch
    merged = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = _merged(merged.get(name), value)
    return merged
