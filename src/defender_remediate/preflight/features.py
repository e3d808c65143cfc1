"""Preview features that have to be registered on a subscription before a setting can be used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.id_parts import subscription_of
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.subject import Subject

_VERSIONS = ("2021-07-01", "2015-12-01")


@attrs.frozen(kw_only=True)
class RequiredFeature:
    """A feature, and the member that needs it.

    Attributes:
        member: The end of the path of a member that needs the feature when it becomes true, folded.
    """

    namespace: str
    name: str
    member: str


FEATURES = (
    RequiredFeature(namespace="Microsoft.Compute", name="EncryptionAtHost", member="encryptionathost"),
    RequiredFeature(namespace="Microsoft.Compute", name="EncryptionAtHost", member="enableencryptionathost"),
)
"""https://learn.microsoft.com/azure/virtual-machines/disks-enable-host-based-encryption-portal"""


class FeatureCheck:
    """Finds settings whose feature is not registered on the subscription. Registers nothing."""

    name = "feature"
    permissions = ("Microsoft.Features/providers/features/read",)
    resource_types = (
        "Microsoft.Compute/virtualMachines",
        "Microsoft.Compute/virtualMachineScaleSets",
        "Microsoft.ContainerService/managedClusters",
    )

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[dict[RequiredFeature, str]]:
        """The states of the features that the steps need; one request for each subscription and feature."""

        def read(subject: Subject) -> dict[RequiredFeature, str]:
            subscription = subscription_of(subject.step.target_id)
            states = {}
            for feature in _needed(subject):
                path = (
                    f"/subscriptions/{subscription}/providers/Microsoft.Features/providers/{feature.namespace}"
                    f"/features/{feature.name}"
                )
                body: Any = reader.get(path, api_versions=_VERSIONS)
                states[feature] = wire.text(wire.pick(body, "properties"), "state")
            return states

        return reader.for_each(subjects, read)

    def judge(self, subject: Subject, facts: StepFacts[dict[RequiredFeature, str]]) -> Iterator[CheckResult]:
        """Which features of the step are not registered."""
        for feature, state in facts[subject].items():
            if fold(state) != "registered":
                yield CheckResult(
                    check=self.name,
                    status=CheckStatus.BLOCKED,
                    message=f"the feature {feature.name} is not registered on the subscription "
                    f"(state {state or 'unknown'})",
                    evidence=(f"{feature.namespace}/{feature.name}: {state or 'unknown'}",),
                    advice=f"register it: az feature register --namespace {feature.namespace} --name {feature.name}",
                )


def _needed(subject: Subject) -> list[RequiredFeature]:
    changed = [fold(change.path).rpartition(".")[2] for change in subject.step.changes if change.after is True]
    # A change may also add the object around the member.
    changed += [
        fold(name)
        for change in subject.step.changes
        for name, value in wire.mapping(change.after).items()
        if value is True
    ]
    return [feature for feature in FEATURES if feature.member in changed]
