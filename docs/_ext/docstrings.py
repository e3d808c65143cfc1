"""Keeps two habits of this project's docstrings as they are meant, which Napoleon reads otherwise."""

from __future__ import annotations

import re

from sphinx.application import Sphinx

_SEVERAL = re.compile(r"^(\s+)([a-z_]\w*(?:, [a-z_]\w*)+):(?= )")
_BEFORE_NAPOLEON, _AFTER_NAPOLEON = 400, 600
_properties: dict[str, list[str]] = {}


def before(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Keep several fields that share a description together: Sphinx would read ``a, b`` as a type and a name."""
    if what == "property":
        _properties[name] = list(lines)
    lines[:] = [_SEVERAL.sub(lambda match: f"{match[1]}{match[2].replace(', ', '/')}:", line) for line in lines]


def after(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Keep a property's sentence whole: Napoleon takes what stands before a colon in it for the type."""
    if what == "property":
        lines[:] = _properties.pop(name)


def setup(app: Sphinx) -> dict[str, bool]:
    """Tell Sphinx when to call."""
    app.connect("autodoc-process-docstring", before, priority=_BEFORE_NAPOLEON)
    app.connect("autodoc-process-docstring", after, priority=_AFTER_NAPOLEON)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
