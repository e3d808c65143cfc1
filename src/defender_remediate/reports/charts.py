"""Bars as inline SVG, drawn with pygal. The colours are those of the page, so that they follow light and dark."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import cache
from typing import Any
from xml.etree.ElementTree import Element, tostring

from defender_remediate.display import one_line

_WIDTH, _HEIGHT = 320, 16
# pygal leaves a margin of 2 % on both sides of what it draws.
_START, _LENGTH = _WIDTH / 52, _WIDTH * 50 / 52


def bar(parts: Sequence[tuple[str, float]], *, most: float, label: str) -> str:
    """One horizontal bar of parts, as the text of an ``svg`` element without scripts, styles or identifiers.

    Args:
        parts: The name of the class of each part, and its length.
        most: The length of the whole bar.
        label: What a screen reader says.
    """
    chart = _pygal().HorizontalStackedBar(
        width=_WIDTH,
        height=_HEIGHT,
        margin=0,
        range=(0, most),
        css=(),
        js=(),
        no_prefix=True,
        show_legend=False,
        show_x_labels=False,
        show_y_labels=False,
        show_x_guides=False,
        show_y_guides=False,
        print_values=False,
    )
    for name, length in parts:
        chart.add(name, [length])
    drawn = chart.render_tree()
    # What pygal adds for its own script and style does not belong into a page that runs nothing.
    bars = [found for found in drawn.iter() if str(found.get("class")).startswith("rect ")]
    image = Element(
        "svg", {"xmlns": "http://www.w3.org/2000/svg", "class": "bar", "role": "img", "aria-label": one_line(label)}
    )
    place = {"x": f"{_START:.2f}", "width": f"{_LENGTH:.2f}", "height": str(_HEIGHT)}
    image.attrib |= {"viewBox": f"{place['x']} 0 {place['width']} {_HEIGHT}", "preserveAspectRatio": "none"}
    image.append(Element("rect", {"class": "track", **place}))
    for (name, _), found in zip(parts, bars, strict=True):
        place = {key: f"{float(found.get(key) or 0):.2f}" for key in ("x", "width")}
        image.append(Element("rect", {"class": name, "y": "0", "height": str(_HEIGHT), **place}))
    return tostring(image, encoding="unicode")


@cache
def _pygal() -> Any:
    """pygal, without the finder that it adds for its maps: that one would make every later import of the process warn."""
    before = list(sys.meta_path)
    import pygal

    sys.meta_path[:] = [finder for finder in sys.meta_path if finder in before]
    return pygal
