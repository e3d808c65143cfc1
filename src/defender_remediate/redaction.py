"""Texts without the secrets in them: what may go into a journal, a report, a log or an error message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold

HIDDEN = "(hidden)"
_SECRET = re.compile(
    r"(password|passwd|secret|connectionstring|credential|sastoken|accesstoken|clienttoken|accesskey|accountkey|"
    # AI Search calls it aadOrApiKey how its callers may sign in.
    r"primarykey|secondarykey|sharedkey|privatekey|(?<!(?-i:Or))apikey|licensekey)s?\Z",
    re.IGNORECASE,
)
# What somebody calls a secret, at the end of a name: adminPassword, DB_PWD, client_secret, AccountKey, sig.
_NAME = (
    r"(?:passw(?:or)?d|pwd|passphrase|secret(?:[_-]?(?:text|value|key))?"
    r"|(?:account|access|primary|secondary|shared|sharedaccess|storage|api|private|master|function|license)[_-]?key"
    r"|sharedaccesssignature|(?:access|refresh|sas|auth|client|bearer)[_-]?token|sig)\d*"
)
# In quotes, in quotes that are escaped because the text is JSON inside JSON, or up to a space, ";" or "&". A quote that
# is never closed reaches to the end: the text was cut off.
_QUOTED = r'"(?:[^"\\]|\\.|\\\Z)*(?:"|\Z)' + r"|'[^']*(?:'|\Z)"
_NESTED = r"""(?P<open>\\+["']).*?(?:(?<!\\)(?P=open)|\Z)"""
_BARE = r"[^\s;&]+"
_ASSIGNED = re.compile(
    rf"""(?P<name>{_NAME}\\*["']?\s*[=:]\s*)(?:(?P<nested>{_NESTED})|(?P<quoted>{_QUOTED})|{_BARE})""",
    re.IGNORECASE | re.DOTALL,
)
# In a sentence only what is in quotes: "the password 'x' is too short", "the value 'x' of adminPassword". What follows the
# word secret is as a rule the name of one.
_SAID = re.compile(
    rf"""(?P<name>(?!secret\s){_NAME}\s+(?:(?:value|of|is|was)\s+){{0,2}})(?P<open>)(?P<quoted>{_QUOTED})""",
    re.IGNORECASE,
)
_OF = rf"""(?=\s+(?:of|for|in)\s+(?:\w+\s+){{0,3}}["']?[\w.]{{0,100}}?{_NAME}(?!\w))"""
_VALUE = re.compile(rf"""(?P<name>\bvalue\s+)(?P<open>)(?P<quoted>"[^"]*"|'[^']*'){_OF}""", re.IGNORECASE)
_AUTHORIZATION = re.compile(
    r"""((?:(?:bearer|basic)(?:\s|%20)+(?=[\w.~+/-]{16})"""
    r"""|sharedkey(?:lite)?\s+(?=[\w-]+:)))[^\s"'\\,;]+""",
    re.IGNORECASE,
)
_USER_INFO = re.compile(r"(://[^/\s:@]{0,100}:)[^/\s@]+(?=@)")
_PRIVATE_KEY = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)", re.DOTALL
)
# 64 bytes in base64: the keys of storage accounts, Cosmos DB, Batch and others; also as they look inside a URL.
_ACCOUNT_KEY = re.compile(r"(?:[A-Za-z0-9+/]|%2[BbFf]){86}(?:==|%3[Dd]%3[Dd])")
# Entra ID marks the secrets of applications so that scanners find them.
_CLIENT_SECRET = re.compile(r"[\w.~-]{3}\dQ~[\w.~-]{31,34}")
_DOTTED = re.compile(r"[\w.-]{33,}")
# The least that a header and what follows it take, in base64.
_JWT_PART = 16


def is_secret(path: str) -> bool:
    """Whether a member's name looks as if its value were a secret."""
    return bool(_SECRET.search(path.rstrip("]'")))


def redact_text(text: str) -> str:
    """The text with every part that looks like a secret replaced by ``(hidden)``.

    Hidden are bearer and basic credentials, JSON web tokens, keys of 64 bytes in base64, application secrets of Entra
    ID, private keys in PEM, passwords in URLs, whatever stands after a name such as ``password=``, ``AccountKey=``,
    ``sig=`` or ``"client_secret":``, and what a sentence quotes as one (``the password 'x' is too short``). What does not look like a secret cannot be told from other text and stays.

    Redacting twice gives what redacting once gives.
    """
    text = _PRIVATE_KEY.sub(HIDDEN, text)
    text = _DOTTED.sub(_without_token, text)
    text = _ACCOUNT_KEY.sub(HIDDEN, text)
    text = _CLIENT_SECRET.sub(HIDDEN, text)
    text = _AUTHORIZATION.sub(rf"\1{HIDDEN}", text)
    text = _USER_INFO.sub(rf"\1{HIDDEN}", text)
    for pattern in (_ASSIGNED, _SAID, _VALUE):
        text = pattern.sub(_without_value, text)
    return text


def _without_token(match: re.Match[str]) -> str:
    """A run of letters, digits and dots up to the JSON web token in it."""
    run = match[0]
    at = 0
    for part in run.split("."):
        start = part.find("eyJ")
        rest = len(run) - at - len(part) - 1
        if start >= 0 and len(part) - start >= _JWT_PART and rest >= _JWT_PART:
            return run[: at + start] + HIDDEN
        at += len(part) + 1
    return run


def _without_value(match: re.Match[str]) -> str:
    quote = match["open"] or (match["quoted"] or "")[:1]
    return f"{match['name']}{quote}{HIDDEN}{quote}"


# What says of a secret that there is one, and not what it is.
_ABOUT = frozenset({"type", "metadata", "name", "path", "reference"})
_LABELS = ("name", "path")
_LABELLED = frozenset({"value", "before", "after"})
_DEFAULT = frozenset({"defaultValue"})
_SECURE = frozenset({"securestring", "secureobject"})
_VERBS = "permissions"
_INDEX = re.compile(r"(\[\d+\])+\Z")
# These say where a secret is kept; whoever reads them has to be let in there.
_REFERENCE = re.compile(r"\[parameters\('[\w-]+'\)\]|@Microsoft\.KeyVault\([^()]*\)")


def cleaned(found: Any, *, secret: bool = False) -> Any:
    """The same JSON value with ``(hidden)`` for every secret. What is neither named nor shaped like one stays.

    Args:
        found: JSON values; tuples count as arrays. Anything else stays as it is.
        secret: Whether a member around it is named like a secret.
    """
    if isinstance(found, Mapping):
        labels = any(names_a_secret(found.get(label)) for label in _LABELS)
        labelled = _LABELLED if labels else _DEFAULT if _is_secure(found) else frozenset()
        clean = {
            redact_text(name): _member(name, item, secret=secret or name in labelled) for name, item in found.items()
        }
        return {**clean, **_deployed(found, secret=secret)}
    if isinstance(found, (list, tuple)):
        return [cleaned(item, secret=secret) for item in found]
    if isinstance(found, str):
        return HIDDEN if secret and found and not _REFERENCE.fullmatch(found) else redact_text(found)
    return HIDDEN if secret and isinstance(found, (int, float)) and not isinstance(found, bool) else found


def _deployed(found: Mapping[str, Any], *, secret: bool) -> dict[str, Any]:
    """The parameters of a template that is deployed: what it declares as secure is secret, whatever it is called."""
    declared = found["template"].get("parameters") if isinstance(found.get("template"), Mapping) else None
    given = found.get("parameters")
    if not isinstance(declared, Mapping) or not isinstance(given, Mapping):
        return {}
    secure = {fold(name) for name, declaration in declared.items() if _is_secure(declaration)}
    return {
        "parameters": {
            redact_text(name): cleaned(item, secret=secret or fold(name) in secure or names_a_secret(name))
            for name, item in given.items()
        }
    }


def _is_secure(declaration: Any) -> bool:
    kind = declaration.get("type") if isinstance(declaration, Mapping) else None
    return isinstance(kind, str) and fold(kind) in _SECURE


def _member(name: str, item: Any, *, secret: bool) -> Any:
    if name == _VERBS and isinstance(item, Mapping):
        # An access policy of Key Vault: its lists say what may be done to secrets.
        return {redact_text(kind): cleaned(verbs) for kind, verbs in item.items()}
    return cleaned(item, secret=(secret and name not in _ABOUT) or names_a_secret(name))


def names_a_secret(name: Any) -> bool:
    """Whether a member, a path or the name of an app setting says that a secret is there."""
    return isinstance(name, str) and is_secret(_INDEX.sub("", name).replace("_", "").replace("-", ""))
