"""Values that the providers refuse: wrong types, unknown words, numbers out of range, invalid or used names, other regions.

What is not known to be wrong is taken: ``value_rules`` has what is known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.string_forms import FORMS
from defender_remediate.testing.simulator.arm.value_rules import ValueRule, name_rule, rules_of
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.state.facts import facts
from defender_remediate.testing.simulator.state.store import Store
from defender_remediate.testing.simulator.state.times import ResourceTimes
from defender_remediate.testing.simulator.state.types import ResourceType

_VAULTS = "Microsoft.KeyVault/vaults"
_RETENTION_DAYS = 90
_RESERVED_PREFIXES = ("microsoft", "azure", "windows")
# Such as ``hidden-link:`` with the id of the app that an Application Insights component belongs to.
_HIDDEN_PREFIX = "hidden-"
_FORBIDDEN_MARKS = "<>%&\\?/"
_MOST, _LONGEST_NAME, _LONGEST_VALUE = 50, 512, 256
_TYPES: Mapping[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "string": (str, int, float),
}


def check_values(
    resource_type: ResourceType, body: Mapping[str, Any], current: Mapping[str, Any], *, whole: bool = False
) -> None:
    """Refuses a value that a provider does not take. A value that the resource already has is taken.

    Args:
        resource_type: The type.
        body: What a request sends.
        current: What the resource shows before it.
        whole: Whether the body replaces the resource, so that its objects have what they need. Elements of arrays always have it.

    Raises:
        ArmError: 400 InvalidRequestContent for another type or a missing member, InvalidRequestPropertyValue for another word, number,
            length or form, or the provider's own code.
    """
    rules = rules_of(resource_type.name)
    if rules.below:
        _check_members(rules, body, current, "", whole=whole)


def _check_members(rules: ValueRule, value: Mapping[str, Any], current: Any, path: str, *, whole: bool) -> None:
    held = current if isinstance(current, Mapping) else {}
    for name, inner in value.items():
        rule = rules.below.get(fold(str(name)))
        if inner == "" and value.get(f"{name}s"):
            continue  # such as the port range of a security rule that has a list of them
        if rule is not None and inner is not None and inner != held.get(name):
            _check(rule, inner, held.get(name), f"{path}.{name}" if path else str(name), whole=whole)


def _check(rule: ValueRule, value: Any, current: Any, path: str, *, whole: bool) -> None:
    if value == "" and rule.words:
        return  # clients send it for a word that they leave out, and providers take it so
    if isinstance(value, str) and value.startswith("["):
        return  # an expression of a template that is worked out later
    if isinstance(value, list):
        if rule.kind not in (None, "array") or (rule.words and rule.kind is None and value):
            raise _other_type(value, rule.kind or "string", path)
        for place, one in enumerate(value):
            there = _same_element(one, current) if isinstance(one, Mapping) else None
            if isinstance(one, Mapping) and one != there:
                _check_needs(rule, one, f"{path}[{place}]")
                _check_members(rule, one, there, path, whole=True)
            elif isinstance(one, str) and rule.words and not _is_one_of(one, rule.words):
                raise _not_allowed(rule, one, path, ", ".join(rule.words))
            elif isinstance(one, str) and rule.form is not None:
                _check_string(rule, one, path)
    elif isinstance(value, Mapping):
        if rule.kind is not None or rule.words:
            raise _other_type(value, rule.kind or "string", path)
        if whole:
            _check_needs(rule, value, path)
        _check_members(rule, value, current, path, whole=whole)
    else:
        _check_scalar(rule, value, path)


def _check_needs(rule: ValueRule, value: Mapping[str, Any], path: str) -> None:
    given = {fold(str(name)) for name, inner in value.items() if inner is not None}
    for name in rule.needs:
        if fold(name) not in given:
            problem = f"Required property '{name}' not found in JSON. Path '{path}'"
            raise refusal("InvalidRequestContent", problem=problem)


def _check_scalar(rule: ValueRule, value: Any, path: str) -> None:
    if rule.kind == "array" or (rule.below and rule.kind is None):
        raise _other_type(value, rule.kind or "object", path)
    if rule.kind is not None and not _is_of_kind(rule.kind, value):
        raise _other_type(value, rule.kind, path)
    if rule.words and not _is_one_of(value, rule.words):
        raise _not_allowed(rule, value, path, ", ".join(rule.words))
    if rule.kind in ("integer", "number"):
        if not _is_within(rule, float(value)):
            raise _not_allowed(rule, value, path, f"numbers of {_limits(rule)}")
    elif isinstance(value, str):
        _check_string(rule, value, path)


def _check_string(rule: ValueRule, value: str, path: str) -> None:
    if value == "" and rule.refusal is None and rule.form is None:
        return
    if not _is_within(rule, len(value)):
        raise _not_allowed(rule, value, path, f"strings with a length of {_limits(rule)}")
    if rule.pattern is not None and not rule.pattern.search(value):
        raise _not_allowed(rule, value, path, f"strings that match '{rule.pattern.pattern}'")
    if rule.form is not None and not FORMS[rule.form](value):
        raise _not_allowed(rule, value, path, f"strings with the form '{rule.form}'")


def _is_within(rule: ValueRule, number: float) -> bool:
    return (rule.least is None or rule.least <= number) and (rule.most is None or number <= rule.most)


def _limits(rule: ValueRule) -> str:
    ends = {"at least": rule.least, "at most": rule.most}
    return " and ".join(f"{word} {end}" for word, end in ends.items() if end is not None)


def _not_allowed(rule: ValueRule, value: Any, path: str, allowed: str) -> Exception:
    error = rule.refusal or "InvalidRequestPropertyValue"
    return refusal(error, value=value, property=path, allowed=allowed, least=rule.least, most=rule.most)


def _same_element(element: Mapping[str, Any], current: Any) -> Any:
    listed = current if isinstance(current, list) else []
    return next((one for one in listed if isinstance(one, Mapping) and one.get("name") == element.get("name")), None)


def _is_of_kind(kind: str, value: Any) -> bool:
    # Azure reads strings as booleans and numbers where they say one.
    if kind == "boolean" and isinstance(value, str):
        return fold(value) in ("true", "false")
    if kind in ("integer", "number") and isinstance(value, str):
        return re.fullmatch(r"\s*[+-]?\d+(\.\d+)?\s*", value) is not None
    if isinstance(value, bool):
        return kind in ("boolean", "string")
    return isinstance(value, _TYPES[kind]) or (kind == "integer" and isinstance(value, float) and value.is_integer())


def _is_one_of(value: Any, words: Iterable[str]) -> bool:
    """Whether a string is one of the words, or several of them with commas between; case and spaces do not matter."""
    known = {fold(word).replace(" ", "") for word in words}
    text = fold(str(value)).replace(" ", "")
    return isinstance(value, str) and (text in known or all(part in known for part in text.split(",")))


def _other_type(value: Any, kind: str, path: str) -> Exception:
    problem = f"Error converting value {json.dumps(value)[:80]} to type '{kind}'. Path '{path}'"
    return refusal("InvalidRequestContent", problem=problem)


def is_name(rule: ValueRule, name: str) -> bool:
    """Whether a name has the length and the form that a rule asks for."""
    if rule.words:
        return _is_one_of(name, rule.words)
    return _is_within(rule, len(name)) and (rule.pattern is None or rule.pattern.search(name) is not None)


def check_number_of_tags(number: int) -> None:
    """Refuses more tags than Azure takes.

    Raises:
        ArmError: 400.
    """
    if number > _MOST:
        raise refusal("InvalidTags", problem=f"'{number}' tags are more than the maximum of '{_MOST}'")


def checked_tags(tags: Any) -> dict[str, str]:
    """Returns the tags of a body.

    Raises:
        ArmError: 400: they are not strings, or more or longer than Azure takes.
    """
    if not isinstance(tags, Mapping) or not all(isinstance(value, str) for value in tags.values()):
        raise refusal("InvalidRequestContent", problem="the tags are not an object of strings")
    merged = merged_tags(tags)
    check_number_of_tags(len(merged))
    for name, value in merged.items():
        if fold(name).startswith(_RESERVED_PREFIXES):
            problem = (
                f"the tag name '{name}' starts with one of the reserved prefixes '{', '.join(_RESERVED_PREFIXES)}'"
            )
            raise refusal("InvalidTags", problem=problem)
        marks = "" if fold(name).startswith(_HIDDEN_PREFIX) else _FORBIDDEN_MARKS
        if not 1 <= len(name) <= _LONGEST_NAME or any(mark in name for mark in marks):
            raise refusal("InvalidTags", problem=f"the tag name '{name}' is invalid")
        if len(value) > _LONGEST_VALUE:
            raise refusal("InvalidTags", problem=f"the value of the tag '{name}' is longer than '{_LONGEST_VALUE}'")
    return merged


def merged_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Returns the tags with each name once: names that differ only in case are one tag, with the first spelling and the last value."""
    spelled: dict[str, str] = {}
    merged: dict[str, str] = {}
    for name, value in tags.items():
        merged[spelled.setdefault(fold(name), name)] = value
    return merged


class Creations:
    """What is checked when a resource is created: its name and its region."""

    def __init__(self, store: Store, times: ResourceTimes, clock: VirtualClock) -> None:
        self._store = store
        self._times = times
        self._clock = clock

    def check(self, target: ids.ResourcePath, resource_type: ResourceType, body: Mapping[str, Any]) -> None:
        """Refuses a new resource whose name is invalid or used, or whose region does not exist.

        Raises:
            ArmError: 400 or 409, by the provider.
        """
        rules = facts("names").get(resource_type.name)
        model = name_rule(resource_type.name)
        if rules is not None:
            self._check_name(target, resource_type, rules, body)
        elif model is not None and not resource_type.fixed and not is_name(model, target.name):
            raise refusal("InvalidResourceNameOf", name=target.name, type=resource_type.name)
        location = body.get("location")
        if resource_type.tracked and location is not None and not isinstance(location, str):
            raise _other_type(location, "string", "location")
        if resource_type.tracked and isinstance(location, str):
            check_region(location, "LocationNotAvailableForResourceType", type=resource_type.name)

    def _check_name(
        self, target: ids.ResourcePath, resource_type: ResourceType, rules: Mapping[str, str], body: Mapping[str, Any]
    ) -> None:
        name = target.name
        if not re.fullmatch(rules["pattern"], name):
            raise refusal(rules["invalid"], name=name, type=resource_type.name)
        for resource in self._store.resources("", resource_type.name) if "taken" in rules else ():
            if fold(resource.name) == fold(name) and ids.key(resource.id) != ids.key(target.id):
                raise refusal(rules["taken"], name=name)
        is_recovery = fold(str((body.get("properties") or {}).get("createMode"))) == "recover"
        if resource_type.name == _VAULTS and not is_recovery and self._is_deleted_vault(name):
            raise refusal("VaultInDeletedState")

    def _is_deleted_vault(self, name: str) -> bool:
        for vault, moment in self._times.gone(_VAULTS, "/"):
            days = (vault.body.get("properties") or {}).get("softDeleteRetentionInDays")
            until = self._clock.at(moment) + timedelta(days=days if isinstance(days, int) else _RETENTION_DAYS)
            if fold(vault.name) == fold(name) and self._clock.now() < until:
                return True
        return False


_EXPANDS: Mapping[str, tuple[str, ...]] = {
    "Microsoft.Storage/storageAccounts": ("geoReplicationStats", "blobRestoreStatus"),
    "Microsoft.Storage/storageAccounts/listKeys": ("kerb",),
    "Microsoft.Compute/virtualMachines": ("instanceView", "userData", "resiliencyView"),
    "Microsoft.Compute/virtualMachineScaleSets": ("userData",),
    "Microsoft.Security/assessments": ("links", "metadata"),
}


def check_expand(name: str, text: str) -> None:
    """Refuses an ``$expand`` that a type or an action does not have; others ignore the option.

    Raises:
        ArmError: 400.
    """
    known = _EXPANDS.get(name)
    names = {fold(name) for name in known or ()}
    if text and known is not None and not all(fold(part.strip()) in names for part in text.split(",")):
        raise refusal("InvalidQueryOption", name="$expand", value=text)


def check_region(location: str, error: str, **words: Any) -> None:
    """Refuses a region that Azure does not have.

    Raises:
        ArmError: 400.
    """
    known: list[str] = facts("regions")
    place = fold(location.replace(" ", ""))
    if place not in known:
        raise refusal(error, location=location, regions=",".join(known), **words)
