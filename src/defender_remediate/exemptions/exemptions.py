"""The exemptions of a client: listed, and planned. Nothing here writes; ``client.apply`` does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.exemptions.bodies import removal
from defender_remediate.exemptions.file import export, read
from defender_remediate.exemptions.planner import ExemptionPlanner
from defender_remediate.exemptions.reader import ExemptionReader
from defender_remediate.exemptions.rules import VulnerabilityRule
from defender_remediate.exemptions.terms import Terms, checked_terms
from defender_remediate.models.assessment import Assessment
from defender_remediate.models.exemption import RULE_KEY, AttestationEvidence, Exemption, ExemptionListing
from defender_remediate.models.ids import ResourceId, contains, id_key
from defender_remediate.models.named import key_named
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.planning.decisions import check_free_text
from defender_remediate.planning.requested import requested_resources
from defender_remediate.validation import instance, instances, string
from defender_remediate.workflow import Workflow

_REVIEW = "pass the Exemption objects of list_exemptions(), or their ids"


class Exemptions:
    """Exemptions and attestations on both of Azure's APIs, as one. ``client.exemptions`` has it.

    What is created, renewed or removed is a ``RemediationPlan``: print it, apply it with its digest, roll it back.
    Azure Policy keeps the exemptions from recommendations that have a policy, one for each initiative with that policy;
    Defender for Cloud keeps the others, rules about vulnerabilities, and attestations.

    Permissions: to read ``Microsoft.Authorization/policyExemptions/read``, ``.../policyAssignments/read``,
    ``.../policySetDefinitions/read`` and ``Microsoft.Security/*/read``; to write what the steps name. For a policy
    exemption that includes ``Microsoft.Authorization/policyAssignments/exempt/action`` at the assignment.
    """

    def __init__(self, workflow: Workflow, make_reader: Callable[[], ExemptionReader]) -> None:
        self._workflow = workflow
        self._make_reader = make_reader

    def list_exemptions(self) -> ExemptionListing:
        """List all in scope and those inherited from above, with the recommendations that they are for.

        What could not be read, such as an API that the cloud does not have, is in ``not_checked``.
        """
        reader = self._make_reader()
        return reader.listing(reader.all())

    def list_expiring(self, within: timedelta = timedelta(days=30)) -> ExemptionListing:
        """List those that end within a time, the first to end first; those that have ended already have a note.

        Raises:
            InvalidInputError: ``within`` is not a positive timedelta.
        """
        if not isinstance(within, timedelta) or within <= timedelta():
            raise InvalidInputError(f"within must be a positive timedelta, got {quoted(within)}")
        reader = self._make_reader()
        now = self._workflow.session.clock.now()
        found: list[tuple[datetime, Exemption]] = []
        for one in reader.all():
            if one.expires is not None and one.expires <= now + within:
                note = None if one.holds_at(now) else f"it ended {one.expires:%Y-%m-%d}"
                found.append((one.expires, attrs.evolve(one, note=note)))
        return reader.listing(one for _, one in sorted(found, key=lambda pair: pair[0]))

    def list_orphaned(self) -> ExemptionListing:
        """List those without any effect: of a deleted assignment, policy, recommendation or resource; ``note`` says which.

        Makes one request for each resource that is exempt, beside those of ``list_exemptions``.
        """
        reader = self._make_reader()
        return reader.listing(reader.orphaned(reader.all()))

    def list_duplicates(self) -> ExemptionListing:
        """List those that another one in force makes superfluous, at the same scope or above; ``note`` names it."""
        reader = self._make_reader()
        now = self._workflow.session.clock.now()
        kept: list[Exemption] = []
        found: list[Exemption] = []
        # The wider scope first, and of the same scope the one that lasts longest.
        for one in sorted(reader.all(), key=lambda one: (one.scope.count("/"), -_end(one), one.id)):
            other = next((each for each in kept if each.holds_at(now) and _includes(each, one)), None)
            if other is None:
                kept.append(one)
            else:
                found.append(attrs.evolve(one, note=f"{other.id} includes it"))
        return reader.listing(found)

    def plan_create(
        self,
        recommendation: Recommendation | Assessment | str,
        resources: Iterable[str] | None = None,
        *,
        reason: str,
        owner: str,
        expires: datetime,
        category: str = "Waiver",
        ticket: str | None = None,
    ) -> RemediationPlan:
        """Plan to exempt resources from a recommendation, on the API that has it and from every initiative with it.

        Reads only. What is exempt already is skipped; so is a resource without an assessment of the recommendation.

        Args:
            recommendation: A recommendation, one of its assessments, or its key.
            resources: Ids of resources, resource groups or subscriptions; that of the assessment by default.
            reason: Why.
            owner: Who answers for it.
            expires: When it ends: in the future, with a time zone.
            category: ``Waiver``: the risk is accepted. ``Mitigated``: something else takes care of it.
            ticket: A ticket, if there is one.

        Raises:
            InvalidInputError: An argument is missing or invalid, or the recommendation is custom: those cannot be exempt.
            UnknownRecommendationError: Azure has no such recommendation.
        """
        string("category", category)
        terms = checked_terms(reason=reason, owner=owner, expires=expires, ticket=ticket, category=category)
        return self._planned(recommendation, resources, terms)

    def plan_create_rule(
        self,
        rule: VulnerabilityRule,
        scope: str,
        *,
        name: str,
        reason: str,
        owner: str,
        expires: datetime,
        category: str = "Waiver",
        ticket: str | None = None,
    ) -> RemediationPlan:
        """Plan to exempt vulnerabilities, by CVE, severity or CVSS score, wherever they are found below a scope.

        Args:
            rule: Which vulnerabilities.
            scope: The id of a subscription, resource group or resource.
            name: The display name of the exemption.
            reason, owner, expires, category, ticket: As for ``plan_create``.

        Raises:
            InvalidInputError: An argument is missing or invalid.
        """
        instance("rule", rule, VulnerabilityRule, hint="pass VulnerabilityRule(cves=[...])")
        check_free_text(name=name)
        string("category", category)
        terms = checked_terms(
            reason=reason, owner=owner, expires=expires, ticket=ticket, category=category, rule=rule.to_azure()
        )
        self._check_not_ended(terms)
        place = ResourceId.parse(scope).text
        planner = self._planner()
        planner.decide_rule(place, name, terms)
        return self._plan(planner)

    def plan_attest(
        self,
        recommendation: Recommendation | Assessment | str,
        resources: Iterable[str] | None = None,
        *,
        evidence: Iterable[AttestationEvidence],
        reason: str,
        owner: str,
        expires: datetime,
        state: str = "compliant",
        ticket: str | None = None,
    ) -> RemediationPlan:
        """Plan to attest a recommendation that Azure cannot assess by itself.

        Args:
            recommendation: A manual recommendation, one of its assessments, or its key.
            resources, reason, owner, expires, ticket: As for ``plan_create``.
            evidence: What proves it, each with a description and a URL; at least one.
            state: ``compliant``, ``nonCompliant`` or ``unknown``.

        Raises:
            InvalidInputError: An argument is missing or invalid, or the recommendation is not a manual one.
        """
        string("state", state)
        proofs = instances("evidence", evidence, AttestationEvidence)
        terms = checked_terms(reason=reason, owner=owner, expires=expires, ticket=ticket, state=state, evidence=proofs)
        return self._planned(recommendation, resources, terms)

    def plan_renew(
        self,
        exemptions: Exemption | str | Iterable[Exemption | str],
        *,
        reason: str,
        owner: str,
        expires: datetime,
        ticket: str | None = None,
    ) -> RemediationPlan:
        """Plan new terms for exemptions or attestations that exist; their category and evidence stay.

        Args:
            exemptions: Those of ``list_exemptions``, or their ids.
            reason, owner, expires, ticket: As for ``plan_create``.

        Raises:
            InvalidInputError: An argument is missing or invalid, or an id is not that of an exemption in scope.
        """
        ids = _ids(exemptions)
        terms = checked_terms(reason=reason, owner=owner, expires=expires, ticket=ticket)
        self._check_not_ended(terms)
        planner = self._planner()
        for one in self._existing(ids, planner):
            kept = attrs.evolve(terms, category=one.category, state=one.state, evidence=one.evidence)
            planner.renew(one, kept)
        return self._plan(planner)

    def plan_remove(self, exemptions: Exemption | str | Iterable[Exemption | str]) -> RemediationPlan:
        """Plan to remove exemptions or attestations. A rollback of that brings them back as they were.

        Raises:
            InvalidInputError: An id is not that of an exemption in scope.
        """
        ids = _ids(exemptions)
        removals = [removal(one) for one in self._existing(ids, self._planner())]
        return self._workflow.plan_decisions((), removals=removals)

    def export(self) -> str:
        """Export the exemptions and attestations in scope as JSON text.

        Those that a file cannot express, for example without an owner, are listed in ``not_exported`` with the reason.

        Raises:
            InvalidInputError: A part could not be read: the file would be incomplete.
        """
        reader = self._make_reader()
        found = reader.all()
        if reader.not_checked:
            raise InvalidInputError(
                f"the exemptions could not all be read: {reader.not_checked[0]}",
                hint="list_exemptions() shows what can be read",
            )
        discovery = self._workflow.discovery
        now = self._workflow.session.clock.now()
        return export((one for one in found if discovery.covers(one.scope)), now=now)

    def plan_file(self, text: str | bytes) -> RemediationPlan:
        """Plan what makes the exemptions those of a file: missing ones are created, other terms are renewed.

        What is not in the file stays. Planning again after applying has nothing to do.

        Raises:
            InvalidInputError: The text is not such a file; the message names the entry and the member.
        """
        entries = read(text)
        for entry in entries:
            self._check_not_ended(entry.terms)
        planner = self._planner(renews=True)
        for entry in entries:
            if entry.terms.rule is not None or entry.key == RULE_KEY:
                planner.decide_rule(entry.scope, entry.name, entry.terms)
            else:
                planner.decide(planner.about(entry.key), [entry.scope], entry.terms)
        return self._plan(planner)

    def _planner(self, *, renews: bool = False) -> ExemptionPlanner:
        reader = self._make_reader()
        exist = reader.all()
        if reader.not_checked:
            raise InvalidInputError(
                f"the exemptions that exist could not be read: {reader.not_checked[0]}",
                hint="ask for the permission to read them; without it a plan could exempt twice",
            )
        return ExemptionPlanner(reader=reader, exist=exist, renews=renews)

    def _planned(
        self, recommendation: Recommendation | Assessment | str, resources: Iterable[str] | None, terms: Terms
    ) -> RemediationPlan:
        self._check_not_ended(terms)
        ids = requested_resources(recommendation, resources)
        key_named(recommendation, self._workflow.catalog.titles)
        planner = self._planner()
        planner.decide(planner.about(recommendation), ids, terms)
        return self._plan(planner)

    def _plan(self, planner: ExemptionPlanner) -> RemediationPlan:
        return self._workflow.plan_decisions(planner.decisions, skipped=planner.skipped)

    def _existing(self, ids: Iterable[str], planner: ExemptionPlanner) -> list[Exemption]:
        known = {id_key(one.id): one for one in planner.exist}
        found: list[Exemption] = []
        for wanted in ids:
            if id_key(wanted) not in known:
                raise InvalidInputError(f"there is no exemption {quoted(wanted)} in scope", hint=_REVIEW)
            one = known[id_key(wanted)]
            if not self._workflow.discovery.covers(one.scope):
                raise InvalidInputError(
                    f"the exemption {one.id} is inherited from {one.scope}, outside the scope of this client",
                    hint="use a client whose scope has it",
                )
            found.append(one)
        return found

    def _check_not_ended(self, terms: Terms) -> None:
        if terms.expires <= self._workflow.session.clock.now():
            raise InvalidInputError(f"expires must be in the future, got {terms.expires:%Y-%m-%d %H:%M}")


def _ids(exemptions: Exemption | str | Iterable[Exemption | str]) -> tuple[str, ...]:
    """The ids of the exemptions that a caller passed, at least one.

    Raises:
        InvalidInputError: There is none, or one is neither an exemption nor a string.
    """
    given: Any = [exemptions] if isinstance(exemptions, (Exemption, str)) else exemptions
    if isinstance(given, (bytes, bytearray)) or not isinstance(given, Iterable):
        raise InvalidInputError(f"expected exemptions, got {quoted(given)}", hint=_REVIEW)
    ids = tuple(one.id if isinstance(one, Exemption) else one for one in given)
    for one in ids:
        if not isinstance(one, str):
            raise InvalidInputError(f"expected an exemption or its id, got {quoted(one)}", hint=_REVIEW)
    if not ids:
        raise InvalidInputError("no exemptions were passed", hint=_REVIEW)
    return ids


def _end(one: Exemption) -> float:
    return float("inf") if one.expires is None else one.expires.timestamp()


def _includes(wide: Exemption, narrow: Exemption) -> bool:
    """Whether one exemption makes another one superfluous."""
    same = wide.api is narrow.api and wide.rule == narrow.rule and wide.is_attestation == narrow.is_attestation
    if not same or wide.has_selectors or fold(wide.assignment_id or "") != fold(narrow.assignment_id or ""):
        return False
    if not contains(wide.scope, narrow.scope) or _end(wide) < _end(narrow):
        return False
    if wide.assignment_id:
        parts = set(map(fold, wide.references))
        return not parts or (bool(narrow.references) and set(map(fold, narrow.references)) <= parts)
    return set(narrow.keys) <= set(wide.keys)
