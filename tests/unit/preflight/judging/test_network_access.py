"""Doors that would be shut, and function apps that would be cut off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from defender_remediate.models.check import CheckName, CheckStatus
from defender_remediate.preflight.network_access import (
    can_hold_functions,
    cuts_off_functions,
    judge,
    judge_containers,
)
from defender_remediate.preflight.subject import Subject

GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/shop-rg"


def endpoint(status: Any = "Approved") -> dict[str, Any]:
    return {"properties": {"privateLinkServiceConnectionState": {"status": status}}}


def body(**properties: Any) -> dict[str, Any]:
    return {"properties": properties}


def allowed(**more: Any) -> dict[str, Any]:
    return {"networkAcls": {"defaultAction": "Allow", **more}}


def denied(**more: Any) -> dict[str, Any]:
    return {"networkAcls": {"defaultAction": "Deny", **more}}


SHUTTING = {
    "switched off": (body(publicNetworkAccess="Enabled"), body(publicNetworkAccess="Disabled")),
    "off as a boolean": (body(publicNetworkAccess=True), body(publicNetworkAccess=False)),
    "not said before": (body(), body(publicNetworkAccess="disabled")),
    "one level down": (body(network={}), body(network={"publicNetworkAccess": "Disabled"})),
    "firewall": (body(**allowed()), body(**denied())),
    "firewall out of nothing": (body(), body(**denied(ipRules=[], virtualNetworkRules=[]))),
    "registry": (body(networkRuleSet=None), body(networkRuleSet={"defaultAction": "Deny"})),
    "pending endpoint": (body(privateEndpointConnections=[endpoint("Pending")]), body(publicNetworkAccess="Disabled")),
    "endpoint without a state": (body(privateEndpointConnections=[{}]), body(publicNetworkAccess="Disabled")),
    "odd endpoints": (body(privateEndpointConnections="none"), body(publicNetworkAccess="Disabled")),
    "rules do not help": (
        body(),
        body(publicNetworkAccess="Disabled", networkAcls={"ipRules": [{"value": "1.2.3.4"}]}),
    ),
    "telemetry": (body(), body(publicNetworkAccessForIngestion="Disabled")),
    "a hub's rules": (body(), body(networkRuleSets={"defaultAction": "Deny", "ipRules": []})),
    "an account's access": (body(), body(networkProfile={"accountAccess": {"defaultAction": "Deny"}})),
    "rules that are a child": (body(defaultAction="Allow"), body(defaultAction="Deny", ipRules=[])),
}


@pytest.mark.parametrize("case", SHUTTING)
def test_the_last_door_is_not_shut(make_subject: Callable[..., Subject], case: str) -> None:
    """Whatever it is called on this type, and whatever it said before."""
    (found,) = judge(make_subject(*SHUTTING[case]))
    assert (found.check, found.status) == (CheckName.PRIVATE_ENDPOINT, CheckStatus.BLOCKED)
    assert found.evidence
    assert "private endpoint" in found.advice


CLOSED_BEFORE = body(**denied())
FINE = {
    "approved endpoint": (
        body(privateEndpointConnections=[endpoint("Rejected"), endpoint()]),
        body(publicNetworkAccess="Disabled"),
    ),
    "shut already": (CLOSED_BEFORE, body(**denied(bypass="None"))),
    "opened": (CLOSED_BEFORE, body(**allowed())),
    "address rule": (body(**allowed()), body(**denied(ipRules=[{"value": "203.0.113.0/24"}]))),
    "network rule": (body(**allowed()), body(**denied(virtualNetworkRules=[{"id": "/x"}]))),
    "other default action": (body(), body(pools={"defaultAction": "Deny"})),
    "something else": (body(), body(supportsHttpsTrafficOnly=True)),
    "odd names": (body(), {"properties": {}, "tags": {"a.b['c']": "publicNetworkAccess"}}),
    "private link scope": (
        body(privateLinkScopedResources=[{"resourceId": "/x"}]),
        body(publicNetworkAccessForQuery="Disabled"),
    ),
}


@pytest.mark.parametrize("case", FINE)
def test_a_door_beside_another_one_may_be_shut(make_subject: Callable[..., Subject], case: str) -> None:
    """Also one that is shut already, or that is no door."""
    assert judge(make_subject(*FINE[case])) == ()


def test_a_template_is_not_looked_into(deployment: Subject) -> None:
    """What it brings about is not known as a body."""
    assert judge(deployment) == ()
    assert not cuts_off_functions(deployment)


@pytest.mark.parametrize(
    ("before", "after", "cuts"),
    [
        (body(), body(publicNetworkAccess="Disabled"), True),
        (body(privateEndpointConnections=[endpoint()]), body(publicNetworkAccess="Disabled"), True),
        (body(**allowed()), body(**denied(ipRules=[{"value": "1.2.3.4"}])), True),
        (body(), body(allowSharedKeyAccess=False), True),
        (body(allowSharedKeyAccess=False), body(allowSharedKeyAccess=False), False),
        (body(), body(supportsHttpsTrafficOnly=True), False),
    ],
)
def test_what_cuts_functions_off(make_subject: Callable[..., Subject], before: Any, after: Any, cuts: bool) -> None:
    """The network or the keys; only then is it worth a read to see whether there are any."""
    assert cuts_off_functions(make_subject(before, after)) is cuts


def test_only_storage_holds_functions(make_subject: Callable[..., Subject]) -> None:
    """And of it not a premium account for files, which has no blobs."""
    vault = f"{GROUP}/providers/Microsoft.KeyVault/vaults/v"
    assert not cuts_off_functions(make_subject(body(), body(publicNetworkAccess="Disabled"), target_id=vault))
    assert can_hold_functions(make_subject({"kind": "StorageV2"}))
    assert not can_hold_functions(make_subject({"kind": "FileStorage"}))


def test_the_containers_of_the_runtime_are_the_evidence() -> None:
    """Nothing else on the account names the app."""
    assert judge_containers(["images", "azure-webjobs-x"]) == ()
    (found,) = judge_containers(["images", "azure-webjobs-secrets", "azure-webjobs-hosts"])
    assert (found.check, found.status) == (CheckName.FUNCTION_APP, CheckStatus.BLOCKED)
    assert [text.partition(":")[0] for text in found.evidence] == [
        "container azure-webjobs-hosts",
        "container azure-webjobs-secrets",
    ]


def test_what_a_type_does_not_show_is_not_said_to_be_missing(make_subject: Callable[..., Subject]) -> None:
    """A data factory keeps its endpoints elsewhere, and so does the parent of a child that alone was read."""
    factory = f"{GROUP}/providers/Microsoft.DataFactory/factories/f"
    space = f"{GROUP}/providers/Microsoft.EventHub/namespaces/n"
    rules = f"{space}/networkRuleSets/default"
    change = body(publicNetworkAccess="Enabled"), body(publicNetworkAccess="Disabled")
    for about, target in ((factory, factory), (space, rules)):
        (found,) = judge(make_subject(*change, resource_id=about, target_id=target))
        assert (found.check, found.status) == (CheckName.PRIVATE_ENDPOINT, CheckStatus.UNCHECKED)
        assert found.evidence == ("privateEndpointConnections: not shown",)
        assert "waive" in found.advice
    (found,) = judge(make_subject(*change, resource=body(), resource_id=space, target_id=rules))
    assert found.status is CheckStatus.BLOCKED
    parent = body(privateEndpointConnections=[endpoint()])
    assert judge(make_subject(*change, resource=parent, resource_id=space, target_id=rules)) == ()


def test_a_disk_is_reached_by_a_disk_access(make_subject: Callable[..., Subject]) -> None:
    """It has no private endpoint of its own; without a disk access its exports end."""
    disk = f"{GROUP}/providers/Microsoft.Compute/disks/d"
    at = {"resource_id": disk, "target_id": disk}
    after = {"publicNetworkAccess": "Disabled"}
    (found,) = judge(make_subject(body(diskAccessId=""), body(**after), **at))
    assert (found.status, found.evidence) == (CheckStatus.BLOCKED, ("diskAccessId: none",))
    assert judge(make_subject(body(diskAccessId="/x"), body(diskAccessId="/x", **after), **at)) == ()
