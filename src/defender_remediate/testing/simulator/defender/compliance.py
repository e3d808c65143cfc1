"""Regulatory compliance: the state of standards and their controls, counted from the assessments of a subscription."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.defender.assessments import HEALTHY, NOT_APPLICABLE, UNHEALTHY
from defender_remediate.testing.simulator.defender.state import Assessor
from defender_remediate.testing.simulator.policy.state import PolicyState
from defender_remediate.testing.simulator.state.facts import facts

STANDARDS = "Microsoft.Security/regulatoryComplianceStandards"
CONTROLS = f"{STANDARDS}/regulatoryComplianceControls"
ASSESSMENTS = f"{CONTROLS}/regulatoryComplianceAssessments"
PASSED, FAILED, SKIPPED, UNSUPPORTED = "Passed", "Failed", "Skipped", "Unsupported"
_PORTAL = "https://portal.azure.com/#blade/Microsoft_Azure_Security/RecommendationsBlade/assessmentKey"


def _strings(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@attrs.frozen(kw_only=True)
class ComplianceControl:
    """A control of a standard.

    Attributes:
        keys: The assessment keys of its recommendations; without any, Defender does not support the control.
    """

    description: str
    keys: tuple[str, ...] = attrs.field(default=(), converter=_strings)


@attrs.frozen(kw_only=True)
class ComplianceStandard:
    """A standard.

    Attributes:
        name: Such as ``PCI-DSS-4``.
        controls: Its controls by their names.
        subscriptions: The folded GUIDs of the subscriptions that it is assigned to; empty for all.
        needs_benchmark: Whether it is shown only where the benchmark is assigned.
    """

    name: str
    controls: Mapping[str, ComplianceControl]
    subscriptions: tuple[str, ...] = ()
    needs_benchmark: bool = False


def shipped_standards() -> dict[str, ComplianceStandard]:
    """Returns the standards in ``data/standards.json`` by their folded names."""
    made = {}
    for raw in facts("standards"):
        controls = {name: ComplianceControl(**one) for name, one in raw["controls"].items()}
        made[fold(raw["name"])] = ComplianceStandard(
            name=raw["name"], controls=controls, needs_benchmark=raw["needs_benchmark"]
        )
    return made


@attrs.frozen
class _ComplianceCount:
    """How many resources pass, fail and are skipped for one recommendation, or controls or assessments likewise."""

    passed: int
    failed: int
    skipped: int
    unsupported: int = 0

    @property
    def state(self) -> str:
        """The state of what was counted. Azure does not document that of nothing to count: here it is skipped."""
        if self.failed:
            return FAILED
        if self.passed:
            return PASSED
        return SKIPPED if self.skipped or not self.unsupported else UNSUPPORTED

    def shown(self, noun: str) -> dict[str, Any]:
        """Returns the members of the API, whose names end in a noun."""
        return {
            "state": self.state,
            f"passed{noun}": self.passed,
            f"failed{noun}": self.failed,
            f"skipped{noun}": self.skipped,
        }


def _of_states(states: Iterable[str]) -> _ComplianceCount:
    tally = Counter(states)
    return _ComplianceCount(tally[PASSED], tally[FAILED], tally[SKIPPED], tally[UNSUPPORTED])


class Compliance:
    """The standards of a tenant.

    Attributes:
        standards: By their folded names.
    """

    def __init__(self, assessor: Assessor, policies: PolicyState) -> None:
        self._assessor = assessor
        self._policies = policies
        self.standards = shipped_standards()
        # The counts of a subscription, and the changes of the assessments before they were counted.
        self._counted: dict[str, tuple[tuple[int, bool], Counter[tuple[str, str]]]] = {}

    def standards_of(self, subscription: str) -> Iterator[dict[str, Any]]:
        """Yields the standards of a subscription as the API shows them."""
        for standard in self._assigned(subscription):
            states = [one["properties"]["state"] for one in self.controls_of(subscription, standard.name)]
            count = _of_states(states)
            shown = {**count.shown("Controls"), "unsupportedControls": count.unsupported}
            yield _resource(f"{_head(subscription)}/{standard.name}", STANDARDS, shown)

    def controls_of(self, subscription: str, name: str) -> Iterator[dict[str, Any]]:
        """Yields the controls of a standard; none if the subscription does not have it."""
        for standard in self._assigned(subscription, name):
            for control, about in standard.controls.items():
                states = [
                    one["properties"]["state"] for one in self.assessments_of(subscription, standard.name, control)
                ]
                count = _of_states(states or [UNSUPPORTED])
                shown = {"description": about.description, **count.shown("Assessments")}
                yield _resource(
                    f"{_head(subscription)}/{standard.name}/regulatoryComplianceControls/{control}", CONTROLS, shown
                )

    def assessments_of(self, subscription: str, name: str, control: str) -> Iterator[dict[str, Any]]:
        """Yields the recommendations of a control, each with the number of its resources in each state."""
        tally = self._tally(subscription)
        for standard in self._assigned(subscription, name):
            found = {fold(one): one for one in standard.controls}.get(fold(control))
            if found is None:
                return
            place = f"{_head(subscription)}/{standard.name}/regulatoryComplianceControls/{found}"
            for key in standard.controls[found].keys:
                definition = self._assessor.definitions.get(key)
                if definition is None:
                    continue
                count = _ComplianceCount(tally[key, HEALTHY], tally[key, UNHEALTHY], tally[key, NOT_APPLICABLE])
                shown = {
                    "description": definition.metadata["displayName"],
                    "assessmentType": "Assessment",
                    "assessmentDetailsLink": f"{_PORTAL}/{key}",
                    **count.shown("Resources"),
                    "unsupportedResources": 0,
                }
                yield _resource(f"{place}/regulatoryComplianceAssessments/{key}", ASSESSMENTS, shown)

    def everything_of(self, subscription: str) -> Iterator[dict[str, Any]]:
        """Yields the standards of a subscription, their controls and the recommendations of these."""
        yield from self.standards_of(subscription)
        for standard in self._assigned(subscription):
            yield from self.controls_of(subscription, standard.name)
            for control in standard.controls:
                yield from self.assessments_of(subscription, standard.name, control)

    def _assigned(self, subscription: str, name: str | None = None) -> Iterator[ComplianceStandard]:
        for key, standard in self.standards.items():
            if name is not None and key != fold(name):
                continue
            if standard.subscriptions and fold(subscription) not in standard.subscriptions:
                continue
            if not standard.needs_benchmark or self._policies.has_benchmark(subscription):
                yield standard

    def _tally(self, subscription: str) -> Counter[tuple[str, str]]:
        """Returns the number of resources of a subscription by assessment key and status."""
        revision = (self._assessor.changes(), self._policies.has_benchmark(subscription))
        found = self._counted.get(fold(subscription))
        if found is not None and found[0] == revision:
            return found[1]
        tally: Counter[tuple[str, str]] = Counter()
        for one in self._assessor.current(f"/subscriptions/{subscription}"):
            assert one.status is not None  # it is shown
            tally[one.definition.key, one.status.code] += 1
        self._counted[fold(subscription)] = (revision, tally)
        return tally


def _head(subscription: str) -> str:
    return f"/subscriptions/{subscription}/providers/{STANDARDS}"


def _resource(identifier: str, kind: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {"id": identifier, "name": identifier.rpartition("/")[2], "type": kind, "properties": properties}
