"""Rules that exempt vulnerabilities wherever they are found."""

from __future__ import annotations

from typing import Any

import attrs

from defender_remediate.discovery.arguments import checked_cves
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.validation import as_tuple, is_number

_SEVERITIES = ("Critical", "High", "Medium", "Low")


@attrs.frozen(kw_only=True)
class VulnerabilityRule:
    """Which vulnerabilities are exempt: those that meet every condition that is given.

    Azure publishes the three conditions and not the operators of others, so there are no more. The spelling of the rule
    comes from the documentation of the transition from disable rules; it is not in Azure's own client yet.

    Attributes:
        cves: Ids such as ``CVE-2026-0001``.
        severities: Such as ``Low``.
        below_cvss: Those whose CVSS score is less than this.
    """

    cves: tuple[str, ...] = attrs.field(default=(), converter=as_tuple)
    severities: tuple[str, ...] = attrs.field(default=(), converter=as_tuple)
    below_cvss: float | None = None

    def __attrs_post_init__(self) -> None:
        if not (self.cves or self.severities or self.below_cvss is not None):
            raise InvalidInputError(
                "a VulnerabilityRule without a condition would exempt everything",
                hint="pass cves, severities or below_cvss",
            )
        checked_cves(self.cves or None)
        unknown = [one for one in self.severities if one not in _SEVERITIES]
        if unknown:
            raise InvalidInputError(f"severities must be some of {', '.join(_SEVERITIES)}, got {quoted(unknown)}")
        if self.below_cvss is not None and not (is_number(self.below_cvss) and 0 < self.below_cvss <= 10):
            raise InvalidInputError(f"below_cvss must be a number above 0 and up to 10, got {quoted(self.below_cvss)}")

    def to_azure(self) -> dict[str, Any]:
        """The rule as Azure writes it."""
        conditions: list[dict[str, Any]] = []
        for field, values in (("va.cve.cveId", self.cves), ("va.cve.severity", self.severities)):
            if values:
                operation = {"values": [{"title": value} for value in values]}
                conditions.append({"field": field, "operationType": "ContainedInOperation", "operation": operation})
        if self.below_cvss is not None:
            conditions.append(
                {
                    "field": "va.cve.cvss",
                    "operationType": "LessThanFilterOperation",
                    "operation": {"value": self.below_cvss},
                }
            )
        return {"if": {"allOf": conditions}}
