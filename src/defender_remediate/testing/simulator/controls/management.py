"""``sim.management_groups``: the tree of management groups."""

from __future__ import annotations

from defender_remediate.casing import fold
from defender_remediate.errors import InvalidInputError
from defender_remediate.testing.simulator.controls import arguments, lookup
from defender_remediate.testing.simulator.state import hierarchy
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.validation import strings

_ROOT = "/providers/Microsoft.Management/managementGroups"


class ManagementGroupControls:
    """Adds management groups and moves subscriptions into them."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    def add(
        self, name: str, *, parent: str | None = None, title: str | None = None, subscriptions: tuple[str, ...] = ()
    ) -> str:
        """Adds a management group, or moves one that is there; returns its id.

        Args:
            name: Its name.
            parent: The name of the group that it is below; None for the root group.
            title: Its display name; by default its name.
            subscriptions: The subscriptions that move into it.

        Raises:
            InvalidInputError: The parent or a subscription does not exist (also a KeyError), the group would be below itself, or
                there would be more levels than Azure allows.
        """
        tenant = self._tenant
        arguments.name_in_id("name", name)
        with tenant.lock:
            groups = tenant.store.management_groups
            if parent is not None and fold(parent) not in groups:
                raise lookup.missing("management group", parent, [str(one["name"]) for one in groups.values()])
            problem = None if parent is None else hierarchy.problem_of(groups, name, parent)
            if problem is not None:
                raise InvalidInputError(problem)
            moved = [fold(lookup.subscription(tenant, one).id) for one in strings("subscriptions", subscriptions)]
            group = groups.setdefault(fold(name), {"name": name, "subscriptions": []})
            group["parent"] = None if parent is None else fold(parent)
            if title is not None:
                group["shown"] = arguments.text("title", title)
            for subscription in moved:
                for other in groups.values():
                    other["subscriptions"][:] = [one for one in other["subscriptions"] if one != subscription]
                group["subscriptions"].append(subscription)
                tenant.assessor.reassess(f"/subscriptions/{subscription}")
            return f"{_ROOT}/{group['name']}"
