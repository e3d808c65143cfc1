"""What is written to which API for an exemption, an attestation, and the renewal of either. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.exemptions.terms import Terms
from defender_remediate.json_values import sha256, thaw
from defender_remediate.models.exemption import RULE_KEY, Exemption, ExemptionApi, ExemptionCategory
from defender_remediate.models.ids import id_key
from defender_remediate.planning.decisions import Decision, Removal

POLICY_VERSION = "2022-07-01-preview"
DEFENDER_VERSION = "2024-08-01"
_POLICY = "providers/Microsoft.Authorization/policyExemptions"
_DEFENDER = "providers/Microsoft.Security/standardAssignments"
_POLICY_PERMISSIONS = (
    "Microsoft.Authorization/policyExemptions/read",
    "Microsoft.Authorization/policyExemptions/write",
    "Microsoft.Authorization/policyAssignments/exempt/action",
)
_DEFENDER_PERMISSIONS = ("Microsoft.Security/standardAssignments/read", "Microsoft.Security/standardAssignments/write")
_LAG = "Defender shows it within 24 hours"
_LONGEST_NAME = 120


def policy_exemption(
    key: str, title: str, scope: str, assignment_id: str, references: Sequence[str], terms: Terms
) -> Decision:
    """A new exemption from the parts of one assigned initiative."""
    name = _name("policy exemption", scope, assignment_id, key)
    return Decision(
        key=key,
        title=f"Exempt from: {title}",
        resource_id=scope,
        target=f"{_POLICY}/{name}",
        api_version=POLICY_VERSION,
        properties={
            "policyAssignmentId": assignment_id,
            "policyDefinitionReferenceIds": list(references),
            "exemptionCategory": str(terms.category),
            "displayName": _shortened(title),
            **_policy_terms(terms),
        },
        permissions=_POLICY_PERMISSIONS,
        effect=f"the policy is not enforced on it until then, and {_of(terms)}",
    )


def defender_exemption(key: str, title: str, scope: str, terms: Terms) -> Decision:
    """A new exemption of Defender itself, from one recommendation or from the vulnerabilities of a rule."""
    data: dict[str, Any] = {
        "exemptionCategory": fold(str(terms.category)),
        "assignedAssessment": {"assessmentKey": key},
    }
    if terms.rule is not None:
        data["subAssessmentExemptionRule"] = terms.rule
    return Decision(
        key=key,
        title=f"Exempt from: {title}",
        resource_id=scope,
        target=f"{_DEFENDER}/{_name('exemption', scope, key, terms.rule)}",
        api_version=DEFENDER_VERSION,
        properties={
            "displayName": _shortened(title),
            "effect": "Exempt",
            "exemptionData": data,
            **_defender_terms(terms),
        },
        permissions=_DEFENDER_PERMISSIONS,
        effect=_of(terms),
    )


def attestation(key: str, title: str, scope: str, terms: Terms) -> Decision:
    """A new attestation of a manual recommendation."""
    return Decision(
        key=key,
        title=f"Attest: {title}",
        resource_id=scope,
        target=f"{_DEFENDER}/{_name('attestation', scope, key)}",
        api_version=DEFENDER_VERSION,
        properties={
            "displayName": _shortened(title),
            "effect": "Attest",
            "attestationData": {
                "complianceState": str(terms.state),
                "assignedAssessment": {"assessmentKey": key},
                "evidence": _evidence(terms),
            },
            **_defender_terms(terms),
        },
        permissions=_DEFENDER_PERMISSIONS,
        effect=f"the resource is {terms.state} because someone says so, and {_LAG}",
        replaced=("attestationData.evidence",),
    )


def renewal(exemption: Exemption, terms: Terms) -> Decision:
    """New terms for what exists; everything else of it stays."""
    properties: dict[str, Any]
    if exemption.api is ExemptionApi.POLICY:
        properties = {"exemptionCategory": str(terms.category), **_policy_terms(terms)}
    else:
        properties = _defender_terms(terms)
        if terms.state is not None:
            properties["attestationData"] = {"complianceState": str(terms.state), "evidence": _evidence(terms)}
        else:
            properties["exemptionData"] = {"exemptionCategory": fold(str(terms.category))}
    is_policy = exemption.api is ExemptionApi.POLICY
    return Decision(
        key=exemption.keys[0] if exemption.keys else RULE_KEY,
        title=f"Renew: {exemption.name}",
        resource_id=exemption.scope,
        target=exemption.id[len(exemption.scope) :].lstrip("/"),
        api_version=POLICY_VERSION if is_policy else DEFENDER_VERSION,
        properties=properties,
        permissions=_POLICY_PERMISSIONS if is_policy else _DEFENDER_PERMISSIONS,
        effect=_of(terms),
        replaced=("attestationData.evidence",) if terms.state is not None else (),
    )


def removal(exemption: Exemption) -> Removal:
    """The end of an exemption or an attestation."""
    is_policy = exemption.api is ExemptionApi.POLICY
    kind = "Microsoft.Authorization/policyExemptions" if is_policy else "Microsoft.Security/standardAssignments"
    more = ("Microsoft.Authorization/policyAssignments/exempt/action",) if is_policy else ()
    return Removal(
        keys=exemption.keys or (RULE_KEY,),
        title=f"Remove: {exemption.name}",
        resource_id=exemption.scope,
        target_id=exemption.id,
        api_version=POLICY_VERSION if is_policy else DEFENDER_VERSION,
        permissions=(f"{kind}/read", f"{kind}/delete", *more),
        effect=f"the resource is assessed again; {_LAG}",
    )


def rule_of(exemption: Exemption) -> Mapping[str, Any] | None:
    """The rule of an exemption, as it was read."""
    found: Mapping[str, Any] | None = None if exemption.rule is None else thaw(exemption.rule)
    return found


def _policy_terms(terms: Terms) -> dict[str, Any]:
    metadata = {"owner": terms.owner, **({"ticket": terms.ticket} if terms.ticket else {})}
    return {"description": terms.reason, "expiresOn": terms.expiry, "metadata": metadata}


def _defender_terms(terms: Terms) -> dict[str, Any]:
    return {"description": terms.description, "expiresOn": terms.expiry}


def _evidence(terms: Terms) -> list[dict[str, str]]:
    return [{"description": one.description, "sourceUrl": one.url} for one in terms.evidence]


def _of(terms: Terms) -> str:
    if terms.category == ExemptionCategory.MITIGATED:
        return f"it counts as healthy; {_LAG}"
    if terms.category is None:
        return _LAG
    return f"it is left out of the secure score; {_LAG}"


def _name(*parts: object) -> str:
    """A GUID that is the same for the same decision, so that planning it again finds it."""
    known = [id_key(part) if isinstance(part, str) else part for part in parts]
    return str(uuid.UUID(hex=sha256(known)[:32]))


def _shortened(title: str) -> str:
    return title if len(title) <= _LONGEST_NAME else f"{title[: _LONGEST_NAME - 1]}…"
