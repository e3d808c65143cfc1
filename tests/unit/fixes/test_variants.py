"""What becomes of a fix once the resource is known."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from defender_remediate import Condition, FixAction, SkipReason
from defender_remediate.fixes.candidates import Candidate, Obstacle, Refusal
from defender_remediate.fixes.variants import unfold

GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg"
MACHINE = f"{GROUP}/providers/Microsoft.Compute/virtualMachines/vm"
NIC = f"{GROUP}/providers/Microsoft.Network/networkInterfaces/nic"


def variant(name: str, system: str, **more: Any) -> Candidate:
    fix = FixAction(
        key="k",
        title="T",
        kind="patch",
        resource_type="Microsoft.Compute/virtualMachines",
        variant=name,
        api_version="2024-07-01",
        body={"a": 1},
        applies_when=Condition(operator="equals", path="os", value=system),
        compliant_when=Condition(operator="equals", path="a", value=1),
        **more,
    )
    return Candidate(fix=fix, key="k", resource_id=MACHINE, values={})


LINUX, WINDOWS = variant("linux", "Linux"), variant("windows", "Windows")
LINKED = attrs.evolve(
    LINUX,
    fix=attrs.evolve(LINUX.fix, linked="network.interfaces[*].id", linked_type="Microsoft.Network/networkInterfaces"),
)


def refused(*variants: Candidate, resource: Any) -> Refusal:
    (found,) = unfold(variants, resource)
    assert isinstance(found, Refusal)
    return found


def test_the_first_variant_that_applies_is_the_one() -> None:
    """The others are not heard of again."""
    assert unfold((LINUX, WINDOWS), {"os": "windows"}) == (WINDOWS,)
    anything = attrs.evolve(LINUX, fix=attrs.evolve(LINUX.fix, applies_when=None))
    assert unfold((anything, WINDOWS), {"os": "windows"}) == (anything,)


def test_when_none_applies_it_says_so_once() -> None:
    """One refusal names every case; a fix without variants says what it always said."""
    found = refused(LINUX, WINDOWS, resource={"os": "Plan9"})
    assert found.reason is SkipReason.NOT_APPLICABLE
    assert found.message == (
        'no variant of the fix applies: linux applies when os equals "Linux"; windows applies when os equals "Windows"'
    )
    assert refused(LINUX, resource={}).message == 'applies when os equals "Linux"'


def test_an_obstacle_counts_for_the_variant_that_applies_only() -> None:
    """A parameter that only another variant needs is not missed."""
    held = attrs.evolve(LINUX, obstacle=Obstacle(reason=SkipReason.PARAMETER_MISSING, message="needs x"))
    assert unfold((held, WINDOWS), {"os": "windows"}) == (WINDOWS,)
    found = refused(held, WINDOWS, resource={"os": "linux"})
    assert (found.reason, found.message) == (SkipReason.PARAMETER_MISSING, "needs x")


def test_a_link_leads_to_each_of_its_resources_once() -> None:
    """Each becomes a candidate of its own, about the resource that was assessed."""
    resource = {"os": "linux", "network": {"interfaces": [{"id": NIC}, {"id": NIC.upper()}, {"id": None}, {}]}}
    (found,) = unfold((LINKED,), resource)
    assert isinstance(found, Candidate)
    assert (found.target_id.casefold(), found.resource_id) == (NIC.casefold(), MACHINE)


@pytest.mark.parametrize(
    ("links", "message"),
    [
        ([], "it has nothing at network.interfaces[*].id"),
        ([{"id": "nic"}], "is not a resource id"),
        ([{"id": 5}], "expected an Azure id"),
        ([{"id": MACHINE}], "is a Microsoft.Compute/virtualMachines, and the fix is for a Microsoft.Network/"),
    ],
)
def test_a_link_that_leads_nowhere(links: list[Any], message: str) -> None:
    """The resource is left out, and the reason names what was found."""
    found = refused(LINKED, resource={"os": "linux", "network": {"interfaces": links}})
    assert found.reason is SkipReason.NOT_APPLICABLE
    assert message in found.message
