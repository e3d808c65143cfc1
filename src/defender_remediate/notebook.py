"""Displays values in notebooks: as a part of a page where one can be rendered, else their fields as a table or their text."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any, TypeVar

import attrs

from defender_remediate.display import multi_line, one_line
from defender_remediate.redaction import redact_text

_T = TypeVar("_T")
Renderer = Callable[[Any], "str | None"]
"""Renders a value as HTML; None for a value that it does not render."""
_RENDERERS: list[Renderer] = []


def show_with(renderer: Renderer) -> None:
    """Let a package above this one render values: what is here knows neither values nor templates."""
    _RENDERERS[:] = [renderer]


def rendered(value: Any) -> str | None:
    """The value as a part of a page; None if nothing renders it."""
    return next((found for renderer in _RENDERERS if (found := renderer(value)) is not None), None)


def notebook(cls: type[_T]) -> type[_T]:
    """Give an attrs class a ``_repr_html_``: a part of a page, else its public fields as a two-column table."""

    def _repr_html_(self: Any) -> str:
        page = rendered(self)
        if page is not None:
            return page
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(field.name)}</th>"
            f"<td style='text-align:left'>{html.escape(_cell(getattr(self, field.name)))}</td></tr>"
            for field in attrs.fields(type(self))
            if field.repr
        )
        return f"<table><caption>{html.escape(type(self).__name__)}</caption>{rows}</table>"

    setattr(cls, "_repr_html_", _repr_html_)
    return cls


def preformatted(text: str) -> str:
    """Printed text as HTML."""
    return f"<pre>{html.escape(multi_line(text))}</pre>"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return one_line(redact_text(", ".join(map(str, value)) if isinstance(value, tuple) else str(value)))
