"""The data files of the simulator. Each is read once; callers get a copy that they may change."""

from __future__ import annotations

import json
from functools import cache
from importlib import resources
from typing import Any

_DATA = resources.files("defender_remediate.testing.simulator") / "data"


@cache
def _read(name: str) -> str:
    return (_DATA / f"{name}.json").read_text(encoding="utf-8")


def facts(name: str) -> Any:
    """Returns the content of ``data/<name>.json``."""
    return json.loads(_read(name))
