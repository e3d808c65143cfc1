"""The printed text of a report: what did not succeed first, equal results together, in lines of 80 columns.

The text of more than 50 results has at most about 120 lines. What does not fit is counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from defender_remediate.models.plan_groups import Place, place_of, subscription_labels
from defender_remediate.models.text_layout import MAX_LINES, MAX_WHOLE, Block, Section, name_lines, shortened, wrapped

PROBLEM, DONE, NOT_DONE = "!", "+", "-"
_HINT = "reports.to_markdown(report) shows everything"


@attrs.frozen(kw_only=True)
class PrintedResult:
    """What the text says about one result.

    Attributes:
        mark: ``!`` for what did not succeed, ``+`` for what did, ``-`` for what was not asked for.
        said: The outcome with its reason, then what else there is to say, a line each.
        titles: The recommendations.
        resource_id: The assessed resource.
        target_id: What was written.
    """

    mark: str
    said: tuple[str, ...]
    titles: tuple[str, ...]
    resource_id: str
    target_id: str

    @property
    def part(self) -> str:
        """The target below the resource, such as ``config/web``; the whole id of a target elsewhere, else empty."""
        below = self.target_id.removeprefix(self.resource_id)
        return below.strip("/").removeprefix("providers/")


def printed(
    *,
    head: Sequence[str],
    scope: Sequence[str],
    results: Iterable[PrintedResult],
    created: Sequence[str],
    warnings: Sequence[str],
) -> str:
    """The text of a report, see the module."""
    found = list(results)
    labels = subscription_labels((one.resource_id for one in found), scope)
    reasons: dict[tuple[str, tuple[str, ...]], dict[tuple[tuple[str, ...], str], list[Place]]] = {}
    for mark in (PROBLEM, DONE, NOT_DONE):
        for one in (one for one in found if one.mark == mark):
            about = reasons.setdefault((mark, one.said), {})
            about.setdefault((one.titles, one.part), []).append(place_of(one.resource_id, labels))
    asked = [_section(mark, said, about) for (mark, said), about in reasons.items() if mark != NOT_DONE]
    not_asked = [_section(mark, said, about) for (mark, said), about in reasons.items() if mark == NOT_DONE]
    ends = [("created:", created), ("warning:", warnings)]
    rest = [
        Section(
            title=[],
            noun=word.removesuffix(":"),
            hint=_HINT,
            blocks=[Block(said=wrapped(f"{word} {text}", 4), names=[], weight=1) for text in entries],
        )
        for word, entries in ends
        if entries
    ]
    lines = [line for text in head for line in wrapped(text, 4)]
    for position, text in enumerate(scope if labels else ()):
        lines += wrapped(f"{'scope: ' if position == 0 else '       '} {text}", 8)
    most = MAX_LINES - len(lines)
    told = [line for section in (*asked, *not_asked, *rest) for line in section.lines()]
    if len(told) > most and len(found) > MAX_WHOLE:
        # What the plan left out gives way to what was done.
        brief = [line for section in (*not_asked, *rest) for line in section.first(1).lines(1, 3)]
        told = [*(line for section in asked for line in section.lines()), *brief]
        if len(told) > most:
            told = shortened([*asked, *not_asked, *rest], most)
    return "\n".join([*lines, *told])


def _section(mark: str, said: tuple[str, ...], about: dict[tuple[tuple[str, ...], str], list[Place]]) -> Section:
    """Results with one outcome and reason: the recommendations, and below each its resources."""
    many = sum(len(places) for places in about.values())
    title = wrapped(f"{mark} {many} {said[0]}", 4)
    for line in said[1:]:
        title += wrapped(f"    {line.strip()}", 6)
    blocks = []
    for (titles, part), places in about.items():
        lines: list[str] = []
        for text in titles:
            lines += wrapped(f"    {text}", 6)
        if part:
            lines[-1:] = wrapped(f"{lines[-1]} ({part})", 6)
        blocks.append(Block(said=lines, names=name_lines(places), weight=len(places)))
    return Section(title=title, noun="result", hint=_HINT, blocks=blocks)
