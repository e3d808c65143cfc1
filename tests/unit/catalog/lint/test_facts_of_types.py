"""What is known of resource types, what a fix writes to, and the values that it is plan_sample with."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import pytest

from defender_remediate.catalog.lint.samples import resource_id, sample, values_for
from defender_remediate.catalog.lint.write_target import WriteTarget, write_target_of
from defender_remediate.catalog.type_facts import facts_of, honours_if_match, inner, misfits, shape_at
from defender_remediate.json_values import ABSENT
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.models.fix import FixAction, FixParameter


def fix(**members: Any) -> FixAction:
    """A fix that writes to somewhere."""
    members = {"resource_type": "Microsoft.Web/sites", "kind": "put", "body": {"a": 1}, **members}
    condition = Condition(operator=Operator.EQUALS, path="a", value=1)
    return FixAction(key="k", title="t", api_version="2025-01-01", compliant_when=condition, **members)


def test_a_type_is_found_whatever_its_case() -> None:
    """What is known says from where; of a type that no package describes, nothing is known."""
    facts = facts_of("MICROSOFT.storage/StorageAccounts")
    assert facts is not None
    assert facts.patch == "properties"
    assert facts.origin.startswith("azure-mgmt-storage ")
    assert facts_of("Microsoft.Storage/nothing") is None
    assert facts_of("Contoso.Own/things") is None


def test_a_name_that_makes_a_difference() -> None:
    """The configurations of a site differ in what they take; its publishing policies do not."""
    web = facts_of("Microsoft.Web/sites/config", "web")
    logs = facts_of("Microsoft.Web/sites/config", "logs")
    assert web is not None
    assert logs is not None
    assert (web.patch, logs.patch) == ("properties", "none")
    assert facts_of("Microsoft.Web/sites/config") is None
    assert facts_of("Microsoft.Web/sites/basicPublishingCredentialsPolicies", "ftp") is not None


def test_every_shape_is_well_formed() -> None:
    """All that is shipped can be read, and is one of the forms that are described."""
    folder = resources.files("defender_remediate.catalog").joinpath("data").joinpath("schemas")
    shipped = {
        file.name.removesuffix(".json"): json.loads(file.read_text(encoding="utf-8")) for file in folder.iterdir()
    }
    types = [f"{provider}/{name}" for provider, known in shipped.items() for name in known]
    assert len(types) >= 100

    def walk(shape: Any) -> None:
        if isinstance(shape, dict):
            for below in shape.values():
                walk(below)
        elif isinstance(shape, list):
            assert shape
            assert all(isinstance(word, str) for word in shape)
        else:
            assert shape.lstrip("-+!") in {"s", "b", "i", "n", "x"}

    for name in types:
        facts = facts_of(name)
        assert facts is not None
        assert facts.patch in ("properties", "tags", "none")
        assert facts.source.startswith("azure-mgmt-")
        walk(facts.members)


def test_shapes_on_the_way() -> None:
    """A path is followed through objects, arrays and objects with any names; below anything is anything."""
    shape = {"a": {"[]": {"b": "s"}}, "c": {"*": "i"}, "d": "x"}
    assert shape_at(shape, ("A", 0, "b")) == "s"
    assert shape_at(shape, ("c", "whatever")) == "i"
    assert shape_at(shape, ("d", "e", 3)) == "x"
    assert shape_at(shape, ("a", "b")) is ABSENT
    assert shape_at(shape, ("a", 0, "b", "c")) is ABSENT
    assert inner(shape, 0) is ABSENT


@pytest.mark.parametrize(
    ("value", "shape", "problems"),
    [
        ("a", "s", []),
        (1, "n", []),
        (True, "n", [("", "must be a number, got True")]),
        ("Logging, Metrics", ["Logging", "Metrics"], []),
        ("Logging, Other", ["Logging"], [("", "'Other' is not one of Logging")]),
        (3, ["1"], [("", "3 is not one of 1")]),
        ({"b": 1}, {"a": "+s", "*": "i"}, []),
        ({"a": 1}, {"a": "+s"}, [("a", "can be set when the resource is created, and not later")]),
        ([["x"]], {"[]": {"[]": "b"}}, [("[0][0]", "must be true or false, got 'x'")]),
        ({"a": {"b": []}}, {"a": "x"}, []),
    ],
)
def test_misfits(value: Any, shape: Any, problems: list[tuple[str, str]]) -> None:
    """Each place that does not fit is named, with what was expected there."""
    assert list(misfits(value, shape)) == problems


PLAN = FixParameter(name="plan", type="resource_id", description="A plan.", resource_type="Microsoft.Web/serverfarms")
ANY_ID = FixParameter(name="thing", type="resource_id", description="Any thing.")


@pytest.mark.parametrize(
    ("members", "target"),
    [
        ({}, WriteTarget(type="Microsoft.Web/sites")),
        ({"target": "config/web"}, WriteTarget(type="Microsoft.Web/sites/config", name="web")),
        ({"target": "extensions"}, WriteTarget(type="Microsoft.Web/sites/extensions", is_collection=True)),
        (
            {"target": "providers/Microsoft.Insights/diagnosticSettings"},
            WriteTarget(type="Microsoft.Insights/diagnosticSettings", is_collection=True),
        ),
        (
            {"target": "/subscriptions/${resource.subscription}/providers/Microsoft.Security/pricings/Arm"},
            WriteTarget(type="Microsoft.Security/pricings", name="Arm"),
        ),
        (
            {"target": "${plan}/slots/${resource.name}", "parameters": (PLAN,)},
            WriteTarget(type="Microsoft.Web/serverfarms/slots"),
        ),
        ({"target": "${plan}", "parameters": (PLAN,)}, WriteTarget(type="Microsoft.Web/serverfarms")),
        (
            {"linked": "properties.serverFarmId", "linked_type": "Microsoft.Web/serverfarms"},
            WriteTarget(type="Microsoft.Web/serverfarms"),
        ),
    ],
)
def test_what_a_fix_writes_to(members: dict[str, Any], target: WriteTarget) -> None:
    """The type follows from the fix alone; a name only where the fix spells it."""
    assert write_target_of(fix(**members)) == target


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        (FixParameter(name="a", type="string", description="d", allowed=("x", "y")), "x"),
        (FixParameter(name="a", type="string_list", description="d", allowed=("x", "y")), ("x",)),
        (FixParameter(name="a", type="integer", description="d", default=3), 3),
        (FixParameter(name="a", type="boolean", description="d"), True),
        (PLAN, f"{resource_id('Microsoft.Web/serverfarms', 'other')}"),
        (ANY_ID, f"{resource_id('Microsoft.Sample/things', 'other')}"),
    ],
)
def test_samples(parameter: FixParameter, value: Any) -> None:
    """A sample is what the parameter would take."""
    found = sample(parameter)
    assert found == value
    assert parameter.type.accepts(found)


def test_sample_ids() -> None:
    """What is above resources has ids of its own form."""
    assert resource_id("Microsoft.Resources/subscriptions").count("/") == 2
    assert resource_id("Microsoft.Resources/resourceGroups").count("/") == 4
    assert values_for(fix())["resource.name"] == "name"


def test_if_match_is_sent_only_where_azure_compares_it() -> None:
    """A type honours If-Match if its package names the header, or if it is known to compare the etag of the body."""
    assert honours_if_match("Microsoft.Devices/IotHubs")
    assert honours_if_match("Microsoft.Network/networkInterfaces")
    assert not honours_if_match("Microsoft.CognitiveServices/accounts")
    assert not honours_if_match("Contoso.Own/things")


def test_members_that_a_get_does_not_return() -> None:
    """Passwords, keys and the data of certificates are known by their mark or by their name."""
    found = {
        name: facts.write_only_members
        for name in ("Microsoft.ContainerService/managedClusters", "Microsoft.Network/applicationGateways")
        if (facts := facts_of(name)) is not None
    }
    assert "properties.aadProfile.serverAppSecret" in found["Microsoft.ContainerService/managedClusters"]
    certificates = "properties.sslCertificates[*].properties"
    assert {f"{certificates}.password", f"{certificates}.data"} <= set(found["Microsoft.Network/applicationGateways"])
