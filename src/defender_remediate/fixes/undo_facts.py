"""Facts about undoing, by resource type in lower case, each with where it was seen.

"Recorded" is a resource that a client created without the member and that Azure then showed with this value; "documented" is
the description of the member in Azure's specification. A fact that is neither is not in here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HONOURS_NULL: tuple[tuple[str, str], ...] = (
    # Recorded: runtime, ingress.corsPolicy and ingress.clientCertificateMode are gone after a PATCH with null.
    ("microsoft.app/containerapps", "properties.configuration."),
)
"""Types and the beginning of the paths whose members a PATCH removes with null. Everywhere else null is not sent."""

PUT_REPLACES: tuple[tuple[str, str], ...] = (
    ("microsoft.network/virtualnetworks/subnets", "properties.networksecuritygroup"),
    ("microsoft.network/virtualnetworks/subnets", "properties.natgateway"),
    ("microsoft.network/virtualnetworkgateways", "properties.vpnclientconfiguration.aad"),
    ("microsoft.network/networkinterfaces", "properties.enableacceleratednetworking"),
    ("microsoft.network/applicationgateways", "properties.sslpolicy."),
    # The customer-managed key of a storage account.
    ("microsoft.storage/storageaccounts", "properties.encryption.keyvaultproperties"),
    # Custom properties of API Management.
    ("microsoft.apimanagement/service", "properties.customproperties"),
)
"""Types and the beginning of the paths whose members were recorded gone after a PUT without them. Others may be kept."""

_DATABASE_SERVERS = (
    "microsoft.dbformariadb/servers",
    "microsoft.dbformysql/servers",
    "microsoft.dbforpostgresql/servers",
)
_BROKERS = ("microsoft.eventhub/namespaces", "microsoft.servicebus/namespaces")
_GRIDS = ("microsoft.eventgrid/topics", "microsoft.eventgrid/domains")
_SIGNALR = ("microsoft.signalrservice/signalr", "microsoft.signalrservice/webpubsub")
_SITES = ("microsoft.web/sites", "microsoft.web/sites/slots")
_STORAGE = ("microsoft.storage/storageaccounts",)
_COSMOS = ("microsoft.documentdb/databaseaccounts",)

DEFAULTS: tuple[tuple[tuple[str, ...], str, Any], ...] = (
    (("microsoft.apimanagement/service",), "properties.publicNetworkAccess", "Enabled"),  # documented
    (("microsoft.appconfiguration/configurationstores",), "properties.disableLocalAuth", False),  # documented, recorded
    (("microsoft.automation/automationaccounts",), "properties.disableLocalAuth", False),  # recorded
    (("microsoft.batch/batchaccounts",), "properties.publicNetworkAccess", "Enabled"),  # recorded
    (("microsoft.cache/redis",), "properties.enableNonSslPort", False),  # documented, recorded
    (("microsoft.cache/redis",), "properties.publicNetworkAccess", "Enabled"),  # documented
    (("microsoft.cognitiveservices/accounts",), "properties.publicNetworkAccess", "Enabled"),  # recorded
    (("microsoft.compute/disks",), "properties.networkAccessPolicy", "AllowAll"),  # recorded
    (("microsoft.compute/disks",), "properties.publicNetworkAccess", "Enabled"),  # recorded
    (("microsoft.compute/virtualmachines",), "properties.securityProfile.encryptionAtHost", False),  # documented
    (
        ("microsoft.compute/virtualmachinescalesets",),
        "properties.virtualMachineProfile.securityProfile.encryptionAtHost",
        False,
    ),  # documented
    (("microsoft.containerregistry/registries",), "properties.adminUserEnabled", False),  # recorded
    (("microsoft.containerregistry/registries",), "properties.networkRuleSet.defaultAction", "Allow"),  # recorded
    (("microsoft.containerregistry/registries",), "properties.publicNetworkAccess", "Enabled"),  # recorded
    (("microsoft.dashboard/grafana",), "properties.publicNetworkAccess", "Enabled"),  # recorded
    (_DATABASE_SERVERS, "properties.publicNetworkAccess", "Enabled"),  # recorded
    (_COSMOS, "properties.publicNetworkAccess", "Enabled"),  # recorded
    (_COSMOS, "properties.disableLocalAuth", False),  # recorded
    (_COSMOS, "properties.ipRules", ()),  # recorded
    (_GRIDS, "properties.publicNetworkAccess", "Enabled"),  # documented
    (_GRIDS, "properties.disableLocalAuth", False),  # documented
    (_BROKERS, "properties.publicNetworkAccess", "Enabled"),  # documented, recorded
    (_BROKERS, "properties.disableLocalAuth", False),  # recorded
    (("microsoft.insights/components",), "properties.publicNetworkAccessForIngestion", "Enabled"),  # recorded
    (("microsoft.insights/components",), "properties.publicNetworkAccessForQuery", "Enabled"),  # recorded
    (("microsoft.keyvault/vaults",), "properties.publicNetworkAccess", "Enabled"),  # recorded
    (("microsoft.keyvault/vaults",), "properties.networkAcls.bypass", "AzureServices"),  # documented
    (("microsoft.kusto/clusters",), "properties.publicNetworkAccess", "Enabled"),  # documented
    (("microsoft.kusto/clusters",), "properties.enableDiskEncryption", False),  # recorded
    (
        ("microsoft.operationalinsights/workspaces",),
        "properties.publicNetworkAccessForIngestion",
        "Enabled",
    ),  # recorded
    (("microsoft.operationalinsights/workspaces",), "properties.publicNetworkAccessForQuery", "Enabled"),  # recorded
    (("microsoft.search/searchservices",), "properties.disableLocalAuth", False),  # recorded
    (_SIGNALR, "properties.disableLocalAuth", False),  # documented
    (_SIGNALR, "properties.publicNetworkAccess", "Enabled"),  # documented
    (("microsoft.sql/servers",), "properties.publicNetworkAccess", "Enabled"),  # recorded
    (("microsoft.sql/managedinstances",), "properties.publicDataEndpointEnabled", False),  # recorded
    (_STORAGE, "properties.allowSharedKeyAccess", True),  # documented: null is equivalent to true
    (_STORAGE, "properties.minimumTlsVersion", "TLS1_0"),  # documented, recorded
    (_STORAGE, "properties.networkAcls.bypass", "AzureServices"),  # recorded
    (_STORAGE, "properties.networkAcls.defaultAction", "Allow"),  # recorded
    (_STORAGE, "properties.networkAcls.ipRules", ()),  # recorded
    (("microsoft.synapse/workspaces",), "properties.publicNetworkAccess", "Enabled"),  # recorded
    (_SITES, "properties.clientCertEnabled", False),  # documented, recorded
    (_SITES, "properties.clientCertMode", "Required"),  # recorded
    (_SITES, "properties.endToEndEncryptionEnabled", False),  # recorded
    (_SITES, "properties.httpsOnly", False),  # recorded
)
"""Types, the path of a member, and the value that it has when it is not set."""

USUAL_DEFAULTS: Mapping[str, tuple[Any, ...]] = {
    "publicnetworkaccess": ("Enabled", True),
    "publicnetworkaccessforingestion": ("Enabled",),
    "publicnetworkaccessforquery": ("Enabled",),
    "defaultaction": ("Allow",),
    "disablelocalauth": (False,),
}
"""What a member of this name, in lower case, usually means when it is not set, where nothing is known of its type."""

RETIRED_TLS = (
    r"none|tls|tlsenforcementdisabled|appgwsslpolicy(20150501|20170401)"
    r"|(tls)?[ v_-]*1([._]?[01])?|ssl[ v_-]*[23]([._]?0)?"
)
"""The values that say TLS 1.0 or 1.1, or no minimum. Azure retires them service by service (Azure Storage since February 2026;
Azure SQL takes no server back to no minimum)."""

_SQL_SECRETS = (
    ("properties.storageAccountAccessKey", "properties.storageEndpoint"),
    ("properties.storageAccountAccessKey", "properties.storageContainerPath"),
)
READS_NO_SECRET: Mapping[str, tuple[tuple[str, str], ...]] = {
    f"{server}{setting}": _SQL_SECRETS
    for server in (
        "microsoft.sql/servers",
        "microsoft.sql/servers/databases",
        "microsoft.sql/managedinstances",
        "microsoft.sql/managedinstances/databases",
        "microsoft.synapse/workspaces",
        "microsoft.synapse/workspaces/sqlpools",
    )
    for setting in (
        "/auditingsettings",
        "/extendedauditingsettings",
        "/devopsauditingsettings",
        "/securityalertpolicies",
        "/vulnerabilityassessments",
    )
}
"""Members that a PUT sets and no GET shows, by type, each with the member that says that it is in use."""
