"""What a provider adds to a resource: the members that its answers have and a request did not name.

``arm/known_members`` has the facts. A new resource gets a member with its default, or with the form of the value that Azure
computes; an update keeps it, resets it or removes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.known_members import ANY, EACH, NO_VALUE, KnownMember, members_of
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import copied
from defender_remediate.testing.simulator.web import contracts


def completed(
    type_name: str,
    resource_id: str,
    version: str,
    now: str,
    before: Mapping[str, Any] | None,
    body: Mapping[str, Any],
    request: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns a body after a write with what the provider adds to it, and without what it never shows.

    What the request has, the body keeps. An object that the resource had before gets only what it had and updates are known
    to keep or to reset. Any other object gets what new ones get.
    """
    if contracts.covers(type_name):
        return contracts.completed(type_name, resource_id, version, now, before, body)
    tree = members_of(type_name)
    if tree is None:
        return dict(body)
    result: dict[str, Any] = copied(body)
    completion = _Completion(version, _words(resource_id, now, result, before), result)
    completion.add(tree, result, before, request, resource_id)
    if before is not None:
        completion.follow(tree, result, before, request, before, resource_id)
    return result


def completed_patch(
    type_name: str,
    resource_id: str,
    version: str,
    now: str,
    before: Mapping[str, Any],
    body: dict[str, Any],
    request: Mapping[str, Any],
) -> dict[str, Any]:
    """Returns a body after a PATCH, with what the provider adds to the objects that the PATCH made; changes the body."""
    if contracts.covers(type_name):
        return contracts.completed(type_name, resource_id, version, now, before, body)
    tree = members_of(type_name)
    if tree is not None:
        completion = _Completion(version, _words(resource_id, now, body, before), body)
        completion.add_to_new(tree, body, before, request, resource_id)
        completion.follow(tree, body, before, request, before, resource_id)
    return body


def answer_to_update(
    type_name: str, resource_id: str, version: str, now: str, body: Mapping[str, Any], request: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Returns a resource as the answer to an update shows it; the request is None for a PATCH."""
    tree = members_of(type_name)
    if tree is None:
        return dict(body)
    result = dict(body)
    if request is not None:
        result = _cut(
            tree, result, request, lambda member, sent: sent in member.resting and version >= member.resting_since
        )
    if tree.has_always:
        result = copied(result)
        _Completion(version, _words(resource_id, now, result, None), result).add_always(tree, result, resource_id)
    if request is None and tree.has_quiet:
        result = _cut(tree, result, None, lambda member, _: "patch" in member.resting)
    return result


def as_known(type_name: str, version: str, body: dict[str, Any]) -> dict[str, Any]:
    """Returns a resource without the members that an api-version does not know yet."""
    tree = members_of(type_name)
    if tree is None or version >= tree.all_known:
        return body
    known: dict[str, Any] = _cut(tree, body, None, lambda member, _: version < member.known)
    return known


def answer_to_creation(type_name: str, body: Mapping[str, Any], request: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a new resource as it is shown until its creation has ended."""
    tree = members_of(type_name)
    if tree is None:
        return dict(body)

    def waits(member: KnownMember, sent: str) -> bool:
        at_once = member.at_once.items()
        return sent in member.later and not (
            at_once and all(_is_one_of(_at(body, path), words) for path, words in at_once)
        )

    result: dict[str, Any] = _cut(tree, body, request, waits)
    return result


def _words(resource_id: str, now: str, body: Mapping[str, Any], before: Mapping[str, Any] | None) -> dict[str, str]:
    return {
        "id": resource_id,
        "name": ids.segments(resource_id)[-1],
        "group": "/".join(resource_id.split("/")[:5]),
        "location": str(body.get("location") or (before or {}).get("location") or ""),
        "now": now,
    }


@attrs.frozen
class _Completion:
    version: str
    words: Mapping[str, str]
    resource: Mapping[str, Any]

    def add(self, known: KnownMember, target: Any, before: Any, request: Any, path: str) -> None:
        """Adds to an object, or to each element of an array, what is known of it, and so below it."""
        if isinstance(target, list):
            each = known.below.get(EACH)
            for position, element in enumerate(target if each is not None else ()):
                assert each is not None
                there = _same(element, position, len(target), before)
                sent = _same(element, position, len(target), request)
                self.add(each, element, there, sent, f"{path}/{position}")
            return
        if not isinstance(target, dict):
            return
        spelled = {fold(name): name for name in target}
        held = before if isinstance(before, Mapping) else None
        sent = {fold(name): value for name, value in request.items()} if isinstance(request, Mapping) else {}
        for folded, usual in known.below.items():
            name, member = spelled.get(folded), self._case(usual, target)
            if name is not None and self._is_never_shown(member, target, target[name], held, sent.get(folded)):
                del target[name]
                continue
            if name is None and (member.adds or member.update):
                if any(_is_one_of(_at(self.resource, place), words) for place, words in member.unless.items()):
                    continue
                name = member.name
                is_new = held is None and member.adds and self._is_shown(member, target)
                if member.nulls and held is not None and folded in sent and sent[folded] is None:
                    target[name] = None
                elif is_new or (held and name in held and member.update == "resets"):
                    new = target.get(member.copies) if member.copies else member.new
                    target[name] = self._value(new, f"{path}/{name}")
                elif held and name in held and (member.update == "keeps" or "{" in str(member.new or "")):
                    target[name] = copied(held[name])
                else:
                    continue
            if name is not None and member.below:
                self.add(member, target[name], held.get(name) if held else None, sent.get(folded), f"{path}/{name}")
        for folded, name in spelled.items() if ANY in known.below else ():
            if folded not in known.below and name in target:
                self.add(
                    known.below[ANY],
                    target[name],
                    held.get(name) if held else None,
                    sent.get(folded),
                    f"{path}/{name}",
                )

    def add_to_new(self, known: KnownMember, target: Any, before: Any, request: Any, path: str) -> None:
        """Adds what is known of new objects to those that a request made, at the places that the request names.

        What an answer never shows is removed there.
        """
        if isinstance(target, list) and isinstance(before, list):
            each = known.below.get(EACH)
            for position, element in enumerate(target if each is not None else ()):
                assert each is not None
                there = _same(element, position, len(target), before)
                sent = _same(element, position, len(target), request)
                self.add_to_new(each, element, there, sent, f"{path}/{position}")
        elif isinstance(target, dict) and isinstance(before, Mapping):
            for name, sent in request.items() if isinstance(request, Mapping) else ():
                usual = known.below.get(fold(name), known.below.get(ANY))
                if usual is None or name not in target:
                    continue
                member = self._case(usual, target)
                if self._is_never_shown(member, target, target[name], before, sent):
                    del target[name]
                elif member.below:
                    self.add_to_new(member, target[name], before.get(name), sent, f"{path}/{name}")
        else:
            self.add(known, target, None, request, path)

    def follow(
        self, known: KnownMember, target: Any, before: Any, request: Any, resource: Mapping[str, Any], path: str
    ) -> None:
        """Adds what is shown with the words that a write brought, and removes what is shown with the words that it replaced.

        Args:
            known: What is known of the object.
            target: The object after the write.
            before: The object before it.
            request: What the write sends of the object.
            resource: The whole resource before the write.
            path: Where the object is.
        """
        if not (known.has_condition and isinstance(target, dict) and isinstance(before, Mapping)):
            return
        spelled = {fold(name): name for name in target}
        sent = {fold(name): value for name, value in request.items()} if isinstance(request, Mapping) else {}
        for folded, member in known.below.items():
            name = spelled.get(folded)
            applied = _applies(member.when, resource, before)
            applies = _applies(member.when, self.resource, target)
            if member.when and applies != applied and not member.hides:
                if name is None and applies and member.adds and self._is_shown(member, target):
                    place = f"{path}/{member.name}"
                    added = target[member.name] = self._value(member.new, place)
                    self.add(member, added, None, None, place)
                elif name is not None and applied and member.leaves and sent.get(folded) is None:
                    del target[name]
            elif name is not None:
                self.follow(member, target[name], before.get(name), sent.get(folded), resource, f"{path}/{name}")

    def add_always(self, known: KnownMember, target: Any, path: str) -> None:
        """Adds to an object what the answer to an update always shows, and so below it."""
        if not known.has_always:
            return
        if isinstance(target, list):
            for position, element in enumerate(target if EACH in known.below else ()):
                self.add_always(known.below[EACH], element, f"{path}/{position}")
            return
        if not isinstance(target, dict):
            return
        spelled = {fold(name): name for name in target}
        for folded, name in spelled.items():
            member = known.below.get(folded, known.below.get(ANY))
            if member is not None:
                self.add_always(member, target[name], f"{path}/{name}")
        for folded, member in known.below.items():
            if folded not in spelled and member.always and self._is_shown(member, target):
                place = f"{path}/{member.name}"
                added = target[member.name] = self._value(member.new, place)
                self.add(member, added, None, None, place)
                target[member.name] = _cut(member, added, None, _is_late)

    def _is_never_shown(
        self, member: KnownMember, target: Mapping[str, Any], value: Any, held: Mapping[str, Any] | None, sent: Any
    ) -> bool:
        """Whether Azure does not show a member that a caller set, or a default that no caller set."""
        if member.silent is not NO_VALUE and _without_empty_arrays(value) == member.silent:
            return True
        hides = member.hides and self._is_shown(member, target)
        if held is not None and member.name in held:
            return hides and bool(member.when)
        if hides or (self.version >= member.until and not member.always):
            return True
        return sent is None and (member.unset or (member.adds and not self._is_shown(member, target)))

    def _case(self, member: KnownMember, target: Mapping[str, Any]) -> KnownMember:
        return next((case for case in member.cases if self._is_shown(case, target)), member)

    def _is_shown(self, member: KnownMember, target: Mapping[str, Any]) -> bool:
        if not member.since <= self.version < member.until or (member.previews and "preview" not in self.version):
            return False
        return _applies(member.when, self.resource, target)

    def _value(self, new: Any, path: str) -> Any:
        if isinstance(new, list):
            return [self._value(one, path) for one in new]
        if isinstance(new, dict):
            return {name: self._value(one, f"{path}/{name}") for name, one in new.items()}
        if not isinstance(new, str) or "{" not in new:
            return new
        for word, value in self.words.items():
            new = new.replace(f"{{{word}}}", value)
        if "{guid}" not in new:
            return new
        digits = hashlib.sha256(fold(path).encode()).hexdigest()
        guid = f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-8{digits[17:20]}-{digits[20:32]}"
        return new.replace("{guid}", guid)


def _same(element: Any, position: int, count: int, before: Any) -> Any:
    """Returns what an element was before: the one with its name, or else the one at its place."""
    there = before if isinstance(before, list) else []
    name = element.get("name") if isinstance(element, Mapping) else None
    if isinstance(name, str):
        return next((one for one in there if isinstance(one, Mapping) and one.get("name") == name), None)
    return there[position] if len(there) == count else None


def _applies(when: Mapping[str, tuple[str, ...]], resource: Any, target: Any) -> bool:
    return all(
        _is_one_of(_at(target, path[1:]) if path.startswith(".") else _at(resource, path), words)
        for path, words in when.items()
    )


def _is_one_of(value: Any, words: tuple[str, ...]) -> bool:
    if words == ("*",):
        return value not in (None, "", [], {})
    return ("" if value is None else fold(str(value))) in words


def _is_late(member: KnownMember, sent: str) -> bool:
    return sent in member.later or sent in member.resting


def _without_empty_arrays(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    return {name: _without_empty_arrays(inner) for name, inner in value.items() if inner not in ([], None)}


def _at(body: Any, path: str) -> Any:
    for name in path.split("."):
        body = body.get(name) if isinstance(body, Mapping) else None
    return body


def _cut(known: KnownMember, value: Any, request: Any, leaves_out: Callable[[KnownMember, str], bool]) -> Any:
    if isinstance(value, list):
        each = known.below.get(EACH)
        if each is None:
            return value
        return [_cut(each, one, _same(one, place, len(value), request), leaves_out) for place, one in enumerate(value)]
    if not isinstance(value, Mapping):
        return value
    sent = {fold(str(name)): inner for name, inner in request.items()} if isinstance(request, Mapping) else {}
    kept = {}
    for name, inner in value.items():
        folded = fold(str(name))
        member = known.below.get(folded, known.below.get(ANY))
        if member is None:
            kept[name] = inner
        elif not leaves_out(member, "sent" if folded in sent else "left"):
            kept[name] = _cut(member, inner, sent.get(folded), leaves_out)
    return kept
