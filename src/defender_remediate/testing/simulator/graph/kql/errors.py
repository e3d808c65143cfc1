"""What Resource Graph answers to a query that it does not accept."""

from __future__ import annotations

from typing import Any

import attrs


@attrs.frozen
class Position:
    """A place in a query: the line from 1, and the character in it from 0."""

    line: int
    character: int


class QueryError(Exception):
    """A query that Resource Graph refuses, or that the simulator does not support.

    Attributes:
        code: Such as ``ParserFailure``, ``UnknownFunction`` or ``InvalidQuery``.
        at: Where it is; None if Azure does not say.
        token: What stands there.
    """

    def __init__(
        self, message: str, *, code: str = "InvalidQuery", at: Position | None = None, token: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.at = at
        self.token = token

    def detail(self) -> dict[str, Any]:
        """Returns the entry of ``details``."""
        shown: dict[str, Any] = {"code": self.code, "message": str(self)}
        if self.at is not None:
            shown |= {"line": self.at.line, "characterPositionInLine": self.at.character}
        if self.token is not None:
            shown["token"] = self.token
        return shown


def parser_failure(at: Position, token: str) -> QueryError:
    """Returns the error for a token that cannot stand where it does. Azure says no more than where and what."""
    return QueryError("ParserFailure", code="ParserFailure", at=at, token=token)


def unsupported(token: str) -> QueryError:
    """Returns the error for an operator of Kusto that Resource Graph does not have. Azure names it without its place."""
    return QueryError("InvalidQueryLanguage", code="InvalidQueryLanguage", at=Position(-1, -1), token=token)
