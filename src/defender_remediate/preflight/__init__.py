"""Preflight checks: what would refuse a planned change, and what the change would break. Reads only.

- ``check``, ``built_in``: the protocol of checks, the runner, and the list of the checks, each of which has a module.
- ``subject``, ``reader``, ``single_flight``, ``member_reads``: what a check judges, and how it reads.
- ``scopes``, ``unreadable``: where locks and the like hold, and what a failed read means.
- ``access_model``, ``last_writers``, ``metrics``, ``storage``: what several checks know.
- ``policy_assignments``, ``policy_enrollments``: the same, about Azure Policy.
"""

from defender_remediate.preflight.built_in import BUILT_IN_CHECKS
from defender_remediate.preflight.check import Check, CheckedSteps, checks_with, permissions_for, run_checks
from defender_remediate.preflight.defender_plans import with_blocked_plans
from defender_remediate.preflight.governance import GovernanceCheck
from defender_remediate.preflight.member_reads import MemberReads
from defender_remediate.preflight.reader import CheckReader, StepFacts
from defender_remediate.preflight.subject import Subject
from defender_remediate.public_path import show_public_path

__all__ = [
    "BUILT_IN_CHECKS",
    "Check",
    "CheckReader",
    "CheckedSteps",
    "GovernanceCheck",
    "MemberReads",
    "StepFacts",
    "Subject",
    "checks_with",
    "permissions_for",
    "run_checks",
    "with_blocked_plans",
]

show_public_path(__name__, __all__)
