"""What stands between a caller and a write: roles, locks, deny policies, disabled and unregistered subscriptions."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping
from typing import Any

import attrs

from defender_remediate.testing import ids
from defender_remediate.testing.errors import refusal
from defender_remediate.testing.exchange import ArmError
from defender_remediate.testing.store import Store

CLIENT = "aaaaaaaa-0000-4000-8000-000000000001"
"""The object id of the caller."""
READ_ONLY, CAN_NOT_DELETE = "ReadOnly", "CanNotDelete"


@attrs.frozen(kw_only=True)
class Lock:
    """A management lock."""

    scope: str
    level: str
    name: str

    @property
    def id(self) -> str:
        """Its resource id."""
        return f"{self.scope}/providers/Microsoft.Authorization/locks/{self.name}"

    def render(self) -> dict[str, Any]:
        """As the locks API shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "type": "Microsoft.Authorization/locks",
            "properties": {"level": self.level},
        }


@attrs.frozen(kw_only=True)
class DenyPolicy:
    """A policy assignment with the deny effect.

    Attributes:
        scope: Where it is assigned.
        resource_type: The type it looks at; empty for every type.
        path: The dotted path it looks at; empty to deny every write.
        equals: The value that it denies.
    """

    scope: str
    name: str
    resource_type: str = ""
    path: str = ""
    equals: Any = None

    @property
    def assignment_id(self) -> str:
        """The id of the assignment."""
        return f"{self.scope}/providers/Microsoft.Authorization/policyAssignments/{self.name}"

    @property
    def definition_id(self) -> str:
        """The id of the definition."""
        return f"{self.scope}/providers/Microsoft.Authorization/policyDefinitions/{self.name}"

    def refuses(self, resource_id: str, kind: str, body: Mapping[str, Any]) -> bool:
        """Whether a resource may not become this body."""
        if not ids.within(resource_id, self.scope):
            return False
        if self.resource_type and self.resource_type.casefold() != kind.casefold():
            return False
        return not self.path or value_at(body, self.path) == self.equals


def value_at(body: Any, path: str) -> Any:
    """The value at a dotted path; None when there is none."""
    for name in path.split("."):
        body = body.get(name) if isinstance(body, Mapping) else None
    return body


class Access:
    """Every obstacle that was put up."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.locks: list[Lock] = []
        self.denied: list[tuple[str, str]] = []
        self.policies: list[DenyPolicy] = []

    def allows(self, action: str, scope: str) -> bool:
        """Whether the caller's role has the action."""
        return not any(
            fnmatch.fnmatchcase(action.casefold(), pattern.casefold()) and ids.within(scope, at)
            for pattern, at in self.denied
        )

    def check_role(self, action: str, scope: str) -> None:
        """Refuse what the caller's role lacks.

        Raises:
            ArmError: 403 AuthorizationFailed.
        """
        if not self.allows(action, scope):
            raise refusal("AuthorizationFailed", client=CLIENT, action=action, scope=scope)

    def check_write(self, method: str, action: str, target_id: str) -> None:
        """Refuse a write that the role, the subscription's state or a lock forbids, in the order Azure looks.

        Raises:
            ArmError: 403 AuthorizationFailed, 409 ReadOnlyDisabledSubscription or 409 ScopeLocked.
        """
        self.check_role(action, target_id)
        subscription_id = ids.subscription_of(target_id)
        if subscription_id and not self._store.subscription(subscription_id).enabled:
            raise refusal("ReadOnlyDisabledSubscription", subscription=subscription_id)
        stops = (READ_ONLY, CAN_NOT_DELETE) if method == "DELETE" else (READ_ONLY,)
        locked = [lock.scope for lock in self.locks if lock.level in stops and ids.within(target_id, lock.scope)]
        if locked:
            verb = "delete" if method == "DELETE" else "write"
            raise refusal("ScopeLocked", scope=target_id, verb=verb, locked="','".join(locked))

    def check_registered(self, subscription_id: str, namespace: str) -> None:
        """Refuse a write to a resource provider that the subscription is not registered with.

        Raises:
            ArmError: 409 MissingSubscriptionRegistration; for Microsoft.Security 404 Subscription Not Registered.
        """
        if not subscription_id or namespace.casefold() not in self._store.subscription(subscription_id).unregistered:
            return
        if namespace.casefold() == "microsoft.security":
            raise refusal("Subscription Not Registered")
        refused = refusal("MissingSubscriptionRegistration", namespace=namespace)
        detail = {**refused.answer.body["error"], "target": namespace}
        raise refusal("MissingSubscriptionRegistration", namespace=namespace, more={"details": [detail]})

    def check_policies(self, resource_id: str, kind: str, body: Mapping[str, Any]) -> None:
        """Refuse a body that a deny policy forbids.

        Raises:
            ArmError: 403 RequestDisallowedByPolicy.
        """
        for policy in self.policies:
            if policy.refuses(resource_id, kind, body):
                raise _disallowed(policy, resource_id, body)


def _disallowed(policy: DenyPolicy, resource_id: str, body: Mapping[str, Any]) -> ArmError:
    name = ids.segments(resource_id)[-1]
    identifiers = [
        {
            "policyAssignment": {"name": policy.name, "id": policy.assignment_id},
            "policyDefinition": {"name": policy.name, "id": policy.definition_id, "version": "1.0.0"},
        }
    ]
    expression = {
        "result": "True",
        "expressionKind": "Field",
        "expression": policy.path or "type",
        "path": policy.path or "type",
        "expressionValue": value_at(body, policy.path) if policy.path else policy.resource_type,
        "targetValue": policy.equals if policy.path else policy.resource_type,
        "operator": "Equals",
    }
    info = {
        "evaluationDetails": {"evaluatedExpressions": [expression]},
        "policyDefinitionId": policy.definition_id,
        "policyAssignmentId": policy.assignment_id,
    }
    return refusal(
        "RequestDisallowedByPolicy",
        name=name,
        identifiers=json.dumps(identifiers, separators=(",", ":")),
        more={"target": name, "additionalInfo": [{"type": "PolicyViolation", "info": info}]},
    )
