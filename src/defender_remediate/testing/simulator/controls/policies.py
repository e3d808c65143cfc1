"""``sim.policies``: what Azure Policy refuses, changes and exempts."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.testing.simulator.controls import arguments, lookup
from defender_remediate.testing.simulator.policy.library import checked_definition, definitions_in
from defender_remediate.testing.simulator.policy.state import (
    AUTHORIZATION,
    ENFORCED,
    EnrolledScope,
    PolicyAssignment,
    PolicyExemption,
    definition_body,
    reference_of,
)
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.validation import instance, instance_or_none, string, strings

_EFFECTS = ("deny", "audit")
_FIELDS = ("name", "fullname", "kind", "type", "location", "id", "tags", "identity")
_SELECTOR_KINDS = ("resourceLocation", "resourceType", "resourceWithoutLocation")
_MOST_SELECTORS, _MOST_VALUES = 10, 50
_ENFORCEMENTS = (ENFORCED, "DoNotEnforce", "Enroll")
_CATEGORIES = ("Waiver", "Mitigated")


class PolicyControls:
    """Assigns policies and initiatives, enrolls and exempts scopes."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    def assign_policy(
        self,
        scope: str,
        *,
        resource_type: str | None = None,
        path: str | None = None,
        equals: Any = None,
        name: str = "deny",
        effect: str = "deny",
        enforcement: str = ENFORCED,
        not_scopes: tuple[str, ...] = (),
    ) -> str:
        """Assigns a policy that denies one value: 403 RequestDisallowedByPolicy; returns the assignment's id.

        Args:
            scope: Where it is assigned.
            resource_type: The type that it evaluates; None for every type.
            path: The dotted path of the value; None to deny every write.
            equals: The value to deny.
            name: The name of the assignment and of the definition.
            effect: ``deny``, or ``audit``, which only checkPolicyRestrictions shows.
            enforcement: ``Default``; ``DoNotEnforce``, which refuses nothing; or ``Enroll``, which refuses where it is
                enrolled.
            not_scopes: Scopes that it does not apply to.

        Raises:
            InvalidInputError: The effect or the enforcement does not exist, a scope is not an id, or the name is not a name.
        """
        scope = arguments.scope(scope)
        arguments.name_in_id("name", name)
        arguments.word("effect", effect, _EFFECTS)
        arguments.word("enforcement", enforcement, _ENFORCEMENTS)
        for option, given in (("resource_type", resource_type), ("path", path)):
            if given is not None:
                arguments.text(option, given)
        # Definitions live at a subscription or a management group, whatever they are assigned to.
        subscription = ids.subscription_of(scope)
        base = f"/subscriptions/{subscription}" if subscription else scope
        definition_id = f"{base}{AUTHORIZATION}/policyDefinitions/{name}"
        assignment = PolicyAssignment(
            scope=scope,
            name=name,
            definition_id=definition_id,
            display_name=name,
            not_scopes=tuple(arguments.scope(one) for one in strings("not_scopes", not_scopes)),
            enforcement=enforcement,
        )
        rule = _comparison(resource_type, path, equals)
        properties = {
            "displayName": name,
            "policyType": "Custom",
            "mode": "All",
            "parameters": {},
            "policyRule": {"if": {"allOf": rule}, "then": {"effect": effect}},
        }
        with self._tenant.lock:
            self._tenant.policies.define(definition_body(definition_id, properties))
            self._tenant.policies.assign(assignment)
        return assignment.id

    def add_definition(self, definition: Mapping[str, Any]) -> str:
        """Adds a policy definition or an initiative; returns its id. It can then be assigned, and its rule is evaluated.

        Of an initiative only those policies are evaluated that the simulator has: add them as well.

        Args:
            definition: As the REST API or a file of the repository Azure/azure-policy shows it. Without an ``id`` it is the built-in
                one of its ``name``.

        Raises:
            InvalidInputError: It is no definition, Azure would not store it, or it is Defender's benchmark.
        """
        body = checked_definition(deepcopy(definition))
        with self._tenant.lock:
            self._tenant.policies.define(body)
        return str(body["id"])

    def load_definitions(self, folder: str | Path, *only: str) -> tuple[str, ...]:
        """Adds the policy definitions and initiatives in the JSON files of a folder; returns their ids.

        The folder may be a checkout of the repository Azure/azure-policy, which has the built-in ones. All of them are several
        thousand: name those that a test assigns.

        Args:
            folder: The folder; those below it are read as well, and files with something else are passed over.
            only: The names or ids of those to add. With an initiative, its policies are added too.

        Raises:
            InvalidInputError: The folder does not exist, has no definition of a name, or has a file that is not JSON or a definition that
                Azure would not store; the message names the file.
            OSError: A file cannot be read.
        """
        found = definitions_in(Path(folder), strings("only", only))
        with self._tenant.lock:
            for body in found:
                self._tenant.policies.define(body)
        return tuple(str(body["id"]) for body in found)

    def assign_initiative(self, scope: str, *keys: str, name: str = "regulation") -> str:
        """Assigns a custom initiative with the policies of some recommendations; returns the assignment's id.

        Defender then shows a resource as exempt only once it is exempt from this initiative as well.

        Args:
            scope: A subscription, or what is in one.
            keys: The assessment keys of the recommendations.
            name: The name of the initiative and of its assignment.

        Raises:
            InvalidInputError: A recommendation does not exist, or has no policy.
        """
        tenant, scope = self._tenant, arguments.scope(scope)
        arguments.name_in_id("name", name)
        definition_id = f"/subscriptions/{ids.subscription_of(scope)}{AUTHORIZATION}/policySetDefinitions/{name}"
        with tenant.lock:
            references = set()
            for key in keys:
                reference = reference_of(lookup.recommendation(tenant, key).metadata)
                if reference is None:
                    raise InvalidInputError(f"the recommendation {quoted(key)} has no policy")
                references.add(reference)
            tenant.policies.initiatives[ids.key(definition_id)] = frozenset(references)
            assignment = PolicyAssignment(scope=scope, name=name, definition_id=definition_id, display_name=name)
            tenant.policies.assign(assignment)
            return assignment.id

    def enroll(
        self,
        assignment: str,
        scope: str,
        *,
        references: tuple[str, ...] = (),
        selectors: tuple[tuple[Mapping[str, Any], ...], ...] = (),
        name: str = "enrollment",
    ) -> str:
        """Enforces an assignment in the mode ``Enroll`` in a scope; returns the id of the enrollment.

        Args:
            assignment: The id of the policy assignment.
            scope: Where it is enforced.
            references: Policies of the initiative, by their reference ids; empty for all.
            selectors: Resource selectors: each is a tuple of conditions such as
                ``{"kind": "resourceLocation", "in": ["westeurope"]}``. One of them has to be met as a whole.
            name: The name of the enrollment.

        Raises:
            InvalidInputError: The assignment does not exist, or there are more selectors or values than Azure takes.
        """
        with self._tenant.lock:
            found = self._tenant.policies.assignments.get(ids.key(string("assignment", assignment)))
            if found is None:
                raise self._no_assignment(assignment)
            if len(selectors) > _MOST_SELECTORS:
                raise InvalidInputError(
                    f"An enrollment takes {_MOST_SELECTORS} resource selectors, got {len(selectors)}."
                )
            for one in (one for group in selectors for one in group):
                values = [one[name] for name in ("in", "notIn") if name in one]
                if one.get("kind") not in _SELECTOR_KINDS or len(values) != 1 or len(values[0]) > _MOST_VALUES:
                    raise InvalidInputError(
                        f"Invalid selector {dict(one)!r}: it has a kind ({', '.join(_SELECTOR_KINDS)}), and in or notIn "
                        f"with up to {_MOST_VALUES} values."
                    )
            enrollment = EnrolledScope(
                scope=arguments.scope(scope),
                name=name,
                assignment_id=found.id,
                references=strings("references", references),
                selectors=tuple(tuple(group) for group in selectors),
            )
            self._tenant.policies.enrollments.append(enrollment)
            return enrollment.id

    def exempt(
        self,
        scope: str,
        *,
        assignment: str | None = None,
        references: tuple[str, ...] = (),
        expires: datetime | None = None,
        category: str = "Waiver",
        description: str = "",
        name: str = "exemption",
        already_assessed: bool = False,
    ) -> str:
        """Exempts a scope from an assigned policy; returns the id of the exemption.

        With an exemption from Defender's benchmark, assessments turn NotApplicable with the cause ``Exempt`` after the
        usual delay, and back when it ends. An exemption from another policy takes effect at once.

        Args:
            scope: The exempted scope.
            assignment: The id of the policy assignment; None for the benchmark's in the subscription.
            references: Policies of the initiative, by the reference ids in its definition; empty for all.
            expires: When it ends, with a time zone; None for never.
            category: ``Waiver`` or ``Mitigated``.
            description: The reason.
            name: The name of the exemption.
            already_assessed: Whether Defender's assessments show it without delay.

        Raises:
            InvalidInputError: The assignment or category does not exist, the assignment does not apply to the scope, a
                reference is unknown, or the time has no time zone.
        """
        tenant, scope = self._tenant, arguments.scope(scope)
        arguments.name_in_id("name", name)
        arguments.word("category", category, _CATEGORIES)
        string("description", description)
        instance("already_assessed", already_assessed, bool)
        instance_or_none("expires", expires, datetime)
        if expires is not None and expires.tzinfo is None:
            raise InvalidInputError(f"expires must have a time zone, got {expires}")
        with tenant.lock:
            benchmark = (
                f"/subscriptions/{ids.subscription_of(scope)}{AUTHORIZATION}/policyAssignments/SecurityCenterBuiltIn"
            )
            found = tenant.policies.assignments.get(ids.key(string("assignment", assignment or benchmark)))
            if found is None:
                raise self._no_assignment(assignment or benchmark)
            if not tenant.store.covers(found.scope, scope):
                raise InvalidInputError(f"{found.id!r} is not assigned at {scope!r} or above it.")
            if references and not found.is_initiative:
                raise InvalidInputError(f"{found.id!r} assigns a single policy, which has no reference ids.")
            known = {reference_of(each.metadata) for each in tenant.assessor.definitions.values()}
            for reference in strings("references", references):
                if reference not in known:
                    raise InvalidInputError(f"{reference!r} is not a reference id in the initiative of {found.id!r}.")
            exemption = PolicyExemption(
                scope=scope,
                name=name,
                assignment_id=found.id,
                references=strings("references", references),
                expires=expires,
                category=category,
                description=description,
            )
            tenant.policies.exemptions.append(exemption)
            tenant.assessor.reassess(scope, at_once=already_assessed)
            return exemption.id

    def end_exemption(self, exemption_id: str) -> None:
        """Deletes an exemption. The assessments that it covered change after the usual delay.

        Raises:
            InvalidInputError: The exemption does not exist; also a KeyError.
        """
        with self._tenant.lock:
            exemptions = self._tenant.policies.exemptions
            ended = [one for one in exemptions if ids.key(one.id) == ids.key(string("exemption_id", exemption_id))]
            if not ended:
                raise lookup.missing("exemption", exemption_id, [one.id for one in exemptions])
            exemptions[:] = [one for one in exemptions if one not in ended]
            self._tenant.assessor.reassess(ended[0].scope)

    def _no_assignment(self, given: str) -> InvalidInputError:
        known = [one.id for one in self._tenant.policies.assignments.values()]
        return lookup.missing("policy assignment", given, known)


def _comparison(resource_type: str | None, path: str | None, equals: Any) -> list[dict[str, Any]]:
    """Returns the conditions of a rule that compares the type and one value."""
    clauses: list[dict[str, Any]] = []
    if resource_type is not None or path is None:
        wanted = {"exists": "true"} if resource_type is None else {"equals": resource_type}
        clauses.append({"field": "type", **wanted})
    if path is not None:
        is_own = resource_type is not None and fold(path.split(".")[0]) not in _FIELDS
        field = f"{resource_type}/{path.removeprefix('properties.')}" if is_own else path
        clauses.append({"field": field, "equals": equals})
    return clauses
