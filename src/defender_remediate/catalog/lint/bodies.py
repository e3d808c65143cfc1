"""The bodies that a fix is tried on. They follow from the fix and from what is known of its type; there is no chance in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import attrs

from defender_remediate.catalog.lint.answers import Answer, meeting, missing
from defender_remediate.catalog.lint.samples import LOCATION, resource_id, values_for
from defender_remediate.catalog.lint.target import Target, target_of
from defender_remediate.catalog.type_facts import ANY_NAME, ELEMENT, MARKS, TypeFacts, facts_of
from defender_remediate.fixes.candidates import Candidate, CombinedFix, combine
from defender_remediate.fixes.conditions import holds
from defender_remediate.fixes.diff import changes
from defender_remediate.fixes.placeholders import fill, fill_condition
from defender_remediate.json_values import freeze, sha256
from defender_remediate.models.condition import Condition
from defender_remediate.models.fix import FixAction
from defender_remediate.models.plan import PropertyChange

# What no fix knows and no fix may touch, put into every object of a body.
STRANGER: Mapping[str, Any] = {"list": [1], "none": None}
_DEPTH = 3
_CASES = 40


@attrs.frozen(kw_only=True)
class Case:
    """What planning finds: a target that the fix applies to and that is not compliant.

    Attributes:
        note: How the target was made to miss the condition.
        before: The target; None for one that does not exist.
        resource: The resource that the recommendation is about.
    """

    note: str
    before: Any = attrs.field(converter=freeze, repr=False)
    resource: Any = attrs.field(converter=freeze, repr=False)


@attrs.frozen(kw_only=True)
class Trial:
    """A case, and what planning makes of it.

    Attributes:
        case: The target.
        combined: What planning decides about the fix on it.
        changes: Every member that differs afterwards; nothing when planning refuses the fix.
    """

    case: Case
    combined: CombinedFix = attrs.field(repr=False)
    changes: tuple[PropertyChange, ...] = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class Subject:
    """A fix, and everything that the proofs look at.

    Attributes:
        candidate: The fix as it is planned, with a sample for each parameter.
        target: What it writes to.
        facts: What is known of that type; None for nothing.
        desired: The body with every placeholder filled in.
        compliant_when: The condition with every placeholder filled in.
        trials: What becomes of the targets it is tried on.
    """

    fix: FixAction
    candidate: Candidate
    target: Target
    facts: TypeFacts | None
    desired: Mapping[str, Any] = attrs.field(repr=False)
    compliant_when: Condition
    trials: tuple[Trial, ...] = attrs.field(repr=False)

    @property
    def shape(self) -> Any:
        """The shape of the target's body; that of anything when nothing is known."""
        return self.facts.members if self.facts else {}


def subject(fix: FixAction) -> Subject:
    """Everything that the proofs of this fix look at."""
    values = values_for(fix)
    target = target_of(fix)
    linked = resource_id(fix.linked_type, "linked") if fix.linked_type else None
    candidate = Candidate(
        fix=fix, key=fix.key, resource_id=resource_id(fix.resource_type), values=values, linked_id=linked
    )
    facts = facts_of(target.type, target.name)
    condition = fill_condition(fix.compliant_when, values)
    return Subject(
        fix=fix,
        candidate=candidate,
        target=target,
        facts=facts,
        desired=fill(fix.body or {}, values),
        compliant_when=condition,
        trials=tuple(tried(candidate, case) for case in islice(_cases(candidate, condition, facts), _CASES)),
    )


def tried(candidate: Candidate, case: Case) -> Trial:
    """What planning makes of a fix on one target."""
    combined = combine((candidate,), resource=case.resource, before=case.before)
    differing = changes(case.before or {}, combined.after) if combined.accepted else ()
    return Trial(case=case, combined=combined, changes=differing)


def tried_on(about: Subject, body: Any, note: str) -> Trial | None:
    """What becomes of any other body of the type; None when the fix does not apply to it or has nothing to do."""
    if holds(about.compliant_when, body) or not _is_applicable(about.fix, body):
        return None
    if about.candidate.is_on_resource and not _applies(about.fix, body):
        return None
    resource = body if about.candidate.is_on_resource or not about.trials else about.trials[0].case.resource
    return tried(about.candidate, Case(note=note, before=body, resource=resource))


def plausible(shape: Any, pick: int, depth: int = _DEPTH) -> Any:
    """A body with every member that is known, down to some depth, and in each object a stranger that no one knows."""
    if isinstance(shape, list):
        return shape[pick % len(shape)]
    if isinstance(shape, Mapping) and ELEMENT in shape:
        return [plausible(shape[ELEMENT], pick, depth - 1)] if depth else []
    if isinstance(shape, Mapping):
        named = {} if ANY_NAME in shape or not depth else shape
        members = {name: plausible(below, pick + place, depth - 1) for place, (name, below) in enumerate(named.items())}
        return {"stranger": STRANGER, **members}
    return {"s": "some text", "b": bool(pick % 2), "i": pick % 90, "n": 0.5}.get(shape.lstrip(MARKS), "anything")


def _base(facts: TypeFacts | None, text: str) -> dict[str, Any]:
    pick = int(sha256(text)[:6], 16)
    body = plausible(facts.members if facts else {"properties": {}}, pick)
    identity = resource_id(facts.name) if facts else resource_id("Microsoft.Sample/things")
    return {
        **body,
        "id": identity,
        "name": identity.rsplit("/", 1)[-1],
        "location": LOCATION,
        "tags": {"owner": "somebody", "a.b": "c"},
        "identity": {
            "type": "UserAssigned",
            "userAssignedIdentities": {f"{resource_id('Microsoft.ManagedIdentity/userAssignedIdentities')}": {}},
        },
    }


def _cases(candidate: Candidate, condition: Condition, facts: TypeFacts | None) -> Iterator[Case]:
    fix = candidate.fix
    shape = facts.members if facts else {}
    base = _applicable(fix, _base(facts, fix.key), shape)
    if not candidate.is_on_resource:
        resource = next(_applying(fix, _base(facts_of(fix.resource_type), fix.key)), Answer({}, "")).body
        for body, note in ((None, "it does not exist"), ({}, "it is empty")):
            if not holds(condition, body) and not (fix.linked or fix.is_elsewhere):
                yield Case(note=note, before=body, resource=resource)
        for found in missing(condition, base, shape):
            if _is_applicable(fix, found.body):
                yield Case(note=found.note, before=found.body, resource=resource)
        return
    for start in islice(_applying(fix, base), 3):
        for found in missing(condition, start.body, shape):
            if _applies(fix, found.body) and _is_applicable(fix, found.body):
                yield Case(note=found.note, before=found.body, resource=found.body)


def _applying(fix: FixAction, base: Mapping[str, Any]) -> Iterator[Answer]:
    if fix.applies_when is None:
        yield Answer(base, "")
    else:
        facts = facts_of(fix.resource_type)
        yield from meeting(fix.applies_when, base, facts.members if facts else {})


def _applies(fix: FixAction, body: Any) -> bool:
    return fix.applies_when is None or holds(fix.applies_when, body)


def _is_applicable(fix: FixAction, target: Any) -> bool:
    return not any(holds(each.when, target) for each in fix.not_applicable)


def _applicable(fix: FixAction, body: Any, shape: Any) -> Any:
    """The body, changed so that it is none of the targets that the fix cannot be applied to."""
    for each in fix.not_applicable:
        if holds(each.when, body):
            body = next(missing(each.when, body, shape), Answer(body, "")).body
    return body
