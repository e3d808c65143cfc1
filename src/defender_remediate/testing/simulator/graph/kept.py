"""What Resource Graph keeps between requests, so that the next page of a query is only cut and shown."""

from __future__ import annotations

from typing import Any

import attrs

from defender_remediate.testing.simulator.graph.kql.relation import Relation, Row

_MOST_RESULTS = 8
_MOST_ROWS = 400_000


@attrs.frozen
class _Result:
    revision: tuple[int, ...]
    moment: float
    depends_on_time: bool
    relation: Relation


class Kept:
    """The results of the last queries, and the rows of assessments. A copy of a tenant starts without them.

    Attributes:
        assessment_rows: The row of each assessment, by what the assessment is found by. It never changes: its properties are
            made when they are read.
    """

    def __init__(self) -> None:
        self.assessment_rows: dict[tuple[str, str], Row] = {}
        self._results: dict[Any, _Result] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Kept:
        return Kept()

    def find(self, key: Any, revision: tuple[int, ...], moment: float, *, is_next_page: bool) -> Relation | None:
        """Returns the result of a query if it is still what the query gives; None if it has to run.

        A later page is one of the result that the first page was cut from, unless the tenant has changed.

        Args:
            key: The query and its scopes.
            revision: Differs after each change of the tenant.
            moment: The present.
            is_next_page: Whether it is for a later page.
        """
        found = self._results.get(key)
        if found is None or found.revision != revision:
            return None
        if found.depends_on_time and found.moment != moment and not is_next_page:
            return None
        return found.relation

    def put(
        self, key: Any, revision: tuple[int, ...], moment: float, relation: Relation, *, depends_on_time: bool
    ) -> None:
        """Keeps a result, whose rows are a list, and forgets the oldest ones that are too many."""
        self._results = {name: one for name, one in self._results.items() if one.revision == revision and name != key}
        self._results[key] = _Result(revision, moment, depends_on_time, relation)
        while len(self._results) > 1 and (
            len(self._results) > _MOST_RESULTS
            or sum(len(one.relation.whole()) for one in self._results.values()) > _MOST_ROWS
        ):
            del self._results[next(iter(self._results))]
