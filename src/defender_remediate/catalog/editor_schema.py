"""The form of a catalog file, declared once: the loader takes its keys and patterns from here, and editors the JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.enums import StrEnum
from defender_remediate.models.condition import Operator
from defender_remediate.models.fix import Evidence, FixKind, Impact, ParameterType, Reversibility
from defender_remediate.models.live_use import Aggregation

# Patterns that Python and JavaScript read alike. Each is for the whole string.
API_VERSION = "[0-9]{4}-[0-9]{2}-[0-9]{2}(-[A-Za-z]+([.][0-9]+)?)?"
ARRAY_STRATEGY = "(union|replace|each|by:[A-Za-z_][A-Za-z0-9_-]*)"
METRIC = "[A-Za-z][A-Za-z0-9_./ -]*"
PARAMETER_NAME = "[a-z][a-z0-9_]*"
POLICY = "[A-Za-z0-9_-]+"
RESOURCE_TYPE = "[A-Za-z][A-Za-z0-9_.]*(/[A-Za-z0-9_.-]+)+"
VARIANT = "[a-z0-9]+(-[a-z0-9]+)*"

_Schema = Mapping[str, Any]
_PATH: _Schema = {"$ref": "#/definitions/path"}
_CONDITION: _Schema = {"$ref": "#/definitions/condition"}


def _string(description: str, pattern: str | None = None) -> _Schema:
    rule = {"minLength": 1} if pattern is None else {"pattern": f"^{pattern}$"}
    return {"type": "string", **rule, "description": description}


def _array(description: str, items: _Schema) -> _Schema:
    return {"type": "array", "items": items, "description": description}


def _strings(description: str, pattern: str | None = None) -> _Schema:
    return _array(description, {name: rule for name, rule in _string("", pattern).items() if name != "description"})


def _word(words: type[StrEnum], description: str) -> _Schema:
    return {"enum": [word.value for word in words], "description": description}


def _flag(description: str) -> _Schema:
    return {"type": "boolean", "description": description}


def _condition(description: str) -> _Schema:
    return {"allOf": [_CONDITION], "description": description}


def _conditions(description: str) -> _Schema:
    return {"type": "array", "minItems": 1, "items": _CONDITION, "description": description}


def _table(properties: _Schema, *required: str, description: str = "") -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}
    return {**schema, "description": description} if description else schema


def _elements(description: str) -> _Schema:
    return _table({"path": _PATH, "where": _CONDITION}, "path", "where", description=description)


CONDITION: Mapping[str, _Schema] = {
    "path": _PATH,
    "equals": {"description": "Equals the value; strings without regard to case."},
    "not_equals": {"description": "Does not equal the value."},
    "in": {"type": "array", "minItems": 1, "description": "Equals one of the values."},
    "not_in": {"type": "array", "minItems": 1, "description": "Equals none of the values."},
    "exists": _flag("Exists and is not null."),
    "at_least": {"type": ["number", "string"], "description": "Is a number or a version that is at least this one."},
    "contains": {"description": "An array contains the value, or a string contains the string."},
    "matches": {"type": "string", "description": "A regular expression for the whole string."},
    "all": _conditions("All of the conditions hold."),
    "any": _conditions("At least one of the conditions holds."),
    "not": _condition("The condition does not hold."),
    "some": _elements("The condition holds for at least one element of the array."),
    "every": _elements("The array has elements, and the condition holds for each of them."),
}
NOT_APPLICABLE: Mapping[str, _Schema] = {
    "when": _condition("Tested on the target."),
    "reason": _string("Why the fix cannot be applied then, and what a person can do instead."),
}
LEAVE_OUT: Mapping[str, _Schema] = {
    "path": _PATH,
    "when": _condition("Tested on the body that the PUT brings about."),
}
LIVE_USE: Mapping[str, _Schema] = {
    "metrics": _strings("The metrics of Azure Monitor that count the use of what the fix closes.", METRIC),
    "none": _string("Why no metric tells; instead of metrics."),
    "aggregation": _word(Aggregation, "How the metrics are aggregated over a day; the default is total."),
    "dimension": _string("The dimension that tells use that the fix cuts off from other use.", METRIC),
    "values": _strings("The values of the dimension for use that the fix cuts off."),
    "keeps": _strings("The values of the dimension for use that goes on; all others are for use that is cut off."),
    "below": _string("The child resources that have the metrics, such as databases.", "[A-Za-z]+"),
    "proof": _string("A metric that the resource has whether it is used or not; it proves that data arrives.", METRIC),
    "note": _string("What the figures include or leave out, in one clause without a full stop."),
    "logs": _string("The resource logs that tell more."),
}
PARAMETER: Mapping[str, _Schema] = {
    "name": _string("The name of the placeholder ${name}.", PARAMETER_NAME),
    "type": _word(ParameterType, "What values it accepts."),
    "description": _string("What the parameter is for, for the person who chooses a value."),
    "allowed": {"type": "array", "description": "The only values that it accepts."},
    "default": {"description": "The value if the caller gives none; leave it out where the choice is a risk."},
    "resource_type": _string("For a resource_id: the type of the resource.", RESOURCE_TYPE),
    "same_location": _flag("For a resource_id: whether the resource must be in the location of the fixed resource."),
}
FIX: Mapping[str, _Schema] = {
    "key": _string(
        "The assessment key of the recommendation; its policy definition id if Azure publishes no key; else a name."
    ),
    "title": _string("The display name of the recommendation."),
    "titles": _strings("Display names to find the recommendation by, if Azure does not publish its key."),
    "policies": _strings("The names of the policy definitions behind the recommendation.", POLICY),
    "resource_type": _string("The resource type that the recommendation is about.", RESOURCE_TYPE),
    "variant": _string("Tells several fixes of one key and resource type apart; each needs applies_when.", VARIANT),
    "api_version": _string("The api-version of the type that is read and written.", API_VERSION),
    "kind": _word(FixKind, "patch sends the difference, put the whole merged body, template a deployment."),
    "target": _string("The path from the resource to what is written, such as config/web; or a whole id."),
    "linked": _string("Where the resource names the resources that are written instead, as a path with [*]."),
    "linked_type": _string("The type of those resources.", RESOURCE_TYPE),
    "if_match": {"enum": ["*"], "description": "For a type that requires the header If-Match and returns no etag."},
    "body": {"type": "object", "description": "The wanted members; they are merged into the target."},
    "remove": _array("Members that are removed.", _PATH),
    "lists": {
        "type": "object",
        "additionalProperties": {"type": "string", "pattern": f"^{ARRAY_STRATEGY}$"},
        "description": "How each array of the body is merged, by its path; the default is union.",
    },
    "template": _string("The file of the ARM template, beside this file."),
    "template_parameters": {"type": "object", "description": "The parameters of the template."},
    "parameters": _array("The values that only the caller can choose.", {"$ref": "#/definitions/parameter"}),
    "applies_when": _condition("Tested on the resource itself; if it does not hold, the fix is not planned."),
    "not_applicable": _array("Targets that the fix cannot be applied to.", _table(NOT_APPLICABLE, "when", "reason")),
    "send_whole": _array("Objects that Azure replaces whole: a PATCH that changes a member carries all of it.", _PATH),
    "leave_out": _array(
        "Members that a PUT does not carry, because Azure keeps or refuses them.", _table(LEAVE_OUT, "path")
    ),
    "put_decision": _string("For a PUT to a type with members that a GET does not return: why none of them is lost."),
    "compliant_when": _condition("Tested on the target; the recommendation is closed when it holds."),
    "impact": _word(Impact, "What the users of the resource may notice."),
    "impact_reason": _string("Why, in one clause without a full stop."),
    "cost": _string("What is billed for after the change, and per what; leave it out if nothing is."),
    "live_use": _table(LIVE_USE, description="Which metric tells whether anyone still uses what the fix closes."),
    "reversibility": _word(Reversibility, "Whether the change can be undone."),
    "permissions": _strings("The Azure actions that the fix needs.", RESOURCE_TYPE),
    "sources": _strings("Where the facts come from."),
    "evidence": _word(Evidence, "How it is known that Azure accepts this write."),
    "control": _string("The display name of the security control that the recommendation belongs to."),
    "quick_fix": _flag("Whether Azure documents a Fix button; leave it out if unknown."),
}


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a catalog file, for editors and validators."""
    path = _string("Members joined by dots; a name with a dot in brackets: tags['a.b'].")
    condition = _table(CONDITION, description="Exactly one test, with the path of the member that it reads.")
    del condition["required"]
    condition["oneOf"] = [{"required": [operator.value]} for operator in Operator]
    parameter = _table(PARAMETER, "name", "type", "description", description="A value that only the caller can choose.")
    required = ("key", "title", "resource_type", "api_version", "kind", "compliant_when")
    fix = _table(FIX, *required, description="How one recommendation is remediated on one resource type.")
    fixes = {"type": "array", "minItems": 1, "items": {"$ref": "#/definitions/fix"}}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "A catalog of fixes",
        **_table({"fix": fixes}, "fix"),
        "definitions": {"path": path, "condition": condition, "parameter": parameter, "fix": fix},
    }
