"""What a client asks before its first request to Resource Manager: the endpoints of the cloud, and a token.

These paths are those of Microsoft Entra ID, of the metadata endpoint and of managed identities. Every request for a token is
granted: the simulator has one caller, whose rights ``sim.access`` decides.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.authorization.roles import CALLER_APP_ID
from defender_remediate.testing.simulator.state.store import TENANT_ID
from defender_remediate.testing.simulator.transport.credential import SimulatedCredential
from defender_remediate.testing.simulator.transport.exchange import ArmError, Call, Reply

SECRET = "simulated"  # noqa: S105 (any secret is accepted)
TOKEN_SECONDS = 86_399
# The version from which the metadata is one cloud instead of a list of them, and the oldest with today's members.
_ONE_CLOUD, _LIST_OF_CLOUDS = "2022-09-01", "2018-05-01"
_AUTHORITY = r"/(?P<tenant>[^/]+)"

Answer = Callable[[Call, str, SimulatedCredential], Reply]


def _metadata(call: Call, tenant: str, credential: SimulatedCredential) -> Reply:
    """The endpoints of this cloud, in the form of the api-version."""
    del tenant, credential
    if not call.api_version:
        raise refusal("MissingApiVersionParameter")
    base = call.base
    if call.api_version < _LIST_OF_CLOUDS:
        return Reply.json(
            {
                "galleryEndpoint": f"{base}/",
                "graphEndpoint": f"{base}/",
                "portalEndpoint": f"{base}/",
                "authentication": {"loginEndpoint": f"{base}/", "audiences": [f"{base}/"]},
            }
        )
    cloud = {
        "name": "Simulator",
        "portal": base,
        "authentication": {
            "loginEndpoint": base,
            "audiences": [f"{base}/", base],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "resourceManager": base,
        "graph": base,
        "graphAudience": base,
        "microsoftGraphResourceId": f"{base}/",
        "gallery": base,
        "batch": base,
        "media": base,
        "sqlManagement": base,
        "activeDirectoryDataLake": base,
        "logAnalyticsResourceId": base,
        "synapseAnalyticsResourceId": base,
        "ossrDbmsResourceId": base,
        "appInsightsResourceId": base,
        "attestationResourceId": base,
        "vmImageAliasDoc": base,
        "suffixes": {
            "storage": "core.windows.net",
            "keyVaultDns": "vault.azure.net",
            "sqlServerHostname": "database.windows.net",
            "mysqlServerEndpoint": "mysql.database.azure.com",
            "postgresqlServerEndpoint": "postgres.database.azure.com",
            "acrLoginServer": "azurecr.io",
            "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
            "azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
            "synapseAnalytics": "dev.azuresynapse.net",
            "attestationEndpoint": "attest.azure.net",
            "mhsmDns": "managedhsm.azure.net",
        },
    }
    return Reply.json(cloud if call.api_version >= _ONE_CLOUD else [cloud])


def _openid_configuration(call: Call, tenant: str, credential: SimulatedCredential) -> Reply:
    """Where this authority signs in."""
    del credential
    authority = f"{call.base}/{tenant}"
    return Reply.json(
        {
            "issuer": f"{authority}/v2.0",
            "authorization_endpoint": f"{authority}/oauth2/v2.0/authorize",
            "token_endpoint": f"{authority}/oauth2/v2.0/token",
            "device_authorization_endpoint": f"{authority}/oauth2/v2.0/devicecode",
            "end_session_endpoint": f"{authority}/oauth2/v2.0/logout",
            "jwks_uri": f"{authority}/discovery/v2.0/keys",
            "response_types_supported": ["code", "id_token", "token"],
            "response_modes_supported": ["query", "fragment", "form_post"],
            "scopes_supported": ["openid", "profile", "offline_access"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
            "tenant_region_scope": "EU",
            "cloud_instance_name": call.base.partition("://")[2],
        }
    )


def _instance_discovery(call: Call, tenant: str, credential: SimulatedCredential) -> Reply:
    """That this host is an authority of Microsoft Entra ID."""
    del tenant, credential
    host = call.base.partition("://")[2]
    return Reply.json(
        {
            "tenant_discovery_endpoint": f"{call.base}/{TENANT_ID}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": [{"preferred_network": host, "preferred_cache": host, "aliases": [host]}],
        }
    )


def _token(call: Call, tenant: str, credential: SimulatedCredential) -> Reply:
    """A token, for any client and any secret."""
    del tenant
    if call.method != "POST":
        raise refusal("UnknownRoute", method=call.method, path=call.path)
    token = credential.get_token().token
    return Reply.json(
        {"token_type": "Bearer", "expires_in": TOKEN_SECONDS, "ext_expires_in": TOKEN_SECONDS, "access_token": token}
    )


def _managed_identity(call: Call, tenant: str, credential: SimulatedCredential) -> Reply:
    """A token of the managed identity, as App Service and virtual machines issue it."""
    del tenant
    has_header = "x-identity-header" in call.headers or fold(call.headers.get("metadata", "")) == "true"
    if not has_header:
        return Reply.json(
            {"error": "invalid_request", "error_description": "Required metadata header not specified"}, status=400
        )
    return Reply.json(
        {
            "access_token": credential.get_token().token,
            "client_id": CALLER_APP_ID,
            "expires_in": str(TOKEN_SECONDS),
            "expires_on": "4102444800",
            "resource": call.query.get("resource", ""),
            "token_type": "Bearer",
        }
    )


@attrs.frozen
class _SignInPath:
    """One path and what answers it."""

    path: re.Pattern[str]
    answer: Answer


def _operation(path: str, answer: Answer) -> _SignInPath:
    return _SignInPath(re.compile(path + r"/?\Z", re.IGNORECASE), answer)


_OPERATIONS = (
    _operation("/metadata/endpoints", _metadata),
    _operation("/metadata/identity/oauth2/token", _managed_identity),
    _operation("/msi/token", _managed_identity),
    _operation("/common/discovery/instance", _instance_discovery),
    _operation(rf"{_AUTHORITY}(?:/v2\.0)?/\.well-known/openid-configuration", _openid_configuration),
    _operation(rf"{_AUTHORITY}/oauth2(?:/v2\.0)?/token", _token),
)


def answer_sign_in(call: Call, credential: SimulatedCredential) -> Reply | None:
    """Answers a request that needs no token of Resource Manager; None for all others."""
    for operation in _OPERATIONS:
        found = operation.path.match(call.path)
        if found is None:
            continue
        try:
            return operation.answer(call, found.groupdict().get("tenant") or TENANT_ID, credential)
        except ArmError as error:
            return error.reply
    return None


def environment_of(endpoint: str, ca_file: str) -> dict[str, Any]:
    """Returns the environment variables with which tools that use a managed identity accept a server."""
    return {
        "REQUESTS_CA_BUNDLE": ca_file,
        "SSL_CERT_FILE": ca_file,
        "IDENTITY_ENDPOINT": f"{endpoint}/msi/token",
        "IDENTITY_HEADER": SECRET,
    }
