"""The demo tenant: Contoso's web shop, its platform and its development, from ``data/demo.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from defender_remediate.testing.simulator.arm.writes import merge_patch
from defender_remediate.testing.simulator.state.facts import facts

if TYPE_CHECKING:
    from defender_remediate.testing.simulator.simulator import ArmSimulator


def furnish(sim: ArmSimulator) -> ArmSimulator:
    """Put the demo tenant into an empty simulator; the same simulator."""
    demo = facts("demo")
    bodies = facts("bodies")
    scopes = {
        name: sim.add_subscription(raw["id"], raw["name"], management_group=demo["management_group"])
        for name, raw in demo["subscriptions"].items()
    }
    workspace = ""
    for entry in demo["resources"]:
        resource_id = _id_of(entry, scopes)
        words = {
            "name": entry["name"].rsplit("/", 1)[-1],
            "location": entry["location"],
            "group": f"{scopes[entry['subscription']]}/resourceGroups/{entry['group']}",
            "workspace": workspace,
        }
        sim.add_resource(_body(entry, resource_id, bodies, words, _present(sim, resource_id)))
        workspace = resource_id if entry["type"].endswith("/workspaces") else workspace
    _settings(sim, demo, scopes)
    _assessments(sim, demo, scopes)
    return sim


def _id_of(entry: Mapping[str, Any], scopes: Mapping[str, str]) -> str:
    scope = f"{scopes[entry['subscription']]}/resourceGroups/{entry['group']}"
    names = entry["name"].split("/")
    if "on" in entry:
        return f"{scope}/providers/{entry['on']}/{names[0]}/providers/{entry['type']}/{names[1]}"
    namespace, *types = entry["type"].split("/")
    return f"{scope}/providers/{namespace}/" + "/".join(f"{t}/{n}" for t, n in zip(types, names, strict=True))


def _present(sim: ArmSimulator, resource_id: str) -> dict[str, Any]:
    """What every resource of its type has from birth; a child that is spelled out differs from it only in parts."""
    try:
        return sim.resource(resource_id)
    except KeyError:
        return {}


def _body(
    entry: Mapping[str, Any],
    resource_id: str,
    bodies: Mapping[str, Any],
    words: Mapping[str, str],
    present: Mapping[str, Any],
) -> dict[str, Any]:
    usual = _filled(bodies.get(entry["type"], {}), words)
    own = {name: entry[name] for name in ("properties", "tags", "kind", "identity") if name in entry}
    body: dict[str, Any] = merge_patch(merge_patch(present, usual), own)
    body["id"] = resource_id
    if not present and "on" not in entry:
        body["location"] = entry["location"]
    return body


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _filled(item, words) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, words) for item in value]
    return value.format(**words) if isinstance(value, str) and "{" in value else value


def _settings(sim: ArmSimulator, demo: Mapping[str, Any], scopes: Mapping[str, str]) -> None:
    for entry in demo["pricings"]:
        plan = f"{scopes[entry['subscription']]}/providers/Microsoft.Security/pricings/{entry['plan']}"
        sim.add_resource(merge_patch(sim.resource(plan), {"properties": entry["properties"]}))
    for entry in demo["contacts"]:
        contact = f"{scopes[entry['subscription']]}/providers/Microsoft.Security/securityContacts/default"
        sim.add_resource({"id": contact, "properties": entry["properties"]})


def _assessments(sim: ArmSimulator, demo: Mapping[str, Any], scopes: Mapping[str, str]) -> None:
    custom = demo["custom"]
    sim.add_finding(
        custom["metadata"],
        key=custom["key"],
        resource_type=custom["resource_type"],
        rule=custom["rule"],
        subscriptions=(scopes[custom["subscription"]],),
    )
    for entry in _filled(demo["assessments"], scopes):
        sim.add_assessment(
            entry["key"],
            entry["on"],
            code=entry["code"],
            cause=entry.get("cause", ""),
            description=entry.get("description", ""),
            details=entry.get("details"),
            additional=entry.get("additional"),
        )
    for entry in _filled(demo["exemptions"], scopes):
        sim.exempt_policy(
            entry["on"],
            references=(entry["policy"],),
            name=entry["name"],
            description=entry["description"],
            at_once=True,
        )
    for entry in _filled(demo["risks"], scopes):
        sim.set_risk(entry["key"], entry["on"], entry["risk"])
