"""The host names of apps, which follow the bindings of each app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.state.store import Resource, Store, copied

_BINDINGS = ("microsoft.web/sites/hostnamebindings", "microsoft.web/sites/slots/hostnamebindings")


class HostNames:
    """Shows the names of bindings in the apps that they belong to."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.record(self._wrote)

    def _wrote(self, resource: Resource, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> None:
        if fold(resource.type.name) not in _BINDINGS:
            return
        app = self._store.find(resource.id.rsplit("/", 2)[0])
        if app is None:
            return
        body = copied(app.body)
        properties = body["properties"]
        name = resource.name
        binding = (after or {}).get("properties") or {}
        for member in ("hostNames", "enabledHostNames"):
            others = [one for one in properties.get(member) or () if fold(str(one)) != fold(name)]
            properties[member] = others if after is None else [*others, name]
        states = [
            one
            for one in properties.get("hostNameSslStates") or ()
            if not isinstance(one, Mapping) or fold(str(one.get("name"))) != fold(name)
        ]
        if after is not None:
            state = binding.get("sslState") or "Disabled"
            shown = {"name": name, "sslState": state, "hostType": "Standard"}
            states.append({**shown, "virtualIP": None, "thumbprint": binding.get("thumbprint"), "toUpdate": None})
        properties["hostNameSslStates"] = states
        del before
        self._store.write(app.id, app.type, body)
