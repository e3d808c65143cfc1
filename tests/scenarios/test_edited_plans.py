"""A plan that was edited and given a new digest is refused, or does what its text shows."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defender_remediate import Guards, MemoryJournal, RemediationClient, RemediationPlan, serialization
from defender_remediate.catalog.read_only import read_only_members
from defender_remediate.errors import DefenderRemediateError, PlanAlteredError
from defender_remediate.fixes.merge import without
from defender_remediate.json_values import ABSENT
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
FIREWALL = "45d313c3-3fca-5040-035f-d61928366d31"
KEY_VAULT_LOGS = "88bbc99c-e5af-ddd7-6105-6150b2bfa519"
AUTHORISED_RANGES = "1a2b5b4c-f80d-46e7-ac81-b51a9fb363de"
WAIVE = {"private_endpoint": "it is not in use yet"}
ELSEWHERE = "/subscriptions/44444444-4444-4444-8444-444444444444/resourceGroups/rg/providers/Microsoft.Storage/storageAccounts/st"


def connect(sim: ArmSimulator) -> RemediationClient:
    return RemediationClient(
        sim.credential,
        sim.scopes,
        transport=sim,
        clock=sim.clock,
        journal=MemoryJournal(),
        guards=Guards(max_changes=50),
    )


@cache
def document() -> dict[str, Any]:
    """A plan of a PATCH, a PUT and a deployment, as JSON."""
    sim = ArmSimulator.demo()
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    with connect(sim) as client:
        plan = client.plan(
            [SECURE_TRANSFER, AUTHORISED_RANGES, KEY_VAULT_LOGS],
            parameters={"workspace_id": workspace, "authorized_ip_ranges": ["203.0.113.0/24"]},
            waive=WAIVE,
        )
    first = {step.executor: step for step in reversed(plan.steps)}
    assert set(first) == {"patch", "put", "template"}
    plan = plan.only(resources=[step.target_id for step in first.values()])
    found: dict[str, Any] = json.loads(attrs.evolve(plan, skipped=()).to_json())
    return found


def with_new_digest(edited: dict[str, Any]) -> RemediationPlan:
    """The plan that an edited text makes. Its digest is computed, as anyone who edits a plan can do."""
    members = {name: value for name, value in edited.items() if name not in ("kind", "version", "digest")}
    return RemediationPlan.from_json(serialization.decode(RemediationPlan, members).to_json())


def refused(edited: dict[str, Any]) -> str:
    """The message with which ``apply`` refuses an edited plan, before anything is sent."""
    sim = ArmSimulator.demo()
    plan = with_new_digest(edited)
    with connect(sim) as client, pytest.raises(PlanAlteredError) as caught:
        client.apply(plan, approve=plan.digest)
    assert not sim.writes
    return str(caught.value)


def step_of(edited: dict[str, Any], executor: str) -> dict[str, Any]:
    found: dict[str, Any] = next(step for step in edited["steps"] if step["executor"] == executor)
    return found


def _request_to(path: str) -> Callable[[dict[str, Any]], None]:
    return lambda edited: step_of(edited, "patch")["request"].update(path=path)


def _whole_step_elsewhere(edited: dict[str, Any]) -> None:
    step = step_of(edited, "patch")
    step.update(resource_id=ELSEWHERE, target_id=ELSEWHERE)
    step["request"].update(path=ELSEWHERE)
    step["undo_request"].update(path=ELSEWHERE)


def _hidden_member(edited: dict[str, Any]) -> None:
    step_of(edited, "patch")["request"]["body"]["properties"]["networkAcls"] = {"defaultAction": "Allow"}


def _hidden_member_of_a_put(edited: dict[str, Any]) -> None:
    step_of(edited, "put")["request"]["body"]["properties"]["enableRBAC"] = False


def _another_value(edited: dict[str, Any]) -> None:
    step_of(edited, "patch")["request"]["body"]["properties"]["supportsHttpsTrafficOnly"] = False


def _a_change_that_is_not_sent(edited: dict[str, Any]) -> None:
    step_of(edited, "patch")["changes"].append(
        {"path": "properties.isLocalUserEnabled", "before": True, "after": False}
    )


def _another_template(edited: dict[str, Any]) -> None:
    step_of(edited, "template")["request"]["body"]["properties"]["template"]["resources"] = []


def _complete_mode(edited: dict[str, Any]) -> None:
    step_of(edited, "template")["request"]["body"]["properties"]["mode"] = "Complete"


def _deployment_elsewhere(edited: dict[str, Any]) -> None:
    step = step_of(edited, "template")
    name = step["request"]["path"].rpartition("/")[2]
    step["request"]["path"] = (
        f"/subscriptions/{'2' * 8}-2222-4222-8222-{'2' * 12}/providers/Microsoft.Resources/deployments/{name}"
    )


def _deletion(edited: dict[str, Any]) -> None:
    step_of(edited, "patch")["request"].update(method="DELETE", body={})


def _another_method(edited: dict[str, Any]) -> None:
    step_of(edited, "patch")["request"].update(method="PUT")


def _lower_impact(edited: dict[str, Any]) -> None:
    step_of(edited, "patch")["impact"] = "none"


def _from_the_future(edited: dict[str, Any]) -> None:
    edited["created_at"] = "2031-01-01T00:00:00+00:00"


def _no_id(edited: dict[str, Any]) -> None:
    step_of(edited, "patch")["resource_id"] = "/subscriptions/1/../2"


def _another_type(edited: dict[str, Any]) -> None:
    step_of(edited, "patch")["resource_type"] = "Microsoft.Storage/storageAccounts/blobServices"


def _another_subscription(edited: dict[str, Any]) -> None:
    step, other = step_of(edited, "patch"), step_of(edited, "put")["target_id"]
    step["target_id"] = other
    step["request"]["path"] = step["undo_request"]["path"] = other


def _another_version(edited: dict[str, Any]) -> None:
    step_of(edited, "patch")["request"]["api_version"] = "2016-01-01"


def _no_version(edited: dict[str, Any]) -> None:
    step_of(edited, "patch")["request"]["api_version"] = step_of(edited, "patch")["api_version"] = "1&x=y"


def _no_etag(edited: dict[str, Any]) -> None:
    step_of(edited, "patch")["request"]["if_match"] = "x\r\nX-Evil: 1"


def _no_path(edited: dict[str, Any]) -> None:
    step_of(edited, "patch")["changes"][0]["path"] = "a[[b"


def _parameter_from_a_vault(edited: dict[str, Any]) -> None:
    step_of(edited, "template")["request"]["body"]["properties"]["parameters"]["workspaceId"] = {"reference": {}}


def _title_of_another_fix(edited: dict[str, Any]) -> None:
    step_of(edited, "template")["titles"] = ["Key vaults should have purge protection enabled"]


def _irreversible(edited: dict[str, Any]) -> None:
    step_of(edited, "template")["titles"] = ["Key vaults should have purge protection enabled"]
    step = step_of(edited, "template")
    change = step["resource_id"]
    body = {"properties": {"enablePurgeProtection": True}}
    request = {"method": "PATCH", "path": change, "api_version": step["api_version"], "body": body}
    changes = [{"path": "properties.enablePurgeProtection", "after": True}]
    step.update(executor="patch", target_id=change, request=request, changes=changes, creates=[], undo_request=None)


def _no_dependency(edited: dict[str, Any]) -> None:
    step_of(edited, "patch")["dependencies"]["ignored"] = ["./.."]


def _nothing_watched(edited: dict[str, Any]) -> None:
    step_of(edited, "patch")["dependencies"] = {"members": [], "is_whole": False, "ignored": []}


def _change_ignored(edited: dict[str, Any]) -> None:
    step = step_of(edited, "patch")
    step["dependencies"] = {"members": [], "is_whole": True, "ignored": [step["changes"][0]["path"]]}


def _left_out(edited: dict[str, Any]) -> None:
    step_of(edited, "put")["request"]["leave_out"] = ["properties.networkProfile"]


def _depends_on_nothing(edited: dict[str, Any]) -> None:
    step_of(edited, "patch")["dependencies"] = {"members": []}


def _put_of_a_part(edited: dict[str, Any]) -> None:
    step_of(edited, "put")["dependencies"]["is_whole"] = False


def _ignores_a_setting(edited: dict[str, Any]) -> None:
    step_of(edited, "put")["dependencies"]["ignored"].append("properties.dnsPrefix")


EDITS: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "the request goes to another subscription": (_request_to(ELSEWHERE), "its request goes to"),
    "the whole step lies outside the scope": (_whole_step_elsewhere, "outside the scope"),
    "a PATCH carries more than is shown": (_hidden_member, "networkAcls"),
    "a PUT carries more than is shown": (_hidden_member_of_a_put, "enableRBAC"),
    "a PATCH carries another value": (_another_value, "supportsHttpsTrafficOnly"),
    "a change is shown and not sent": (_a_change_that_is_not_sent, "isLocalUserEnabled"),
    "another template is deployed": (_another_template, "its template"),
    "a template is deployed in another mode": (_complete_mode, "its template"),
    "a template is deployed elsewhere": (_deployment_elsewhere, "not a deployment to"),
    "the target is deleted": (_deletion, "only a rollback|form"),
    "a PATCH is sent as a PUT": (_another_method, "not a PATCH of the form"),
    "the impact is played down": (_lower_impact, "impact"),
    "the plan is younger than it can be": (_from_the_future, "in the future"),
    "a step depends on nothing": (_depends_on_nothing, "would be overwritten"),
    "a PUT depends on a part": (_put_of_a_part, "does not depend on all"),
    "a change of a setting is ignored": (_ignores_a_setting, "ignores changes of"),
    "a PUT leaves out a member": (_left_out, "leaves out"),
    "an id is invalid": (_no_id, "not an Azure id"),
    "the type is another one": (_another_type, "not of the type"),
    "the target is in another subscription": (_another_subscription, "another subscription"),
    "the api-version is another one": (_another_version, "written with"),
    "the api-version is invalid": (_no_version, "not an api-version"),
    "the etag is a header": (_no_etag, "not an etag"),
    "the path of a change is invalid": (_no_path, "a[[b"),
    "a parameter comes from elsewhere": (_parameter_from_a_vault, "its template"),
    "the title is that of another fix": (_title_of_another_fix, "its template"),
    "what the step depends on is no path": (_no_dependency, "is not a path"),
    "the step depends on nothing": (_nothing_watched, "would be overwritten"),
    "what the step changes is ignored": (_change_ignored, "would be overwritten"),
    "an irreversible fix is not called so": (_irreversible, "cannot be undone"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_plan_is_refused_before_anything_is_sent(edit: str) -> None:
    """A person who edits a plan can compute its digest, so the digest alone proves nothing."""
    change, message = EDITS[edit]
    edited = copy.deepcopy(document())
    change(edited)
    assert any(part in refused(edited) for part in message.split("|"))


def test_the_plan_itself_is_applied() -> None:
    """Or the other tests would prove nothing."""
    sim = ArmSimulator.demo()
    plan = with_new_digest(document())
    with connect(sim) as client:
        assert client.apply(plan, approve=plan.digest).count("applied") == 3


def test_what_a_patch_carries_only_because_it_is_replaced_whole_must_be_as_it_was() -> None:
    """That shows at the target only: the step ends before its request is sent."""
    sim = ArmSimulator.demo()
    edited = copy.deepcopy(document())
    step_of(edited, "patch")["request"]["body"]["tags"] = {"owner": "someone else"}
    plan = with_new_digest(edited).only(keys=[SECURE_TRANSFER])
    with connect(sim) as client:
        (result,) = (one for one in client.apply(plan, approve=plan.digest) if one.step_id)
    assert result.error is not None
    assert (str(result.outcome), result.error.code) == ("failed", "NotAsShown")
    assert "tags" in result.error.message
    assert not sim.writes


def _places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if at:
        yield at
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _places(item, (*at, name))
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _places(item, (*at, place))


_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=8),
    st.sampled_from([ELSEWHERE, "DELETE", "PUT", "PATCH", "2020-01-01", "properties", "*", "Allow", "Enabled", [], {}]),
    st.dictionaries(st.sampled_from(["publicNetworkAccess", "tags", "x"]), st.sampled_from(["Enabled", False, None])),
)


@pytest.mark.exhaustive
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_edit_is_refused_or_does_what_the_text_shows(data: st.DataObject) -> None:
    """Whatever member of a plan is edited: what changes afterwards is on a target that is shown, at a path that is."""
    edited = copy.deepcopy(document())
    path = data.draw(st.sampled_from(sorted(_places(edited), key=str)))
    how = data.draw(st.sampled_from(["replace", "remove", "add"]))
    holder = edited
    for part in path[:-1]:
        holder = holder[part]
    if how == "add" and isinstance(holder[path[-1]], dict):
        holder[path[-1]][data.draw(st.sampled_from(["publicNetworkAccess", "tags", "mode"]))] = data.draw(_VALUES)
    elif how == "remove":
        del holder[path[-1]]
    else:
        holder[path[-1]] = data.draw(_VALUES)

    sim = ArmSimulator.demo()
    before = {one: sim.resources.get(one) for one in sim.resources.list_ids()}
    try:
        plan = with_new_digest(edited)
        with connect(sim) as client:
            client.apply(plan, approve=plan.digest)
    except DefenderRemediateError:
        assert not sim.writes
        return
    text, details = str(plan), plan.details()
    for one in sim.resources.list_ids():
        now, then = sim.resources.get(one), before.get(one)
        if now == then or "/deployments/" in one:
            continue
        if then is None:
            # A control character in a parameter is shown by its escape.
            assert json.dumps(one.rpartition("/")[2])[1:-1] in details, one
            continue
        assert one in details, one
        assert one.rpartition("/providers/")[2].split("/")[2] in text, one
        # The simulator does not show what is read-only in an element of an array again after a PUT without it.
        settable = [without(body, read_only_members(body["type"], body["name"])) for body in (then, now)]
        for changed in _changed(*settable):
            assert changed in details, (one, changed)
            assert changed in text.replace("\n        ", ""), (one, changed)
    assert set(before) <= set(sim.resources.list_ids())


def _changed(before: Any, after: Any, at: tuple[str, ...] = ()) -> Iterator[str]:
    """The paths that differ, without what Azure itself sets."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in {*before, *after}:
            if name.lower() in ("etag", "systemdata", "provisioningstate"):
                continue
            yield from _changed(before.get(name, ABSENT), after.get(name, ABSENT), (*at, name))
    elif before != after:
        yield ".".join(at)
