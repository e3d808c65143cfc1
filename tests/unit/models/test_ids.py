from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.errors import InvalidResourceIdError, InvalidScopeError
from defender_remediate.models.ids import ResourceId, Scope, ScopeKind, resource_of_assessment

GUID = "11111111-2222-3333-4444-555555555555"
SUB = f"/subscriptions/{GUID}"
GROUP = f"{SUB}/resourceGroups/shop-rg"
SITE = f"{GROUP}/providers/Microsoft.Web/sites/shop"
NAMES = st.text(alphabet="abcXYZ019-_.", min_size=1, max_size=8).filter(lambda name: name not in (".", ".."))


@pytest.mark.parametrize(
    ("text", "group", "kind", "name"),
    [
        (SUB, None, "Microsoft.Resources/subscriptions", GUID),
        (GROUP, "shop-rg", "Microsoft.Resources/resourceGroups", "shop-rg"),
        (SITE, "shop-rg", "Microsoft.Web/sites", "shop"),
        (f"{SITE}/config/web", "shop-rg", "Microsoft.Web/sites/config", "web"),
        (
            f"{SITE}/providers/Microsoft.Security/assessments/{GUID}",
            "shop-rg",
            "Microsoft.Security/assessments",
            GUID,
        ),
        (
            f"{SUB}/providers/Microsoft.Security/pricings/StorageAccounts",
            None,
            "Microsoft.Security/pricings",
            "StorageAccounts",
        ),
    ],
)
def test_an_id_is_taken_apart(text, group, kind, name):
    """Subscription, group, type and name of an id at every level."""
    parsed = ResourceId.parse(text)
    assert (parsed.subscription_id, parsed.resource_group, parsed.type, parsed.name) == (GUID, group, kind, name)
    assert str(parsed) == text


def test_a_tenant_level_id_has_no_subscription():
    """Management groups and tenant-level providers are ids as well."""
    parsed = ResourceId.parse("providers/Microsoft.Management/managementGroups/root")
    assert parsed.text == "/providers/Microsoft.Management/managementGroups/root"
    assert parsed.subscription_id is None
    assert parsed.type == "Microsoft.Management/managementGroups"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        None,
        42,
        " " + SUB,
        "/subscriptions",
        "/subscriptions/not-a-guid",
        f"/subscriptions/{GUID}x",
        f"{SUB}//resourceGroups/x",
        f"{SUB}/resourceGroups/..",
        f"{SUB}/resourceGroups/a?b",
        f"{SUB}/resourceGroups/a#b",
        f"{SUB}/resourceGroups/a\nb",
        f"{SUB}/resourceGroups/a\ud800",
        f"{SUB}/resourceGroups/a%2fb",
        f"{GROUP}/providers",
        f"{GROUP}/providers/Microsoft.Web",
        f"{GROUP}/providers/Microsoft.Web/sites",
        f"{GROUP}/deployments/x",
        f"{SUB}/tenants/x",
        f"{SUB}/subscriptions/{GUID}",
        "/tenants/x",
        "https://management.azure.com/subscriptions",
    ],
)
def test_what_is_no_id_is_refused(text):
    """A malformed id is an error that quotes it, before anything is sent."""
    with pytest.raises(InvalidResourceIdError) as caught:
        ResourceId.parse(text)
    assert repr(text) in str(caught.value)


def test_a_name_may_hold_a_space():
    """Some Azure names do."""
    assert ResourceId.parse(f"{GROUP}/providers/Microsoft.Portal/dashboards/my board").name == "my board"


@pytest.mark.parametrize(
    ("text", "resource"),
    [
        (f"{SITE}/config/web", SITE),
        (f"{SITE}/providers/Microsoft.Security/assessments/{GUID}", SITE),
        (SITE, SITE),
        (GROUP, GROUP),
        (SUB, SUB),
    ],
)
def test_the_top_level_resource_of_an_id(text, resource):
    """A child or an extension belongs to a resource; what is above resources belongs to itself."""
    assert ResourceId.parse(text).resource.text == resource


@given(NAMES, NAMES)
def test_ids_compare_without_case(group, name):
    """Azure echoes ids in any casing: they are equal, hash alike, and keep the text as given."""
    text = f"{SUB}/resourceGroups/{group}/providers/Microsoft.Web/sites/{name}"
    one, other = ResourceId.parse(text), ResourceId.parse(text.upper())
    assert one == other
    assert hash(one) == hash(other)
    assert other.text == text.upper()
    assert pickle.loads(pickle.dumps(one)) == one


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (SUB, ScopeKind.SUBSCRIPTION),
        (SUB.upper(), ScopeKind.SUBSCRIPTION),
        (GROUP, ScopeKind.RESOURCE_GROUP),
        (SITE, ScopeKind.RESOURCE),
        (f"{SUB}/providers/Microsoft.Security/pricings/x", ScopeKind.RESOURCE),
        ("/providers/microsoft.management/managementgroups/root", ScopeKind.MANAGEMENT_GROUP),
    ],
)
def test_a_scope_knows_what_it_is(text, kind):
    """The four kinds of scope."""
    scope = Scope.parse(text)
    assert scope.kind is kind
    assert str(scope) == text
    assert scope == Scope.parse(text.upper())
    assert (scope.subscription_id is None) == (kind is ScopeKind.MANAGEMENT_GROUP)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "subscriptions",
        "prod",
        f"{SUB}/providers/Microsoft.Security",
        "/providers/Microsoft.Security/assessmentMetadata/x",
        "/providers/Microsoft.Management/managementGroups",
    ],
)
def test_what_is_no_scope_is_refused_with_the_four_shapes(text):
    """A malformed scope is an error that tells how a scope looks."""
    with pytest.raises(InvalidScopeError) as caught:
        Scope.parse(text)
    assert "/subscriptions/" in caught.value.hint


@given(st.lists(NAMES, min_size=1, max_size=4), NAMES)
def test_a_scope_contains_by_segments(names, other):
    """What is below a scope is inside it, whatever the case; what merely begins alike is not."""
    scope = Scope.parse(f"{SUB}/resourceGroups/{names[0]}")
    below = "/".join([scope.text, *names])
    assert scope.contains(scope.text)
    assert scope.contains(below.upper())
    assert scope.contains(below.strip("/"))
    assert not scope.contains(scope.text + other)
    assert not scope.contains(SUB)


def test_a_management_group_contains_nothing_by_its_id():
    """Which subscriptions are in it is not written in their ids."""
    assert not Scope.parse("/providers/Microsoft.Management/managementGroups/root").contains(SITE)


@pytest.mark.parametrize(
    ("text", "resource"),
    [
        (f"{SITE}/providers/Microsoft.Security/assessments/{GUID}", SITE),
        (f"{SITE}/providers/microsoft.security/ASSESSMENTS/{GUID}".lstrip("/"), SITE),
        (f"{SUB}/providers/Microsoft.Security/assessments/{GUID}", SUB),
        (SITE, SITE),
    ],
)
def test_an_assessment_id_holds_what_was_assessed(text, resource):
    """All before the assessment's own provider segment."""
    assert resource_of_assessment(text) == resource
