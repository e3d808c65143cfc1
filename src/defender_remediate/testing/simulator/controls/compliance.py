"""``sim.defender.compliance``: the standards of regulatory compliance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.controls import arguments, lookup
from defender_remediate.testing.simulator.defender.compliance import ComplianceControl, ComplianceStandard
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.validation import strings


class ComplianceControls:
    """Adds and removes standards. Their states are counted from the assessments."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    def add_standard(
        self,
        name: str,
        controls: Mapping[str, Sequence[str]],
        *,
        descriptions: Mapping[str, str] | None = None,
        scopes: tuple[str, ...] = (),
    ) -> None:
        """Adds a standard, or replaces the one of this name.

        Args:
            name: Its name, such as ``PCI-DSS-4``.
            controls: The assessment keys of the recommendations of each control; one without any is Unsupported.
            descriptions: What the controls are about, by their names; a control without one is described by its name.
            scopes: The subscriptions that show it; empty for all.

        Raises:
            InvalidInputError: A recommendation or a subscription does not exist (also a KeyError), or a name is not a name.
        """
        about = dict(arguments.mapping("descriptions", descriptions or {}))
        with self._tenant.lock:
            made = {
                arguments.name_in_id("controls", control): ComplianceControl(
                    description=about.get(control, control),
                    keys=[lookup.recommendation(self._tenant, key).key for key in strings("controls", keys)],
                )
                for control, keys in arguments.mapping("controls", controls).items()
            }
            subscriptions = [lookup.subscription(self._tenant, one).id for one in strings("scopes", scopes)]
            self._tenant.compliance.standards[fold(arguments.name_in_id("name", name))] = ComplianceStandard(
                name=name, controls=made, subscriptions=tuple(map(fold, subscriptions))
            )

    def remove_standard(self, name: str) -> None:
        """Removes a standard.

        Raises:
            InvalidInputError: It does not exist; also a KeyError.
        """
        with self._tenant.lock:
            known = self._tenant.compliance.standards
            if known.pop(fold(name), None) is None:
                raise lookup.missing("standard", name, [one.name for one in known.values()])
