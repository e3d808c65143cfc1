"""Records of a run of two steps."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any
from urllib.parse import parse_qs, urlsplit

import attrs
import pytest
import responses
from azure.core.credentials import AzureNamedKeyCredential

from defender_remediate.journal import (
    BlobJournal,
    GuardsWaived,
    Note,
    Record,
    RunEnded,
    RunOpened,
    StepAccepted,
    StepEnded,
    StepIntended,
    StepReviewed,
)

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=timezone.utc)


@attrs.frozen
class Records:
    """Makes one record of each kind, with whatever the test wants different."""

    plan: Any
    result: Any

    def opened(self, **changes: Any) -> RunOpened:
        return attrs.evolve(
            RunOpened(at=NOON, run_id="run-1", kind="apply", correlation_id="c", plan=self.plan), **changes
        )

    def intended(self, step_id: str = "step-1", attempt: int = 1, **changes: Any) -> StepIntended:
        record = StepIntended(
            at=NOON,
            step_id=step_id,
            attempt=attempt,
            before={"properties.supportsHttpsTrafficOnly": False},
            fingerprint="f" * 64,
        )
        return attrs.evolve(record, **changes)

    def accepted(self, step_id: str = "step-1", **changes: Any) -> StepAccepted:
        return StepAccepted(at=NOON, step_id=step_id, **{"status": 202, "request_id": "r", **changes})

    def ended(self, step_id: str = "step-1", **changes: Any) -> StepEnded:
        return StepEnded(at=NOON, result=attrs.evolve(self.result, step_id=step_id, **changes))

    def reviewed(self, step_id: str = "step-1", **changes: Any) -> StepReviewed:
        return StepReviewed(at=NOON, result=attrs.evolve(self.result, step_id=step_id, outcome="failed", **changes))

    def waived(self, *waivers: str) -> GuardsWaived:
        return GuardsWaived(at=NOON, waivers=waivers or ("window: CHG-2",))

    def over(self) -> RunEnded:
        return RunEnded(at=NOON, counts={"applied": 2})

    def noted(self, message: str = "a remark") -> Note:
        return Note(at=NOON, message=message)

    def whole(self) -> tuple[Record, ...]:
        both = ("step-1", "step-2")
        steps = [record for one in both for record in (self.intended(one), self.accepted(one), self.ended(one))]
        later = (self.reviewed(), self.waived(), self.noted("Größe \u2028 \ud800\n"))
        return (self.opened(), *steps, *later, self.over())


@pytest.fixture
def records(make_plan: Callable[..., Any], make_step: Callable[..., Any], make_result: Callable[..., Any]) -> Records:
    """A maker of records about a plan of two steps."""
    return Records(make_plan(steps=(make_step(), make_step(id="step-2"))), make_result())


@attrs.define
class Blob:
    """An append blob of the double below."""

    content: bytearray = attrs.field(factory=bytearray)
    blocks: int = 0
    lease: str | None = None
    lease_ends: float = 0.0


@attrs.define(kw_only=True)
class Fault:
    """What goes wrong with the next requests of one operation, after some have gone well.

    Attributes:
        answer: The status and code of the answer, or an exception instead of an answer.
        is_late: Whether the request takes effect all the same.
        effect: What else happens at that moment.
    """

    operation: str
    answer: Any = None
    is_late: bool = False
    times: int = 1
    after: int = 0
    headers: Any = attrs.field(factory=dict)
    effect: Callable[[], object] = attrs.field(default=lambda: None)


class BlobService:
    """Azure Blob Storage at its wire: append blobs, positions and leases, and what Azurite cannot produce.

    Also the clock of both sides.
    """

    url = "https://contoso.blob.core.windows.net/runs"

    def __init__(self) -> None:
        self.now = 0.0
        self.blobs: dict[str, Blob] = {}
        self.faults: list[Fault] = []
        self.requests: list[Any] = []
        self.page = 5000

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def journal(self, **options: Any) -> BlobJournal:
        credential = AzureNamedKeyCredential("contoso", base64.b64encode(b"k" * 64).decode())
        return BlobJournal(self.url, credential, **{"clock": self, **options})

    def fail(self, operation: str, answer: Any = None, **how: Any) -> None:
        self.faults.append(Fault(operation=operation, answer=answer, **how))

    def count(self, operation: str) -> int:
        return [name for name, _ in self.requests].count(operation)

    def answer(self, request: Any) -> Any:
        """One request, as ``responses`` calls for it. An answer to HEAD has no body."""
        status, headers, body = self.answer_with_body(request)
        return status, headers, b"" if request.method == "HEAD" else body

    def answer_with_body(self, request: Any) -> Any:
        query = {name: values[0] for name, values in parse_qs(urlsplit(request.url).query).items()}
        operation = (
            query.get("comp") or {"PUT": "create", "HEAD": "end", "GET": "read", "DELETE": "delete"}[request.method]
        )
        if operation == "lease":
            operation = request.headers["x-ms-lease-action"]
        self.requests.append((operation, request))
        fault = next((fault for fault in self.faults if fault.operation == operation and fault.times), None)
        if fault is not None and fault.after:
            fault.after -= 1
            fault = None
        if fault is None:
            return self.take(operation, request, query)
        fault.times -= 1
        if fault.is_late:
            self.take(operation, request, query)
        fault.effect()
        if fault.answer is None:
            return self.take(operation, request, query)
        if isinstance(fault.answer, Exception):
            raise fault.answer
        return refused(*fault.answer, **fault.headers)

    def take(self, operation: str, request: Any, query: dict[str, str]) -> Any:
        if operation == "list":
            return self.list(query)
        name = urlsplit(request.url).path.removeprefix("/runs/")
        blob = self.blobs.get(name)
        given = request.headers.get("x-ms-lease-id")
        if operation == "create":
            if blob is not None:
                return refused(409, "BlobAlreadyExists")
            self.blobs[name] = Blob()
            return 201, {}, b""
        if blob is None:
            return refused(404, "BlobNotFound")
        is_leased = blob.lease is not None and self.now < blob.lease_ends
        if operation == "acquire":
            wanted = request.headers["x-ms-proposed-lease-id"]
            if is_leased and blob.lease != wanted:
                return refused(409, "LeaseAlreadyPresent")
            blob.lease, blob.lease_ends = wanted, self.now + int(request.headers["x-ms-lease-duration"])
            return 201, {"x-ms-lease-id": wanted}, b""
        if operation in ("renew", "release"):
            if blob.lease != given:
                return refused(409, "LeaseIdMismatchWithLeaseOperation")
            blob.lease_ends = self.now + 60 if operation == "renew" else 0.0
            return 200, {"x-ms-lease-id": given}, b""
        if operation in ("appendblock", "delete"):
            if not is_leased:
                return refused(412, "LeaseLost")
            if blob.lease != given:
                return refused(412, "LeaseIdMismatchWithBlobOperation")
        if operation == "delete":
            del self.blobs[name]
            return 202, {}, b""
        if operation == "appendblock":
            if int(request.headers["x-ms-blob-condition-appendpos"]) != len(blob.content):
                return refused(412, "AppendPositionConditionNotMet")
            blob.content += request.body
            blob.blocks += 1
            return 201, {"x-ms-blob-committed-block-count": str(blob.blocks)}, b""
        headers = {
            "Content-Length": str(len(blob.content)),
            "x-ms-blob-type": "AppendBlob",
            "x-ms-blob-committed-block-count": str(blob.blocks),
            "ETag": '"1"',
        }
        if operation == "end":
            return 200, headers, b""
        first, last = (int(part) for part in request.headers["x-ms-range"].removeprefix("bytes=").split("-"))
        data = bytes(blob.content[first : last + 1])
        content_range = f"bytes {first}-{last}/{len(blob.content)}"
        return 206, headers | {"Content-Length": str(len(data)), "Content-Range": content_range}, data

    def list(self, query: dict[str, str]) -> Any:
        found = sorted(name for name in self.blobs if name.startswith(query.get("prefix", "")))
        start = int(query.get("marker", "0"))
        listed = "".join(
            f"<Blob><Name>{name}</Name><Properties><Content-Length>{len(self.blobs[name].content)}</Content-Length>"
            "<BlobType>AppendBlob</BlobType></Properties></Blob>"
            for name in found[start : start + self.page]
        )
        following = str(start + self.page) if start + self.page < len(found) else ""
        body = f"<EnumerationResults><Blobs>{listed}</Blobs><NextMarker>{following}</NextMarker></EnumerationResults>"
        return 200, {"Content-Type": "application/xml"}, body


def refused(status: int, code: str, **headers: str) -> Any:
    """An error of the storage service."""
    body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>It says {code}.</Message></Error>"
    return status, {"x-ms-error-code": code, "Content-Type": "application/xml", **headers}, body


@pytest.fixture
def service() -> Iterator[BlobService]:
    """The double, in place of the network."""
    double = BlobService()
    with responses.RequestsMock(assert_all_requests_are_fired=False) as wire:
        for method in ("GET", "HEAD", "PUT", "DELETE"):
            wire.add_callback(method, re.compile(r"https://contoso\.blob\.core\.windows\.net/.*"), double.answer)
        yield double
