"""The simulator's controls that say what is in the tenant, and what other people do to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.private_endpoints import CONNECTIONS, shows_connections
from defender_remediate.testing.simulator.arm.routes import store as put_away
from defender_remediate.testing.simulator.controls.base import Holding
from defender_remediate.testing.simulator.defender.state import (
    SUBSCRIPTION,
    UNHEALTHY,
    Assessment,
    AssessmentDefinition,
)
from defender_remediate.testing.simulator.monitor.audit import begin, end
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource, Subscription
from defender_remediate.testing.simulator.transport.exchange import Call

_SOMEBODY_ELSE = "somebody.else@contoso.example"


class Furnishing(Holding):
    """Puts things into the tenant."""

    def add_subscription(
        self, subscription_id: str | None = None, name: str = "", *, management_group: str = ""
    ) -> str:
        """Add a subscription, with every Defender plan at Free, owned by the caller; its scope.

        Args:
            subscription_id: A GUID; made up when it is None.
            name: What it is called.
            management_group: The management group it is in; made when there is none of that name.
        """
        with self._core.lock:
            found = Subscription(id=subscription_id or self._world.new_id(), name=name or "Simulated")
            scope = f"/subscriptions/{found.id}"
            self._world.store.subscriptions[fold(found.id)] = found
            if management_group:
                groups = self._world.store.management_groups
                group = groups.setdefault(fold(management_group), {"name": management_group, "subscriptions": []})
                group["subscriptions"].append(fold(found.id))
            self._world.access.own(scope)
            self._world.policies.assign_benchmark(scope)
            self._world.store.furnish(scope, SUBSCRIPTION)
            self._world.assessor.look_at(scope)
            return scope

    def add_group(self, scope: str, name: str, location: str = "westeurope") -> str:
        """Add a resource group to a subscription; its id."""
        with self._core.lock:
            group_id = f"/subscriptions/{ids.subscription_of(scope)}/resourceGroups/{name}"
            self._world.store.subscription(ids.subscription_of(scope)).groups[fold(name)] = {
                "id": group_id,
                "name": name,
                "type": "Microsoft.Resources/resourceGroups",
                "location": location,
                "properties": {"provisioningState": "Succeeded"},
            }
            return group_id

    def add_resource(self, body: Mapping[str, Any], api_versions: tuple[str, ...] | None = None) -> str:
        """Add a resource, or replace one, as if it had always been there; its id.

        Nothing is logged, and Defender has judged it already. Subscription and group are made when they are missing.

        Args:
            body: As a GET of it would answer; ``id`` is needed, and below it at least ``location`` and ``properties``.
            api_versions: The api-versions its type answers to, besides those the simulator knows. A type that it does
                not know needs them, and then takes any property and any PATCH.

        Raises:
            ValueError: The body has no id of a resource, or its type needs ``api_versions``.
        """
        target = ids.target_of(str(body.get("id", "")))
        if target is None or target.is_collection:
            raise ValueError(f"the body needs the id of a resource, got {body.get('id')!r}")
        with self._core.lock:
            world = self._world
            kind = world.kinds.learn(target.type, api_versions) if api_versions else world.kinds.get(target.type)
            if kind is None:
                raise ValueError(f"{target.type} is not a type the simulator knows: pass api_versions")
            if target.subscription and fold(target.subscription) not in world.store.subscriptions:
                self.add_subscription(target.subscription)
            if target.group and fold(target.group) not in world.store.subscription(target.subscription).groups:
                self.add_group(target.id, target.group, str(body.get("location", "westeurope")))
            written = put_away(world, target.id, kind, body)
            world.assessor.look_at(written.id)
            return written.id

    def add_container(self, account_id: str, name: str, properties: Mapping[str, Any] | None = None) -> str:
        """Add a blob container to a storage account; its id.

        Args:
            account_id: The storage account.
            name: What it is called.
            properties: What differs from a new, private container.

        Raises:
            KeyError: There is no such account.
        """
        with self._core.lock:
            service = f"{self._found(account_id).id}/blobServices/default"
            return self.add_resource({"id": f"{service}/containers/{name}", "properties": dict(properties or {})})

    def add_function_app(self, resource_id: str, storage: str, properties: Mapping[str, Any] | None = None) -> str:
        """Add a function app that lives on a storage account, with the containers its host keeps there; its id.

        Nothing on the account names the app: the two containers are all that Azure's control plane shows of it.

        Args:
            resource_id: The id that the app is to have.
            storage: The storage account.
            properties: Properties of the app.

        Raises:
            KeyError: There is no such account.
            ValueError: The id is not that of a resource.
        """
        with self._core.lock:
            account = self._found(storage)
            site = {
                "id": resource_id,
                "location": account.body["location"],
                "kind": "functionapp,linux",
                "properties": {"state": "Running", "enabled": True, "reserved": True, **(properties or {})},
            }
            added = self.add_resource(site)
            for name in ("azure-webjobs-hosts", "azure-webjobs-secrets"):
                self.add_container(account.id, name)
            return added

    def add_private_endpoint(self, resource_id: str, name: str = "pe", *, status: str = "Approved") -> str:
        """Connect a private endpoint to a resource, whose body says so from now on; the id of the connection.

        Args:
            resource_id: The resource, of a type that has ``privateEndpointConnections``.
            name: What the endpoint is called.
            status: ``Approved``, ``Pending``, ``Rejected`` or ``Disconnected``.

        Raises:
            KeyError: There is no such resource.
            ValueError: Its type has no private endpoints.
        """
        with self._core.lock:
            found = self._found(resource_id)
            if not shows_connections(found):
                raise ValueError(f"{found.kind.name} has no {CONNECTIONS}")
            group = f"/subscriptions/{ids.subscription_of(found.id)}/resourceGroups/{ids.group_of(found.id)}"
            endpoint = f"{group}/providers/Microsoft.Network/privateEndpoints/{name}"
            made = self._world.connections.connect(found, endpoint, status)
            self._world.assessor.look_at(found.id)
            return made

    def add_finding(
        self,
        metadata: Mapping[str, Any],
        *,
        key: str,
        resource_type: str,
        rule: Mapping[str, Any],
        controls: tuple[str, ...] = (),
        subscriptions: tuple[str, ...] = (),
    ) -> None:
        """Add a recommendation that Defender judges by.

        Args:
            metadata: ``properties`` of its assessmentMetadata; needs ``displayName`` and ``severity``.
            key: Its assessment key.
            resource_type: What it looks at.
            rule: When such a resource is healthy; ``rules`` has the grammar.
            controls: Names of the security controls it counts in.
            subscriptions: The subscriptions that define it; empty for a built-in one.
        """
        finding = AssessmentDefinition(
            key=fold(key),
            metadata=deepcopy(dict(metadata)),
            resource_type=resource_type,
            rule=deepcopy(dict(rule)),
            controls=controls,
            subscriptions=tuple(fold(ids.subscription_of(s)) or fold(s) for s in subscriptions),
        )
        with self._core.lock:
            self._world.assessor.add_finding(finding)

    def add_assessment(
        self,
        key: str,
        resource_id: str,
        *,
        code: str = UNHEALTHY,
        cause: str = "",
        description: str = "",
        details: Mapping[str, Any] | None = None,
        additional: Mapping[str, str] | None = None,
        risk: Mapping[str, Any] | None = None,
    ) -> None:
        """Set an assessment by hand; it follows no rule from now on.

        Args:
            key: The assessment key of a recommendation that the simulator has.
            resource_id: What it is on.
            code: ``Healthy``, ``Unhealthy`` or ``NotApplicable``.
            cause: Why, such as ``Exempt``.
            description: The same in a sentence.
            additional: ``additionalData``.
            risk: As Defender CSPM puts it into context.
            details: ``resourceDetails``, for what is not an Azure resource.
        """
        with self._core.lock:
            self._world.assessor.add(
                Assessment(
                    finding=self._world.assessor.findings[fold(key)],
                    resource_id=resource_id,
                    details=dict(details or {"source": "Azure", "id": resource_id}),
                    code=code,
                    cause=cause,
                    description=description,
                    additional=dict(additional or {}),
                    risk=None if risk is None else dict(risk),
                )
            )

    def set_risk(self, key: str, resource_id: str, risk: Mapping[str, Any] | None) -> None:
        """Let Defender CSPM put an assessment into context, or take it out of it; the newest api-version shows it.

        Raises:
            KeyError: There is no such assessment.
        """
        with self._core.lock:
            self._world.assessor.find(key, resource_id).risk = None if risk is None else dict(risk)

    def edit(self, resource_id: str, change: Callable[[dict[str, Any]], object]) -> None:
        """Change a resource as a third party would: past every check, but in the activity log under another caller.

        Args:
            resource_id: Its id.
            change: Is given the body as GET shows it, and changes it in place.

        Raises:
            KeyError: There is no such resource.
        """
        with self._core.lock:
            found = self._found(resource_id)
            body = found.render()
            change(body)
            self._log_elsewhere("PUT", f"{found.kind.name}/write", found.id)
            self._world.store.write(found.id, found.kind, body)

    def remove(self, resource_id: str) -> None:
        """Delete a resource as a third party would. Its assessments linger for a while, as Defender's do.

        Raises:
            KeyError: There is no such resource.
        """
        with self._core.lock:
            found = self._found(resource_id)
            self._log_elsewhere("DELETE", f"{found.kind.name}/delete", found.id)
            self._world.store.remove(found.id)

    def _found(self, resource_id: str) -> Resource:
        found = self._world.store.find(resource_id)
        if found is None:
            raise KeyError(resource_id)
        return found

    def _log_elsewhere(self, method: str, action: str, resource_id: str) -> None:
        call = Call.of(method, self.endpoint + resource_id, {}, b"")
        operation = begin(self._world, call, action, resource_id, caller=_SOMEBODY_ELSE)
        end(self._world, operation, "Succeeded", "OK")
