"""The state of a subscription, and the tenant that it belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.errors import RequestError
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.id_parts import subscription_of
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.step import RemediationStep
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.subject import Subject

_VERSIONS = ("2022-12-01",)
_ENABLE = "ask the subscription owner or the billing administrator to enable it again"
_PAY = "settle the payment, or the subscription will be disabled"
# Every state but Enabled. https://learn.microsoft.com/azure/cost-management-billing/manage/subscription-states
STATES = {
    "Disabled": (CheckStatus.BLOCKED, "resources can be read but not changed", _ENABLE),
    "Deleted": (CheckStatus.BLOCKED, "it is being removed with everything in it", _ENABLE),
    "Warned": (CheckStatus.BLOCKED, "it is about to be disabled and is read-only", _ENABLE),
    "PastDue": (CheckStatus.WARNING, "a payment is overdue; writes still work", _PAY),
}


class SubscriptionCheck:
    """Finds subscriptions whose state does not allow writes. An unknown state leaves the step unchecked."""

    name = "subscription"
    permissions = ("Microsoft.Resources/subscriptions/read",)

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[Any]:
        """The subscriptions of the steps, one request for each."""
        return reader.for_each(
            subjects, lambda subject: read_subscription(reader, subscription_of(subject.step.target_id))
        )

    def judge(self, subject: Subject, facts: StepFacts[Any]) -> Iterator[CheckResult]:
        """What the state of a subscription forbids."""
        state = wire.text(facts[subject], "state")
        if fold(state) == "enabled":
            return
        status, why, advice = (
            CheckStatus.UNCHECKED,
            "it is not known whether this state allows writes",
            "look up the state in the Azure portal",
        )
        for known, meaning in STATES.items():
            if fold(known) == fold(state):
                status, why, advice = meaning
        yield CheckResult(
            check=self.name,
            status=status,
            message=f"the subscription has the state {state or '(none)'}: {why}",
            evidence=(f"state: {state}",),
            advice=advice,
        )


def read_subscription(reader: CheckReader, subscription_id: str) -> Any:
    """The body of a subscription.

    Raises:
        RequestError, ConnectionFailedError, MalformedResponseError: It cannot be read.
    """
    return reader.get(f"/subscriptions/{subscription_id}", api_versions=_VERSIONS)


def tenants_of(reader: CheckReader, steps: Iterable[RemediationStep]) -> tuple[str, ...]:
    """The tenants that the subscriptions of steps belong to, sorted, as far as Azure tells this caller.

    Raises:
        ConnectionFailedError, MalformedResponseError: There is no answer, or an invalid one.
    """
    subscriptions = {fold(ResourceId.parse(step.resource_id).subscription_id or "") for step in steps}
    tenants = {tenant_of(reader, subscription_id) for subscription_id in sorted(subscriptions)}
    return tuple(sorted(tenant for tenant in tenants if tenant))


def tenant_of(reader: CheckReader, subscription_id: str) -> str | None:
    """The id of the tenant, folded; None when the caller may not read the subscription.

    Raises:
        ConnectionFailedError, MalformedResponseError: There is no answer, or an invalid one.
    """
    try:
        return fold(wire.text(read_subscription(reader, subscription_id), "tenantId")) or None
    except RequestError:
        # A caller with permissions on a resource group only may not; the steps bind the id of the subscription.
        return None
