"""What providers answer beyond the form of their operations: what they add, what is always there, and what actions return.

The facts are in ``data/answers``, one file per resource provider, from the documentation of the operations. Strings in them may
name ``{id}``, ``{name}``, ``{parent}`` and ``{grandparent}`` (names of what is above), ``{group}`` (the id of the resource group), ``{subscription}``,
``{location}``, ``{now}``, ``{guid}``, ``{version}``, ``{hex}`` and ``{key}``. ``{epoch}`` alone is the time in seconds, ``{request}`` alone the
body of the request, ``{request.properties.x}`` a member of it, left out where the request has none;
within other text it is empty then.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import copied

_FOLDER = resources.files("defender_remediate.testing.simulator") / "data" / "answers"
_REQUEST = re.compile(r"\{request((?:\.[A-Za-z0-9]+)*)\}")
_WORD = re.compile(r"\{(id|name|parent|grandparent|group|subscription|location|now|guid|version|hex|key)\}")
_ABSENT = object()


@attrs.frozen(kw_only=True)
class TypeAnswers:
    """What is known of one type of resources.

    Attributes:
        new: The members that a new resource has besides those of the request.
        there: The members of each resource that exists without being created, by name.
        etag: How the etag of a resource is written: ``quoted`` or ``bare``; None if it has none.
    """

    new: Mapping[str, Any] = attrs.field(factory=dict)
    there: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict)
    etag: str | None = None


@attrs.frozen(kw_only=True)
class ActionAnswer:
    """What an action returns and changes.

    Attributes:
        answer: The body of the answer; None if the form of the operation decides.
        sets: The properties of the resource that it changes.
        shows: The path below the resource to what it returns; the answer is for one that was never written.
        creates: The path below the resource to what it creates, with the body of the answer; ``{count}`` is its number.
    """

    answer: Mapping[str, Any] | None = None
    sets: Mapping[str, Any] = attrs.field(factory=dict)
    shows: str | None = None
    creates: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether the facts say what the answer is."""
        return self.answer is not None or self.shows is not None or self.creates is not None


@attrs.frozen
class _Provider:
    types: Mapping[str, TypeAnswers]
    actions: Mapping[str, ActionAnswer]


@cache
def _provider(namespace: str) -> _Provider:
    for entry in _FOLDER.iterdir():
        if fold(entry.name) == f"{namespace}.json":
            content = json.loads(entry.read_text(encoding="utf-8"))
            return _Provider(
                {fold(name): TypeAnswers(**raw) for name, raw in content.get("types", {}).items()},
                {fold(name): ActionAnswer(**raw) for name, raw in content.get("actions", {}).items()},
            )
    return _Provider({}, {})


def of_type(type_name: str) -> TypeAnswers:
    """Returns what is known of a type; nothing if no facts are."""
    namespace, _, rest = fold(type_name).partition("/")
    return _provider(namespace).types.get(rest) or TypeAnswers()


def of_action(name: str) -> ActionAnswer:
    """Returns what is known of an action, by its path without the names that clients choose."""
    namespace, _, rest = fold(name).partition("/")
    return _provider(namespace).actions.get(rest) or ActionAnswer()


def standing(target: ids.ResourcePath, now: str, location: str = "") -> dict[str, Any] | None:
    """Returns a resource that exists without being created as it is until someone writes it; None if it is not one."""
    known = of_type(target.type)
    for template, own in known.there.items():
        name = _named(template, target.id)
        if fold(name) == fold(target.name):
            return _standing(target, known, name, own, now, location)
    return None


def _named(template: str, resource_id: str) -> str:
    words = _words(resource_id, "", "")
    return _WORD.sub(lambda found: words[found[1]], template)


def standing_at(
    target: ids.ResourcePath, path: str, now: str, location: str = ""
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yields the ids and bodies of resources of a type that exist below a path without being created."""
    known = of_type(target.type)
    for template, own in known.there.items():
        name = _named(template, f"{path}/x")
        one = ids.path_of(f"{path}/{name}")
        assert one is not None  # the path of a collection and a name
        yield one.id, _standing(one, known, name, own, now, location)


def _standing(
    target: ids.ResourcePath, known: TypeAnswers, name: str, own: Mapping[str, Any], now: str, location: str
) -> dict[str, Any]:
    about = {"id": target.id, "name": name, "type": target.type}
    words = _words(target.id, now, location)
    return {**about, "properties": {}, **_filled(_merged(known.new, own), words, None)}


def completed(
    type_name: str, resource_id: str, now: str, before: Mapping[str, Any] | None, body: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns a body after a write with what the provider adds to it. What it computed before, it keeps."""
    known = of_type(type_name)
    if not known.new:
        return dict(body)
    words = _words(resource_id, now, str(body.get("location") or (before or {}).get("location") or ""))
    added = _filled(known.new, words, body)
    return _merged(_kept(added, before), body)


def answer_of(
    action: ActionAnswer, owner: str, now: str, location: str, body: Mapping[str, Any], generation: int
) -> dict[str, Any]:
    """Returns the body of the answer to an action. Keys in it differ from generation to generation."""
    words = {**_words(owner, now, location), "generation": str(generation)}
    filled: dict[str, Any] = _filled(action.answer or {}, words, body)
    return filled


def changes_of(action: ActionAnswer, owner: str, now: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the properties of the resource that an action changes."""
    changed: dict[str, Any] = _filled(action.sets, _words(owner, now, ""), body)
    return changed


def _words(resource_id: str, now: str, location: str) -> dict[str, str]:
    parts = ids.segments(resource_id)
    return {
        "id": resource_id,
        "name": parts[-1] if parts else "",
        "parent": parts[-3] if len(parts) > 2 else "",
        "grandparent": parts[-5] if len(parts) > 4 else "",
        "group": "/".join(resource_id.split("/")[:5]),
        "subscription": parts[1] if len(parts) > 1 else "",
        "location": location,
        "now": now,
    }


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the members of both; the second decides where both have one, unless both are objects."""
    result = dict(copied(first))
    for name, value in second.items():
        mine = result.get(name)
        result[name] = _merged(mine, value) if isinstance(mine, dict) and isinstance(value, Mapping) else copied(value)
    return result


def _kept(added: Mapping[str, Any], before: Any) -> dict[str, Any]:
    held = before if isinstance(before, Mapping) else {}
    return {
        name: _kept(value, held.get(name)) if isinstance(value, Mapping) else copied(held.get(name, value))
        for name, value in added.items()
    }


def _filled(value: Any, words: Mapping[str, str], body: Mapping[str, Any] | None, place: str = "") -> Any:
    if isinstance(value, Mapping):
        filled = {name: _filled(one, words, body, f"{place}/{name}") for name, one in value.items()}
        return {name: one for name, one in filled.items() if one is not _ABSENT}
    if isinstance(value, list):
        filled_items = [_filled(one, words, body, f"{place}/{number}") for number, one in enumerate(value)]
        return [one for one in filled_items if one is not _ABSENT]
    if not isinstance(value, str) or "{" not in value:
        return value
    if value == "{epoch}":
        return int(datetime.fromisoformat(f"{words['now'][:19]}+00:00").timestamp())
    asked = _REQUEST.fullmatch(value)
    if asked is not None:
        return _asked(body, asked[1].split(".")[1:])
    digest = hashlib.sha256(f"{fold(words['id'])}{place}:{words.get('generation', '')}".encode())
    digits = digest.hexdigest()
    made = {
        **words,
        "guid": f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}",
        "version": hashlib.sha256(fold(words["id"]).encode()).hexdigest()[:32],
        "hex": digits[:40].upper(),
        "key": base64.b64encode(digest.digest()).decode(),
    }
    text = _WORD.sub(lambda found: made[found[1]], value)
    return _REQUEST.sub(lambda found: _text(_asked(body, found[1].split(".")[1:])), text)


def _text(value: Any) -> str:
    return "" if value is _ABSENT or value is None else str(value)


def _asked(body: Mapping[str, Any] | None, names: list[str]) -> Any:
    found: Any = body or {}
    for name in names:
        found = found.get(name, _ABSENT) if isinstance(found, Mapping) else _ABSENT
    return found if found is _ABSENT else copied(found)
