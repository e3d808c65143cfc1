"""One recommendation assessed on one resource."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold, fold_or_none
from defender_remediate.display import one_line
from defender_remediate.enums import OpenEnum
from defender_remediate.json_values import FrozenMap, freeze, parse_json
from defender_remediate.models.governance import GovernanceAssignment
from defender_remediate.models.ids import resource_of_assessment
from defender_remediate.models.individual import IndividualDetails, RecommendationCategory, is_individual
from defender_remediate.models.recommendation_metadata import RecommendationMetadata, Severity, metadata_from
from defender_remediate.models.risk import Risk, RiskLevel
from defender_remediate.notebook import notebook
from defender_remediate.serialization import Value
from defender_remediate.validation import optional_text


class AssessmentStatus(OpenEnum):
    """What Defender for Cloud reports for one resource. Exempt resources are NotApplicable, with a cause."""

    HEALTHY = "Healthy"
    UNHEALTHY = "Unhealthy"
    NOT_APPLICABLE = "NotApplicable"


@notebook
@attrs.frozen(kw_only=True)
class Assessment(Value):
    """One recommendation assessed on one resource.

    Two assessments are equal when they report the same for the same resource, whichever API returned them. Ids compare
    without regard to case, and what the REST list does not return is ignored: ``portal_url``, ``severity``, ``category``,
    ``resource_details``, ``resource_data`` and ``governance``.

    Attributes:
        id: The resource id of the assessment.
        key: The assessment key: a GUID that all resources share.
        resource_id: The assessed resource.
        status: Healthy, Unhealthy or NotApplicable.
        cause: The reason for the status, such as ``Exempt`` or ``OffByPolicy``; None when Azure gives none.
        source: Where the resource lives, such as ``Azure``, ``OnPremise`` or ``Aws``.
        severity, category: None where the API does not return the metadata of an assessment with it.
        risk: None where Azure reports none, or the cloud has an older version of the API.
        resource_details: What Azure says about the resource, such as its type and its name in another cloud.
        resource_data: ``resourceAdditionalData``, such as the digest of a container image.
        first_evaluated, changed: UTC, or None where Azure sends no time.
        additional_data: More data, depending on the assessment type.
        governance: Who has to fix it and until when; None also unless ``list_assessments(governance=True)`` read it.
    """

    _computed: ClassVar[tuple[str, ...]] = ("is_exempt", "is_individual")

    id: str = attrs.field(eq=fold)
    key: str = attrs.field(eq=fold)
    resource_id: str = attrs.field(eq=fold)
    display_name: str | None = optional_text()
    status: AssessmentStatus
    cause: str | None = optional_text()
    description: str | None = optional_text()
    source: str = "Azure"
    severity: Severity | None = attrs.field(default=None, eq=False)
    category: RecommendationCategory | None = attrs.field(default=None, eq=False)
    risk: Risk | None = None
    first_evaluated: datetime | None = None
    changed: datetime | None = None
    portal_url: str | None = attrs.field(default=None, eq=False, repr=False)
    additional_data: FrozenMap = attrs.field(factory=FrozenMap, converter=freeze, repr=False)
    resource_details: FrozenMap = attrs.field(factory=FrozenMap, converter=freeze, eq=False, repr=False)
    resource_data: FrozenMap = attrs.field(factory=FrozenMap, converter=freeze, eq=False, repr=False)
    governance: GovernanceAssignment | None = attrs.field(default=None, eq=False, repr=False)
    # As it was sent: a copy for each of 300,000 rows would cost more than all the rest of them. Nothing changes it.
    _metadata: Mapping[str, Any] = attrs.field(factory=FrozenMap, eq=False, repr=False)

    def __str__(self) -> str:
        cause = f" ({self.cause})" if self.cause else ""
        return one_line(
            f"{self.resource_id}: {self.display_name or 'no display name'} [{self.key}]: {self.status}{cause}"
        )

    @property
    def is_exempt(self) -> bool:
        """Whether the resource is exempt; Azure reports it as NotApplicable."""
        return fold_or_none(self.cause) == "exempt"

    @property
    def is_individual(self) -> bool:
        """Whether it belongs to an individual recommendation, which is addressed by category and not by key."""
        return is_individual(self.category)

    @property
    def details(self) -> IndividualDetails:
        """What an individual recommendation is about: the software update, secret or rule."""
        return IndividualDetails.from_json(self.additional_data, self.resource_data)

    @property
    def metadata(self) -> RecommendationMetadata | None:
        """The metadata of an individual recommendation, where the API returns it with the assessment; None for others."""
        if not self._metadata:
            return None
        return metadata_from(self.key, {"displayName": self.display_name, **self._metadata})

    @property
    def risk_level(self) -> RiskLevel | None:
        """The risk level; it says more than the severity only where ``risk.is_contextual`` is true."""
        return None if self.risk is None else self.risk.level

    @property
    def risk_factors(self) -> tuple[str, ...]:
        """The risk factors, as Azure names them."""
        return () if self.risk is None else self.risk.factors

    @property
    def resource_type(self) -> str | None:
        """The type of the resource as Azure names it, such as ``K8s-container``; None where it does not."""
        return wire.text(self.resource_details, "resourceType") or None

    @property
    def resource_name(self) -> str | None:
        """The name of the resource; None where Azure does not return it."""
        return wire.text(self.resource_details, "resourceName") or None

    @property
    def native_resource_id(self) -> str | None:
        """The id of a resource in its own cloud, such as an ARN; None for a resource in Azure, or where it is not returned."""
        found = wire.text(self.resource_details, "nativeResourceId", "awsResourceId", "gcpResourceId")
        return found if found and fold(self.source) != "azure" else None

    @property
    def connector_id(self) -> str | None:
        """The security connector that another cloud is connected with; None where Azure does not return it."""
        return wire.text(self.resource_details, "connectorId") or None

    @classmethod
    def from_rest(cls, json: Mapping[str, Any]) -> Assessment:
        """Decode one item of ``Microsoft.Security/assessments`` as Azure Resource Manager sends it."""
        return _assessment(json)

    @classmethod
    def from_graph(cls, row: Mapping[str, Any]) -> Assessment:
        """Decode one row of the Resource Graph table ``securityresources``, which uses a different casing."""
        return _assessment(row)


_EMPTY = FrozenMap()
_OF_ITEM = ("id", "name", "properties")
_OF_PROPERTIES = ("displayName", "status", "resourceDetails")
_OF_STATUS = ("code", "cause", "description", "firstEvaluationDate", "statusChangeDate")
_OF_DETAILS = ("azureResourceId", "id", "source")
_OF_METADATA = ("recommendationCategory", "severity")


def _assessment(item: Mapping[str, Any]) -> Assessment:
    identifier, name, content = wire.picked(item, _OF_ITEM)
    properties = wire.mapping(content)
    display_name, given_status, given_details = wire.picked(properties, _OF_PROPERTIES)
    code, cause, description, first_evaluated, changed = wire.picked(given_status, _OF_STATUS)
    azure_id, own_id, source = wire.picked(given_details, _OF_DETAILS)
    metadata = wire.mapping(properties.get("metadata"))
    category, severity = map(wire.text, wire.picked(metadata, _OF_METADATA))
    known = RecommendationCategory(category) if category else None
    data = properties.get("resourceAdditionalData")
    identifier = wire.text(identifier)
    # Aws and Gcp resources carry their Azure mirror apart; machines outside Azure carry no id at all.
    named = wire.text(azure_id) or wire.text(own_id)
    return Assessment(
        id="/" + identifier.strip("/"),
        key=wire.text(name) or wire.name(item),
        resource_id="/" + named.strip("/") if named else resource_of_assessment(identifier),
        display_name=wire.text(display_name),
        status=AssessmentStatus(wire.text(code)),
        cause=wire.text(cause),
        description=wire.text(description),
        source=wire.text(source) or "Azure",
        severity=Severity(severity) if severity else None,
        category=known,
        risk=Risk.from_json(wire.mapping(properties.get("risk"))),
        first_evaluated=wire.timestamp(first_evaluated),
        changed=wire.timestamp(changed),
        portal_url=_portal_url(wire.text(properties.get("links"), "azurePortalUri", "azurePortal")),
        additional_data=FrozenMap(wire.mapping(properties.get("additionalData"))),
        resource_details=FrozenMap(wire.mapping(given_details)),
        resource_data=FrozenMap(wire.mapping(_parsed(data))) if data else _EMPTY,
        metadata=metadata if is_individual(known) else _EMPTY,
    )


def _parsed(value: Any) -> Any:
    """A value that Azure may send as JSON inside a string."""
    if not isinstance(value, str):
        return value
    try:
        return parse_json(value)
    except ValueError:
        return None


def _portal_url(link: str) -> str | None:
    # Resource Graph leaves the scheme out.
    return None if not link else link if "://" in link else f"https://{link.lstrip('/')}"
