"""The controls of the simulator refuse what they cannot understand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from defender_remediate.arm.clock import SystemClock
from defender_remediate.errors import InvalidInputError
from defender_remediate.testing import ArmSimulator

NOWHERE = "/subscriptions/99999999-9999-4999-8999-999999999999"
SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"
STORAGE = "Microsoft.Storage/storageAccounts"
WRITE = f"{STORAGE}/write"
Control = Callable[[Any, str, str], object]

# Each takes the simulator, the id of an account and its subscription. The text is part of the message or of its hint.
WORDS: dict[str, list[tuple[Control, str]]] = {
    "a spelling error in a word is answered with the word": [
        (lambda sim, at, sub: sim.faults.fail("PACTH"), "did you mean 'PATCH'"),
        (lambda sim, at, sub: sim.faults.fail("PATCH|", status=500), "method must be one of"),
        (lambda sim, at, sub: sim.faults.fail(when="afterwards"), "one of before, after"),
        (lambda sim, at, sub: sim.faults.change_status("GTE", "x", 202), "method must be one of GET"),
        (lambda sim, at, sub: sim.faults.busy("x", "ServerBussy"), "ServerBusy"),
        (lambda sim, at, sub: sim.faults.slow("x", ends="Fialed"), "did you mean 'Failed'"),
        (lambda sim, at, sub: sim.faults.slow("x", form="azureasync"), "azure-async"),
        (lambda sim, at, sub: sim.faults.slow("x", methods=("PTU",)), "PUT"),
        (lambda sim, at, sub: sim.faults.drain(sub, "write"), "did you mean 'writes'"),
        (lambda sim, at, sub: sim.faults.fail_extension("StorageAcounts", "x"), "StorageAccounts"),
        (lambda sim, at, sub: sim.access.lock(at, "Readonly"), "ReadOnly"),
        (lambda sim, at, sub: sim.access.assign_policy(at, enforcement="Enrol"), "Enroll"),
        (lambda sim, at, sub: sim.access.add_stack(sub, (at,), mode="denydelete"), "denyDelete"),
        (lambda sim, at, sub: sim.resources.add_private_endpoint(at, status="Aproved"), "Approved"),
        (lambda sim, at, sub: sim.resources.edit(at, print, caller_type="Usr"), "User"),
        (lambda sim, at, sub: sim.resources.unregister_feature(sub, "A.B/c", state="Unregisterd"), "Unregistered"),
        (lambda sim, at, sub: sim.resources.retire_api_versions(f"{STORAGE}s", "2025-08-01"), f"'{STORAGE}'"),
        (
            lambda sim, at, sub: sim.resources.retire_api_versions("Microsoft.Storag/x", "2025-08-01"),
            "Microsoft.Storage",
        ),
        (lambda sim, at, sub: sim.resources.retire_api_versions(STORAGE, "2025-08-02"), "2025-08-01"),
        (lambda sim, at, sub: sim.defender.add_assessment(SECURE_TRANSFER, at, code="Unhealty"), "Unhealthy"),
        (lambda sim, at, sub: sim.metrics.add_use(at, "Transaction", 1), "did you mean 'Transactions'"),
        (lambda sim, at, sub: sim.metrics.add_use(at, "Reads", 1), "it has "),
        (
            lambda sim, at, sub: sim.metrics.add_use(
                f"{sub}/providers/Microsoft.Security/pricings/VirtualMachines", "x", 1
            ),
            "none",
        ),
        (
            lambda sim, at, sub: sim.metrics.add_use(at, "Transactions", 1, dimensions={"Authentification": "x"}),
            "'Authentication'",
        ),
    ],
    "what does not exist is named, with what does": [
        (lambda sim, at, sub: sim.resources.get(at + "x"), "the simulator has no resource"),
        (lambda sim, at, sub: sim.resources.get(at[:-1]), "did you mean '/subscriptions/"),
        (lambda sim, at, sub: sim.resources.get("x"), "the simulator has no resource 'x'"),
        (lambda sim, at, sub: sim.resources.edit(at + "x", print), "the simulator has no resource"),
        (lambda sim, at, sub: sim.resources.remove(at + "x"), "the simulator has no resource"),
        (lambda sim, at, sub: sim.metrics.lose(at + "x"), "the simulator has no resource"),
        (lambda sim, at, sub: sim.resources.add_resource_group(NOWHERE, "rg"), "the simulator has no subscription"),
        (lambda sim, at, sub: sim.resources.register_provider(NOWHERE, "A.B"), "the simulator has no subscription"),
        (lambda sim, at, sub: sim.defender.turn_on_cspm(NOWHERE), "the simulator has no subscription"),
        (lambda sim, at, sub: sim.defender.forget_assessments(NOWHERE), "the simulator has no subscription"),
        (lambda sim, at, sub: sim.defender.add_attack_path("x", NOWHERE, {}), "the simulator has no subscription"),
        (lambda sim, at, sub: sim.defender.add_assessment("x", at), "the simulator has no recommendation"),
        (
            lambda sim, at, sub: sim.defender.set_risk(SECURE_TRANSFER, at + "x", None),
            "the simulator has no assessment",
        ),
        (lambda sim, at, sub: [sim.defender.unassign_benchmark(sub) for _ in "ab"], "no benchmark"),
        (lambda sim, at, sub: sim.access.end_exemption("x"), "the simulator has no exemption"),
        (lambda sim, at, sub: sim.access.assign_initiative(sub, "x"), "the simulator has no recommendation"),
        (lambda sim, at, sub: sim.access.enroll("x", sub), "the simulator has no policy assignment"),
    ],
    "an id, an action and a name are not exchanged": [
        (lambda sim, at, sub: sim.access.lock("rg-x"), "not a scope"),
        (lambda sim, at, sub: sim.access.unlock("rg-x"), "not a scope"),
        (lambda sim, at, sub: sim.access.revoke(None), "expected an Azure id"),
        (lambda sim, at, sub: sim.access.deny(at, WRITE), "must be actions of Azure"),
        (lambda sim, at, sub: sim.access.deny("write", at), "must be actions of Azure"),
        (lambda sim, at, sub: sim.access.grant((at,), WRITE), "not a scope"),
        (lambda sim, at, sub: sim.access.assign_data_role(at, "me", WRITE), "not a scope"),
        (lambda sim, at, sub: sim.access.assign_policy("rg-x"), "not a scope"),
        (lambda sim, at, sub: sim.access.exempt(at, expires="never"), "expires"),
        (lambda sim, at, sub: sim.access.exempt(at, expires=datetime(2027, 1, 1)), "time zone"),
        (lambda sim, at, sub: sim.faults.drain("rg-x"), "not a scope"),
        (lambda sim, at, sub: sim.resources.add("x"), "body must be a mapping"),
        (lambda sim, at, sub: sim.resources.add({}), "needs the id of a resource"),
        (lambda sim, at, sub: sim.resources.add({"id": "x"}), "needs the id of a resource"),
        (lambda sim, at, sub: sim.resources.add({"id": "/providers"}), "needs the id of a resource"),
        (lambda sim, at, sub: sim.resources.add_subscription("Production"), "must be a GUID"),
        (lambda sim, at, sub: sim.resources.add_resource_group(sub, sub), "without slashes"),
        (lambda sim, at, sub: sim.resources.add_container(at, ""), "must not be empty"),
        (lambda sim, at, sub: sim.resources.edit(at, {"tags": {}}), "must be a function"),
        (lambda sim, at, sub: sim.resources.unregister_provider(sub, "Storage"), "Microsoft.Storage"),
        (lambda sim, at, sub: sim.resources.unregister_feature(sub, "EncryptionAtHost"), "must have a namespace"),
        (
            lambda sim, at, sub: sim.defender.add_recommendation({}, key="x", resource_type=STORAGE, rule={}),
            "displayName",
        ),
        (lambda sim, at, sub: sim.defender.add_cve("CVE-2026-0001", "High"), "properties must be a mapping"),
        (lambda sim, at, sub: sim.defender.set_risk(SECURE_TRANSFER, at, "High"), "risk must be a mapping"),
    ],
    "a number is one, and within its limits": [
        (lambda sim, at, sub: sim.faults.fail(status=42), "from 100 to 999"),
        (lambda sim, at, sub: sim.faults.fail(status=500, times=-1), "times must be an integer of at least 1"),
        (lambda sim, at, sub: sim.faults.fail(status=500, skip=-1), "skip must be an integer of at least 0"),
        (lambda sim, at, sub: sim.faults.fail(code="Busy"), "status must be an HTTP status"),
        (lambda sim, at, sub: sim.faults.fail(path="("), "regular expression"),
        (lambda sim, at, sub: sim.faults.busy("x", times=True), "times must be an integer"),
        (lambda sim, at, sub: sim.faults.slow("x", seconds=-1), "seconds must be a number of at least 0"),
        (lambda sim, at, sub: sim.faults.slow("x", seconds="1m"), "seconds must be a number of at least 0"),
        (lambda sim, at, sub: sim.faults.slow("x", retry_after=-5), "retry_after"),
        (lambda sim, at, sub: sim.faults.throttle(enabled="no"), "enabled must be a bool"),
        (lambda sim, at, sub: sim.metrics.add_use(at, "Transactions", 1, days_ago=94), "from 0 to 93"),
        (lambda sim, at, sub: sim.metrics.add_use(at, "Transactions", 1, days_ago=-1), "from 0 to 93"),
        (lambda sim, at, sub: sim.metrics.add_use(at, "Transactions", float("nan")), "figure"),
        (lambda sim, at, sub: sim.metrics.lose(at, days=-1), "from 0 to 93"),
        (lambda sim, at, sub: sim.metrics.define("Storage", "x"), "the simulator has no resource type"),
        (lambda sim, at, sub: sim.clock.advance("1h"), "seconds must be a number"),
        (lambda sim, at, sub: sim.clock.advance(-1), "seconds must be a number"),
        (lambda sim, at, sub: sim.clock.advance(float("inf")), "seconds must be a number"),
        (lambda sim, at, sub: sim.clock.sleep(-1), "seconds must be a number"),
        (lambda sim, at, sub: sim.clock.sleep_until(None), "moment must be a number"),
        (lambda sim, at, sub: sim.clock.follow(SystemClock(), 0), "rate must be a positive number"),
    ],
}


@pytest.mark.parametrize("kind", WORDS)
def test_a_control_refuses_what_it_cannot_understand(sim: ArmSimulator, account: str, scope: str, kind: str) -> None:
    """A fault or a lock that never applies lets a test pass for the wrong reason; the error says what is valid."""
    accepted = []
    for number, (control, text) in enumerate(WORDS[kind]):
        before = sim.clock.monotonic()
        try:
            control(sim, account, scope)
        except InvalidInputError as error:
            if text not in str(error):
                accepted.append(f"{number} ({text}): {error}")
        else:  # pragma: no cover
            accepted.append(f"{number} ({text}): accepted")
        assert sim.clock.monotonic() == before
    assert accepted == []


def test_a_missing_resource_is_also_a_key_error(sim: ArmSimulator, account: str) -> None:
    """As with any mapping; and its text is not the quoted text of a KeyError."""
    with pytest.raises(KeyError, match=r"^the simulator has no resource '/sub"):
        sim.resources.get(account + "x")
    with pytest.raises(ValueError, match="did you mean"):
        sim.resources.get(account + "x")


def test_an_initiative_is_made_of_recommendations_with_a_policy() -> None:
    """A recommendation that no policy evaluates cannot be a part of one."""
    demo = ArmSimulator.demo()
    without = "5f1d24f3-9a6d-4a3c-8f0e-3f5c7d1d9a11"
    with pytest.raises(InvalidInputError, match="has no policy"):
        demo.access.assign_initiative(demo.scopes[0], without)
