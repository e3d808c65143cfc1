"""Answers requests: authentication, throttling, faults, routing, and the list of requests."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import attrs

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm import (
    by_form,
    groups,
    moves,
    planes,
    platform,
    resources,
    tag_names,
    tags,
)
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.faults import AFTER, Faults
from defender_remediate.testing.simulator.arm.refusal_forms import shaped
from defender_remediate.testing.simulator.arm.request_log import RecordedRequest, RequestLog
from defender_remediate.testing.simulator.arm.routing import (
    Route,
    RouteIndex,
    UnknownRouteError,
    find_type,
    wrong_method,
)
from defender_remediate.testing.simulator.arm.throttling import Throttle
from defender_remediate.testing.simulator.authorization import (
    activation_rules,
    assignments,
    catalogue,
    locks,
    schedules,
)
from defender_remediate.testing.simulator.authorization import routes as authorization
from defender_remediate.testing.simulator.compute import images, power, scale_sets
from defender_remediate.testing.simulator.containers import routes as containers
from defender_remediate.testing.simulator.defender import (
    alert_routes,
    automations,
    compliance_routes,
    custom,
    exemption_routes,
    governance,
    governance_rules,
    jit,
    sub_assessments,
)
from defender_remediate.testing.simulator.defender import routes as security
from defender_remediate.testing.simulator.deployments import routes as deployments
from defender_remediate.testing.simulator.deployments import stacks
from defender_remediate.testing.simulator.graph import routes as graph
from defender_remediate.testing.simulator.keyvault import deleted as deleted_vaults
from defender_remediate.testing.simulator.keyvault import keys
from defender_remediate.testing.simulator.keyvault import routes as keyvault
from defender_remediate.testing.simulator.management import routes as management
from defender_remediate.testing.simulator.monitor import metrics
from defender_remediate.testing.simulator.monitor import routes as logs
from defender_remediate.testing.simulator.network import default_rules
from defender_remediate.testing.simulator.policy import assignments as policy_assignments
from defender_remediate.testing.simulator.policy import (
    attestations,
    deploying,
    insights,
    manifests,
    remediations,
    restrictions,
)
from defender_remediate.testing.simulator.policy import definitions as policy_definitions
from defender_remediate.testing.simulator.policy import exemptions as policy_exemptions
from defender_remediate.testing.simulator.recovery import routes as recovery
from defender_remediate.testing.simulator.sql import capabilities as sql
from defender_remediate.testing.simulator.sql import databases as sql_databases
from defender_remediate.testing.simulator.sql import failover
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.storage import legal_holds, shares
from defender_remediate.testing.simulator.storage import routes as storage
from defender_remediate.testing.simulator.transport.credential import SimulatedCredential
from defender_remediate.testing.simulator.transport.exchange import ArmError, Call, ConnectionFault, Reply
from defender_remediate.testing.simulator.web import host_keys, regions, slots
from defender_remediate.testing.simulator.web import routes as web
from defender_remediate.testing.simulator.web import stacks as web_stacks

ROUTES: tuple[Route, ...] = (
    *security.ROUTES,
    *alert_routes.ROUTES,
    *compliance_routes.ROUTES,
    *governance_rules.ROUTES,
    *jit.ROUTES,
    *automations.ROUTES,
    *sub_assessments.ROUTES,
    *exemption_routes.ROUTES,
    *governance.ROUTES,
    *custom.ROUTES,
    *graph.ROUTES,
    *logs.ROUTES,
    *metrics.ROUTES,
    *deployments.ROUTES,
    *stacks.ROUTES,
    *authorization.ROUTES,
    *restrictions.ROUTES,
    *insights.ROUTES,
    *attestations.ROUTES,
    *manifests.ROUTES,
    *remediations.ROUTES,
    *policy_exemptions.ROUTES,
    *recovery.ROUTES,
    *policy_assignments.ROUTES,
    *policy_definitions.ROUTES,
    *management.ROUTES,
    *storage.ROUTES,
    *containers.ROUTES,
    *images.ROUTES,
    *scale_sets.ROUTES,
    *power.ROUTES,
    *host_keys.ROUTES,
    *regions.ROUTES,
    *default_rules.ROUTES,
    *legal_holds.ROUTES,
    *shares.ROUTES,
    *web.ROUTES,
    *web_stacks.ROUTES,
    *slots.ROUTES,
    *sql.ROUTES,
    *sql_databases.ROUTES,
    *failover.ROUTES,
    *keyvault.ROUTES,
    *keys.ROUTES,
    *deleted_vaults.ROUTES,
    *assignments.ROUTES,
    *schedules.ROUTES,
    *activation_rules.ROUTES,
    *catalogue.ROUTES,
    *locks.ROUTES,
    *tags.ROUTES,
    *tag_names.ROUTES,
    *moves.ROUTES,
    *groups.ROUTES,
    *platform.ROUTES,
)
_INDEX = RouteIndex(ROUTES)
_KEPT_HEADERS = (
    "accept",
    "authorization",
    "content-type",
    "if-match",
    "if-none-match",
    "user-agent",
    "x-ms-client-request-id",
    "x-ms-correlation-request-id",
)


class Service:
    """The service without a transport. It answers one call at a time, from any number of threads."""

    def __init__(self, tenant: Tenant, credential: SimulatedCredential, kept_requests: int) -> None:
        self.tenant = tenant
        self.faults = Faults()
        self.throttle = Throttle(tenant.clock)
        self.requests = RequestLog(kept_requests)
        self._credential = credential
        self._changes = 0
        tenant.store.listen(self._count)
        tenant.policy_effects.followers.append(partial(deploying.follow, tenant))

    def _count(self, resource_id: str) -> None:
        del resource_id
        self._changes += 1

    def exchange(self, call: Call) -> Reply:
        """Answer a call.

        Raises:
            ConnectionFault: The connection breaks; a fault asked for it.
        """
        with self.tenant.lock.reading():
            self.tenant.operations.settle()
            before = self._changes
            try:
                reply = self._faulty(call)
            except ConnectionFault:
                self._keep(call, None, before)
                raise
            reply = self._finish(call, reply)
            self._keep(call, reply, before)
            return reply

    def _faulty(self, call: Call) -> Reply:
        fault = self.faults.next_for(call)
        if fault is None:
            return self._answer(call)
        reply = self._answer(call) if fault.when == AFTER else None
        if reply is not None and fault.status is not None:
            content = b"" if fault.status == 204 else reply.content
            return attrs.evolve(reply, status=fault.status, content=content)
        if fault.reply is None:
            raise ConnectionFault(sent=reply is not None)
        return fault.reply

    def _answer(self, call: Call) -> Reply:
        headers: dict[str, str] = {}
        try:
            other = planes.find(call)
            if other is not None:
                if not call.reads:
                    self.tenant.lock.changes += 1
                return other(self.tenant, call, partial(self._authenticate, call))
            self._authenticate(call)
            found = _INDEX.find(call)
            reads = call.reads or (found is not None and found[0].reads)
            if not reads:
                self.tenant.lock.changes += 1
            headers = self.throttle.check(call, reads=reads) if found is None or found[0].throttled else {}
            reply = self._dispatch(call, found)
        except UnknownRouteError as error:
            allowed = _INDEX.methods(call) | resources.methods(self.tenant, call.path)
            reply = wrong_method(call, allowed).reply if allowed and call.method not in allowed else error.reply
        except ArmError as error:
            reply = shaped(error.reply, call.path)
        return attrs.evolve(reply, headers={**headers, **reply.headers})

    def _authenticate(self, call: Call) -> None:
        header = call.headers.get("authorization", "")
        if not header:
            raise refusal("AuthenticationFailed")
        scheme, _, token = header.partition(" ")
        if fold(scheme) != "bearer" or token.strip() != self._credential.token:
            raise refusal(
                "ExpiredAuthenticationToken" if self._credential.has_issued(header) else "InvalidAuthenticationToken"
            )

    def _dispatch(self, call: Call, found: tuple[Route, Mapping[str, str]] | None) -> Reply:
        if found is not None:
            route, captured = found
            find_type(self.tenant, call, route.type)
            return route.handler(self.tenant, call, captured)
        status_page = platform.operation_status(self.tenant, call)
        return status_page or by_form.handle(self.tenant, call) or resources.handle(self.tenant, call)

    def _finish(self, call: Call, reply: Reply) -> Reply:
        tenant = self.tenant
        request_id = tenant.new_id()
        headers = {
            "x-ms-request-id": request_id,
            "x-ms-correlation-request-id": call.headers.get("x-ms-correlation-request-id", request_id),
            "x-ms-routing-request-id": f"SIMULATED:{tenant.clock.now():%Y%m%dT%H%M%SZ}:{request_id}",
            "Cache-Control": "no-cache",
            "Date": tenant.clock.now().strftime("%a, %d %b %Y %H:%M:%S GMT"),
            **reply.headers,
        }
        content = b"" if call.method == "HEAD" else reply.content
        return attrs.evolve(reply, headers=headers, content=content)

    def _keep(self, call: Call, reply: Reply | None, before: int) -> None:
        headers = {name: call.headers[name] for name in _KEPT_HEADERS if name in call.headers}
        if "authorization" in headers:
            headers["authorization"] = "Bearer (kept out of the log)"
        self.requests.append(
            RecordedRequest(
                method=call.method,
                path=call.path,
                url=call.url,
                api_version=call.api_version,
                headers=headers,
                body=call.content,
                status=reply.status if reply else 0,
                changed=self._changes > before,
            )
        )
