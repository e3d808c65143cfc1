"""What a control is about: the error for something that the simulator does not have names what it has."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from defender_remediate.casing import fold
from defender_remediate.display import one_line, quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.testing.simulator.defender.assessments import AssessmentDefinition
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.store import Resource, Subscription
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.state.types import ResourceType
from defender_remediate.validation import did_you_mean, string


class NotSimulatedError(InvalidInputError, KeyError):
    """The simulator does not have what a control is about."""


def missing(kind: str, given: object, known: Iterable[str]) -> NotSimulatedError:
    """The error for a name that the simulator does not have, with the closest names that it has as the hint."""
    listed = list(known)
    close = get_close_matches(str(given)[:400], listed, n=1, cutoff=0.7)
    # In full: long ids differ at their ends.
    hint = f"did you mean '{one_line(close[0])}'?" if close else did_you_mean(given, listed)
    return NotSimulatedError(f"the simulator has no {kind} {quoted(given)}", hint=hint)


def resource(tenant: Tenant, resource_id: str) -> Resource:
    """The resource with an id, ignoring case.

    Raises:
        NotSimulatedError: It does not exist.
    """
    found = tenant.store.find(string("resource_id", resource_id))
    if found is None:
        # A comparison with all ids of a large tenant would take long: an id with an error in it has most in common with
        # those of the same type, or those of the same name.
        target, last = ids.path_of(resource_id), fold(resource_id.rsplit("/", 1)[-1])
        kind = None if target is None else fold(target.type)
        known = [one.id for one in tenant.store.resources() if fold(one.type.name) == kind or fold(one.name) == last]
        raise missing("resource", resource_id, known)
    return found


def subscription(tenant: Tenant, scope: str) -> Subscription:
    """The subscription of an id; a GUID alone counts as one.

    Raises:
        NotSimulatedError: It does not exist.
    """
    known = tenant.store.subscriptions
    found = known.get(fold(ids.subscription_of(string("scope", scope)) or scope))
    if found is None:
        raise missing("subscription", scope, [f"/subscriptions/{one.id}" for one in known.values()])
    return found


def recommendation(tenant: Tenant, key: str) -> AssessmentDefinition:
    """The recommendation with an assessment key.

    Raises:
        NotSimulatedError: It does not exist.
    """
    known = tenant.assessor.definitions
    found = known.get(fold(string("key", key)))
    if found is None:
        raise missing("recommendation", key, known)
    return found


def resource_type(tenant: Tenant, name: str) -> ResourceType:
    """The resource type with a name, ignoring case.

    Raises:
        NotSimulatedError: The simulator does not know it.
    """
    found = tenant.types.get(string("resource_type", name))
    if found is None:
        same_provider = [one.name for one in tenant.types.of_namespace(name.split("/")[0])]
        raise missing("resource type", name, same_provider or tenant.types.namespaces())
    return found
