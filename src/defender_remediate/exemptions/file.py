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
from defender_remediate.exemptions.bodies import Terms, rule_of
from defender_remediate.json_values import canonical
from defender_remediate.models.exemption import (
    RULE_KEY,
    AttestationEvidence,
    ComplianceState,
    Exemption,
    ExemptionCategory,
)
from defender_remediate.models.ids import ResourceId

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
    entries: dict[str, dict[str, Any]] = {}
    left_out: list[dict[str, str]] = []
    for one in exemptions:
        problem = _problem(one) if one.holds_at(now) else "it has ended"
        if problem is not None:
            left_out.append({"id": one.id, "reason": problem})
            continue
        for key in one.keys or (RULE_KEY,):
            entry = _entry(key, one)
            # One recommendation may be exempt once for each initiative.
            entries.setdefault(fold(canonical(entry)), entry)
    ordered = sorted(entries.values(), key=lambda entry: (fold(entry["scope"]), fold(entry["recommendation"])))
    return serialization.dumps({"kind": KIND, "exemptions": ordered, "not_exported": left_out})


def _problem(one: Exemption) -> str | None:
    if not one.keys and one.rule is None:
        return "it is from a whole assignment, or from policies that belong to no recommendation"
    if one.has_selectors:
        return "it has resource selectors"
    missing = [
        name for name, value in (("reason", one.reason), ("owner", one.owner), ("expiry", one.expires)) if not value
    ]
    return f"it has no {' and no '.join(missing)}" if missing else None


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
    document = serialization.loads(text, KIND)
    listed = document.get("exemptions")
    if not isinstance(listed, list):
        raise InvalidInputError("the file of exemptions has no array 'exemptions'")
    return tuple(_read_entry(number, item) for number, item in enumerate(listed, start=1))


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
    evidence = item.get("evidence") or []
    return Entry(
        key=item["recommendation"],
        scope=ResourceId.parse(item["scope"]).text,
        name=wire.text(item, "name") or "vulnerabilities",
        terms=terms_of(
            reason=item["reason"],
            owner=item["owner"],
            expires=expires,
            ticket=item.get("ticket"),
            category=category,
            state=state,
            evidence=[
                AttestationEvidence(description=wire.text(one, "description"), url=wire.text(one, "url"))
                for one in (evidence if isinstance(evidence, list) else [])
            ],
            rule=rule if isinstance(rule, Mapping) else None,
        ),
    )


def terms_of(
    *,
    reason: str,
    owner: str,
    expires: datetime,
    ticket: str | None = None,
    category: str | None = None,
    state: str | None = None,
    evidence: Iterable[AttestationEvidence] = (),
    rule: Mapping[str, Any] | None = None,
) -> Terms:
    """The terms that a caller gave.

    Raises:
        InvalidInputError: One is missing or invalid.
    """
    if not isinstance(expires, datetime) or expires.tzinfo is None:
        raise InvalidInputError(
            f"expires must be a datetime with a time zone, got {quoted(expires)}",
            hint="pass datetime(2027, 6, 30, tzinfo=timezone.utc)",
        )
    given_category = None if category is None else ExemptionCategory(category)
    if given_category is not None and not given_category.is_known:
        raise InvalidInputError(f"category must be Waiver or Mitigated, got {quoted(category)}")
    given_state = None if state is None else ComplianceState(state)
    if given_state is not None and not given_state.is_known:
        known = ", ".join(str(one) for one in ComplianceState)
        raise InvalidInputError(f"state must be one of {known}, got {quoted(state)}")
    return Terms(
        reason=reason.strip(),
        owner=owner.strip(),
        expires=expires.replace(microsecond=0),
        ticket=ticket,
        category=given_category,
        state=given_state,
        evidence=tuple(evidence),
        rule=rule,
    )
