"""Redaction against detect-secrets, an independent judge of what a secret looks like."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from detect_secrets.core.scan import scan_line
from detect_secrets.settings import transient_settings

from defender_remediate.redaction import redact_json, redact_text

# One of each kind, made for this test; the detector of detect-secrets that has to find it, or None where it has no detector.
SAMPLES = {
    "AWS access key": ("AWSKeyDetector", "AKIA" + "Q3EGRIGW4TESTKEY"[:16], "aws_access_key_id = {}"),
    "AWS secret key": ("AWSKeyDetector", "9wjalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEYz", "aws_secret_access_key = '{}'"),
    "storage key": ("AzureStorageKeyDetector", "lJzRc1YdHaAA2KCNJJ1tkYwF" + "x" * 62 + "==", "AccountKey={}"),
    "basic auth": ("BasicAuthDetector", "hunter2horse", "https://user:{}@example.com/path"),
    "GitHub token": ("GitHubTokenDetector", "ghp_" + "wWPw5k4aXcaT4fNP0UcnZwJUVFk6LO0pINUx", "token {}"),
    "GitLab token": ("GitLabTokenDetector", "glpat-hellOworld380testin", "header {}"),
    "JWT": (
        "JwtTokenDetector",
        "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        "got {} from the server",
    ),
    "private key": ("PrivateKeyDetector", "MIIEpAIBAAKCAQEA04up8hoqzS1", "-----BEGIN RSA PRIVATE KEY-----{}"),
    "Slack token": ("SlackDetector", "xoxb-34532454-e039d02840a0b9379c", "slack says {}"),
    "Slack hook": (
        "SlackDetector",
        "T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
        "https://hooks.slack.com/services/{}",
    ),
    "Stripe": ("StripeDetector", "sk_live_" + "ReTllpYQYfIZu2Jnf2lAPFjD", "stripe {}"),
    "SendGrid": ("SendGridDetector", "SG." + "n" * 22 + "." + "A" * 43, "mail with {}"),
    "npm": ("NpmDetector", "743b294a-cd03-11ec-9d64-0242ac120002", "//registry.example.org/:_authToken={}"),
    "PyPI": ("PypiTokenDetector", "pypi-AgEIcHlwaS5vcmcCJ" + "DExMTExMTExLTExMTEtMTExMS0x" * 4, "publish with {}"),
    "OpenAI": ("OpenAIDetector", "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", "ask with {}"),
    "Telegram": ("TelegramBotTokenDetector", "110201543:AAHdqTcvCH1vGWJxfSe1ofSAs0K5PALDsaw", "{}"),
    "Twilio": ("TwilioKeyDetector", "SK" + "0123456789abcdef" * 2, "call {} now"),
    "Mailchimp": ("MailchimpDetector", "343ea45721923ed956e2b38c31db76aa-us30", "list {}"),
    "Discord": (
        "DiscordBotTokenDetector",
        "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs",
        "bot {} joined",
    ),
    "Square": ("SquareOAuthDetector", "sq0csp-ABCDEFGHIJK_LMNOPQRSTUVWXYZ-0123456789\\abcd"[:50], "pay {}"),
    "Artifactory": ("ArtifactoryDetector", "AKCxxxxxxxxxxtest", "artif-key:{}"),
    "keyword": ("KeywordDetector", "m{{h}o)p${e]nob(ody[finds>-_$#thisone}}"[:20], 'password = "{}"'),
    "high entropy": ("Base64HighEntropyString", "c3VwZXIgbG9uZyBzdHJpbmcgc2hvdWxkIGNhdXNl", 'client_secret = "{}"'),
    "SAS": (None, "pO2B3lNkDh4fQZJ0Z8Zk%2BqQ8xLs%3D", "https://x.blob.core.windows.net/c?sv=2022-11-02&sp=r&sig={}"),
    "operation URL": (None, "TdqkE1PsR1JyVbYwDLSZZ", "https://management.azure.com/op/1?api-version=1&t=638&s={}"),
    "SQL connection string": (None, "p,w_1234", "Server=tcp:x;User ID=sa;Password={};Encrypt=True"),
    "Service Bus connection string": (
        None,
        "aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789+/abcde=",
        "Endpoint=sb://x.servicebus.windows.net/;SharedAccessKeyName=Root;SharedAccessKey={}",
    ),
    "Entra ID application secret": (None, "Ab1" + "8Q~" + "x" * 34, "the application has {}"),
    "function key": (None, "q7Zl9Wk2Jx4Pn8Vr5Ts1Yu3Hg6Fd0Sa" + "b" * 13 + "AzFuX9c2kQ==", "key {}"),
    "bearer": (None, "abcdefghijklmnopqrstuvwxyz0123456789", "Authorization: Bearer {}"),
}


@pytest.fixture(autouse=True)
def detectors() -> Iterator[None]:
    """Every detector that the samples name, without the filters that spare sequences and file paths."""
    names = sorted({detector for detector, _, _ in SAMPLES.values() if detector})
    with transient_settings({"plugins_used": [{"name": name} for name in names], "filters_used": []}):
        yield


def test_what_a_detector_finds_is_hidden() -> None:
    """Each sample is what its detector looks for, and is gone from the redacted text."""
    wrong = {}
    for kind, (detector, secret, form) in SAMPLES.items():
        text = form.format(secret)
        redacted = redact_text(text)
        if detector and not list(scan_line(text)):
            wrong[kind] = f"detect-secrets does not take it for a secret: {text}"
        elif secret in redacted or redact_text(redacted) != redacted:
            wrong[kind] = redacted
    assert wrong == {}


@pytest.mark.parametrize(
    "name", ["password", "adminPassword", "DB_PWD", "client_secret", "connectionString", "primaryKey", "sasToken"]
)
def test_a_value_without_a_shape_is_hidden_by_its_name(name: str) -> None:
    """A random value looks like any other text; only the member's name says what it is."""
    for secret in ("c3VwZXIgbG9uZyBzdHJpbmcgc2hvdWxkIGNhdXNl", "2b00042f7481c7b056c4b410d28f33cf", "plain words"):
        assert redact_json({"properties": {name: secret}}) == {"properties": {name: "(hidden)"}}
