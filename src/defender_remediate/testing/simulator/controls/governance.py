"""``sim.defender.governance``: who has to fix an assessment, and until when."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from defender_remediate.display import quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.testing.simulator.controls import arguments, lookup
from defender_remediate.testing.simulator.defender.governance import assignment_id
from defender_remediate.testing.simulator.defender.governance_rules import RULES, check_rule, execute
from defender_remediate.testing.simulator.state import ids
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import ArmError
from defender_remediate.validation import instance, strings


class GovernanceControls:
    """Adds and executes governance rules, and assigns owners. Defender shows and applies them where Defender CSPM is on."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant

    def assign(self, key: str, resource_id: str, *, owner: str, due: datetime, grace_period: bool = False) -> str:
        """Gives an assessment an owner and a due date; returns the id of the assignment.

        Args:
            key: The assessment key.
            resource_id: The assessed resource.
            owner: The mail address of the owner.
            due: When it has to be fixed, with a time zone.
            grace_period: Whether it does not count for the secure score until then.

        Raises:
            InvalidInputError: The recommendation or the assessment does not exist (also a KeyError), or the time has no time zone.
        """
        if instance("due", due, datetime).tzinfo is None:
            raise InvalidInputError(f"due must have a time zone, got {due}")
        properties = {
            "owner": arguments.text("owner", owner),
            "remediationDueDate": due.isoformat(),
            "isGracePeriod": instance("grace_period", grace_period, bool),
        }
        tenant = self._tenant
        with tenant.lock:
            definition = lookup.recommendation(tenant, key)
            found = tenant.assessor.get(definition.key, resource_id)
            if found is None:
                known = [one.resource_id for one in tenant.assessor.current() if one.definition is definition]
                raise lookup.missing(f"assessment {quoted(key)} of", resource_id, known)
            made = assignment_id(found.resource_id, definition.key, tenant.new_id())
            tenant.governance[ids.key(made)] = (made, properties)
            return made

    def add_rule(
        self,
        scope: str,
        name: str = "rule",
        *,
        keys: tuple[str, ...] = (),
        severities: tuple[str, ...] = (),
        owner: str | None = None,
        owner_tag: str | None = None,
        days: int = 7,
        priority: int = 100,
        grace_period: bool = False,
    ) -> str:
        """Adds a governance rule; returns its id. It assigns nothing until it is executed.

        Args:
            scope: The subscription or management group.
            name: Its name and display name.
            keys: The assessment keys that it is about; empty for any.
            severities: The severities that it is about; empty for any. Keys or severities are needed.
            owner: The mail address of the owner; or else ``owner_tag``.
            owner_tag: The tag of the resource whose value is the owner.
            days: The days until the due date.
            priority: Of several rules about an assessment, the one with the smallest number decides.
            grace_period: Whether assessments do not count for the secure score until they are due.

        Raises:
            InvalidInputError: The scope is not one, or the rule is about nothing or has no owner.
        """
        wanted = {"$.AssessmentKey": strings("keys", keys), "$.Metadata.severity": strings("severities", severities)}
        conditions = [
            {"property": member, "operator": "In", "value": json.dumps(list(values))}
            for member, values in wanted.items()
            if values
        ]
        source = {"type": "Manually", "value": owner} if owner_tag is None else {"type": "ByTag", "value": owner_tag}
        properties: dict[str, Any] = {
            "displayName": arguments.name_in_id("name", name),
            "rulePriority": priority,
            "ruleType": "Integrated",
            "sourceResourceType": "Assessments",
            "conditionSets": [{"conditions": conditions}],
            "ownerSource": source,
            "remediationTimeframe": f"{timedelta(days=arguments.count('days', days)).days}.00:00:00",
            "isGracePeriod": instance("grace_period", grace_period, bool),
        }
        try:
            check_rule(properties)
        except ArmError as error:
            raise InvalidInputError(str(error.reply.body["error"]["message"])) from None
        tenant = self._tenant
        with tenant.lock:
            kind = tenant.types.get(RULES)
            assert kind is not None  # it is shipped
            target_id = f"{arguments.scope(scope)}/providers/{RULES}/{name}"
            return tenant.store.write(target_id, kind, {"properties": properties}).id

    def execute_rule(self, rule_id: str, *, override: bool = False) -> None:
        """Executes a rule at once.

        Args:
            rule_id: Its id.
            override: Whether it replaces the assignments that exist.

        Raises:
            InvalidInputError: The rule does not exist; also a KeyError.
        """
        with self._tenant.lock:
            execute(self._tenant, lookup.resource(self._tenant, rule_id), override=instance("override", override, bool))
