"""Every bundled fix keeps every law. A fix that does not is mended, or it does not ship."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from defender_remediate.catalog import Catalog
from defender_remediate.catalog.checks import leaves
from defender_remediate.catalog.lint.answers import placed
from defender_remediate.catalog.lint.bodies import Subject, Trial, plausible, subject, tried_on
from defender_remediate.catalog.lint.check import ON_EACH_BODY, problems_of
from defender_remediate.catalog.lint.problem import CatalogProblem, Law
from defender_remediate.fixes.paths import split
from defender_remediate.fixes.placeholders import names_in
from defender_remediate.json_values import ABSENT, thaw
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.models.fix import FixAction, FixKind

CATALOG = Catalog.bundled()
WRITES = [fix for fix in CATALOG if fix.kind is not FixKind.TEMPLATE]
RECORDED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "recorded-resources.json"


def name(fix: FixAction) -> str:
    """A short name of a fix, for people."""
    return "-".join(filter(None, (fix.key[:8], fix.resource_type, fix.variant)))


every_fix = pytest.mark.parametrize("fix", CATALOG, ids=name)
every_write = pytest.mark.parametrize("fix", WRITES, ids=name)


@cache
def about(fix: FixAction) -> Subject:
    """What the proofs look at; made once for all laws."""
    return subject(fix)


@cache
def problems(fix: FixAction) -> tuple[CatalogProblem, ...]:
    """Everything that is wrong with a fix."""
    return tuple(problems_of(about(fix)))


@pytest.mark.parametrize("law", [law for law in Law if law is not Law.FORM], ids=str)
@every_fix
def test_keeps_the_law(fix: FixAction, law: Law) -> None:
    """Nothing that a proof finds is an error."""
    assert [each.message for each in problems(fix) if each.law is law and each.is_error] == []


@every_write
def test_is_tried_at_all(fix: FixAction) -> None:
    """No proof holds for want of a body: each fix is tried on some that it applies to and that are not compliant."""
    assert about(fix).trials
    assert not names_in(about(fix).desired)


def test_warnings_are_few() -> None:
    """A warning wants a look; when a tenth of the catalog has one, nobody looks any more."""
    warned = [fix.key for fix in CATALOG if any(not each.is_error for each in problems(fix))]
    assert len(warned) < len(CATALOG) / 10


def misspelt(fix: FixAction) -> FixAction:
    """The fix with one letter too many in the last member of the first path that it writes."""
    path, value = next(iter(leaves(fix.body or dict.fromkeys(fix.remove, ""))))
    body = placed(thaw(fix.body or {}), split(path), ABSENT)
    return attrs.evolve(fix, body=placed(body, split(f"{path}s"), thaw(value)), array_strategies={}, remove=())


def unpermitted(fix: FixAction) -> FixAction:
    """The fix without the permission that it writes with."""
    return attrs.evolve(fix, permissions=[each for each in fix.permissions if not each.casefold().endswith("/write")])


def hasty(fix: FixAction) -> FixAction:
    """The fix with a condition that nothing it writes can meet."""
    never = Condition(operator=Operator.EQUALS, path="properties.somethingElse", value=True)
    return attrs.evolve(fix, compliant_when=Condition(operator=Operator.ALL, of=(fix.compliant_when, never)))


def test_mistakes_are_seen() -> None:
    """A proof that no mistake breaks proves nothing: one is made in every fix, and none of them passes."""
    unseen = []
    for number, fix in enumerate(WRITES):
        wrong = (misspelt, unpermitted, hasty)[number % 3](fix)
        if not any(each.is_error for each in problems_of(subject(wrong))):
            unseen.append(name(fix))
    assert unseen == []


def broken(seen: Subject, trial: Trial | None, laws: Iterable[Law] = ON_EACH_BODY) -> list[str]:
    """What the laws that are asked on bodies find on this one."""
    return [] if trial is None else [each.message for law in laws for each in ON_EACH_BODY[law](seen, trial)]


def recorded() -> dict[str, list[Any]]:
    """Bodies recorded from real subscriptions, by type."""
    found: dict[str, list[Any]] = defaultdict(list)
    for each in json.loads(RECORDED.read_text(encoding="utf-8"))["resources"]:
        found[each["resource"]["type"].casefold()].append(each["resource"])
    return found


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded bodies are not part of the project")
def test_keeps_the_laws_on_recorded_bodies() -> None:
    """What holds for made bodies holds for those that real subscriptions answered with."""
    bodies, tried = recorded(), 0
    for fix in WRITES:
        seen = about(fix)
        for body in bodies[seen.target.type.casefold()]:
            trial = tried_on(seen, body, "it is recorded")
            tried += trial is not None
            assert broken(seen, trial) == [], name(fix)
    assert tried >= 50


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9999) | st.sampled_from(["", "Enabled", "Disabled", "TLS1_0", "*"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "a.b", "é"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def changed(draw: st.DrawFn) -> tuple[FixAction, int, dict[str, Any], list[str]]:
    """A fix, and what is different on a body of its type: members that hold anything, and members that are gone."""
    fix = draw(st.sampled_from(WRITES))
    shape = about(fix).shape or {"properties": {}}
    inner = shape.get("properties", {})
    names = st.sampled_from(sorted(inner if isinstance(inner, dict) and inner else {"any": ""}))
    pick, others = draw(st.integers(0, 99)), draw(st.dictionaries(names, JSON, max_size=6))
    return fix, pick, others, draw(st.lists(names, max_size=4, unique=True))


@given(changed())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_keeps_the_laws_on_any_body(found: tuple[FixAction, int, dict[str, Any], list[str]]) -> None:
    """Whatever a body holds, a fix changes nothing else, is done once, and has a way back."""
    fix, pick, others, gone = found
    body = plausible(about(fix).shape or {"properties": {}}, pick)
    inner = body.get("properties")
    there = {**(inner if isinstance(inner, dict) else {}), **others}
    body["properties"] = {member: value for member, value in there.items() if member not in gone}
    trial = tried_on(about(fix), body, "it is like this")
    assert broken(about(fix), trial, (Law.LEAST_CHANGE, Law.IDEMPOTENT, Law.WAY_BACK)) == []
