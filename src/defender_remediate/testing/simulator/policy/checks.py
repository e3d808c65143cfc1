"""Definitions, initiatives and parameters that Azure Policy refuses."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.policy.expressions import check_expressions, is_expression
from defender_remediate.testing.simulator.policy.fields import is_alias
from defender_remediate.testing.simulator.policy.rules import check_condition
from defender_remediate.testing.simulator.policy.values import RuleError, same

EFFECTS = [
    "addToNetworkGroup",
    "append",
    "audit",
    "auditIfNotExists",
    "deny",
    "denyAction",
    "deployIfNotExists",
    "disabled",
    "manual",
    "modify",
    "mutate",
]
_WITH_DETAILS: Mapping[str, tuple[str, ...]] = {
    "modify": ("roleDefinitionIds", "operations"),
    "auditifnotexists": ("type",),
    "deployifnotexists": ("type", "roleDefinitionIds", "deployment"),
    "denyaction": ("actionNames",),
}
_OPERATIONS = ("add", "addorreplace", "remove")
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "array": (list,),
    "object": (dict,),
    "boolean": (bool,),
    "integer": (int,),
    "float": (int, float),
    "datetime": (str,),
}
_MODES = ("all", "indexed")
_REFERENCE = re.compile(r"parameters\(\s*'([^']+)'\s*\)", re.IGNORECASE)


def check_definition(properties: Mapping[str, Any]) -> None:
    """Refuses a policy definition that Azure would not store.

    Raises:
        ArmError: 400 InvalidPolicyRule or InvalidPolicy.
    """
    mode = str(properties.get("mode") or "Indexed")
    if fold(mode) not in _MODES and not (fold(mode).startswith("microsoft.") and fold(mode).endswith(".data")):
        raise refusal("InvalidPolicy", problem=f"the mode is {mode!r}; use All, Indexed or a Microsoft.*.Data mode")
    _check_declared(properties.get("parameters"))
    rule = properties.get("policyRule")
    named = {fold(str(name)): value for name, value in rule.items()} if isinstance(rule, Mapping) else {}
    if not isinstance(named.get("if"), Mapping) or not isinstance(named.get("then"), Mapping):
        raise refusal("InvalidPolicyRule", problem="it needs 'if' and 'then'")
    then = {fold(str(name)): value for name, value in named["then"].items()}
    effect = then.get("effect")
    if not isinstance(effect, str):
        raise refusal("InvalidPolicyRule", problem="'then' needs an 'effect'")
    if not is_expression(effect) and fold(effect) not in map(fold, EFFECTS):
        raise refusal("InvalidPolicyRule", problem=f"the effect is {effect!r}; use {', '.join(EFFECTS)}")
    try:
        check_expressions(effect)
        check_condition(named["if"])
        _check_details(fold(effect), then.get("details"))
        _check_references([effect, named["if"], then.get("details")], properties.get("parameters") or {})
    except RuleError as error:
        raise refusal("InvalidPolicyRule", problem=str(error)) from None
    _check_aliases([named["if"], then.get("details")])


def _check_aliases(value: Any) -> None:
    """Refuses a rule that names a field which no resource has."""
    if isinstance(value, list):
        for inner in value:
            _check_aliases(inner)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if (
                fold(str(name)) == "field"
                and isinstance(inner, str)
                and not is_expression(inner)
                and not is_alias(inner)
            ):
                provider, _, kind = inner.rpartition("/")[0].partition("/")
                raise refusal("InvalidPolicyAlias", field=inner, provider=provider, type=kind)
            if fold(str(name)) != "deployment":
                _check_aliases(inner)


def _check_declared(declared: Any) -> None:
    if declared is not None and not isinstance(declared, Mapping):
        raise refusal("InvalidPolicy", problem="the parameters are not an object")
    for name, one in (declared or {}).items():
        if not isinstance(one, Mapping) or fold(str(one.get("type"))) not in _TYPES:
            raise refusal("InvalidPolicy", problem=f"the parameter {name!r} needs a type: {', '.join(sorted(_TYPES))}")


def _check_details(effect: str, details: Any) -> None:
    if effect == "append":
        listed = details if isinstance(details, list) else []
        if not listed or not all(isinstance(one, Mapping) and "field" in one and "value" in one for one in listed):
            raise RuleError("the details of 'append' are not a list of fields with values")
    named = {fold(str(name)): value for name, value in details.items()} if isinstance(details, Mapping) else {}
    for member in _WITH_DETAILS.get(effect, ()):
        if fold(member) not in named:
            raise RuleError(f"the details of '{effect}' need '{member}'")
    if "existencecondition" in named:
        check_condition(named["existencecondition"], "existenceCondition")
    for place, one in enumerate(named.get("operations") or ()):
        verb = fold(str(one.get("operation"))) if isinstance(one, Mapping) else ""
        if verb not in _OPERATIONS or not isinstance(one.get("field"), str):
            raise RuleError(f"operation {place} needs an operation (add, addOrReplace or remove) and a field")
        if verb == "remove" and "value" in one and not one["field"].endswith("[*]"):
            raise RuleError(f"operation {place} removes a field and cannot have a value")
        if verb != "remove" and "value" not in one:
            raise RuleError(f"operation {place} needs a value")
        check_expressions([one["field"], one.get("value"), one.get("condition")])


def _check_references(value: Any, declared: Mapping[str, Any]) -> None:
    """Refuses a rule that refers to a parameter which is not declared; the template of a deployment has its own."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if fold(str(name)) != "deployment":
                _check_references(inner, declared)
    elif isinstance(value, list):
        for inner in value:
            _check_references(inner, declared)
    elif is_expression(value):
        for name in _REFERENCE.findall(value):
            if fold(name) not in map(fold, declared):
                raise RuleError(f"it refers to the parameter '{name}', which is not declared")


def check_parameters(
    definition: Mapping[str, Any], given: Mapping[str, Any], *, name: str, needs_all: bool = True
) -> None:
    """Refuses the parameters of an assignment (or of a member of an initiative) that a definition does not take.

    Args:
        definition: The definition or initiative, as the API shows it.
        given: The parameters by their names, each with its ``value``.
        name: The name of the assignment.
        needs_all: Whether a parameter without a value and without a default is missing.

    Raises:
        ArmError: 400 UndefinedPolicyParameter, MissingPolicyParameter, InvalidPolicyParameterType or
            PolicyParameterValueNotAllowed.
    """
    declared = definition["properties"].get("parameters") or {}
    known = {fold(one): (one, rules) for one, rules in declared.items()}
    about = {"name": name, "definition": definition["name"]}
    undefined = [one for one in given if fold(one) not in known]
    if undefined:
        raise refusal("UndefinedPolicyParameter", parameters="', '".join(undefined), **about)
    passed = {fold(one) for one, raw in given.items() if not isinstance(raw, Mapping) or "value" in raw}
    missing = [one for key, (one, rules) in known.items() if key not in passed and "defaultValue" not in rules]
    if missing and needs_all:
        raise refusal("MissingPolicyParameter", parameters="', '".join(missing), **about)
    for one, raw in given.items():
        value = raw.get("value") if isinstance(raw, Mapping) else raw
        _check_value(*known[fold(one)], value, definition["name"])


def _check_value(parameter: str, rules: Mapping[str, Any], value: Any, definition: str) -> None:
    if value is None or is_expression(value):  # an expression refers to a parameter of the initiative
        return
    kind = fold(str(rules["type"]))
    is_boolean = isinstance(value, bool)
    if not isinstance(value, _TYPES[kind]) or (is_boolean and kind != "boolean"):
        raise refusal("InvalidPolicyParameterType", parameter=parameter, type=rules["type"], definition=definition)
    allowed = rules.get("allowedValues")
    values = value if isinstance(value, list) else [value]
    if allowed is not None and not all(any(same(one, each) or one == each for each in allowed) for one in values):
        raise refusal(
            "PolicyParameterValueNotAllowed",
            value=value,
            parameter=parameter,
            definition=definition,
            allowed="', '".join(map(str, allowed)),
        )
