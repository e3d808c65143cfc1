"""The simulator's controls that get in a caller's way."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.faults import BEFORE, Fault, answer_of
from defender_remediate.testing.simulator.arm.operations import AZURE_ASYNC, SUCCEEDED, Slow
from defender_remediate.testing.simulator.authorization.state import READ_ONLY, Lock
from defender_remediate.testing.simulator.controls.base import Holding
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import REGISTERED, Subscription
from defender_remediate.testing.simulator.transport.credential import SimulatedCredential

_STATES = ("Enabled", "Warned", "PastDue", "Disabled", "Deleted")
_REGISTRATIONS = (REGISTERED, "Registering", "NotRegistered", "Unregistering", "Unregistered")


class Obstacles(Holding):
    """Puts up locks, limits, delays and faults."""

    credential: SimulatedCredential

    def lock(self, scope: str, level: str = READ_ONLY, name: str = "lock") -> None:
        """Put a lock (``ReadOnly`` or ``CanNotDelete``) on a scope."""
        self._world.access.locks.append(Lock(scope=scope, level=level, name=name))

    def unlock(self, scope: str) -> None:
        """Take the locks off a scope."""
        locks = self._world.access.locks
        locks[:] = [lock for lock in locks if ids.key(lock.scope) != ids.key(scope)]

    def disable_subscription(self, scope: str) -> None:
        """Make a subscription read-only, as an unpaid one is."""
        self.set_subscription_state(scope, "Disabled")

    def set_subscription_state(self, scope: str, state: str) -> None:
        """Put a subscription into a state.

        ``Warned`` and ``Disabled`` refuse every write but DELETE: 409 ReadOnlyDisabledSubscription. ``PastDue`` refuses
        nothing. Of a ``Deleted`` one only the state is left, and everything else in it is not found.

        Raises:
            ValueError: There is no such state.
            KeyError: There is no such subscription.
        """
        if state not in _STATES:
            raise ValueError(f"{state!r} is none of {', '.join(_STATES)}")
        self._subscription(scope).state = state

    def unregister(self, scope: str, namespace: str, *, state: str = "NotRegistered") -> None:
        """Unregister a resource provider. Microsoft.Security then answers 404, the others refuse writes with 409.

        Args:
            scope: The subscription.
            namespace: Such as ``Microsoft.Storage``.
            state: Another state than ``NotRegistered``. In ``Registering`` the provider works already.

        Raises:
            ValueError: There is no such state.
            KeyError: There is no such subscription.
        """
        if state not in _REGISTRATIONS:
            raise ValueError(f"{state!r} is none of {', '.join(_REGISTRATIONS)}")
        self._subscription(scope).registrations[fold(namespace)] = state

    def register(self, scope: str, namespace: str) -> None:
        """Register a resource provider again.

        Raises:
            KeyError: There is no such subscription.
        """
        self._subscription(scope).registrations.pop(fold(namespace), None)

    def _subscription(self, scope: str) -> Subscription:
        return self._world.store.subscriptions[fold(ids.subscription_of(scope) or scope)]

    def retire(self, resource_type: str, *api_versions: str) -> None:
        """Let a type refuse api-versions that it knows, as a sovereign cloud does."""
        self._world.kinds.retire(resource_type, api_versions)

    def fail_extension(self, plan: str, extension: str) -> None:
        """Let an extension of a Defender plan fail when it is switched on: the PUT answers 200 all the same."""
        self._world.plan_failures.add((fold(plan), fold(extension)))

    def expire_tokens(self) -> None:
        """Refuse the token given so far; the credential gives another one."""
        self.credential.expire()

    def throttle(self, *, enabled: bool = True) -> None:
        """Switch the limits on the number of requests off, or on again."""
        self._core.throttle.enabled = enabled

    def drain(self, scope: str, kind: str = "writes") -> None:
        """Use up the tokens of a subscription: ``reads``, ``writes`` or ``deletes``."""
        self._core.throttle.drain(scope, kind)

    def fail(
        self,
        method: str = "",
        path: str = "",
        *,
        when: str = BEFORE,
        status: int | None = None,
        code: str = "",
        message: str = "Simulated.",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        times: int | None = 1,
        skip: int = 0,
    ) -> None:
        """Arm a fault: an answer when there is a ``status``, else a broken connection.

        Args:
            method: The verb it hits, or several with ``|`` between them; empty for all.
            path: A regular expression searched in path and query, whatever the case.
            when: ``before``: the request never gets there. ``after``: it has had its effect.
            status: The HTTP status to answer with.
            code: Azure's word; makes an error body with ``message`` unless ``body`` is given.
            message: What that body says.
            body: Bytes or text to send as they are (truncated JSON, HTML, no UTF-8), or anything that JSON can say.
            headers: Headers to send.
            times: How often it strikes; None for ever.
            skip: How many matching requests pass first.
        """
        answer = None if status is None else answer_of(status, code, message, body, headers or {})
        methods = tuple(part.upper() for part in method.split("|") if part)
        pattern = re.compile(path, re.IGNORECASE)
        fault = Fault(methods=methods, path=pattern, when=when, answer=answer, times=times, skip=skip)
        self._core.faults.arm(fault)

    def clear_faults(self) -> None:
        """Take back every fault that is armed."""
        self._core.faults.clear()

    def slow(
        self,
        pattern: str,
        *,
        methods: tuple[str, ...] = ("PATCH", "PUT"),
        form: str = AZURE_ASYNC,
        seconds: float = 30.0,
        retry_after: int | None = 10,
        ends: str = SUCCEEDED,
        at_once: bool = False,
        code: str = "OperationNotAllowed",
        message: str = "The operation could not be completed.",
    ) -> None:
        """Make writes long-running; ``seconds=0`` makes those of a type that is slow by nature immediate.

        Args:
            pattern: A regular expression for the whole resource type, or for a part of the resource id.
            methods: The verbs that become slow.
            form: ``azure-async``, ``location``, ``body`` or ``bare``; ``operations.Slow`` says what each is.
            seconds: How long they take, on the virtual clock.
            retry_after: What the answers ask a poller to wait; None leaves the header out.
            ends: ``Succeeded``, ``Failed`` or ``Canceled``.
            at_once: The first answer already says Failed, on HTTP 200.
            code: The error code of one that does not succeed.
            message: What that error says.
        """
        slow = Slow(
            form=form,
            seconds=seconds,
            retry_after=retry_after,
            ends=ends,
            at_once=at_once,
            code=code,
            message=message,
        )
        self._world.make_slow(pattern, methods, slow)
