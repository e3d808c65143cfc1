"""Checks fixes against all rules."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping

from defender_remediate.catalog.lint.checked_fix import CheckedFix, PlannedSample, checked_fix
from defender_remediate.catalog.lint.problem import CatalogProblem, Rule, RuleViolation
from defender_remediate.catalog.lint.rules import (
    freshness,
    permissions,
    requests,
    secrets,
    strictness,
    templates,
    writes,
)
from defender_remediate.catalog.loader import read_fixes
from defender_remediate.errors import CatalogError
from defender_remediate.models.fix import FixAction, FixKind

FixRule = Callable[[CheckedFix], Iterator[RuleViolation]]
SampleRule = Callable[[CheckedFix, PlannedSample], Iterator[RuleViolation]]

ON_THE_FIX: Mapping[Rule, tuple[FixRule, ...]] = {
    Rule.IS_CURRENT: (freshness.is_current,),
    Rule.CLOSES_CONDITION: (templates.closes_condition,),
    Rule.UNDO_RESTORES_ORIGINAL: (writes.states_reversibility,),
    Rule.MATCHES_SCHEMA: (requests.matches_schema, templates.matches_schemas),
    Rule.KEEPS_STRICTER_VALUES: (
        strictness.asks_for_minimum,
        strictness.keeps_stricter_values,
        strictness.keeps_array_elements,
    ),
    Rule.USES_SUPPORTED_METHOD: (requests.uses_supported_method,),
    Rule.KEEPS_WRITE_ONLY_MEMBERS: (secrets.keeps_write_only_members,),
    Rule.NAMES_PERMISSIONS: (permissions.names_permissions,),
    Rule.EXPLAINS_PARAMETERS: (requests.explains_parameters,),
    Rule.CONTAINS_NO_SECRET: (secrets.contains_no_secret,),
    Rule.HAS_VALID_TEMPLATE: (templates.is_valid_template, templates.gets_valid_parameters),
    Rule.WRITES_WHAT_CONDITION_READS: (requests.writes_what_condition_reads,),
    Rule.NAMES_LIVE_USE: (requests.names_live_use,),
}
"""The rules about a fix as a whole."""

ON_EACH_SAMPLE: Mapping[Rule, SampleRule] = {
    Rule.CLOSES_CONDITION: writes.closes_condition,
    Rule.CHANGES_NOTHING_ELSE: writes.changes_nothing_else,
    Rule.IS_IDEMPOTENT: writes.is_idempotent,
    Rule.UNDO_RESTORES_ORIGINAL: writes.undo_restores_original,
}
"""The rules about a fix on each target that it is checked on."""


def check_all(given: Iterable[FixAction | str | os.PathLike[str]]) -> tuple[CatalogProblem, ...]:
    """Every problem of these fixes and catalog files; a file that cannot be read is one of them.

    A rule about samples reports the first sample that violates it.
    """
    problems: list[CatalogProblem] = []
    for each in given:
        if isinstance(each, FixAction):
            problems += problems_of(checked_fix(each))
            continue
        source = os.fspath(each)
        try:
            fixes = read_fixes(each)
        except CatalogError as error:
            where = "".join(f"{part}: " for part in (error.source, error.path) if part)
            message = str(error).removeprefix(where)
            problems.append(
                CatalogProblem(key=error.path or None, rule=Rule.IS_READABLE, message=message, source=source)
            )
            continue
        for fix in fixes:
            problems += problems_of(checked_fix(fix), source=source)
    return tuple(problems)


def problems_of(checked: CheckedFix, *, source: str | None = None) -> Iterator[CatalogProblem]:
    """Every problem of one fix, rule by rule."""
    fix = checked.fix
    for rule in Rule:
        for violation in dict.fromkeys(violations_of(checked, rule)):
            yield CatalogProblem(
                key=fix.key,
                resource_type=fix.resource_type,
                variant=fix.variant,
                rule=rule,
                message=violation.message,
                severity=violation.severity,
                source=source,
            )


def violations_of(checked: CheckedFix, rule: Rule) -> Iterator[RuleViolation]:
    """Every violation of one rule by one fix."""
    for on_fix in ON_THE_FIX.get(rule, ()):
        yield from on_fix(checked)
    on_sample = ON_EACH_SAMPLE.get(rule)
    if on_sample is None or checked.fix.kind is FixKind.TEMPLATE:
        return
    for sample in checked.samples:
        found = tuple(on_sample(checked, sample))
        yield from found
        if found:
            return
