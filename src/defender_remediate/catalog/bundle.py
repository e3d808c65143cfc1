"""The bundled catalog's TOML files, parsed beforehand: reading them takes longer than all else that loading does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from defender_remediate.catalog.toml import parse

NAME = "bundled.json"


def documents(files: Mapping[str, bytes], bundle: bytes) -> dict[str, Any]:
    """The tables of TOML files by name: from the bundle when it was made of these very files, else from themselves.

    So a file that was edited counts at once, and a bundle that is out of date costs time and nothing else.
    """
    known = json.loads(bundle)
    if known["sha256"] == _digest(files):
        found: dict[str, Any] = known["documents"]
        return found
    return _parsed(files)


def make(files: Mapping[str, bytes]) -> str:
    """The bundle of these files: JSON, one file to a line."""
    lines = ",\n".join(f"{json.dumps(name)}:{_compact(document)}" for name, document in _parsed(files).items())
    return f'{{"sha256":"{_digest(files)}",\n"documents":{{\n{lines}\n}}}}\n'


def _parsed(files: Mapping[str, bytes]) -> dict[str, Any]:
    return {name: parse(files[name].decode()) for name in sorted(files)}


def _compact(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _digest(files: Mapping[str, bytes]) -> str:
    content = hashlib.sha256()
    for name in sorted(files):
        content.update(f"{name} {len(files[name])}\n".encode() + files[name])
    return content.hexdigest()
