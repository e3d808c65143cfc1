"""A check that could not be made, as a finding: it stops the step, except where the place has no such thing to check."""

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
from defender_remediate.models.check import CheckName, CheckResult, CheckStatus

_NO_SUCH_VERSION = frozenset({"invalidresourcetype", "noregisteredproviderfound", "invalidapiversionparameter"})
_NO_SUCH_METHOD = frozenset({405, 501})
# A listing of a whole subscription or group: a scope that is missing has an error code of its own there.
_WIDE = re.compile(r"/subscriptions/[^/]+(/resourcegroups/[^/]+)?/providers/[^/]+(/[^/]+)?", re.IGNORECASE)
_ADVICE = "have it looked at, then plan again"
_WAIVER = 'or pass waive={{"{check}": "why"}}'


def is_not_offered(error: DefenderRemediateError) -> bool:
    """Whether an answer to a listing says that this endpoint has no such collection at all.

    A 404 that names something missing (``ResourceGroupNotFound`` and its like) does not: the collection may be there.
    ``ResourceNotFound`` does for a whole subscription or group, where all that can be missing is the collection.
    Nor does a provider that is not registered.
    """
    if not isinstance(error, RequestError) or isinstance(error, ProviderNotRegisteredError):
        return False
    code = fold(error.code)
    if error.status == 400:
        return code in _NO_SUCH_VERSION
    if isinstance(error, NotFoundError):
        if code == "resourcenotfound":
            return _WIDE.fullmatch(error.url.partition("?")[0]) is not None
        return code == "notfound" or not code.endswith("notfound")
    return error.status in _NO_SUCH_METHOD


def failed(check: CheckName, what: str, error: DefenderRemediateError) -> CheckResult:
    """The finding that a failed read is: could not be checked, or a warning that there is nothing to ask here.

    It says the same each time the same happens, because a plan's digest covers what is found.

    Args:
        check: Which check.
        what: What was read, in the plural, such as ``"locks"``.
        error: How the read failed.
    """
    seen = (f"{error.method} {error.url}",) if isinstance(error, RequestError) and error.url else ()
    if is_not_offered(error):
        return CheckResult(
            check=check,
            status=CheckStatus.WARNING,
            message=f"this endpoint does not offer {what} ({_word(error)}), so that nothing of the kind was looked at",
            evidence=seen,
            advice="nothing to do where there are none; on Azure itself, look at them by hand",
        )
    return CheckResult(
        check=check,
        status=CheckStatus.UNCHECKED,
        message=f"{what} could not be read: {_word(error)}",
        evidence=seen or ((error.message,) if isinstance(error, MalformedResponseError) else ()),
        advice=f"{error.hint or _ADVICE}; {_WAIVER.format(check=check)}",
    )


def _word(error: DefenderRemediateError) -> str:
    if isinstance(error, RequestError):
        return f"{error.status} {error.code}".rstrip()
    return "the answer is broken" if isinstance(error, MalformedResponseError) else "no answer came"
