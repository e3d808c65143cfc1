"""Reading what a fix is about."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import attrs
import pytest

from defender_remediate import FixAction, SkipReason
from defender_remediate.arm.session import ArmResponse
from defender_remediate.errors import MalformedResponseError, NotFoundError, RequestError
from defender_remediate.fixes.candidates import Candidate
from defender_remediate.models import Condition, FixKind, FixParameter
from defender_remediate.planning.targets import Reading, SkipTargetError, TargetReader
from defender_remediate.testing.simulator.state.clock import VirtualClock

SITE = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/Microsoft.Web/sites/x"


class Bodies:
    """Reads from a table of bodies."""

    clock = VirtualClock()

    def __init__(self, bodies: Mapping[str, Any], refused: Collection[str] = ()) -> None:
        self.bodies = bodies
        self.refused = refused
        self.asked: list[str] = []

    def get(self, path: str, *, api_version: str, params: Mapping[str, str] | None = None) -> ArmResponse:
        self.asked.append(path)
        if api_version in self.refused:
            raise RequestError(f"no {api_version}", status=400, code="NoRegisteredProviderFound")
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
    assert (reading.before, reading.api_version) == (None, "2023-12-01")
    with pytest.raises(SkipTargetError, match="is not there"):
        reader.read((candidate(FixKind.PATCH),))


def test_a_type_that_azure_offers_no_version_of_is_a_typed_error() -> None:
    """So that its resource is left out, and the plan of the others is made."""
    extension = candidate("put", target="providers/Microsoft.Insights/diagnosticSettings/d")
    reader = TargetReader(Bodies({SITE: {}}), lambda *_: (), covers=lambda _: True, tags_matter=True)
    with pytest.raises(MalformedResponseError, match="offers no api-version"):
        reader.read((extension,))


def test_no_body_is_in_a_repr() -> None:
    """It may hold anything."""
    reading = Reading(resource={"a": "planted-S3CR3T"}, before={"a": "planted-S3CR3T"}, api_version="1")
    assert "planted" not in repr(reading) + repr(candidate("put"))


NEAR = FixParameter(name="log", type="resource_id", description="?", resource_type="A.B/c/d", same_location=True)
LOG = "/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/rg/providers/A.B/c/x"


@pytest.mark.parametrize(
    ("bodies", "problem"),
    [
        ({LOG: {"location": "West Europe"}}, None),
        (
            {LOG: {"location": "westus"}},
            "the parameter 'log' is in westus, and must be in westeurope like the resource",
        ),
        ({}, f"the parameter 'log' names {LOG}, which was not found: {LOG} is not there"),
    ],
)
def test_a_parameter_has_to_be_where_the_resource_is(bodies: dict[str, Any], problem: str | None) -> None:
    """The resource at the top is looked at, once."""
    reads = Bodies(bodies)
    reader = TargetReader(reads, lambda *_: ("2024-01-01",), covers=lambda _: True)
    asking = attrs.evolve(candidate("put", parameters=(NEAR,)), values={"log": f"{LOG}/d/y"})
    assert reader.location_mismatch(asking, {"location": "westeurope"}) == problem
    assert reads.asked == [LOG]
    other = attrs.evolve(NEAR, same_location=False)
    assert reader.location_mismatch(candidate("put", parameters=(other,)), {}) is None


def test_variants_are_resolved_by_one_read() -> None:
    """The body is kept for what comes after; a fix that is alone needs no read, and one that is gone says so."""
    some = attrs.evolve(candidate("put", target=""), resource_id=SITE)
    when = Condition(operator="equals", path="kind", value="b")
    group = tuple(
        attrs.evolve(some, fix=attrs.evolve(some.fix, variant=name, applies_when=attrs.evolve(when, value=name)))
        for name in ("a", "b")
    )
    reads = Bodies({SITE: {"kind": "b"}})
    reader = TargetReader(reads, lambda *_: (), covers=lambda _: True)
    assert reader.resolve((some,)) == (some,)
    assert reader.resolve(group) == (group[1],)
    assert reader.read((group[1],)).before == {"kind": "b"}
    assert reads.asked == [SITE]
    with pytest.raises(SkipTargetError) as skipped:
        TargetReader(Bodies({}), lambda *_: (), covers=lambda _: True).resolve(group)
    assert skipped.value.cause.reason is SkipReason.NOT_FOUND


SERVED = ("2024-01-01", "2022-09-01", "2021-01-01")


def test_a_cloud_without_the_version_of_the_fix_is_read_with_an_older_one() -> None:
    """The newest that is older and shows what the fix changes; the resource is read with any."""
    reads = Bodies({SITE: {}, f"{SITE}/config/web": {"properties": {"a": 0}}}, refused=("2023-12-01", "2022-09-01"))
    reader = TargetReader(reads, lambda *_: (SERVED[0], SERVED[2]), covers=lambda _: True, tags_matter=True)
    assert reader.read((candidate("patch"),)).api_version == "2021-01-01"


def test_no_older_version_that_shows_the_members_leaves_the_target_out() -> None:
    """A write in it would not be understood; the reason names the versions of the cloud."""
    reads = Bodies({SITE: {}, f"{SITE}/config/web": {"properties": {}}}, refused=("2023-12-01",))
    with pytest.raises(SkipTargetError, match="serves 2024-01-01, 2022-09-01, 2021-01-01; no older one") as skipped:
        TargetReader(reads, lambda *_: SERVED, covers=lambda _: True).read((candidate("patch"),))
    assert skipped.value.cause.reason is SkipReason.NOT_APPLICABLE
    with pytest.raises(SkipTargetError, match="It serves none of the type"):
        TargetReader(reads, lambda *_: (), covers=lambda _: True).read((candidate("patch"),))


def test_another_refusal_is_not_about_the_version() -> None:
    """It is reported as it is."""

    class Refusing(Bodies):
        def get(self, path: str, *, api_version: str, params: Mapping[str, str] | None = None) -> ArmResponse:
            raise RequestError("no", status=400, code="BadRequest")

    reader = TargetReader(Refusing({}), lambda *_: SERVED, covers=lambda _: True, tags_matter=True)
    for target in ("", "config/web"):
        with pytest.raises(RequestError, match="no"):
            reader.read((candidate("patch", target=target),))
