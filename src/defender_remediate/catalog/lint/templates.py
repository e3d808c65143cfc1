"""What holds for every ARM template: it can be deployed, it adds to what is there, and it closes the condition."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.catalog.lint.bodies import Subject
from defender_remediate.catalog.lint.problem import Objection, ProblemSeverity, warning
from defender_remediate.catalog.lint.target import Target
from defender_remediate.catalog.lint.template_resources import (
    UNKNOWN,
    declared_resources,
    evaluated_resources,
    has_own_scope,
    nested_template,
)
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


def is_sound(subject: Subject) -> Iterator[Objection]:
    """The template is one that Azure takes, uses what it declares, and takes nothing away."""
    template = subject.fix.template
    if template is None:
        return
    if not _SCHEMA.fullmatch(str(template.get("$schema"))):
        yield Objection("$schema is not that of a deployment template")
    if not _VERSION.fullmatch(str(template.get("contentVersion"))):
        yield Objection("contentVersion is not like 1.0.0.0")
    modes = [
        resource["properties"].get("mode") for resource in declared_resources(template) if nested_template(resource)
    ]
    if {"incremental"} < {"incremental", *(fold(str(mode)) for mode in modes)}:
        yield Objection("a nested mode is not Incremental: only that leaves alone what it does not name")
    yield from _parts(template)


def _parts(template: Mapping[str, Any]) -> Iterator[Objection]:
    yield from _unused(template)
    for number, resource in enumerate(template.get("resources", ())):
        yield from _resource(resource, f"resources[{number}]")
    for resource in declared_resources({"resources": template.get("resources", ())}):
        if nested_template(resource) and has_own_scope(resource):
            yield from _unused(nested_template(resource))


def _unused(template: Mapping[str, Any]) -> Iterator[Objection]:
    used = set(_USED.findall(canonical({name: _in_scope(template[name]) for name in template if name != "parameters"})))
    for head in ("parameters", "variables"):
        declared = set(template.get(head, {}))
        for name in sorted(declared ^ {each for kind, each in used if kind == head}):
            yield Objection(
                f"{head}.{name} is " + ("declared and not used" if name in declared else "used and not declared")
            )
    for name, declaration in template.get("parameters", {}).items():
        if fold(str(declaration.get("type"))) not in _TYPES:
            yield Objection(f"parameters.{name} has no type that may be given in the open")
        if not declaration.get("metadata", {}).get("description"):
            yield warning(f"parameters.{name} has no description")


def _in_scope(value: Any) -> Any:
    """A part of a template without the templates in it that have a scope of their own."""
    if isinstance(value, Mapping):
        inner = value.get("properties")
        if isinstance(inner, Mapping) and has_own_scope(value):
            return {**value, "properties": {name: item for name, item in inner.items() if name != "template"}}
        return {name: _in_scope(item) for name, item in value.items()}
    return [_in_scope(item) for item in value] if isinstance(value, (list, tuple)) else value


def _resource(resource: Any, path: str) -> Iterator[Objection]:
    for name in ("type", "apiVersion", "name", "properties"):
        if not isinstance(resource, Mapping) or name not in resource:
            yield Objection(f"{path} has no {name}")
            return
    if not _API_VERSION.fullmatch(resource["apiVersion"]):
        yield Objection(f"{path}.apiVersion {resource['apiVersion']!r} is none")


def is_given_what_it_takes(subject: Subject) -> Iterator[Objection]:
    """Every value fits what the template declares."""
    if subject.fix.template is None:
        return
    declared = subject.fix.template.get("parameters", {})
    for name, value in _given(subject).items():
        declaration = declared[name]
        kind = _TYPES.get(fold(str(declaration.get("type"))), object)
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            yield Objection(f"template_parameters.{name} must be of type {declaration.get('type')}, got {value!r}")
        elif value not in declaration.get("allowedValues", [value]):
            yield Objection(f"template_parameters.{name}: the template does not allow {value!r}")


def fits_its_schemas(subject: Subject) -> Iterator[Objection]:
    """What the template writes exists in the schema of each type that it deploys."""
    for resource in _rendered(subject):
        facts = facts_of(resource["type"], str(resource.get("name", "")).rsplit("/", 1)[-1])
        if facts is None:
            yield warning(f"no schema is known of {resource['type']}")
            continue
        newer = str(resource.get("apiVersion"))[:10] > facts.version[:10]
        severity = ProblemSeverity.WARNING if newer else ProblemSeverity.ERROR
        for path, why in misfits({"properties": resource.get("properties", {})}, facts.members):
            if UNKNOWN not in why and why != IS_FOR_CREATION:
                soft = ProblemSeverity.WARNING if IS_SPELT in why else severity
                yield Objection(f"{resource['type']} {path} {why}, says {facts.origin}", soft)


def closes(subject: Subject) -> Iterator[Objection]:
    """Once Azure shows what the template creates, the condition is met."""
    if subject.fix.kind is not FixKind.TEMPLATE:
        return
    shown = list(_shown(subject))
    if not shown:
        yield warning(f"the template deploys nothing of type {subject.target.type}, so nothing proves that it closes")
    elif not any(holds(subject.compliant_when, body) for body in shown):
        yield Objection("what the template deploys does not meet the condition")


def _shown(subject: Subject) -> Iterator[Any]:
    for resource in _rendered(subject):
        kind = fold(resource["type"])
        if kind == _ENDPOINT and fold(subject.target.type) != _ENDPOINT:
            yield _connected(resource, subject.target)
        if kind == fold(subject.target.type):
            shown = {**resource, "properties": {**resource.get("properties", {}), "provisioningState": "Succeeded"}}
            yield {"value": [shown]} if subject.target.is_collection else shown


def _connected(endpoint: Mapping[str, Any], target: Target) -> dict[str, Any]:
    """The approved connections, as Azure shows them: on the resource, or as the list below it that the fix reads."""
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


def _rendered(subject: Subject) -> Iterator[Mapping[str, Any]]:
    yield from evaluated_resources(subject.fix.template or {}, _given(subject))


def _given(subject: Subject) -> dict[str, Any]:
    given: dict[str, Any] = thaw(fill(subject.fix.template_parameters, subject.candidate.values))
    return given
