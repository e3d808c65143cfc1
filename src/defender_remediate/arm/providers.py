"""Reads the resource providers of a subscription: their registration, types and api-versions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, cast

from defender_remediate import wire
from defender_remediate.arm.bodies import json_body
from defender_remediate.arm.errors import body_of, refuses_version, translate
from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import DefenderRemediateError, InvalidInputError, MalformedResponseError, RequestError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

ApiVersions = Callable[[str, str], tuple[str, ...]]
"""The api-versions that Azure serves for a subscription and a resource type, the best first."""

_API_VERSIONS = ("2025-04-01", "2021-04-01")


class Providers:
    """The resource providers, each read once per subscription. Shared between threads.

    No provider is ever registered: azure-mgmt-resource uses the session's pipeline, because its default pipeline registers
    providers. A failed read is repeated on the next call.

    Permissions: ``Microsoft.Resources/subscriptions/providers/read``. Makes one request per subscription and namespace.
    """

    def __init__(self, session: ArmSession) -> None:
        self._session = session
        self._lock = threading.Lock()
        self._reading: dict[str, threading.Lock] = {}
        self._known: dict[str, Mapping[str, Any]] = {}

    def over(self, session: ArmSession) -> Providers:
        """The same providers, including those already read, over another session of the same client."""
        other = Providers(session)
        other._lock, other._reading, other._known = self._lock, self._reading, self._known
        return other

    def get(self, subscription_id: str, namespace: str) -> Mapping[str, Any]:
        """Get a provider, with its ``registrationState`` and ``resourceTypes``.

        Raises:
            RequestError: Azure answered with an error, such as 404 for a provider that does not exist.
            ConnectionFailedError, MalformedResponseError: It could not be read.
        """
        key = fold(f"{subscription_id}/{namespace}")
        with self._lock:
            reading = self._reading.setdefault(key, threading.Lock())
        # Threads that ask for the same provider meanwhile wait for the same answer.
        with reading:
            known = self._known.get(key)
            if known is None:
                known = self._read(subscription_id, namespace)
                # One that is not registered may be registered before it is asked for again.
                if fold(wire.text(known, "registrationState")) == "registered":
                    self._known[key] = known
            return known

    def api_versions(self, subscription_id: str, resource_type: str) -> tuple[str, ...]:
        """The api-versions of a resource type in a subscription: stable versions first, newest first, then previews.

        Empty when the provider has no such type here.

        Raises:
            InvalidInputError: The type has no provider, unlike ``Microsoft.Storage/storageAccounts``.
            RequestError, ConnectionFailedError, MalformedResponseError: The provider could not be read.
        """
        namespace, _, kind = resource_type.partition("/")
        if not namespace or not kind:
            raise InvalidInputError(f"{quoted(resource_type)} is not a resource type", hint="use Namespace/type")
        provider = self.get(subscription_id, namespace)
        found: set[str] = set()
        for item in wire.pick(provider, "resourceTypes") or ():
            if fold(wire.text(item, "resourceType")) == fold(kind):
                found.update(filter(None, wire.strings(item, "apiVersions")))
        return _best_first(found)

    def _read(self, subscription_id: str, namespace: str) -> Mapping[str, Any]:
        newest, oldest = _API_VERSIONS
        try:
            return self._session.with_retries(lambda: self._request(subscription_id, namespace, newest))
        except RequestError as error:
            if not refuses_version(error):
                raise
        return self._session.with_retries(lambda: self._request(subscription_id, namespace, oldest))

    def _request(self, subscription_id: str, namespace: str, api_version: str) -> Mapping[str, Any]:
        # Imported when it is needed: it costs as much as the rest of this library.
        from azure.mgmt.resource.resources import ResourceManagementClient

        session = self._session
        client: Any = ResourceManagementClient(
            cast("TokenCredential", session.credential),
            subscription_id,
            base_url=session.endpoint.base_url,
            credential_scopes=[session.endpoint.token_scope],
            api_version=api_version,
            pipeline=session.pipeline,
            policies=[],
        )
        path = f"/subscriptions/{subscription_id}/providers/{namespace}"
        with translate("GET", f"{session.endpoint.base_url}{path}"):
            try:
                answer = client.providers.get(namespace, cls=_raw, **session.request_options())
            except (ValueError, TypeError, AttributeError, RecursionError) as error:
                if isinstance(error, DefenderRemediateError):
                    raise
                # The client reads the answer before it hands it on, and fails on what is not a provider.
                raise MalformedResponseError(f"GET {path}: the response is not a resource provider") from error
            body = json_body(body_of(answer), f"GET {path}")
        if not isinstance(body, Mapping):
            raise MalformedResponseError(f"GET {path}: the response is not an object")
        return body


def newest_api_version(versions: ApiVersions, subscription_id: str, resource_type: str) -> str:
    """The best api-version to read a resource type in.

    Raises:
        MalformedResponseError: Azure names none.
        RequestError, ConnectionFailedError: The provider could not be read.
    """
    offered = versions(subscription_id, resource_type)
    if not offered:
        raise MalformedResponseError(f"Azure offers no api-version for reading {resource_type}")
    return offered[0]


def _raw(pipeline_response: Any, _: Any, __: Any) -> Any:
    return pipeline_response.http_response


def _best_first(versions: Iterable[str]) -> tuple[str, ...]:
    # Two passes of a stable sort: by date, newest first, then the stable ones before the previews.
    return tuple(sorted(sorted(set(versions), reverse=True), key=_is_preview))


def _is_preview(version: str) -> bool:
    return "-preview" in fold(version)
