"""What bad input gets: a typed error before any request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from defender_remediate import Guards, RemediationClient, RemediationPlan, Waves, errors
from defender_remediate.reports import to_csv
from defender_remediate.testing import ArmSimulator

SUBSCRIPTION = "/subscriptions/11111111-1111-4111-8111-111111111111"
SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"


@pytest.mark.parametrize(
    "scope",
    ["", "/", "subscription", "/subscriptions/x", f"{SUBSCRIPTION}/resourceGroups", f"{SUBSCRIPTION}?x=1", [], [""],
     "/providers/Microsoft.Management/managementGroups", f"{SUBSCRIPTION}/../{SUBSCRIPTION}",
     "/tenants/x", f" {SUBSCRIPTION}", None, [None], 5, f"{SUBSCRIPTION}//resourceGroups/x"],
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
    with pytest.raises(errors.InvalidInputError, match=r"got .*RemediationPlan"):
        to_csv(plan)  # type: ignore[arg-type]
