"""What hooks hear while a plan is made, rolled out in waves and verified."""

from __future__ import annotations

import logging

from defender_remediate import Guards, Waves
from defender_remediate.hooks import PhaseProgressed, ProgressPhase, StepFinished, VerificationFinished, WaveStarted
from defender_remediate.models import WaveFinished

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"


def test_planning_tells_its_phases_and_how_far_it_is(connect):
    """Every target is counted, and the rate and the end follow from the time that it takes."""
    heard = []
    plan = connect(hooks=[heard.append]).plan([SECURE_TRANSFER])
    phases = [event for event in heard if isinstance(event, PhaseProgressed)]
    assert list(dict.fromkeys(event.phase for event in phases)) == [
        ProgressPhase.READING_ASSESSMENTS,
        ProgressPhase.READING_TARGETS,
        ProgressPhase.CHECKING,
    ]
    targets = [event for event in phases if event.phase is ProgressPhase.READING_TARGETS]
    assert [event.done for event in targets] == list(range(len(plan.steps) + 1))
    assert {event.total for event in targets} == {len(plan.steps)}
    assert str(targets[0]) == f"reading targets [0/{len(plan.steps)}]"
    assert (targets[0].rate, targets[0].ends_at) == (None, None)
    last = targets[-1]
    assert last.rate is None or (last.rate > 0 and ", until " in str(last))
    assert str(heard[-1]) == f"planned {len(plan.steps)} changes, 0 skipped"


def test_a_hook_that_fails_while_planning_is_logged_once(connect, caplog):
    """A plan has no warnings of its own, because it is what will be sent."""

    def hook(event):
        raise RuntimeError("no screen")

    with caplog.at_level(logging.WARNING, logger="defender_remediate"):
        assert connect(hooks=[hook]).plan([SECURE_TRANSFER]).steps
    (record,) = [record for record in caplog.records if "hook" in record.getMessage()]
    assert "a hook failed at PhaseProgressed: RuntimeError: no screen (failed" in record.getMessage()


def test_waves_begin_and_end_in_the_ears_of_a_hook(connect):
    """Each wave is announced with its size, and ends with its results."""
    heard = []
    client = connect(hooks=[heard.append], guards=Guards(max_changes=50))
    plan = client.plan([SECURE_TRANSFER])
    client.apply(plan, approve=plan.digest, waves=Waves(canary=1, growth=10))
    kinds = [type(event) for event in heard if isinstance(event, (WaveStarted, WaveFinished))]
    assert kinds == [WaveStarted, WaveFinished, WaveStarted, WaveFinished]
    first = next(event for event in heard if isinstance(event, WaveStarted))
    assert str(first).endswith(": wave 1 of 2, 1 step")
    steps = [event for event in heard if isinstance(event, StepFinished)]
    assert all(event.ends_at is None or event.rate > 0 for event in steps)


def test_verifying_tells_what_it_waits_for(connect, sim):
    """How many results are settled, and when Defender is asked again."""
    heard = []
    client = connect(hooks=[heard.append])
    plan = client.plan([SECURE_TRANSFER])
    report = client.apply(plan, approve=plan.digest)
    heard.clear()
    client.verify(report, timeout=86_400)
    waits = [event for event in heard if getattr(event, "phase", None) is ProgressPhase.WAITING_FOR_DEFENDER]
    assert waits
    assert waits[0].total == len(report)
    assert waits[0].ends_at > report.finished
    assert {event.run_id for event in waits} == {report.run_id}
    assert heard[0].phase is ProgressPhase.READING_BACK
    assert isinstance(heard[-1], VerificationFinished)
    assert str(heard[-1]).endswith("verified, 0 not assessed again yet")
