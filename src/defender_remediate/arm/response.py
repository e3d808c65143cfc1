"""A successful response."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
from azure.core.utils import CaseInsensitiveDict

from defender_remediate.arm.bodies import json_body
from defender_remediate.arm.urls import redact_url
from defender_remediate.errors import MalformedResponseError
from defender_remediate.redaction import redact_text


@attrs.frozen(kw_only=True)
class ArmResponse:
    """A successful response.

    Attributes:
        headers: Names match in any case.
        body: The parsed JSON; None when there was none.
        request_id: ``x-ms-request-id``, for a support case.
        url: The path and api-version of the request; the rest of its query is omitted.
    """

    status: int
    headers: Mapping[str, str] = attrs.field(repr=False)
    body: Any = attrs.field(repr=False)
    request_id: str
    url: str
    method: str

    @classmethod
    def of(cls, answer: Any, received: bytes, *, method: str, url: str) -> ArmResponse:
        """Convert a response of either of azure-core's two kinds, whose body was received.

        Raises:
            MalformedResponseError: The body is not JSON.
        """
        return cls(
            status=answer.status_code,
            headers=CaseInsensitiveDict(answer.headers),
            body=json_body(received, f"{method} {redact_url(url)}"),
            request_id=redact_text(answer.headers.get("x-ms-request-id", "")),
            url=redact_url(url),
            method=method,
        )


def check_object(response: ArmResponse) -> ArmResponse:
    """The response, if its body is what the body of a resource has to be: an object, or nothing.

    Raises:
        MalformedResponseError: It is an array or a bare value, which says nothing of the resource.
    """
    if response.body is not None and not isinstance(response.body, Mapping):
        kind = type(response.body).__name__
        raise MalformedResponseError(f"{response.method} {response.url}: the response is {kind}, not an object")
    return response
