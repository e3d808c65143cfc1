"""Finds fixes by words and filters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.json_values import canonical
from defender_remediate.models.control import SecurityControl
from defender_remediate.models.fix import FixAction
from defender_remediate.validation import string

# What people call a service that its resource type does not say.
_SERVICES = {
    "microsoft.apimanagement": "api management apim",
    "microsoft.app": "container apps",
    "microsoft.automation": "automation account",
    "microsoft.cache": "redis cache",
    "microsoft.cognitiveservices": "ai services foundry openai",
    "microsoft.compute": "virtual machine vm scale set disk",
    "microsoft.containerregistry": "container registry acr",
    "microsoft.containerservice": "kubernetes service aks cluster",
    "microsoft.datafactory": "data factory adf",
    "microsoft.dbformysql": "mysql database server",
    "microsoft.dbforpostgresql": "postgresql postgres database server",
    "microsoft.documentdb": "cosmos db database",
    "microsoft.eventgrid": "event grid",
    "microsoft.eventhub": "event hubs",
    "microsoft.keyvault": "key vault",
    "microsoft.machinelearningservices": "machine learning workspace",
    "microsoft.network": "network",
    "microsoft.operationalinsights": "log analytics workspace",
    "microsoft.search": "ai search cognitive search",
    "microsoft.security": "defender for cloud",
    "microsoft.servicebus": "service bus",
    "microsoft.sql": "sql database server managed instance",
    "microsoft.storage": "storage account blob",
    "microsoft.synapse": "synapse analytics workspace",
    "microsoft.web": "app service web app function app",
}
_WORD = re.compile(r"[^\W_]+")
# The words of a name in camel case: minTlsVersion has min, tls and version.
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Real types differ more than this from each other.
_SAME_TYPE = 0.94
_MOST_SUGGESTIONS = 4
_ValueOf = Callable[[FixAction], str]


def search(
    fixes: Sequence[FixAction],
    text: str,
    *,
    provider: str | None,
    control: str | SecurityControl | None,
    resource_type: str | None,
) -> tuple[FixAction, ...]:
    """The fixes that match; see ``Catalog.search``."""
    words = list(dict.fromkeys(_words(string("text", text))))
    if not words and provider is None and control is None and resource_type is None:
        raise InvalidInputError(
            f"nothing to search for in {quoted(text)}", hint='pass words, such as "tls app service", or a filter'
        )
    found: Iterable[FixAction] = fixes
    if provider is not None:
        found = _filtered(fixes, "provider", provider, _provider, short=_short_provider)
    if control is not None:
        name = control.display_name if isinstance(control, SecurityControl) else control
        found = _filtered(found, "control", name, lambda fix: fix.control or "")
    if resource_type is not None:
        found = _filtered(found, "resource_type", resource_type, lambda fix: fix.resource_type)
    scored = [(_score(fix, words), fix) for fix in found]
    most = max((score[0] for score, _ in scored), default=0)
    best = [(score, fix) for score, fix in scored if score[0] == most and (most or not words)]
    best.sort(
        key=lambda one: (-one[0][1], fold(one[1].title), fold(one[1].resource_type), one[1].variant or "", one[1].key)
    )
    return tuple(fix for _, fix in best)


def check_resource_type(given: str, fixes: Iterable[FixAction]) -> None:
    """Refuse a string that cannot be a resource type, or that misspells one for which there is a fix.

    Raises:
        InvalidInputError: Says which resource types are meant.
    """
    known = {fold(fix.resource_type): fix.resource_type for fix in fixes}
    wanted = fold(given.strip())
    if "/" in given:
        close = [known[one] for one in get_close_matches(wanted[:200], known, n=1, cutoff=_SAME_TYPE)]
        if close:
            raise InvalidInputError(
                f"the catalog has no fix for the resource type {quoted(given)}", hint=f"did you mean {close[0]}?"
            )
        return
    alike = sorted(shown for folded, shown in known.items() if wanted and wanted in folded)
    hint = f"did you mean {' or '.join(alike[:_MOST_SUGGESTIONS])}?" if alike else None
    raise InvalidInputError(
        f"expected a resource type with its provider, such as Microsoft.Storage/storageAccounts, got {quoted(given)}",
        hint=hint,
    )


def _filtered(
    fixes: Iterable[FixAction],
    argument: str,
    wanted: str,
    value_of: _ValueOf,
    short: _ValueOf | None = None,
) -> list[FixAction]:
    folded = fold(string(argument, wanted).strip())
    candidates = list(fixes)
    found = [
        fix for fix in candidates if folded and folded in {fold(value_of(fix)), fold(short(fix)) if short else None}
    ]
    if found or not candidates:
        return found
    known = {fold(value_of(fix)): value_of(fix) for fix in candidates if value_of(fix)}
    close = get_close_matches(folded[:200], known, n=_MOST_SUGGESTIONS)
    close += [one for one in sorted(known) if folded and folded in one and one not in close]
    shown = [known[one] for one in close[:_MOST_SUGGESTIONS]]
    hint = f"did you mean {' or '.join(shown)}?" if shown else f"for example {', '.join(sorted(known.values())[:3])}"
    raise InvalidInputError(f"the catalog has no fix of the {argument.replace('_', ' ')} {quoted(wanted)}", hint=hint)


def _provider(fix: FixAction) -> str:
    return fix.resource_type.partition("/")[0]


def _short_provider(fix: FixAction) -> str:
    return _provider(fix).rpartition(".")[2]


def _score(fix: FixAction, words: Iterable[str]) -> tuple[int, int]:
    """How many of the words a fix has, and how prominently."""
    places = (
        (4, _words(fix.title)),
        (3, _words(_SERVICES.get(fold(_provider(fix)), ""))),
        (2, _words(f"{fix.resource_type} {fix.linked_type or ''} {fix.variant or ''} {fix.kind}")),
        (2, _words(fix.control or "")),
        (1, _words(f"{fix.target} {canonical(fix.body) if fix.body else fix.template_name or ''} {fix.key}")),
    )
    matched = weight = 0
    for word in words:
        weights = [worth + (word in found) for worth, found in places if any(one.startswith(word) for one in found)]
        matched += bool(weights)
        weight += max(weights, default=0)
    return matched, weight


def _words(text: str) -> list[str]:
    return _WORD.findall(fold(_HUMP.sub(" ", text)))
