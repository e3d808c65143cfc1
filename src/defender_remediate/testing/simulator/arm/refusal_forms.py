"""Refusals as each provider writes them: what it answers for a resource that does not exist, and the form of its bodies.

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
            return refusal("ProviderNotFound", code=code, message=_worded(message, target))
        if place in known:
            break
    return refusal("ResourceNotFound", type=target.type, name=names, group=target.group)


def _prefixes(kind: str) -> Iterator[str]:
    """Yields a type, its parent type, and so on to its provider."""
    while kind:
        yield kind
        kind = kind.rpartition("/")[0]


def _worded(text: str, target: ids.ResourcePath) -> str:
    last = target.types[-1]
    entity = last[:-3] + "y" if last.endswith("ies") else last.removesuffix("s")
    return text.format(
        id=target.id,
        type=target.type,
        name=target.name,
        last=last,
        entity=entity,
        Entity=entity[:1].upper() + entity[1:],
        parent=target.names[-2] if target.is_nested else "",
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
    return {
        "{code}": error.get("code"),
        "{message}": error.get("message"),
        "{id}": resource_id,
        "{status}": status,
        "{number}": status * 1000,  # which of its numbers the provider gives is not known
        "{activity}": _ACTIVITY,
    }


def _filled(form: Any, words: Mapping[str, Any]) -> Any:
    if isinstance(form, Mapping):
        return {name: _filled(inner, words) for name, inner in form.items()}
    if isinstance(form, list):
        return [_filled(inner, words) for inner in form]
    return words.get(form, form) if isinstance(form, str) else form
