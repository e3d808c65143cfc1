"""The client does what users of the Azure SDK expect."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

import attrs
import pytest
from azure.core.paging import ItemPaged

from defender_remediate import Catalog, RemediationClient, RemediationPlan, ResourceId
from defender_remediate.errors import (
    CallTimeoutError,
    InvalidInputError,
    InvalidScopeError,
    UnknownRecommendationError,
    UnknownRunError,
)
from defender_remediate.models.ids import Scope
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
Connect = Callable[..., RemediationClient]


def test_every_listing_is_item_paged(client: RemediationClient) -> None:
    """By item and by page; the pages begin again."""
    listings: list[Any] = [
        client.list_controls(),
        client.list_recommendations(),
        client.list_assessments(),
        client.activity.list_events(),
    ]
    for listing in listings:
        assert isinstance(listing, ItemPaged)
        found = list(listing)
        assert [item for page in listing.by_page() for item in page] == found


def test_a_recommendation_is_named_in_every_way(client: RemediationClient) -> None:
    """By itself, by an assessment, by key, by the id of an assessment and by its display name."""
    recommendation = client.get_recommendation(SECURE_TRANSFER)
    expected = list(client.list_assessments(SECURE_TRANSFER))
    title = next(fix.title for fix in client.catalog if fix.key == SECURE_TRANSFER)
    for name in (recommendation, expected[0], expected[0].id, SECURE_TRANSFER.upper(), title):
        assert list(client.list_assessments(name)) == expected
    with pytest.raises(
        UnknownRecommendationError, match="no recommendation in the catalog has the key or display name"
    ):
        client.list_assessments("secure transfer")
    with pytest.raises(InvalidInputError) as caught:
        client.list_assessments([recommendation] * 50)  # type: ignore[arg-type]
    assert len(caught.value.message) < 200


def test_a_scope_is_named_in_every_way(sim: ArmSimulator, connect: Connect) -> None:
    """By its id, as a value, or by the GUID of a subscription."""
    subscription = sim.scopes[0]
    expected = connect(subscription).get_secure_score()
    for scope in (Scope.parse(subscription), subscription.rpartition("/")[2], [Scope.parse(subscription)]):
        assert connect(scope).get_secure_score() == expected
    with pytest.raises(InvalidScopeError, match="does not exist"):
        connect(f"{subscription}/resourceGroups/nope").plan()


def test_a_run_is_named_by_its_report(client: RemediationClient, accounts: list[str]) -> None:
    """As well as by its id; anything else is refused with what was given, cut short."""
    report = client.fix(SECURE_TRANSFER, resources=accounts[:1])
    assert client.resume(report).run_id == report.run_id
    assert client.plan_rollback(report).rolls_back == report.run_id
    assert client.rollback(report).plan.rolls_back == report.run_id
    with pytest.raises(UnknownRunError):
        client.resume("00000000-0000-4000-8000-000000000000")
    with pytest.raises(InvalidInputError, match="expected a report or a run id") as caught:
        client.rollback(report.plan)  # type: ignore[arg-type]
    assert len(caught.value.message) < 200


def test_options_of_a_call_reach_every_request(
    sim: ArmSimulator, client: RemediationClient, accounts: list[str]
) -> None:
    """Also in the threads of a run, and only those of that call."""
    before = len(sim.requests)
    client.fix(SECURE_TRANSFER, resources=accounts[:2], headers={"x-team": "blue"}, client_request_id="mine")
    sent = sim.requests[before:]
    assert {request.headers["x-ms-client-request-id"] for request in sent} == {"mine"}
    list(client.activity.list_events(client_request_id="log"))
    assert sim.requests[-1].headers["x-ms-client-request-id"] == "log"
    before = len(sim.requests)
    client.get_secure_score()
    assert all(request.headers["x-ms-client-request-id"] != "mine" for request in sim.requests[before:])
    with pytest.raises(InvalidInputError, match="set by this library"):
        client.plan(headers={"authorization": "Bearer x"})


def test_a_timeout_bounds_a_plan(sim: ArmSimulator, connect: Connect) -> None:
    """A single resource that cannot be read is skipped; a call that is over is an error all the same."""
    client = connect(workers=1)
    keys = [SECURE_TRANSFER]
    assert client.plan(keys, timeout=3600).steps
    sim.faults.fail("GET", "/storageAccounts/", status=503, headers={"Retry-After": "60"}, times=None)
    with pytest.raises(CallTimeoutError, match="timeout=90 s"):
        client.plan(keys, timeout=90)
    with pytest.raises(InvalidInputError, match="timeout"):
        client.list_controls(timeout=-1)


def test_no_argument_is_there_for_tests_only() -> None:
    """Ids and jitter are replaced by a helper of the testing package."""
    arguments = signature(RemediationClient).parameters
    assert not {"new_id", "jitter"} & set(arguments)
    assert all("0x" not in str(argument) for argument in arguments.values())


def test_a_recommendation_whose_key_is_not_published_is_found_by_its_name(
    connect: Callable[..., RemediationClient],
) -> None:
    """The catalog has a word of its own for it; Azure knows it by its display name."""
    fix = Catalog.bundled().get(SECURE_TRANSFER)
    assert fix is not None
    client = connect(catalog=Catalog([attrs.evolve(fix, key="unpublished")]))
    expected = list(client.list_assessments(SECURE_TRANSFER))
    for name in ("unpublished", fix.title, attrs.evolve(fix, key="unpublished")):
        assert list(client.list_assessments(name)) == expected
        assert client.get_recommendation(name).key == SECURE_TRANSFER
    client = connect(catalog=Catalog([attrs.evolve(fix, key="unpublished", title="No such thing")]))
    with pytest.raises(UnknownRecommendationError, match="Azure has no recommendation named 'No such thing'"):
        list(client.list_assessments("unpublished"))


def test_the_events_of_a_run_are_found_by_whatever_names_it(sim: ArmSimulator, client: RemediationClient) -> None:
    """Its report, its correlation id or its run id; what names no known run is taken for a correlation id."""
    plan = client.plan(SECURE_TRANSFER).limit(1)
    report = client.apply(plan, approve=plan.digest)
    sim.clock.advance(1800)
    expected = list(client.activity.list_events(correlation_id=report.correlation_id))
    assert expected
    for name in (report, report.run_id):
        assert list(client.activity.list_events(correlation_id=name)) == expected
    assert list(client.activity.list_events(resource_id=plan.steps[0])) == expected
    assert list(client.activity.list_events(correlation_id="../no run")) == []
    assert list(client.activity.list_events(correlation_id="00000000-0000-4000-8000-000000000000")) == []
    assert max(len(repr(plan)), len(repr(report))) < 100


def test_what_is_not_the_json_of_a_plan_is_told_what_is() -> None:
    """A path is to be read first, and a dictionary is no string."""
    with pytest.raises(InvalidInputError, match=r"pass path.read_text\(\)"):
        RemediationPlan.from_json(Path("plan.json"))  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match=r"expected the JSON of a RemediationPlan, got {}"):
        RemediationPlan.from_json({})  # type: ignore[arg-type]


def test_the_steps_of_a_rollback_are_named_by_what_is_in_hand(client: RemediationClient) -> None:
    """By their ids, by themselves or by their results; none at all is refused."""
    plan = client.plan(SECURE_TRANSFER).limit(2)
    report = client.apply(plan, approve=plan.digest)
    step = plan.steps[1]
    expected = client.plan_rollback(report, steps=[step.id]).steps
    for name in (step, report.results[1]):
        assert client.plan_rollback(report, steps=[name]).steps == expected
    for wrong in ([], iter(()), step.id, [object()], [report]):
        with pytest.raises(InvalidInputError, match="step"):
            client.plan_rollback(report, steps=wrong)  # type: ignore[arg-type]


def test_a_run_is_verified_by_its_id(sim: ArmSimulator, client: RemediationClient) -> None:
    """The journal has its report; a run that has not ended is to be resumed first."""
    plan = client.plan(SECURE_TRANSFER).limit(1)
    report = client.apply(plan, approve=plan.digest)
    written = len(sim.writes)
    verified = client.verify(report.run_id)
    assert (verified.run_id, verified.plan) == (report.run_id, plan)
    assert [result.compliant for result in verified.results[:1]] == [True]
    assert len(sim.writes) == written
    opened = client.journal.read(report.run_id)[0]
    with client.journal.create("interrupted") as log:
        log.append(attrs.evolve(opened, run_id="interrupted"))
    with pytest.raises(InvalidInputError, match="has not ended"):
        client.verify("interrupted")
    with pytest.raises(InvalidInputError, match="expected a report or a run id"):
        client.verify(plan)  # type: ignore[arg-type]


def test_a_resource_is_named_by_whatever_is_in_hand(client: RemediationClient) -> None:
    """By its id as a string or as a value, or by an assessment, a step or a result of it."""
    plan = client.plan(SECURE_TRANSFER).limit(1)
    step = plan.steps[0]
    assessment = next(one for one in client.list_assessments(SECURE_TRANSFER) if one.resource_id == step.resource_id)
    for name in (step.resource_id, ResourceId.parse(step.resource_id), Scope.parse(step.resource_id), assessment, step):
        assert client.plan(SECURE_TRANSFER, resources=[name]).steps == (step,)
        assert plan.only(resources=[name]).steps == (step,)
