"""JSON as Resource Manager takes it: with comments, names without quotation marks, single quotes and trailing commas.

The Azure CLI sends templates as their files are, inside an object whose names it does not quote.
"""

from __future__ import annotations

import json
import re
from typing import Any

_TOKEN = re.compile(
    r"""
    (?P<comment> //[^\n]* | /\*.*?\*/ )
  | (?P<double> "(?:[^"\\]|\\.)*" )
  | (?P<single> '(?:[^'\\]|\\.)*' )
  | (?P<name> [A-Za-z_$][\w$]* (?=\s*:) )
  | (?P<comma> ,(?=(?:\s|//[^\n]*\n|/\*.*?\*/)*[}\]]) )
  | (?P<other> . )
    """,
    re.VERBOSE | re.DOTALL,
)


def parse(text: str) -> Any:
    """Returns the value.

    Raises:
        ValueError: It is not JSON, not even so.
    """
    try:
        return json.loads(text, strict=False)
    except ValueError:
        return json.loads("".join(_strict(token) for token in _TOKEN.finditer(text)), strict=False)


def _strict(token: re.Match[str]) -> str:
    kind, content = token.lastgroup, token.group()
    if kind in ("comment", "comma"):
        return " "
    if kind == "name":
        return json.dumps(content)
    if kind == "single":
        inner = content[1:-1].replace("\\'", "'").replace('"', '\\"')
        return f'"{inner}"'
    return content
