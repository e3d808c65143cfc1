"""TOML, whichever Python this is."""

from __future__ import annotations

import sys
from typing import Any

from defender_remediate.json_values import MAX_DEPTH, TOO_DEEP, check_depth

if sys.version_info >= (3, 11):  # pragma: no cover - which of the two runs depends on the Python
    import tomllib
else:  # pragma: no cover - see above
    import tomli as tomllib


class TOMLError(ValueError):
    """A document is not valid TOML: the message says where and why."""


def parse(text: str) -> dict[str, Any]:
    """The tables of a TOML document.

    Raises:
        TOMLError: It is not TOML, is nested too deep, or has a number of thousands of digits.
    """
    try:
        document = tomllib.loads(text)
        check_depth(document)
    except RecursionError as error:
        raise TOMLError(TOO_DEEP.format(MAX_DEPTH)) from error
    except ValueError as error:
        raise TOMLError(str(error)) from error
    return document
