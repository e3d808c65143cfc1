"""``sim.defender``: what Defender for Cloud recommends, and how it assesses resources."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.testing.simulator.controls import arguments, lookup
from defender_remediate.testing.simulator.controls.alerts import AlertControls
from defender_remediate.testing.simulator.controls.compliance import ComplianceControls
from defender_remediate.testing.simulator.controls.governance import GovernanceControls
from defender_remediate.testing.simulator.defender.assessments import (
    HEALTHY,
    NOT_APPLICABLE,
    UNHEALTHY,
    AssessmentDefinition,
    SimulatedAssessment,
    SimulatedStatus,
)
from defender_remediate.testing.simulator.defender.exposure import attack_path_id
from defender_remediate.testing.simulator.defender.state import DEFENDER_CSPM, FOUNDATIONAL, PRICINGS
from defender_remediate.testing.simulator.policy.state import AUTHORIZATION, BENCHMARK_NAME
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.validation import string, strings

_CODES = (HEALTHY, UNHEALTHY, NOT_APPLICABLE)
_NEEDED = ("displayName", "severity")


class DefenderControls:
    """Adds recommendations, and sets assessments by hand.

    Attributes:
        alerts: Security alerts.
        compliance: The standards of regulatory compliance.
        governance: Owners, due dates, and the rules that assign them.
    """

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self.alerts = AlertControls(tenant)
        self.compliance = ComplianceControls(tenant)
        self.governance = GovernanceControls(tenant)

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

        Raises:
            InvalidInputError: The metadata lacks a name or severity, or an argument is not of its type.
        """
        lacking = [name for name in _NEEDED if name not in arguments.mapping("metadata", metadata)]
        if lacking:
            raise InvalidInputError(f"metadata needs {' and '.join(_NEEDED)}, got none for {quoted(lacking[0])}")
        definition = AssessmentDefinition(
            key=fold(arguments.text("key", key)),
            metadata=deepcopy(dict(metadata)),
            resource_type=arguments.text("resource_type", resource_type),
            rule=deepcopy(dict(arguments.mapping("rule", rule))),
            controls=strings("controls", controls),
            subscriptions=tuple(fold(ids.subscription_of(s) or s) for s in strings("subscriptions", subscriptions)),
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

        Raises:
            InvalidInputError: The recommendation does not exist (also a KeyError), the resource id is not an id, or the code
                does not exist.
        """
        arguments.word("code", code, _CODES)
        arguments.scope(resource_id)
        with self._tenant.lock:
            self._tenant.assessor.add(
                SimulatedAssessment(
                    definition=lookup.recommendation(self._tenant, key),
                    resource_id=resource_id,
                    details=dict(arguments.mapping("details", details or {"source": "Azure", "id": resource_id})),
                    status=SimulatedStatus(code=code, cause=cause, description=description),
                    additional=dict(arguments.mapping("additional", additional or {})),
                    resource_data=dict(arguments.mapping("resource_data", resource_data or {})),
                    risk=arguments.mapping_or_none("risk", risk),
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
        cves: tuple[str, ...] = (),
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
            cves: The CVEs that the row names in ``CvesDetails``. One that ``add_cve`` did not add gets a row without details.

        Raises:
            InvalidInputError: The title or the category is empty, the resource id is not an id, or the code does not exist.
        """
        for name, given in (("title", title), ("category", category), ("severity", severity)):
            arguments.text(name, given)
        generated = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{category}/{title}"))
        definition = AssessmentDefinition(
            key=fold(arguments.text("key", key or generated)),
            metadata={
                "displayName": title,
                "assessmentType": "DynamicBuiltIn",
                "recommendationCategory": category,
                "severity": severity,
                "description": f"{title}.",
                "remediationDescription": "",
                "categories": ["Compute"],
            },
            controls=strings("controls", controls),
        )
        arguments.word("code", code, _CODES)
        arguments.scope(resource_id)
        named = [{"CveId": arguments.name_in_id("cves", one)} for one in strings("cves", cves)]
        details_of_cves = {"CvesDetails": named} if named else {}
        with self._tenant.lock:
            self._tenant.assessor.definitions.setdefault(definition.key, definition)
            for one in named:
                self._tenant.exposure.cves.setdefault(one["CveId"], {"cveId": one["CveId"]})
        usual = {"source": "Azure", "id": resource_id, "resourceType": "microsoft.compute/virtualmachines"}
        self.add_assessment(
            definition.key,
            resource_id,
            code=code,
            details=details or usual,
            additional={**details_of_cves, **arguments.mapping("additional", additional or {})},
            resource_data=resource_data,
            risk=risk,
        )
        return definition.key

    def add_cve(self, name: str, properties: Mapping[str, Any]) -> None:
        """Adds the details of a CVE. Resource Graph shows them at management group and tenant scope only.

        Args:
            name: Such as ``CVE-2026-0001``.
            properties: Such as ``severity``, ``cvss``, ``publishedDate`` and ``exploitabilityDetails``.

        Raises:
            InvalidInputError: The name is empty, or the properties are not a mapping.
        """
        own = deepcopy(dict(arguments.mapping("properties", properties)))
        with self._tenant.lock:
            self._tenant.exposure.cves[arguments.text("name", name)] = {"cveId": name, **own}

    def add_attack_path(self, name: str, scope: str, properties: Mapping[str, Any]) -> str:
        """Adds an attack path, which Resource Graph alone shows, and returns its id.

        Args:
            name: Its name, which ``attackPathsReferences`` of a risk refer to.
            scope: The subscription that it is listed in.
            properties: Such as ``displayName``, ``riskLevel`` and ``graphComponent``; kept as they are.

        Raises:
            InvalidInputError: The name is not a name, the subscription does not exist (also a KeyError), or the properties are
                not a mapping.
        """
        own = deepcopy(dict(arguments.mapping("properties", properties)))
        with self._tenant.lock:
            lookup.subscription(self._tenant, scope)
            identifier = attack_path_id(scope, arguments.name_in_id("name", name))
            self._tenant.exposure.attack_paths[identifier] = own
            return identifier

    def set_risk(self, key: str, resource_id: str, risk: Mapping[str, Any] | None) -> None:
        """Sets or removes the risk of an assessment; the newest api-version shows it.

        Raises:
            InvalidInputError: The recommendation or the assessment does not exist; also a KeyError.
        """
        shown = arguments.mapping_or_none("risk", risk)
        with self._tenant.lock:
            definition = lookup.recommendation(self._tenant, key)
            found = self._tenant.assessor.get(key, string("resource_id", resource_id))
            if found is None:
                known = [one.resource_id for one in self._tenant.assessor.current() if one.definition is definition]
                raise lookup.missing(f"assessment {quoted(key)} of", resource_id, known)
            found.risk = shown

    def turn_off_posture(self, scope: str) -> None:
        """Turns off foundational posture management in a subscription: its assessments disappear.

        Defender CSPM counts as posture management as well, if it is on.

        Raises:
            InvalidInputError: The subscription does not exist; also a KeyError.
        """
        self._set_plan(scope, FOUNDATIONAL, "Free")

    def turn_on_cspm(self, scope: str) -> None:
        """Turns on Defender CSPM in a subscription.

        Raises:
            InvalidInputError: The subscription does not exist; also a KeyError.
        """
        self._set_plan(scope, DEFENDER_CSPM, "Standard")

    def unassign_benchmark(self, scope: str) -> None:
        """Removes the benchmark from a subscription: the assessments with a policy disappear.

        Raises:
            InvalidInputError: It is not assigned there; also a KeyError.
        """
        with self._tenant.lock:
            found = lookup.subscription(self._tenant, scope)
            key = ids.key(f"/subscriptions/{found.id}{AUTHORIZATION}/policyAssignments/{BENCHMARK_NAME}")
            if not self._tenant.policies.unassign(key):
                raise lookup.missing("benchmark assigned to", scope, ())

    def forget_assessments(self, scope: str) -> None:
        """Removes every assessment of a subscription, as before Defender's first evaluation.

        Raises:
            InvalidInputError: The subscription does not exist; also a KeyError.
        """
        with self._tenant.lock:
            self._tenant.assessor.forget(lookup.subscription(self._tenant, scope).id)

    def _set_plan(self, scope: str, name: str, tier: str) -> None:
        with self._tenant.lock:
            subscription = lookup.subscription(self._tenant, scope)
            plan = lookup.resource(self._tenant, f"/subscriptions/{subscription.id}/providers/{PRICINGS}/{name}")
            body = plan.render()
            self._tenant.store.write(plan.id, plan.type, {"properties": {**body["properties"], "pricingTier": tier}})
