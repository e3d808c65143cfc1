"""Previews of a PATCH."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import pytest

from defender_remediate.catalog import Catalog
from defender_remediate.executors import PatchExecutor
from defender_remediate.executors.protocol import Preview, PreviewContext
from defender_remediate.fixes.merge import difference, patched
from defender_remediate.json_values import canonical
from defender_remediate.models import FixKind

TARGET = "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/a"
FIX = next(
    fix
    for fix in Catalog.bundled()
    if fix.kind is FixKind.PATCH and fix.resource_type == "Microsoft.Storage/storageAccounts"
)


def preview(before: Mapping[str, Any], after: Mapping[str, Any], *, target: str = TARGET, fix: Any = FIX) -> Preview:
    """What is planned to turn one body into the other."""
    return PatchExecutor().preview(
        PreviewContext(
            fixes=(fix,),
            kind=FixKind.PATCH,
            values={},
            resource_id=target,
            target_id=target,
            before=before,
            after=after,
            reader=None,  # type: ignore[arg-type]
        )
    )


@pytest.mark.parametrize("values", [(1, True, 1.0), (0, False, 0.0), ([1], [True], [1.0])])
def test_changes_that_are_equal_to_python_are_planned_each_as_it_is(values: tuple[Any, ...]) -> None:
    """What is computed once for equal changes is not used for 1, 1.0 and true, which are three documents."""
    shown = [preview({"properties": {"a": "x"}}, {"properties": {"a": value}}).request.body for value in values]
    assert [canonical(body["properties"]["a"]) for body in shown] == [canonical(value) for value in values]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"properties": {"a": 1, "b": {"c": [1]}}}, {"properties": {"a": 2, "b": {"c": [2]}}}),
        ({"properties": {"a": 1}}, {"properties": {}}),
        ({"properties": {"a": {"b": 1, "c": 2}}}, {"properties": {"a": {"b": 1}}}),
        ({"properties": None}, {"properties": {"a": 1}}),
        ({"properties": {"a": {}}}, {"properties": {"a": {"b": {"c": None}}}}),
        ({"kind": "x", "properties": {"p.q": {"r": 1}}}, {"kind": "y", "properties": {"p.q": {"r": 2}}}),
    ],
)
def test_a_request_made_from_the_changes_is_the_difference_of_the_bodies(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    """Members that stay as they are decide nothing about what is sent, and the undo brings the old values back."""
    unchanged = {"location": "x", "zones": ["1"]}
    made = preview({**unchanged, **before}, {**unchanged, **after})
    assert canonical(made.request.body) == canonical(difference(before, after))
    sent = patched({**unchanged, **before}, made.request.body)
    assert canonical(sent) == canonical(patched({**unchanged, **before}, difference(before, after)))


def test_each_target_gets_a_request_of_its_own() -> None:
    """Targets that change alike share what is written, and not where."""
    other = TARGET.replace("storageAccounts/a", "storageAccounts/b")
    one, two = (
        preview({"properties": {"a": 1}}, {"properties": {"a": 2}}, target=target) for target in (TARGET, other)
    )
    assert one.request.body is two.request.body
    assert (one.request.path, two.request.path) == (TARGET, other)


@pytest.mark.parametrize(
    ("properties", "limit"),
    [
        ({"networkAcls": {"defaultAction": "Allow"}}, "nothing to undo"),
        ({"supportsHttpsTrafficOnly": True}, "keeps its new value"),
    ],
)
def test_a_preview_says_why_nothing_is_undone(properties: dict[str, Any], limit: str) -> None:
    """Also where a fix sends a member whole: what it sets was the default, or the default is not known."""
    whole = attrs.evolve(FIX, send_whole=("properties.networkAcls",))
    made = preview({"properties": {}}, {"properties": properties}, fix=whole)
    assert made.undo_request is None
    assert limit in made.undo_limits[0]
