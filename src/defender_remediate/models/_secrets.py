"""JSON values without the secrets in them: at members whose names say so, and in any text whose shape does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from defender_remediate.models._redact import HIDDEN, is_secret, redact_text

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
    secure = {name.casefold() for name, declaration in declared.items() if _is_secure(declaration)}
    return {
        "parameters": {
            redact_text(name): cleaned(item, secret=secret or name.casefold() in secure or names_a_secret(name))
            for name, item in given.items()
        }
    }


def _is_secure(declaration: Any) -> bool:
    kind = declaration.get("type") if isinstance(declaration, Mapping) else None
    return isinstance(kind, str) and kind.casefold() in _SECURE


def _member(name: str, item: Any, *, secret: bool) -> Any:
    if name == _VERBS and isinstance(item, Mapping):
        # An access policy of Key Vault: its lists say what may be done to secrets.
        return {redact_text(kind): cleaned(verbs) for kind, verbs in item.items()}
    return cleaned(item, secret=(secret and name not in _ABOUT) or names_a_secret(name))


def names_a_secret(name: Any) -> bool:
    """Whether a member, a path or the name of an app setting says that a secret is there."""
    return isinstance(name, str) and is_secret(_INDEX.sub("", name).replace("_", "").replace("-", ""))
