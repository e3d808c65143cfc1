"""Fix one recommendation in a subscription: look at the plan, type its first characters, and it is applied.

    python examples/fix_one_recommendation.py SUBSCRIPTION_ID ASSESSMENT_KEY [NAME=VALUE ...]

Signs in as azure.identity's DefaultAzureCredential does: environment, managed identity, az login, and so on.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

from defender_remediate import RemediationClient
from defender_remediate.errors import DefenderRemediateError


def fix_one(
    client: RemediationClient, key: str, parameters: dict[str, object], ask: Callable[[str], str] = input
) -> int:
    """Plan, ask, apply and verify; gives the exit status."""
    recommendation = client.get_recommendation(key)
    print(recommendation)
    print(f"\nThe manual steps:\n{recommendation.remediation_steps}\n")

    plan = client.plan([recommendation], parameters=parameters)
    print(plan)
    if not plan.steps:
        return 0
    if ask(f"\nType {plan.digest[:6]} to apply these {len(plan.steps)} changes: ").strip() != plan.digest[:6]:
        print("Nothing was changed.")
        return 1

    report = client.verify(client.apply(plan, approve=plan.digest))
    print(report)
    return 1 if report.failures else 0


def main(arguments: Sequence[str]) -> int:
    """Run from the command line."""
    if len(arguments) < 2:
        print(__doc__)
        return 2
    from azure.identity import DefaultAzureCredential

    subscription, key, *pairs = arguments
    parameters: dict[str, object] = {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
    try:
        with RemediationClient(DefaultAzureCredential(), f"/subscriptions/{subscription}") as client:
            return fix_one(client, key, parameters)
    except DefenderRemediateError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
