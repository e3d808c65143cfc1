"""Decides what has to be written to exempt resources from a recommendation: on which API, and for which assignments."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError, NotFoundError, RequestError, UnknownRecommendationError
from defender_remediate.exemptions.bodies import attestation, defender_exemption, policy_exemption, renewal
from defender_remediate.exemptions.reader import ExemptionReader
from defender_remediate.exemptions.terms import Terms
from defender_remediate.models.assessment import Assessment
from defender_remediate.models.exemption import RULE_KEY, Exemption, ExemptionApi
from defender_remediate.models.ids import ResourceId, contains, id_key
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.models.recommendation_metadata import RecommendationMetadata
from defender_remediate.models.step import SkippedResource, SkipReason
from defender_remediate.planning.decisions import Decision

LIMIT = 5000
"""How many resources of a subscription can be exempt (Microsoft Learn: Exempt a resource)."""
_CUSTOM = frozenset({"custom", "custompolicy", "customermanaged", "manualcustompolicy", "verifiedpartner"})
_NOT_A_RESOURCE = ("microsoft.resources/subscriptions", "microsoft.resources/resourcegroups")


@attrs.define(kw_only=True)
class ExemptionPlanner:
    """Collects what one call writes, and what it skips.

    Attributes:
        exist: The exemptions that there are.
        renews: Whether other terms of what exists are written; else what exists is skipped.
        decisions: What is written.
        skipped: What is not, and why.
    """

    reader: ExemptionReader
    exist: tuple[Exemption, ...]
    renews: bool = False
    decisions: list[Decision] = attrs.field(factory=list, init=False)
    skipped: list[SkippedResource] = attrs.field(factory=list, init=False)

    def about(self, recommendation: Recommendation | Assessment | str) -> RecommendationMetadata:
        """What Azure says of a recommendation. One row of a category has a key that Azure does not describe.

        Raises:
            UnknownRecommendationError: Azure has no such key.
            InvalidInputError: It is custom: those cannot be exempt.
        """
        try:
            about = self.reader.discovery.get_metadata(recommendation)
        except UnknownRecommendationError:
            if not isinstance(recommendation, Assessment):
                raise
            name = recommendation.display_name
            about = RecommendationMetadata(key=recommendation.key, display_name=name)
        if fold(about.assessment_type or "") in _CUSTOM:
            raise InvalidInputError(
                f"{quoted(about.display_name)} is a custom recommendation, and Azure exempts from built-in ones only",
                hint="change the policy or the standard that defines it",
            )
        return about

    def decide(self, about: RecommendationMetadata, scopes: Iterable[str], terms: Terms) -> None:
        """Plan what a recommendation needs on each scope.

        Raises:
            InvalidInputError: It is to be attested, and Azure assesses it.
        """
        if terms.state is not None and "manual" not in fold(about.assessment_type or ""):
            raise InvalidInputError(
                f"{quoted(about.display_name)} is assessed by Azure, so it cannot be attested",
                hint="exempt the resource with plan_create",
            )
        for scope in scopes:
            if self._may_be_written(about, scope):
                is_policy = about.policy_definition_id is not None and terms.state is None
                if is_policy:
                    self._by_policy(about, scope, terms)
                else:
                    self._by_defender(about, scope, terms)

    def decide_rule(self, scope: str, title: str, terms: Terms) -> None:
        """Plan a rule about vulnerabilities at a scope."""
        about = RecommendationMetadata(key=RULE_KEY, display_name=title)
        decision = defender_exemption(RULE_KEY, title, scope, terms)
        target = f"{scope}/{decision.target}"
        found = next((one for one in self.exist if id_key(one.id) == id_key(target)), None)
        if not self.reader.discovery.covers(scope):
            self._skip(about, scope, SkipReason.NOT_APPLICABLE, "it is outside the scope of this client")
        elif found is not None:
            self._exists(about, scope, found, terms)
        elif self._has_room(about, scope):
            self.decisions.append(decision)

    def renew(self, exemption: Exemption, terms: Terms) -> None:
        """Plan other terms for what exists."""
        if terms.are_those_of(exemption):
            about = RecommendationMetadata(key=exemption.keys[0] if exemption.keys else RULE_KEY)
            self._skip(about, exemption.scope, SkipReason.ALREADY_COMPLIANT, f"{exemption.id} has these terms")
        else:
            self.decisions.append(renewal(exemption, terms))

    def _may_be_written(self, about: RecommendationMetadata, scope: str) -> bool:
        if not self.reader.discovery.covers(scope):
            self._skip(about, scope, SkipReason.NOT_APPLICABLE, "it is outside the scope of this client")
            return False
        if fold(ResourceId.parse(scope).type) in _NOT_A_RESOURCE:
            return True
        try:
            self.reader.discovery.get_assessment(scope, about.key)
        except NotFoundError:
            message = "Defender for Cloud has no assessment of this recommendation on it"
            self._skip(about, scope, SkipReason.NOT_APPLICABLE, message)
        except RequestError as error:
            self._skip(about, scope, SkipReason.NOT_READABLE, str(error))
        else:
            return True
        return False

    def _by_policy(self, about: RecommendationMetadata, scope: str, terms: Terms) -> None:
        unread = (len(self.reader.not_checked), len(self.reader.missing))
        initiatives = self.reader.initiatives_with(about.policy_definition_id or "", scope)
        problems = (*self.reader.not_checked[unread[0] :], *self.reader.missing[unread[1] :])
        if problems:
            # An initiative that was not seen would keep the recommendation. An API that is missing is not an empty one.
            self._skip(about, scope, SkipReason.NOT_READABLE, "; ".join(dict.fromkeys(problems)))
            return
        if not initiatives:
            message = "no initiative with its policy is assigned here: the benchmark must be assigned to exempt from it"
            self._skip(about, scope, SkipReason.NOT_APPLICABLE, message)
            return
        for assignment, references in initiatives:
            wanted = {fold(reference) for reference in references}
            found = None
            for one in self.exist:
                named = {fold(reference) for reference in one.references}
                is_same = fold(one.assignment_id or "") == fold(assignment.id) and (not named or wanted <= named)
                if is_same and self._covers(one, scope):
                    found = one
                    break
            if found is not None:
                self._exists(about, scope, found, terms)
            elif self._has_room(about, scope):
                title = about.display_name or about.key
                self.decisions.append(policy_exemption(about.key, title, scope, assignment.id, references, terms))

    def _by_defender(self, about: RecommendationMetadata, scope: str, terms: Terms) -> None:
        for one in self.exist:
            is_meant = fold(about.key) in {fold(key) for key in one.keys} and one.api is ExemptionApi.DEFENDER
            if is_meant and one.is_attestation == (terms.state is not None) and self._covers(one, scope):
                self._exists(about, scope, one, terms)
                return
        title = about.display_name or about.key
        if terms.state is not None:
            self.decisions.append(attestation(about.key, title, scope, terms))
        elif self._has_room(about, scope):
            self.decisions.append(defender_exemption(about.key, title, scope, terms))

    def _covers(self, exemption: Exemption, scope: str) -> bool:
        # One that has expired is in the way at its own scope only: there it is renewed.
        if not exemption.holds_at(self.reader.session.clock.now()) or self.renews:
            return id_key(exemption.scope) == id_key(scope)
        return contains(exemption.scope, scope)

    def _exists(self, about: RecommendationMetadata, scope: str, found: Exemption, terms: Terms) -> None:
        if self.renews and not terms.are_those_of(found):
            self.decisions.append(renewal(found, terms))
            return
        until = f"until {found.expires:%Y-%m-%d}" if found.expires else "without an expiry date"
        advice = "" if terms.are_those_of(found) else "; plan_renew changes its terms"
        self._skip(about, scope, SkipReason.ALREADY_COMPLIANT, f"{found.id} is there {until}{advice}")

    def _has_room(self, about: RecommendationMetadata, scope: str) -> bool:
        subscription = f"/subscriptions/{ResourceId.parse(scope).subscription_id}"
        scopes: Mapping[str, None] = dict.fromkeys(
            id_key(one)
            for one in (
                *(one.scope for one in self.exist if not one.is_attestation),
                *(one.resource_id for one in self.decisions),
            )
            if contains(subscription, one)
        )
        if id_key(scope) in scopes or len(scopes) < LIMIT:
            return True
        message = f"the subscription has {len(scopes)} exempt resources, and Azure takes {LIMIT}"
        self._skip(about, scope, SkipReason.BLOCKED, message)
        return False

    def _skip(self, about: RecommendationMetadata, scope: str, reason: SkipReason, message: str) -> None:
        titles = (about.display_name,) if about.display_name else ()
        self.skipped.append(
            SkippedResource(resource_id=scope, keys=(about.key,), titles=titles, reason=reason, message=message)
        )
