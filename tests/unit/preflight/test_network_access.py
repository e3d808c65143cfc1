"""Network access: settings that would close a resource to everyone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.preflight import Subject
from defender_remediate.preflight.network_access import INJECTED, NO_ENDPOINT, NetworkAccessCheck

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/shop-rg"
Judge = Callable[[Subject], tuple[CheckResult, ...]]


@pytest.fixture
def judge(check_one: Callable[..., tuple[CheckResult, ...]]) -> Judge:
    """What the check finds about a step."""
    return lambda subject: check_one(NetworkAccessCheck(), subject)


def endpoint(status: Any = "Approved") -> dict[str, Any]:
    return {"properties": {"privateLinkServiceConnectionState": {"status": status}}}


def body(**properties: Any) -> dict[str, Any]:
    return {"properties": properties}


def allowed(**more: Any) -> dict[str, Any]:
    return {"networkAcls": {"defaultAction": "Allow", **more}}


def denied(**more: Any) -> dict[str, Any]:
    return {"networkAcls": {"defaultAction": "Deny", **more}}


CLOSING = {
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


@pytest.mark.parametrize("case", CLOSING)
def test_access_is_not_fully_blocked(judge: Judge, make_subject: Callable[..., Subject], case: str) -> None:
    """Whatever the setting is called on this type, and whatever its value was before."""
    (found,) = judge(make_subject(*CLOSING[case]))
    assert (found.check, found.status) == ("private_endpoint", CheckStatus.BLOCKED)
    assert found.evidence
    assert "private endpoint" in found.advice


CLOSED_BEFORE = body(**denied())
FINE = {
    "approved endpoint": (
        body(privateEndpointConnections=[endpoint("Rejected"), endpoint()]),
        body(publicNetworkAccess="Disabled"),
    ),
    "closed already": (CLOSED_BEFORE, body(**denied(bypass="None"))),
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
def test_access_may_be_closed_beside_an_alternative(
    judge: Judge, make_subject: Callable[..., Subject], case: str
) -> None:
    """Also a setting that is closed already, or that is not about access."""
    assert judge(make_subject(*FINE[case])) == ()


@pytest.mark.parametrize(("access", "statuses"), [(f"{GROUP}/x", []), ("", [CheckStatus.BLOCKED])])
def test_a_disk_is_reached_through_a_disk_access(
    judge: Judge, make_subject: Callable[..., Subject], access: str, statuses: list[CheckStatus]
) -> None:
    """It has no private endpoint of its own."""
    disk = f"{GROUP}/providers/Microsoft.Compute/disks/d"
    before = body(diskAccessId=access)
    after = body(diskAccessId=access, publicNetworkAccess="Disabled")
    assert [found.status for found in judge(make_subject(before, after, resource_id=disk, target_id=disk))] == statuses


def test_a_template_is_not_evaluated(judge: Judge, deployment: Subject) -> None:
    """Its effect is not known as a body."""
    assert judge(deployment) == ()


def test_what_a_type_does_not_show_is_not_said_to_be_missing(
    judge: Judge, make_subject: Callable[..., Subject]
) -> None:
    """A data factory keeps its endpoints elsewhere, and so does the parent of a child that alone was read."""
    factory = f"{GROUP}/providers/Microsoft.DataFactory/factories/f"
    space = f"{GROUP}/providers/Microsoft.EventHub/namespaces/n"
    rules = f"{space}/networkRuleSets/default"
    change = body(publicNetworkAccess="Enabled"), body(publicNetworkAccess="Disabled")
    for resource, target in ((factory, factory), (space, rules)):
        (found,) = judge(make_subject(*change, resource_id=resource, target_id=target))
        assert (found.check, found.status) == ("private_endpoint", CheckStatus.UNCHECKED)


SUBNET = f"{GROUP}/providers/Microsoft.Network/virtualNetworks/v/subnets/s"


def inside(path: str) -> dict[str, Any]:
    """A body that names the network at a path."""
    value: Any = SUBNET
    for part in reversed(path.split(".")):
        name, _, index = part.partition("[")
        value = {name: [value] if index else value}
    return {**value, "properties": {**value["properties"], "publicNetworkAccess": "Enabled"}}


@pytest.mark.parametrize("kind", INJECTED)
def test_a_resource_inside_a_network_stays_reachable(
    judge: Judge, make_subject: Callable[..., Subject], kind: str
) -> None:
    """It needs no private endpoint, and is not asked to have one; some types take none."""
    resource = f"{GROUP}/providers/{kind}/r"
    before = inside(INJECTED[kind][0])
    after = {**before, "properties": {**before["properties"], "publicNetworkAccess": "Disabled"}}
    assert judge(make_subject(before, after, resource_id=resource, target_id=resource)) == ()
    creating = make_subject(
        before,
        resource=before,
        resource_id=resource,
        target_id=resource,
        permissions=("Microsoft.Network/privateEndpoints/write",),
    )
    expected = [CheckStatus.BLOCKED] if kind in NO_ENDPOINT else []
    assert [found.status for found in judge(creating)] == expected


def test_a_network_for_outbound_calls_does_not_lead_to_the_resource(
    judge: Judge, make_subject: Callable[..., Subject]
) -> None:
    """The tier decides what a subnet is for: one of Standard v2 lets no caller in."""
    resource = f"{GROUP}/providers/Microsoft.ApiManagement/service/r"
    before = {**inside(INJECTED["microsoft.apimanagement/service"][0]), "sku": {"name": "StandardV2"}}
    after = {**before, "properties": {**before["properties"], "publicNetworkAccess": "Disabled"}}
    (found,) = judge(make_subject(before, after, resource_id=resource, target_id=resource))
    assert found.status is CheckStatus.BLOCKED


def test_a_resource_in_a_perimeter_is_left_to_it(judge: Judge, make_subject: Callable[..., Subject]) -> None:
    """The rules of the perimeter replace its firewall, and switching public access off would end them."""
    before = body(publicNetworkAccess="SecuredByPerimeter", **allowed())
    assert judge(make_subject(before, body(publicNetworkAccess="SecuredByPerimeter", **denied()))) == ()
    (found,) = judge(make_subject(before, body(publicNetworkAccess="Disabled", **allowed())))
    assert (found.status, "perimeter" in found.message) == (CheckStatus.BLOCKED, True)
