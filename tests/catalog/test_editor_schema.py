"""The JSON Schema that editors use accepts what the loader accepts."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

import jsonschema
import pytest

from defender_remediate.catalog.editor_schema import json_schema
from defender_remediate.catalog.toml import parse

DATA = resources.files("defender_remediate.catalog") / "data"
VALIDATOR = jsonschema.Draft7Validator(json_schema())
RIGHT = {
    "key": "k",
    "title": "t",
    "resource_type": "A.B/c",
    "api_version": "2025-01-01",
    "kind": "patch",
    "body": {"a": 1},
    "compliant_when": {"path": "a", "equals": 1},
}


def test_the_shipped_schema_is_up_to_date() -> None:
    """The file in the package is what the declaration gives: ``nox -s bundle`` writes it again."""
    assert json.loads((DATA / "fix.schema.json").read_text(encoding="utf-8")) == json_schema()
    jsonschema.Draft7Validator.check_schema(json_schema())


def test_every_bundled_file_is_valid() -> None:
    """An editor underlines nothing in a file that the loader accepts."""
    files = [file for file in DATA.iterdir() if file.name.endswith(".toml")]
    offenders = [
        f"{file.name}: {error.json_path}: {error.message}"
        for file in files
        for error in VALIDATOR.iter_errors(parse(file.read_text(encoding="utf-8")))
    ]
    assert offenders == []


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"titel": "t"}, "$.fix[0]"),
        ({"kind": "post"}, "$.fix[0].kind"),
        ({"api_version": "latest"}, "$.fix[0].api_version"),
        ({"title": ""}, "$.fix[0].title"),
        ({"policies": "x"}, "$.fix[0].policies"),
        ({"compliant_when": {"path": "a", "equals": 1, "exists": True}}, "$.fix[0].compliant_when"),
        ({"lists": {"a": "mix"}}, "$.fix[0].lists.a"),
        ({"parameters": [{"name": "a"}]}, "$.fix[0].parameters[0]"),
        ({"leave_out": [{}]}, "$.fix[0].leave_out[0]"),
        ({"evidence": "hearsay"}, "$.fix[0].evidence"),
    ],
)
def test_a_mistake_is_underlined(change: dict[str, Any], place: str) -> None:
    """An editor underlines a mistake that the loader refuses, at its place."""
    assert VALIDATOR.is_valid({"fix": [RIGHT]})
    assert place in {error.json_path for error in VALIDATOR.iter_errors({"fix": [{**RIGHT, **change}]})}
