"""The endpoints of Azure Resource Manager and the scopes of their tokens."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

import attrs

from defender_remediate.display import quoted
from defender_remediate.errors import InvalidEndpointError
from defender_remediate.validation import is_loopback

if TYPE_CHECKING:
    from azure.core import AzureClouds

_PUBLIC = "AZURE_PUBLIC_CLOUD"
# The base URL, and the token scope: they differ in the US Government cloud.
_CLOUDS = {
    _PUBLIC: ("https://management.azure.com", "https://management.azure.com/.default"),
    "AZURE_US_GOVERNMENT": (
        "https://management.usgovcloudapi.net",
        "https://management.core.usgovcloudapi.net/.default",
    ),
    "AZURE_CHINA_CLOUD": ("https://management.chinacloudapi.cn", "https://management.chinacloudapi.cn/.default"),
}
_SCOPES = dict(_CLOUDS.values())
_ODD = re.compile(r"[\x00-\x20\x7f\\]")
_PORTS = {"https": 443, "http": 80}
_HINT = "use an https URL, or http for a loopback address only"


@attrs.frozen(kw_only=True)
class Endpoint:
    """A base URL of Azure Resource Manager and the scope of its token.

    Attributes:
        base_url: Without a trailing slash.
        token_scope: The scope to request from the credential.
        is_loopback_http: Whether it is plain http, which only a loopback address may be.
    """

    base_url: str
    token_scope: str
    is_loopback_http: bool = False

    def is_same_origin(self, url: str) -> bool:
        """Whether an absolute URL leads to this endpoint or to a sub-domain of it, so that it may be sent the token."""
        try:
            here, there = urlsplit(self.base_url), urlsplit(url)
            same_port = _port(here) == _port(there)
        except ValueError:
            return False
        if not same_port or here.scheme != there.scheme or "@" in there.netloc or _ODD.search(there.netloc):
            return False
        mine, other = here.hostname or "", there.hostname or ""
        return other == mine or (not is_loopback(mine) and other.endswith(f".{mine}"))


def resolve_endpoint(endpoint: str | None, cloud: AzureClouds | str | None) -> Endpoint:
    """The endpoint to use: the given one, else that of the cloud, else that of the public cloud.

    Args:
        endpoint: Any ARM-compatible base URL. Plain http is accepted for a loopback address only.
        cloud: A member of ``azure.core.AzureClouds``. Together with ``endpoint`` it says which token to ask for.

    Raises:
        InvalidEndpointError: The URL is not https and not loopback, has more than a path after the host, or the cloud
            is not known.
    """
    name = _PUBLIC if cloud is None else getattr(cloud, "value", cloud)
    if not isinstance(name, str) or name not in _CLOUDS:
        raise InvalidEndpointError(
            f"{quoted(cloud)} is not a known cloud", hint="use a member of azure.core.AzureClouds"
        )
    base_url, scope = _CLOUDS[name]
    if endpoint is None:
        return Endpoint(base_url=base_url, token_scope=scope)
    parts, origin = _checked(endpoint)
    return Endpoint(
        base_url=origin + parts.path.rstrip("/"),
        token_scope=scope if cloud is not None else _SCOPES.get(origin, f"{origin}/.default"),
        is_loopback_http=parts.scheme == "http",
    )


def _checked(endpoint: str) -> tuple[SplitResult, str]:
    # No message repeats the whole URL: it may hold a password or a signature.
    if not isinstance(endpoint, str) or _ODD.search(endpoint):
        raise InvalidEndpointError("the endpoint is not a URL", hint=_HINT)
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError as error:
        raise InvalidEndpointError(f"the endpoint is not a URL: {error}", hint=_HINT) from error
    host = parts.hostname or ""
    if not host:
        raise InvalidEndpointError("the endpoint is not a URL: it names no host", hint=_HINT)
    if parts.scheme not in _PORTS:
        raise InvalidEndpointError(f"the endpoint {parts.scheme}://{host} is not an https URL", hint=_HINT)
    if "@" in parts.netloc or "?" in endpoint or "#" in endpoint:
        raise InvalidEndpointError(f"the endpoint at {host} has user info, a query or a fragment in it", hint=_HINT)
    if parts.scheme == "http" and not is_loopback(host):
        raise InvalidEndpointError(f"http://{host} would send the token unencrypted", hint=_HINT)
    shown = f"[{host}]" if ":" in host else host
    default = port is None or port == _PORTS[parts.scheme]
    return parts, f"{parts.scheme}://{shown}" + ("" if default else f":{port}")


def _port(parts: SplitResult) -> int | None:
    return parts.port or _PORTS.get(parts.scheme)
