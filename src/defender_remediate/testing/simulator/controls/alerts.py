"""``sim.defender.alerts``: security alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from defender_remediate.testing.simulator.controls import arguments, lookup
from defender_remediate.testing.simulator.defender.alerts import SEVERITIES, STATE_ACTIONS, raise_alert, set_state
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant


class AlertControls:
    """Raises alerts and changes their states."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    def add(
        self,
        resource_id: str,
        title: str = "Simulated alert",
        *,
        severity: str = "Medium",
        alert_type: str = "SIMULATED_Alert",
        entities: Sequence[Mapping[str, Any]] = (),
        location: str | None = None,
        name: str | None = None,
        properties: Mapping[str, Any] | None = None,
    ) -> str:
        """Raises an alert and returns its id. A suppression rule that matches it dismisses it at once.

        Args:
            resource_id: What it is about: a resource, or a subscription.
            title: Its display name.
            severity: ``Informational``, ``Low``, ``Medium`` or ``High``.
            alert_type: The name of the detection, which suppression rules compare.
            entities: Such as ``{"type": "ip", "address": "192.0.2.1"}``; scopes of suppression rules look at them.
            location: Where Defender keeps it; by default the location of the resource.
            name: Its name; by default a new one.
            properties: Further properties of the REST API, which replace those of a usual alert.

        Raises:
            InvalidInputError: The subscription or resource does not exist (also a KeyError), or a value is not what it must be.
        """
        arguments.word("severity", severity, SEVERITIES)
        made = {
            "alertDisplayName": arguments.text("title", title),
            "severity": severity,
            "alertType": arguments.text("alert_type", alert_type),
            "entities": [deepcopy(dict(arguments.mapping("entities", one))) for one in entities],
            **deepcopy(dict(arguments.mapping("properties", properties or {}))),
        }
        with self._tenant.lock:
            if ids.path_of(arguments.scope(resource_id)) is None:
                lookup.subscription(self._tenant, resource_id)
            else:
                lookup.resource(self._tenant, resource_id)
            chosen = None if name is None else arguments.name_in_id("name", name)
            place = None if location is None else arguments.name_in_id("location", location)
            return raise_alert(self._tenant, resource_id, name=chosen, location=place, properties=made).id

    def set_state(self, alert_id: str, state: str) -> None:
        """Changes the state of an alert: ``Active``, ``InProgress``, ``Resolved`` or ``Dismissed``.

        Raises:
            InvalidInputError: The alert (also a KeyError) or the state does not exist.
        """
        arguments.word("state", state, STATE_ACTIONS.values())
        with self._tenant.lock:
            set_state(self._tenant, lookup.resource(self._tenant, alert_id), state)
