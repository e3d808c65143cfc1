"""The demo tenant is what it is said to be."""

from __future__ import annotations

from collections import Counter
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing import ArmSimulator
from defender_remediate.testing.simulator.state.facts import facts
from defender_remediate.testing.simulator.state.ids import path_of
from defender_remediate.testing.simulator.state.types import shipped_types


def all_assessments(demo: ArmSimulator, ask: Any) -> list[Any]:
    """Every assessment of the tenant."""
    path = "{}/providers/Microsoft.Security/assessments"
    return [item for scope in demo.scopes for item in ask.get(path.format(scope), "2025-05-04")["value"]]


def test_its_size(demo: ArmSimulator, ask: Any) -> None:
    """Three subscriptions with fixed ids, sixty resources, twelve kinds of finding that are unhealthy somewhere."""
    assert [scope[15:24] for scope in demo.scopes] == ["11111111-", "22222222-", "33333333-"]
    assert len([found for found in demo.resources.list_ids() if "/providers/Microsoft.Security/" not in found]) >= 60
    unhealthy = {
        item["name"] for item in all_assessments(demo, ask) if item["properties"]["status"]["code"] == "Unhealthy"
    }
    assert len(unhealthy) >= 25


def test_every_status_and_source_is_there(demo: ArmSimulator, ask: Any) -> None:
    """Exempt, switched off, an odd cause, an on-premises machine, an AWS bucket, a custom and a preview recommendation."""
    found = [item["properties"] for item in all_assessments(demo, ask)]
    assert set(Counter(item["status"]["code"] for item in found)) == {"Healthy", "Unhealthy", "NotApplicable"}
    causes = {item["status"].get("cause") for item in found}
    assert {"Exempt", "OffByPolicy", "EvaluationSuspended"} <= causes
    assert {item["resourceDetails"]["source"] for item in found} == {"Azure", "OnPremise", "Aws"}
    metadata = ask.get(f"{demo.scopes[0]}/providers/Microsoft.Security/assessmentMetadata", "2025-05-04")["value"]
    assert {item["properties"]["assessmentType"] for item in metadata} == {
        "BuiltIn",
        "CustomerManaged",
        "DynamicBuiltIn",
    }
    assert any(item["properties"].get("preview") for item in metadata)


def test_nothing_is_locked_and_nothing_was_asked(demo: ArmSimulator) -> None:
    """A fresh tenant has no obstacles and an empty log."""
    assert demo.requests == []
    assert demo.writes == []


def test_the_facts_fit_together() -> None:
    """Findings look at types that exist and count in controls that exist; bodies are of types that exist."""
    controls = {control["display_name"] for control in facts("controls")}
    kinds = {kind.name for kind in shipped_types().values()} | {"Microsoft.Resources/subscriptions", ""}
    for finding in facts("findings"):
        assert set(finding["controls"]) <= controls
        assert finding.get("resource_type", "") in kinds
        assert (
            finding["metadata"]["remediationDescription"].count("<li>")
            == finding["metadata"]["remediationDescription"].count("</li>")
            > 0
        )
    assert set(facts("bodies")) <= kinds


def test_every_resource_of_the_demo_reads_with_the_newest_version(demo: ArmSimulator, ask: Any) -> None:
    """Its own type answers for it."""
    demo.faults.throttle(enabled=False)
    for resource_id in demo.resources.list_ids():
        path = path_of(resource_id)
        assert path is not None
        versions = shipped_types()[fold(path.type)].versions
        assert ask.get(resource_id, versions[-1])["name"].casefold() == resource_id.rpartition("/")[2].casefold()
