"""Hides secrets in journals, reports, logs, error messages and ``repr``.

``redact_text`` recognizes secrets by their form: tokens, keys, connection strings, signed URLs. ``redact_json`` also
recognizes them by the name of their member. A secret with neither a known form nor a known name is not recognized.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from defender_remediate.casing import fold

HIDDEN = "(hidden)"

# Shapes. Each pattern reads its input in linear time: no repetition gives back what another one then takes.

_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)", re.DOTALL
)
# 64 bytes in base64: the keys of storage accounts, Cosmos DB, Batch and others; also as they look inside a URL.
_ACCOUNT_KEY = re.compile(r"(?:[A-Za-z0-9+/]|%2[BbFf]){86}(?:==|%3[Dd]%3[Dd])")
_ACCOUNT_KEY_LENGTH = 88
# Providers put a fixed mark into the tokens that they issue, so that scanners find them.
_APPLICATION_SECRET = re.compile(r"[\w.~-]{3}\dQ~[\w.~-]{31,34}")  # Entra ID
_AZURE_KEY = re.compile(
    r"(?<![\w+/-])[\w+/-]{33,76}(?:AzFu|AzSe|AzCa|AIoT|ACDb|\+(?:ASb|AEh|ARm|ACR|ABa|ASt))[\w+/-]{4,12}={0,2}(?![\w+/-])"
)
_TOKEN = re.compile(
    r"\b(?:gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_\w{22,255}"
    r"|gl(?:pat|dt|ft|soat|rt|cbt|imt|ptt|agent)-[\w-]{16,100}"  # GitLab
    r"|xox[abeoprs]-[\w-]{10,200}|hooks\.slack\.com/services/[\w/]{20,100}"
    r"|(?:A3T[A-Z0-9]|ABIA|ACCA|AKIA|ASIA)[A-Z0-9]{16}\b"  # AWS
    r"|[A-Za-z0-9]{76}AZDO[A-Za-z0-9]{4}\b"  # Azure DevOps
    r"|AKC[A-Za-z0-9]{10,100}"  # Artifactory
    r"|[MNO][\w-]{23,25}\.[\w-]{6}\.[\w-]{27,38}"  # Discord
    r"|[0-9a-z]{32}-us\d{1,2}\b"  # Mailchimp
    r"|npm_[A-Za-z0-9]{36}"
    r"|sk-[\w-]{32,200}"  # OpenAI
    r"|pypi-AgE[\w-]{50,250}"
    r"|SG\.[\w-]{22}\.[\w-]{43}"  # SendGrid
    r"|sq0[a-z]{3}-[\w-]{22,60}"  # Square
    r"|[rs]k_(?:live|test)_[A-Za-z0-9]{10,100}"  # Stripe
    r"|\d{8,10}:[\w-]{35}\b"  # Telegram
    r"|(?:AC|SK)[a-z0-9]{32}\b)"  # Twilio
)
_DOTTED = re.compile(r"[\w.-]{33,}")
_JWT_PART = 16  # the shortest header and the shortest payload of a JSON web token, in base64
_AUTHORIZATION = re.compile(
    r"""((?:(?:bearer|basic)(?:\s|%20)+(?=[\w.~+/-]{16})"""
    r"""|sharedkey(?:lite)?\s+(?=[\w-]+:)))[^\s"'\\,;]+""",
    re.IGNORECASE,
)
_USER_INFO = re.compile(r"(://[^/\s:@]{0,100}:)[^/\s]+(?=@)")
# Azure signs the URLs of its operations (t, c, s, h), of storage (sig) and of functions (code).
_SIGNED_URL = re.compile(
    r"((?:[?&]|&amp;)(?:[csh]|sig|signature|code|[\w$-]{0,50}token)=)[^&\s\"'<>\\]+", re.IGNORECASE
)

# Names inside a sentence or a document: what stands after them is the secret.

_NAME = (
    r"(?:passw(?:or)?d|pwd|passphrase|secret(?:[_-]?(?:text|value|key))?"
    r"|(?:account|access|primary|secondary|shared|sharedaccess|storage|api|private|master|functions?|license|host"
    r"|subscription|signing)[_-]?key"
    r"|sharedaccesssignature|(?:access|refresh|sas|auth|client|bearer|id|session|security|registration)[_-]?token|sig)\d*"
)
# In quotes, in quotes that are escaped because the text is JSON inside JSON, or up to a space, ";" or "&". A quote that
# is never closed reaches to the end: the text was cut off.
_QUOTED = r'"(?:[^"\\]|\\.|\\\Z)*(?:"|\Z)' + r"|'[^']*(?:'|\Z)"
_NESTED = r"""(?P<open>\\+["']).*?(?:(?<!\\)(?P=open)|\Z)"""
_ASSIGNED = re.compile(
    rf"""(?P<name>{_NAME}\\*["']?\s*[=:]\s*)(?:(?P<nested>{_NESTED})|(?P<quoted>{_QUOTED})|[^\s;&]+)""",
    re.IGNORECASE | re.DOTALL,
)
# In a sentence only what is in quotes: "the password 'x' is too short", "the value 'x' of adminPassword". What follows the
# word secret is as a rule the name of one.
_SAID = re.compile(
    rf"""(?P<name>(?!secret\s){_NAME}\s+(?:(?:value|of|is|was)\s+){{0,2}})(?P<open>)(?P<quoted>{_QUOTED})""",
    re.IGNORECASE,
)
# An option of a command: "--client-secret x".
_OPTION = re.compile(
    rf"""(?P<name>--(?:[a-z]{{1,30}}-){{0,4}}{_NAME}\s+)(?P<open>)(?:(?P<quoted>{_QUOTED})|(?!-)[^\s"']+)""",
    re.IGNORECASE,
)
_OF = rf"""(?=\s+(?:of|for|in)\s+(?:\w+\s+){{0,3}}["']?[\w.]{{0,100}}?{_NAME}(?!\w))"""
_VALUE = re.compile(rf"""(?P<name>\bvalue\s+)(?P<open>)(?P<quoted>"[^"]*"|'[^']*'){_OF}""", re.IGNORECASE)
_NAMED = ((_ASSIGNED, "=:"), (_OPTION, ("--",)), (_SAID, "\"'"), (_VALUE, "\"'"))


# Strings in which no secret was found. The records of a run repeat the same ids and titles many times.
_CLEAN: set[str] = set()
# Azure gives each answer an id of its own, and each record has a time of its own.
_ID_OR_TIME = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{6})?\+00:00",
    re.IGNORECASE | re.ASCII,
)
_ID_OR_TIME_LENGTHS = frozenset({25, 32, 36})
_MOST_CLEAN, _LONGEST_CLEAN = 40_000, 1_000


def redact_text(text: str) -> str:
    """Return the text with ``(hidden)`` for every part that looks like a secret.

    Hidden are bearer and basic credentials, JSON web tokens, keys of 64 bytes in base64, tokens with a provider's mark,
    private keys in PEM, passwords and signatures in URLs, the value after a name such as ``password=``, ``AccountKey=`` or
    ``"client_secret":``, and a quoted secret in a sentence (``the password 'x' is too short``).

    Redacting is idempotent. The time is linear in the length of the text.
    """
    if text in _CLEAN or (len(text) in _ID_OR_TIME_LENGTHS and _ID_OR_TIME.fullmatch(text)):
        return text
    found = _redacted(text)
    if found == text and len(text) <= _LONGEST_CLEAN:
        if len(_CLEAN) >= _MOST_CLEAN:
            _CLEAN.clear()
        _CLEAN.add(text)
    return found


def _redacted(text: str) -> str:
    text = _PRIVATE_KEY.sub(HIDDEN, text)
    text = _DOTTED.sub(_without_web_token, text)
    text = _ACCOUNT_KEY.sub(HIDDEN, text) if len(text) >= _ACCOUNT_KEY_LENGTH else text
    text = _APPLICATION_SECRET.sub(HIDDEN, text)
    text = _AZURE_KEY.sub(HIDDEN, text)
    text = _TOKEN.sub(HIDDEN, text)
    text = _AUTHORIZATION.sub(rf"\1{HIDDEN}", text)
    text = _USER_INFO.sub(rf"\1{HIDDEN}", text)
    text = _SIGNED_URL.sub(rf"\1{HIDDEN}", text)
    for pattern, marks in _NAMED:
        # Most strings have none of the marks that the pattern needs, and searching takes long.
        if any(mark in text for mark in marks):
            text = pattern.sub(_without_value, text)
    return text


def _without_web_token(match: re.Match[str]) -> str:
    """Remove a JSON web token from a sequence of letters, digits and dots, with everything after its start."""
    run = match[0]
    part_start = 0
    for part in run.split("."):
        header = part.find("eyJ")
        payload_length = len(run) - part_start - len(part) - 1
        if header >= 0 and len(part) - header >= _JWT_PART and payload_length >= _JWT_PART:
            return run[: part_start + header] + HIDDEN
        part_start += len(part) + 1
    return run


def _without_value(match: re.Match[str]) -> str:
    """Keep the name and the quotes, and hide the value."""
    quote = match["open"] or (match["quoted"] or "")[:1]
    return f"{match['name']}{quote}{HIDDEN}{quote}"


# Names of members.

_SECRET_NAME = re.compile(
    r"(password|passwd|passphrase|pwd|secret|connectionstring|credential|accesskey|accountkey|primarykey|secondarykey"
    r"|sharedkey|privatekey|masterkey|functionkey|licensekey|(access|auth|bearer|client|refresh|sas|session|registration)token"
    # Except aadOrApiKey of AI Search, which says how callers may sign in.
    r"|(?<!(?-i:Or))apikey)s?\Z",
    re.IGNORECASE,
)
_INDEXES = re.compile(r"(\[\d+\])+\Z")
# Under a member with a secret's name these say something about the secret, not what it is.
_DESCRIPTIVE = frozenset({"type", "metadata", "name", "path", "reference"})
# A value that says where a secret is kept: readers need access there.
_REFERENCE = re.compile(r"\[parameters\('[\w-]+'\)\]|@Microsoft\.KeyVault\([^()]*\)")


def is_secret_name(name: Any) -> bool:
    """Return whether a member, a path or an app setting of this name contains a secret, such as ``adminPassword``."""
    return isinstance(name, str) and _says_secret(name)


@lru_cache(4096)
def _says_secret(name: str) -> bool:
    last = _INDEXES.sub("", name).rstrip("]'")
    return bool(_SECRET_NAME.search(last.replace("_", "").replace("-", "")))


def redact_json(value: Any, *, is_secret: bool = False) -> Any:
    """Return the same JSON value with ``(hidden)`` for every secret in it, by its name or its form.

    Args:
        value: JSON values; tuples count as arrays. Values of other types are returned as they are.
        is_secret: Whether the value belongs to a member with a secret's name. Then every string and number in it is hidden.
    """
    # The most frequent kind comes first.
    if isinstance(value, str):
        if not is_secret or not value or _REFERENCE.fullmatch(value):
            return value if value in _CLEAN else redact_text(value)
        return HIDDEN
    if isinstance(value, (list, tuple)):
        return [redact_json(item, is_secret=is_secret) for item in value]
    if isinstance(value, (dict, Mapping)):
        return _redact_object(value, is_secret=is_secret)
    if is_secret and isinstance(value, (int, float)) and not isinstance(value, bool):
        return HIDDEN
    return value


def _redact_object(members: Mapping[str, Any], *, is_secret: bool) -> dict[str, Any]:
    # {"name": "DB_PASSWORD", "value": ...}: an app setting, a parameter or a change that says its name beside its value.
    is_labelled = is_secret_name(members.get("name")) or is_secret_name(members.get("path"))
    secure_parameters = _secure_parameters(members) if "template" in members else frozenset()
    clean = {}
    for name, item in members.items():
        if name == "permissions" and isinstance(item, Mapping):
            # An access policy of Key Vault: its lists say what may be done to secrets.
            redacted: Any = {redact_text(kind): redact_json(verbs) for kind, verbs in item.items()}
        elif name == "parameters" and secure_parameters and isinstance(item, Mapping):
            redacted = {}
            for parameter, given in item.items():
                is_secure = fold(parameter) in secure_parameters or is_secret_name(parameter)
                redacted[redact_text(parameter)] = redact_json(given, is_secret=is_secret or is_secure)
        else:
            named = is_secret_name(name) or (is_labelled and name in ("value", "before", "after"))
            default = name == "defaultValue" and _is_secure(members)
            inherited = is_secret and name not in _DESCRIPTIVE
            redacted = redact_json(item, is_secret=named or default or inherited)
        clean[redact_text(name)] = redacted
    return clean


def _secure_parameters(deployment: Mapping[str, Any]) -> frozenset[str]:
    """The parameters that the template of a deployment declares as secure."""
    template = deployment.get("template")
    declared = template.get("parameters") if isinstance(template, Mapping) else None
    if not isinstance(declared, Mapping):
        return frozenset()
    return frozenset(fold(name) for name, declaration in declared.items() if _is_secure(declaration))


def _is_secure(declaration: Any) -> bool:
    kind = declaration.get("type") if isinstance(declaration, Mapping) else None
    return isinstance(kind, str) and fold(kind) in ("securestring", "secureobject")
