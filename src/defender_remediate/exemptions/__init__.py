"""Exemptions and attestations, on Azure's two APIs: listed, and planned like any change."""

from defender_remediate.exemptions.exemptions import Exemptions
from defender_remediate.exemptions.rules import VulnerabilityRule
from defender_remediate.public_path import show_public_path

__all__ = ["Exemptions", "VulnerabilityRule"]

show_public_path(__name__, __all__)
