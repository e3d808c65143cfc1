"""CVEs: what Azure says about them, beside the assessments that they are found in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, ClassVar

import attrs

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.display import one_line
from defender_remediate.json_values import FrozenMap, freeze
from defender_remediate.models.assessment import Assessment
from defender_remediate.models.individual import CveReference, best_score, cvss_scores
from defender_remediate.notebook import notebook
from defender_remediate.public_path import show_in
from defender_remediate.serialization import Value
from defender_remediate.validation import optional_text


@notebook
@attrs.frozen(kw_only=True)
class Cve(Value):
    """One CVE as ``microsoft.security/cvedetails`` describes it.

    Attributes:
        id: Such as ``CVE-2026-0001``.
        severity: Azure's word.
        status: The status of the CVE record; ``Reject`` when it was withdrawn.
        cvss: The base scores by CVSS version, such as ``{"3.1": 7.5}``.
        score: The base score of the newest version; None when there is none.
        published, modified: UTC, or None.
        is_verified, is_publicly_disclosed, is_in_exploit_kit: What is known of its exploits; None when Azure says nothing.
        other: All other properties, as Azure names them.
    """

    id: str = attrs.field(eq=fold)
    severity: str | None = optional_text()
    status: str | None = optional_text()
    cvss: FrozenMap = attrs.field(factory=FrozenMap, converter=freeze)
    score: float | None = None
    published: datetime | None = None
    modified: datetime | None = None
    is_verified: bool | None = None
    is_publicly_disclosed: bool | None = None
    is_in_exploit_kit: bool | None = None
    other: FrozenMap = attrs.field(factory=FrozenMap, converter=freeze, repr=False)

    @classmethod
    def from_graph(cls, row: Mapping[str, Any]) -> Cve:
        """Decode one row of the Resource Graph table ``securityresources``."""
        properties = wire.mapping(wire.pick(row, "properties"))
        exploits = wire.mapping(wire.pick(properties, "exploitabilityDetails"))
        scores = wire.pick(properties, "cvss")
        score = best_score(scores)
        return cls(
            id=wire.text(properties, "cveId") or wire.name(row),
            severity=wire.text(properties, "severity"),
            status=wire.text(properties, "status"),
            cvss=cvss_scores(scores),
            score=best_score(wire.pick(properties, "CVSSScore")) if score is None else score,
            published=wire.timestamp(properties, "publishedDate", "LatestPublishedDate"),
            modified=wire.timestamp(properties, "lastModifiedDate"),
            is_verified=_flag(exploits, "IsVerified"),
            is_publicly_disclosed=_flag(exploits, "IsPubliclyDisclosed"),
            is_in_exploit_kit=_flag(exploits, "IsInExploitKit"),
            other={name: value for name, value in properties.items() if fold(str(name)) not in _READ},
        )

    @property
    def is_rejected(self) -> bool:
        """Whether the record was withdrawn."""
        return fold(self.status or "") in ("reject", "rejected")

    def __str__(self) -> str:
        score = "no CVSS score" if self.score is None else f"CVSS {self.score:g}"
        return one_line(f"{self.id} ({self.severity or 'no severity'}, {score})")


_READ = frozenset(
    {
        "cveid",
        "severity",
        "status",
        "cvss",
        "cvssscore",
        "publisheddate",
        "latestpublisheddate",
        "lastmodifieddate",
        "exploitabilitydetails",
    }
)


def _flag(members: Mapping[str, Any], name: str) -> bool | None:
    return None if wire.pick(members, name) is None else wire.flag(members, name)


@notebook
@attrs.frozen(kw_only=True)
class CveAssessment(Value):
    """One CVE in one assessment; an assessment without any CVE has one with ``reference`` None.

    Attributes:
        assessment: The assessment.
        reference: What the assessment itself says of the CVE.
        cve: Azure's details; None when it gives none, or the CVE was rejected.
    """

    _computed: ClassVar[tuple[str, ...]] = ("score",)
    assessment: Assessment
    reference: CveReference | None = None
    cve: Cve | None = None

    @property
    def score(self) -> float | None:
        """The CVSS base score: that of the details, else that of the assessment; None when neither has one."""
        if self.cve is not None and self.cve.score is not None:
            return self.cve.score
        return None if self.reference is None else self.reference.cvss

    def __str__(self) -> str:
        what = self.cve or self.reference or "no CVE"
        return one_line(f"{self.assessment.resource_id}: {self.assessment.display_name or 'no display name'}: {what}")


def join_cves(assessments: Iterable[Assessment], cves: Mapping[str, Cve]) -> Iterator[CveAssessment]:
    """Each CVE of each assessment with its details. A left join: no assessment and no CVE is lost for want of details.

    Args:
        assessments: Read once, as a stream.
        cves: The details by the id of the CVE, folded with ``casing.fold``.
    """
    for assessment in assessments:
        references = assessment.details.cves or (None,)
        for reference in references:
            cve = None if reference is None else cves.get(fold(reference.id))
            yield CveAssessment(
                assessment=assessment, reference=reference, cve=None if cve is None or cve.is_rejected else cve
            )


show_in("defender_remediate.models", Cve, CveAssessment)
