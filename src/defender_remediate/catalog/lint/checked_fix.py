"""The sample bodies that a fix is checked on. They follow from the fix and the facts of its type; nothing is random."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import attrs

from defender_remediate.catalog.lint.sample_bodies import SampleBody, satisfying_bodies, violating_bodies
from defender_remediate.catalog.lint.samples import LOCATION, resource_id, values_for
from defender_remediate.catalog.lint.write_target import WriteTarget, write_target_of
from defender_remediate.catalog.type_facts import ANY_NAME, ELEMENT, MARKS, TypeFacts, facts_of
from defender_remediate.fixes.candidates import Candidate, CombinedFix, combine
from defender_remediate.fixes.conditions import holds
from defender_remediate.fixes.diff import changes
from defender_remediate.fixes.placeholders import fill, fill_condition
from defender_remediate.json_values import freeze, sha256
from defender_remediate.models.condition import Condition
from defender_remediate.models.fix import FixAction
from defender_remediate.models.step import PropertyChange

# Members that no fix knows and no fix may change, put into every object of a body.
_UNKNOWN_MEMBER: Mapping[str, Any] = {"list": [1], "none": None}
_DEPTH = 3
_MAX_SAMPLES = 40


@attrs.frozen(kw_only=True)
class PlannedSample:
    """A target that is not compliant, and what planning decides about the fix on it.

    Attributes:
        note: How the target was made to violate the condition.
        before: The target; None for one that does not exist.
        resource: The resource that the recommendation is about.
        combined: What planning decides.
        changes: Every member that differs afterwards; empty when planning rejects the fix.
    """

    note: str
    before: Any = attrs.field(converter=freeze, repr=False)
    resource: Any = attrs.field(converter=freeze, repr=False)
    combined: CombinedFix = attrs.field(repr=False)
    changes: tuple[PropertyChange, ...] = attrs.field(repr=False)


@attrs.frozen(kw_only=True)
class CheckedFix:
    """A fix, and everything that the rules look at.

    Attributes:
        candidate: The fix as it is planned, with a sample value for each parameter.
        target: What it writes to.
        facts: What is known of that type; None if nothing is known.
        desired: The body with every placeholder filled in.
        compliant_when: The condition with every placeholder filled in.
        samples: Targets, and what planning decides about them.
    """

    fix: FixAction
    candidate: Candidate
    target: WriteTarget
    facts: TypeFacts | None
    desired: Mapping[str, Any] = attrs.field(repr=False)
    compliant_when: Condition
    samples: tuple[PlannedSample, ...] = attrs.field(repr=False)

    @property
    def shape(self) -> Any:
        """The shape of the target's body; empty if nothing is known of its type."""
        return self.facts.members if self.facts else {}


def checked_fix(fix: FixAction) -> CheckedFix:
    """Everything that the rules look at for this fix."""
    values = values_for(fix)
    target = write_target_of(fix)
    linked = resource_id(fix.linked_type, "linked") if fix.linked and fix.linked_type else None
    candidate = Candidate(
        fix=fix, key=fix.key, resource_id=resource_id(fix.resource_type), values=values, linked_id=linked
    )
    facts = facts_of(target.type, target.name or "")
    condition = fill_condition(fix.compliant_when, values)
    return CheckedFix(
        fix=fix,
        candidate=candidate,
        target=target,
        facts=facts,
        desired=fill(fix.body or {}, values),
        compliant_when=condition,
        samples=tuple(islice(_samples(candidate, condition, facts), _MAX_SAMPLES)),
    )


def plan_sample(candidate: Candidate, *, note: str, before: Any, resource: Any) -> PlannedSample:
    """What planning decides about a fix on one target."""
    combined = combine((candidate,), resource=resource, before=before)
    differing = changes(before or {}, combined.after) if combined.accepted else ()
    return PlannedSample(note=note, before=before, resource=resource, combined=combined, changes=differing)


def plan_on(checked: CheckedFix, body: Any, note: str) -> PlannedSample | None:
    """What planning decides about any other body of the type; None if it is compliant or the fix does not apply to it."""
    if holds(checked.compliant_when, body) or not _is_applicable(checked.fix, body):
        return None
    if checked.candidate.is_on_resource and not _applies(checked.fix, body):
        return None
    resource = body if checked.candidate.is_on_resource or not checked.samples else checked.samples[0].resource
    return plan_sample(checked.candidate, note=note, before=body, resource=resource)


def plausible(shape: Any, pick: int, depth: int = _DEPTH) -> Any:
    """A body with every known member down to some depth, and in each object an unknown member."""
    if isinstance(shape, list):
        return shape[pick % len(shape)]
    if isinstance(shape, Mapping) and ELEMENT in shape:
        return [plausible(shape[ELEMENT], pick, depth - 1)] if depth else []
    if isinstance(shape, Mapping):
        named = {} if ANY_NAME in shape or not depth else shape
        members = {name: plausible(below, pick + place, depth - 1) for place, (name, below) in enumerate(named.items())}
        return {"unknownMember": _UNKNOWN_MEMBER, **members}
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
        "tags": {"owner": "someone", "a.b": "c"},
        "identity": {
            "type": "UserAssigned",
            "userAssignedIdentities": {f"{resource_id('Microsoft.ManagedIdentity/userAssignedIdentities')}": {}},
        },
    }


def _samples(candidate: Candidate, condition: Condition, facts: TypeFacts | None) -> Iterator[PlannedSample]:
    fix = candidate.fix
    shape = facts.members if facts else {}
    base = _applicable(fix, _base(facts, fix.key), shape)
    if candidate.is_on_resource:
        for start in islice(_applying(fix, base), 3):
            for found in violating_bodies(condition, start.body, shape):
                if _applies(fix, found.body) and _is_applicable(fix, found.body):
                    yield plan_sample(candidate, note=found.note, before=found.body, resource=found.body)
        return
    resource = next(_applying(fix, _base(facts_of(fix.resource_type), fix.key)), SampleBody({}, "")).body
    for body, note in ((None, "it does not exist"), ({}, "it is empty")):
        if not holds(condition, body) and not (fix.linked or fix.is_elsewhere):
            yield plan_sample(candidate, note=note, before=body, resource=resource)
    violating = violating_bodies(condition, base, shape)
    for found in (each for each in violating if _is_applicable(fix, each.body)):
        yield plan_sample(candidate, note=found.note, before=found.body, resource=resource)


def _applying(fix: FixAction, base: Mapping[str, Any]) -> Iterator[SampleBody]:
    if fix.applies_when is None:
        yield SampleBody(base, "")
    else:
        facts = facts_of(fix.resource_type)
        yield from satisfying_bodies(fix.applies_when, base, facts.members if facts else {})


def _applies(fix: FixAction, body: Any) -> bool:
    return fix.applies_when is None or holds(fix.applies_when, body)


def _is_applicable(fix: FixAction, target: Any) -> bool:
    return not any(holds(each.when, target) for each in fix.not_applicable)


def _applicable(fix: FixAction, body: Any, shape: Any) -> Any:
    """The body, changed so that the fix can be applied to it."""
    for each in fix.not_applicable:
        if holds(each.when, body):
            body = next(violating_bodies(each.when, body, shape), SampleBody(body, "")).body
    return body
