"""Rules about ARM templates, and the resources that one deploys."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from defender_remediate.catalog import Catalog, Rule
from defender_remediate.catalog.lint.template_resources import UNKNOWN, evaluated_resources
from defender_remediate.json_values import thaw
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.models.fix import FixAction

SCHEMA = "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#"
DEPLOYMENT = tuple(
    f"Microsoft.Resources/deployments/{each}"
    for each in ("read", "write", "validate/action", "whatIf/action", "operationstatuses/read")
)
SETTING = "Microsoft.Insights/diagnosticSettings"


def template(**members: Any) -> dict[str, Any]:
    """A template that is sound, with something else in it."""
    return {
        "$schema": SCHEMA,
        "contentVersion": "1.0.0.0",
        "parameters": {"name": {"type": "string", "metadata": {"description": "The name."}}},
        "resources": [resource()],
        **members,
    }


def resource(**members: Any) -> dict[str, Any]:
    """A resource of a template."""
    logs = [{"categoryGroup": "audit", "enabled": True}]
    return {
        "type": SETTING,
        "apiVersion": "2021-05-01-preview",
        "name": "[parameters('name')]",
        "properties": {"logs": logs},
        **members,
    }


LOGGED = Condition(operator=Operator.EQUALS, path="enabled", value=True)
RIGHT = FixAction(
    key="k",
    title="Logs should be kept",
    kind="template",
    resource_type="Microsoft.KeyVault/vaults",
    api_version="2021-05-01-preview",
    target="providers/Microsoft.Insights/diagnosticSettings",
    template=template(),
    template_name="mine.json",
    template_parameters={"name": "mine"},
    compliant_when=Condition(
        operator=Operator.SOME,
        path="value",
        of=(Condition(operator=Operator.SOME, path="properties.logs", of=(LOGGED,)),),
    ),
    impact_reason="the workspace bills",
    reversibility="conditional",
    permissions=("Microsoft.KeyVault/vaults/read", f"{SETTING}/read", f"{SETTING}/write", *DEPLOYMENT),
)


def with_template(**members: Any) -> FixAction:
    """The right fix with something else in its template."""
    return attrs.evolve(RIGHT, template=template(**members))


def nested(**options: Any) -> dict[str, Any]:
    """A deployment within a template."""
    inner = template(parameters={"inner": {"type": "string", "metadata": {"description": "d"}}})
    inner["resources"] = [resource(name="[parameters('inner')]")]
    properties = {"mode": "Incremental", "template": inner, "parameters": {"inner": {"value": "[parameters('name')]"}}}
    return {
        "type": "Microsoft.Resources/deployments",
        "apiVersion": "2022-09-01",
        "name": "nested",
        "properties": {**properties, **options},
    }


INNER = {"expressionEvaluationOptions": {"scope": "inner"}}


def problems(fix: FixAction) -> list[tuple[Rule, str]]:
    """The problems of a fix."""
    return [(each.rule, each.message) for each in Catalog().check(fixes=fix)]


def test_a_valid_template() -> None:
    """A valid template has no problems, nor has one with a nested template that has its own scope."""
    assert problems(RIGHT) == []
    assert problems(with_template(resources=[nested(**INNER)])) == []


@pytest.mark.parametrize(
    ("fix", "rule", "message"),
    [
        (with_template(**{"$schema": "x"}), Rule.HAS_VALID_TEMPLATE, "$schema is not the schema of a deployment template"),
        (with_template(contentVersion="1"), Rule.HAS_VALID_TEMPLATE, "contentVersion must look like 1.0.0.0"),
        (
            with_template(resources=[nested(mode="Complete", **INNER)]),
            Rule.HAS_VALID_TEMPLATE,
            "the mode of a nested deployment must be Incremental: any other removes resources",
        ),
        (with_template(resources=[resource(name="x")]), Rule.HAS_VALID_TEMPLATE, "parameters.name is declared, but not used"),
        (
            with_template(resources=[resource(name="[concat(variables('a'), parameters('name'))]")]),
            Rule.HAS_VALID_TEMPLATE,
            "variables.a is used, but not declared",
        ),
        (
            with_template(parameters={"name": {"type": "securestring", "metadata": {"description": "d"}}}),
            Rule.HAS_VALID_TEMPLATE,
            "parameters.name has an unsupported or secure type",
        ),
        (with_template(parameters={"name": {"type": "string"}}), Rule.HAS_VALID_TEMPLATE, "parameters.name has no description"),
        (with_template(resources=[resource(), {"name": "x"}]), Rule.HAS_VALID_TEMPLATE, "resources[1] has no type"),
        (with_template(resources=[resource(), "x"]), Rule.HAS_VALID_TEMPLATE, "resources[1] has no type"),
        (with_template(resources=[resource(apiVersion="new")]), Rule.HAS_VALID_TEMPLATE, "resources[0].apiVersion 'new' is not an api-version"),
        (
            attrs.evolve(RIGHT, template_parameters={"name": 5}),
            Rule.HAS_VALID_TEMPLATE,
            "template_parameters.name must be of type string, got 5",
        ),
        (
            attrs.evolve(
                with_template(parameters={"name": {"type": "int", "metadata": {"description": "d"}}}),
                template_parameters={"name": True},
            ),
            Rule.HAS_VALID_TEMPLATE,
            "template_parameters.name must be of type int, got True",
        ),
        (
            with_template(
                parameters={"name": {"type": "string", "allowedValues": ["x"], "metadata": {"description": "d"}}}
            ),
            Rule.HAS_VALID_TEMPLATE,
            "template_parameters.name: 'mine' is not one of the allowed values",
        ),
        (
            with_template(resources=[resource(properties={"logs": [{"on": True, "enabled": True}]})]),
            Rule.MATCHES_SCHEMA,
            f"{SETTING} properties.logs[0].on is not known to Azure (source: azure-mgmt-monitor 6.0.2 (2021-05-01-preview))",
        ),
        (
            with_template(resources=[resource(), resource(type="Contoso.Own/things")]),
            Rule.MATCHES_SCHEMA,
            "no schema is known for Contoso.Own/things",
        ),
        (
            with_template(resources=[resource(type="Microsoft.Insights/components", properties={})]),
            Rule.CLOSES_CONDITION,
            f"the template deploys nothing of type {SETTING}, so the condition cannot be checked",
        ),
        (
            with_template(resources=[resource(properties={"logs": []})]),
            Rule.CLOSES_CONDITION,
            "what the template deploys does not satisfy the condition",
        ),
        (attrs.evolve(RIGHT, permissions=()), Rule.NAMES_PERMISSIONS, "Microsoft.Resources/deployments/validate/action is missing"),
        (attrs.evolve(RIGHT, permissions=()), Rule.NAMES_PERMISSIONS, f"{SETTING}/write is missing"),
    ],
)  # fmt: skip
def test_an_invalid_template(fix: FixAction, rule: Rule, message: str) -> None:
    """A violation names its place in the template."""
    assert (rule, message) in problems(fix)


def test_values_that_only_azure_knows() -> None:
    """A value that only Azure knows violates no rule."""
    fix = with_template(resources=[resource(properties={"workspaceId": "[reference('x').y]", "logs": [
        {"enabled": True, "category": "[if(contains('a', 'b'), 'c', 'd')]"}], "eventHubName": "[uri('a')]"})],
        parameters={"name": {"type": "string", "metadata": {"description": "d"}}})  # fmt: skip
    assert all("category" not in message for _, message in problems(fix))
    number = with_template(
        resources=[resource(properties={"logs": "[variables('logs')]"})], variables={"logs": "[json('[]')]"}
    )
    assert all(rule is not Rule.MATCHES_SCHEMA for rule, _ in problems(number))


def test_private_endpoints_are_seen_on_the_resource() -> None:
    """What closes the recommendation is on the resource that the endpoint leads to, once it is approved."""
    fixes = [fix for fix in Catalog.bundled() if fix.template_name == "private-endpoint.json"]
    assert fixes
    unapproved = Condition(
        operator=Operator.SOME,
        path="properties.privateEndpointConnections",
        of=(
            Condition(
                operator=Operator.EQUALS, path="properties.privateLinkServiceConnectionState.status", value="Pending"
            ),
        ),
    )
    found = problems(attrs.evolve(fixes[0], compliant_when=unapproved))
    assert (Rule.CLOSES_CONDITION, "what the template deploys does not satisfy the condition") in found
    without = tuple(each for each in fixes[0].permissions if "rivateEndpointConnectionsApproval" not in each)
    assert any(
        "Approval/action is missing" in text for _, text in problems(attrs.evolve(fixes[0], permissions=without))
    )


def test_private_endpoints_are_seen_in_the_list_that_a_fix_reads() -> None:
    """Where the resource does not show its connections, the list below it does, and no other body closes the condition."""
    fixes = [fix for fix in Catalog.bundled() if fix.target == "privateEndpointConnections"]
    assert fixes
    for fix in fixes:
        assert all(rule is not Rule.CLOSES_CONDITION for rule, _ in problems(fix))
        on_the_resource = attrs.evolve(fix, target="")
        assert (Rule.CLOSES_CONDITION, "what the template deploys does not satisfy the condition") in problems(
            on_the_resource
        )


def test_private_endpoints_lead_to_the_part_that_is_asked_for() -> None:
    """A condition that names a part is closed by an endpoint of that part only."""
    fixes = [fix for fix in Catalog.bundled() if fix.template_parameters.get("groupId") == "topicspace"]
    assert fixes
    for fix in fixes:
        assert all(rule is not Rule.CLOSES_CONDITION for rule, _ in problems(fix))
        other = attrs.evolve(fix, template_parameters={**fix.template_parameters, "groupId": "topic"})
        assert (Rule.CLOSES_CONDITION, "what the template deploys does not satisfy the condition") in problems(other)


def test_defaults_variables_and_nested_templates() -> None:
    """Parameters come from what is given or their default; a nested template sees what its scope lets it see."""
    whole = template(
        parameters={"name": {"type": "string", "defaultValue": "d"}},
        variables={"v": "[concat(parameters('name'), '!')]"},
        resources=[resource(name="[variables('v')]"), nested(**INNER), nested()],
    )
    assert [each["name"] for each in thaw(list(evaluated_resources(whole, {})))] == ["d!", "d", UNKNOWN]
    assert [each["name"] for each in evaluated_resources(whole, {"name": "g"})] == ["g!", "g", UNKNOWN]
