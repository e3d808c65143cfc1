from __future__ import annotations

import pickle
from datetime import timedelta
from typing import Any

import attrs
import pytest

from defender_remediate.errors import InvalidInputError
from defender_remediate.hooks import RunFinished, RunStarted, StepFinished, StepStarted
from defender_remediate.models.condition import Condition, Operator
from defender_remediate.models.fix import (
    ArrayStrategy,
    FixAction,
    FixKind,
    FixParameter,
    Impact,
    ParameterType,
    Reversibility,
)
from defender_remediate.models.guards import Guards

FIX = FixAction(
    key="1c5de8e1-f68d-6a17-e0d2-ec259c42768c",
    title="Secure transfer to storage accounts should be enabled",
    kind="patch",
    resource_type="Microsoft.Storage/storageAccounts",
    api_version="2023-05-01",
    body={"properties": {"supportsHttpsTrafficOnly": True}},
    compliant_when=Condition(operator="equals", path="properties.supportsHttpsTrafficOnly", value=True),
)


def test_a_fix_written_in_words_has_members():
    """Plain words of a catalog become members; what is left out is harmless."""
    assert (FIX.kind, FIX.impact, FIX.reversibility) == (FixKind.PATCH, Impact.NONE, Reversibility.EXACT)
    assert not FIX.is_irreversible
    assert attrs.evolve(FIX, reversibility="none").is_irreversible


def test_a_fix_prints_what_it_writes():
    """Title, method, where and the body; for a template its name."""
    title = "Secure transfer to storage accounts should be enabled"
    where = "Microsoft.Storage/storageAccounts"
    assert str(FIX) == f'{title}: PATCH {where} {{"properties":{{"supportsHttpsTrafficOnly":true}}}}'
    template = attrs.evolve(FIX, kind="template", body=None, target="blobServices/default", template_name="logs.json")
    assert str(template) == f"{title}: TEMPLATE {where}/blobServices/default logs.json"


def test_a_fix_prints_where_it_writes():
    """Its variant, what it takes out, the type that is linked to, or the whole id."""
    gone = attrs.evolve(FIX, variant="old", remove=("properties.a", "tags"))
    assert str(gone).startswith(f"{FIX.title} (old): PATCH Microsoft.Storage/storageAccounts {{")
    assert str(gone).endswith("}} without properties.a without tags")
    assert str(attrs.evolve(gone, body=None)).endswith("storageAccounts without properties.a without tags")
    linked = attrs.evolve(FIX, linked="a[*].id", linked_type="A.B/c", target="d/e")
    assert ": PATCH A.B/c/d/e {" in str(linked)
    assert ": PATCH /subscriptions/x {" in str(attrs.evolve(FIX, target="/subscriptions/x"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("union", (ArrayStrategy.UNION, "")),
        ("replace", (ArrayStrategy.REPLACE, "")),
        ("each", (ArrayStrategy.EACH, "")),
        ("by:sourceType", (ArrayStrategy.BY, "sourceType")),
    ],
)
def test_what_happens_to_an_array(text, expected):
    """Four ways, one of which names a member."""
    assert ArrayStrategy.parse(text) == expected


@pytest.mark.parametrize("text", ["", "mix", "by", "by:", "by:a.b", "each:a", "union:", "BY:a"])
def test_what_no_array_knows(text):
    """The error lists the four."""
    with pytest.raises(ValueError, match="is not one of union, replace, each, by:<member>"):
        ArrayStrategy.parse(text)


def test_a_fix_is_a_value():
    """Equal by content, keys without case; hashable, picklable, and visible in a notebook."""
    assert attrs.evolve(FIX, key=FIX.key.upper()) == FIX
    assert len({FIX, attrs.evolve(FIX)}) == 1
    assert pickle.loads(pickle.dumps(FIX)) == FIX
    assert "Secure transfer" in FIX._repr_html_()


def test_a_parameter_without_default_is_required():
    """Planning asks the caller for it."""
    parameter = FixParameter(name="workspace_id", type="resource_id", description="Where logs go.")
    assert parameter.type is ParameterType.RESOURCE_ID
    assert parameter.is_required
    assert not attrs.evolve(parameter, default="x", allowed=["x", "y"]).is_required


def test_an_unknown_word_in_a_fix_is_an_error():
    """The catalog's words are ours, so a wrong one is a mistake."""
    with pytest.raises(ValueError, match=r"'delete' is not a value of FixKind .use one of patch, put, template"):
        attrs.evolve(FIX, kind="delete")


EQUALS = Condition(operator="equals", path="a.b", value="x")


@pytest.mark.parametrize(
    ("condition", "text"),
    [
        (EQUALS, 'a.b equals "x"'),
        (Condition(operator="not_in", path="a", value=[1, 2]), "a not in [1,2]"),
        (Condition(operator="at_least", path="a", value="1.2"), 'a at least "1.2"'),
        (Condition(operator="exists", path="a", value=True), "a exists"),
        (Condition(operator="exists", path="a", value=False), "a is absent"),
        (Condition(operator="not", of=(EQUALS,)), 'not a.b equals "x"'),
        (Condition(operator="all", of=(EQUALS, EQUALS)), '(a.b equals "x" and a.b equals "x")'),
        (Condition(operator="any", of=(EQUALS, EQUALS)), '(a.b equals "x" or a.b equals "x")'),
        (Condition(operator="every", path="rules", of=(EQUALS,)), 'every of rules: a.b equals "x"'),
        (Condition(operator="some", path="rules", of=(EQUALS,)), 'some of rules: a.b equals "x"'),
    ],
)
def test_a_condition_reads_as_a_sentence(condition, text):
    """What it asks, where, and of what."""
    assert str(condition) == text
    assert pickle.loads(pickle.dumps(condition)) == condition


def test_every_test_of_a_condition_has_its_sentence():
    """No kind of condition prints its own repr."""
    for test in Operator:
        assert "Condition(" not in str(
            Condition(operator=test, path="a", value=("1",) if "in" in test.value.split("_") else "1", of=(EQUALS,))
        )


@pytest.mark.parametrize("limit", [0, -1, True, 2.5, "25", None])
def test_a_guard_takes_only_a_whole_number(limit):
    """A guard that cannot be understood is refused before anything is sent."""
    with pytest.raises(InvalidInputError, match="max_changes must be an integer"):
        Guards(max_changes=limit)


def test_a_consent_is_a_list_of_keys():
    """One text in place of several would be taken letter by letter."""
    with pytest.raises(InvalidInputError, match="expected a list of strings"):
        Guards(allow_irreversible="1c5de8e1-f68d-6a17-e0d2-ec259c42768c")


@pytest.mark.parametrize(
    "wrong",
    [
        {"window": "22:00"},
        {"max_plan_age": 3600},
        {"max_plan_age": timedelta()},
        {"protected_tags": ["env=prod", 5]},
        {"protected_groups": [""]},
    ],
)
def test_a_guard_of_another_kind_is_refused_when_it_is_made(wrong: dict[str, Any]) -> None:
    """And not in the middle of a run."""
    with pytest.raises(InvalidInputError, match=next(iter(wrong))):
        Guards(**wrong)


def test_guards_limit_a_run_unless_told_otherwise():
    """25 changes, and nothing irreversible but what was named, whatever the case."""
    assert Guards().max_changes == 25
    assert not Guards().allows("abc")
    assert Guards(allow_irreversible=["ABC"]).allows("abc")
    assert Guards(allow_irreversible=["ABC"]) == Guards(allow_irreversible=("ABC",))


def test_events_are_values(make_plan, make_step, make_result, make_report):
    """What hooks are told can be kept and sent on."""
    events = [
        RunStarted(run_id="run-1", correlation_id="c", plan=make_plan()),
        StepStarted(run_id="run-1", step=make_step()),
        StepFinished(run_id="run-1", step=make_step(), result=make_result(), done=1, total=1),
        RunFinished(report=make_report()),
    ]
    assert pickle.loads(pickle.dumps(events)) == events
    assert "steps=" not in repr(events[0])
