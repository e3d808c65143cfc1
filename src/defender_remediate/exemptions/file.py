"""Exemptions as a file: written from what exists, and read back to be planned."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import attrs

from defender_remediate import serialization, wire
from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.exemptions.bodies import rule_of
from defender_remediate.exemptions.terms import Terms, checked_terms
from defender_remediate.json_values import canonical
from defender_remediate.models.exemption import (
    RULE_KEY,
    AttestationEvidence,
    Exemption,
)
from defender_remediate.models.ids import ResourceId, id_key

KIND = "Exemptions"
_MEMBERS = frozenset(
    {
        "recommendation",
        "scope",
        "category",
        "reason",
        "owner",
        "ticket",
        "expires",
        "state",
        "evidence",
        "rule",
        "name",
    }
)


@attrs.frozen(kw_only=True)
class Entry:
    """One exemption or attestation of a file."""

    key: str
    scope: str
    name: str
    terms: Terms


def export(exemptions: Iterable[Exemption], *, now: datetime) -> str:
    """The text of a file. What it cannot express is listed with the reason, and applying it leaves that alone."""
    entries: dict[str, dict[str, tuple[Exemption, dict[str, Any]]]] = {}
    left_out: list[dict[str, str]] = []
    for one in exemptions:
        problem = _problem(one) if one.holds_at(now) else "it has ended"
        if problem is not None:
            left_out.append({"id": one.id, "reason": problem})
            continue
        for key in one.keys or (RULE_KEY,):
            entry = _entry(key, one)
            # One recommendation may be exempt once for each initiative.
            same = entries.setdefault(
                _subject(key, one.scope, entry.get("rule"), is_attestation=one.is_attestation), {}
            )
            same.setdefault(fold(canonical(entry)), (one, entry))
    kept: list[dict[str, Any]] = []
    for same in entries.values():
        if len(same) == 1:
            kept.extend(entry for _, entry in same.values())
        else:
            # Applying either of them would change the other one.
            problem = "another exemption of the same scope from the same recommendation has other terms"
            left_out.extend({"id": one.id, "reason": problem} for one, _ in same.values())
    ordered = sorted(kept, key=lambda entry: (fold(entry["scope"]), fold(entry["recommendation"])))
    return serialization.dumps({"kind": KIND, "exemptions": ordered, "not_exported": left_out})


def _problem(one: Exemption) -> str | None:
    if not one.keys and one.rule is None:
        return "it is from a whole assignment, or from policies that belong to no recommendation"
    if one.has_selectors:
        return "it has resource selectors"
    missing = [
        name for name, value in (("reason", one.reason), ("owner", one.owner), ("expiry", one.expires)) if not value
    ]
    if missing or one.expires is None:
        return f"it has no {' and no '.join(missing)}"
    try:
        checked_terms(
            reason=one.reason or "",
            owner=one.owner or "",
            expires=one.expires,
            ticket=one.ticket,
            category=None if one.is_attestation else str(one.category),
            state=one.state,
            evidence=one.evidence,
        )
    except InvalidInputError as error:
        return f"a file cannot hold it: {error.message}"
    return None


def _subject(key: str, scope: str, rule: Any, *, is_attestation: bool) -> str:
    """What an entry is about: a file has one entry for it."""
    return canonical([fold(key), id_key(scope), rule, is_attestation])


def _entry(key: str, one: Exemption) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "recommendation": key,
        "scope": one.scope,
        "reason": one.reason,
        "owner": one.owner,
        "expires": one.expires.isoformat() if one.expires else None,
    }
    if one.ticket:
        entry["ticket"] = one.ticket
    if one.state is not None:
        entry["state"] = str(one.state)
        entry["evidence"] = [{"description": each.description, "url": each.url} for each in one.evidence]
    else:
        entry["category"] = str(one.category)
    if one.rule is not None:
        entry["rule"] = rule_of(one)
        entry["name"] = one.name
    return entry


def read(text: str | bytes) -> tuple[Entry, ...]:
    """Read a file.

    Raises:
        InvalidInputError: It is not such a file; the message names the entry and the member.
    """
    document = serialization.loads(text, KIND, made_by="client.exemptions.export()")
    listed = document.get("exemptions")
    if not isinstance(listed, list):
        raise InvalidInputError("the file of exemptions has no array 'exemptions'")
    entries: dict[str, Entry] = {}
    for number, item in enumerate(listed, start=1):
        entry = _read_entry(number, item)
        subject = _subject(entry.key, entry.scope, entry.terms.rule, is_attestation=entry.terms.state is not None)
        if subject in entries:
            raise InvalidInputError(
                f"exemption {number} of the file is about the same recommendation and scope as an earlier one",
                hint="keep one of them",
            )
        entries[subject] = entry
    return tuple(entries.values())


def _read_entry(number: int, item: Any) -> Entry:
    where = f"exemption {number} of the file"
    if not isinstance(item, Mapping):
        raise InvalidInputError(f"{where} is not an object: {quoted(item)}")
    unknown = sorted(set(item) - _MEMBERS)
    if unknown:
        raise InvalidInputError(
            f"{where}: unknown field {quoted(unknown[0])}", hint=f"use {', '.join(sorted(_MEMBERS))}"
        )
    for name in ("recommendation", "scope", "reason", "owner", "expires"):
        if not isinstance(item.get(name), str) or not item[name].strip():
            raise InvalidInputError(f"{where}: {name} must be a string that is not blank, got {quoted(item.get(name))}")
    expires = wire.timestamp(item, "expires")
    if expires is None:
        raise InvalidInputError(f"{where}: expires is not a time: {quoted(item['expires'])}")
    state, category, rule = item.get("state"), item.get("category"), item.get("rule")
    if (state is None) == (category is None):
        raise InvalidInputError(f"{where}: give category for an exemption, or state for an attestation")
    if (rule is not None or item["recommendation"] == RULE_KEY) and (not isinstance(rule, Mapping) or not rule):
        raise InvalidInputError(f"{where}: rule must be an object that is not empty, got {quoted(rule)}")
    title = item.get("name")
    if title is not None and (not isinstance(title, str) or not title.strip()):
        raise InvalidInputError(f"{where}: name must be a string that is not blank, got {quoted(title)}")
    evidence = item.get("evidence")
    if evidence is not None and (state is None or not isinstance(evidence, list)):
        raise InvalidInputError(f"{where}: evidence must be an array, of an attestation only, got {quoted(evidence)}")
    try:
        terms = checked_terms(
            reason=item["reason"],
            owner=item["owner"],
            expires=expires,
            ticket=item.get("ticket"),
            category=category,
            state=state,
            evidence=[
                AttestationEvidence(description=wire.text(one, "description"), url=wire.text(one, "url"))
                for one in evidence or ()
            ],
            rule=rule,
        )
        scope = ResourceId.parse(item["scope"]).text
    except InvalidInputError as error:
        raise InvalidInputError(f"{where}: {error.message}", hint=error.hint) from error
    return Entry(key=item["recommendation"], scope=scope, name=title or "vulnerabilities", terms=terms)
