"""Rules about the effect of a write: it closes its condition, changes nothing else, is idempotent and can be undone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.catalog.lint.checked_fix import CheckedFix, PlannedSample
from defender_remediate.catalog.lint.problem import RuleViolation
from defender_remediate.catalog.validity import leaves
from defender_remediate.fixes.candidates import combine
from defender_remediate.fixes.conditions import same
from defender_remediate.fixes.diff import changes, settled, spelled_out
from defender_remediate.fixes.merge import NO_IDENTITY, difference, merge_patch, patched
from defender_remediate.fixes.paths import assign, join, look_up, split
from defender_remediate.fixes.restore import restoration
from defender_remediate.json_values import ABSENT, thaw
from defender_remediate.models.fix import ArrayStrategy, FixKind
from defender_remediate.models.step import PropertyChange, SkipReason


def closes_condition(checked: CheckedFix, sample: PlannedSample) -> Iterator[RuleViolation]:
    """Wherever the fix applies and the target is not compliant, the fix makes it compliant."""
    arrays = (path for path, how in checked.fix.array_strategies.items() if how == ArrayStrategy.EACH)
    if any(look_up(sample.before, path) in (ABSENT, None, ()) for path in arrays):
        return  # a fix for each element of an array has nothing to change in an empty one
    for rejected in sample.combined.rejected:
        yield RuleViolation(f"where {sample.note}: {rejected.cause.message or rejected.cause.reason}")


def changes_nothing_else(checked: CheckedFix, sample: PlannedSample) -> Iterator[RuleViolation]:
    """Only the members that the fix names differ afterwards; arrays and comma-separated strings keep their other elements."""
    # An array counts as one path.
    written = [path for path, _ in leaves(checked.desired) if "[" not in path.replace("['", "")]
    named = frozenset(fold(join(split(path))) for path in (*written, *checked.fix.remove))
    for part in _by_member(sample.changes):
        if not _is_within(part.path, named):
            yield RuleViolation(f"where {sample.note}: it also changes {part.path}")
        elif _loses(part, checked):
            yield RuleViolation(f"where {sample.note}: it loses a value at {part.path}")


def _by_member(changed: Iterable[PropertyChange]) -> Iterator[PropertyChange]:
    for change in changed:
        # A value that is not an object has no members to keep, so a new object is compared member by member.
        comes = isinstance(change.after, Mapping) and not isinstance(change.before, Mapping)
        yield from spelled_out(attrs.evolve(change, before=ABSENT) if comes else change)


def is_idempotent(checked: CheckedFix, sample: PlannedSample) -> Iterator[RuleViolation]:
    """After the fix there is nothing left to plan."""
    once = sample.combined
    if not once.accepted:
        return
    resource = once.after if checked.candidate.is_on_resource else sample.resource
    again = combine((checked.candidate,), resource=resource, before=once.after)
    if again.accepted or again.rejected[0].cause.reason not in (
        SkipReason.ALREADY_COMPLIANT,
        SkipReason.NOT_APPLICABLE,
    ):
        yield RuleViolation(f"where {sample.note}: a second plan would change the target again")


def undo_restores_original(checked: CheckedFix, sample: PlannedSample) -> Iterator[RuleViolation]:
    """The undo request restores the target."""
    combined = sample.combined
    if not combined.accepted or sample.before is None or checked.fix.is_irreversible:
        return
    before, after = thaw(settled(sample.before)), thaw(settled(combined.after))
    undone = restoration(sample.changes, after)
    there = _restored(after, undone.body, combined.kind, checked.fix.send_whole)
    if undone.preserved or _without_null(there) != _without_null(before):
        left = ", ".join(undone.preserved) or "the target"
        yield RuleViolation(f"where {sample.note}: a rollback does not restore {left}")


def _restored(after: Mapping[str, Any], wanted: Mapping[str, Any], kind: FixKind, send_whole: tuple[str, ...]) -> Any:
    """The target after the undo request."""
    if kind is FixKind.PUT:
        return patched(after, difference(after, wanted))
    back = merge_patch(after, wanted, send_whole=send_whole)
    tags = {name: value for name, value in back.items() if fold(name) == "tags"}
    # Azure replaces tags whole, also in a PATCH.
    result = patched(after, back)
    for path in send_whole:
        if isinstance(whole := look_up(back, path), Mapping):
            result = assign(result, path, whole)
    return {**result, **{name: value for name, value in tags.items() if value is not None}}


def _without_null(value: Any) -> Any:
    """The body without null members and without an identity that has no type: Azure treats both as absent."""
    if isinstance(value, Mapping):
        members = {name: _without_null(item) for name, item in value.items() if item is not None}
        if look_up(members, "identity.type") in (ABSENT, NO_IDENTITY):
            members.pop("identity", None)
        return members
    return [_without_null(item) for item in value] if isinstance(value, (list, tuple)) else value


def _is_within(path: str, named: frozenset[str]) -> bool:
    folded = fold(path)
    return any(f"{folded}.".startswith((f"{each}.", f"{each}[")) for each in named)


def _loses(change: PropertyChange, checked: CheckedFix) -> bool:
    """Whether a value is lost: an element of an array, a member of an element, a word of a comma-separated string."""
    before, after = change.before, change.after
    said = next((how for path, how in checked.fix.array_strategies.items() if fold(path) == fold(change.path)), "")
    how = ArrayStrategy.parse(str(said))[0] if said else None
    if isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)) and how is not ArrayStrategy.REPLACE:
        return _loses_elements(before, after, look_up(checked.desired, change.path))
    if (
        isinstance(before, str)
        and isinstance(after, str)
        and (how is ArrayStrategy.UNION or change.path == "identity.type")
    ):
        return not _words(before) - {"none", ""} <= _words(after)
    return False


def _loses_elements(before: Any, after: Any, desired: Any) -> bool:
    named = frozenset(fold(path) for item in desired for path, _ in leaves(item) if path)
    for old, new in zip_longest(before, after, fillvalue=ABSENT):
        if old is ABSENT or same(old, new):
            continue
        if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
            return True
        if any(not _is_within(part.path, named) for part in _by_member(changes(old, new))):
            return True
    return False


def _words(text: str) -> set[str]:
    return {fold(word.strip()) for word in text.split(",")}


def states_reversibility(checked: CheckedFix) -> Iterator[RuleViolation]:
    """A fix that is not exactly reversible says why, and its reversibility is what Azure allows."""
    fix = checked.fix
    if fix.reversibility != "exact" and not fix.impact_reason:
        yield RuleViolation(f"reversibility is {fix.reversibility}, and impact_reason does not say why")
    if fix.kind is FixKind.TEMPLATE and fix.reversibility == "exact":
        yield RuleViolation(
            "a deployment is not exactly reversible, because what it created stays: set reversibility to conditional or none"
        )
    never = IRREVERSIBLE.get(fold(checked.target.type), {})
    for path, value in leaves(checked.desired):
        words = never.get(fold(path), ())
        if any(same(value, word) for word in words) and not fix.is_irreversible:
            yield RuleViolation(f"Azure does not allow {path} = {value!r} to be undone: set reversibility to none")


IRREVERSIBLE: Mapping[str, Mapping[str, tuple[Any, ...]]] = {
    "microsoft.keyvault/vaults": {
        "properties.enablepurgeprotection": (True,),
        "properties.enablesoftdelete": (True,),
    },
    "microsoft.keyvault/managedhsms": {"properties.enablepurgeprotection": (True,)},
    "microsoft.recoveryservices/vaults": {
        "properties.securitysettings.immutabilitysettings.state": ("Locked",),
        "properties.securitysettings.softdeletesettings.softdeletestate": ("AlwaysON",),
    },
    "microsoft.dataprotection/backupvaults": {
        "properties.securitysettings.immutabilitysettings.state": ("Locked",),
        "properties.securitysettings.softdeletesettings.state": ("AlwaysOn",),
    },
    "microsoft.containerservice/managedclusters": {"properties.aadprofile.managed": (True,)},
}
"""Values that Azure does not allow to be undone, by type and path in lower case."""
