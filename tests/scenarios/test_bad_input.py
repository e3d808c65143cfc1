"""What bad input gets: a typed error before any request."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta, timezone
from typing import Any

import pytest

from defender_remediate import (
    Catalog,
    FileJournal,
    Guards,
    MaintenanceWindow,
    RemediationClient,
    RemediationPlan,
    RemediationReport,
    ResourceId,
    Scope,
    Waves,
    errors,
)
from defender_remediate.models import FrozenMap
from defender_remediate.reports import to_csv
from defender_remediate.testing import ArmSimulator

SUBSCRIPTION = "/subscriptions/11111111-1111-4111-8111-111111111111"
SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"


@pytest.mark.parametrize(
    "scope",
    ["", "/", "subscription", "/subscriptions/x", f"{SUBSCRIPTION}/resourceGroups", f"{SUBSCRIPTION}?x=1", [], [""],
     "/providers/Microsoft.Management/managementGroups", f"{SUBSCRIPTION}/../{SUBSCRIPTION}",
     f"{SUBSCRIPTION}/resourceGroups/{'x' * 8000}", "/a" * 50_000, f"{SUBSCRIPTION}/resourceGroups/r\u200bg", f"{SUBSCRIPTION}/resourceGroups/r\u200eg",
     f"{SUBSCRIPTION}/resourceGroups/rg\ufeff", f"{SUBSCRIPTION}/resourceGroups/r\U000e0041g", "/tenants/x", f" {SUBSCRIPTION}", None, [None], 5, f"{SUBSCRIPTION}//resourceGroups/x"],
)  # fmt: skip
def test_a_malformed_scope(sim: ArmSimulator, scope: Any) -> None:
    """Nothing is guessed."""
    with pytest.raises(errors.InvalidScopeError):
        RemediationClient(sim.credential, scope, transport=sim)


@pytest.mark.parametrize(
    "endpoint",
    ["http://management.azure.com", "http://10.0.0.1", "ftp://127.0.0.1", "management.azure.com", "", "https://",
     "https://user:secret@management.azure.com", "https://management.azure.com?x=1", "http://127.0.0.1.example.com"],
)  # fmt: skip
def test_a_wrong_endpoint(sim: ArmSimulator, endpoint: str) -> None:
    """A token never travels in the clear, and a URL says where it leads."""
    with pytest.raises(errors.InvalidEndpointError) as caught:
        RemediationClient(sim.credential, SUBSCRIPTION, endpoint=endpoint)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"source": "csv"},
        {"workers": 0},
        {"workers": True},
        {"workers": 2.5},
        {"operation_timeout": 0},
        {"executors": {"ptach": None}},
        {"executors": 5},
    ],
)
def test_a_wrong_option(sim: ArmSimulator, options: dict[str, Any]) -> None:
    """Each names itself."""
    with pytest.raises(errors.InvalidInputError, match=next(iter(options))):
        RemediationClient(sim.credential, SUBSCRIPTION, transport=sim, **options)


@pytest.mark.parametrize("changes", [0, -1, True, "many", 1.5])
def test_a_wrong_guard(changes: Any) -> None:
    """A guard that guards nothing is refused."""
    with pytest.raises(errors.InvalidInputError, match="max_changes"):
        Guards(max_changes=changes)


@pytest.mark.parametrize("call", [
    lambda client: list(client.list_assessments("secure transfer")),
    lambda client: list(client.list_assessments(status="Broken")),
    lambda client: list(client.list_recommendations(severity="Severe")),
    lambda client: client.get_recommendation("x"),
    lambda client: client.plan(["1c5de8e1-f68d-6a17-e0d2-ec259c42768c"], resources=["st1"]),
    lambda client: client.fix("1c5de8e1-f68d-6a17-e0d2-ec259c42768c", resources=SUBSCRIPTION),
    lambda client: client.activity.list_events(resource_id="st1"),
    lambda client: client.list_assessments("secure transfer"),
    lambda client: client.list_recommendations(severity="Severe"),
    lambda client: client.list_recommendations(control=5),
    lambda client: client.list_recommendations(fixable="yes"),
    lambda client: client.plan(5),
    lambda client: client.plan([SECURE_TRANSFER], parameters=["x"]),
    lambda client: client.fix(SECURE_TRANSFER, resources=None),
    lambda client: client.fix(SECURE_TRANSFER, resources=[f"{SUBSCRIPTION}/resourceGroups/rg"], timeout=-1),
    lambda client: client.fix(SECURE_TRANSFER, resources=[f"{SUBSCRIPTION}/resourceGroups/rg"], timeout="long"),
])  # fmt: skip
def test_a_wrong_argument(
    sim: ArmSimulator, client: RemediationClient, call: Callable[[RemediationClient], Any]
) -> None:
    """Refused before any request."""
    with pytest.raises(errors.InvalidInputError):
        call(client)
    assert sim.requests == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"kind": "RemediationReport", "version": 1}',
        '{"kind": "RemediationPlan", "version": 9}',
        b"\xff",
    ],
)
def test_a_text_that_is_no_plan(text: Any) -> None:
    """Named as such; never half a plan."""
    with pytest.raises(errors.InvalidInputError):
        RemediationPlan.from_json(text)


def test_an_altered_plan(client: RemediationClient) -> None:
    """The text of a plan carries its digest."""
    text = client.plan(["1c5de8e1-f68d-6a17-e0d2-ec259c42768c"]).to_json()
    with pytest.raises(errors.PlanAlteredError):
        RemediationPlan.from_json(text.replace('"supportsHttpsTrafficOnly": true', '"supportsHttpsTrafficOnly": null'))


def test_a_credential_that_fails(sim: ArmSimulator, connect: Callable[..., RemediationClient]) -> None:
    """The caller learns that it was the credential, and nothing was sent."""

    class Broken:
        def get_token(self, *scopes: str, **options: Any) -> Any:
            raise RuntimeError("no managed identity here")

    with pytest.raises(errors.CredentialError, match="no managed identity here"):
        list(connect(credential=Broken()).list_assessments())
    assert sim.requests == []


def test_a_client_and_its_repr_hold_no_secret(sim: ArmSimulator, client: RemediationClient) -> None:
    """The token is nowhere to be seen, and making a client asks for none."""
    token = sim.credential.get_token("x").token
    assert token not in repr(client) + repr(vars(client))
    assert sim.scopes[0] in repr(client)


@pytest.mark.parametrize("options", [{"guards": 5}, {"hooks": print}, {"hooks": [print, 5]}, {"journal": "runs"}])
def test_an_argument_of_the_wrong_kind(sim: ArmSimulator, options: dict[str, Any]) -> None:
    """Each names itself, and says what it has to be."""
    with pytest.raises(errors.InvalidInputError, match=next(iter(options))):
        _ = RemediationClient(sim.credential, SUBSCRIPTION, transport=sim, **options).journal


DEEP: list[Any] = []
for _ in range(50_000):
    DEEP = [DEEP]


class Unprintable:
    """A value whose repr fails."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


WRONG: list[Any] = [
    None,
    10**5000,
    -1.5,
    float("nan"),
    b"x",
    "",
    "x" * 100_000,
    "a\x1b[31m\u202e\nb",
    [],
    [None],
    {},
    {5: 5},
]
WRONG += [
    DEEP,
    Unprintable(),
    object(),
    "password=hunter2-hunter2",
    datetime.max.replace(tzinfo=timezone(-timedelta(1) / 2)),
]


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("takes", "call"),
    [
        ((RemediationPlan,), lambda client, wrong: client.apply(wrong, approve="0" * 64)),
        ((RemediationReport,), lambda client, wrong: client.verify(wrong)),
        ((str,), lambda client, wrong: client.resume(wrong)),
        ((str,), lambda client, wrong: client.plan_rollback(wrong)),
        ((), lambda client, wrong: client.verify(wrong, timeout=wrong)),
        ((), lambda client, wrong: client.list_controls(timeout=wrong or "x")),
        ((), lambda client, wrong: client.activity.list_events(since=wrong or "x")),
        ((str,), lambda client, wrong: client.catalog.get(wrong)),
        ((), lambda client, wrong: client.catalog.list_for_resource_type(wrong)),
        ((str,), lambda client, wrong: client.catalog.list_for_recommendation(wrong)),
        ((str,), lambda client, wrong: client.catalog.get_guidance(wrong)),
        ((str,), lambda client, wrong: client.catalog.get_for_policy(wrong)),
        ((), lambda client, wrong: client.catalog.without(wrong)),
        ((), lambda client, wrong: client.catalog.role_definition([], name="x", scopes=wrong)),
        ((list, dict), lambda client, wrong: Catalog(wrong)),
        ((), lambda client, wrong: Catalog([wrong])),
        ((str,), lambda client, wrong: FileJournal(wrong or 5)),
        ((dict,), lambda client, wrong: FrozenMap(wrong or 5)),
        ((), lambda client, wrong: Guards().allows(wrong) if not isinstance(wrong, str) else Guards(max_share=wrong)),
        ((datetime,), lambda client, wrong: MaintenanceWindow(start=time(1), end=time(2)).is_open(wrong)),
        ((), lambda client, wrong: Waves().sizes(wrong)),
        ((str,), lambda client, wrong: ResourceId.parse(client.catalog and SUBSCRIPTION).is_type(wrong)),
        ((str,), lambda client, wrong: Scope.parse(client.catalog and SUBSCRIPTION).contains(wrong)),
        ((), lambda client, wrong: Waves(canary=wrong)),
        ((), lambda client, wrong: Waves(growth=wrong)),
    ],
)  # fmt: skip
def test_a_wrong_value_gets_a_short_typed_error(
    client: RemediationClient, takes: tuple[type, ...], call: Callable[[RemediationClient, Any], Any]
) -> None:
    """Deep, huge, secret, unprintable and of any type: the error quotes a hundred characters of it at most."""
    for wrong in WRONG:
        if isinstance(wrong, takes):
            continue
        with pytest.raises(errors.DefenderRemediateError) as caught:
            call(client, wrong)
        text = str(caught.value)
        assert len(text) < 500, text[:500]
        assert not set("\x1b\u202e\n") & set(text)
        assert "hunter2" not in text


@pytest.mark.parametrize(
    "option",
    ["catalog", "guards", "checks", "clock", "hooks", "workers", "source", "cloud", "per_call_policies", "per_retry_policies",
     "operation_timeout", "read_timeout", "connection_timeout", "retry_total", "proxies", "user_agent"],
)  # fmt: skip
def test_a_wrong_option_of_a_client(sim: ArmSimulator, option: str) -> None:
    """Named when the client is made or first used, not in the middle of a run."""
    for wrong in (object(), Unprintable(), type, {5: 5}, DEEP, 10**5000):
        if option in ("workers", "retry_total") and isinstance(wrong, int):
            continue
        with pytest.raises(errors.DefenderRemediateError) as caught:
            _ = RemediationClient(sim.credential, SUBSCRIPTION, transport=sim, **{option: wrong}).catalog
        assert len(str(caught.value)) < 500


def test_waves_and_reports_of_the_wrong_kind(client: RemediationClient) -> None:
    """Before anything is written."""
    plan = client.plan(["1c5de8e1-f68d-6a17-e0d2-ec259c42768c"]).limit(1)
    wrong: Any = 3
    with pytest.raises(errors.InvalidInputError, match="waves must be a Waves"):
        client.apply(plan, approve=plan.digest, waves=wrong)
    with pytest.raises(errors.InvalidInputError, match="waves must be a Waves"):
        client.resume("00000000-0000-4000-8000-000000000000", waves=wrong)
    with pytest.raises(errors.InvalidInputError, match="gate of Waves"):
        Waves(gate=wrong)
    with pytest.raises(errors.InvalidInputError, match="expected values to list, got 3"):
        to_csv(wrong)
