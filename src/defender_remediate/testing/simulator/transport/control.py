"""Control endpoints: what another process may do to a served tenant besides what Azure allows.

They exist only where they were asked for, and only under the loopback address itself: a request for a name of Azure or from a web
page is not for them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.json_values import parse_json
from defender_remediate.testing.simulator.arm.service import Service
from defender_remediate.testing.simulator.arm.snapshots import Snapshot, take
from defender_remediate.testing.simulator.controls.faults import FaultControls
from defender_remediate.testing.simulator.controls.resources import ResourceControls
from defender_remediate.testing.simulator.state_files.document import save
from defender_remediate.testing.simulator.state_files.reading import located
from defender_remediate.testing.simulator.transport.exchange import Call, Reply

PREFIX = "/_simulator"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
# What a server can send as the status of a whole answer.
_STATUSES = range(200, 600)
_Body = Mapping[str, Any]


class ControlEndpoints:
    """Answers the requests below ``/_simulator``."""

    def __init__(self, service: Service, resources: ResourceControls, faults: FaultControls) -> None:
        self._service = service
        self._resources = resources
        self._fault_kinds: Mapping[str, Callable[..., None]] = {
            "fail": faults.fail,
            "change_status": faults.change_status,
            "busy": faults.busy,
            "slow": faults.slow,
            "throttle": faults.throttle,
            "drain": faults.drain,
        }
        self._clear_faults = faults.clear
        self._first = take(service)
        self._snapshots: dict[str, Snapshot] = {}
        self._operations: Mapping[tuple[str, str], Callable[[Call], Reply]] = {
            ("GET", ""): self._list_operations,
            ("POST", "/reset"): self._reset,
            ("POST", "/seed"): self._seed,
            ("POST", "/snapshot"): self._snapshot,
            ("POST", "/restore"): self._restore,
            ("GET", "/state"): self._state,
            ("POST", "/faults"): self._add_fault,
            ("DELETE", "/faults"): self._remove_faults,
            ("GET", "/clock"): self._show_clock,
            ("POST", "/clock"): self._move_clock,
            ("GET", "/requests"): self._list_requests,
            ("DELETE", "/requests"): self._forget_requests,
        }

    def answer(self, call: Call) -> Reply | None:
        """Returns the answer; None for a request that is not for the control endpoints."""
        host = call.base.partition("://")[2].rpartition(":")[0] or call.base.partition("://")[2]
        path = call.path.rstrip("/")
        if fold(host) not in _LOOPBACK or not (path == PREFIX or path.startswith(f"{PREFIX}/")):
            return None
        if "origin" in call.headers:
            return _error(403, "Forbidden", "a web page must not control the simulator")
        operation = self._operations.get((call.method, path[len(PREFIX) :]))
        if operation is None:
            return _error(404, "NotFound", f"there is no {call.method} {path}; GET {PREFIX} lists what there is")
        try:
            with self._service.tenant.lock:
                return operation(call)
        except (InvalidInputError, TypeError) as error:  # TypeError: an argument that the control does not have
            return _error(400, "InvalidInput", str(error))

    def _list_operations(self, call: Call) -> Reply:
        del call
        return Reply.json({"operations": [f"{method} {PREFIX}{path}" for method, path in self._operations]})

    def _reset(self, call: Call) -> Reply:
        del call
        self._first.restore()
        self._service.requests.clear()
        return Reply(status=204)

    def _seed(self, call: Call) -> Reply:
        body = _body(call)
        items = body.get("value", [body])
        if not isinstance(items, list):
            raise InvalidInputError(f"value must be an array of resources, got {quoted(items)}")
        # Of several resources all are added or none.
        before = take(self._service) if len(items) > 1 else None
        added = []
        try:
            for place, item in enumerate(items):
                with located(f"value[{place}]"):
                    added.append(self._resources.add(item))
        except InvalidInputError:
            if before is not None:
                before.restore()
            raise
        return Reply.json({"ids": added})

    def _snapshot(self, call: Call) -> Reply:
        name = call.query.get("name", "")
        self._snapshots[name] = take(self._service)
        return Reply.json({"name": name})

    def _restore(self, call: Call) -> Reply:
        name = call.query.get("name", "")
        if name not in self._snapshots:
            raise InvalidInputError(
                f"there is no snapshot {quoted(name)}; there are {', '.join(map(quoted, self._snapshots))}"
            )
        self._snapshots[name].restore()
        return Reply(status=204)

    def _state(self, call: Call) -> Reply:
        del call
        before = take(self._service)
        self._service.tenant.operations.end_all()
        document = save(self._service)
        before.restore()
        return Reply.json(document)

    def _add_fault(self, call: Call) -> Reply:
        body = dict(_body(call))
        kind = body.pop("kind", "fail")
        if not isinstance(kind, str) or kind not in self._fault_kinds:
            raise InvalidInputError(f"kind must be one of {', '.join(self._fault_kinds)}, got {quoted(kind)}")
        status = body.get("status")
        if isinstance(status, int) and status not in _STATUSES:
            raise InvalidInputError(f"status must be an integer from 200 to 599, got {quoted(status)}")
        if isinstance(body.get("methods"), list):
            body["methods"] = tuple(body["methods"])
        self._fault_kinds[kind](**body)
        return Reply(status=204)

    def _remove_faults(self, call: Call) -> Reply:
        del call
        self._clear_faults()
        return Reply(status=204)

    def _show_clock(self, call: Call) -> Reply:
        del call
        clock = self._service.tenant.clock
        return Reply.json({"now": clock.now().isoformat(), "seconds": clock.monotonic()})

    def _move_clock(self, call: Call) -> Reply:
        body = _body(call)
        if set(body) != {"advance"}:
            raise InvalidInputError('expected {"advance": SECONDS}' + f", got {quoted(dict(body))}")
        self._service.tenant.clock.advance(body["advance"])
        return self._show_clock(call)

    def _list_requests(self, call: Call) -> Reply:
        del call
        log = self._service.requests
        shown = [
            {
                "method": one.method,
                "url": one.url,
                "headers": one.headers,
                "body": one.body.decode("utf-8", "replace"),
                "status": one.status,
                "changed": one.changed,
            }
            for one in log
        ]
        return Reply.json({"forgotten": log.forgotten, "value": shown})

    def _forget_requests(self, call: Call) -> Reply:
        del call
        self._service.requests.clear()
        return Reply(status=204)


def _body(call: Call) -> _Body:
    try:
        body = parse_json(call.content)
        json.dumps(body, ensure_ascii=False).encode()  # half of a surrogate pair cannot be: no answer could show it
    except ValueError as error:
        raise InvalidInputError(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise InvalidInputError(f"the body must be an object, got {quoted(body)}")
    return body


def _error(status: int, code: str, message: str) -> Reply:
    return Reply.json({"error": {"code": code, "message": message}}, status=status)
