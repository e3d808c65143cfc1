"""``sim.defender``: what Defender for Cloud recommends, and how it assesses resources."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.errors import InvalidInputError
from defender_remediate.testing.simulator.defender.exposure import attack_path_id
from defender_remediate.testing.simulator.defender.state import (
    DEFENDER_CSPM,
    FOUNDATIONAL,
    PRICINGS,
    UNHEALTHY,
    AssessmentDefinition,
    SimulatedAssessment,
    SimulatedStatus,
)
from defender_remediate.testing.simulator.policy.state import AUTHORIZATION, BENCHMARK_NAME
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant


class DefenderControls:
    """Adds recommendations, and sets assessments by hand."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    def add_recommendation(
        self,
        metadata: Mapping[str, Any],
        *,
        key: str,
        resource_type: str,
        rule: Mapping[str, Any],
        controls: tuple[str, ...] = (),
        subscriptions: tuple[str, ...] = (),
    ) -> None:
        """Adds a recommendation and assesses every resource of its type.

        Args:
            metadata: The ``properties`` of its assessmentMetadata; needs ``displayName`` and ``severity``.
            key: The assessment key.
            resource_type: The type that it assesses.
            rule: When a resource is healthy; the module ``defender.rules`` describes the grammar.
            controls: The names of the security controls that it belongs to.
            subscriptions: The subscriptions that define it; empty for a built-in recommendation.
        """
        definition = AssessmentDefinition(
            key=fold(key),
            metadata=deepcopy(dict(metadata)),
            resource_type=resource_type,
            rule=deepcopy(dict(rule)),
            controls=controls,
            subscriptions=tuple(fold(ids.subscription_of(s) or s) for s in subscriptions),
        )
        with self._tenant.lock:
            self._tenant.assessor.add_definition(definition)

    def add_assessment(
        self,
        key: str,
        resource_id: str,
        *,
        code: str = UNHEALTHY,
        cause: str | None = None,
        description: str | None = None,
        details: Mapping[str, Any] | None = None,
        additional: Mapping[str, Any] | None = None,
        resource_data: Mapping[str, Any] | None = None,
        risk: Mapping[str, Any] | None = None,
    ) -> None:
        """Sets an assessment by hand. It no longer follows a rule.

        Args:
            key: The assessment key of a recommendation of the simulator.
            resource_id: The assessed resource.
            code: ``Healthy``, ``Unhealthy`` or ``NotApplicable``.
            cause: The cause of the status, such as ``Exempt``.
            description: The description of the status.
            details: ``resourceDetails``, for what is not an Azure resource.
            additional: ``additionalData``.
            resource_data: ``resourceAdditionalData``, such as the digest of a container image.
            risk: The risk as Defender CSPM shows it; without it, the level is a copy of the severity.
        """
        with self._tenant.lock:
            self._tenant.assessor.add(
                SimulatedAssessment(
                    definition=self._tenant.assessor.definitions[fold(key)],
                    resource_id=resource_id,
                    details=dict(details or {"source": "Azure", "id": resource_id}),
                    status=SimulatedStatus(code=code, cause=cause, description=description),
                    additional=dict(additional or {}),
                    resource_data=dict(resource_data or {}),
                    risk=None if risk is None else dict(risk),
                )
            )

    def add_individual(
        self,
        title: str,
        resource_id: str,
        *,
        category: str,
        severity: str = "High",
        key: str | None = None,
        code: str = UNHEALTHY,
        details: Mapping[str, Any] | None = None,
        additional: Mapping[str, Any] | None = None,
        resource_data: Mapping[str, Any] | None = None,
        risk: Mapping[str, Any] | None = None,
        controls: tuple[str, ...] = (),
    ) -> str:
        """Adds one row of an individual recommendation, and returns its key.

        Azure does not document whether the REST API lists the metadata of generated keys; here it does, and the list of
        assessments names no category, as with every other assessment.

        Args:
            title: Its display name, such as ``Update OpenSSL``.
            resource_id: The assessed resource.
            category: Such as ``SoftwareUpdate``; any other string as well.
            severity: The severity in its metadata.
            key: The assessment key; by default one that is generated from the category and title.
            code: ``Healthy``, ``Unhealthy`` or ``NotApplicable``.
            details: ``resourceDetails``, for what is not a virtual machine in Azure.
            additional: ``additionalData``, such as ``SoftwareName`` and ``CvesDetails``.
            resource_data: ``resourceAdditionalData``, such as the digest of a container image.
            risk: The risk as Defender CSPM shows it; without it, the level is a copy of the severity.
            controls: The names of the security controls that name the key; none by default.
        """
        generated = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{category}/{title}"))
        definition = AssessmentDefinition(
            key=fold(key or generated),
            metadata={
                "displayName": title,
                "assessmentType": "DynamicBuiltIn",
                "recommendationCategory": category,
                "severity": severity,
                "description": f"{title}.",
                "remediationDescription": "",
                "categories": ["Compute"],
            },
            controls=controls,
        )
        with self._tenant.lock:
            self._tenant.assessor.definitions.setdefault(definition.key, definition)
        usual = {"source": "Azure", "id": resource_id, "resourceType": "microsoft.compute/virtualmachines"}
        self.add_assessment(
            definition.key,
            resource_id,
            code=code,
            details=details or usual,
            additional=additional,
            resource_data=resource_data,
            risk=risk,
        )
        return definition.key

    def add_cve(self, name: str, properties: Mapping[str, Any]) -> None:
        """Adds the details of a CVE. Resource Graph shows them at management group and tenant scope only.

        Args:
            name: Such as ``CVE-2026-0001``.
            properties: Such as ``severity``, ``cvss``, ``publishedDate`` and ``exploitabilityDetails``.
        """
        with self._tenant.lock:
            self._tenant.exposure.cves[name] = {"cveId": name, **deepcopy(dict(properties))}

    def add_attack_path(self, name: str, scope: str, properties: Mapping[str, Any]) -> str:
        """Adds an attack path, which Resource Graph alone shows, and returns its id.

        Args:
            name: Its name, which ``attackPathsReferences`` of a risk refer to.
            scope: The subscription that it is listed in.
            properties: Such as ``displayName``, ``riskLevel`` and ``graphComponent``; kept as they are.
        """
        with self._tenant.lock:
            identifier = attack_path_id(scope, name)
            self._tenant.exposure.attack_paths[identifier] = deepcopy(dict(properties))
            return identifier

    def set_risk(self, key: str, resource_id: str, risk: Mapping[str, Any] | None) -> None:
        """Sets or removes the risk of an assessment; the newest api-version shows it.

        Raises:
            KeyError: The assessment does not exist.
        """
        with self._tenant.lock:
            self._tenant.assessor.find(key, resource_id).risk = None if risk is None else dict(risk)

    def turn_off_posture(self, scope: str) -> None:
        """Turns off foundational posture management in a subscription: its assessments disappear.

        Defender CSPM counts as posture management as well, if it is on.
        """
        self._set_plan(scope, FOUNDATIONAL, "Free")

    def turn_on_cspm(self, scope: str) -> None:
        """Turns on Defender CSPM in a subscription."""
        self._set_plan(scope, DEFENDER_CSPM, "Standard")

    def unassign_benchmark(self, scope: str) -> None:
        """Removes the benchmark from a subscription: the assessments with a policy disappear.

        Raises:
            KeyError: It is not assigned there.
        """
        with self._tenant.lock:
            del self._tenant.policies.assignments[ids.key(f"{scope}{AUTHORIZATION}/policyAssignments/{BENCHMARK_NAME}")]

    def forget_assessments(self, scope: str) -> None:
        """Removes every assessment of a subscription, as before Defender's first evaluation."""
        with self._tenant.lock:
            self._tenant.assessor.forget(ids.subscription_of(scope))

    def _set_plan(self, scope: str, name: str, tier: str) -> None:
        with self._tenant.lock:
            plan = self._tenant.store.find(f"{scope}/providers/{PRICINGS}/{name}")
            if plan is None:
                raise InvalidInputError(f"The subscription {scope!r} does not exist.")
            body = plan.render()
            self._tenant.store.write(plan.id, plan.type, {"properties": {**body["properties"], "pricingTier": tier}})
