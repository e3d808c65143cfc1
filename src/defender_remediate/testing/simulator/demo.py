"""The demo tenant: Contoso's web shop, its platform and its development, from ``data/demo.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.testing.simulator.arm.merge_patch import merge_patch
from defender_remediate.testing.simulator.controls.access import AccessControls
from defender_remediate.testing.simulator.controls.defender import DefenderControls
from defender_remediate.testing.simulator.controls.directory import DirectoryControls
from defender_remediate.testing.simulator.controls.resources import ResourceControls
from defender_remediate.testing.simulator.state.facts import facts


def add_demo_resources(
    resources: ResourceControls, access: AccessControls, defender: DefenderControls, directory: DirectoryControls
) -> None:
    """Fills an empty tenant with the demo resources."""
    demo = facts("demo")
    for entry in demo["directory"]:
        directory.add(entry["collection"], entry["body"])
    directory.change("domains", "simulated.onmicrosoft.com", {"isDefault": False})
    directory.change("policies", "identitySecurityDefaultsEnforcementPolicy", {"isEnabled": False})
    usual_bodies = facts("bodies")
    scopes = {
        name: resources.add_subscription(raw["id"], raw["name"], management_group=demo["management_group"])
        for name, raw in demo["subscriptions"].items()
    }
    workspace = ""
    for entry in demo["resources"]:
        group = f"{scopes[entry['subscription']]}/resourceGroups/{entry['group']}"
        resource_id = _id_of(entry, group)
        placeholders = {
            "name": entry["name"].rsplit("/", 1)[-1],
            "location": entry["location"],
            "group": group,
            "workspace": workspace,
        }
        body: dict[str, Any] = {} if "on" in entry else {"location": entry["location"]}
        # A child that every resource of its type has; the entry says in what it differs.
        if "/" in entry["name"] and resource_id in resources.list_ids(scope=resource_id):
            body = resources.get(resource_id)
        own = {name: entry[name] for name in ("properties", "tags", "kind", "identity") if name in entry}
        usual = _filled(usual_bodies.get(entry["type"], {}), placeholders)
        resources.add({**merge_patch(merge_patch(body, usual), own), "id": resource_id})
        if entry["type"].endswith("/workspaces"):
            workspace = resource_id
    for entry in demo["pricings"]:
        plan = f"{scopes[entry['subscription']]}/providers/Microsoft.Security/pricings/{entry['plan']}"
        resources.add(merge_patch(resources.get(plan), {"properties": entry["properties"]}))
    for entry in demo["contacts"]:
        contact = f"{scopes[entry['subscription']]}/providers/Microsoft.Security/securityContacts/default"
        resources.add({"id": contact, "properties": entry["properties"]})
    _add_assessments(demo, scopes, access, defender)


def _id_of(entry: Mapping[str, Any], group: str) -> str:
    names = entry["name"].split("/")
    if "on" in entry:
        return f"{group}/providers/{entry['on']}/{names[0]}/providers/{entry['type']}/{names[1]}"
    namespace, *types = entry["type"].split("/")
    return f"{group}/providers/{namespace}/" + "/".join(f"{t}/{n}" for t, n in zip(types, names, strict=True))


def _filled(value: Any, placeholders: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _filled(item, placeholders) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, placeholders) for item in value]
    return value.format(**placeholders) if isinstance(value, str) and "{" in value else value


def _add_assessments(
    demo: Mapping[str, Any], scopes: Mapping[str, str], access: AccessControls, defender: DefenderControls
) -> None:
    custom = demo["custom"]
    defender.add_recommendation(
        custom["metadata"],
        key=custom["key"],
        resource_type=custom["resource_type"],
        rule=custom["rule"],
        subscriptions=(scopes[custom["subscription"]],),
    )
    for entry in _filled(demo["assessments"], scopes):
        defender.add_assessment(
            entry["key"],
            entry["on"],
            code=entry["code"],
            cause=entry.get("cause"),
            description=entry.get("description"),
            details=entry.get("details"),
            additional=entry.get("additional"),
        )
    for entry in _filled(demo["exemptions"], scopes):
        access.exempt(
            entry["on"],
            references=(entry["policy"],),
            name=entry["name"],
            description=entry["description"],
            already_assessed=True,
        )
    for entry in _filled(demo["risks"], scopes):
        defender.set_risk(entry["key"], entry["on"], entry["risk"])
    _add_individual(demo, scopes, defender)


def _add_individual(demo: Mapping[str, Any], scopes: Mapping[str, str], defender: DefenderControls) -> None:
    for entry in demo["individual"]:
        defender.add_individual(
            entry["title"],
            entry["on"].format(**scopes),
            category=entry["category"],
            severity=entry["severity"],
            details=_filled(entry.get("details"), scopes),
            # They contain JSON inside strings, which has braces of its own.
            additional=entry["additional"],
            resource_data=entry.get("data"),
            risk=entry.get("risk"),
        )
    for name, properties in demo["cves"].items():
        defender.add_cve(name, properties)
    for entry in _filled(demo["attack_paths"], scopes):
        defender.add_attack_path(entry["name"], entry["on"], entry["properties"])
