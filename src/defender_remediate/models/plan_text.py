"""The printed text of a plan: a summary, then equal changes together, in lines of 80 columns.

The text of more than 50 changes has at most 120 lines. What does not fit is counted, and the text says where it can be
seen. ``details`` shows everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import attrs

from defender_remediate.display import counted, one_line
from defender_remediate.models.check import CheckResult, Remark, grouped_lines
from defender_remediate.models.plan_groups import (
    Counts,
    PlanSummary,
    SkipGroup,
    StepGroup,
    group_check_results,
    group_skips,
    group_steps,
)
from defender_remediate.models.step import RemediationStep, SkippedResource
from defender_remediate.models.text_layout import (
    MAX_LINES,
    MAX_WHOLE,
    WIDTH,
    Block,
    Section,
    flow,
    name_lines,
    shortened,
    wrapped,
)

NOTHING_TITLE = "Nothing was found, and that does not mean healthy:"
KEPT_TITLE = "Created by the run and kept; plan_rollback(run_id, remove=[...]) removes those that you name:"
CHECKS_TITLE = "Check results to read before you approve:"
_MOST_TITLES = 10
_MOST_SCOPES = 3
_MOST_EVIDENCE = 4
_FEW_SKIPS = 6
_HINT = "print(plan.details()) shows everything"


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
    shard: str | None,
) -> str:
    """The text of a plan, see the module."""
    told = _shown(scope)
    head = _head(title, digest, scope, score, summary, shard)
    if not (steps or skipped or not_evaluated or removable):
        # An empty plan must not read as success without a reason.
        head += wrapped(NOTHING_TO_ROLL_BACK if title.startswith("Rollback") else NOTHING_TO_DO, 0)
    changes = Section(
        title=None, noun="change", hint=_HINT, blocks=[_step_block(group) for group in group_steps(steps, told)]
    )
    results = [
        Block(said=_result_lines(group.result, "! "), names=name_lines(group.places), weight=1)
        for group in group_check_results(steps, told)
    ]
    checks = Section(title=[CHECKS_TITLE], noun="check result", hint=_HINT, blocks=results)
    skips = group_skips(skipped, told)
    long = Section(title=["Skipped:"], noun="skip", hint=_HINT, blocks=[_skip_block(group) for group in skips])
    short = attrs.evolve(long, blocks=[_short_skip_block(group) for group in skips])
    kept = Section(
        title=[KEPT_TITLE],
        noun="resource",
        hint=_HINT,
        blocks=[Block(said=wrapped(f"    {one}", 6), names=[], weight=1) for one in removable],
    )
    nothing = Section(
        title=[NOTHING_TITLE],
        noun="reason",
        hint=_HINT,
        blocks=[Block(said=wrapped(f"- {one}", 4), names=[], weight=1) for one in not_evaluated],
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
            lines = shortened(sections, most)
        else:
            sections = [
                section for section in (changes, checks, short.first(MAX_WHOLE), nothing, kept) if section.blocks
            ]
            lines = [line for section in sections for line in section.lines()]
    return "\n".join([*head, *lines])


def _head(
    title: str, digest: str, scope: Sequence[str], score: str | None, summary: PlanSummary, shard: str | None
) -> list[str]:
    lines = [one_line(title), f"digest: {digest}"]
    if shard is not None:
        lines += wrapped(f"shard:  {shard}", 8)
    shown = _shown(scope)
    for position, text in enumerate(shown):
        lines += wrapped(f"{'scope:  ' if position == 0 else '        '}{text}", 8)
    if len(shown) < len(scope):
        lines.append(f"        and {len(scope) - len(shown)} more scopes")
    if score is not None:
        lines += wrapped(f"score:  {score}", 8)
    if summary.changes:
        lines += _counted_titles(summary.recommendations)
        lines += flow("by type:", _numbered(summary.types), 8)
        lines += flow("by impact:", _numbered(summary.impacts), 8)
        lines += flow("by rollback:", _numbered(summary.rollbacks), 8)
    if summary.skips:
        lines += flow("skipped:", _numbered(summary.skips), 8)
    return lines


def _shown(scope: Sequence[str]) -> Sequence[str]:
    return scope if len(scope) <= _MOST_SCOPES else scope[: _MOST_SCOPES - 1]


def _counted_titles(titles: Counts) -> list[str]:
    lines = ["changes by recommendation:"]
    shown = titles if len(titles) <= _MOST_TITLES else titles[: _MOST_TITLES - 1]
    rest = sum(count for _, count in titles[len(shown) :])
    width = len(str(max(rest, *(count for _, count in shown))))
    for name, count in shown:
        lines += wrapped(f"  {count:>{width}}  {name}", width + 4)
    if rest:
        lines.append(f"  {rest:>{width}}  for {len(titles) - len(shown)} other recommendations")
    return lines


def _numbered(counts: Counts) -> list[str]:
    return [f"{count} {word}" for word, count in counts]


def _step_block(group: StepGroup) -> Block:
    first = group.first
    mark = "-" if first.is_removal else "~"
    many = len(group.steps)
    titles = first.titles or first.keys
    said = wrapped(f"{mark} {counted(many, 'removal' if first.is_removal else 'change')}: {titles[0]}", 4)
    for title in titles[1:]:
        said += wrapped(f"    {title}", 6)
    *content, impact, rollback = group.lines
    together = f"{impact}; {rollback}"
    for line in [*content, *([together] if len(together) <= WIDTH - 4 else [impact, rollback])]:
        said += wrapped(f"    {line}", 8)
    return Block(said=said, names=name_lines(group.places), weight=many)


def _skip_block(group: SkipGroup) -> Block:
    skip = group.first
    said = wrapped(f"- {skip.remark.text}", 4)
    for result in skip.check_results:
        said += [f"    {line}" for line in _result_lines(result, "", WIDTH - 4)]
    for title in skip.titles or (f"[{', '.join(skip.keys)}]",):
        said += wrapped(f"    {title}", 6)
    return Block(said=said, names=name_lines(group.places), weight=len(group.places))


def _short_skip_block(group: SkipGroup) -> Block:
    skip, many = group.first, len(group.places)
    about = "; ".join(skip.titles or skip.keys)
    return Block(said=wrapped(f"- {many} {skip.reason.label}: {about}", 4), names=[], weight=many)


def _result_lines(result: CheckResult, mark: str, width: int = WIDTH) -> list[str]:
    evidence = result.evidence
    if len(evidence) > _MOST_EVIDENCE:
        evidence = (*evidence[:_MOST_EVIDENCE], f"and {len(evidence) - _MOST_EVIDENCE} more")
    first, *more = attrs.evolve(result, evidence=evidence).lines()
    lines = wrapped(f"{mark}{first}", 4, width)
    for line in more:
        lines += wrapped(f"  {line.strip()}", 4, width)
    return lines


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
    shard: str | None,
) -> str:
    """Every step, check result and skip, with whole ids, however long that is."""
    lines = [one_line(title), f"digest: {digest}", *([] if shard is None else [f"shard:  {shard}"])]
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
