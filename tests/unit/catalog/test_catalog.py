"""Finding a fix, and putting one's own in front."""

from __future__ import annotations

import pickle
from pathlib import Path

import attrs
import pytest

from defender_remediate.catalog import Catalog
from defender_remediate.catalog.guidance import bundled_guidance
from defender_remediate.errors import CatalogError, InvalidInputError, UnknownRecommendationError
from defender_remediate.models.condition import Condition
from defender_remediate.models.fix import FixAction, FixKind, FixParameter
from defender_remediate.models.recommendation import Recommendation

SITE = FixAction(
    key="AAAAAAAA-0000-0000-0000-000000000001",
    title="Sites should be safe",
    kind=FixKind.PATCH,
    resource_type="Microsoft.Web/sites",
    api_version="2025-03-01",
    body={"properties": {"safe": True}},
    compliant_when=Condition(operator="equals", path="properties.safe", value=True),
    policy_definition_ids=("Policy-1",),
)
SLOT = attrs.evolve(SITE, resource_type="Microsoft.Web/sites/slots")
OTHER = attrs.evolve(SITE, key="bbbbbbbb-0000-0000-0000-000000000002", policy_definition_ids=("policy-2", "Policy-1"))
CATALOG = Catalog((SITE, SLOT, OTHER))


def test_by_key() -> None:
    """A key finds its fix whatever the case; the resource type chooses among several, else it is the first."""
    assert CATALOG.get(SITE.key.lower()) is SITE
    assert CATALOG.get(SITE.key, "microsoft.web/SITES/slots") is SLOT
    assert CATALOG.get(SITE.key, "Microsoft.Sql/servers") is None
    assert CATALOG.get("cccccccc-0000-0000-0000-000000000003") is None


def test_a_wrong_argument_of_a_lookup_is_a_typed_error() -> None:
    """A misspelt title, an id or half a type finds nothing, so the error says what is meant."""
    with pytest.raises(UnknownRecommendationError, match=f"did you mean '{SITE.title}'"):
        CATALOG.get(f"{SITE.title}s")
    with pytest.raises(UnknownRecommendationError, match="the id of an assessment ends with"):
        CATALOG.get("/providers/Microsoft.Security/assessments/x")
    with pytest.raises(InvalidInputError, match="expected a resource type with its provider"):
        CATALOG.list_for_resource_type("storage")
    with pytest.raises(InvalidInputError, match=r"did you mean Microsoft.Web/sites or Microsoft.Web/sites/slots"):
        CATALOG.list_for_resource_type("web")
    with pytest.raises(InvalidInputError, match=r"did you mean Microsoft.Web/sites"):
        CATALOG.get(SITE.key, "Microsoft.Web/site")


def test_a_lookup_takes_whatever_names_a_recommendation() -> None:
    """Its display name, the recommendation itself, one of its fixes or one of its assessments."""
    other = attrs.evolve(OTHER, title="Sites should be quiet")
    catalog = Catalog((SITE, other))
    about = Recommendation(key="", display_name="x", policy_definition_id="policy-2")
    assert catalog.get("sites should be QUIET ") is other
    assert catalog.get(Recommendation(key=other.key, display_name="x")) is other
    assert catalog.get(f"/subscriptions/s/providers/Microsoft.Security/assessments/{other.key}") is other
    assert catalog.list_for_recommendation(other) == catalog.list_for_recommendation(about) == (other,)
    assert tuple(catalog.without("Sites should be quiet")) == tuple(catalog.without(other)) == (SITE,)
    assert Catalog.bundled().get_guidance(next(iter(bundled_guidance())).title) is not None


def test_by_policy() -> None:
    """A policy definition is named bare or by its whole id; of two fixes for it the first one counts."""
    assert CATALOG.get_for_policy("POLICY-2") is OTHER
    assert CATALOG.get_for_policy("/providers/Microsoft.Authorization/policyDefinitions/policy-2") is OTHER
    assert CATALOG.get_for_policy("policy-1") is SITE
    assert CATALOG.get_for_policy("policy-1", "Microsoft.Web/sites/slots") is SLOT
    assert CATALOG.get_for_policy("policy-3") is None
    assert CATALOG.get_for_policy("") is None


def test_by_recommendation() -> None:
    """The key counts first; a recommendation whose key is unknown gets its fix through its policy definition."""
    assert CATALOG.get_for_recommendation(SITE.key, "policy-2") is SITE
    assert CATALOG.get_for_recommendation("unknown", "policy-2") is OTHER
    assert CATALOG.get_for_recommendation("unknown", "policy-1", "Microsoft.Web/sites/slots") is SLOT
    assert CATALOG.get_for_recommendation("unknown") is None


def test_by_resource_type() -> None:
    """All fixes of a type come in the order of the catalog."""
    assert CATALOG.list_for_resource_type("MICROSOFT.WEB/sites") == (SITE, OTHER)
    assert CATALOG.list_for_resource_type("Microsoft.Sql/servers") == ()


def test_as_a_collection() -> None:
    """A catalog is iterated, counted and asked for a key."""
    assert list(CATALOG) == [SITE, SLOT, OTHER]
    assert len(CATALOG) == 3
    assert SITE.key.lower() in CATALOG
    assert "unknown" not in CATALOG
    assert 1 not in CATALOG
    assert repr(CATALOG) == f"<Catalog {CATALOG.version}: 3 fixes>"


def test_a_later_fix_takes_the_place_of_an_earlier_one() -> None:
    """An own fix for the same recommendation and type wins, and the catalog it was added to stays as it was."""
    mine = attrs.evolve(SITE, key=SITE.key.lower(), body={"properties": {"safe": True, "safer": True}})
    wider = CATALOG.with_fixes(OTHER, mine)
    assert wider.get(SITE.key) is mine
    assert wider.get(SITE.key, "Microsoft.Web/sites/slots") is SLOT
    assert len(wider) == 3
    assert CATALOG.get(SITE.key) is SITE


def test_fixes_from_a_file(tmp_path: Path) -> None:
    """A TOML file is added by its path, as a string or as a path object."""
    file = tmp_path / "my.toml"
    file.write_text(
        """
        [[fix]]
        key = "mine"
        title = "Mine"
        resource_type = "A.B/c"
        api_version = "2025-03-01"
        kind = "put"
        [fix.body]
        a = 1
        [fix.compliant_when]
        path = "a"
        equals = 1
        """
    )
    assert "mine" in Catalog().with_fixes(str(file))
    assert Catalog().with_fixes(file) == Catalog().with_fixes(str(file))


def test_what_is_no_fix() -> None:
    """Anything else is refused by its type."""
    with pytest.raises(CatalogError, match="expected a FixAction or the path of a catalog file, got int"):
        Catalog().with_fixes(1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"body": None}, "body"),
        ({"kind": FixKind.TEMPLATE}, "template"),
        ({"body": {"a": "${b}"}}, "body.a"),
        ({"target": "x/${nothing}"}, "target"),
        ({"variant": "linux"}, "applies_when"),
        ({"array_strategies": {"properties.safe": "mix"}}, "lists.properties.safe"),
        ({"parameters": (FixParameter(name="b", type="string", description="?"),)}, "parameters[0].name"),
        (
            {
                "body": {"a": "${b}"},
                "parameters": (
                    FixParameter(name="b", type="string_list", description="?", allowed=("x",), default=("y",)),
                ),
            },
            "parameters[0].default",
        ),
    ],
)
def test_a_fix_made_in_code_is_checked_too(change: dict[str, object], path: str) -> None:
    """A fix that could not be planned is refused when it is added, not when it is used."""
    broken = attrs.evolve(SITE, **change)
    for add in (CATALOG.with_fixes, lambda fix: Catalog([fix])):
        with pytest.raises(CatalogError) as caught:
            add(broken)
        assert (caught.value.source, caught.value.path) == (f"fix {SITE.key}", path)


def test_version_follows_the_content() -> None:
    """Any change of a fix changes the version; the order of the fixes does not."""
    assert Catalog((OTHER, SLOT, SITE)).version == CATALOG.version
    changes = [
        {"title": "Other"},
        {"body": {"properties": {"safe": 1}}},
        {"compliant_when": Condition(operator="equals", path="properties.safe", value=1)},
        {"permissions": ("A.B/c/read",)},
        {"key": "dddddddd-0000-0000-0000-000000000004"},
    ]
    versions = {CATALOG.with_fixes(attrs.evolve(SITE, **change)).version for change in changes}
    assert len(versions | {CATALOG.version, Catalog().version}) == len(changes) + 2


def test_catalogs_compare_by_content() -> None:
    """Equal content is an equal catalog, also after a journey through pickle."""
    again = pickle.loads(pickle.dumps(CATALOG))
    assert again == CATALOG
    assert hash(again) == hash(CATALOG)
    assert again.get(OTHER.key) == OTHER
    assert Catalog() != CATALOG
    assert CATALOG != "catalog"


def test_bundled_is_read_once() -> None:
    """Every caller gets the same bundled catalog."""
    assert Catalog.bundled() is Catalog.bundled()


LINUX, WINDOWS = (
    attrs.evolve(OTHER, variant=name, applies_when=Condition(operator="equals", path="kind", value=name))
    for name in ("linux", "windows")
)


def test_variants_stand_side_by_side() -> None:
    """They are told apart by their names; where one fix is asked for, it is the first."""
    catalog = Catalog((SITE, SLOT, LINUX, WINDOWS))
    assert catalog.get(OTHER.key) is LINUX
    assert catalog.get_for_policy("policy-2") is LINUX
    assert (
        catalog.list_for_recommendation(OTHER.key)
        == catalog.list_for_recommendation("unknown", "policy-2")
        == (LINUX, WINDOWS)
    )
    mine = attrs.evolve(WINDOWS, title="Mine")
    assert catalog.with_fixes(mine).list_for_recommendation(OTHER.key) == (LINUX, mine)
    assert catalog.version != Catalog((SITE, SLOT, LINUX)).version


def test_a_fix_without_a_variant_takes_the_place_of_all() -> None:
    """And the other way round: no resource is left with two answers."""
    catalog = Catalog((LINUX, WINDOWS, OTHER))
    assert catalog.list_for_recommendation(OTHER.key) == (OTHER,)
    assert catalog.with_fixes(LINUX).list_for_recommendation(OTHER.key) == (LINUX,)


def test_every_fix_of_a_recommendation() -> None:
    """By its key, and by its policy definition for the resource types that the key has no fix for."""
    assert CATALOG.list_for_recommendation(SITE.key.lower()) == (SITE, SLOT)
    assert CATALOG.list_for_recommendation(SITE.key, resource_type="microsoft.web/sites/SLOTS") == (SLOT,)
    assert CATALOG.list_for_recommendation(OTHER.key, "/x/Policy-1") == (OTHER, SLOT)
    assert CATALOG.list_for_recommendation("unknown", "policy-1") == (SITE, SLOT)
    assert CATALOG.list_for_recommendation("unknown") == ()


def test_without_some() -> None:
    """All fixes of a recommendation go; a key that has none is misspelt."""
    rest = CATALOG.without(SITE.key.lower())
    assert list(rest) == [OTHER]
    assert rest.get_for_policy("policy-1") is OTHER
    assert CATALOG.without() == CATALOG
    with pytest.raises(CatalogError, match="no fix with the key 'unknown'"):
        CATALOG.without(SITE.key, "unknown")
