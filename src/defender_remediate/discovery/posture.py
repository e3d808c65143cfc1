"""Reads whether Defender for Cloud evaluates a subscription: each part on its own, so that one refusal hides no other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar

import attrs

from defender_remediate import wire
from defender_remediate.arm.errors import refuses_version
from defender_remediate.arm.providers import Providers
from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold, fold_or_none
from defender_remediate.discovery.metadata import ASSESSMENTS
from defender_remediate.display import counted
from defender_remediate.errors import (
    CallTimeoutError,
    ConnectionFailedError,
    MalformedResponseError,
    NotFoundError,
    ProviderNotRegisteredError,
    RequestError,
)
from defender_remediate.models.assessment import Assessment
from defender_remediate.models.ids import contains
from defender_remediate.models.posture import (
    DEFENDER_CSPM,
    FOUNDATIONAL,
    DefenderPlan,
    PostureIssue,
    PostureReason,
    SecurityConnector,
    SubscriptionPosture,
)

BENCHMARK = "1f3afdf9-d0c9-4c3d-847f-89da613e70a8"
"""The initiative of the Microsoft cloud security benchmark."""
_SUBSCRIPTION = "2022-12-01"
_PRICINGS = ("2024-01-01", "2023-01-01", "2022-03-01")
_ASSIGNMENTS = ("2023-04-01", "2022-06-01", "2021-06-01")
_CONNECTORS = ("2024-08-01-preview", "2023-10-01-preview")
_DEFENDER = "Microsoft.Security"

_T = TypeVar("_T")


@attrs.define
class _Evaluations:
    """What the assessments of a subscription say about their evaluation."""

    count: int = 0
    off_by_policy: int = 0
    unsupported_plan: int = 0
    newest: datetime | None = None


def read_posture(
    session: ArmSession, providers: Providers, subscription_id: str, *, about: str | None = None
) -> SubscriptionPosture:
    """The posture of one subscription. What cannot be read is a reason, not an error.

    With ``about``, the key of a recommendation, only its assessments count as off by policy or without a plan.

    Makes about six requests, and one for each further page of assessments.

    Raises:
        CallTimeoutError: The time of the call is over.
    """
    return _PostureReader(session, providers, subscription_id, about).read()


def without_attack_paths(posture: SubscriptionPosture) -> SubscriptionPosture:
    """The posture with the reason for which Azure looks for no attack paths, if it does not."""
    if posture.defender_cspm is not False:
        return posture
    reason = PostureReason(
        issue=PostureIssue.UNSUPPORTED_PLAN,
        message="Azure looks for attack paths with the plan Defender CSPM only, and it is off",
        advice="enable Defender CSPM, which costs money",
    )
    return attrs.evolve(posture, reasons=(*posture.reasons, reason))


class _PostureReader:
    """Reads the parts of one subscription's posture, and notes the reasons."""

    def __init__(self, session: ArmSession, providers: Providers, subscription_id: str, about: str | None) -> None:
        self._session = session
        self._providers = providers
        self._id = subscription_id
        self._about = about
        self._path = f"subscriptions/{subscription_id}"
        self._reasons: list[PostureReason] = []

    def read(self) -> SubscriptionPosture:
        """Read every part."""
        self._part("the state of the subscription", self._read_state)
        registered = self._part("the registration of Microsoft.Security", self._read_registration)
        plans = connectors = benchmark = found = None
        if registered is not False:
            plans = self._part("the Defender plans", self._read_plans)
            benchmark = self._part("the policy assignments", self._read_benchmark)
            connectors = self._part("the connectors to other clouds", self._read_connectors)
            found = self._part("the assessments", self._read_assessments)
        on = None if plans is None else {fold(plan.name): plan.is_on for plan in plans}
        foundational = None if on is None else on.get(fold(FOUNDATIONAL))
        cspm = None if on is None else on.get(fold(DEFENDER_CSPM))
        if plans is not None:
            self._judge_plans(foundational=foundational, cspm=cspm)
        if found is not None:
            self._judge_assessments(found)
        order = tuple(PostureIssue)
        return SubscriptionPosture(
            subscription_id=self._id,
            provider_registered=registered,
            foundational=foundational,
            defender_cspm=cspm,
            benchmark_assigned=benchmark,
            plans=plans,
            connectors=connectors,
            last_evaluated=None if found is None else found.newest,
            assessments=None if found is None else found.count,
            off_by_policy=0 if found is None else found.off_by_policy,
            unsupported_plan=0 if found is None else found.unsupported_plan,
            reasons=tuple(sorted(self._reasons, key=lambda reason: order.index(reason.issue))),
        )

    def _because(self, issue: PostureIssue, message: str, advice: str) -> None:
        self._reasons.append(PostureReason(issue=issue, message=message, advice=advice))

    def _part(self, what: str, read: Callable[[], _T]) -> _T | None:
        try:
            return read()
        except CallTimeoutError:
            raise
        except ProviderNotRegisteredError:
            # The registration says the same; where it cannot be read, this does.
            if not any(reason.issue is PostureIssue.PROVIDER_NOT_REGISTERED for reason in self._reasons):
                self._not_registered("NotRegistered")
        except (RequestError, ConnectionFailedError, MalformedResponseError) as error:
            advice = "ask for the role Security Reader on the subscription, or try again"
            if isinstance(error, RequestError) and (isinstance(error, NotFoundError) or refuses_version(error)):
                advice = "this cloud may not have the API: look it up in its portal"
            self._because(PostureIssue.NOT_CHECKED, f"could not be checked: {what}: {error.message}", advice)
        return None

    def _read_state(self) -> None:
        body = self._session.get(self._path, api_version=_SUBSCRIPTION).body
        state = wire.text(body, "state")
        if fold(state) not in ("enabled", "pastdue"):
            self._because(
                PostureIssue.SUBSCRIPTION_DISABLED,
                f"the subscription has the state {state or '(none)'}, in which Defender may not evaluate it",
                "ask its owner to enable it again",
            )

    def _read_registration(self) -> bool:
        state = wire.text(self._providers.get(self._id, _DEFENDER), "registrationState")
        if fold(state) == "registered":
            return True
        self._not_registered(state)
        return False

    def _not_registered(self, state: str) -> None:
        self._because(
            PostureIssue.PROVIDER_NOT_REGISTERED,
            f"the resource provider {_DEFENDER} has the state {state or '(none)'}: nothing is evaluated",
            f"an owner registers it: az provider register --namespace {_DEFENDER} --subscription {self._id}",
        )

    def _read_plans(self) -> tuple[DefenderPlan, ...]:
        listed = self._session.list(f"{self._path}/providers/{_DEFENDER}/pricings", api_versions=_PRICINGS)
        return tuple(map(DefenderPlan.from_rest, listed))

    def _judge_plans(self, *, foundational: bool | None, cspm: bool | None) -> None:
        if foundational or cspm:
            return
        if foundational is False:
            self._because(
                PostureIssue.POSTURE_OFF,
                "foundational posture management and Defender CSPM are off: no recommendation is evaluated",
                "turn it on, which is free: plan = client.plan(client.get_posture())",
            )
        else:
            self._because(
                PostureIssue.NOT_CHECKED,
                f"could not be checked: Azure lists no plan {FOUNDATIONAL} for the subscription, and Defender CSPM is off",
                "see 'Environment settings' of Defender for Cloud in the portal",
            )

    def _read_benchmark(self) -> bool:
        here = f"/{self._path}"
        for item in self._session.list(
            f"{self._path}/providers/Microsoft.Authorization/policyAssignments", api_versions=_ASSIGNMENTS
        ):
            properties = wire.pick(item, "properties")
            definition = fold(wire.text(properties, "policyDefinitionId")).rpartition("/")[2]
            # The listing also has the assignments inside the subscription, which are for a part of it.
            place = wire.text(item, "id").rpartition("/providers/")[0]
            is_inside = contains(here, place) and not contains(place, here)
            is_excluded = any(contains(scope, here) for scope in wire.strings(properties, "notScopes"))
            if definition == BENCHMARK and not is_inside and not is_excluded:
                return True
        self._because(
            PostureIssue.BENCHMARK_NOT_ASSIGNED,
            "the Microsoft cloud security benchmark is not assigned: its recommendations are not evaluated",
            "assign it under 'Security policies' of the subscription's environment settings in Defender for Cloud",
        )
        return False

    def _read_connectors(self) -> tuple[SecurityConnector, ...]:
        listed = self._session.list(f"{self._path}/providers/{_DEFENDER}/securityConnectors", api_versions=_CONNECTORS)
        return tuple(map(SecurityConnector.from_rest, listed))

    def _read_assessments(self) -> _Evaluations:
        found = _Evaluations()
        for assessment in self._assessments():
            is_meant = self._about is None or fold(self._about) == fold(assessment.key)
            cause = fold_or_none(assessment.cause) if is_meant else None
            found.count += 1
            found.off_by_policy += cause == "offbypolicy"
            found.unsupported_plan += cause == "unsupportedpricingplan"
            for date in (assessment.first_evaluated, assessment.changed):
                if date is not None and (found.newest is None or date > found.newest):
                    found.newest = date
        return found

    def _assessments(self) -> Iterator[Assessment]:
        listed = self._session.list(f"{self._path}/providers/{_DEFENDER}/assessments", api_versions=ASSESSMENTS)
        return map(Assessment.from_rest, listed)

    def _judge_assessments(self, found: _Evaluations) -> None:
        if not found.count:
            self._because(
                PostureIssue.NEVER_EVALUATED,
                "there is no assessment of any resource: it was never evaluated, or you may not see the result",
                "a first evaluation takes 12 to 24 hours after posture management was turned on: list again then",
            )
        if found.off_by_policy:
            self._because(
                PostureIssue.OFF_BY_POLICY,
                f"{counted(found.off_by_policy, 'assessment')} not evaluated because the policy is disabled (OffByPolicy)",
                "enable the policy in the parameters of the initiative's assignment",
            )
        if found.unsupported_plan:
            self._because(
                PostureIssue.UNSUPPORTED_PLAN,
                f"{counted(found.unsupported_plan, 'assessment')} not evaluated because they need a Defender plan that is off "
                "(UnsupportedPricingPlan)",
                "enable the plan that the recommendation names, which costs money, or leave them out on purpose",
            )
