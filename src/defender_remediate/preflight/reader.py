"""What checks read with: each request is made once for all checks and steps, and none of them writes."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.errors import DefenderRemediateError, ForbiddenError
from defender_remediate.json_values import canonical
from defender_remediate.models.id_parts import group_of, subscription_of
from defender_remediate.models.ids import id_key, is_guid
from defender_remediate.preflight.single_flight import MissingCollections, SingleFlight
from defender_remediate.preflight.subject import Subject
from defender_remediate.threads import in_parallel

_T = TypeVar("_T")
_Attached = TypeVar("_Attached", bound="_HasId")
_AT_SCOPE = {"$filter": "atScope()"}


def _same(body: Any) -> Any:
    return body


def _sorted(params: Mapping[str, str] | None) -> tuple[tuple[str, str], ...]:
    return tuple(sorted(params.items())) if params else ()


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


class _Now(Protocol):
    def now(self) -> datetime: ...


class _Response(Protocol):
    @property
    def body(self) -> Any: ...


class ReadSession(Protocol):
    """The part of ``arm.ArmSession`` that checks use."""

    @property
    def clock(self) -> _Now:
        """The present time."""

    @property
    def credential(self) -> Any:
        """Where access tokens come from."""

    @property
    def endpoint(self) -> Any:
        """The endpoint of Azure Resource Manager, with the scope of its tokens."""

    def get(self, path: str, *, api_versions: Sequence[str], params: Mapping[str, str] | None = None) -> _Response:
        """Read a resource in the newest of these api-versions that the cloud serves."""

    def list(
        self, path: str, *, api_versions: Sequence[str], params: Mapping[str, str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Read all pages of a listing in the newest of these api-versions that the cloud serves."""

    def post_query(self, path: str, *, api_version: str, body: Any) -> _Response:
        """Send a POST that changes nothing."""


class StepFacts(Generic[_T]):
    """What was read for each step; the error of a failed read is raised where the facts are used."""

    def __init__(self, found: Mapping[str, _T | DefenderRemediateError]) -> None:
        self._found = found

    def __getitem__(self, subject: Subject) -> _T:
        """What was read for a step.

        Raises:
            DefenderRemediateError: The read failed.
        """
        found = self._found[subject.step.id]
        if isinstance(found, DefenderRemediateError):
            raise found.with_traceback(None)
        return found


class CheckReader:
    """Reads for checks. Shared between threads; every request is made once and its answer remembered.

    Args:
        session: What to read with.
        workers: The largest number of requests that are under way at once.
    """

    def __init__(self, session: ReadSession, *, workers: int) -> None:
        self.workers = workers
        self._session = session
        self._requests = threading.BoundedSemaphore(workers)
        self._answers: SingleFlight[Any] = SingleFlight()
        self._collections = MissingCollections()

    def now(self) -> datetime:
        """The present time, in UTC."""
        return self._session.clock.now()

    def for_each(self, subjects: Sequence[Subject], read: Callable[[Subject], _T]) -> StepFacts[_T]:
        """Call ``read`` for every step, in parallel. It may raise for one step without effect on the others."""

        def read_one(subject: Subject) -> tuple[str, _T | DefenderRemediateError]:
            try:
                return subject.step.id, read(subject)
            except DefenderRemediateError as error:
                return subject.step.id, error

        groups = {subject.group: subject for subject in reversed(subjects)}
        found = dict(in_parallel(read_one, [*groups.values()], workers=self.workers))
        # The other steps mostly need what was read for those. Threads are worth it only where more has to be read.
        rest = [subject for subject in subjects if subject.step.id not in found]
        while rest:
            reads = self._answers.reads_here
            found.update([read_one(rest.pop())])
            if self._answers.reads_here > reads:
                found.update(in_parallel(read_one, rest, workers=self.workers))
                break
        return StepFacts(found)

    def get(
        self,
        path: str,
        *,
        api_versions: Sequence[str],
        params: Mapping[str, str] | None = None,
        parse: Callable[[Any], _T] = _same,
    ) -> _T:
        """Read a resource, in the newest of these api-versions that the cloud serves.

        Raises:
            RequestError, ConnectionFailedError, MalformedResponseError: It cannot be read.
        """

        def read() -> _T:
            with self._requests:
                return parse(self._session.get(path, api_versions=api_versions, params=params).body)

        found: _T = self._answers.get(("GET", fold(path), _sorted(params), parse), read)
        return found

    def list(
        self,
        path: str,
        *,
        api_versions: Sequence[str],
        params: Mapping[str, str] | None = None,
        parse: Callable[[Any], _T] = _same,
        collection: str | None = None,
    ) -> tuple[_T, ...]:
        """Read all items of a listing.

        Args:
            path: The path of the listing.
            api_versions: The newest first.
            params: Query parameters.
            parse: Makes a value of an item.
            collection: Listings with the same value are not asked for again after Azure answered that it has no such
                collection.

        Raises:
            RequestError, ConnectionFailedError, MalformedResponseError: It cannot be read.
        """

        def read() -> tuple[_T, ...]:
            with self._requests:
                items = self._session.list(path, api_versions=api_versions, params=params)
                return tuple(map(parse, items))

        def ask() -> tuple[_T, ...]:
            return read() if collection is None else self._collections.ask(collection, read)

        found: tuple[_T, ...] = self._answers.get(("LIST", fold(path), _sorted(params), parse), ask)
        return found

    def list_attached(
        self, collection: str, scope: str, *, api_versions: Sequence[str], parse: Callable[[Any], _Attached]
    ) -> tuple[_Attached, ...]:
        """Read what ``Microsoft.Authorization`` has attached to the scope's subscription and to anything below or above it.

        A caller who may not list those of the subscription gets those of the resource group, with the inherited ones.

        Args:
            collection: Such as ``locks``.
            scope: An id in the subscription.
            api_versions: The newest first.
            parse: Makes a value of an item.

        Raises:
            RequestError, ConnectionFailedError, MalformedResponseError: They cannot be read.
        """

        def read(at: str, params: Mapping[str, str] | None = None) -> tuple[_Attached, ...]:
            path = f"{at}/providers/Microsoft.Authorization/{collection}"
            return self.list(path, api_versions=api_versions, params=params, parse=parse)

        subscription = f"/subscriptions/{subscription_of(scope)}"
        try:
            return read(subscription)
        except ForbiddenError:
            group = group_of(scope)
            if id_key(group) == id_key(subscription):
                raise
            # Without the filter Azure lists what is in the group, with it what the group inherits. Each comes once.
            return tuple({fold(item.id): item for item in (*read(group), *read(group, _AT_SCOPE))}.values())

    def query(
        self,
        path: str,
        *,
        api_version: str,
        body: Any,
        collection: str | None = None,
        parse: Callable[[Any], _T] = _same,
    ) -> _T:
        """Send a POST that changes nothing, and return the body of the answer. Equal questions are asked once.

        What ``parse`` makes of the body is remembered, and not the body.

        Raises:
            RequestError, ConnectionFailedError, MalformedResponseError: There is no answer.
        """

        def read() -> _T:
            with self._requests:
                return parse(self._session.post_query(path, api_version=api_version, body=body).body)

        def ask() -> _T:
            return read() if collection is None else self._collections.ask(collection, read)

        found: _T = self._answers.get(("POST", fold(path), canonical(body), parse), ask)
        return found

    def caller_object_id(self) -> str | None:
        """The object id of the caller, in lower case; None when its access token does not tell.

        Azure does not promise the format of access tokens, and the signature is not verified. The id is good enough to see
        whether a deny assignment names the caller: with a wrong id, Azure refuses the write itself.

        Raises:
            CredentialError: The credential gave no token.
        """

        def read() -> str | None:
            token = self._session.credential.get_token_info(self._session.endpoint.token_scope).token
            _, _, rest = token.partition(".")
            payload, _, _ = rest.partition(".")
            try:
                claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
            except (ValueError, RecursionError):
                return None
            found = wire.text(claims, "oid")
            return fold(found) if is_guid(found) else None

        known: str | None = self._answers.get("caller", read)
        return known
