"""Which api-versions this cloud offers for a resource type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from defender_remediate.arm.errors import translate
from defender_remediate.arm.session import ArmSession
from defender_remediate.casing import fold
from defender_remediate.errors import InvalidInputError, MalformedResponseError

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential


def offered_api_versions(session: ArmSession, subscription_id: str, resource_type: str) -> tuple[str, ...]:
    """The api-versions of a resource type in a subscription: the stable ones, newest first, then the previews.

    Empty when the provider has no such type here. Nothing is registered: azure-mgmt-resource is given this session's
    own pipeline, because its default one registers providers by itself.

    Permissions: ``Microsoft.Resources/subscriptions/providers/read``. Makes one request.

    Raises:
        InvalidInputError: The type has no provider in front, as in ``Microsoft.Storage/storageAccounts``.
        RequestError: Azure answered with an error, such as 404 for an unknown provider.
    """
    namespace, _, kind = resource_type.partition("/")
    if not namespace or not kind:
        raise InvalidInputError(f"{resource_type!r} is not a resource type", hint="use Namespace/type")
    provider = session.retried(lambda: _provider(session, subscription_id, namespace))
    offered = (
        version
        for item in provider.resource_types or ()
        if fold(str(item.resource_type)) == fold(kind)
        for version in item.api_versions or ()
    )
    # Two passes of a stable sort: by date, newest first, then the stable ones before the previews.
    newest_first = sorted(set(offered), reverse=True)
    return tuple(sorted(newest_first, key=lambda version: "-preview" in fold(version)))


def _provider(session: ArmSession, subscription_id: str, namespace: str) -> Any:
    # Imported when it is needed: it costs more than the rest of this library.
    from azure.mgmt.resource.resources import ResourceManagementClient

    client = ResourceManagementClient(
        cast("TokenCredential", session.credential),
        subscription_id,
        base_url=session.endpoint.base_url,
        credential_scopes=[session.endpoint.token_scope],
        pipeline=session.pipeline,
        policies=[],
    )
    url = f"/subscriptions/{subscription_id}/providers/{namespace}"
    try:
        with translate("GET", url):
            return client.providers.get(namespace)
    except ValueError as error:
        if isinstance(error, InvalidInputError):
            raise
        raise MalformedResponseError(f"GET {url}: the answer is not JSON, or was cut") from error
