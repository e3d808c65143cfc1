"""The members that providers add to resources, as ``data/members`` has them: what each word in that data means.

There is one file for each resource provider and one tree of members for each type; ``[]`` stands for the elements of an
array, ``*`` for every other member.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import attrs

from defender_remediate.casing import fold

_FOLDER = resources.files("defender_remediate.testing.simulator") / "data" / "members"
_OWN = "="
EACH, ANY = "[]", "*"
NO_VALUE = object()


@attrs.frozen(kw_only=True)
class KnownMember:
    """A member of an object.

    Attributes:
        new: The value for a new object; a string may name ``{id}``, ``{name}``, ``{group}``, ``{location}``, ``{now}`` and
            ``{guid}``.
        copies: The member of the same object whose value a new object has here, instead of ``new``.
        adds: Whether a new object gets it; else only what is below it is known.
        since: The first api-version that shows it.
        until: The first api-version that no longer shows it.
        known: The first api-version that knows it; no answer to an older one shows it, whatever the resource has.
        when: The words of a member of the resource, such as ``sku.name``, with which it is shown; ``*`` is any
            value. A path that starts with a dot is one of the object that has the member.
        unless: The words of a member of the resource with which it is not there, also where an update would keep it.
        leaves: Whether a write removes it that changes the words of ``when``.
        hides: Whether a caller can set it and no answer shows it, where the api-version and ``when`` hold.
        silent: The value, empty arrays apart, with which it is not shown although a caller set it.
        unset: Whether a new resource does not show it until a caller sets it, although it has a default.
        later: Whether it appears only once the creation has ended: ``left`` where the request leaves it out, ``sent`` where not.
        at_once: The words of members of a new resource, as in ``when``, with which it does not wait for the end of the creation.
        update: What becomes of it in an update that leaves it out: ``keeps`` or ``resets``; else it is removed.
        always: Whether the answer to an update shows it also in an object that does not have it.
        resting: Whether the answer to a PUT leaves it out: ``left`` where the request leaves it out, ``sent`` where not; and
            ``patch`` where that to a PATCH does.
        resting_since: The first api-version whose answers leave it out so.
        previews: Whether only previews of the api-versions show it.
        cases: What holds instead of the other words, ``resting`` and ``later`` apart, where its api-versions and ``when`` apply:
            the first of several.
        nulls: Whether an update that sends null for it sets it to null; else null is as if the request left it out.
        below: The members of the object, or of each element of the array.
        has_always: Whether the answer to an update always shows it or a member below it.
        has_quiet: Whether the answer to a PATCH leaves out it or a member below it.
        has_condition: Whether it, or a member below it, is shown with some words of other members only.
        all_known: The first api-version that knows it and every member below it.
    """

    name: str = ""
    new: Any = None
    copies: str = ""
    adds: bool = False
    since: str = ""
    until: str = "~"
    known: str = ""
    when: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    unless: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    leaves: bool = False
    hides: bool = False
    silent: Any = NO_VALUE
    unset: bool = False
    later: tuple[str, ...] = ()
    at_once: Mapping[str, tuple[str, ...]] = attrs.field(factory=dict)
    update: str = ""
    always: bool = False
    resting: tuple[str, ...] = ()
    resting_since: str = ""
    nulls: bool = False
    previews: bool = False
    cases: tuple[KnownMember, ...] = ()
    below: Mapping[str, KnownMember] = attrs.field(factory=dict)
    has_always: bool = attrs.field(init=False)
    has_quiet: bool = attrs.field(init=False)
    has_condition: bool = attrs.field(init=False)
    all_known: str = attrs.field(init=False)

    @has_always.default
    def _find_always(self) -> bool:
        return self.always or any(member.has_always for member in self.below.values())

    @has_quiet.default
    def _find_quiet(self) -> bool:
        return "patch" in self.resting or any(member.has_quiet for member in self.below.values())

    @has_condition.default
    def _find_condition(self) -> bool:
        return bool(self.when) or any(member.has_condition for member in self.below.values())

    @all_known.default
    def _find_all_known(self) -> str:
        return max([self.known, *(member.all_known for member in self.below.values())])


def _member(name: str, raw: Mapping[str, Any]) -> KnownMember:
    below = {fold(inner): _member(inner, value) for inner, value in raw.items() if inner != _OWN}
    own: dict[str, Any] = dict(raw.get(_OWN, {}))
    own |= {key: tuple(own[key]) for key in ("later", "resting") if key in own}
    for key in ("when", "unless", "at_once"):
        own[key] = {path: tuple(words) for path, words in own.get(key, {}).items()}
    cases = tuple(_member(name, {**raw, _OWN: case}) for case in own.pop("cases", ()))
    return KnownMember(name=name, below=below, cases=cases, **own)


@cache
def _files() -> frozenset[str]:
    return frozenset(entry.name.removesuffix(".json") for entry in _FOLDER.iterdir())


@cache
def _types(namespace: str) -> Mapping[str, KnownMember]:
    if namespace not in _files():
        return {}
    content = json.loads((_FOLDER / f"{namespace}.json").read_text(encoding="utf-8"))
    return {name: _member("", raw) for name, raw in content.items()}


def members_of(type_name: str) -> KnownMember | None:
    """Returns the tree of the members of a type; None if nothing is known of it."""
    namespace, _, rest = type_name.partition("/")
    return _types(namespace).get(rest)
