"""The functions of ARM templates that depend on nothing but their arguments."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from defender_remediate.casing import fold


class TemplateError(Exception):
    """An expression or a template that is not valid, or that only Azure can evaluate."""


class ParameterNotFoundError(TemplateError):
    """An expression that refers to a parameter that is not known, or not yet."""


class UnresolvedError(TemplateError):
    """An expression that reads a resource, where nothing answers for Azure."""


def join_resource_id(resource_type: str, names: list[str]) -> str:
    """Return ``Microsoft.A/b/name1/c/name2`` for the type ``Microsoft.A/b/c`` and its two names; the type may end in a slash.

    Raises:
        TemplateError: The type does not have one segment for each name.
    """
    namespace, *types = resource_type.removesuffix("/").split("/")
    if len(types) != len(names) or not all(names):
        given = "/".join(map(str, names))
        message = f"the type '{resource_type}' does not have as many segments as the name '{given}'"
        raise TemplateError(message)
    return "/".join((namespace, *(str(part) for pair in zip(types, names, strict=True) for part in pair)))


def _string(value: Any) -> str:
    return str(value).capitalize() if isinstance(value, bool) else str(value)


def _concat(*values: Any) -> Any:
    if values and all(isinstance(value, (list, tuple)) for value in values):
        return [item for value in values for item in value]
    return "".join(_string(value) for value in values)


def _format(template: str, *values: Any) -> str:
    return re.sub(r"\{(\d+)\}", lambda match: _string(values[int(match.group(1))]), template)


def _unique_string(*words: str) -> str:
    return base64.b32encode(hashlib.sha256("/".join(words).encode()).digest()).decode().lower()[:13]


def _guid(*words: str) -> str:
    digest = hashlib.sha256("/".join(words).encode()).hexdigest()
    return f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"


def _contains(container: Any, item: Any) -> bool:
    return fold(str(item)) in fold(container) if isinstance(container, str) else item in container


def _union(*values: Any) -> Any:
    if all(isinstance(value, (list, tuple)) for value in values):
        return list(dict.fromkeys(item for value in values for item in value))
    return {name: item for value in values for name, item in value.items()}


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "add": lambda left, right: left + right,
    "array": lambda value: value if isinstance(value, list) else [value],
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64tostring": lambda text: base64.b64decode(text).decode(),
    "bool": lambda value: value if isinstance(value, bool) else fold(str(value)) in ("true", "1"),
    "concat": _concat,
    "contains": _contains,
    "createarray": lambda *values: list(values),
    "createobject": lambda *values: dict(zip(values[::2], values[1::2], strict=True)),
    "div": lambda left, right: int(left / right),
    "empty": lambda value: not value,
    "endswith": lambda text, end: fold(text).endswith(fold(end)),
    "equals": lambda left, right: type(left) is type(right) and bool(left == right),
    "extensionresourceid": lambda owner, kind, *names: f"{owner}/providers/{join_resource_id(kind, list(names))}",
    "false": lambda: False,
    "first": lambda value: value[0],
    "format": _format,
    "greater": lambda left, right: left > right,
    "greaterorequals": lambda left, right: left >= right,
    "guid": _guid,
    "indexof": lambda text, part: fold(text).find(fold(part)),
    "int": int,
    "intersection": lambda first, *others: [one for one in first if all(one in other for other in others)],
    "join": lambda values, mark: mark.join(_string(value) for value in values),
    "json": json.loads,
    "last": lambda value: value[-1],
    "length": len,
    "less": lambda left, right: left < right,
    "lessorequals": lambda left, right: left <= right,
    "max": lambda *values: max(values[0] if isinstance(values[0], list) else values),
    "min": lambda *values: min(values[0] if isinstance(values[0], list) else values),
    "mod": lambda left, right: int(math.fmod(left, right)),
    "mul": lambda left, right: left * right,
    "not": lambda value: not value,
    "null": lambda: None,
    "padleft": lambda text, width, mark=" ": _string(text).rjust(width, mark),
    "range": lambda start, count: list(range(start, start + count)),
    "replace": lambda text, old, new: text.replace(old, new),
    "skip": lambda value, count: value[max(count, 0) :],
    "split": lambda text, mark: text.split(mark),
    "startswith": lambda text, start: fold(text).startswith(fold(start)),
    "string": _string,
    "sub": lambda left, right: left - right,
    "substring": lambda text, start, count: text[start : start + count],
    "take": lambda value, count: value[:count],
    "tolower": lambda text: text.lower(),
    "toupper": lambda text: text.upper(),
    "trim": lambda text: text.strip(),
    "true": lambda: True,
    "union": _union,
    "uniquestring": _unique_string,
    "uricomponent": lambda text: quote(text, safe=""),
}
"""By their folded names."""
