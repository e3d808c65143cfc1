"""Reading what a fix is about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs
import pytest

from defender_remediate import Condition, FixAction, FixKind, FixParameter, SkipReason
from defender_remediate.arm.session import ArmResponse
from defender_remediate.errors import MalformedResponseError, NotFoundError
from defender_remediate.fixes.candidates import Candidate, Refusal
from defender_remediate.planning.targets import Reading, TargetReader
from defender_remediate.testing.simulator.state.clock import VirtualClock

SITE = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.Web/sites/x"


class Bodies:
    """Reads from a table of bodies."""

    clock = VirtualClock()

    def __init__(self, bodies: Mapping[str, Any]) -> None:
        self.bodies = bodies
        self.asked: list[str] = []

    def get(self, path: str, *, api_version: str, params: Mapping[str, str] | None = None) -> ArmResponse:
        self.asked.append(path)
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
        compliant_when=Condition(operator="exists", path="properties.a", value=True),
        **{"target": "config/web", "body": {"properties": {"a": 1}}, **more},
    )
    return Candidate(fix=fix, key="k", resource_id=SITE, values={})


@pytest.mark.parametrize("kinds", [("patch", "put"), ("put", "patch")])
def test_a_put_creates_its_target_for_a_patch_beside_it(kinds: tuple[str, str]) -> None:
    """Whichever of them comes first: one PUT carries both."""
    reader = TargetReader(Bodies({SITE: {}}), lambda *_: (), covers=lambda _: True)
    reading = reader.read(tuple(map(candidate, kinds)))
    assert (reading.before, reading.missing) == (None, "")
    assert "is not there" in reader.read((candidate(FixKind.PATCH),)).missing


def test_a_type_that_azure_offers_no_version_of_is_a_typed_error() -> None:
    """So that its resource is left out, and the plan of the others is made."""
    extension = candidate("put", target="providers/Microsoft.Insights/diagnosticSettings/d")
    reader = TargetReader(Bodies({SITE: {}}), lambda *_: (), covers=lambda _: True, tags_matter=True)
    with pytest.raises(MalformedResponseError, match="no api-version"):
        reader.read((extension,))


def test_no_body_is_in_a_repr() -> None:
    """It may hold anything."""
    reading = Reading(resource={"a": "planted-S3CR3T"}, before={"a": "planted-S3CR3T"})
    assert "planted" not in repr(reading) + repr(candidate("put"))


NEAR = FixParameter(name="log", type="resource_id", description="?", resource_type="A.B/c/d", same_location=True)
LOG = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/A.B/c/x"


@pytest.mark.parametrize(
    ("bodies", "problem"),
    [
        ({LOG: {"location": "West Europe"}}, ""),
        ({LOG: {"location": "westus"}}, "'log' is in westus, and has to be in westeurope as the resource is"),
        ({}, f"'log': {LOG} is not there"),
    ],
)
def test_a_parameter_has_to_be_where_the_resource_is(bodies: dict[str, Any], problem: str) -> None:
    """The resource at the top is looked at, once."""
    reads = Bodies(bodies)
    reader = TargetReader(reads, lambda *_: ("2024-01-01",), covers=lambda _: True)
    asking = attrs.evolve(candidate("put", parameters=(NEAR,)), values={"log": f"{LOG}/d/y"})
    for _ in range(2):
        assert reader.far_parameter(asking, {"location": "westeurope"}) == problem
    assert reads.asked == [LOG]
    other = attrs.evolve(NEAR, same_location=False)
    assert reader.far_parameter(candidate("put", parameters=(other,)), {}) == ""


def test_variants_are_unfolded_by_one_read() -> None:
    """The body is kept for what comes after; a fix that is alone needs no read, and one that is gone says so."""
    some = attrs.evolve(candidate("put", target=""), resource_id=SITE)
    when = Condition(operator="equals", path="kind", value="b")
    group = tuple(
        attrs.evolve(some, fix=attrs.evolve(some.fix, variant=name, applies_when=attrs.evolve(when, value=name)))
        for name in ("a", "b")
    )
    reads = Bodies({SITE: {"kind": "b"}})
    reader = TargetReader(reads, lambda *_: (), covers=lambda _: True)
    assert reader.unfold((some,)) == (some,)
    assert reader.unfold(group) == (group[1],)
    assert reader.read((group[1],)).before == {"kind": "b"}
    assert reads.asked == [SITE]
    (refused,) = TargetReader(Bodies({}), lambda *_: (), covers=lambda _: True).unfold(group)
    assert isinstance(refused, Refusal)
    assert refused.reason is SkipReason.NOT_FOUND
