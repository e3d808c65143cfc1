"""Hints for Azure's error codes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from defender_remediate import wire
from defender_remediate.arm.bodies import ErrorDetail
from defender_remediate.casing import fold

_QUOTED = re.compile(r"'([^']+)'")
_LOCKED = re.compile(r"locked:\s*(.+?)\.\s*Please", re.IGNORECASE | re.DOTALL)
_OFFERED = re.compile(r"(?:supported|available) (?:api-)?versions? (?:are|is) '([^']*)'", re.IGNORECASE)
_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(-[A-Za-z0-9.]{1,20})?")
_DENIED = re.compile(
    r"perform action(?:\(s\))? '(?P<action>[^']+)' (?:over|on the linked) scope(?:\(s\))? '(?P<scope>[^']+)'"
)
_POLICY_ID = re.compile(r'"(?:id|policyDefinitionId|policyAssignmentId)"\s*:\s*"([^"]+)"')

BUSY_HINT = "wait until the other operation on this resource has ended, then send the same request again"

_PLAIN = {
    "subscription not registered": "register Microsoft.Security in this subscription: nothing is known about it until "
    "then, which is not the same as nothing found",
    "missingsubscriptionregistration": "register the resource provider in this subscription; this library never does "
    "that by itself",
    "readonlydisabledsubscription": "the subscription is disabled: every write to it fails until it is enabled again",
    "subscriptiondisabled": "the subscription is disabled: every write to it fails until it is enabled again",
    "subscriptionrequeststhrottled": "too many requests of this kind for the subscription: wait, then try again",
    "toomanyrequests": "the resource provider is busy: wait, then try again",
    "ratelimiting": "Resource Graph takes 15 queries in 5 seconds from one user: wait, then send the same query again",
    "deploymentquotaexceeded": "this scope holds 800 deployments in its history: delete old ones",
    "conflict": "the state of the resource does not allow this; the message says which state",
    "operationnotallowed": "a quota or the state of the resource forbids this",
    "resourcenotfound": "it was deleted, or you may not see it: list again",
    "resourcegroupnotfound": "the resource group was deleted, or you may not see it: list again",
    "subscriptionnotfound": "you have no access to this subscription, or signed in to another tenant",
    "invalidresourcetype": "the type is not known under this api-version; the resource itself may exist",
    "preconditionfailed": "the resource changed since it was read: plan again",
    "expiredauthenticationtoken": "the token has expired: sign in again",
    "invalidauthenticationtoken": "the token was refused: sign in again",
    "invalidauthenticationtokentenant": "the token is of another tenant than the subscription",
    "authenticationfailed": "the token was refused: sign in again, or ask for the audience of this endpoint",
    "gatewaytimeout": "the provider did not answer in time; a write may have taken effect, so read the resource first",
    "invalidtemplate": "the template is invalid; the message says where",
    "missingapiversionparameter": "the request had no api-version",
}


def hint_for(details: Iterable[ErrorDetail]) -> str:
    """The hint for the innermost code that has one; empty if no code has one."""
    for detail in sorted(details, key=lambda detail: -detail.depth):
        code = fold(detail.code)
        made = _MAKERS.get(code)
        hint = made(detail) if made else _PLAIN.get(code, "")
        if hint:
            return hint
    return ""


def supported_versions_in(details: Iterable[ErrorDetail]) -> tuple[str, ...]:
    """The api-versions that an error message names as supported, newest first."""
    offered: set[str] = set()
    for detail in details:
        found = _OFFERED.search(detail.message)
        if found:
            offered.update(part.strip() for part in found[1].split(","))
    return tuple(sorted(filter(_VERSION.fullmatch, offered), reverse=True))


def _locked(detail: ErrorDetail) -> str:
    found = _LOCKED.search(detail.message)
    scopes = ", ".join(_QUOTED.findall(found.group(1))) if found else ""
    return f"a ReadOnly lock is on {scopes}; its owner can remove it" if scopes else "a ReadOnly lock forbids this"


def _denied_by_policy(detail: ErrorDetail) -> str:
    named = [
        wire.text(wire.mapping(item.get("info")), name)
        for item in detail.info
        for name in ("policyAssignmentId", "policyDefinitionId")
    ]
    ids = list(dict.fromkeys(filter(None, [*named, *_POLICY_ID.findall(detail.message)])))
    shown = f": {', '.join(ids)}" if ids else ""
    return f"a deny policy refuses this{shown}; change the policy, or exempt the resource from it"


def _not_authorised(detail: ErrorDetail) -> str:
    found = _DENIED.search(detail.message)
    if not found:
        return "you lack a permission for this"
    return (
        f"you need {found['action']} on {found['scope']}; a scope that does not exist reads the same, "
        "and a new role assignment takes minutes to count"
    )


def _other_version(detail: ErrorDetail) -> str:
    offered = ", ".join(supported_versions_in([detail])[:5])
    return f"this cloud offers api-versions {offered}" if offered else "this cloud does not offer this api-version"


_MAKERS = {
    "scopelocked": _locked,
    "requestdisallowedbypolicy": _denied_by_policy,
    "authorizationfailed": _not_authorised,
    "linkedauthorizationfailed": _not_authorised,
    "noregisteredproviderfound": _other_version,
    "invalidapiversionparameter": _other_version,
}
