"""Refusals as each provider writes them: of what does not exist, of what is in use, of actions, and the form of their bodies.

Azure Resource Manager answers ``{"error": {"code", "message"}}`` for what it refuses by itself. What it passes on, the provider refuses in
a form of its own. The facts are in ``data/refusals.json``, from recorded traffic. A provider that is not listed answers as Azure Resource
Manager does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.facts import facts
from defender_remediate.testing.simulator.state.store import Store
from defender_remediate.testing.simulator.transport.exchange import ArmError, Reply

_CAUSE = "x-ms-failure-cause"
_ACTIVITY = "00000000-0000-4000-8000-0000000000ac"


@cache
def _facts(table: str) -> Mapping[str, Any]:
    return {fold(name): entry for name, entry in facts("refusals")[table].items()}


def missing(target: ids.ResourcePath) -> ArmError:
    """Returns the refusal for a resource that does not exist: the provider's, or else that of Azure Resource Manager."""
    kind = fold(target.type)
    names = "/".join(part for pair in zip(target.types, target.names, strict=True) for part in pair[1:])
    below = (f"{owner}/" for owner in _prefixes(kind) if owner != kind)
    known = _facts("missing")
    for place in (kind, *below, fold(target.namespace) if target.is_nested else ""):
        if known.get(place) is not None:
            code, message = known[place]
            return refusal("ProviderRefusal", code=code, message=_worded(message, target))
        if place in known:
            break
    return refusal("ResourceNotFound", type=target.type, name=names, group=target.group)


def _prefixes(kind: str) -> Iterator[str]:
    """Yields a type, its parent type, and so on to its provider."""
    while kind:
        yield kind
        kind = kind.rpartition("/")[0]


def check_action(target: ids.ResourcePath) -> None:
    """Refuses an action that needs a state which no resource of the simulator has, such as a migration to abort.

    Raises:
        ArmError: The provider's refusal.
    """
    found = _facts("actions").get(fold(target.type))
    if found is not None:
        status, code, message = found
        raise refusal("ProviderRefusal", status=status, code=code, message=_worded(message, target))


def check_use(target: ids.ResourcePath, properties: Mapping[str, Any], store: Store) -> None:
    """Refuses to delete a resource that others use: those that it shows, and those that name it.

    Raises:
        ArmError: The provider's refusal, which names a user.
    """
    facts_of_use = _facts("in_use").get(fold(target.type))
    if facts_of_use is None:
        return
    shown = properties.get(facts_of_use.get("member", ""))
    users = [shown] if shown else list(_users(target, facts_of_use["by"], store))
    if users:
        status, code, message = facts_of_use["refusal"]
        words = _worded(message.replace("{user}", "{{user}}"), target).replace("{user}", _named(users[0]))
        raise refusal("ProviderRefusal", status=status, code=code, message=words)


def _users(target: ids.ResourcePath, places: list[list[str]], store: Store) -> Iterator[str]:
    for kind, path in places:
        for resource in store.resources("", kind):
            named = values_at(resource.body.get("properties"), path.split("."))
            if any(isinstance(one, str) and ids.within(one, target.id) for one in named):
                yield resource.id


def _named(user: Any) -> str:
    first = user[0] if isinstance(user, list) else user
    return str(first.get("id")) if isinstance(first, Mapping) else str(first)


def values_at(value: Any, names: list[str]) -> Iterator[Any]:
    """Yields what is at a path of members, in each element of the arrays on the way."""
    if isinstance(value, list):
        for inner in value:
            yield from values_at(inner, names)
    elif not names:
        yield value
    elif isinstance(value, Mapping) and names[0] in value:
        yield from values_at(value[names[0]], names[1:])


def _worded(text: str, target: ids.ResourcePath) -> str:
    last = target.types[-1]
    entity = last[:-3] + "y" if last.endswith("ies") else last.removesuffix("s")
    return text.format(
        id=target.id,
        type=target.type,
        name=target.names[-1],
        last=last,
        entity=entity,
        Entity=entity[:1].upper() + entity[1:],
        parent=target.names[-2] if len(target.names) > 1 else "",
        group=target.group,
        subscription=target.subscription,
    )


def shaped(reply: Reply, path: str) -> Reply:
    """Returns the refusal of a request for a path in the form of the provider that makes it."""
    target = ids.path_of(path)
    if target is None:
        return reply
    error = reply.body["error"]
    form = _form(fold(target.type), fold(str(error.get("code"))), by_provider=reply.headers.get(_CAUSE) == "service")
    if form is None:
        return reply
    body = _filled(form, _words(error, target.id, reply.status))
    more = {name: value for name, value in error.items() if name not in ("code", "message")}
    holder = body.get("error") if isinstance(body.get("error"), dict) else body
    holder.update({name: value for name, value in more.items() if holder.get(name) in (None, [])})
    return attrs.evolve(reply, content=Reply.json(body).content)


def _form(kind: str, code: str, *, by_provider: bool) -> Any:
    known = _facts("forms")
    for place in _prefixes(kind):
        if f"{place}#{code}" in known:
            return known[f"{place}#{code}"]
        if by_provider and place in known:
            return known[place]
    return None


def _words(error: Mapping[str, Any], resource_id: str, status: int) -> dict[str, Any]:
    code = str(error.get("code"))
    return {
        "{code}": code,
        "{message}": error.get("message"),
        "{id}": resource_id,
        "{status}": status,
        # Which of its numbers the provider gives is not always known.
        "{number}": int(code) if code.isdecimal() else status * 1000,
        "{activity}": _ACTIVITY,
    }


def _filled(form: Any, words: Mapping[str, Any]) -> Any:
    if isinstance(form, Mapping):
        return {name: _filled(inner, words) for name, inner in form.items()}
    if isinstance(form, list):
        return [_filled(inner, words) for inner in form]
    return words.get(form, form) if isinstance(form, str) else form
