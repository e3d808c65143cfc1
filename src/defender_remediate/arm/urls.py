"""Builds URLs from ids, resolves links, and redacts URLs for display."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, quote, urlsplit

from defender_remediate.arm.cloud import Endpoint
from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError, MalformedResponseError

# Slashes stay, and what RFC 3986 lets a path segment hold; everything else is encoded, a percent sign too.
_PATH_SAFE = "/:@!$&'()*+,;=~"
_QUERY_SAFE = "$~"
# Control characters, marks that change the direction or end of a line, and halves of surrogate pairs. A space occurs.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
_VERSION = re.compile(r"[\w.-]{1,40}")


def url_of(endpoint: Endpoint, path: str, api_version: str, params: Mapping[str, str] | None = None) -> str:
    """The URL of an id, with or without its leading slash.

    Raises:
        InvalidInputError: The path contains a segment that would leave it, the api-version is missing, or a character cannot
            be encoded.
    """
    trimmed = path.strip("/")
    if not trimmed or any(segment in ("", ".", "..") for segment in trimmed.split("/")):
        raise InvalidInputError(f"{quoted(path)} is not a path under Azure Resource Manager")
    if not api_version:
        raise InvalidInputError(f"{path}: every request needs an api-version")
    query = {"api-version": api_version, **(params or {})}
    try:
        encoded = "&".join(f"{quote(name, safe=_QUERY_SAFE)}={quote(text, safe='')}" for name, text in query.items())
        return f"{endpoint.base_url}/{quote(trimmed, safe=_PATH_SAFE)}?{encoded}"
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"{quoted(error.object)} contains a character that no URL can contain") from error


def resolve_link(endpoint: Endpoint, link: str) -> str:
    """A link of a response as an absolute URL, otherwise unchanged.

    Raises:
        MalformedResponseError: It leads to another host, or to http where https was used, or is not a URL. The message
            shows no more of it than its host: a link may be signed.
    """
    if not isinstance(link, str) or _UNPRINTABLE.search(link):
        raise MalformedResponseError("Azure Resource Manager returned a link that is not a URL")
    if link.startswith("//"):
        url = f"{endpoint.base_url.partition(':')[0]}:{link}"
    elif "://" in link.partition("?")[0]:
        url = link
    else:
        url = f"{endpoint.base_url}/{link.lstrip('/')}"
    if not endpoint.is_same_origin(url):
        raise MalformedResponseError(
            f"Azure Resource Manager returned a link to {_origin(url)}, which is not {endpoint.base_url}",
            hint="tokens are never sent to another host; check for a proxy between this machine and Azure",
        )
    return url


def redact_url(url: str) -> str:
    """A URL for people: its path and api-version. The rest of a query may be a secret."""
    try:
        parts = urlsplit(url)
        query = parse_qsl(parts.query, max_num_fields=100)
    except ValueError:
        return "(not a URL)"
    version = next((text for name, text in query if fold(name) == "api-version"), None)
    path = _UNPRINTABLE.sub("�", parts.path)
    return f"{path}?api-version={version}" if version and _VERSION.fullmatch(version) else path


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{_UNPRINTABLE.sub('', parts.hostname or '')[:100]}"
    except ValueError:
        return "something that is not a URL"
