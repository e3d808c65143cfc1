"""The resources that an ARM template deploys, with every expression evaluated that does not need Azure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import attrs

from defender_remediate.arm_template import TemplateError, TemplateScope, evaluate, is_expression
from defender_remediate.casing import fold
from defender_remediate.catalog.lint.samples import GROUP, LOCATION, SUBSCRIPTION

UNKNOWN = "[…]"
"""Stands for a value that only Azure can know."""

DEPLOYMENTS = "microsoft.resources/deployments"


def evaluated_resources(template: Mapping[str, Any], parameters: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every resource that the template deploys with these parameters, including those of nested templates."""
    declared = template.get("parameters", {})
    defaults = {name: each["defaultValue"] for name, each in declared.items() if "defaultValue" in each}
    scope = TemplateScope(
        subscription_id=SUBSCRIPTION,
        resource_group=GROUP.rsplit("/", 1)[-1],
        location=LOCATION,
        deployment="deployment",
        parameters={**defaults, **parameters},
        variables=template.get("variables", {}),
    )
    yield from _in_scope(template, scope)


def _in_scope(template: Mapping[str, Any], scope: TemplateScope) -> Iterator[Mapping[str, Any]]:
    for resource in _own_resources(template):
        inner = nested_template(resource)
        if not inner:
            yield evaluate_known(resource, scope)
        elif has_own_scope(resource):
            given = evaluate_known(resource["properties"].get("parameters", {}), scope)
            yield from evaluated_resources(inner, {name: each.get("value", UNKNOWN) for name, each in given.items()})
        else:
            yield from _in_scope(inner, scope)


def evaluate_known(value: Any, scope: TemplateScope) -> Any:
    """A part of a template with every expression replaced by its value, or by ``UNKNOWN`` where only Azure knows it."""
    if isinstance(value, Mapping):
        return {name: evaluate_known(item, scope) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [evaluate_known(item, scope) for item in value]
    if not is_expression(value):
        return value
    # An expression that uses an unknown parameter is unknown itself.
    known = {name: item for name, item in scope.parameters.items() if item != UNKNOWN}
    try:
        return evaluate(value, attrs.evolve(scope, parameters=known))
    except TemplateError:
        return UNKNOWN


def declared_resources(template: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every resource as the template writes it, including those of nested templates."""
    for resource in _own_resources(template):
        yield resource
        yield from declared_resources(nested_template(resource))


def _own_resources(template: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    # Another rule reports the entries that are not resources.
    for resource in template.get("resources", ()):
        if isinstance(resource, Mapping) and isinstance(resource.get("type"), str):
            yield resource


def nested_template(resource: Mapping[str, Any]) -> Mapping[str, Any]:
    """The template of a resource that is itself a deployment; empty for any other resource."""
    found = resource.get("properties", {}).get("template", {}) if fold(resource["type"]) == DEPLOYMENTS else {}
    return found if isinstance(found, Mapping) else {}


def has_own_scope(resource: Mapping[str, Any]) -> bool:
    """Whether a nested template sees its own parameters instead of those of the template around it."""
    options = resource.get("properties", {}).get("expressionEvaluationOptions", {})
    return fold(str(options.get("scope", "outer"))) == "inner"
