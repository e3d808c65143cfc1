"""Renders a view with a Jinja template: the bundled one, or one of the caller's that extends it."""

from __future__ import annotations

import base64
import re
import warnings
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from defender_remediate.display import one_line, quoted
from defender_remediate.errors import InvalidInputError, MissingExtraError
from defender_remediate.models.plan_groups import Place

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_TEMPLATES = Path(__file__).parent / "templates"
_LARGEST_LOGO = 1_000_000
_KINDS = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"<svg": "svg+xml", b"<?xm": "svg+xml"}
# A long name may be broken after one of these, and nowhere else.
_JOINTS = re.compile(r"(?<=[/.,;:_\-@=&?])(?=[^\s])")
_ID = re.compile(r"/subscriptions/[^/\s'\",;()]+(?:/[^/\s'\",;()]+)*[^/\s'\",;().]")


class ReportWarning(UserWarning):
    """A template or logo of the caller could not be used; the page was made without it."""


def is_available() -> bool:
    """Whether the packages of the extra ``reports`` are installed."""
    return all(find_spec(name) is not None for name in ("jinja2", "pygal"))


def render(name: str, *, template: str | Path | None, logo: str | Path | bytes | None, view: object) -> str:
    """A page, with the bundled template of this name.

    Args:
        name: The file name of the bundled template.
        template: The path of a template that is used instead; it may extend the bundled one.
        logo: An image for the head of the page, by its path or its content.
        view: What the template shows.

    Raises:
        MissingExtraError: The extra ``reports`` is not installed.
        InvalidInputError: The template is not a path, or the logo neither a path nor bytes.
    """
    environment = _environment()
    problems: list[str] = []
    image = None
    if logo is not None:
        if not isinstance(logo, (str, Path, bytes)):
            raise InvalidInputError(f"logo must be the path of an image or its bytes, got {quoted(logo)}")
        try:
            image = _data_uri(logo)
        except (OSError, ValueError) as error:
            problems.append(_problem("logo", error))
    if template is not None:
        if not isinstance(template, (str, Path)):
            raise InvalidInputError(f"template must be the path of a file, got {quoted(template)}")
        try:
            own = environment.from_string(Path(template).read_text(encoding="utf-8"))
            return own.render(view=view, logo=image, warnings=_warned(problems))
        except Exception as error:  # noqa: BLE001 - whatever the caller's template does, the report must not be lost
            problems.append(_problem("template", error))
    return environment.get_template(name).render(view=view, logo=image, warnings=_warned(problems))


def fragment(name: str, *, view: object) -> str:
    """A part of a page for a notebook, with its style; of the bundled template of this name.

    Raises:
        MissingExtraError: The extra ``reports`` is not installed.
    """
    body = _environment().get_template(name).render(view=view, logo=None, warnings=())
    # The colours hold for this part only, not for the notebook around it.
    style = (_TEMPLATES / "style.css").read_text(encoding="utf-8").replace(":root{", ".dr{")
    return f'<style>{style}.dr.part{{padding:.6rem .9rem}}</style><div class="dr part">{body}</div>'


def _warned(problems: list[str]) -> tuple[str, ...]:
    for problem in problems:
        warnings.warn(problem, ReportWarning, stacklevel=4)
    return tuple(problems)


def _problem(what: str, error: Exception) -> str:
    return one_line(f"the {what} could not be used: {type(error).__name__}: {error}")


def _data_uri(logo: str | Path | bytes) -> str:
    content = logo if isinstance(logo, bytes) else Path(logo).read_bytes()
    kind = next((kind for start, kind in _KINDS.items() if content.lstrip().startswith(start)), None)
    if kind is None:
        raise ValueError("it is not a PNG, JPEG, GIF or SVG image")
    if len(content) > _LARGEST_LOGO:
        raise ValueError(f"it has {len(content)} bytes, at most {_LARGEST_LOGO} are embedded")
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


@cache
def _environment() -> Environment:
    if not is_available():
        raise MissingExtraError("HTML reports need the packages jinja2 and pygal", extra="reports")
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"breakable": breakable, "prose": prose, "groups_of": groups_of, "zip": zip}
    return environment


def _shown(value: Any) -> Any:
    """What a template writes: text from outside on one line and without control characters; nothing for None."""
    from markupsafe import Markup

    if value is None:
        return ""
    return value if isinstance(value, Markup) else one_line(str(value))


def breakable(text: object) -> Markup:
    """The text, escaped, with places where a long name may be broken."""
    from markupsafe import Markup, escape

    return Markup("<wbr>").join(escape(part) for part in _JOINTS.split(one_line(str(text or ""))))


def prose(text: object) -> Markup:
    """A sentence, escaped, with the ids of resources shortened; the whole id is the title of the short one."""
    from markupsafe import Markup

    shown = one_line(str(text or ""))
    parts, end = [], 0
    for found in _ID.finditer(shown):
        short = "/".join(found[0].split("/")[-2:])
        parts.append(breakable(shown[end : found.start()]))
        parts.append(Markup('<span class="id" title="{}">…/{}</span>').format(found[0], breakable(short)))
        end = found.end()
    return Markup().join([*parts, breakable(shown[end:])])


@attrs.frozen
class PlaceGroup:
    """Resources of one resource group."""

    label: str
    places: tuple[Place, ...]


def groups_of(places: Sequence[Place]) -> list[PlaceGroup]:
    """The places by resource group, in their order."""
    groups: dict[str, list[Place]] = {}
    for place in places:
        groups.setdefault(place.group, []).append(place)
    return [PlaceGroup(label, tuple(found)) for label, found in groups.items()]
