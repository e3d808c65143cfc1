"""Servers on which only Microsoft Entra administrators may sign in, and that have none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from defender_remediate import wire
from defender_remediate.casing import fold
from defender_remediate.fixes.conditions import same
from defender_remediate.fixes.paths import look_up
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.models.id_parts import root_of
from defender_remediate.preflight.member_reads import MemberReads
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.subject import Subject

_VERSIONS = {
    "microsoft.sql/servers": ("2021-11-01",),
    "microsoft.sql/managedinstances": ("2021-11-01",),
    "microsoft.synapse/workspaces": ("2021-06-01",),
    "microsoft.dbforpostgresql/flexibleservers": ("2024-08-01", "2022-12-01"),
    "microsoft.dbformysql/flexibleservers": ("2023-12-30", "2023-06-01-preview"),
}
"""The api-versions of the list of administrators, by folded type of the server."""
_ENTRA_ONLY = (
    ("properties.azureADOnlyAuthentication", True),
    ("properties.authConfig.passwordAuth", "Disabled"),
)


class EntraAdministratorCheck:
    """Finds servers whose passwords are switched off while no Entra administrator is set: no one could sign in.

    The administrators are in the body of some servers; they are read for the others, for such a step only.
    """

    name = "entra_administrator"
    permissions = (
        "Microsoft.DBforMySQL/flexibleServers/administrators/read",
        "Microsoft.DBforPostgreSQL/flexibleServers/administrators/read",
        "Microsoft.Sql/managedInstances/administrators/read",
        "Microsoft.Sql/servers/administrators/read",
        "Microsoft.Synapse/workspaces/administrators/read",
    )
    resource_types = (
        "Microsoft.DBforMySQL/flexibleServers",
        "Microsoft.DBforPostgreSQL/flexibleServers",
        "Microsoft.Sql/managedInstances",
        "Microsoft.Sql/servers",
        "Microsoft.Synapse/workspaces",
    )

    reads = (
        MemberReads(
            paths=("properties.administrators.sid",),
            when_changing=frozenset({"azureadonlyauthentication", "passwordauth"}),
        ),
    )

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> StepFacts[bool]:
        """Whether a server has an Entra administrator; True for steps that do not need one."""

        def read(subject: Subject) -> bool:
            if not _leaves_entra_only(subject):
                return True
            shown = look_up(subject.written_body, "properties.administrators")
            if isinstance(shown, Mapping) and wire.text(shown, "sid"):
                return True
            server = root_of(subject.written_id)
            versions = _VERSIONS[fold(subject.root_type)]
            listed: tuple[Any, ...] = reader.list(f"{server}/administrators", api_versions=versions)
            return bool(listed)

        return reader.for_each(subjects, read)

    def judge(self, subject: Subject, facts: StepFacts[bool]) -> Iterator[CheckResult]:
        """Whether an administrator is missing."""
        if not facts[subject]:
            yield CheckResult(
                check=self.name,
                status=CheckStatus.BLOCKED,
                message="the server has no Microsoft Entra administrator, and no one could sign in without passwords",
                evidence=(f"{root_of(subject.written_id)}/administrators: none",),
                advice="set a Microsoft Entra administrator first, then plan again",
            )


def _leaves_entra_only(subject: Subject) -> bool:
    """Whether a step switches the passwords of a server off."""
    if not isinstance(subject.after, Mapping):
        return False
    for path, value in _ENTRA_ONLY:
        if same(look_up(subject.after, path), value) and not same(look_up(subject.before, path), value):
            return True
    # MySQL has a server parameter for it.
    is_parameter = fold(subject.step.target_id).endswith("/configurations/aad_auth_only")
    return is_parameter and same(look_up(subject.after, "properties.value"), "ON")
