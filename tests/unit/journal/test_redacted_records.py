from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate import Catalog, serialization
from defender_remediate.errors import InvalidInputError
from defender_remediate.journal.chain import encode_redacted
from defender_remediate.journal.records import decode, encode, redact_record
from defender_remediate.models.condition import Condition
from defender_remediate.models.plan import PlannedRequest, PropertyChange
from defender_remediate.models.result import StepError
from defender_remediate.redaction import redact_json as _clean

SECRET = "hunter2-hunter2"
KEY = "A" * 86 + "=="


def shown(record) -> str:
    return json.dumps(encode(record))


def test_a_record_without_secrets_is_returned_as_it_is(records):
    """Hiding changes nothing that need not be hidden."""
    for record in records.whole():
        assert redact_record(record) is record


def test_an_image_says_what_cannot_be_restored(records):
    """A hidden value is no value to go back to."""
    before = {
        "properties.adminPassword": SECRET,
        "properties.note": f"AccountKey={KEY};",
        "properties.siteConfig.appSettings": [{"name": "DB_PASSWORD", "value": SECRET}, {"name": "X", "value": "y"}],
        "properties.enabled": True,
        f"tags['{KEY}']": "(hidden)",
    }
    scrubbed = redact_record(records.intended(before=before, redacted_paths=("earlier",)))
    assert SECRET not in shown(scrubbed)
    assert KEY not in shown(scrubbed)
    assert scrubbed.redacted_paths == (
        "earlier",
        "properties.adminPassword",
        "properties.note",
        "properties.siteConfig.appSettings",
        "tags['(hidden)']",
    )
    assert scrubbed.before["properties.enabled"] is True
    assert redact_record(scrubbed) == scrubbed


@pytest.mark.parametrize("part", ["request", "undo_request", "compliant_when"])
def test_a_plan_says_which_steps_it_does_not_hold(records, make_plan, make_step, part):
    """A step cannot be sent, proven or taken back from hidden values; the digest is still the approved one."""
    request = PlannedRequest(method="PATCH", path="/x", api_version="1", body={"properties": {"password": SECRET}})
    condition = Condition(operator="equals", path="properties.password", value=SECRET)
    step = make_step(id="step-2", **{part: condition if part == "compliant_when" else request})
    opened = records.opened(plan=make_plan(steps=(make_step(), step)), digest="d" * 64)
    scrubbed = redact_record(opened)
    assert SECRET not in shown(scrubbed)
    assert scrubbed.redacted_steps == ("step-2",)
    assert scrubbed.digest == "d" * 64
    assert redact_record(scrubbed) == scrubbed
    assert decode(encode(scrubbed)) == scrubbed


def test_what_is_only_shown_does_not_withhold_a_step(records, make_plan, make_step):
    """The request is whole."""
    step = make_step(changes=(PropertyChange(path="properties.password", before=SECRET, after="(hidden)"),))
    scrubbed = redact_record(records.opened(plan=make_plan(steps=(step,))))
    assert SECRET not in shown(scrubbed)
    assert scrubbed.redacted_steps == ()


def test_an_operation_with_a_secret_in_its_url_cannot_be_followed(records):
    """The URL is not kept, and says so instead of looking final."""
    scrubbed = redact_record(records.accepted(poll_url="https://x.example/op?sig=abc%2Bdef", poll_kind="location"))
    assert scrubbed.poll_url == "https://x.example/op?sig=(hidden)"
    assert scrubbed.poll_kind == "hidden"
    assert redact_record(scrubbed) == scrubbed
    signed = "https://management.azure.com/x?api-version=1&t=638&c=MIIH&s=Mva4&h=x_y"
    assert redact_record(records.accepted(poll_url=signed, poll_kind="location")).poll_kind == "hidden"
    odd = redact_record(records.accepted(poll_url="https://x.example/op", poll_kind="location", request_id="pwd=abc"))
    assert (odd.poll_kind, odd.request_id) == ("location", "pwd=(hidden)")


def test_results_and_remarks_are_cleaned(records):
    """Errors quote what was sent."""
    error = StepError(code="Bad", message=f"the value password={SECRET} is too short", hint=f"secret={SECRET}")
    result = records.ended(error=error, after={"properties.primaryKey": 12345678, "properties.keys": None})
    for record in (result, records.noted(f"Authorization: Bearer {SECRET}{SECRET}")):
        assert SECRET not in shown(redact_record(record))
        assert "12345678" not in shown(redact_record(record))


@pytest.mark.parametrize(
    ("body", "cleaned"),
    [
        ({"secrets": {"a": {"b": ["x", ""]}}}, {"secrets": {"a": {"b": ["(hidden)", ""]}}}),
        (
            {"adminPassword": {"type": "securestring", "value": "x"}},
            {"adminPassword": {"type": "securestring", "value": "(hidden)"}},
        ),
        ({"API_KEY": "x", "api-key": "x"}, {"API_KEY": "(hidden)", "api-key": "(hidden)"}),
        ({"path": "tags['password'][0]", "value": "x"}, {"path": "tags['password'][0]", "value": "(hidden)"}),
        ({"path": "passwords[0]", "value": "x"}, {"path": "passwords[0]", "value": "(hidden)"}),
        ({"password": "[parameters('adminPassword')]"},) * 2,
        ({"password": "@Microsoft.KeyVault(SecretUri=https://v.vault.azure.net/secrets/s)"},) * 2,
        ({"password": True, "secret": None, "name": 7},) * 2,
        ({"permissions": {"secrets": ["Get", "List"], "keys": ["Get"]}},) * 2,
        (
            {"permissions": ["a"], "x": {"permissions": f"{KEY}"}},
            {"permissions": ["a"], "x": {"permissions": "(hidden)"}},
        ),
    ],
)
def test_names_say_where_secrets_are(body, cleaned):
    """Under a secret's name everything is hidden but what only describes it or says where it is kept."""
    assert _clean(body) == cleaned


@given(
    st.recursive(st.text() | st.none() | st.booleans(), lambda inner: st.dictionaries(st.text(), inner), max_leaves=8)
)
def test_cleaning_once_is_enough(body):
    """What is left is left, whatever the body."""
    assert _clean(_clean(body)) == _clean(body)


def test_no_bundled_fix_looks_like_a_secret():
    """A run of the catalog's own fixes is whole in its journal."""
    for fix in Catalog.bundled():
        document = serialization.encode(fix)
        assert _clean(document) == document, fix.key


def test_one_pass_writes_what_redacting_and_encoding_write(records):
    """With and without a secret, in a plan and beside it; what is no record is refused as before."""
    beside = records.opened(waivers=(f"live_use: AccountKey={KEY};",))
    for record in (*records.whole(), beside):
        redacted, text = encode_redacted(record)
        assert redacted == redact_record(record)
        assert json.loads(b"{" + text + b"}") == encode(redacted)
        assert KEY not in text.decode()
    with pytest.raises(InvalidInputError):
        encode_redacted(SECRET)
