"""What Azure Policy would say: asked only where an assignment could refuse, and once for equal content."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.errors import DefenderRemediateError, NotFoundError
from defender_remediate.json_values import canonical
from defender_remediate.models.check import CheckResult
from defender_remediate.preflight import exemptions as exempting
from defender_remediate.preflight.attached import exemptions, policy_assignments
from defender_remediate.preflight.policy import (
    Assignment,
    content,
    could_look_at_names,
    could_refuse,
    judge,
    members,
)
from defender_remediate.preflight.scopes import group_of, name_of, parts, scope_of, subscription_of
from defender_remediate.preflight.single_flight import Offering, Once
from defender_remediate.preflight.subject import Subject

_DEFINITIONS = ("2023-04-01", "2021-06-01")
_RESTRICTIONS = "2023-03-01"
_GONE = "policyassignmentnotfound"


class Policies:
    """Policy assignments, exemptions and restrictions. Shared between threads.

    Permissions: ``Microsoft.Authorization/policyAssignments/read``, ``policyDefinitions/read``,
    ``policySetDefinitions/read`` and ``policyExemptions/read``, ``Microsoft.PolicyInsights/checkPolicyRestrictions/read``.
    """

    def __init__(self, session: ArmSession) -> None:
        self._session = session
        self.assignments = policy_assignments(session)
        self.exemptions = exemptions(session)
        self._assigned: Once[Assignment | None] = Once()
        self._definitions: Once[Any] = Once()
        self._answers: Once[Any] = Once()
        self._offering = Offering()

    def judge(self, subject: Subject) -> tuple[CheckResult, ...]:
        """What deny policies refuse of a step. A deployment is left to its own what-if, which evaluates policies.

        Raises:
            RequestError, ConnectionFailedError, MalformedResponseError: It cannot be told.
        """
        if subject.deploys or not isinstance(subject.after, Mapping):
            return ()
        place = subject.step.target_id
        holding = [one for one in self.assignments.at(place) if one.holds_at(place)]
        # Initiatives first: they are not read, so one of them that could refuse saves the reads of all others.
        initiatives = [one for one in holding if one.is_initiative and could_refuse(one, None)]
        refusing = initiatives or [one for one in holding if could_refuse(one, self._single(one))]
        if not refusing:
            return ()
        is_named = any(could_look_at_names(self._single(one)) for one in refusing)
        return judge(self._answer(subject, self._content(subject, is_named=is_named)), subject)

    def judge_exemptions(self, subject: Subject) -> tuple[CheckResult, ...]:
        """Which exemptions in force are for the policies behind a step.

        Raises:
            RequestError, ConnectionFailedError, MalformedResponseError: It cannot be told.
        """
        if not subject.policies:
            return ()
        place = subject.step.resource_id
        found = exempting.in_force(self.exemptions.at(place), place, self._session.clock.now())
        if not found:
            return ()
        known = {fold(one.id): one for one in self.assignments.at(place)}
        made_of: dict[str, tuple[tuple[str, str], ...]] = {}
        for exemption in found:
            own = exemption.assignment_id
            assignment = known.get(fold(own)) or self._assignment(own)
            made_of[fold(own)] = self._members(assignment)
        return exempting.judge(subject.policies, found, made_of)

    def _members(self, assignment: Assignment | None) -> tuple[tuple[str, str], ...]:
        if assignment is None:
            return ()
        return members(assignment, self._definition(assignment.definition_id) if assignment.is_initiative else None)

    def _assignment(self, assignment_id: str) -> Assignment | None:
        """An assignment that is not listed; None when it is gone: an exemption can outlive it, and then says nothing."""

        def read() -> Assignment | None:
            versions = ("2023-04-01", "2022-06-01", "2021-06-01")
            try:
                return Assignment.from_rest(self._session.get_newest(assignment_id, api_versions=versions).body)
            except NotFoundError as error:
                if fold(error.code) != _GONE:
                    raise
                return None

        return self._assigned.get(fold(assignment_id), read)

    def _single(self, assignment: Assignment) -> Any:
        """The definition of a single policy; None for an initiative, and when it cannot be read."""
        if assignment.is_initiative:
            return None
        try:
            return self._definition(assignment.definition_id)
        except DefenderRemediateError:
            # Then it could refuse, and Azure is asked.
            return None

    def _definition(self, definition_id: str) -> Any:
        def read() -> Any:
            return self._session.get_newest(definition_id, api_versions=_DEFINITIONS).body

        return self._definitions.get(fold(definition_id), read)

    def _content(self, subject: Subject, *, is_named: bool) -> dict[str, Any]:
        """The content to ask about: with its name where it may matter, else without, so that equal ones are asked once."""
        place = subject.step.target_id
        now = self._session.clock.now()
        exempted = exempting.in_force(self.exemptions.at(place), place, now)
        depth = len(parts(group_of(place)))
        is_own = any(len(parts(scope_of(one.id))) > depth for one in exempted)
        return {**content(subject), **({"name": name_of(place)} if is_own or is_named else {})}

    def _answer(self, subject: Subject, asked: Mapping[str, Any]) -> Any:
        step, scope = subject.step, group_of(subject.step.target_id)
        details = {"resourceContent": asked, "apiVersion": step.api_version}
        path = f"{scope}/providers/Microsoft.PolicyInsights/checkPolicyRestrictions"

        def read() -> Any:
            body = {"resourceDetails": details}
            return self._session.query(path, api_version=_RESTRICTIONS, body=body).body

        key = (fold(path), canonical(details))
        return self._answers.get(key, lambda: self._offering.ask(subscription_of(scope), read))
