"""What the values of a type may be, as a tree of rules.

``data/values`` has what the published models of the types say, one file per resource provider. ``data/values.json`` corrects and completes
it: where both give words, each of them is taken; where they give something else, it decides. Both agree with every recorded request that
Azure took.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.state.facts import facts

_FOLDER = resources.files("defender_remediate.testing.simulator") / "data" / "values"


@attrs.frozen(kw_only=True)
class ValueRule:
    """What one member may be, and what the members below it may be.

    Attributes:
        kind: ``boolean``, ``integer``, ``number``, ``string`` or ``array``; None if it is not known.
        words: The only strings that it, or an element of an array, may be, in any case; empty if any may be.
        least: The smallest number, or the length of the shortest string.
        most: The largest number, or the length of the longest string.
        pattern: What a string looks like.
        form: The name of a form that a string has, in ``string_forms.FORMS``.
        refusal: The error of the provider if it is not so; None for the usual one.
        needs: The members that an object has to have, as spelled.
        below: The rules for its members, by their folded names.
    """

    kind: str | None = None
    words: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None
    pattern: re.Pattern[str] | None = None
    form: str | None = None
    refusal: str | None = None
    needs: tuple[str, ...] = ()
    below: dict[str, ValueRule] = attrs.field(factory=dict)


@cache
def _corrections() -> Mapping[str, Any]:
    return {fold(name): raw for name, raw in facts("values").items()}


@cache
def _published(namespace: str) -> Mapping[str, Any]:
    for entry in _FOLDER.iterdir():
        if fold(entry.name) == f"{namespace}.json":
            return {fold(name): raw for name, raw in json.loads(entry.read_text(encoding="utf-8")).items()}
    return {}


def _model(type_name: str) -> Mapping[str, Any]:
    namespace, _, rest = fold(type_name).partition("/")
    found: Mapping[str, Any] = _published(namespace).get(rest, {})
    return found


def is_known(type_name: str) -> bool:
    """Whether the values of a type are known, so that wrong ones are refused."""
    return fold(type_name) in _corrections() or bool(_model(type_name))


@cache
def name_rule(type_name: str) -> ValueRule | None:
    """Returns what the published model says of the names of a type; None if it says nothing."""
    spec = _model(type_name).get("name")
    return None if spec is None else _rule(spec)


@cache
def required_members(type_name: str) -> tuple[str, ...]:
    """Returns the dotted paths of what a new resource of a type needs."""
    corrected = _corrections().get(fold(type_name), {})
    published = [path for path in _model(type_name).get("required", ()) if path not in _optional(corrected)]
    direct = (path for path in published if "." not in path.removeprefix("properties.") and path != "properties")
    return tuple(dict.fromkeys((*corrected.get("required", ()), *direct)))


def _optional(corrected: Mapping[str, Any]) -> frozenset[str]:
    return frozenset(corrected.get("optional", ()))


@cache
def immutable_members(type_name: str) -> Mapping[str, str]:
    """Returns the dotted paths below ``properties`` of what cannot change, and the refusal of each."""
    found: Mapping[str, str] = _corrections().get(fold(type_name), {}).get("immutable", {})
    return found


@cache
def rules_of(type_name: str) -> ValueRule:
    """Returns the rules for a body of a type."""
    model = _model(type_name)
    corrected = _corrections().get(fold(type_name), {})
    tree: dict[str, Any] = {}
    for path, spec in model.get("values", {}).items():
        _node(tree, path)["spec"] = spec
    for path, spec in corrected.get("values", {}).items():
        node = _node(tree, path[1:] if path.startswith("^") else f"properties.{path}")
        node["spec"] = _joined(node.get("spec"), spec)
    for path in model.get("required", ()):
        if path not in _optional(corrected) and "." in path.removeprefix("properties."):
            owner, _, name = path.rpartition(".")
            _node(tree, owner).setdefault("needs", []).append(name)
    return _rule(None, {"below": tree})


def _node(tree: dict[str, Any], path: str) -> dict[str, Any]:
    node: dict[str, Any] = {"below": tree}
    for name in path.split("."):
        node = node["below"].setdefault(fold(name), {"below": {}})
    return node


def _joined(published: Any, corrected: Any) -> Any:
    if isinstance(published, list) and isinstance(corrected, list) and isinstance(corrected[0], str):
        return list(dict.fromkeys((*corrected, *published)))
    if isinstance(published, Mapping) and corrected in (published["kind"], "integer"):
        return published  # it says the same, and its limits
    return corrected


def _rule(spec: Any, node: Mapping[str, Any] | None = None) -> ValueRule:
    below = {name: _rule(inner.get("spec"), inner) for name, inner in (node or {}).get("below", {}).items()}
    needs = tuple((node or {}).get("needs", ()))
    if isinstance(spec, str):
        return ValueRule(kind=spec, needs=needs, below=below)
    if isinstance(spec, list) and isinstance(spec[0], str):
        return ValueRule(words=tuple(spec), needs=needs, below=below)
    if isinstance(spec, list):
        return ValueRule(kind="number", least=spec[0], most=spec[1], needs=needs, below=below)
    if spec is None:
        return ValueRule(needs=needs, below=below)
    pattern = spec.get("pattern")
    return ValueRule(
        kind=spec.get("kind"),
        words=tuple(spec.get("words", ())),
        least=spec.get("least"),
        most=spec.get("most"),
        pattern=None if pattern is None else re.compile(pattern),
        form=spec.get("form"),
        refusal=spec.get("refusal"),
        needs=needs,
        below=below,
    )
