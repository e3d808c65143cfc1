"""Owners and due dates of assessments: listed, and planned like any change."""

from defender_remediate.governance.governance import Governance
from defender_remediate.public_path import show_public_path

__all__ = ["Governance"]

show_public_path(__name__, __all__)
