"""The types of which a PATCH changes nothing but tags, or that take none at all."""

from __future__ import annotations

import attrs

from defender_remediate.casing import fold
from defender_remediate.models.check import CheckName, CheckResult, CheckStatus
from defender_remediate.preflight.subject import Subject

TAGS_ONLY = "its PATCH takes tags and nothing else"
NO_PATCH = "it has no PATCH"
_TAGS = "tags"


@attrs.frozen(kw_only=True)
class Unpatchable:
    """A resource type, in lower case, and why a PATCH of its properties has no effect."""

    type: str
    why: str


UNPATCHABLE = tuple(
    Unpatchable(type=name, why=why)
    for why, names in {
        TAGS_ONLY: (
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
        NO_PATCH: (
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
        # Its PATCH takes resource selectors and the validation of the assignment's scope.
        "its PATCH takes none of the properties that matter": ("microsoft.authorization/policyexemptions",),
    }.items()
    for name in names
)


def judge(subject: Subject) -> tuple[CheckResult, ...]:
    """Whether a step sends a PATCH of properties to a type that does not take one."""
    step = subject.step
    written = [name for name in step.request.body if fold(name) != _TAGS]
    if step.request.method.upper() != "PATCH" or not written:
        return ()
    kind = subject.target_type
    # Settings under config/ are kinds of their own, told apart by their names.
    named = f"{kind}/{step.target_id.rpartition('/')[2]}"
    for entry in UNPATCHABLE:
        if entry.type in (fold(kind), fold(named)):
            return (
                CheckResult(
                    check=CheckName.PATCH,
                    status=CheckStatus.BLOCKED,
                    message=f"a PATCH does not change {', '.join(written)} of {kind}: {entry.why}",
                    evidence=(f"PATCH {kind}",),
                    advice='give the fix the kind "put", which sends the whole merged body, or "template"',
                ),
            )
    return ()
