"""What holds for every bundled fix, without a line of its own for any of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import pytest

from defender_remediate.catalog import Catalog
from defender_remediate.catalog.checks import leaves
from defender_remediate.models._json import thaw
from defender_remediate.models.condition import Condition, Test
from defender_remediate.models.fix import FixAction, FixKind, ParameterType
from defender_remediate.planning.compliance import holds
from defender_remediate.planning.merge import lay_over
from defender_remediate.planning.parameters import fill, names_in

CATALOG = Catalog.bundled()
every_fix = pytest.mark.parametrize("fix", CATALOG, ids=lambda fix: f"{fix.key[:8]}-{fix.resource_type}")
every_write = pytest.mark.parametrize(
    "fix",
    [fix for fix in CATALOG if fix.kind is not FixKind.TEMPLATE],
    ids=lambda fix: f"{fix.key[:8]}-{fix.resource_type}",
)
every_template = pytest.mark.parametrize(
    "fix",
    [fix for fix in CATALOG if fix.kind is FixKind.TEMPLATE],
    ids=lambda fix: f"{fix.key[:8]}-{fix.resource_type}",
)

RESOURCE = {
    "resource.id": "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/A.B/c/name",
    "resource.name": "name",
    "resource.group": "g",
    "resource.subscription": "00000000-0000-0000-0000-000000000000",
    "resource.location": "westeurope",
}
SAMPLES: Mapping[ParameterType, Any] = {
    ParameterType.STRING: "sample",
    ParameterType.INTEGER: 5000,
    ParameterType.BOOLEAN: True,
    ParameterType.STRING_LIST: ("https://www.example.com",),
    ParameterType.RESOURCE_ID: "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/g/providers/A.B/c/d",
    ParameterType.GUID: "11111111-1111-1111-1111-111111111111",
}
# Types whose PATCH takes tags only, or that have no PATCH at all.
NO_PROPERTY_PATCH = {
    "microsoft.authorization/policyexemptions",
    "microsoft.containerservice/managedclusters",
    "microsoft.databricks/workspaces",
    "microsoft.devices/iothubs",
    "microsoft.devices/provisioningservices",
    "microsoft.hybridcompute/privatelinkscopes",
    "microsoft.insights/components",
    "microsoft.insights/diagnosticsettings",
    "microsoft.network/applicationgateways",
    "microsoft.network/networkinterfaces",
    "microsoft.network/networksecuritygroups",
    "microsoft.network/networksecuritygroups/securityrules",
    "microsoft.network/virtualnetworks",
    "microsoft.network/virtualnetworks/subnets",
    "microsoft.security/pricings",
    "microsoft.security/securitycontacts",
    "microsoft.sql/managedinstances/azureadonlyauthentications",
    "microsoft.sql/managedinstances/securityalertpolicies",
    "microsoft.sql/servers/administrators",
    "microsoft.sql/servers/auditingsettings",
    "microsoft.sql/servers/azureadonlyauthentications",
    "microsoft.sql/servers/databases/transparentdataencryption",
    "microsoft.sql/servers/securityalertpolicies",
    "microsoft.storage/storageaccounts/blobservices",
    "microsoft.synapse/workspaces/securityalertpolicies",
    "microsoft.web/sites/basicpublishingcredentialspolicies",
}
# Objects that a PATCH replaces whole: what it does not repeat is lost, so only the whole merged body keeps the rest.
REPLACED_WHOLE = ("properties.networkacls", "properties.networkruleset", "properties.cors", "properties.extensions")
# Constants that Azure does not take the rest without.
NEEDED_BY_AZURE = {"properties.administratorType", "properties.source"}
# Members of the site that live on its child config/web, where the site itself answers null.
ON_CONFIG_WEB = {"ftpsState", "minTlsVersion", "remoteDebuggingEnabled", "cors", "http20Enabled", "minTlsCipherSuite"}
SECRETS = re.compile(r"password|secret|accesskey|connectionstring", re.IGNORECASE)
DEPLOYMENT = {
    f"Microsoft.Resources/deployments/{action}"
    for action in ("read", "write", "validate/action", "whatIf/action", "operationstatuses/read")
}


def values_for(fix: FixAction) -> dict[str, Any]:
    """A value for every placeholder of a fix."""
    chosen = {each.name: each.allowed[0] if each.allowed else SAMPLES[each.type] for each in fix.parameters}
    return {**RESOURCE, **chosen}


def target_type(fix: FixAction) -> str:
    """The type of what the fix reads and writes, in lower case."""
    target = fix.target.casefold().split("/") if fix.target else []
    if target[:1] == ["providers"]:
        return "/".join([target[1], *target[2::2]])
    return "/".join([fix.resource_type.casefold(), *target[::2]])


def desired(fix: FixAction) -> dict[str, Any]:
    """The body of a fix with every placeholder filled in."""
    return dict(fill(fix.body or {}, values_for(fix)))


def after(fix: FixAction, before: Any) -> Any:
    """What a body becomes when the fix is laid over it."""
    return lay_over(before, desired(fix), lists=fix.lists, compliant_when=fix.compliant_when)


def opposite(value: Any) -> Any:
    """A value of the same form that says something else."""
    if isinstance(value, Mapping):
        return {name: opposite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return ["*"]
    if isinstance(value, bool):
        return not value
    return "" if isinstance(value, str) else -7


def members(value: Any, path: str = "") -> Iterator[str]:
    """The paths of all members of a body."""
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield f"{path}.{name}".lstrip(".")
            yield from members(item, f"{path}.{name}")


def parts_of(condition: Condition) -> Iterator[Condition]:
    """A condition and all its parts."""
    yield condition
    for part in condition.of:
        yield from parts_of(part)


def with_strangers(body: Any) -> Any:
    """The body with members that no fix knows, in every object."""
    if not isinstance(body, Mapping):
        return body
    return {"stranger": {"list": [1], "none": None}, **{name: with_strangers(item) for name, item in body.items()}}


def strangers(body: Any, path: str = "") -> set[str]:
    """Where a body still has those members, unchanged."""
    if not isinstance(body, Mapping):
        return set()
    found = {path} if thaw(body.get("stranger")) == {"list": [1], "none": None} else set()
    return found.union(*(strangers(item, f"{path}.{name}") for name, item in body.items() if name != "stranger"))


@every_fix
def test_every_placeholder_is_filled(fix: FixAction) -> None:
    """Nothing reaches Azure with a placeholder in it."""
    values = values_for(fix)
    for part in (fix.target, fix.body, fix.template_parameters):
        assert not names_in(fill(part, values) if part else {})


@every_fix
def test_what_is_not_there_is_not_compliant(fix: FixAction) -> None:
    """A target that does not exist proves nothing; only a condition that forbids something is met by nothing at all."""
    forbids = fix.compliant_when.test is Test.NOT
    assert holds(fix.compliant_when, None) is forbids
    assert holds(fix.compliant_when, {"value": []}) is forbids


@every_fix
def test_a_minimum_is_not_an_equality(fix: FixAction) -> None:
    """A version is asked for as a minimum: TLS 1.3 is no finding, and is never lowered."""
    for part in parts_of(fix.compliant_when):
        if part.test is Test.EQUALS:
            assert "tlsversion" not in part.path.casefold()


@every_fix
def test_permissions_cover_reading_and_writing(fix: FixAction) -> None:
    """The permissions name the action that reads the target and the one that writes it."""
    permissions = {each.casefold() for each in fix.permissions}
    assert len(permissions) == len(fix.permissions)
    about_target = {each for each in permissions if each.startswith(target_type(fix) + "/")}
    assert any(each.endswith("/read") for each in about_target)
    if fix.applies_when is not None:
        assert f"{fix.resource_type}/read".casefold() in permissions
    if fix.kind is FixKind.TEMPLATE:
        assert {each.casefold() for each in DEPLOYMENT} <= permissions
        for resource in (fix.template or {})["resources"]:
            assert f"{resource['type']}/write".casefold() in permissions
    else:
        assert any(each.endswith("/write") for each in about_target)
        assert not {each.casefold() for each in DEPLOYMENT} & permissions


@every_write
def test_put_where_there_is_no_patch(fix: FixAction) -> None:
    """A type without a PATCH of properties is read, merged and written whole; so is an object that PATCH replaces."""
    if target_type(fix) in NO_PROPERTY_PATCH:
        assert fix.kind is FixKind.PUT
    if any(path.casefold().startswith(REPLACED_WHOLE) for path in members(fix.body)):
        assert fix.kind is FixKind.PUT


@every_write
def test_site_configuration_is_written_to_its_child(fix: FixAction) -> None:
    """What is part of config/web is neither read from nor written to the site."""
    assert "siteConfig" not in (fix.body or {}).get("properties", {})
    if fix.resource_type == "Microsoft.Web/sites":
        on_child = ON_CONFIG_WEB & set((fix.body or {}).get("properties", {}))
        assert bool(on_child) is (fix.target == "config/web")


@every_write
def test_no_secret_is_written(fix: FixAction) -> None:
    """A catalog holds no secret and asks for none: plans and journals would carry it."""
    assert not [path for path in members(fix.body) if SECRETS.search(PurePosixPath(path.replace(".", "/")).name)]
    assert not [each.name for each in fix.parameters if SECRETS.search(each.name)]


@every_write
@pytest.mark.parametrize("before", ["absent", "empty", "opposite", "crowded"])
def test_closes_its_own_condition(fix: FixAction, before: str) -> None:
    """Laid over a body that is absent, empty, wrong in every member or full of other things, the fix closes it."""
    wrong = opposite(desired(fix))
    bodies = {"absent": None, "empty": {}, "opposite": wrong, "crowded": with_strangers(wrong)}
    if before in ("opposite", "crowded"):
        # Where anything at all is good enough, a wrong value is good enough too.
        presence = any(part.test in (Test.EXISTS, Test.MATCHES) for part in parts_of(fix.compliant_when))
        assert presence or not holds(fix.compliant_when, bodies[before])
    assert holds(fix.compliant_when, after(fix, bodies[before]))


@every_write
def test_names_only_what_closes_it(fix: FixAction) -> None:
    """A constant that the condition does not ask for would overwrite somebody's setting for nothing."""
    asked = {part.path.casefold() for part in parts_of(fix.compliant_when) if part.path}
    for path, value in leaves(fix.body):
        if names_in(value) or path in NEEDED_BY_AZURE:
            continue
        assert any(f"{path}.".casefold().startswith((f"{each}.", f"{each}[")) for each in asked), path


@every_write
def test_touches_nothing_it_does_not_name(fix: FixAction) -> None:
    """Members that the fix does not name are as they were, at every depth."""
    before = with_strangers(opposite(desired(fix)))
    changed = after(fix, before)
    assert strangers(changed) == strangers(before)
    assert set(members(changed)) - set(members(before)) == set()


@every_write
def test_changes_nothing_the_second_time(fix: FixAction) -> None:
    """A fix that was applied has nothing left to do."""
    for before in ({}, opposite(desired(fix))):
        once = after(fix, before)
        assert thaw(after(fix, once)) == thaw(once)


@every_write
def test_never_weakens_what_is_stricter(fix: FixAction) -> None:
    """A version above the minimum is compliant and stays."""
    for part in parts_of(fix.compliant_when):
        if part.test is Test.AT_LEAST:
            stricter: Any = re.sub(r"2$", "3", str(part.value))
            for name in reversed(part.path.split(".")):
                stricter = {name: stricter}
            assert holds(fix.compliant_when, stricter)
            assert holds(part, after(fix, stricter))
            assert thaw(after(fix, stricter))["properties"].items() >= stricter["properties"].items()


@every_write
def test_lists_say_what_happens_to_what_is_there(fix: FixAction) -> None:
    """Elements that are there are kept, unless the fix says in so many words that it replaces them."""
    body = desired(fix)
    for path in members(body):
        wanted: Any = body
        for name in path.split("."):
            wanted = wanted[name]
        if isinstance(wanted, (list, tuple)):
            before = opposite(body)
            changed: Any = after(fix, before)
            for name in path.split("."):
                changed = changed[name]
            assert ("*" in changed) is (fix.lists.get(path) != "replace")


def rendered(value: Any, given: Mapping[str, Any]) -> Any:
    """A part of a template with its plain parameters filled in."""
    if isinstance(value, Mapping):
        return {name: rendered(item, given) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [rendered(item, given) for item in value]
    match = re.fullmatch(r"\[parameters\('(\w+)'\)\]", value) if isinstance(value, str) else None
    return given[match[1]] if match else value


@every_template
def test_templates_can_be_deployed(fix: FixAction) -> None:
    """A template names its schema and version, explains each parameter, and uses each of them."""
    template = fix.template or {}
    assert template["$schema"].startswith("https://schema.management.azure.com/schemas/")
    assert template["$schema"].endswith("deploymentTemplate.json#")
    assert re.fullmatch(r"\d+(\.\d+){3}", template["contentVersion"])
    used = set(
        re.findall(r"parameters\('(\w+)'\)", str({name: template[name] for name in template if name != "parameters"}))
    )
    assert used == set(template["parameters"])
    for declaration in template["parameters"].values():
        assert declaration["type"] in ("string", "int", "bool", "array", "object")
        assert declaration["metadata"]["description"].endswith(".")
    for resource in template["resources"]:
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}(-preview)?", resource["apiVersion"])
        assert {"type", "name", "properties"} <= set(resource)


@every_template
def test_templates_are_given_what_they_take(fix: FixAction) -> None:
    """Every declared parameter is supplied, with a value that the template allows."""
    declared = (fix.template or {})["parameters"]
    given = fill(fix.template_parameters, values_for(fix))
    assert set(given) == set(declared)
    for name, value in given.items():
        assert value in declared[name].get("allowedValues", [value])
        assert isinstance(value, {"string": str, "int": int, "bool": bool}[declared[name]["type"]])


@every_template
def test_templates_close_their_condition(fix: FixAction) -> None:
    """Once Azure shows what the template creates, the condition is met."""
    given = fill(fix.template_parameters, values_for(fix))
    resources = {each["type"].casefold(): each for each in (fix.template or {})["resources"]}
    if "microsoft.network/privateendpoints" in resources:
        approved = {"privateLinkServiceConnectionState": {"status": "Approved"}}
        assert rendered(resources["microsoft.network/privateendpoints"], given)["properties"]["subnet"]["id"]
        shown: Any = {"properties": {"privateEndpointConnections": [{"properties": approved}]}}
    else:
        properties = rendered(resources[target_type(fix)]["properties"], given)
        created = {"properties": {**properties, "provisioningState": "Succeeded"}}
        shown = (
            created if len(fix.target.split("/")) % 2 == 0 and "providers" not in fix.target else {"value": [created]}
        )
    assert holds(fix.compliant_when, shown)
