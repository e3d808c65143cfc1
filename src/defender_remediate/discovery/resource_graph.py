"""Resource Graph: paging by ``$skipToken`` and by nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from defender_remediate import wire
from defender_remediate.arm.session import ArmResponse, ArmSession
from defender_remediate.errors import MalformedResponseError

PATH = "/providers/Microsoft.ResourceGraph/resources"
API_VERSIONS = ("2024-04-01", "2022-10-01", "2021-03-01")
_PAGE = 1000
_MOST_SUBSCRIPTIONS = 1000
_WHERE = "Resource Graph"


def query_graph(
    session: ArmSession,
    query: str,
    *,
    subscriptions: Sequence[str] = (),
    management_groups: Sequence[str] = (),
) -> Iterator[dict[str, Any]]:
    """The rows of a query, page by page; the same query and scopes go with every page.

    The query has to project ``id`` and be ordered, or Azure gives 1000 rows and no token for the next page.

    Raises:
        MalformedResponseError: Azure left rows out, or the pages have no end.
    """
    # Azure takes so many subscriptions in one query, and no more.
    starts = range(0, len(subscriptions), _MOST_SUBSCRIPTIONS) if subscriptions else (0,)
    for start in starts:
        scopes = {
            "subscriptions": list(subscriptions[start : start + _MOST_SUBSCRIPTIONS]),
            "managementGroups": list(management_groups),
        }
        request = {"query": query, **{name: ids for name, ids in scopes.items() if ids}}
        token, seen = "", set[str]()
        while True:
            options = {"$top": _PAGE, "resultFormat": "objectArray", **({"$skipToken": token} if token else {})}
            response = session.post_query(PATH, api_versions=API_VERSIONS, body={**request, "options": options})
            body = wire.mapping(response.body)
            found = decoded(body.get("data"))
            token = wire.text(body, "$skipToken", "skipToken")
            _check_complete(response, body, len(found), is_whole=not seen and not token, has_more=bool(token))
            yield from found
            if not token:
                break
            if token in seen:
                raise MalformedResponseError(
                    f"{_WHERE}: Azure returned the same page token twice, so the listing does not end"
                )
            seen.add(token)


def decoded(data: Any) -> list[dict[str, Any]]:
    """Rows from either of the two result formats.

    Raises:
        MalformedResponseError: It is neither.
    """
    if isinstance(data, Mapping):
        columns, table = data.get("columns"), data.get("rows")
        if isinstance(columns, list) and isinstance(table, list) and all(isinstance(row, list) for row in table):
            names = [wire.text(column, "name") for column in columns]
            return [dict(zip(names, row, strict=False)) for row in table]
    elif isinstance(data, list) and all(isinstance(row, dict) for row in data):
        return data
    raise MalformedResponseError(
        f"{_WHERE}: the response has no rows: 'data' is neither a table nor an array of objects"
    )


def _check_complete(
    response: ArmResponse, body: Mapping[str, Any], count: int, *, is_whole: bool, has_more: bool
) -> None:
    if wire.flag(response.headers, "x-ms-tenant-subscription-limit-hit"):
        raise MalformedResponseError(
            f"{_WHERE}: this tenant has more than 10,000 subscriptions, and Azure searched only the first 10,000",
            hint="pass subscriptions or management groups as the scope",
        )
    total = wire.count(body, "totalRecords")
    if not has_more and (wire.flag(body, "resultTruncated") or (is_whole and total > count)):
        raise MalformedResponseError(
            f"{_WHERE}: Azure found {total} rows, and returned no page token for those after this page",
            hint="project id and order the query, without limit or take",
        )
