"""What an undo can bring about, and what it says beforehand when it cannot."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.fixes.conditions import holds
from defender_remediate.fixes.restore import is_restored, restoration
from defender_remediate.fixes.undo import Undo, undo_of
from defender_remediate.json_values import thaw
from defender_remediate.models import ABSENT, PropertyChange

GROUP = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers"
STORAGE = f"{GROUP}/Microsoft.Storage/storageAccounts/a"
SQL = f"{GROUP}/Microsoft.Sql/servers/s"


def undo(target_id: str, path: str, old: Any, new: Any, *, is_put: bool = False, before: Any = None) -> Undo:
    changes = [PropertyChange(path=path, before=old, after=new)]
    return undo_of(changes, target_id=target_id, is_put=is_put, before=before)


@pytest.mark.parametrize("before", [ABSENT, None])
def test_a_known_default_stands_for_what_was_not_set(before: Any) -> None:
    """It is sent in place of null, and proven whether Azure then shows it or nothing."""
    found = undo(STORAGE, "properties.allowSharedKeyAccess", before, False)
    assert (found.limits, found.lasting) == ((), ())
    restored = restoration(found.changes, {"properties": {"allowSharedKeyAccess": False}}, values=found.values)
    assert thaw(restored.body) == {"properties": {"allowSharedKeyAccess": True}}
    proof = is_restored(restored.body, restored.restored, may_be_absent=found.values)
    assert holds(proof, {"properties": {"allowSharedKeyAccess": True}})
    assert holds(proof, {"properties": {}})
    assert not holds(proof, {"properties": {"allowSharedKeyAccess": False}})
    for now in ({"properties": {}}, {"properties": {"allowSharedKeyAccess": True}}):
        again = restoration(found.changes, now, values=found.values)
        assert (again.restored, again.preserved) == ((), ())


def test_the_usual_default_is_sent_and_said() -> None:
    """Nothing proves it for the type, so the undo is not exact; a flag and a word are told apart."""
    found = undo(f"{GROUP}/Contoso.Shop/tills/t", "properties.publicNetworkAccess", ABSENT, "Disabled")
    assert found.values == {"properties.publicnetworkaccess": "Enabled"}
    assert "usual default" in found.limits[0]
    found = undo(f"{GROUP}/Microsoft.Automation/automationAccounts/a", "properties.publicNetworkAccess", ABSENT, False)
    assert found.values == {"properties.publicnetworkaccess": True}


def test_a_member_without_a_known_default_keeps_its_value_and_is_named() -> None:
    """No null is sent, which Azure would ignore; of an object only such members stay."""
    found = undo(STORAGE, "properties.networkAcls", ABSENT, {"defaultAction": "Deny", "odd": {"x": 1}})
    assert found.lasting == ("properties.networkAcls.odd.x",)
    assert [change.path for change in found.changes] == ["properties.networkAcls.defaultAction"]
    assert "properties.networkAcls.odd.x was not set before and its default is not known" in found.limits[0]


def test_a_put_leaves_out_what_was_not_there() -> None:
    """Exactly where Azure was seen to remove it, and with the reason where it may keep it."""
    subnet = f"{GROUP}/Microsoft.Network/virtualNetworks/v/subnets/s"
    assert undo(subnet, "properties.networkSecurityGroup", ABSENT, {"id": "/x"}, is_put=True).limits == ()
    found = undo(f"{GROUP}/Contoso.Shop/tills/t", "properties.odd", ABSENT, 1, is_put=True)
    assert [change.before for change in found.changes] == [ABSENT]
    assert "may keep a member that a PUT leaves out" in found.limits[0]


def test_container_apps_take_null() -> None:
    """The only type that was seen to."""
    app = f"{GROUP}/Microsoft.App/containerApps/a"
    found = undo(app, "properties.configuration.runtime", ABSENT, {"java": {}})
    assert (found.values, found.limits, found.lasting) == ({}, (), ())


@pytest.mark.parametrize(
    ("target_id", "path", "before", "after"),
    [
        (STORAGE, "properties.minimumTlsVersion", "TLS1_0", "TLS1_2"),
        (STORAGE, "properties.minimumTlsVersion", ABSENT, "TLS1_2"),
        (SQL, "properties.minimalTlsVersion", "None", "1.2"),
        (SQL, "properties.minimalTlsVersion", "1.1", "1.2"),
        (f"{GROUP}/Microsoft.Cache/redis/r", "properties.minimumTlsVersion", "1.0", "1.2"),
        (f"{GROUP}/Microsoft.DocumentDB/databaseAccounts/d", "properties.minimalTlsVersion", "Tls11", "Tls12"),
        (f"{GROUP}/A.B/c/d", "properties.sslProtocol", "TLSv1.1", "TLSv1.2"),
        (f"{GROUP}/A.B/c/d", "properties.minimalTlsVersion", "TLSEnforcementDisabled", "TLS1_2"),
    ],
)
def test_a_retired_value_may_be_refused(target_id: str, path: str, before: Any, after: Any) -> None:
    """TLS below 1.2 goes out of service type by type, so such an undo is never exact."""
    assert "TLS below 1.2 is retired" in undo(target_id, path, before, after).limits[0]


@pytest.mark.parametrize(("path", "before"), [("properties.minimumTlsVersion", "TLS1_2"), ("properties.mode", "None")])
def test_other_values_are_taken_back(path: str, before: str) -> None:
    """Only what says an old version of TLS counts."""
    assert undo(STORAGE, path, before, "x").limits == ()


def test_a_secret_that_no_get_shows_limits_the_undo() -> None:
    """Storage keys of SQL auditing: without the key, Azure signs in with the managed identity."""
    auditing = f"{SQL}/auditingSettings/default"
    before = {"properties": {"storageEndpoint": "https://x.blob.core.windows.net"}}
    path = "properties.isManagedIdentityInUse"
    found = undo(auditing, path, False, True, is_put=True, before=before)
    assert found.limits == ("Azure does not return properties.storageAccountAccessKey, so the undo cannot send it.",)
    assert undo(auditing, path, False, True, is_put=True, before={"properties": {"storageEndpoint": ""}}).limits == ()


def test_tags_and_identities_have_rules_of_their_own() -> None:
    """They are replaced whole, and an identity is removed by its type."""
    for path, after in (("tags", {"a": "b"}), ("identity", {"type": "SystemAssigned"})):
        found = undo(STORAGE, path, ABSENT, after)
        assert (found.values, found.limits, found.lasting) == ({}, (), ())


def test_an_object_is_put_back_without_its_nulls() -> None:
    """A null in it would be ignored, and shown as a difference for ever."""
    found = undo(STORAGE, "properties.acl", {"a": None, "b": [{"c": None, "d": 1}]}, ABSENT)
    assert found.changes[0].before == {"b": [{"d": 1}]}


def test_an_id_that_is_a_collection_has_no_facts() -> None:
    """Such as the extensions of a machine."""
    assert undo(f"{GROUP}/Microsoft.Compute/virtualMachines/v/extensions", "properties.odd", ABSENT, 1).lasting


@pytest.mark.parametrize(
    ("value", "is_retired"),
    [
        ("TLSv1", True),
        ("TLS 1.1", True),
        ("tls-1.0", True),
        ("1", True),
        ("SSLv3", True),
        ("TLSv1.1, TLSv1.2", True),
        ("AppGwSslPolicy20170401", True),
        ("AppGwSslPolicy20170401S", False),
        ("AppGwSslPolicy20220101", False),
        ("TLSv1.2;TLSv1.3", False),
        ("Tls12", False),
        ("1.3", False),
    ],
)
def test_a_retired_version_is_known_however_a_type_spells_it(value: str, is_retired: bool) -> None:
    """With and without a point, a v or a space, in a list of versions, and as the name of a predefined policy."""
    vault = "/subscriptions/s/resourceGroups/g/providers/A.B/c/d"
    found = undo(vault, "properties.sslPolicy.policyName", value, "TLS1_2")
    assert any("TLS below 1.2 is retired" in limit for limit in found.limits) is is_retired
