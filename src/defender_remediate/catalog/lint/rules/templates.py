"""Rules about ARM templates: they can be deployed, only add to what exists, and close the condition."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.catalog.lint.checked_fix import CheckedFix
from defender_remediate.catalog.lint.problem import ProblemSeverity, RuleViolation, warning
from defender_remediate.catalog.lint.template_resources import (
    UNKNOWN,
    declared_resources,
    evaluated_resources,
    has_own_scope,
    nested_template,
)
from defender_remediate.catalog.lint.write_target import WriteTarget
from defender_remediate.catalog.type_facts import IS_FOR_CREATION, IS_SPELT, facts_of, misfits
from defender_remediate.fixes.conditions import holds
from defender_remediate.fixes.placeholders import fill
from defender_remediate.json_values import canonical, thaw
from defender_remediate.models.fix import FixKind

_SCHEMA = re.compile(r"https://schema\.management\.azure\.com/schemas/[\w-]+/\w*[dD]eploymentTemplate\.json#")
_VERSION = re.compile(r"\d+(\.\d+){3}")
_API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-[a-z]+(\.\d+)?)?", re.IGNORECASE)
_USED = re.compile(r"(parameters|variables)\(\s*'(\w+)'\s*\)")
_TYPES: Mapping[str, type | tuple[type, ...]] = {
    "string": str,
    "int": int,
    "bool": bool,
    "array": (list, tuple),
    "object": Mapping,
}
_ENDPOINT = "microsoft.network/privateendpoints"
_CONNECTIONS = "/privateendpointconnections"


def is_valid_template(checked: CheckedFix) -> Iterator[RuleViolation]:
    """Azure accepts the template, which uses everything that it declares and removes nothing."""
    template = checked.fix.template
    if template is None:
        return
    if not _SCHEMA.fullmatch(str(template.get("$schema"))):
        yield RuleViolation("$schema is not the schema of a deployment template")
    if not _VERSION.fullmatch(str(template.get("contentVersion"))):
        yield RuleViolation("contentVersion must look like 1.0.0.0")
    modes = [
        resource["properties"].get("mode") for resource in declared_resources(template) if nested_template(resource)
    ]
    if {"incremental"} < {"incremental", *(fold(str(mode)) for mode in modes)}:
        yield RuleViolation("the mode of a nested deployment must be Incremental: any other removes resources")
    yield from _unused(template)
    for number, resource in enumerate(template.get("resources", ())):
        path = f"resources[{number}]"
        members = resource if isinstance(resource, Mapping) else {}
        # What is attached to another resource may be nothing but its name.
        needed = ("type", "apiVersion", "name", *(() if "scope" in members else ("properties",)))
        missing = [name for name in needed if name not in members]
        if missing:
            yield RuleViolation(f"{path} has no {missing[0]}")
        elif not _API_VERSION.fullmatch(resource["apiVersion"]):
            yield RuleViolation(f"{path}.apiVersion {resource['apiVersion']!r} is not an api-version")
    for resource in declared_resources({"resources": template.get("resources", ())}):
        if nested_template(resource) and has_own_scope(resource):
            yield from _unused(nested_template(resource))


def _unused(template: Mapping[str, Any]) -> Iterator[RuleViolation]:
    used = set(_USED.findall(canonical({name: _in_scope(template[name]) for name in template if name != "parameters"})))
    for head in ("parameters", "variables"):
        declared = set(template.get(head, {}))
        for name in sorted(declared ^ {each for kind, each in used if kind == head}):
            yield RuleViolation(
                f"{head}.{name} is " + ("declared, but not used" if name in declared else "used, but not declared")
            )
    for name, declaration in template.get("parameters", {}).items():
        if fold(str(declaration.get("type"))) not in _TYPES:
            yield RuleViolation(f"parameters.{name} has an unsupported or secure type")
        if not declaration.get("metadata", {}).get("description"):
            yield warning(f"parameters.{name} has no description")


def _in_scope(value: Any) -> Any:
    """A part of a template without nested templates that have a scope of their own."""
    if isinstance(value, Mapping):
        inner = value.get("properties")
        if isinstance(inner, Mapping) and has_own_scope(value):
            return {**value, "properties": {name: item for name, item in inner.items() if name != "template"}}
        return {name: _in_scope(item) for name, item in value.items()}
    return [_in_scope(item) for item in value] if isinstance(value, (list, tuple)) else value


def gets_valid_parameters(checked: CheckedFix) -> Iterator[RuleViolation]:
    """Every parameter value matches its declaration."""
    if checked.fix.template is None:
        return
    declared = checked.fix.template.get("parameters", {})
    for name, value in _given(checked).items():
        declaration = declared[name]
        kind = _TYPES.get(fold(str(declaration.get("type"))), object)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            yield RuleViolation(f"template_parameters.{name} must be of type {declaration.get('type')}, got {value!r}")
        elif value not in declaration.get("allowedValues", [value]):
            yield RuleViolation(f"template_parameters.{name}: {value!r} is not one of the allowed values")


def matches_schemas(checked: CheckedFix) -> Iterator[RuleViolation]:
    """Every member that the template writes exists in the schema of its type."""
    for resource in _rendered(checked):
        facts = facts_of(resource["type"], str(resource.get("name", "")).rsplit("/", 1)[-1])
        if facts is None:
            yield warning(f"no schema is known for {resource['type']}")
            continue
        newer = str(resource.get("apiVersion"))[:10] > facts.version[:10]
        severity = ProblemSeverity.WARNING if newer else ProblemSeverity.ERROR
        for path, why in misfits({"properties": resource.get("properties", {})}, facts.members):
            if UNKNOWN not in why and why != IS_FOR_CREATION:
                soft = ProblemSeverity.WARNING if IS_SPELT in why else severity
                yield RuleViolation(f"{resource['type']} {path} {why} (source: {facts.origin})", soft)


def closes_condition(checked: CheckedFix) -> Iterator[RuleViolation]:
    """The condition is satisfied by what the template creates."""
    if checked.fix.kind is not FixKind.TEMPLATE:
        return
    shown: list[Any] = []
    for resource in _rendered(checked):
        kind = fold(resource["type"])
        if kind == _ENDPOINT and fold(checked.target.type) != _ENDPOINT:
            shown.append(_connected(resource, checked.target))
        if kind == fold(checked.target.type):
            made = {**resource, "properties": {**resource.get("properties", {}), "provisioningState": "Succeeded"}}
            shown.append({"value": [made]} if checked.target.is_collection else made)
    if not shown:
        yield warning(f"the template deploys nothing of type {checked.target.type}, so the condition cannot be checked")
    elif not any(holds(checked.compliant_when, body) for body in shown):
        yield RuleViolation("what the template deploys does not satisfy the condition")


def _connected(endpoint: Mapping[str, Any], target: WriteTarget) -> dict[str, Any]:
    """The approved connections as Azure returns them: on the resource, or in the list below it that the fix reads."""
    asked = endpoint.get("properties", {}).get("privateLinkServiceConnections", ())
    connections = [
        {
            "properties": {
                "privateEndpoint": {"id": endpoint.get("name", "")},
                "groupIds": each.get("properties", {}).get("groupIds", []),
                "privateLinkServiceConnectionState": {"status": "Approved"},
                "provisioningState": "Succeeded",
            }
        }
        for each in asked
    ]
    if target.is_collection and fold(target.type).endswith(_CONNECTIONS):
        return {"value": connections}
    return {"properties": {"privateEndpointConnections": connections}}


def _rendered(checked: CheckedFix) -> Iterator[Mapping[str, Any]]:
    yield from evaluated_resources(checked.fix.template or {}, _given(checked))


def _given(checked: CheckedFix) -> dict[str, Any]:
    given: dict[str, Any] = thaw(fill(checked.fix.template_parameters, checked.candidate.values))
    return given
