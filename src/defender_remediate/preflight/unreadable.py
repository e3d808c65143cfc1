"""The check result for a read that failed: unchecked, or a warning where the endpoint has nothing to check."""

from __future__ import annotations

import re

from defender_remediate.casing import fold
from defender_remediate.errors import (
    DefenderRemediateError,
    MalformedResponseError,
    NotFoundError,
    ProviderNotRegisteredError,
    RequestError,
)
from defender_remediate.models.check import CheckResult, CheckStatus

_NO_SUCH_VERSION = frozenset({"invalidresourcetype", "noregisteredproviderfound", "invalidapiversionparameter"})
_NO_SUCH_METHOD = frozenset({405, 501})
# For a listing of a whole subscription or group, a missing scope has an error code of its own.
_WHOLE_SCOPE = re.compile(
    r"/subscriptions/[^/]+(/resourcegroups/[^/]+)?/(resources|providers/[^/]+(/[^/]+)?)", re.IGNORECASE
)


def is_not_offered(error: DefenderRemediateError) -> bool:
    """Whether an answer to a listing says that the endpoint has no such collection at all.

    A 404 that names something missing, such as ``ResourceGroupNotFound``, does not: the collection may exist.
    ``ResourceNotFound`` does for a whole subscription or group, where nothing but the collection can be missing.
    A provider that is not registered does not either.
    """
    if not isinstance(error, RequestError) or isinstance(error, ProviderNotRegisteredError):
        return False
    code = fold(error.code or "")
    if error.status == 400:
        return code in _NO_SUCH_VERSION
    if isinstance(error, NotFoundError):
        if code == "resourcenotfound":
            return _WHOLE_SCOPE.fullmatch(error.url.partition("?")[0]) is not None
        return code == "notfound" or not code.endswith("notfound")
    return error.status in _NO_SUCH_METHOD


def unreadable(check: str, error: DefenderRemediateError) -> CheckResult:
    """The result of a check whose read failed.

    Its text is the same for the same failure, because the digest of a plan covers it: no tracking ids, no times.

    Args:
        check: The name of the check.
        error: How the read failed.
    """
    label = check.replace("_", " ")
    evidence: tuple[str, ...] = ()
    if isinstance(error, RequestError):
        answer = f"{error.status} {error.code or ''}".rstrip()
        evidence = (f"{error.method} {error.url}",) if error.url else ()
    elif isinstance(error, MalformedResponseError):
        answer = "invalid response"
        evidence = (error.message,)
    else:
        answer = "no response"
    if is_not_offered(error):
        return CheckResult(
            check=check,
            status=CheckStatus.WARNING,
            message=f"the {label} check could not be made: this endpoint does not support it ({answer})",
            evidence=evidence,
            advice="nothing to do if the endpoint has no such feature; on Azure itself, check it manually",
        )
    return CheckResult(
        check=check,
        status=CheckStatus.UNCHECKED,
        message=f"the {label} check could not be made: {answer}",
        evidence=evidence,
        advice=f'{error.hint or "resolve the error and plan again"}; or pass waive={{"{check}": "reason"}}',
    )
