"""The bundled catalog's TOML files in one JSON file: parsing TOML takes longer than everything else that loading does."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from defender_remediate.catalog.toml import parse

NAME = "bundled.json"


def read(files: Mapping[str, bytes], bundle: bytes) -> tuple[dict[str, Any], str | None]:
    """The tables of the TOML files by name, and the version of the catalog.

    They come from the bundle if it was made of exactly these files, templates included. Otherwise the files are parsed
    and the version is None, so that an edited file counts at once.
    """
    content = json.loads(bundle)
    if content["sha256"] == _digest(files):
        return content["documents"], content["version"]
    return _parsed(files), None


def make(files: Mapping[str, bytes], version: str) -> str:
    """The bundle of these files: JSON, with one TOML file per line."""
    compact = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
    lines = ",\n".join(f"{json.dumps(name)}:{compact(document)}" for name, document in _parsed(files).items())
    return f'{{"sha256":"{_digest(files)}",\n"version":"{version}",\n"documents":{{\n{lines}\n}}}}\n'


def _parsed(files: Mapping[str, bytes]) -> dict[str, Any]:
    return {name: parse(files[name].decode()) for name in sorted(files) if name.endswith(".toml")}


def _digest(files: Mapping[str, bytes]) -> str:
    content = hashlib.sha256()
    for name in sorted(files):
        content.update(f"{name} {len(files[name])}\n".encode() + files[name])
    return content.hexdigest()
