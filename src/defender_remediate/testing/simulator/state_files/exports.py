"""Resources from what Azure and its tools write: lists of the REST API, ``az resource list``, Resource Graph and templates."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from defender_remediate.arm_template import TemplateError, TemplateScope
from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.testing.simulator.arm.member_rules import TOP_LEVEL
from defender_remediate.testing.simulator.deployments.template import described, opened
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state_files.reading import read_json

SUBSCRIPTIONS = "microsoft.resources/subscriptions"
GROUPS = "microsoft.resources/subscriptions/resourcegroups"
ASSESSMENTS = "microsoft.security/assessments"
LOCKS = "microsoft.authorization/locks"
# What a table of Resource Graph and the lists of the Azure CLI have besides the resource itself.
_BESIDES = (
    "tenantId",
    "subscriptionId",
    "resourceGroup",
    "createdTime",
    "changedTime",
    "provisioningState",
    "apiVersion",
    "tableName",
)


@attrs.frozen(kw_only=True)
class ExportedItem:
    """One resource of a file.

    Attributes:
        place: Where it stands, for messages.
        api_version: Its api-version, if the file says it.
    """

    place: str
    body: dict[str, Any]
    api_version: str | None = None

    @property
    def kind(self) -> str:
        """Its type in lower case."""
        return fold(str(self.body.get("type", "")))


def read_export(path: str | Path, resource_group: str | None) -> list[ExportedItem]:
    """Returns the resources in a file.

    Args:
        path: JSON of the REST API, of ``az resource list``, of ``az graph query`` or of an exported template; or the CSV that the
            portal writes for a query of Resource Graph.
        resource_group: The id of the resource group that a template was exported from.

    Raises:
        InvalidInputError: The file is not one of these, is not complete, or shows resources as ``az ... show`` flattens them.
        OSError: It cannot be read.
    """
    if Path(path).suffix == ".csv":
        rows = list(_csv_rows(Path(path).read_text(encoding="utf-8-sig")))
    else:
        content = read_json(path)
        if isinstance(content, dict) and "$schema" in content and "resources" in content:
            return list(_of_template(content, resource_group))
        rows = list(_rows(content))
    return [_item(row, place) for place, row in rows]


def _rows(content: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(content, list):
        yield from ((f"[{number}]", row) for number, row in enumerate(content))
        return
    if not isinstance(content, dict):
        raise InvalidInputError(f"the file must contain resources, got {quoted(content)}")
    for name in ("value", "data"):
        held = content.get(name)
        if isinstance(held, dict) and {"columns", "rows"} <= set(held):
            names = [column["name"] for column in held["columns"]]
            held = [dict(zip(names, row, strict=True)) for row in held["rows"]]
        if isinstance(held, list):
            total = content.get("total_records", content.get("totalRecords", len(held)))
            more = content.get("nextLink") or content.get("skip_token") or content.get("$skipToken")
            if more or total != len(held):
                raise InvalidInputError(
                    f"the file has {len(held)} of {quoted(total)} rows, and the rest is on other pages",
                    hint="write all pages to the file",
                )
            yield from ((f"{name}[{number}]", row) for number, row in enumerate(held))
            return
    yield "the file", content


def _csv_rows(text: str) -> Iterator[tuple[str, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(text))
    for row in reader:
        place = f"line {reader.line_num}"
        yield (
            place,
            {name: _cell(value, place) for name, value in row.items() if name and value not in (None, "", "null")},
        )


def _cell(value: str, place: str) -> Any:
    if not value.startswith(("{", "[")):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise InvalidInputError(f"{place}: a cell is not JSON: {error}") from error


def _item(row: Any, place: str) -> ExportedItem:
    if not isinstance(row, Mapping):
        raise InvalidInputError(f"{place}: expected an object, got {quoted(row)}")
    names = {fold(name): name for name in (*TOP_LEVEL, *_BESIDES)}  # the portal writes them in upper case
    body = {names.get(fold(str(name)), str(name)): value for name, value in row.items() if value is not None}
    identifier = body.get("id")
    if not isinstance(identifier, str) or not identifier.startswith("/"):
        raise InvalidInputError(f"{place} has no id of a resource, got {quoted(identifier)}")
    version = body.get("apiVersion")
    target = ids.path_of(identifier)
    if not isinstance(body.get("properties", {}), Mapping):
        raise InvalidInputError(f"{place}.properties: expected an object, got {quoted(body['properties'])}")
    unusual = sorted(set(body) - TOP_LEVEL - set(_BESIDES))
    if unusual and "properties" not in body and target is not None:
        raise InvalidInputError(
            f"{place}: {unusual[0]!r} is not a top-level member of a resource: it looks like the flattened output of "
            "'az ... show' or 'az ... list'",
            hint="export with 'az resource show', 'az rest' or 'az graph query', which keep the settings below 'properties'",
        )
    kept = {name: value for name, value in body.items() if name not in _BESIDES}
    kept["id"] = identifier.rstrip("/")
    return ExportedItem(place=place, body=kept, api_version=version if isinstance(version, str) else None)


def _of_template(template: Mapping[str, Any], resource_group: str | None) -> Iterator[ExportedItem]:
    subscription, group = ids.subscription_of(resource_group or ""), ids.group_of(resource_group or "")
    if not subscription or not group:
        raise InvalidInputError(
            f"a template needs the resource group that it was exported from, got {quoted(resource_group)}",
            hint="pass resource_group='/subscriptions/.../resourceGroups/...'",
        )
    scope = TemplateScope(
        subscription_id=subscription, resource_group=group, location="westeurope", deployment="export"
    )
    try:
        for number, one in enumerate(described(template, opened(template, {}, scope))):
            body = {**one.body, "id": one.id, "type": one.type, "properties": one.body.get("properties") or {}}
            yield ExportedItem(place=f"resources[{number}]", body=body, api_version=one.api_version)
    except (AttributeError, LookupError, TemplateError, TypeError) as error:
        raise InvalidInputError(
            f"the template cannot be read: {error}", hint="export it with the values of its parameters"
        ) from error
