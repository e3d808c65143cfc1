"""Who wrote to resources last, as the change history of Resource Graph shows it."""

from __future__ import annotations

from collections.abc import Iterable

from defender_remediate import wire
from defender_remediate.errors import DefenderRemediateError, MalformedResponseError, NotFoundError, RequestError
from defender_remediate.models.change_history import Writer
from defender_remediate.models.id_parts import subscription_of
from defender_remediate.models.ids import id_key
from defender_remediate.preflight.reader import CheckReader
from defender_remediate.threads import in_parallel

_PATH = "/providers/Microsoft.ResourceGraph/resources"
_VERSION = "2022-10-01"
# Each resource has one row, and an answer has no more rows. How long a query may be is not documented.
_IDS = 1000
_IDS_IF_REFUSED = 250
_TOO_LONG = (400, 413)


def last_writers(reader: CheckReader, resource_ids: Iterable[str]) -> tuple[dict[str, Writer], dict[str, str]]:
    """The last writer of each resource that has a record of the last 14 days, and why others could not be read.

    Both are by the key of the resource. Does not raise. A cloud without Resource Graph, or without this table, has no records.
    """
    ids = {id_key(one): one for one in resource_ids}
    keys = sorted(ids)
    writers: dict[str, Writer] = {}
    unread: dict[str, str] = {}

    def read(chunk: list[str]) -> None:
        try:
            writers.update(_read(reader, [ids[key] for key in chunk]))
        except NotFoundError:
            return
        except DefenderRemediateError as error:
            if len(chunk) > _IDS_IF_REFUSED and isinstance(error, RequestError) and error.status in _TOO_LONG:
                read_all(chunk, _IDS_IF_REFUSED)
            else:
                unread.update(dict.fromkeys(chunk, f"who wrote last: {error.message}"))

    def read_all(some: list[str], size: int) -> None:
        chunks = [some[start : start + size] for start in range(0, len(some), size)]
        in_parallel(read, chunks, workers=reader.workers)

    read_all(keys, _IDS)
    return writers, unread


def _read(reader: CheckReader, resource_ids: list[str]) -> dict[str, Writer]:
    literals = ", ".join("'" + one.replace("\\", "\\\\").replace("'", "\\'") + "'" for one in resource_ids)
    query = (
        f"resourcechanges | where tostring(properties.targetResourceId) in~ ({literals})"
        " | extend target = tolower(tostring(properties.targetResourceId))"
        " | summarize arg_max(todatetime(properties.changeAttributes.timestamp), properties) by target"
    )
    subscriptions = sorted({subscription_of(one) for one in resource_ids} - {""})
    body = {"query": query, "subscriptions": subscriptions, "options": {"resultFormat": "objectArray", "$top": 1000}}
    return reader.query(_PATH, api_version=_VERSION, body=body, parse=_writers)


def _writers(answer: object) -> dict[str, Writer]:
    """The writer in each row, by the key of the resource. The rest of a row is large, and no one needs it."""
    rows = wire.pick(answer, "data")
    if not isinstance(rows, list):
        raise MalformedResponseError("Resource Graph: the response has no array 'data'")
    return {
        id_key(wire.text(row, "target")): Writer.from_rest(wire.pick(wire.pick(row, "properties"), "changeAttributes"))
        for row in rows
    }
