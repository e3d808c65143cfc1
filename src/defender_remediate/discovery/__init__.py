"""What Defender for Cloud found, read from Azure into models.

- ``discovery``: ``Discovery`` composes what follows.
- ``assessments``, ``recommendations``, ``scores``, ``metadata``, ``posture``, ``governance``: one module for each thing that is read.
- ``vulnerabilities``, ``attack_paths``, ``parameter_choices``: the same.
- ``scopes``, ``sources``, ``resource_graph``, ``kql``: where it is read, over REST or from Resource Graph.
- ``arguments``, ``wanted``: what a listing is about.
- ``counting``, ``ranking``, ``scoring``, ``score_watch``: what is computed from assessments and controls.
- ``empty_listings``: why nothing was found.
"""

from defender_remediate.discovery.discovery import Discovery

__all__ = ["Discovery"]
