"""Recognizes errors that report another running operation on the resource, so that the request can be retried.

Resource providers have no common code for it. Many send a specific code, or a general one such as ``Conflict``,
``OperationNotAllowed`` or ``429`` with a message that says it. This module reads both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from defender_remediate.arm.bodies import ErrorDetail
from defender_remediate.casing import fold

# In lower case, without spaces. Kept apart from the pattern because they do not say it in words.
_CODES = frozenset(
    {
        "concurrencyviolation",
        "concurrentupdateerror",
        "deploymentactive",
        "deploymentactiveanduneditable",
        # Of AKS: the managed cluster was changed by another operation while this one was being accepted.
        "etagmismatch",
        "operationpreempted",
        "referencedresourcenotprovisioned",
        "requestconflict",
        "retryableerror",
        "retryableerrorduetoanotheroperation",
        "servicelocked",
    }
)
_CODE = re.compile(
    r"inprogress|anotheroperation|busy|conflicting(\w*operation|concurrent)|(concurrent|simultaneous)\w*(update|operation|request|change|write)"
    r"|notready$|not(yet)?provisioned$|provisioningstate(invalid|notterminal|isnotterminal)$"
)
# Codes that forbid the request for another reason, whatever their message says.
_NEVER = re.compile(r"quota|scopelocked|cannotdelete|disallowedbypolicy|authorization|registration|disabled|throttle")

_MOVING = (
    r"['\"]?(?:updating|creating|accepted|provisioning|scaling|upgrading|configuring|restarting|starting|activating"
    r"|resuming|transitioning|migrating|inprogress|reconciling|moving)\w{0,20}['\"]?"
)
_CHANGED = (
    r"(?:updated|modified|created|provisioned|configured|scaled|upgraded|processed|started|restarted|stopped|deallocated"
    r"|migrated|moved|resized|patched|reconfigured)"
)
_WORK = r"(?:operation|update|request|deployment|upgrade|task|job|change|creation|provisioning|scaling|maintenance)s?"
_LOCK = re.compile(
    r"\bexc?lusive lock|\bacquire\b.{0,40}\block\b|\block\b.{0,40}\b(?:is|already) held\b"
    rf"|\banother (?:\w+ ){{0,4}}{_WORK}\b"
    r"|\bconflict\w* with (?:another|an ongoing|a concurrent|a pending|a running)\b",
    re.IGNORECASE,
)
_IN_PROGRESS = re.compile(
    rf"\b{_WORK}\b.{{0,120}}?\b(?:in[- ]progress|ongoing|(?:is|are) (?:currently |still |already )?(?:running|pending|executing))\b"
    rf"|\bin[- ]progress\b.{{0,80}}\b{_WORK}\b|\b{_WORK}\b.{{0,80}}\bunder ?way\b"
    rf"|\balready an? {_WORK}\b|\buntil the (?:current|previous|other|running|pending) {_WORK}\b"
    r"|\bprovisioning ?state (?:must|has to|should|needs to) be\b.{0,20}\bsucceeded\b|\bnot (?:yet ready|ready yet)\b"
    rf"|\b(?:there is|has|have) (?:an? )?(?:ongoing|pending|running|active) (?:\w+ )?{_WORK}\b"
    rf"|\b(?:previous|pending|ongoing|current) {_WORK}\b.{{0,80}}\b(?:not (?:yet )?(?:been )?complete|to (?:complete|finish|end))"
    r"|\b(?:is|are|was) (?:currently |still |already |too )?busy\b"
    rf"|\b(?:is|are|was) (?:currently |still |already )?being {_CHANGED}\b"
    rf"|\bconcurrent {_WORK}\b|\bconcurrently\b|\bin transition\b"
    rf"|\b(?:in|is|state:?)\s+(?:the |a |an )?(?:provisioning )?(?:state:? )?{_MOVING}(?:\s+(?:provisioning )?state\b|[.,;]|\s*$)",
    re.IGNORECASE | re.DOTALL,
)
# An instruction to do something first, such as "delete it and try again", is not one to wait.
_RETRY = re.compile(
    r"\b(?:wait|later|after (?:some|a) ?(?:time|while|few|moment))\b.{0,60}\b(?:re)?try\b|\b(?:re)?try\b.{0,60}\b(?:later|after (?:some|a) ?(?:time|while|few|moment)|in (?:a few|some|a) \w+)"
    r"|(?<!and )(?<!then )\bplease (?:re)?try (?:again\b|the (?:operation|request)\b|your request\b|\.|$)",
    re.IGNORECASE | re.DOTALL,
)
_QUOTA = re.compile(r"\bquota\b|\bexceed", re.IGNORECASE)
_CONFLICTS = frozenset({409, 412, 423})


def is_busy(status: int | None, details: Iterable[ErrorDetail]) -> bool:
    """Whether an error reports another running operation on the resource.

    Args:
        status: The HTTP status of a refusal; None for an operation that ended Failed.
        details: The codes and messages of its body.
    """
    return any(_says_busy(status, detail) for detail in details)


def _says_busy(status: int | None, detail: ErrorDetail) -> bool:
    code = fold(detail.code).replace(" ", "")
    message = detail.message[:1000]
    if status is not None and status not in (400, 429, *_CONFLICTS):
        return False
    if _NEVER.search(code) or _QUOTA.search(message):
        return False
    if code in _CODES or _CODE.search(code) or _LOCK.search(message):
        return True
    if status == 429:
        # Too many requests are often said to be "in progress", and always to be tried again later.
        return False
    if _IN_PROGRESS.search(message):
        return True
    # A bad request that suggests to try again means: with other content.
    return status in _CONFLICTS and _RETRY.search(message) is not None
