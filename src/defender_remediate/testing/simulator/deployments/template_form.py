"""The form of a template: which of its sections and elements are objects and arrays, before anything in it is evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.arm_template import TemplateError
from defender_remediate.casing import fold

NESTED = "microsoft.resources/deployments"


def check_kinds(template: Mapping[str, Any]) -> None:
    """Refuses a section, or an entry of one, that is of another kind than every template has there.

    Raises:
        TemplateError: One is.
    """
    for section in ("parameters", "variables", "outputs", "definitions"):
        entries = _objects(section, template.get(section))
        if section != "variables":
            for name, entry in entries.items():
                _objects(f"{section}.{name}", entry, needed=True)
    functions = template.get("functions") or []
    if not isinstance(functions, list):
        raise TemplateError("'functions' is not an array")
    for group in functions:
        for name, definition in _objects("members", _objects("functions", group, needed=True).get("members")).items():
            _objects(f"functions.{name}", definition, needed=True)
    for name, output in (template.get("outputs") or {}).items():
        if "copy" in output:
            _objects(f"outputs.{name}.copy", output["copy"], needed=True)
    _check_resources(template["resources"], "resources")


def _check_resources(resources: Any, place: str) -> None:
    if not isinstance(resources, (list, Mapping)):
        raise TemplateError(f"'{place}' is not an array")
    for raw in resources if isinstance(resources, list) else resources.values():
        _objects(f"an element of {place}", raw, needed=True)
        if not isinstance(raw.get("dependsOn") or [], list):
            raise TemplateError("'dependsOn' of a resource is not an array")
        _check_resources(raw.get("resources") or [], f"{place} of a resource")
        if fold(str(raw.get("type"))) == NESTED:
            properties = _objects("properties", raw.get("properties"))
            for name in ("parameters", "expressionEvaluationOptions"):
                _objects(name, properties.get(name))


def _objects(place: str, value: Any, *, needed: bool = False) -> Mapping[str, Any]:
    """Returns an object of a template; an empty one if it is absent and not needed."""
    if isinstance(value, Mapping):
        return value
    if value is None and not needed:
        return {}
    raise TemplateError(f"'{place}' is not an object")
