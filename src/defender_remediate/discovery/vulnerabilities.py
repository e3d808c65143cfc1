"""Lists CVEs, and the assessments that report them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from defender_remediate.casing import fold
from defender_remediate.discovery.arguments import CategoryChoice, checked_cves
from defender_remediate.discovery.assessments import Assessments
from defender_remediate.discovery.scopes import Scopes
from defender_remediate.discovery.sources import GraphSource
from defender_remediate.models.assessment import Assessment, AssessmentStatus
from defender_remediate.models.cve import Cve, CveAssessment, join_cves
from defender_remediate.models.individual import RecommendationCategory


class Vulnerabilities:
    """The CVEs of the assessments in scope, and what Azure says about CVEs.

    Args:
        graph: Where CVEs are listed.
        scopes: What is read; Azure gives details at management groups only.
        assessments: What reports the CVEs.
    """

    def __init__(self, graph: GraphSource, scopes: Scopes, assessments: Assessments) -> None:
        self._graph = graph
        self._scopes = scopes
        self._assessments = assessments

    def list_cves(self, ids: Iterable[str] | None = None) -> Iterator[Cve]:
        """What Azure says about CVEs, from Resource Graph. Rejected ones are left out.

        Args:
            ids: Only these, such as ``CVE-2026-0001``; all when left out.

        Raises:
            InvalidInputError: An id is not one of a CVE; before any request.
            InvalidScopeError: The scope is not a management group; before any request.

        Permissions: Security Reader at the management group. Makes one query per 1000 CVEs, or per 100 ids.
        """
        wanted = checked_cves(ids)
        return (cve for cve in self._graph.cves(wanted) if not cve.is_rejected)

    def list_cve_assessments(
        self,
        *,
        status: str | None = AssessmentStatus.UNHEALTHY,
        category: CategoryChoice = RecommendationCategory.SOFTWARE_UPDATE,
    ) -> Iterator[CveAssessment]:
        """Each CVE of each assessment, with its details as far as Azure gives them at this scope.

        No row is lost for want of details: ``cve`` is None then, always where the scope is not a management group. The
        details are held in memory, about 1 KiB each, and the assessments are not.

        Args:
            status: As for ``list_assessments``.
            category: As for ``list_assessments``.

        Raises:
            InvalidInputError: As for ``list_assessments``.

        Permissions: those of ``list_assessments``, and of ``list_cves`` at a management group.
        """
        assessments = self._assessments.list_assessments(status=status, category=category)
        return self._joined(assessments)

    def _joined(self, assessments: Iterator[Assessment]) -> Iterator[CveAssessment]:
        details: dict[str, Cve] = {}
        if self._scopes.only_management_groups():
            for cve in self.list_cves():
                known = details.setdefault(fold(cve.id), cve)
                if known.score is None:
                    details[fold(cve.id)] = cve
        yield from join_cves(assessments, details)
