"""Preview features of a subscription."""

from __future__ import annotations

from typing import Any

SUB = "/subscriptions/44444444-4444-4444-8444-444444444444/providers/Microsoft.Features"
VERSION = "2021-07-01"


def test_a_feature_is_unregistered_and_registered(call: Any) -> None:
    """Its state is shown by itself and in both lists once it was set."""
    path = f"{SUB}/providers/Microsoft.Compute/features/EncryptionAtHost"
    assert call.get(path, VERSION)["properties"]["state"] == "Registered"
    assert call.get(f"{SUB}/features", VERSION)["value"] == []
    for word, state in (("unregister", "Unregistered"), ("register", "Registered")):
        shown = call("POST", f"{path}/{word}", params={"api-version": VERSION}).json()
        assert shown["properties"]["state"] == state
        for place in (f"{SUB}/features", f"{SUB}/providers/Microsoft.Compute/features"):
            (listed,) = call.get(place, VERSION)["value"]
            assert listed["properties"]["state"] == state
    assert call.get(f"{SUB}/providers/Microsoft.Web/features", VERSION)["value"] == []
