"""Security contacts in the shape of older api-versions: how alerts are notified was another member."""

from __future__ import annotations

import re
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.state import ids

_TYPE = "microsoft.security/securitycontacts"
_FIRST, _SECOND = "2017-08-01-preview", "2020-01-01-preview"
_ON, _OFF = "On", "Off"
_ALERT, _OWNER, _MEDIUM = "Alert", "Owner", "Medium"


def is_first_form(target: ids.ResourcePath, version: str) -> bool:
    """Returns whether a contact has a name of the first api-version, which numbered them: ``default1``, ``default2``.

    The samples of that api-version name them so. How later ones show such a contact is not documented: here under the same name.
    """
    if version != _FIRST or fold(target.type) != _TYPE:
        return False
    return re.fullmatch(r"default[1-9][0-9]?", fold(target.name)) is not None


def shown(type_name: str, version: str, body: dict[str, Any]) -> dict[str, Any]:
    """Returns a contact as an api-version shows it; other types as they are."""
    if fold(type_name) != _TYPE or version > _SECOND:
        return body
    properties = dict(body["properties"])
    sources = properties.pop("notificationsSources", None) or []
    is_enabled = properties.pop("isEnabled", True)
    alert = next((one for one in sources if one.get("sourceType") == _ALERT), None)
    state = _ON if alert and is_enabled else _OFF
    if version > _FIRST:
        severity = {"minimalSeverity": (alert or {}).get("minimalSeverity", _MEDIUM)}
        return {**body, "properties": {**properties, "alertNotifications": {"state": state, **severity}}}
    roles = properties.get("notificationsByRole") or {}
    to_admins = _ON if roles.get("state") == _ON and _OWNER in (roles.get("roles") or ()) else _OFF
    old = {"email": properties.get("emails", ""), "phone": properties.get("phone", "")}
    return {**body, "properties": {**old, "alertNotifications": state, "alertsToAdmins": to_admins}}


def stored(type_name: str, version: str, body: dict[str, Any]) -> dict[str, Any]:
    """Returns a contact that a client sent with an api-version, in today's shape."""
    if fold(type_name) != _TYPE or version > _SECOND or not isinstance(body.get("properties"), dict):
        return body
    properties = dict(body["properties"])
    alerts = properties.pop("alertNotifications", None)
    if "email" in properties:
        properties["emails"] = properties.pop("email")
    if "alertsToAdmins" in properties:
        properties["notificationsByRole"] = {"state": properties.pop("alertsToAdmins"), "roles": [_OWNER]}
    if alerts is not None:
        by_state = alerts if isinstance(alerts, dict) else {"state": alerts}
        source = {"sourceType": _ALERT, "minimalSeverity": by_state.get("minimalSeverity", _MEDIUM)}
        properties["isEnabled"] = True
        properties["notificationsSources"] = [source] if by_state.get("state") == _ON else []
    return {**body, "properties": properties}
