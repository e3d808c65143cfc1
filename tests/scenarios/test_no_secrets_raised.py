"""No error that is raised shows a secret: neither itself nor what it was raised from."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import attrs
import pytest
from azure.core.exceptions import ServiceRequestError

from defender_remediate import Catalog, MemoryJournal, RemediationClient
from defender_remediate.errors import DefenderRemediateError
from defender_remediate.models.fix import FixParameter
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
KEY_VAULT_LOGS = "88bbc99c-e5af-ddd7-6105-6150b2bfa519"
SECRETS = {
    "Server=tcp:x,1433;User ID=sa;Password={};Encrypt=True": "planted1PASSWORD",
    "https://x.blob.core.windows.net/c?sp=r&sig={}%3D": "planted2SIGNATURE",
    "AccountName=x;AccountKey={};EndpointSuffix=y": f"planted3KEY{'k' * 75}==",
    "Authorization: Bearer {}": "planted4TOKENplanted4TOKEN",
    "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJ{}.c2lnbmF0dXJlLW9mLWl0": "planted5CLAIMSplanted5CLAIMS",
    "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----": "planted6PEM",
    "https://user:{}@proxy.example:3128/": "planted7PROXY",
    "abc8Q~{}": f"planted8CLIENT{'s' * 20}",
}
TEXT = " \n ".join(text.format(secret) for text, secret in SECRETS.items())


def texts_of(error: BaseException) -> Iterator[str]:
    """Everything that shows an error and what it came from."""
    yield from (str(error), repr(error), "".join(traceback.format_exception(error)))
    for link in (error.__cause__, error.__context__):
        if link is not None:
            yield from texts_of(link)


def shown_by(*errors: BaseException, logs: pytest.LogCaptureFixture) -> list[str]:
    """The secrets that any of the errors shows, or the log."""
    text = "\n".join([*(text for error in errors for text in texts_of(error)), logs.text])
    return [secret for secret in SECRETS.values() if secret in text]


@pytest.fixture(autouse=True)
def _talkative(caplog: pytest.LogCaptureFixture) -> None:
    """Every logger says all that it can."""
    caplog.set_level(logging.DEBUG)
    for name in ("azure", "urllib3", "defender_remediate"):
        caplog.set_level(logging.DEBUG, logger=name)


@pytest.mark.parametrize("fault", ["refusal", "HTML", "broken JSON", "no text"])
def test_no_error_that_is_raised_tells_a_secret(
    sim: ArmSimulator,
    connect: Callable[..., RemediationClient],
    caplog: pytest.LogCaptureFixture,
    fault: str,
) -> None:
    """Neither itself nor what it was raised from, also after it was pickled."""
    told = TEXT
    answers: Mapping[str, dict[str, Any]] = {
        "refusal": {"status": 400, "code": "Bad", "message": told},
        "HTML": {"status": 502, "body": f"<html><p>{told}</p></html>"},
        "broken JSON": {"status": 200, "body": json.dumps({"value": told})[:-2]},
        "no text": {"status": 200, "body": told.encode() + b"\xff"},
    }
    sim.faults.fail(times=None, **answers[fault])
    client = connect()
    with pytest.raises(DefenderRemediateError) as caught:
        list(client.list_recommendations())
    again = pickle.loads(pickle.dumps(caught.value))
    assert shown_by(caught.value, again, logs=caplog) == []


def test_no_broken_connection_tells_a_secret(
    sim: ArmSimulator,
    connect: Callable[..., RemediationClient],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Its text can hold the URL of a proxy with a password, or that of a signed link."""

    class Wire:
        def __getattr__(self, name: str) -> Any:
            return getattr(sim, name)

        def send(self, request: Any, **options: Any) -> Any:
            inner = OSError(TEXT)
            raise ServiceRequestError(TEXT, error=inner) from inner

    client = connect(transport=Wire())
    with pytest.raises(DefenderRemediateError) as caught:
        client.get_secure_score()
    assert caught.value.__cause__ is not None
    assert shown_by(caught.value, logs=caplog) == []


@pytest.mark.parametrize("value", [17042261, ["S3CR3T-of-wrong-type"], {"a": "S3CR3T-of-wrong-type"}])
def test_a_wrong_parameter_that_is_secret_is_not_told(connect: Callable[..., RemediationClient], value: object) -> None:
    """The error names the parameter and what it has to be."""
    fix = Catalog.bundled().get(SECURE_TRANSFER)
    assert fix is not None
    parameter = FixParameter(name="new_password", type="string", description="The new one.")
    body = {"properties": {"supportsHttpsTrafficOnly": True}, "tags": {"adminPassword": "${new_password}"}}
    own = attrs.evolve(fix, body=body, parameters=(parameter,))
    client = connect(catalog=Catalog.bundled().with_fixes(own))
    with pytest.raises(DefenderRemediateError, match="new_password") as caught:
        client.plan([SECURE_TRANSFER], parameters={"new_password": value})
    assert "S3CR3T" not in repr(caught.value)
    assert "17042261" not in repr(caught.value)


def test_no_refused_deployment_tells_a_secret(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], caplog: pytest.LogCaptureFixture
) -> None:
    """Azure's own client raises errors that print the whole answer."""
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    client = connect(journal=MemoryJournal())
    plan = client.plan([KEY_VAULT_LOGS], parameters={"workspace_id": workspace}).limit(1)
    sim.faults.fail("PUT", status=400, code="InvalidTemplate", message=TEXT)
    report = client.apply(plan, approve=plan.digest)
    with pytest.raises(DefenderRemediateError) as caught:
        report.raise_for_failures()
    assert "InvalidTemplate" in str(caught.value)
    assert shown_by(caught.value, logs=caplog) == []
