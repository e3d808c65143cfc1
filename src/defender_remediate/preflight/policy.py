"""Azure Policy: asks Azure whether a policy would refuse or change the resource as the step leaves it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.errors import DefenderRemediateError, MalformedResponseError
from defender_remediate.fixes.diff import settled
from defender_remediate.fixes.paths import look_up
from defender_remediate.json_values import ABSENT, thaw
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.id_parts import group_of, name_of, subscription_of
from defender_remediate.models.ids import contains, id_key
from defender_remediate.preflight.exemptions import exemptions_in_force
from defender_remediate.preflight.policy_assignments import (
    CHANGING,
    HARMLESS,
    AssignedPolicy,
    definition_of,
    policy_assignments,
    reads_names,
)
from defender_remediate.preflight.policy_enrollments import (
    ResourceKind,
    enforced_policies,
    is_enforced,
    policy_enrollments,
)
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.subject import Subject
from defender_remediate.preflight.unreadable import unreadable

_API_VERSION = "2023-03-01"
_NOT_CONTENT = frozenset({"id", "name", "type", "etag", "systemdata"})
_ADVICE = "change the policy or its parameters, or have the resource exempted from it"


@attrs.frozen(kw_only=True)
class PolicyFacts:
    """What was read about one step.

    Attributes:
        answer: Azure's answer; None where no assignment could refuse the step, and Azure was not asked.
        enforced: The enforced policies of each assignment in the mode Enroll, by the folded id of the assignment.
        is_below_group: Whether an enrollment is about less than the resource group, so that Azure has to know the name.
        unread: Assignments in the mode Enroll that could refuse the step and whose enrollments could not be read.
        error: Why they could not be read.
    """

    answer: Any = None
    enforced: Mapping[str, frozenset[str]] = attrs.field(factory=dict)
    is_below_group: bool = False
    unread: tuple[str, ...] = ()
    error: DefenderRemediateError | None = None


class PolicyCheck:
    """Asks Azure which policies would refuse a change, where an assignment in force could.

    An assignment in the mode Enroll is in force where an enrollment at or above the resource matches.

    Asked once for all resources of a group that would look the same. A deployment is not asked about: its what-if evaluates
    policies. What a policy only audits is left out.
    """

    name = "policy"
    # Enrollments are in preview, and Azure refuses a role with an action that a cloud does not know. Without the right to read
    # them a step that an assignment in the mode Enroll could refuse is unchecked.
    permissions = (
        "Microsoft.Authorization/policyAssignments/read",
        "Microsoft.Authorization/policyDefinitions/read",
        "Microsoft.Authorization/policyExemptions/read",
        # The list of operations names it "read". Some error messages name checkPolicyRestrictions/action, which is in no
        # list, and Azure refuses a role with an action that it does not know.
        "Microsoft.PolicyInsights/checkPolicyRestrictions/read",
    )

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[PolicyFacts]:
        """Azure's answer for each step, and which of the policies in it are in force."""

        def single_definition(assignment: AssignedPolicy) -> Any:
            if assignment.is_initiative:
                return None
            try:
                return definition_of(reader, assignment)
            except DefenderRemediateError:
                # Then it could refuse, and Azure is asked.
                return None

        def read(subject: Subject) -> PolicyFacts:
            if subject.is_deployment or not isinstance(subject.after, Mapping):
                return PolicyFacts()
            target = subject.step.target_id
            holding = [one for one in policy_assignments(reader, target) if one.holds_at(target)]
            facts = _enrolled(reader, subject, [one for one in holding if one.needs_enrollment])
            # What no enrollment matches evaluates and does not refuse.
            holding = [one for one in holding if facts.enforced.get(fold(one.id)) != frozenset()]
            # Initiatives are not read. If one of them could refuse, the single policies need not be read either.
            refusing = [one for one in holding if one.is_initiative and one.may_refuse(None)]
            if not refusing:
                refusing = [one for one in holding if one.may_refuse(single_definition(one))]
            if not refusing:
                return attrs.evolve(facts, unread=())
            in_doubt = [one for one in holding if one.id in facts.unread and one.may_refuse(single_definition(one))]
            facts = attrs.evolve(facts, unread=tuple(one.id for one in in_doubt))
            # Without a name, equal resources are one question. With one, Azure can evaluate rules about names, and
            # exemptions of the resource itself.
            group = group_of(target)
            exempt = [one.scope for one in exemptions_in_force(reader, target)]
            is_exempt = any(contains(group, scope) and id_key(group) != id_key(scope) for scope in exempt)
            content = _content(subject)
            if is_exempt or facts.is_below_group or any(reads_names(single_definition(one)) for one in refusing):
                content["name"] = name_of(target)
            answer: Any = reader.query(
                f"{group}/providers/Microsoft.PolicyInsights/checkPolicyRestrictions",
                api_version=_API_VERSION,
                body={"resourceDetails": {"resourceContent": content, "apiVersion": subject.step.api_version}},
                collection=f"checkPolicyRestrictions {subscription_of(target)}",
            )
            return attrs.evolve(facts, answer=answer)

        return reader.for_each(subjects, read)

    def judge(self, subject: Subject, facts: StepFacts[PolicyFacts]) -> list[CheckResult]:
        """What Azure's answer means for one step.

        Raises:
            MalformedResponseError: The answer has neither evaluations nor restrictions.
        """
        known = facts[subject]
        answer = known.answer
        if answer is None:
            return []
        evaluated = wire.pick(answer, "contentEvaluationResult")
        restrictions = wire.pick(answer, "fieldRestrictions")
        evaluations = wire.pick(evaluated, "policyEvaluations") if evaluated is not None else []
        are_lists = all(value is None or isinstance(value, list) for value in (evaluations, restrictions))
        if (evaluated is None and restrictions is None) or not are_lists:
            raise MalformedResponseError(
                "checkPolicyRestrictions: the response has neither evaluations nor restrictions"
            )
        in_force = [one for one in evaluations or [] if is_enforced(known.enforced, wire.pick(one, "policyInfo"))]
        found = [*self._of_content(in_force)]
        if known.error is not None and known.unread:
            failed = unreadable(self.name, known.error)
            message = "an assignment in the mode Enroll may refuse the change, and its enrollments could not be read"
            found.append(
                attrs.evolve(
                    failed, status=CheckStatus.UNCHECKED, message=message, evidence=known.unread, advice=_ADVICE
                )
            )
        for item in restrictions or []:
            listed = wire.pick(item, "restrictions")
            for restriction in listed if isinstance(listed, list) else ():
                if not is_enforced(known.enforced, wire.pick(restriction, "policy")):
                    continue
                found += self._of_field(_Restriction.from_rest(wire.text(item, "field"), restriction), subject)
        return sorted(dict.fromkeys(found), key=lambda one: (one.status.value, one.message, one.evidence))

    def _of_content(self, evaluations: Sequence[Any]) -> Iterator[CheckResult]:
        """What policies say about the resource as a whole."""
        for item in evaluations:
            result = fold(wire.text(item, "evaluationResult"))
            effect = fold(wire.text(wire.pick(item, "effectDetails"), "policyEffect"))
            policy = wire.pick(item, "policyInfo")
            if result == "compliant" or effect in HARMLESS:
                continue
            if effect in CHANGING:
                yield self._result(CheckStatus.WARNING, "a policy will change what is sent", policy)
            elif result == "noncompliant":
                yield self._result(CheckStatus.BLOCKED, "a deny policy refuses the resource as it would be", policy)
            else:
                message = f"a deny policy could not be evaluated ({result or 'no result'})"
                yield self._result(CheckStatus.UNCHECKED, message, policy)

    def _of_field(self, restriction: _Restriction, subject: Subject) -> Iterator[CheckResult]:
        """What policies say about one member of the resource."""
        path = _path(restriction.field, subject)
        value = _value(subject, path)
        field, policy, reason = restriction.field, restriction.policy, restriction.reason
        if restriction.result == "required":
            # An alias of a property may be required of some resources only; a member such as location is of all.
            is_alias = "/" in field
            if restriction.effect == "deny" and not is_alias and not restriction.accepts(value):
                yield self._result(CheckStatus.BLOCKED, f"a deny policy requires {field}", policy, *reason)
            return
        changed = [fold(change.path) for change in subject.step.changes]
        if not any(path == own or path.startswith(f"{own}.") for own in changed):
            return
        if restriction.result == "removed":
            yield self._result(CheckStatus.WARNING, f"a policy removes {field} from what is sent", policy, *reason)
        elif restriction.result == "deny" and restriction.effect not in HARMLESS and restriction.lists(value):
            yield self._result(CheckStatus.BLOCKED, f"a deny policy refuses the value of {field}", policy, *reason)

    def _result(self, status: CheckStatus, message: str, policy: Any, *more: str) -> CheckResult:
        ids = (wire.text(policy, name) for name in ("policyAssignmentId", "policyDefinitionId"))
        evidence = (*(found for found in ids if found), *more)
        return CheckResult(check=self.name, status=status, message=message, evidence=evidence, advice=_ADVICE)


def _enrolled(reader: CheckReader, subject: Subject, assigned: Sequence[AssignedPolicy]) -> PolicyFacts:
    """Which policies of assignments in the mode Enroll are enforced; the enrollments are read only if there are such."""
    if not assigned:
        return PolicyFacts()
    target = subject.step.target_id
    try:
        enrollments = policy_enrollments(reader, target)
    except DefenderRemediateError as error:
        return PolicyFacts(unread=tuple(one.id for one in assigned), error=error)
    kind = ResourceKind.of(subject.target_type, subject.after)
    group = group_of(target)
    return PolicyFacts(
        enforced={fold(one.id): enforced_policies(enrollments, one.id, target, kind) for one in assigned},
        is_below_group=any(contains(group, one.scope) and id_key(group) != id_key(one.scope) for one in enrollments),
    )


@attrs.frozen(kw_only=True)
class _Restriction:
    """What a policy allows for one field.

    Attributes:
        result, effect, values: Folded. No values stands for every value.
        reason: The message of the policy, or nothing.
    """

    field: str
    result: str
    effect: str
    values: frozenset[str]
    reason: tuple[str, ...]
    policy: Any

    @classmethod
    def from_rest(cls, field: str, item: Any) -> _Restriction:
        """Read one restriction of a field."""
        reason = wire.text(item, "reason")
        return cls(
            field=field,
            result=fold(wire.text(item, "result")),
            effect=fold(wire.text(item, "policyEffect")),
            values=frozenset(map(fold, wire.strings(item, "values"))),
            reason=(reason,) if reason else (),
            policy=wire.pick(item, "policy"),
        )

    def lists(self, value: str) -> bool:
        """Whether a denied value is meant."""
        return not self.values or value in self.values

    def accepts(self, value: str) -> bool:
        """Whether a required value is given."""
        return bool(value) and self.lists(value)


def _content(subject: Subject) -> dict[str, Any]:
    """The resource as it will be, without what tells it from others of its kind."""
    body = settled(subject.after)
    members = {name: thaw(value) for name, value in body.items() if fold(name) not in _NOT_CONTENT}
    return {"type": subject.target_type, **members}


def _path(field: str, subject: Subject) -> str:
    """Where a field is in the body, folded. The alias of a property ends in its path below ``properties``."""
    folded = fold(field)
    prefix = f"{fold(subject.target_type)}/"
    return f"properties.{folded.removeprefix(prefix)}" if folded.startswith(prefix) else folded


def _value(subject: Subject, path: str) -> str:
    """The value that a member will have, folded; empty when it has none or the path is of an array."""
    try:
        found = look_up(subject.after, path)
    except ValueError:
        return ""
    return "" if found is ABSENT else fold(wire.text(found))
