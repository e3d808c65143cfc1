"""The resource types whose PATCH changes nothing but tags, or that have no PATCH at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from defender_remediate.casing import fold
from defender_remediate.models.check import CheckResult, CheckStatus
from defender_remediate.preflight.reader import CheckReader
from defender_remediate.preflight.subject import Subject

TAGS_ONLY = "its PATCH takes tags and nothing else"
NO_PATCH = "it has no PATCH"
UNPATCHABLE = {
    **dict.fromkeys(
        (
            "microsoft.containerservice/managedclusters",
            "microsoft.databricks/workspaces",
            "microsoft.devices/iothubs",
            "microsoft.devices/provisioningservices",
            "microsoft.hybridcompute/privatelinkscopes",
            "microsoft.insights/components",
            "microsoft.network/applicationgateways",
            "microsoft.network/networkinterfaces",
            "microsoft.network/networksecuritygroups",
            "microsoft.network/virtualnetworks",
        ),
        TAGS_ONLY,
    ),
    **dict.fromkeys(
        (
            "microsoft.insights/diagnosticsettings",
            "microsoft.network/networksecuritygroups/securityrules",
            "microsoft.network/virtualnetworks/subnets",
            "microsoft.security/pricings",
            "microsoft.security/securitycontacts",
            "microsoft.sql/managedinstances/azureadonlyauthentications",
            "microsoft.sql/managedinstances/securityalertpolicies",
            "microsoft.sql/servers/administrators",
            "microsoft.sql/servers/auditingsettings",
            "microsoft.sql/servers/azureadonlyauthentications",
            "microsoft.sql/servers/databases/transparentdataencryption",
            "microsoft.sql/servers/securityalertpolicies",
            "microsoft.storage/storageaccounts/blobservices",
            "microsoft.synapse/workspaces/securityalertpolicies",
            "microsoft.web/sites/basicpublishingcredentialspolicies",
            "microsoft.web/sites/config/authsettingsv2",
        ),
        NO_PATCH,
    ),
    # Its PATCH takes resource selectors and the validation of the assignment's scope.
    "microsoft.authorization/policyexemptions": "its PATCH takes none of the properties that matter",
}
"""Why a PATCH of properties has no effect, by folded type."""


class PatchSupportCheck:
    """Finds a PATCH of properties that its resource type does not take. Reads nothing."""

    name = "patch_support"
    permissions: tuple[str, ...] = ()

    def prefetch(self, subjects: Sequence[Subject], reader: CheckReader) -> None:
        """Nothing."""

    def judge(self, subject: Subject, facts: None) -> Iterator[CheckResult]:
        """Whether the step sends such a PATCH."""
        step = subject.step
        written = [name for name in step.request.body if fold(name) != "tags"]
        if step.request.method.upper() != "PATCH" or not written:
            return
        kind = subject.target_type
        # The settings under config/ are types of their own, told apart by their names.
        named = f"{kind}/{step.target_id.rpartition('/')[2]}"
        why = UNPATCHABLE.get(fold(kind)) or UNPATCHABLE.get(fold(named))
        if why is not None:
            yield CheckResult(
                check=self.name,
                status=CheckStatus.BLOCKED,
                message=f"a PATCH does not change {', '.join(written)} of {kind}: {why}",
                evidence=(f"PATCH {kind}",),
                advice='give the fix the kind "put", which sends the whole merged body, or "template"',
            )
