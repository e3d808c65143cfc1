"""Sends a digest of a run to the services that apprise knows: Teams, Slack, mail, webhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from defender_remediate.casing import fold
from defender_remediate.display import counted, one_line, quoted
from defender_remediate.errors import InvalidInputError, MissingExtraError, NotificationError
from defender_remediate.hooks import RemediationEvent, RemediationHook, RunFinished
from defender_remediate.models.governance import GovernanceAssignment
from defender_remediate.models.ids import id_key
from defender_remediate.models.result import RemediationReport, RemediationResult
from defender_remediate.redaction import redact_text
from defender_remediate.validation import instances, strings

if TYPE_CHECKING:
    from apprise import Apprise

# A chat shows no more, and the report has the rest.
_MOST_LINES = 40

OwnerServices = Callable[[str], Iterable[str]]
"""Gives the services of an owner, as URLs of apprise."""


def notify(
    services: str | Iterable[str],
    *,
    owners: Iterable[GovernanceAssignment] = (),
    owner_services: OwnerServices | None = None,
) -> RemediationHook:
    """A hook that sends a digest when a run has ended: of all results, and to each owner of theirs. Needs the extra ``notify``.

    The digest has the counts, the correlation id and a line for each result, failures first; secrets are hidden. Resources
    that the plan skipped are counted only. A service that cannot be reached costs a warning in the report, never the run.

    Args:
        services: Where the digest of the run goes: URLs of apprise, such as ``msteams://...`` or ``mailto://...``.
        owners: Who owns which assessment: ``client.governance.list_assignments(recommendation)``.
        owner_services: For an owner, the URLs of apprise: ``lambda owner: [f"mailto://...?to={owner}"]``.

    Raises:
        MissingExtraError: apprise is not installed.
        InvalidInputError: A URL is not one that apprise knows, or owners have no services.
    """
    try:
        import apprise
    except ImportError as error:
        raise MissingExtraError("notifications need apprise", extra="notify") from error
    urls = (services,) if isinstance(services, str) else strings("services", services)
    everyone = apprise.Apprise()
    for number, url in enumerate(urls):
        # A URL contains secrets, so that no message repeats it.
        if not everyone.add(url):
            raise InvalidInputError(f"services[{number}] is not a URL that apprise knows")
    assigned = instances("owners", owners, GovernanceAssignment)
    if owner_services is None and assigned:
        raise InvalidInputError("owners are given without services", hint="pass owner_services")
    if owner_services is not None and not callable(owner_services):
        raise InvalidInputError(f"owner_services must be a function, got {quoted(owner_services)}")
    owner_of = {(id_key(one.resource_id), fold(one.key)): one.owner for one in assigned if one.owner}

    def hook(event: RemediationEvent, /) -> None:
        if not isinstance(event, RunFinished):
            return
        report = event.report
        unsent = [] if _sent(everyone, report, report.results) else ["the run"]
        for owner, results in _by_owner(report, owner_of).items():
            if not _sent_to(owner, owner_services, report, results):
                unsent.append(owner)
        if unsent:
            names = one_line(redact_text(", ".join(unsent)))
            raise NotificationError(f"the digest could not be sent to all services of {names}")

    return hook


def _by_owner(report: RemediationReport, owner_of: dict[tuple[str, str], str]) -> dict[str, list[RemediationResult]]:
    found: dict[str, list[RemediationResult]] = {}
    for result in report.results:
        owners = [owner_of.get((id_key(result.resource_id), fold(key))) for key in result.keys]
        for owner in dict.fromkeys(owners):
            if owner:
                found.setdefault(owner, []).append(result)
    return found


def _sent_to(
    owner: str, services: OwnerServices | None, report: RemediationReport, results: Sequence[RemediationResult]
) -> bool:
    import apprise

    target = apprise.Apprise()
    try:
        is_known = services is not None and target.add(list(services(owner)))
    except Exception:  # noqa: BLE001 - someone else's function must not keep the digest from the other owners
        return False
    return is_known and _sent(target, report, results)


def _sent(target: Apprise, report: RemediationReport, results: Sequence[RemediationResult]) -> bool:
    """Whether every service took it; True if there is none."""
    if not len(target):
        return True
    title, body = digest(report, results)
    try:
        return bool(target.notify(body=body, title=title, body_format="text"))
    except Exception:  # noqa: BLE001 - its message may contain the URL of a service, which is secret
        return False


def digest(report: RemediationReport, results: Sequence[RemediationResult]) -> tuple[str, str]:
    """The title and the body of the digest of these results of a report."""
    chosen = {id(result) for result in results}
    about = [(one, text) for one, text in zip(report.results, report.subjects(), strict=True) if id(one) in chosen]
    skipped = sum(not one.was_requested for one, _ in about)
    requested = sorted((pair for pair in about if pair[0].was_requested), key=lambda pair: pair[0].outcome.succeeded)
    failed = sum(not one.outcome.succeeded for one, _ in requested)
    lines = [f"{'OK' if one.outcome.succeeded else 'FAILED'} {subject}: {one.text}" for one, subject in requested]
    left_out = len(lines) - _MOST_LINES
    lines = lines[:_MOST_LINES] + ([f"... and {left_out} more: see the report"] if left_out > 0 else [])
    head = [f"run {report.run_id}, correlation id {report.correlation_id}"]
    head += [f"{counted(skipped, 'resource')} skipped by the plan"] if skipped else []
    title = f"Remediation: {len(requested) - failed} of {counted(len(requested), 'change')} succeeded"
    return title, "\n".join(one_line(redact_text(line)) for line in [*head, *lines])
