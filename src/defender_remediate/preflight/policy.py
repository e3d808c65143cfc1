"""Azure Policy: which assignments could refuse a change, and what Azure says when it is asked about one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.errors import MalformedResponseError
from defender_remediate.fixes.diff import settled
from defender_remediate.fixes.paths import look_up
from defender_remediate.json_values import ABSENT, canonical, thaw
from defender_remediate.models.check import CheckName, CheckResult, CheckStatus
from defender_remediate.preflight.scopes import covers, lies_in, scope_of
from defender_remediate.preflight.subject import Subject

BENCHMARK = "1f3afdf9-d0c9-4c3d-847f-89da613e70a8"
"""The Microsoft cloud security benchmark, behind Defender's recommendations. It audits, unless told otherwise."""
HARMLESS = {
    "audit": "writes down what is not compliant",
    "auditifnotexists": "writes down what is not compliant",
    "deployifnotexists": "deploys something afterwards",
    "disabled": "does nothing",
    "manual": "waits for somebody to attest",
    "denyaction": "refuses deletes, and none is asked about",
    "addtonetworkgroup": "sorts networks into groups",
    "mutate": "changes what runs inside a cluster",
}
"""The effects that let every write through unchanged, in lower case, and what they do."""
_CHANGING = frozenset({"append", "modify"})
_STRICT = frozenset({"deny", *_CHANGING})
_PARAMETER = re.compile(r"\[\s*parameters\(\s*'([^']+)'\s*\)\s*\]\Z", re.IGNORECASE)
_NAMES = re.compile(r"""["'](?:full)?(?:name|id)["']""", re.IGNORECASE)
_SET = "/policysetdefinitions/"
_NOT_CONTENT = frozenset({"id", "name", "type", "etag", "systemdata"})
_ADVICE = "change the policy or its parameters, or have the resource exempted from it"


@attrs.frozen(kw_only=True)
class Assignment:
    """A policy or an initiative, and where it is assigned.

    Attributes:
        values: The parameters' values, by name.
        overrides: The effects that it sets in place of those of its policies.
    """

    id: str
    scope: str
    definition_id: str
    not_scopes: tuple[str, ...] = ()
    is_enforced: bool = True
    values: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
    overrides: tuple[str, ...] = ()

    @classmethod
    def from_rest(cls, item: Any) -> Assignment:
        """Read one item of a list."""
        properties = wire.mapping(wire.pick(item, "properties"))
        own = wire.text(item, "id")
        parameters = wire.mapping(wire.pick(properties, "parameters"))
        overrides = wire.pick(properties, "overrides")
        return cls(
            id=own,
            scope=wire.text(properties, "scope") or scope_of(own),
            definition_id=wire.text(properties, "policyDefinitionId"),
            not_scopes=wire.texts(properties, "notScopes"),
            is_enforced=fold(wire.text(properties, "enforcementMode")) != "donotenforce",
            values={name: wire.pick(given, "value") for name, given in parameters.items()},
            overrides=tuple(wire.text(one, "value") for one in (overrides if isinstance(overrides, list) else ())),
        )

    @property
    def is_initiative(self) -> bool:
        """Whether it assigns a set of policies."""
        return _SET in fold(self.definition_id)

    def holds_at(self, place: str) -> bool:
        """Whether it is enforced at a place."""
        # A management group that is left out may be another one than the place is in: then Azure is asked.
        left_out = any(lies_in(place, scope) for scope in self.not_scopes)
        return self.is_enforced and not left_out and covers(self.scope, place)


def bare_name(definition_id: str) -> str:
    """The name at the end of a definition's id."""
    return definition_id.rstrip("/").rpartition("/")[2]


def could_refuse(assignment: Assignment, definition: Any) -> bool:
    """Whether an assignment could refuse a write, or change it on the way.

    Args:
        assignment: The assignment.
        definition: The body of the single policy that it assigns; None when it was not read. What is not known could.
    """
    if any(fold(effect) not in HARMLESS for effect in assignment.overrides):
        return True
    if not assignment.is_initiative:
        return fold(_effect(assignment, definition)) not in HARMLESS
    is_benchmark = fold(bare_name(assignment.definition_id)) == BENCHMARK
    return not is_benchmark or any(fold(wire.text(value)) in _STRICT for value in assignment.values.values())


def could_look_at_names(definition: Any) -> bool:
    """Whether a rule could judge by what a resource is called; one that was not read could.

    Azure has to be told the name then: it would judge a content that has none.
    """
    rule = wire.pick(wire.pick(definition, "properties"), "policyRule")
    return rule is None or _NAMES.search(canonical(rule)) is not None


def _effect(assignment: Assignment, definition: Any) -> str:
    properties = wire.pick(definition, "properties")
    effect = wire.text(wire.pick(wire.pick(properties, "policyRule"), "then"), "effect")
    named = _PARAMETER.match(effect)
    if named is None:
        return effect
    default = wire.text(wire.pick(wire.pick(properties, "parameters"), named[1]), "defaultValue")
    return wire.text(assignment.values, named[1]) or default


def members(assignment: Assignment, definition: Any) -> tuple[tuple[str, str], ...]:
    """What an assignment is made of: reference ids, with the bare names of the definitions that they stand for.

    Args:
        assignment: The assignment.
        definition: The body of the initiative that it assigns; not looked at for a single policy.

    Raises:
        MalformedResponseError: The initiative has no list of policies.
    """
    if not assignment.is_initiative:
        return (("", bare_name(assignment.definition_id)),)
    found = wire.pick(wire.pick(definition, "properties"), "policyDefinitions")
    if not isinstance(found, list):
        raise MalformedResponseError(f"the initiative {assignment.definition_id} has no array 'policyDefinitions'")
    return tuple(
        (wire.text(item, "policyDefinitionReferenceId"), bare_name(wire.text(item, "policyDefinitionId")))
        for item in found
    )


def content(subject: Subject) -> dict[str, Any]:
    """The resource as it will be, without what tells it from others of its kind: the same content is asked about once."""
    body = settled(subject.after)
    known = {name: thaw(value) for name, value in body.items() if fold(name) not in _NOT_CONTENT}
    return {"type": subject.target_type, **known}


def judge(answer: Any, subject: Subject) -> tuple[CheckResult, ...]:
    """What ``checkPolicyRestrictions`` says about a step.

    A policy that denies the content blocks, and so does one that denies a value that the step sets, or requires a member
    that will not be there. What is audited is left out; what a policy changes is a warning.

    Raises:
        MalformedResponseError: The answer is not one.
    """
    evaluated = wire.pick(answer, "contentEvaluationResult")
    restricted = wire.pick(answer, "fieldRestrictions")
    evaluations = wire.pick(evaluated, "policyEvaluations") if evaluated is not None else []
    if (evaluated is None and restricted is None) or not _are_lists(evaluations, restricted):
        raise MalformedResponseError("checkPolicyRestrictions: the answer has neither evaluations nor restrictions")
    found = [*_of_content(evaluations or []), *_of_fields(restricted or [], subject)]
    return tuple(sorted(dict.fromkeys(found), key=lambda one: (one.status.value, one.message, one.evidence)))


def _are_lists(*values: Any) -> bool:
    return all(value is None or isinstance(value, list) for value in values)


def _of_content(evaluations: Iterable[Any]) -> Iterator[CheckResult]:
    for item in evaluations:
        result = fold(wire.text(item, "evaluationResult"))
        effect = fold(wire.text(wire.pick(item, "effectDetails"), "policyEffect"))
        policy = wire.pick(item, "policyInfo")
        if result == "compliant" or effect in HARMLESS:
            continue
        if effect in _CHANGING:
            yield _finding(CheckStatus.WARNING, "a policy will change what is sent", policy)
        elif result == "noncompliant":
            yield _finding(CheckStatus.BLOCKED, "a deny policy refuses the resource as it would be", policy)
        else:
            yield _finding(
                CheckStatus.UNCHECKED, f"a deny policy could not be evaluated ({result or 'no result'})", policy
            )


def _of_fields(restrictions: Iterable[Any], subject: Subject) -> Iterator[CheckResult]:
    for item in restrictions:
        field = wire.text(item, "field")
        found = wire.pick(item, "restrictions")
        for one in found if isinstance(found, list) else ():
            yield from _of_field(field, one, subject)


def _of_field(field: str, restriction: Any, subject: Subject) -> Iterator[CheckResult]:
    result = fold(wire.text(restriction, "result"))
    effect = fold(wire.text(restriction, "policyEffect"))
    reason = wire.text(restriction, "reason")
    values = {fold(value) for value in wire.texts(restriction, "values")}
    policy = wire.pick(restriction, "policy")
    path = _path(field, subject)
    told = (reason,) if reason else ()
    is_set = any(
        fold(change.path) == path or path.startswith(f"{fold(change.path)}.") for change in subject.step.changes
    )
    if result == "deny" and effect not in HARMLESS and is_set and (not values or _value(subject, path) in values):
        yield _finding(CheckStatus.BLOCKED, f"a deny policy refuses the value of {field}", policy, *told)
    elif result == "required" and effect == "deny" and _is_plain(field):
        value = _value(subject, path)
        if not value or (values and value not in values):
            yield _finding(CheckStatus.BLOCKED, f"a deny policy requires {field}", policy, *told)
    elif result == "removed" and is_set:
        yield _finding(CheckStatus.WARNING, f"a policy takes {field} out of what is sent", policy, *told)


def _is_plain(field: str) -> bool:
    """Whether a field is a member of every resource, such as ``location``, and no alias for one of its properties."""
    return "/" not in field


def _path(field: str, subject: Subject) -> str:
    """Where a field is in the body, in lower case. The alias of a property ends in its path below ``properties``."""
    folded = fold(field)
    prefix = f"{fold(subject.target_type)}/"
    return f"properties.{folded.removeprefix(prefix)}" if folded.startswith(prefix) else folded


def _value(subject: Subject, path: str) -> str:
    try:
        found = look_up(subject.after, path)
    except ValueError:
        # An alias of an array, such as rules[*].value, is no path.
        return ""
    return "" if found is ABSENT else fold(wire.text(found))


def _finding(verdict: CheckStatus, message: str, policy: Any, *more: str) -> CheckResult:
    ids = (wire.text(policy, name) for name in ("policyAssignmentId", "policyDefinitionId"))
    evidence = (*(text for text in ids if text), *more)
    return CheckResult(check=CheckName.POLICY, status=verdict, message=message, evidence=evidence, advice=_ADVICE)
