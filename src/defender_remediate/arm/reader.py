"""The part of a session that cannot write: all that planning and previews are given."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from defender_remediate.arm.clock import Clock
from defender_remediate.arm.operation_pace import OperationPace

if TYPE_CHECKING:
    from defender_remediate.arm.response import ArmResponse


class Reader(Protocol):
    """Reads Azure Resource Manager, and can do nothing else; ``ArmSession`` is one."""

    @property
    def clock(self) -> Clock:
        """How it waits."""

    @property
    def operation_pace(self) -> OperationPace:
        """When it asks how long-running operations are doing."""

    def get(
        self,
        path: str,
        *,
        api_version: str | None = None,
        api_versions: Sequence[str] = (),
        params: Mapping[str, str] | None = None,
    ) -> ArmResponse:
        """Read what is at an id, in one api-version or the first of several that this cloud serves."""

    def post_query(
        self,
        path: str,
        *,
        api_version: str | None = None,
        api_versions: Sequence[str] = (),
        body: Any,
        params: Mapping[str, str] | None = None,
    ) -> ArmResponse:
        """Send one of the POSTs that change nothing, such as a deployment's what-if."""

    def get_url(self, url: str) -> ArmResponse:
        """Read a URL that Azure gave."""

    def list_pages(
        self,
        path: str,
        *,
        api_version: str | None = None,
        api_versions: Sequence[str] = (),
        params: Mapping[str, str] | None = None,
    ) -> Iterator[list[dict[str, Any]]]:
        """The pages of a listing."""
