"""The undo of every fix on a body that Azure has shown: it sends no null that Azure would ignore, and says what it cannot restore.

``recorded_bodies.jsonl`` has one anonymised body per type, from public recordings of Azure clients.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

import attrs
import pytest

from defender_remediate import Catalog, FixAction
from defender_remediate.casing import fold
from defender_remediate.executors.patch import PatchExecutor
from defender_remediate.executors.protocol import Preview, PreviewContext
from defender_remediate.fixes.candidates import Candidate, combine
from defender_remediate.fixes.diff import changes, settled, spelled_out
from defender_remediate.fixes.merge import patched
from defender_remediate.fixes.paths import look_up
from defender_remediate.fixes.placeholders import fill
from defender_remediate.fixes.undo_facts import DEFAULTS
from defender_remediate.json_values import ABSENT, thaw
from defender_remediate.models import FixKind

pytestmark = pytest.mark.exhaustive

GROUP = "/subscriptions/11111111-2222-4333-8444-555555555555/resourceGroups/rg"
SAMPLES: Mapping[str, Any] = {
    "string": "sample",
    "integer": 5000,
    "boolean": True,
    "string_list": ("https://a.example",),
    "resource_id": f"{GROUP}/providers/A.B/c/d",
    "guid": "11111111-1111-1111-1111-111111111111",
}
RECORDED = {
    fold(body["type"]): body
    for body in map(
        json.loads, (Path(__file__).parent / "recorded_bodies.jsonl").read_text(encoding="utf-8").splitlines()
    )
}


def target_type(fix: FixAction) -> str:
    parts = fold(fix.target or "").strip("/").split("/") if fix.target else []
    return "/".join([fold(fix.linked_type or fix.resource_type), *parts[::2]])


def values_for(fix: FixAction) -> dict[str, Any]:
    chosen = {one.name: one.allowed[0] if one.allowed else SAMPLES[one.type.value] for one in fix.parameters}
    about = {"id": f"{GROUP}/providers/A.B/c/d", "name": "d", "group": "rg", "location": "westeurope"}
    return {**{f"resource.{name}": value for name, value in about.items()}, **chosen}


def leaves(body: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    if isinstance(body, Mapping) and body:
        for name, item in body.items():
            yield from leaves(item, (*at, name))
    elif at:
        yield at


def variants(body: dict[str, Any], wanted: Any) -> Iterator[dict[str, Any]]:
    """The body as it was recorded, without each member that the fix writes, and with null there."""
    yield body
    for way in leaves(wanted):
        for missing in (ABSENT, None):
            variant = deepcopy(body)
            inner = variant
            for name in way[:-1]:
                if not isinstance(inner.get(name), dict):
                    inner[name] = {}
                inner = inner[name]
            if missing is ABSENT:
                inner.pop(way[-1], None)
            else:
                inner[way[-1]] = None
            yield variant


def previews(fix: FixAction) -> Iterator[tuple[Any, Any, Preview]]:
    """What each variant becomes, and how that is undone."""
    body = RECORDED[target_type(fix)]
    plain = attrs.evolve(fix, applies_when=None, variant=None)
    values = values_for(fix)
    for before in variants(body, thaw(fill(fix.body or {}, values))):
        candidate = Candidate(fix=plain, key=fix.key, resource_id=body["id"], values=values)
        combined = combine((candidate,), resource=before, before=before)
        if combined.accepted:
            context = PreviewContext(
                fixes=(fix,),
                kind=combined.kind,
                values=values,
                resource_id=body["id"],
                target_id=body["id"],
                before=before,
                after=combined.after,
                etag=None,
                reader=None,  # type: ignore[arg-type]
            )
            yield thaw(settled(before)), thaw(settled(combined.after)), PatchExecutor().preview(context)


FIXES = [
    fix
    for fix in Catalog.bundled()
    if fix.kind is not FixKind.TEMPLATE and not fix.is_irreversible and target_type(fix) in RECORDED
]


def nulls(body: Any, at: tuple[str, ...] = ()) -> Iterator[str]:
    if isinstance(body, Mapping):
        for name, item in body.items():
            yield from nulls(item, (*at, name))
    elif isinstance(body, (list, tuple)):
        for item in body:
            yield from nulls(item, at)
    elif body is None:
        yield ".".join(at)


def test_no_undo_sends_a_null_that_azure_would_ignore() -> None:
    """Only Container Apps and identities were seen to honour one; in a PUT the planned null means that it is left out."""
    wrong = set()
    count = 0
    for fix in FIXES:
        for _, _, preview in previews(fix):
            count += 1
            undo = preview.undo_request
            if undo is None or undo.is_merge_patch or target_type(fix).startswith("microsoft.app/"):
                continue
            wrong |= {(fix.title, path) for path in nulls(undo.body) if not path.startswith("identity.")}
    assert wrong == set()
    assert count > 200


def test_an_undo_restores_what_was_there_or_says_what_it_does_not() -> None:
    """Member by member: as it was, the default of one that was not set, or named in ``undo_limits``."""
    wrong = set()
    for fix in FIXES:
        for before, after, preview in previews(fix):
            restored = patched(after, preview.undo_request.body) if preview.undo_request else after
            for change in changes(before, restored):
                if fold(change.path).startswith(("identity", "tags")):
                    continue
                for part in spelled_out(change):
                    defaults = [thaw(value) for _, path, value in DEFAULTS if fold(path) == fold(part.path)]
                    is_default = look_up(before, part.path) in (ABSENT, None) and thaw(part.after) in defaults
                    is_null = change.before is None and change.after is ABSENT
                    is_told = any(part.path in limit for limit in preview.undo_limits)
                    if not (is_default or is_told or is_null):
                        wrong.add((fix.title, str(part)))
    assert wrong == set()


@pytest.mark.parametrize("name", ["id", "type", "properties"])
def test_the_recorded_bodies_are_whole(name: str) -> None:
    """What a GET shows, one of each type."""
    assert all(name in body for body in RECORDED.values())
    assert len(RECORDED) > 70
