"""The reads behind the checks of a plan: few, shared by all its steps, and none of them a write."""

from defender_remediate.preflight.preflight import Preflight
from defender_remediate.preflight.subscription_reader import Subscriptions

__all__ = ["Preflight", "Subscriptions"]
