"""The JSON schema that editors use says what the loader says."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest

from defender_remediate.catalog import conditions, schema
from defender_remediate.catalog.toml import parse
from defender_remediate.models.fix import FixKind, Impact, ParameterType, Reversibility

DATA = resources.files("defender_remediate.catalog") / "data"
SCHEMA = json.loads((DATA / "fix.schema.json").read_text(encoding="utf-8"))
DEFINED = SCHEMA["definitions"]
FILES = sorted(file.name for file in DATA.iterdir() if file.name.endswith(".toml"))
JSON_TYPES = {"string": str, "boolean": bool, "array": list, "object": dict, "number": (int, float)}


def wrong(value: Any, rule: dict[str, Any], path: str = "") -> Iterator[str]:
    """Where a value breaks a rule; knows the words of JSON Schema that this schema uses, and refuses any other."""
    assert rule.keys() <= {
        "$ref", "$schema", "additionalProperties", "allOf", "definitions", "description", "enum", "items", "minItems",
        "minLength", "oneOf", "pattern", "properties", "required", "title", "type",
    }  # fmt: skip
    if "$ref" in rule:
        yield from wrong(value, DEFINED[rule["$ref"].rsplit("/", 1)[-1]], path)
    for part in rule.get("allOf", ()):
        yield from wrong(value, part, path)
    if "oneOf" in rule and sum(not list(wrong(value, part, path)) for part in rule["oneOf"]) != 1:
        yield f"{path}: not exactly one of {rule['oneOf']}"
    names = rule.get("type", ())
    kinds = tuple(JSON_TYPES[name] for name in ([names] if isinstance(names, str) else names))
    if kinds and not any(isinstance(value, kind) for kind in kinds):
        yield f"{path}: {value!r} is no {names}"
        return
    if value not in rule.get("enum", [value]):
        yield f"{path}: {value!r} is not in {rule['enum']}"
    if isinstance(value, str) and not re.search(rule.get("pattern", ""), value):
        yield f"{path}: {value!r} does not match"
    if isinstance(value, (str, list)) and len(value) < rule.get("minLength", rule.get("minItems", 0)):
        yield f"{path}: is too short"
    if isinstance(value, list) and "items" in rule:
        for number, item in enumerate(value):
            yield from wrong(item, rule["items"], f"{path}[{number}]")
    if isinstance(value, dict):
        yield from wrong_members(value, rule, path)


def wrong_members(value: dict[str, Any], rule: dict[str, Any], path: str) -> Iterator[str]:
    """What is wrong with the members of an object."""
    yield from (f"{path}: {name} is missing" for name in rule.get("required", ()) if name not in value)
    others = rule.get("additionalProperties", True)
    for name, item in value.items():
        inner = rule.get("properties", {}).get(name, others)
        if inner is False:
            yield f"{path}: {name} is unknown"
        elif inner is not True:
            yield from wrong(item, inner, f"{path}.{name}")


def test_the_keys_are_those_of_the_loader() -> None:
    """An editor offers every key that there is, and no other."""
    assert set(DEFINED["fix"]["properties"]) == schema._FIX_KEYS
    assert set(DEFINED["parameter"]["properties"]) == schema._PARAMETER_KEYS
    assert set(DEFINED["condition"]["properties"]) == conditions._KEYS


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (DEFINED["fix"]["properties"]["kind"], FixKind),
        (DEFINED["fix"]["properties"]["impact"], Impact),
        (DEFINED["fix"]["properties"]["reversibility"], Reversibility),
        (DEFINED["parameter"]["properties"]["type"], ParameterType),
    ],
)
def test_the_words_are_those_of_the_models(place: dict[str, Any], words: Any) -> None:
    """An editor offers every word that there is, and no other."""
    assert place["enum"] == [word.value for word in words]


@pytest.mark.parametrize("name", FILES)
def test_every_bundled_file_is_valid(name: str) -> None:
    """What the loader takes, an editor does not underline."""
    document = parse((DATA / name).read_text(encoding="utf-8"))
    assert list(wrong(document, SCHEMA)) == []


def test_every_bundled_file_is_valid_to_a_validator() -> None:
    """A validator that others wrote agrees, where one is installed."""
    validator = pytest.importorskip("jsonschema", reason="no validator is installed")
    for name in FILES:
        validator.validate(parse((DATA / name).read_text(encoding="utf-8")), SCHEMA)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"titel": "t"}, ".fix[0]: titel is unknown"),
        ({"kind": "post"}, "'post' is not in"),
        ({"api_version": "latest"}, "'latest' does not match"),
        ({"title": ""}, "is too short"),
        ({"policies": "x"}, "is no array"),
        ({"compliant_when": {"path": "a", "equals": 1, "exists": True}}, "not exactly one of"),
        ({"lists": {"a": "mix"}}, "'mix' does not match"),
        ({"parameters": [{"name": "a"}]}, "type is missing"),
    ],
)
def test_a_mistake_is_underlined(change: dict[str, Any], problem: str) -> None:
    """What the loader refuses for its form, an editor underlines."""
    right = {
        "key": "k",
        "title": "t",
        "resource_type": "A.B/c",
        "api_version": "2025-01-01",
        "kind": "patch",
        "body": {"a": 1},
        "compliant_when": {"path": "a", "equals": 1},
    }
    assert list(wrong({"fix": [right]}, SCHEMA)) == []
    assert problem in "; ".join(wrong({"fix": [{**right, **change}]}, SCHEMA))
