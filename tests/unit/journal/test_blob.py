"""The journal in Azure Blob Storage, at its wire: what Azurite cannot produce, and what must not be sent."""

from __future__ import annotations

import logging
import pickle
import sys
from typing import Any

import pytest
import requests
from azure.core.credentials import AzureNamedKeyCredential, AzureSasCredential

from defender_remediate.errors import (
    InvalidEndpointError,
    InvalidInputError,
    JournalError,
    JournalLockedError,
    JournalLockLostError,
    JournalTamperedError,
    JournalUnwritableError,
    MissingExtraError,
    UnknownRunError,
)
from defender_remediate.journal import BlobJournal, blob_container
from defender_remediate.testing.contracts.journal import JOURNAL_CONTRACT, JournalRule

SIGNATURE = "c2VjcmV0LXNpZ25hdHVyZS1vZi10aGUtU0FTLXRva2Vu"
SAS = f"sv=2021-12-02&sr=c&sp=racwdl&se=2026-12-31T00:00:00Z&sig={SIGNATURE}"
URL = "https://contoso.blob.core.windows.net/runs"


class Broken:
    """A credential that breaks its contract."""

    def get_token(self, *_: Any, **__: Any) -> Any:
        raise RuntimeError("password=hunter2hunter2")


class BlobPlace:
    """The double as a place."""

    def __init__(self, service: Any) -> None:
        self.service = service

    def journal(self) -> BlobJournal:
        return self.service.journal()

    def tear(self, run_id: str) -> None:
        self.service.blobs[f"{run_id}.jsonl"].content += b'{"n":9,"version":1,"record":"Note","mess'

    def tamper(self, run_id: str) -> None:
        content = self.service.blobs[f"{run_id}.jsonl"].content
        content[:] = content.replace(b'"message":"one"', b'"message":"0ne"')


@pytest.mark.parametrize("rule", JOURNAL_CONTRACT, ids=str)
def test_the_blob_journal_keeps_the_contract(rule: JournalRule, service: Any) -> None:
    """Like every other journal."""
    rule.check(BlobPlace(service))


LOST: list[Any] = [
    (503, "ServerBusy"),
    (500, "InternalError"),
    requests.ConnectionError("reset"),
    requests.ReadTimeout("late"),
]


@pytest.mark.exhaustive
@pytest.mark.parametrize("is_late", [True, False])
@pytest.mark.parametrize("answer", LOST, ids=str)
@pytest.mark.parametrize("operation", ["create", "acquire", "appendblock", "end"])
def test_a_request_of_unknown_effect_takes_effect_once(
    service: Any, records: Any, operation: str, answer: Any, is_late: bool
) -> None:
    """It is sent again at the same position; whether the first one was applied makes no difference."""
    service.fail(operation, answer, is_late=is_late, times=2)
    with service.journal().create("run-1") as log:
        for record in records.whole():
            log.append(record)
    assert service.journal().read("run-1") == records.whole()
    assert service.blobs["run-1.jsonl"].blocks == len(records.whole())


def test_a_late_append_is_found_where_it_belongs(service: Any, records: Any) -> None:
    """Also if the requests that look for it are lost; the records after it go on from there."""
    with service.journal().create("run-1") as log:
        log.append(records.opened())
        service.fail("appendblock", (500, "OperationTimedOut"), is_late=True)
        service.fail("end", requests.ConnectionError("reset"))
        service.fail("read", (503, "ServerBusy"))
        log.append(records.noted("one"))
        log.append(records.noted("two"))
    assert service.journal().read("run-1") == (records.opened(), records.noted("one"), records.noted("two"))


def test_the_service_says_when_to_ask_again(service: Any, records: Any) -> None:
    """Its Retry-After is kept."""
    with service.journal().create("run-1") as log:
        service.fail("appendblock", (503, "ServerBusy"), headers={"Retry-After": "7"})
        log.append(records.opened())
    assert 7 <= service.now < 8


def test_a_lease_that_ended_unnoticed_is_renewed(service: Any, records: Any) -> None:
    """A machine that slept for an hour goes on if no other process has taken the run."""
    with service.journal().create("run-1") as log:
        log.append(records.opened())
        service.now += 3600
        log.append(records.noted())
    assert service.journal().read("run-1") == (records.opened(), records.noted())


@pytest.mark.parametrize("is_noticed", [True, False])
def test_a_lease_that_another_process_has_stops_the_run(service: Any, records: Any, is_noticed: bool) -> None:
    """The record is refused, no later one is tried, and what the other process writes stays."""
    log = service.journal().create("run-1")
    log.append(records.opened())
    service.now += 61
    with service.journal().open("run-1") as other:
        if is_noticed:
            log._sink.renew()
        with pytest.raises(JournalLockLostError, match="run-1") as caught:
            log.append(records.noted("late"))
        assert caught.value.hint
        other.append(records.noted("mine"))
        before = len(service.requests)
        with pytest.raises(JournalLockLostError):
            log.append(records.noted("later"))
        assert len(service.requests) == before
        log.close()
        other.append(records.noted("still mine"))
    assert service.journal().read("run-1") == (records.opened(), records.noted("mine"), records.noted("still mine"))


@pytest.mark.parametrize("answer", [(503, "ServerBusy"), requests.ConnectionError("unreachable")], ids=str)
def test_an_outage_that_is_longer_than_a_lease_stops_the_run(service: Any, records: Any, answer: Any) -> None:
    """By then another process may have the run. A shorter one is waited for."""
    log = service.journal().create("run-1")
    log.append(records.opened())
    for operation in ("appendblock", "renew", "release"):
        service.fail(operation, answer, times=1000)
    with pytest.raises(JournalLockLostError):
        log.append(records.noted())
    assert 55 <= service.now <= 61
    log.close()
    service.faults.clear()
    service.now += 61
    assert service.journal().open("run-1").records == (records.opened(),)


def test_a_storage_that_renews_and_does_not_append_is_not_waited_for_forever(service: Any, records: Any) -> None:
    """It is tried for as long as two leases last; the lock is not lost then, and the record is refused."""
    with service.journal().create("run-1") as log:
        log.append(records.opened())
        service.fail("appendblock", (503, "ServerBusy"), times=22)
        log.append(records.noted())
        assert service.count("renew") == 1
        service.fail("appendblock", (503, "ServerBusy"), times=1000)
        with pytest.raises(JournalUnwritableError, match="ServerBusy") as caught:
            log.append(records.noted("late"))
        assert not isinstance(caught.value, JournalLockLostError)
    service.faults.clear()
    assert service.journal().read("run-1") == (records.opened(), records.noted())


def test_a_locked_run_is_waited_for_as_long_as_is_said(service: Any, records: Any) -> None:
    """Without a timeout it is refused at once; with one, the run of a dead process is taken when its lease ends."""
    service.journal().create("run-1").append(records.opened())
    with pytest.raises(JournalLockedError, match="60 s"):
        service.journal().open("run-1")
    with pytest.raises(JournalLockedError):
        service.journal(lock_timeout=20).open("run-1")
    with service.journal(lock_timeout=60).open("run-1") as log:
        assert 60 <= service.now <= 63
        assert log.records == (records.opened(),)


def edit(service: Any) -> None:
    service.blobs["run-1.jsonl"].content += b"{}\n"


def replace(service: Any) -> None:
    service.fail("appendblock", (500, "InternalError"))
    content = service.blobs["run-1.jsonl"].content
    service.fail("appendblock", effect=lambda: content.extend(b"x" * 500), after=0)


@pytest.mark.parametrize("interfere", [edit, replace])
def test_an_edited_blob_is_refused(service: Any, records: Any, interfere: Any) -> None:
    """Whatever someone with a key has appended while the run was open: no record is written after it."""
    log = service.journal().create("run-1")
    log.append(records.opened())
    interfere(service)
    with pytest.raises(JournalTamperedError, match="changed"):
        log.append(records.noted())
    log.close()


def test_many_appends_continue_in_another_blob(service: Any, records: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A blob has a largest number of blocks. Reading, continuing and listing need no more than the run id."""
    monkeypatch.setattr(blob_container, "MAX_BLOCKS", 3)
    whole = records.whole()
    journal = service.journal()
    with journal.create("run-1") as log:
        service.fail("create", (500, "InternalError"), is_late=True)
        for record in whole[:7]:
            log.append(record)
        log._sink.renew()
    for number in range(7, len(whole)):
        assert journal.read("run-1") == whole[:number]
        with journal.open("run-1") as log:
            log.append(whole[number])
    assert journal.read("run-1") == whole
    assert list(journal.list_runs()) == ["run-1"]
    assert {name: blob.blocks for name, blob in service.blobs.items()} == {
        "run-1.jsonl": 3,
        "run-1~2.jsonl": 3,
        "run-1~3.jsonl": 3,
        "run-1~4.jsonl": len(whole) - 9,
    }


def test_the_writer_of_a_later_blob_keeps_others_out(
    service: Any, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its lease is needed too: a process that lost only the first lease cannot be overtaken in the middle of an append."""
    monkeypatch.setattr(blob_container, "MAX_BLOCKS", 1)
    log = service.journal().create("run-1")
    log.append(records.opened())
    log.append(records.noted())
    service.blobs["run-1.jsonl"].lease = None
    with pytest.raises(JournalLockedError):
        service.journal().open("run-1")
    assert service.blobs["run-1.jsonl"].lease_ends == 0.0
    log.append(records.noted())
    service.fail("create", (403, "AuthorizationPermissionMismatch"))
    with pytest.raises(JournalUnwritableError, match="AuthorizationPermissionMismatch"):
        log.append(records.noted())
    log.close()


def test_large_and_many_records_are_divided(service: Any, records: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """No append is larger than the service takes, whole lines stay together, and half a line is not a record."""
    monkeypatch.setattr(blob_container, "MAX_APPEND_BYTES", 2000)
    log = service.journal().create("run-1")
    log.append(records.opened(waivers=("max_changes: " + "x" * 5000,)))
    log._sink.write_all([b"a" * 1500 + b"\n", b"b" * 400 + b"\n", b"c" * 400 + b"\n"])
    log._sink.write(b"d\n")
    sizes = [len(request.body) for operation, request in service.requests if operation == "appendblock"]
    assert max(sizes) == 2000
    assert sizes[-3:] == [1902, 401, 2]
    log.close()


def test_a_first_record_that_was_written_in_part_is_no_run(
    service: Any, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its process died before anything was sent."""
    monkeypatch.setattr(blob_container, "MAX_APPEND_BYTES", 300)
    journal = service.journal()
    log = journal.create("run-1")
    service.fail("appendblock", (403, "AuthorizationFailure"), after=1)
    with pytest.raises(JournalUnwritableError):
        log.append(records.opened())
    log.close()
    assert list(journal.list_runs()) == []
    for call in (journal.read, journal.open):
        with pytest.raises(UnknownRunError):
            call("run-1")


def test_a_run_can_begin_after_a_first_record_in_part(
    service: Any, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A shard has the same run id again. What was left is cancelled, because an append blob cannot be cut."""
    monkeypatch.setattr(blob_container, "MAX_APPEND_BYTES", 300)
    journal = service.journal()
    log = journal.create("run-1")
    service.fail("appendblock", (403, "AuthorizationFailure"), after=1)
    with pytest.raises(JournalUnwritableError):
        log.append(records.opened())
    log.close()
    journal.create("run-1").close()
    assert list(journal.list_runs()) == []
    with journal.create("run-1") as log:
        log.append(records.opened())
    assert journal.read("run-1") == (records.opened(),)
    assert list(journal.list_runs()) == ["run-1"]


def test_only_runs_are_listed(service: Any, records: Any) -> None:
    """Not what else is in the container; page by page, and whether their last record is whole or not."""
    journal = service.journal(prefix="prod/")
    for number in range(5):
        with journal.create(f"run-{number}") as log:
            log.append(records.opened(run_id=f"run-{number}"))
            log.append(records.noted())
    blobs = service.blobs
    blobs["prod/run-1.jsonl"].content += b'{"n":'
    blobs["prod/short.jsonl"] = type(blobs["prod/run-1.jsonl"])(content=bytearray(b"{}\n"))
    blobs["prod/torn.jsonl"] = type(blobs["prod/run-1.jsonl"])(content=bytearray(b"{"))
    for name in ("prod/notes.txt", "prod/a/b.jsonl", "prod/empty.jsonl", "run-9.jsonl"):
        blobs[name] = type(blobs["prod/run-1.jsonl"])(content=bytearray(b"" if "empty" in name else b"{}\n"))
    service.page = 2
    assert list(journal.list_runs()) == ["run-4", "run-3", "run-2", "run-1", "run-0", "short"]


@pytest.mark.parametrize(
    ("status", "code", "hint"),
    [
        (404, "ContainerNotFound", "create the container"),
        (403, "AuthorizationPermissionMismatch", "Storage Blob Data Contributor"),
        (401, "NoAuthenticationInformation", "Storage Blob Data Contributor"),
        (409, "BlobImmutableDueToPolicy", "append writes"),
        (307, "TemporaryRedirect", "redirects"),
        (409, "InvalidBlobType", "continue"),
    ],
)
def test_what_the_storage_refuses_is_told_with_what_to_do(
    service: Any, records: Any, status: int, code: str, hint: str
) -> None:
    """By the kind of each call; nothing is sent anywhere else."""
    journal = service.journal()
    with journal.create("run-1") as log:
        log.append(records.opened())
    headers = {"Location": "https://elsewhere.example.com/runs"}
    for operation in ("create", "end", "list", "acquire", "appendblock", "read"):
        service.fail(operation, (status, code), times=1000, headers=headers)
    calls: Any = {
        JournalUnwritableError: [lambda: journal.create("run-2"), lambda: journal.open("run-1")],
        JournalError: [lambda: journal.read("run-1"), journal.list_runs],
    }
    for kind, each in calls.items():
        for call in each:
            with pytest.raises(kind, match=code) as caught:
                call()
            assert hint in (caught.value.hint or "")


def test_a_lookup_of_the_next_blob_that_fails_is_told(
    service: Any, records: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be read is not taken for the end of the run; no lease is left behind."""
    monkeypatch.setattr(blob_container, "MAX_BLOCKS", 1)
    with service.journal().create("run-1") as log:
        log.append(records.opened())
    service.fail("end", (403, "AuthorizationFailure"), after=1)
    with pytest.raises(JournalUnwritableError):
        service.journal().open("run-1")
    with service.journal().open("run-1") as log:
        assert log.records == (records.opened(),)


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        3,
        "",
        "runs",
        "http://contoso.blob.core.windows.net/runs",
        "ftp://contoso/runs",
        "https://contoso.blob.core.windows.net",
        "https://contoso.blob.core.windows.net/a/b",
        "https://user:pass@contoso.blob.core.windows.net/runs",
        "https://contoso.blob.core.windows.net/runs#x",
        "https://contoso.blob.core.windows.net/ru ns",
        "https://[::1/runs",
        "https://contoso:port/runs",
        "http://127.0.0.1:10000/account//runs",
    ],
)
def test_a_wrong_url_is_refused(wrong: Any) -> None:
    """Before anything is sent, and without repeating it: it may contain a signature."""
    with pytest.raises(InvalidEndpointError) as caught:
        BlobJournal(f"{wrong}?{SAS}" if isinstance(wrong, str) else wrong)
    assert SIGNATURE not in str(caught.value)
    assert "pass@" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"credential": None},
        {"credential": "a" * 86 + "=="},
        {"credential": object()},
        {"credential": Broken},
        {"lease_second": 20},
        {"retry_total": 3},
        {"prefix": "../x/"},
        {"prefix": "prod"},
        {"prefix": 3},
        {"lease_seconds": 14},
        {"lease_seconds": 61},
        {"lease_seconds": True},
        {"lease_seconds": -1},
        {"lock_timeout": -1},
        {"lock_timeout": float("inf")},
        {"lock_timeout": "1"},
    ],
)
def test_wrong_arguments_are_refused(wrong: dict[str, Any]) -> None:
    """By name, before anything is sent; a key that was passed as a string is not repeated."""
    with pytest.raises(InvalidInputError) as caught:
        BlobJournal(URL, **{"credential": AzureSasCredential(SAS), **wrong})
    assert "a" * 20 not in str(caught.value)


def test_a_typo_in_an_option_is_corrected() -> None:
    """The SDK ignores options that it does not know."""
    with pytest.raises(InvalidInputError, match="lease_seconds"):
        BlobJournal(URL, AzureSasCredential(SAS), lease_second=20)


def test_there_is_one_credential() -> None:
    """Which of two is used would be a guess."""
    with pytest.raises(InvalidInputError, match="query"):
        BlobJournal(f"{URL}?{SAS}", AzureSasCredential(SAS))


@pytest.mark.parametrize(
    "answer",
    [
        (403, "AuthenticationFailed"),
        requests.ConnectionError(f"Max retries exceeded with url: /runs?{SAS}"),
        (503, "ServerBusy"),
    ],
    ids=["refused", "unreachable", "busy"],
)
def test_no_signature_is_shown(service: Any, records: Any, answer: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Not in an error with everything that hangs on it, in a repr, a log of azure-core, or in the name of the source."""
    caplog.set_level("DEBUG", logger="azure")
    journal = BlobJournal(f"{URL}?{SAS}", clock=service)
    for operation in ("create", "end", "list"):
        service.fail(operation, answer, times=1000)
    seen = [repr(journal), journal.source_of("run-1")]
    for call in (lambda: journal.create("run-1"), lambda: journal.read("run-1"), lambda: list(journal.list_runs())):
        with pytest.raises(JournalError) as caught:
            call()
        error: BaseException | None = caught.value
        while error is not None:
            seen += [str(error), repr(vars(error))]
            error = error.__cause__ or error.__context__
    assert any(SIGNATURE in request.url for _, request in service.requests)
    assert not [text for text in (*seen, caplog.text) if SIGNATURE in text]


def test_urllib3_logs_no_signature(service: Any, caplog: pytest.LogCaptureFixture) -> None:
    """It logs whole URLs at DEBUG. Lines about other hosts stay as they are."""
    caplog.set_level("DEBUG", logger="urllib3")
    for _ in range(2):
        assert list(BlobJournal(f"{URL}?{SAS}", clock=service).list_runs()) == []
    logger = logging.getLogger("urllib3.connectionpool")
    line = '%s://%s:%s "%s %s %s" %s %s'
    for host in ("contoso.blob.core.windows.net", "example.com"):
        logger.debug(line, "https", host, 443, "GET", f"/runs?sig={SIGNATURE}", "HTTP/1.1", 200, None)
    logger.debug("Starting new HTTPS connection")
    ours, other, _ = [record.getMessage() for record in caplog.records if record.name == logger.name]
    assert SIGNATURE not in ours
    assert "GET /runs" in ours
    assert SIGNATURE in other


def test_whatever_a_credential_raises_is_typed(service: Any) -> None:
    """Without what it says about its secrets."""
    journal = BlobJournal(URL, Broken(), clock=service)  # type: ignore[arg-type]
    with pytest.raises(JournalUnwritableError, match="RuntimeError") as caught:
        journal.create("run-1")
    assert "hunter2" not in str(caught.value)


def test_an_answer_that_cannot_be_read_is_asked_for_again(service: Any, records: Any) -> None:
    """A proxy may answer with a page of its own, and status 200."""
    with service.journal().create("run-1") as log:
        log.append(records.opened())
    service.fail("list", (200, "<Blobs>"))
    assert list(service.journal().list_runs()) == ["run-1"]


@pytest.mark.parametrize("is_late", [True, False])
def test_an_append_that_is_confirmed_by_something_else_is_sent_again(service: Any, records: Any, is_late: bool) -> None:
    """A proxy may answer in the place of the service: its answer lacks what the service says, and proves nothing."""
    with service.journal().create("run-1") as log:
        log.append(records.opened())
        service.fail("appendblock", (201, ""), is_late=is_late)
        log.append(records.noted())
    assert service.journal().read("run-1") == (records.opened(), records.noted())
    assert service.blobs["run-1.jsonl"].blocks == 2


def test_the_extra_is_named_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The class can be imported and made without it."""
    monkeypatch.setitem(sys.modules, "azure.storage.blob", None)
    with pytest.raises(MissingExtraError, match=r"defender-remediate\[blob\]"):
        BlobJournal(URL, AzureSasCredential(SAS)).create("run-1")


def test_a_journal_can_be_sent_to_another_process(service: Any, records: Any) -> None:
    """A worker of a cluster opens its own connection, and has its own clock."""
    journal = BlobJournal(f"{URL}?{SAS}", lock_timeout=5, read_timeout=5)
    service.fail("create", (503, "ServerBusy"))
    copy = pickle.loads(pickle.dumps(journal))
    assert repr(copy) == repr(journal) == f"BlobJournal({URL}/)"
    with copy.create("run-1") as log:
        log.append(records.opened())
    assert copy.read("run-1") == (records.opened(),)


def test_the_emulator_is_reached_without_tls() -> None:
    """On this machine only; the account is in the path."""
    key = AzureNamedKeyCredential("devstoreaccount1", "a2V5")
    journal = BlobJournal("http://127.0.0.1:10000/devstoreaccount1/runs/", key)
    assert journal.source_of("run-1") == "http://127.0.0.1:10000/devstoreaccount1/runs/run-1.jsonl"
