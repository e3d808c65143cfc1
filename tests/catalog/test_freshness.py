"""The manifest of what Azure has retired, and what the linter makes of it."""

from __future__ import annotations

import io
from datetime import date, datetime

import attrs
import pytest

from defender_remediate.catalog import Catalog, Rule
from defender_remediate.catalog.__main__ import main
from defender_remediate.catalog.freshness import freshness
from defender_remediate.catalog.guidance import bundled_guidance
from defender_remediate.catalog.lint.rules.freshness import stale_guidance
from defender_remediate.errors import CatalogError, InvalidInputError
from defender_remediate.models import FixAction, Guidance

CATALOG = Catalog.bundled()
KNOWN = CATALOG.freshness


def messages(fix: FixAction) -> list[str]:
    """What the rule about what Azure still has reports for a fix."""
    return [str(each) for each in CATALOG.check(fixes=fix) if each.rule is Rule.IS_CURRENT]


def test_the_age_is_counted_from_the_newest_source() -> None:
    """The age needs a date of the caller's, and a day before the comparison is no negative age."""
    assert KNOWN.age(date(2026, 11, 26)) == 87
    assert KNOWN.age(datetime(2026, 9, 1, 23, 59)) == 1
    assert KNOWN.age(date(2020, 1, 1)) == 0
    assert len(KNOWN.sources) >= 5
    with pytest.raises(InvalidInputError, match=r"^on must be a date, got str"):
        KNOWN.age("2026-11-26")  # type: ignore[arg-type]


def test_every_retirement_names_its_source() -> None:
    """A statement without a source could not be checked; the days are real days."""
    assert [each for each in (*KNOWN.recommendations, *KNOWN.services, *KNOWN.plans) if not each.source] == []
    assert len({each.key.casefold() for each in KNOWN.recommendations}) == len(KNOWN.recommendations) >= 59
    assert {each.plan for each in KNOWN.plans} == {"KubernetesService", "ContainerRegistry", "Dns", "KeyVaults", "Arm"}
    retired = KNOWN.retired("1195AFFF-c881-495e-9bc5-1486211ae03f")
    assert retired is not None
    assert retired.category == "SoftwareUpdate"
    assert KNOWN.retired("unknown") is None


def test_the_bundled_catalog_is_current() -> None:
    """No fix and no guidance is about what is gone, and what will go soon is said."""
    assert [*stale_guidance(bundled_guidance())] == []
    assert CATALOG.list_for_resource_type("Microsoft.DBforMySQL/servers") == ()
    front_door = CATALOG.get("0c02a769-03f1-c4d7-85a5-db5dca505c49")
    assert front_door is not None
    (warning,) = messages(front_door)
    assert warning.endswith("is_current (warning): Azure Front Door (classic) ends on 2027-03-31")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"key": "1195afff-c881-495e-9bc5-1486211ae03f"}, "replaced by the category SoftwareUpdate"),
        ({"key": "aae10e53-8403-3576-5d97-3b00f97332b2"}, "replaced by 56a6e81f-7413-4f72-9a1b-aaeeaa87c872"),
        ({"key": "86f91051-9d6a-47c3-a07f-bd14cb214b45"}, "Azure retired the recommendation on 2026-07-01"),
        (
            {"resource_type": "microsoft.dbformysql/SERVERS"},
            "Azure Database for MySQL single server ends on 2024-09-16",
        ),
        ({"target": "providers/Microsoft.Security/pricings/dns"}, "the Defender plan Dns since 2026-07-05"),
        (
            {
                "target": "/subscriptions/${resource.subscription}/providers/Microsoft.Security/pricings/KeyVaults",
                "body": {"properties": {"pricingTier": "Standard", "subPlan": "PerTransaction"}},
            },
            "the Defender plan KeyVaults with the sub-plan PerTransaction since 2026-07-05; enable PerKeyVault instead",
        ),
        (
            {"target": "providers/Microsoft.Security/pricings/Dns", "body": {"properties": {"pricingTier": "Free"}}},
            None,
        ),
        ({"target": "providers/Microsoft.Security/pricings/VirtualMachines"}, None),
    ],
)
def test_what_is_gone_is_an_error(change: dict[str, object], expected: str | None) -> None:
    """A user's fix for a dead key, an ended service or a plan that Azure refuses is reported, with what replaced it."""
    plan = CATALOG.get("0876ef51-fee7-449d-ba1e-f2662c7e43c6")
    assert plan is not None
    found = messages(attrs.evolve(plan, **change))
    assert (expected in found[0]) if expected else found == []


def test_guidance_about_what_is_gone_is_an_error() -> None:
    """Advice on a dead key, or on a resource of an ended service, as if it were in force, is reported."""
    mine = Guidance(key="1195afff-c881-495e-9bc5-1486211ae03f", title="t", reason="data_plane", action="Do it.")
    gone = attrs.evolve(mine, key="k", resource_type="Microsoft.DBforMariaDB/servers")
    right = attrs.evolve(mine, reason="replaced")
    assert [each.message.partition(": ")[0] for each in stale_guidance([mine, gone, right])] == [
        "the guidance has the reason data_plane, but Azure retired it",
        "the guidance has the reason data_plane, but its service has ended",
    ]


def test_the_command_says_how_old_the_catalog_is() -> None:
    """Someone who checks a catalog sees what it was compared with."""
    out = io.StringIO()
    main(["check", "missing.toml"], out)
    assert (
        f"compared with Azure on {KNOWN.date}: {len(KNOWN.recommendations)} retired recommendations" in out.getvalue()
    )


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "date: is missing"),
        ({"date": "2026-01-01"}, "date: must be a date, got a string"),
        ({"date": date(2026, 1, 1), "services": [{"name": "n"}]}, "services[0].resource_type: is missing"),
        ({"date": date(2026, 1, 1), "plans": [{"plan": "x", "blocked_on": 1}]}, "plans[0].blocked_on: must be a date"),
        ({"date": date(2026, 1, 1), "recommendations": [{"keys": 1}]}, "recommendations[0].keys: unknown key"),
    ],
)
def test_a_mistake_in_the_manifest_is_found(document: dict[str, object], message: str) -> None:
    """The error names the place."""
    with pytest.raises(CatalogError) as caught:
        freshness(document, source="azure.toml")
    assert message in str(caught.value)
