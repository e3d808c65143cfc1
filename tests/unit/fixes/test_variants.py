"""What becomes of a fix once the resource is known."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from defender_remediate import FixAction, SkipReason
from defender_remediate.fixes.candidates import Candidate, RejectedCandidate, SkipCause, resolve_variants
from defender_remediate.models import Condition

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


def rejected(*variants: Candidate, resource: Any) -> RejectedCandidate:
    (found,) = resolve_variants(variants, resource)
    assert isinstance(found, RejectedCandidate)
    return found


def test_the_first_variant_that_applies_is_the_one() -> None:
    """The others are not heard of again."""
    assert resolve_variants((LINUX, WINDOWS), {"os": "windows"}) == (WINDOWS,)
    anything = attrs.evolve(LINUX, fix=attrs.evolve(LINUX.fix, applies_when=None))
    assert resolve_variants((anything, WINDOWS), {"os": "windows"}) == (anything,)


def test_when_none_applies_it_says_so_once() -> None:
    """One refusal names every case; a fix without variants says what it always said."""
    found = rejected(LINUX, WINDOWS, resource={"os": "Plan9"})
    assert found.cause.reason is SkipReason.NOT_APPLICABLE
    assert found.cause.message == (
        'no variant of the fix applies: variant linux applies when os equals "Linux"; variant windows applies when os equals "Windows"'
    )
    assert rejected(LINUX, resource={}).cause.message == 'the fix applies when os equals "Linux"'


def test_a_skip_cause_counts_for_the_variant_that_applies_only() -> None:
    """A parameter that only another variant needs is not missed."""
    held = attrs.evolve(LINUX, skip_cause=SkipCause(reason=SkipReason.PARAMETER_MISSING, message="needs x"))
    assert resolve_variants((held, WINDOWS), {"os": "windows"}) == (WINDOWS,)
    found = rejected(held, WINDOWS, resource={"os": "linux"})
    assert (found.cause.reason, found.cause.message) == (SkipReason.PARAMETER_MISSING, "needs x")


def test_a_link_leads_to_each_of_its_resources_once() -> None:
    """Each becomes a candidate of its own, about the resource that was assessed."""
    resource = {"os": "linux", "network": {"interfaces": [{"id": NIC}, {"id": NIC.upper()}, {"id": None}, {}]}}
    (found,) = resolve_variants((LINKED,), resource)
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
    found = rejected(LINKED, resource={"os": "linux", "network": {"interfaces": links}})
    assert found.cause.reason is SkipReason.NOT_APPLICABLE
    assert message in found.cause.message
