"""Diagnostic settings whose destination already receives the same logs through another setting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.subject import Subject

_VERSIONS = ("2021-05-01-preview",)
_SETTINGS = "/providers/Microsoft.Insights/diagnosticSettings"
_DESTINATIONS = ("workspaceId", "storageAccountId", "eventHubAuthorizationRuleId", "marketplacePartnerId")
_MOST = 5


class DiagnosticSettingCheck:
    """Finds what Azure Monitor refuses for a diagnostic setting.

    A resource has at most five settings, and two of them cannot send the same category to the same destination. Azure
    answers 409 for either.
    """

    name = "diagnostic_setting"
    # A fix that writes a setting reads it as well, so its own permissions suffice.
    permissions: tuple[str, ...] = ()

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[list[Any]]:
        """The settings of each resource that gets one."""

        def read(subject: Subject) -> list[Any]:
            if not _writes_setting(subject):
                return []
            listed = wire.pick(subject.before, "value")
            if isinstance(listed, (list, tuple)):
                return list(listed)
            path = f"{subject.step.resource_id}{_SETTINGS}"
            return list(reader.list(path, api_versions=_VERSIONS))

        return reader.for_each(subjects, read)

    def judge(self, subject: Subject, facts: StepFacts[list[Any]]) -> Iterator[CheckResult]:
        """Whether the new setting would overlap with another one, or be one too many."""
        settings = facts[subject]
        if not settings:
            return
        written = {fold(text) for text in subject.written_values}
        others = [item for item in settings if fold(wire.name(item)) not in written]
        for item in others:
            properties = wire.pick(item, "properties")
            for destination in _DESTINATIONS:
                used = wire.text(properties, destination)
                categories = _overlap(properties, subject)
                if used and fold(used) in written and categories:
                    yield CheckResult(
                        check=self.name,
                        status=CheckStatus.BLOCKED,
                        message="another diagnostic setting sends the same logs to the same destination, which Azure "
                        "does not allow twice",
                        evidence=(f"{wire.name(item)}: {', '.join(categories)} -> {used}",),
                        advice=f"pass setting_name={wire.name(item)!r} to overwrite that setting, or another destination",
                    )
        if len(settings) == len(others) >= _MOST:
            yield CheckResult(
                check=self.name,
                status=CheckStatus.BLOCKED,
                message=f"the resource has {len(others)} diagnostic settings; Azure allows {_MOST}",
                evidence=tuple(sorted(wire.name(item) for item in others)),
                advice="delete one of them, or pass its name as setting_name to overwrite it",
            )


def _writes_setting(subject: Subject) -> bool:
    actions = {fold(action) for action in subject.actions}
    return "microsoft.insights/diagnosticsettings/write" in actions and not subject.step.is_removal


def _overlap(properties: Any, subject: Subject) -> tuple[str, ...]:
    """The log categories of a setting that the new setting sends as well.

    The group ``allLogs`` contains every category, and ``audit`` some of them; which ones, Azure does not say here, so any
    category counts as contained.
    """
    logs = wire.pick(properties, "logs")
    found = [
        wire.text(entry, "categoryGroup") or wire.text(entry, "category")
        for entry in (logs if isinstance(logs, (list, tuple)) else ())
        if isinstance(entry, Mapping) and wire.flag(entry, "enabled")
    ]
    written = {fold(text) for text in subject.written_values}
    sends_group = bool(written & {"alllogs", "audit"})
    return tuple(sorted(name for name in found if name and (sends_group or fold(name) in written)))
