"""A client whose ids and jitter a test decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from defender_remediate.client import Randomness, RemediationClient


def seeded_client(
    *arguments: Any,
    new_id: Callable[[], str] | None = None,
    jitter: Callable[[], float] | None = None,
    **options: Any,
) -> RemediationClient:
    """A client for a test that has to be the same each time.

    Args:
        *arguments: The arguments of ``RemediationClient``.
        new_id: Gives a new GUID, for runs and requests; random ones by default.
        jitter: Gives a number from 0 to 1, for the waits between retries; random ones by default.
        **options: The keyword arguments of ``RemediationClient``.
    """
    usual = Randomness()
    randomness = Randomness(new_id=new_id or usual.new_id, jitter=jitter or usual.jitter)
    kind = type("RemediationClient", (RemediationClient,), {"_randomness": randomness})
    client: RemediationClient = kind(*arguments, **options)
    return client
