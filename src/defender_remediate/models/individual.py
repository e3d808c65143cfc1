"""Individual recommendations: their categories, and what one of them is about.

Azure generates one for each software update, secret or rule, with a generated key. They are therefore addressed by category.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.display import one_line
from defender_remediate.enums import OpenEnum
from defender_remediate.json_values import FrozenMap, freeze, parse_json
from defender_remediate.notebook import notebook
from defender_remediate.serialization import Value
from defender_remediate.validation import optional_text


class RecommendationCategory(OpenEnum):
    """The category of a recommendation: ``properties.metadata.recommendationCategory`` in Azure.

    ``Unknown`` is the category of a recommendation that replaced a grouped one and has a fixed key: use its key.
    """

    SOFTWARE_UPDATE = "SoftwareUpdate"
    SYSTEM_UPDATE = "SystemUpdate"
    SERVICE_UPGRADE = "ServiceUpgrade"
    HOST_MISCONFIGURATIONS = "HostMisconfigurations"
    EXPOSED_SECRETS = "ExposedSecrets"
    CODE_VULNERABILITIES = "CodeVulnerabilities"
    IAC_VULNERABILITIES = "IacVulnerabilities"
    API_VULNERABILITIES = "ApiVulnerabilities"
    UNKNOWN = "Unknown"


def is_individual(category: RecommendationCategory | None) -> bool:
    """Whether a recommendation of this category has a generated key."""
    return category is not None and category != RecommendationCategory.UNKNOWN


@notebook
@attrs.frozen(kw_only=True)
class CveReference(Value):
    """One CVE that an individual recommendation resolves, as far as its assessment tells.

    Attributes:
        id: Such as ``CVE-2026-0001``.
        fix_status: Azure's word, such as ``FixAvailable``.
        fixed_version: The version without this vulnerability.
        cvss: The CVSS base score.
    """

    id: str = attrs.field(eq=fold)
    severity: str | None = optional_text()
    fix_status: str | None = optional_text()
    fixed_version: str | None = optional_text()
    cvss: float | None = None

    def __str__(self) -> str:
        return one_line(f"{self.id} ({self.severity or 'no severity'})")


@notebook
@attrs.frozen(kw_only=True)
class IndividualDetails(Value):
    """What an individual recommendation is about: a software update, a secret or a rule.

    Attributes:
        software_name, package_type: The software to update.
        detected_versions: The versions that were found.
        fixed_version: The version to update to; None when no fix is available.
        max_cvss: The highest CVSS score of its CVEs.
        cves: The CVEs that it resolves; None when Azure's value is not readable, which does not mean that there is none.
        image_digest, repository: The container image.
        other: All other members of ``additionalData`` and ``resourceAdditionalData``, as Azure names them: those of secrets
            and rules are not documented.
    """

    software_name: str | None = optional_text()
    package_type: str | None = optional_text()
    detected_versions: tuple[str, ...] = ()
    fixed_version: str | None = optional_text()
    max_cvss: float | None = None
    cves: tuple[CveReference, ...] | None = ()
    image_digest: str | None = optional_text()
    repository: str | None = optional_text()
    other: FrozenMap = attrs.field(factory=FrozenMap, converter=freeze, repr=False)

    @classmethod
    def from_json(cls, additional: Mapping[str, Any], resource: Mapping[str, Any]) -> IndividualDetails:
        """Decode ``additionalData`` and ``resourceAdditionalData`` of an assessment, whatever the case of their names."""
        scanners = [wire.mapping(found) for found in wire.mapping(_value(additional, "ScannersDetails")).values()]
        sources = (additional, *scanners)
        return cls(
            software_name=wire.text(additional, "SoftwareName"),
            package_type=wire.text(additional, "PackageType"),
            detected_versions=_versions(sources),
            fixed_version=next((text for source in sources if (text := wire.text(source, "FixedVersion"))), None),
            max_cvss=_decimal(wire.pick(additional, "MaxCvssScore")),
            cves=_cves(additional, scanners),
            image_digest=wire.text(resource, "Digest"),
            repository=wire.text(wire.mapping(_value(resource, "RepositoryDetails")), "RepositoryName"),
            other={
                name: value
                for source in (resource, additional)
                for name, value in source.items()
                if fold(str(name)) not in _READ
            },
        )

    def __str__(self) -> str:
        if not self.software_name:
            return one_line(", ".join(map(str, self.other)) or "no details")
        versions = ", ".join(self.detected_versions) or "unknown version"
        return one_line(f"{self.software_name} {versions}: {self.fixed_version or 'no fixed version'}")


_READ = frozenset(
    {
        "softwarename",
        "packagetype",
        "detectedsoftwareversions",
        "fixedversion",
        "maxcvssscore",
        "cvesdetails",
        "scannersdetails",
        "digest",
        "repositorydetails",
    }
)


def _value(source: Mapping[str, Any], name: str) -> Any:
    """A member, which may be JSON inside a string."""
    found = wire.pick(source, name)
    if isinstance(found, str) and found.lstrip()[:1] in ("[", "{"):
        try:
            return parse_json(found)
        except ValueError:
            return found
    return found


def _versions(sources: tuple[Mapping[str, Any], ...]) -> tuple[str, ...]:
    for source in sources:
        found = _value(source, "DetectedSoftwareVersions")
        listed = re.split(r"[,;]", found) if isinstance(found, str) else found
        if isinstance(listed, (list, tuple)):
            versions = tuple(dict.fromkeys(text for item in listed if (text := wire.text(item).strip())))
            if versions:
                return versions
    return ()


def _cves(additional: Mapping[str, Any], scanners: list[Mapping[str, Any]]) -> tuple[CveReference, ...] | None:
    given = _value(additional, "CvesDetails")
    listed = [given] if isinstance(given, Mapping) else given
    if listed in (None, ""):
        listed = [item for scanner in scanners for item in wire.strings(scanner, "CvesIds")]
    if not isinstance(listed, (list, tuple)):
        return None
    found = {fold(cve.id): cve for cve in _references(listed)}
    return tuple(found.values()) if found or not listed else None


def _references(listed: list[Any] | tuple[Any, ...]) -> Iterator[CveReference]:
    for item in listed:
        members = {"CveId": item} if isinstance(item, str) else wire.mapping(item)
        identifier = wire.text(members, "CveId", "Id").strip()
        if identifier:
            yield CveReference(
                id=identifier,
                severity=wire.text(members, "Severity"),
                fix_status=wire.text(members, "FixStatus"),
                fixed_version=wire.text(members, "FixedVersion"),
                cvss=_decimal(best_score(wire.pick(members, "Cvss"))),
            )


def best_score(given: Any) -> float | None:
    """The base score of the newest CVSS version in Azure's value: by version, or a list of versions with their values.

    One place calls the version ``4.0``, another ``4``.
    """
    scores = cvss_scores(given)
    return scores[max(scores, key=_version)] if scores else _decimal(given)


def cvss_scores(given: Any) -> dict[str, float]:
    """The base scores by CVSS version."""
    if isinstance(given, (list, tuple)):
        entries = [(wire.text(item, "Key", "Version"), wire.pick(item, "Value") or item) for item in given]
    else:
        entries = [(str(name), value) for name, value in wire.mapping(given).items()]
    found: dict[str, float] = {}
    for version, value in entries:
        score = _decimal(wire.pick(value, "base", "baseScore") if isinstance(value, Mapping) else value)
        if score is not None:
            found[version] = score
    return found


def _version(text: str) -> tuple[float, str]:
    return _decimal(text) or 0.0, text


def _decimal(value: Any) -> float | None:
    """A finite number, which Azure may write as a string; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        found = float(value)
    except (OverflowError, ValueError):
        return None
    return found if math.isfinite(found) else None
