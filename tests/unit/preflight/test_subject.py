"""Where a step needs which permissions."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from defender_remediate.models.plan import PlannedRequest
from defender_remediate.preflight import Subject
from defender_remediate.preflight.subject import RequiredPermission

SUBSCRIPTION = "/subscriptions/11111111-2222-3333-4444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/shop-rg"
ACCOUNT = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/shopdata"
SUBNET = f"{SUBSCRIPTION}/resourceGroups/net-rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s"


def test_a_step_without_permissions_needs_the_write_itself(make_subject: Callable[..., Subject]) -> None:
    """A caller's own fix may name none."""
    assert make_subject().actions == ("Microsoft.Storage/storageAccounts/write",)
    own = ("Microsoft.Storage/storageAccounts/read",)
    assert make_subject(permissions=own).actions == own
    assert make_subject(permissions=own).required_permissions == (RequiredPermission(scope=ACCOUNT, actions=own),)


def test_a_deployment_needs_each_action_where_azure_asks_for_it(deployment: Subject) -> None:
    """The resource, what it links to, and the group that the deployment creates things in."""
    assert deployment.is_deployment
    workspace = f"{SUBSCRIPTION}/resourceGroups/logs-rg/providers/Microsoft.OperationalInsights/workspaces/central"
    assert deployment.required_permissions == (
        RequiredPermission(
            scope=ACCOUNT,
            actions=("Microsoft.Storage/storageAccounts/read", "Microsoft.Insights/diagnosticSettings/write"),
        ),
        RequiredPermission(scope=workspace, actions=("Microsoft.OperationalInsights/workspaces/sharedKeys/action",)),
        RequiredPermission(
            scope=GROUP,
            actions=("Microsoft.Network/privateEndpoints/write", "Microsoft.Resources/deployments/write"),
        ),
    )


def test_what_a_patch_links_to_is_needed_there(make_subject: Callable[..., Subject]) -> None:
    """And when the request does not name it, no one can say where: a rollback takes a link out."""
    permissions = (
        "Microsoft.Network/virtualNetworks/subnets/join/action",
        "Microsoft.Authorization/roleAssignments/write",
    )
    body = {"properties": {"subnet": {"id": SUBNET}}}
    linked = make_subject({}, body, permissions=permissions)
    assert linked.required_permissions == (
        RequiredPermission(scope=SUBNET, actions=permissions[:1]),
        RequiredPermission(scope=ACCOUNT, actions=permissions[1:]),
    )
    unlinked = make_subject(body, {"properties": {}}, permissions=permissions[:1])
    assert unlinked.required_permissions == (
        RequiredPermission(scope=ACCOUNT, actions=permissions[:1], is_certain=False),
    )


def test_a_target_elsewhere_is_where_the_write_is_needed(make_subject: Callable[..., Subject]) -> None:
    """A fix may be about one resource and write to another one that it links to."""
    subject = make_subject(
        {"tags": {"a": "b"}},
        resource={"tags": {"c": "d"}},
        target_id=SUBNET,
        permissions=(
            "Microsoft.Network/virtualNetworks/subnets/write",
            "Microsoft.Network/virtualNetworks/read",
            "Microsoft.Storage/storageAccounts/read",
            "Microsoft.Authorization/locks/read",
        ),
    )
    assert subject.is_elsewhere
    assert (subject.written_id, subject.written_body) == (SUBNET, {"tags": {"a": "b"}})
    assert subject.required_permissions == (
        RequiredPermission(
            scope=SUBNET,
            actions=(
                "Microsoft.Network/virtualNetworks/subnets/write",
                "Microsoft.Network/virtualNetworks/read",
                "Microsoft.Authorization/locks/read",
            ),
        ),
        RequiredPermission(scope=ACCOUNT, actions=("Microsoft.Storage/storageAccounts/read",)),
    )


def test_the_resource_is_what_is_written_to_or_around_it(make_subject: Callable[..., Subject]) -> None:
    """Its tags count for a child, when it was read."""
    child = make_subject({"n": 1}, resource={"n": 2}, target_id=f"{ACCOUNT}/blobServices/default")
    assert (child.written_id, child.written_body) == (ACCOUNT, {"n": 2})
    assert attrs.evolve(child, resource=None).written_body == {"n": 1}


@pytest.mark.parametrize("target", [SUBSCRIPTION, GROUP])
def test_a_target_without_a_provider_has_the_type_of_the_resource(
    make_subject: Callable[..., Subject], target: str
) -> None:
    """Such as a subscription's tags."""
    request = PlannedRequest(method="PATCH", path=target, api_version="1", body={})
    subject = make_subject(resource_id=target, target_id=target, resource_type="Microsoft.Resources/x", request=request)
    assert (subject.target_type, subject.is_deployment) == ("Microsoft.Resources/x", False)


def test_all_that_a_request_links_to_is_asked_for(make_subject: Callable[..., Subject]) -> None:
    """Two subnets in two groups, each once whatever its case: the second may be the one that is forbidden."""
    other = SUBNET.replace("net-rg", "far-rg")
    join = ("Microsoft.Network/virtualNetworks/subnets/join/action",)
    body = {"properties": {"subnets": [{"id": SUBNET}, {"id": other}, {"id": SUBNET.upper()}]}}
    assert make_subject({}, body, permissions=join).required_permissions == (
        RequiredPermission(scope=SUBNET, actions=join),
        RequiredPermission(scope=other, actions=join),
    )


def test_the_write_of_a_child_is_needed_at_the_child(make_subject: Callable[..., Subject]) -> None:
    """A deny assignment may be on it alone."""
    child = f"{ACCOUNT}/blobServices/default"
    actions = ("Microsoft.Storage/storageAccounts/read", "Microsoft.Storage/storageAccounts/blobServices/write")
    assert make_subject(target_id=child, permissions=actions).required_permissions == (
        RequiredPermission(scope=ACCOUNT, actions=actions[:1]),
        RequiredPermission(scope=child, actions=actions[1:]),
    )
