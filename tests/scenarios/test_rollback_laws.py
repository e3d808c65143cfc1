"""Rollback as a property: whatever a target was, and whatever others did to it since, what the run changed is undone.

The bodies are made up from the fixes, or recorded: ``recorded_bodies.jsonl`` has one anonymised body per type.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from defender_remediate import Catalog, FixAction, MemoryJournal, Outcome, SkipReason
from defender_remediate.casing import fold
from defender_remediate.catalog.read_only import read_only_members, unsettable_members
from defender_remediate.fixes.candidates import Candidate, combine
from defender_remediate.fixes.diff import changes, settled, spelled_out
from defender_remediate.fixes.paths import EACH, look_up_all, pattern, split
from defender_remediate.fixes.placeholders import fill
from defender_remediate.fixes.restore import restoration
from defender_remediate.fixes.undo_facts import DEFAULTS
from defender_remediate.json_values import ABSENT, canonical, thaw
from defender_remediate.models import FixKind
from defender_remediate.models.fix import Reversibility
from defender_remediate.models.ids import ResourceId
from defender_remediate.models.plan import PropertyChange, RemediationStep
from defender_remediate.planning.waivers import CHECK_NAMES
from defender_remediate.testing import ArmSimulator, seeded_client
from defender_remediate.testing.simulator.arm import computed
from defender_remediate.testing.simulator.arm.member_rules import without_read_only
from defender_remediate.testing.simulator.arm.merge_patch import merge_patch
from defender_remediate.testing.simulator.state.types import shipped_types

RECORDED = Path(__file__).parent / "recorded_bodies.jsonl"
SUBSCRIPTION = "/subscriptions/11111111-2222-4333-8444-555555555555"
GROUP = f"{SUBSCRIPTION}/resourceGroups/shop-rg"
# By the type of a parameter.
SAMPLES: Mapping[str, Any] = {
    "string": "sample",
    "integer": 5000,
    "boolean": True,
    "string_list": ("https://a.example",),
}
IDS = {"resource_id": f"{GROUP}/providers/A.B/c/d", "guid": "11111111-1111-1111-1111-111111111111"}
REVERSIBLE = [fix for fix in Catalog.bundled() if fix.kind is not FixKind.TEMPLATE and not fix.is_irreversible]
THEIRS = "theirs"
WAIVERS = {str(check): "no one uses it" for check in CHECK_NAMES}
CHECKS = [HealthCheck.filter_too_much, HealthCheck.too_slow]


@cache
def recorded() -> Mapping[str, tuple[str, ...]]:
    """Real bodies as text, by their type in lower case."""
    found: dict[str, tuple[str, ...]] = {}
    for text in RECORDED.read_text(encoding="utf-8").splitlines():
        kind = fold(json.loads(text)["type"])
        found[kind] = (*found.get(kind, ()), text)
    return found


def target_type(fix: FixAction) -> str:
    """The type of what the fix reads and writes, in lower case."""
    parts = fix.target.casefold().strip("/").split("/") if fix.target else []
    if "providers" in parts:
        parts = parts[parts.index("providers") + 1 :]
        return "/".join([parts[0], *parts[1::2]])
    return "/".join([(fix.linked_type or fix.resource_type).casefold(), *parts[::2]])


def resource_id(fix: FixAction) -> str:
    """An id of the fix's resource type."""
    return SUBSCRIPTION if fix.resource_type == "Microsoft.Resources/subscriptions" else id_of(fix.resource_type)


def id_of(resource_type: str) -> str:
    namespace, *types = resource_type.split("/")
    return "/".join([f"{GROUP}/providers/{namespace}", *(f"{kind}/name{n}" for n, kind in enumerate(types))])


def values_for(fix: FixAction) -> dict[str, Any]:
    """A value for every placeholder of a fix."""
    own = resource_id(fix)
    about = {"id": own, "name": own.rpartition("/")[2], "group": "shop-rg", "location": "westeurope"}
    about["subscription"] = SUBSCRIPTION.rpartition("/")[2]
    chosen = {
        each.name: each.allowed[0] if each.allowed else {**SAMPLES, **IDS}[each.type.value] for each in fix.parameters
    }
    for each in fix.parameters:
        if each.resource_type:
            chosen[each.name] = id_of(each.resource_type)
    return {**{f"resource.{name}": value for name, value in about.items()}, **chosen}


def plain(fix: FixAction) -> FixAction:
    """The same fix for any resource of its type."""
    return attrs.evolve(fix, applies_when=None, variant="")


def fixed(fix: FixAction, before: Any) -> Any:
    """What the target becomes; None when there is nothing to do."""
    candidate = Candidate(fix=plain(fix), key=fix.key, resource_id=resource_id(fix), values=values_for(fix))
    combined = combine((candidate,), resource=before, before=before)
    return thaw(combined.after) if combined.accepted else None


def leaves(body: Any, at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The ways to everything in a body that is no object."""
    if isinstance(body, Mapping) and body:
        for name, item in body.items():
            yield from leaves(item, (*at, name))
    elif at:
        yield at


def at(body: Any, way: tuple[str, ...]) -> Any:
    for name in way:
        body = body.get(name, ABSENT) if isinstance(body, Mapping) else ABSENT
    return body


def put_at(body: dict[str, Any], way: tuple[str, ...], value: Any) -> None:
    """Set what is at the end of a way, or take it out; objects on the way are made."""
    for name in way[:-1]:
        if not isinstance(body.get(name), dict):
            if value is ABSENT:
                return
            body[name] = {}
        body = body[name]
    if value is ABSENT:
        body.pop(way[-1], None)
    else:
        body[way[-1]] = value


def opposite(value: Any) -> Any:
    """Something else of the same form."""
    if isinstance(value, dict):
        return {name: item if name == "name" else opposite(item) for name, item in value.items()}
    if isinstance(value, list):
        return [opposite(value[0])] if value and isinstance(value[0], dict) else ["*"]
    if isinstance(value, bool):
        return not value
    return "" if isinstance(value, str) else -7


@st.composite
def targets(draw: st.DrawFn) -> tuple[FixAction, dict[str, Any]]:
    """A fix and a body that it has something to do on: real, or made up; and then wrong in some way at each member."""
    fix = draw(st.sampled_from(REVERSIBLE))
    wanted = thaw(fill(fix.body or {}, values_for(fix)))
    made_up = {"location": "westeurope", "tags": {"env": "prod", "a.b": "c"}, "properties": {"unknown": {"list": [1]}}}
    real = [json.loads(text) for text in recorded().get(target_type(fix), ())]
    if fix.target:
        # Children of one type and another name, such as config/web and config/authsettingsV2, have nothing in common.
        name = fold(fix.target.rpartition("/")[2])
        real = [one for one in real if fold(str(one.get("id"))).endswith(f"/{name}")]
    body = deepcopy(draw(st.sampled_from([made_up, *real, *real, *real])))
    for way in leaves(wanted):
        how = draw(st.sampled_from(["as it is", "absent", "null", "opposite", "no object", "in a crowd"]))
        if how == "as it is":
            continue
        short = way[: draw(st.integers(1, len(way)))] if how == "no object" else way
        value = {"absent": ABSENT, "null": None, "no object": draw(st.sampled_from([ABSENT, None, {}]))}
        put_at(body, short, value.get(how, opposite(at(wanted, way))))
        if how == "in a crowd" and len(way) > 1:
            put_at(body, (*way[:-1], "unknown"), {"none": None, "list": [{"name": "a"}]})
    if "properties" in body and not isinstance(body["properties"], dict):
        del body["properties"]
    return fix, body


def same(left: Any, right: Any) -> bool:
    return left is right if ABSENT in (left, right) else canonical(left) == canonical(right)


def overlap(one: str, other: str) -> bool:
    """Whether one path is the other, or leads to it."""
    left, right = split(one), split(other)
    return all(str(a).casefold() == str(b).casefold() for a, b in zip(left, right, strict=False))


@given(targets())
@settings(max_examples=300, suppress_health_check=CHECKS)
def test_what_was_changed_goes_back(case: tuple[FixAction, dict[str, Any]]) -> None:
    """To the same document, byte for byte in its canonical form: absent stays absent, and null stays null."""
    fix, before = case
    after = fixed(fix, before)
    assume(after is not None)
    planned = changes(settled(before), settled(after))
    found = restoration(planned, settled(after))
    assert canonical(found.body) == canonical(settled(before))
    assert not found.preserved
    assert {change.path for change in planned} == set(found.restored)


def _other_members(after: dict[str, Any], planned: tuple[PropertyChange, ...]) -> list[tuple[str, ...]]:
    ours = [tuple(map(str, split(change.path))) for change in planned]
    # A caller cannot edit what a provider reports about a resource.
    ours += [(name,) for name in ("id", "name", "type", "location")]
    ours += [("identity", "principalId"), ("identity", "tenantId")]
    kind = shipped_types().get(str(after.get("type", "")).casefold())
    ours += [("properties", *path.split(".")) for path in (kind.read_only if kind else ())]
    return [way for way in leaves(after) if not any(way[: len(own)] == own or own[: len(way)] == way for own in ours)]


@st.composite
def edits(
    draw: st.DrawFn, after: dict[str, Any], planned: tuple[PropertyChange, ...]
) -> tuple[str, tuple[str, ...], Any]:
    """What a third party does: the kind of edit, where, and what is there afterwards."""
    # Half of the time something that has an inside, where there is one.
    deep = [change for change in planned if isinstance(change.after, (Mapping, tuple))]
    ours = tuple(map(str, split(draw(st.sampled_from(deep or planned) | st.sampled_from(planned)).path)))
    there = at(after, ours)
    kinds = ["a new member", "the same member", "the same member removed"]
    others = _other_members(after, planned)
    kinds += ["another member", "another member removed"] if others else []
    if isinstance(there, dict):
        kinds += ["a member added inside", "a member changed inside", "a member removed inside"]
    if isinstance(there, list):
        kinds += ["an element added", "the elements turned round"]
    kind = draw(st.sampled_from(kinds))
    if kind == "a new member":
        return kind, ("properties", "somebodys", "own"), THEIRS
    if kind.startswith("another member"):
        return kind, draw(st.sampled_from(others)), ABSENT if kind.endswith("removed") else THEIRS
    if kind == "a member added inside":
        return kind, (*ours, "somebodys"), THEIRS
    if kind.endswith("inside"):
        # Azure gives an identity its ids.
        inside = [inner for inner in leaves(there) if inner[-1] not in ("principalId", "tenantId")]
        inner = draw(st.sampled_from(inside or [("somebodys",)]))
        return kind, (*ours, *inner), ABSENT if "removed" in kind else THEIRS
    if kind in ("an element added", "the elements turned round"):
        more = {"name": THEIRS} if there and isinstance(there[0], dict) else THEIRS
        return kind, ours, [*there, more] if kind == "an element added" else [more, *reversed(there)]
    changed = (
        [{"name": THEIRS}] if isinstance(there, list) else {"theirs": THEIRS} if isinstance(there, dict) else THEIRS
    )
    return kind, ours, ABSENT if kind.endswith("removed") else changed


@given(targets(), st.data())
@settings(max_examples=250, suppress_health_check=CHECKS)
def test_what_somebody_else_did_since_survives(case: tuple[FixAction, dict[str, Any]], data: st.DataObject) -> None:
    """Of another member, of the same, inside an object or an array that the fix wrote; the rest goes back all the same."""
    fix, before = case
    after = fixed(fix, before)
    assume(after is not None)
    before, after = thaw(settled(before)), thaw(settled(after))
    planned = changes(before, after)
    kind, way, value = data.draw(edits(after, planned))
    assume(not same(at(after, way), value))
    current = deepcopy(after)
    put_at(current, way, value)
    found = restoration(planned, current)
    back, path = thaw(found.body), _path(way)
    wanted = deepcopy(current)
    for change in planned:
        if not overlap(change.path, path):
            put_at(wanted, tuple(map(str, split(change.path))), thaw(change.before))
    touched = [change for change in planned if overlap(change.path, path)]
    for other in leaves(wanted):
        if not any(overlap(_path(other), change.path) for change in touched):
            assert same(at(back, other), at(wanted, other)), f"{kind}: {_path(other)}"
    for change in touched:
        _check_touched(change, way, back, before, found.preserved)
    if not same(value, at(before, way)):
        assert same(at(back, way), value), f"{kind} of {path}: {at(back, way)!r} in place of {value!r}"


def _check_touched(
    change: PropertyChange, way: tuple[str, ...], back: Any, before: Any, preserved: tuple[str, ...]
) -> None:
    """What the edit touched is as before, or named; of an object that the fix brought, all that is not theirs goes."""
    ours = tuple(map(str, split(change.path)))
    whole = change.before in (ABSENT, None) and isinstance(change.after, Mapping)
    if whole and len(way) >= len(ours) and at(back, ours) is not ABSENT:
        for inner in leaves(thaw(change.after), ours):
            if inner != way[: len(inner)]:
                assert same(at(back, inner), ABSENT), f"{_path(inner)} was ours and is still there"
    elif not same(_identity_type(change.path, at(back, ours)), _identity_type(change.path, at(before, ours))):
        assert any(overlap(change.path, path) for path in preserved), f"{change.path} is not named"


def _identity_type(path: str, found: Any) -> Any:
    """The type of an identity: ``None`` stands for no identity."""
    return ABSENT if path == "identity.type" and found == "None" else found


def _path(way: tuple[str, ...]) -> str:
    return "".join("['" + name.replace("'", "''") + "']" for name in way)


def seeded(fix: FixAction, body: dict[str, Any]) -> tuple[ArmSimulator, str]:
    """A tenant with this one target, and what it is below; the id of the target."""
    sim = ArmSimulator()
    sim.resources.add_subscription(SUBSCRIPTION.rpartition("/")[2])
    own = resource_id(fix)
    place = fill(fix.target, values_for(fix)).strip("/")
    target = f"{own}/{place}" if place else own
    sim.defender.add_recommendation(
        {"displayName": fix.title, "severity": "High"},
        key=fix.key,
        resource_type=fix.resource_type,
        rule={"path": "properties.nothing", "equals": "nothing"},
    )
    for above in _ancestors(target):
        known = {"location": "westeurope", "properties": {}}
        sim.resources.add({**known, "id": above}, api_versions=(fix.api_version,))
    members = {name: value for name, value in body.items() if name not in ("id", "name", "type", "etag", "systemData")}
    kind = shipped_types().get(target_type(fix))
    if kind is not None:
        # A resource without its provider's defaults does not exist: the first PUT would bring them.
        given = without_read_only(kind, _without_nulls(members.get("properties") or {}))
        members["properties"] = merge_patch(_usual(target, fix), given)
    if not members.get("identity"):
        # There is no identity without a type; Azure shows none.
        members.pop("identity", None)
    if "provisioningState" in (members.get("properties") or {}):
        # Some bodies were recorded while the resource was being made.
        members["properties"] = {**members["properties"], "provisioningState": "Succeeded"}
    members.setdefault("location", "westeurope")
    if kind is not None and not kind.tracked:
        del members["location"]
    sim.resources.add({**members, "id": target}, api_versions=(fix.api_version,))
    return sim, target


def _usual(target: str, fix: FixAction) -> dict[str, Any]:
    """The properties that a provider fills in."""
    kind = shipped_types().get(target_type(fix))
    return dict(merge_patch(kind.defaults, kind.built_in.get(target.rpartition("/")[2], {}))) if kind else {}


def _filled_in(target: str, fix: FixAction) -> dict[str, Any]:
    """What a provider fills in when a write leaves it out: what every new resource has, and what goes with the fix."""
    kind = shipped_types().get(target_type(fix))
    if kind is None:
        return {}
    wanted = thaw(fill(fix.body or {}, values_for(fix)))
    whole = {"properties": {}, **wanted}
    with_fix = deepcopy(computed.completed(kind.name, target, fix.api_version, "", None, whole, whole))
    for way in leaves(wanted):
        put_at(with_fix, way, ABSENT)
    new = computed.completed(kind.name, target, fix.api_version, "", None, {"properties": {}}, {})
    return dict(merge_patch(merge_patch(with_fix, new), {"properties": _usual(target, fix)}))


def _ancestors(target: str) -> Iterator[str]:
    """The resources that a resource is below, outermost first."""
    scope, _, rest = target.rpartition("/providers/")
    if "/providers/" in scope:
        yield from [*_ancestors(scope), scope]
    namespace, *pairs = rest.split("/")
    for length in range(2, len(pairs), 2):
        yield f"{scope}/providers/{namespace}/{'/'.join(pairs[:length])}"


def shown(sim: ArmSimulator, target: str) -> str:
    """The target in canonical form, without nulls and without an identity of the type None: both stand for absent."""
    body = _without_nulls(settled(sim.resources.get(target)))
    return canonical({name: value for name, value in body.items() if value != {"type": "None"}})


def _without_nulls(body: Any) -> Any:
    if isinstance(body, Mapping):
        return {name: _without_nulls(item) for name, item in body.items() if item is not None}
    return [_without_nulls(item) for item in body] if isinstance(body, (list, tuple)) else body


def tried(
    fix: FixAction, body: dict[str, Any], edit: Callable[[ArmSimulator, RemediationStep], None]
) -> tuple[ArmSimulator, str, str, RemediationStep]:
    """Apply the fix, edit the target, roll back. Returns the tenant, the target, its state before, and the step."""
    assume(not fix.is_elsewhere)
    sim, target = seeded(fix, body)
    before = shown(sim, target)
    how: dict[str, Any] = {"transport": sim, "clock": sim.clock, "journal": MemoryJournal(), "jitter": lambda: 0.5}
    with seeded_client(sim.credential, sim.scopes, catalog=Catalog([plain(fix)]), **how) as client:
        given = {each.name: values_for(fix)[each.name] for each in fix.parameters}
        plan = client.plan([fix.key], resources=[resource_id(fix)], parameters=given)
        assume(plan.steps)
        report = client.apply(plan, approve=plan.digest)
        result = report.results[0]
        assert result.outcome is Outcome.APPLIED or shown(sim, target) == before
        assume(result.outcome is Outcome.APPLIED)
        edit(sim, plan.steps[0])
        undo = client.plan_rollback(report.run_id)
        edited = shown(sim, target)
        back = client.apply(undo, approve=undo.digest).results[0]
        if back.error is not None and back.error.status == 400:
            # A made-up value that the provider would never have taken: it says so, and nothing moves.
            assert (back.outcome, shown(sim, target)) == (Outcome.FAILED, edited)
            assume(False)
        if undo.steps and plan.steps[0].undo_limits and back.outcome is Outcome.FAILED:
            # The plan said beforehand that Azure may not take it back, and the rollback says that it did not.
            assume(False)
        elif undo.steps:
            assert back.outcome is Outcome.ROLLED_BACK, back
        else:
            reasons = {SkipReason.NOTHING_TO_RESTORE, SkipReason.CHANGED_SINCE}
            reasons |= {SkipReason.NO_UNDO} if plan.steps[0].undo_limits else set()
            assert {skip.reason for skip in undo.skipped} <= reasons
    return sim, target, before, plan.steps[0]


def settable(shown_body: str, target_id: str) -> Any:
    """A shown body without what only Azure sets, such as states, times and the ids of an identity."""
    parsed, body = ResourceId.parse(target_id), json.loads(shown_body)
    for path in (*unsettable_members(parsed.type, parsed.name), "identity.principalId", "identity.tenantId"):
        _remove(body, pattern(path))
    return body


def _remove(body: Any, parts: tuple[str | int, ...]) -> None:
    if parts[0] == EACH:
        for item in body.values() if isinstance(body, dict) else body if isinstance(body, list) else ():
            _remove(item, parts[1:])
    elif isinstance(body, dict):
        for name in [name for name in body if fold(name) == fold(str(parts[0]))]:
            if len(parts) == 1:
                del body[name]
            else:
                _remove(body[name], parts[1:])


@given(targets())
@settings(max_examples=25, suppress_health_check=CHECKS)
def test_a_run_and_its_rollback_leave_a_target_as_it_was(case: tuple[FixAction, dict[str, Any]]) -> None:
    """Through planning, journal and wire: exactly, by a default that the undo sends, or as the plan said beforehand."""
    fix, body = case
    sim, target, before, step = tried(fix, body, lambda sim, step: None)
    for change in changes(settable(before, target), settable(shown(sim, target), target)):
        for part in spelled_out(change):
            defaults = [thaw(value) for _, path, value in DEFAULTS if fold(path) == fold(part.path)]
            is_filled_in = same(at(_filled_in(target, fix), split(part.path)), thaw(part.after))
            is_default = change.before is ABSENT and (is_filled_in or thaw(part.after) in defaults)
            is_told = any(part.path in limit for limit in step.undo_limits)
            assert is_default or is_told, f"{part} is neither a default nor told: {step.undo_condition}"
    assert step.reversibility is not Reversibility.EXACT or not step.undo_limits


@pytest.mark.exhaustive
@given(targets(), st.data())
@settings(max_examples=25, suppress_health_check=CHECKS)
def test_a_rollback_leaves_what_somebody_else_did(case: tuple[FixAction, dict[str, Any]], data: st.DataObject) -> None:
    """The edit is there afterwards, and a target without it is as it was."""
    fix, body = case
    done: list[tuple[tuple[str, ...], Any, Any]] = []

    def edit(sim: ArmSimulator, step: RemediationStep) -> None:
        after = thaw(settled(sim.resources.get(step.target_id)))
        _, way, value = data.draw(edits(after, step.changes))
        # Writing what is there already is not a change that a rollback could preserve.
        assume(not same(_null_is_absent(at(after, way)), _null_is_absent(value)))
        sim.resources.edit(step.target_id, lambda there: put_at(there, way, value))
        planned = next((each.before for each in step.changes if split(each.path) == way), at(after, way))
        done.append((way, value, planned))

    sim, target, _, _ = tried(fix, body, edit)
    way, value, original = done[0]
    now = _null_is_absent(at(sim.resources.get(target), way))
    if value is ABSENT and same(now, at(_filled_in(target, fix), way)):
        # What is not there gets the provider's default with the next write.
        return
    if not same(value, original):
        assert same(now, _null_is_absent(value))


def _null_is_absent(value: Any) -> Any:
    return ABSENT if value is None else value if value is ABSENT else _without_nulls(thaw(value))


@pytest.mark.exhaustive
def test_a_put_carries_nothing_that_no_request_can_set() -> None:
    """Read-only members, wherever they stand: what a GET shows goes back without them, on the way there and on the rollback."""
    sent_back: set[str] = set()
    puts = 0
    for fix in (fix for fix in REVERSIBLE if fix.kind is FixKind.PUT and target_type(fix) in recorded()):
        body = json.loads(recorded()[target_type(fix)][0])
        for way in leaves(thaw(fill(fix.body or {}, values_for(fix)))):
            put_at(body, way, ABSENT)
        sim, target = seeded(fix, body)
        how: dict[str, Any] = {"transport": sim, "clock": sim.clock, "journal": MemoryJournal()}
        with seeded_client(sim.credential, sim.scopes, catalog=Catalog([plain(fix)]), **how) as client:
            given = {each.name: values_for(fix)[each.name] for each in fix.parameters}
            plan = client.plan([fix.key], resources=[resource_id(fix)], parameters=given, waive=WAIVERS)
            report = client.apply(plan, approve=plan.digest)
            undo = client.plan_rollback(report.run_id, waive=WAIVERS)
            client.apply(undo, approve=undo.digest)
        for request in (one for one in sim.requests if one.method == "PUT"):
            puts += 1
            members = read_only_members(target_type(fix), target.rpartition("/")[2])
            wrong = {path for path in members if look_up_all(json.loads(request.body), path)}
            sent_back |= {f"{fix.title}: {path}" for path in wrong}
    assert sent_back == set()
    assert puts > 30


@pytest.mark.parametrize("kind", ["microsoft.dbformysql/flexibleservers", "microsoft.operationalinsights/workspaces"])
def test_what_azure_changes_by_itself_does_not_stop_a_rollback(kind: str) -> None:
    """Members that no request can set move between the run, the plan of its rollback, and the rollback."""
    fix = next(fix for fix in REVERSIBLE if target_type(fix) == kind and not fix.parameters)
    body = json.loads(recorded()[kind][0])
    for way in leaves(thaw(fill(fix.body or {}, {}))):
        put_at(body, way, "Enabled")

    def move(sim: ArmSimulator, step: RemediationStep) -> None:
        def tick(there: dict[str, Any]) -> None:
            properties = there["properties"]
            properties.setdefault("backup", {})["earliestRestoreDate"] = f"{len(sim.requests)}"
            properties.setdefault("workspaceCapping", {})["quotaNextResetTime"] = f"{len(sim.requests)}"
            properties["modifiedDate"] = f"{len(sim.requests)}"

        sim.resources.edit(step.target_id, tick)

    sim, _ = seeded(fix, body)
    how: dict[str, Any] = {"transport": sim, "clock": sim.clock, "journal": MemoryJournal()}
    with seeded_client(sim.credential, sim.scopes, catalog=Catalog([plain(fix)]), **how) as client:
        plan = client.plan([fix.key], resources=[resource_id(fix)], waive={"private_endpoint": "it is not in use"})
        assert plan.steps, plan.skipped
        step = plan.steps[0]
        move(sim, step)
        report = client.apply(plan, approve=plan.digest)
        assert report.results[0].outcome is Outcome.APPLIED, report.results[0]
        move(sim, step)
        undo = client.plan_rollback(report.run_id)
        move(sim, step)
        back = client.apply(undo, approve=undo.digest)
    assert back.results[0].outcome is Outcome.ROLLED_BACK, back.results[0]


@given(st.just({"properties": {"pricingTier": "Free"}}))
@settings(max_examples=1)
def test_an_undo_that_would_drop_what_somebody_added_is_not_made(body: dict[str, Any]) -> None:
    """Disabling a plan removes its extensions, including one that someone else has added since."""
    (fix,) = (fix for fix in REVERSIBLE if fix.key.startswith("1be22853"))
    theirs = {"name": "SomebodysExtension", "isEnabled": "True"}

    def add(sim: ArmSimulator, step: RemediationStep) -> None:
        sim.resources.edit(step.target_id, lambda body: body["properties"]["extensions"].append(theirs))

    sim, target, _, _ = tried(fix, body, add)
    assert sim.resources.get(target)["properties"]["pricingTier"] == "Standard"
    assert theirs in sim.resources.get(target)["properties"]["extensions"]
