"""The contract of a journal, as rules that a test runs one by one.

Parametrize a test over ``JOURNAL_CONTRACT`` and call ``rule.check(place)`` with a fresh place; a rule that is broken raises
an AssertionError that says which, and with what.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

import attrs

from defender_remediate.errors import (
    DefenderRemediateError,
    InvalidInputError,
    JournalError,
    JournalLockedError,
    JournalTamperedError,
    RunExistsError,
    UnknownRunError,
)
from defender_remediate.journal import (
    GuardsWaived,
    Journal,
    Note,
    Record,
    RunEnded,
    RunLog,
    RunOpened,
    StepAccepted,
    StepEnded,
    StepIntended,
    StepReviewed,
)
from defender_remediate.models.condition import Condition
from defender_remediate.models.plan import PlannedRequest, PropertyChange, RemediationPlan, RemediationStep
from defender_remediate.models.result import RemediationResult
from defender_remediate.testing.simulator.state.clock import STARTS_AT

_RUN = "run-1"
_TARGET = "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg/providers/Contoso.Shop/tills/till-1"
_UNFIT = ("", ".", "..", "../run", "a/b", "a\\b", "/run", "C:run", "run\n", "nul", "run.", "r" * 101)
_THREADS, _EACH = 4, 5


class JournalPlace(Protocol):
    """A place that stores journals, and the ways in which a test damages what is stored."""

    def journal(self) -> Journal:
        """Returns a new instance for this place, as another process would create it."""

    def tear(self, run_id: str) -> None:
        """Appends an incomplete record, as a process does that is killed while it writes."""

    def tamper(self, run_id: str) -> None:
        """Changes one character inside a record that is not the last."""


@attrs.frozen(kw_only=True)
class JournalRule:
    """One rule of the contract."""

    name: str
    body: Callable[[JournalPlace], None] = attrs.field(repr=False)

    def check(self, place: JournalPlace) -> None:
        """Checks the rule with an empty place.

        Raises:
            AssertionError: The rule is broken.
        """
        try:
            self.body(place)
        except DefenderRemediateError as error:
            raise AssertionError(f"{self.name}: the journal raised {type(error).__name__}: {error}") from error

    def __str__(self) -> str:
        return self.name


_STEP = RemediationStep(
    id="step-1",
    executor="patch",
    keys=("11111111-2222-4333-8444-555555555555",),
    titles=("Tills should be closed",),
    resource_id=_TARGET,
    resource_type="Contoso.Shop/tills",
    target_id=_TARGET,
    api_version="2023-01-01",
    changes=(PropertyChange(path="properties.open", before=True, after=False),),
    request=PlannedRequest(
        method="PATCH", path=_TARGET, api_version="2023-01-01", body={"properties": {"open": False}}
    ),
    fingerprint="f" * 64,
    compliant_when=Condition(operator="equals", path="properties.open", value=False),
)


def _opened(run_id: str = _RUN, *, days: int = 0) -> RunOpened:
    plan = RemediationPlan(
        steps=(_STEP,),
        scope=("/subscriptions/11111111-1111-4111-8111-111111111111",),
        endpoint="https://management.azure.com",
        catalog_version="1",
        created_at=STARTS_AT,
    )
    return RunOpened(
        at=STARTS_AT + timedelta(days=days),
        run_id=run_id,
        kind="apply",
        correlation_id="99999999-0000-4000-8000-000000000000",
        plan=plan,
        waivers=("max_changes: a planned migration",),
    )


def _whole_run() -> tuple[Record, ...]:
    result = RemediationResult(
        step_id=_STEP.id, resource_id=_TARGET, keys=_STEP.keys, outcome="applied", before={"properties.open": True}
    )
    intended = StepIntended(
        at=STARTS_AT, step_id=_STEP.id, attempt=1, before={"properties.open": True}, fingerprint=_STEP.fingerprint
    )
    accepted = StepAccepted(
        at=STARTS_AT,
        step_id=_STEP.id,
        status=202,
        poll_url=f"https://management.azure.com{_TARGET}/operations/1?api-version=2023-01-01",
        poll_kind="azure-asyncoperation",
        request_id="0f0f0f0f-1111-4222-8333-444444444444",
    )
    return (
        _opened(),
        intended,
        accepted,
        StepEnded(at=STARTS_AT, result=result),
        GuardsWaived(at=STARTS_AT, waivers=("window: the change goes on at noon",)),
        StepReviewed(at=STARTS_AT, result=attrs.evolve(result, outcome="failed")),
        RunEnded(at=STARTS_AT, counts={"applied": 1}),
        _note("Größe \u2028 \ud800 {}\n"),
    )


def _note(message: str) -> Note:
    return Note(at=STARTS_AT, message=message)


def _begun(place: JournalPlace, run_id: str = _RUN, *, days: int = 0) -> RunLog:
    log = place.journal().create(run_id)
    log.append(_opened(run_id, days=days))
    return log


def _refused(kind: type[DefenderRemediateError], call: Callable[[], object], what: str) -> None:
    try:
        call()
    except kind:
        return
    raise AssertionError(f"{what}: expected a {kind.__name__}")


_RULES: list[JournalRule] = []


def _rule(name: str) -> Callable[[Callable[[JournalPlace], None]], Callable[[JournalPlace], None]]:
    """Adds a function to the contract."""

    def add(body: Callable[[JournalPlace], None]) -> Callable[[JournalPlace], None]:
        _RULES.append(JournalRule(name=name, body=body))
        return body

    return add


@_rule("has the methods of the protocols")
def _has_the_methods(place: JournalPlace) -> None:
    assert isinstance(place.journal(), Journal), "it has create, open, read and list_runs"
    with place.journal().create(_RUN) as log:
        assert isinstance(log, RunLog), "its log has records, append and close, and is a context manager"


@_rule("appended records are read back")
def _reads_what_was_appended(place: JournalPlace) -> None:
    journal, whole = place.journal(), _whole_run()
    with journal.create(_RUN) as log:
        for n, record in enumerate(whole, start=1):
            log.append(record)
            assert log.records == whole[:n], f"the log does not show record {n}"
            assert journal.read(_RUN) == whole[:n], f"record {n} was not durable when append returned"


@_rule("records survive a new instance")
def _outlives_its_instance(place: JournalPlace) -> None:
    log = _begun(place)
    log.append(_note("one"))
    assert place.journal().read(_RUN) == (_opened(), _note("one")), "a second instance sees something else"
    log.close()
    with place.journal().open(_RUN) as again:
        assert again.records == (_opened(), _note("one"))
        again.append(_note("two"))
    assert place.journal().read(_RUN) == (_opened(), _note("one"), _note("two")), "a run cannot be continued"


@_rule("a run cannot be opened twice")
def _opens_once(place: JournalPlace) -> None:
    first = place.journal()
    log = _begun(place)
    for other in (first, place.journal()):
        _refused(JournalLockedError, lambda other=other: other.open(_RUN), "a second open")  # type: ignore[misc]
    log.append(_note("still mine"))
    log.close()
    log.close()
    with first.open(_RUN) as again:
        assert again.records[-1] == _note("still mine")


@_rule("a run cannot begin twice")
def _begins_once(place: JournalPlace) -> None:
    log = _begun(place)
    _refused(JournalError, lambda: place.journal().create(_RUN), "a run begun again while it is open")
    log.close()
    _refused(RunExistsError, lambda: place.journal().create(_RUN), "a run begun again")
    assert place.journal().read(_RUN) == (_opened(),)


@_rule("a journal begins with its own run")
def _begins_with_its_own_run(place: JournalPlace) -> None:
    with place.journal().create(_RUN) as log:
        _refused(JournalError, lambda: log.append(_note("too early")), "a first record other than RunOpened")
        _refused(JournalError, lambda: log.append(_opened("run-2")), "another run's RunOpened")
        log.append(_opened())
    assert place.journal().read(_RUN) == (_opened(),)


@_rule("a closed log accepts nothing")
def _takes_nothing_when_closed(place: JournalPlace) -> None:
    log = _begun(place)
    log.close()
    _refused(JournalError, lambda: log.append(_note("too late")), "a record after close")
    assert place.journal().read(_RUN) == (_opened(),)


@_rule("an incomplete last record is ignored")
def _survives_a_torn_record(place: JournalPlace) -> None:
    with _begun(place) as log:
        log.append(_note("whole"))
    place.tear(_RUN)
    assert place.journal().read(_RUN) == (_opened(), _note("whole")), "a torn record hides whole ones"
    with place.journal().open(_RUN) as again:
        again.append(_note("after"))
    assert place.journal().read(_RUN) == (_opened(), _note("whole"), _note("after")), "the torn record is in the way"


@_rule("tampering is detected")
def _shows_tampering(place: JournalPlace) -> None:
    with _begun(place) as log:
        log.append(_note("one"))
        log.append(_note("two"))
    place.tamper(_RUN)
    _refused(JournalTamperedError, lambda: place.journal().read(_RUN), "reading a record that was changed")
    _refused(JournalTamperedError, lambda: place.journal().open(_RUN), "opening after a record that was changed")
    _refused(JournalTamperedError, lambda: place.journal().open(_RUN), "trying so again")


@_rule("unknown runs are reported")
def _knows_what_it_does_not_know(place: JournalPlace) -> None:
    journal = place.journal()
    assert list(journal.list_runs()) == [], "an empty place has runs"
    _refused(UnknownRunError, lambda: journal.read("missing"), "reading an unknown run")
    _refused(UnknownRunError, lambda: journal.open("missing"), "opening an unknown run")
    with journal.create(_RUN):
        pass
    assert list(journal.list_runs()) == [], "a run without a record is listed"
    _refused(UnknownRunError, lambda: journal.read(_RUN), "reading a run without a record")
    _begun(place).close()


@_rule("invalid run ids are refused")
def _refuses_unfit_ids(place: JournalPlace) -> None:
    for run_id in _UNFIT:
        for verb in ("create", "open", "read"):
            call = getattr(place.journal(), verb)
            _refused(InvalidInputError, lambda call=call, run_id=run_id: call(run_id), f"{verb}({run_id!r})")  # type: ignore[misc]


@_rule("runs are listed newest first")
def _lists_newest_first(place: JournalPlace) -> None:
    for run_id, days in (("b", 2), ("c", 1), ("a", 3), ("d", 1)):
        _begun(place, run_id, days=days).close()
    with place.journal().open("c") as log:
        log.append(_note("continuing makes a run no newer"))
    assert list(place.journal().list_runs()) == ["a", "b", "d", "c"], "by the time of the first record, then by the id"


@_rule("no secret is stored")
def _keeps_no_secret(place: JournalPlace) -> None:
    secret = "hunter2-" + "s" * 24
    intended = StepIntended(
        at=STARTS_AT, step_id=_STEP.id, attempt=1, before={"properties.adminPassword": secret}, fingerprint="f"
    )
    with _begun(place) as log:
        log.append(_note(f"Authorization: Bearer {secret}"))
        log.append(intended)
        assert secret not in repr(attrs.asdict(log.records[2], recurse=False)), "the log holds a secret"
    kept = place.journal().read(_RUN)
    assert all(secret not in repr(attrs.asdict(record)) for record in kept), "the journal holds a secret"
    assert isinstance(kept[2], StepIntended)
    assert kept[2].redacted_paths == ("properties.adminPassword",), "what cannot be restored is not named"


@_rule("several threads can share a log")
def _is_safe_between_threads(place: JournalPlace) -> None:
    log, ready = _begun(place), threading.Barrier(_THREADS)

    def write(thread: int) -> None:
        ready.wait()
        for n in range(_EACH):
            log.append(_note(f"{thread}.{n}"))

    threads = [threading.Thread(target=write, args=(n,)) for n in range(_THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    kept = [record.message for record in place.journal().read(_RUN) if isinstance(record, Note)]
    expected = [f"{thread}.{n}" for thread in range(_THREADS) for n in range(_EACH)]
    assert sorted(kept) == expected, "a record was lost or came twice"
    assert all([m for m in kept if m.startswith(f"{n}.")] == expected[n * _EACH :][:_EACH] for n in range(_THREADS)), (
        "the records of one thread changed their order"
    )


JOURNAL_CONTRACT = tuple(_RULES)
"""The rules that every journal obeys."""
