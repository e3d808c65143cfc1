"""TOML, whichever Python this is."""

from __future__ import annotations

import sys
from typing import Any

if sys.version_info >= (3, 11):  # pragma: no cover - which of the two runs depends on the Python
    import tomllib
else:  # pragma: no cover - see above
    import tomli as tomllib

TOMLError = tomllib.TOMLDecodeError


def parse(text: str) -> dict[str, Any]:
    """The tables of a TOML document.

    Raises:
        TOMLError: It is none.
    """
    return tomllib.loads(text)
