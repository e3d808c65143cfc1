"""Reads the exemptions of both APIs, and what they are about: assignments, initiatives and recommendations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import TypeVar

import attrs

from defender_remediate.arm.providers import Providers, newest_api_version
from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.discovery import Discovery
from defender_remediate.errors import (
    ConnectionFailedError,
    InvalidInputError,
    MalformedResponseError,
    NotFoundError,
    RequestError,
)
from defender_remediate.exemptions.bodies import DEFENDER_VERSION, POLICY_VERSION
from defender_remediate.models.exemption import Exemption, ExemptionApi, ExemptionListing
from defender_remediate.models.ids import ResourceId, contains
from defender_remediate.preflight import CheckReader
from defender_remediate.preflight.exemptions import unlisted_assignment
from defender_remediate.preflight.policy_assignments import (
    AssignedPolicy,
    bare_name,
    members_of,
    policy_assignments,
)
from defender_remediate.preflight.scopes import covers
from defender_remediate.preflight.unreadable import is_not_offered
from defender_remediate.threads import in_parallel

_Found = TypeVar("_Found")
_GROUPS = "2021-04-01"
_SUBSCRIPTIONS = "2022-12-01"


@attrs.define(kw_only=True, slots=False)
class ExemptionReader:
    """Reads for one call of the client; every request is made once.

    Attributes:
        not_checked: What could not be read and why.
        missing: Which APIs this cloud does not have.
    """

    session: ArmSession
    discovery: Discovery
    providers: Providers
    workers: int
    not_checked: list[str] = attrs.field(factory=list, init=False)
    missing: list[str] = attrs.field(factory=list, init=False)

    @cached_property
    def reader(self) -> CheckReader:
        """What remembers every answer."""
        return CheckReader(self.session, workers=self.workers)

    def listing(self, exemptions: Iterable[Exemption]) -> ExemptionListing:
        """The exemptions, with what could not be read."""
        return ExemptionListing(
            exemptions=tuple(exemptions), not_checked=tuple(dict.fromkeys((*self.missing, *self.not_checked)))
        )

    def all(self) -> tuple[Exemption, ...]:
        """Every exemption and attestation in the client's scope, sorted by id; those above it as well."""
        found: dict[str, Exemption] = {}
        for subscription in self.discovery.subscriptions():
            scope = f"/subscriptions/{subscription}"
            for listed in (self._of_policy(scope), self._of_defender(scope)):
                for one in listed:
                    is_above = contains(one.scope, scope) or "/managementgroups/" in fold(one.scope)
                    if is_above or self.discovery.covers(one.scope):
                        found[fold(one.id)] = one
        return tuple(self._with_keys(found[key]) for key in sorted(found))

    def _of_policy(self, scope: str) -> Iterator[Exemption]:
        path = f"{scope}/providers/Microsoft.Authorization/policyExemptions"
        yield from self._checked(
            f"the policy exemptions of {scope}",
            lambda: self.reader.list(path, api_versions=(POLICY_VERSION,), parse=Exemption.from_policy),
        )

    def _of_defender(self, scope: str) -> Iterator[Exemption]:
        path = f"{scope}/providers/Microsoft.Security/standardAssignments"
        for one in self._checked(
            f"Defender's exemptions of {scope}",
            lambda: self.reader.list(path, api_versions=(DEFENDER_VERSION,), parse=Exemption.from_defender),
        ):
            if one is not None:
                yield one

    def _checked(self, what: str, read: Callable[[], Iterable[_Found]]) -> Iterable[_Found]:
        found = self._attempted(what, read)
        return () if found is None else found

    def _attempted(self, what: str, read: Callable[[], _Found]) -> _Found | None:
        """What was read; None when it could not be, which is noted."""
        try:
            return read()
        except (RequestError, ConnectionFailedError, MalformedResponseError, InvalidInputError) as error:
            if is_not_offered(error):
                self.missing.append(f"{what}: this cloud does not have the API: {error.message}")
            else:
                self.not_checked.append(f"{what}: {error.message}")
            return None

    def _with_keys(self, exemption: Exemption) -> Exemption:
        """A policy exemption with the recommendations of the policies that it names, as far as they are known."""
        if exemption.api is not ExemptionApi.POLICY or not exemption.references:
            return exemption
        assignment = self.assignment_of(exemption)
        if assignment is None:
            return exemption
        wanted = {fold(reference) for reference in exemption.references}
        keys: list[str] = []
        for reference, definition in self.members(assignment):
            if fold(reference) in wanted:
                keys += self._keys_by_policy.get(fold(definition), ())
        return attrs.evolve(exemption, keys=tuple(dict.fromkeys(keys)))

    def assignment_of(self, exemption: Exemption) -> AssignedPolicy | None:
        """The assignment that an exemption is from; None when it was deleted or cannot be read."""
        found = self._assignment_of(exemption)
        return None if found is None else found[0]

    def _assignment_of(self, exemption: Exemption) -> tuple[AssignedPolicy | None] | None:
        """The assignment, or None in a tuple when it was deleted; None when it cannot be read."""
        wanted = exemption.assignment_id or ""
        for one in self.assignments(exemption.scope):
            if fold(one.id) == fold(wanted):
                return (one,)
        return self._attempted(f"the policy assignment {wanted}", lambda: (unlisted_assignment(self.reader, wanted),))

    def assignments(self, scope: str) -> Iterable[AssignedPolicy]:
        """The assignments of a scope's subscription, with those above it."""
        at = (
            scope
            if fold(scope).startswith("/subscriptions/")
            else f"/subscriptions/{self.discovery.subscriptions()[0]}"
        )
        return self._checked(f"the policy assignments of {at}", lambda: policy_assignments(self.reader, at))

    def members(self, assignment: AssignedPolicy) -> Iterable[tuple[str, str]]:
        """The reference ids of an assignment's policies, each with the bare name of the definition."""
        what = f"the initiative {assignment.definition_id}"
        return self._checked(what, lambda: members_of(self.reader, assignment))

    @cached_property
    def _keys_by_policy(self) -> Mapping[str, tuple[str, ...]]:
        found: dict[str, list[str]] = defaultdict(list)
        for about in self._checked("the recommendations", lambda: tuple(self.discovery.list_metadata())):
            if about.policy_definition_id:
                found[fold(bare_name(about.policy_definition_id))].append(about.key)
        return {policy: tuple(keys) for policy, keys in found.items()}

    @cached_property
    def _known_keys(self) -> frozenset[str]:
        listed = self._checked("the recommendations", lambda: tuple(self.discovery.list_metadata()))
        return frozenset(fold(about.key) for about in listed)

    def initiatives_with(self, policy: str, scope: str) -> list[tuple[AssignedPolicy, tuple[str, ...]]]:
        """Every initiative at or above a scope that has a policy, with the reference ids of the policy in it."""
        found = []
        for assignment in self.assignments(scope):
            is_excluded = any(contains(excluded, scope) for excluded in assignment.not_scopes)
            if not assignment.is_initiative or is_excluded or not covers(assignment.scope, scope):
                continue
            members = self.members(assignment)
            references = tuple(reference for reference, name in members if fold(name) == fold(bare_name(policy)))
            if references:
                found.append((assignment, references))
        return found

    def orphaned(self, exemptions: Iterable[Exemption]) -> tuple[Exemption, ...]:
        """Those that no longer have any effect, each with the reason as its note."""
        every = tuple(exemptions)
        notes = in_parallel(self._orphaned_because, every, workers=self.workers)
        found = []
        for one, note in zip(every, notes, strict=True):
            if note is not None:
                found.append(attrs.evolve(one, note=note))
        return tuple(found)

    def _orphaned_because(self, exemption: Exemption) -> str | None:
        if exemption.api is ExemptionApi.POLICY:
            found = self._assignment_of(exemption)
            if found is None:
                return None
            assignment = found[0]
            if assignment is None:
                return "its policy assignment was deleted"
            there = {fold(reference) for reference, _ in self.members(assignment)}
            wanted = {fold(reference) for reference in exemption.references}
            if wanted and there and not wanted & there:
                return f"the initiative has no {', '.join(exemption.references)} any more"
        elif exemption.keys and self._known_keys and not {fold(key) for key in exemption.keys} & self._known_keys:
            return "Azure does not know the recommendation any more"
        return None if self._exists(exemption.scope) else "the resource does not exist any more"

    def _exists(self, scope: str) -> bool:
        """Whether a scope exists; also when that cannot be read."""

        def read() -> tuple[bool, ...]:
            root = ResourceId.parse(scope).root
            if root.subscription_id is None:
                return (True,)
            if fold(root.type) == "microsoft.resources/subscriptions":
                version = _SUBSCRIPTIONS
            elif fold(root.type) == "microsoft.resources/resourcegroups":
                version = _GROUPS
            else:
                version = newest_api_version(self.providers.api_versions, root.subscription_id or "", root.type)
            try:
                self.reader.get(root.text, api_versions=(version,))
            except NotFoundError:
                return (False,)
            return (True,)

        return next(iter(self._checked(f"whether {scope} exists", read)), True)
