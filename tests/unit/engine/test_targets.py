"""Reading what a fix is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from defender_remediate import Condition, FixAction, FixKind
from defender_remediate.arm.session import ArmResponse
from defender_remediate.engine.targets import Reading, TargetReader
from defender_remediate.errors import MalformedResponseError, NotFoundError
from defender_remediate.planning.targets import Candidate
from defender_remediate.testing.clock import VirtualClock

SITE = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.Web/sites/x"


class Bodies:
    """Reads from a table of bodies."""

    clock = VirtualClock()

    def __init__(self, bodies: Mapping[str, Any]) -> None:
        self.bodies = bodies

    def get(self, path: str, *, api_version: str, params: Mapping[str, str] | None = None) -> ArmResponse:
        if path not in self.bodies:
            raise NotFoundError(f"{path} is not there", status=404)
        return ArmResponse(status=200, headers={}, body=self.bodies[path], request_id="", url=path, method="GET")

    def query(self, path: str, *, api_version: str, body: Any, params: Mapping[str, str] | None = None) -> ArmResponse:
        raise NotImplementedError

    def follow(self, url: str) -> ArmResponse:
        raise NotImplementedError


def candidate(kind: str, **more: Any) -> Candidate:
    """A fix of a site's settings."""
    fix = FixAction(
        key="k",
        title="T",
        kind=kind,
        resource_type="Microsoft.Web/sites",
        api_version="2023-12-01",
        compliant_when=Condition(test="exists", path="properties.a", value=True),
        **{"target": "config/web", "body": {"properties": {"a": 1}}, **more},
    )
    return Candidate(fix=fix, key="k", resource_id=SITE, values={})


@pytest.mark.parametrize("kinds", [("patch", "put"), ("put", "patch")])
def test_a_put_creates_its_target_for_a_patch_beside_it(kinds: tuple[str, str]) -> None:
    """Whichever of them comes first: one PUT carries both."""
    reader = TargetReader(Bodies({SITE: {}}), lambda *_: ())
    reading = reader.read(tuple(map(candidate, kinds)))
    assert (reading.before, reading.missing) == (None, "")
    assert "is not there" in reader.read((candidate(FixKind.PATCH),)).missing


def test_a_type_that_azure_offers_no_version_of_is_a_typed_error() -> None:
    """So that its resource is left out, and the plan of the others is made."""
    extension = candidate("put", target="providers/Microsoft.Insights/diagnosticSettings/d")
    reader = TargetReader(Bodies({SITE: {}}), lambda *_: (), tags_matter=True)
    with pytest.raises(MalformedResponseError, match="no api-version"):
        reader.read((extension,))


def test_no_body_is_in_a_repr() -> None:
    """It may hold anything."""
    reading = Reading(resource={"a": "planted-S3CR3T"}, before={"a": "planted-S3CR3T"})
    assert "planted" not in repr(reading) + repr(candidate("put"))
