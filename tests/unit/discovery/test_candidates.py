"""What a parameter that is a resource id could be given."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.errors import InvalidInputError, MalformedResponseError, ParameterError
from defender_remediate.models import FixParameter
from defender_remediate.testing import ArmSimulator

SUBSCRIPTION = "/subscriptions/22222222-2222-4222-8222-222222222222"
HUB = f"{SUBSCRIPTION}/resourceGroups/rg-contoso-vms/providers/Microsoft.Network/virtualNetworks/vnet-contoso-hub"


def parameter(resource_type: str = "", kind: str = "resource_id") -> FixParameter:
    return FixParameter(name="p", type=kind, description="?", resource_type=resource_type)


def test_workspaces_of_all_subscriptions(discover: Any) -> None:
    """By one listing each, whatever the casing; the type need not be written as Azure writes it."""
    found = list(discover().list_parameter_choices(parameter("microsoft.operationalInsights/WORKSPACES")))
    assert [each.rpartition("/")[2] for each in found] == ["log-contoso-central"]


@pytest.mark.parametrize(("location", "count"), [("westeurope", 1), ("West Europe", 1), ("northeurope", 0), (None, 1)])
def test_only_those_in_a_location(discover: Any, location: str | None, count: int) -> None:
    """However the location is written."""
    found = list(
        discover().list_parameter_choices(parameter("Microsoft.OperationalInsights/workspaces"), location=location)
    )
    assert len(found) == count


def test_children_are_looked_for_in_their_parents(sim: ArmSimulator, discover: Any) -> None:
    """A subnet is where its network is; the listing of a subscription does not show it."""
    made = [sim.resources.add({"id": f"{HUB}/subnets/{name}", "properties": {}}) for name in ("one", "two")]
    subnets = parameter("Microsoft.Network/virtualNetworks/subnets")
    found = list(discover().list_parameter_choices(subnets, location="Germany West Central"))
    assert found == [f"{HUB}/subnets/default", *made]
    assert list(discover().list_parameter_choices(subnets, location="westus")) == []


def test_a_child_type_that_azure_does_not_offer(discover: Any) -> None:
    """It is a typed error, and not an empty answer."""
    with pytest.raises(MalformedResponseError, match=r"no api-version for reading .*/virtualNetworks/rooms"):
        list(discover().list_parameter_choices(parameter("Microsoft.Network/virtualNetworks/rooms")))


@pytest.mark.parametrize("wrong", [parameter(), parameter(kind="string"), "workspace_id", None])
def test_what_takes_no_resource_has_no_candidates(discover: Any, wrong: Any) -> None:
    """Before any request."""
    with pytest.raises(ParameterError, match="not a parameter that takes resources of one type"):
        discover().list_parameter_choices(wrong)
    with pytest.raises(InvalidInputError):
        discover().list_parameter_choices(parameter("A.B/c"), location=5)
