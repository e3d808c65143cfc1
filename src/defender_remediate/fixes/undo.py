"""What an undo can bring about: members that were not there before, values that Azure no longer takes, secrets that no GET shows.

Azure ignores a null in almost every PATCH, so a member that a fix has added is not removed by sending null. Where the service's
default is known, the undo sends that. What remains makes the undo conditional, and the plan says why.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.errors import InvalidResourceIdError
from defender_remediate.fixes.diff import spelled_out
from defender_remediate.fixes.paths import look_up, split
from defender_remediate.fixes.undo_facts import (
    DEFAULTS,
    HONOURS_NULL,
    PUT_REPLACES,
    READS_NO_SECRET,
    RETIRED_TLS,
    USUAL_DEFAULTS,
)
from defender_remediate.json_values import ABSENT
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.step import PropertyChange


@attrs.frozen(kw_only=True)
class Undo:
    """How some changes can be undone.

    Attributes:
        changes: The changes that an undo restores. A change that added an object is split into its members where only they can
            be restored.
        values: The value to send for a member that was not there, by its path in lower case; without one it is removed.
        lasting: The paths of the changes that an undo leaves as they are.
        limits: Why the undo may not restore everything, a sentence each.
    """

    changes: tuple[PropertyChange, ...]
    values: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    lasting: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()


def undo_of(
    changes: Iterable[PropertyChange], *, target_id: str, is_put: bool, before: Mapping[str, Any] | None = None
) -> Undo:
    """Find out how changes of a resource can be undone.

    Args:
        changes: What a request changes.
        target_id: The resource that it writes.
        is_put: Whether it is a PUT of the whole resource, which leaves a member out to remove it.
        before: The resource as it was, where that is known.
    """
    return undo_of_type(changes, kind=undo_type(target_id), is_put=is_put, before=before)


def undo_type(target_id: str) -> str:
    """The type of a target, folded; empty for a collection, such as the extensions of a machine."""
    with suppress(InvalidResourceIdError):
        return fold(ResourceId.parse(target_id).type)
    return ""


def undo_of_type(
    changes: Iterable[PropertyChange], *, kind: str, is_put: bool, before: Mapping[str, Any] | None = None
) -> Undo:
    """The same as ``undo_of``, for any target of a type, as ``undo_type`` gives it."""
    removable = PUT_REPLACES if is_put else HONOURS_NULL
    restored: list[PropertyChange] = []
    values: dict[str, Any] = {}
    lasting: list[str] = []
    limits: list[str | None] = []
    for change in changes:
        if not _was_absent(change):
            restored.append(change)
            limits.append(_retired(change.path, change.before))
        elif any(kind.startswith(types) and fold(change.path).startswith(paths) for types, paths in removable):
            restored.append(change)
        else:
            for part in spelled_out(attrs.evolve(change, before=ABSENT)):
                default, condition = _default(kind, part, is_put=is_put)
                limits.append(condition)
                if default is not ABSENT:
                    values[fold(part.path)] = default
                if default is ABSENT and not is_put:
                    lasting.append(part.path)
                else:
                    restored.append(part)
    for secret, companion in READS_NO_SECRET.get(kind, ()) if is_put and restored else ():
        if look_up(before, companion) not in (ABSENT, None, ""):
            limits.append(f"Azure does not return {secret}, so the undo cannot send it.")
    return Undo(
        changes=tuple(_without_null(change) for change in restored),
        values=values,
        lasting=tuple(lasting),
        limits=tuple(dict.fromkeys(filter(None, limits))),
    )


def _was_absent(change: PropertyChange) -> bool:
    """Whether a change added a member. Tags and identities have rules of their own: see ``fixes.merge.merge_patch``."""
    own_rules = fold(str(split(change.path)[0])) in ("tags", "identity")
    return change.before in (ABSENT, None) and change.after not in (ABSENT, None) and not own_rules


def _default(kind: str, change: PropertyChange, *, is_put: bool) -> tuple[Any, str | None]:
    """The value that a member has when it is not set, or ``ABSENT``, and why an undo by it is not exact."""
    path = fold(change.path)
    for types, member, value in DEFAULTS:
        if path == fold(member) and kind in types:
            return value, _retired(change.path, value)
    for value in USUAL_DEFAULTS.get(fold(str(split(change.path)[-1])), ()):
        if isinstance(value, bool) == isinstance(change.after, bool):
            return value, f"{change.path} was not set before; the undo sets {value!r}, the usual default."
    if is_put:
        return ABSENT, f"{change.path} was not set before, and Azure may keep a member that a PUT leaves out."
    return ABSENT, f"{change.path} was not set before and its default is not known, so it keeps its new value."


def _retired(path: str, value: Any) -> str | None:
    is_about_tls = "tls" in fold(path) or "ssl" in fold(path)
    # A list of versions is one text in some types.
    words = re.split(r"[,;]", value) if isinstance(value, str) else []
    if is_about_tls and any(re.fullmatch(RETIRED_TLS, word.strip(), re.IGNORECASE) for word in words):
        return f"Azure may refuse to set {path} back to {value!r}: TLS below 1.2 is retired."
    return None


def _without_null(change: PropertyChange) -> PropertyChange:
    """An object that is put back leaves out what was null in it, because Azure would ignore that."""

    def clean(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: clean(item) for name, item in value.items() if item is not None}
        return [clean(item) for item in value] if isinstance(value, (list, tuple)) else value

    return attrs.evolve(change, before=clean(change.before))
