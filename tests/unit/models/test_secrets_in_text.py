"""Text from Azure may contain a secret: no ``repr`` and no printed value shows it, whatever member it is in."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import attrs
import pytest

from defender_remediate import models
from defender_remediate.enums import OpenEnum
from defender_remediate.models.assessment import AssessmentStatus
from defender_remediate.models.recommendation_metadata import Severity
from defender_remediate.serialization import Value

KEY = "x" * 86 + "=="
SECRET = f"AccountKey={KEY}"
OWN = {"operator": "exists", "outcome": "applied", "reason": "blocked", "kind": "subscription"}

WORDS = {word.__name__: word for word in (AssessmentStatus, Severity, models.ActivityStatus)}
LEFT_OUT = (models.ResourceId, models.Scope, models.CveAssessment, models.RemediationStep)
"""The ``str`` of an id is what is sent; the others are made of values that are tried on their own."""


def filled(cls: type[Any]) -> Any:
    """An instance with the secret in every string of it; None where that is not possible."""
    given: dict[str, Any] = {}
    for field in attrs.fields(cls):
        kind = str(field.type)
        if not field.init:
            continue
        if kind in ("str", "str | None"):
            given[field.alias] = SECRET
        elif "tuple[str" in kind:
            given[field.alias] = (SECRET, SECRET)
        elif kind.partition(" ")[0] in WORDS:
            given[field.alias] = WORDS[kind.partition(" ")[0]](SECRET)
        elif field.default is attrs.NOTHING:
            simple = {"datetime": datetime.now(timezone.utc), "bool": True, "int": 1, "float": 1.0}
            given[field.alias] = simple.get(kind, () if "tuple" in kind else OWN.get(field.name))
    try:
        return cls(**given)
    except Exception:  # noqa: BLE001 - it checks what it is given, so that a secret cannot be there
        return None


VALUES = [
    made
    for name in models.__all__
    if isinstance(cls := getattr(models, name), type)
    and attrs.has(cls)
    and issubclass(cls, Value)
    and cls not in LEFT_OUT
    if (made := filled(cls)) is not None
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_no_repr_shows_a_secret(value: Any) -> None:
    """A status, a display name or a cause is text of Azure's like any other."""
    assert KEY not in repr(value)
    assert KEY not in str(value)


def test_the_values_are_tried() -> None:
    """Among them what Defender for Cloud and the activity log answer."""
    assert {"Assessment", "ActivityEvent", "RecommendationMetadata", "StepError"} <= {
        type(one).__name__ for one in VALUES
    }


def test_a_word_of_azure_is_whole_as_a_value_and_hidden_when_it_is_shown() -> None:
    """It is compared as it is."""
    status = AssessmentStatus(SECRET)
    assert status == SECRET
    assert KEY not in repr(status)
    assert isinstance(status, OpenEnum)


def test_a_repr_is_otherwise_that_of_attrs() -> None:
    """Also of nested values and of tuples of one."""
    risk = models.Risk(level=None, factors=("exposure",))
    assert repr(risk).startswith("Risk(level=None, factors=('exposure',)")
