"""Switches of the authorization model: who would lose access."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from defender_remediate.errors import ForbiddenError
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.preflight import Subject
from defender_remediate.preflight.access_model import AccessModelCheck
from defender_remediate.preflight.entra_administrators import EntraAdministratorCheck

GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/shop-rg"
VAULT = f"{GROUP}/providers/Microsoft.KeyVault/vaults/v"
HUB = f"{GROUP}/providers/Microsoft.EventHub/namespaces/n"
CLUSTER = f"{GROUP}/providers/Microsoft.ContainerService/managedClusters/c"
ONE, TWO = "aaaaaaaa-0000-4000-8000-000000000001", "aaaaaaaa-0000-4000-8000-000000000002"
Judge = Callable[..., list[CheckStatus]]


def role(principal: str, *data_actions: str) -> dict[str, Any]:
    """An assignment, with the name of its definition made of its actions."""
    name = f"/roleDefinitions/{'-'.join(data_actions).replace('/', '_') or 'none'}"
    return {"properties": {"roleDefinitionId": name, "principalId": principal}}


@pytest.fixture
def judge(check_one: Callable[..., tuple[CheckResult, ...]], make_subject: Callable[..., Subject]) -> Judge:
    """What the check finds about a change of a resource on which these roles are assigned."""

    def run(target: str, before: Any, after: Any, *assigned: tuple[str, str], **more: Any) -> list[CheckStatus]:
        answers: dict[str, Any] = {"/roleAssignments?atScope()": [role(who, what) for who, what in assigned]}
        for who, what in assigned:
            definition = role(who, what)["properties"]["roleDefinitionId"]
            answers[definition] = {"properties": {"permissions": [{"actions": ["*"], "dataActions": [what]}]}}
        subject = make_subject({"properties": before}, {"properties": after}, **{"target_id": target, **more})
        return [found.status for found in check_one(AccessModelCheck(), subject, answers)]

    return run


def test_every_principal_of_an_access_policy_needs_a_role(judge: Judge) -> None:
    """Owner is not one: it has no data action."""
    policies = {"accessPolicies": [{"objectId": ONE}, {"objectId": TWO.upper()}]}
    rbac = {**policies, "enableRbacAuthorization": True}
    secrets = "Microsoft.KeyVault/vaults/secrets/*"
    assert judge(VAULT, policies, rbac, (ONE, secrets), (TWO, "*")) == []
    assert judge(VAULT, policies, rbac, (ONE, secrets), (TWO, "Microsoft.Storage/x")) == [CheckStatus.BLOCKED]
    assert judge(VAULT, {}, rbac, (ONE, secrets)) == []
    assert judge(VAULT, rbac, rbac) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"disableLocalAuth": True}),
        ({"localAuthEnabled": True}, {"localAuthEnabled": False}),
        ({"adminUserEnabled": True}, {"adminUserEnabled": False}),
        ({}, {"disableAccessKeyAuthentication": True}),
    ],
)
def test_keys_are_switched_off_with_a_word_when_no_role_gives_access(judge: Judge, before: Any, after: Any) -> None:
    """No one knows who uses a key, so that it is a warning."""
    assert judge(HUB, before, after) == [CheckStatus.WARNING]
    assert judge(HUB, before, after, (ONE, "Microsoft.EventHub/namespaces/messages/send/action")) == []
    assert judge(HUB, after, after) == []


def test_roles_that_cannot_be_read_block_only_what_depends_on_them(
    check_one: Callable[..., tuple[CheckResult, ...]], make_subject: Callable[..., Subject]
) -> None:
    """Without them, a key vault is unchecked; where the worst result is a warning, it stays one."""
    error = ForbiddenError("no", status=403, code="AuthorizationFailed")
    answers = {"/roleAssignments?atScope()": error}
    for target, after, expected in (
        (VAULT, {"enableRbacAuthorization": True}, CheckStatus.UNCHECKED),
        (HUB, {"disableLocalAuth": True}, CheckStatus.WARNING),
    ):
        subject = make_subject({"properties": {}}, {"properties": after}, target_id=target)
        (found,) = check_one(AccessModelCheck(), subject, answers)
        assert found.status is expected


@pytest.mark.parametrize(
    ("profile", "statuses"),
    [
        (None, [CheckStatus.BLOCKED]),
        ({"managed": True}, [CheckStatus.WARNING]),
        ({"managed": True, "enableAzureRBAC": True}, []),
        ({"managed": True, "adminGroupObjectIDs": [ONE]}, []),
    ],
)
def test_a_cluster_needs_entra_before_its_local_accounts_go(
    judge: Judge, profile: Any, statuses: list[CheckStatus]
) -> None:
    """Without, no one could sign in."""
    before = {} if profile is None else {"aadProfile": profile}
    assert judge(CLUSTER, before, {**before, "disableLocalAccounts": True}) == statuses


@pytest.mark.parametrize(
    ("kind", "child", "before", "after"),
    [
        (
            "Microsoft.Sql/servers",
            "/azureADOnlyAuthentications/Default",
            {"azureADOnlyAuthentication": False},
            {"azureADOnlyAuthentication": True},
        ),
        (
            "Microsoft.Sql/managedInstances",
            "/azureADOnlyAuthentications/Default",
            {},
            {"azureADOnlyAuthentication": True},
        ),
        (
            "Microsoft.Synapse/workspaces",
            "/azureADOnlyAuthentications/default",
            {},
            {"azureADOnlyAuthentication": True},
        ),
        ("Microsoft.DBforPostgreSQL/flexibleServers", "", {}, {"authConfig": {"passwordAuth": "Disabled"}}),
        ("Microsoft.DBforMySQL/flexibleServers", "/configurations/aad_auth_only", {"value": "OFF"}, {"value": "ON"}),
    ],
)
def test_a_server_needs_an_entra_administrator_before_passwords_go(
    check_one: Callable[..., tuple[CheckResult, ...]],
    make_subject: Callable[..., Subject],
    kind: str,
    child: str,
    before: Any,
    after: Any,
) -> None:
    """The body of the server may show one; otherwise the list of administrators is read."""
    server = f"{GROUP}/providers/{kind}/s"
    ids = {"resource_id": server, "target_id": f"{server}{child}"}
    check = EntraAdministratorCheck()
    subject = make_subject({"properties": before}, {"properties": after}, **ids)
    assert [found.status for found in check_one(check, subject, {"/administrators": []})] == [CheckStatus.BLOCKED]
    assert check_one(check, subject, {"/administrators": [{"name": "ActiveDirectory"}]}) == ()
    if child:
        shown = {"properties": {"administrators": {"administratorType": "ActiveDirectory", "sid": ONE}}}
        assert (
            check_one(check, make_subject({"properties": before}, {"properties": after}, resource=shown, **ids)) == ()
        )
    other = make_subject({"properties": before}, {"properties": {**before, "other": 1}}, **ids)
    assert check_one(check, other) == check_one(check, make_subject(**ids)) == ()


REGISTRY = f"{GROUP}/providers/Microsoft.ContainerRegistry/registries/r"


@pytest.mark.parametrize(
    ("permissions", "has_access"),
    [
        ({"actions": ["Microsoft.ContainerRegistry/registries/pull/read"]}, True),
        ({"actions": ["*/read"]}, True),
        ({"actions": ["Microsoft.ContainerRegistry/*"]}, True),
        ({"actions": ["*"], "notActions": ["Microsoft.ContainerRegistry/registries/pull/*"]}, False),
        ({"actions": ["Microsoft.ContainerRegistry/registries/push/write"]}, False),
        ({"actions": [], "dataActions": ["*"]}, False),
    ],
)
def test_kind_o_a_registry_gives_access_by_actions(
    check_one: Callable[..., tuple[CheckResult, ...]],
    make_subject: Callable[..., Subject],
    permissions: dict[str, Any],
    has_access: bool,
) -> None:
    """The role that pulls images has no data action, and an admin user that is disabled is no loss to who has it."""
    assignment = {"properties": {"roleDefinitionId": "/roleDefinitions/pull", "principalId": ONE}}
    answers = {
        "/roleAssignments?atScope()": [assignment],
        "/roleDefinitions/pull": {"properties": {"permissions": [permissions]}},
    }
    before, after = ({"properties": {"adminUserEnabled": value}} for value in (True, False))
    found = check_one(
        AccessModelCheck(), make_subject(before, after, target_id=REGISTRY, resource_id=REGISTRY), answers
    )
    assert [one.status for one in found] == ([] if has_access else [CheckStatus.WARNING])


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        ("Microsoft.DocumentDB/databaseAccounts", "sqlRoleAssignments"),
        ("Microsoft.Cache/redis", "accessPolicyAssignments"),
        ("Microsoft.EventHub/namespaces", None),
    ],
)
def test_kind_o_roles_of_the_service_itself_are_said_not_to_be_read(
    check_one: Callable[..., tuple[CheckResult, ...]], make_subject: Callable[..., Subject], kind: str, own: str | None
) -> None:
    """They may give access where no role of Azure does."""
    target = f"{GROUP}/providers/{kind}/x"
    before, after = ({"properties": {"disableLocalAuth": value}} for value in (False, True))
    subject = make_subject(before, after, target_id=target, resource_id=target)
    (found,) = check_one(AccessModelCheck(), subject, {"/roleAssignments?atScope()": []})
    assert found.evidence[1:] == ((f"{own}: not read",) if own else ())
