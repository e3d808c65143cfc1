"""Every rule reports the mistake that it is there for."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import attrs
import pytest

from defender_remediate.catalog import Catalog, CatalogProblem, ProblemSeverity, Rule
from defender_remediate.catalog.__main__ import main
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.models.fix import FixAction, FixParameter

STORAGE = "Microsoft.Storage/storageAccounts"
RIGHT = FixAction(
    key="11111111-aaaa-4bbb-8ccc-222222222222",
    title="Storage accounts should refuse old TLS versions",
    kind="patch",
    resource_type=STORAGE,
    api_version="2025-08-01",
    body={"properties": {"minimumTlsVersion": "TLS1_2"}},
    compliant_when=Condition(operator=Operator.AT_LEAST, path="properties.minimumTlsVersion", value="TLS1_2"),
    permissions=(f"{STORAGE}/read", f"{STORAGE}/write"),
)
PARAMETER = FixParameter(name="level", type="string", description="How strict it is.")
DAYS = "properties.deleteRetentionPolicy.days"
BLOBS: dict[str, Any] = {
    "kind": "put",
    "target": "blobServices/default",
    "permissions": (f"{STORAGE}/blobServices/read", f"{STORAGE}/blobServices/write"),
}


def leaf(path: str, value: Any, test: Operator = Operator.EQUALS) -> Condition:
    """A condition checked one member."""
    return Condition(operator=test, path=path, value=value)


def changed(**members: Any) -> FixAction:
    """The fix that is right, with something else in it."""
    return attrs.evolve(RIGHT, **members)


def writing(name: str, value: Any, **members: Any) -> FixAction:
    """A fix that writes one property and asks for it."""
    condition = members.pop("compliant_when", leaf(f"properties.{name}", value))
    return changed(body={"properties": {name: value}}, compliant_when=condition, **members)


def vault(name: str, value: Any, **members: Any) -> FixAction:
    """A fix of a key vault."""
    kind = "Microsoft.KeyVault/vaults"
    return writing(name, value, resource_type=kind, permissions=(f"{kind}/read", f"{kind}/write"), **members)


def aks(**members: Any) -> FixAction:
    """A fix of a type whose PATCH accepts only tags."""
    kind = "Microsoft.ContainerService/managedClusters"
    permissions = (f"{kind}/read", f"{kind}/write")
    return writing("disableLocalAccounts", True, resource_type=kind, permissions=permissions, **members)


def test_a_fix_that_is_right() -> None:
    """A fix that satisfies every rule has no problems."""
    assert Catalog().check(fixes=RIGHT) == ()
    assert Catalog([RIGHT]).check() == ()


ERRORS = [
    # It does not close its condition.
    (writing("allowBlobPublicAccess", True, compliant_when=leaf("properties.allowBlobPublicAccess", False)),
     Rule.CLOSES_CONDITION, "where properties.allowBlobPublicAccess is absent: its change would not bring about"),
    (writing("allowSharedKeyAccess", False,
             compliant_when=Condition(operator=Operator.ALL, of=(leaf("properties.allowSharedKeyAccess", False),
                                                         leaf("kind", "StorageV2")))),
     Rule.CLOSES_CONDITION, "its change would not bring about"),
    # Its undo.
    (changed(reversibility="conditional"), Rule.UNDO_RESTORES_ORIGINAL, "impact_reason does not say why"),
    (vault("enablePurgeProtection", True), Rule.UNDO_RESTORES_ORIGINAL,
     "Azure does not allow properties.enablePurgeProtection = True to be undone"),
    # The schema.
    (writing("allowBlobPublicAcces", False), Rule.MATCHES_SCHEMA, "properties.allowBlobPublicAcces is not known to Azure"),
    (writing("allowBlobPublicAccess", "false"), Rule.MATCHES_SCHEMA, "must be true or false, got 'false'"),
    (writing("publicNetworkAccess", "Off"), Rule.MATCHES_SCHEMA, "'Off' is not one of Enabled, Disabled, SecuredByPerimeter"),
    (writing("provisioningState", "Succeeded"), Rule.MATCHES_SCHEMA, "properties.provisioningState is read-only"),
    (writing("networkAcls", "Deny"), Rule.MATCHES_SCHEMA, "properties.networkAcls must be an object, got 'Deny'"),
    (writing("encryption", {"services": []}, compliant_when=leaf("properties.encryption.services", [])),
     Rule.MATCHES_SCHEMA, "must be an object"),
    (changed(body={"zones": "1"}, compliant_when=leaf("zones", "1")), Rule.MATCHES_SCHEMA, "zones must be an array, got '1'"),
    (changed(body={"zones": [1]}, array_strategies={"zones": "replace"}, compliant_when=leaf("zones", 1, Operator.CONTAINS)),
     Rule.MATCHES_SCHEMA, "zones[0] must be a string, got 1"),
    (changed(body=None, remove=("properties.nothing",), compliant_when=leaf("properties.nothing", False, Operator.EXISTS)),
     Rule.MATCHES_SCHEMA, "but it is not a settable member"),
    (changed(body={"properties": {"keyPolicy": {"keyExpirationPeriodInDays": True}}},
             compliant_when=leaf("properties.keyPolicy.keyExpirationPeriodInDays", True)),
     Rule.MATCHES_SCHEMA, "must be an integer, got True"),
    # Stricter values.
    (writing("minimumTlsVersion", "TLS1_2"), Rule.KEEPS_STRICTER_VALUES, "TLS1_3 would not be compliant; use at_least"),
    (writing("minimumTlsVersion", "TLS1_2",
             compliant_when=leaf("properties.minimumTlsVersion", ["TLS1_2"], Operator.IN)),
     Rule.KEEPS_STRICTER_VALUES, "properties.minimumTlsVersion = 'TLS1_3' is stricter than 'TLS1_2', but would be replaced by it"),
    (changed(**BLOBS, body={"properties": {"deleteRetentionPolicy": {"days": 30}}}, compliant_when=leaf(DAYS, 30)),
     Rule.KEEPS_STRICTER_VALUES, f"{DAYS} = 31 is stricter than 30"),
    (changed(body={"properties": {"immutableStorageWithVersioning": {"immutabilityPolicy": {"state": "Unlocked"}}}},
             compliant_when=leaf("properties.immutableStorageWithVersioning.immutabilityPolicy.state", "Unlocked")),
     Rule.KEEPS_STRICTER_VALUES, "state = 'Locked' is stricter than 'Unlocked'"),
    # The method.
    (changed(**{**BLOBS, "kind": "patch"}, body={"properties": {"isVersioningEnabled": True}},
             compliant_when=leaf("properties.isVersioningEnabled", True)),
     Rule.USES_SUPPORTED_METHOD, "Microsoft.Storage/storageAccounts/blobServices has no PATCH"),
    (aks(), Rule.USES_SUPPORTED_METHOD, "a PATCH of Microsoft.ContainerService/managedClusters accepts only tags"),
    (changed(resource_type="Microsoft.Authorization/policyExemptions"), Rule.USES_SUPPORTED_METHOD, "has no PATCH of its properties"),
    (changed(body={"properties": {"networkAcls": {"defaultAction": "Deny"}}},
             compliant_when=leaf("properties.networkAcls.defaultAction", "Deny")),
     Rule.USES_SUPPORTED_METHOD, "a PATCH replaces the whole object around properties.networkAcls.defaultAction"),
    (changed(target="blobServices", kind="put"), Rule.USES_SUPPORTED_METHOD, "target 'blobServices' is a collection"),
    (changed(resource_type="Microsoft.Web/sites", body={"properties": {"siteConfig": {"ftpsState": "Disabled"}}},
             compliant_when=leaf("properties.siteConfig.ftpsState", "Disabled")),
     Rule.USES_SUPPORTED_METHOD, "properties.siteConfig.ftpsState is a member of config/web"),
    # Permissions.
    (changed(permissions=(f"{STORAGE}/read",)), Rule.NAMES_PERMISSIONS, f"{STORAGE}/write is missing"),
    (changed(permissions=(*RIGHT.permissions, f"{STORAGE}/READ")), Rule.NAMES_PERMISSIONS, "a permission is named twice"),
    (changed(parameters=(FixParameter(name="subnet", type="resource_id", description="The subnet.",
                                      resource_type="Microsoft.Network/virtualNetworks/subnets"),),
             body={"properties": {"minimumTlsVersion": "TLS1_2", "networkAcls": {"virtualNetworkRules": [
                 {"id": "${subnet}"}]}}}, kind="put"),
     Rule.NAMES_PERMISSIONS, "Microsoft.Network/virtualNetworks/subnets/join/action is missing"),
    # Parameters and secrets.
    (writing("minimumTlsVersion", "${level}", parameters=(attrs.evolve(PARAMETER, description="Level"),),
             compliant_when=RIGHT.compliant_when), Rule.EXPLAINS_PARAMETERS, "level: the description does not say"),
    (writing("customDomain", {"name": "x", "password": "y"}, compliant_when=leaf("properties.customDomain.name", "x")),
     Rule.CONTAINS_NO_SECRET, "password looks like a secret"),
    (writing("minimumTlsVersion", "${admin_secret}", compliant_when=RIGHT.compliant_when,
             parameters=(attrs.evolve(PARAMETER, name="admin_secret"),)), Rule.CONTAINS_NO_SECRET, "admin_secret looks like"),
    # What it writes.
    (changed(compliant_when=leaf("properties.allowBlobPublicAccess", False)), Rule.WRITES_WHAT_CONDITION_READS, "so it may be only a precondition"),
]  # fmt: skip


@pytest.mark.parametrize(("fix", "rule", "message"), ERRORS)
def test_an_error(fix: FixAction, rule: Rule, message: str) -> None:
    """An error names the rule and says what is wrong."""
    problems = Catalog().check(fixes=[fix])
    assert [each for each in problems if each.rule is rule and message in each.message and each.is_error], problems


WARNINGS = [
    (changed(impact="connectivity", impact_reason="clients are refused"), Rule.NAMES_LIVE_USE, "which metric tells"),
    (changed(resource_type="Contoso.Own/things", permissions=("Contoso.Own/things/read", "Contoso.Own/things/write")),
     Rule.MATCHES_SCHEMA, "no schema is known for Contoso.Own/things"),
    (writing("publicNetworkAccess", "disabled"), Rule.MATCHES_SCHEMA, "'disabled' is spelled by Azure Disabled"),
    (writing("PublicNetworkAccess", "Disabled"), Rule.MATCHES_SCHEMA, "properties.PublicNetworkAccess is spelled by Azure"),
    (writing("newMember", True, api_version="2099-01-01"), Rule.MATCHES_SCHEMA, "properties.newMember is not known to Azure"),
    (writing("isHnsEnabled", True), Rule.USES_SUPPORTED_METHOD, "a PATCH does not accept properties.isHnsEnabled"),
    (writing("isLocalUserEnabled", False, permissions=(*RIGHT.permissions, "Microsoft.Resources/deployments/read")),
     Rule.NAMES_PERMISSIONS, "it names permissions of a deployment"),
    (changed(body={"zones": ["1"]}, array_strategies={"zones": "replace"}, compliant_when=leaf("zones", "1", Operator.CONTAINS)),
     Rule.KEEPS_STRICTER_VALUES, "it replaces the array at zones"),
    (writing("minimumTlsVersion", "${level}", compliant_when=RIGHT.compliant_when,
             parameters=(attrs.evolve(PARAMETER, type="guid", default="11111111-1111-1111-1111-111111111111"),)),
     Rule.EXPLAINS_PARAMETERS, "level: a default makes a choice"),
    (changed(body={"properties": {"minimumTlsVersion": "TLS1_2", "isSftpEnabled": False}}),
     Rule.WRITES_WHAT_CONDITION_READS, "properties.isSftpEnabled is overwritten, but the condition does not read it"),
    (changed(applies_when=leaf("properties.minimumTlsVersion", "TLS1_3"), permissions=RIGHT.permissions),
     Rule.WRITES_WHAT_CONDITION_READS, "found no body"),
]  # fmt: skip


@pytest.mark.parametrize(("fix", "rule", "message"), WARNINGS)
def test_a_warning(fix: FixAction, rule: Rule, message: str) -> None:
    """A warning is reported where the fix can be right as it is."""
    problems = Catalog().check(fixes=[fix])
    assert [each for each in problems if each.rule is rule and message in each.message and not each.is_error], problems


def test_a_condition_that_a_missing_target_satisfies() -> None:
    """A missing target may satisfy a condition that forbids something, but not one that anything satisfies."""
    anything = Condition(
        operator=Operator.ANY, of=(RIGHT.compliant_when, Condition(operator=Operator.NOT, of=(RIGHT.compliant_when,)))
    )
    forbidden = Condition(
        operator=Operator.ALL,
        of=(
            Condition(operator=Operator.NOT, of=(leaf("properties.isSftpEnabled", True),)),
            leaf("x", 1, Operator.NOT_EQUALS),
        ),
    )
    messages = [each.message for each in Catalog().check(fixes=changed(compliant_when=anything))]
    assert "a target that does not exist would count as compliant" not in messages
    always = attrs.evolve(anything, of=(RIGHT.compliant_when, Condition(operator=Operator.ALL, of=())))
    messages = [each.message for each in Catalog().check(fixes=changed(compliant_when=always))]
    assert "a target that does not exist would count as compliant" in messages
    messages = [
        each.message for each in Catalog().check(fixes=writing("isSftpEnabled", False, compliant_when=forbidden))
    ]
    assert "a target that does not exist would count as compliant" not in messages


def test_an_exact_version_beside_a_minimum() -> None:
    """An exact version is right beside a minimum for the same member."""
    either = Condition(operator=Operator.ANY, of=(leaf("properties.minimumTlsVersion", "TLS1_2"), RIGHT.compliant_when))
    assert Catalog().check(fixes=changed(compliant_when=either)) == ()


def test_what_lives_on_a_subscription() -> None:
    """A subscription itself needs no read permission; resources below it do."""
    pricing = FixAction(
        key="k",
        title="Defender should be on",
        kind="put",
        resource_type="Microsoft.Resources/subscriptions",
        api_version="2024-01-01",
        target="providers/Microsoft.Security/pricings/Arm",
        body={"properties": {"pricingTier": "Standard"}},
        compliant_when=leaf("properties.pricingTier", "Standard"),
        permissions=("Microsoft.Security/pricings/read", "Microsoft.Security/pricings/write"),
    )
    assert Catalog().check(fixes=pricing) == ()
    tagged = attrs.evolve(pricing, target="", body={"tags": {"a": "b"}}, compliant_when=leaf("tags.a", "b"))
    lacking = [each.message for each in Catalog().check(fixes=tagged) if each.rule is Rule.NAMES_PERMISSIONS]
    assert lacking == ["Microsoft.Resources/subscriptions/write is missing"]


TOML = """
[[fix]]
key = "11111111-aaaa-4bbb-8ccc-222222222222"
title = "Storage accounts should refuse old TLS versions"
resource_type = "Microsoft.Storage/storageAccounts"
api_version = "2025-08-01"
kind = "patch"
permissions = ["Microsoft.Storage/storageAccounts/read", "Microsoft.Storage/storageAccounts/write"]
[fix.body.properties]
minimumTlsVersion = "TLS1_2"
[fix.compliant_when]
path = "properties.minimumTlsVersion"
equals = "TLS1_2"
"""


@pytest.fixture
def my_file(tmp_path: Path) -> Path:
    """A catalog file with one mistake in it."""
    file = tmp_path / "my.toml"
    file.write_text(TOML, encoding="utf-8")
    return file


def test_a_file(my_file: Path) -> None:
    """A user's file is checked like the bundled ones; each problem is one line that begins with the file."""
    problems = Catalog.bundled().check(fixes=my_file)
    assert {each.rule for each in problems} == {Rule.KEEPS_STRICTER_VALUES}
    assert str(problems[0]) == (
        f"{my_file}: 11111111-aaaa-4bbb-8ccc-222222222222 on Microsoft.Storage/storageAccounts: "
        "keeps_stricter_values: properties.minimumTlsVersion: TLS1_3 would not be compliant; use at_least"
    )


def test_a_file_that_cannot_be_used(tmp_path: Path) -> None:
    """A file that cannot be read is reported as a problem with the key path."""
    file = tmp_path / "my.toml"
    file.write_text(TOML.replace("title", "titel"), encoding="utf-8")
    (problem,) = Catalog().check(fixes=str(file))
    assert (problem.rule, problem.key, problem.source) == (Rule.IS_READABLE, "fix[0].titel", str(file))
    assert str(problem).startswith(f"{file}: fix[0].titel: is_readable: unknown key")
    (problem,) = Catalog().check(fixes=tmp_path / "none.toml")
    assert str(problem) == f"{tmp_path / 'none.toml'}: is_readable: cannot be read: No such file or directory"


def test_the_line_of_a_problem() -> None:
    """The text of a problem names the variant and says whether it is a warning."""
    problem = CatalogProblem(
        key="k", resource_type="A.B/c", variant="linux", rule="undo_restores_original", message="no", severity="warning"
    )
    assert str(problem) == "k on A.B/c (linux): undo_restores_original (warning): no"
    assert problem.severity is ProblemSeverity.WARNING


@pytest.mark.parametrize(("text", "code", "last"), [(TOML, 1, "2 errors, 0 warnings\n"), (
    TOML.replace("equals =", "at_least ="), 0, "0 errors, 0 warnings\n")])  # fmt: skip
def test_on_the_command_line(tmp_path: Path, text: str, code: int, last: str) -> None:
    """The command prints one problem per line, and its exit code says whether there is an error."""
    file = tmp_path / "my.toml"
    file.write_text(text, encoding="utf-8")
    out = io.StringIO()
    assert main(["check", str(file)], out) == code
    assert out.getvalue().endswith(last)


def test_the_bundled_catalog_on_the_command_line() -> None:
    """Without a file, the bundled catalog is what is checked."""
    out = io.StringIO()
    assert main(["check"], out) == 0
    assert "0 errors, " in out.getvalue()
