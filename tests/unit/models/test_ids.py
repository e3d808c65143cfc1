from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from defender_remediate.display import quoted
from defender_remediate.errors import InvalidResourceIdError, InvalidScopeError
from defender_remediate.models.ids import ResourceId, Scope, ScopeKind, contains, parse_scopes, resource_of_assessment

GUID = "11111111-2222-3333-4444-555555555555"
SUB = f"/subscriptions/{GUID}"
GROUP = f"{SUB}/resourceGroups/shop-rg"
MANAGEMENT_GROUP = "/providers/Microsoft.Management/managementGroups/root"
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
    assert quoted(text) in str(caught.value)


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
    assert ResourceId.parse(text).root.text == resource


@pytest.mark.parametrize(
    ("text", "scopes"),
    [
        (f"{SITE}/config/web", [f"{SITE}/config/web", SITE, GROUP, SUB]),
        (f"{SITE}/providers/Microsoft.Authorization/locks/keep", [SITE, GROUP, SUB]),
        (f"{GROUP}/providers/Microsoft.Authorization/locks/keep", [GROUP, SUB]),
        (f"{SUB}/providers/Microsoft.Authorization/locks/keep", [SUB]),
        (f"{SUB}/providers/Microsoft.Security/pricings/Arm", [SUB]),
        (SUB, [SUB]),
        ("/providers/Microsoft.Management/managementGroups/root", []),
        (f"{MANAGEMENT_GROUP}/providers/Microsoft.Authorization/policyAssignments/x", [MANAGEMENT_GROUP]),
    ],
)
def test_the_scopes_of_an_id_are_itself_and_everything_above_it(text, scopes):
    """Parents of children, of extension resources and of top-level resources, up to the subscription."""
    parsed = ResourceId.parse(text)
    assert [each.text for each in parsed.scopes()] == list(dict.fromkeys([text, *scopes]))
    assert parsed.group == (ResourceId.parse(GROUP) if GROUP in text else None)
    assert parsed.subscription == (ResourceId.parse(SUB) if SUB in text else None)


@st.composite
def ids(draw):
    """A resource id: a subscription or group, then resources, children and extensions."""
    text = SUB
    if draw(st.booleans()):
        text += f"/resourceGroups/{draw(NAMES)}"
    for _ in range(draw(st.integers(0, 3))):
        pairs = draw(st.lists(st.tuples(st.sampled_from(["sites", "Config", "locks"]), NAMES), min_size=1, max_size=3))
        text += "/providers/Microsoft.Web/" + "/".join(f"{kind}/{name}" for kind, name in pairs)
    return ResourceId.parse(text)


@given(ids(), NAMES)
def test_an_id_is_contained_in_all_its_scopes_and_contains_none_of_them(resource, name):
    """Containment is a partial order that agrees with ``parent``, whatever the casing."""
    assert resource.contains(resource)
    assert resource.contains(resource.text.upper())
    assert not resource.contains(resource.text + name)
    for above in resource.scopes()[1:]:
        assert above.contains(resource)
        assert above.contains(resource.text.lower())
        assert Scope.parse(above.text).contains(resource)
        assert not resource.contains(above)
    assert resource.parent is None or resource.scopes()[1] == resource.parent
    assert resource.root.contains(resource)
    assert resource.root.root == resource.root
    assert resource.is_type(resource.type.upper())


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("É", "é", True),
        ("ñandú", "ÑANDÚ", True),
        ("straße", "strasse", False),
        ("straße", "STRASSE", False),
        ("\u212a", "k", False),
        ("ı", "i", False),
        ("ſ", "s", False),
        ("ﬁ", "fi", False),
        ("\u0130", "i", False),
    ],
)
def test_ids_are_equal_where_azure_takes_them_for_equal(one, other, equal):
    """Names compare by simple case mapping: no letter becomes two, and none outside ASCII becomes one inside."""
    first, second = (ResourceId.parse(f"{SUB}/resourceGroups/{name}") for name in (one, other))
    assert (first == second) is equal
    assert (first.key == second.key) is equal
    assert first.contains(f"{second}/providers/Microsoft.Web/sites/shop") is equal
    assert Scope.parse(first.text).contains(second) is equal
    assert (len({first, second}) == 1) is equal


def test_what_is_not_a_resource_id_can_be_inside_one():
    """A listing has no name, and a resource outside Azure has an id of another form; both have a place."""
    assert ResourceId.parse(SITE).contains(f"{SITE}/slots")
    assert contains("arn:aws:s3", "/arn:aws:S3/bucket")
    assert contains("/", SITE)
    assert not contains("arn:aws:s3", "arn:aws:s31")


def test_scopes_are_taken_as_strings_or_values():
    """Each comes once; what is neither is refused with what was given, at most 100 characters of it."""
    assert parse_scopes(SUB) == parse_scopes(Scope.parse(SUB)) == parse_scopes([SUB, Scope.parse(SUB.upper())])
    with pytest.raises(InvalidScopeError, match="expected a scope, got 5"):
        parse_scopes(5)
    with pytest.raises(InvalidScopeError, match="no scope was given"):
        parse_scopes([])
    with pytest.raises(InvalidScopeError) as caught:
        parse_scopes("x" * 5000)
    assert len(str(caught.value)) < 400


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
