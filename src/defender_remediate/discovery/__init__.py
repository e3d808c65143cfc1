"""What Defender for Cloud found, read from Azure into models."""

from defender_remediate.discovery.discovery import Discovery

__all__ = ["Discovery"]
