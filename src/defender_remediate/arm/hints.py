"""What a caller can do about Azure's error codes, in this library's words."""

from __future__ import annotations

import re
from collections.abc import Iterable

from defender_remediate import wire
from defender_remediate.arm.bodies import Fault
from defender_remediate.casing import fold

_QUOTED = re.compile(r"'([^']+)'")
_LOCKED = re.compile(r"locked:\s*(.+?)\.\s*Please", re.IGNORECASE | re.DOTALL)
_OFFERED = re.compile(r"(?:supported|available) (?:api-)?versions? (?:are|is) '([^']*)'", re.IGNORECASE)
_DENIED = re.compile(
    r"perform action(?:\(s\))? '(?P<action>[^']+)' (?:over|on the linked) scope(?:\(s\))? '(?P<scope>[^']+)'"
)
_POLICY_ID = re.compile(r'"(?:id|policyDefinitionId|policyAssignmentId)"\s*:\s*"([^"]+)"')

_PLAIN = {
    "subscription not registered": "register Microsoft.Security in this subscription: nothing is known about it until "
    "then, which is not the same as nothing found",
    "missingsubscriptionregistration": "register the resource provider in this subscription; this library never does "
    "that by itself",
    "readonlydisabledsubscription": "the subscription is disabled: every write to it fails until it is enabled again",
    "subscriptiondisabled": "the subscription is disabled: every write to it fails until it is enabled again",
    "subscriptionrequeststhrottled": "too many requests of this kind for the subscription: every worker has to wait",
    "toomanyrequests": "the resource provider is busy: wait, then try again",
    "retryableerrorduetoanotheroperation": "another operation holds this resource; others need not wait",
    "ratelimiting": "Resource Graph takes 15 queries in 5 seconds from one user: wait, then send the same query again",
    "anotheroperationinprogress": "another operation holds this resource; it ends by itself",
    "storageaccountoperationinprogress": "another operation holds this storage account; it ends by itself",
    "deploymentactive": "a deployment of the same name is still running: wait for it, or use another name",
    "deploymentactiveanduneditable": "a deployment of the same name is still running: wait for it, or use another name",
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
    "invalidtemplate": "the template is wrong; the message says where",
    "missingapiversionparameter": "the request had no api-version",
}


def hint_for(faults: Iterable[Fault]) -> str:
    """The advice for the innermost code that there is advice for; empty when there is none."""
    for fault in sorted(faults, key=lambda fault: -fault.depth):
        code = fold(fault.code)
        made = _MAKERS.get(code)
        hint = made(fault) if made else _PLAIN.get(code, "")
        if hint:
            return hint
    return ""


def offered_in(message: str) -> tuple[str, ...]:
    """The api-versions that a refusal offers in its text, newest first."""
    found = _OFFERED.search(message)
    offered = {part.strip() for part in found.group(1).split(",")} - {""} if found else set()
    return tuple(sorted(offered, reverse=True))


def _locked(fault: Fault) -> str:
    found = _LOCKED.search(fault.message)
    scopes = ", ".join(_QUOTED.findall(found.group(1))) if found else ""
    return (
        f"a ReadOnly lock is on {scopes}; whoever owns it can remove it" if scopes else "a ReadOnly lock forbids this"
    )


def _denied_by_policy(fault: Fault) -> str:
    named = [
        wire.text(wire.mapping(item.get("info")), name)
        for item in fault.info
        for name in ("policyAssignmentId", "policyDefinitionId")
    ]
    ids = list(dict.fromkeys(filter(None, [*named, *_POLICY_ID.findall(fault.message)])))
    shown = f": {', '.join(ids)}" if ids else ""
    return f"a deny policy refuses this{shown}; change the policy, or exempt the resource from it"


def _not_authorised(fault: Fault) -> str:
    found = _DENIED.search(fault.message)
    if not found:
        return "you lack a permission for this"
    return (
        f"you need {found['action']} on {found['scope']}; a scope that does not exist reads the same, "
        "and a new role assignment takes minutes to count"
    )


def _other_version(fault: Fault) -> str:
    offered = ", ".join(offered_in(fault.message)[:5])
    return f"this cloud offers api-versions {offered}" if offered else "this cloud does not offer this api-version"


_MAKERS = {
    "scopelocked": _locked,
    "requestdisallowedbypolicy": _denied_by_policy,
    "authorizationfailed": _not_authorised,
    "linkedauthorizationfailed": _not_authorised,
    "noregisteredproviderfound": _other_version,
    "invalidapiversionparameter": _other_version,
}
