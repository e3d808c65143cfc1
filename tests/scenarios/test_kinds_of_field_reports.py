"""What public bug reports have in common, kind by kind, each on cases of our own. The letters are those of the reports."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from defender_remediate import Catalog, FixAction, MemoryJournal, Outcome, RemediationClient, SkipReason
from defender_remediate.casing import fold
from defender_remediate.catalog.lint.write_target import write_target_of
from defender_remediate.catalog.type_facts import facts_of
from defender_remediate.executors.requests import put_body
from defender_remediate.fixes.conditions import holds
from defender_remediate.fixes.merge import without
from defender_remediate.fixes.paths import pattern
from defender_remediate.fixes.undo import undo_of
from defender_remediate.models import FixKind, PropertyChange
from defender_remediate.testing import ArmSimulator

GROUP = "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers"
SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
WAIVE = {"live_use": "the resource exists only in this test"}
MASKS = ("****", "<hidden>", "[hidden]", None)


def put_fixes() -> Iterator[tuple[FixAction, tuple[str, ...]]]:
    """The PUT fixes on types with members that a GET does not return, and these members."""
    for fix in Catalog.bundled():
        facts = (
            facts_of(write_target_of(fix).type, write_target_of(fix).name or "") if fix.kind is FixKind.PUT else None
        )
        if facts is not None and facts.write_only_members:
            yield fix, facts.write_only_members


def grown(path: str, value: Any) -> dict[str, Any]:
    """A body with a value at a path in which ``[*]`` is an array of one element."""
    found: Any = value
    for part in reversed(pattern(path)):
        found = [found] if part == "[*]" else {str(part): found}
    return dict(found)


def leaves(value: Any) -> Iterator[Any]:
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else None
    if inner is None:
        yield value
    else:
        for item in inner:
            yield from leaves(item)


def test_kind_b_a_put_sends_no_mask_and_no_empty_secret() -> None:
    """Whatever a type shows in the place of a secret: Azure would store it, or refuse the request."""
    wrong = []
    count = 0
    for fix, members in put_fixes():
        for path in members:
            for mask in MASKS:
                count += 1
                left_out = [one.path for one in fix.leave_out if one.when is None]
                sent = put_body(without(grown(path, mask), left_out))
                if any(one in MASKS for one in leaves(sent)) and mask is not None:
                    wrong.append((fix.title, path, mask))
    assert wrong == []
    assert count > 100


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("Microsoft.Sql/servers/securityAlertPolicies", {"state": "Disabled", "storageEndpoint": "https://a.blob/"}),
        ("Microsoft.Synapse/workspaces/securityAlertPolicies", {"state": "Disabled", "storageEndpoint": "https://a/"}),
        ("Microsoft.Network/virtualNetworkGateways", {"vpnClientConfiguration": {"radiusServerAddress": "10.0.0.4"}}),
        (
            "Microsoft.Network/virtualNetworkGateways",
            {"vpnClientConfiguration": {"radiusServers": [{"radiusServerAddress": "10.0.0.4"}]}},
        ),
        (
            "Microsoft.ContainerService/managedClusters",
            {"aadProfile": {"serverAppID": "11111111-1111-1111-1111-111111111111"}},
        ),
    ],
)
def test_kind_b_what_a_put_would_lose_is_not_applicable(kind: str, body: dict[str, Any]) -> None:
    """Each PUT fix of the type says so before anything is sent."""
    fixes = [fix for fix, _ in put_fixes() if fold(write_target_of(fix).type) == fold(kind)]
    assert fixes
    for fix in fixes:
        assert any(holds(one.when, {"properties": body}) for one in fix.not_applicable), fix.title


@pytest.mark.parametrize("sub_plan", [None, "P1", "P2", "PerTransaction", "PerStorageAccount"])
def test_kind_g_what_goes_back_fits_the_plan_that_goes_back(sub_plan: str | None) -> None:
    """A plan that is off again has no sub-plan and no extension; one with a sub-plan has no other's extensions."""
    key = "1be22853-8ed1-4005-9907-ddad64cb1417"
    sim = ArmSimulator.demo()
    before = {"pricingTier": "Free"} if sub_plan is None else {"pricingTier": "Standard", "subPlan": sub_plan}
    plan_id = f"{sim.scopes[0]}/providers/Microsoft.Security/pricings/StorageAccounts"
    sim.resources.edit(plan_id, lambda body: body["properties"].update(before))
    metadata = {"displayName": "Microsoft Defender for Storage should be enabled", "severity": "High"}
    rule = {"path": "no", "equals": 1}
    sim.defender.add_recommendation(metadata, key=key, resource_type="Microsoft.Resources/subscriptions", rule=rule)
    sim.defender.add_assessment(key, sim.scopes[0])
    with client_of(sim) as client:
        plan = client.plan([key], parameters={"scan_cap_gb_per_month": 5000})
        report = client.apply(plan, approve=plan.digest)
        undo = client.plan_rollback(report.run_id)
        assert client.apply(undo, approve=undo.digest).results[0].outcome is Outcome.ROLLED_BACK
    puts = [json.loads(one.body)["properties"] for one in sim.requests if one.method == "PUT"]
    assert (puts[0]["pricingTier"], puts[0]["subPlan"]) == ("Standard", "DefenderForStorageV2")
    assert "extensions" not in puts[-1]
    assert (puts[-1]["pricingTier"], puts[-1].get("subPlan")) == (before["pricingTier"], sub_plan)


@pytest.mark.parametrize(
    ("kind", "path", "old", "new"),
    [
        ("Microsoft.Cache/redis", "properties.minimumTlsVersion", "1.1", "1.2"),
        ("Microsoft.EventHub/namespaces", "properties.minimumTlsVersion", "1.0", "1.2"),
        ("Microsoft.DocumentDB/databaseAccounts", "properties.minimalTlsVersion", "Tls11", "Tls12"),
        ("Microsoft.DBforMySQL/servers", "properties.minimalTlsVersion", "TLSEnforcementDisabled", "TLS1_2"),
        ("Microsoft.Network/applicationGateways", "properties.sslPolicy.policyName", "AppGwSslPolicy20150501", "x"),
        ("Microsoft.Sql/managedInstances", "properties.minimalTlsVersion", "None", "1.2"),
        ("Microsoft.Web/sites/config", "properties.minTlsVersion", "1.0", "1.2"),
    ],
)
def test_kind_j_a_value_that_azure_retires_makes_an_undo_conditional(kind: str, path: str, old: str, new: str) -> None:
    """The plan says so before; a value that Azure still takes does not."""
    target = f"{GROUP}/{kind.split('/')[0]}/{'/'.join(f'{part}/x' for part in kind.split('/')[1:])}"
    for before, is_limited in ((old, True), (new, False)):
        undo = undo_of([PropertyChange(path=path, before=before, after="1.3")], target_id=target, is_put=False)
        assert bool(undo.limits) is is_limited


def endpoint_groups(key: str, body: dict[str, Any]) -> list[str]:
    """The private link groups of the variants that apply to a body."""
    found = [fix for fix in Catalog.bundled() if fix.key.startswith(key)]
    return [
        str(fix.template_parameters["groupId"])
        for fix in found
        if fix.applies_when is None or holds(fix.applies_when, body)
    ]


@pytest.mark.parametrize(
    ("kind", "capabilities", "group"),
    [
        ("MongoDB", [], "MongoDB"),
        ("mongodb", ["EnableMongo"], "MongoDB"),
        ("GlobalDocumentDB", ["EnableCassandra"], "Cassandra"),
        ("GlobalDocumentDB", ["EnableServerless", "EnableGremlin"], "Gremlin"),
        ("GlobalDocumentDB", ["EnableTable"], "Table"),
        ("GlobalDocumentDB", ["EnableServerless"], "Sql"),
        ("GlobalDocumentDB", [], "Sql"),
    ],
)
def test_kind_k_the_interface_of_an_account_decides_its_private_link_group(
    kind: str, capabilities: list[str], group: str
) -> None:
    """One variant applies, whatever else the account can do."""
    (fix, *_) = [
        one for one in Catalog.bundled() if one.variant == "gremlin" and "private-endpoint" in str(one.template)
    ] or [one for one in Catalog.bundled() if one.variant == "gremlin"]
    named = [{"name": name} for name in capabilities]
    assert endpoint_groups(fix.key, {"kind": kind, "properties": {"capabilities": named}}) == [group]


@pytest.mark.parametrize(
    ("kind", "group"),
    [
        ("StorageV2", "blob"),
        ("Storage", "blob"),
        ("BlobStorage", "blob"),
        ("BlockBlobStorage", "blob"),
        ("FileStorage", "file"),
    ],
)
def test_kind_k_the_kind_of_an_account_decides_its_private_link_group(kind: str, group: str) -> None:
    """A premium account for files has no blobs."""
    fix = next(one for one in Catalog.bundled() if one.variant == "file" and one.key.startswith("cdc78c07"))
    assert endpoint_groups(fix.key, {"kind": kind, "properties": {}}) == [group]


@pytest.mark.parametrize(
    ("resource_type", "member"),
    [
        ("Microsoft.Storage/storageAccounts", "supportsHttpsTrafficOnly"),
        ("Microsoft.ContainerRegistry/registries", "adminUserEnabled"),
        ("Microsoft.Web/sites", "httpsOnly"),
        ("Microsoft.Sql/servers", "minimalTlsVersion"),
        ("Microsoft.Cache/redis", "enableNonSslPort"),
    ],
)
def test_kind_m_an_older_api_version_has_to_show_what_is_changed(resource_type: str, member: str) -> None:
    """Else the resource is skipped with the versions that the cloud serves, and is never taken for one that is missing."""
    fix = next(
        one
        for one in Catalog.bundled()
        if one.resource_type == resource_type
        and one.kind is FixKind.PATCH
        and member in str(one.body)
        and not one.target
    )
    sim = ArmSimulator()
    name = resource_type.rpartition("/")[2]
    target = f"{GROUP}/{resource_type.partition('/')[0]}/{name}/x"
    sim.resources.add(
        {"id": target, "location": "westeurope", "kind": "StorageV2", "properties": {}}, (fix.api_version,)
    )
    metadata = {"displayName": fix.title, "severity": "High"}
    sim.defender.add_recommendation(metadata, key=fix.key, resource_type=resource_type, rule={"path": "x", "equals": 1})
    sim.defender.add_assessment(fix.key, target)
    sim.resources.retire_api_versions(resource_type, fix.api_version)
    with client_of(sim) as client:
        (skip,) = client.plan([fix], waive=WAIVE).skipped
        assert skip.reason is SkipReason.NOT_APPLICABLE
        assert f"does not serve api-version {fix.api_version}" in str(skip.message)
        value = next(leaves(fix.body))
        wrong = (not value) if isinstance(value, bool) else "1.0"
        sim.resources.edit(target, lambda body: body["properties"].update({member: wrong}))
    with client_of(sim) as client:
        plan = client.plan([fix], waive=WAIVE)
        assert [step.api_version < fix.api_version for step in plan.steps] == [True], plan.skipped
        assert client.apply(plan, approve=plan.digest).results[0].outcome is Outcome.APPLIED


def test_kind_m_a_target_that_is_missing_in_an_older_api_version_is_not_created_blindly() -> None:
    """Nothing shows whether the older version takes what the fix sets."""
    fix = next(one for one in Catalog.bundled() if one.key.startswith("c75248c1"))
    sim = ArmSimulator()
    site = f"{GROUP}/Microsoft.Web/sites/x"
    sim.resources.add({"id": site, "location": "westeurope", "kind": "app", "properties": {}}, (fix.api_version,))
    sim.resources.remove(f"{site}/config/authsettingsV2")
    sim.defender.add_recommendation(
        {"displayName": fix.title, "severity": "High"},
        key=fix.key,
        resource_type="Microsoft.Web/sites",
        rule={"path": "x", "equals": 1},
    )
    sim.defender.add_assessment(fix.key, site)
    sim.resources.retire_api_versions("Microsoft.Web/sites/config", "2025-03-01", "2025-05-01")
    parameters = {one.name: (*one.allowed, "11111111-1111-1111-1111-111111111111")[0] for one in fix.parameters}
    with client_of(sim) as client:
        (skip,) = client.plan([fix], resources=[site], parameters=parameters).skipped
    assert "does not exist" in str(skip.message)


def client_of(sim: ArmSimulator) -> RemediationClient:
    return RemediationClient(
        sim.credential, sim.scopes, transport=sim, clock=sim.clock, journal=MemoryJournal(), workers=1
    )
