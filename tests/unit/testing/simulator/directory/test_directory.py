"""Microsoft Graph: what tools read of users, groups, applications and policies, and what they write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from defender_remediate.errors import InvalidInputError
from defender_remediate.testing import ArmSimulator

GRAPH = "https://graph.microsoft.com/v1.0"
APP = "5eedf00d-0000-4000-8000-000000000001"
ADMIN = "62e90394-69f5-4237-9190-012177145e10"
PROFILE = {"password": "Long-enough-1"}

Ask = Callable[..., requests.Response]


@pytest.fixture
def ask(sim: ArmSimulator) -> Ask:
    """Sends a request to Microsoft Graph."""
    session = sim.open_session()
    return lambda method, path, body=None: session.request(method, f"{GRAPH}/{path}", json=body)


def user(name: str, **more: Any) -> dict[str, Any]:
    """The body of a user."""
    required = {"accountEnabled": True, "mailNickname": name, "passwordProfile": PROFILE, "displayName": name}
    return {**required, "userPrincipalName": f"{name}@simulated.onmicrosoft.com", **more}


def code(reply: requests.Response) -> tuple[int, str]:
    """The status and the code of a refusal."""
    return reply.status_code, reply.json()["error"]["code"]


def names(reply: requests.Response) -> list[str]:
    """The display names in a list."""
    return [one["displayName"] for one in reply.json()["value"]]


def test_a_new_tenant_has_the_policies_of_one(ask: Ask) -> None:
    """Tools judge these defaults: they must be those of Azure, and no list may fail."""
    policy = ask("GET", "policies/authorizationPolicy").json()
    assert policy["defaultUserRolePermissions"]["allowedToCreateApps"] is True
    assert ask("GET", "policies/identitySecurityDefaultsEnforcementPolicy").json()["isEnabled"] is True
    assert ask("GET", "/domains").json()["value"][0]["isDefault"] is True
    for path in ("users", "groups", "identity/conditionalAccess/policies", "groupSettings", "directoryRoles"):
        assert ask("GET", path).json()["value"] == []
    assert code(ask("GET", "policies")) == (400, "BadRequest")
    assert code(ask("GET", "nothing")) == (400, "BadRequest")
    assert code(ask("GET", "me")) == (400, "BadRequest")
    assert code(ask("PUT", "users")) == (400, "BadRequest")
    assert ask("PATCH", "policies/authorizationPolicy", {"allowInvitesFrom": "none"}).status_code == 204
    assert ask("GET", "policies/authorizationPolicy").json()["allowInvitesFrom"] == "none"


def test_a_request_without_a_token_is_refused(sim: ArmSimulator) -> None:
    """The directory is no more open than Resource Manager."""
    session = sim.open_session()
    assert session.get(f"{GRAPH}/users", headers={"Authorization": ""}).status_code == 401


def test_azure_ad_graph_has_ended(sim: ArmSimulator) -> None:
    """Tools that still ask it are refused, as they are by Microsoft."""
    session = sim.open_session()
    reply = session.post("https://graph.windows.net/tenant/getObjectsByObjectIds?api-version=1.6", json={})
    assert (reply.status_code, "Access blocked" in reply.text) == (403, True)


def test_users_are_listed_with_the_options_of_graph(sim: ArmSimulator, ask: Ask) -> None:
    """Selection, filters, search, order, pages and counts."""
    for name in ("ann", "ben", "cy"):
        assert ask("POST", "users", user(name, jobTitle="dev" if name == "ben" else None)).status_code == 201
    assert "accountEnabled" not in ask("GET", "users/ann@simulated.onmicrosoft.com").json()
    shown = ask("GET", "users?$select=accountEnabled,department&$top=1").json()
    assert set(shown["value"][0]) == {"id", "accountEnabled", "department"}
    assert names(requests_page(sim, shown["@odata.nextLink"], "displayName")) == ["ben", "cy"][:1]
    assert ask("GET", "users?$count=true").json()["@odata.count"] == 3
    assert ask("GET", "users/$count").text == "3"
    assert names(ask("GET", "users?$filter=startswith(displayName,'b') or jobTitle eq 'none'")) == ["ben"]
    assert names(ask("GET", "users?$orderby=displayName desc")) == ["cy", "ben", "ann"]
    assert names(ask("GET", 'users?$search="displayName:AN"')) == ["ann"]
    assert code(ask("GET", "users?$filter=what")) == (400, "Request_UnsupportedQuery")
    assert code(ask("GET", "users?$top=1000")) == (400, "Request_BadRequest")
    assert code(ask("GET", "users/none")) == (404, "Request_ResourceNotFound")
    details = ask("GET", "reports/authenticationMethods/userRegistrationDetails").json()["value"]
    assert [one["isMfaCapable"] for one in details] == [False] * 3
    methods = "users/ann@simulated.onmicrosoft.com/authentication/methods"
    assert len(ask("GET", methods).json()["value"]) == 1
    sim.directory.add(
        "reports/authenticationMethods/userRegistrationDetails", {"id": details[0]["id"], "isMfaCapable": True}
    )
    assert len(ask("GET", methods).json()["value"]) == 2


def requests_page(sim: ArmSimulator, link: str, select: str) -> requests.Response:
    """The next page, as a client follows the link."""
    return sim.open_session().get(
        link.replace("accountEnabled,department", select).replace("accountEnabled%2Cdepartment", select)
    )


def test_the_last_sign_in_needs_a_license(sim: ArmSimulator, ask: Ask) -> None:
    """Microsoft Graph refuses the whole request, and tools ask again without it."""
    assert code(ask("GET", "users?$select=id,signInActivity"))[0] == 403
    sim.directory.add(
        "subscribedSkus", {"skuPartNumber": "P2", "servicePlans": [{"servicePlanName": "AAD_PREMIUM_P2"}]}
    )
    sim.directory.add("users", user("ann", signInActivity={"lastSignInDateTime": "2026-02-01T00:00:00Z"}))
    shown = ask("GET", "users?$select=id,signInActivity").json()["value"][0]
    assert shown["signInActivity"]["lastSignInDateTime"] == "2026-02-01T00:00:00Z"


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("users", {"displayName": "x"}, "A value is required for property 'accountEnabled'"),
        ("users", user("x", userPrincipalName="x@elsewhere.example"), "domain portion"),
        ("users", user("x", passwordProfile={"password": "short"}), "password"),
        ("users", user("taken"), "already exists"),
        ("servicePrincipals", {"appId": "none"}, "does not reference a valid application"),
        ("servicePrincipals", {"appId": APP}, "already in use"),
        ("directoryRoles", {"roleTemplateId": "none"}, "does not exist"),
        ("groups", {"displayName": "g"}, "mailEnabled"),
    ],
)
def test_a_bad_object_is_refused(ask: Ask, path: str, body: dict[str, Any], said: str) -> None:
    """As Graph says it: a missing member, a foreign domain, a name that is taken, a reference to nothing."""
    ask("POST", "users", user("taken"))
    reply = ask("POST", path, body)
    assert reply.status_code in (400, 404, 409)
    assert said in reply.json()["error"]["message"]


def test_an_application_and_its_principal(sim: ArmSimulator, ask: Ask) -> None:
    """What the command line tools do for a service principal: create both, add a password, restore, delete."""
    app = ask("POST", "applications", {"displayName": "deploy", "identifierUris": ["api://deploy"]}).json()
    principal = ask("POST", "servicePrincipals", {"appId": app["appId"]}).json()
    assert principal["servicePrincipalNames"] == [app["appId"], "api://deploy"]
    by_name = "servicePrincipals?$filter=servicePrincipalNames/any(c:c eq 'api://deploy')"
    assert names(ask("GET", by_name)) == ["deploy"]
    assert ask("GET", "servicePrincipals?$filter=appRoles/all(r:r/isEnabled eq true)").status_code == 200
    assert ask("GET", f"servicePrincipals(appId='{app['appId']}')").json()["id"] == principal["id"]
    secret = ask("POST", f"applications/{app['id']}/addPassword", {"passwordCredential": {"displayName": "ci"}}).json()
    assert secret["secretText"].startswith(secret["hint"])
    held = ask("GET", f"applications/{app['id']}").json()["passwordCredentials"]
    assert [(one["displayName"], one["secretText"]) for one in held] == [("ci", None)]
    assert ask("POST", f"applications/{app['id']}/removePassword", {"keyId": secret["keyId"]}).status_code == 204
    assert ask("POST", f"applications/{app['id']}/removePassword", {"keyId": "none"}).status_code == 400
    assert code(ask("POST", f"applications/{app['id']}/fly", {})) == (400, "BadRequest")
    assert code(ask("GET", f"applications/{app['id']}/addPassword")) == (400, "BadRequest")
    assert code(ask("PATCH", f"applications/{app['id']}", {"id": "other"})) == (400, "Request_BadRequest")
    grants = f"servicePrincipals/{principal['id']}/appRoleAssignments"
    grant = ask("POST", grants, {"appRoleId": "r", "resourceId": "x"}).json()
    assert [one["id"] for one in ask("GET", grants).json()["value"]] == [grant["id"]]
    assert ask("GET", f"{grants}/{grant['id']}").json()["appRoleId"] == "r"
    assert ask("DELETE", f"{grants}/{grant['id']}").status_code == 204
    assert code(ask("DELETE", f"{grants}/{grant['id']}"))[0] == 404
    assert ask("DELETE", f"applications/{app['id']}").status_code == 204
    assert ask("GET", f"servicePrincipals/{principal['id']}").status_code == 404
    deleted = "directory/deletedItems"
    assert names(ask("GET", f"{deleted}/microsoft.graph.application")) == ["deploy"]
    assert ask("POST", f"{deleted}/{app['id']}/restore").json()["displayName"] == "deploy"
    assert ask("GET", f"applications/{app['id']}").status_code == 200
    assert ask("GET", f"{deleted}/{principal['id']}").json()["appId"] == app["appId"]
    assert ask("DELETE", f"{deleted}/{principal['id']}").status_code == 204
    assert code(ask("GET", f"{deleted}/{principal['id']}"))[0] == 404
    assert code(ask("GET", deleted))[0] == 404


def test_groups_have_members_and_members_their_roles(sim: ArmSimulator, ask: Ask) -> None:
    """Links in both directions, through other groups too; a role of the group is one of its members."""
    ann = ask("POST", "users", user("ann")).json()["id"]
    one = {"mailEnabled": False, "securityEnabled": True, "mailNickname": "g"}
    inner = ask(
        "POST", "groups", {**one, "displayName": "inner", "owners@odata.bind": [f"{GRAPH}/users/{ann}"]}
    ).json()["id"]
    outer = ask("POST", "groups", {**one, "displayName": "outer"}).json()["id"]
    member = {"@odata.id": f"{GRAPH}/directoryObjects/{ann}"}
    assert ask("POST", f"groups/{inner}/members/$ref", member).status_code == 204
    assert code(ask("POST", f"groups/{inner}/members/$ref", member)) == (400, "Request_BadRequest")
    assert code(ask("POST", f"groups/{inner}/members/$ref", {"@odata.id": "x/none"}))[0] == 404
    ask("POST", f"groups/{outer}/members/$ref", {"@odata.id": f"{GRAPH}/groups/{inner}"})
    assert names(ask("GET", f"groups/{outer}/members")) == ["inner"]
    assert names(ask("GET", f"groups/{outer}/transitiveMembers")) == ["inner", "ann"]
    assert names(ask("GET", f"groups/{outer}/transitiveMembers/microsoft.graph.user")) == ["ann"]
    assert names(ask("GET", f"groups/{inner}/owners")) == ["ann"]
    assert names(ask("GET", f"users/{ann}/ownedObjects")) == ["inner"]
    assert names(ask("GET", f"users/{ann}/transitiveMemberOf")) == ["inner", "outer"]
    assert ask("GET", f"groups/{outer}?$expand=members").json()["members"] == [{"id": inner}]
    assert ask("GET", f"groups/{outer}?$expand=what").status_code == 200
    assert ask("POST", f"users/{ann}/getMemberGroups", {"securityEnabledOnly": False}).json()["value"] == [inner, outer]
    asked = {"groupIds": [outer, "other"]}
    assert ask("POST", f"users/{ann}/checkMemberGroups", asked).json()["value"] == [outer]
    found = ask("POST", "directoryObjects/getByIds", {"ids": [ann, inner, "none"], "types": ["group"]}).json()["value"]
    assert [one["displayName"] for one in found] == ["inner"]
    assert ask("GET", f"directoryObjects/{ann}").json()["displayName"] == "ann"
    assert code(ask("GET", "directoryObjects/none"))[0] == 404
    assert code(ask("GET", "directoryObjects"))[0] == 404
    assert code(ask("PUT", f"groups/{inner}/members/$ref", {}))[0] == 400
    assert code(ask("PUT", f"groups/{inner}/members", {}))[0] == 400
    assert ask("DELETE", f"groups/{inner}/members/{ann}/$ref").status_code == 204
    assert code(ask("DELETE", f"groups/{inner}/members/{ann}/$ref"))[0] == 404
    assert ask("DELETE", f"groups/{inner}").status_code == 204
    assert names(ask("GET", f"groups/{outer}/members")) == []


def test_a_role_of_a_group_is_one_of_its_members(sim: ArmSimulator, ask: Ask) -> None:
    """A caller who loses the own role and joins a group has the roles of the group."""
    group = sim.directory.add("groups", {"displayName": "readers"})
    roles = f"{sim.scopes[0]}/providers/Microsoft.Authorization/roleAssignments/aaaaaaaa-0000-4000-8000-00000000cc03"
    role = f"{sim.scopes[0]}/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
    body = {"properties": {"roleDefinitionId": role, "principalId": group, "principalType": "Group"}}
    arm = sim.open_session()
    made = arm.put(f"{sim.endpoint}{roles}?api-version=2022-04-01", json=body)
    assert made.status_code == 201
    sim.access.revoke(sim.scopes[0])
    url = f"{sim.endpoint}{sim.scopes[0]}/resourceGroups?api-version=2022-09-01"
    assert arm.get(url).json()["value"] is not None
    ask("POST", f"groups/{group}/members/$ref", {"@odata.id": f"{GRAPH}/directoryObjects/{sim.access.caller}"})
    assert ask("POST", f"servicePrincipals/{sim.access.caller}/getMemberGroups", {}).json()["value"] == [group]


def test_a_role_is_activated_from_its_template(ask: Ask) -> None:
    """A directory role exists once someone needs it."""
    role = ask("POST", "directoryRoles", {"roleTemplateId": ADMIN}).json()
    assert role["displayName"] == "Global Administrator"
    named = ask(
        "POST",
        "identity/conditionalAccess/namedLocations",
        {"@odata.type": "#microsoft.graph.ipNamedLocation", "displayName": "hq"},
    )
    assert named.json()["createdDateTime"]
    assert code(ask("DELETE", f"directoryRoleTemplates/{ADMIN}"))[0] == 400


def test_a_managed_identity_is_a_service_principal(sim: ArmSimulator, ask: Ask, account: str) -> None:
    """Tools look the name of a principal up; the identity goes with its resource only."""
    key, other = "aaaaaaaa-0000-4000-8000-00000000ab01", "aaaaaaaa-0000-4000-8000-00000000ab02"
    sim.resources.edit(
        account, lambda body: body.update(identity={"type": "SystemAssigned", "principalId": key, "tenantId": "t"})
    )
    group = account.partition("/providers/")[0]
    identity = f"{group}/providers/Microsoft.ManagedIdentity/userAssignedIdentities/uai"
    sim.resources.add({"id": identity, "location": "westeurope", "properties": {"principalId": other, "clientId": "c"}})
    shown = ask("GET", f"servicePrincipals/{key}").json()
    assert (shown["servicePrincipalType"], shown["displayName"]) == ("ManagedIdentity", account.rpartition("/")[2])
    assert ask("GET", f"servicePrincipals/{other}").json()["appId"] == "c"
    assert code(ask("DELETE", f"servicePrincipals/{key}"))[0] == 400


def test_a_test_seeds_the_directory_and_keeps_it(sim: ArmSimulator, tmp_path: Any) -> None:
    """Objects, links and changes are in the state file; ids follow from names."""
    ann = sim.directory.add("users", user("ann"))
    group = sim.directory.add("Groups", {"displayName": "g", "members": [ann], "owners": [ann]})
    sim.directory.add("groups", {"id": group, "displayName": "g", "members": [ann]})
    sim.directory.change("policies", "authorizationPolicy", {"allowInvitesFrom": "adminsAndGuestInviters"})
    assert ArmSimulator().directory.add("users", user("ann")) == ann
    sim.save(tmp_path / "state.json")
    loaded = ArmSimulator.load(tmp_path / "state.json")
    assert loaded.directory.get("policies", "authorizationPolicy")["allowInvitesFrom"] == "adminsAndGuestInviters"
    assert names(loaded.open_session().get(f"{GRAPH}/groups/{group}/members")) == ["ann"]
    loaded.directory.remove("users", ann)
    assert names(loaded.open_session().get(f"{GRAPH}/groups/{group}/members")) == []
    for wrong in (
        lambda: sim.directory.add("user", {}),
        lambda: sim.directory.get("users", "none"),
        lambda: sim.directory.add("groups", {"displayName": "h", "members": ["none"]}),
        lambda: sim.directory.change("users", ann, [1]),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidInputError):
            wrong()


def test_what_is_less_usual_in_a_directory(sim: ArmSimulator, ask: Ask) -> None:
    """Changes of one member, objects that cannot be restored, groups that contain each other, and owners that leave."""
    ann = ask("POST", "users", user("ann")).json()["id"]
    sim.directory.add("reports/authenticationMethods/userRegistrationDetails", {"id": ann, "isMfaCapable": True})
    assert ask("PATCH", f"users/{ann}", {"jobTitle": "dev"}).status_code == 204
    details = ask("GET", "reports/authenticationMethods/userRegistrationDetails").json()["value"]
    assert [one["isMfaCapable"] for one in details] == [True]
    unit = ask("POST", "administrativeUnits", {"displayName": "unit"}).json()["id"]
    assert ask("DELETE", f"administrativeUnits/{unit}").status_code == 204
    assert code(ask("GET", f"directory/deletedItems/{unit}"))[0] == 404
    alone = ask("POST", "applications", {"displayName": "alone"}).json()["id"]
    assert ask("POST", f"applications/{alone}/owners/$ref", {"@odata.id": f"x/{ann}"}).status_code == 204
    assert ask("DELETE", f"applications/{alone}/owners/{ann}/$ref").status_code == 204
    assert ask("DELETE", f"applications/{alone}").status_code == 204
    first, second = (sim.directory.add("groups", {"displayName": name}) for name in ("first", "second"))
    for group, member in ((first, second), (second, first), (first, ann)):
        ask("POST", f"groups/{group}/members/$ref", {"@odata.id": f"x/{member}"})
    assert names(ask("GET", f"groups/{first}/transitiveMembers")) == ["second", "ann", "first"]
    assert ask("POST", f"users/{ann}/getMemberObjects", {}).json()["value"] == [first, second]
