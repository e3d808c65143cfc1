"""An Azure Automation runbook (Python 3.10) with the account's managed identity, in two jobs.

    runbook.py plan SUBSCRIPTION_ID [ASSESSMENT_KEY ...]   prints the plan as JSON; changes nothing
    runbook.py apply DIGEST                                reads that JSON from standard input, and applies it

Keep the JSON between the jobs wherever your approval happens, and pass DIGEST from the approved ticket: a plan that was
edited after it was approved has another digest and is refused. The identity needs Security Reader and read access to the
resources to plan, such as the role Reader, and what ``fix.permissions`` lists to apply: ``catalog.role_definition`` gives a
role for both. The report is printed as JSON; the exit status is 1 when a step did not end well, or
did not last until it was verified.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from defender_remediate import FileJournal, Guards, RemediationClient, RemediationPlan
from defender_remediate.errors import DefenderRemediateError

MAX_CHANGES = 25
# A sandbox in the cloud loses its disk with the job. Name a share on a hybrid worker to resume and to roll back later.
JOURNAL = Path(tempfile.gettempdir()) / "defender-remediate"

Connect = Callable[[Sequence[str]], RemediationClient]
"""Makes a client for some scopes."""


def connect(scope: Sequence[str]) -> RemediationClient:
    """A client that signs in as the Automation account's system-assigned identity."""
    from azure.identity import ManagedIdentityCredential

    guards = Guards(max_changes=MAX_CHANGES)
    return RemediationClient(ManagedIdentityCredential(), scope, guards=guards, journal=FileJournal(JOURNAL))


def plan(subscription: str, keys: Sequence[str], connect: Connect) -> int:
    """Print what would be done, as JSON; to standard error as people read it."""
    with connect([f"/subscriptions/{subscription}"]) as client:
        made = client.plan(keys or None).limit(MAX_CHANGES)
    print(made, file=sys.stderr)
    print(made.to_json())
    return 0


def apply(digest: str, text: str, connect: Connect) -> int:
    """Apply the plan in a JSON text when its digest is the approved one; print the report as JSON."""
    approved = RemediationPlan.from_json(text)
    with connect(approved.scope) as client:
        report = client.verify(client.apply(approved, approve=digest))
    print(report, file=sys.stderr)
    print(report.to_json())
    undone = [result for result in report if result.compliant is False]
    return 1 if report.failures or undone else 0


def main(arguments: Sequence[str], connect: Connect = connect) -> int:
    """Run one of the two jobs."""
    try:
        if len(arguments) >= 2 and arguments[0] == "plan":
            return plan(arguments[1], arguments[2:], connect)
        if len(arguments) == 2 and arguments[0] == "apply":
            return apply(arguments[1], sys.stdin.read(), connect)
    except DefenderRemediateError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
