"""What holds for every write: it closes its condition, changes nothing else, is done once, and can be undone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.catalog.checks import leaves
from defender_remediate.catalog.lint.bodies import Subject, Trial
from defender_remediate.catalog.lint.problem import Objection
from defender_remediate.fixes.candidates import combine
from defender_remediate.fixes.conditions import same
from defender_remediate.fixes.diff import changes, settled, spelled_out
from defender_remediate.fixes.merge import NO_IDENTITY, difference, merge_patch, patched
from defender_remediate.fixes.paths import assign, join, look_up, split
from defender_remediate.fixes.restore import restoration
from defender_remediate.json_values import ABSENT, thaw
from defender_remediate.models.fix import ArrayStrategy, FixAction, FixKind
from defender_remediate.models.plan import PropertyChange, SkipReason


def closes(subject: Subject, trial: Trial) -> Iterator[Objection]:
    """Wherever the fix applies and the target is not compliant, the fix makes it compliant."""
    if _has_nothing_to_lay_over(subject.fix, trial.case.before):
        return
    for rejected in trial.combined.rejected:
        yield Objection(f"where {trial.case.note}: {rejected.cause.message or rejected.cause.reason}")


def _has_nothing_to_lay_over(fix: FixAction, before: Any) -> bool:
    """Whether the fix is for each element of an array that has none: planning then says so, and writes nothing."""
    arrays = (path for path, how in fix.array_strategies.items() if how == ArrayStrategy.EACH)
    return any(look_up(before, path) in (ABSENT, None, ()) for path in arrays)


def changes_nothing_else(subject: Subject, trial: Trial) -> Iterator[Objection]:
    """What differs afterwards is what the fix names; in arrays and joined texts the rest stays."""
    named = _named(subject.desired, subject.fix)
    for part in _by_member(trial.changes):
        if not _is_within(part.path, named):
            yield Objection(f"where {trial.case.note}: it also changes {part.path}")
        elif _loses(part, subject):
            yield Objection(f"where {trial.case.note}: what was at {part.path} is lost")


def _by_member(changed: Iterable[PropertyChange]) -> Iterator[PropertyChange]:
    for change in changed:
        # Null is not there, and what is no object has no members to keep: the object comes member by member.
        comes = isinstance(change.after, Mapping) and not isinstance(change.before, Mapping)
        yield from spelled_out(attrs.evolve(change, before=ABSENT) if comes else change)


def is_empty_the_second_time(subject: Subject, trial: Trial) -> Iterator[Objection]:
    """After the fix there is nothing left to plan, and laying it over once more changes nothing."""
    once = trial.combined
    if not once.accepted:
        return
    resource = once.after if subject.candidate.is_on_resource else trial.case.resource
    again = combine((subject.candidate,), resource=resource, before=once.after)
    if again.accepted or again.rejected[0].cause.reason not in (
        SkipReason.ALREADY_COMPLIANT,
        SkipReason.NOT_APPLICABLE,
    ):
        yield Objection(f"where {trial.case.note}: a second plan has something to do again")


def has_a_way_back(subject: Subject, trial: Trial) -> Iterator[Objection]:
    """The request that undoes the change restores the target, and so does the three-way comparison."""
    combined = trial.combined
    if not combined.accepted or trial.case.before is None or subject.fix.is_irreversible:
        return
    before, after = thaw(settled(trial.case.before)), thaw(settled(combined.after))
    undone = restoration(trial.changes, after)
    there = _restored(after, undone.body, combined.kind, subject.fix.send_whole)
    if undone.preserved or _without_null(there) != _without_null(before):
        left = ", ".join(undone.preserved) or "the target"
        yield Objection(f"where {trial.case.note}: a rollback leaves {left} changed")


def _restored(after: Mapping[str, Any], wanted: Mapping[str, Any], kind: FixKind, send_whole: tuple[str, ...]) -> Any:
    """What Azure has once the undo request was sent."""
    if kind is FixKind.PUT:
        return patched(after, difference(after, wanted))
    back = merge_patch(after, wanted, send_whole=send_whole)
    tags = {name: value for name, value in back.items() if fold(name) == "tags"}
    # Azure replaces tags whole, also in a PATCH.
    result = patched(after, back)
    for path in send_whole:
        if (whole := look_up(back, path)) not in (ABSENT, None):
            result = assign(result, path, whole)
    return {**result, **{name: value for name, value in tags.items() if value is not None}}


def _without_null(value: Any) -> Any:
    """The body without null members: to Azure, null and absent are one, and so is an identity of the type None."""
    if isinstance(value, Mapping):
        told = {name: _without_null(item) for name, item in value.items() if item is not None}
        return {name: item for name, item in told.items() if name != "identity" or look_up(item, "type") != NO_IDENTITY}
    return [_without_null(item) for item in value] if isinstance(value, (list, tuple)) else value


def _named(desired: Mapping[str, Any], fix: FixAction) -> frozenset[str]:
    """The paths that a fix names, in one spelling; an array is one of them."""
    arrays = (path for path, _ in leaves(desired) if "[" not in path.replace("['", ""))
    return frozenset(fold(join(split(path))) for path in (*arrays, *fix.remove))


def _is_within(path: str, named: frozenset[str]) -> bool:
    folded = fold(path)
    return any(f"{folded}.".startswith((f"{each}.", f"{each}[")) for each in named)


def _loses(change: PropertyChange, subject: Subject) -> bool:
    """Whether something is gone that the fix had to keep: an element, a member of one, a word of a joined text."""
    before, after = change.before, change.after
    said = next((how for path, how in subject.fix.array_strategies.items() if fold(path) == fold(change.path)), "")
    how = ArrayStrategy.parse(str(said))[0] if said else None
    if isinstance(before, (list, tuple)) and isinstance(after, (list, tuple)) and how is not ArrayStrategy.REPLACE:
        return _loses_elements(before, after, look_up(subject.desired, change.path))
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


def says_how_good_its_way_back_is(subject: Subject) -> Iterator[Objection]:
    """A fix without an exact way back gives a reason, and what Azure never undoes is declared so."""
    fix = subject.fix
    if fix.reversibility != "exact" and not fix.impact_reason:
        yield Objection(f"reversibility is {fix.reversibility}, and impact_reason does not say why")
    if fix.kind is FixKind.TEMPLATE and fix.reversibility == "exact":
        yield Objection("a deployment has no exact way back: what it created stays; say conditional or none")
    never = IRREVERSIBLE.get(fold(subject.target.type), {})
    for path, value in leaves(subject.desired):
        words = never.get(fold(path), ())
        if any(same(value, word) for word in words) and not fix.is_irreversible:
            yield Objection(f"Azure never takes {path} = {value!r} back, so reversibility is none")


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
"""What Azure never takes back, by type and path."""
