"""Which api-versions a cloud offers, through azure-mgmt-resource on our own pipeline."""

from __future__ import annotations

from typing import Any

import pytest
import responses
from responses import matchers

from defender_remediate.arm.providers import Providers, newest_api_version
from defender_remediate.arm.session import ArmSession
from defender_remediate.errors import (
    ConflictError,
    InvalidInputError,
    MalformedResponseError,
    NotFoundError,
    RequestError,
)

SUBSCRIPTION = "11111111-2222-3333-4444-555555555555"
URL = f"https://management.azure.com/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Storage"
TYPE = "Microsoft.Storage/storageAccounts"
BODY: dict[str, Any] = {
    "id": URL,
    "namespace": "Microsoft.Storage",
    "resourceTypes": [
        {
            "resourceType": "storageaccounts",
            "apiVersions": ["2021-01-01", "2025-01-01-preview", "2023-05-01", "2024-01-01"],
        },
        {"resourceType": "storageAccounts/blobServices", "apiVersions": ["2022-01-01-preview"]},
        {"resourceType": "operations"},
    ],
}


def test_the_newest_stable_version_comes_first(session: ArmSession, wire: responses.RequestsMock) -> None:
    """Previews come after all stable ones, whatever their date; types compare in any case."""
    wire.get(URL, json=BODY, match=[matchers.header_matcher({"x-ms-correlation-request-id": "run-1"})])
    found = Providers(session.correlated("run-1")).api_versions(SUBSCRIPTION, TYPE)
    assert found == ("2024-01-01", "2023-05-01", "2021-01-01", "2025-01-01-preview")


@pytest.mark.parametrize(
    ("kind", "expected"), [("storageAccounts/blobServices", ("2022-01-01-preview",)), ("operations", ()), ("none", ())]
)
def test_other_types(session: ArmSession, wire: responses.RequestsMock, kind: str, expected: tuple[str, ...]) -> None:
    """Some have previews only, some none at all, and some are not there."""
    wire.get(URL, json=BODY)
    assert Providers(session).api_versions(SUBSCRIPTION, f"Microsoft.Storage/{kind}") == expected


def test_a_provider_without_types_offers_nothing(session: ArmSession, wire: responses.RequestsMock) -> None:
    """Azure may leave the list out."""
    wire.get(URL, json={"namespace": "Microsoft.Storage"})
    assert Providers(session).api_versions(SUBSCRIPTION, TYPE) == ()


def test_nothing_is_registered_on_the_way(session: ArmSession, wire: responses.RequestsMock) -> None:
    """The client's own pipeline would answer this 409 with a POST that registers the provider."""
    wire.get(URL, status=409, json={"error": {"code": "MissingSubscriptionRegistration", "message": "m"}})
    with pytest.raises(RequestError, match="MissingSubscriptionRegistration"):
        Providers(session).api_versions(SUBSCRIPTION, TYPE)
    assert [call.request.method for call in wire.calls] == ["GET"]


@pytest.mark.parametrize(("status", "expected"), [(404, NotFoundError), (409, ConflictError)])
def test_an_error_is_one_of_ours(
    session: ArmSession, wire: responses.RequestsMock, status: int, expected: type[RequestError]
) -> None:
    """The generated client raises its own."""
    wire.get(URL, status=status, json={"error": {"code": "Odd", "message": "m"}})
    with pytest.raises(expected):
        Providers(session).api_versions(SUBSCRIPTION, TYPE)


def test_it_is_read_as_patiently_as_everything_else(session: ArmSession, wire: responses.RequestsMock) -> None:
    """503, then a body that was cut, then the answer."""
    wire.get(URL, status=503)
    wire.get(URL, body=b'{"namespace":', content_type="application/json")
    wire.get(URL, json=BODY)
    assert Providers(session).api_versions(SUBSCRIPTION, TYPE)[0] == "2024-01-01"


def test_a_body_that_stays_cut_is_an_error(session: ArmSession, wire: responses.RequestsMock) -> None:
    """One of ours as well."""
    wire.get(URL, body=b'{"namespace":', content_type="application/json")
    with pytest.raises(MalformedResponseError, match="not a resource provider"):
        Providers(session).api_versions(SUBSCRIPTION, TYPE)


def test_a_body_that_is_nested_too_deeply_is_an_error(session: ArmSession, wire: responses.RequestsMock) -> None:
    """The generated client would end in a RecursionError."""
    wire.get(URL, body=b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}", content_type="application/json")
    with pytest.raises(MalformedResponseError):
        Providers(session).api_versions(SUBSCRIPTION, TYPE)


@pytest.mark.parametrize("bad", ["storageAccounts", "Microsoft.Storage/", "/x", ""])
def test_a_type_without_a_provider_is_refused(session: ArmSession, bad: str) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidInputError):
        Providers(session).api_versions(SUBSCRIPTION, bad)


def test_a_failing_credential_stays_a_credential_error(wire: responses.RequestsMock, session: ArmSession) -> None:
    """The client was closed, which is a mistake of the caller's and is told as such."""
    session.close()
    with pytest.raises(InvalidInputError, match="closed"):
        Providers(session).api_versions(SUBSCRIPTION, TYPE)


def test_an_older_cloud_is_asked_in_an_older_version(session: ArmSession, wire: responses.RequestsMock) -> None:
    """When it refuses the newest."""
    wire.get(URL, status=400, json={"error": {"code": "InvalidApiVersionParameter", "message": "m"}})
    wire.get(URL, json=BODY)
    assert newest_api_version(Providers(session).api_versions, SUBSCRIPTION, TYPE) == "2024-01-01"
    assert [call.request.params["api-version"] for call in wire.calls] == ["2025-04-01", "2021-04-01"]  # type: ignore[attr-defined]


def test_a_provider_is_read_once_while_it_is_registered(session: ArmSession, wire: responses.RequestsMock) -> None:
    """One that is not may be registered before the next plan; what is known is shared with other sessions of a client."""
    wire.get(URL, json={**BODY, "registrationState": "NotRegistered"})
    wire.get(URL, json={**BODY, "registrationState": "Registered"})
    providers = Providers(session)
    for _ in range(3):
        providers.get(SUBSCRIPTION, "Microsoft.Storage")
    assert providers.over(session.correlated("c")).get(SUBSCRIPTION.upper(), "microsoft.storage")["resourceTypes"]
    assert len(wire.calls) == 2


@pytest.mark.parametrize("body", [b"[]", b"5", b'"x"'])
def test_what_is_not_a_provider_is_an_error(session: ArmSession, wire: responses.RequestsMock, body: bytes) -> None:
    """Whatever the generated client makes of it."""
    wire.get(URL, body=body, content_type="application/json")
    with pytest.raises(MalformedResponseError):
        Providers(session).get(SUBSCRIPTION, "Microsoft.Storage")
