"""The session of ``requests`` behind the transport. Imported on first use, because ``requests`` takes long to import."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_encoding_from_headers, get_environ_proxies
from urllib3.util.ssl_ import create_urllib3_context

_POOL = 64
# A URL that can be sent as it is: with a path, nothing that has to be quoted, and no segment like "..".
_PLAIN_URL = re.compile(
    r"(?![^?]*/\.)https?://[a-z0-9.:-]+/[A-Za-z0-9/._~:@!$&'()*+,;=-]*(\?[A-Za-z0-9/._~:@!$&'()*+,;=?-]*)?"
)


Chunks = Callable[[Any], Iterator[bytes]]
"""Gives the body of an answer of urllib3 as it arrives."""


def make_session(base_url: str, chunks: Chunks) -> requests.Session:
    """A session for an endpoint, with a pool for 64 threads. The environment is read once."""
    session = _PlainSession()
    session.trust_env = False
    session.proxies.update(get_environ_proxies(base_url))
    # requests would look at the environment for each request, and read the certificates for each connection.
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE")
    session.mount("https://", _TlsAdapter(chunks, bundle))
    session.mount("http://", _DirectAdapter(chunks))
    return session


class _PlainSession(requests.Session):
    """Sends what it is given: no cookies, no hooks, no redirects, and no user and password from ``~/.netrc``.

    What ``requests`` does for all of that takes as long as sending the request.
    """

    def request(  # type: ignore[override]
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        data: Any,
        files: Any,
        verify: Any,
        proxies: Any,
        stream: bool = False,
        allow_redirects: bool = False,
        **options: Any,
    ) -> requests.Response:
        del allow_redirects
        prepared = requests.PreparedRequest()
        prepared.method = method
        prepared.url = url
        if not _PLAIN_URL.fullmatch(url):
            prepared.prepare_url(url, None)
        prepared.headers = CaseInsensitiveDict({**self.headers, **headers})
        prepared.prepare_body(data, files)
        verify = self.verify if verify is None else verify
        proxies = {**self.proxies, **proxies} if proxies else self.proxies
        response = self.get_adapter(url).send(prepared, stream=stream, verify=verify, proxies=dict(proxies), **options)
        if not stream:
            _ = response.content
        return response


class _BoundedResponse(requests.Response):
    """An answer whose body is given up when it is too large or takes too long, however slowly it comes."""

    chunks: Chunks

    def iter_content(self, *args: Any, **options: Any) -> Iterator[Any]:
        if self._content_consumed or not hasattr(self.raw, "read1"):
            yield from super().iter_content(*args, **options)
        else:
            try:
                yield from self.chunks(self.raw)
            except requests.RequestException:
                self.raw.close()
                raise
            self._content_consumed = True


class _BoundedAdapter(HTTPAdapter):
    def __init__(self, chunks: Chunks) -> None:
        self._chunks = chunks
        self._last: tuple[Any, Any] = (None, None)
        super().__init__(pool_maxsize=_POOL)

    def get_connection_with_tls_context(self, request: Any, verify: Any, proxies: Any = None, cert: Any = None) -> Any:
        """The pool of the last request, when it was to the same server: to find it takes as long as to use it."""
        if proxies:
            return super().get_connection_with_tls_context(request, verify, proxies=proxies, cert=cert)
        server = ("/".join(request.url.split("/", 3)[:3]), verify, cert)
        last, pool = self._last
        if last != server:
            pool = super().get_connection_with_tls_context(request, verify, proxies=proxies, cert=cert)
            self._last = (server, pool)
        return pool

    def build_response(self, req: Any, resp: Any) -> requests.Response:
        response = _BoundedResponse()
        response.chunks = self._chunks
        response.status_code = resp.status
        response.headers = CaseInsensitiveDict(resp.headers)
        response.encoding = get_encoding_from_headers(response.headers)
        response.raw = resp
        response.reason = resp.reason
        response.url = req.url
        response.request = req
        return response


class _TlsAdapter(_BoundedAdapter):
    """For https: connections that verify in the usual way share one context with the certificates."""

    def __init__(self, chunks: Chunks, bundle: str | None) -> None:
        self._bundle = bundle
        self._context = _tls_context(bundle)
        self._other = _BoundedAdapter(chunks)
        super().__init__(chunks)

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        super().init_poolmanager(*args, **options, ssl_context=self._context)

    def cert_verify(self, conn: Any, url: Any, verify: Any, cert: Any) -> None:
        del url, verify, cert  # the certificates are in the context
        conn.cert_reqs = "CERT_REQUIRED"

    def send(self, *args: Any, **options: Any) -> Any:
        is_default = options.get("verify", True) is True
        if is_default and self._context is not None and not options.get("cert") and not options.get("proxies"):
            return super().send(*args, **options)
        if is_default and self._bundle:
            options["verify"] = self._bundle
        return self._other.send(*args, **options)

    def close(self) -> None:
        self._other.close()
        super().close()


class _DirectAdapter(_BoundedAdapter):
    """For plain http, which only a loopback address may be: a proxy would see the token in the clear."""

    def send(self, *args: Any, **options: Any) -> Any:
        return super().send(*args, **{**options, "proxies": {}})


def _tls_context(bundle: str | None) -> Any:
    """A context with the certificates that ``requests`` trusts; None if they cannot be read, which each request then reports."""
    path = bundle or DEFAULT_CA_BUNDLE_PATH
    context = create_urllib3_context()
    try:
        if os.path.isdir(path):
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(path)
    except OSError:
        return None
    return context
