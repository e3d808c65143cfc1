"""The recipe of decision 13: the synchronous client in a program with an event loop."""

from __future__ import annotations

import asyncio

from defender_remediate import RemediationClient, RemediationReport, SecurityControl


def test_the_client_can_be_called_from_an_event_loop(client: RemediationClient) -> None:
    """In a thread, while the loop goes on; two calls at a time share the client."""
    key = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"

    async def remediate() -> RemediationReport:
        plan = await asyncio.to_thread(client.plan, [key])
        return await asyncio.to_thread(client.apply, plan, approve=plan.digest)

    async def main() -> tuple[RemediationReport, list[SecurityControl]]:
        return await asyncio.gather(remediate(), asyncio.to_thread(lambda: list(client.list_controls())))

    report, controls = asyncio.run(main())
    assert not report.failures
    assert controls
