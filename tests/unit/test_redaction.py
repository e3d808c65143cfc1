from __future__ import annotations

import string
import time
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from defender_remediate import redaction
from defender_remediate.models.condition import Condition
from defender_remediate.models.plan import PropertyChange
from defender_remediate.redaction import is_secret_name, redact_json, redact_text

WEB = string.ascii_letters + string.digits + "-_"
BASE64 = string.ascii_letters + string.digits + "+/"
UNSPACED = string.ascii_letters + string.digits + "!#$%()*+,-./:<=>?@[]^_`{|}~"


def text_of(alphabet: str, least: int, most: int | None = None) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=least, max_size=most or least + 20)


JWT = st.builds(lambda a, b, c: f"eyJ{a}.eyJ{b}.{c}", text_of(WEB, 17), text_of(WEB, 17), text_of(WEB, 0))
ACCOUNT_KEY = text_of(BASE64, 86, 86).map(lambda key: f"{key}==")
BEARER = text_of(WEB + ".~+/", 20)
VALUE = text_of(UNSPACED, 8).filter(lambda value: "hidden" not in value)
PEM = st.builds(
    lambda kind, body: (f"-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----", body),
    st.sampled_from(["", "RSA ", "EC ", "ENCRYPTED "]),
    text_of(BASE64, 40),
)
FORMS = [
    "AccountKey={};",
    "SharedAccessKey={}",
    "SharedAccessSignature={}",
    "?sig={}&se=1",
    "password={}",
    "Pwd={};",
    "adminPassword: {}",
    "secret={}",
    "client_secret={}&",
    "clientSecret={}",
    '"password": "{}"',
    "'client_secret': '{}'",
    "the password '{}' is too short",
    'the value "{}" of adminPassword is wrong',
    '{{\\"adminPassword\\":\\"{}\\"}}',
    'password="{}',
]
SECRETS = st.one_of(
    JWT.map(lambda token: (token, token)),
    ACCOUNT_KEY.map(lambda key: (key, key)),
    BEARER.map(lambda token: (f"Bearer {token}", token)),
    PEM,
    st.builds(lambda form, value: (form.format(value), value), st.sampled_from(FORMS), VALUE),
)


@pytest.mark.exhaustive
@given(st.text(), SECRETS, st.text())
@example("a/b/", ("A" * 86 + "==", "A" * 86 + "=="), "")
@example("x.", (f"eyJ{'a' * 17}.eyJ{'b' * 17}.", f"eyJ{'a' * 17}.eyJ{'b' * 17}."), "")
def test_no_planted_secret_survives(before, planted, after):
    """Whatever stands around it, and redacting twice changes nothing more."""
    shown, secret = planted
    assume(secret not in before and secret not in after)
    redacted = redact_text(f"{before}{shown}{after}")
    assert secret not in redacted
    assert redact_text(redacted) == redacted


@pytest.mark.exhaustive
@given(st.text())
def test_redacting_once_is_enough(text):
    """What is left is left."""
    assert redact_text(redact_text(text)) == redact_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/subscriptions/11111111-2222-3333-4444-555555555555/resourceGroups/rg/providers/Microsoft.KeyVault/vaults/v",
        "AuthorizationFailed: the client has no permission for 'Microsoft.Authorization/locks/read'",
        "Bearer authentication should be used",
        "Secrets should expire; see https://vault.azure.net/secrets/name/" + "0" * 32,
        "f" * 64,
        "@Microsoft.KeyVault(SecretUri=https://vault.azure.net/secrets/name)",
        "https://management.azure.com/operations/1?api-version=2023-01-01&t=6388&$filter=x",
        "keyJar.properties.something.long.enough.to.look.at",
        "https://example.org:8443/path@here",
    ],
)
def test_what_is_no_secret_stays(text):
    """Ids, codes, links and prose are left as they are."""
    assert redact_text(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"password": "a\\"b c", "x": 1}', '{"password": "(hidden)", "x": 1}'),
        ('"{\\"password\\": \\"a\\\\\\"b c\\", \\"x\\": 1}"', '"{\\"password\\": \\"(hidden)\\", \\"x\\": 1}"'),
        ("Server=s;Password=p,w;Database=d", "Server=s;Password=(hidden);Database=d"),
        ("https://user:pass@host/x", "https://user:(hidden)@host/x"),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA==, next", "Authorization: Basic (hidden), next"),
        ("Authorization: SharedKey account:c2ln, next", "Authorization: SharedKey (hidden), next"),
        ("the secret Ab1" + "8Q~" + "x" * 34 + " leaked", "the secret (hidden) leaked"),
        ("-----BEGIN PRIVATE KEY-----\ncut off", "(hidden)"),
        ("key " + "A" * 40 + "%2B" + "B" * 45 + "%3D%3D.", "key (hidden)."),
        ('password="not closed and more', 'password="(hidden)"'),
        ('password="ends in \\', 'password="(hidden)"'),
        ("redis://:p@ss:w@host/0", "redis://:(hidden)@host/0"),
        (
            "https://management.azure.com/x?api-version=1&t=63&c=MIIHpTCC&s=Mva4&h=x_y",
            "https://management.azure.com/x?api-version=1&t=63&c=(hidden)&s=(hidden)&h=(hidden)",
        ),
        ("https://x.azurewebsites.net/api/f?code=abc%3D&id=7", "https://x.azurewebsites.net/api/f?code=(hidden)&id=7"),
        ("https://x/y?id=7&amp;access_token=abc, next", "https://x/y?id=7&amp;access_token=(hidden) next"),
        ("https://x/y?$skipToken=abc'", "https://x/y?$skipToken=(hidden)'"),
    ],
)
def test_only_the_secret_is_hidden(text, shown):
    """What is around it stays readable."""
    assert redact_text(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "The password 'S3CR3T; x' is too short.",
        'adminPassword is "S3CR3T"',
        "The value 'S3CR3T' of parameter adminPassword is not allowed",
        "Invalid value \"S3CR3T\" for the property 'administratorLogin.password'",
        "the accountKey 'S3CR3T' is wrong",
    ],
)
def test_what_a_sentence_quotes_as_a_secret_is_hidden(text):
    """Azure repeats in its errors what it refuses."""
    assert "S3CR3T" not in redact_text(text)
    assert redact_text(redact_text(text)) == redact_text(text)


@pytest.mark.parametrize(
    "text",
    [
        "the secret 'web-cert' was not found in the vault",
        "The value 'TLS1_0' of minimumTlsVersion is not allowed",
        "the password is too short",
        "the client's password isn't long enough; it's short",
    ],
)
def test_other_sentences_stay(text):
    """Names of secrets and values that are not secret are needed to fix the error."""
    assert redact_text(text) == text


SECRET = "hunter2-hunter2"
HIDDEN = "(hidden)"


def _deployment(kind: str, name: str = "anything", given: Any = None) -> dict[str, Any]:
    parameters = {name: {"value": SECRET if given is None else given}, "plain": {"value": "shown"}}
    declared = {name: {"type": kind}, "plain": {"type": "string"}}
    return {"mode": "Incremental", "template": {"parameters": declared}, "parameters": parameters}


@pytest.mark.parametrize("kind", ["securestring", "secureString", "SecureObject"])
def test_what_a_template_declares_as_secure_is_hidden(kind: str) -> None:
    """Whatever it is called, and whatever is inside it."""
    given = {"inner": [SECRET]} if kind == "SecureObject" else SECRET
    found = redact_json(_deployment(kind, given=given))
    assert SECRET not in str(found)
    assert found["parameters"]["plain"] == {"value": "shown"}
    assert found["template"]["parameters"]["anything"] == {"type": kind}


def test_names_of_template_parameters_still_count() -> None:
    """A password that is declared as a plain string is one all the same; a name matches whatever its case."""
    assert SECRET not in str(redact_json(_deployment("string", name="adminPassword")))
    document = _deployment("securestring")
    document["parameters"] = {"ANYTHING": {"value": SECRET}}
    assert SECRET not in str(redact_json(document))


def test_a_default_of_a_secure_parameter_is_hidden() -> None:
    """A template should have none, but may."""
    declaration = {"type": "secureString", "defaultValue": SECRET, "metadata": {"description": "A word."}}
    assert redact_json(declaration) == {**declaration, "defaultValue": HIDDEN}
    assert redact_json({"type": "string", "defaultValue": SECRET})["defaultValue"] == SECRET


@pytest.mark.parametrize(
    "found",
    [
        {"template": {"resources": []}, "parameters": {"a": {"value": SECRET}}},
        {"template": "text", "parameters": {"a": {"value": SECRET}}},
        {"template": {"parameters": {"a": {"type": "securestring"}}}, "parameters": None},
        {"template": {"parameters": {"a": "text"}}, "parameters": {"a": SECRET}},
    ],
)
def test_what_is_no_deployment_is_left_alone(found: dict[str, Any]) -> None:
    """Nothing declares these to be secure."""
    assert redact_json(found) == found


def test_a_deployment_inside_a_secret_is_secret() -> None:
    """What is around it counts as well."""
    assert "shown" not in str(redact_json({"secret": _deployment("string")}))


def test_shapes_are_hidden_where_no_name_says_so() -> None:
    """In a printed change, in its repr, and inside an app setting."""
    text = f"Server=x;Password={SECRET};Encrypt=True"
    change = PropertyChange(path="tags.note", before=text, after=[{"name": "DB_PASSWORD", "value": SECRET}])
    assert SECRET not in f"{change} {change!r}"
    assert "Server=x" in str(change)


def test_a_condition_does_not_tell_the_secret_that_proves_it() -> None:
    """Neither by name nor by shape."""
    named = Condition(operator="equals", path="tags.adminPassword", value=SECRET)
    shaped = Condition(operator="in", path="tags.note", value=(f"AccountKey={SECRET}", "plain"))
    both = Condition(operator="all", of=(named, shaped))
    assert SECRET not in f"{both} {both!r}"
    assert "plain" in repr(both)


def test_how_callers_may_sign_in_is_no_secret() -> None:
    """AI Search calls it aadOrApiKey, and a rollback has to put it back; nothing else that ends in apiKey is spared."""
    found = {"authOptions": {"aadOrApiKey": {"aadAuthFailureMode": "http403"}}}
    assert redact_json(found) == found
    assert is_secret_name("vendorApiKey")
    assert is_secret_name("properties.apiKey")
    assert not is_secret_name("properties.authOptions.aadOrApiKey")


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "attack",
    [
        "<head ",
        "<!--",
        '"',
        "password='",
        'password="\\',
        "value 'x' of ",
        "://a:",
        "-----BEGIN A ",
        "eyJa.",
        "bearer ",
        "sharedkey ",
        "a" * 33 + "AzFu",
        "?s",
        "A",
        " ",
    ],
)
def test_time_grows_with_the_length_only(attack):
    """Eight times the text takes about eight times as long, whatever it repeats; quadratic would be 64 times."""

    def seconds(length: int) -> float:
        text = attack * (length // len(attack))
        best = 1e9
        for _ in range(3):
            start = time.process_time()
            redact_text(text)
            best = min(best, time.process_time() - start)
        return best

    assert seconds(240_000) < 30 * max(seconds(30_000), 0.001)


@pytest.mark.parametrize(
    "option", ["--password hunter2", "--client-secret 'hunter2'", '--account-key "hunter2"', "--sas-token  hunter2"]
)
def test_an_option_of_a_command_is_hidden(option: str) -> None:
    """Credentials that run a command quote it when it fails; the option after it stays."""
    shown = redact_text(f"az login {option} --tenant contoso")
    assert "hunter2" not in shown
    assert shown.endswith(" --tenant contoso")
    assert redact_text("use --password --tenant contoso") == "use --password --tenant contoso"


def test_what_is_remembered_as_clean_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run over many thousands of resources does not keep every string; forgetting changes no answer."""
    monkeypatch.setattr(redaction, "_MOST_CLEAN", 2)
    monkeypatch.setattr(redaction, "_CLEAN", set())
    assert [redact_text(f"value {n}") for n in range(9)] == [f"value {n}" for n in range(9)]
    assert len(redaction._CLEAN) <= 2
