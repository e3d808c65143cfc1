"""Microsoft Graph: reads and writes the directory of the tenant.

The caller has every permission of an application. What a client sends is kept; members that do not exist are not refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from defender_remediate.casing import fold
from defender_remediate.testing.simulator.arm.errors import refusal
from defender_remediate.testing.simulator.arm.merge_patch import merge_patch
from defender_remediate.testing.simulator.arm.routing import json_body
from defender_remediate.testing.simulator.directory import actions, writes
from defender_remediate.testing.simulator.directory.state import (
    COLLECTIONS,
    DELETED,
    MEMBERS,
    OWNERS,
    POLICIES,
    USERS,
    Directory,
)
from defender_remediate.testing.simulator.policy.odata import Row, ordered, parse_filter
from defender_remediate.testing.simulator.state.tenant import Tenant
from defender_remediate.testing.simulator.transport.exchange import ArmError, Call, Reply

_PATH = re.compile(r"/(?:v1\.0|beta)/(?P<rest>.+?)/?\Z", re.IGNORECASE)
_KEYED = re.compile(r"(?P<name>\w+)\((?:(?P<member>\w+)=)?'(?P<key>[^']*)'\)\Z")
_PAGE, _MOST = 100, 999
# Which links a navigation follows, whether from the object or to it, and whether also over several objects.
_NAVIGATIONS: Mapping[str, tuple[str, bool, bool]] = {
    "members": (MEMBERS, True, False),
    "transitivemembers": (MEMBERS, True, True),
    "memberof": (MEMBERS, False, False),
    "transitivememberof": (MEMBERS, False, True),
    "owners": (OWNERS, True, False),
    "ownedobjects": (OWNERS, False, False),
}
# The objects of another collection that name an object in a member.
_NAMED_BY: Mapping[str, tuple[str, str]] = {
    "approleassignments": ("appRoleAssignments", "principalId"),
    "approleassignedto": ("appRoleAssignments", "resourceId"),
    "oauth2permissiongrants": ("oauth2PermissionGrants", "clientId"),
    "federatedidentitycredentials": ("federatedIdentityCredentials", "owner"),
}


def is_graph(call: Call) -> bool:
    """Whether a path is one of Microsoft Graph."""
    return _PATH.match(call.path) is not None


def answer(tenant: Tenant, call: Call) -> Reply:
    """Answers a call to Microsoft Graph.

    Raises:
        ArmError: The object or the operation does not exist, or the request is not valid.
    """
    found = _PATH.match(call.path)
    parts = _segments(found["rest"] if found else "")
    if fold(parts[0]) == "me":
        raise refusal("DirectoryMe")
    if fold(parts[0]) == "directoryobjects":
        return _directory_object(tenant, call, parts[1:])
    if [fold(part) for part in parts[:2]] == ["directory", "deleteditems"]:
        return _deleted_item(tenant, call, parts[2:])
    for length in (3, 2, 1):
        name = _collection("/".join(parts[:length]))
        if name is not None and len(parts) >= length:
            rest = parts[length:]
            return _on_object(tenant, call, name, rest) if rest else _on_collection(tenant, call, name)
    raise refusal("DirectorySegment", segment=parts[0])


def _segments(path: str) -> list[str]:
    """The segments; ``users('x')`` counts as ``users/x``, and ``applications(appId='x')`` keeps the name of the member."""
    parts: list[str] = []
    # A client of Microsoft's doubles the first slash.
    for part in filter(None, path.split("/")):
        keyed = _KEYED.match(part)
        parts += [keyed["name"], f"{keyed['member'] or 'id'}={keyed['key']}"] if keyed else [part]
    return parts


def _collection(path: str) -> str | None:
    return next((name for name in COLLECTIONS if fold(name) == fold(path)), None)


def _on_collection(tenant: Tenant, call: Call, name: str) -> Reply:
    directory = tenant.directory
    if call.method == "POST" and COLLECTIONS[name].required:
        made = writes.create(tenant, name, json_body(call))
        return Reply.json(_context(call, name, _shown(made, name, "")), status=201)
    if call.method != "GET" or name == POLICIES:
        raise refusal("DirectorySegment", segment=name)
    selected = call.query.get("$select", "")
    if name == USERS and "signinactivity" in fold(selected) and not directory.is_premium:
        raise refusal("DirectoryPremium")
    return _listed(call, name, directory, directory.all(name), name)


def _on_object(tenant: Tenant, call: Call, name: str, rest: list[str]) -> Reply:
    directory = tenant.directory
    if fold(rest[0]) == "$count":
        return Reply(
            status=200, headers={"Content-Type": "text/plain"}, content=str(len([*directory.all(name)])).encode()
        )
    found = _named(directory, name, rest[0])
    if found is None:
        raise refusal("DirectoryNotFound", key=rest[0].rpartition("=")[2])
    if rest[1:]:
        return _below(tenant, call, found, rest[1:])
    if call.method == "GET":
        wanted = call.query.get("$select", "")
        return Reply.json(
            _context(call, f"{name}/$entity", _expanded(call, directory, found, _shown(found, name, wanted)))
        )
    if call.method in ("PATCH", "PUT"):
        writes.check(tenant, name, json_body(call), found)
        changed = merge_patch(found, json_body(call))
        found.clear()
        found.update(changed)
        return Reply(status=204)
    if call.method == "DELETE" and COLLECTIONS[name].required:
        writes.delete(tenant, name, found)
        return Reply(status=204)
    raise refusal("DirectorySegment", segment=rest[-1])


def _named(directory: Directory, name: str, key: str) -> dict[str, Any] | None:
    """The object of a key: an id, a member and its value, or the user principal name of a user."""
    member, mark, value = key.partition("=")
    if mark:
        return directory.find(name, value, member)
    found = directory.find(name, key)
    return directory.find(name, key, "userPrincipalName") if found is None and name == USERS else found


def _below(tenant: Tenant, call: Call, one: dict[str, Any], rest: list[str]) -> Reply:
    """What hangs on an object: links to others, credentials, questions about its groups."""
    directory, word = tenant.directory, fold(rest[0])
    if word in _NAVIGATIONS:
        kind, forward, deep = _NAVIGATIONS[word]
        cast = rest[1].rpartition(".")[2] if rest[1:] else ""
        if call.method == "GET" and not rest[2:]:
            keys = _followed(directory, one["id"], kind, forward=forward, deep=deep)
            pairs = [pair for pair in map(directory.find_anywhere, keys) if pair is not None]
            shown = [
                {"@odata.type": f"#microsoft.graph.{COLLECTIONS[held].type}", **_shown(body, held, "")}
                for held, body in pairs
                if cast in ("", "$ref", COLLECTIONS[held].type)
            ]
            return _listed(call, "directoryObjects", directory, shown, None)
        if forward and not deep and rest[-1] == "$ref":
            writes.link(tenant, call, kind, one, rest[1:-1])
            return Reply(status=204)
    if [fold(part) for part in rest] == ["authentication", "methods"] and call.method == "GET":
        return _listed(call, "authenticationMethods", directory, actions.methods_of(directory, one), None)
    if word in _NAMED_BY:
        return _named_by(tenant, call, one, rest)
    found = actions.act(tenant, call, one, word)
    if found is None:
        raise refusal("DirectorySegment", segment=rest[0])
    return found


def _followed(directory: Directory, key: str, kind: str, *, forward: bool, deep: bool) -> list[str]:
    follow = directory.linked if forward else directory.linking
    found: list[str] = []
    waiting = [key]
    while waiting:
        for one in follow(kind, waiting.pop(0)):
            if one not in found:
                found.append(one)
                waiting += [one] if deep else []
    return found


def _named_by(tenant: Tenant, call: Call, one: dict[str, Any], rest: list[str]) -> Reply:
    collection, member = _NAMED_BY[fold(rest[0])]
    held = tenant.directory.objects.setdefault(collection, {})
    if call.method == "GET" and not rest[1:]:
        return _listed(
            call, collection, tenant.directory, [x for x in held.values() if x.get(member) == one["id"]], None
        )
    if call.method == "POST" and not rest[1:]:
        made = {**json_body(call), "id": tenant.new_id(), member: one["id"]}
        held[made["id"]] = made
        return Reply.json(_context(call, collection, made), status=201)
    key = rest[1] if rest[1:] else ""
    if key not in held:
        raise refusal("DirectoryNotFound", key=key)
    if call.method == "DELETE":
        del held[key]
        return Reply(status=204)
    return Reply.json(_context(call, collection, held[key]))


def _directory_object(tenant: Tenant, call: Call, rest: list[str]) -> Reply:
    directory = tenant.directory
    if call.method == "POST" and [fold(part) for part in rest] == ["getbyids"]:
        body = json_body(call)
        kinds = {fold(str(kind)) for kind in body.get("types") or ()}
        pairs = [pair for key in body.get("ids") or () if (pair := directory.find_anywhere(str(key))) is not None]
        shown = [
            {"@odata.type": f"#microsoft.graph.{COLLECTIONS[name].type}", **_shown(one, name, "")}
            for name, one in pairs
            if not kinds or fold(COLLECTIONS[name].type) in kinds or "directoryobject" in kinds
        ]
        return Reply.json(_context(call, "directoryObjects", {"value": shown}))
    found = directory.find_anywhere(rest[0]) if rest else None
    if found is None:
        raise refusal("DirectoryNotFound", key=rest[0] if rest else "")
    return _on_object(tenant, call, found[0], [found[1]["id"], *rest[1:]])


def _deleted_item(tenant: Tenant, call: Call, rest: list[str]) -> Reply:
    held = tenant.directory.objects[DELETED]
    if rest and rest[0].startswith("microsoft.graph."):
        kind = fold(rest[0].rpartition(".")[2])
        chosen = [one["object"] for one in held.values() if fold(COLLECTIONS[one["collection"]].type) == kind]
        return _listed(call, DELETED, tenant.directory, chosen, None)
    if not rest or rest[0] not in held:
        raise refusal("DirectoryNotFound", key=rest[0] if rest else "")
    item = held[rest[0]]
    if call.method == "DELETE":
        del held[rest[0]]
        return Reply(status=204)
    if call.method == "POST" and [fold(part) for part in rest[1:]] == ["restore"]:
        del held[rest[0]]
        tenant.directory.objects[item["collection"]][rest[0]] = item["object"]
    return Reply.json(_context(call, DELETED, item["object"]))


def _shown(one: Mapping[str, Any], name: str, select: str) -> dict[str, Any]:
    """What is shown of an object: the selected members, or those that the collection shows by itself."""
    collection = COLLECTIONS[name]
    if select:
        wanted = [word.strip() for word in select.split(",")]
        # A member that is not set is shown as null; the id and the type of an object always.
        known = {fold(key): key for key in one}
        chosen = {known.get(fold(word), word): one.get(known.get(fold(word), word)) for word in wanted}
        return {**{key: one[key] for key in ("@odata.type", "id") if key in one}, **chosen}
    return {
        key: value
        for key, value in one.items()
        if key not in collection.hidden and (not collection.shown or key in collection.shown)
    }


def _expanded(call: Call, directory: Directory, one: Mapping[str, Any], shown: dict[str, Any]) -> dict[str, Any]:
    for text in call.query.get("$expand", "").split(","):
        word = text.partition("(")[0].strip()
        if fold(word) in _NAVIGATIONS:
            kind, forward, deep = _NAVIGATIONS[fold(word)]
            keys = _followed(directory, one["id"], kind, forward=forward, deep=deep)
            shown = {**shown, word: [{"id": key} for key in keys]}
    return shown


def _listed(call: Call, context: str, directory: Directory, items: Iterable[dict[str, Any]], name: str | None) -> Reply:
    """One page of a list, with the options that the request has."""
    rows: list[Row] = list(items)
    text = call.query.get("$filter", "")
    if text:
        try:
            is_wanted = parse_filter(text)
        except ArmError:
            raise refusal("DirectoryFilter", filter=text) from None
        rows = [row for row in rows if is_wanted(row)]
    searched = re.findall(r'"([\w.]+):([^"]*)"', call.query.get("$search", ""))
    rows = [row for row in rows if all(fold(part) in fold(str(row.get(member))) for member, part in searched)]
    if "$orderby" in call.query:
        rows = ordered(rows, call.query["$orderby"])
    size = call.query.get("$top", str(_PAGE))
    first = call.start
    if first is None:
        raise refusal("DirectoryBadRequest", problem="The skip token is not one of this list.")
    if not re.fullmatch("[0-9]{1,9}", size) or not 0 < int(size) <= _MOST:
        raise refusal(
            "DirectoryBadRequest",
            problem=f"Invalid page size specified: '{size}'. Must be between 1 and 999 inclusive.",
        )
    last = first + int(size)
    select = call.query.get("$select", "")
    shown = [
        _expanded(
            call, directory, row, dict(row) if name is None and not select else _shown(row, name or USERS, select)
        )
        for row in rows[first:last]
    ]
    body: dict[str, Any] = {}
    if fold(call.query.get("$count", "")) == "true":
        body["@odata.count"] = len(rows)
    if last < len(rows):
        kept = "&".join(f"{key}={quote(value)}" for key, value in call.query.items() if key != "$skiptoken")
        body["@odata.nextLink"] = (
            f"{call.base}{quote(call.path)}?{kept}{'&' if kept else ''}$skiptoken={call.token(last)}"
        )
    return Reply.json(_context(call, context, {**body, "value": shown}))


def _context(call: Call, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
    version = call.path.split("/")[1]
    return {"@odata.context": f"{call.base}/{version}/$metadata#{what}", **body}
