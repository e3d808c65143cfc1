"""What auditors and SIEMs take: OCSF findings, SARIF, and the evidence of a run in one archive."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import attrs
import jsonschema
import pytest

from defender_remediate import MemoryJournal, RemediationReport, SkippedResource
from defender_remediate.catalog import Catalog
from defender_remediate.errors import InvalidInputError, JournalTamperedError, UnknownRunError
from defender_remediate.journal import Journal, RunOpened, StepEnded, verify
from defender_remediate.models.activity import ActivityEvent
from defender_remediate.models.control import SecureScore
from defender_remediate.models.diagnosis import Diagnosis
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.models.recommendation_metadata import Severity
from defender_remediate.models.result import StepError
from defender_remediate.reports import evidence_bundle, to_ocsf, to_sarif

SCHEMAS = Path(__file__).parent.parent.parent / "schemas"
KEY = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
SECRET = "AccountKey=" + "Zm9v" * 21 + "Zm8="


def conforming(found, schema):
    """The value, if the schema takes it."""
    described = json.loads((SCHEMAS / schema).read_text(encoding="utf-8"))
    jsonschema.validators.validator_for(described)(described).validate(json.loads(json.dumps(found)))
    return found


def ocsf(report, **options):
    """The findings of a report, checked against the class of the schema."""
    return [conforming(one, "ocsf-1.8.0-compliance-finding.json") for one in to_ocsf(report, **options)]


def sarif(report, **options):
    """The only run of the log of a report, checked against the schema."""
    return conforming(to_sarif(report, **options), "sarif-2.1.0-part.json")["runs"][0]


@pytest.fixture
def hostile(make_report, make_result, make_plan, make_step):
    """A report of every kind of result, with secrets, control characters and a resource outside Azure."""
    error = StepError(code="Bad", message=f"\x1b[31m{SECRET}\x00", hint=f"remove {SECRET}")
    elsewhere = SkippedResource(
        resource_id="aws:bucket\x1b", keys=("k",), titles=(f"T {SECRET}",), reason="not_in_azure"
    )
    healthy = SkippedResource(resource_id=f"{make_step().resource_id}2", keys=(KEY,), reason="already_compliant")
    results = (
        make_result(diagnosis=Diagnosis(cause="not_enough_time", message="later", advice="wait")),
        make_result(outcome="failed", compliant=False, health="unhealthy", error=error, after=None),
        make_result(outcome="in_doubt", compliant=None, health=None, finished=None, request_id=None),
        make_result(
            step_id=None, resource_id=healthy.resource_id, outcome="already_compliant", compliant=None, health=None
        ),
        make_result(
            step_id=None, resource_id="aws:bucket\x1b", keys=("k",), outcome="skipped", compliant=None, health=None
        ),
        make_result(resource_id="/subscriptions/11111111-2222-3333-4444-555555555555", compliant=None),
    )
    plan = make_plan(skipped=(elsewhere, healthy))
    return make_report(plan=plan, results=results, warnings=(f"a hook failed: {SECRET}",))


def test_findings_pass_only_if_the_target_was_read_as_compliant(hostile):
    """What could not be decided is a warning in OCSF and open in SARIF, never a pass."""
    assert [one["compliance"]["status"] for one in ocsf(hostile)] == [
        "Pass",
        "Fail",
        "Warning",
        "Pass",
        "Warning",
        "Pass",
    ]
    assert [one["status"] for one in ocsf(hostile)] == ["Resolved", "New", "New", "Resolved", "New", "Resolved"]
    kinds = [(one["kind"], one["level"]) for one in sarif(hostile)["results"]]
    assert kinds == [
        ("pass", "none"), ("fail", "error"), ("open", "none"), ("pass", "none"), ("open", "none"), ("pass", "none"),
    ]  # fmt: skip


def test_the_findings_of_a_rollback_do_not_pass_because_it_worked(make_report, make_result, make_plan):
    """The condition of a rollback is the state before the fix, so that only Defender's status tells of compliance."""
    plan = make_plan(rolls_back="run-0")
    results = [make_result(outcome="rolled_back", health=health) for health in (None, "unhealthy")]
    results.append(make_result(outcome="already_compliant", compliant=None, health=None))
    report = make_report(plan=plan, results=tuple(results))
    assert [one["compliance"]["status"] for one in ocsf(report)] == ["Warning", "Fail", "Warning"]


@pytest.mark.parametrize(
    ("severity", "number", "name", "level"),
    [("Low", 2, "Low", "warning"), ("Critical", 5, "Critical", "error"), ("New", 99, "New", "error")],
)
def test_recommendations_give_the_severity(make_report, make_result, severity, number, name, level):
    """A report has no severity. A word that the schema does not have is kept as another one."""
    report = make_report(results=(make_result(compliant=False),))
    about = Recommendation(key=KEY.upper(), display_name="Shown", severity=Severity(severity))
    (finding,) = ocsf(report, recommendations=[about])
    assert (finding["severity_id"], finding["severity"], finding["finding_info"]["title"]) == (number, name, "Shown")
    (result,) = sarif(report, recommendations=[about])["results"]
    assert result["level"] == level
    assert ocsf(report)[0]["severity_id"] == 0


def test_no_export_holds_a_secret_or_a_control_character(hostile, make_plan):
    """Whatever Azure, a hook or a caller said, in every file of the bundle."""
    journal = recorded(hostile)
    bundle = unpacked(evidence_bundle(hostile, journal=journal, approval={"note": SECRET, "password": "hunter2"}))
    found = {"ocsf": json.dumps(ocsf(hostile)), "sarif": json.dumps(sarif(hostile))}
    found |= {name: content.decode() for name, content in bundle.items()}
    assert not [name for name, text in found.items() if "Zm9vZm9v" in text or "hunter2" in text]
    assert not [name for name, text in found.items() if "\x1b" in text or "\x00" in text]


def recorded(report, journal=None):
    """The journal of a report."""
    journal = journal or MemoryJournal()
    with journal.create(report.run_id) as log:
        opened = RunOpened(
            at=report.started,
            run_id=report.run_id,
            kind="apply",
            correlation_id=report.correlation_id,
            plan=report.plan,
            waivers=("max_changes: why",),
        )
        log.append(opened)
        log.append(StepEnded(at=report.finished, result=report.results[0]))
    return journal


def unpacked(bundle):
    """The files of a bundle by name."""
    with zipfile.ZipFile(io.BytesIO(bundle)) as archive:
        assert archive.namelist() == sorted(archive.namelist())
        return {name: archive.read(name) for name in archive.namelist()}


def test_a_bundle_can_be_checked_without_this_library(make_report, tmp_path):
    """Every file but the list is in the list, and the documented command accepts it and refuses a changed file."""
    report = make_report()
    bundle = evidence_bundle(report, journal=recorded(report))
    files = unpacked(bundle)
    listed = dict(reversed(line.split("  ")) for line in files["SHA256SUMS"].decode().splitlines())
    assert listed == {name: hashlib.sha256(text).hexdigest() for name, text in files.items() if name != "SHA256SUMS"}
    if shutil.which("sha256sum"):
        zipfile.ZipFile(io.BytesIO(bundle)).extractall(tmp_path)
        command = ["sha256sum", "-c", "SHA256SUMS"]
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0
        (tmp_path / "plan.txt").write_text("another", encoding="utf-8")
        assert subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 1


def test_a_bundle_has_all_that_was_passed_and_says_what_was_not(make_report):
    """Plan, approval, report, journal, events, score, and the fixes that the plan uses. The same evidence gives the same file."""
    report = make_report()
    journal = recorded(report)
    event = ActivityEvent(timestamp=report.started, operation="write", status="Succeeded", resource_id="/r")
    score = SecureScore(current=1.0, max=2.0, percentage=0.5)
    given = {"approval": {"approved_by": "ada"}, "events": [event], "score_before": score, "score_after": score}
    bundle = evidence_bundle(report, journal=journal, catalog=Catalog.bundled(), **given)
    assert bundle == evidence_bundle(report, journal=journal, catalog=Catalog.bundled(), **given)
    files = unpacked(bundle)
    assert json.loads(files["plan.json"])["digest"] == report.plan.digest
    approval = json.loads(files["approval.json"])
    assert (approval["approved_by"], approval["approved_digest"]) == ("ada", report.plan.digest)
    assert approval["waivers"] == ["max_changes: why"]
    assert json.loads(files["report.json"])["run_id"] == report.run_id
    assert [fix["key"] for fix in json.loads(files["catalog.json"])] == [KEY]
    assert json.loads(files["activity.json"])[0]["operation"] == "write"
    assert len(verify(files["journal.jsonl"].splitlines(keepends=True)).records) == 2
    assert b"not passed: controls-before.json, controls-after.json." in files["README.txt"]
    bare = unpacked(evidence_bundle(report, journal=journal))["README.txt"]
    assert b"activity.json" in bare
    assert b"who approved it" in bare


class Records:
    """A journal that stores records, not lines."""

    def __init__(self, journal):
        self._journal = journal
        self.create, self.open, self.list_runs = journal.create, journal.open, journal.list_runs

    def read(self, run_id, /):
        return self._journal.read(run_id)


def test_a_journal_without_lines_is_written_as_a_chain(make_report):
    """A store of one's own need not keep lines; the bundle has the same ones."""
    report = make_report()
    journal = recorded(report)
    records = Records(journal)
    assert isinstance(records, Journal)
    lines = [unpacked(evidence_bundle(report, journal=one))["journal.jsonl"] for one in (journal, records)]
    assert lines[0] == lines[1]


def test_a_stored_report_is_evidence_too(make_report, make_plan, make_step):
    """It has no secrets, as the journal has none; the digest is the one that was approved."""
    request = attrs.evolve(make_step().request, body={"properties": {"password": "hunter2"}})
    report = make_report(plan=make_plan(steps=(make_step(request=request),)))
    stored = RemediationReport.from_json(report.to_json())
    files = unpacked(evidence_bundle(stored, journal=recorded(report)))
    assert json.loads(files["plan.json"])["digest"] == report.plan.digest != stored.plan.digest
    assert not [name for name, content in files.items() if b"hunter2" in content]


def test_evidence_that_does_not_belong_together_is_refused(make_report, make_plan):
    """Another plan under the same run, an unknown run, an edited journal and wrong types are typed errors."""
    report = make_report()
    journal = recorded(report)
    other = make_report(plan=attrs.evolve(report.plan, catalog_version="2020.01"))
    with pytest.raises(InvalidInputError, match="applied another plan"):
        evidence_bundle(other, journal=journal)
    with pytest.raises(UnknownRunError):
        evidence_bundle(attrs.evolve(report, run_id="run-2"), journal=journal)
    for wrong in ({"journal": None}, {"journal": journal, "approval": "ada"}, {"journal": journal, "events": [1]}):
        with pytest.raises(InvalidInputError):
            evidence_bundle(report, **wrong)
    stored = journal.storage.contents
    stored["run-1"] = bytearray(bytes(stored["run-1"]).replace(b"max_changes", b"min_changes"))
    with pytest.raises(JournalTamperedError):
        evidence_bundle(report, journal=journal)
    for export in (to_ocsf, to_sarif):
        with pytest.raises(InvalidInputError, match="report must be a RemediationReport"):
            export(report.plan)
