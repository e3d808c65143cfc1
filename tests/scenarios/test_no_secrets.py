"""No secret is in any journal, log, report or repr, wherever it was planted.

What is neither in a member named like a secret nor shaped like one cannot be told from other text, and nothing is
claimed about it. ``plan.to_json()`` holds request bodies by design: what must be sent is in it, and nothing else.
"""

from __future__ import annotations

import base64
import gc
import hashlib
import json
import logging
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from defender_remediate import (
    Catalog,
    FileJournal,
    FixAction,
    MemoryJournal,
    Outcome,
    RemediationClient,
    RemediationPlan,
    RemediationReport,
    reports,
)
from defender_remediate.errors import DefenderRemediateError
from defender_remediate.models import Condition
from defender_remediate.models.fix import FixParameter
from defender_remediate.models.waves import Waves
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
KEY_VAULT_LOGS = "88bbc99c-e5af-ddd7-6105-6150b2bfa519"
READ, ACCOUNT = "storageAccounts/[^/]+[?]", "Microsoft.Storage/storageAccounts"


def random_text(
    seed: str, length: int, alphabet: str = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
) -> str:
    """The same text for the same seed, unlike any other."""
    digest = hashlib.shake_256(seed.encode()).digest(length)
    return "".join(alphabet[byte % len(alphabet)] for byte in digest)


def _jwt(seed: str) -> tuple[str, str]:
    head = base64.urlsafe_b64encode(b'{"alg":"RS256","typ":"JWT"}').decode().rstrip("=")
    body, signature = random_text(seed, 60), random_text(f"{seed}!", 40)
    return f"{head}.eyJ{body}.{signature}", body


def _key(seed: str) -> tuple[str, str]:
    text = base64.b64encode(hashlib.shake_256(seed.encode()).digest(64)).decode()
    return text, text[:40]


def _pem(seed: str) -> tuple[str, str]:
    body = random_text(seed, 64)
    return f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY-----", body


def shaped(shape: str, place: str) -> tuple[str, str]:
    """A string that contains a secret of a recognizable form, and the secret."""
    seed = f"{shape} at {place}"
    plain = random_text(seed, 24)
    key, key_mark = _key(seed)
    jwt, jwt_mark = _jwt(seed)
    pem, pem_mark = _pem(seed)
    client_secret = f"{plain[:3]}8Q~{random_text(seed, 34)}"
    samples = {
        "connection string": (
            f"DefaultEndpointsProtocol=https;AccountName=x;AccountKey={key};EndpointSuffix=y",
            key_mark,
        ),
        "database string": (f"Server=tcp:x,1433;User ID=sa;Password={plain};Encrypt=True", plain),
        "SAS": (f"https://x.blob.core.windows.net/c?sv=2022-11-02&sp=r&sig={plain}%3D", plain),
        "account key": (key, key_mark),
        "bearer": (f"Authorization: Bearer {plain}{plain}", plain),
        "JWT": (jwt, jwt_mark),
        "client secret": (client_secret, client_secret[10:]),
        "PEM": (pem, pem_mark),
        "URL with a password": (f"https://user:{plain}@example.com/x", plain),
        "JSON in a string": (json.dumps({"client_secret": plain}), plain),
    }
    return samples[shape]


SHAPES = (
    "connection string", "database string", "SAS", "account key", "bearer", "JWT", "client secret", "PEM",
    "URL with a password", "JSON in a string",
)  # fmt: skip
NAMES = (
    "adminPassword",
    "clientSecret",
    "primaryKey",
    "connectionString",
    "sasToken",
    "apiKey",
    "account_key",
    "accessToken",
)


class Garden:
    """Plants secrets and remembers them."""

    def __init__(self) -> None:
        self.planted: dict[str, str] = {}

    def text(self, place: str) -> str:
        """One of each shape, in one text."""
        parts = []
        for shape in SHAPES:
            text, secret = shaped(shape, place)
            self.planted[secret] = f"{shape} at {place}"
            parts.append(text)
        return " \n ".join(parts)

    def each(self, place: str) -> dict[str, str]:
        """One of each shape, in members that do not say so."""
        found = {}
        for number, shape in enumerate(SHAPES):
            found[f"note{number}"], secret = shaped(shape, place)
            self.planted[secret] = f"{shape} at {place}"
        return found

    def named(self, place: str) -> dict[str, str]:
        """Members that say so; their values look like anything."""
        found = {name: random_text(f"{name} at {place}", 20) for name in NAMES}
        self.planted.update((value, f"{name} at {place}") for name, value in found.items())
        return found

    def labelled(self, place: str) -> list[dict[str, str]]:
        """App settings: the name beside the value says so."""
        return [{"name": name, "value": value} for name, value in self.named(f"labels of {place}").items()]

    def everything(self, place: str) -> dict[str, Any]:
        """An object full of them."""
        return {
            **self.each(place),
            **self.named(place),
            "settings": self.labelled(place),
            "inner": {"list": [self.text(f"list {place}")]},
        }

    def found_in(self, text: str, where: str) -> list[str]:
        """Every secret that the text shows."""
        return [f"{place} is in {where}" for secret, place in self.planted.items() if secret in text]


@pytest.fixture
def garden() -> Garden:
    return Garden()


def texts_of(value: Any) -> Iterator[tuple[str, str]]:
    """Everything that shows a value to people."""
    yield f"str of {type(value).__name__}", str(value)
    yield f"repr of {type(value).__name__}", repr(value)
    if hasattr(value, "_repr_html_"):
        yield f"_repr_html_ of {type(value).__name__}", value._repr_html_()
    if isinstance(value, BaseException):
        yield "traceback", "".join(traceback.format_exception(value))
    if attrs.has(type(value)):
        for field in attrs.fields(type(value)):
            inner = getattr(value, field.name)
            for item in inner if isinstance(inner, tuple) else (inner,):
                if attrs.has(type(item)):
                    yield from texts_of(item)
    if isinstance(value, RemediationReport):
        yield "report as JSON", value.to_json()
        yield "report as CSV", reports.to_csv(value)
    if isinstance(value, (RemediationReport, RemediationPlan)):
        yield "Markdown", reports.to_markdown(value)
        yield "HTML", reports.to_html(value)


def leaks(garden: Garden, *values: Any, logs: pytest.LogCaptureFixture, folder: Path) -> list[str]:
    """Where any secret shows."""
    found = []
    for value in values:
        for where, text in texts_of(value):
            found += garden.found_in(text, where)
    for record in logs.records:
        found += garden.found_in(f"{record.getMessage()} {record.__dict__}", f"log of {record.name}")
    found += garden.found_in(logs.text, "logs")
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes().decode("utf-8", "replace")
            found += garden.found_in(content, "journal") + garden.found_in(content.replace("\\", ""), "journal")
    return found


@pytest.fixture
def listening(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Every logger at its most talkative, azure-core's too."""
    caplog.set_level(logging.DEBUG)
    for name in ("azure", "azure.core", "azure.identity", "urllib3", "defender_remediate", "msal"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


@pytest.fixture
def journal(tmp_path: Path) -> FileJournal:
    return FileJournal(tmp_path)


@pytest.fixture
def own_fix(garden: Garden) -> FixAction:
    """A fix that writes over what holds secrets, with a secret of its own and one as a parameter."""
    fix = Catalog.bundled().get(SECURE_TRANSFER)
    assert fix is not None
    body = {
        "properties": {"supportsHttpsTrafficOnly": True},
        "tags": {
            "clean": "yes",
            "note0": "none",
            "adminPassword": "${new_password}",
            "sasToken": garden.named("fix")["sasToken"],
        },
    }
    parameter = FixParameter(name="new_password", type="string", description="The new one.")
    asked = Condition(operator="equals", path="tags.adminPassword", value="${new_password}")
    plain = Condition(operator="equals", path="properties.supportsHttpsTrafficOnly", value=True)
    return attrs.evolve(
        fix,
        body=body,
        parameters=(parameter,),
        array_strategies={},
        compliant_when=Condition(operator="all", of=(plain, asked)),
    )


def test_a_whole_cycle_tells_no_secret(
    sim: ArmSimulator,
    connect: Callable[..., RemediationClient],
    accounts: list[str],
    garden: Garden,
    own_fix: FixAction,
    journal: FileJournal,
    listening: pytest.LogCaptureFixture,
) -> None:
    """In the body, the fix, its parameters, the token, the errors, the events and the warnings of a run and its undoing."""
    planted = garden.everything("body")
    for account in accounts:
        sim.resources.edit(account, lambda body: body["tags"].update(planted))
    garden.planted[sim.credential.token] = "the token"
    seen: list[Any] = []

    def hook(event: Any) -> None:
        seen.append(event)
        raise LookupError(garden.text("hook"))

    def gate(wave: Any) -> bool:
        seen.append(wave)
        raise LookupError(garden.text("gate"))

    given = {"new_password": garden.named("parameters")["adminPassword"]}
    catalog = Catalog.bundled().with_fixes(own_fix)
    client = connect(journal=journal, catalog=catalog, hooks=[hook], workers=2)
    plan = client.plan([SECURE_TRANSFER], resources=accounts, parameters=given)
    message, headers = garden.text("error"), {"x-ms-secret": garden.named("headers")["apiKey"]}
    name = accounts[1].rpartition("/")[2]
    sim.faults.fail("PUT|PATCH", name, status=400, code="Bad", message=message, headers=headers, times=None)
    body = garden.text("broken body")
    sim.faults.fail("PUT|PATCH", accounts[2].rpartition("/")[2], status=200, body=body, times=None)
    sim.faults.slow(f"{accounts[3]}$", ends="Failed", code="Oops", message=garden.text("poll"))
    report = client.apply(plan, approve=plan.digest, waves=Waves(canary=4, gate=gate))
    assert report.count("applied") >= 1
    assert report.count("failed") >= 2
    assert report.warnings
    back = client.rollback(report.run_id)
    resumed = client.resume(report.run_id)
    verified = client.verify(report, timeout=0)
    with pytest.raises(DefenderRemediateError) as caught:
        report.raise_for_failures()
    everything = (plan, report, back, resumed, verified, caught.value, own_fix, catalog, client, journal, sim, *seen)
    records = journal.read(report.run_id)
    assert leaks(garden, *everything, *records, logs=listening, folder=journal.directory) == []
    # It did arrive: nothing was hidden from Azure itself.
    assert any(
        garden.planted[given["new_password"]] and given["new_password"].encode() in request.body
        for request in sim.requests
    )


def test_a_plan_as_json_holds_what_has_to_be_sent(
    sim: ArmSimulator,
    connect: Callable[..., RemediationClient],
    accounts: list[str],
    garden: Garden,
    own_fix: FixAction,
) -> None:
    """The new password is in it, because it is sent; what the body holds besides is not."""
    sim.resources.edit(accounts[0], lambda body: body.update(sku={"name": "Standard_LRS", **garden.everything("body")}))
    tags = {"adminPassword": "${new_password}"}
    own = attrs.evolve(own_fix, body={"properties": {"supportsHttpsTrafficOnly": True}, "tags": tags}, kind="put")
    client = connect(journal=MemoryJournal(), catalog=Catalog.bundled().with_fixes(own))
    given = {"new_password": "S3CR3T-to-be-sent"}
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:1], parameters=given)
    assert "S3CR3T-to-be-sent" in plan.to_json()
    assert garden.found_in(plan.to_json(), "plan as JSON") == []
    assert RemediationPlan.from_json(plan.to_json()) == plan


def test_template_parameters_tell_no_secret(
    sim: ArmSimulator,
    connect: Callable[..., RemediationClient],
    garden: Garden,
    journal: FileJournal,
    listening: pytest.LogCaptureFixture,
) -> None:
    """Also those of type securestring, which may be called anything."""
    fix = Catalog.bundled().get(KEY_VAULT_LOGS)
    assert fix is not None
    template = json.loads(json.dumps(fix.template, default=dict))
    names = {"anything": "secureString", "whatever": "SecureObject", "adminPassword": "string"}
    template["parameters"].update({name: {"type": kind} for name, kind in names.items()})
    values: dict[str, Any] = {name: random_text(name, 22) for name in names}
    garden.planted.update((value, name) for name, value in values.items())
    values["whatever"] = {"inner": values["whatever"]}
    parameter = FixParameter(name="anything", type="string", description="A word.")
    own = attrs.evolve(
        fix,
        template=template,
        template_parameters={**fix.template_parameters, **values, "anything": "${anything}"},
        parameters=(*fix.parameters, parameter),
    )
    catalog = Catalog.bundled().with_fixes(own)
    client = connect(journal=journal, catalog=catalog)
    workspace = sim.resources.list_ids("Microsoft.OperationalInsights/workspaces")[0]
    given = {"workspace_id": workspace, "anything": values["anything"]}
    plan = client.plan([KEY_VAULT_LOGS], parameters=given).limit(2)
    assert plan.steps
    report = client.apply(plan, approve=plan.digest)
    assert report.count("applied") == 2
    assert (
        leaks(
            garden, plan, report, own, catalog, *journal.read(report.run_id), logs=listening, folder=journal.directory
        )
        == []
    )


@pytest.mark.parametrize("kind", ["Azure-AsyncOperation", "Location"])
def test_the_url_of_an_operation_tells_no_secret(
    sim: ArmSimulator,
    connect: Callable[..., RemediationClient],
    accounts: list[str],
    garden: Garden,
    journal: FileJournal,
    listening: pytest.LogCaptureFixture,
    kind: str,
) -> None:
    """It may be signed; the journal then says that it cannot be followed from there."""
    client = connect(journal=journal)
    plan = client.plan([SECURE_TRANSFER], resources=accounts[:1])
    secret = random_text(kind, 30)
    garden.planted[secret] = "the URL"
    subscription = "/".join(accounts[0].split("/")[:3])
    url = f"{sim.endpoint}{subscription}/providers/Microsoft.Storage/locations/x/operationStatuses/1?api-version=2023-05-01&sig={secret}"
    sim.faults.fail("PATCH", status=202, headers={kind: url, "Retry-After": "5"}, when="after")
    told = garden.text("poll body")
    sim.faults.fail(
        "GET",
        "operationStatuses/1",
        status=200,
        body={"status": "Failed", "error": {"code": "X", "message": told}},
        times=None,
    )
    report = client.apply(plan, approve=plan.digest)
    assert report.results[0].outcome is Outcome.PARTIALLY_APPLIED
    assert any(secret in request.url for request in sim.requests)
    assert leaks(garden, plan, report, *journal.read(report.run_id), logs=listening, folder=journal.directory) == []


def test_nothing_is_warned_about_and_no_secret_is_left_open(
    sim: ArmSimulator, connect: Callable[..., RemediationClient], accounts: list[str], garden: Garden
) -> None:
    """A warning would print the text of a secret."""
    sim.resources.edit(accounts[0], lambda body: body["tags"].update(garden.each("body")))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        connect(journal=MemoryJournal()).fix(SECURE_TRANSFER, resources=accounts[:1])
        gc.collect()
    assert [text for warning in told for text in garden.found_in(str(warning), "a warning")] == []
