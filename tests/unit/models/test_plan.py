from __future__ import annotations

import copy
import json
import pickle
from datetime import datetime, timezone

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.errors import InvalidInputError, PlanAlteredError
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.condition import Condition
from defender_remediate.models.dependencies import Dependencies
from defender_remediate.models.plan import (
    ABSENT,
    CreatedResource,
    PlannedRequest,
    PropertyChange,
    RemediationPlan,
    RemediationStep,
    SkippedResource,
    SkipReason,
)

STRINGS = st.text(max_size=12)
BODIES = st.dictionaries(
    STRINGS, st.none() | st.booleans() | st.integers() | STRINGS | st.lists(STRINGS, max_size=2), max_size=3
)
CONDITIONS = st.builds(Condition, operator=st.just("equals"), path=STRINGS, value=STRINGS | st.booleans() | st.none())
REQUESTS = st.builds(
    PlannedRequest, method=st.sampled_from(["PATCH", "PUT"]), path=STRINGS, api_version=STRINGS, body=BODIES
)
FINDINGS = st.lists(
    st.builds(
        CheckResult,
        check=st.sampled_from(["lock", "policy", "my_own_check"]),
        status=st.sampled_from(CheckStatus),
        message=STRINGS,
        evidence=st.tuples(STRINGS),
        advice=STRINGS,
        waived_because=STRINGS,
    ),
    max_size=2,
).map(tuple)
STEPS = st.builds(
    RemediationStep,
    id=STRINGS,
    executor=STRINGS,
    keys=st.tuples(STRINGS),
    titles=st.tuples(STRINGS),
    resource_id=STRINGS,
    resource_type=STRINGS,
    target_id=STRINGS,
    api_version=STRINGS,
    changes=st.lists(
        st.builds(PropertyChange, path=STRINGS, before=STRINGS | st.just(ABSENT) | st.none()), max_size=2
    ).map(tuple),
    request=REQUESTS,
    undo_request=st.none() | REQUESTS,
    fingerprint=STRINGS,
    dependencies=st.builds(Dependencies, members=st.tuples(STRINGS), is_whole=st.booleans()),
    permissions=st.tuples(STRINGS),
    check_results=FINDINGS,
    compliant_when=CONDITIONS | CONDITIONS.map(lambda inner: Condition(operator="not", of=(inner,))),
)
PLANS = st.builds(
    RemediationPlan,
    steps=st.lists(STEPS, max_size=3).map(tuple),
    skipped=st.lists(
        st.builds(
            SkippedResource,
            resource_id=STRINGS,
            keys=st.tuples(STRINGS),
            reason=st.sampled_from(SkipReason),
            check_results=FINDINGS,
        ),
        max_size=2,
    ).map(tuple),
    scope=st.tuples(STRINGS),
    endpoint=STRINGS,
    tenants=st.tuples(STRINGS),
    catalog_version=STRINGS,
    created_at=st.datetimes(timezones=st.just(timezone.utc)),
)


@given(PLANS)
def test_a_plan_survives_json_pickle_and_copy(plan):
    """A plan read back is the plan that was written, with its digest."""
    for twin in (RemediationPlan.from_json(plan.to_json()), pickle.loads(pickle.dumps(plan)), copy.deepcopy(plan)):
        assert twin == plan
        assert twin.digest == plan.digest
    assert RemediationPlan.from_json(plan.to_json().encode()) == plan


EDITS = {
    "id": "other",
    "executor": "template",
    "keys": ("other",),
    "titles": ("other",),
    "resource_id": "/other",
    "resource_type": "Microsoft.Web/sites",
    "target_id": "/other",
    "api_version": "2024-01-01",
    "changes": (),
    "request": PlannedRequest(method="PUT", path="/x", api_version="1", body={}),
    "undo_request": PlannedRequest(method="PUT", path="/x", api_version="1", body={}),
    "fingerprint": "0" * 64,
    "dependencies": Dependencies(members=("properties.x",), is_whole=True, ignored=("properties.y",)),
    "compliant_when": Condition(operator="exists", path="x", value=True),
    "impact": "restart",
    "irreversible_keys": ("other",),
    "preserved": ("properties.x",),
    "permissions": ("Microsoft.Web/sites/write",),
    "check_results": (CheckResult(check="lock", status="warning", message="other"),),
    "impact_reason": "other",
    "cost": "other",
    "undo_limits": ("Another sentence.",),
    "reversibility": "none",
    "creates": (CreatedResource(resource_id="/x", api_version="1"),),
}


def test_the_edits_below_cover_every_member_of_a_step():
    """A new member of a step needs its row in the next test."""
    assert EDITS.keys() == {field.name for field in attrs.fields(RemediationStep)}


@pytest.mark.parametrize("member", EDITS)
def test_any_edit_of_a_step_gives_another_digest(make_plan, make_step, member):
    """What was approved is all that is shown and all that is sent."""
    assert make_plan(steps=(make_step(**{member: EDITS[member]}),)).digest != make_plan().digest


@pytest.mark.parametrize(
    "edit",
    [
        {"scope": ("/subscriptions/x",)},
        {"endpoint": "https://management.usgovcloudapi.net"},
        {"tenants": ()},
        {"catalog_version": "2027.01"},
        {"assessed": {"microsoft.storage/storageaccounts": 7}},
        {"steps": ()},
        {"created_at": datetime(2026, 11, 1, tzinfo=timezone.utc)},
        {"removable": ("/subscriptions/x/one",)},
    ],
)
def test_a_digest_is_bound_to_where_the_plan_was_made(make_plan, edit):
    """The same steps in another cloud, tenant, scope or catalog are another plan."""
    assert make_plan(**edit).digest != make_plan().digest


def test_a_digest_does_not_cover_what_the_plan_leaves_out(make_plan):
    """A resource that became compliant meanwhile does not invalidate an approval."""
    assert make_plan(skipped=()).digest == make_plan().digest


def test_a_plan_says_its_time_zone(make_plan):
    """Or its age could not be told."""
    with pytest.raises(InvalidInputError, match="no time zone"):
        make_plan(created_at=datetime(2026, 1, 1))


def test_the_order_of_steps_counts(make_plan, make_step):
    """Steps are sent in the order that was approved."""
    one, two = make_step(), make_step(id="step-2")
    assert make_plan(steps=(one, two)).digest != make_plan(steps=(two, one)).digest


def _paths(document, path=()):
    if isinstance(document, dict):
        for key, item in document.items():
            yield from _paths(item, (*path, key))
    elif isinstance(document, list):
        for index, item in enumerate(document):
            yield from _paths(item, (*path, index))
    else:
        yield path


def test_an_edited_text_is_refused(make_plan):
    """Changing any one value of the stored steps, scope, endpoint, tenants or catalog is noticed when it is read."""
    document = json.loads(make_plan().to_json())
    edited = [path for path in _paths(document) if path[0] in {"steps", "scope", "endpoint", "tenants", "digest"}]
    assert len(edited) > 20
    for path in edited:
        twin = copy.deepcopy(document)
        place = twin
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = "edited"
        with pytest.raises((PlanAlteredError, InvalidInputError)):
            RemediationPlan.from_json(json.dumps(twin))


def test_a_text_without_its_digest_is_refused(make_plan):
    """A plan that does not say what was approved cannot be approved."""
    document = json.loads(make_plan().to_json())
    del document["digest"]
    with pytest.raises(PlanAlteredError, match="stored digest is None"):
        RemediationPlan.from_json(json.dumps(document))


def test_only_keeps_what_was_asked_for(make_plan, make_step):
    """Keys and resources select without regard to case; what is dropped is listed as not selected."""
    first = make_step(keys=("k1", "k2"))
    second = make_step(id="step-2", keys=("k3",), resource_id="/other", target_id="/other/config/web")
    plan = make_plan(steps=(first, second), skipped=())
    assert plan.only(keys=["K2"]).steps == (first,)
    assert plan.only(resources=["/OTHER"]).steps == (second,)
    assert plan.only(resources=["/other/CONFIG/web"]).steps == (second,)
    assert plan.only(keys=["k3"], resources=[first.resource_id]).steps == ()
    assert plan.only() == plan
    (dropped,) = plan.only(keys=["k1"]).skipped
    assert (dropped.resource_id, dropped.keys, dropped.reason) == ("/other", ("k3",), SkipReason.NOT_SELECTED)
    assert str(dropped) == "/other: Secure transfer to storage accounts should be enabled: not selected"


@pytest.mark.parametrize(("n", "kept"), [(0, 0), (1, 1), (2, 2), (9, 2)])
def test_limit_keeps_the_first(make_plan, make_step, n, kept):
    """The first n steps stay, the rest is listed as not selected."""
    plan = make_plan(steps=(make_step(), make_step(id="step-2")), skipped=())
    limited = plan.limit(n)
    assert limited.steps == plan.steps[:kept]
    assert len(limited.skipped) == 2 - kept
    assert (limited.digest == plan.digest) == (kept == 2)


def test_a_change_prints_before_and_after():
    """One member, with what is not there named as absent."""
    assert str(PropertyChange(path="a.b", before=None, after=[1])) == "a.b: null -> [1]"
    assert str(PropertyChange(path="a.b", after="x")) == 'a.b: (absent) -> "x"'


def test_a_skip_says_why():
    """The reason and, when there is one, the message."""
    skip = SkippedResource(resource_id="/x", keys=(), reason="no_fix", message="manual steps only")
    assert str(skip) == "/x: no fix (manual steps only)"


def test_a_plan_cannot_be_changed(make_plan):
    """An approved plan stays what it was."""
    plan = make_plan()
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        plan.steps = ()
    with pytest.raises(TypeError):
        plan.steps[0].request.body["properties"] = {}
    assert hash(plan) == hash(make_plan())


@pytest.mark.parametrize("single", [{"keys": "a-key"}, {"resources": "/subscriptions/x"}])
def test_a_single_text_selects_nothing_by_mistake(make_plan, single):
    """It would be taken for its letters, and the plan would be empty without a word."""
    with pytest.raises(InvalidInputError, match="expected a list of strings"):
        make_plan().only(**single)


def test_no_repr_shows_a_secret(make_step):
    """Neither that of a change nor that of what holds it."""
    change = PropertyChange(path="properties.adminPassword", after={"value": "planted-S3CR3T"})
    shown = "PropertyChange(path='properties.adminPassword', before=ABSENT, after={'value': '(hidden)'})"
    assert repr(change) == shown
    assert "planted" not in repr(make_step(changes=(change,))) + str(change)


def test_a_plan_is_a_sequence_of_steps(make_plan, make_step):
    """It has a length and is iterated like a report, and counts as true also when it has no steps."""
    plan = make_plan(steps=(make_step(), make_step(id="step-2")))
    assert len(plan) == 2
    assert list(plan) == list(plan.steps)
    assert make_plan(steps=())


@pytest.mark.parametrize(
    "call",
    [
        lambda plan: plan.limit("5"),
        lambda plan: plan.limit(-1),
        lambda plan: plan.limit(True),
        lambda plan: plan.only(keys="one"),
        lambda plan: plan.only(keys=[5]),
        lambda plan: plan.only(keys=[]),
        lambda plan: plan.only(keys=["a key that the plan does not have"]),
        lambda plan: plan.only(resources=["/a/typo" * 1000]),
        lambda plan: plan.only(resources=iter(())),
        lambda plan: type(plan).from_json({"kind": "RemediationPlan"}),
        lambda plan: type(plan).from_json("x" * 5000),
    ],
)
def test_a_wrong_call_of_a_plan_is_a_typed_error(make_plan, call):
    """A selection that cannot select anything is never an empty plan, and the message stays short."""
    with pytest.raises(InvalidInputError) as caught:
        call(make_plan())
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("member", ["keys", "resources"])
def test_a_selection_that_names_one_thing_too_many_is_refused(make_plan, make_step, member):
    """A typo among right names is a typed error that quotes it, not a resource that is left out in silence."""
    plan = make_plan(steps=(make_step(keys=("k1",)),), skipped=())
    known = {"keys": "k1", "resources": plan.steps[0].resource_id}[member]
    with pytest.raises(InvalidInputError, match=r"\['/a/Typo', '/no/other'\]"):
        plan.only(**{member: [known, "/no/other", "/a/Typo"]})


def test_a_selection_may_name_what_was_skipped(make_plan):
    """A resource that needs no change is no typo: the plan for it has no steps."""
    plan = make_plan()
    assert len(plan.only(resources=[plan.skipped[0].resource_id.upper()])) == 0
