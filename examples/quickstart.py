"""Fix something, offline: the whole cycle on a simulated Azure tenant, in a few seconds.

Nothing here leaves this machine. To do the same in a subscription of yours, make the client with a credential and a
subscription id: see ``fix_one_recommendation.py``.
"""

from __future__ import annotations

from defender_remediate import RemediationClient
from defender_remediate.testing import ArmSimulator

SECURE_TRANSFER = "1c5de8e1-f68d-6a17-e0d2-ec259c42768c"


def main() -> None:
    """List, rank, plan, apply, verify, and look at the trail."""
    azure = ArmSimulator.demo()
    with RemediationClient(azure.credential, azure.scopes, transport=azure, clock=azure.clock) as client:
        print(f"Secure score: {client.get_secure_score()}\n")

        print("Security controls, highest potential increase first:")
        for control in list(client.list_controls())[:5]:
            print(f"  +{control.potential_increase:5.2f}  {control.display_name} ({control.unhealthy_count} unhealthy)")

        print("\nRecommendations with a fix, by what they add:")
        for recommendation in list(client.list_recommendations(fixable=True))[:5]:
            print(f"  {recommendation.display_name}: {recommendation.priority}")

        recommendation = client.get_recommendation(SECURE_TRANSFER)
        print(f"\n{recommendation.display_name}: the manual steps\n{recommendation.remediation_steps}\n")

        plan = client.plan([recommendation])  # reads only
        print(plan)

        report = client.apply(plan, approve=plan.digest)  # writes
        report = client.verify(report, timeout=3600)  # the simulator's hour is over at once
        print(f"\n{report}")

        azure.clock.sleep(900)  # the activity log shows an operation after up to 15 minutes
        print("\nThe trail in the activity log:")
        for event in client.activity.list_events(correlation_id=report.correlation_id):
            print(f"  {event}")

        print(f"\nSecure score: {client.get_secure_score()}")
        report.raise_for_failures()


if __name__ == "__main__":
    main()
