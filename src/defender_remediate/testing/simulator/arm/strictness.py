"""Values that the providers refuse: wrong types, unknown words, numbers out of range, invalid or used names, other regions.

The facts are in ``data/values.json``, from the specifications of the providers, and agree with every recorded request that Azure
took. What is not listed there is taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from functools import cache
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.clock import VirtualClock
from defender_remediate.testing.simulator.state.facts import facts
from defender_remediate.testing.simulator.state.store import Store
from defender_remediate.testing.simulator.state.times import ResourceTimes
from defender_remediate.testing.simulator.state.types import ResourceType

_VAULTS = "Microsoft.KeyVault/vaults"
_RETENTION_DAYS = 90
_MOST, _LONGEST_NAME, _LONGEST_VALUE = 50, 512, 256
_TYPES: Mapping[str, tuple[type, ...]] = {
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
    "array": (list,),
    "string": (str, int, float),
}


@attrs.frozen(kw_only=True)
class _ValueRule:
    """What a value may be: a type, words, or a range of numbers; and what the members below it may be."""

    kind: str | None = None
    words: tuple[str, ...] = ()
    limits: tuple[float, float] | None = None
    below: dict[str, _ValueRule] = attrs.field(factory=dict)


@cache
def _facts() -> Mapping[str, Any]:
    return {fold(name): raw for name, raw in facts("values").items()}


@cache
def _rules_of(type_name: str) -> _ValueRule:
    """Returns the rules for a body of a type, as a tree."""
    tree: dict[str, Any] = {}
    for path, spec in _facts().get(fold(type_name), {}).get("values", {}).items():
        names = path[1:].split(".") if path.startswith("^") else ["properties", *path.split(".")]
        node = tree
        for name in names:
            node = node.setdefault(fold(name), {"below": {}})["below"] if name is not names[-1] else node
        node.setdefault(fold(names[-1]), {"below": {}})["spec"] = spec
    return _rule({"below": tree})


def _rule(node: Mapping[str, Any]) -> _ValueRule:
    spec = node.get("spec")
    below = {name: _rule(inner) for name, inner in node["below"].items()}
    if isinstance(spec, str):
        return _ValueRule(kind=spec, below=below)
    if isinstance(spec, list) and isinstance(spec[0], str):
        return _ValueRule(words=tuple(spec), below=below)
    return _ValueRule(limits=None if spec is None else (spec[0], spec[1]), below=below)


def required_members(type_name: str) -> tuple[str, ...]:
    """Returns the dotted paths of what a new resource of a type needs."""
    return tuple(_facts().get(fold(type_name), {}).get("required", ()))


def checks_values(type_name: str) -> bool:
    """Whether the values of a type are known, so that wrong ones are refused."""
    return fold(type_name) in _facts()


def check_values(resource_type: ResourceType, body: Mapping[str, Any], current: Mapping[str, Any]) -> None:
    """Refuses a value that a provider does not take. A value that the resource already has is taken.

    Raises:
        ArmError: 400 InvalidRequestContent for another type, InvalidRequestPropertyValue for another word or number.
    """
    rules = _rules_of(resource_type.name)
    if rules.below:
        _check_members(rules, body, current, "")


def _check_members(rules: _ValueRule, value: Mapping[str, Any], current: Any, path: str) -> None:
    held = current if isinstance(current, Mapping) else {}
    for name, inner in value.items():
        rule = rules.below.get(fold(str(name)))
        if rule is not None and inner is not None and inner != held.get(name):
            _check(rule, inner, held.get(name), f"{path}.{name}" if path else str(name))


def _check(rule: _ValueRule, value: Any, current: Any, path: str) -> None:
    if isinstance(value, str) and value.startswith("["):
        return  # an expression of a template that is worked out later
    if isinstance(value, list):
        if rule.kind not in (None, "array") or (rule.words and value) or rule.limits:
            raise _other_type(value, rule.kind or "string", path)
        for one in value:
            if isinstance(one, Mapping):
                _check_members(rule, one, _same_element(one, current), path)
        return
    if isinstance(value, Mapping):
        if rule.kind is not None or rule.words or rule.limits:
            raise _other_type(value, rule.kind or "string", path)
        _check_members(rule, value, current, path)
        return
    if rule.below and rule.kind in (None, "array"):
        raise _other_type(value, rule.kind or "object", path)
    if rule.kind is not None and not _is_of_kind(rule.kind, value):
        raise _other_type(value, rule.kind, path)
    if rule.words and not _is_one_of(value, rule.words):
        raise refusal("InvalidRequestPropertyValue", value=value, property=path, allowed=", ".join(rule.words))
    if rule.limits is not None:
        _check_range(value, rule.limits, path)


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


def _check_range(value: Any, limits: tuple[float, float], path: str) -> None:
    if not _is_of_kind("number", value):
        raise _other_type(value, "integer", path)
    least, most = limits
    if not least <= float(value) <= most:
        allowed = f"numbers from {least} to {most}"
        raise refusal("InvalidRequestPropertyValue", value=value, property=path, allowed=allowed)


def _other_type(value: Any, kind: str, path: str) -> Exception:
    problem = f"Error converting value {json.dumps(value)[:80]} to type '{kind}'. Path '{path}'"
    return refusal("InvalidRequestContent", problem=problem)


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
    check_number_of_tags(len(tags))
    for name, value in tags.items():
        if not 1 <= len(name) <= _LONGEST_NAME or any(mark in name for mark in "<>%&\\?/"):
            raise refusal("InvalidTags", problem=f"the tag name '{name}' is invalid")
        if len(value) > _LONGEST_VALUE:
            raise refusal("InvalidTags", problem=f"the value of the tag '{name}' is longer than '{_LONGEST_VALUE}'")
    return dict(tags)


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
        if rules is not None:
            self._check_name(target, resource_type, rules, body)
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
    "Microsoft.Compute/virtualMachines": ("instanceView", "userData", "resiliencyView"),
    "Microsoft.Compute/virtualMachineScaleSets": ("userData",),
    "Microsoft.Security/assessments": ("links", "metadata"),
}


def check_expand(resource_type: ResourceType, text: str) -> None:
    """Refuses an ``$expand`` that a type does not have; other types ignore the option.

    Raises:
        ArmError: 400.
    """
    known = _EXPANDS.get(resource_type.name)
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
