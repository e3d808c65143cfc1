"""``sim.resources``: what is in the tenant, and what other people do to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.ids import is_guid
from defender_remediate.testing.simulator.arm.member_rules import TOP_LEVEL
from defender_remediate.testing.simulator.arm.private_endpoints import CONNECTIONS, shows_connections
from defender_remediate.testing.simulator.arm.writes import store_body
from defender_remediate.testing.simulator.controls import arguments, lookup
from defender_remediate.testing.simulator.controls.apart import ADDED_APART
from defender_remediate.testing.simulator.defender.state import SUBSCRIPTION
from defender_remediate.testing.simulator.monitor.audit import begin, end
from defender_remediate.testing.simulator.monitor.state import LoggedOperation
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import REGISTERED, Resource, Subscription, copied
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import Call
from defender_remediate.validation import string, strings

ANOTHER_CALLER = "another.user@contoso.example"
_SUBSCRIPTION_STATES = ("Enabled", "Warned", "PastDue", "Disabled", "Deleted")
_CALLER_TYPES = ("User", "Application", "ManagedIdentity", "System", "")
_CONNECTION_STATES = ("Approved", "Pending", "Rejected", "Disconnected")
_REGISTRATION_STATES = (REGISTERED, "Registering", "NotRegistered", "Unregistering", "Unregistered")
_FEATURE_STATES = ("Registered", "Pending", *_REGISTRATION_STATES[1:], "NotSpecified")


class ResourceControls:
    """Adds, shows, changes and removes subscriptions, resource groups and resources.

    Changes made here pass no check of Azure's, and appear in the activity log under another caller if at all.
    """

    def __init__(self, tenant: Tenant, endpoint: str) -> None:
        self._tenant = tenant
        self._endpoint = endpoint

    def get(self, resource_id: str) -> dict[str, Any]:
        """Returns a copy of a resource as GET shows it.

        Raises:
            InvalidInputError: The resource does not exist; also a KeyError.
        """
        with self._tenant.lock.reading():
            self._tenant.operations.settle()
            return self._found(resource_id).render()

    def list_ids(self, resource_type: str | None = None, scope: str = "/") -> tuple[str, ...]:
        """Returns the ids of all resources at a scope or below it, of one type if it is given.

        Raises:
            InvalidInputError: The type or the scope is not a string.
        """
        kind = None if resource_type is None else fold(string("resource_type", resource_type))
        string("scope", scope)
        with self._tenant.lock.reading():
            self._tenant.operations.settle()
            return tuple(
                found.id
                for found in self._tenant.store.resources(scope)
                if kind is None or fold(found.type.name) == kind
            )

    def add_subscription(
        self,
        subscription_id: str | None = None,
        name: str = "Simulated",
        *,
        management_group: str | None = None,
    ) -> str:
        """Adds a subscription whose owner is the caller, with every Defender plan at Free; returns its scope.

        Args:
            subscription_id: A GUID; a new one if it is None.
            name: The display name.
            management_group: The name of its management group, which is created if it does not exist.

        Raises:
            InvalidInputError: The id is not a GUID, or a name is not a name.
        """
        tenant = self._tenant
        if subscription_id is not None and not is_guid(subscription_id):
            raise InvalidInputError(f"subscription_id must be a GUID, got {quoted(subscription_id)}")
        arguments.text("name", name)
        if management_group is not None:
            arguments.name_in_id("management_group", management_group)
        with tenant.lock:
            added = Subscription(id=subscription_id or tenant.new_id(), name=name)
            scope = f"/subscriptions/{added.id}"
            tenant.store.subscriptions[fold(added.id)] = added
            if management_group is not None:
                groups = tenant.store.management_groups
                group = groups.setdefault(fold(management_group), {"name": management_group, "subscriptions": []})
                group["subscriptions"].append(fold(added.id))
            tenant.access.own(scope)
            tenant.policies.assign_benchmark(scope)
            tenant.store.add_built_in_children(scope, SUBSCRIPTION)
            tenant.assessor.assess_now(scope)
            return scope

    def add_resource_group(self, scope: str, name: str, location: str = "westeurope") -> str:
        """Adds a resource group to a subscription; returns its id.

        Raises:
            InvalidInputError: The subscription does not exist (also a KeyError), or the name or location is not one.
        """
        arguments.name_in_id("name", name)
        arguments.text("location", location)
        with self._tenant.lock:
            subscription = lookup.subscription(self._tenant, scope)
            group_id = f"/subscriptions/{ids.subscription_of(scope) or subscription.id}/resourceGroups/{name}"
            subscription.groups[fold(name)] = {
                "id": group_id,
                "name": name,
                "type": "Microsoft.Resources/resourceGroups",
                "location": location,
                "properties": {"provisioningState": "Succeeded"},
            }
            return group_id

    def add(self, body: Mapping[str, Any], api_versions: tuple[str, ...] = ()) -> str:
        """Adds or replaces a resource, resource group or subscription, as if it had always been there; returns its id.

        The activity log does not show it, and Defender has assessed it already. Its subscription and resource group are
        created if they do not exist.

        Args:
            body: The resource as a GET of Azure's REST API shows it, with its ``id`` and with ``properties`` as an
                object of its own.
            api_versions: Further api-versions of its type. A type that the simulator does not know needs them, and
                takes any property and any PATCH.

        Raises:
            InvalidInputError: The body is not a resource as the REST API shows it, its type needs ``api_versions``, or it is of a
                type that other controls add, such as a lock.
        """
        tenant = self._tenant
        resource_id = arguments.resource_body(body).get("id")
        if not isinstance(resource_id, str) or not resource_id.startswith("/"):
            raise InvalidInputError(f"the body needs the id of a resource, got {quoted(resource_id)}")
        strings("api_versions", api_versions)
        target = ids.path_of(resource_id)
        if target is None and len(ids.segments(resource_id)) == 2 and ids.subscription_of(resource_id):
            scope = self.add_subscription(ids.subscription_of(resource_id), str(body.get("displayName", "Simulated")))
            tenant.store.subscription(ids.subscription_of(scope)).tags.update(body.get("tags") or {})
            return scope
        if target is None and len(ids.segments(resource_id)) == 4 and ids.group_of(resource_id):
            if fold(ids.subscription_of(resource_id)) not in tenant.store.subscriptions:
                self.add_subscription(ids.subscription_of(resource_id))
            location = str(body.get("location", "westeurope"))
            group_id = self.add_resource_group(resource_id, ids.group_of(resource_id), location)
            own = {name: copied(body[name]) for name in ("tags", "managedBy") if body.get(name) is not None}
            tenant.store.group(ids.subscription_of(group_id), ids.group_of(group_id)).update(own)
            return group_id
        if target is None or target.is_collection:
            raise InvalidInputError(f"the body needs the id of a resource, got {quoted(resource_id)}")
        with tenant.lock:
            known = tenant.types.learn(target.type, api_versions) if api_versions else tenant.types.get(target.type)
            if known is None:
                raise InvalidInputError(
                    f"The simulator does not know the type {target.type}.", hint="Pass api_versions to add it."
                )
            add_apart = ADDED_APART.get(fold(known.name))
            if known.routed and add_apart is None:
                raise InvalidInputError(
                    f"The simulator keeps {known.name} apart from resources, so that this would have no effect.",
                    hint="Use sim.access, sim.defender or a request instead.",
                )
            unusual = sorted(set(body) - TOP_LEVEL - set(known.top))
            if unusual and not isinstance(body.get("properties"), Mapping):
                raise InvalidInputError(
                    f"{unusual[0]!r} is not a top-level member of a resource: the body looks like the flattened output "
                    "of 'az ... show'.",
                    hint="Pass the resource as the REST API shows it, with its settings below 'properties': "
                    "'az resource show --ids ID' or 'az rest' prints it.",
                )
            if target.subscription and fold(target.subscription) not in tenant.store.subscriptions:
                self.add_subscription(target.subscription)
            if target.group and fold(target.group) not in tenant.store.subscription(target.subscription).groups:
                self.add_resource_group(target.id, target.group, str(body.get("location", "westeurope")))
            # A body with a name and a type is a whole answer of Azure's.
            if known.etag_recent and {"name", "type"} <= set(body) and fold(known.etag_member) not in map(fold, body):
                known = attrs.evolve(known, etag=None)
            if add_apart is not None:
                add_apart(
                    tenant,
                    target,
                    {**body, "properties": arguments.mapping("properties", body.get("properties") or {})},
                )
                return target.id
            with tenant.assessor.immediately():
                return store_body(tenant, target.id, known, body).id

    def add_container(self, account_id: str, name: str, properties: Mapping[str, Any] | None = None) -> str:
        """Adds a blob container to a storage account; returns its id.

        Args:
            account_id: The storage account.
            name: The name of the container.
            properties: What differs from a new, private container.

        Raises:
            InvalidInputError: The account does not exist (also a KeyError), or the name is not a name.
        """
        arguments.name_in_id("name", name)
        with self._tenant.lock:
            service = f"{self._found(account_id).id}/blobServices/default"
            own = dict(arguments.mapping("properties", properties or {}))
            return self.add({"id": f"{service}/containers/{name}", "properties": own})

    def add_function_app(self, resource_id: str, storage: str, properties: Mapping[str, Any] | None = None) -> str:
        """Adds a function app that depends on a storage account; returns its id.

        Nothing on the account names the app. Azure's control plane shows only the two containers of the Functions host.

        Args:
            resource_id: The id of the app.
            storage: The id of the storage account.
            properties: Properties of the app.

        Raises:
            InvalidInputError: The account does not exist (also a KeyError), or the id is not that of a resource.
        """
        own = arguments.mapping("properties", properties or {})
        with self._tenant.lock:
            account = self._found(storage)
            added = self.add(
                {
                    "id": resource_id,
                    "location": account.body["location"],
                    "kind": "functionapp,linux",
                    "properties": {"state": "Running", "enabled": True, "reserved": True, **own},
                }
            )
            for name in ("azure-webjobs-hosts", "azure-webjobs-secrets"):
                self.add_container(account.id, name)
            return added

    def add_private_endpoint(self, resource_id: str, name: str = "pe", *, status: str = "Approved") -> str:
        """Connects a private endpoint to a resource, whose body shows it from now on; returns the connection's id.

        Args:
            resource_id: The resource, of a type that shows ``privateEndpointConnections``.
            name: The name of the endpoint.
            status: ``Approved``, ``Pending``, ``Rejected`` or ``Disconnected``.

        Raises:
            InvalidInputError: The resource does not exist (also a KeyError), its type has no private endpoints, or the
                status does not exist.
        """
        arguments.name_in_id("name", name)
        arguments.word("status", status, _CONNECTION_STATES)
        with self._tenant.lock:
            found = self._found(resource_id)
            if not shows_connections(found):
                raise InvalidInputError(f"{found.type.name} has no {CONNECTIONS}.")
            group = f"/subscriptions/{ids.subscription_of(found.id)}/resourceGroups/{ids.group_of(found.id)}"
            endpoint = f"{group}/providers/Microsoft.Network/privateEndpoints/{name}"
            connection_id = self._tenant.connections.connect(found, endpoint, status)
            self._tenant.assessor.assess_now(found.id)
            return connection_id

    def edit(
        self,
        resource_id: str,
        change: Callable[[dict[str, Any]], object],
        *,
        caller: str = ANOTHER_CALLER,
        caller_type: str = "User",
        client: str = "Azure Portal",
    ) -> None:
        """Changes a resource as another user would. The activity log and the change history show it.

        Args:
            resource_id: The resource.
            change: Receives the body as GET shows it and changes it in place.
            caller: The object id or the name of the user; ``System`` for Azure itself.
            caller_type: ``User``, ``Application``, ``ManagedIdentity`` or ``System``; an empty string for none.
            client: What the caller used: ``Azure Portal``, the id of an application, or ``Unknown``.

        Raises:
            InvalidInputError: The resource does not exist (also a KeyError), the change is not a function, or the type of
                the caller does not exist.
        """
        if not callable(change):
            raise InvalidInputError(f"change must be a function that changes a body, got {quoted(change)}")
        with self._tenant.lock:
            found = self._found(resource_id)
            body = found.render()
            change(body)
            operation = self._log("PUT", f"{found.type.name}/write", found.id, caller, caller_type, client)
            with self._tenant.changes.by(operation):
                self._tenant.store.write(found.id, found.type, body)

    def remove(
        self,
        resource_id: str,
        *,
        caller: str = ANOTHER_CALLER,
        caller_type: str = "User",
        client: str = "Azure Portal",
    ) -> None:
        """Deletes a resource as another user would. Its assessments stay for a while, as in Azure.

        Args:
            resource_id: The resource.
            caller: Who deletes it, as for ``edit``.
            caller_type: As for ``edit``.
            client: As for ``edit``.

        Raises:
            InvalidInputError: The resource does not exist (also a KeyError), or the type of the caller does not exist.
        """
        with self._tenant.lock:
            found = self._found(resource_id)
            operation = self._log("DELETE", f"{found.type.name}/delete", found.id, caller, caller_type, client)
            with self._tenant.changes.by(operation):
                self._tenant.store.remove(found.id)

    def set_subscription_state(self, scope: str, state: str) -> None:
        """Sets the state of a subscription.

        ``Warned`` and ``Disabled`` refuse every write except DELETE: 409 ReadOnlyDisabledSubscription. ``PastDue``
        refuses nothing. A ``Deleted`` subscription shows only its state; everything else in it is not found.

        Raises:
            InvalidInputError: The state does not exist, or the subscription does not exist (also a KeyError).
        """
        arguments.word("state", state, _SUBSCRIPTION_STATES)
        with self._tenant.lock:
            self._subscription(scope).state = state

    def unregister_provider(self, scope: str, namespace: str, *, state: str = "NotRegistered") -> None:
        """Unregisters a resource provider. Microsoft.Security then answers 404; others refuse writes with 409.

        Args:
            scope: The subscription.
            namespace: Such as ``Microsoft.Storage``.
            state: The registration state to show. A provider in state ``Registering`` takes writes already.

        Raises:
            InvalidInputError: The state does not exist, or the subscription does not exist (also a KeyError).
        """
        arguments.word("state", state, _REGISTRATION_STATES)
        with self._tenant.lock:
            self._subscription(scope).registrations[_namespace(namespace)] = state

    def unregister_feature(self, scope: str, feature: str, *, state: str = "NotRegistered") -> None:
        """Unregisters a preview feature; all are registered at first.

        Args:
            scope: The subscription.
            feature: Such as ``Microsoft.Compute/EncryptionAtHost``.
            state: The state to show.

        Raises:
            InvalidInputError: The state does not exist, the feature has no namespace, or the subscription does not exist
                (also a KeyError).
        """
        arguments.word("state", state, _FEATURE_STATES)
        if "/" not in string("feature", feature):
            raise InvalidInputError(
                f"feature must have a namespace, got {quoted(feature)}",
                hint="it looks like Microsoft.Compute/EncryptionAtHost",
            )
        with self._tenant.lock:
            self._subscription(scope).features[fold(feature)] = state

    def register_provider(self, scope: str, namespace: str) -> None:
        """Registers a resource provider again.

        Raises:
            InvalidInputError: The subscription does not exist; also a KeyError.
        """
        with self._tenant.lock:
            self._subscription(scope).registrations.pop(_namespace(namespace), None)

    def retire_api_versions(self, resource_type: str, *api_versions: str) -> None:
        """Makes a type refuse api-versions that it knows, as a sovereign cloud does.

        Raises:
            InvalidInputError: The simulator does not know the type (also a KeyError), or an api-version of it.
        """
        known = lookup.resource_type(self._tenant, resource_type)
        for version in api_versions:
            arguments.word("api_versions", version, known.versions)
        with self._tenant.lock:
            self._tenant.types.retire(known.name, api_versions)

    def _subscription(self, scope: str) -> Subscription:
        return lookup.subscription(self._tenant, scope)

    def _found(self, resource_id: str) -> Resource:
        return lookup.resource(self._tenant, resource_id)

    def _log(
        self, method: str, action: str, resource_id: str, caller: str, caller_type: str, client: str
    ) -> LoggedOperation:
        string("caller", caller)
        arguments.word("caller_type", caller_type, _CALLER_TYPES)
        string("client", client)
        call = Call.of(method, self._endpoint + resource_id, {}, b"")
        operation = begin(
            self._tenant, call, action, resource_id, caller=caller, caller_type=caller_type, client=client
        )
        end(self._tenant, operation, "Succeeded", "OK")
        return operation


def _namespace(given: str) -> str:
    if "." not in arguments.name_in_id("namespace", given):
        raise InvalidInputError(
            f"namespace must be that of a resource provider, got {quoted(given)}",
            hint="it looks like Microsoft.Storage",
        )
    return fold(given)
