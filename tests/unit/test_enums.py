from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.enums import OpenEnum
from defender_remediate.errors import InvalidInputError
from defender_remediate.models.assessment import AssessmentStatus
from defender_remediate.models.fix import FixKind
from defender_remediate.models.recommendation_metadata import Severity


@given(st.text())
def test_an_open_enumeration_keeps_every_word(word):
    """An unknown string becomes a value equal to that string; a known one is found."""
    status = AssessmentStatus(word)
    assert isinstance(status, AssessmentStatus)
    assert status.value.casefold() == word.casefold()
    assert status.is_known == (word.casefold() in {"healthy", "unhealthy", "notapplicable"})
    assert AssessmentStatus(word) == status
    assert hash(AssessmentStatus(word)) == hash(status)


@given(st.text())
def test_an_unknown_word_survives_pickle_and_copy(word):
    """Unknown words cross process borders like known ones."""
    severity = Severity(word)
    for twin in (pickle.loads(pickle.dumps(severity)), copy.deepcopy(severity), copy.copy(severity)):
        assert twin == severity
        assert twin.value == severity.value
        assert type(twin) is Severity


@pytest.mark.parametrize("word", ["unhealthy", "UNHEALTHY", "Unhealthy"])
def test_a_known_word_is_one_member_whatever_its_case(word):
    """Azure spells one word in several ways."""
    assert AssessmentStatus(word) is AssessmentStatus.UNHEALTHY


def test_an_unknown_word_is_not_listed():
    """Reading an unknown string does not change the enumeration."""
    unknown = Severity("Apocalyptic")
    assert unknown not in list(Severity)
    assert unknown != Severity.HIGH
    assert unknown == "Apocalyptic"
    assert not unknown.is_known
    assert repr(unknown) == "Severity('Apocalyptic')"


def test_the_name_that_python_gives_a_word_is_no_word():
    """``NOT_APPLICABLE`` is how Python spells the member; Azure has no such word."""
    status = AssessmentStatus("NOT_APPLICABLE")
    assert status != AssessmentStatus.NOT_APPLICABLE
    assert not status.is_known


def test_a_value_that_is_no_text_is_refused():
    """Only words are words."""
    with pytest.raises(ValueError, match="Severity must be a string, got 3"):
        Severity(3)


@pytest.mark.parametrize("member", [Severity.HIGH, FixKind.PATCH, Severity("Unheard")])
def test_a_word_prints_as_itself(member):
    """str, format and JSON all give the bare word, on every Python."""
    assert str(member) == f"{member}" == member.value
    assert f"{member:>12}" == member.value.rjust(12)
    assert json.dumps(member) == f'"{member.value}"'


def test_our_own_words_are_closed():
    """A word of this library that is not one is an error."""
    with pytest.raises(ValueError, match=r"'post' is not a value of FixKind .use one of patch, put, template"):
        FixKind("post")
    assert FixKind("patch") == "patch"
    assert {FixKind.PATCH: 1}["patch"] == 1


def test_open_enumerations_compare_within_sets():
    """A set of values finds an unknown string again."""
    assert issubclass(Severity, OpenEnum)
    assert Severity("New") in {Severity("New"), Severity.LOW}


class Unprintable:
    """A value whose ``repr`` fails, as that of a half-built object does."""

    def __repr__(self):
        raise RuntimeError("no repr")


class Word(str):
    """A string whose ``repr`` fails."""

    def __repr__(self):
        raise RuntimeError("no repr")


@pytest.mark.parametrize("enumeration", [Severity, FixKind])
@pytest.mark.parametrize(
    "value", [Unprintable(), [10**5000], [[]], b"patch", None], ids=lambda value: type(value).__name__
)
def test_a_value_that_is_no_string_is_a_typed_error_whatever_its_repr(enumeration, value):
    """Python's own lookup puts the repr into a message, and fails with whatever that raises."""
    with pytest.raises(InvalidInputError, match=enumeration.__name__):
        enumeration(value)


def test_a_string_of_another_class_is_looked_up_as_a_string():
    """Also when its repr fails."""
    assert FixKind(Word("patch")) is FixKind.PATCH
    assert Severity(Word("high")) is Severity.HIGH
    assert Severity(Word("new")) == "new"
    with pytest.raises(InvalidInputError, match="'wrong' is not a value"):
        FixKind(Word("wrong"))
    assert FixKind(FixKind.PATCH) is FixKind.PATCH
    assert OpenEnum("Made", {"ONE": "One"})("one").is_known
