"""Collects what an auditor asks for about a run in one archive that can be checked without this library."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterable, Mapping
from typing import Any

from defender_remediate import serialization
from defender_remediate._version import __version__
from defender_remediate.casing import fold
from defender_remediate.display import multi_line, quoted
from defender_remediate.errors import InvalidInputError
from defender_remediate.journal import ChainedJournal, Journal, RunOpened, encode_line, verify
from defender_remediate.journal.chain import FIRST, sha256
from defender_remediate.json_values import format_json
from defender_remediate.models.activity import ActivityEvent
from defender_remediate.models.control import SecureScore, SecurityControl
from defender_remediate.models.fix import FixAction
from defender_remediate.models.recommendation import Recommendation
from defender_remediate.models.result import RemediationReport
from defender_remediate.redaction import redact_json, redact_text
from defender_remediate.reports.ocsf import to_ocsf
from defender_remediate.reports.sarif import to_sarif
from defender_remediate.serialization import plain
from defender_remediate.validation import instance, instance_or_none, instances

# The same evidence gives the same file, whenever and wherever it is made.
_CREATED = (1980, 1, 1, 0, 0, 0)
_READABLE_FILE = 0o100644 << 16
_UNIX = 3
_README = """\
Evidence of run {run_id}, written by defender-remediate {version}.

Check that no file was changed:            sha256sum -c SHA256SUMS
Check one line of journal.jsonl: its "hash" is the SHA-256 of the line without the member "hash",
and its "prev" is the SHA-256 of the line before it.

SHA256SUMS is not signed. To prove that it is the original one, keep or sign its own SHA-256 elsewhere.
Secrets are replaced by (hidden), so that the digest of a plan with secrets cannot be computed from plan.json.

Not available, because it was not passed: {missing}.
"""


def evidence_bundle(
    report: RemediationReport,
    *,
    journal: Journal,
    approval: Mapping[str, Any] | None = None,
    events: Iterable[ActivityEvent] = (),
    score_before: SecureScore | None = None,
    score_after: SecureScore | None = None,
    controls_before: Iterable[SecurityControl] = (),
    controls_after: Iterable[SecurityControl] = (),
    catalog: Iterable[FixAction] = (),
    recommendations: Iterable[Recommendation] = (),
) -> bytes:
    """Collect the evidence of a run in one zip archive: plan, approval, report, journal, events, score, catalog entries.

    ``SHA256SUMS`` in it lists the SHA-256 of every other file; after unpacking, ``sha256sum -c SHA256SUMS`` checks them.
    The results are also there as OCSF findings and SARIF. ``README.txt`` says what was not passed. Secrets are hidden. The
    same evidence gives the same bytes. Write them with ``Path(...).write_bytes``.

    Args:
        report: The result of ``apply`` or, better, of ``verify``.
        journal: The journal of the run: ``client.journal``. Its chain is checked first.
        approval: Who approved it, when and where, as the caller knows it: ``{"approved_by": ..., "url": ...}``. The digest
            that was approved and the waivers are added from the journal.
        events: ``client.activity.list_events(correlation_id=report.correlation_id)``.
        score_before: ``client.get_secure_score()`` before the run.
        score_after: The same after the run.
        controls_before: ``client.list_controls()`` before the run.
        controls_after: The same after the run.
        catalog: ``client.catalog``; the fixes that the plan uses are taken from it.
        recommendations: For the severity of the findings: ``client.list_recommendations()``.

    Raises:
        InvalidInputError: A value is of the wrong type, or the journal is of another run.
        UnknownRunError: The journal does not have the run.
        JournalTamperedError: The journal was edited.
    """
    instance("report", report, RemediationReport, hint="pass client.apply(...) or client.verify(...)")
    instance("journal", journal, Journal, hint="pass client.journal")
    if approval is not None and not isinstance(approval, Mapping):
        raise InvalidInputError(f"approval must be a dictionary, got {quoted(approval)}")
    about = instances("recommendations", recommendations, Recommendation)
    used = {(fold(key), fold(step.resource_type)) for step in report.plan.steps for key in step.keys}
    fixes = [
        fix for fix in instances("catalog", catalog, FixAction) if (fold(fix.key), fold(fix.resource_type)) in used
    ]
    optional: dict[str, Any] = {
        "activity.json": instances("events", events, ActivityEvent),
        "score-before.json": instance_or_none("score_before", score_before, SecureScore),
        "score-after.json": instance_or_none("score_after", score_after, SecureScore),
        "controls-before.json": instances("controls_before", controls_before, SecurityControl),
        "controls-after.json": instances("controls_after", controls_after, SecurityControl),
        "catalog.json": fixes,
    }
    opened, lines = _journal_of(report, journal)
    approved = {
        "run_id": opened.run_id,
        "approved_digest": opened.digest,
        "run_opened_at": opened.at,
        "waivers": opened.waivers,
    }
    files: dict[str, str | bytes] = {
        "plan.json": _json({"digest": opened.digest, **serialization.encode(report.plan)}),
        "plan.txt": multi_line(redact_text(report.plan.details())) + "\n",
        "approval.json": _json({**(approval or {}), **approved}),
        "report.json": report.to_json() + "\n",
        "report.txt": multi_line(redact_text(str(report))) + "\n",
        "journal.jsonl": lines,
        "findings.ocsf.json": _json(to_ocsf(report, recommendations=about)),
        "findings.sarif": _json(to_sarif(report, recommendations=about)),
        **{name: _json(found) for name, found in optional.items() if found},
    }
    missing = [name for name, found in optional.items() if not found] + ([] if approval else ["who approved it"])
    files["README.txt"] = _README.format(
        run_id=opened.run_id, version=__version__, missing=", ".join(missing) or "nothing"
    )
    return _archive({name: text.encode() if isinstance(text, str) else text for name, text in files.items()})


def _journal_of(report: RemediationReport, journal: Journal) -> tuple[RunOpened, bytes]:
    """The first record of the run, and the lines of all, as they are stored where the journal keeps lines."""
    records = journal.read(report.run_id)
    opened = records[0]
    # A report that was stored has no secrets, as a journal has none.
    if not isinstance(opened, RunOpened) or report.plan.digest not in (opened.digest, opened.plan.digest):
        raise InvalidInputError(
            f"run {report.run_id} of the journal applied another plan than the report says",
            hint="pass the journal that the run was recorded in",
        )
    if isinstance(journal, ChainedJournal):
        lines = list(journal.read_lines(report.run_id))
        # An incomplete last line is no record.
        return opened, b"".join(lines)[: verify(lines, source=journal.source_of(report.run_id)).size]
    written, head = [], FIRST
    for number, record in enumerate(records, start=1):
        written.append(encode_line(record, n=number, prev=head))
        head = sha256(written[-1])
    return opened, b"".join(written)


def _json(value: Any) -> str:
    return format_json(redact_json(plain(value)), indent=2) + "\n"


def _archive(files: Mapping[str, bytes]) -> bytes:
    sums = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in sorted({**files, "SHA256SUMS": sums.encode()}.items()):
            entry = zipfile.ZipInfo(name, date_time=_CREATED)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = _UNIX
            entry.external_attr = _READABLE_FILE
            archive.writestr(entry, content)
    return out.getvalue()
