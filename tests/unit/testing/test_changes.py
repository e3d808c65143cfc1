"""``assert_only_changed``: its message is what someone reads whose test failed."""

from __future__ import annotations

from typing import Any

import pytest

from defender_remediate.errors import InvalidInputError
from defender_remediate.testing import ArmSimulator, assert_only_changed

ACCOUNTS = "Microsoft.Storage/storageAccounts"


def set_to(value: Any, name: str = "allowSharedKeyAccess") -> Any:
    return lambda body: body["properties"].update({name: value})


def test_what_was_expected_passes(demo: ArmSimulator) -> None:
    """Values, prefixes and whole resources; etags and the like do not matter."""
    first, second = demo.resources.list_ids(ACCOUNTS)[:2]
    demo.resources.edit(first, set_to(True))
    with assert_only_changed(demo, {first.upper(): {"properties.allowSharedKeyAccess": False}}):
        demo.resources.edit(first, set_to(False))
    with assert_only_changed(demo, {first: ["properties", "tags"], second: ["*"]}):
        demo.resources.edit(first, lambda body: body["properties"].update(allowSharedKeyAccess=True))
        demo.resources.edit(first, lambda body: body.update(tags={"a": "b"}))
        demo.resources.remove(second)


def test_each_difference_is_listed_and_no_secret_shown(demo: ArmSimulator) -> None:
    """One failure tells everything: what changed besides, what did not, and what became something else."""
    first, second, third = demo.resources.list_ids(ACCOUNTS)[:3]
    demo.resources.edit(first, set_to(True))
    expected = {
        first: {"properties.allowSharedKeyAccess": False, "properties.minimumTlsVersion": "TLS1_2"},
        third: ["*"],
        "/subscriptions/none": ["tags"],
    }
    made = first + "x"

    def change() -> None:
        demo.resources.edit(first, set_to("no"))
        demo.resources.edit(first, set_to("hunter2", "adminPassword"))
        demo.resources.remove(second)
        demo.resources.add({**demo.resources.get(third), "id": made})

    with pytest.raises(AssertionError) as caught, assert_only_changed(demo, expected):
        change()
    lines = str(caught.value).splitlines()
    assert lines[0] == "the tenant did not change as expected:"
    assert f'  {first}: properties.allowSharedKeyAccess is "no", expected false' in lines
    assert any(line.startswith(f"  {first}: properties.minimumTlsVersion did not change, it is ") for line in lines)
    assert any(line.startswith(f"  {first}: properties.adminPassword changed from (absent) to ") for line in lines)
    assert "hunter2" not in str(caught.value)
    assert f"  {second}: was removed" in lines
    assert f"  {made}: was created" in lines
    assert f"  {third}: did not change" in lines
    assert "  /subscriptions/none: does not exist" in lines


def test_paths_that_are_no_list_are_refused(demo: ArmSimulator) -> None:
    """A string would be taken for its letters."""
    wrong: Any = {demo.scopes[0]: "tags"}
    with pytest.raises(InvalidInputError, match="must be a list or a mapping"), assert_only_changed(demo, wrong):
        pass
