"""Renders a plan as Markdown for a pull request or a ticket: a summary, then equal changes together."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence

import attrs

from defender_remediate.display import counted, noted, one_line, quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.check import CheckResult
from defender_remediate.models.forecast import forecast_text
from defender_remediate.models.plan import RemediationPlan
from defender_remediate.models.plan_groups import (
    Counts,
    Place,
    SkipGroup,
    StepGroup,
    group_check_results,
    group_skips,
    group_steps,
)

SHORTEST = 10_000
_SPECIAL = re.compile(r"([\\`*_\[\]|~$#@])")
_MOST_COUNTED = 20
_MOST_SCOPES = 10
_LONGEST_TITLE = 120
_SEE = "`plan.details()` and `plan.to_json()` have all of them"


@attrs.frozen(kw_only=True)
class _Level:
    """How much is shown; None for everything.

    Attributes:
        names: Resources of each group.
        skips: Groups of skips.
        changes: Groups of changes.
    """

    names: int | None = None
    skips: int | None = None
    changes: int | None = None


_LEVELS = (
    _Level(),
    _Level(skips=30),
    _Level(skips=0),
    _Level(names=100, skips=0),
    _Level(names=20, skips=0),
    _Level(names=3, skips=0),
)


def plan_markdown(plan: RemediationPlan, max_length: int | None) -> str:
    """The text of a plan, with at most ``max_length`` characters.

    When it is too long, first skips are left out, then names of resources, then changes, and the text says how many.

    Raises:
        InvalidInputError: The limit is not an integer of at least 10,000.
    """
    if max_length is not None and (not isinstance(max_length, int) or max_length < SHORTEST):
        raise InvalidInputError(f"max_length must be an integer of at least {SHORTEST}, got {quoted(max_length)}")
    parts = _Parts(plan)
    if max_length is None:
        return parts.text(_Level())
    for level in _LEVELS:
        text = parts.text(level)
        if len(text) <= max_length:
            return text
    # As many groups of changes as there is room for.
    shown, too_many = 0, len(parts.changes)
    while too_many - shown > 1:
        middle = (shown + too_many) // 2
        fits = len(parts.text(_Level(names=3, skips=0, changes=middle))) <= max_length
        shown, too_many = (middle, too_many) if fits else (shown, middle)
    return parts.text(_Level(names=3, skips=0, changes=shown))


class _Parts:
    """The groups of a plan, made once."""

    def __init__(self, plan: RemediationPlan) -> None:
        self._plan = plan
        self._head = _head(plan)
        told = plan.scope[:_MOST_SCOPES]
        self.changes = group_steps(plan.steps, told)
        self._checks = group_check_results(plan.steps, told)
        self._skips = group_skips(plan.skipped, told)

    def text(self, level: _Level) -> str:
        lines = [*self._head]
        changes = self.changes[: level.changes]
        if self.changes:
            lines += ["", "## Changes"]
        for group in changes:
            lines += ["", *_change(group, level.names)]
        if len(changes) < len(self.changes):
            left = sum(len(group.steps) for group in self.changes[len(changes) :])
            lines += ["", f"**{counted(left, 'more change')} not shown here: {_SEE}.**"]
        # A result that stands for left out changes is counted with them.
        checks = self._checks if level.changes is None else self._checks[: level.changes]
        if self._checks:
            lines += ["", "## Check results to read before you approve", ""]
        for result in checks:
            lines += [*_result(result.result), *(f"  - {line}" for line in _names(result.places, level.names))]
        if len(checks) < len(self._checks):
            lines.append(f"- {counted(len(self._checks) - len(checks), 'more check result')} not shown here: {_SEE}")
        if self._skips:
            lines += ["", "## Skipped", ""]
        skips = self._skips[: level.skips]
        for skip in skips:
            lines += _skip(skip, level.names)
        if len(skips) < len(self._skips):
            left = sum(len(group.places) for group in self._skips[len(skips) :])
            lines.append(f"- {counted(left, 'more skipped resource')} not shown here: {_SEE}")
        lines += _list("Nothing was found, and that does not mean healthy", self._plan.not_evaluated, level.names)
        lines += _list("Created by the run and kept", self._plan.removable, level.names)
        return "\n".join(lines) + "\n"


def _head(plan: RemediationPlan) -> list[str]:
    title = f"Rollback plan for run {plan.rolls_back}" if plan.rolls_back else "Remediation plan"
    summary = plan.summary
    lines = [f"# {escape(f'{title}: ' + counted(len(plan.steps), 'change'))}, {len(plan.skipped)} skipped", ""]
    if plan.shard is not None:
        lines.append(f"- **Shard**: {escape(plan.shard.text)}")
    if plan.steps and not plan.rolls_back and plan.shard is None:
        lines.append(f"- **Score**: {escape(forecast_text(plan.score, plan.forecast))}")
    facts = (
        ("By impact", summary.impacts),
        ("By rollback", summary.rollbacks),
        ("By type", summary.types),
        ("Skipped", summary.skips),
    )
    lines += [f"- **{name}**: {_counts(counts)}" for name, counts in facts if counts]
    lines.append(f"- **Digest**: `{plan.digest}`")
    shown = [escape(scope) for scope in plan.scope[:_MOST_SCOPES]]
    more = [f"and {len(plan.scope) - len(shown)} more"] if len(shown) < len(plan.scope) else []
    lines.append(f"- **Scope**: {'<br>'.join([*shown, *more])}")
    lines.append(
        f"- **Planned**: {plan.created_at.isoformat(timespec='seconds')}, catalog {escape(plan.catalog_version)}"
    )
    if summary.recommendations:
        lines += ["", "| Changes | Recommendation |", "| ---: | --- |"]
        titles = summary.recommendations[:_MOST_COUNTED]
        lines += [f"| {count} | {escape(_short(name))} |" for name, count in titles]
        rest = summary.recommendations[len(titles) :]
        if rest:
            lines.append(f"| {sum(count for _, count in rest)} | {len(rest)} other recommendations |")
    return lines


def _counts(counts: Counts) -> str:
    shown = [f"{count} {escape(_short(word))}" for word, count in counts[:_MOST_COUNTED]]
    rest = counts[len(shown) :]
    return ", ".join([*shown, *([f"{sum(count for _, count in rest)} of {len(rest)} other kinds"] if rest else [])])


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_TITLE else f"{text[: _LONGEST_TITLE - 1]}…"


def _change(group: StepGroup, most_names: int | None) -> list[str]:
    step = group.first
    titles = step.titles or step.keys
    verb = "removal" if step.is_removal else "change"
    lines = [f"### {counted(len(group.steps), verb)}: {escape(titles[0])}", ""]
    lines += [f"Also fixes: {escape(title)}<br>" for title in titles[1:]]
    request, *content, impact, rollback = group.lines
    lines += [f"{escape(request)}<br>", f"{escape(impact)}<br>", escape(rollback), ""]
    if step.changes:
        lines += ["| Property | Before | After |", "| --- | --- | --- |"]
        lines += [
            f"| {escape(change.path)} | {escape(change.before_text)} | {escape(change.after_text)} |"
            for change in step.changes
        ]
        lines.append("")
    others = content[len(step.changes) :]
    lines += [f"- {escape(line.strip())}" for line in others]
    lines += [""] if others else []
    return [*lines, *(f"- {line}" for line in _names(group.places, most_names))]


def _result(result: CheckResult) -> list[str]:
    lines = [f"- **{escape(str(result))}**"]
    if result.evidence:
        lines.append(f"  <br>evidence: {escape('; '.join(result.evidence))}")
    if result.advice:
        lines.append(f"  <br>{escape(result.advice)}")
    return lines


def _skip(group: SkipGroup, most_names: int | None) -> list[str]:
    skip = group.first
    about = "; ".join(skip.titles or skip.keys)
    text = noted(skip.reason.label, [] if skip.check_results else [skip.message])
    lines = [f"- {escape(about)}: {escape(text)}"]
    for result in skip.check_results:
        lines += [f"  {line}" for line in _result(result)]
    return [*lines, *(f"  - {line}" for line in _names(group.places, most_names))]


def _names(places: Sequence[Place], most: int | None) -> list[str]:
    """The names by resource group, a line each; at most so many."""
    groups: dict[str, list[str]] = {}
    for place in places[:most]:
        groups.setdefault(place.group, []).append(escape(place.name))
    lines = [f"{escape(group)}: {', '.join(names)}" if group else ", ".join(names) for group, names in groups.items()]
    return [*lines, f"and {len(places) - most} more"] if most is not None and len(places) > most else lines


def _list(title: str, items: Iterable[str], most: int | None) -> list[str]:
    found = list(items)
    if not found:
        return []
    lines = ["", f"## {title}", "", *(f"- {escape(item)}" for item in found[:most])]
    return [*lines, f"- and {len(found) - most} more"] if most is not None and len(found) > most else lines


def escape(text: str) -> str:
    """The text on one line, without Markdown, HTML, or a mention of a user or an issue."""
    return html.escape(_SPECIAL.sub(r"\\\1", one_line(text)), quote=False)
