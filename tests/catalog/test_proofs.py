"""Every bundled fix satisfies every rule of the catalog check."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defender_remediate.catalog import Catalog
from defender_remediate.catalog.lint.check import ON_EACH_SAMPLE, problems_of
from defender_remediate.catalog.lint.checked_fix import CheckedFix, PlannedSample, checked_fix, plan_on, plausible
from defender_remediate.catalog.lint.problem import CatalogProblem, Rule
from defender_remediate.catalog.lint.sample_bodies import with_value
from defender_remediate.catalog.validity import leaves
from defender_remediate.fixes.paths import split
from defender_remediate.fixes.placeholders import names_in
from defender_remediate.json_values import ABSENT, thaw
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.models.fix import FixAction, FixKind

pytestmark = pytest.mark.exhaustive

CATALOG = Catalog.bundled()
WRITES = [fix for fix in CATALOG if fix.kind is not FixKind.TEMPLATE]
RECORDED = Path(__file__).parent / "recorded-bodies.json"


def name(fix: FixAction) -> str:
    """A short name of a fix, for people."""
    return "-".join(filter(None, (fix.key[:8], fix.resource_type, fix.variant)))


@cache
def checked(fix: FixAction) -> CheckedFix:
    """What the rules look at; made once for all rules."""
    return checked_fix(fix)


@cache
def problems() -> tuple[CatalogProblem, ...]:
    """Every problem of the bundled catalog."""
    return tuple(problem for fix in CATALOG for problem in problems_of(checked(fix)))


def test_no_fix_violates_a_rule() -> None:
    """The bundled catalog has no errors: a fix that violates a rule does not ship."""
    assert [str(problem) for problem in problems() if problem.is_error] == []


def test_every_fix_is_checked_on_samples() -> None:
    """No rule passes because there was nothing to check: each fix has samples that are not compliant."""
    assert [name(fix) for fix in WRITES if not checked(fix).samples] == []
    assert [name(fix) for fix in WRITES if names_in(checked(fix).desired)] == []


def test_warnings_are_few() -> None:
    """Less than a tenth of the fixes have a warning, so that each of them gets a look."""
    warned = {problem.key for problem in problems() if not problem.is_error}
    assert len(warned) < len(CATALOG) / 10


def misspelled(fix: FixAction) -> FixAction:
    """The fix with one letter too many in the last member of the first path that it writes."""
    path, value = next(iter(leaves(fix.body or dict.fromkeys(fix.remove, ""))))
    body = with_value(thaw(fix.body or {}), split(path), ABSENT)
    return attrs.evolve(
        fix, body=with_value(body, split(f"{path}s"), thaw(value)), array_strategies={}, remove=(), send_whole=()
    )


def without_permission(fix: FixAction) -> FixAction:
    """The fix without the permission that it writes with."""
    return attrs.evolve(fix, permissions=[each for each in fix.permissions if not each.casefold().endswith("/write")])


def with_impossible_condition(fix: FixAction) -> FixAction:
    """The fix with a condition that nothing it writes can satisfy."""
    never = Condition(operator=Operator.EQUALS, path="properties.somethingElse", value=True)
    return attrs.evolve(fix, compliant_when=Condition(operator=Operator.ALL, of=(fix.compliant_when, never)))


def test_a_mistake_in_any_fix_is_found() -> None:
    """A rule that no mistake violates proves nothing: one mistake is made in every fix, and each is reported."""
    unseen = []
    for number, fix in enumerate(WRITES):
        changed = (misspelled, without_permission, with_impossible_condition)[number % 3](fix)
        if not any(each.is_error for each in problems_of(checked_fix(changed))):
            unseen.append(name(fix))
    assert unseen == []


def test_no_put_loses_what_a_get_does_not_return() -> None:
    """A PUT to a type with write-only members is refused without a decision, whichever fix it is."""
    unseen = []
    for fix in WRITES:
        put = attrs.evolve(fix, kind="put", put_decision=None, leave_out=(), send_whole=())
        seen = checked_fix(put)
        if seen.facts is None or not seen.facts.write_only_members:
            continue
        if not any(each.rule is Rule.KEEPS_WRITE_ONLY_MEMBERS and each.is_error for each in problems_of(seen)):
            unseen.append(name(fix))
    assert unseen == []


def violations(seen: CheckedFix, sample: PlannedSample | None, rules: Any = ON_EACH_SAMPLE) -> list[str]:
    """What the rules about samples report for this one."""
    return [] if sample is None else [each.message for rule in rules for each in ON_EACH_SAMPLE[rule](seen, sample)]


def test_recorded_bodies_satisfy_the_rules() -> None:
    """What holds for made samples holds for bodies that Azure returned."""
    bodies: dict[str, list[Any]] = {}
    for body in json.loads(RECORDED.read_text(encoding="utf-8")):
        bodies.setdefault(body["type"].casefold(), []).append(body)
    offenders, checks = [], 0
    for fix in WRITES:
        seen = checked(fix)
        for body in bodies.get(seen.target.type.casefold(), ()):
            sample = plan_on(seen, body, "it is recorded")
            checks += sample is not None
            offenders += [f"{name(fix)}: {message}" for message in violations(seen, sample)]
    assert offenders == []
    assert checks >= 50


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9999) | st.sampled_from(["", "Enabled", "Disabled", "TLS1_0", "*"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "a.b", "é"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def changed(draw: st.DrawFn) -> tuple[FixAction, int, dict[str, Any], list[str]]:
    """A fix, and how a body of its type differs: members with any value, and members that are missing."""
    fix = draw(st.sampled_from(WRITES))
    shape = checked(fix).shape or {"properties": {}}
    inner = shape.get("properties", {})
    names = st.sampled_from(sorted(inner if isinstance(inner, dict) and inner else {"any": ""}))
    pick, others = draw(st.integers(0, 99)), draw(st.dictionaries(names, JSON, max_size=6))
    return fix, pick, others, draw(st.lists(names, max_size=4, unique=True))


@given(changed())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_body_satisfies_the_rules(found: tuple[FixAction, int, dict[str, Any], list[str]]) -> None:
    """Whatever a body contains, a fix changes nothing else, is idempotent, and can be undone."""
    fix, pick, others, missing = found
    body = plausible(checked(fix).shape or {"properties": {}}, pick)
    inner = body.get("properties")
    members = {**(inner if isinstance(inner, dict) else {}), **others}
    body["properties"] = {member: value for member, value in members.items() if member not in missing}
    sample = plan_on(checked(fix), body, "it is like this")
    assert (
        violations(checked(fix), sample, (Rule.CHANGES_NOTHING_ELSE, Rule.IS_IDEMPOTENT, Rule.UNDO_RESTORES_ORIGINAL))
        == []
    )
