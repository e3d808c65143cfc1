"""The printed text of a plan: a summary, then equal changes together, in lines of 80 columns.

The text of more than 50 changes has at most 120 lines. What does not fit is counted, and the text says where it can be
seen. ``details`` shows everything.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Sequence

import attrs

from defender_remediate.display import counted, one_line
from defender_remediate.models.check import CheckResult, Remark, grouped_lines
from defender_remediate.models.plan_groups import (
    Counts,
    Place,
    PlanSummary,
    SkipGroup,
    StepGroup,
    group_check_results,
    group_skips,
    group_steps,
)
from defender_remediate.models.step import RemediationStep, SkippedResource

WIDTH = 80
MAX_LINES = 120
MAX_WHOLE = 50
"""The changes of a plan with up to so many of them are all shown."""
NOTHING_TITLE = "Nothing was found, and that does not mean healthy:"
KEPT_TITLE = "Created by the run and kept; plan_rollback(run_id, remove=[...]) removes those that you name:"
CHECKS_TITLE = "Check results to read before you approve:"
_MOST_TITLES = 10
_MOST_SCOPES = 3
_MOST_EVIDENCE = 4
# Lines of names that a group keeps when there are too many lines; tried in this order.
_NAME_LINES = (90, 80, 70, 60, 50, 40, 30, 25, 20, 15, 10, 8, 6, 4, 3, 2, 1)
_FEW_SKIPS = 6
_MOST_SAID = 8
_HINT = "print(plan.details()) shows everything"
# An id may be broken after one of these; a word is never broken.
_BREAKS = re.compile(r"(?<=[/,;:{}\[\]=&?._-])")


@attrs.frozen(kw_only=True)
class _Block:
    """What is said of some resources, and their names.

    Attributes:
        said: Lines.
        names: Wrapped lines of names, each with how many names begin on it.
        weight: How many changes, skips or check results it stands for.
    """

    said: list[str]
    names: list[tuple[str, int]]
    weight: int

    def lines(self, most_names: int, most_said: int) -> list[str]:
        """The lines, with at most so many of names and so many others."""
        said = self.said
        if len(said) > most_said:
            # The last lines say what the change means for users, and whether it can be undone.
            hidden = f"      and {len(said) - most_said + 1} more lines"
            said = [*said[: most_said - 3], hidden, *said[-2:]]
        if len(self.names) <= most_names:
            return [*said, *(line for line, _ in self.names)]
        kept = self.names[: most_names - 1]
        more = sum(count for _, count in self.names[most_names - 1 :])
        return [
            *said,
            *(line for line, _ in kept),
            f"      and {more} more" if kept else f"      {counted(more, 'resource')}",
        ]


@attrs.frozen(kw_only=True)
class _Section:
    """Blocks under a title.

    Attributes:
        noun: What a block's weight counts, such as ``change``.
        left_out: The weight of the blocks that are left out.
    """

    title: str | None
    noun: str
    blocks: list[_Block]
    left_out: int = 0

    def first(self, count: int) -> _Section:
        """The section with its first blocks only."""
        left_out = self.left_out + sum(block.weight for block in self.blocks[count:])
        return attrs.evolve(self, blocks=self.blocks[:count], left_out=left_out)

    def lines(self, most_names: int = sys.maxsize, most_said: int = sys.maxsize) -> list[str]:
        """The lines, an empty one first."""
        lines = [] if self.title is None else ["", self.title]
        for block in self.blocks:
            lines += [""] if self.title is None else []
            lines += block.lines(most_names, most_said)
        if self.left_out:
            said = f"{counted(self.left_out, f'more {self.noun}')} not shown: {_HINT}"
            lines += ["", said] if self.title is None else [f"  {said}"]
        return lines


NOTHING_TO_DO = "nothing to do: Defender for Cloud reports no resource in scope as unhealthy for these recommendations"
NOTHING_TO_ROLL_BACK = "nothing to roll back: the run changed nothing, or not with these steps"


def printed(
    *,
    title: str,
    digest: str,
    scope: Sequence[str],
    score: str | None,
    summary: PlanSummary,
    steps: Sequence[RemediationStep],
    skipped: Sequence[SkippedResource],
    not_evaluated: Sequence[str],
    removable: Sequence[str],
) -> str:
    """The text of a plan, see the module."""
    told = _shown(scope)
    head = _head(title, digest, scope, score, summary)
    if not (steps or skipped or not_evaluated or removable):
        # An empty plan must not read as success without a reason.
        head += _wrapped(NOTHING_TO_ROLL_BACK if title.startswith("Rollback") else NOTHING_TO_DO, 0)
    changes = _Section(title=None, noun="change", blocks=[_step_block(group) for group in group_steps(steps, told)])
    results = [
        _Block(said=_result_lines(group.result, "! "), names=_name_lines(group.places), weight=1)
        for group in group_check_results(steps, told)
    ]
    checks = _Section(title=CHECKS_TITLE, noun="check result", blocks=results)
    skips = group_skips(skipped, told)
    long = _Section(title="Skipped:", noun="skip", blocks=[_skip_block(group) for group in skips])
    short = attrs.evolve(long, blocks=[_short_skip_block(group) for group in skips])
    kept = _Section(
        title=KEPT_TITLE,
        noun="resource",
        blocks=[_Block(said=_wrapped(f"    {one}", 6), names=[], weight=1) for one in removable],
    )
    nothing = _Section(
        title=NOTHING_TITLE,
        noun="reason",
        blocks=[_Block(said=_wrapped(f"- {one}", 4), names=[], weight=1) for one in not_evaluated],
    )
    most = MAX_LINES - len(head)
    # What is skipped gives way to what is changed.
    for skipping in (long, short, short.first(_FEW_SKIPS), short.first(0)):
        sections = [
            section for section in (changes, checks, skipping, nothing, kept) if section.blocks or section.left_out
        ]
        lines = [line for section in sections for line in section.lines()]
        if len(lines) <= most:
            break
    else:
        if len(steps) > MAX_WHOLE:
            lines = _shortened(sections, most)
        else:
            sections = [
                section for section in (changes, checks, short.first(MAX_WHOLE), nothing, kept) if section.blocks
            ]
            lines = [line for section in sections for line in section.lines()]
    return "\n".join([*head, *lines])


def _shortened(sections: list[_Section], most: int) -> list[str]:
    """The lines of the sections, with as many names, then as many blocks, as there are lines for."""
    for most_names in _NAME_LINES:
        lines = [line for section in sections for line in section.lines(most_names)]
        if len(lines) <= most:
            return lines
    counts = [min(len(section.blocks), most) for section in sections]
    while True:
        shown = [section.first(count) for section, count in zip(sections, counts, strict=True)]
        lines = [line for section in shown for line in section.lines(1, _MOST_SAID)]
        longest = counts.index(max(counts))
        if len(lines) <= most or counts[longest] <= 1:
            return lines
        counts[longest] -= 1


def _head(title: str, digest: str, scope: Sequence[str], score: str | None, summary: PlanSummary) -> list[str]:
    lines = [one_line(title), f"digest: {digest}"]
    shown = _shown(scope)
    for position, text in enumerate(shown):
        lines += _wrapped(f"{'scope:  ' if position == 0 else '        '}{text}", 8)
    if len(shown) < len(scope):
        lines.append(f"        and {len(scope) - len(shown)} more scopes")
    if score is not None:
        lines += _wrapped(f"score:  {score}", 8)
    if summary.changes:
        lines += _counted_titles(summary.recommendations)
        lines += _flow("by type:", _numbered(summary.types), 8)
        lines += _flow("by impact:", _numbered(summary.impacts), 8)
        lines += _flow("by rollback:", _numbered(summary.rollbacks), 8)
    if summary.skips:
        lines += _flow("skipped:", _numbered(summary.skips), 8)
    return lines


def _shown(scope: Sequence[str]) -> Sequence[str]:
    return scope if len(scope) <= _MOST_SCOPES else scope[: _MOST_SCOPES - 1]


def _counted_titles(titles: Counts) -> list[str]:
    lines = ["changes by recommendation:"]
    shown = titles if len(titles) <= _MOST_TITLES else titles[: _MOST_TITLES - 1]
    rest = sum(count for _, count in titles[len(shown) :])
    width = len(str(max(rest, *(count for _, count in shown))))
    for name, count in shown:
        lines += _wrapped(f"  {count:>{width}}  {name}", width + 4)
    if rest:
        lines.append(f"  {rest:>{width}}  for {len(titles) - len(shown)} other recommendations")
    return lines


def _numbered(counts: Counts) -> list[str]:
    return [f"{count} {word}" for word, count in counts]


def _step_block(group: StepGroup) -> _Block:
    first = group.first
    mark = "-" if first.is_removal else "~"
    many = len(group.steps)
    titles = first.titles or first.keys
    said = _wrapped(f"{mark} {counted(many, 'removal' if first.is_removal else 'change')}: {titles[0]}", 4)
    for title in titles[1:]:
        said += _wrapped(f"    {title}", 6)
    *content, impact, rollback = group.lines
    together = f"{impact}; {rollback}"
    for line in [*content, *([together] if len(together) <= WIDTH - 4 else [impact, rollback])]:
        said += _wrapped(f"    {line}", 8)
    return _Block(said=said, names=_name_lines(group.places), weight=many)


def _skip_block(group: SkipGroup) -> _Block:
    skip = group.first
    said = _wrapped(f"- {skip.remark.text}", 4)
    for result in skip.check_results:
        said += [f"    {line}" for line in _result_lines(result, "", WIDTH - 4)]
    for title in skip.titles or (f"[{', '.join(skip.keys)}]",):
        said += _wrapped(f"    {title}", 6)
    return _Block(said=said, names=_name_lines(group.places), weight=len(group.places))


def _short_skip_block(group: SkipGroup) -> _Block:
    skip, many = group.first, len(group.places)
    about = "; ".join(skip.titles or skip.keys)
    return _Block(said=_wrapped(f"- {many} {skip.reason.label}: {about}", 4), names=[], weight=many)


def _result_lines(result: CheckResult, mark: str, width: int = WIDTH) -> list[str]:
    evidence = result.evidence
    if len(evidence) > _MOST_EVIDENCE:
        evidence = (*evidence[:_MOST_EVIDENCE], f"and {len(evidence) - _MOST_EVIDENCE} more")
    first, *more = attrs.evolve(result, evidence=evidence).lines()
    lines = _wrapped(f"{mark}{first}", 4, width)
    for line in more:
        lines += _wrapped(f"  {line.strip()}", 4, width)
    return lines


def _name_lines(places: Sequence[Place]) -> list[tuple[str, int]]:
    """The names, by resource group, wrapped; each line with how many names begin on it."""
    groups: dict[str, list[str]] = {}
    for place in places:
        groups.setdefault(place.group, []).append(place.name)
    lines: list[tuple[str, int]] = []
    for group, names in groups.items():
        start = f"      {one_line(group)}:" if group else "     "
        line, count = start, 0
        for word in _separated(names):
            if count and len(line) + 1 + len(word) > WIDTH:
                lines += _broken(line, count)
                line, count = "       ", 0
            line, count = f"{line} {word}", count + 1
        lines += _broken(line, count)
    return lines


def _broken(line: str, count: int) -> list[tuple[str, int]]:
    """A line of names; one name may be longer than the line."""
    *parts, last = _wrapped(line, 8)
    return [*((part, 0) for part in parts), (last, count)]


def _separated(items: Sequence[str]) -> Iterator[str]:
    for position, item in enumerate(items):
        yield one_line(item) + ("," if position < len(items) - 1 else "")


def _flow(start: str, items: Sequence[str], indent: int) -> list[str]:
    """Items after a word, wrapped between items."""
    lines = [start]
    for word in _separated(items):
        if len(lines[-1]) + 1 + len(word) > WIDTH:
            lines.append(" " * (indent - 1))
        lines[-1] += f" {word}"
    return [part for line in lines for part in _wrapped(line, indent)]


def _wrapped(text: str, indent: int, width: int = WIDTH) -> list[str]:
    """The text in lines of a width, broken between words, an id after a separator; continued lines are indented."""
    text = one_line(text)
    lines = []
    line = ""
    for word in _words(text, width - indent):
        if len(line) + len(word.rstrip()) > width and line.strip():
            lines.append(line.rstrip())
            line = " " * indent
            word = word.lstrip()
        line += word
    return [*lines, line.rstrip()]


def _words(text: str, longest: int) -> Iterator[str]:
    """The words with the spaces after them; a word that is longer than a line in parts."""
    for word in re.findall(r"\s*\S+\s*|\s+", text):
        if len(word.rstrip()) <= longest:
            yield word
            continue
        part = ""
        for piece in _BREAKS.split(word):
            if part and len(part) + len(piece) > longest:
                yield part
                part = ""
            while len(piece) > longest:
                yield piece[:longest]
                piece = piece[longest:]
            part += piece
        yield part


def details(
    *,
    title: str,
    digest: str,
    scope: Iterable[str],
    score: str | None,
    steps: Sequence[RemediationStep],
    skipped: Sequence[SkippedResource],
    not_evaluated: Sequence[str],
    removable: Sequence[str],
) -> str:
    """Every step, check result and skip, with whole ids, however long that is."""
    lines = [one_line(title), f"digest: {digest}"]
    lines += [one_line(f"{'scope: ' if i == 0 else '       '} {text}") for i, text in enumerate(scope)]
    if score is not None:
        lines.append(f"score:  {score}")
    for step in steps:
        lines += ["", *step.lines(with_checks=False)]
    warned = [Remark(subject=step.resource_id, results=(result,)) for step in steps for result in step.check_results]
    if warned:
        lines += ["", CHECKS_TITLE, *grouped_lines(warned, mark="!")]
    if skipped:
        lines += ["", "Skipped:", *grouped_lines([skip.remark for skip in skipped], mark="-")]
    if not_evaluated:
        lines += ["", NOTHING_TITLE, *(one_line(f"- {reason}") for reason in not_evaluated)]
    if removable:
        lines += ["", KEPT_TITLE, *(one_line(f"    {resource}") for resource in removable)]
    return "\n".join(lines)
