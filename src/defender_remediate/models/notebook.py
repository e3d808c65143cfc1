"""How a value looks in a notebook."""

from __future__ import annotations

import html
from typing import Any, TypeVar

import attrs

_T = TypeVar("_T")


def notebook(cls: type[_T]) -> type[_T]:
    """Give an attrs class a ``_repr_html_``: its public fields as a two-column table."""

    def _repr_html_(self: Any) -> str:
        rows = "".join(
            f"<tr><th style='text-align:left'>{html.escape(field.name)}</th>"
            f"<td style='text-align:left'>{html.escape(_cell(getattr(self, field.name)))}</td></tr>"
            for field in attrs.fields(type(self))
            if field.repr
        )
        return f"<table><caption>{html.escape(type(self).__name__)}</caption>{rows}</table>"

    if "_repr_html_" not in cls.__dict__:
        setattr(cls, "_repr_html_", _repr_html_)
    return cls


def _cell(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else str(value)
