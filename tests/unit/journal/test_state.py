from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.errors import JournalError
from defender_remediate.journal import Phase, replay


def test_a_whole_run_folds_to_its_end(records):
    """Every step ended, with what came before."""
    whole = records.whole()
    state = replay(whole)
    assert state.opened == whole[0]
    assert state.ended == whole[-1]
    assert [note.message for note in state.notes] == [whole[-2].message]
    assert state.unfinished == ()
    step = state.steps["step-1"]
    assert (step.phase, step.attempts, step.accepted, step.result) == (Phase.ENDED, 1, whole[2], whole[7].result)
    assert state.steps["step-2"].result == whole[6].result
    assert state.waivers == ("window: CHG-2",)
    assert pickle.loads(pickle.dumps(state)) == state


def test_a_run_that_was_cut_off_says_what_is_left(records):
    """In the order of the plan."""
    state = replay([records.opened(), records.intended("step-2")])
    assert [(left.step.id, left.phase) for left in state.unfinished] == [
        ("step-1", Phase.NEW),
        ("step-2", Phase.INTENDED),
    ]
    assert state.ended is None


def test_the_first_image_counts(records):
    """A later attempt may have seen what an earlier one did."""
    first = records.intended(before={"a": 1, "p": "(hidden)"}, fingerprint="x", redacted_paths=("p",))
    again = records.intended(attempt=2, before={"a": 2}, fingerprint="y")
    step = replay([records.opened(), first, again]).steps["step-1"]
    assert (step.attempts, step.before, step.fingerprint, step.redacted_paths) == (
        2,
        {"a": 1, "p": "(hidden)"},
        "x",
        ("p",),
    )


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ([], "line 1: the first record has to be RunOpened"),
        (["ended"], "line 1: the first record has to be RunOpened"),
        (["opened", "opened"], "line 2: a RunOpened in the middle of a run"),
        (["opened", "over", "opened"], "line 3: a RunOpened after RunEnded"),
        (["opened", "over", "noted", "intended"], "line 4: a StepIntended after RunEnded"),
        (["opened", "over", "over"], "line 3: a RunEnded after RunEnded"),
        (["opened", "accepted"], "line 2: StepAccepted of step step-1: the step is NEW"),
        (["opened", "intended", "accepted", "accepted"], "line 4: .* is ACCEPTED, so there is no request"),
        (["opened", "intended", "accepted", "intended"], "line 4: .* has had 1 attempts, so this is not attempt 1"),
        (["opened", "ended", "ended"], "line 3: StepEnded of step step-1: the step had ended before"),
        (["opened", "ended", "accepted"], "line 3: .* is ENDED"),
        (["opened", "reviewed"], "line 2: StepReviewed of step step-1: the step is NEW, so there is no result"),
        (["opened", "intended", "reviewed"], "line 3: .* is INTENDED, so there is no result"),
        (["opened", "ended", "over", "reviewed"], "line 4: a StepReviewed after RunEnded"),
        (["opened", "intended", "ended", "intended"], "line 4: .* is ENDED"),
        (["opened", "intended", "intended"], "line 3: .* has had 1 attempts, so this is not attempt 1"),
    ],
)
def test_an_impossible_order_is_refused_by_its_place(records, order, message):
    """Something wrote it that does not keep the rules."""
    with pytest.raises(JournalError, match=rf"x\.jsonl, {message}"):
        replay([getattr(records, name)() for name in order], source="x.jsonl")


def test_the_last_look_counts(records):
    """A change that was put back is no success, however often it is looked at."""
    whole = [records.opened(), records.intended(), records.ended(), records.reviewed(), records.reviewed(attempts=7)]
    step = replay(whole).steps["step-1"]
    assert (step.phase, step.result.outcome, step.result.attempts) == (Phase.ENDED, "failed", 7)


def test_waivers_add_up(records):
    """Those that the run began with, and those of every resume; also of one that finds nothing left to do."""
    opened = records.opened(waivers=("max_changes: CHG-1",))
    found = [opened, records.waived(), records.over(), records.waived("max_share: a", "removal: b")]
    assert replay(found).waivers == ("max_changes: CHG-1", "window: CHG-2", "max_share: a", "removal: b")


@pytest.mark.parametrize("name", ["intended", "accepted", "ended", "reviewed"])
def test_a_step_that_the_plan_does_not_have_is_refused(records, name):
    """The journal and its plan belong together."""
    with pytest.raises(JournalError, match="line 2: the plan has no step 'step-9'"):
        replay([records.opened(), getattr(records, name)("step-9")])


@pytest.fixture(scope="module")
def legal():
    """A strategy of legal sequences: what a run of two steps may record, cut off anywhere."""

    def sequence(records):
        @st.composite
        def build(draw):
            found = [records.opened()]
            attempts, phase = {"step-1": 0, "step-2": 0}, {"step-1": 0, "step-2": 0}
            for _ in range(draw(st.integers(0, 14))):
                step = draw(st.sampled_from(["step-1", "step-2"]))
                kinds = ["noted"] + (["ended"] if phase[step] < 3 else [])
                kinds += ["intended"] if phase[step] < 2 else []
                kinds += ["accepted"] if phase[step] == 1 else []
                kinds += ["reviewed"] if phase[step] == 3 else []
                kind = draw(st.sampled_from(["waived", *kinds]))
                if kind in ("noted", "waived"):
                    found.append(getattr(records, kind)())
                    continue
                attempts[step] += kind == "intended"
                phase[step] = {"intended": 1, "accepted": 2, "ended": 3, "reviewed": 3}[kind]
                found.append(getattr(records, kind)(step, *([attempts[step]] if kind == "intended" else [])))
            return [*found, *([records.over()] if draw(st.booleans()) else []), records.noted()]

        return build()

    return sequence


@pytest.fixture
def legal_runs(legal, records):
    """Legal sequences over the records of this test."""
    return legal(records)


def test_any_beginning_of_a_legal_run_is_legal(legal_runs):
    """A run may be cut off anywhere; phases and attempts never go back."""

    @given(legal_runs)
    def law(found):
        reached = {"step-1": (0, 0), "step-2": (0, 0)}
        for end in range(1, len(found) + 1):
            state = replay(found[:end])
            for name, step in state.steps.items():
                assert (step.phase, step.attempts) >= reached[name]
                assert (step.phase is Phase.ENDED) == (step.result is not None)
                assert (step.attempts > 0) == (step.before is not None)
                reached[name] = (step.phase, step.attempts)

    law()
