"""Drift: a change of something that a step depends on, and of nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.catalog.read_only import is_unknown_member, unknown_counters, unsettable_members
from defender_remediate.fixes.drift import depends_on, fingerprint
from defender_remediate.fixes.paths import assign
from defender_remediate.json_values import canonical
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.models.dependencies import EVERYTHING

VALUES = st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["Enabled", "Disabled", ""])
VAULT = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/v"
TLS = Condition(operator=Operator.EQUALS, path="properties.tls", value="1.2")
PATCH = depends_on(
    changed=["properties.tls", "properties.rules"], conditions=[TLS], ignored=["properties.rules[*].state"]
)
PUT = depends_on(
    changed=["properties.tls"],
    conditions=[Condition(operator=Operator.EQUALS, path="properties.osName", value="linux")],
    is_whole=True,
    ignored=["properties.osName", "properties.usage", "properties.pools[?auto].count", "properties.rules[*].state"],
)
BODY = {
    "id": VAULT,
    "etag": "1",
    "tags": {"etag": "mine"},
    "properties": {
        "tls": "1.0",
        "size": 1,
        "osName": "linux",
        "usage": {"bytes": 1},
        "provisioningState": "Succeeded",
        "pools": [{"auto": True, "count": 1}, {"auto": False, "count": 1}],
        "rules": [{"name": "a", "state": "on"}],
    },
}
READ_ONLY = ["etag", "systemData", "properties.provisioningState", "properties.usage.bytes", "properties.usage"]


@given(st.sampled_from(READ_ONLY), VALUES, st.sampled_from([PATCH, PUT]))
def test_a_member_that_no_request_can_set_never_counts(path: str, value: Any, dependencies: Any) -> None:
    """Azure moves it by itself: whatever it becomes, the step is not drifted."""
    assert fingerprint(assign(BODY, path, value), dependencies) == fingerprint(BODY, dependencies)


@given(
    st.sampled_from(["properties.tls", "properties.rules", "properties.size", "tags.etag", "properties.new"]), VALUES
)
def test_a_put_depends_on_every_writable_member(path: str, value: Any) -> None:
    """It sends them all, so a change of any of them would be overwritten."""
    moved = assign(BODY, path, value)
    assert (fingerprint(moved, PUT) == fingerprint(BODY, PUT)) == (canonical(moved) == canonical(BODY))


@given(st.sampled_from(["properties.size", "properties.osName", "tags.owner", "properties.new"]), VALUES)
def test_a_patch_depends_on_nothing_that_it_neither_changes_nor_reads(path: str, value: Any) -> None:
    """A change of another member by another person is not in its way."""
    assert fingerprint(assign(BODY, path, value), PATCH) == fingerprint(BODY, PATCH)


def test_what_a_patch_changes_or_reads_counts() -> None:
    """The whole array where an array is replaced, without the members of its elements that only Azure sets."""
    rules: list[Any] = [[], [{"name": "b", "state": "on"}], [{"name": "a"}, {"name": "b"}], None]
    marks = [fingerprint(assign(BODY, "properties.rules", found), PATCH) for found in rules]
    assert len({*marks, fingerprint(BODY, PATCH)}) == 5
    moved = assign(BODY, "properties.rules", [{"name": "a", "state": "off"}])
    assert fingerprint(moved, PATCH) == fingerprint(BODY, PATCH)
    assert fingerprint(assign(BODY, "properties.tls", None), PATCH) != fingerprint(BODY, PATCH)


def test_a_condition_makes_a_read_only_member_count() -> None:
    """The fix was chosen for what it says."""
    assert fingerprint(assign(BODY, "properties.osName", "windows"), PUT) != fingerprint(BODY, PUT)


def test_a_member_counts_or_not_by_its_neighbour() -> None:
    """An autoscaler sets the node count of its own pools, and of no other."""
    pools = [{"auto": True, "count": 9}, {"auto": False, "count": 1}]
    assert fingerprint(assign(BODY, "properties.pools", pools), PUT) == fingerprint(BODY, PUT)
    pools = [{"auto": True, "count": 1}, {"auto": False, "count": 9}]
    assert fingerprint(assign(BODY, "properties.pools", pools), PUT) != fingerprint(BODY, PUT)


@pytest.mark.parametrize("dependencies", [PATCH, PUT, EVERYTHING])
def test_a_missing_target_is_not_an_empty_one(dependencies: Any) -> None:
    """Creating what does not exist is another change than filling what does."""
    assert len({fingerprint(body, dependencies) for body in (None, {}, BODY)}) == 3


def test_how_a_body_is_spelt_makes_no_difference() -> None:
    """Order and case of names, case of ids, and the form of a number; but not true for 1, and no other text."""
    base = {"id": VAULT, "properties": {"size": 1, "ids": {VAULT: {}}, "tls": "x"}}
    spelt = {"Properties": {"TLS": "x", "ids": {VAULT.upper(): {}}, "size": 1.0}, "ID": VAULT.upper()}
    assert fingerprint(base, EVERYTHING) == fingerprint(spelt, EVERYTHING)
    for value in (True, "1", 1.5, None):
        assert fingerprint(assign(base, "properties.size", value), EVERYTHING) != fingerprint(base, EVERYTHING)
    assert fingerprint(assign(base, "properties.tls", "X"), EVERYTHING) != fingerprint(base, EVERYTHING)


def test_every_part_of_a_condition_is_read() -> None:
    """Joined conditions, the members of elements, and a place in an array, which stands for the whole array."""
    is_a = Condition(operator=Operator.EQUALS, path="name", value="a")
    condition = Condition(
        operator=Operator.ALL,
        of=(
            Condition(operator=Operator.SOME, path="properties.rules", of=(is_a,)),
            Condition(
                operator=Operator.NOT,
                of=(Condition(operator=Operator.EXISTS, path="properties.pools[0].auto", value=False),),
            ),
            Condition(operator=Operator.EXISTS, path="", value=True),
        ),
    )
    assert depends_on(conditions=[condition]).members == ("properties.pools", "properties.rules[*].name")


def test_what_is_replaced_whole_counts_whole() -> None:
    """A PATCH sends tags and identities whole, so what someone adds to them meanwhile would be lost."""
    step = depends_on(changed=["identity.type", "tags['a.b']"])
    body = {"identity": {"type": "SystemAssigned", "principalId": "1", "userAssignedIdentities": {}}, "tags": {}}
    assert fingerprint(assign(body, "identity.principalId", "2"), step) == fingerprint(body, step)
    for path in ("identity.userAssignedIdentities.mine", "tags.etag"):
        assert fingerprint(assign(body, path, {}), step) != fingerprint(body, step)


def test_a_path_leads_through_arrays_objects_and_neither() -> None:
    """A path that ends early has a value of its own, so that a member that turns into another kind is drift."""
    step = depends_on(conditions=[Condition(operator=Operator.EQUALS, path="a.b", value=1)])
    each = depends_on(changed=["a[*].b"])
    bodies: list[Any] = [{"a": {}}, {"a": 1}, {"a": {"b": 1}}, {"a": [{"b": 1}]}, {"a": [{"b": 2}]}]
    assert len({fingerprint(body, step) for body in bodies}) == 5
    assert len({fingerprint(body, each) for body in bodies}) == 5
    assert fingerprint({"a": {"x": {"b": 1}}}, each) != fingerprint({"a": {"x": {"b": 2}}}, each)


@pytest.mark.parametrize(
    ("resource_type", "path"),
    [
        ("Microsoft.DBforMySQL/flexibleServers", "properties.backup.earliestRestoreDate"),
        ("Microsoft.OperationalInsights/workspaces", "properties.workspaceCapping.quotaNextResetTime"),
        ("Microsoft.Security/pricings", "properties.extensions[*].operationStatus"),
        ("Microsoft.ContainerService/managedClusters", "properties.agentPoolProfiles[?enableAutoScaling].count"),
        ("Microsoft.HybridCompute/machines", "properties.agentUpgrade.lastAttemptStatus"),
        ("Microsoft.Web/sites", "properties.usageState"),
    ],
)
def test_members_that_were_seen_to_move_are_known(resource_type: str, path: str) -> None:
    """By the schema facts of the catalog, or by what is known of the service."""
    assert path in unsettable_members(resource_type)


def test_an_unknown_type_has_no_member_that_may_move() -> None:
    """What is not known counts as writable."""
    assert unsettable_members("Contoso.Own/things") == ()


@pytest.mark.parametrize("name", ["lastXyzTime", "lastFooUpdate", "modifiedDate", "updatedAt", "lastModifiedTimeUtc"])
def test_the_time_of_the_last_of_something_is_no_drift_also_when_its_name_is_new(name: str) -> None:
    """A PUT depends on every member, and the facts about a type do not know what Azure adds to it later."""
    dependencies = depends_on(is_whole=True)
    first, later = ({"sku": {name: f"2026-0{month}-01T00:00:00Z"}, "rules": [{name: None}]} for month in (1, 2))
    assert fingerprint(first, dependencies) == fingerprint(later, dependencies)
    assert fingerprint(first, dependencies) == fingerprint({"sku": {}, "rules": [{name: None}]}, dependencies)
    assert fingerprint({"tags": first["sku"]}, dependencies) != fingerprint({"tags": later["sku"]}, dependencies)
    assert fingerprint({name: "Enabled"}, dependencies) != fingerprint({name: "Disabled"}, dependencies)


def test_the_time_of_the_last_of_something_counts_when_a_step_depends_on_it() -> None:
    """A member that a condition reads is a dependency, whatever its name is."""
    dependencies = depends_on(changed=["properties.lastXyzTime"])
    first, later = ({"properties": {"lastXyzTime": f"2026-0{month}-01"}} for month in (1, 2))
    assert fingerprint(first, dependencies) != fingerprint(later, dependencies)


AKS = "Microsoft.ContainerService/managedClusters"


def test_a_counter_that_no_client_knows_is_no_drift_of_a_put() -> None:
    """Else a PUT would be planned and found drifted for ever; a setting that is newer than the facts still counts."""
    pool = {"name": "a", "count": 1, "nodesReady": 3, "mode": "System"}
    body = {
        "properties": {
            "agentPoolProfiles": [pool],
            "dnsPrefix": "a",
            "usage": {"pods": 7, "since": "2026-01-01T00:00:00Z", "plan": "new", "isOn": True},
            "addonProfiles": {"mine": {"enabled": True, "restarts": 1}},
        }
    }
    counters = unknown_counters(body, AKS)
    assert sorted(counters) == [
        "properties.addonProfiles[*].restarts",
        "properties.agentPoolProfiles[*].nodesReady",
        "properties.usage.pods",
        "properties.usage.since",
    ]
    assert all(is_unknown_member(path, AKS) for path in counters)
    assert not is_unknown_member("properties.agentPoolProfiles[*].count", AKS)
    assert not is_unknown_member("properties.addonProfiles.mine.enabled", AKS)
    step = depends_on(is_whole=True, ignored=counters)
    moved = {**pool, "nodesReady": 4}
    for path, value in (("agentPoolProfiles", [moved]), ("usage.pods", 8), ("addonProfiles.mine.restarts", 2)):
        assert fingerprint(assign(body, f"properties.{path}", value), step) == fingerprint(body, step)
    for path, value in (("agentPoolProfiles", [{**pool, "count": 2}]), ("usage.plan", "old"), ("usage.isOn", False)):
        assert fingerprint(assign(body, f"properties.{path}", value), step) != fingerprint(body, step)


def test_nothing_is_unknown_of_a_type_without_facts() -> None:
    """Then every member counts as one that a person may have changed."""
    assert unknown_counters({"properties": {"count": 1}}, "Contoso.Own/things") == ()
    assert not is_unknown_member("properties.count", "Contoso.Own/things")
    sent = {"properties": {"roleDefinitionIds": [1], "count": 1}}
    assert unknown_counters(sent, "Microsoft.Storage/storageAccounts") == (
        "properties.roleDefinitionIds[*]",
        "properties.count",
    )
